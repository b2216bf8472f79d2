//! The epoch of each shard's owner as Redis knows it: what is done outside Postgres is checked against it.
//!
//! A claimer raises it before its lease reaches the consumer, the owner puts it back where Redis lost it, and it never
//! falls. Whoever acts for a shard where no fence row can be locked (writes to Redis, requests to Discord) is refused
//! when a higher one stands. It says who was superseded, never who may write to Postgres: that is the fence's.

use std::sync::LazyLock;

use redis::{ErrorKind, RedisError, Script, Value};

use crate::fence::Fence;
use crate::ids::{Epoch, ShardId, StreamId};
use crate::keys::{GROUPS, Keys};
use crate::redis_link::{Connection, RedisLink};

static OPEN: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("lua/standing.lua"), include_str!("lua/open.lua"))));
static BEGIN: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("lua/standing.lua"), include_str!("lua/begin.lua"))));
static CARRY: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("lua/standing.lua"), include_str!("lua/carry.lua"))));
static KEEP: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/keep_epochs.lua")));
static TRIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/trim.lua")));

/// What Redis said to a claimer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// A lower epoch stood there, or none. False for a claim that is new: somebody else was given its epoch, or a
    /// higher one, by a Postgres that has lost its last commits since.
    pub raised: bool,
    pub stands: Epoch,
    /// None: nobody has begun the stream, or Redis lost it.
    pub incarnation: Option<u64>,
    /// False: it was begun on a server that has failed over or started again since, which may have lost the end of it.
    pub incarnation_stands: bool,
}

/// What one call of the carry script did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carried {
    UpTo(StreamId),
    All,
    Refused,
}

/// Reads and raises the epochs of shards. Cheap to clone.
#[derive(Clone)]
pub struct ShardEpochs {
    redis: Connection,
    keys: Keys,
}

impl std::fmt::Debug for ShardEpochs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ShardEpochs").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl ShardEpochs {
    /// Connected by its first command.
    pub fn new(redis: &RedisLink, keys: Keys) -> Self {
        Self::on(redis.shared(), keys)
    }

    pub(crate) const fn on(redis: Connection, keys: Keys) -> Self {
        Self { redis, keys }
    }

    /// The highest epoch that Redis knows of the shard; none when it has lost it or nobody ever owned the shard.
    ///
    /// # Errors
    /// When Redis cannot be asked.
    pub async fn standing(&self, shard: ShardId) -> Result<Option<Epoch>, RedisError> {
        let key = self.keys.shard_epoch(shard);
        let stands: Option<i64> = redis::cmd("GET").arg(key).query_async(&mut self.redis.clone()).await?;
        Ok(stands.map(Epoch))
    }

    /// Raises the epoch to the claimer's and reads what he needs to begin, in one round trip.
    pub(crate) async fn open(&self, fence: &Fence) -> Result<Opened, RedisError> {
        let (raised, stands, incarnation, incarnation_stands): (bool, i64, Option<u64>, bool) = OPEN
            .key(self.keys.shard_epoch(fence.shard))
            .key(self.keys.incarnation(fence.shard))
            .key(self.keys.history(fence.shard))
            .arg(fence.epoch.get())
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok(Opened { raised, stands: Epoch(stands), incarnation, incarnation_stands })
    }

    /// Raises the incarnation, never lowers it. Answers the epoch that stands: a higher one, and nothing was done.
    pub(super) async fn begin(&self, fence: &Fence, incarnation: u64) -> Result<Epoch, RedisError> {
        let stands: i64 = BEGIN
            .key(self.keys.shard_epoch(fence.shard))
            .key(self.keys.incarnation(fence.shard))
            .key(self.keys.history(fence.shard))
            .arg(fence.epoch.get())
            .arg(incarnation)
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok(Epoch(stands))
    }

    /// Copies what lies after `after` into the incarnation that is to begin; see the script. Answers the last id that was
    /// copied, none when nothing is left.
    pub(super) async fn carry(
        &self,
        fence: &Fence,
        after: StreamId,
        into: u64,
        most: usize,
    ) -> Result<Carried, RedisError> {
        let copied: Value = CARRY
            .key(self.keys.shard_epoch(fence.shard))
            .key(self.keys.incarnation(fence.shard))
            .key(self.keys.history(fence.shard))
            .key(self.keys.stream(fence.shard))
            .arg(fence.epoch.get())
            .arg(after.to_string())
            .arg(into)
            .arg(most)
            .invoke_async(&mut self.redis.clone())
            .await?;
        let last = match copied {
            Value::Nil => Some(Carried::All),
            Value::Int(_) => Some(Carried::Refused),
            Value::BulkString(id) => {
                std::str::from_utf8(&id).ok().and_then(|id| id.parse().ok()).map(Carried::UpTo)
            }
            _ => None,
        };
        last.ok_or_else(|| (ErrorKind::UnexpectedReturnType, "the carry script is not understood").into())
    }

    /// Drops entries below `minimum`. None: Redis does not know the caller as the owner, and nothing was done.
    pub(super) async fn trim(&self, fence: &Fence, minimum: &str) -> Result<Option<u64>, RedisError> {
        let trimmed: i64 = TRIM
            .key(self.keys.shard_epoch(fence.shard))
            .key(self.keys.stream(fence.shard))
            .arg(fence.epoch.get())
            .arg(minimum)
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok(u64::try_from(trimmed).ok())
    }

    /// Puts back what Redis lost of what these fences stand for, and returns those above which another one stands,
    /// with it. One script for each slot group.
    pub(crate) async fn keep(&self, fences: &[Fence]) -> Result<Vec<(Fence, Epoch)>, RedisError> {
        let mut higher = Vec::new();
        for group in 0..GROUPS {
            let of_group: Vec<&Fence> =
                fences.iter().filter(|fence| Keys::group(fence.shard) == group).collect();
            if of_group.is_empty() {
                continue;
            }
            let mut call = KEEP.prepare_invoke();
            for fence in &of_group {
                call.key(self.keys.shard_epoch(fence.shard)).arg(fence.epoch.get());
            }
            let stands: Vec<i64> = call.invoke_async(&mut self.redis.clone()).await?;
            let compared = of_group.into_iter().zip(stands);
            let above = compared.filter(|(fence, stands)| *stands > fence.epoch.get());
            higher.extend(above.map(|(fence, stands)| (fence.clone(), Epoch(stands))));
        }
        Ok(higher)
    }
}
