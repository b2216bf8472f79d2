//! The event log: one Redis stream for each shard, written by proxies, read by the shard's owner.
//!
//! Owns the entry's fields and the publish script. Promises: ids are `<incarnation>-<seq>` and rise for ever; nothing
//! is published under a superseded gateway epoch, nor into a stream that Redis has lost; the order of a stream is the
//! order of the calls, because an entry that is refused holds back the later ones of its stream in the same batch.
//! Plain streams without consumer groups: the cursor lives in Postgres ([`crate::fence::FencedTx::move_cursor`]).

mod reader;

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{RedisError, Script};

use crate::ids::{GatewayShard, ServerId, ShardId, StreamId};
use crate::keys::{GROUPS, Keys};

pub use reader::{Delivery, Reader};

/// Entries that one stream holds at the most; beyond it publishing answers [`Outcome::Full`].
pub const MAX_ENTRIES: u64 = 100_000;
/// Entries in one script call: a script holds up every other client of its Redis.
const CHUNK: usize = 200;

/// An event on its way into the log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    pub shard: ShardId,
    /// `<gateway session id>:<sequence>`, the event's first key.
    pub origin: String,
    /// Discord's name of the event, `MESSAGE_CREATE`.
    pub kind: String,
    pub server: Option<ServerId>,
    pub received_at_ms: u64,
    /// Discord's `d`, as JSON.
    pub payload: Bytes,
}

/// An event as the shard's owner reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: StreamId,
    pub origin: String,
    pub kind: String,
    pub server: Option<ServerId>,
    pub received_at_ms: u64,
    pub payload: Bytes,
}

/// What became of one event of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Published(StreamId),
    /// No owner has begun the stream yet, or Redis lost it: to be offered again.
    NoIncarnation,
    /// The stream is at its bound: to be offered again.
    Full,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another proxy holds the gateway shard now. The caller stops publishing for it.
    #[error("{0} belongs to another proxy now")]
    Superseded(GatewayShard),
    #[error("event log: {0}")]
    Redis(#[from] RedisError),
}

/// One call for one slot group. KEYS: gateway epoch, then stream and incarnation of each stream.
/// ARGV: epoch, bound, then for each entry the number of its stream and its five fields.
static PUBLISH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        r"
        if redis.call('get', KEYS[1]) ~= ARGV[1] then return 'SUPERSEDED' end
        local bound, refused, done = tonumber(ARGV[2]), {}, {}
        for a = 3, #ARGV, 6 do
            local n = tonumber(ARGV[a])
            local stream = KEYS[n * 2]
            if not refused[n] then
                local incarnation = redis.call('get', KEYS[n * 2 + 1])
                if not incarnation then
                    refused[n] = 'NOINC'
                elseif redis.call('xlen', stream) >= bound then
                    refused[n] = 'FULL'
                else
                    done[#done + 1] = redis.call('xadd', stream, incarnation .. '-*',
                        'k', ARGV[a + 1], 't', ARGV[a + 2], 'g', ARGV[a + 3], 'r', ARGV[a + 4], 'd', ARGV[a + 5])
                end
            end
            if refused[n] then done[#done + 1] = refused[n] end
        end
        return done
        ",
    )
});

/// Sets the epoch in one group unless it holds a higher one already.
static RAISE_EPOCH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = tonumber(redis.call('get', KEYS[1]) or '0') \
         if tonumber(ARGV[1]) > now then redis.call('set', KEYS[1], ARGV[1]) end \
         return redis.call('get', KEYS[1])",
    )
});

/// A connection that comes back by itself and gives up on an answer after two seconds.
///
/// # Errors
/// When the first connection cannot be made.
pub async fn connect(client: &redis::Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_response_timeout(Some(Duration::from_secs(2)))
        .set_connection_timeout(Some(Duration::from_secs(2)))
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_secs(1))
        .set_number_of_retries(3);
    client.get_connection_manager_with_config(config).await
}

