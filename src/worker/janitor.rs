//! Deletes what has served its time: event keys, who asked when, delivered effects, moves that are done, loads that have decayed, gaps
//! that were repaired or given up, and what there is of servers that the bot left long ago. Rarely; effects and servers each
//! worker those of its own shards.

use std::time::Duration;

use helpline_cluster::claims::Claims;
use helpline_cluster::database::{Database, Unowned};
use helpline_cluster::fence::{Fence, FencedTx};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::apply::{Error, limits};
use crate::deliver::outbox;

/// About every hour, at another moment in each process.
const EVERY: Duration = Duration::from_secs(3_600);

/// How long a gap that was repaired or given up can be looked at, in days: an operator asks after an outage, and what was
/// given up is told to whoever asks why nobody answered.
pub const GAPS_KEPT_DAYS: i32 = 30;

pub async fn run(database: Database, claims: Claims, left_kept_days: i32, cancel: CancellationToken) {
    loop {
        let pause = tokio::time::sleep(EVERY.mul_f64(0.5 + fastrand::f64()));
        if cancel.run_until_cancelled(pause).await.is_none() {
            return;
        }
        if let Err(error) = sweep(&database, &claims.running()).await {
            tracing::warn!(%error, "deleting old event keys and delivered effects; tried again later");
        }
        if let Err(error) = forget_left(&database, &claims.running(), left_kept_days).await {
            tracing::warn!(%error, "forgetting servers that the bot has left; tried again later");
        }
    }
}

/// Deletes in steps, so that no statement holds locks for long. Returns how many rows went.
pub async fn sweep(database: &Database, fences: &[Fence]) -> Result<u64, Error> {
    let mut total = sweep_event_keys(database).await? + sweep_moves(database).await?;
    total += sweep_asked(database).await?;
    total += sweep_gaps(database).await?;
    total += sweep_drafts(database).await?;
    for fence in fences {
        match sweep_effects(database, fence).await {
            Ok(swept) => total += swept,
            // Another owner sweeps it. An unknown outcome leaves nothing to be found out: who sweeps next goes on.
            Err(error) if error.is_superseded() || error.is_unknown() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}

/// Forgets servers that the bot left longer ago than that, a few in each step. One that comes back before loses nothing.
async fn forget_left(database: &Database, fences: &[Fence], kept_days: i32) -> Result<(), Error> {
    for fence in fences {
        loop {
            match forget_some(database, fence, kept_days).await {
                Ok(0) => break,
                Ok(forgotten) => tracing::info!(forgotten, "forgot servers that the bot left long ago"),
                Err(error) if error.is_superseded() || error.is_unknown() => break,
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

async fn forget_some(database: &Database, fence: &Fence, kept_days: i32) -> Result<i64, Error> {
    let mut tx = FencedTx::begin(database, fence).await?;
    let forgotten =
        sqlx::query_file_scalar!("src/worker/sql/forget_left_servers.sql", fence.shard.db(), kept_days)
            .fetch_one(tx.conn())
            .await?;
    tx.commit().await?;
    Ok(forgotten)
}

async fn sweep_event_keys(database: &Database) -> Result<u64, Error> {
    let mut conn = database.unowned(Unowned::AgedEventKeys).await?;
    let mut total = 0;
    loop {
        let swept = sqlx::query_file!("src/worker/sql/sweep_event_keys.sql").execute(conn.conn()).await?;
        total += swept.rows_affected();
        if swept.rows_affected() == 0 {
            return Ok(total);
        }
    }
}

async fn sweep_asked(database: &Database) -> Result<u64, Error> {
    let mut conn = database.unowned(Unowned::AgedQuestions).await?;
    let kept = limits::kept_from(OffsetDateTime::now_utc());
    let mut total = 0;
    loop {
        let asked = sqlx::query_file!("src/worker/sql/sweep_asked.sql", kept).execute(conn.conn()).await?;
        total += asked.rows_affected();
        if asked.rows_affected() == 0 {
            return Ok(total);
        }
    }
}

async fn sweep_moves(database: &Database) -> Result<u64, Error> {
    let mut conn = database.unowned(Unowned::PlacementHints).await?;
    let mut total = 0;
    loop {
        let moves = sqlx::query_file!("src/worker/sql/sweep_moves.sql").execute(conn.conn()).await?;
        let loads = sqlx::query_file!("src/worker/sql/sweep_load.sql").execute(conn.conn()).await?;
        let swept = moves.rows_affected() + loads.rows_affected();
        total += swept;
        if swept == 0 {
            return Ok(total);
        }
    }
}

async fn sweep_gaps(database: &Database) -> Result<u64, Error> {
    let mut conn = database.unowned(Unowned::FinishedGaps).await?;
    let mut total = 0;
    loop {
        let gaps =
            sqlx::query_file!("src/worker/sql/sweep_gaps.sql", GAPS_KEPT_DAYS).execute(conn.conn()).await?;
        total += gaps.rows_affected();
        if gaps.rows_affected() == 0 {
            return Ok(total);
        }
    }
}

async fn sweep_drafts(database: &Database) -> Result<u64, Error> {
    let mut conn = database.unowned(Unowned::AgedDrafts).await?;
    let mut total = 0;
    loop {
        let drafts =
            sqlx::query_file!("src/worker/sql/sweep_knowledge_drafts.sql").execute(conn.conn()).await?;
        let gaps = sqlx::query_file!("src/worker/sql/sweep_knowledge_gaps.sql").execute(conn.conn()).await?;
        let swept = drafts.rows_affected() + gaps.rows_affected();
        total += swept;
        if swept == 0 {
            return Ok(total);
        }
    }
}

async fn sweep_effects(database: &Database, fence: &Fence) -> Result<u64, Error> {
    let mut total = 0;
    loop {
        let mut tx = FencedTx::begin(database, fence).await?;
        let swept = outbox::sweep(&mut tx).await?;
        tx.commit().await?;
        total += swept;
        if swept == 0 {
            return Ok(total);
        }
    }
}
