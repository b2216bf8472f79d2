//! Workers for tests, each with its own connections: in this process ([`Worker`]), or as a process of its
//! own that can be killed and frozen ([`Process`]). All of them connect as `helpline_worker`.

#![allow(dead_code, reason = "each test binary uses a part of this")]

pub mod db;
pub mod wire;

use std::collections::{HashMap, HashSet};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use helpline_cluster::claims::{Claims, Config, Lease, Ownership};
use helpline_cluster::fence::{Fence, FencedTx};
use helpline_cluster::ids::{ShardId, WorkerId};
use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::RedisLink;
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

pub use db::Db;

/// Long enough that nothing in a test happens because of it.
pub const LONG_TTL: Duration = Duration::from_secs(60);
/// As short as the tests of expiry can bear on a busy machine.
pub const SHORT_TTL: Duration = Duration::from_millis(1_500);

const DEADLINE: Duration = Duration::from_secs(40);

pub async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) -> Duration {
    let started = Instant::now();
    while !holds().await {
        assert!(started.elapsed() < DEADLINE, "never happened: {what}");
        sleep(Duration::from_millis(5)).await;
    }
    started.elapsed()
}

pub async fn never(what: &str, within: Duration, mut happens: impl AsyncFnMut() -> bool) {
    let started = Instant::now();
    while started.elapsed() < within {
        assert!(!happens().await, "happened: {what}");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Where a worker finds its services.
#[derive(Debug, Clone)]
pub struct Urls {
    pub postgres: String,
    pub redis: String,
    pub prefix: String,
    pub session_locks: bool,
}

impl Urls {
    pub fn keys(&self) -> Keys {
        Keys::new(&self.prefix)
    }

    fn pool(&self) -> PgPool {
        PgPoolOptions::new()
            .max_connections(8)
            .acquire_timeout(Duration::from_secs(3))
            .connect_lazy(&self.postgres)
            .expect("the url is good")
    }
}

/// What a consumer saw.
#[derive(Debug, Default)]
pub struct Seen {
    pub running: HashMap<ShardId, Fence>,
    /// Every fence that was handed out, in order.
    pub gained: Vec<Fence>,
    pub revoked: usize,
}

/// A worker in this process, with a consumer that applies nothing and releases in order.
#[derive(Debug, Clone)]
pub struct Worker {
    pub claims: Claims,
    pub cancel: CancellationToken,
    pub seen: Arc<Mutex<Seen>>,
    pub pool: PgPool,
}

impl Worker {
    pub fn start(name: &str, urls: &Urls, ttl: Duration) -> Self {
        Self::start_and(name, urls, ttl, |_| ())
    }

    /// `gained` sees every lease before it is run.
    pub fn start_and(
        name: &str,
        urls: &Urls,
        ttl: Duration,
        gained: impl Fn(&Lease) + Send + 'static,
    ) -> Self {
        let config = Config { ttl, session_locks: urls.session_locks, ..Config::new(name, urls.keys()) };
        let pool = urls.pool();
        let cancel = CancellationToken::new();
        let redis = RedisLink::open(&urls.redis).expect("the url is good");
        let (claims, news) = Claims::start(config, pool.clone(), &urls.postgres, &redis, cancel.clone())
            .expect("the urls are good");
        let worker = Self { claims, cancel, seen: Arc::default(), pool };
        tokio::spawn(worker.clone().consume(news, gained));
        worker
    }

    async fn consume(self, mut news: mpsc::Receiver<Ownership>, gained: impl Fn(&Lease)) {
        let mut loops: HashMap<ShardId, CancellationToken> = HashMap::new();
        while let Some(news) = news.recv().await {
            match news {
                Ownership::Gained(lease) => {
                    gained(&lease);
                    let stop = lease.stop.child_token();
                    loops.insert(lease.fence.shard, stop.clone());
                    {
                        let mut seen = self.seen.lock().unwrap();
                        let before = seen.running.insert(lease.fence.shard, lease.fence.clone());
                        assert_eq!(before, None, "gained while the lease before was still running");
                        seen.gained.push(lease.fence.clone());
                    }
                    let this = self.clone();
                    tokio::spawn(async move {
                        stop.cancelled().await;
                        this.seen.lock().unwrap().running.remove(&lease.fence.shard);
                        drop(this.claims.release(&lease.fence).await);
                    });
                }
                Ownership::Revoked { shard, .. } => {
                    self.seen.lock().unwrap().revoked += 1;
                    loops.remove(&shard).expect("only what was gained is revoked").cancel();
                }
            }
        }
    }

    pub fn running(&self) -> HashSet<ShardId> {
        self.seen.lock().unwrap().running.keys().copied().collect()
    }

    pub fn gained(&self) -> Vec<Fence> {
        self.seen.lock().unwrap().gained.clone()
    }

    pub async fn joined(&self) -> WorkerId {
        eventually("the worker joins", async || self.claims.worker().is_some()).await;
        self.claims.worker().expect("it has joined")
    }

    pub async fn leave(&self) {
        self.cancel.cancel();
        self.claims.stopped().await;
    }
}

/// A worker as a process of its own; killed with this value.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pub name: String,
}

impl Process {
    /// Runs the test `worker_process` of this test binary. With `hold` it opens a transaction under each
    /// fence and never ends it.
    pub fn start(name: &str, urls: &Urls, ttl: Duration, hold: bool) -> Self {
        let child = Command::new(std::env::current_exe().expect("the test binary has a path"))
            .args(["--exact", "worker_process", "--ignored", "--nocapture"])
            .env("TEST_WORKER_NAME", name)
            .env("TEST_WORKER_TTL_MS", ttl.as_millis().to_string())
            .env("TEST_WORKER_POSTGRES", &urls.postgres)
            .env("TEST_WORKER_REDIS", &urls.redis)
            .env("TEST_WORKER_PREFIX", &urls.prefix)
            .env("TEST_WORKER_LOCKS", if urls.session_locks { "1" } else { "" })
            .env("TEST_WORKER_HOLD", if hold { "1" } else { "" })
            .stdout(Stdio::null())
            .spawn()
            .expect("the test binary runs");
        Self { child, name: name.to_owned() }
    }

    pub fn kill(&mut self) {
        self.child.kill().expect("the process can be killed");
    }

    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([format!("-{name}"), self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The other side of [`Process::start`]; returns at once when the test binary was started by a person.
pub fn run_process() {
    let Ok(name) = std::env::var("TEST_WORKER_NAME") else { return };
    let var = |name: &str| std::env::var(name).expect("Process::start sets it");
    let urls = Urls {
        postgres: var("TEST_WORKER_POSTGRES"),
        redis: var("TEST_WORKER_REDIS"),
        prefix: var("TEST_WORKER_PREFIX"),
        session_locks: !var("TEST_WORKER_LOCKS").is_empty(),
    };
    let ttl = Duration::from_millis(var("TEST_WORKER_TTL_MS").parse().expect("a number"));
    let hold = !var("TEST_WORKER_HOLD").is_empty();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let pool = PgPoolOptions::new().max_connections(64).connect_lazy(&urls.postgres).expect("a good url");
        let worker = Worker::start_and(&name, &urls, ttl, move |lease| {
            if hold {
                let (pool, fence) = (pool.clone(), lease.fence.clone());
                tokio::spawn(async move {
                    let held = FencedTx::begin(&pool, &fence).await;
                    sleep(Duration::from_secs(3_600)).await;
                    drop(held);
                });
            }
        });
        // Longer than any test; nobody is left to kill this process when the test binary was killed.
        sleep(Duration::from_secs(90)).await;
        worker.leave().await;
    });
}
