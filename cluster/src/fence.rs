//! The fence: no transaction commits under a superseded ownership.
//!
//! Every write transaction of a shard's owner is a [`FencedTx`]. It holds the shard's fence row (and the
//! `server_shards` row of each server it writes) FOR SHARE until it ends, so that a claim or a move waits
//! for it, and a transaction begun after the claim finds no row. Stores take `&mut FencedTx` to write.
//! Claiming and releasing live in [`crate::lease`].

use std::collections::HashSet;
use std::time::Duration;

use sha2::{Digest, Sha256};
use sqlx::postgres::{PgDatabaseError, PgPoolOptions, PgSeverity};
use sqlx::{AssertSqlSafe, PgConnection};
use tokio::time::timeout;
use uuid::Uuid;

use crate::database::{Begun, Source, begin_in_turn};
use crate::ids::{Epoch, ServerId, ShardId, StreamId, WorkerId};

/// One ownership of a shard. `claim_token` is random, because an asynchronous Postgres failover can hand
/// out an epoch twice.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fence {
    pub shard: ShardId,
    pub epoch: Epoch,
    pub claim_token: Uuid,
    pub owner: WorkerId,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another worker has claimed the shard. The caller stops applying it at once.
    #[error("{shard} at {epoch} has been claimed by another worker")]
    Superseded { shard: ShardId, epoch: Epoch },
    /// The server lives on another shard. The caller leaves its event to that shard.
    #[error("{server} is no longer on {shard}")]
    ServerElsewhere { server: ServerId, shard: ShardId },
    /// The answer to a commit was lost: it may have taken effect, or take effect later. The caller reads nothing under
    /// this fence any more and acquires the shard anew ([`crate::claims::Claims::reacquire`]).
    #[error("whether a commit of {shard} took effect is not known: {why}")]
    Unknown { shard: ShardId, why: String },
    #[error("fenced transaction: {0}")]
    Database(#[from] sqlx::Error),
}

impl Error {
    /// The shard has to be acquired anew before anything of it is read.
    pub const fn is_unknown(&self) -> bool {
        matches!(self, Self::Unknown { .. })
    }
}

/// How long an answer to a commit is waited for.
const COMMIT_PATIENCE: Duration = Duration::from_secs(5);

/// A transaction that holds its shard's fence. Dropped without [`FencedTx::commit`] it rolls back.
#[derive(Debug)]
pub struct FencedTx {
    tx: Begun,
    fence: Fence,
}

impl FencedTx {
    /// Begins and locks the fence row. Two round trips.
    ///
    /// # Errors
    /// [`Error::Superseded`] when the fence is no longer the shard's; [`Error::Database`] otherwise.
    pub async fn begin(db: &impl Source, fence: &Fence) -> Result<Self, Error> {
        let mut tx = begin_in_turn(db, None).await?;
        let held = sqlx::query_file!(
            "src/fence/sql/lock_fence.sql",
            fence.shard.db(),
            fence.epoch.db(),
            fence.claim_token,
            fence.owner.db()
        )
        .fetch_optional(&mut *tx.tx)
        .await?;
        if held.is_none() {
            return Err(superseded(fence));
        }
        Ok(Self { tx, fence: fence.clone() })
    }

    /// [`FencedTx::begin`] and [`FencedTx::lock_server`] for one server, in the same two round trips.
    ///
    /// # Errors
    /// As `begin` and `lock_server`.
    pub async fn begin_for(db: &impl Source, fence: &Fence, server: ServerId) -> Result<Self, Error> {
        let mut tx = begin_in_turn(db, None).await?;
        let held = sqlx::query_file!(
            "src/fence/sql/lock_fence_and_server.sql",
            fence.shard.db(),
            fence.epoch.db(),
            fence.claim_token,
            fence.owner.db(),
            server.db()
        )
        .fetch_one(&mut *tx.tx)
        .await?;
        if !held.fence_held {
            return Err(superseded(fence));
        }
        if !held.server_held {
            return Err(Error::ServerElsewhere { server, shard: fence.shard });
        }
        Ok(Self { tx, fence: fence.clone() })
    }

    /// The ownership this transaction runs under.
    pub const fn fence(&self) -> &Fence {
        &self.fence
    }

    /// Locks the server's `server_shards` row: until this transaction ends the server stays on the shard.
    /// Needed once for each server whose rows the transaction writes.
    ///
    /// # Errors
    /// [`Error::ServerElsewhere`] when it is on another shard or unknown; the transaction stays usable.
    pub async fn lock_server(&mut self, server: ServerId) -> Result<(), Error> {
        let shard = self.fence.shard;
        let held = sqlx::query_file!("src/fence/sql/lock_server.sql", server.db(), shard.db())
            .fetch_optional(&mut *self.tx.tx)
            .await?;
        held.map(drop).ok_or(Error::ServerElsewhere { server, shard })
    }

