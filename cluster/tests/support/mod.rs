//! Real Postgres and Redis for the cluster's tests: `mod support;`, then `TestDb::new().await` and
//! `TestRedis::new()`. Every value has a database or a key prefix of its own, removed with it, so that
//! tests run side by side.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::hash::{DefaultHasher, Hash, Hasher};
use std::str::FromStr;
use std::time::Duration;

use helpline_cluster::fence::{self, Fence};
use helpline_cluster::ids::{Epoch, ServerId, ShardId, StreamId, WorkerId};
use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::RedisLink;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, PgPool};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use uuid::Uuid;

static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Shards of every test database, each with its fence and stream row.
pub const SHARDS: u32 = 16;
/// Generous: only a failing test waits that long.
const DEADLINE: Duration = Duration::from_secs(60);

/// A migrated database, dropped with this value.
#[derive(Debug)]
pub struct TestDb {
    pub pool: PgPool,
    name: String,
}

impl TestDb {
    pub async fn new() -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let template = TEMPLATE.get_or_init(template).await;
        let name = format!("helpline_cluster_test_{:016x}", fastrand::u64(..));
        execute(&mut connect(server()).await, format!("create database {name} template {template}")).await;
        let pool = fence::pool_options(Duration::from_secs(60)).max_connections(20);
        Self { pool: pool.connect_lazy_with(server().database(&name)), name }
    }

    /// Another pool into the same database, as this user.
    pub fn pool_as(&self, user: &str) -> PgPool {
        fence::pool_options(Duration::from_secs(60))
            .connect_lazy_with(server().database(&self.name).username(user))
    }

    /// Another pool, whose idle transactions are ended after this time.
    pub fn pool_with_idle_timeout(&self, idle: Duration) -> PgPool {
        fence::pool_options(idle).connect_lazy_with(server().database(&self.name))
    }

    /// The url of the database for this user.
    pub fn url_as(&self, user: &str) -> String {
        server().database(&self.name).username(user).to_url_lossy().to_string()
    }

    pub async fn connection(&self) -> PgConnection {
        connect(server().database(&self.name)).await
    }

    /// Claims the shard as its next owner does, in one statement that waits for open transactions.
    pub async fn claim(&self, shard: ShardId) -> Fence {
        claim(&mut self.connection().await, shard).await
    }

    /// A server on this shard.
    pub async fn server_on(&self, server: ServerId, shard: ShardId) {
        sqlx::raw_sql(AssertSqlSafe(format!(
            "insert into public.servers (id, name) values ({0}, 'a server');
             insert into public.server_shards (server_id, shard_id) values ({0}, {1})
             on conflict (server_id) do update set shard_id = excluded.shard_id",
            server.db(),
            shard.db()
        )))
        .execute(&self.pool)
        .await
        .expect("the server is added");
    }

    pub async fn cursor(&self, shard: ShardId) -> StreamId {
        let (incarnation, seq): (i64, i64) =
            sqlx::query_as("select incarnation, cursor_seq from helpline.shard_streams where shard_id = $1")
                .bind(shard.db())
                .fetch_one(&self.pool)
                .await
                .expect("the shard has a stream row");
        StreamId::from_db(incarnation, seq)
    }

    pub async fn set_incarnation(&self, shard: ShardId, incarnation: i64) {
        sqlx::query("update helpline.shard_streams set incarnation = $2, cursor_seq = 0 where shard_id = $1")
            .bind(shard.db())
            .bind(incarnation)
            .execute(&self.pool)
            .await
            .expect("the incarnation is set");
    }

    /// Waits until a statement in this database waits for another's lock, or `task` has ended without waiting.
    pub async fn waits_for_a_lock<T>(&self, task: &tokio::task::JoinHandle<T>) {
        eventually("a statement waits for a lock", async || {
            let waits: bool = sqlx::query_scalar(
                "select exists (
                    select from pg_stat_activity
                    where datname = current_database() and state = 'active' and wait_event_type = 'Lock'
                )",
            )
            .fetch_one(&self.pool)
            .await
            .expect("activity is listed");
            (waits || task.is_finished()).then_some(())
        })
        .await;
    }
}

impl Drop for TestDb {
    fn drop(&mut self) {
        let statement = format!("drop database if exists {} with (force)", self.name);
        // A thread, because the runtime of the test may be on its way out.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(async {
                execute(&mut connect(server()).await, statement).await;
            });
        });
        if dropping.join().is_err() && !std::thread::panicking() {
            panic!("the test database could not be dropped");
        }
    }
}

/// The claim of [`TestDb::claim`] on this connection.
pub async fn claim(connection: &mut PgConnection, shard: ShardId) -> Fence {
    let owner = WorkerId::random();
    let (epoch, claim_token): (i64, Uuid) = sqlx::query_as(
        "update helpline.shard_fences
         set epoch = epoch + 1, claim_token = gen_random_uuid(), owner = $2, claimed_at = clock_timestamp()
         where shard_id = $1
         returning epoch, claim_token",
    )
    .bind(shard.db())
    .bind(owner.db())
    .fetch_one(connection)
    .await
    .expect("the shard has a fence row");
    Fence { shard, epoch: Epoch::from_db(epoch), claim_token, owner }
}

