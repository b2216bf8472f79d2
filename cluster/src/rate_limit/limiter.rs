//! The limits as tasks use them: wait for a [`Permit`], send, hand in the answer.
//!
//! Waiting requests are served in the order in which they came, per bucket exactly, and across buckets as
//! far as the buckets allow. The number of waiting requests is bounded; one more is refused.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Answer, Blocked, Decision, Grant, RateLimits, Route};

/// How often idle buckets are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);

/// Settings of a [`Limiter`].
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Requests per second over all routes.
    pub global_per_s: u32,
    /// Requests that may wait at once; one more is refused.
    pub max_waiting: usize,
}

/// Too many requests wait already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many requests wait for the rate limits; try again later")]
pub struct Overflow;

/// Shares one [`RateLimits`] between tasks. [`Limiter::run`] must be polled for waiting requests to go on.
#[derive(Debug)]
pub struct Limiter {
    state: Mutex<State>,
    wake: Notify,
    max_waiting: usize,
}

#[derive(Debug)]
struct State {
    limits: RateLimits,
    /// Requests that count globally, and those that do not, by place in the queue.
    global: Lane,
    free: Lane,
    next_place: u64,
}

type Lane = BTreeMap<u64, (Route, oneshot::Sender<Grant>)>;

/// Leave to send one request; hand in the answer with [`Permit::answered`] or [`Permit::again`].
/// Dropping it says that no answer came.
#[derive(Debug)]
pub struct Permit {
    limiter: Arc<Limiter>,
    grant: Option<Grant>,
    route: Route,
    place: u64,
}

impl Limiter {
    pub fn new(config: Config) -> Arc<Self> {
        let state = State {
            limits: RateLimits::new(config.global_per_s),
            global: Lane::new(),
            free: Lane::new(),
            next_place: 0,
        };
        Arc::new(Self { state: Mutex::new(state), wake: Notify::new(), max_waiting: config.max_waiting })
    }

    /// Waits until a request on `route` may be sent.
    ///
    /// # Errors
    /// [`Overflow`] when too many wait already.
    pub async fn acquire(self: &Arc<Self>, route: Route) -> Result<Permit, Overflow> {
        let (place, grant) = {
            let mut state = self.lock();
            if state.global.len() + state.free.len() >= self.max_waiting {
                return Err(Overflow);
            }
            state.next_place += 1;
            let place = state.next_place;
            (place, state.enqueue(&route, place))
        };
        self.wait(route, place, grant).await
    }

    /// Counts requests that were sent past the limiter just now.
    pub fn charge(&self, requests: u32) {
        self.lock().limits.charge(requests, Instant::now());
    }

    /// Requests that wait now.
    pub fn waiting(&self) -> usize {
        let state = self.lock();
        state.global.len() + state.free.len()
    }

    /// Grants what waits as soon as the limits allow, until cancelled. Waiters then get [`Overflow`].
    pub async fn run(&self, cancel: CancellationToken) {
        let mut sweep_at = Instant::now() + SWEEP_EVERY;
        loop {
            let wake_at = {
                let mut state = self.lock();
                let now = Instant::now();
                if now >= sweep_at {
                    state.limits.sweep(now);
                    sweep_at = now + SWEEP_EVERY;
                }
                state.pump(now).map_or(sweep_at, |at| at.min(sweep_at))
            };
            tokio::select! {
                () = cancel.cancelled() => break,
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
        let mut state = self.lock();
        state.global.clear();
        state.free.clear();
    }

    async fn wait(
        self: &Arc<Self>,
        route: Route,
        place: u64,
        grant: oneshot::Receiver<Grant>,
    ) -> Result<Permit, Overflow> {
        self.wake.notify_one();
        let grant = grant.await.map_err(|_| Overflow)?;
        Ok(Permit { limiter: Arc::clone(self), grant: Some(grant), route, place })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent between statements; a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enqueue(&mut self, route: &Route, place: u64) -> oneshot::Receiver<Grant> {
        let (sender, receiver) = oneshot::channel();
        let lane = if route.counts_globally() { &mut self.global } else { &mut self.free };
        lane.insert(place, (route.clone(), sender));
        receiver
    }

    /// Grants all that may go now; returns when to look again at the latest.
    fn pump(&mut self, now: Instant) -> Option<Instant> {
        let free = serve(&mut self.limits, &mut self.free, now);
        let global = serve(&mut self.limits, &mut self.global, now);
        match (free, global) {
            (Some(free), Some(global)) => Some(free.min(global)),
            (free, global) => free.or(global),
        }
    }
}

/// Serves one lane in order; a bucket that cannot go is passed over, an exhausted global limit ends it.
fn serve(limits: &mut RateLimits, lane: &mut Lane, now: Instant) -> Option<Instant> {
    let mut wake_at: Option<Instant> = None;
    let mut at = |until: Instant| wake_at = Some(wake_at.map_or(until, |known| known.min(until)));
    let mut blocked = HashSet::new();
    let mut place = 0;
    while let Some((&next, (route, sender))) = lane.range(place..).next() {
        place = next + 1;
        if sender.is_closed() {
            lane.remove(&next);
            continue;
        }
        if blocked.contains(route) {
            continue;
        }
        match limits.acquire(route, now) {
            Decision::Go(grant) => {
                let (_, sender) = lane.remove(&next).expect("the entry was just read");
                if let Err(grant) = sender.send(grant) {
                    limits.abandon(grant, now);
                }
            }
            Decision::Wait(Blocked::Global(until)) => {
                at(until);
                break;
            }
            Decision::Wait(Blocked::Bucket(until)) => {
                blocked.insert(route.clone());
                if let Some(until) = until {
                    at(until);
                }
            }
        }
    }
    wake_at
}

impl Permit {
    /// Hands in the answer.
    pub fn answered(mut self, answer: &Answer) {
        self.learn(answer);
    }

    /// Hands in an answer that asks to come again, and waits at the former place in the queue.
    ///
    /// # Errors
    /// [`Overflow`] when the limiter was stopped.
    pub async fn again(mut self, answer: &Answer) -> Result<Permit, Overflow> {
        self.learn(answer);
        let grant = self.limiter.lock().enqueue(&self.route, self.place);
        let limiter = Arc::clone(&self.limiter);
        let (route, place) = (self.route.clone(), self.place);
        drop(self);
        limiter.wait(route, place, grant).await
    }

    fn learn(&mut self, answer: &Answer) {
        if let Some(grant) = self.grant.take() {
            self.limiter.lock().limits.learn(grant, answer, Instant::now());
            self.limiter.wake.notify_one();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            self.limiter.lock().limits.abandon(grant, Instant::now());
            self.limiter.wake.notify_one();
        }
    }
}
