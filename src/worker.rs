//! The worker role: claims shards, applies their events, answers, and carries effects out through the proxy.
//!
//! [`shard_loop`] owns one shard for as long as its lease lasts; [`apply`] turns events into commands inside one fenced
//! transaction (T1); [`lanes`] answer (T2) and deliver; [`configs`] caches what admins set; [`janitor`] deletes what
//! has served its time.

pub mod apply;
pub mod configs;
pub mod janitor;
pub mod lanes;
pub mod shard_loop;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use helpline_cluster::claims::{self, Claims, Lease, Ownership};
use helpline_cluster::event_log::{EventLog, Reader};
use helpline_cluster::fence;
use helpline_cluster::ids::ShardId;
use helpline_cluster::keys::Keys;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::answer::Answerer;
use crate::answer::extract::Extractive;
use crate::answer::retrieve::Retriever;
use crate::deliver::client::Client;
use crate::discord::UserId;

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
    pub pool_size: u32,
    /// How long a stop may take before what is left is abandoned to the next owner.
    pub drain_deadline: Duration,
}

/// What the loops of all shards share.
pub struct Shared {
    pub pool: sqlx::PgPool,
    pub configs: configs::Configs,
    pub answerer: Box<dyn Answerer>,
    pub client: Client,
    pub lane_slots: Arc<Semaphore>,
    /// The bot's own user, once a proxy has seen it.
    pub identity: watch::Receiver<Option<UserId>>,
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
pub async fn run(config: Config, health: &crate::admin::Health, cancel: CancellationToken) -> anyhow::Result<()> {
    let pool = crate::store::postgres(&config.database_url, config.pool_size, config.lease_ttl / 2, &cancel).await?;
    crate::migrate::check(&pool).await?;
    let redis = crate::store::redis(&config.redis_url, &cancel).await?;
    let log = EventLog::new(redis.clone(), config.keys.clone()).await.context("open the event log")?;
    let reader = Reader::start(redis.clone(), config.keys.clone(), cancel.child_token());
    let (identity_tx, identity) = watch::channel(None);

    let shared = Arc::new(Shared {
        configs: configs::Configs::new(pool.clone()),
        answerer: Box::new(Extractive::new(Retriever::new(pool.clone()))),
        client: Client::new(&config.proxy_url).context("build the client of HELPLINE_PROXY_URL")?,
        lane_slots: Arc::new(Semaphore::new(config.lanes)),
        identity,
        pool: pool.clone(),
    });
    let claims_config =
        claims::Config { name: config.name.clone(), ttl: config.lease_ttl, keys: config.keys.clone() };
    // The claims outlive `cancel`: they are needed to hand over.
    let claims_end = CancellationToken::new();
    let (claims, ownerships) =
        Claims::start(claims_config, pool.clone(), config.session_url.clone(), redis.clone(), claims_end.clone())
            .await
            .context("join the cluster")?;
    let background = [
        tokio::spawn(janitor::run(pool.clone(), cancel.clone())),
        tokio::spawn(watch_identity(redis, config.keys.clone(), identity_tx, cancel.clone())),
    ];
    health.set("shards", claims.is_member());
    tracing::info!("worker {} has joined the cluster", config.name);

    let work = Work { shared, claims: claims.clone(), reader, log, loops: HashMap::new() };
    let serving = tokio::spawn(work.serve(ownerships));
    cancel.cancelled().await;
    tracing::info!("worker {} hands over its shards", config.name);
    let drained = tokio::time::timeout(config.drain_deadline, claims.drain()).await;
    if !matches!(drained, Ok(Ok(()))) {
        tracing::warn!("not every shard was handed over in time; the others take over what is left");
    }
    claims_end.cancel();
    let _ = tokio::time::timeout(Duration::from_secs(2), serving).await;
    for task in background {
        let _ = task.await;
    }
    Ok(())
}

/// The loops of the shards that this worker owns.
struct Work {
    shared: Arc<Shared>,
    claims: Claims,
    reader: Reader,
    log: EventLog,
    loops: HashMap<ShardId, (Lease, JoinHandle<()>)>,
}

impl Work {
    async fn serve(mut self, mut ownerships: mpsc::Receiver<Ownership>) {
        while let Some(ownership) = ownerships.recv().await {
            match ownership {
                Ownership::Gained(lease) => self.gained(lease).await,
                Ownership::Revoked { shard, fence } => self.revoked(shard, fence),
            }
        }
        for (lease, task) in self.loops.into_values() {
            lease.stop.cancel();
            let _ = task.await;
        }
    }

    async fn gained(&mut self, lease: Lease) {
        let shard = lease.fence.shard;
        if let Some((old, task)) = self.loops.remove(&shard) {
            old.stop.cancel();
            let _ = task.await;
        }
        tracing::debug!("{shard} is owned at {}", lease.fence.epoch);
        let shard_loop = shard_loop::ShardLoop::new(
            Arc::clone(&self.shared),
            self.claims.clone(),
            self.reader.clone(),
            self.log.clone(),
            lease.clone(),
        );
        self.loops.insert(shard, (lease, tokio::spawn(shard_loop.run())));
    }

    /// Finishes the transaction in hand, then lets the next owner claim; other shards are not waited for.
    fn revoked(&mut self, shard: ShardId, fence: fence::Fence) {
        let running = self.loops.remove(&shard);
        let claims = self.claims.clone();
        tokio::spawn(async move {
            if let Some((lease, task)) = running {
                lease.stop.cancel();
                let _ = task.await;
            }
            if let Err(error) = claims.release(&fence).await {
                tracing::warn!(%error, "releasing {shard}");
            }
        });
    }
}

/// Follows which user the bot is, as the proxies have published it.
async fn watch_identity(
    redis: redis::Client,
    keys: Keys,
    identity: watch::Sender<Option<UserId>>,
    cancel: CancellationToken,
) {
    let mut every = tokio::time::interval(Duration::from_secs(1));
    let mut connection = None;
    loop {
        if cancel.run_until_cancelled(every.tick()).await.is_none() {
            return;
        }
        if connection.is_none() {
            connection = redis.get_multiplexed_async_connection().await.ok();
        }
        let Some(open) = &mut connection else { continue };
        match redis::cmd("GET").arg(keys.bot_user()).query_async::<Option<u64>>(open).await {
            Ok(Some(user)) => {
                identity.send_if_modified(|known| std::mem::replace(known, Some(UserId(user))) != Some(UserId(user)));
            }
            Ok(None) => {}
            Err(_) => connection = None,
        }
    }
}
