//! Who may still speak for a shard: a worker's request names its shard and epoch, and is refused when the proxy knows
//! a higher epoch. Postgres cannot do that: a request to Discord locks no fence row, and an edit carries no nonce, so
//! that a worker which was frozen on its way here would overwrite what its successor wrote.
//!
//! Redis is asked before every request, because claimers raise the epoch there before they begin. What is known is
//! remembered too, from Redis and from the requests themselves: who acts under an epoch has claimed it.
//!
//! Redis away: what is remembered decides, and a request that it does not refuse is sent. Nobody begins to own a shard
//! while Redis is away, since claimers have to reach it first; what remains is a proxy that alone is cut off from
//! Redis, and there a late edit does less harm than a silent bot. Redis is then asked once a second, not for each
//! request. The check and the sending are two steps: what is superseded in between goes out, as if sent just before.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use helpline_cluster::event_log::ShardEpochs;
use helpline_cluster::ids::{Epoch, ShardId};
use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::RedisLink;
use tokio::time::{Instant, timeout};

use super::egress::refuse;
use super::metrics;

/// Header of a worker's request: the number of the shard it acts for.
pub const SHARD: &str = "x-helpline-shard";
/// Header of a worker's request: its epoch. Header of a refusal: the epoch that stands.
pub const EPOCH: &str = "x-helpline-epoch";

/// How long Redis may take: the request holds a place in Discord's limits.
const PATIENCE: Duration = Duration::from_millis(250);
/// So long Redis is not asked again after it did not answer.
const REST_AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Shards remembered at the most; one more, and the memory starts anew from Redis.
const CAPACITY: usize = 65_536;

/// What a request says of its sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    pub shard: ShardId,
    pub epoch: Epoch,
}

/// The headers are there and cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable;

impl Claimed {
    /// None: it speaks for no shard, as a person's tool does, and there is nothing to check.
    ///
    /// # Errors
    /// [`Unreadable`].
    pub fn from_headers(headers: &HeaderMap) -> Result<Option<Self>, Unreadable> {
        let (Some(shard), Some(epoch)) = (headers.get(SHARD), headers.get(EPOCH)) else { return Ok(None) };
        let shard = shard.to_str().ok().and_then(|text| text.parse().ok()).map(ShardId);
        let epoch = epoch.to_str().ok().and_then(|text| text.parse().ok()).map(Epoch);
        shard.zip(epoch).map(|(shard, epoch)| Some(Self { shard, epoch })).ok_or(Unreadable)
    }
}

/// The epochs this proxy knows of.
#[derive(Debug)]
pub struct Epochs {
    redis: ShardEpochs,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    highest: HashMap<ShardId, Epoch>,
    away_until: Option<Instant>,
}

impl Epochs {
    /// Connected by its first request.
    pub fn new(redis: &RedisLink, keys: Keys) -> Self {
        Self { redis: ShardEpochs::new(redis, keys), known: Mutex::default() }
    }

    /// The answer to a request that must not be sent any more.
    pub async fn refusal(&self, claimed: Option<Claimed>) -> Option<Response> {
        let claimed = claimed?;
        let stands = self.standing(claimed).await;
        if stands <= claimed.epoch {
            return None;
        }
        ::metrics::counter!(metrics::REST_SUPERSEDED).increment(1);
        tracing::info!("a request for {} at {} is refused: {stands} stands", claimed.shard, claimed.epoch);
        let mut response =
            refuse(StatusCode::CONFLICT, "another worker owns this shard now, or claimed it anew", None);
        response.headers_mut().insert(EPOCH, HeaderValue::from(stands.get()));
        Some(response)
    }

    /// The highest epoch known of the shard, that of the request included.
    async fn standing(&self, claimed: Claimed) -> Epoch {
        let remembered = self.remember(claimed.shard, claimed.epoch);
        if remembered > claimed.epoch {
            return remembered;
        }
        if self.is_away() {
            ::metrics::counter!(metrics::REST_UNCHECKED, "why" => "redis_away").increment(1);
            return remembered;
        }
        match timeout(PATIENCE, self.redis.standing(claimed.shard)).await {
            Ok(Ok(Some(stands))) => self.remember(claimed.shard, stands),
            Ok(Ok(None)) => {
                // Redis was wiped; the owner puts its epoch back with its next heartbeat.
                ::metrics::counter!(metrics::REST_UNCHECKED, "why" => "redis_lost_it").increment(1);
                remembered
            }
            Ok(Err(_)) | Err(_) => {
                ::metrics::counter!(metrics::REST_UNCHECKED, "why" => "redis_away").increment(1);
                self.lock().away_until = Some(Instant::now() + REST_AFTER_FAILURE);
                remembered
            }
        }
    }

    fn is_away(&self) -> bool {
        self.lock().away_until.is_some_and(|until| Instant::now() < until)
    }

    /// Returns the highest that is known now.
    fn remember(&self, shard: ShardId, epoch: Epoch) -> Epoch {
        let mut known = self.lock();
        if known.highest.len() >= CAPACITY && !known.highest.contains_key(&shard) {
            known.highest.clear();
        }
        let highest = known.highest.entry(shard).or_insert(epoch);
        *highest = epoch.max(*highest);
        *highest
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Known> {
        // Nothing panics while it holds the lock.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
