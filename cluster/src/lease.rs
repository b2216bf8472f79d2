//! Leases: who may apply a shard, and until when.
//!
//! [`SelfFence`] tells a worker that it may no longer be seen as alive, before anybody could have taken its
//! shards. Claims and releases are the statements that change a fence row; a claim waits for the
//! transactions of the former owner. The Redis lease is a hint: alone it takes nothing over.

use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use redis::Script;
use sqlx::{PgConnection, PgPool};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::clock::Clock;
use crate::database::begin;
use crate::fence::Fence;
use crate::ids::{Epoch, ShardId, WorkerId};
use crate::keys::Keys;
use crate::redis_link::Connection;

/// A transaction that blocks a claim may do nothing for so long before its backend is ended.
const IDLE_BLOCKER: Duration = Duration::from_millis(100);
/// How long one claim waits for a held fence before it is tried anew.
const CLAIM_WAIT: Duration = Duration::from_secs(2);

/// Whether a worker may still act for its shards: while one of its renewals (Postgres heartbeat or Redis
/// lease) succeeded so recently that no peer can see both of them expired.
#[derive(Debug)]
pub struct SelfFence {
    clock: Arc<dyn Clock>,
    origin: Instant,
    /// How long a renewal lasts: the TTL less a margin.
    lasts: Duration,
    valid_until_us: AtomicU64,
    revoked: AtomicBool,
}

impl SelfFence {
    /// Not valid before the first renewal.
    pub fn new(ttl: Duration, clock: Arc<dyn Clock>) -> Self {
        let origin = clock.now();
        let lasts = ttl - ttl / 6;
        Self { clock, origin, lasts, valid_until_us: AtomicU64::new(0), revoked: AtomicBool::new(false) }
    }

    /// A renewal succeeded that was sent at `asked_at`: the other side counts from a later moment.
    pub fn renewed(&self, asked_at: Instant) {
        let until = asked_at.saturating_duration_since(self.origin) + self.lasts;
        self.valid_until_us.fetch_max(micros(until), Ordering::AcqRel);
    }

    /// As [`SelfFence::renewed`], by a side that cannot say whether the worker still is a member: it makes longer what is
    /// valid, and nothing valid that has expired. A worker that thaws after it was declared dead may well renew its
    /// lease in Redis; only its heartbeat tells it that it is gone.
    pub fn extended(&self, asked_at: Instant) {
        if self.is_valid() {
            self.renewed(asked_at);
        }
    }

    /// The worker has been declared dead or has left: never valid again.
    pub fn revoke(&self) {
        self.revoked.store(true, Ordering::Release);
    }

    /// To be asked before each write and each request to the outside.
    pub fn is_valid(&self) -> bool {
        !self.remaining().is_zero()
    }

    /// For how long it is still valid unless renewed.
    pub fn remaining(&self) -> Duration {
        if self.revoked.load(Ordering::Acquire) {
            return Duration::ZERO;
        }
        let until = Duration::from_micros(self.valid_until_us.load(Ordering::Acquire));
        until.saturating_sub(self.clock.now().saturating_duration_since(self.origin))
    }

