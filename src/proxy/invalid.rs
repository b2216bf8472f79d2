//! Counts refused requests: Discord bans an address after 10,000 answers with 401, 403 or 429 in ten minutes.
//! Source: <https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans>.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(600);
/// Refusals are counted together for so long.
const STEP: Duration = Duration::from_secs(10);

/// Refusals of the last ten minutes against a threshold.
#[derive(Debug)]
pub struct InvalidBudget {
    threshold: u32,
    steps: Mutex<VecDeque<(Instant, u32)>>,
}

impl InvalidBudget {
    pub fn new(threshold: u32) -> Self {
        Self { threshold, steps: Mutex::default() }
    }

    /// Counts one refusal; true when it is the one that reaches the threshold.
    pub fn count(&self, now: Instant) -> bool {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut steps, now);
        match steps.back_mut() {
            Some((since, count)) if now.saturating_duration_since(*since) < STEP => *count += 1,
            _ => steps.push_back((now, 1)),
        }
        steps.iter().map(|(_, count)| count).sum::<u32>() == self.threshold
    }

    /// Until when nothing may be sent, if the threshold is reached.
    pub fn exhausted(&self, now: Instant) -> Option<Instant> {
        let mut steps = self.steps.lock().unwrap_or_else(PoisonError::into_inner);
        forget(&mut steps, now);
        let sum: u32 = steps.iter().map(|(_, count)| count).sum();
        let oldest = steps.front().map(|(since, _)| *since + STEP + WINDOW);
        if sum >= self.threshold { oldest } else { None }
    }
}

fn forget(steps: &mut VecDeque<(Instant, u32)>, now: Instant) {
    while steps.front().is_some_and(|(since, _)| *since + STEP + WINDOW <= now) {
        steps.pop_front();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_budget_stops_at_its_threshold_and_recovers_after_ten_minutes() {
        let start = Instant::now();
        let budget = InvalidBudget::new(3);
        assert!(!budget.count(start) && !budget.count(start));
        assert_eq!(budget.exhausted(start), None);
        assert!(budget.count(start + STEP * 2));
        let until = budget.exhausted(start + STEP * 3).expect("exhausted");
        assert!(until > start + WINDOW);
        assert_eq!(budget.exhausted(until), None);
    }
}
