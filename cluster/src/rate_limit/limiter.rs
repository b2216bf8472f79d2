//! The limits as tasks use them: wait for a [`Permit`], send, hand in the answer.
//!
//! Waiting requests are served in the order in which they came, per bucket exactly, and across buckets as
//! far as the buckets allow. The number of waiting requests is bounded; one more is refused. First replies to
//! interactions wait for their own bucket only, whatever else waits and wherever Redis is.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Answer, Blocked, Decision, Grant, Link, RateLimits, Report, Route};

/// How often idle buckets are forgotten.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Reports that wait to be told. Overflow rule: the oldest is dropped; what it would have freed expires.
const MAX_REPORTS: usize = 10_000;

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
    pub(super) wake: Notify,
    max_waiting: usize,
    pub(super) per_s: u32,
    link: Option<Link>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) limits: RateLimits,
    /// Callbacks, other requests that do not count globally, and those that do, by place in the queue.
    direct: Lane,
    pub(super) free: Lane,
    pub(super) global: Lane,
    next_place: u64,
    sweep_at: Instant,
    /// What the other proxies are to be told; none when there are no others.
    pub(super) reports: Option<VecDeque<Report>>,
}

pub(super) type Lane = BTreeMap<u64, Waiter>;
pub(super) type Waiter = (Route, oneshot::Sender<Grant>);

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
    /// The limits are this process's alone.
    pub fn new(config: Config) -> Arc<Self> {
        Self::with(config, None)
    }

    /// The limits are shared by all proxies on the same Redis.
    pub fn sharing(config: Config, link: Link) -> Arc<Self> {
        Self::with(config, Some(link))
    }

    fn with(config: Config, link: Option<Link>) -> Arc<Self> {
        let state = State {
            limits: RateLimits::new(config.global_per_s),
            direct: Lane::new(),
            free: Lane::new(),
            global: Lane::new(),
            next_place: 0,
            sweep_at: Instant::now() + SWEEP_EVERY,
            reports: link.as_ref().map(|_| VecDeque::new()),
        };
        Arc::new(Self {
            state: Mutex::new(state),
            wake: Notify::new(),
            max_waiting: config.max_waiting,
            per_s: config.global_per_s,
            link,
        })
    }

    /// Waits until a request on `route` may be sent.
    ///
    /// # Errors
    /// [`Overflow`] when too many wait already.
    pub async fn acquire(self: &Arc<Self>, route: Route) -> Result<Permit, Overflow> {
        let (place, grant) = {
            let mut state = self.lock();
            if state.waiting() >= self.max_waiting {
                return Err(Overflow);
            }
            state.next_place += 1;
            let place = state.next_place;
            let grant = state.enqueue(&route, place);
            state.serve_callbacks(Instant::now());
            (place, grant)
        };
        self.wait(route, place, grant).await
    }

    /// Leave for a request that may be left out: only while nothing waits and most of the global limit is free, and
    /// only if it may be sent within `patience`.
    pub async fn acquire_spare(self: &Arc<Self>, route: Route, patience: Duration) -> Option<Permit> {
        {
            let mut state = self.lock();
            if state.waiting() > 0 || !state.limits.has_room(Instant::now()) {
                return None;
            }
        }
        tokio::time::timeout(patience, self.acquire(route)).await.ok()?.ok()
    }

    /// Counts requests that were sent past the limiter just now.
    pub fn charge(&self, requests: u32) {
        self.lock().limits.charge(requests, Instant::now());
    }

    /// Requests that wait now.
    pub fn waiting(&self) -> usize {
        self.lock().waiting()
    }

    /// Whether the route's bucket is known, here or from another proxy.
    pub fn knows(&self, route: &Route) -> bool {
        self.lock().limits.learned.contains_key(route.template())
    }

    /// Whether the limits are shared with other proxies now.
    pub fn is_shared(&self) -> bool {
        self.lock().reports.is_some()
    }

    /// Grants what waits as soon as the limits allow, until cancelled. Waiters then get [`Overflow`].
    pub async fn run(&self, cancel: CancellationToken) {
        match &self.link {
            None => {
                cancel.run_until_cancelled(self.alone()).await;
            }
            Some(link) => self.share(link, &cancel).await,
        }
        let mut state = self.lock();
        state.direct.clear();
        state.global.clear();
        state.free.clear();
    }

    /// Serves by what this process knows, for ever.
    pub(super) async fn alone(&self) {
        loop {
            let wake_at = self.lock().pump(Instant::now());
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(wake_at) => {}
            }
        }
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

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // The state is consistent between statements; a panic elsewhere does not spoil it.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn enqueue(&mut self, route: &Route, place: u64) -> oneshot::Receiver<Grant> {
        let (sender, receiver) = oneshot::channel();
        self.lane(route).insert(place, (route.clone(), sender));
        receiver
    }

    pub(super) fn lane(&mut self, route: &Route) -> &mut Lane {
        match (route.is_callback(), route.counts_globally()) {
            (true, _) => &mut self.direct,
            (false, true) => &mut self.global,
            (false, false) => &mut self.free,
        }
    }

    fn waiting(&self) -> usize {
        self.direct.len() + self.free.len() + self.global.len()
    }

    /// Callbacks ask nobody else.
    pub(super) fn serve_callbacks(&mut self, now: Instant) -> Option<Instant> {
        serve(&mut self.limits, &mut self.direct, now)
    }

    /// Grants all that may go now; returns when to look again at the latest.
    fn pump(&mut self, now: Instant) -> Instant {
        let wake_at = [
            self.serve_callbacks(now),
            serve(&mut self.limits, &mut self.free, now),
            serve(&mut self.limits, &mut self.global, now),
        ];
        wake_at.into_iter().flatten().fold(self.sweep(now), Instant::min)
    }

    /// Forgets idle buckets now and then; returns when the next time is.
    pub(super) fn sweep(&mut self, now: Instant) -> Instant {
        if now >= self.sweep_at {
            self.limits.sweep(now);
            self.sweep_at = now + SWEEP_EVERY;
        }
        self.sweep_at
    }

    pub(super) fn report(&mut self, report: Report) {
        if let Some(reports) = &mut self.reports {
            if reports.len() >= MAX_REPORTS {
                reports.pop_front();
            }
            reports.push_back(report);
        }
    }

    /// A request ended: `outcome` notes what is known, and the others are told.
    fn end(&mut self, route: &Route, outcome: impl FnOnce(&mut RateLimits) -> Report) {
        let report = outcome(&mut self.limits);
        // The bucket of a callback is nobody else's.
        if !route.is_callback() {
            self.report(report);
        }
        self.serve_callbacks(Instant::now());
    }
}

