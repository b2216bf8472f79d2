//! `helpline.outbox`: effects that have been decided and wait to be carried out.

use std::time::Duration;

use helpline_cluster::database::Database;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::{ServerId, ShardId};
use uuid::Uuid;

use super::{Effect, OutboxKey};
use crate::discord::MessageId;

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read or write the outbox: {0}")]
    Database(#[from] sqlx::Error),
}

/// A stored effect.
#[derive(Debug)]
pub struct Row {
    pub id: i64,
    pub event_id: String,
    pub effect: String,
    pub part: i32,
    /// Unreadable when a later release wrote a variant that this one does not know.
    pub request: Result<Effect, serde_json::Error>,
    pub created_at: time::OffsetDateTime,
    /// How long ago it was first tried, by Postgres' clock; none: Discord cannot have seen it.
    pub tried_ago: Option<Duration>,
}

impl Row {
    pub fn nonce(&self) -> String {
        super::nonce(&self.event_id, &self.effect, self.part)
    }
}

/// Effects of one lane are carried out one after the other, those of different lanes side by side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Lane {
    pub server: ServerId,
    /// None: effects that belong to no conversation.
    pub conversation: Option<Uuid>,
}

/// A lane in which something waits, since then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    pub lane: Lane,
    pub since: time::OffsetDateTime,
}

pub async fn add(tx: &mut FencedTx, lane: Lane, key: &OutboxKey, effect: &Effect) -> Result<(), Error> {
    let request = serde_json::to_value(effect).expect("an effect has string keys");
    sqlx::query!(
        "insert into helpline.outbox (server_id, conversation_id, event_id, effect, part, request)
         values ($1, $2, $3, $4, $5, $6)",
        lane.server.db(),
        lane.conversation,
        key.event_id,
        key.effect,
        i32::from(key.part),
        request
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// What a lane still has to carry out, in order; at most 32 rows.
pub async fn pending(database: &Database, lane: Lane) -> Result<Vec<Row>, Error> {
    let rows = sqlx::query_file!("src/deliver/sql/pending.sql", lane.server.db(), lane.conversation)
        .fetch_all(database.read().await?.conn())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| Row {
            id: row.id,
            event_id: row.event_id,
            effect: row.effect,
            part: row.part,
            request: serde_json::from_value(row.request),
            created_at: row.created_at,
            tried_ago: row.tried_ago_s.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9))),
        })
        .collect())
}

/// The lanes of a shard in which something waits: open jobs or effects not yet carried out.
///
/// Whoever waits longest comes first.
pub async fn waiting_lanes(database: &Database, shard: ShardId) -> Result<Vec<Waiting>, Error> {
    let rows = sqlx::query_file!("src/deliver/sql/waiting_lanes.sql", shard.db())
        .fetch_all(database.read().await?.conn())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| Waiting {
            lane: Lane { server: ServerId::from_db(row.server_id), conversation: row.conversation_id },
            since: row.since,
        })
        .collect())
}

/// Notes that these effects are about to be tried, before any of them is. Returns those that are still to be done.
pub async fn mark_tried(tx: &mut FencedTx, server: ServerId, ids: &[i64]) -> Result<Vec<i64>, Error> {
    let marked = sqlx::query_scalar!(
        "update helpline.outbox set attempted_at = coalesce(attempted_at, now())
         where server_id = $1 and id = any ($2) and state = 'pending' returning id",
        server.db(),
        ids
    )
    .fetch_all(tx.conn())
    .await?;
    Ok(marked)
}

