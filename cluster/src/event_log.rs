//! The event log: one Redis stream for each shard, written by proxies, read by the shard's owner.
//!
//! Owns the entry's fields and the publish script. Promises: ids are `<incarnation>-<seq>` and rise for ever; nothing
//! is published under a superseded gateway epoch or one that Redis has lost, nor into a stream that Redis has lost or failed over in, nor under
//! another incarnation than the publisher knows; the order of a stream is the order of the calls, because an entry that
//! is refused holds back the later ones of its stream in the same batch.
//! Plain streams without consumer groups: the cursor lives in Postgres ([`crate::fence::FencedTx::move_cursor`]).

mod epochs;
mod gateway_epochs;
mod lag;
mod reader;

use std::collections::HashMap;
use std::sync::LazyLock;

use bytes::Bytes;
use futures_util::future::join_all;
use redis::{ErrorKind, RedisError, Script, Value};

use crate::fence::Fence;
use crate::ids::{Epoch, GatewayShard, ServerId, ShardId, StreamId};
use crate::keys::{GROUPS, Keys};
use crate::redis_link::{Connection, RedisLink};

use epochs::Carried;
pub use epochs::{Opened, ShardEpochs};
pub use gateway_epochs::{Eras, Raised};
pub use lag::Lag;
pub use reader::{Delivery, Reader};

/// What one stream holds at the most; at either bound publishing answers [`Outcome::Full`].
pub const MAX_ENTRIES: u64 = 100_000;
/// As Redis reckons the memory of a stream; approximate.
pub const MAX_BYTES: u64 = 128 * 1024 * 1024;
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
    /// No owner has begun the stream yet, or Redis lost it or failed over in it: to be offered again.
    NoIncarnation,
    /// This incarnation stands, and the publisher knows another. A higher one: what he published under his goes first.
    /// A lower one: he has reached a server that was cut off.
    OtherIncarnation(u64),
    /// The stream is at its bound: to be offered again.
    Full,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another proxy holds the gateway shard now. The caller stops publishing for it.
    #[error("{0} belongs to another proxy now")]
    Superseded(GatewayShard),
    /// Redis knows no epoch of the gateway shard, or one from before it lost something. Whose it is says Postgres alone:
    /// the holder asks there, and then raises its epoch again.
    #[error("redis has lost the epoch of {0}")]
    EpochLost(GatewayShard),
    /// Another worker owns the shard, or Redis has lost who does. Nothing was done.
    #[error("{0} has another owner in redis ({1:?})")]
    NotOwner(ShardId, Option<Epoch>),
    #[error("event log: {0}")]
    Redis(#[from] RedisError),
}

/// One call for one slot group, see the script.
static PUBLISH: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("event_log/lua/standing.lua"),
        include_str!("event_log/lua/era.lua"),
        include_str!("event_log/lua/publish.lua")
    ))
});

/// The proxy's side. Cheap to clone; one batch of a gateway shard at a time, or their order is lost.
#[derive(Clone)]
pub struct Publisher {
    redis: Connection,
    keys: Keys,
    max_entries: u64,
    max_bytes: u64,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Publisher {
    /// Connects with the first batch.
    pub fn new(redis: &RedisLink, keys: Keys) -> Self {
        Self { redis: redis.shared(), keys, max_entries: MAX_ENTRIES, max_bytes: MAX_BYTES }
    }

    /// With other bounds of a stream than [`MAX_ENTRIES`] and [`MAX_BYTES`].
    #[must_use]
    pub fn with_bounds(mut self, max_entries: u64, max_bytes: u64) -> Self {
        (self.max_entries, self.max_bytes) = (max_entries, max_bytes);
        self
    }

    /// Publishes a batch and answers for each event, in the batch's order.
    ///
    /// # Errors
    /// [`Error::Superseded`], [`Error::EpochLost`]: nothing was published, or a part when it happened in between.
    /// [`Error::Redis`]: what was published is unknown. Repeating is safe, since every event carries its key.
    pub async fn publish(
        &self,
        gateway: GatewayShard,
        epoch: u64,
        batch: &[NewEvent],
    ) -> Result<Vec<Outcome>, Error> {
        self.publish_under(gateway, epoch, batch, &HashMap::new()).await
    }

    /// As [`Publisher::publish`], into the incarnations that the publisher knows: into a stream that is not named under
    /// any, else [`Outcome::OtherIncarnation`].
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_under(
        &self,
        gateway: GatewayShard,
        epoch: u64,
        batch: &[NewEvent],
        known: &HashMap<ShardId, u64>,
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
            let calls = calls
                .map(|(indexes, group)| self.publish_group(gateway, epoch, group, batch, indexes, known));
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
        known: &HashMap<ShardId, u64>,
    ) -> Result<Vec<(usize, Outcome)>, Error> {
        let mut call = PUBLISH.prepare_invoke();
        call.key(self.keys.gateway_epoch(group, gateway)).key(self.keys.era(group));
        let mut streams: HashMap<ShardId, usize> = HashMap::new();
        let mut expected: Vec<u64> = Vec::new();
        for shard in indexes.iter().map(|index| batch[*index].shard) {
            streams.entry(shard).or_insert_with(|| {
                let keys = &self.keys;
                call.key(keys.stream(shard)).key(keys.incarnation(shard)).key(keys.history(shard));
                expected.push(known.get(&shard).copied().unwrap_or(0));
                expected.len()
            });
        }
        call.arg(epoch).arg(self.max_entries).arg(self.max_bytes).arg(expected.len()).arg(expected);
        for event in indexes.iter().map(|index| &batch[*index]) {
            call.arg(streams[&event.shard])
                .arg(&event.origin)
                .arg(&event.kind)
                .arg(event.server.map(ServerId::get).unwrap_or(0))
                .arg(event.received_at_ms)
                .arg(event.payload.as_ref());
        }
        match call.invoke_async(&mut self.redis.clone()).await? {
            Value::Int(-1) => Err(Error::EpochLost(gateway)),
            Value::Int(_) => Err(Error::Superseded(gateway)),
            Value::Array(answers) if answers.len() == indexes.len() => {
                let outcomes = answers.into_iter().map(|answer| outcome(answer).ok_or_else(not_understood));
                indexes.iter().zip(outcomes).map(|(index, outcome)| Ok((*index, outcome?))).collect()
            }
            _ => Err(not_understood()),
        }
    }
}

fn outcome(answer: Value) -> Option<Outcome> {
    match answer {
        Value::Int(0) => Some(Outcome::NoIncarnation),
        Value::Int(1) => Some(Outcome::Full),
        Value::Array(stands) => match stands.as_slice() {
            [Value::Int(incarnation)] => Some(Outcome::OtherIncarnation(u64::try_from(*incarnation).ok()?)),
            _ => None,
        },
        Value::BulkString(id) => Some(Outcome::Published(std::str::from_utf8(&id).ok()?.parse().ok()?)),
        _ => None,
    }
}

fn not_understood() -> Error {
    Error::Redis(
        (ErrorKind::UnexpectedReturnType, "the answer of the publish script is not understood").into(),
    )
}

/// The worker's side beside [`Reader`]: upkeep of streams, by their owner alone. Cheap to clone.
#[derive(Clone)]
pub struct EventLog {
    redis: Connection,
    keys: Keys,
    epochs: ShardEpochs,
}

impl std::fmt::Debug for EventLog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventLog").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl EventLog {
    /// Connects with the first command.
    pub fn new(redis: &RedisLink, keys: Keys) -> Self {
        Self::on(redis.shared(), keys)
    }

