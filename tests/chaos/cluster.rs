//! A whole cluster of real processes, with a wire between each two of its parts.

use std::collections::HashMap;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::time::Duration;

use helpline_sim::{Config, Simulator};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::database::Database;
use crate::own_redis::OwnRedis;
use crate::process::Process;
use crate::recorder::Recorder;
use crate::settled::settle;
use crate::wire::{State, Wire};

/// How long the cluster may take for what it does by itself; generous, since only a failing test waits so long.
pub const PATIENCE: Duration = Duration::from_secs(90);

/// What a cluster is made of.
#[derive(Debug, Clone)]
pub struct Setup {
    pub servers: usize,
    pub shards: u32,
    pub gateway_shards: u32,
    pub proxies: usize,
    pub workers: usize,
    pub lease_ttl: Duration,
    pub rest_per_s: u32,
    /// Time added to each of Discord's REST answers, so that answers stay in flight for a while.
    pub rest_latency: Duration,
    /// Whether the test crashes Postgres, which it may do to one of its own alone.
    pub own_postgres: bool,
    /// What processes log, unless CHAOS_LOG says otherwise; as RUST_LOG.
    pub log: &'static str,
    pub seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            servers: 6,
            shards: crate::support::SHARDS,
            gateway_shards: 2,
            proxies: 1,
            workers: 2,
            // The shortest that a worker accepts.
            lease_ttl: Duration::from_secs(1),
            rest_per_s: 500,
            rest_latency: Duration::from_millis(60),
            own_postgres: false,
            log: "info",
            seed: 1,
        }
    }
}

/// A process and the wires it speaks over; they stay when it is started again.
#[derive(Debug)]
pub struct Member {
    pub process: Process,
    pub postgres: Wire,
    pub redis: Wire,
    /// To the proxies, for a worker; to Discord, for a proxy.
    pub outward: Wire,
    name: String,
    starts: u32,
    /// Where a proxy listens.
    listens: Option<SocketAddr>,
}

impl Member {
    /// Kill -9. Returns the moment right before it in Unix microseconds.
    pub fn kill(&mut self) -> i64 {
        self.process.kill()
    }

    pub fn set(&self, wire: Line, state: State) {
        match wire {
            Line::Postgres => self.postgres.set(state),
            Line::Redis => self.redis.set(state),
            Line::Outward => self.outward.set(state),
        }
    }
}

/// Which of a member's wires.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    Postgres,
    Redis,
    Outward,
}

#[derive(Debug)]
pub struct Cluster {
    // Processes end before what they are connected to.
    pub workers: Vec<Member>,
    pub proxies: Vec<Member>,
    pub sim: Simulator,
    pub recorder: Recorder,
    pub redis: OwnRedis,
    pub database: Database,
    pub setup: Setup,
    logs: PathBuf,
    _dir: TempDir,
}

impl Cluster {
    /// Starts everything; returns when every shard is owned and every gateway shard connected.
    pub async fn start(setup: Setup) -> Self {
        helpline::telemetry::install_crypto();
        let database = match setup.own_postgres {
            true => Database::own(setup.shards).await,
            false => Database::shared(setup.shards).await,
        };
        let sim = Simulator::start(Config {
            servers: setup.servers,
            gateway_shards: setup.gateway_shards,
            max_concurrency: setup.gateway_shards,
            rest_global_per_s: Some(setup.rest_per_s),
            rest_latency: setup.rest_latency,
            seed: setup.seed,
            ..Config::default()
        });
        let sim = sim.await.expect("the simulator starts");
        for server in sim.servers() {
            let index = u32::try_from(server.index).expect("few servers");
            settle(database.pool(), server, index % setup.shards).await;
        }
        let dir = tempfile::Builder::new().prefix("helpline-chaos-").tempdir().expect("a directory");
        // CHAOS_LOGS keeps the logs of a run that is to be understood.
        let logs = std::env::var_os("CHAOS_LOGS").map_or_else(|| dir.path().to_owned(), PathBuf::from);
        std::fs::create_dir_all(&logs).expect("a directory for the logs");
        let recorder = Recorder::install(database.pool().clone()).await;
        let (workers, proxies) = (Vec::new(), Vec::new());
        let redis = OwnRedis::start();
        let mut cluster = Self { workers, proxies, sim, recorder, redis, database, setup, logs, _dir: dir };
        for _ in 0..cluster.setup.proxies {
            cluster.add_proxy().await;
        }
        for _ in 0..cluster.setup.workers {
            cluster.add_worker().await;
        }
        cluster.in_service().await;
        cluster
    }

