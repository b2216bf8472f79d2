//! Who may IDENTIFY when: buckets of `max_concurrency`, and the day's budget.
//! <https://discord.com/developers/docs/events/gateway#session-start-limit-object>

use crate::config::Config;
use crate::lock;
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

const DAY: Duration = Duration::from_secs(86_400);

/// What came of asking to IDENTIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// With the number of earlier sessions of the same gateway shard and total.
    Allowed(u64),
    /// More than one in the interval for this bucket: opcode 9.
    TooSoon,
    /// The daily budget is gone: the token is reset.
    OverBudget,
}

#[derive(Debug, Default)]
struct State {
    last: HashMap<u32, Instant>,
    day_began: Option<Instant>,
    used: u32,
    /// Sessions begun, by gateway shard and total.
    begun: HashMap<(u32, u32), u64>,
}

#[derive(Debug)]
pub(super) struct Starts {
    state: Mutex<State>,
    max_concurrency: u32,
    interval: Duration,
    budget: u32,
}

impl Starts {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            state: Mutex::default(),
            max_concurrency: config.max_concurrency,
            interval: config.identify_interval,
            budget: config.identify_budget,
        }
    }

    /// Asks to start a session on a gateway shard.
    pub(super) fn start(&self, (shard, total): (u32, u32), now: Instant) -> Start {
        let mut state = lock(&self.state);
        if state.day_began.is_none_or(|began| now.duration_since(began) >= DAY) {
            state.day_began = Some(now);
            state.used = 0;
        }
        state.used += 1;
        if state.used > self.budget {
            return Start::OverBudget;
        }
        let bucket = shard % self.max_concurrency;
        let last = state.last.get(&bucket);
        if last.is_some_and(|last| now.duration_since(*last) < self.interval) {
            return Start::TooSoon;
        }
        state.last.insert(bucket, now);
        let begun = state.begun.entry((shard, total)).or_default();
        *begun += 1;
        Start::Allowed(*begun - 1)
    }

    /// Remaining IDENTIFYs today, and the time until the count starts anew.
    pub(super) fn budget(&self, now: Instant) -> (u32, Duration) {
        let state = lock(&self.state);
        let passed = state.day_began.map_or(Duration::ZERO, |began| now.duration_since(began));
        if passed >= DAY {
            return (self.budget, Duration::ZERO);
        }
        let left = if state.day_began.is_some() { DAY - passed } else { Duration::ZERO };
        (self.budget.saturating_sub(state.used), left)
    }

    /// A new token begins a new day. Sessions begun stay counted, so that none is taken for an earlier one.
    pub(super) fn begin_anew(&self) {
        let mut state = lock(&self.state);
        state.last.clear();
        state.day_began = None;
        state.used = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifies_are_counted_per_bucket_and_day() {
        let config = Config { max_concurrency: 2, identify_budget: 4, ..Config::default() };
        let starts = Starts::new(&config);
        let now = Instant::now();
        assert_eq!(starts.start((0, 4), now), Start::Allowed(0));
        assert_eq!(starts.start((1, 4), now), Start::Allowed(0));
        assert_eq!(starts.start((2, 4), now), Start::TooSoon, "shares the bucket of 0");
        assert_eq!(starts.budget(now).0, 1);
        let later = now + Duration::from_secs(5);
        assert_eq!(
            starts.start((0, 4), later),
            Start::Allowed(1),
            "the second session of this gateway shard"
        );
        assert_eq!(starts.start((1, 4), later), Start::OverBudget);
        let tomorrow = now + DAY;
        assert_eq!(starts.budget(tomorrow), (4, Duration::ZERO));
        assert_eq!(starts.start((1, 4), tomorrow), Start::Allowed(1));
    }
}
