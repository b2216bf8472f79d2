//! Discord's REST limits: which request may be sent now, and what an answer teaches about the next.
//!
//! Owns the pure state ([`RateLimits`]), its asynchronous front ([`Limiter`]) and what several proxies share
//! through Redis ([`Link`]). Limits are never
//! written down here: they are read from the answers' headers, as Discord's documentation demands
//! (<https://discord.com/developers/docs/topics/rate-limits>). Time is an argument everywhere in the
//! pure part. Promise: no more than the global number of requests in any sliding second as the far end
//! measures it, and no request into a bucket that is known to be empty.

mod bucket;
mod global;
mod limiter;
mod link;
mod route;
mod sharing;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use bucket::{Bucket, Limit};
use global::Global;

pub use limiter::{Config, Limiter, Overflow, Permit};
pub use link::Link;
pub use route::Route;

/// Whose limit a 429 speaks of (`X-RateLimit-Scope`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// This bot's own bucket.
    User,
    /// The whole bot.
    Global,
    /// A resource that others use too; does not count as an invalid request.
    Shared,
}

/// What the headers of an answer say about limits.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    pub status: u16,
    /// `X-RateLimit-Bucket`: opaque, shared by routes that count together.
    pub bucket: Option<String>,
    pub limit: Option<u32>,
    pub remaining: Option<u32>,
    pub reset_after: Option<Duration>,
    /// `Retry-After`, with a 429 only.
    pub retry_after: Option<Duration>,
    /// With a 429 only.
    pub scope: Option<Scope>,
}

impl Answer {
    /// Reads the headers through `header`, which gets lower-case names.
    pub fn from_headers<'a>(status: u16, header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let seconds = |name: &str| {
            header(name)
                .and_then(|text| text.trim().parse::<f64>().ok())
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
        };
        let number = |name: &str| header(name).and_then(|text| text.trim().parse().ok());
        let scope = match header("x-ratelimit-scope") {
            Some("global") => Some(Scope::Global),
            Some("shared") => Some(Scope::Shared),
            Some("user") => Some(Scope::User),
            _ if header("x-ratelimit-global").is_some() => Some(Scope::Global),
            _ => None,
        };
        Self {
            status,
            bucket: header("x-ratelimit-bucket").map(str::to_owned),
            limit: number("x-ratelimit-limit"),
            remaining: number("x-ratelimit-remaining"),
            reset_after: seconds("x-ratelimit-reset-after"),
            retry_after: seconds("retry-after"),
            scope,
        }
    }

    /// Whether the request was refused by a limit.
    pub fn is_limited(&self) -> bool {
        self.status == 429
    }

    /// How long a refused request has to wait.
    pub fn wait(&self) -> Duration {
        self.retry_after.or(self.reset_after).unwrap_or(Duration::from_secs(1))
    }
}

/// Why a request has to wait. `None` = until an answer to another request arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Blocked {
    Global(Instant),
    Bucket(Option<Instant>),
}

/// May the request be sent?
#[derive(Debug)]
pub enum Decision {
    Go(Grant),
    Wait(Blocked),
}

/// Leave to send one request. Give it back through [`RateLimits::learn`] or [`RateLimits::abandon`].
#[derive(Debug)]
#[must_use = "a grant that is not given back blocks its bucket"]
pub struct Grant {
    key: Key,
    template: Arc<str>,
    slot: Option<global::Slot>,
    /// Its slot among all proxies.
    shared_slot: Option<String>,
}

/// What other proxies have to know of a request that ended.
#[derive(Debug)]
pub struct Report {
    at: Instant,
    /// The slot among all proxies, and how long beyond a second after its grant it is still held.
    slot: Option<(String, Duration)>,
    buckets: Vec<(Key, News)>,
    /// Discord refused everything until then.
    blocked: Option<Instant>,
}

/// What an answer said of a bucket.
#[derive(Clone, Copy, Debug, Default)]
struct News {
    left: Option<(u32, Instant)>,
    blocked: Option<Instant>,
}

/// A bucket: its hash, or the route's template while the hash is unknown, and the major parameter.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    bucket: Arc<str>,
    major: Arc<str>,
}

impl Key {
    /// Callbacks have no known bucket: each interaction is its own.
    fn is_of_a_callback(&self) -> bool {
        self.bucket.contains(" interactions/")
    }
}

impl Report {
    /// Tells how many requests of a bucket are under way, and nothing else.
    fn only_in_flight(key: Key, now: Instant) -> Self {
        Self { at: now, slot: None, buckets: vec![(key, News::default())], blocked: None }
    }
}

