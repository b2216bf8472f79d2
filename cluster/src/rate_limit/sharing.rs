//! How a [`Limiter`] shares its limits: what may go by its own knowledge is put before the shared memory in
//! small batches, and what was learned is told with the next one.
//!
//! Its own knowledge orders the requests and spares round trips; the shared memory decides. While Redis cannot
//! be reached for [`LOST_AFTER`], the process goes on alone with an equal share of the global limit, which it
//! halves when Discord refuses; the others keep that share free for it (see `lua/exchange.lua`).

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::global::HOLD;
use super::limiter::{Limiter, State, Waiter, take};
use super::link::{BucketNews, Error, Granted, Link, Reply, Request, micros, read_lesson, write_lesson};
use super::{Grant, Key, News, Report};

/// Requests of each lane in one batch.
const BATCH: usize = 32;
/// How long news wait for others to go with them.
const TELL_WITHIN: Duration = Duration::from_millis(8);
/// A proxy that has nothing to ask is seen so often.
const HEARTBEAT: Duration = Duration::from_millis(250);
/// Without an exchange for so long a process goes on alone. Longer than the time after which the others notice
/// its silence, plus the second in which what they were granted still counts.
const LOST_AFTER: Duration = Duration::from_millis(2_100);
/// Pause after an exchange that failed.
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// Proxies assumed while none was ever heard of.
const PROXIES_ASSUMED: u32 = 4;

/// 1 while the limits are shared, 0 while this process goes on alone.
const SHARED: &str = "helpline_rest_limits_shared";
/// Proxies that share the limits.
const PROXIES: &str = "helpline_rest_limits_proxies";
/// Labels: `result` = ok, failed.
const EXCHANGES: &str = "helpline_rest_limits_exchanges_total";

/// How this process stands to the shared memory.
struct Standing {
    heard_at: Instant,
    /// Which memory it is; none before the first exchange.
    since: Option<u64>,
    routes_version: u64,
    proxies: u32,
    /// The memory does not know what this process holds.
    unknown_there: bool,
}

/// Requests before the shared memory, in the order in which they were put.
type Batch = Vec<(u64, Waiter, Grant)>;

/// What an exchange carried, to be carried again if it failed.
struct Put {
    told: Vec<Report>,
    lessons: BTreeSet<Arc<str>>,
    batch: Batch,
}

impl Limiter {
    /// Serves by the shared limits until cancelled, then says goodbye.
    pub(super) async fn share(&self, link: &Link, cancel: &CancellationToken) {
        let mut standing = Standing {
            heard_at: Instant::now(),
            since: None,
            routes_version: 0,
            proxies: PROXIES_ASSUMED,
            unknown_there: true,
        };
        let sharing = async {
            loop {
                metrics::gauge!(SHARED).set(1.0);
                self.together(link, &mut standing).await;
                metrics::gauge!(SHARED).set(0.0);
                tracing::warn!(
                    proxies = standing.proxies,
                    "the shared REST limits cannot be reached; going on with an equal share of the global limit"
                );
                self.apart(link, &mut standing).await;
                tracing::info!("the REST limits are shared again");
            }
        };
        cancel.run_until_cancelled(sharing).await;
        let mut bye = Request::new(self.per_s);
        bye.bye = true;
        // Unheard, the others find out by the silence.
        let _ = link.exchange(bye).await;
    }

