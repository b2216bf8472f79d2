//! How the cluster stands, for people: `helpline status` and the page of the admin port.
//!
//! [`Source`] asks both stores and says what it can when one of them is away; [`Live`] keeps the last answer for a second, so
//! that many viewers cost one look. Asks on a connection of its own, which takes none of a role's away, within bounded time,
//! and changes nothing. Tells numbers and the names of processes: nothing of servers, members or messages.

pub mod cli;
pub(crate) mod explain;
pub mod page;
mod table;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::budgets::{self, Budgets};
use helpline_cluster::event_log::{EventLog, Lag};
use helpline_cluster::ids::{ShardId, StreamId};
use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::{Connection, RedisLink};
use serde::{Deserialize, Serialize};
use sqlx::types::Json;
use sqlx::{Connection as _, PgConnection};
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

pub use table::Table;

/// How long a store is waited for.
const PATIENCE: Duration = Duration::from_secs(2);
/// How old an answer may be that is shown to one more viewer.
pub const KEPT: Duration = Duration::from_secs(1);
/// A connection that nobody needed for so long is closed.
const IDLE: Duration = Duration::from_secs(30);

/// Whether a store answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Store {
    Answers,
    /// What is wrong, and what to do.
    Away {
        why: String,
    },
    /// Its URL was not given.
    NotAsked {
        why: String,
    },
}

impl Store {
    /// Whether it answered.
    pub const fn answers(&self) -> bool {
        matches!(self, Self::Answers)
    }
}

/// Everything at one moment, or nearly so. Ages are measured by the stores' own clocks.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Unix time of the process that asked, in milliseconds.
    pub at_ms: u64,
    pub version: &'static str,
    pub postgres: Store,
    pub redis: Store,
    /// What is known of Postgres is so old, because it does not answer now; none: it is of now.
    pub stale_ms: Option<u64>,
    pub summary: Summary,
    pub shards: Vec<Shard>,
    pub workers: Vec<Member>,
    pub proxies: Vec<Member>,
    pub gateway_sets: Vec<GatewaySet>,
    pub gateway_shards: Vec<GatewayShard>,
    /// None: Postgres was never reached.
    pub waiting: Option<Waiting>,
    /// None: Redis does not answer.
    pub budgets: Option<Budgets>,
}

/// What is to be seen at first sight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub shards: usize,
    pub without_owner: usize,
    /// Events behind the cursors, of all shards.
    pub behind: u64,
    /// The event that waits longest, in milliseconds.
    pub longest_wait_ms: u64,
    pub gateway_shards: usize,
    pub gateway_shards_up: usize,
}

/// A shard and its owner.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shard {
    pub id: u32,
    pub status: String,
    /// The worker that owns it: one of [`Status::workers`].
    pub owner: Option<Uuid>,
    pub owner_name: Option<String>,
    /// For how long, in seconds.
    pub owned_s: Option<i64>,
    pub epoch: i64,
    pub servers: i32,
    /// Up to here its events are applied, `<incarnation>-<number>`.
    pub cursor: String,
    /// Events behind the cursor; none: not known.
    pub behind: Option<u64>,
    /// For how long the first of them waits, in milliseconds; 0: none waits.
    pub waits_ms: Option<u64>,
    /// Servers on their way to other shards, and here, and events that wait for those.
    pub leaving: i64,
    pub coming: i64,
    pub held: i64,
}

/// A worker or a proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub id: Uuid,
    pub name: String,
    pub draining: bool,
    pub running_s: i64,
    /// Since its last heartbeat.
    pub silent_ms: i64,
    /// Shards of a worker, gateway shards of a proxy.
    #[serde(default)]
    pub holds: usize,
    /// Servers on the shards of a worker.
    #[serde(default)]
    pub servers: i64,
}

/// A set of gateway shards: one serves, and another may come up beside it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewaySet {
    pub total: i32,
    pub state: String,
}

/// A gateway shard and its proxy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GatewayShard {
    pub id: i32,
    pub total: i32,
    pub phase: String,
    /// Its proxy has the session up.
    pub up: bool,
    pub owner: Option<Uuid>,
    #[serde(default)]
    pub owner_name: Option<String>,
    pub epoch: i64,
}

/// What waits in Postgres; counts end at [`Waiting::MOST`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Waiting {
    pub questions: i64,
    pub oldest_question_s: Option<i64>,
    pub effects: i64,
    pub oldest_effect_s: Option<i64>,
    pub dead_letters: i64,
    pub open_gaps: i64,
}

impl Waiting {
    /// So many, or more.
    pub const MOST: i64 = 10_000;
}

/// What `helpline.cluster_status()` tells.
#[derive(Clone, Debug, Deserialize)]
struct Rows {
    workers: Vec<Member>,
    proxies: Vec<Member>,
    shards: Vec<Row>,
    gateway_sets: Vec<GatewaySet>,
    gateway_shards: Vec<GatewayShard>,
    waiting: Waiting,
}