/// What is known of a route whatever its major parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Learned {
    Unlimited,
    Bucket { hash: Arc<str>, limit: u32, window: Duration },
}

/// The state of all limits of one bot. Pure: time comes in, decisions go out.
#[derive(Debug)]
pub struct RateLimits {
    global: Global,
    learned: HashMap<Arc<str>, Learned>,
    /// Routes of which something was learned that the other proxies have not been told.
    untold: BTreeSet<Arc<str>>,
    buckets: HashMap<Key, Bucket>,
    /// Whether a global refusal shows that the limit is too high: it is when nobody knows who else sends.
    shrinks: bool,
}

impl RateLimits {
    /// `global_per_s`: requests in any sliding second, Discord's default being 50.
    pub fn new(global_per_s: u32) -> Self {
        Self {
            global: Global::new(global_per_s),
            learned: HashMap::new(),
            untold: BTreeSet::new(),
            buckets: HashMap::new(),
            shrinks: false,
        }
    }

    /// Asks for leave to send one request on `route` at `now`.
    pub fn acquire(&mut self, route: &Route, now: Instant) -> Decision {
        if route.counts_globally()
            && let Some(until) = self.global.blocked(now)
        {
            return Decision::Wait(Blocked::Global(until));
        }
        let key = self.key(route);
        self.open_bucket(&key, route);
        let bucket = self.buckets.get_mut(&key).expect("the bucket was just opened");
        if let Err(until) = bucket.take(now) {
            return Decision::Wait(Blocked::Bucket(until));
        }
        let slot = route.counts_globally().then(|| self.global.take(now));
        Decision::Go(Grant { key, template: Arc::clone(route.template()), slot, shared_slot: None })
    }

    /// Until when every request that counts globally has to wait.
    pub fn global_blocked(&mut self, now: Instant) -> Option<Instant> {
        self.global.blocked(now)
    }

    /// Whether so much of the global limit is free that a request which may be left out is in nobody's way.
    pub fn has_room(&mut self, now: Instant) -> bool {
        self.global.has_room(now)
    }

    /// Counts requests that were sent without asking.
    pub fn charge(&mut self, requests: u32, now: Instant) {
        for _ in 0..requests {
            let slot = self.global.take(now);
            self.global.lost(&slot, now);
        }
    }

    /// Takes the answer to a granted request.
    pub fn learn(&mut self, mut grant: Grant, answer: &Answer, now: Instant) -> Report {
        let mut report = self.end(&mut grant, now, Global::answered);
        if answer.is_limited() && self.is_global(answer) {
            let until = now + answer.wait();
            self.global.block(until);
            if self.shrinks {
                self.global.halve();
            }
            report.blocked = Some(until);
            return report;
        }
        let key = match (&answer.bucket, answer.limit) {
            (Some(hash), Some(limit)) => self.remember(&grant, hash, limit, answer),
            _ => {
                // An error says nothing of the route: whoever is refused early is not counted.
                if (200..300).contains(&answer.status) {
                    self.no_limit(&grant);
                }
                grant.key
            }
        };
        let limit = self.limit_of(&grant.template);
        let bucket = self.buckets.entry(key.clone()).or_insert_with(|| Bucket::new(limit));
        bucket.set_limit(limit);
        bucket.answered(answer, now);
        let mut news = News::default();
        if let (Some(remaining), Some(reset_after)) = (answer.remaining, answer.reset_after) {
            news.left = Some((remaining, now + reset_after));
        }
        if answer.is_limited() {
            let until = now + answer.wait();
            bucket.block(until);
            news.blocked = Some(until);
        }
        report.buckets.push((key, news));
        report
    }

    /// The request was not answered: a lost connection, a time-out, a caller that went away.
    pub fn abandon(&mut self, mut grant: Grant, now: Instant) -> Report {
        self.end(&mut grant, now, Global::lost)
    }

    /// The request was not sent: as if it had never been granted.
    fn take_back(&mut self, grant: &Grant) {
        if let Some(slot) = &grant.slot {
            self.global.take_back(slot);
        }
        if let Some(bucket) = self.buckets.get_mut(&grant.key) {
            bucket.take_back();
        }
    }

    fn end(
        &mut self,
        grant: &mut Grant,
        now: Instant,
        held: impl Fn(&mut Global, &global::Slot, Instant) -> Duration,
    ) -> Report {
        let margin = grant.slot.take().map(|slot| held(&mut self.global, &slot, now));
        self.give_back(&grant.key, now);
        let slot = grant.shared_slot.take().zip(margin);
        Report { at: now, slot, buckets: vec![(grant.key.clone(), News::default())], blocked: None }
    }

