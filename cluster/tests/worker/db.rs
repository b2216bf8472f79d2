//! A database of its own for each test, with a trigger that writes down every change of a fence row.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use helpline_cluster::ids::{ShardId, WorkerId};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection, PgPool};
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::{Urls, eventually};

const AUDIT: &str = "
    create table helpline.fence_history (
        id bigint generated always as identity,
        shard_id integer,
        at timestamptz default clock_timestamp(),
        old_epoch bigint, new_epoch bigint,
        old_owner uuid, new_owner uuid,
        old_owner_lived boolean
    );
    create function helpline.write_history() returns trigger language plpgsql security definer as $$
    begin
        insert into helpline.fence_history
            (shard_id, old_epoch, new_epoch, old_owner, new_owner, old_owner_lived)
        values (
            new.shard_id, old.epoch, new.epoch, old.owner, new.owner,
            exists (select from helpline.workers where id = old.owner)
        );
        return null;
    end $$;
    create trigger write_history after update on helpline.shard_fences
        for each row execute function helpline.write_history();
";

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run `make test`"))
}

fn server() -> PgConnectOptions {
    env("TEST_DATABASE_URL").parse().expect("TEST_DATABASE_URL is a url")
}

async fn execute(conn: &mut PgConnection, statement: String) {
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(conn).await.expect("the statement runs");
}

/// Dropped with this value.
#[derive(Debug)]
pub struct Db {
    /// As the owner of the schema.
    pub pool: PgPool,
    pub urls: Urls,
    name: String,
}

impl Db {
    pub async fn new(shards: i32) -> Self {
        static TEMPLATE: OnceCell<String> = OnceCell::const_new();
        let template = TEMPLATE.get_or_init(template).await;
        let name = format!("helpline_test_{:016x}", fastrand::u64(..));
        let mut conn = server().connect().await.expect("postgres is there");
        execute(&mut conn, format!("create database {name} template {template}")).await;
        drop(conn.close().await);
        let options = server().database(&name);
        let pool = PgPoolOptions::new().max_connections(4).connect_lazy_with(options.clone());
        let urls = Urls {
            postgres: options.username("helpline_worker").to_url_lossy().to_string(),
            redis: env("TEST_REDIS_URL"),
            prefix: format!("test{:016x}", fastrand::u64(..)),
        };
        let db = Self { pool, urls, name };
        db.run(AUDIT).await;
        db.add_shards(0, shards).await;
        db
    }

