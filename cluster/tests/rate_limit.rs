//! The limiter against a simulated far end in virtual time: nothing is refused, and little is left unused.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use helpline_cluster::rate_limit::{
    Answer, Blocked, Config, Decision, Grant, Limiter, RateLimits, Route, Scope,
};
use proptest::prelude::*;
use tokio::time::Instant;

/// Discord as it counts: a sliding second over everything, a fixed window per bucket.
struct FarEnd {
    global_per_s: usize,
    bucket: Option<(u32, Duration)>,
    arrivals: VecDeque<Instant>,
    windows: HashMap<String, (Instant, u32)>,
    refused: usize,
    taken: usize,
}

impl FarEnd {
    fn new(global_per_s: usize, bucket: Option<(u32, Duration)>) -> Self {
        let (arrivals, windows) = (VecDeque::new(), HashMap::new());
        Self { global_per_s, bucket, arrivals, windows, refused: 0, taken: 0 }
    }

    fn take(&mut self, route: &Route, now: Instant) -> Answer {
        if route.counts_globally() {
            while self.arrivals.front().is_some_and(|&at| at + Duration::from_secs(1) <= now) {
                self.arrivals.pop_front();
            }
            if self.arrivals.len() >= self.global_per_s {
                self.refused += 1;
                let retry_after = Some(Duration::from_millis(300));
                return Answer { status: 429, retry_after, scope: Some(Scope::Global), ..Answer::default() };
            }
            self.arrivals.push_back(now);
        }
        let Some((limit, window)) = self.bucket else {
            self.taken += 1;
            return Answer { status: 200, ..Answer::default() };
        };
        let name = format!("{}/{}", route.template(), route.major());
        let state = self.windows.entry(name).or_insert((now + window, 0));
        if state.0 <= now {
            *state = (now + window, 0);
        }
        let reset_after = Some(state.0 - now);
        let bucket = Some("b1".to_owned());
        if state.1 >= limit {
            self.refused += 1;
            let (remaining, retry_after) = (Some(0), reset_after);
            let scope = Some(Scope::User);
            let limit = Some(limit);
            return Answer { status: 429, bucket, limit, remaining, reset_after, retry_after, scope };
        }
        state.1 += 1;
        self.taken += 1;
        let remaining = Some(limit - state.1);
        Answer {
            status: 200,
            bucket,
            limit: Some(limit),
            remaining,
            reset_after,
            retry_after: None,
            scope: None,
        }
    }
}

enum Step {
    Arrive(usize, Grant),
    Answered(usize, Grant, Answer),
    Look,
}

struct Load<'a> {
    routes: &'a [Route],
    /// Requests wanted per route; the whole load is there from the start.
    wanted: usize,
    out_ms: std::ops::Range<u64>,
    back_ms: std::ops::Range<u64>,
    seed: u64,
}

/// Runs the load for `span`; returns how many requests the far end took.
fn drive(limits: &mut RateLimits, far: &mut FarEnd, load: &Load<'_>, span: Duration) -> usize {
    let mut random = fastrand::Rng::with_seed(load.seed);
    let start = Instant::now();
    let mut order = BinaryHeap::new();
    let mut steps: Vec<Option<Step>> = Vec::new();
    let mut left: Vec<usize> = load.routes.iter().map(|_| load.wanted).collect();
    let mut looks = BTreeSet::new();
    let schedule = |order: &mut BinaryHeap<_>, steps: &mut Vec<Option<Step>>, at: Instant, step: Step| {
        order.push(Reverse((at, steps.len())));
        steps.push(Some(step));
    };
    schedule(&mut order, &mut steps, start, Step::Look);
    while let Some(Reverse((now, index))) = order.pop() {
        if now > start + span {
            break;
        }
        match steps[index].take().expect("every step is taken once") {
            Step::Arrive(route, grant) => {
                let answer = far.take(&load.routes[route], now);
                let at = now + Duration::from_millis(random.u64(load.back_ms.clone()));
                schedule(&mut order, &mut steps, at, Step::Answered(route, grant, answer));
            }
            Step::Answered(route, grant, answer) => {
                if answer.is_limited() {
                    left[route] += 1;
                }
                limits.learn(grant, &answer, now);
            }
            Step::Look => {}
        }
        for (index, route) in load.routes.iter().enumerate() {
            while left[index] > 0 {
                match limits.acquire(route, now) {
                    Decision::Go(grant) => {
                        left[index] -= 1;
                        let at = now + Duration::from_millis(random.u64(load.out_ms.clone()));
                        schedule(&mut order, &mut steps, at, Step::Arrive(index, grant));
                    }
                    Decision::Wait(Blocked::Global(until) | Blocked::Bucket(Some(until))) => {
                        if looks.insert(until) {
                            schedule(&mut order, &mut steps, until, Step::Look);
                        }
                        break;
                    }
                    Decision::Wait(Blocked::Bucket(None)) => break,
                }
            }
        }
        if left.iter().all(|&left| left == 0) && order.is_empty() {
            break;
        }
    }
    far.taken
}

