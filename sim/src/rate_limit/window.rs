//! One window: opened by its first request, closed after its length, which may differ from the one announced.

use super::Rule;
use std::time::Duration;
use tokio::time::Instant;

/// A window after one request was counted against it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Standing {
    pub(crate) limit: u32,
    pub(crate) remaining: u32,
    /// What the headers say: the time left of the announced length; after a refusal, of the real one.
    pub(crate) reset_after: Duration,
    pub(crate) allowed: bool,
}

#[derive(Debug)]
pub(super) struct Window {
    start: Instant,
    announced: Duration,
    real: Duration,
    used: u32,
}

impl Window {
    /// Counts a request. `stretch` gives the real length of a window that opens now.
    pub(super) fn take(
        slot: &mut Option<Self>,
        rule: Rule,
        now: Instant,
        stretch: impl FnOnce(Duration) -> Duration,
    ) -> Standing {
        if slot.as_ref().is_none_or(|window| window.is_over(now)) {
            *slot = Some(Self { start: now, announced: rule.per, real: stretch(rule.per), used: 0 });
        }
        let window = slot.as_mut().expect("it was opened above");
        let allowed = window.used < rule.limit;
        if allowed {
            window.used += 1;
        }
        let length = if allowed { window.announced } else { window.real };
        Standing {
            limit: rule.limit,
            remaining: rule.limit.saturating_sub(window.used),
            reset_after: (window.start + length).saturating_duration_since(now),
            allowed,
        }
    }

    pub(super) fn is_over(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.start) >= self.real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretched_window_refuses_past_its_announced_end_and_then_tells_the_truth() {
        let (mut slot, now, rule) = (None, Instant::now(), Rule::per_s(1, 5));
        let longer = |per: Duration| per + Duration::from_millis(200);
        let first = Window::take(&mut slot, rule, now, longer);
        assert_eq!((first.allowed, first.remaining, first.reset_after), (true, 0, Duration::from_secs(5)));
        let early = Window::take(&mut slot, rule, now + Duration::from_secs(5), longer);
        assert_eq!((early.allowed, early.reset_after), (false, Duration::from_millis(200)));
        assert!(Window::take(&mut slot, rule, now + Duration::from_millis(5_200), longer).allowed);
    }
}
