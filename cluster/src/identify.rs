//! The identify queue: Discord takes one IDENTIFY for each bucket (gateway shard id % max_concurrency) in five seconds,
//! whichever process sends it. Redis counts for all processes, also across a restart.
//! Source: Discord developer docs, "Gateway", "Rate Limiting".

use std::time::Duration;

use tokio::sync::oneshot;
use twilight_gateway_queue::Queue;

use crate::keys::Keys;
use crate::redis_link::{Connection, RedisLink};

/// How long a bucket rests after an IDENTIFY. Discord's five seconds, and some for its clock.
const REST: Duration = Duration::from_millis(5_250);
const RETRY_EVERY: Duration = Duration::from_millis(100);

/// Permits are handed out by Redis; RESUME needs none. Cheap to clone.
#[derive(Clone)]
pub struct RedisQueue {
    redis: Connection,
    keys: Keys,
    max_concurrency: u32,
    rest: Duration,
}

impl std::fmt::Debug for RedisQueue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisQueue").field("max_concurrency", &self.max_concurrency).finish_non_exhaustive()
    }
}

impl RedisQueue {
    /// `max_concurrency` as GET /gateway/bot gives it.
    pub fn new(redis: &RedisLink, keys: Keys, max_concurrency: u32) -> Self {
        Self { redis: redis.shared(), keys, max_concurrency: max_concurrency.max(1), rest: REST }
    }

    /// With another rest than Discord's.
    #[must_use]
    pub fn with_rest(mut self, rest: Duration) -> Self {
        self.rest = rest;
        self
    }

    /// Waits for the bucket of a gateway shard; a Redis that is away is waited for, not passed by.
    async fn permit(mut self, gateway_shard: u32) {
        let key = self.keys.identify_bucket(gateway_shard % self.max_concurrency);
        let rest = u64::try_from(self.rest.as_millis()).expect("a rest of seconds");
        let mut told = false;
        loop {
            let mut take = redis::cmd("SET");
            take.arg(&key).arg(gateway_shard).arg("NX").arg("PX").arg(rest);
            match take.query_async::<Option<String>>(&mut self.redis).await {
                Ok(Some(_)) => return,
                Ok(None) => {}
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(%error, "an identify waits for Redis");
                }
                Err(_) => {}
            }
            tokio::time::sleep(RETRY_EVERY.mul_f64(0.5 + fastrand::f64())).await;
        }
    }
}

impl Queue for RedisQueue {
    fn enqueue(&self, shard: u32) -> oneshot::Receiver<()> {
        let (permit, granted) = oneshot::channel();
        let queue = self.clone();
        tokio::spawn(async move {
            let mut permit = permit;
            tokio::select! {
                () = queue.permit(shard) => { let _ = permit.send(()); }
                // The connection that asked is gone: its place is not used up.
                () = permit.closed() => {}
            }
        });
        granted
    }
}
