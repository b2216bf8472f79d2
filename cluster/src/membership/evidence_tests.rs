//! Properties of the evidence: nobody is convicted while he may act, and everybody who is silent is in the end.

use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::*;
use crate::clock::Clock;
use crate::lease::SelfFence;

const TTL_MS: u64 = 6_000;
const TTL: Duration = Duration::from_millis(TTL_MS);
/// Real time of a run, in steps of a millisecond.
const RUN_MS: u64 = 30_000;

fn peer() -> WorkerId {
    WorkerId(uuid::Uuid::from_u128(1))
}

fn sight(held: bool, beat: i64) -> [Sight; 1] {
    [Sight { id: peer(), held, beat }]
}

/// A clock that shows real time run at some rate.
#[derive(Debug)]
struct Skewed {
    origin: Instant,
    real_ms: Mutex<u64>,
    rate: f64,
}

impl Skewed {
    fn new(rate: f64) -> Arc<Self> {
        Arc::new(Self { origin: Instant::now(), real_ms: Mutex::new(0), rate })
    }

    fn set(&self, real_ms: u64) {
        *self.real_ms.lock().expect("nothing panics with it") = real_ms;
    }
}

impl Clock for Skewed {
    fn now(&self) -> Instant {
        let real_ms = *self.real_ms.lock().expect("nothing panics with it");
        self.origin + Duration::from_millis(real_ms).mul_f64(self.rate)
    }

    fn unix_ms(&self) -> u64 {
        0
    }
}

/// One worker and one watcher of it in real time, each with a clock of its own.
#[derive(Debug, Clone)]
struct Run {
    worker_rate: f64,
    watcher_rate: f64,
    redis_rate: f64,
    /// From when on its renewals no longer reach the store; both = it is frozen or cut off.
    postgres_gone_ms: u64,
    redis_gone_ms: u64,
    /// How far apart its renewals are, as a share of the TTL.
    every: f64,
    /// Until an answer is there.
    latency_ms: u64,
    /// How far apart the looks are; one of them may be far too late.
    look_every_ms: u64,
    hitch_at_ms: u64,
    hitch_ms: u64,
    /// The server's wall clock jumps by this much, somewhere.
    jump_at_ms: u64,
    jump_ms: i64,
}

fn runs() -> impl Strategy<Value = Run> {
    let rates = (0.95..=1.05, 0.95..=1.05, 0.95..=1.05);
    let gone = (0..RUN_MS * 2, 0..RUN_MS * 2, 0.1..=0.36_f64, 0..200_u64);
    let looks = (50..=TTL_MS / 6, 0..RUN_MS, 0..TTL_MS * 2);
    let jumps = (0..RUN_MS, -10_000_000..10_000_000_i64);
    (rates, gone, looks, jumps).prop_map(
        |(
            (worker_rate, watcher_rate, redis_rate),
            (postgres_gone_ms, redis_gone_ms, every, latency_ms),
            (look_every_ms, hitch_at_ms, hitch_ms),
            (jump_at_ms, jump_ms),
        )| Run {
            worker_rate,
            watcher_rate,
            redis_rate,
            postgres_gone_ms,
            redis_gone_ms,
            every,
            latency_ms,
            look_every_ms,
            hitch_at_ms,
            hitch_ms,
            jump_at_ms,
            jump_ms,
        },
    )
}

/// What happened in a run: when the worker was convicted, and until when it believed in its lease.
struct Outcome {
    convicted_ms: Option<u64>,
    valid_until_ms: u64,
}

impl Run {
    /// Plays the run; `convict` is asked at each look (silent, lease there).
    fn play(&self, proves: impl Fn(bool, bool) -> bool) -> Outcome {
        let (worker, watcher) = (Skewed::new(self.worker_rate), Skewed::new(self.watcher_rate));
        let fence = SelfFence::new(TTL, worker.clone());
        let mut evidence = Evidence::new(TTL, true, watcher.now());
        let (mut beat, mut lease_until_ms) = (0, 0);
        let (mut renew_at_ms, mut look_at_ms) = (0, 0);
        let mut outcome = Outcome { convicted_ms: None, valid_until_ms: 0 };
        for now_ms in 0..RUN_MS {
            worker.set(now_ms);
            watcher.set(now_ms);
            if now_ms >= renew_at_ms {
                let asked_at = worker.now();
                let wall_ms = now_ms.cast_signed() + if now_ms >= self.jump_at_ms { self.jump_ms } else { 0 };
                if now_ms < self.postgres_gone_ms {
                    beat = wall_ms;
                    fence.renewed(asked_at);
                }
                if now_ms < self.redis_gone_ms {
                    lease_until_ms = now_ms + scale(TTL_MS, 1.0 / self.redis_rate);
                    fence.extended(asked_at);
                }
                renew_at_ms = now_ms + scale(TTL_MS, self.every / self.worker_rate) + self.latency_ms;
            }
            if fence.is_valid() {
                outcome.valid_until_ms = now_ms;
            }
            if now_ms >= look_at_ms {
                let silent = evidence.look(&sight(true, beat), watcher.now());
                if proves(!silent.is_empty(), lease_until_ms > now_ms) && outcome.convicted_ms.is_none() {
                    outcome.convicted_ms = Some(now_ms);
                }
                let late = if (self.hitch_at_ms..self.hitch_at_ms + self.look_every_ms).contains(&now_ms) {
                    self.hitch_ms
                } else {
                    0
                };
                look_at_ms = now_ms + scale(self.look_every_ms, 1.0 / self.watcher_rate) + late;
            }
        }
        outcome
    }
}