    /// Exchanges with the shared memory until it cannot be reached any more.
    async fn together(&self, link: &Link, standing: &mut Standing) {
        loop {
            let now = Instant::now();
            let heartbeat_at = standing.heard_at + HEARTBEAT;
            let (exchange, until) = {
                let state = &mut *self.lock();
                let swept = state.sweep(now);
                let callbacks = state.serve_callbacks(now);
                let (batch, wait) = state.candidates(now);
                let tell_at = state.tell_at();
                let look_at = [callbacks, wait, tell_at].into_iter().flatten();
                let until = look_at.fold(swept.min(heartbeat_at), Instant::min);
                let due = !batch.is_empty()
                    || now >= heartbeat_at
                    || standing.unknown_there
                    || tell_at.is_some_and(|at| now >= at);
                (due.then(|| self.put(state, link, standing, batch, now)), until)
            };
            if let Some((request, put)) = exchange {
                match link.exchange(request).await {
                    Ok(reply) => self.settle(link, standing, &reply, put.batch).await,
                    Err(error) => {
                        self.failed(&error, put);
                        if standing.heard_at.elapsed() >= LOST_AFTER {
                            return;
                        }
                        tokio::time::sleep(RETRY_AFTER).await;
                    }
                }
                continue;
            }
            tokio::select! {
                () = self.wake.notified() => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Goes on alone until the shared memory answers again.
    async fn apart(&self, link: &Link, standing: &mut Standing) {
        {
            let state = &mut *self.lock();
            state.reports = None;
            state.limits.shrinks = true;
            // What it has now is its share.
            state.limits.global.set_sharers(1);
            state.limits.global.set_per_s(self.per_s / standing.proxies.max(1));
        }
        let back = async {
            loop {
                tokio::time::sleep(HEARTBEAT).await;
                if link.exchange(Request::new(self.per_s)).await.is_ok() {
                    return;
                }
            }
        };
        tokio::select! {
            () = back => {}
            () = self.alone() => {}
        }
        standing.heard_at = Instant::now();
        standing.unknown_there = true;
        let state = &mut *self.lock();
        state.reports = Some(VecDeque::new());
        state.limits.shrinks = false;
        state.limits.global.set_per_s(self.per_s);
    }

    /// Makes a request of what has to be told (all that is held, when the memory does not know it) and of the batch.
    fn put(
        &self,
        state: &mut State,
        link: &Link,
        standing: &Standing,
        batch: Batch,
        now: Instant,
    ) -> (Request, Put) {
        let told: Vec<Report> = state.reports.as_mut().map(|all| all.drain(..).collect()).unwrap_or_default();
        let mut lessons = std::mem::take(&mut state.limits.untold);
        let mut request = Request::new(self.per_s);
        request.hold = micros(HOLD);
        request.trip = state.limits.global.shortest_trip().map(micros);
        if standing.unknown_there {
            lessons.extend(state.limits.learned.keys().cloned());
            request.held = state.limits.global.held(now).map(micros).collect();
            for key in state.limits.buckets.keys().filter(|key| !key.is_of_a_callback()) {
                state.tell(link, &mut request, key, News::default(), now);
            }
        }
        for template in &lessons {
            if let Some(lesson) = state.limits.learned.get(template) {
                request.learned.push((template.to_string(), write_lesson(lesson)));
            }
        }
        for report in &told {
            if let Some((slot, margin)) = &report.slot {
                request.ended.push((slot.clone(), micros(*margin)));
            }
            if let Some(until) = report.blocked {
                request.blocked = request.blocked.max(micros(until.saturating_duration_since(now)));
            }
            for (key, news) in &report.buckets {
                state.tell(link, &mut request, key, *news, now);
            }
        }
        state.want(link, &mut request, &batch);
        (request, Put { told, lessons, batch })
    }

    /// Carries out what the shared memory decided.
    async fn settle(&self, link: &Link, standing: &mut Standing, reply: &Reply, batch: Batch) {
        metrics::counter!(EXCHANGES, "result" => "ok").increment(1);
        metrics::gauge!(PROXIES).set(f64::from(reply.proxies));
        let now = Instant::now();
        standing.heard_at = now;
        standing.proxies = reply.proxies.max(1);
        // What was told with this exchange is known in whatever memory took it.
        let told_all = standing.unknown_there;
        standing.unknown_there = !told_all && standing.since != Some(reply.since);
        let forgotten = standing.since.is_some_and(|since| since != reply.since);
        standing.since = Some(reply.since);
        {
            let state = &mut *self.lock();
            state.limits.global.set_shortest_elsewhere(reply.shortest_trip);
            state.limits.global.set_sharers(reply.proxies);
            for ((place, waiter, grant), outcome) in batch.into_iter().zip(&reply.outcomes) {
                state.decided(place, waiter, grant, outcome, now);
            }
        }
        if forgotten {
            tracing::warn!("Redis has forgotten the REST limits; telling it what is known here");
            standing.routes_version = 0;
        } else if reply.routes_version != standing.routes_version
            && let Ok(routes) = link.routes().await
        {
            standing.routes_version = reply.routes_version;
            self.lock().learn_routes(&routes);
        }
    }

    /// Whether the exchange took effect is not known: nothing was granted here, and all is told again.
    fn failed(&self, error: &Error, put: Put) {
        metrics::counter!(EXCHANGES, "result" => "failed").increment(1);
        tracing::debug!(%error, "the shared REST limits did not answer");
        let now = Instant::now();
        let state = &mut *self.lock();
        for (place, waiter, grant) in put.batch {
            // The memory may count it as under way: it is told the number that is.
            state.report(Report::only_in_flight(grant.key.clone(), now));
            state.put_back(place, waiter, &grant);
        }
        state.limits.untold.extend(put.lessons);
        if let Some(reports) = &mut state.reports {
            put.told.into_iter().rev().for_each(|report| reports.push_front(report));
        }
    }
}

impl State {
    /// What may go by this process's own knowledge, and when to look again.
    fn candidates(&mut self, now: Instant) -> (Batch, Option<Instant>) {
        let (mut batch, free_at) = take(&mut self.limits, &mut self.free, now, BATCH);
        let (global, global_at) = take(&mut self.limits, &mut self.global, now, BATCH);
        batch.extend(global);
        (batch, free_at.into_iter().chain(global_at).min())
    }

    fn want(&self, link: &Link, request: &mut Request, batch: &Batch) {
        let mut here: HashMap<&Key, u32> = HashMap::new();
        for (_, _, grant) in batch {
            *here.entry(&grant.key).or_default() += 1;
        }
        for (_, (route, _), grant) in batch {
            let before = self.limits.in_flight(&grant.key).saturating_sub(here[&grant.key]);
            let learned = self.limits.learned.get(route.template());
            request.want(link.keys(), &grant.key, route, learned, before);
        }
    }

    /// When the oldest news have waited long enough.
    fn tell_at(&self) -> Option<Instant> {
        self.reports.as_ref()?.front().map(|report| report.at + TELL_WITHIN)
    }

    fn tell(&self, link: &Link, request: &mut Request, key: &Key, news: News, now: Instant) {
        let window = self.limits.buckets.get(key).and_then(super::bucket::Bucket::window);
        let left = |until: Instant| until.saturating_duration_since(now);
        let news = BucketNews {
            in_flight: self.limits.in_flight(key),
            window: window.unwrap_or(Duration::from_secs(1)),
            left: news
                .left
                .map(|(remaining, ends)| (remaining, left(ends)))
                .filter(|(_, ends)| !ends.is_zero()),
            blocked: news.blocked.map(left).unwrap_or_default(),
        };
        request.tell(link.keys(), key, &news);
    }

    fn decided(&mut self, place: u64, waiter: Waiter, mut grant: Grant, outcome: &Granted, now: Instant) {
        match outcome {
            Granted::Yes(slot) => {
                grant.shared_slot.clone_from(slot);
                if let Err(grant) = waiter.1.send(grant) {
                    let report = self.limits.abandon(grant, now);
                    self.report(report);
                }
            }
            Granted::WaitsForGlobal(wait) => {
                self.limits.global.block(now + *wait);
                self.put_back(place, waiter, &grant);
            }
            Granted::WaitsForBucket(wait) => {
                self.limits.hold_bucket(&grant.key, now + *wait);
                self.put_back(place, waiter, &grant);
            }
        }
    }

    fn put_back(&mut self, place: u64, waiter: Waiter, grant: &Grant) {
        self.limits.take_back(grant);
        self.lane(&waiter.0).insert(place, waiter);
    }

    fn learn_routes(&mut self, routes: &HashMap<String, String>) {
        for (template, lesson) in routes {
            if let Some(lesson) = read_lesson(lesson) {
                self.limits.teach(template, lesson);
            }
        }
    }
}
