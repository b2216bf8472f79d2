//! What a worker tells Prometheus of the cluster, and of its own shards: read every few seconds, see
//! `docs/adr/0033-every-worker-tells-of-the-cluster.md`.
//!
//! Promises: what cannot be read is told as NaN, so that the other workers' word counts; a look costs a twentieth of the
//! time at the most; nothing waits for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::claims::Claims;
use helpline_cluster::database::Database;
use helpline_cluster::event_log::{EventLog, Lag};
use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{ShardId, StreamId};
use time::OffsetDateTime;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Shared;
use crate::metrics as names;
use crate::metrics::rows::{Row, Rows};

const EVERY: Duration = Duration::from_secs(5);
/// Times a look's own time that is waited at least.
const REST: u32 = 19;
/// What takes longer is given up until the next look.
const PATIENCE: Duration = Duration::from_secs(5);

/// Until cancelled.
pub async fn run(shared: Arc<Shared>, claims: Claims, log: EventLog, cancel: CancellationToken) {
    let rows = Rows::new();
    loop {
        let began = Instant::now();
        let looking = look(&shared, &claims, &log, &rows);
        if cancel.run_until_cancelled(looking).await.is_none() {
            return;
        }
        let took = began.elapsed();
        metrics::histogram!(names::OPERATION_SECONDS, "operation" => "look").record(took);
        let pause = EVERY.max(took * REST).mul_f64(0.9 + fastrand::f64() / 5.0);
        if cancel.run_until_cancelled(sleep(pause)).await.is_none() {
            return;
        }
    }
}

async fn look(shared: &Shared, claims: &Claims, log: &EventLog, rows: &Rows) {
    // Not the connections of the lanes: they are all taken when there is most to see.
    connections(&shared.first, "events");
    connections(&shared.pool, "lanes");
    match in_time(cluster(&shared.first)).await {
        Some(seen) => seen.tell(),
        None => Seen::tell_nothing(),
    }
    let fences = claims.running();
    rows.set(in_time(shards(&shared.first, log, &fences)).await.unwrap_or_default());
}

/// What was read; none when it could not be.
async fn in_time<T>(reading: impl Future<Output = sqlx::Result<T>>) -> Option<T> {
    match timeout(PATIENCE, reading).await {
        Ok(Ok(read)) => Some(read),
        Ok(Err(error)) => {
            tracing::debug!(%error, "what the metrics tell of the cluster could not be read");
            None
        }
        Err(_) => None,
    }
}

fn connections(database: &Database, pool: &'static str) {
    let (open, idle) = database.connections();
    for (state, number) in [("idle", idle), ("busy", open.saturating_sub(idle))] {
        metrics::gauge!(names::CONNECTIONS, "pool" => pool, "state" => state).set(f64::from(number));
    }
}

/// One row of view.sql.
#[derive(Debug)]
struct Seen {
    online: i64,
    starting: i64,
    stopping: i64,
    offline: i64,
    unowned: i64,
    shards_silent_s: f64,
    working: i64,
    draining: i64,
    workers_silent_s: f64,
    questions: i64,
    questions_oldest_s: f64,
    effects: i64,
    effects_oldest_s: f64,
    gaps: i64,
    gaps_oldest_s: f64,
    dead_letters: i64,
    held: i64,
}

async fn cluster(database: &Database) -> sqlx::Result<Seen> {
    let mut reading = database.read().await?;
    sqlx::query_file_as!(Seen, "src/worker/sql/view.sql").fetch_one(reading.conn()).await
}