/// The proxy's side. Cheap to clone; one batch of a gateway shard at a time, or their order is lost.
#[derive(Clone)]
pub struct Publisher {
    redis: ConnectionManager,
    keys: Keys,
    max_entries: u64,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Publisher {
    /// # Errors
    /// [`Error::Redis`] when Redis cannot be reached.
    pub async fn new(client: &redis::Client, keys: Keys) -> Result<Self, Error> {
        Ok(Self { redis: connect(client).await?, keys, max_entries: MAX_ENTRIES })
    }

    /// With another bound of a stream than [`MAX_ENTRIES`].
    #[must_use]
    pub fn with_max_entries(mut self, max_entries: u64) -> Self {
        self.max_entries = max_entries;
        self
    }

    /// Makes every earlier holder of the gateway shard unable to publish, in all slot groups, and returns the new epoch.
    ///
    /// # Errors
    /// [`Error::Redis`]; to be repeated then, before anything is published. [`Error::Superseded`] when another
    /// proxy raised it at the same moment.
    pub async fn raise_gateway_epoch(&self, gateway: GatewayShard) -> Result<u64, Error> {
        let mut redis = self.redis.clone();
        let mut highest = 0;
        for group in 0..GROUPS {
            let key = self.keys.gateway_epoch(group, gateway);
            let now: Option<u64> = redis::cmd("GET").arg(&key).query_async(&mut redis).await?;
            highest = highest.max(now.unwrap_or(0));
        }
        let epoch = highest + 1;
        for group in 0..GROUPS {
            let key = self.keys.gateway_epoch(group, gateway);
            let set: u64 = RAISE_EPOCH.key(&key).arg(epoch).invoke_async(&mut redis).await?;
            if set != epoch {
                return Err(Error::Superseded(gateway));
            }
        }
        Ok(epoch)
    }

    /// Publishes a batch and answers for each event, in the batch's order.
    ///
    /// # Errors
    /// [`Error::Redis`]: what was published is unknown, and repeating is safe, since every event carries its key.
    pub async fn publish(
        &self,
        gateway: GatewayShard,
        epoch: u64,
        batch: &[NewEvent],
    ) -> Result<Vec<Outcome>, Error> {
        let mut outcomes = vec![Outcome::NoIncarnation; batch.len()];
        // A stream may be begun between two calls: what follows a refused event in it must not overtake that event.
        let mut refused: HashMap<ShardId, Outcome> = HashMap::new();
        let indexes: Vec<usize> = (0..batch.len()).collect();
        for chunk in indexes.chunks(CHUNK) {
            let mut groups: Vec<Vec<usize>> = vec![Vec::new(); GROUPS as usize];
            for index in chunk {
                match refused.get(&batch[*index].shard) {
                    Some(outcome) => outcomes[*index] = *outcome,
                    None => groups[Keys::group(batch[*index].shard) as usize].push(*index),
                }
            }
            let calls = groups.iter().zip(0..).filter(|(indexes, _)| !indexes.is_empty());
            let calls =
                calls.map(|(indexes, group)| self.publish_group(gateway, epoch, group, batch, indexes));
            for answered in join_all(calls).await {
                for (index, outcome) in answered? {
                    outcomes[index] = outcome;
                    if !matches!(outcome, Outcome::Published(_)) {
                        refused.insert(batch[index].shard, outcome);
                    }
                }
            }
        }
        Ok(outcomes)
    }

    async fn publish_group(
        &self,
        gateway: GatewayShard,
        epoch: u64,
        group: u32,
        batch: &[NewEvent],
        indexes: &[usize],
    ) -> Result<Vec<(usize, Outcome)>, Error> {
        let mut call = PUBLISH.prepare_invoke();
        call.key(self.keys.gateway_epoch(group, gateway)).arg(epoch).arg(self.max_entries);
        let mut streams: HashMap<ShardId, usize> = HashMap::new();
        for event in indexes.iter().map(|index| &batch[*index]) {
            let next = streams.len() + 1;
            let stream = *streams.entry(event.shard).or_insert_with(|| {
                call.key(self.keys.stream(event.shard)).key(self.keys.incarnation(event.shard));
                next
            });
            call.arg(stream)
                .arg(&event.origin)
                .arg(&event.kind)
                .arg(event.server.map(ServerId::get).unwrap_or(0))
                .arg(event.received_at_ms)
                .arg(event.payload.as_ref());
        }
        let answer: redis::Value = call.invoke_async(&mut self.redis.clone()).await?;
        if matches!(answer, redis::Value::BulkString(_) | redis::Value::SimpleString(_)) {
            return Err(Error::Superseded(gateway));
        }
        let answers: Vec<String> = redis::from_redis_value(answer).map_err(RedisError::from)?;
        Ok(indexes.iter().copied().zip(answers.iter().map(|answer| outcome(answer))).collect())
    }
}

fn outcome(answer: &str) -> Outcome {
    match answer {
        "NOINC" => Outcome::NoIncarnation,
        "FULL" => Outcome::Full,
        id => Outcome::Published(id.parse().expect("XADD answers with the id it was asked for")),
    }
}

/// The worker's side beside [`Reader`]: upkeep of streams. Cheap to clone.
#[derive(Clone)]
pub struct EventLog {
    redis: ConnectionManager,
    keys: Keys,
}

impl std::fmt::Debug for EventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLog").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl EventLog {
    /// # Errors
    /// [`Error::Redis`] when Redis cannot be reached.
    pub async fn new(client: redis::Client, keys: Keys) -> Result<Self, Error> {
        Ok(Self { redis: connect(&client).await?, keys })
    }

    /// The incarnation of a shard's stream; none when nobody has begun it or Redis lost it.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn incarnation(&self, shard: ShardId) -> Result<Option<u64>, Error> {
        let key = self.keys.incarnation(shard);
        Ok(redis::cmd("GET").arg(key).query_async(&mut self.redis.clone()).await?)
    }

    /// Begins an incarnation. The caller holds the shard's fence and has raised the number in Postgres.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn set_incarnation(&self, shard: ShardId, incarnation: u64) -> Result<(), Error> {
        let key = self.keys.incarnation(shard);
        Ok(redis::cmd("SET").arg(key).arg(incarnation).query_async(&mut self.redis.clone()).await?)
    }

    /// Drops entries below `below`; never the whole stream, so that Redis remembers its last id.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn trim(&self, shard: ShardId, below: StreamId) -> Result<u64, Error> {
        let key = self.keys.stream(shard);
        let minimum = below.to_string();
        let mut trim = redis::cmd("XTRIM");
        trim.arg(key).arg("MINID").arg("~").arg(minimum);
        Ok(trim.query_async(&mut self.redis.clone()).await?)
    }
}