#[derive(Clone, Debug, Deserialize)]
struct Row {
    id: i32,
    status: String,
    owner: Option<Uuid>,
    owned_s: Option<i64>,
    epoch: i64,
    servers: i32,
    incarnation: i64,
    cursor: i64,
    leaving: i64,
    coming: i64,
    held: i64,
}

impl Row {
    const fn at(&self) -> (ShardId, StreamId) {
        (ShardId::from_db(self.id), StreamId::from_db(self.incarnation, self.cursor))
    }
}

/// Where to ask. Opens nothing by itself.
pub struct Source {
    database: Result<String, String>,
    redis: Result<Redis, String>,
    connection: Option<PgConnection>,
    asked_at: Instant,
    /// The last that Postgres said.
    known: Option<(Rows, Instant)>,
}

struct Redis {
    connection: Connection,
    log: EventLog,
    keys: Keys,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Source {
    /// `database`, `redis`: URLs, or why there is none.
    pub fn new(database: Result<String, String>, redis: Result<String, String>, prefix: &str) -> Self {
        let redis = redis.and_then(|url| {
            let link = RedisLink::open(&url).map_err(|error| format!("REDIS_URL cannot be used: {error}"))?;
            let keys = Keys::new(prefix);
            let log = EventLog::new(&link, keys.clone());
            Ok(Redis { connection: link.shared_within(PATIENCE), log, keys })
        });
        Self { database, redis, connection: None, asked_at: Instant::now(), known: None }
    }

    /// Asks both stores; what one of them does not say is left out, with the reason.
    pub async fn ask(&mut self) -> Status {
        self.asked_at = Instant::now();
        let (postgres, rows) = self.ask_postgres().await;
        let now = OffsetDateTime::now_utc();
        let at_ms = u64::try_from(now.unix_timestamp_nanos() / 1_000_000).unwrap_or_default();
        let mut status = Status {
            at_ms,
            version: env!("CARGO_PKG_VERSION"),
            stale_ms: None,
            redis: Store::Answers,
            summary: Summary::default(),
            shards: Vec::new(),
            workers: Vec::new(),
            proxies: Vec::new(),
            gateway_sets: Vec::new(),
            gateway_shards: Vec::new(),
            waiting: None,
            budgets: None,
            postgres,
        };
        // Cursors of before say nothing of what waits now.
        let cursors: Vec<_> = match status.postgres.answers() {
            true => rows.iter().flat_map(|(rows, _)| rows.shards.iter().map(Row::at)).collect(),
            false => Vec::new(),
        };
        let (redis, lags, budgets) = self.ask_redis(&cursors).await;
        (status.redis, status.budgets) = (redis, budgets);
        if let Some((rows, read_at)) = rows {
            if !status.postgres.answers() {
                status.stale_ms = Some(u64::try_from(read_at.elapsed().as_millis()).unwrap_or(u64::MAX));
            }
            status.fill(rows, &lags);
        }
        status
    }

    /// Closes the connection when nobody has asked for long.
    pub async fn rest(&mut self) {
        if self.asked_at.elapsed() > IDLE
            && let Some(connection) = self.connection.take()
        {
            let _ = timeout(PATIENCE, connection.close()).await;
        }
    }

    async fn ask_postgres(&mut self) -> (Store, Option<(Rows, Instant)>) {
        let url = match &self.database {
            Ok(url) => url.clone(),
            Err(why) => return (Store::NotAsked { why: why.clone() }, None),
        };
        // Taken: whatever is wrong with it, the next look begins with another.
        let connection = self.connection.take();
        let store = match timeout(PATIENCE, look(connection, &url)).await {
            Ok(Ok((rows, connection))) => {
                self.connection = Some(connection);
                self.known = Some((rows, Instant::now()));
                Store::Answers
            }
            Ok(Err(error)) => Store::Away { why: explain::postgres(&error) },
            Err(_) => Store::Away { why: explain::silent("Postgres", "DATABASE_URL", PATIENCE) },
        };
        (store, self.known.clone())
    }

    async fn ask_redis(&self, cursors: &[(ShardId, StreamId)]) -> (Store, Vec<Lag>, Option<Budgets>) {
        let redis = match &self.redis {
            Ok(redis) => redis,
            Err(why) => return (Store::NotAsked { why: why.clone() }, Vec::new(), None),
        };
        let budgets = async {
            budgets::read_on(redis.connection.clone(), &redis.keys).await.map_err(|error| error.to_string())
        };
        let lags = async { redis.log.lags(cursors).await.map_err(|error| error.to_string()) };
        match timeout(PATIENCE, async { tokio::try_join!(budgets, lags) }).await {
            Ok(Ok((budgets, lags))) => (Store::Answers, lags, Some(budgets)),
            Ok(Err(why)) => (Store::Away { why: explain::redis(&why) }, Vec::new(), None),
            Err(_) => {
                (Store::Away { why: explain::silent("Redis", "REDIS_URL", PATIENCE) }, Vec::new(), None)
            }
        }
    }
}

/// Asks on a connection, or on a new one, which is handed back when all went well.
async fn look(connection: Option<PgConnection>, url: &str) -> Result<(Rows, PgConnection), sqlx::Error> {
    let mut connection = match connection {
        Some(connection) => connection,
        None => PgConnection::connect(url).await?,
    };
    let mut tx = connection.begin().await?;
    // Set for this transaction alone: behind a pooler a session's setting would stay with the next one.
    sqlx::query!("select set_config('statement_timeout', '1500ms', true) as set").fetch_one(&mut *tx).await?;
    let rows = sqlx::query_scalar!(r#"select helpline.cluster_status() as "status!: Json<Rows>""#)
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok((rows.0, connection))
}

impl Status {
    fn fill(&mut self, rows: Rows, lags: &[Lag]) {
        let Rows { mut workers, mut proxies, shards, gateway_sets, mut gateway_shards, waiting } = rows;
        let names = |members: &[Member]| -> HashMap<Uuid, String> {
            members.iter().map(|member| (member.id, member.name.clone())).collect()
        };
        let (worker_names, proxy_names) = (names(&workers), names(&proxies));
        for (row, index) in shards.into_iter().zip(0..) {
            let cursor = row.at().1;
            let lag = lags.get(index);
            // One that left without a word is no owner.
            let owner = row.owner.filter(|owner| worker_names.contains_key(owner));
            self.shards.push(Shard {
                id: row.at().0.get(),
                status: row.status,
                owner,
                owner_name: owner.and_then(|owner| worker_names.get(&owner).cloned()),
                owned_s: row.owned_s.filter(|_| owner.is_some()),
                epoch: row.epoch,
                servers: row.servers,
                cursor: cursor.to_string(),
                behind: lag.and_then(|lag| lag.entries),
                waits_ms: lag
                    .map(|lag| lag.waits_since_ms.map_or(0, |since| self.at_ms.saturating_sub(since))),
                leaving: row.leaving,
                coming: row.coming,
                held: row.held,
            });
        }
        for gateway in &mut gateway_shards {
            gateway.owner_name = gateway.owner.and_then(|owner| proxy_names.get(&owner).cloned());
        }
        for worker in &mut workers {
            let its = self.shards.iter().filter(|shard| shard.owner == Some(worker.id));
            (worker.holds, worker.servers) =
                its.fold((0, 0), |(shards, servers), shard| (shards + 1, servers + i64::from(shard.servers)));
        }
        for proxy in &mut proxies {
            proxy.holds = gateway_shards.iter().filter(|gateway| gateway.owner == Some(proxy.id)).count();
        }
        self.summary = Summary {
            shards: self.shards.len(),
            without_owner: self.shards.iter().filter(|shard| shard.owner.is_none()).count(),
            behind: self.shards.iter().filter_map(|shard| shard.behind).sum(),
            longest_wait_ms: self.shards.iter().filter_map(|shard| shard.waits_ms).max().unwrap_or_default(),
            gateway_shards: gateway_shards.len(),
            gateway_shards_up: gateway_shards.iter().filter(|gateway| gateway.up).count(),
        };
        (self.workers, self.proxies) = (workers, proxies);
        (self.gateway_sets, self.gateway_shards) = (gateway_sets, gateway_shards);
        self.waiting = Some(waiting);
    }
}

/// The status as JSON, looked at once a second at the most, whoever asks. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Live {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Debug)]
struct Inner {
    source: Source,
    last: Option<(Arc<str>, Instant)>,
    looks: u64,
}

impl Live {
    pub fn new(source: Source) -> Self {
        Self { inner: Arc::new(Mutex::new(Inner { source, last: None, looks: 0 })) }
    }

    /// Viewers that come while somebody looks wait for what he sees.
    pub async fn json(&self) -> Arc<str> {
        let mut inner = self.inner.lock().await;
        if let Some((json, at)) = &inner.last
            && at.elapsed() < KEPT
        {
            return Arc::clone(json);
        }
        // From its beginning, so that what takes long is not looked at all the time.
        let status = inner.source.ask().await;
        let json: Arc<str> = serde_json::to_string(&status).expect("numbers and strings become JSON").into();
        inner.looks += 1;
        inner.last = Some((Arc::clone(&json), Instant::now()));
        json
    }

    /// How often the stores were asked.
    pub async fn looks(&self) -> u64 {
        self.inner.lock().await.looks
    }

    /// Gives up what nobody has needed for long.
    pub async fn rest(&self) {
        if let Ok(mut inner) = self.inner.try_lock() {
            inner.source.rest().await;
        }
    }
}