impl Seen {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is for looking at")]
    fn tell(&self) {
        let number = |name: &'static str, number: i64| metrics::gauge!(name).set(number as f64);
        let of = |name: &'static str, label: &'static str, value: &'static str, number: i64| {
            metrics::gauge!(name, label => value).set(number as f64);
        };
        of(names::CLUSTER_SHARDS, "status", "online", self.online);
        of(names::CLUSTER_SHARDS, "status", "starting", self.starting);
        of(names::CLUSTER_SHARDS, "status", "stopping", self.stopping);
        of(names::CLUSTER_SHARDS, "status", "offline", self.offline);
        of(names::CLUSTER_WORKERS, "state", "working", self.working);
        of(names::CLUSTER_WORKERS, "state", "draining", self.draining);
        number(names::CLUSTER_UNOWNED, self.unowned);
        number(names::CLUSTER_QUESTIONS, self.questions);
        number(names::CLUSTER_OUTBOX, self.effects);
        number(names::CLUSTER_GAPS, self.gaps);
        number(names::CLUSTER_DEAD_LETTERS, self.dead_letters);
        number(names::CLUSTER_HELD, self.held);
        for (name, seconds) in [
            (names::CLUSTER_SHARD_SILENT, self.shards_silent_s),
            (names::CLUSTER_WORKER_SILENT, self.workers_silent_s),
            (names::CLUSTER_QUESTION_OLDEST, self.questions_oldest_s),
            (names::CLUSTER_OUTBOX_OLDEST, self.effects_oldest_s),
            (names::CLUSTER_GAP_OLDEST, self.gaps_oldest_s),
        ] {
            metrics::gauge!(name).set(seconds.max(0.0));
        }
        metrics::gauge!(names::CLUSTER_LOOKED).set(OffsetDateTime::now_utc().unix_timestamp() as f64);
    }

    fn tell_nothing() {
        for status in ["online", "starting", "stopping", "offline"] {
            metrics::gauge!(names::CLUSTER_SHARDS, "status" => status).set(f64::NAN);
        }
        for state in ["working", "draining"] {
            metrics::gauge!(names::CLUSTER_WORKERS, "state" => state).set(f64::NAN);
        }
        for name in [
            names::CLUSTER_UNOWNED,
            names::CLUSTER_QUESTIONS,
            names::CLUSTER_OUTBOX,
            names::CLUSTER_GAPS,
            names::CLUSTER_DEAD_LETTERS,
            names::CLUSTER_HELD,
            names::CLUSTER_SHARD_SILENT,
            names::CLUSTER_WORKER_SILENT,
            names::CLUSTER_QUESTION_OLDEST,
            names::CLUSTER_OUTBOX_OLDEST,
            names::CLUSTER_GAP_OLDEST,
        ] {
            metrics::gauge!(name).set(f64::NAN);
        }
    }
}

/// The rows of the shards that are owned under these fences.
async fn shards(database: &Database, log: &EventLog, fences: &[Fence]) -> sqlx::Result<Vec<Row>> {
    let epochs: HashMap<ShardId, i64> = fences.iter().map(|fence| (fence.shard, fence.epoch.get())).collect();
    let ids: Vec<i32> = fences.iter().map(|fence| fence.shard.db()).collect();
    let mut reading = database.read().await?;
    let read = sqlx::query_file!("src/worker/sql/view_shards.sql", &ids).fetch_all(reading.conn()).await?;
    drop(reading);
    let cursors: Vec<(ShardId, StreamId)> = read
        .iter()
        .map(|row| (ShardId::from_db(row.id), StreamId::from_db(row.incarnation, row.cursor_seq)))
        .collect();
    // Redis being away leaves the lag out.
    let lags = log.lags(&cursors).await.unwrap_or_default();
    let now_ms = unix_ms();
    let rows = read.iter().zip(&cursors).enumerate().filter_map(|(index, (row, (shard, _)))| {
        let servers = u64::from(row.server_count.max(0).cast_unsigned());
        let behind = lags.get(index).and_then(|lag| behind(*lag, now_ms));
        Some(Row { shard: shard.get(), epoch: *epochs.get(shard)?, behind, servers, load: row.load })
    });
    Ok(rows.collect())
}

fn unix_ms() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or_default()
}

/// Entries, and for how many seconds the first of them has waited.
fn behind(lag: Lag, now_ms: u64) -> Option<(u64, f64)> {
    let entries = lag.entries?;
    let since_ms = lag.waits_since_ms.filter(|_| entries > 0).unwrap_or(now_ms);
    Some((entries, Duration::from_millis(now_ms.saturating_sub(since_ms)).as_secs_f64()))
}
