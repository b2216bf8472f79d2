//! Indexes that came when their tables were in use: built without keeping writers out, which no transaction and so no
//! migration can do. A migrator that dies on the way leaves an invalid index, which the next one builds anew.

use sqlx::{AssertSqlSafe, Executor, PgConnection};

use super::{Error, database};

/// Name, and what it is on; in schema public. An index never changes: a better one gets another name.
const INDEXES: [(&str, &str); 3] = [
    // The proxies ask every second what changed.
    ("servers_updated_at_idx", "public.servers (updated_at)"),
    ("server_shards_assigned_at_idx", "public.server_shards (assigned_at)"),
    // Days that are to be put together to months.
    ("analytics_days_idx", "public.analytics (date) where extract(day from date) <> 1"),
];

pub(super) async fn ensure(connection: &mut PgConnection) -> Result<(), Error> {
    const STEP: &str = "build an index";
    for (name, on) in INDEXES {
        let is_valid = sqlx::query_scalar!(
            "select x.indisvalid from pg_index x
             join pg_class c on c.oid = x.indexrelid
             where c.relnamespace = 'public'::regnamespace and c.relname = $1",
            name
        )
        .fetch_optional(&mut *connection)
        .await
        .map_err(database(STEP))?;
        match is_valid {
            Some(true) => continue,
            Some(false) => {
                let drop = format!("drop index concurrently public.{name}");
                connection.execute(AssertSqlSafe(drop)).await.map_err(database(STEP))?;
            }
            None => {}
        }
        tracing::info!("building {name}: it waits for transactions that are open now");
        let create = format!("create index concurrently {name} on {on}");
        connection.execute(AssertSqlSafe(create)).await.map_err(database(STEP))?;
    }
    Ok(())
}
