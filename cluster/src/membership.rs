//! Who is alive: a worker's row in `helpline.workers`, and the advisory lock of its session that vouches for it.
//!
//! A worker takes the lock on its direct connection before its row can be seen. When the process dies,
//! Postgres ends the session and frees the lock, which its peers see within milliseconds ([`watch`]).
//! Evidence of a death is a lock that was seen held and then free on one unbroken connection: after a
//! lost connection, a restart or a failover nothing that was seen before counts. Through a pooler session
//! locks mean nothing; then silence alone tells (Redis lease gone and heartbeat older than the TTL).
//!
//! What counts as evidence is decided in [`evidence`]. Proxies are members in the same way, in a table of their own
//! ([`Kind`]). For [`crate::claims`] and [`crate::gateway_shards`] alone, but for the evidence.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use tokio::time::timeout;

use crate::ids::{ProxyId, WorkerId};

pub mod evidence;
pub(crate) mod session;
pub(crate) mod watch;

/// First key of every advisory lock of the cluster. The second is a worker's liveness key, or [`LEADER`].
pub(crate) const LOCK_CLASS: i32 = 0x484C;
/// Second key of the leader's lock; liveness keys begin at 1.
pub(crate) const LEADER: i32 = 0;
/// Channel that says a worker came, went, drains or died.
pub(crate) const MEMBERSHIP: &str = "helpline_membership";
/// Channel that says a plan changed or a shard was released. Payload: the worker concerned, or nothing = all.
pub(crate) const PLACEMENT: &str = "helpline_placement";
/// Said whenever a move of a server was planned or came further; the payload is the shard that has to act, or empty.
pub const MOVES: &str = "helpline_moves";

/// What a member is. The two kinds do not see each other: each watches its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Worker,
    Proxy,
}

impl Kind {
    /// The table of its members. Their liveness keys never meet, so one lock class serves both.
    const fn table(self) -> &'static str {
        match self {
            Self::Worker => "helpline.workers",
            Self::Proxy => "helpline.proxies",
        }
    }

    /// A member's name in a log line.
    pub(crate) fn of(self, id: WorkerId) -> String {
        match self {
            Self::Worker => id.to_string(),
            Self::Proxy => ProxyId(id.get()).to_string(),
        }
    }
}

/// Longest wait for one connection or one short statement.
pub(crate) const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("postgres: {0}")]
    Postgres(#[from] sqlx::Error),
    #[error("postgres did not answer in time")]
    TimedOut,
}

/// A statement or connection that must not hang.
pub(crate) async fn within<T>(
    limit: Duration,
    work: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, Error> {
    match timeout(limit, work).await {
        Ok(done) => Ok(done?),
        Err(_) => Err(Error::TimedOut),
    }
}

/// What a direct connection is for; part of its `application_name`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Alive,
    Watch,
    Lead,
}

impl Purpose {
    const fn name(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Watch => "watch",
            Self::Lead => "lead",
        }
    }
}

/// Opens a direct connection that peers can tell by its name, and on which a lock is waited for at most `lock_wait`.
pub(crate) async fn connect(
    session: &PgConnectOptions,
    purpose: Purpose,
    worker: WorkerId,
    lock_wait: Duration,
) -> Result<PgConnection, Error> {
    let name = format!("helpline-{} {}", purpose.name(), worker.get());
    within(PATIENCE, async {
        let mut conn = session.clone().application_name(&name).connect().await?;
        set_lock_timeout(&mut conn, lock_wait).await?;
        Ok(conn)
    })
    .await
}

async fn set_lock_timeout(conn: &mut PgConnection, wait: Duration) -> Result<(), sqlx::Error> {
    let statement = format!("set lock_timeout = {}", wait.as_millis().max(1));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(conn).await.map(drop)
}

/// Waits for a session lock at most the connection's lock_timeout. The exception is caught within Postgres,
/// so that a wait which ends without the lock leaves no error in the server's log.
pub(crate) async fn lock(conn: &mut PgConnection, key: i32) -> Result<bool, Error> {
    let wait = format!(
        "do $$ begin perform pg_advisory_lock({LOCK_CLASS}, {key}); exception when lock_not_available then null; end $$"
    );
    // Longer than any lock_timeout of ours: only a connection that went silent takes so long.
    within(PATIENCE, async {
        sqlx::raw_sql(AssertSqlSafe(wait)).execute(&mut *conn).await?;
        holds(conn, key, "ExclusiveLock").await
    })
    .await
}

/// Waits for a peer's lock, for a round or until a member joins that is newer than `newest`. Postgres looks
/// for one each time the connection's lock_timeout has passed, without a round trip.
pub(crate) async fn lock_shared(
    conn: &mut PgConnection,
    kind: Kind,
    key: i32,
    newest: i32,
    round: Duration,
) -> Result<bool, Error> {
    let (round_ms, table) = (round.as_millis(), kind.table());
    let waits = format!(
        "do $$ declare until constant timestamptz := clock_timestamp() + interval '{round_ms} ms';
        begin
            loop
                begin
                    perform pg_advisory_lock_shared({LOCK_CLASS}, {key});
                    exit;
                exception when lock_not_available then
                    exit when clock_timestamp() > until
                        or (select max(liveness_key) from {table}) is distinct from {newest};
                end;
            end loop;
        end $$"
    );
    within(PATIENCE, async {
        sqlx::raw_sql(AssertSqlSafe(waits)).execute(&mut *conn).await?;
        holds(conn, key, "ShareLock").await
    })
    .await
}

