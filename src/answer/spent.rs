//! `helpline.model_spent`: what a server has spent on a chat model today (UTC), in tokens.
//!
//! Written in T2, so that an answer counts once and whoever owns the server next goes on counting. What a worker that
//! died had asked for and not stored is not counted.

use helpline_cluster::database::Database;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::ServerId;
use time::{Date, OffsetDateTime};

/// The day that is counted now.
pub fn today() -> Date {
    OffsetDateTime::now_utc().date()
}

/// Tokens that the server has spent on that day.
pub async fn on(database: &Database, server: ServerId, day: Date) -> Result<u64, sqlx::Error> {
    let tokens = sqlx::query_scalar!(
        "select tokens from helpline.model_spent where server_id = $1 and day = $2",
        server.db(),
        day
    )
    .fetch_optional(database.read().await?.conn())
    .await?;
    Ok(tokens.map_or(0, i64::cast_unsigned))
}

/// Counts what an answer took. The caller's transaction has locked the server.
pub async fn add(tx: &mut FencedTx, server: ServerId, tokens: u64) -> Result<(), sqlx::Error> {
    // The rows of one server are written by one owner; a clock that went back begins the earlier day anew.
    sqlx::query!(
        "insert into helpline.model_spent (server_id, tokens, day) values ($1, $2, $3)
         on conflict (server_id) do update set
         tokens = case when model_spent.day = excluded.day then model_spent.tokens else 0 end + excluded.tokens,
         day = excluded.day",
        server.db(),
        i64::try_from(tokens).unwrap_or(i64::MAX / 2),
        today()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