fn channels(count: usize) -> Vec<Route> {
    (1..=count).map(|channel| Route::new("POST", &format!("/channels/{channel}/messages"))).collect()
}

#[test]
fn at_the_global_limit_nothing_is_refused_and_95_percent_are_used() {
    for (limit, seed) in [(50, 1), (50, 2), (200, 3), (1_000, 4)] {
        let mut limits = RateLimits::new(limit);
        let mut far = FarEnd::new(limit as usize, None);
        let routes = channels(40);
        let load = Load { routes: &routes, wanted: 100_000, out_ms: 5..25, back_ms: 5..25, seed };
        let seconds = 10;
        let taken = drive(&mut limits, &mut far, &load, Duration::from_secs(seconds));
        assert_eq!(far.refused, 0, "refused at {limit} a second");
        let possible = limit as usize * usize::try_from(seconds).expect("a few seconds");
        assert!(taken * 100 > possible * 95, "only {taken} of {possible}");
    }
}

#[test]
fn a_bucket_over_several_windows_is_used_without_a_refusal() {
    let window = Duration::from_secs(2);
    let mut limits = RateLimits::new(1_000);
    let mut far = FarEnd::new(1_000, Some((5, window)));
    let routes = channels(30);
    let load = Load { routes: &routes, wanted: 1_000, out_ms: 5..30, back_ms: 5..30, seed: 7 };
    let taken = drive(&mut limits, &mut far, &load, Duration::from_secs(20));
    assert_eq!(far.refused, 0);
    // Ten windows of five in each of thirty channels; a window opens late by a round trip.
    assert!(taken > 30 * 5 * 8, "only {taken}");
}

#[test]
fn an_unknown_route_sends_one_request_and_a_learned_one_starts_new_channels_at_its_limit() {
    let now = Instant::now();
    let mut limits = RateLimits::new(50);
    let first = Route::new("POST", "/channels/1/messages");
    let Decision::Go(grant) = limits.acquire(&first, now) else { panic!("the first request may go") };
    assert!(matches!(limits.acquire(&first, now), Decision::Wait(Blocked::Bucket(None))));
    let other = Route::new("POST", "/channels/2/messages");
    let Decision::Go(second) = limits.acquire(&other, now) else { panic!("another channel does not wait") };
    let mut far = FarEnd::new(50, Some((5, Duration::from_secs(5))));
    limits.learn(grant, &far.take(&first, now), now);
    let new = Route::new("POST", "/channels/3/messages");
    let granted = (0..9).map(|_| limits.acquire(&new, now)).filter(|d| matches!(d, Decision::Go(_))).count();
    assert_eq!(granted, 5);
    // Channel 2 has one under way from the time before: four more.
    let granted =
        (0..9).map(|_| limits.acquire(&other, now)).filter(|d| matches!(d, Decision::Go(_))).count();
    assert_eq!(granted, 4);
    limits.learn(second, &far.take(&other, now), now);
}

#[test]
fn a_429_blocks_what_its_scope_names_and_nothing_else() {
    let now = Instant::now();
    let mut limits = RateLimits::new(50);
    let routes = channels(2);
    let wait = Some(Duration::from_secs(3));
    let Decision::Go(grant) = limits.acquire(&routes[0], now) else { panic!("may go") };
    let bucket = Some("b1".to_owned());
    let shared = Scope::Shared;
    let answer = Answer { status: 429, retry_after: wait, scope: Some(shared), bucket, ..Answer::default() };
    limits.learn(grant, &answer, now);
    let later = now + Duration::from_millis(2_900);
    assert!(matches!(limits.acquire(&routes[0], later), Decision::Wait(Blocked::Bucket(Some(_)))));
    let Decision::Go(grant) = limits.acquire(&routes[1], later) else { panic!("the other channel may go") };
    let answer = Answer { status: 429, retry_after: wait, scope: Some(Scope::Global), ..Answer::default() };
    limits.learn(grant, &answer, later);
    let soon = later + Duration::from_millis(200);
    assert!(matches!(limits.acquire(&routes[1], soon), Decision::Wait(Blocked::Global(_))));
    let callback = Route::new("POST", "/interactions/1/t/callback");
    assert!(matches!(limits.acquire(&callback, soon), Decision::Go(_)));
    assert!(matches!(limits.acquire(&routes[1], later + Duration::from_secs(3)), Decision::Go(_)));
}

