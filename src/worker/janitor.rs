//! Deletes what has served its time: event keys, delivered effects. Any worker may do it, and all do, rarely.

use std::time::Duration;

use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

/// About every hour, at another moment in each process.
const EVERY: Duration = Duration::from_secs(3_600);

pub async fn run(pool: PgPool, cancel: CancellationToken) {
    loop {
        let pause = tokio::time::sleep(EVERY.mul_f64(0.5 + fastrand::f64()));
        if cancel.run_until_cancelled(pause).await.is_none() {
            return;
        }
        if let Err(error) = sweep(&pool).await {
            tracing::warn!(%error, "deleting old event keys and delivered effects; tried again later");
        }
    }
}

/// Deletes in steps, so that no statement holds locks for long. No fence: rows this old are nobody's business any more.
pub async fn sweep(pool: &PgPool) -> Result<u64, sqlx::Error> {
    let mut total = 0;
    loop {
        let keys =
            sqlx::query_file!("src/worker/sql/sweep_event_keys.sql").execute(pool).await?.rows_affected();
        let effects =
            sqlx::query_file!("src/worker/sql/sweep_outbox.sql").execute(pool).await?.rows_affected();
        total += keys + effects;
        if keys + effects == 0 {
            return Ok(total);
        }
    }
}