    /// Resolves once it is not valid.
    pub async fn expired(&self) {
        loop {
            let remaining = self.remaining();
            if remaining.is_zero() {
                return;
            }
            // A revocation comes with the cancelling of every lease, so it need not be seen at once here.
            sleep(remaining).await;
        }
    }
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

/// A fence that was just won.
#[derive(Debug, Clone)]
pub(crate) struct Claim {
    pub(crate) fence: Fence,
    /// The owner it was taken from; `None` = it had been released.
    pub(crate) previous: Option<WorkerId>,
    /// An earlier owner left the marker of its first events (`helpline.shard_trials`).
    pub(crate) marked: bool,
}

/// Claims those of the shards that are assigned to `worker`, have no live owner, and that nobody holds. Each gets an
/// epoch above the one that it comes with.
pub(crate) async fn claim_free(
    pool: &PgPool,
    worker: WorkerId,
    shards: &[(ShardId, Epoch)],
) -> Result<Vec<Claim>, sqlx::Error> {
    let (ids, above): (Vec<i32>, Vec<i64>) =
        shards.iter().map(|(shard, above)| (shard.db(), above.db())).unzip();
    let rows =
        sqlx::query_file!("src/lease/sql/claim_free.sql", worker.db(), &ids, &above).fetch_all(pool).await?;
    Ok(rows
        .into_iter()
        .map(|row| {
            let fence = won(worker, row.shard_id, row.epoch, row.claim_token);
            Claim { fence, previous: row.previous.map(WorkerId::from_db), marked: row.marked }
        })
        .collect())
}

fn won(worker: WorkerId, shard: i32, epoch: i64, claim_token: Uuid) -> Fence {
    Fence { shard: ShardId::from_db(shard), epoch: Epoch::from_db(epoch), claim_token, owner: worker }
}

/// Claims a shard whose fence row is held, and waits for that a while. Backends that hold it and do nothing
/// are ended, where Postgres lets us. Takes one connection of the pool, and a second one to end them.
pub(crate) async fn claim_held(
    pool: &PgPool,
    worker: WorkerId,
    shard: ShardId,
    above: Epoch,
) -> Result<Option<Claim>, sqlx::Error> {
    let mut tx = begin(pool, None).await?;
    let pid = prepare_to_wait(&mut tx).await?;
    let claiming = async {
        let row = sqlx::query_file!("src/lease/sql/claim_held.sql", worker.db(), shard.db(), above.db())
            .fetch_optional(&mut *tx)
            .await?;
        tx.commit().await?;
        Ok(row.map(|row| {
            let fence = won(worker, row.shard_id, row.epoch, row.claim_token);
            Claim { fence, previous: row.previous.map(WorkerId::from_db), marked: row.marked }
        }))
    };
    tokio::select! {
        claimed = claiming => claimed,
        never = end_blockers(pool, pid, shard) => match never {},
    }
}

/// [`release`] of a shard that is not in use any more, past what hangs in its old transactions: as [`claim_held`] waits.
pub(crate) async fn release_held(pool: &PgPool, fence: &Fence) -> Result<bool, sqlx::Error> {
    let mut tx = begin(pool, None).await?;
    let pid = prepare_to_wait(&mut tx).await?;
    let releasing = async {
        let released = release_on(&mut *tx, fence).await?;
        tx.commit().await?;
        Ok(released)
    };
    tokio::select! {
        released = releasing => released,
        never = end_blockers(pool, pid, fence.shard) => match never {},
    }
}

async fn end_blockers(pool: &PgPool, waiting: i32, shard: ShardId) -> Infallible {
    loop {
        sleep(IDLE_BLOCKER).await;
        if let Err(error) = terminate_blockers(pool, waiting).await {
            tracing::warn!(%error, "cannot end the transactions that hold the fence of {shard}");
        }
    }
}

/// How many claims may wait at the same time, so that some of the pool is left for those who end their wait.
pub(crate) fn waiting_claims(pool: &PgPool) -> usize {
    usize::try_from(pool.options().get_max_connections() / 2).map_or(1, |half| half.clamp(1, 8))
}

async fn prepare_to_wait(conn: &mut PgConnection) -> Result<i32, sqlx::Error> {
    let wait = format!("{}ms", CLAIM_WAIT.as_millis());
    let row = sqlx::query!(
        r#"select pg_backend_pid() as "pid!", set_config('lock_timeout', $1, true) as "set!""#,
        wait
    )
    .fetch_one(conn)
    .await?;
    Ok(row.pid)
}

async fn terminate_blockers(pool: &PgPool, waiting: i32) -> Result<(), sqlx::Error> {
    let row = sqlx::query_file!("src/lease/sql/terminate_blockers.sql", waiting, IDLE_BLOCKER.as_secs_f64())
        .fetch_one(pool)
        .await?;
    if row.ended > 0 {
        tracing::warn!("ended {} idle transactions that held the fences of a former owner", row.ended);
    }
    Ok(())
}

/// Gives the shard up, after the owner's open transactions. False: it was not the shard's fence any more.
pub(crate) async fn release(pool: &PgPool, fence: &Fence) -> Result<bool, sqlx::Error> {
    release_on(pool, fence).await
}

async fn release_on(db: impl sqlx::PgExecutor<'_>, fence: &Fence) -> Result<bool, sqlx::Error> {
    let released = sqlx::query_file!(
        "src/lease/sql/release.sql",
        fence.shard.db(),
        fence.epoch.db(),
        fence.claim_token,
        fence.owner.db()
    )
    .fetch_optional(db)
    .await?;
    Ok(released.is_some())
}

/// `shards.status` of an owned shard, as operators see it; to release it makes it offline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Online,
    Starting,
    Stopping,
}

impl Status {
    const fn name(self) -> &'static str {
        match self {
            Self::Online => "online",
            Self::Starting => "starting",
            Self::Stopping => "stopping",
        }
    }
}

/// Writes status and heartbeat of the shards that the worker owns, never their fence rows.
pub(crate) async fn report(
    db: impl sqlx::PgExecutor<'_>,
    worker: WorkerId,
    shards: &[(ShardId, Status)],
) -> Result<(), sqlx::Error> {
    let ids: Vec<i32> = shards.iter().map(|(shard, _)| shard.db()).collect();
    let names: Vec<String> = shards.iter().map(|(_, status)| status.name().to_owned()).collect();
    sqlx::query_file!("src/lease/sql/report.sql", &ids, &names, worker.db()).execute(db).await?;
    Ok(())
}

