//! A member's own membership: joining, the heartbeat, and coming back after a lost connection.

use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::{Error, Kind, LOCK_CLASS, MEMBERSHIP, PATIENCE, Purpose, connect, lock, notify};
use super::{session_locks_work, within};
use crate::ids::{ShardId, WorkerId};
use crate::lease::{SelfFence, Status, report};

/// A reconnecting worker does not wait long for its lock: the old session may linger in Postgres.
const RELOCK_WAIT: Duration = Duration::from_millis(300);

/// Why a membership is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The row is gone: peers took this worker for dead. Its leases are void.
    DeclaredDead,
    Cancelled,
}

/// The direct connection that vouches for this member.
#[derive(Debug)]
pub(crate) struct Session {
    kind: Kind,
    options: PgConnectOptions,
    conn: PgConnection,
    pub(crate) id: WorkerId,
    pub(crate) key: i32,
    /// Whether session locks work, so that peers see a death within milliseconds.
    pub(crate) fast: bool,
    locked: bool,
}

impl Session {
    /// Joins under a new id. Row and lock become visible together.
    pub(crate) async fn join(
        options: &PgConnectOptions,
        kind: Kind,
        name: &str,
        try_locks: bool,
    ) -> Result<Self, Error> {
        let id = WorkerId::random();
        let mut conn = connect(options, Purpose::Alive, id, RELOCK_WAIT).await?;
        let fast = try_locks && session_locks_work(&mut conn, options, id).await?;
        let key = within(PATIENCE, async {
            let mut tx = conn.begin().await?;
            let key = add(&mut tx, kind, id, name).await?;
            if fast {
                // A session lock: it outlives this transaction, which makes the row visible after it.
                sqlx::query!("select pg_advisory_lock($1, $2)::text as locked", LOCK_CLASS, key)
                    .fetch_one(&mut *tx)
                    .await?;
            }
            notify(&mut *tx, MEMBERSHIP, "").await?;
            tx.commit().await?;
            Ok(key)
        })
        .await?;
        Ok(Self { kind, options: options.clone(), conn, id, key, fast, locked: fast })
    }

    /// Keeps the membership until it is over. `shards` says what this worker answers for at the moment.
    pub(crate) async fn keep(
        mut self,
        ttl: Duration,
        fence: Arc<SelfFence>,
        mut membership: watch::Receiver<u64>,
        shards: impl Fn() -> Vec<(ShardId, Status)>,
        life: CancellationToken,
    ) -> End {
        let every = ttl / 3;
        loop {
            tokio::select! {
                () = life.cancelled() => return End::Cancelled,
                end = self.beat(every, &fence, &shards) => match end {
                    Ok(true) => {}
                    Ok(false) => return End::DeclaredDead,
                    Err(error) => {
                        let me = self.kind.of(self.id);
                        tracing::warn!(%error, "{me} lost its session connection and opens another");
                        tokio::select! {
                            () = life.cancelled() => return End::Cancelled,
                            () = self.reconnect(every) => continue,
                        }
                    }
                },
            }
            tokio::select! {
                () = life.cancelled() => return End::Cancelled,
                // Somebody was declared dead: it may have been this worker.
                Ok(()) = membership.changed() => {}
                () = sleep(every.mul_f64(0.9 + 0.1 * fastrand::f64())) => {}
            }
        }
    }

    async fn beat(
        &mut self,
        every: Duration,
        fence: &SelfFence,
        shards: impl Fn() -> Vec<(ShardId, Status)>,
    ) -> Result<bool, Error> {
        let asked_at = Instant::now();
        if !within(every, beat(&mut self.conn, self.kind, self.id)).await? {
            return Ok(false);
        }
        fence.renewed(asked_at);
        metrics::histogram!("helpline_lease_renew_seconds", "by" => "postgres")
            .record(asked_at.elapsed().as_secs_f64());
        if self.fast && !self.locked {
            self.locked = lock(&mut self.conn, self.key).await?;
        }
        let shards = shards();
        if !shards.is_empty() {
            within(every, report(&mut self.conn, self.id, &shards)).await?;
        }
        Ok(true)
    }

    /// Opens the connection anew and takes the lock again. Whether the row is still there the next beat tells.
    async fn reconnect(&mut self, every: Duration) {
        let mut pause = Duration::from_millis(20);
        loop {
            match self.try_reconnect().await {
                Ok(()) => return,
                Err(error) => tracing::debug!(%error, "{} could not reconnect yet", self.kind.of(self.id)),
            }
            sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause = (pause * 2).min(every);
        }
    }

    async fn try_reconnect(&mut self) -> Result<(), Error> {
        self.conn = connect(&self.options, Purpose::Alive, self.id, RELOCK_WAIT).await?;
        self.locked = false;
        if self.fast {
            // Not got while the old session lingers in Postgres or a peer is judging: each beat tries again.
            self.locked = lock(&mut self.conn, self.key).await?;
        }
        Ok(())
    }
}

/// Adds the member and gives its liveness key.
async fn add(conn: &mut PgConnection, kind: Kind, id: WorkerId, name: &str) -> Result<i32, sqlx::Error> {
    match kind {
        Kind::Worker => {
            sqlx::query_scalar!(
                "insert into helpline.workers (id, name) values ($1, $2) returning liveness_key",
                id.db(),
                name
            )
            .fetch_one(conn)
            .await
        }
        Kind::Proxy => {
            sqlx::query_scalar!(
                "insert into helpline.proxies (id, name) values ($1, $2) returning liveness_key",
                id.db(),
                name
            )
            .fetch_one(conn)
            .await
        }
    }
}

/// False: declared dead.
async fn beat(conn: &mut PgConnection, kind: Kind, id: WorkerId) -> Result<bool, sqlx::Error> {
    let beaten = match kind {
        Kind::Worker => sqlx::query_file!("src/membership/sql/heartbeat.sql", id.db()).execute(conn).await?,
        Kind::Proxy => {
            sqlx::query_file!("src/membership/sql/heartbeat_of_proxy.sql", id.db()).execute(conn).await?
        }
    };
    Ok(beaten.rows_affected() == 1)
}