    /// Takes what another proxy learned of a route.
    fn teach(&mut self, template: &str, lesson: Learned) {
        let lesson = match (self.learned.get(template), lesson) {
            (
                Some(Learned::Bucket { hash, window: known, .. }),
                Learned::Bucket { hash: other, limit, window },
            ) if *hash == other => {
                if *known > window {
                    self.untold.insert(template.into());
                }
                Learned::Bucket { hash: other, limit, window: window.max(*known) }
            }
            (Some(Learned::Bucket { .. }), Learned::Unlimited) => return,
            (_, lesson) => lesson,
        };
        self.learned.insert(template.into(), lesson);
    }

    fn in_flight(&self, key: &Key) -> u32 {
        self.buckets.get(key).map_or(0, Bucket::in_flight)
    }

    fn hold_bucket(&mut self, key: &Key, until: Instant) {
        if let Some(bucket) = self.buckets.get_mut(key) {
            bucket.block(until);
        }
    }

    /// Forgets idle buckets, so that many threads and interactions do not add up.
    pub fn sweep(&mut self, now: Instant) {
        self.buckets.retain(|_, bucket| !bucket.is_idle(now));
    }

    /// Buckets in memory.
    pub fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// A 429 without any bucket comes from the edge in front of Discord and is about the whole host.
    fn is_global(&self, answer: &Answer) -> bool {
        match answer.scope {
            Some(scope) => scope == Scope::Global,
            None => answer.bucket.is_none(),
        }
    }

    fn key(&self, route: &Route) -> Key {
        let bucket = match self.learned.get(route.template()) {
            Some(Learned::Bucket { hash, .. }) => Arc::clone(hash),
            _ => Arc::clone(route.template()),
        };
        Key { bucket, major: Arc::clone(route.major()) }
    }

    /// A bucket seen for the first time starts full, less what is still under way from before its hash was known.
    fn open_bucket(&mut self, key: &Key, route: &Route) {
        if self.buckets.contains_key(key) {
            return;
        }
        let former = Key { bucket: Arc::clone(route.template()), major: Arc::clone(route.major()) };
        let under_way = self.buckets.get(&former).map_or(0, Bucket::in_flight);
        let mut bucket = Bucket::new(self.limit_of(route.template()));
        bucket.reserve(under_way);
        self.buckets.insert(key.clone(), bucket);
    }

    fn limit_of(&self, template: &Arc<str>) -> Limit {
        match self.learned.get(template) {
            None => Limit::Unknown,
            Some(Learned::Unlimited) => Limit::Unlimited,
            Some(Learned::Bucket { limit, window, .. }) => Limit::Known { limit: *limit, window: *window },
        }
    }

    fn give_back(&mut self, key: &Key, now: Instant) {
        if let Some(bucket) = self.buckets.get_mut(key) {
            bucket.give_back(now);
        }
    }

    /// Remembers the bucket of a route. What was known under the former key (the template, or another hash)
    /// moves along when the new bucket does not exist yet.
    fn remember(&mut self, grant: &Grant, hash: &str, limit: u32, answer: &Answer) -> Key {
        let seen = answer.reset_after.unwrap_or(Duration::from_secs(1));
        let (hash, window) = match self.learned.get(&grant.template) {
            Some(Learned::Bucket { hash: known, window, .. }) if &**known == hash => {
                (Arc::clone(known), seen.max(*window))
            }
            _ => (Arc::from(hash), seen),
        };
        let learned = Learned::Bucket { hash: Arc::clone(&hash), limit, window };
        if self.learned.get(&grant.template) != Some(&learned) {
            self.untold.insert(Arc::clone(&grant.template));
            self.learned.insert(Arc::clone(&grant.template), learned);
        }
        let key = Key { bucket: hash, major: Arc::clone(&grant.key.major) };
        if key != grant.key
            && !self.buckets.contains_key(&key)
            && let Some(former) = self.buckets.get(&grant.key)
            && former.in_flight() == 0
        {
            self.buckets.remove(&grant.key);
        }
        key
    }

    fn no_limit(&mut self, grant: &Grant) {
        if !self.learned.contains_key(&grant.template) {
            self.untold.insert(Arc::clone(&grant.template));
            self.learned.insert(Arc::clone(&grant.template), Learned::Unlimited);
        }
    }
}
