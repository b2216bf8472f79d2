//! `helpline.dm_conversations`: conversations that are held in direct messages, and where staff see them.

use helpline_cluster::database::Database;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::ServerId;
use uuid::Uuid;

use super::Error;
use crate::discord::{ChannelId, UserId};

/// Notes that a conversation, which is stored, is held in somebody's direct messages.
pub async fn note(
    tx: &mut FencedTx,
    server: ServerId,
    conversation: Uuid,
    user: UserId,
) -> Result<(), Error> {
    sqlx::query!(
        "insert into helpline.dm_conversations (conversation_id, server_id, user_id) values ($1, $2, $3)
         on conflict (conversation_id) do nothing",
        conversation,
        server.db(),
        user.0.cast_signed()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Notes where staff see it.
pub async fn set_staff_thread(
    tx: &mut FencedTx,
    server: ServerId,
    conversation: Uuid,
    thread: ChannelId,
) -> Result<(), Error> {
    sqlx::query!(
        "update helpline.dm_conversations set staff_thread = $3 where server_id = $1 and conversation_id = $2",
        server.db(),
        conversation,
        thread.0.to_string()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Whose conversation it is by name, and where staff see it.
pub async fn staff_thread(
    database: &Database,
    server: ServerId,
    conversation: Uuid,
) -> Result<(String, Option<ChannelId>), Error> {
    let row = sqlx::query!(
        r#"select c.username, d.staff_thread as "staff_thread?"
           from public.conversations c
           left join helpline.dm_conversations d on d.server_id = $1 and d.conversation_id = c.id
           where c.server_id = $1 and c.id = $2"#,
        server.db(),
        conversation
    )
    .fetch_optional(database.read().await?.conn())
    .await?;
    let Some(row) = row else { return Ok((String::new(), None)) };
    Ok((row.username, row.staff_thread.and_then(|id| id.parse().ok()).map(ChannelId)))
}