#[test]
fn a_lost_request_does_not_block_its_bucket_for_good() {
    let mut now = Instant::now();
    let mut limits = RateLimits::new(50);
    let mut far = FarEnd::new(50, Some((1, Duration::from_secs(1))));
    let route = &channels(1)[0];
    let Decision::Go(grant) = limits.acquire(route, now) else { panic!("may go") };
    limits.learn(grant, &far.take(route, now), now);
    now += Duration::from_secs(1);
    let Decision::Go(grant) = limits.acquire(route, now) else { panic!("a new window") };
    limits.abandon(grant, now);
    let Decision::Wait(Blocked::Bucket(Some(until))) = limits.acquire(route, now) else {
        panic!("the lost request may have counted")
    };
    assert!(matches!(limits.acquire(route, until), Decision::Go(_)));
}

#[tokio::test(start_paused = true)]
async fn what_may_be_left_out_goes_only_while_nothing_waits_and_half_of_the_limit_is_free() {
    const PATIENCE: Duration = Duration::from_millis(50);
    let limiter = Limiter::new(Config { global_per_s: 10, max_waiting: 100 });
    let stop = tokio_util::sync::CancellationToken::new();
    let running = tokio::spawn({
        let (limiter, stop) = (std::sync::Arc::clone(&limiter), stop.clone());
        async move { limiter.run(stop).await }
    });
    let typing = |channel: u64| Route::new("POST", &format!("/channels/{channel}/typing"));
    let routes = channels(40);
    let mut permits = Vec::new();
    for route in &routes[..4] {
        permits.push(limiter.acquire(route.clone()).await.expect("few wait"));
    }
    let spare = limiter.acquire_spare(typing(1), PATIENCE).await;
    assert!(spare.is_some(), "six of ten are free");
    assert!(limiter.acquire_spare(typing(1), PATIENCE).await.is_none(), "half are taken");
    drop((permits, spare));
    tokio::time::sleep(Duration::from_secs(2)).await;
    // A bucket that has to be waited for is not waited for.
    let unanswered = limiter.acquire(typing(2)).await.expect("few wait");
    assert!(limiter.acquire_spare(typing(2), PATIENCE).await.is_none());
    drop(unanswered);
    tokio::time::sleep(Duration::from_secs(2)).await;
    // Its place in the queue is given up with it: others wait for nothing of it.
    let waiting = limiter.acquire(routes[0].clone()).await.expect("few wait");
    let behind = tokio::spawn({
        let (limiter, route) = (std::sync::Arc::clone(&limiter), routes[0].clone());
        async move { limiter.acquire(route).await }
    });
    while limiter.waiting() == 0 {
        tokio::task::yield_now().await;
    }
    assert!(limiter.acquire_spare(typing(3), PATIENCE).await.is_none(), "something waits");
    drop(waiting);
    drop(behind.await.expect("it ends").expect("it may go"));
    stop.cancel();
    running.await.expect("it ends");
}

#[test]
fn idle_buckets_are_forgotten() {
    let now = Instant::now();
    let mut limits = RateLimits::new(50);
    let mut far = FarEnd::new(50, Some((5, Duration::from_secs(1))));
    for route in channels(20) {
        let Decision::Go(grant) = limits.acquire(&route, now) else { panic!("may go") };
        limits.learn(grant, &far.take(&route, now), now);
    }
    assert_eq!(limits.buckets(), 20);
    limits.sweep(now + Duration::from_secs(2));
    assert_eq!(limits.buckets(), 0);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]

    #[test]
    fn whatever_the_load_nothing_is_refused(
        seed in any::<u64>(),
        global in 1u32..120,
        limit in 1u32..12,
        window_ms in 300u64..6_000,
        majors in 1usize..24,
        jitter_ms in 1u64..20,
    ) {
        let mut limits = RateLimits::new(global);
        let mut far = FarEnd::new(global as usize, Some((limit, Duration::from_millis(window_ms))));
        let routes = channels(majors);
        let delay = 1..1 + jitter_ms;
        let load = Load { routes: &routes, wanted: 400, out_ms: delay.clone(), back_ms: delay, seed };
        drive(&mut limits, &mut far, &load, Duration::from_secs(15));
        prop_assert_eq!(far.refused, 0);
    }
}
