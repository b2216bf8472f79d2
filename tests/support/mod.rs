//! Real Postgres and Redis for tests: `mod support;`, then `TestDb::new().await` and `TestRedis::new()`.
//!
//! Every `TestDb` is a database of its own, copied from a template that is migrated once per state of the
//! migrations, and dropped with the value. Every `TestRedis` has a key prefix of its own, swept with the value.
//! So tests run side by side, also those of several test binaries. Roles are shared by all databases of the
//! server: a test must not change what `helpline_worker` and the others may do.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::time::Duration;

use helpline::migrate;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool};
use tokio::sync::OnceCell;
use tokio::time::Instant;

/// Shards of every migrated test database.
pub const SHARDS: u32 = 8;

/// How long [`eventually`] waits; generous, because a failing test is the only one that waits that long.
const DEADLINE: Duration = Duration::from_secs(60);

/// A database of its own, dropped with this value.
#[derive(Debug)]
pub struct TestDb {
    /// Connected as the user of TEST_DATABASE_URL, who owns the schema.
    pub pool: PgPool,
    /// What `pool` connects to.
    pub url: String,
    name: String,
}

impl TestDb {
    /// A migrated database with [`SHARDS`] shards.
    pub async fn new() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let template = TEMPLATE.get_or_init(template).await;
        Self::create(&format!("template {template}")).await
    }

    /// A database without anything in it.
    pub async fn empty() -> Self {
        Self::create("template template0").await
    }

    /// An empty database that belongs to `owner`.
    pub async fn owned_by(owner: &str) -> Self {
        Self::create(&format!("owner {owner} template template0")).await
    }

    async fn create(options: &str) -> Self {
        let name = format!("helpline_test_{:016x}", fastrand::u64(..));
        let mut server = connect(&server()).await;
        execute(&mut server, format!("create database {name} {options}")).await;
        server.close().await.expect("the connection to the server closes");
        let options = server_options().database(&name);
        let url = options.to_url_lossy().to_string();
        Self { pool: pool(options), url, name }
    }

    /// The same database as another user, who is expected to be let in without a password.
    pub fn role_url(&self, role: &str) -> String {
        self.role_options(role).to_url_lossy().to_string()
    }

    /// A pool of that user.
    pub fn role(&self, role: &str) -> PgPool {
        pool(self.role_options(role))
    }

    /// What the server calls it.
    pub fn name(&self) -> &str {
        &self.name
    }

    fn role_options(&self, role: &str) -> PgConnectOptions {
        server_options().database(&self.name).username(role)
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let statement = format!("drop database if exists {} with (force)", self.name);
        // A thread, because the runtime of the test may be on its way out.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(async {
                execute(&mut connect(&server()).await, statement).await;
            });
        });
        if dropping.join().is_err() && !std::thread::panicking() {
            panic!("the test database could not be dropped");
        }
    }
}

/// Makes the migrated template, unless a test process before did, and returns its name.
async fn template() -> String {
    let mut hasher = DefaultHasher::new();
    SHARDS.hash(&mut hasher);
    for migration in sqlx::migrate!().iter() {
        migration.checksum.hash(&mut hasher);
    }
    let name = format!("helpline_template_{:016x}", hasher.finish());
    let mut server = connect(&server()).await;
    sqlx::query("select pg_advisory_lock(hashtextextended($1, 0))")
        .bind(&name)
        .execute(&mut server)
        .await
        .expect("the lock of the template is given");
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut server)
        .await
        .expect("databases are listed");
    if !exists {
        let unfinished = format!("{name}_unfinished");
        execute(&mut server, format!("drop database if exists {unfinished} with (force)")).await;
        execute(&mut server, format!("create database {unfinished} template template0")).await;
        let pool = pool(server_options().database(&unfinished));
        migrate::run(&pool, migrate::Options { shards: SHARDS }).await.expect("the template migrates");
        pool.close().await;
        // A database that somebody is connected to cannot be copied.
        execute(&mut server, format!("alter database {unfinished} allow_connections false")).await;
        execute(&mut server, format!("alter database {unfinished} rename to {name}")).await;
    }
    server.close().await.expect("the connection to the server closes");
    name
}

/// A part of Redis of its own: every key that starts with `prefix` is removed with this value.
#[derive(Debug)]
pub struct TestRedis {
    pub client: redis::Client,
    pub url: String,
    /// For `Keys::new`.
    pub prefix: String,
}

impl TestRedis {
    #[allow(clippy::new_without_default, reason = "it reads the environment and may panic")]
    pub fn new() -> Self {
        let url = environment("TEST_REDIS_URL");
        let client = redis::Client::open(url.as_str()).expect("TEST_REDIS_URL is a Redis URL");
        Self { client, url, prefix: format!("test{:016x}", fastrand::u64(..)) }
    }

    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        self.client.get_multiplexed_async_connection().await.expect("Redis answers: run `make test`")
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        let Ok(mut connection) = self.client.get_connection() else { return };
        let pattern = format!("{}*", self.prefix);
        let Ok(keys) = redis::Commands::scan_match::<_, String>(&mut connection, pattern) else { return };
        let keys: Vec<String> = keys.filter_map(Result::ok).collect();
        if !keys.is_empty() {
            let _ = redis::Commands::unlink::<_, ()>(&mut connection, keys);
        }
    }
}

/// Asks `probe` until it has an answer; panics with `what` after a deadline.
pub async fn eventually<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = probe().await {
            return answer;
        }
        assert!(Instant::now() < deadline, "not within {DEADLINE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// [`execute`] on a connection of the pool.
pub async fn run(pool: &PgPool, statement: impl Into<String>) {
    execute(&mut pool.acquire().await.expect("Postgres answers: run `make test`"), statement.into()).await;
}

/// Executes one statement, or several separated by semicolons, and panics with it when it fails.
pub async fn execute(connection: &mut PgConnection, statement: String) {
    if let Err(error) = connection.execute(AssertSqlSafe(statement.as_str())).await {
        panic!("{statement}\n{error}");
    }
}

fn pool(options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
        .max_connections(10)
        .acquire_timeout(Duration::from_secs(20))
        .connect_lazy_with(options)
}

/// A connection to the server that is to no test's database.
pub async fn server_connection() -> PgConnection {
    connect(&server()).await
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url).await.expect("Postgres answers: run `make test`")
}

fn server() -> String {
    environment("TEST_DATABASE_URL")
}

fn server_options() -> PgConnectOptions {
    PgConnectOptions::from_str(&server()).expect("TEST_DATABASE_URL is a Postgres URL")
}

fn environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`"))
}
