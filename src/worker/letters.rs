//! `helpline.dead_letters`: events put aside, and their way back.
//!
//! An operator asks for a replay by a mark on the row (`helpline dead-letters replay`); the owner of the shard where the
//! event's server lives now finds it and applies the event in a fenced transaction of its own, which deletes the row. So
//! the shard has one writer, and the event keys make a replay count once. Letters are replayed in the order in which they
//! were put aside, between two batches of live events.

use bytes::Bytes;
use helpline_cluster::database::Database;
use helpline_cluster::event_log::Entry;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::{ServerId, ShardId, StreamId};
use serde_json::Value;
use time::OffsetDateTime;

use super::shard_loop::TRIES;

/// An event that is to be applied again.
#[derive(Debug)]
pub struct Letter {
    pub id: i64,
    pub entry: Entry,
}

/// Keeps an event that cannot be applied, for a person to look at.
pub async fn put_aside(
    tx: &mut FencedTx,
    entry: &Entry,
    stream_id: &str,
    failure: &str,
) -> Result<(), sqlx::Error> {
    // NUL is the one character that jsonb cannot hold; a payload that is no JSON at all is kept as a string.
    let text =
        String::from_utf8_lossy(&entry.payload).replace("\\u0000", "\u{fffd}").replace('\0', "\u{fffd}");
    let payload = serde_json::from_str(&text).unwrap_or_else(|_| Value::String(text.clone()));
    let shard = tx.fence().shard.db();
    sqlx::query_file!(
        "src/worker/sql/dead_letter.sql",
        shard,
        entry.server.map(|server| server.db()),
        stream_id,
        entry.kind,
        payload,
        failure,
        entry.origin,
        moment(entry.received_at_ms),
        TRIES.cast_signed()
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// The letters that this shard's owner is asked to replay, oldest first.
pub async fn to_replay(database: &Database, shard: ShardId) -> Result<Vec<Letter>, sqlx::Error> {
    let rows = sqlx::query_file!("src/worker/sql/letters_to_replay.sql", shard.db())
        .fetch_all(database.read().await?.conn())
        .await?;
    Ok(rows
        .into_iter()
        .map(|row| Letter {
            id: row.id,
            entry: Entry {
                id: row.stream_id.parse().unwrap_or(StreamId::new(0, 0)),
                origin: row.origin.unwrap_or_else(|| format!("replay:{}", row.id)),
                kind: row.kind,
                server: row.server_id.map(ServerId::from_db),
                received_at_ms: u64::try_from(row.at.unix_timestamp_nanos() / 1_000_000).unwrap_or(0),
                payload: bytes(row.payload),
            },
        })
        .collect())
}

fn bytes(payload: Option<Value>) -> Bytes {
    match payload {
        Some(Value::String(text)) => text.into(),
        Some(json) => json.to_string().into(),
        None => Bytes::new(),
    }
}

fn moment(unix_ms: u64) -> OffsetDateTime {
    OffsetDateTime::from_unix_timestamp_nanos(i128::from(unix_ms) * 1_000_000)
        .unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

/// The event was applied: its letter goes in the same transaction. False: somebody dropped it meanwhile.
pub async fn applied(tx: &mut FencedTx, id: i64) -> Result<bool, sqlx::Error> {
    let gone = sqlx::query!("delete from helpline.dead_letters where id = $1", id).execute(tx.conn()).await?;
    Ok(gone.rows_affected() == 1)
}

/// The replay failed as well; the letter waits for a person again.
pub async fn failed(tx: &mut FencedTx, id: i64, failure: &str) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update helpline.dead_letters set replay_requested_at = null, error = $2, tries = tries + 1
         where id = $1",
        id,
        failure
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}