    /// Says that the log is applied up to and including `to`; a batch calls it once, with its last entry.
    /// False: the cursor already stands there or beyond, or `to` is of an incarnation that is not the
    /// shard's; the entry is then not to be applied.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn move_cursor(&mut self, to: StreamId) -> Result<bool, Error> {
        let (incarnation, seq) = to.db();
        let moved = sqlx::query_file!(
            "src/fence/sql/move_cursor.sql",
            self.fence.shard.db(),
            incarnation,
            seq,
            self.fence.epoch.db()
        )
        .execute(&mut *self.tx.tx)
        .await?;
        Ok(moved.rows_affected() == 1)
    }

    /// Remembers that the event had its effect. True: it is new. False: it has been applied before, by
    /// whichever shard. Waits for an open transaction that remembers the same key.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn remember_event(&mut self, key: &str) -> Result<bool, Error> {
        let inserted = sqlx::query!(
            "insert into helpline.event_keys (key) values ($1) on conflict (key) do nothing",
            &event_key(key)[..]
        )
        .execute(&mut *self.tx.tx)
        .await?;
        Ok(inserted.rows_affected() == 1)
    }

    /// [`FencedTx::remember_event`] for many keys in one round trip; an answer for each, in their order.
    /// Of equal keys within one call the first alone can be new.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn remember_events(&mut self, keys: &[&str]) -> Result<Vec<bool>, Error> {
        let hashes: Vec<Vec<u8>> = keys.iter().map(|key| event_key(key).to_vec()).collect();
        let inserted = sqlx::query_file!("src/fence/sql/remember_events.sql", &hashes)
            .fetch_all(&mut *self.tx.tx)
            .await?;
        let mut new: HashSet<Vec<u8>> = inserted.into_iter().map(|row| row.key).collect();
        Ok(hashes.iter().map(|hash| new.remove(hash)).collect())
    }

    /// The connection, for the statements of stores.
    pub fn conn(&mut self) -> &mut PgConnection {
        &mut self.tx.tx
    }

    /// # Errors
    /// [`Error::Unknown`] when no answer came; [`Error::Database`] when Postgres refused, and nothing took effect.
    pub async fn commit(self) -> Result<(), Error> {
        let unknown = |why| Error::Unknown { shard: self.fence.shard, why };
        match timeout(COMMIT_PATIENCE, self.tx.tx.commit()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) if is_refusal(&error) => Err(Error::Database(error)),
            Ok(Err(error)) => Err(unknown(error.to_string())),
            Err(_) => Err(unknown("no answer in time".to_owned())),
        }
    }

    /// Rolls back and waits for it, where dropping would leave it to the connection's next use.
    ///
    /// # Errors
    /// [`Error::Database`].
    pub async fn rollback(self) -> Result<(), Error> {
        Ok(self.tx.tx.rollback().await?)
    }
}

/// Whether Postgres answered a commit, and answered no. What ends the session (FATAL) may come after the commit was
/// written, as does 40003 by its name.
fn is_refusal(error: &sqlx::Error) -> bool {
    let answer = error.as_database_error().and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
    answer.is_some_and(|answer| answer.severity() == PgSeverity::Error && answer.code() != "40003")
}

fn superseded(fence: &Fence) -> Error {
    Error::Superseded { shard: fence.shard, epoch: fence.epoch }
}

/// What `event_keys` stores of a key: the first 16 bytes of its sha-256.
fn event_key(key: &str) -> [u8; 16] {
    let digest = Sha256::digest(key.as_bytes());
    let mut short = [0; 16];
    short.copy_from_slice(&digest[..16]);
    short
}

/// Pool options of a role that writes under fences. A frozen owner's transaction would make a claim wait
/// for ever, so Postgres ends it after `idle_tx_timeout`, which has to be below the lease's TTL.
///
/// Set after connecting, because poolers refuse start-up parameters. Behind a transaction pooler only the
/// role's own default reaches every connection: `alter role … set idle_in_transaction_session_timeout`.
pub fn pool_options(idle_tx_timeout: Duration) -> PgPoolOptions {
    let set = format!("set idle_in_transaction_session_timeout = {}", idle_tx_timeout.as_millis());
    PgPoolOptions::new().after_connect(move |conn, _| {
        let set = set.clone();
        Box::pin(async move { sqlx::raw_sql(AssertSqlSafe(set)).execute(conn).await.map(drop) })
    })
}
