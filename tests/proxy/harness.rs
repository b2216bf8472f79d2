//! A simulated Discord, a database, a part of Redis, and proxies that can be started, stopped and killed.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use fred::interfaces::{ClientLike as _, HashesInterface as _, KeysInterface as _, StreamsInterface as _};
use fred::types::config::Config as RedisConfig;
use helpline::admin::Health;
use helpline::config::Secret;
use helpline::proxy;
use helpline_cluster::ids::{GatewayShard, ShardId};
use helpline_cluster::keys::Keys;
use helpline_sim::ids::GuildId;
use helpline_sim::{Config, Server, Simulator};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{SHARDS, TestDb, TestRedis, eventually, run};

pub const GATEWAY: GatewayShard = GatewayShard::new(0, 1);

/// Everything around a proxy.
pub struct Bench {
    pub sim: Simulator,
    pub db: TestDb,
    pub keys: Keys,
    /// The independent look at Redis.
    pub fred: fred::clients::Client,
    _redis: TestRedis,
    redis_url: String,
}

/// An entry of a stream, as another client reads it.
#[derive(Debug)]
pub struct Entry {
    pub origin: String,
    pub kind: String,
    pub server: String,
    pub payload: Value,
}

impl Bench {
    pub async fn new(config: Config) -> Self {
        let redis = TestRedis::new();
        let url = redis.url.clone();
        Self::on_redis(config, redis, url).await
    }

    /// On the Redis at `redis_url` instead of the one that the tests share.
    pub async fn on_redis(config: Config, redis: TestRedis, redis_url: String) -> Self {
        helpline::telemetry::install_crypto();
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let db = TestDb::new().await;
        let sim = Simulator::start(config).await.expect("the simulator starts");
        let fred_config = RedisConfig::from_url(&redis_url).expect("a Redis URL");
        let fred = fred::types::Builder::from_config(fred_config).build().expect("a client");
        fred.init().await.expect("Redis answers: run `make test`");
        Self { sim, db, keys: Keys::new(&redis.prefix), fred, _redis: redis, redis_url }
    }

    /// A simulated Discord of `servers` servers, all streams begun.
    pub async fn with_servers(servers: usize) -> Self {
        let bench = Self::new(Config { servers, ..Config::default() }).await;
        bench.begin_streams().await;
        bench
    }

    pub fn config(&self) -> proxy::Config {
        proxy::Config {
            token: Secret::new(self.sim.token()),
            discord_api_url: self.sim.rest_base(),
            // As the role that it runs as: what it may not do shows here.
            database_url: self.db.role_url("helpline_proxy"),
            session_url: self.db.role_url("helpline_proxy"),
            redis_url: self.redis_url.clone(),
            keys: self.keys.clone(),
            ..proxy::Config::default()
        }
    }

    /// The server is known, on `shard`, with support switched on or off.
    pub async fn place(&self, server: &Server, shard: u32, enabled: bool) {
        let id = server.id.get();
        run(
            &self.db.pool,
            format!(
                "insert into servers (id, name, config) values ({id}, 'test', '{{\"enabled\": {enabled}}}');
                 insert into server_shards (server_id, shard_id) values ({id}, {shard})"
            ),
        )
        .await;
    }

    pub async fn begin_streams(&self) {
        for shard in 0..SHARDS {
            self.begin_stream(shard).await;
        }
    }

    pub async fn begin_stream(&self, shard: u32) {
        self.begin_stream_at(shard, 1).await;
    }

    pub async fn begin_stream_at(&self, shard: u32, incarnation: i64) {
        let key = self.keys.incarnation(ShardId(shard));
        let _: () = self.fred.set(key, incarnation, None, None, false).await.expect("set");
    }

    /// The second part of the last id in a stream.
    pub async fn last_number(&self, shard: u32) -> u64 {
        let key = self.keys.stream(ShardId(shard));
        let last: Vec<(String, HashMap<String, String>)> =
            self.fred.xrevrange_values(key, "+", "-", Some(1)).await.expect("read the stream");
        let number = last.first().and_then(|(id, _)| id.split_once('-')?.1.parse().ok());
        number.expect("the stream has an entry")
    }

