//! Vectors of passages: which are missing, and writing them down under the fence of their server's owner.

use helpline_cluster::database::ReadTx;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::{ServerId, ShardId};
use helpline_embed::int8;
use uuid::Uuid;

use super::language;
use crate::server_config;

/// How far the vectors of a server are.
#[derive(Clone, Debug)]
pub struct State {
    /// Of the server's documents.
    pub version: i64,
    pub shard: ShardId,
    /// Text search configuration of the server's language.
    pub configuration: &'static str,
    /// Every passage of that version has its vector.
    pub done: bool,
}

/// A passage whose vector is missing.
#[derive(Clone, Debug)]
pub struct Passage {
    pub document_id: Uuid,
    pub ordinal: i32,
    pub title: String,
    pub heading: String,
    pub content: String,
    /// Names its row: a passage that is made anew is another one.
    made: String,
}

/// Where a walk through the passages of a server stands.
pub type Place = (Uuid, i32);

/// Before the first passage.
pub const FIRST: Place = (Uuid::nil(), -1);

/// None for a server without documents, and for one that no shard has.
pub async fn state(tx: &mut ReadTx, server: ServerId, model: &str) -> sqlx::Result<Option<State>> {
    let row = sqlx::query_file!("src/knowledge/sql/vectors_undone.sql", server.db(), model)
        .fetch_optional(tx.conn())
        .await?;
    Ok(row.map(|row| {
        // A config that cannot be read must not keep documents from being searched.
        let language = server_config::parse(&row.config).unwrap_or_default().language;
        State {
            version: row.version,
            shard: ShardId::from_db(row.shard_id),
            configuration: language::configuration(&language),
            done: row.done,
        }
    }))
}

/// Servers of these shards whose vectors are not known to be complete; at most so many.
pub async fn undone(tx: &mut ReadTx, shards: &[i32], model: &str, most: i64) -> sqlx::Result<Vec<ServerId>> {
    let rows = sqlx::query_file_scalar!("src/knowledge/sql/servers_without_vectors.sql", shards, model, most)
        .fetch_all(tx.conn())
        .await?;
    Ok(rows.into_iter().map(ServerId::from_db).collect())
}

/// The next passages without a vector behind `after`.
pub async fn missing(
    tx: &mut ReadTx,
    server: ServerId,
    model: &str,
    after: Place,
    most: i64,
) -> sqlx::Result<Vec<Passage>> {
    sqlx::query_file_as!(
        Passage,
        "src/knowledge/sql/passages_without_vector.sql",
        server.db(),
        model,
        after.0,
        after.1,
        most
    )
    .fetch_all(tx.conn())
    .await
}

/// Writes vectors of passages that have not been made anew since they were read.
pub async fn write(
    tx: &mut FencedTx,
    server: ServerId,
    model: &str,
    passages: &[Passage],
    vectors: &[Option<Vec<i8>>],
) -> sqlx::Result<()> {
    let (mut documents, mut ordinals, mut made, mut bytes) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for (passage, vector) in passages.iter().zip(vectors) {
        let Some(vector) = vector else { continue };
        documents.push(passage.document_id);
        ordinals.push(passage.ordinal);
        made.push(passage.made.clone());
        bytes.push(int8::to_bytes(vector));
    }
    sqlx::query_file!(
        "src/knowledge/sql/insert_vectors.sql",
        server.db(),
        model,
        &documents,
        &ordinals,
        &made,
        &bytes
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Remembers that all passages of that version have what vectors the model gives.
pub async fn done(tx: &mut FencedTx, server: ServerId, model: &str, version: i64) -> sqlx::Result<()> {
    sqlx::query_file!("src/knowledge/sql/vectors_done.sql", server.db(), version, model)
        .execute(tx.conn())
        .await?;
    Ok(())
}
