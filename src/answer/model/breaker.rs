//! Keeps questions from waiting for an endpoint that is down. Pure: time comes in with each call.
//!
//! After [`FAILURES`] calls in a row that failed through the endpoint's fault it is left alone for a while, then one
//! call tries it. What a question or a document can bring about (a reply that cannot be used, a request that is too
//! long) is no fault of the endpoint: it would let one server take the model from all others.

use std::time::Duration;

use tokio::time::Instant;

const FAILURES: u32 = 5;
/// How long it is left alone: doubled at each trial in vain.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(120);
/// A trial of which nothing is heard for so long was given up.
const TRIAL: Duration = Duration::from_secs(120);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Closed {
        failures: u32,
    },
    /// `trials`: how often it was tried in vain since it opened.
    Open {
        until: Instant,
        trials: u32,
    },
    Trying {
        since: Instant,
        trials: u32,
    },
}

#[derive(Debug)]
pub struct Breaker(State);

impl Default for Breaker {
    fn default() -> Self {
        Self(State::Closed { failures: 0 })
    }
}

impl Breaker {
    /// Whether a call may be made now; its outcome is to be told.
    pub fn lets_through(&mut self, now: Instant) -> bool {
        match self.0 {
            State::Closed { .. } => true,
            State::Open { until, .. } if now < until => false,
            State::Trying { since, .. } if now < since + TRIAL => false,
            State::Open { trials, .. } | State::Trying { trials, .. } => {
                self.0 = State::Trying { since: now, trials };
                true
            }
        }
    }

    pub fn succeeded(&mut self) {
        // A call that began before it opened says nothing of now.
        if !matches!(self.0, State::Open { .. }) {
            self.0 = State::Closed { failures: 0 };
        }
    }

    /// `at_least`: how long the endpoint itself asks to be left alone. True: it is open from now on.
    pub fn failed(&mut self, now: Instant, at_least: Duration) -> bool {
        let trials = match self.0 {
            State::Closed { failures } if failures + 1 < FAILURES => {
                self.0 = State::Closed { failures: failures + 1 };
                return false;
            }
            State::Closed { .. } => 0,
            State::Open { .. } => return false,
            State::Trying { trials, .. } => trials + 1,
        };
        let pause = FIRST.saturating_mul(1 << trials.min(8)).max(at_least).min(LONGEST);
        self.0 = State::Open { until: now + pause, trials };
        true
    }

    /// A call ended without telling anything of the endpoint: its question was called off.
    pub fn told_nothing(&mut self, now: Instant) {
        if let State::Trying { trials, .. } = self.0 {
            self.0 = State::Open { until: now, trials };
        }
    }

    pub fn is_closed(&self) -> bool {
        matches!(self.0, State::Closed { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(at: Instant) -> Breaker {
        let mut breaker = Breaker::default();
        for failure in 1..=FAILURES {
            assert!(breaker.lets_through(at));
            assert_eq!(breaker.failed(at, Duration::ZERO), failure == FAILURES);
        }
        breaker
    }

    #[test]
    fn it_opens_after_failures_in_a_row_and_lets_one_trial_through() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(!breaker.lets_through(now + FIRST - Duration::from_millis(1)));
        assert!(breaker.lets_through(now + FIRST), "one tries");
        assert!(!breaker.lets_through(now + FIRST), "and no other meanwhile");
        breaker.succeeded();
        assert!(breaker.is_closed() && breaker.lets_through(now + FIRST));
    }

    #[test]
    fn a_trial_in_vain_leaves_it_alone_for_longer_each_time() {
        let mut now = Instant::now();
        let mut breaker = opened(now);
        let mut pauses = Vec::new();
        for _ in 0..7 {
            let before = now;
            while !breaker.lets_through(now) {
                now += Duration::from_secs(1);
            }
            pauses.push((now - before).as_secs());
            assert!(breaker.failed(now, Duration::ZERO));
        }
        assert_eq!(pauses, [5, 10, 20, 40, 80, 120, 120]);
    }

    #[test]
    fn failures_with_successes_between_them_do_not_open_it() {
        let (now, mut breaker) = (Instant::now(), Breaker::default());
        for _ in 0..FAILURES * 3 {
            breaker.failed(now, Duration::ZERO);
            breaker.succeeded();
        }
        assert!(breaker.is_closed());
    }

    #[test]
    fn the_endpoint_is_left_alone_for_as_long_as_it_asks_within_bounds() {
        let (now, mut breaker) = (Instant::now(), Breaker::default());
        for _ in 0..FAILURES {
            breaker.failed(now, Duration::from_secs(60));
        }
        assert!(!breaker.lets_through(now + Duration::from_secs(59)));
        assert!(breaker.lets_through(now + Duration::from_secs(60)));
    }

    #[test]
    fn a_trial_that_was_called_off_makes_room_for_the_next() {
        let now = Instant::now();
        let mut breaker = opened(now);
        assert!(breaker.lets_through(now + FIRST));
        breaker.told_nothing(now + FIRST);
        assert!(breaker.lets_through(now + FIRST));
        assert!(breaker.lets_through(now + FIRST + TRIAL), "also when nothing is heard of it");
    }
}
