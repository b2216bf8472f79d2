//! How soon a change of a config is in force, and what happens while notifications, Redis or Postgres are away.

use std::sync::Arc;
use std::time::Duration;

use helpline::worker::configs::{CONFIRM_EVERY, Configs, Found, Kept, Setting};
use helpline_cluster::database::Database;
use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::RedisLink;
use serde_json::json;
use sqlx::PgPool;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::support::{TestDb, TestRedis, eventually, execute, server_connection};
use super::{SERVER, with_server};

/// Longer than a test: what is seen was notified.
const NEVER: Duration = Duration::from_secs(3_600);
/// Nothing listens there.
const NOWHERE: &str = "postgres://helpline_worker@127.0.0.1:1/helpline";
const NO_REDIS: &str = "redis://127.0.0.1:1";

struct Worker {
    configs: Arc<Configs>,
    _following: DropGuard,
}

impl Worker {
    fn new(db: &TestDb, redis: &RedisLink, keys: &TestRedis, confirm_every: Duration, session: &str) -> Self {
        let database = Database::from(db.role("helpline_worker"));
        let configs = Arc::new(Configs::confirming(database, redis, Keys::new(&keys.prefix), confirm_every));
        let cancel = CancellationToken::new();
        let (following, session, until) = (Arc::clone(&configs), session.to_owned(), cancel.clone());
        tokio::spawn(async move { following.follow(&session, until).await });
        Self { configs, _following: cancel.drop_guard() }
    }

    async fn messages(&self) -> u32 {
        self.configs.get(SERVER).await.expect("postgres answers").max_messages_per_user
    }
}

struct Scene {
    db: TestDb,
    redis: TestRedis,
    link: RedisLink,
}

impl Scene {
    async fn new() -> Self {
        let redis = TestRedis::new();
        let link = RedisLink::open(&redis.url).expect("a URL");
        Self { db: with_server(&json!({"max_messages_per_user": 1})).await, redis, link }
    }

    fn worker(&self, confirm_every: Duration, session: &str) -> Worker {
        Worker::new(&self.db, &self.link, &self.redis, confirm_every, session)
    }

    fn notified(&self) -> Worker {
        self.worker(NEVER, &self.db.role_url("helpline_worker"))
    }

    /// It hears of nothing and compares nothing.
    fn alone(&self) -> Worker {
        self.worker(NEVER, NOWHERE)
    }

    async fn set(&self, messages: u32) {
        set(&self.db.pool, messages).await;
    }

    async fn listening(&self, workers: usize) {
        eventually("the workers listen", async || {
            let listening: i64 = sqlx::query_scalar(
                "select count(*) from pg_stat_activity
                 where datname = current_database() and query ilike 'listen%'",
            )
            .fetch_one(&self.db.pool)
            .await
            .expect("activity is listed");
            (listening == i64::try_from(workers).expect("few")).then_some(())
        })
        .await;
    }
}

async fn set(pool: &PgPool, messages: u32) {
    sqlx::query("update public.servers set config = $2 where id = $1")
        .bind(SERVER.db())
        .bind(json!({ "max_messages_per_user": messages }))
        .execute(pool)
        .await
        .expect("the config is set");
}

async fn sees(worker: &Worker, messages: u32) {
    eventually("the change is seen", async || (worker.messages().await == messages).then_some(())).await;
}

#[tokio::test]
async fn a_change_is_notified_to_every_worker() {
    let scene = Scene::new().await;
    let workers = [scene.notified(), scene.notified(), scene.notified()];
    scene.listening(workers.len()).await;
    for worker in &workers {
        assert_eq!(worker.messages().await, 1);
    }
    scene.set(2).await;
    for worker in &workers {
        sees(worker, 2).await;
    }
    sqlx::query("update public.servers set active = false").execute(&scene.db.pool).await.expect("it leaves");
    for worker in &workers {
        sees(worker, 10).await;
    }
    sqlx::query("update public.servers set active = true").execute(&scene.db.pool).await.expect("it is back");
    for worker in &workers {
        sees(worker, 2).await;
    }
}

