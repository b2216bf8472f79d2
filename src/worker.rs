//! The worker role: claims shards, applies their events, answers, and carries effects out through the proxy.
//!
//! [`shard_loop`] owns one shard for as long as its lease lasts; [`apply`] turns events into commands inside one fenced
//! transaction (T1); [`lanes`] answer (T2) and deliver; [`moving`] takes servers from shard to shard; [`configs`] caches
//! what admins set; [`load`] measures; [`view`] tells of it; [`janitor`] deletes what has served its time.

pub mod apply;
mod arriving;
pub mod configs;
pub mod counts;
mod health;
pub mod janitor;
pub mod lanes;
pub mod letters;
pub mod load;
mod marks;
pub mod moving;
pub mod reception;
mod replies;
mod reports;
pub mod shard_loop;
pub mod silences;
mod ticket_news;
pub mod trial;
pub mod vectors;
pub mod view;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use helpline_cluster::claims::steps::{self, Step};
use helpline_cluster::claims::{self, Claims, Lease, Ownership};
use helpline_cluster::database::{Database, Turns};
use helpline_cluster::event_log::{EventLog, Reader};
use helpline_cluster::fence::Fence;
use helpline_cluster::ids::ShardId;
use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::Connection;
use tokio::sync::{Notify, Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::admin::Health;
use crate::answer::Answerer;
use crate::answer::extract::Extractive;
use crate::answer::model::{self, Model};
use crate::answer::retrieve::Retriever;
use crate::deliver::client::Client;
use crate::discord::UserId;
use crate::embedding::{self, Embedder};
use crate::knowledge::pdf;
use crate::{message_content, store};
use configs::Configs;
use shard_loop::Ending;

/// What a worker needs to know.
#[derive(Debug, Clone)]
pub struct Config {
    /// For people: the pod's name.
    pub name: String,
    pub database_url: String,
    /// Direct connection for liveness locks and LISTEN.
    pub session_url: String,
    pub redis_url: String,
    pub keys: Keys,
    pub proxy_url: String,
    /// How long a silent worker keeps its shards.
    pub lease_ttl: Duration,
    /// How many lanes answer and deliver at once.
    pub lanes: usize,
    /// Connections in all; at least six are opened when there is need for them, see [`Shares`].
    pub pool_size: u32,
    /// How long a stop may take before what is left is abandoned to the next owner.
    pub drain_deadline: Duration,
    pub repair: Repair,
    /// None: answers are quoted from the documents.
    pub model: Option<model::Config>,
    /// None: documents are searched by their words alone.
    pub embedding: Option<embedding::Config>,
    /// The proxies ask for the content of messages that do not address the bot.
    pub message_content: bool,
    /// What serves files beside Discord's content network.
    pub discord_api_url: String,
    pub pdf: pdf::Reader,
}

/// What is done about what is late or in doubt.
#[derive(Debug, Clone, Copy)]
pub struct Repair {
    /// How long a repetition is trusted to the nonce, see [`crate::deliver::resend`].
    pub nonce_window: Duration,
    /// An older question is not answered any more.
    pub answer_within: Duration,
    /// Whoever asked an older question within this time is told so.
    pub tell_within: Duration,
    /// For how many days a server that the bot has left is not forgotten.
    pub left_kept_days: i32,
    /// The same for a conversation in which nothing happens any more; 0 = for ever.
    pub conversations_kept_days: i32,
}

impl Default for Repair {
    fn default() -> Self {
        Self {
            nonce_window: crate::deliver::resend::NONCE_WINDOW,
            answer_within: Duration::from_secs(3_600),
            tell_within: Duration::from_secs(24 * 3_600),
            left_kept_days: 30,
            conversations_kept_days: 365,
        }
    }
}

/// How long a transaction in hand may take to end after its lease has stopped. Longer than a commit waits for its
/// answer would be in vain: what hangs then is left, and the next owner's claim waits for it in Postgres or ends it.
pub const IN_HAND: Duration = Duration::from_secs(2);

/// What the loops of all shards share.
pub struct Shared {
    /// Reads, and writes under a fence: lanes, and what runs beside the loops.
    pub pool: Database,
    /// The same for events, which are applied before anything else is done for a shard, see [`Shares`].
    pub first: Database,
    pub configs: Configs,
    pub answerer: Box<dyn Answerer>,
    pub retriever: Retriever,
    pub client: Client,
    pub desk: lanes::knowledge::Desk,
    /// Overflow rule: a lane waits for its slot.
    pub lane_slots: Turns,
    /// In which lanes get the connections of `pool`.
    pub turns: Turns,
    /// Overflow rule: one more question waits without an indicator.
    pub typing_slots: Arc<Semaphore>,
    pub repair: Repair,
    pub message_content: bool,
    /// The bot's own user, once a proxy has seen it.
    pub identity: watch::Receiver<Option<UserId>>,
    pub load: load::Load,
    pub arrivals: arriving::Arrivals,
    /// Shards in which a ticket was changed by somebody else.
    pub tickets: arriving::Arrivals,
    /// There is something to do at the [`reception`].
    pub reception: Notify,
}

/// Connections for claims and releases, for events, and for lanes and all the rest. Each has its own, because after a
/// takeover all lanes of the shards go on at once, and a claim or an event that came behind them would wait for them all.
struct Shares {
    claims: u32,
    events: u32,
    lanes: u32,
}

impl Shares {
    /// Two of each at least: a claim that waits needs a second one to end what it waits for.
    fn of(connections: u32) -> Self {
        let claims = (connections / 8).max(2);
        let events = (connections / 2).max(2);
        Self { claims, events, lanes: connections.saturating_sub(claims + events).max(2) }
    }
}

/// Exponential waiting with jitter, 50 ms to 5 s.
#[derive(Debug)]
pub struct Backoff {
    tries: u32,
}

impl Backoff {
    const FIRST: Duration = Duration::from_millis(50);
    const LONGEST: Duration = Duration::from_secs(5);

    pub fn new() -> Self {
        Self { tries: 0 }
    }

    /// Nothing was waited for yet: the failure is worth a log line.
    pub fn is_first(&self) -> bool {
        self.tries == 0
    }

    pub async fn wait(&mut self) {
        self.wait_at_least(Duration::ZERO).await;
    }

    pub async fn wait_at_least(&mut self, least: Duration) {
        let full = Self::FIRST.saturating_mul(1 << self.tries.min(7)).min(Self::LONGEST);
        self.tries += 1;
        tokio::time::sleep(full.mul_f64(0.5 + fastrand::f64() / 2.0).max(least)).await;
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs until `cancel`, then hands its shards over and returns. Errors: what makes a start impossible.
pub async fn run(config: Config, health: &Health, cancel: CancellationToken) -> anyhow::Result<()> {
    crate::metrics::begin_worker(&config.name);
    let connections = |size| store::postgres(&config.database_url, size, config.lease_ttl / 2, &cancel);
    let Shares { claims: of_claims, events, lanes } = Shares::of(config.pool_size);
    let (pool, first) = (connections(lanes).await?, connections(events).await?);
    let for_claims = connections(of_claims).await?;
    crate::migrate::check(&pool).await?;
    let redis = store::redis(&config.redis_url, &cancel).await?;
    let log = EventLog::new(&redis, config.keys.clone());
    // These outlive `cancel`: they are needed to hand the shards over.
    let handed_over = CancellationToken::new();
    let reader = Reader::start(&redis, config.keys.clone(), handed_over.clone());
    let (identity_tx, identity) = watch::channel(None);
    let database = Database::from(pool);
    let embedder = embedder(config.embedding).await?;
    let retriever = Retriever::new(database.clone()).with_embedder(embedder.clone());
    let shared = Arc::new(Shared {
        configs: Configs::new(Database::from(first.clone()), &redis, config.keys.clone()),
        answerer: answerer(config.model.as_ref(), &database, retriever.clone())?,
        retriever,
        desk: lanes::knowledge::Desk::new(&config.discord_api_url, config.pdf.clone())?,
        client: Client::new(&config.proxy_url).context("build the client of HELPLINE_PROXY_URL")?,
        lane_slots: Turns::new(config.lanes),
        turns: Turns::new(usize::try_from(lanes).unwrap_or(usize::MAX)),
        typing_slots: Arc::new(Semaphore::new(config.lanes)),
        identity,
        message_content: config.message_content,
        repair: config.repair,
        load: load::Load::default(),
        arrivals: arriving::Arrivals::default(),
        tickets: arriving::Arrivals::default(),
        reception: Notify::new(),
        pool: database.clone(),
        first: Database::from(first),
    });
    let mut claims_config = claims::Config::new(&config.name, config.keys.clone());
    claims_config.ttl = config.lease_ttl;
    let (claims, ownerships) =
        Claims::start(claims_config, for_claims, &config.session_url, &redis, handed_over.clone())
            .context("join the cluster")?;
    let background = [
        tokio::spawn(janitor::run(database.clone(), claims.clone(), config.repair, cancel.clone())),
        tokio::spawn(watch_identity(redis.shared(), config.keys.clone(), identity_tx, cancel.clone())),
        tokio::spawn(say_content(
            redis.shared(),
            config.keys.clone(),
            config.message_content,
            cancel.clone(),
        )),
        tokio::spawn(load::run(Arc::clone(&shared), cancel.clone())),
        tokio::spawn(arriving::watch(Arc::clone(&shared), config.session_url.clone(), handed_over.clone())),
        tokio::spawn(follow_configs(Arc::clone(&shared), config.session_url.clone(), handed_over.clone())),
        tokio::spawn(ticket_news::watch(Arc::clone(&shared), config.session_url.clone(), cancel.clone())),
        tokio::spawn(silences::run(Arc::clone(&shared), claims.clone(), cancel.clone())),
        tokio::spawn(reception::run(Arc::clone(&shared), claims.clone(), cancel.clone())),
        tokio::spawn(reports::run(Arc::clone(&shared), claims.clone(), cancel.clone())),
        tokio::spawn(view::run(Arc::clone(&shared), claims.clone(), log.clone(), cancel.clone())),
        tokio::spawn(embed(database.clone(), claims.clone(), embedder, cancel.clone())),
    ];

    let work = Work { shared, claims: claims.clone(), reader, log, loops: HashMap::new() };
    let serving = tokio::spawn(health.pulse("shards").of(work.serve(ownerships, handed_over.clone())));
    health::report(&claims, &database, &redis, health, &cancel).await;
    tracing::info!("worker {} hands over its shards", config.name);
    if let Err(error) = claims.drain(config.drain_deadline).await {
        tracing::warn!(%error, "the other workers take over what is left");
    }
    handed_over.cancel();
    let _ = tokio::time::timeout(IN_HAND, serving).await;
    for task in background {
        let _ = task.await;
    }
    tracing::info!("worker {} has left", config.name);
    Ok(())
}

async fn follow_configs(shared: Arc<Shared>, session_url: String, cancel: CancellationToken) {
    shared.configs.follow(&session_url, cancel).await;
}

/// The sentence model, where one is set.
async fn embedder(config: Option<embedding::Config>) -> anyhow::Result<Option<Arc<Embedder>>> {
    let Some(config) = config else { return Ok(None) };
    let embedder = Embedder::open(config).await.context("open the sentence model")?;
    tracing::info!("documents are searched by their meaning too, as {} reads them", embedder.model());
    Ok(Some(Arc::new(embedder)))
}

async fn embed(
    database: Database,
    claims: Claims,
    embedder: Option<Arc<Embedder>>,
    cancel: CancellationToken,
) {
    if let Some(embedder) = embedder {
        vectors::run(database, claims, embedder, cancel).await;
    }
}

/// A chat model where one is set, else the built-in answerer.
fn answerer(
    model: Option<&model::Config>,
    database: &Database,
    retriever: Retriever,
) -> anyhow::Result<Box<dyn Answerer>> {
    let Some(config) = model else { return Ok(Box::new(Extractive::new(retriever))) };
    tracing::info!("answers are written by {}", config.endpoint.name);
    let model = Model::new(config.clone(), database, retriever);
    Ok(Box::new(model.context("build the client of MODEL_API_URL")?))
}

/// A loop and what ends it.
struct Running {
    lease: Lease,
    /// The shard is wanted elsewhere; the lease stays good until the loop has ended.
    let_go: CancellationToken,
    task: JoinHandle<()>,
}

/// The loops of the shards that this worker owns.
struct Work {
    shared: Arc<Shared>,
    claims: Claims,
    reader: Reader,
    log: EventLog,
    loops: HashMap<ShardId, Running>,
}

impl Work {
    /// Until `handed_over`: the news themselves never end, since this side keeps a handle on the claims.
    async fn serve(mut self, mut ownerships: mpsc::Receiver<Ownership>, handed_over: CancellationToken) {
        while let Some(Some(ownership)) = handed_over.run_until_cancelled(ownerships.recv()).await {
            match ownership {
                Ownership::Gained(lease) => self.gained(lease),
                Ownership::Revoked { shard, fence } => self.revoked(shard, &fence).await,
            }
        }
        for Running { lease, task, .. } in self.loops.into_values() {
            lease.stop.cancel();
            let _ = task.await;
        }
    }

    fn gained(&mut self, lease: Lease) {
        let shard = lease.fence.shard;
        tracing::debug!("{shard} is owned at {}", lease.fence.epoch);
        let before = self.loops.remove(&shard);
        let let_go = CancellationToken::new();
        let shard_loop = shard_loop::ShardLoop::new(
            Arc::clone(&self.shared),
            self.claims.clone(),
            self.reader.clone(),
            self.log.clone(),
            lease.clone(),
            let_go.clone(),
        );
        let (claims, fence) = (self.claims.clone(), lease.fence.clone());
        let task = tokio::spawn(async move {
            if let Some(before) = before {
                before.lease.stop.cancel();
                let _ = before.task.await;
            }
            match shard_loop.run().await {
                Ending::Release => release(&claims, &fence).await,
                Ending::Reacquire { above } => claims.reacquire(&fence, above),
            }
        });
        self.loops.insert(shard, Running { lease, let_go, task });
    }

    /// The loop lets its lanes end, then the transaction in hand, and releases; the other shards are not waited for.
    async fn revoked(&mut self, shard: ShardId, fence: &Fence) {
        steps::note(fence, Step::Told);
        match self.loops.get(&shard) {
            Some(running) if running.lease.fence == *fence => running.let_go.cancel(),
            _ => release(&self.claims, fence).await,
        }
    }
}

/// Lets the next owner claim.
async fn release(claims: &Claims, fence: &Fence) {
    if let Err(error) = claims.release(fence).await {
        tracing::warn!(%error, "releasing {}", fence.shard);
    }
}

/// Says for operators whether this worker takes its proxies to read the content of messages.
async fn say_content(redis: Connection, keys: Keys, reads: bool, cancel: CancellationToken) {
    loop {
        if let Err(error) = message_content::say(redis.clone(), &keys, "worker", reads).await {
            tracing::debug!(%error, "it is not said whether the content of messages is read");
        }
        if cancel.run_until_cancelled(tokio::time::sleep(message_content::SAY_EVERY)).await.is_none() {
            return;
        }
    }
}

/// Follows which user the bot is, as the proxies have published it.
async fn watch_identity(
    mut redis: Connection,
    keys: Keys,
    identity: watch::Sender<Option<UserId>>,
    cancel: CancellationToken,
) {
    loop {
        // Nothing is applied before it is known.
        let pause = if identity.borrow().is_some() { 1_000 } else { 50 };
        if cancel.run_until_cancelled(tokio::time::sleep(Duration::from_millis(pause))).await.is_none() {
            return;
        }
        // What Redis has lost or cannot say is kept: the bot's user never changes.
        if let Ok(Some(user)) =
            redis::cmd("GET").arg(keys.bot_user()).query_async::<Option<u64>>(&mut redis).await
        {
            identity.send_if_modified(|known| known.replace(UserId(user)) != Some(UserId(user)));
        }
    }
}
