//! The limits' shared memory in Redis: one script, one slot, one round trip for a batch of requests.
//!
//! Holds the global limit, the buckets, what is known of routes, and who shares them. Promise: what all proxies
//! are granted together keeps the limits by the clock of Redis; what a proxy held when it died expires.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use redis::{FromRedisValue as _, RedisError, Script, Value};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::{Key, Learned, Route};
use crate::keys::Keys;
use crate::redis_link::{Connection, RedisLink};

static EXCHANGE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/exchange.lua")));
/// An exchange that takes longer has failed; what it granted expires.
const PATIENCE: Duration = Duration::from_millis(400);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("exchange with the shared limits: {0}")]
    Redis(#[from] RedisError),
    #[error("exchange with the shared limits: no answer in time")]
    Slow,
}

/// A proxy's way to the shared limits. Cheap to clone.
#[derive(Clone)]
pub struct Link {
    redis: Connection,
    keys: Keys,
    me: String,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Link").field("me", &self.me).finish_non_exhaustive()
    }
}

/// What a proxy tells and asks. Durations in microseconds; buckets by their place among the script's keys.
#[derive(Debug, Default, Serialize)]
pub(super) struct Request {
    me: String,
    per_s: u32,
    /// How long a slot is held unless its end is told.
    pub(super) hold: u64,
    /// This proxy shares no longer.
    pub(super) bye: bool,
    /// The shortest round trip of late.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) trip: Option<u64>,
    /// Slots whose requests ended, and how long beyond a second they may still count.
    pub(super) ended: Vec<(String, u64)>,
    /// Slots held here that Redis does not know, by the time they are still held.
    pub(super) held: Vec<u64>,
    /// A global refusal was met: for how long.
    pub(super) blocked: u64,
    pub(super) learned: Vec<(String, String)>,
    answers: Vec<Told>,
    wants: Vec<Want>,
    #[serde(skip)]
    buckets: Vec<String>,
    #[serde(skip)]
    places: HashMap<Key, usize>,
}

/// The script's own keys come before the buckets.
const FIRST_BUCKET: usize = 8;

#[derive(Debug, Serialize)]
struct Told {
    k: usize,
    /// In flight from here.
    f: u32,
    /// The window's length.
    w: u64,
    /// Requests left, and the time until the window's end; -1 = not told.
    r: i64,
    e: i64,
    /// For how long the bucket refuses.
    b: u64,
}

#[derive(Debug, Serialize)]
struct Want {
    k: usize,
    g: bool,
    f: u32,
    /// The bucket's size; 0 = unlimited, -1 = unknown.
    l: i64,
    w: u64,
    /// Of an unknown bucket: the route, which another proxy may know by now.
    u: Option<String>,
}

/// What an answer said of a bucket.
#[derive(Debug, Clone)]
pub(super) struct BucketNews {
    pub(super) in_flight: u32,
    pub(super) window: Duration,
    /// Requests left, and time until the window ends.
    pub(super) left: Option<(u32, Duration)>,
    pub(super) blocked: Duration,
}

impl Request {
    /// `per_s`: the global limit.
    pub(super) fn new(per_s: u32) -> Self {
        Self { per_s, ..Self::default() }
    }

    pub(super) fn tell(&mut self, keys: &Keys, key: &Key, news: &BucketNews) {
        let (r, e) = match news.left {
            Some((left, ends)) => (i64::from(left), micros(ends).cast_signed()),
            None => (-1, -1),
        };
        let k = self.place(keys, key);
        let told = Told { k, f: news.in_flight, w: micros(news.window), r, e, b: micros(news.blocked) };
        self.answers.push(told);
    }

    /// `in_flight` from here, without those of this request.
    pub(super) fn want(
        &mut self,
        keys: &Keys,
        key: &Key,
        route: &Route,
        learned: Option<&Learned>,
        in_flight: u32,
    ) {
        let (l, w, u) = match learned {
            None => (-1, 0, Some(route.template().to_string())),
            Some(Learned::Unlimited) => (0, 0, None),
            Some(Learned::Bucket { limit, window, .. }) => (i64::from(*limit), micros(*window), None),
        };
        let k = self.place(keys, key);
        self.wants.push(Want { k, g: route.counts_globally(), f: in_flight, l, w, u });
    }

    fn place(&mut self, keys: &Keys, key: &Key) -> usize {
        if let Some(place) = self.places.get(key) {
            return *place;
        }
        let place = FIRST_BUCKET + self.buckets.len();
        self.buckets.push(keys.rest_bucket(&name(key)));
        self.places.insert(key.clone(), place);
        place
    }
}