    /// A publish script has looked at the stream's incarnation, which is why it has a history now.
    pub async fn looked_at(&self, shard: u32) -> bool {
        self.fred.exists(self.keys.history(ShardId(shard))).await.expect("exists")
    }

    pub async fn stream(&self, shard: u32) -> Vec<Entry> {
        let key = self.keys.stream(ShardId(shard));
        let entries: Vec<(String, HashMap<String, String>)> =
            self.fred.xrange_values(key, "-", "+", None).await.expect("read the stream");
        let entry = |(_, mut fields): (String, HashMap<String, String>)| {
            let mut take = |name: &str| fields.remove(name).expect("the field is there");
            Entry {
                origin: take("k"),
                kind: take("t"),
                server: take("g"),
                payload: serde_json::from_str(&take("d")).expect("the payload is JSON"),
            }
        };
        entries.into_iter().map(entry).collect()
    }

    /// Ids of the messages in a stream, in its order.
    pub async fn messages(&self, shard: u32) -> Vec<u64> {
        let entries = self.stream(shard).await.into_iter();
        entries
            .filter(|entry| entry.kind == "MESSAGE_CREATE")
            .map(|entry| entry.payload["id"].as_str().expect("an id").parse().expect("a number"))
            .collect()
    }

    /// Waits until `count` different messages are in the stream, and returns the ids in order.
    pub async fn wait_for_messages(&self, shard: u32, count: usize) -> Vec<u64> {
        eventually(&format!("{count} messages in the stream of shard {shard}"), async || {
            let messages = self.messages(shard).await;
            (distinct(&messages) >= count).then_some(messages)
        })
        .await
    }

    /// Waits until every message is in the stream of its server's shard, and checks that, counting each once as the
    /// event keys make the workers do, those of a server come in the order in which they were said.
    pub async fn wait_until_applied(&self, said: &[(usize, u64)]) {
        let wanted: HashSet<u64> = said.iter().map(|(_, id)| *id).collect();
        let streams = eventually(&format!("all {} messages are in their streams", said.len()), async || {
            let mut streams = Vec::new();
            for shard in 0..SHARDS {
                streams.push(self.messages(shard).await);
            }
            let there: HashSet<u64> = streams.iter().flatten().copied().collect();
            wanted.is_subset(&there).then_some(streams)
        })
        .await;
        let mut order: HashMap<u64, usize> = HashMap::new();
        for stream in &streams {
            let mut seen = HashSet::new();
            let first = stream.iter().filter(|id| seen.insert(**id));
            order.extend(first.enumerate().map(|(place, id)| (*id, place)));
        }
        let mut last: HashMap<usize, (usize, u64)> = HashMap::new();
        for (server, id) in said {
            let place = order[id];
            if let Some((before, earlier)) = last.insert(*server, (place, *id)) {
                assert!(before < place, "message {id} of server {server} is before message {earlier}");
            }
        }
    }

    /// The sequence from which the next proxy would resume.
    pub async fn saved_sequence(&self) -> Option<u64> {
        self.fred.hget(self.keys.gateway_session(GATEWAY), "seq").await.expect("read the session")
    }

    /// The highest sequence in any stream that came with the current session, by stream.
    pub async fn sequences(&self) -> BTreeMap<u32, Vec<u64>> {
        let mut all = BTreeMap::new();
        for shard in 0..SHARDS {
            let of = |entry: Entry| entry.origin.rsplit(':').next().and_then(|text| text.parse().ok());
            all.insert(shard, self.stream(shard).await.into_iter().filter_map(of).collect());
        }
        all
    }

    pub async fn wait_until_saved(&self, sequence: u64) {
        eventually(&format!("sequence {sequence} is saved"), async || {
            self.saved_sequence().await.filter(|saved| *saved >= sequence)
        })
        .await;
    }

    /// The sequence that the simulator gave out last.
    pub fn last_sequence(&self) -> u64 {
        self.sim.sessions().iter().map(|session| session.sequence).max().unwrap_or(0)
    }

    pub fn server(&self, index: usize) -> Server {
        self.sim.servers()[index].clone()
    }

    pub fn say(&self, server: &Server, text: &str) -> u64 {
        self.sim.say(server.support_channel, server.members[0], text).expect("the member may write").get()
    }