/// Serves one lane in order; a bucket that cannot go is passed over, an exhausted global limit ends it.
fn serve(limits: &mut RateLimits, lane: &mut Lane, now: Instant) -> Option<Instant> {
    let (granted, wake_at) = take(limits, lane, now, usize::MAX);
    for (_, (_, sender), grant) in granted {
        if let Err(grant) = sender.send(grant) {
            limits.abandon(grant, now);
        }
    }
    wake_at
}

/// Takes at most `count` that may go by the limits known here, in order, and when to look again.
pub(super) fn take(
    limits: &mut RateLimits,
    lane: &mut Lane,
    now: Instant,
    count: usize,
) -> (Vec<(u64, Waiter, Grant)>, Option<Instant>) {
    let mut granted = Vec::new();
    let mut wake_at: Option<Instant> = None;
    let mut at = |until: Instant| wake_at = Some(wake_at.map_or(until, |known| known.min(until)));
    let mut blocked = HashSet::new();
    let mut place = 0;
    while granted.len() < count
        && let Some((&next, (route, sender))) = lane.range(place..).next()
    {
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
                let waiter = lane.remove(&next).expect("the entry was just read");
                granted.push((next, waiter, grant));
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
    (granted, wake_at)
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
        let grant = {
            let mut state = self.limiter.lock();
            let grant = state.enqueue(&self.route, self.place);
            state.serve_callbacks(Instant::now());
            grant
        };
        let limiter = Arc::clone(&self.limiter);
        let (route, place) = (self.route.clone(), self.place);
        drop(self);
        limiter.wait(route, place, grant).await
    }

    fn learn(&mut self, answer: &Answer) {
        if let Some(grant) = self.grant.take() {
            let now = Instant::now();
            self.limiter.lock().end(&self.route, |limits| limits.learn(grant, answer, now));
            self.limiter.wake.notify_one();
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(grant) = self.grant.take() {
            let now = Instant::now();
            self.limiter.lock().end(&self.route, |limits| limits.abandon(grant, now));
            self.limiter.wake.notify_one();
        }
    }
}