    pub fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    /// One more worker.
    pub async fn add_worker(&mut self) {
        let name = format!("worker-{}", self.workers.len() + 1);
        let outward = Wire::to(self.proxies.iter().filter_map(|proxy| proxy.listens).collect()).await;
        let member = self.member(name, outward, None).await;
        self.workers.push(member);
    }

    /// One more proxy; workers reach it beside the others.
    pub async fn add_proxy(&mut self) {
        let name = format!("proxy-{}", self.proxies.len() + 1);
        let outward = Wire::to(vec![self.sim.addr()]).await;
        let member = self.member(name, outward, Some(free_address())).await;
        self.proxies.push(member);
        let all: Vec<SocketAddr> = self.proxies.iter().filter_map(|proxy| proxy.listens).collect();
        self.workers.iter().for_each(|worker| worker.outward.lead_to(all.clone()));
    }

    async fn member(&self, name: String, outward: Wire, listens: Option<SocketAddr>) -> Member {
        let postgres = Wire::to(vec![self.database.address()]).await;
        let redis = Wire::to(vec![self.redis.address()]).await;
        let process = self.run(&name, 1, [&postgres, &redis, &outward], listens);
        Member { process, postgres, redis, outward, name, starts: 1, listens }
    }

    /// A new process in the place of one that has ended, as an orchestrator would start it.
    pub fn restart_worker(&mut self, index: usize) {
        self.workers[index].starts += 1;
        let member = &self.workers[index];
        let process = self.run_again(member);
        self.workers[index].process = process;
    }

    /// As [`Cluster::restart_worker`].
    pub fn restart_proxy(&mut self, index: usize) {
        self.proxies[index].starts += 1;
        let member = &self.proxies[index];
        let process = self.run_again(member);
        self.proxies[index].process = process;
    }

    /// Postgres crashes under everybody, recovers and comes back.
    pub async fn crash_postgres(&mut self) {
        match &mut self.database {
            Database::Own(own) => own.crash_and_recover().await,
            Database::Shared(_) => {
                panic!("only a Postgres of the test's own may be crashed: set own_postgres")
            }
        }
    }

    fn run_again(&self, member: &Member) -> Process {
        let wires = [&member.postgres, &member.redis, &member.outward];
        self.run(&member.name, member.starts, wires, member.listens)
    }

    fn run(&self, name: &str, start: u32, wires: [&Wire; 3], listens: Option<SocketAddr>) -> Process {
        let [postgres, redis, outward] = wires.map(Wire::address);
        let process = format!("{name}#{start}");
        let role = if listens.is_some() { "helpline_proxy" } else { "helpline_worker" };
        let ttl = self.setup.lease_ttl.as_millis().to_string();
        let mut env = vec![
            ("DATABASE_URL", self.database.url(role, &process, postgres)),
            ("REDIS_URL", format!("redis://{redis}")),
            ("LEASE_TTL_MS", ttl),
        ];
        match listens {
            Some(address) => env.extend([
                ("DISCORD_TOKEN", self.sim.token().to_owned()),
                ("DISCORD_API_URL", format!("http://{outward}")),
                ("UPSTREAM_GATEWAY", format!("ws://{outward}")),
                ("REST_PER_SECOND", self.setup.rest_per_s.to_string()),
                ("GATEWAY_SHARDS", self.setup.gateway_shards.to_string()),
                ("PROXY_ADDR", address.to_string()),
            ]),
            None => env.extend([
                ("WORKER_NAME", name.to_owned()),
                ("HELPLINE_PROXY_URL", format!("http://{outward}")),
            ]),
        }
        env.push(("RUST_LOG", std::env::var("CHAOS_LOG").unwrap_or_else(|_| self.setup.log.to_owned())));
        Process::start(&process, if listens.is_some() { "proxy" } else { "worker" }, &env, &self.logs)
    }

