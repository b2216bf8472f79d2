//! Brings a database to the schema of this binary, and tells the other roles whether it is there.
//!
//! Any number of replicas may call [`run`] at once: one works, the others wait and find nothing to do. A
//! migration is applied whole or not at all. Only the owner of the schema calls [`run`]; [`check`] needs no
//! more than the rights of a service user.

mod indexes;
pub mod sign_in;

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use sqlx::migrate::{MigrateError, Migrator};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool};

/// How many shards a new cluster has unless told otherwise.
pub const DEFAULT_SHARDS: u32 = 64;

/// Hashed to the key of the advisory lock that one migrator of a database holds for its session.
const LOCK_NAME: &str = "helpline.migrate";
const LOCK_POLL: Duration = Duration::from_millis(200);
const LOCK_REMINDER: Duration = Duration::from_secs(10);
const ROLE_ATTEMPTS: u32 = 10;
const ROLE_PAUSE: Duration = Duration::from_millis(20);

/// Qualified, because a user called like a schema has that schema first in its search path.
const APPLIED_TABLE: &str = "public._sqlx_migrations";

/// What `helpline migrate` can be told.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Shards that exist afterwards, at least. Shards are only ever added: lowering this removes none.
    pub shards: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { shards: DEFAULT_SHARDS }
    }
}

/// What a run found and did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Version the database was at, 0 when it was empty.
    pub from: i64,
    /// Version it is at now.
    pub to: i64,
    /// Migrations applied, in order, as "4 roles".
    pub applied: Vec<String>,
    /// Shards that were missing and exist now.
    pub shards_created: u32,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.applied.is_empty() {
            write!(f, "the database is at migration {}, nothing to apply", self.to)?;
        } else {
            let applied = self.applied.join(", ");
            write!(f, "the database went from migration {} to {} ({applied})", self.from, self.to)?;
        }
        match self.shards_created {
            0 => Ok(()),
            1 => write!(f, "; created 1 shard"),
            created => write!(f, "; created {created} shards"),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A newer release migrated this database; applying old migrations to it could only do harm.
    #[error(
        "the database is at migration {database}, this binary knows migrations up to {binary}: \
         run a newer helpline (nothing was changed)"
    )]
    Newer { database: i64, binary: i64 },
    /// The schema is older than what the binary reads and writes.
    #[error("the database is at migration {database}, this binary needs {binary}: run `helpline migrate`")]
    Older { database: i64, binary: i64 },
    #[error("migration {version} ({description}) failed and was rolled back: {}", explain(.source))]
    Failed { version: i64, description: String, source: sqlx::Error },
    /// An applied migration is not the one in this binary: another build, or somebody edited it.
    #[error("migration {version} ({description}) differs from the one that was applied to the database")]
    Changed { version: i64, description: String },
    /// The database has a migration between ours that this binary never had.
    #[error(
        "the database has migration {version}, which this binary does not know: run the release that has it"
    )]
    Unknown { version: i64 },
    #[error("cannot create {shards} shards: at most {} are possible", i32::MAX)]
    TooManyShards { shards: u32 },
    #[error("cannot set the password of {0}: it is not one of helpline's database users")]
    NotOurRole(String),
    #[error("cannot {operation}: {}", explain(.source))]
    Database { operation: &'static str, source: sqlx::Error },
    #[error("cannot apply migrations: {0}")]
    Migrate(#[source] MigrateError),
}

/// The migrations in this binary.
fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!();
    migrator.dangerous_set_table_name(Cow::Borrowed(APPLIED_TABLE));
    migrator
}

/// The version a database must be at for this binary.
pub fn version() -> i64 {
    newest(&migrator())
}

fn newest(migrator: &Migrator) -> i64 {
    migrator.iter().map(|migration| migration.version).max().unwrap_or(0)
}

/// Applies what is missing and creates missing shards.
///
/// Needs a direct connection (a session's advisory lock does not survive a transaction pooler) of a user that
/// may create schemas, tables and roles; it need not be a superuser.
pub async fn run(pool: &PgPool, options: Options) -> Result<Report, Error> {
    let shards =
        i32::try_from(options.shards).map_err(|_| Error::TooManyShards { shards: options.shards })?;
    // A connection of its own: closing it frees the lock whatever happened on it.
    let mut connection =
        pool.connect_options().connect().await.map_err(database("connect to the database to migrate it"))?;
    lock(&mut connection).await?;
    let outcome = apply(&mut connection, &migrator(), shards).await;
    if let Err(error) = connection.close().await {
        tracing::debug!(%error, "the migrating connection did not close cleanly");
    }
    outcome
}

/// Waits until nobody else changes the schema of this database, and says so while somebody does. Partitions are
/// promoted under the same lock.
///
/// Asks again instead of waiting in the server: a waiting statement would hold a snapshot for all that time.
pub(crate) async fn lock(connection: &mut PgConnection) -> Result<(), Error> {
    let mut waited = Duration::ZERO;
    // So that the server drops a client that died even while it waits for somebody else's lock. Not every platform can.
    if let Err(error) = connection.execute("set client_connection_check_interval = '1s'").await {
        tracing::debug!(%error, "the server cannot watch its client");
    }
    loop {
        let locked = sqlx::query_scalar!(
            r#"select pg_try_advisory_lock(hashtextextended($1, 0)) as "locked!""#,
            LOCK_NAME
        )
        .fetch_one(&mut *connection)
        .await
        .map_err(database("take the migration lock"))?;
        if locked {
            return Ok(());
        }
        if waited.as_millis().is_multiple_of(LOCK_REMINDER.as_millis()) {
            tracing::info!(
                waited_s = waited.as_secs(),
                "another process is changing the schema of this database: waiting for it"
            );
        }
        tokio::time::sleep(LOCK_POLL).await;
        waited += LOCK_POLL;
    }
}

