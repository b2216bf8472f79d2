//! What happens, read from outside the processes: from Postgres and from what Discord saw.

use std::collections::HashMap;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use serde::Serialize;
use sqlx::PgPool;

/// A worker with what it holds at a moment.
#[derive(Debug, Clone)]
pub struct Load {
    pub worker: String,
    /// Conversations whose answer is not yet on Discord: jobs and undelivered effects.
    pub in_flight: i64,
}

/// A shard as its dead owner left it.
#[derive(Debug, Clone, Copy)]
pub struct Held {
    shard: i32,
    epoch: i64,
}

/// What a kill led to.
#[derive(Debug, Clone, Serialize)]
pub struct Takeover {
    pub cause: String,
    pub jobs_in_flight: i64,
    /// From the kill to the first event of the dead process's shards applied by another (a proxy: to its session resumed).
    pub gap_ms: Option<i64>,
    /// From the kill until every shard of the dead worker had a new owner.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub all_owned_ms: Option<i64>,
    pub shards: usize,
    #[serde(skip)]
    pub at_ms: u64,
}

/// The cluster as a line of progress shows it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Cluster {
    pub workers: i64,
    pub owned: i64,
}

pub fn now_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

/// Workers by what is in flight on their shards, the busiest first.
pub async fn loads(pool: &PgPool) -> Result<Vec<Load>> {
    let rows = sqlx::query_file!("src/sql/in_flight.sql").fetch_all(pool).await?;
    Ok(rows.into_iter().map(|row| Load { worker: row.name, in_flight: row.in_flight }).collect())
}

/// The shards that the worker of this name owns now.
pub async fn held_by(pool: &PgPool, worker: &str) -> Result<Vec<Held>> {
    let rows = sqlx::query!(
        "select shard_fences.shard_id, shard_fences.epoch from helpline.shard_fences
         join helpline.workers on workers.id = shard_fences.owner where workers.name = $1",
        worker
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(|row| Held { shard: row.shard_id, epoch: row.epoch }).collect())
}

/// Waits until every shard has been claimed by another and one of them has applied an event.
/// Returns milliseconds after `since_ms`: first event, last claim. None: not within 15 s.
pub async fn taken_over(pool: &PgPool, held: &[Held], since_ms: u64) -> Result<(Option<i64>, Option<i64>)> {
    let epochs: HashMap<i32, i64> = held.iter().map(|held| (held.shard, held.epoch)).collect();
    let shards: Vec<i32> = epochs.keys().copied().collect();
    let since = i64::try_from(since_ms).unwrap_or(i64::MAX);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
    loop {
        let rows = sqlx::query_file!("src/sql/claims.sql", &shards).fetch_all(pool).await?;
        let again = rows.iter().filter(|row| row.epoch > epochs[&row.shard_id]);
        let claimed: Vec<i64> = again.filter_map(|row| row.claimed_ms).collect();
        let first = rows
            .iter()
            .filter(|row| row.cursor_epoch > epochs[&row.shard_id])
            .filter_map(|row| row.first_moved_ms)
            .min();
        let all = (claimed.len() == shards.len()).then(|| claimed.iter().max().copied()).flatten();
        if (first.is_some() && all.is_some()) || tokio::time::Instant::now() > deadline {
            return Ok((first.map(|at| at - since), all.map(|at| at - since)));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub async fn cluster(pool: &PgPool) -> Result<Cluster> {
    let row = sqlx::query_file!("src/sql/cluster.sql").fetch_one(pool).await?;
    Ok(Cluster { workers: row.workers, owned: row.owned })
}