/// Takes a session lock if it is free at this moment.
pub(crate) async fn try_lock_shared(conn: &mut PgConnection, key: i32) -> Result<bool, Error> {
    let locking =
        sqlx::query_scalar!(r#"select pg_try_advisory_lock_shared($1, $2) as "locked!""#, LOCK_CLASS, key);
    within(PATIENCE, locking.fetch_one(conn)).await
}

pub(crate) async fn unlock_shared(conn: &mut PgConnection, key: i32) -> Result<(), Error> {
    let unlocking =
        sqlx::query_scalar!(r#"select pg_advisory_unlock_shared($1, $2) as "was!""#, LOCK_CLASS, key);
    within(PATIENCE, unlocking.fetch_one(conn)).await.map(drop)
}

/// The leader's lock for one transaction: all that can be had through a pooler.
pub(crate) async fn try_lead_once(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1, $2) as "locked!""#, LOCK_CLASS, LEADER)
        .fetch_one(conn)
        .await
}

/// Ends this transaction, and with it its session, when its client does nothing for so long within it.
pub(crate) async fn end_if_idle(conn: &mut PgConnection, after: Duration) -> Result<(), sqlx::Error> {
    let set = format!("set local idle_in_transaction_session_timeout = {}", after.as_millis().max(1));
    sqlx::raw_sql(AssertSqlSafe(set)).execute(conn).await.map(drop)
}

/// Whether this very backend holds the lock.
async fn holds(conn: &mut PgConnection, key: i32, mode: &str) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (
            select from pg_locks
            where locktype = 'advisory' and classid = $1::integer::oid and objid = $2::integer::oid
                and objsubid = 2 and mode = $3 and granted and pid = pg_backend_pid()
        ) as "holds!""#,
        LOCK_CLASS,
        key,
        mode
    )
    .fetch_one(conn)
    .await
}

/// Tells everyone who listens.
pub(crate) async fn notify(
    db: impl sqlx::PgExecutor<'_>,
    channel: &str,
    payload: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!("select pg_notify($1, $2)::text as notified", channel, payload).fetch_one(db).await.map(drop)
}

/// Asks the leader to take everything away from a worker. False: it is not a member any more.
pub(crate) async fn set_draining(pool: &PgPool, worker: WorkerId) -> Result<bool, sqlx::Error> {
    let set = sqlx::query!("update helpline.workers set draining = true where id = $1", worker.db())
        .execute(pool)
        .await?;
    notify(pool, MEMBERSHIP, "").await?;
    Ok(set.rows_affected() == 1)
}

/// Whether anybody could take over from a worker that drains.
pub(crate) async fn has_successor(pool: &PgPool, worker: WorkerId) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"select exists (select from helpline.workers where id <> $1 and not draining) as "has!""#,
        worker.db()
    )
    .fetch_one(pool)
    .await
}

/// Leaves in order: a worker that owns nothing any more goes without waiting to be found dead.
pub(crate) async fn leave(pool: &PgPool, worker: WorkerId) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from helpline.workers where id = $1", worker.db()).execute(pool).await?;
    notify(pool, MEMBERSHIP, "").await?;
    set_offline(pool).await
}

/// Corrects the status of shards that nobody alive owns.
pub(crate) async fn set_offline(db: impl sqlx::PgExecutor<'_>) -> Result<(), sqlx::Error> {
    sqlx::query_file!("src/membership/sql/set_offline.sql").execute(db).await.map(drop)
}

/// Tries a session lock where another connection keeps a backend busy: a transaction pooler then hands
/// different backends to one session, and the lock is not where it was taken.
async fn session_locks_work(
    conn: &mut PgConnection,
    session: &PgConnectOptions,
    worker: WorkerId,
) -> Result<bool, Error> {
    // Liveness keys are positive; nobody looks at the negative ones.
    let probe =
        i32::from_ne_bytes(*worker.get().as_bytes().first_chunk().expect("an id has 16 bytes")) | i32::MIN;
    let locking = AssertSqlSafe(format!("select pg_advisory_lock({LOCK_CLASS}, {probe})"));
    within(PATIENCE, sqlx::raw_sql(locking).execute(&mut *conn)).await?;
    let mut other = connect(session, Purpose::Watch, worker, PATIENCE).await?;
    within(PATIENCE, async {
        let mut busy = other.begin().await?;
        sqlx::query_scalar!(r#"select pg_backend_pid() as "pid!""#).fetch_one(&mut *busy).await?;
        let held = holds(conn, probe, "ExclusiveLock").await?;
        sqlx::raw_sql(AssertSqlSafe(format!("select pg_advisory_unlock({LOCK_CLASS}, {probe})")))
            .execute(conn)
            .await?;
        busy.rollback().await?;
        Ok(held)
    })
    .await
}