async fn apply(connection: &mut PgConnection, migrator: &Migrator, shards: i32) -> Result<Report, Error> {
    let from = applied_version(connection).await?;
    let to = newest(migrator);
    if from > to {
        return Err(Error::Newer { database: from, binary: to });
    }
    migrator.run_direct(None, connection, false).await.map_err(|error| explain_migrate(migrator, error))?;
    indexes::ensure(connection).await?;
    let created = sqlx::query_file_scalar!("src/migrate/sql/ensure_shards.sql", shards)
        .fetch_one(&mut *connection)
        .await
        .map_err(database("create shards"))?;
    let applied = migrator
        .iter()
        .filter(|migration| migration.version > from)
        .map(|migration| format!("{} {}", migration.version, migration.description))
        .collect();
    let shards_created = u32::try_from(created).expect("at most as many rows are created as an i32 counts");
    Ok(Report { from, to, applied, shards_created })
}

/// Errors unless the database is at this binary's version or a later one: migrations only ever expand what a
/// running release uses, so that the previous release works on the next one's schema.
pub async fn check(pool: &PgPool) -> Result<(), Error> {
    let mut connection = pool.acquire().await.map_err(database("connect to the database"))?;
    check_connection(&mut connection).await
}

/// [`check`] on a connection that is there.
pub(crate) async fn check_connection(connection: &mut PgConnection) -> Result<(), Error> {
    let database = applied_version(connection).await?;
    let binary = version();
    if database < binary { Err(Error::Older { database, binary }) } else { Ok(()) }
}

/// The newest applied migration, 0 for a database that never saw one.
async fn applied_version(connection: &mut PgConnection) -> Result<i64, Error> {
    // Not checked at compile time: the table may be absent, which is an answer too.
    sqlx::query_scalar("select coalesce(max(version), 0) from public._sqlx_migrations where success")
        .fetch_one(connection)
        .await
        .or_else(|error| if sql_state(&error).as_deref() == Some("42P01") { Ok(0) } else { Err(error) })
        .map_err(database("read the version of the database"))
}

/// Lets a service user sign in with this password. For a machine that helpline sets up itself; operators use
/// their own means. Only the three users that the migrations create are accepted.
pub async fn set_role_password(pool: &PgPool, role: &str, password: &str) -> Result<(), Error> {
    if !matches!(role, "helpline_worker" | "helpline_proxy" | "helpline_web") {
        return Err(Error::NotOurRole(role.to_owned()));
    }
    const OPERATION: &str = "set the password of a service user";
    // A connection of its own, because a pool's would log the statement, password and all.
    let options = pool.connect_options().as_ref().clone().disable_statement_logging();
    let mut connection = options.connect().await.map_err(database(OPERATION))?;
    let statement = sqlx::query_scalar!(
        r#"select format('alter role %I password %L', $1::text, $2::text) as "sql!""#,
        role,
        password
    )
    .fetch_one(&mut connection)
    .await
    .map_err(database(OPERATION))?;
    // Roles belong to the whole cluster: somebody may be changing the same one ("tuple concurrently updated").
    let mut attempts = 0;
    while let Err(error) = connection.execute(AssertSqlSafe(statement.as_str())).await {
        attempts += 1;
        if attempts == ROLE_ATTEMPTS || sql_state(&error).as_deref() != Some("XX000") {
            return Err(database(OPERATION)(error));
        }
        tokio::time::sleep(ROLE_PAUSE).await;
    }
    connection.close().await.map_err(database(OPERATION))
}

fn database(operation: &'static str) -> impl FnOnce(sqlx::Error) -> Error {
    move |source| Error::Database { operation, source }
}

fn sql_state(error: &sqlx::Error) -> Option<Cow<'_, str>> {
    error.as_database_error().and_then(|error| error.code())
}

fn explain_migrate(migrator: &Migrator, error: MigrateError) -> Error {
    let description = |version| {
        migrator
            .iter()
            .find(|migration| migration.version == version)
            .map_or_else(String::new, |migration| migration.description.to_string())
    };
    match error {
        MigrateError::ExecuteMigration(source, version) => {
            Error::Failed { version, description: description(version), source }
        }
        MigrateError::VersionMismatch(version) => {
            Error::Changed { version, description: description(version) }
        }
        MigrateError::VersionMissing(version) => Error::Unknown { version },
        MigrateError::Execute(source) => Error::Database { operation: "apply migrations", source },
        other => Error::Migrate(other),
    }
}

/// An error of the server with the hint it gave, which often is the remedy.
fn explain(error: &sqlx::Error) -> String {
    let hint = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
        .and_then(|error| error.hint());
    match hint {
        Some(hint) => format!("{error} ({hint})"),
        None => error.to_string(),
    }
}