    /// Where a server has been put, once it is there.
    pub async fn shard_of(&self, server: GuildId) -> u32 {
        eventually(&format!("{server} has a shard"), async || {
            let shard: Option<i32> =
                sqlx::query_scalar("select shard_id from server_shards where server_id = $1")
                    .bind(server.get().cast_signed())
                    .fetch_optional(&self.db.pool)
                    .await
                    .expect("read the shard");
            shard.map(i32::cast_unsigned)
        })
        .await
    }

    pub async fn start(&self) -> Running {
        self.start_with(self.config()).await
    }

    pub async fn start_with(&self, config: proxy::Config) -> Running {
        self.start_at(config, SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// With the workers' requests at this address.
    pub async fn start_at(&self, config: proxy::Config, address: SocketAddr) -> Running {
        let runtime = Runtime::new().expect("a runtime");
        let cancel = CancellationToken::new();
        let health = Arc::new(Health::default());
        let listener = std::net::TcpListener::bind(address).expect("the port is free");
        listener.set_nonblocking(true).expect("non-blocking");
        let address = listener.local_addr().expect("an address");
        let task = runtime.spawn({
            let (cancel, health) = (cancel.clone(), Arc::clone(&health));
            async move {
                let listener = TcpListener::from_std(listener).expect("a listener");
                proxy::run_on(listener, config, &health, cancel).await
            }
        });
        Running { runtime: Some(runtime), cancel, task, address, health }
    }
}

/// Members of all servers in turn, who say something again and again.
pub struct Load {
    count: watch::Receiver<usize>,
    stop: CancellationToken,
    task: JoinHandle<Vec<(usize, u64)>>,
}

impl Load {
    pub fn start(bench: &Bench, every: Duration) -> Self {
        let (sim, servers) = (bench.sim.clone(), bench.sim.servers().to_vec());
        let (counted, count) = watch::channel(0);
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let stop = stop.clone();
            async move {
                let mut said = Vec::new();
                while stop.run_until_cancelled(tokio::time::sleep(every)).await.is_some() {
                    let index = said.len() % servers.len();
                    let server = &servers[index];
                    let text = format!("load {}", said.len());
                    let id = sim.say(server.support_channel, server.members[0], &text);
                    said.push((index, id.expect("the member may write").get()));
                    counted.send_replace(said.len());
                }
                said
            }
        });
        Self { count, stop, task }
    }

    pub fn count(&self) -> usize {
        *self.count.borrow()
    }

    /// Waits until so many were said.
    pub async fn reaches(&self, count: usize) {
        eventually("the load goes on", async || (self.count() >= count).then_some(())).await;
    }

    /// The server's index and the id of each message, in order.
    pub async fn stop(self) -> Vec<(usize, u64)> {
        self.stop.cancel();
        self.task.await.expect("no panic")
    }
}

/// A proxy in a runtime of its own.
pub struct Running {
    runtime: Option<Runtime>,
    cancel: CancellationToken,
    task: JoinHandle<anyhow::Result<()>>,
    pub address: SocketAddr,
    pub health: Arc<Health>,
}

impl Running {
    pub async fn ready(self) -> Self {
        eventually("the proxy is ready", async || self.health.is_ready().then_some(())).await;
        self
    }

    /// As kill -9: nothing is closed, flushed or saved.
    pub fn kill(mut self) {
        self.runtime.take().expect("still running").shutdown_background();
    }

    pub async fn stop(mut self) {
        self.cancel.cancel();
        let ended = tokio::time::timeout(Duration::from_secs(15), &mut self.task).await;
        ended.expect("the proxy stops in time").expect("no panic").expect("no error");
    }

    /// Waits until it ends by itself; the error's text.
    pub async fn error(mut self) -> String {
        let ended = tokio::time::timeout(Duration::from_secs(15), &mut self.task).await;
        let result = ended.expect("the proxy gives up in time").expect("no panic");
        format!("{:#}", result.expect_err("it ends with an error"))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub fn distinct(ids: &[u64]) -> usize {
    ids.iter().collect::<std::collections::HashSet<_>>().len()
}