static RENEW: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("event_log/lua/standing.lua"),
        include_str!("event_log/lua/era.lua"),
        include_str!("lease/lua/renew.lua")
    ))
});
static IS_THERE: LazyLock<Script> = LazyLock::new(|| {
    Script::new(concat!(
        include_str!("event_log/lua/standing.lua"),
        include_str!("event_log/lua/era.lua"),
        include_str!("lease/lua/is_there.lua")
    ))
});

/// The Redis side of liveness: one key with a TTL for each worker.
#[derive(Clone)]
pub(crate) struct RedisLease {
    redis: Connection,
    keys: Keys,
    ttl: Duration,
}

impl RedisLease {
    pub(crate) const fn new(redis: Connection, keys: Keys, ttl: Duration) -> Self {
        Self { redis, keys, ttl }
    }

    pub(crate) async fn renew(&self, worker: WorkerId) -> Result<(), redis::RedisError> {
        RENEW
            .key(self.keys.lease(worker))
            .key(self.keys.lease_era())
            .arg(self.ttl_ms())
            .invoke_async(&mut self.redis.clone())
            .await
    }

    /// Whether the lease is there. None: it is not, in a Redis that may have lost it: wiped, started again or failed over
    /// less than a TTL ago. Its worker may believe in it, and had no time yet to put it back.
    pub(crate) async fn is_there(&self, worker: WorkerId) -> Result<Option<bool>, redis::RedisError> {
        let answer: i64 = IS_THERE
            .key(self.keys.lease(worker))
            .key(self.keys.lease_era())
            .arg(self.ttl_ms())
            .invoke_async(&mut self.redis.clone())
            .await?;
        Ok((answer >= 0).then_some(answer == 1))
    }

    fn ttl_ms(&self) -> u64 {
        u64::try_from(self.ttl.as_millis()).unwrap_or(u64::MAX)
    }

    pub(crate) async fn give_up(&self, worker: WorkerId) -> Result<(), redis::RedisError> {
        redis::cmd("DEL").arg(self.keys.lease(worker)).query_async(&mut self.redis.clone()).await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    const TTL: Duration = Duration::from_secs(6);

    #[derive(Debug)]
    struct HandClock(Mutex<Instant>);

    impl HandClock {
        fn new() -> Arc<Self> {
            Arc::new(Self(Mutex::new(Instant::now())))
        }

        fn advance(&self, seconds: u64) {
            *self.0.lock().expect("nothing panics with it") += Duration::from_secs(seconds);
        }
    }

    impl Clock for HandClock {
        fn now(&self) -> Instant {
            *self.0.lock().expect("nothing panics with it")
        }

        fn unix_ms(&self) -> u64 {
            0
        }
    }

    #[test]
    fn a_worker_that_cannot_renew_is_not_valid_before_its_ttl_is_over() {
        let clock = HandClock::new();
        let fence = SelfFence::new(TTL, clock.clone());
        assert!(!fence.is_valid(), "nothing has been renewed yet");
        let asked_at = clock.now();
        clock.advance(2);
        fence.renewed(asked_at);
        assert_eq!(fence.remaining(), Duration::from_secs(3), "it counts from when the renewal was sent");
        clock.advance(3);
        assert!(!fence.is_valid());
        assert!(clock.now() < asked_at + TTL);
    }

    #[test]
    fn one_of_two_renewals_is_enough_and_a_late_one_never_shortens() {
        let clock = HandClock::new();
        let fence = SelfFence::new(TTL, clock.clone());
        let early = clock.now();
        clock.advance(4);
        fence.renewed(clock.now());
        fence.renewed(early);
        clock.advance(4);
        assert!(fence.is_valid());
    }

    #[test]
    fn a_lease_in_redis_extends_what_is_valid_and_revives_nothing() {
        let clock = HandClock::new();
        let fence = SelfFence::new(TTL, clock.clone());
        fence.renewed(clock.now());
        clock.advance(4);
        fence.extended(clock.now());
        clock.advance(4);
        assert!(fence.is_valid(), "it was extended while it was valid");
        clock.advance(2);
        fence.extended(clock.now());
        assert!(!fence.is_valid(), "its peers may have buried it meanwhile");
        fence.renewed(clock.now());
        assert!(fence.is_valid());
    }

    #[test]
    fn a_revoked_worker_is_never_valid_again() {
        let clock = HandClock::new();
        let fence = SelfFence::new(TTL, clock.clone());
        fence.renewed(clock.now());
        fence.revoke();
        fence.renewed(clock.now());
        assert!(!fence.is_valid());
    }
}