#[tokio::test]
async fn a_config_too_large_for_a_notification_is_read() {
    let scene = Scene::new().await;
    let worker = scene.notified();
    scene.listening(1).await;
    assert_eq!(worker.messages().await, 1);
    sqlx::query("update public.servers set config = $1")
        .bind(json!({"max_messages_per_user": 3, "system_prompt": "x".repeat(20_000)}))
        .execute(&scene.db.pool)
        .await
        .expect("the config is set");
    sees(&worker, 3).await;
}

#[tokio::test]
async fn without_notifications_versions_are_compared() {
    let scene = Scene::new().await;
    let worker = scene.worker(Duration::from_millis(30), NOWHERE);
    assert_eq!(worker.messages().await, 1);
    scene.set(2).await;
    sees(&worker, 2).await;
    let gone = "delete from public.servers";
    sqlx::query(gone).execute(&scene.db.pool).await.expect("it is removed");
    sees(&worker, 10).await;
}

#[tokio::test]
async fn what_was_missed_while_the_connection_was_lost_is_looked_for_when_it_is_back() {
    let scene = Scene::new().await;
    let worker = scene.notified();
    scene.listening(1).await;
    assert_eq!(worker.messages().await, 1);
    // Nobody gets a new connection until the change is made.
    let mut server = server_connection().await;
    let allow = |allowed| format!("alter database {} with allow_connections {allowed}", scene.db.name());
    execute(&mut server, allow(false)).await;
    let end = "select pg_terminate_backend(pid, 5000) from pg_stat_activity
               where datname = current_database() and query ilike 'listen%' and pid <> pg_backend_pid()";
    sqlx::query(end).execute(&scene.db.pool).await.expect("the listener is ended");
    scene.set(2).await;
    execute(&mut server, allow(true)).await;
    sees(&worker, 2).await;
}

#[tokio::test]
async fn the_next_owner_reads_from_redis_and_postgres_is_not_asked() {
    let scene = Scene::new().await;
    assert_eq!(scene.alone().messages().await, 1);
    let closed = scene.db.role("helpline_worker");
    closed.close().await;
    let configs = Configs::new(Database::from(closed), &scene.link, Keys::new(&scene.redis.prefix));
    let config = configs.get(SERVER).await.expect("redis has it");
    assert_eq!(config.max_messages_per_user, 1);
}

