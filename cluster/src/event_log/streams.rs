//! What a stream's owner does to it besides reading.

use std::sync::LazyLock;

use redis::Script;
use redis::aio::ConnectionManager;

use super::Error;
use crate::ids::{ShardId, StreamId};
use crate::keys::Keys;
use crate::redis_connections;

static RAISE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/raise.lua")));

/// The streams of the event log, for the owners of shards. Clones share the connection.
#[derive(Clone, Debug)]
pub struct EventLog {
    redis: ConnectionManager,
    keys: Keys,
}

impl EventLog {
    /// # Errors
    /// When Redis cannot be reached. Afterwards it reconnects by itself.
    pub async fn new(client: redis::Client, keys: Keys) -> Result<Self, Error> {
        Ok(Self { redis: redis_connections::shared(&client).await?, keys })
    }

    /// The stream's incarnation as Redis knows it. None: Redis has lost it, and nothing is published.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn incarnation(&self, shard: ShardId) -> Result<Option<u64>, Error> {
        let key = self.keys.incarnation(shard);
        Ok(redis::cmd("GET").arg(key).query_async(&mut self.redis.clone()).await?)
    }

    /// Opens the stream for publishing under this incarnation; to be raised in Postgres before. A higher
    /// one that stands already is left. Returns what stands.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn set_incarnation(&self, shard: ShardId, incarnation: u64) -> Result<u64, Error> {
        let key = self.keys.incarnation(shard);
        let (_, stands): (bool, u64) =
            RAISE.key(key).arg(incarnation).invoke_async(&mut self.redis.clone()).await?;
        Ok(stands)
    }

    /// Removes entries below `below`, whole nodes of about 100 only, which costs Redis next to nothing.
    /// Returns how many.
    ///
    /// # Errors
    /// [`Error::Redis`].
    pub async fn trim(&self, shard: ShardId, below: StreamId) -> Result<u64, Error> {
        let removed = redis::cmd("XTRIM")
            .arg(self.keys.stream(shard))
            .arg("MINID")
            .arg("~")
            .arg(below.to_string())
            .query_async(&mut self.redis.clone())
            .await?;
        Ok(removed)
    }
}
