//! What operators see of the shards, and how they add some: `helpline shards`.

use std::fmt;

use helpline_cluster::event_log::EventLog;
use helpline_cluster::ids::{ShardId, StreamId};
use sqlx::PgPool;

use crate::migrate;

/// One line of `helpline shards list`.
#[derive(Debug, Clone)]
pub struct Line {
    pub shard: ShardId,
    pub status: String,
    /// The name of the worker that owns it.
    pub owner: Option<String>,
    pub epoch: i64,
    pub servers: i32,
    /// Events a second, and seconds spent answering a second.
    pub load: f64,
    pub cursor: StreamId,
    /// Entries behind the cursor, where Redis was asked and has the stream.
    pub lag: Option<u64>,
    /// Servers on their way to other shards, and here.
    pub leaving: i64,
    pub coming: i64,
    /// Events that wait for servers on their way here.
    pub held: i64,
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read the shards: {0}")]
    Database(#[from] sqlx::Error),
    #[error("add shards: {0} (needs the user that runs `helpline migrate`)")]
    Add(#[source] sqlx::Error),
    #[error(
        "there are {there} shards and there would be {wanted}: shards are only ever added, because the events of a \
         removed one would have nowhere to go. Idle shards cost next to nothing"
    )]
    Fewer { there: i64, wanted: u32 },
    #[error(transparent)]
    TooMany(#[from] migrate::Error),
}

/// All shards, by id. `log`: to tell how far the cursors are behind.
///
/// # Errors
/// [`Error::Database`]; Redis being away leaves the lag out.
pub async fn list(pool: &PgPool, log: Option<&EventLog>) -> Result<Vec<Line>, Error> {
    let rows = sqlx::query_file!("src/shards/sql/list.sql").fetch_all(pool).await?;
    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let (shard, cursor) = (ShardId::from_db(row.id), StreamId::from_db(row.incarnation, row.cursor_seq));
        let last = match log {
            Some(log) => log.last_id(shard).await.ok().flatten(),
            None => None,
        };
        let lag = last.filter(|last| last.incarnation == cursor.incarnation);
        lines.push(Line {
            shard,
            status: row.status,
            owner: row.owner,
            epoch: row.epoch,
            servers: row.server_count,
            load: row.load,
            cursor,
            lag: lag.map(|last| last.seq.saturating_sub(cursor.seq)),
            leaving: row.leaving,
            coming: row.coming,
            held: row.held,
        });
    }
    Ok(lines)
}

/// Adds shards until there are so many, while everything runs. Returns how many were added. The leader gives them
/// owners within a second; servers follow as placement sees fit.
///
/// # Errors
/// [`Error::Fewer`] when there are more already; nothing is changed then.
pub async fn set(pool: &PgPool, wanted: u32) -> Result<i64, Error> {
    let number = i32::try_from(wanted).map_err(|_| migrate::Error::TooManyShards { shards: wanted })?;
    let there =
        sqlx::query_scalar!(r#"select coalesce(max(id) + 1, 0)::bigint as "there!" from public.shards"#)
            .fetch_one(pool)
            .await?;
    if i64::from(number) < there {
        return Err(Error::Fewer { there, wanted });
    }
    let added = sqlx::query_file_scalar!("src/migrate/sql/ensure_shards.sql", number)
        .fetch_one(pool)
        .await
        .map_err(Error::Add)?;
    sqlx::query!("select pg_notify($1, $2)::text as notified", "helpline_placement", "")
        .fetch_one(pool)
        .await?;
    Ok(added)
}

/// The lines as a table.
pub struct Table<'a>(pub &'a [Line]);

impl fmt::Display for Table<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:>6}  {:<8}  {:<20}  {:>7}  {:>8}  {:>9}  {:>8}  {:>7}  {:>6}  {:>6}",
            "shard", "status", "owner", "epoch", "servers", "load", "behind", "leaving", "coming", "held"
        )?;
        for line in self.0 {
            let lag = line.lag.map_or_else(|| "-".to_owned(), |lag| lag.to_string());
            write!(
                f,
                "\n{:>6}  {:<8}  {:<20}  {:>7}  {:>8}  {:>9.3}  {:>8}  {:>7}  {:>6}  {:>6}",
                line.shard.get(),
                line.status,
                line.owner.as_deref().unwrap_or("-"),
                line.epoch,
                line.servers,
                line.load,
                lag,
                line.leaving,
                line.coming,
                line.held
            )?;
        }
        Ok(())
    }
}
