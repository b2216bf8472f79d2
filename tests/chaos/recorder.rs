//! Triggers that record who wrote what, installed beside the product's schema, and the reading of their record.

use std::collections::HashMap;

use sha2::{Digest, Sha256};
use sqlx::{PgPool, Row};

use crate::history::{Record, What};

/// The record of one database.
#[derive(Debug, Clone)]
pub struct Recorder {
    pool: PgPool,
    homes: Vec<(i64, i32)>,
}

impl Recorder {
    /// Begins to record. What is in the database already is taken as it is.
    pub async fn install(pool: PgPool) -> Self {
        sqlx::raw_sql(include_str!("recorder.sql")).execute(&pool).await.expect("the triggers are made");
        let homes = sqlx::query_as("select server_id, shard_id from public.server_shards");
        let homes = homes.fetch_all(&pool).await.expect("servers are listed");
        Self { pool, homes }
    }

    /// Where servers lived when the recording began.
    pub fn homes(&self) -> &[(i64, i32)] {
        &self.homes
    }

    /// Everything after `seq`, in order.
    pub async fn since(&self, seq: i64) -> Vec<Record> {
        let rows = sqlx::query(
            "select seq, (extract(epoch from at) * 1000000)::bigint as at_us, xid, process, what, shard, server,
                 epoch, owner, incarnation, cursor, key
             from chaos.records where seq > $1 order by seq",
        )
        .bind(seq)
        .fetch_all(&self.pool)
        .await
        .expect("the record is read");
        rows.iter().map(record).collect()
    }

    /// The last place in the record.
    pub async fn end(&self) -> i64 {
        let last = sqlx::query_scalar("select coalesce(max(seq), 0) from chaos.records");
        last.fetch_one(&self.pool).await.expect("the record is read")
    }
}

fn record(row: &sqlx::postgres::PgRow) -> Record {
    let shard = || row.get("shard");
    let server = || row.get("server");
    let key = || row.get("key");
    let what = match row.get::<&str, _>("what") {
        "fence" => What::Fence { shard: shard(), epoch: row.get("epoch"), owner: row.get("owner") },
        "place" => What::Place { server: server(), shard: shard() },
        "cursor" => What::Cursor {
            shard: shard(),
            epoch: row.get("epoch"),
            incarnation: row.get("incarnation"),
            seq: row.get("cursor"),
        },
        "event" => What::Event { key: key() },
        "effect" => What::Effect { server: server(), key: key() },
        "sent" => What::Sent { server: server(), key: key() },
        "given-up" => What::GivenUp { server: server(), key: key() },
        other => What::Row { server: server(), table: other.to_owned() },
    };
    Record {
        seq: row.get("seq"),
        at_us: row.get("at_us"),
        xid: row.get("xid"),
        process: row.get("process"),
        what,
    }
}

/// How the database names a message's or interaction's event: `message:<id>`, `interaction:<id>`.
pub fn event_key(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    digest[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The records of applied events by their key.
pub fn applied(records: &[Record]) -> HashMap<&str, &Record> {
    let events = records.iter().filter_map(|record| match &record.what {
        What::Event { key } => Some((key.as_str(), record)),
        _ => None,
    });
    events.collect()
}
