//! Whether the event log of a shard is the one Postgres knows. Redis may have lost it: then the shard's
//! owner begins a new incarnation, from which every stream id is higher than any before.

use std::sync::LazyLock;
use std::time::Duration;

use redis::Script;
use redis::aio::ConnectionManager;
use sqlx::PgPool;
use tokio::time::timeout;

use crate::fence::{self, Fence, FencedTx};
use crate::ids::StreamId;
use crate::keys::Keys;

const PATIENCE: Duration = Duration::from_secs(2);

/// Never lowers: the write of a superseded owner may arrive after that of its successor.
static RAISE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local now = tonumber(redis.call('get', KEYS[1]) or '0') \
         if tonumber(ARGV[1]) > now then redis.call('set', KEYS[1], ARGV[1]) end \
         return 1",
    )
});

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shard belongs to somebody else now.
    #[error(transparent)]
    Fence(#[from] fence::Error),
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
    #[error("redis or postgres did not answer in time")]
    TimedOut,
}

impl Error {
    pub(crate) const fn is_superseded(&self) -> bool {
        matches!(self, Self::Fence(fence::Error::Superseded { .. }))
    }
}

/// Makes sure that Redis and Postgres agree on the stream's incarnation, and says where to read on.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) pool: PgPool,
    pub(crate) redis: ConnectionManager,
    pub(crate) keys: Keys,
}

impl Log {
    /// The cursor of the shard, after a new incarnation was begun where Redis has lost the present one.
    /// May be repeated at will; every error leaves a state that the next call mends.
    pub(crate) async fn ensure(&self, fence: &Fence) -> Result<StreamId, Error> {
        timeout(PATIENCE, self.ensure_in_time(fence)).await.map_err(|_| Error::TimedOut)?
    }

    async fn ensure_in_time(&self, fence: &Fence) -> Result<StreamId, Error> {
        let cursor = self.cursor(fence).await?;
        let key = self.keys.incarnation(fence.shard);
        let in_redis: Option<u64> = redis::cmd("GET").arg(&key).query_async(&mut self.redis.clone()).await?;
        // 0 is the state before the first incarnation. A higher one in Redis: Postgres lost its last commits.
        if cursor.incarnation > 0 && in_redis == Some(cursor.incarnation) {
            return Ok(cursor);
        }
        let next = StreamId::start_of(cursor.incarnation.max(in_redis.unwrap_or(0)) + 1);
        let begun = self.begin(fence, cursor, next).await?;
        let mut redis = self.redis.clone();
        let _: i64 = RAISE.key(&key).arg(begun.incarnation).invoke_async(&mut redis).await?;
        Ok(begun)
    }

    async fn cursor(&self, fence: &Fence) -> Result<StreamId, Error> {
        let row = sqlx::query!(
            "select incarnation, cursor_seq from helpline.shard_streams where shard_id = $1",
            fence.shard.db()
        )
        .fetch_one(&self.pool)
        .await
        .map_err(fence::Error::from)?;
        Ok(StreamId::from_db(row.incarnation, row.cursor_seq))
    }

    async fn begin(&self, fence: &Fence, from: StreamId, next: StreamId) -> Result<StreamId, Error> {
        let mut tx = FencedTx::begin(&self.pool, fence).await?;
        let (old, _) = from.db();
        let (new, _) = next.db();
        let raised = sqlx::query_file!("src/claims/sql/raise_incarnation.sql", fence.shard.db(), old, new)
            .execute(tx.conn())
            .await
            .map_err(fence::Error::from)?;
        tx.commit().await?;
        if raised.rows_affected() == 0 {
            // Somebody under the same fence was quicker.
            return self.cursor(fence).await;
        }
        match old {
            0 => tracing::debug!("{} begins its log", fence.shard),
            lost => tracing::warn!(
                "{} begins incarnation {}: redis does not have {lost} any more",
                fence.shard,
                next.incarnation
            ),
        }
        Ok(next)
    }
}
