//! `helpline.silences`: the conversations in which whoever asked is waited for. Rows are written with their conversation.

use helpline_cluster::database::Database;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::{ServerId, ShardId};
use time::OffsetDateTime;
use uuid::Uuid;

use super::Error;

/// Silences of these shards that are to be looked at, the oldest first; no more than can be dealt with at once.
pub async fn due(
    database: &Database,
    shards: &[ShardId],
    now: OffsetDateTime,
) -> Result<Vec<(ShardId, ServerId, Uuid)>, Error> {
    let shards: Vec<i32> = shards.iter().map(|shard| shard.db()).collect();
    let rows = sqlx::query_file!("src/conversation/sql/due_silences.sql", &shards, now)
        .fetch_all(database.read().await?.conn())
        .await?;
    let due = |row: ShardId, server: i64, id: Uuid| (row, ServerId::from_db(server), id);
    Ok(rows
        .into_iter()
        .map(|row| due(ShardId::from_db(row.shard_id), row.server_id, row.conversation_id))
        .collect())
}

/// The open ticket of a conversation, not locked.
pub async fn open_ticket(
    tx: &mut FencedTx,
    server: ServerId,
    conversation: Uuid,
) -> Result<Option<Uuid>, Error> {
    Ok(sqlx::query_scalar!(
        "select id from public.forwarded_tickets
         where server_id = $1 and conversation_id = $2 and status <> 'resolved' limit 1",
        server.db(),
        conversation
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Whether the conversation is still to be looked at, and when its asker was warned. Its row stays locked.
pub async fn still_due(
    tx: &mut FencedTx,
    server: ServerId,
    conversation: Uuid,
    now: OffsetDateTime,
) -> Result<Option<Option<OffsetDateTime>>, Error> {
    Ok(sqlx::query_scalar!(
        "select warned_at from helpline.silences
         where server_id = $1 and conversation_id = $2 and look_at <= $3 for update",
        server.db(),
        conversation,
        now
    )
    .fetch_optional(tx.conn())
    .await?)
}

/// Looks again then. `warned_at`: he is warned now.
pub async fn look_again(
    tx: &mut FencedTx,
    server: ServerId,
    conversation: Uuid,
    at: OffsetDateTime,
    warned_at: Option<OffsetDateTime>,
) -> Result<(), Error> {
    sqlx::query!(
        "update helpline.silences set look_at = $3, warned_at = coalesce(warned_at, $4)
         where server_id = $1 and conversation_id = $2",
        server.db(),
        conversation,
        at,
        warned_at
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Nobody is waited for.
pub async fn forget(tx: &mut FencedTx, server: ServerId, conversation: Uuid) -> Result<(), Error> {
    sqlx::query!(
        "delete from helpline.silences where server_id = $1 and conversation_id = $2",
        server.db(),
        conversation
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