/// An owner of the shard as Redis tells it from others: by its epoch. No fence row of any database is its.
pub fn owner(shard: ShardId, epoch: i64) -> Fence {
    Fence { shard, epoch: Epoch(epoch), claim_token: Uuid::nil(), owner: WorkerId(Uuid::nil()) }
}

/// Makes the migrated template, unless a test process before did, and returns its name.
async fn template() -> String {
    let mut hasher = DefaultHasher::new();
    SHARDS.hash(&mut hasher);
    MIGRATIONS.iter().for_each(|migration| migration.checksum.hash(&mut hasher));
    let name = format!("helpline_cluster_template_{:016x}", hasher.finish());
    let mut server = connect(server()).await;
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
        migrate(&unfinished).await;
        // A database that somebody is connected to cannot be copied.
        execute(&mut server, format!("alter database {unfinished} allow_connections false")).await;
        execute(&mut server, format!("alter database {unfinished} rename to {name}")).await;
    }
    server.close().await.expect("the connection to the server closes");
    name
}

async fn migrate(database: &str) {
    let mut connection = connect(server().database(database)).await;
    MIGRATIONS.run(&mut connection).await.expect("the template migrates");
    let shards = format!(
        "insert into public.shards (id) select generate_series(0, {}) on conflict do nothing;
         insert into helpline.shard_fences (shard_id) select id from public.shards on conflict do nothing;
         insert into helpline.shard_streams (shard_id) select id from public.shards on conflict do nothing",
        SHARDS - 1
    );
    execute(&mut connection, shards).await;
    connection.close().await.expect("the connection to the template closes");
}

async fn execute(connection: &mut PgConnection, statement: String) {
    if let Err(error) = connection.execute(AssertSqlSafe(statement.as_str())).await {
        panic!("{statement}\n{error}");
    }
}

async fn connect(options: PgConnectOptions) -> PgConnection {
    PgConnection::connect_with(&options).await.expect("Postgres answers: run `make test`")
}

fn server() -> PgConnectOptions {
    PgConnectOptions::from_str(&environment("TEST_DATABASE_URL"))
        .expect("TEST_DATABASE_URL is a Postgres URL")
}

/// A part of Redis of its own: every key with its prefix is removed with this value.
#[derive(Debug)]
pub struct TestRedis {
    pub client: redis::Client,
    /// As the product reaches it.
    pub link: RedisLink,
    pub url: String,
    pub keys: Keys,
}

impl TestRedis {
    #[allow(clippy::new_without_default, reason = "it reads the environment and may panic")]
    pub fn new() -> Self {
        Self::at(&environment("TEST_REDIS_URL"))
    }

    pub fn at(url: &str) -> Self {
        let client = redis::Client::open(url).expect("TEST_REDIS_URL is a Redis URL");
        let link = RedisLink::open(url).expect("TEST_REDIS_URL is a Redis URL");
        Self {
            client,
            link,
            url: url.to_owned(),
            keys: Keys::new(&format!("test{:016x}", fastrand::u64(..))),
        }
    }

    pub async fn connection(&self) -> redis::aio::MultiplexedConnection {
        self.client.get_multiplexed_async_connection().await.expect("Redis answers: run `make test`")
    }

    /// Removes what Redis holds of this test, as a wipe of the whole would.
    pub fn wipe(&self) {
        let mut connection = self.client.get_connection().expect("Redis answers: run `make test`");
        wipe(&mut connection, self.keys.prefix());
    }

    /// What another client than the product's sees.
    pub async fn second_client(&self) -> fred::clients::Client {
        use fred::interfaces::ClientLike;
        let config = fred::types::config::Config::from_url(&self.url).expect("fred reads the url");
        let client = fred::types::Builder::from_config(config).build().expect("fred builds a client");
        client.init().await.expect("fred connects");
        client
    }
}

impl Drop for TestRedis {
    fn drop(&mut self) {
        if let Ok(mut connection) = self.client.get_connection() {
            wipe(&mut connection, self.keys.prefix());
        }
    }
}

fn wipe(connection: &mut redis::Connection, prefix: &str) {
    let keys: Vec<String> = redis::Commands::scan_match::<_, String>(connection, format!("{prefix}*"))
        .expect("Redis lists keys")
        .filter_map(Result::ok)
        .collect();
    if !keys.is_empty() {
        redis::Commands::unlink::<_, ()>(connection, keys).expect("Redis removes keys");
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
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Awaits, but not for ever.
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("not within {DEADLINE:?}: {what}"))
}

fn environment(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`"))
}