fn scale(ms: u64, by: f64) -> u64 {
    u64::try_from(Duration::from_millis(ms).mul_f64(by).as_millis()).expect("it is small")
}

fn by_the_rules(silent: bool, lease_there: bool) -> bool {
    silent && Cause::Silence.is_proved_by(Finding::Lease { there: Some(lease_there) })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nobody_is_convicted_of_silence_while_his_own_fence_lets_him_act(run in runs()) {
        let outcome = run.play(by_the_rules);
        if let Some(convicted_ms) = outcome.convicted_ms {
            prop_assert!(convicted_ms > outcome.valid_until_ms, "{convicted_ms} {}", outcome.valid_until_ms);
        }
    }

    #[test]
    fn whoever_is_cut_off_from_both_stores_is_convicted_soon_after_his_ttl(run in runs()) {
        let gone_ms = run.postgres_gone_ms.max(run.redis_gone_ms);
        // What a clock that runs slow makes of the TTL, the looks, and a hitch after which it is watched anew.
        let latest_ms = gone_ms + scale(TTL_MS, 1.06) + 3 * run.look_every_ms + run.hitch_ms + TTL_MS + 500;
        if latest_ms < RUN_MS {
            let convicted_ms = run.play(by_the_rules).convicted_ms;
            prop_assert!(convicted_ms.is_some_and(|at| at <= latest_ms), "{convicted_ms:?} {latest_ms}");
        }
    }

    #[test]
    fn whoever_renews_in_either_store_is_never_convicted(run in runs(), in_redis: bool) {
        let run = match in_redis {
            true => Run { redis_gone_ms: u64::MAX, ..run },
            false => Run { postgres_gone_ms: u64::MAX, ..run },
        };
        prop_assert_eq!(run.play(by_the_rules).convicted_ms, None);
    }

    #[test]
    fn a_session_has_ended_only_for_who_saw_it_held_on_the_same_connection(held in prop::collection::vec(any::<bool>(), 1..40)) {
        let start = Instant::now();
        let mut evidence = Evidence::new(TTL, true, start);
        for (index, now_held) in held.iter().enumerate() {
            let at = start + Duration::from_millis(10 * index as u64);
            let ended = evidence.look(&sight(*now_held, index as i64), at).contains(&(peer(), Cause::SessionEnded));
            let was_held = index > 0 && held[index - 1];
            prop_assert_eq!(ended, was_held && !now_held);
            prop_assert_eq!(evidence.was_held(peer()), *now_held);
        }
        let mut anew = Evidence::new(TTL, true, start);
        prop_assert!(anew.look(&sight(false, 0), start).is_empty(), "a new connection has seen nothing");
    }
}

#[test]
fn without_session_locks_a_free_lock_says_nothing() {
    let start = Instant::now();
    let mut evidence = Evidence::new(TTL, false, start);
    evidence.look(&sight(true, 1), start);
    assert_eq!(evidence.look(&sight(false, 1), start + Duration::from_millis(1)), []);
    assert!(!evidence.was_held(peer()));
}

#[test]
fn a_watcher_that_was_held_up_begins_to_watch_anew() {
    let start = Instant::now();
    let mut evidence = Evidence::new(TTL, true, start);
    evidence.look(&sight(true, 1), start);
    let late = start + TTL * 3;
    assert_eq!(evidence.look(&sight(true, 1), late), [], "its heartbeats may have waited behind ours");
    assert_eq!(evidence.look(&sight(true, 1), late + TTL / 2), []);
    assert_eq!(evidence.look(&sight(true, 1), late + TTL), [(peer(), Cause::Silence)]);
}

#[test]
fn what_proves_one_cause_proves_not_the_other_and_a_redis_that_is_away_proves_nothing() {
    assert!(Cause::SessionEnded.is_proved_by(Finding::Lock { taken: true }));
    assert!(Cause::Silence.is_proved_by(Finding::Lease { there: Some(false) }));
    for (cause, finding) in [
        (Cause::SessionEnded, Finding::Lock { taken: false }),
        (Cause::SessionEnded, Finding::Lease { there: Some(false) }),
        (Cause::Silence, Finding::Lock { taken: true }),
        (Cause::Silence, Finding::Lease { there: Some(true) }),
        (Cause::Silence, Finding::Lease { there: None }),
    ] {
        assert!(!cause.is_proved_by(finding), "{cause:?} {finding:?}");
    }
}