    pub async fn run(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.pool).await.expect("the statement runs");
    }

    pub async fn add_shards(&self, from: i32, to: i32) {
        sqlx::query("insert into public.shards (id) select generate_series($1::int, $2::int - 1)")
            .bind(from)
            .bind(to)
            .execute(&self.pool)
            .await
            .expect("shards are added");
    }

    /// The living owner of each shard that has one.
    pub async fn owners(&self) -> Vec<(ShardId, WorkerId)> {
        let rows: Vec<(i32, Uuid)> = sqlx::query_as(
            "select f.shard_id, f.owner from helpline.shard_fences f
            join helpline.workers w on w.id = f.owner order by 1",
        )
        .fetch_all(&self.pool)
        .await
        .expect("fences are read");
        rows.into_iter().map(|(shard, owner)| (ShardId::from_db(shard), WorkerId::from_db(owner))).collect()
    }

    pub async fn owned_by(&self, worker: WorkerId) -> usize {
        self.owners().await.iter().filter(|(_, owner)| *owner == worker).count()
    }

    pub async fn workers(&self) -> Vec<(String, WorkerId)> {
        let rows: Vec<(String, Uuid)> =
            sqlx::query_as("select name, id from helpline.workers order by name, started_at")
                .fetch_all(&self.pool)
                .await
                .expect("workers are read");
        rows.into_iter().map(|(name, id)| (name, WorkerId::from_db(id))).collect()
    }

    pub async fn worker(&self, name: &str) -> Option<WorkerId> {
        self.workers().await.into_iter().find(|(other, _)| other == name).map(|(_, id)| id)
    }

    /// Waits until so many workers own the shards in equal parts.
    pub async fn settled(&self, shards: usize, workers: usize) -> Duration {
        eventually("every shard has an owner and every worker its share", async || {
            let owners = self.owners().await;
            let ids = self.workers().await;
            let fair = |id: WorkerId| {
                let count = owners.iter().filter(|(_, owner)| *owner == id).count();
                count.abs_diff(shards / workers) <= 1 + shards / workers / 5
            };
            owners.len() == shards && ids.len() == workers && ids.iter().all(|(_, id)| fair(*id))
        })
        .await
    }

    pub async fn redis(&self) -> redis::aio::MultiplexedConnection {
        let client = redis::Client::open(self.urls.redis.as_str()).expect("TEST_REDIS_URL is a url");
        client.get_multiplexed_async_connection().await.expect("redis is there")
    }

    pub async fn changes(&self) -> i64 {
        self.number("select count(*) from helpline.fence_history").await
    }

    pub async fn number(&self, query: &'static str) -> i64 {
        sqlx::query_scalar(query).fetch_one(&self.pool).await.expect("the query runs")
    }

    /// Looks at all that ever happened to the fences: no live owner lost its shard without releasing it,
    /// and every change of owner raised the epoch.
    pub async fn assert_lawful(&self) {
        let broken = self
            .number(
                "select count(*) from helpline.fence_history
                where case when new_owner is null
                    then new_epoch <> old_epoch
                    else new_epoch <> old_epoch + 1
                        or (old_owner <> new_owner and old_owner_lived)
                end",
            )
            .await;
        assert_eq!(broken, 0, "fences changed against the rules");
        let repeated = self
            .number(
                "select count(*) from (
                    select new_epoch <= lag(new_epoch) over (partition by shard_id order by id) as repeated
                    from helpline.fence_history where new_owner is not null
                ) as claims where repeated",
            )
            .await;
        assert_eq!(repeated, 0, "an epoch was handed out twice");
    }

    /// Ends the direct connections of some purpose ("alive", "watch", "lead"; "%" = all), of one worker or all.
    pub async fn cut(&self, purpose: &str, worker: Option<WorkerId>) {
        let whose = worker.map_or("%".to_owned(), |id| id.get().to_string());
        sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity
            where application_name like $1 and datname = current_database()",
        )
        .bind(format!("helpline-{purpose} {whose}"))
        .execute(&self.pool)
        .await
        .expect("connections are cut");
    }
}

impl Drop for Db {
    fn drop(&mut self) {
        let statement = format!("drop database if exists {} with (force)", self.name);
        // A thread, because the runtime of the test may be on its way out.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let mut conn = server().connect().await.expect("postgres is there");
                execute(&mut conn, statement).await;
            });
        });
        drop(dropping.join());
    }
}

/// Makes the migrated template, unless another test process did, and returns its name.
async fn template() -> String {
    let migrator = sqlx::migrate!("../migrations");
    let mut hasher = DefaultHasher::new();
    migrator.iter().for_each(|migration| migration.checksum.hash(&mut hasher));
    let name = format!("helpline_cluster_{:016x}", hasher.finish());
    let mut conn = server().connect().await.expect("postgres is there");
    sqlx::query("select pg_advisory_lock(hashtextextended($1, 0))")
        .bind(&name)
        .execute(&mut conn)
        .await
        .unwrap();
    let exists: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(&name)
        .fetch_one(&mut conn)
        .await
        .unwrap();
    if !exists {
        let unfinished = format!("{name}_unfinished");
        execute(&mut conn, format!("drop database if exists {unfinished} with (force)")).await;
        execute(&mut conn, format!("create database {unfinished} template template0")).await;
        let mut migrating = server().database(&unfinished).connect().await.unwrap();
        migrator.run(&mut migrating).await.expect("the template migrates");
        migrating.close().await.unwrap();
        execute(&mut conn, format!("alter database {unfinished} rename to {name}")).await;
    }
    drop(conn.close().await);
    name
}