/// Notes that a message was looked for in vain, so that what counts from now on is the next attempt.
pub async fn mark_not_there(tx: &mut FencedTx, server: ServerId, id: i64) -> Result<(), Error> {
    sqlx::query!(
        "update helpline.outbox set attempted_at = now() where server_id = $1 and id = $2 and state = 'pending'",
        server.db(),
        id
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Deletes effects of this shard's servers that were carried out or given up more than a day ago, in a step that holds
/// its locks for a moment only. Returns how many went; 0 = none is left.
pub async fn sweep(tx: &mut FencedTx) -> Result<u64, Error> {
    let shard = tx.fence().shard;
    let swept = sqlx::query_file!("src/deliver/sql/sweep.sql", shard.db()).execute(tx.conn()).await?;
    Ok(swept.rows_affected())
}

/// The lanes of a server in which something waits; whoever waits longest comes first.
pub async fn waiting_lanes_of(database: &Database, server: ServerId) -> Result<Vec<Waiting>, Error> {
    let rows = sqlx::query_file!("src/deliver/sql/waiting_lanes_of_server.sql", server.db())
        .fetch_all(database.read().await?.conn())
        .await?;
    let lane = |conversation| Lane { server, conversation };
    Ok(rows.into_iter().map(|row| Waiting { lane: lane(row.conversation_id), since: row.since }).collect())
}

/// Marks an effect as carried out. False: it was marked before.
pub async fn mark_sent(
    tx: &mut FencedTx,
    server: ServerId,
    id: i64,
    message: Option<MessageId>,
) -> Result<bool, Error> {
    let marked = sqlx::query!(
        "update helpline.outbox set state = 'sent', message_id = $3, sent_at = now(), attempts = attempts + 1
         where server_id = $1 and id = $2 and state = 'pending'",
        server.db(),
        id,
        message.map(|id| id.0.to_string())
    )
    .execute(tx.conn())
    .await?;
    Ok(marked.rows_affected() == 1)
}

/// Marks an effect as carried out by the caller's own transaction. False: it was marked before.
pub async fn end(tx: &mut FencedTx, server: ServerId, key: &OutboxKey) -> Result<bool, Error> {
    let marked = sqlx::query!(
        "update helpline.outbox set state = 'sent', sent_at = now(), attempts = attempts + 1
         where server_id = $1 and event_id = $2 and effect = $3 and part = $4 and state = 'pending'",
        server.db(),
        key.event_id,
        key.effect,
        i32::from(key.part)
    )
    .execute(tx.conn())
    .await?;
    Ok(marked.rows_affected() == 1)
}

/// The messages that carried out an event's effects of this name: part and message.
pub async fn messages_of(
    database: &Database,
    server: ServerId,
    event_id: &str,
    effect: &str,
) -> Result<Vec<(i32, MessageId)>, Error> {
    let rows = sqlx::query!(
        "select part, message_id from helpline.outbox
         where server_id = $1 and event_id = $2 and effect = $3 and state = 'sent' order by part",
        server.db(),
        event_id,
        effect
    )
    .fetch_all(database.read().await?.conn())
    .await?;
    let message = |id: Option<String>| id.and_then(|id| id.parse().ok()).map(MessageId);
    Ok(rows.into_iter().filter_map(|row| Some((row.part, message(row.message_id)?))).collect())
}

/// How many effects of this name wait in a server.
pub async fn count_waiting(tx: &mut FencedTx, server: ServerId, effect: &str) -> Result<i64, Error> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "waiting!" from helpline.outbox
        where server_id = $1 and effect = $2 and state = 'pending'"#,
        server.db(),
        effect
    )
    .fetch_one(tx.conn())
    .await?)
}

/// Marks an effect as given up. Kept with its reason until it is cleaned away.
pub async fn mark_failed(tx: &mut FencedTx, server: ServerId, id: i64, reason: &str) -> Result<(), Error> {
    sqlx::query!(
        "update helpline.outbox set state = 'failed', last_error = $3, sent_at = now(), attempts = attempts + 1
         where server_id = $1 and id = $2 and state = 'pending'",
        server.db(),
        id,
        reason
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Takes back what waits because of an event, as far as nobody can have seen it.
pub async fn withdraw(tx: &mut FencedTx, server: ServerId, event_id: &str) -> Result<(), Error> {
    sqlx::query!(
        "delete from helpline.outbox
         where server_id = $1 and event_id = $2 and state = 'pending' and attempted_at is null",
        server.db(),
        event_id
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