    /// Where each process keeps its log.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// Waits until every shard has a living owner and a stream, and every gateway shard a connection.
    pub async fn in_service(&self) {
        let connected = || self.sim.sessions().iter().filter(|session| session.connected).count();
        let wanted = self.setup.gateway_shards as usize;
        patiently("every gateway shard is connected", async || connected() >= wanted).await;
        patiently("every shard has an owner and a stream", async || {
            let missing = "select count(*) from helpline.shard_fences f
                join helpline.shard_streams s using (shard_id)
                where s.incarnation = 0 or not exists (select from helpline.workers w where w.id = f.owner)";
            self.count(missing).await == Some(0)
        })
        .await;
    }

    /// Waits until no question waits for its answer and no effect for its delivery.
    pub async fn at_rest(&self) {
        patiently("every job is done and every effect delivered", async || {
            let waiting = "select (select count(*) from helpline.answer_jobs)
                + (select count(*) from helpline.outbox where state = 'pending')";
            self.count(waiting).await == Some(0)
        })
        .await;
    }

    /// Answers that the worker at `index` still owes: jobs and undelivered effects of its shards' servers.
    pub async fn in_flight_on(&self, index: usize) -> i64 {
        let waiting = "select count(*) from (
                select server_id, conversation_id from helpline.answer_jobs
                union
                select server_id, conversation_id from helpline.outbox where state = 'pending'
            ) as waiting
            join public.server_shards using (server_id)
            join helpline.shard_fences using (shard_id)
            join helpline.workers on workers.id = shard_fences.owner
            where workers.name = $1";
        let count = sqlx::query_scalar(waiting).bind(&self.workers[index].name);
        count.fetch_one(self.pool()).await.unwrap_or(0)
    }

    /// The shards that the worker at `index` owns now.
    pub async fn shards_of(&self, index: usize) -> Vec<i32> {
        let shards = "select shard_id from helpline.shard_fences
            join helpline.workers on workers.id = shard_fences.owner where workers.name = $1 order by 1";
        let shards = sqlx::query_scalar(shards).bind(&self.workers[index].name);
        shards.fetch_all(self.pool()).await.unwrap_or_default()
    }

    /// The shards that the worker at `index` owns now, with their epochs.
    pub async fn held_by(&self, index: usize) -> HashMap<i32, i64> {
        let held = "select shard_id, epoch from helpline.shard_fences
            join helpline.workers on workers.id = shard_fences.owner where workers.name = $1";
        let held: Vec<(i32, i64)> = sqlx::query_as(held)
            .bind(&self.workers[index].name)
            .fetch_all(self.pool())
            .await
            .unwrap_or_default();
        held.into_iter().collect()
    }

    /// Postgres ends the session by which the worker at `index` is known to be alive.
    pub async fn end_session_of(&self, index: usize) {
        let end = "select count(pg_terminate_backend(a.pid)) from pg_stat_activity a
            join helpline.workers w on a.application_name like '% ' || w.id::text
            where a.datname = current_database() and w.name = $1";
        let ended: i64 =
            sqlx::query_scalar(end).bind(&self.workers[index].name).fetch_one(self.pool()).await.unwrap_or(0);
        assert!(ended > 0, "the worker has a session of its own");
    }

    /// Workers that are members now.
    pub async fn workers_joined(&self) -> usize {
        let joined = "select count(distinct name) from helpline.workers where not draining";
        usize::try_from(self.count(joined).await.unwrap_or(0)).unwrap_or(0)
    }

    /// None while Postgres is away.
    async fn count(&self, sql: &'static str) -> Option<i64> {
        sqlx::query_scalar(sql).fetch_one(self.pool()).await.ok()
    }
}

/// Asks `probe` until it says yes; panics with `what` when the patience is over.
pub async fn patiently(what: &str, mut probe: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !probe().await {
        assert!(Instant::now() < deadline, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a port is free")
}
