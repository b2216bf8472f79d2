//! The budget of invalid requests: too many answers 401, 403 or 429 in ten minutes end in a ban.
//! <https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans>

use std::time::Duration;
use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(600);

#[derive(Debug)]
pub(super) struct Invalid {
    limit: u64,
    ban: Duration,
    since: Option<Instant>,
    count: u64,
    banned_until: Option<Instant>,
}

impl Invalid {
    pub(super) const fn new(limit: u64, ban: Duration) -> Self {
        Self { limit, ban, since: None, count: 0, banned_until: None }
    }

    /// Counts one; past the limit the ban begins.
    pub(super) fn add(&mut self, now: Instant) {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) >= WINDOW) {
            (self.since, self.count) = (Some(now), 0);
        }
        self.count += 1;
        if self.count >= self.limit && self.banned_until.is_none() {
            self.banned_until = Some(now + self.ban);
        }
    }

    /// What is left of the ban. With its end the count begins anew.
    pub(super) fn banned_for(&mut self, now: Instant) -> Option<Duration> {
        let left = self.banned_until?.saturating_duration_since(now);
        if left.is_zero() {
            (self.banned_until, self.since, self.count) = (None, None, 0);
            return None;
        }
        Some(left)
    }

    pub(super) fn count(&self, now: Instant) -> u64 {
        let open = self.since.is_some_and(|since| now.saturating_duration_since(since) < WINDOW);
        if open { self.count } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn too_many_in_ten_minutes_end_in_a_ban_of_its_length() {
        let mut invalid = Invalid::new(2, Duration::from_secs(60));
        let now = Instant::now();
        invalid.add(now);
        assert_eq!(invalid.banned_for(now), None);
        invalid.add(now);
        assert_eq!(invalid.banned_for(now + Duration::from_secs(20)), Some(Duration::from_secs(40)));
        assert_eq!(invalid.banned_for(now + Duration::from_secs(60)), None);
        invalid.add(now + Duration::from_secs(61));
        assert_eq!(invalid.banned_for(now + Duration::from_secs(61)), None, "the count began anew");
    }

    #[test]
    fn slow_ones_never_add_up() {
        let mut invalid = Invalid::new(2, Duration::from_secs(60));
        let now = Instant::now();
        for n in 0..5 {
            invalid.add(now + WINDOW * n);
            assert_eq!(invalid.count(now + WINDOW * n), 1);
        }
        assert_eq!(invalid.banned_for(now + WINDOW * 5), None);
    }
}