/// The major parameter may hold an interaction's token, which is nobody's business.
fn name(key: &Key) -> String {
    let digest = Sha256::digest(format!("{}\n{}", key.bucket, key.major).as_bytes());
    digest[..12].iter().fold(String::new(), |name, byte| format!("{name}{byte:02x}"))
}

pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// What became of a wanted request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Granted {
    /// With its slot of the global limit, if it counts there.
    Yes(Option<String>),
    WaitsForGlobal(Duration),
    WaitsForBucket(Duration),
}

/// The script's answer.
#[derive(Debug)]
pub(super) struct Reply {
    /// Proxies that share the limits, this one counted.
    pub(super) proxies: u32,
    pub(super) shortest_trip: Option<Duration>,
    pub(super) routes_version: u64,
    /// When the memory began: another one than before has forgotten everything.
    pub(super) since: u64,
    pub(super) outcomes: Vec<Granted>,
}

impl Link {
    /// Connects with its first exchange.
    pub fn new(redis: &RedisLink, keys: Keys) -> Self {
        // Another name after every start: what was held before is nobody's.
        let me = format!("{:016x}", fastrand::u64(..));
        Self { redis: redis.shared_within(PATIENCE), keys, me }
    }

    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }

    pub(super) async fn exchange(&self, mut request: Request) -> Result<Reply, Error> {
        request.me.clone_from(&self.me);
        let mut call = EXCHANGE.prepare_invoke();
        for key in self.keys.rest(&self.me) {
            call.key(key);
        }
        for bucket in &request.buckets {
            call.key(bucket);
        }
        call.arg(serde_json::to_string(&request).expect("numbers and strings become JSON"));
        let mut redis = self.redis.clone();
        let answer = tokio::time::timeout(PATIENCE, call.invoke_async::<Value>(&mut redis)).await;
        read(answer.map_err(|_| Error::Slow)??)
    }

    /// What is known of all routes: template and lesson.
    pub(super) async fn routes(&self) -> Result<HashMap<String, String>, Error> {
        let mut redis = self.redis.clone();
        let mut read = redis::cmd("HGETALL");
        read.arg(self.keys.rest_routes());
        let answer = tokio::time::timeout(PATIENCE, read.query_async(&mut redis)).await;
        Ok(answer.map_err(|_| Error::Slow)??)
    }
}

fn read(answer: Value) -> Result<Reply, Error> {
    type Shape = (u32, i64, u64, u64, Vec<(u8, String)>);
    let shape = Shape::from_redis_value(answer).map_err(RedisError::from)?;
    let (proxies, trip, routes_version, since, outcomes) = shape;
    let outcome = |(kind, value): (u8, String)| {
        let wait = || Duration::from_micros(value.parse().unwrap_or(5_000));
        match kind {
            1 => Granted::Yes(Some(value).filter(|slot| !slot.is_empty())),
            2 => Granted::WaitsForGlobal(wait()),
            _ => Granted::WaitsForBucket(wait()),
        }
    };
    Ok(Reply {
        proxies,
        shortest_trip: u64::try_from(trip).ok().map(Duration::from_micros),
        routes_version,
        since,
        outcomes: outcomes.into_iter().map(outcome).collect(),
    })
}

/// How a route's lesson is written down: bucket, size, window.
pub(super) fn write_lesson(learned: &Learned) -> String {
    match learned {
        Learned::Unlimited => "-".to_owned(),
        Learned::Bucket { hash, limit, window } => format!("{limit} {} {hash}", micros(*window)),
    }
}

/// None when another version wrote it in a way that is not known here.
pub(super) fn read_lesson(text: &str) -> Option<Learned> {
    if text == "-" {
        return Some(Learned::Unlimited);
    }
    let mut words = text.splitn(3, ' ');
    let limit = words.next()?.parse().ok()?;
    let window = Duration::from_micros(words.next()?.parse().ok()?);
    Some(Learned::Bucket { hash: words.next()?.into(), limit, window })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lesson_is_read_as_it_was_written() {
        let bucket = Learned::Bucket { hash: "ab cd".into(), limit: 5, window: Duration::from_millis(2_500) };
        for lesson in [Learned::Unlimited, bucket] {
            assert_eq!(read_lesson(&write_lesson(&lesson)), Some(lesson));
        }
        assert_eq!(read_lesson("what"), None);
    }

    #[test]
    fn a_buckets_name_shows_no_token() {
        let key = Key { bucket: "b1".into(), major: "9/secret".into() };
        assert!(!name(&key).contains("secret"));
        assert_ne!(name(&key), name(&Key { bucket: "b1".into(), major: "8/secret".into() }));
    }
}
