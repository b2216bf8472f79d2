//! Whether the event log of a shard is the one Postgres knows. Redis may have lost it: then the shard's
//! owner begins a new incarnation, from which every stream id is higher than any before.

use std::time::Duration;

use sqlx::PgPool;
use tokio::time::timeout;

use crate::event_log::{self, EventLog, Opened};
use crate::fence::{self, Fence, FencedTx};
use crate::ids::{Epoch, ShardId, StreamId};

const PATIENCE: Duration = Duration::from_secs(2);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The shard belongs to somebody else now.
    #[error(transparent)]
    Fence(#[from] fence::Error),
    /// Redis knows an epoch that Postgres has not given to us: it was claimed by another, or Postgres has lost its
    /// last commits. The shard is to be claimed anew, above that epoch.
    #[error("{shard} stands at {stands} in redis")]
    EpochTaken { shard: ShardId, stands: Epoch },
    #[error(transparent)]
    Log(#[from] event_log::Error),
    #[error("redis or postgres did not answer in time")]
    TimedOut,
}

impl Error {
    /// Whether a commit took effect is not known: the shard has to be acquired anew.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Fence(fence::Error::Unknown { .. }))
    }

    /// Another has claimed the shard.
    pub const fn is_superseded(&self) -> bool {
        matches!(self, Self::Fence(fence::Error::Superseded { .. }))
    }

    /// The epoch above which the shard has to be claimed anew before anything else is done for it.
    pub const fn epoch_taken(&self) -> Option<Epoch> {
        match self {
            Self::EpochTaken { stands, .. } | Self::Log(event_log::Error::NotOwner(_, Some(stands))) => {
                Some(*stands)
            }
            _ => None,
        }
    }
}

/// Makes sure that Redis and Postgres agree on a stream's owner and incarnation, and says where to read on.
#[derive(Clone)]
pub(crate) struct Log {
    pub(crate) pool: PgPool,
    pub(crate) log: EventLog,
}

impl Log {
    /// The cursor of the shard, after its epoch was raised in Redis and a new incarnation begun where Redis has lost
    /// the present one. May be repeated at will; every error leaves a state that the next call mends.
    ///
    /// `fresh` = Redis has not heard of this epoch from us. Where it knows it nevertheless, another was given the same.
    pub(crate) async fn ensure(&self, fence: &Fence, fresh: &mut bool) -> Result<StreamId, Error> {
        let in_time = |_| Error::TimedOut;
        let (cursor, next) = timeout(PATIENCE, self.compare(fence, fresh)).await.map_err(in_time)??;
        let Some(next) = next else { return Ok(cursor) };
        // Each of its steps has a limit of its own; there may be many.
        self.log.carry(fence, cursor, next.incarnation).await?;
        timeout(PATIENCE, self.begin_in_both(fence, cursor, next)).await.map_err(in_time)?
    }

    /// The cursor, and where the next incarnation has to begin when the cursor's is not to be gone on with.
    async fn compare(&self, fence: &Fence, fresh: &mut bool) -> Result<(StreamId, Option<StreamId>), Error> {
        let (cursor, opened) = tokio::join!(self.cursor(fence), self.log.epochs().open(fence));
        let Opened { raised, stands, incarnation, incarnation_stands } =
            opened.map_err(event_log::Error::from)?;
        if stands > fence.epoch || (*fresh && !raised) {
            return Err(Error::EpochTaken { shard: fence.shard, stands });
        }
        *fresh = false;
        let cursor = cursor?;
        // 0 is the state before the first incarnation. A higher one in Redis: Postgres lost its last commits. One that
        // does not stand: Redis has failed over, and the end of the stream may be missing.
        if cursor.incarnation > 0 && incarnation == Some(cursor.incarnation) && incarnation_stands {
            return Ok((cursor, None));
        }
        let next = cursor.incarnation.max(incarnation.unwrap_or(0)) + 1;
        Ok((cursor, Some(StreamId::start_of(next))))
    }

    async fn begin_in_both(
        &self,
        fence: &Fence,
        cursor: StreamId,
        next: StreamId,
    ) -> Result<StreamId, Error> {
        let begun = self.begin(fence, cursor, next).await?;
        self.log.set_incarnation(fence, begun.incarnation).await?;
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
                "{} begins incarnation {}: redis does not have {lost} any more, or failed over in it",
                fence.shard,
                next.incarnation
            ),
        }
        Ok(next)
    }
}