    pub(crate) fn on(redis: Connection, keys: Keys) -> Self {
        Self { epochs: ShardEpochs::on(redis.clone(), keys.clone()), redis, keys }
    }

    /// The epochs of shards, on the same connection.
    pub const fn epochs(&self) -> &ShardEpochs {
        &self.epochs
    }

    /// The incarnation of a shard's stream; none when nobody has begun it or Redis lost it.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn incarnation(&self, shard: ShardId) -> Result<Option<u64>, Error> {
        let key = self.keys.incarnation(shard);
        Ok(redis::cmd("GET").arg(key).query_async(&mut self.redis.clone()).await?)
    }

    /// The id of a shard's newest entry, trimmed ones counted; none when there was never one.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn last_id(&self, shard: ShardId) -> Result<Option<StreamId>, Error> {
        let mut newest = redis::cmd("XREVRANGE");
        newest.arg(self.keys.stream(shard)).arg("+").arg("-").arg("COUNT").arg(1);
        let newest: redis::streams::StreamRangeReply = newest.query_async(&mut self.redis.clone()).await?;
        Ok(newest.ids.first().and_then(|entry| entry.id.parse().ok()))
    }

    /// Begins an incarnation. The caller holds the shard's fence and has raised the number in Postgres. A higher one
    /// stays: the call of a superseded owner may arrive after that of its successor.
    ///
    /// # Errors
    /// [`Error::NotOwner`] when a higher epoch stands, [`Error::Redis`].
    pub async fn set_incarnation(&self, fence: &Fence, incarnation: u64) -> Result<(), Error> {
        match self.epochs.begin(fence, incarnation).await? {
            stands if stands > fence.epoch => Err(Error::NotOwner(fence.shard, Some(stands))),
            _ => Ok(()),
        }
    }

    /// Copies what the stream still holds after `after` into the incarnation that is to begin: a failover may have lost
    /// the end of a stream, and a restart nothing. Nobody publishes meanwhile, since none stands. Repeated, it copies
    /// again, which the event keys catch.
    ///
    /// # Errors
    /// [`Error::NotOwner`] when a higher epoch or an incarnation stands, [`Error::Redis`].
    pub(crate) async fn carry(&self, fence: &Fence, after: StreamId, into: u64) -> Result<(), Error> {
        let mut after = after;
        loop {
            match self.epochs.carry(fence, after, into, CHUNK).await? {
                Carried::UpTo(id) => after = id,
                Carried::All => return Ok(()),
                Carried::Refused => return Err(Error::NotOwner(fence.shard, None)),
            }
        }
    }

    /// Drops entries below `below`; never the whole stream, so that Redis remembers its last id. Only for the owner
    /// that Redis knows: one that was superseded may have another idea of what is applied.
    ///
    /// # Errors
    /// [`Error::NotOwner`], [`Error::Redis`].
    pub async fn trim(&self, fence: &Fence, below: StreamId) -> Result<u64, Error> {
        let trimmed = self.epochs.trim(fence, &below.to_string()).await?;
        trimmed.ok_or(Error::NotOwner(fence.shard, None))
    }
}
