//! A small cluster: one proxy, workers that can be killed, servers with documents.

use std::sync::Arc;
use std::time::Duration;

use helpline::admin::Health;
use helpline::answer::model;
use helpline::config::Secret;
use helpline::embedding;
use helpline::{proxy, worker};
use helpline_cluster::ids::ShardId;
use helpline_cluster::keys::Keys;
use helpline_sim::ids::{ChannelId, UserId};
use helpline_sim::matching::{Answer, Matcher, QuestionId};
use helpline_sim::{Config, Server, Simulator};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;

use crate::settled::settle;
use crate::support::{SHARDS, TestDb, TestRedis, eventually};
use wire::Wire;

#[path = "../../cluster/tests/worker/wire.rs"]
pub mod wire;

pub struct Town {
    pub sim: Simulator,
    pub db: TestDb,
    pub keys: Keys,
    pub redis: TestRedis,
    pub proxy_url: String,
    pub proxy: Option<Process>,
    /// What is special of its proxies.
    shape: fn(&mut proxy::Config),
}

/// A role in a runtime of its own, which ends with this value as if by kill -9.
pub struct Process {
    runtime: Option<Runtime>,
    cancel: CancellationToken,
    health: Arc<Health>,
}

impl Process {
    fn start<F>(role: impl FnOnce(Arc<Health>, CancellationToken) -> F) -> Self
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let runtime = Runtime::new().expect("a runtime");
        let cancel = CancellationToken::new();
        let health = Arc::new(Health::default());
        let role = role(Arc::clone(&health), cancel.clone());
        runtime.spawn(async move {
            if let Err(error) = role.await {
                eprintln!("a role ended: {error:#}");
            }
        });
        Self { runtime: Some(runtime), cancel, health }
    }

    async fn ready(&self) {
        self.is(true).await;
    }

    /// Waits until it says on /readyz that it is ready, or that it is not.
    pub async fn is(&self, ready: bool) {
        eventually("the role says whether it is ready", async || {
            (self.health.is_ready() == ready).then_some(())
        })
        .await;
    }

    pub fn kill(self) {}

    /// As by SIGTERM; the role has a moment to hand over.
    pub fn terminate(&self) {
        self.cancel.cancel();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Town {
    /// Two servers, support switched on, with documents on refunds and backups; a proxy, no worker yet.
    pub async fn new() -> Self {
        Self::with(Config { servers: 2, ..Config::default() }).await
    }

    pub async fn with(config: Config) -> Self {
        let town = Self::without_servers(config).await;
        for server in town.sim.servers() {
            settle(&town.db.pool, server, u32::try_from(server.index).expect("few servers") % SHARDS).await;
        }
        town.with_proxy().await
    }

    /// As [`Town::with`], with proxies of a special kind.
    #[allow(dead_code, reason = "tests of repairs use it")]
    pub async fn with_proxies(config: Config, shape: fn(&mut proxy::Config)) -> Self {
        let mut town = Self::without_servers(config).await;
        town.shape = shape;
        for server in town.sim.servers() {
            settle(&town.db.pool, server, u32::try_from(server.index).expect("few servers") % SHARDS).await;
        }
        town.with_proxy().await
    }

    /// As kill -9.
    #[allow(dead_code, reason = "tests of repairs use it")]
    pub fn kill_proxy_now(&mut self) {
        self.proxy = None;
    }

    /// Nothing but the stores and Discord.
    pub async fn without_servers(config: Config) -> Self {
        helpline::telemetry::install_crypto();
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let (db, redis) = (TestDb::new().await, TestRedis::new());
        let keys = Keys::new(&redis.prefix);
        let sim = Simulator::start(config).await.expect("the simulator starts");
        Self { sim, db, keys, redis, proxy_url: String::new(), proxy: None, shape: |_| {} }
    }

    pub async fn with_proxy(mut self) -> Self {
        // Before that Discord has nobody to send events to.
        self.replace_proxy().await;
        self
    }

    /// Another proxy in the place of one that was killed; workers find it at its own address only.
    pub async fn replace_proxy(&mut self) {
        let (proxy, proxy_url) = start_proxy(&self.sim, &self.db, &self.redis, &self.keys, self.shape);
        proxy.ready().await;
        (self.proxy, self.proxy_url) = (Some(proxy), proxy_url);
    }

    pub fn worker(&self) -> Process {
        self.worker_with(worker::Repair::default())
    }

    #[allow(dead_code, reason = "tests of moves and others share this file")]
    pub fn worker_named(&self, name: &str) -> Process {
        self.start_worker(name, self.db.role_url("helpline_worker"), worker::Repair::default())
    }

    /// Its stores are reached through a wire that can harm commits; its session is not.
    #[allow(dead_code, reason = "others share this file")]
    pub async fn worker_on_a_wire(&self) -> (Process, Wire) {
        let (url, wire) = Wire::to(&self.db.role_url("helpline_worker")).await;
        (self.start_worker("test", url, worker::Repair::default()), wire)
    }

    pub fn worker_with(&self, repair: worker::Repair) -> Process {
        self.start_worker("test", self.db.role_url("helpline_worker"), repair)
    }

    fn start_worker(&self, name: &str, database_url: String, repair: worker::Repair) -> Process {
        start(self.worker_config(name, database_url, repair))
    }

    /// Its answers are written by a chat model.
    #[allow(dead_code, reason = "others share this file")]
    pub fn worker_with_model(&self, model: model::Config) -> Process {
        let database_url = self.db.role_url("helpline_worker");
        let config = self.worker_config("test", database_url, worker::Repair::default());
        start(worker::Config { model: Some(model), ..config })
    }

    /// Its servers' documents are searched by their meaning too.
    #[allow(dead_code, reason = "others share this file")]
    pub fn worker_with_embedding(&self, embedding: embedding::Config) -> Process {
        let database_url = self.db.role_url("helpline_worker");
        let config = self.worker_config("test", database_url, worker::Repair::default());
        start(worker::Config { embedding: Some(embedding), ..config })
    }

    /// Knows that its proxies read only what addresses the bot.
    #[allow(dead_code, reason = "others share this file")]
    pub fn worker_without_content(&self) -> Process {
        let database_url = self.db.role_url("helpline_worker");
        let config = self.worker_config("test", database_url, worker::Repair::default());
        start(worker::Config { message_content: false, ..config })
    }

    fn worker_config(&self, name: &str, database_url: String, repair: worker::Repair) -> worker::Config {
        worker::Config {
            name: name.to_owned(),
            database_url,
            session_url: self.db.role_url("helpline_worker"),
            redis_url: self.redis.url.clone(),
            keys: self.keys.clone(),
            proxy_url: self.proxy_url.clone(),
            lease_ttl: Duration::from_secs(5),
            lanes: 64,
            pool_size: 8,
            drain_deadline: Duration::from_secs(5),
            repair,
            model: None,
            embedding: None,
            message_content: true,
            discord_api_url: self.sim.rest_base(),
            pdf: helpline::knowledge::pdf::Reader::new(env!("CARGO_BIN_EXE_helpline").as_ref()),
        }
    }

    pub fn server(&self, index: usize) -> Server {
        self.sim.servers()[index].clone()
    }

    pub fn member(&self, server: usize) -> UserId {
        self.sim.servers()[server].members[0]
    }

    /// A member asks in the support channel.
    pub fn ask(&self, server: usize, text: &str) -> QuestionId {
        self.say(self.server(server).support_channel, self.member(server), text)
    }

    /// A member turns to the bot where nobody asks as a rule.
    pub fn mention(&self, server: usize, text: &str) -> QuestionId {
        let text = format!("{} {text}", self.sim.bot_mention());
        self.say(self.server(server).general_channel, self.member(server), &text)
    }

    pub fn say(&self, channel: ChannelId, member: UserId, text: &str) -> QuestionId {
        QuestionId::Message(self.sim.say(channel, member, text).expect("the member may write"))
    }

    pub fn answers(&self, question: QuestionId) -> Vec<Answer> {
        let transcript = self.sim.transcript().snapshot();
        Matcher::of(transcript.iter().map(|entry| &**entry)).answers(question).to_vec()
    }

    /// The first visible answer.
    pub async fn answer(&self, question: QuestionId) -> Answer {
        let answer =
            eventually("the question is answered", async || self.answers(question).into_iter().next());
        answer.await
    }

    pub async fn count(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).fetch_one(&self.db.pool).await.expect("count")
    }

    /// Nothing waits any more: no job, no undelivered effect.
    pub async fn at_rest(&self) {
        eventually("everything is delivered", async || {
            let waiting = self
                .count(
                    "select (select count(*) from helpline.answer_jobs)
                     + (select count(*) from helpline.outbox where state = 'pending')",
                )
                .await;
            (waiting == 0).then_some(())
        })
        .await;
    }

    /// The cursor of the server's shard stands durably at the end of its log: the next owner reads nothing again.
    pub async fn caught_up(&self, server: usize) {
        let shard = self.shard_of(server).await;
        eventually("the cursor stands at the end of the log", async || {
            let mut redis = self.redis.connection().await;
            let mut newest = redis::cmd("XREVRANGE");
            newest.arg(self.keys.stream(shard)).arg("+").arg("-").arg("COUNT").arg(1);
            let newest: Vec<(String, std::collections::HashMap<String, String>)> =
                newest.query_async(&mut redis).await.expect("range");
            let cursor: i64 =
                sqlx::query_scalar("select cursor_seq from helpline.shard_streams where shard_id = $1")
                    .bind(shard.db())
                    .fetch_one(&self.db.pool)
                    .await
                    .expect("the shard has a stream");
            let newest: i64 = newest.first()?.0.split_once('-')?.1.parse().ok()?;
            (cursor >= newest).then_some(())
        })
        .await;
    }

    pub async fn shard_of(&self, server: usize) -> ShardId {
        let id = self.server(server).id.get().cast_signed();
        let shard: i32 = sqlx::query_scalar("select shard_id from server_shards where server_id = $1")
            .bind(id)
            .fetch_one(&self.db.pool)
            .await
            .expect("the server has a shard");
        ShardId::from_db(shard)
    }

    /// Appends an entry to the log of a server's shard, past the proxy.
    pub async fn append(&self, server: usize, origin: &str, kind: &str, payload: &str) {
        self.append_at(server, origin, kind, payload, 1_700_000_000_000).await;
    }

    /// The same for an event that the proxy received at that moment.
    pub async fn append_at(
        &self,
        server: usize,
        origin: &str,
        kind: &str,
        payload: &str,
        received_at_ms: u64,
    ) {
        let shard = self.shard_of(server).await;
        let mut redis = self.redis.connection().await;
        let incarnation: u64 = eventually("the stream is begun", async || {
            let mut redis = self.redis.connection().await;
            redis::cmd("GET")
                .arg(self.keys.incarnation(shard))
                .query_async::<Option<u64>>(&mut redis)
                .await
                .expect("get")
        })
        .await;
        let id = self.server(server).id.get();
        // Redis numbers an empty stream from 0, where the cursor stands that has read nothing; the publish script avoids it.
        let mut first = redis::cmd("XADD");
        first
            .arg(self.keys.stream(shard))
            .arg(format!("{incarnation}-1"))
            .arg(&[("k", "none"), ("t", "NONE")]);
        let _ = first.query_async::<String>(&mut redis).await;
        let mut add = redis::cmd("XADD");
        add.arg(self.keys.stream(shard)).arg(format!("{incarnation}-*"));
        add.arg(&[
            ("k", origin),
            ("t", kind),
            ("g", &id.to_string()),
            ("r", &received_at_ms.to_string()),
            ("d", payload),
        ]);
        let _: String = add.query_async(&mut redis).await.expect("the entry is appended");
    }
}

fn start(config: worker::Config) -> Process {
    Process::start(|health, cancel| async move { worker::run(config, &health, cancel).await })
}

fn start_proxy(
    sim: &Simulator,
    db: &TestDb,
    redis: &TestRedis,
    keys: &Keys,
    shape: fn(&mut proxy::Config),
) -> (Process, String) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.set_nonblocking(true).expect("non-blocking");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let mut config = proxy::Config {
        token: Secret::new(sim.token()),
        discord_api_url: sim.rest_base(),
        database_url: db.role_url("helpline_proxy"),
        session_url: db.role_url("helpline_proxy"),
        redis_url: redis.url.clone(),
        keys: keys.clone(),
        rest_per_s: sim.config().rest_global_per_s.unwrap_or(10_000),
        ..proxy::Config::default()
    };
    shape(&mut config);
    let process = Process::start(|health, cancel| async move {
        let listener = TcpListener::from_std(listener)?;
        proxy::run_on(listener, config, &health, cancel).await
    });
    (process, url)
}