#[tokio::test]
async fn a_change_that_nobody_had_cached_is_new_in_redis_as_well() {
    let scene = Scene::new().await;
    assert_eq!(scene.alone().messages().await, 1, "redis has it from now on");
    let _hears = scene.notified();
    scene.listening(1).await;
    scene.set(2).await;
    let kept = Kept::new(&scene.link, Keys::new(&scene.redis.prefix));
    let new = Setting::Set(r#"{"max_messages_per_user":2}"#.to_owned());
    eventually("redis has the new one", async || {
        (kept.read(SERVER).await.map(|found| found.setting) == Some(new.clone())).then_some(())
    })
    .await;
}

#[tokio::test]
async fn versions_in_redis_never_go_back() {
    let scene = Scene::new().await;
    let kept = Kept::new(&scene.link, Keys::new(&scene.redis.prefix));
    let found = |version, setting: &Setting| Some(Found { version, setting: setting.clone() });
    let (old, new) = (Setting::Set("{}".to_owned()), Setting::Off);
    kept.write(SERVER, 5, Some(&new)).await;
    kept.write(SERVER, 3, Some(&old)).await;
    assert_eq!(kept.read(SERVER).await, found(5, &new));
    kept.write(SERVER, 5, None).await;
    assert_eq!(kept.read(SERVER).await, found(5, &new), "it is known already");
    kept.write(SERVER, 6, None).await;
    kept.write(SERVER, 5, Some(&new)).await;
    assert_eq!(kept.read(SERVER).await, None, "a tombstone keeps it out");
    kept.write(SERVER, 6, Some(&old)).await;
    assert_eq!(kept.read(SERVER).await, found(6, &old));
}

#[tokio::test]
async fn what_was_changed_here_is_read_from_postgres_whatever_redis_has() {
    let scene = Scene::new().await;
    let worker = scene.alone();
    assert_eq!(worker.messages().await, 1);
    scene.set(2).await;
    assert_eq!(worker.messages().await, 1, "nobody told it");
    worker.configs.forget(SERVER);
    assert_eq!(worker.messages().await, 2);
}

#[tokio::test]
async fn a_restored_database_is_believed() {
    let scene = Scene::new().await;
    scene.set(2).await;
    let worker = scene.worker(Duration::from_millis(30), NOWHERE);
    assert_eq!(worker.messages().await, 2);
    sqlx::raw_sql(
        "alter table public.servers disable trigger user;
         update public.servers set config = '{\"max_messages_per_user\": 4}', config_version = 1",
    )
    .execute(&scene.db.pool)
    .await
    .expect("it is set back");
    sees(&worker, 4).await;
    assert_eq!(scene.alone().messages().await, 4, "redis has nothing of the time that is gone");
}

#[tokio::test]
async fn a_config_that_cannot_be_read_leaves_the_last_good_one_in_force() {
    let scene = Scene::new().await;
    let worker = scene.alone();
    assert_eq!(worker.messages().await, 1);
    sqlx::query("update public.servers set config = '{\"max_messages_per_user\": \"many\"}'")
        .execute(&scene.db.pool)
        .await
        .expect("postgres takes it");
    worker.configs.forget(SERVER);
    assert_eq!(worker.messages().await, 1);
    scene.set(3).await;
    worker.configs.forget(SERVER);
    assert_eq!(worker.messages().await, 3);
}

#[tokio::test]
async fn without_redis_postgres_is_read() {
    let scene = Scene::new().await;
    let nothing = RedisLink::open(NO_REDIS).expect("a URL");
    let url = scene.db.role_url("helpline_worker");
    let worker = Worker::new(&scene.db, &nothing, &scene.redis, NEVER, &url);
    scene.listening(1).await;
    assert_eq!(worker.messages().await, 1);
    scene.set(2).await;
    sees(&worker, 2).await;
}

fn quantiles(mut us: Vec<u128>) -> String {
    us.sort_unstable();
    let at = |q: usize| us[(us.len() - 1) * q / 100] as f64 / 1_000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", at(50), at(99), at(100))
}

/// From the return of the UPDATE to the first `get` that tells of it, for each worker.
async fn seen_by(workers: &[Worker], pool: &PgPool, messages: u32, look_every: Duration) -> Vec<u128> {
    set(pool, messages).await;
    let committed = Instant::now();
    let looks = workers.iter().map(|worker| async move {
        while worker.messages().await != messages {
            tokio::time::sleep(look_every).await;
        }
        committed.elapsed().as_micros()
    });
    futures_util::future::join_all(looks).await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: make bench-config"]
async fn bench_the_config_cache() {
    let scene = Scene::new().await;
    let workers: Vec<Worker> = (0..20).map(|_| scene.notified()).collect();
    scene.listening(workers.len()).await;
    let (hits, begun) = (1_000_000_u32, std::time::Instant::now());
    for _ in 0..hits {
        std::hint::black_box(workers[0].configs.get(SERVER).await.expect("it is cached"));
    }
    println!(
        "config in memory: {:.0} ns a read ({hits} reads)",
        begun.elapsed().as_nanos() as f64 / f64::from(hits)
    );
    let mut seen = Vec::new();
    for change in 0..300 {
        seen.extend(seen_by(&workers, &scene.db.pool, 100 + change, Duration::from_millis(1)).await);
    }
    println!("UPDATE committed to seen, 20 workers, 300 changes: {}", quantiles(seen));
    drop(workers);
    let deaf: Vec<Worker> = (0..20).map(|_| scene.worker(CONFIRM_EVERY, NOWHERE)).collect();
    for worker in &deaf {
        worker.messages().await;
    }
    let mut seen = Vec::new();
    for change in 0..5 {
        seen.extend(seen_by(&deaf, &scene.db.pool, 1_000 + change, Duration::from_millis(10)).await);
    }
    println!("the same without notifications, 5 changes: {}", quantiles(seen));
}
