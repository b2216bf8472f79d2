//! How far the shards' owners have durably applied their streams: what the proxy needs not keep any longer.
//!
//! Read about every second. Postgres being away leaves what is known as it is: more is kept meanwhile, within bounds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::ids::{ShardId, StreamId};
use sqlx::PgPool;
use tokio::sync::watch;

const READ_EVERY: Duration = Duration::from_secs(1);

/// The durable cursor of every shard.
pub type Cursors = Arc<HashMap<ShardId, StreamId>>;

/// Reads for ever.
pub async fn follow(pool: PgPool, known: &watch::Sender<Cursors>) {
    let mut failing = false;
    loop {
        let read = read(&pool).await;
        if let Err(error) = &read
            && !failing
        {
            tracing::warn!(%error, "cannot read how far the shards are; what was published is kept");
        }
        failing = read.is_err();
        if let Ok(cursors) = read {
            known.send_if_modified(|known| {
                let news = **known != cursors;
                if news {
                    *known = Arc::new(cursors);
                }
                news
            });
        }
        tokio::time::sleep(READ_EVERY).await;
    }
}

async fn read(pool: &PgPool) -> sqlx::Result<HashMap<ShardId, StreamId>> {
    struct Row {
        shard_id: i32,
        incarnation: i64,
        cursor_seq: i64,
    }
    let rows = sqlx::query_as!(Row, "select shard_id, incarnation, cursor_seq from helpline.shard_streams")
        .fetch_all(pool)
        .await?;
    let cursor = |row: &Row| StreamId::from_db(row.incarnation, row.cursor_seq);
    Ok(rows.iter().map(|row| (ShardId::from_db(row.shard_id), cursor(row))).collect())
}
