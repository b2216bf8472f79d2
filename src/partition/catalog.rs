//! What Postgres' catalogs say about the partitions: there is no other record of a promotion.

use std::collections::HashSet;
use std::fmt;
use std::time::Duration;

use helpline_cluster::ids::ServerId;
use sqlx::{AssertSqlSafe, Executor, PgConnection, PgPool};

use super::{Error, database};

/// A partition of the conversations, or a table that is to become or was one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    pub table: String,
    /// Name of the server whose partition it is; none for the default partition.
    pub server_name: Option<String>,
    /// As of the last analyze.
    pub conversations: i64,
    pub bytes: i64,
    /// False: a promotion is building it, or was interrupted.
    pub attached: bool,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mib = self.bytes / (1024 * 1024);
        write!(f, "{}: about {} conversations, {mib} MiB", self.table, self.conversations)?;
        if let Some(name) = &self.server_name {
            write!(f, ", {name}")?;
        }
        match self.attached {
            true => Ok(()),
            false => f.write_str(" (of a promotion that runs or was interrupted: run it again, or `helpline partition abandon`)"),
        }
    }
}

/// All partitions, those in use first.
pub async fn list(pool: &PgPool) -> Result<Vec<Partition>, Error> {
    let rows = sqlx::query_file!("src/partition/sql/list.sql")
        .fetch_all(pool)
        .await
        .map_err(database("list the partitions"))?;
    Ok(rows
        .into_iter()
        .map(|row| Partition {
            table: format!("helpline.{}", row.table),
            server_name: row.server_name,
            conversations: row.conversations,
            bytes: row.bytes,
            attached: row.attached,
        })
        .collect())
}

/// The table of a server's own partition.
pub fn own_table(server: ServerId) -> String {
    format!("helpline.conversations_s{}", server.db())
}

/// The tables of all servers that have one.
pub async fn promoted(connection: &mut PgConnection) -> Result<HashSet<String>, Error> {
    let tables = sqlx::query_scalar!(
        r#"select n.nspname || '.' || c.relname as "table!"
           from pg_inherits i
           join pg_class c on c.oid = i.inhrelid
           join pg_namespace n on n.oid = c.relnamespace
           where i.inhparent = 'public.conversations'::regclass
               and pg_get_expr(c.relpartbound, c.oid) <> 'DEFAULT'"#
    )
    .fetch_all(connection)
    .await
    .map_err(database("list the partitions"))?;
    Ok(tables.into_iter().collect())
}

pub async fn server_exists(connection: &mut PgConnection, server: ServerId) -> Result<bool, Error> {
    sqlx::query_scalar!(
        r#"select exists (select from public.servers where id = $1) as "exists!""#,
        server.db()
    )
    .fetch_one(connection)
    .await
    .map_err(database("look for the server"))
}

/// What an interrupted promotion left behind.
pub struct LeftBehind {
    /// Copies that are not partitions, without their schema.
    pub tables: Vec<String>,
    /// Changes are noted although nobody copies.
    pub noting: bool,
    /// The old default partition is still there: the swap was done.
    pub swapped: bool,
}

pub async fn left_behind(connection: &mut PgConnection) -> Result<LeftBehind, Error> {
    const STEP: &str = "look for what an earlier promotion left";
    let tables = sqlx::query_scalar!(
        r#"select c.relname::text as "table!"
           from pg_class c
           where c.relnamespace = 'helpline'::regnamespace and c.relkind = 'r'
               and (c.relname ~ '^conversations_s\d{1,19}$' or c.relname like 'conversations\_default\_%')
               and not exists (
                   select from pg_inherits i
                   where i.inhrelid = c.oid and i.inhparent = 'public.conversations'::regclass
               )"#
    )
    .fetch_all(&mut *connection)
    .await
    .map_err(database(STEP))?;
    let noting = sqlx::query_scalar!(
        r#"select exists (
               select from pg_trigger t
               where t.tgrelid = 'helpline.conversations_default'::regclass
                   and t.tgname = 'note_conversation_change'
           ) as "noting!""#
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(database(STEP))?;
    // The swap makes foreign keys anew; that they are checked is the last but one step.
    let swapped = tables.iter().any(|table| table == "conversations_default_old");
    Ok(LeftBehind { tables, noting, swapped })
}

/// Makes the session act as the owner of the conversations, so that all partitions have one owner.
pub async fn become_owner(connection: &mut PgConnection) -> Result<(), Error> {
    const STEP: &str = "find out who owns the conversations";
    let owner = sqlx::query!(
        r#"select r.rolname::text as "owner!", current_user::text as "user!",
               pg_has_role(r.oid, 'member') as "member!", format('set role %I', r.rolname) as "become!"
           from pg_class c
           join pg_roles r on r.oid = c.relowner
           where c.oid = 'public.conversations'::regclass"#
    )
    .fetch_one(&mut *connection)
    .await
    .map_err(database(STEP))?;
    if !owner.member {
        return Err(Error::NotOwner { user: owner.user, owner: owner.owner });
    }
    connection.execute(AssertSqlSafe(owner.r#become)).await.map_err(database(STEP))?;
    Ok(())
}

/// Somebody who uses the conversations at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub pid: i32,
    pub user: Option<String>,
    pub application: Option<String>,
    /// How long the transaction has lasted; unknown when Postgres does not show another user's.
    pub since: Option<Duration>,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "pid {}", self.pid)?;
        for text in [&self.user, &self.application].into_iter().flatten().filter(|text| !text.is_empty()) {
            write!(f, " {text}")?;
        }
        match self.since {
            Some(since) => write!(f, " for {} s", since.as_secs()),
            None => Ok(()),
        }
    }
}

/// The five that have used the conversations, or what refers to them, for longest.
pub async fn holders(connection: &mut PgConnection) -> Result<Vec<Holder>, Error> {
    let rows = sqlx::query_file!("src/partition/sql/holders.sql")
        .fetch_all(connection)
        .await
        .map_err(database("see who holds the tables"))?;
    Ok(rows
        .into_iter()
        .map(|row| Holder {
            pid: row.pid,
            user: row.user,
            application: row.application,
            since: row.seconds.map(|seconds| Duration::from_secs_f64(seconds.max(0.0))),
        })
        .collect())
}
