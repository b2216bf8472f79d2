//! Deletes what has served its time: event keys, who asked when, delivered effects, moves that are done, loads that have decayed, gaps
//! that were repaired or given up, dead letters, conversations in which nothing happens any more, and what there is of servers that
//! the bot left long ago; days of statistics become months. Rarely, and some rows at a time, so that nobody waits for long.
//!
//! What belongs to a server is deleted by the owner of its shard, under its fence; what belongs to none, by the leader alone.

use std::time::Duration;

use helpline_cluster::claims::Claims;
use helpline_cluster::database::{Database, Unowned};
use helpline_cluster::fence::{Fence, FencedTx};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::Repair;
use super::apply::{Error, limits};
use crate::deliver::outbox;

/// About every hour, at another moment in each process.
const EVERY: Duration = Duration::from_secs(3_600);

/// How long a gap that was repaired or given up can be looked at, in days: an operator asks after an outage, and what was
/// given up is told to whoever asks why nobody answered.
pub const GAPS_KEPT_DAYS: i32 = 30;

/// Days after which nobody looks at a dead letter any more. It holds what a member wrote.
pub const DEAD_LETTERS_KEPT_DAYS: i32 = 90;

/// Conversations of one step: with their tickets and votes they are locked until it ends.
const CONVERSATIONS: i32 = 200;
/// Days of statistics of one step.
const DAYS: i32 = 2_000;

pub async fn run(database: Database, claims: Claims, repair: Repair, cancel: CancellationToken) {
    loop {
        let pause = tokio::time::sleep(EVERY.mul_f64(0.5 + fastrand::f64()));
        if cancel.run_until_cancelled(pause).await.is_none() {
            return;
        }
        if claims.leads()
            && let Err(error) = sweep_common(&database).await
        {
            tracing::warn!(%error, "deleting old event keys and statistics; tried again later");
        }
        let fences = claims.running();
        if let Err(error) = sweep_owned(&database, &fences).await {
            tracing::warn!(%error, "deleting delivered effects; tried again later");
        }
        if let Err(error) = forget_left(&database, &fences, repair.left_kept_days).await {
            tracing::warn!(%error, "forgetting servers that the bot has left; tried again later");
        }
        if let Err(error) = forget_old(&database, &fences, repair.conversations_kept_days).await {
            tracing::warn!(%error, "forgetting conversations in which nothing happens; tried again later");
        }
    }
}

/// What the leader deletes and what the owner of these shards deletes. Returns how many rows went.
pub async fn sweep(database: &Database, fences: &[Fence]) -> Result<u64, Error> {
    Ok(sweep_common(database).await? + sweep_owned(database, fences).await?)
}

/// Deletes what belongs to no shard, in steps, so that no statement holds locks for long. Two that do it at once do no harm.
pub async fn sweep_common(database: &Database) -> Result<u64, Error> {
    let mut total = sweep_event_keys(database).await? + sweep_moves(database).await?;
    total += sweep_asked(database).await?;
    total += sweep_direct(database).await?;
    total += sweep_gaps(database).await?;
    total += sweep_drafts(database).await?;
    total += sweep_letters(database).await?;
    Ok(total + roll_up(database).await?)
}

async fn sweep_owned(database: &Database, fences: &[Fence]) -> Result<u64, Error> {
    let mut total = 0;
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

/// Forgets conversations in which nothing happened for so many days; 0 = none. Returns how many.
pub async fn forget_old(database: &Database, fences: &[Fence], kept_days: i32) -> Result<i64, Error> {
    let mut total = 0;
    for fence in fences.iter().filter(|_| kept_days > 0) {
        loop {
            match forget_some_conversations(database, fence, kept_days).await {
                Ok(0) => break,
                Ok(forgotten) => total += forgotten,
                Err(error) if error.is_superseded() || error.is_unknown() => break,
                Err(error) => return Err(error),
            }
        }
    }
    if total > 0 {
        tracing::info!(total, "forgot conversations in which nothing has happened for {kept_days} days");
    }
    Ok(total)
}

async fn forget_some_conversations(database: &Database, fence: &Fence, kept_days: i32) -> Result<i64, Error> {
    let mut tx = FencedTx::begin(database, fence).await?;
    let forgotten = sqlx::query_scalar!(
        r#"select helpline.forget_old_conversations($1, $2, $3) as "forgotten!""#,
        fence.shard.db(),
        kept_days,
        CONVERSATIONS
    )
    .fetch_one(tx.conn())
    .await?;
    tx.commit().await?;
    Ok(forgotten)
}

async fn sweep_letters(database: &Database) -> Result<u64, Error> {
    let mut conn = database.unowned(Unowned::AgedStatistics).await?;
    let mut total = 0;
    loop {
        let letters = sqlx::query_file!("src/worker/sql/sweep_dead_letters.sql", DEAD_LETTERS_KEPT_DAYS)
            .execute(conn.conn())
            .await?;
        total += letters.rows_affected();
        if letters.rows_affected() == 0 {
            return Ok(total);
        }
    }
}

/// Questions whose day becomes part of a month go first: nobody counts for that day afterwards.
async fn roll_up(database: &Database) -> Result<u64, Error> {
    let mut conn = database.unowned(Unowned::AgedStatistics).await?;
    let mut total = 0;
    loop {
        let resolutions =
            sqlx::query_file!("src/worker/sql/sweep_resolutions.sql").execute(conn.conn()).await?;
        total += resolutions.rows_affected();
        if resolutions.rows_affected() == 0 {
            break;
        }
    }
    loop {
        let days = sqlx::query_scalar!(r#"select helpline.roll_up_analytics($1) as "days!""#, DAYS)
            .fetch_one(conn.conn())
            .await?;
        total += days.unsigned_abs();
        if days == 0 {
            return Ok(total);
        }
    }
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

async fn sweep_direct(database: &Database) -> Result<u64, Error> {
    let mut conn = database.unowned(Unowned::AgedDirectMessages).await?;
    let swept = sqlx::query_file!("src/worker/sql/sweep_direct.sql").execute(conn.conn()).await?;
    Ok(swept.rows_affected())
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
