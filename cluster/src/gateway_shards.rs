//! The gateway shards of one proxy: proxies are members as workers are, and share the gateway shards between them.
//!
//! [`GatewayClaims::start`] joins and keeps this proxy's share claimed. The consumer gets a [`Lease`] for each gateway
//! shard that it is to hold, and has to call [`GatewayClaims::release`] or [`GatewayClaims::retire`] once what it ran
//! for it has ended. There is no leader: every proxy computes the same [`plan`] from the same rows.
//!
//! Promises: two proxies never both believe in one epoch of a gateway shard, because Postgres hands it out; a dead
//! proxy's are free as soon as its peers see its session end (through a pooler after the TTL). While Postgres is away
//! nobody can claim anything, so a holder goes on as long as its lease in Redis is renewed; when neither is, its
//! [`SelfFence`] expires, and it stops connecting and publishing until one of them is back.
//! What it publishes is fenced by the gateway shard's epoch in Redis, whatever it believes.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::claims::signals::{Signals, raise};
use crate::clock::{Clock, SystemClock};
use crate::ids::{GatewayShard, ProxyId};
use crate::keys::Keys;
use crate::lease::{RedisLease, SelfFence};
use crate::membership::{self, PATIENCE};
use crate::redis_link::RedisLink;

mod life;
pub mod plan;
pub mod store;

use store::{Holding, Won};
pub use store::{Phase, Snapshot};

/// Leases that the consumer has not taken yet; when full, claiming waits for it.
const NEWS: usize = 1024;
/// Tasks of a whole process's life: lives, and the listener.
const LOOPS: usize = 2;

#[derive(Debug, Clone)]
pub struct Config {
    /// For people: stands in `helpline.proxies.name`.
    pub name: String,
    /// How long a silent proxy keeps its gateway shards; equal for all proxies.
    pub ttl: Duration,
    pub keys: Keys,
    /// Whether to try if session locks work on the direct connection, and to rely on them if they do.
    pub session_locks: bool,
    /// How many gateway shards the first set has; later ones are set by [`store::rise`].
    pub first_total: u32,
    /// What the self-fence measures with.
    pub clock: Arc<dyn Clock>,
}

impl Config {
    pub fn new(name: impl Into<String>, keys: Keys, first_total: u32) -> Self {
        Self {
            name: name.into(),
            ttl: Duration::from_secs(5),
            keys,
            session_locks: true,
            first_total: first_total.max(1),
            clock: Arc::new(SystemClock),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read the url of the direct postgres connection: {0}")]
    SessionUrl(#[source] sqlx::Error),
    #[error("ask whose a gateway shard is: {0}")]
    Unanswered(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// The right to hold a gateway shard.
#[derive(Debug, Clone)]
pub struct Lease {
    pub gateway: GatewayShard,
    /// To be raised in Redis before anything is published.
    pub epoch: u64,
    pub owner: ProxyId,
    pub phase: watch::Receiver<Phase>,
    /// To be asked before connecting and publishing.
    pub self_fence: Arc<SelfFence>,
    /// Cancelled when another proxy waits for it: publish and save what is there, then release.
    pub release: CancellationToken,
    /// Cancelled when it is ours no more: stop at once. Cancels `release` too.
    pub lost: CancellationToken,
    /// Told by the consumer: whether the session is up.
    pub up: watch::Sender<bool>,
}

impl Lease {
    const fn holding(&self) -> Holding {
        Holding { gateway: self.gateway, owner: self.owner, epoch: self.epoch }
    }
}

/// How things stand, for health and metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Whether this proxy has joined and looked at the gateway shards at least once.
    pub joined: bool,
    /// Peers would see its death within milliseconds.
    pub fast: bool,
    /// Living proxies, this one included.
    pub proxies: usize,
    /// Gateway shards that are this proxy's by the plan.
    pub share: usize,
    /// Those that it holds.
    pub held: usize,
    /// Gateway shards of all sets that nobody holds.
    pub unheld: usize,
    /// Gateway shards of all sets.
    pub all: usize,
    /// The total of the set that serves, and of one that rises.
    pub serving: Option<u32>,
    pub rising: Option<u32>,
}

/// One gateway shard in this proxy's hands.
#[derive(Debug)]
struct Held {
    epoch: u64,
    phase: watch::Sender<Phase>,
    release: CancellationToken,
    lost: CancellationToken,
    up: watch::Receiver<bool>,
}

/// Handle on the gateway shards of this process; clones share them.
#[derive(Debug, Clone)]
pub struct GatewayClaims {
    shared: Arc<Shared>,
}

struct Shared {
    config: Config,
    pool: PgPool,
    session: PgConnectOptions,
    redis: RedisLease,
    held: Mutex<HashMap<GatewayShard, Held>>,
    /// Changes with `held`.
    changed: watch::Sender<u64>,
    signals: Signals,
    news: mpsc::Sender<Lease>,
    member: Mutex<Option<ProxyId>>,
    report: watch::Sender<Report>,
    draining: watch::Sender<bool>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").field("config", &self.config).finish_non_exhaustive()
    }
}

impl GatewayClaims {
    /// Joins in the background and claims what the plan gives. Needs a running tokio runtime. `session_url` is a direct
    /// connection; `cancel` ends everything, and peers take over at once.
    ///
    /// # Errors
    /// For URLs that cannot be read; outages are waited out.
    pub fn start(
        config: Config,
        pool: PgPool,
        session_url: &str,
        redis: &RedisLink,
        cancel: &CancellationToken,
    ) -> Result<(Self, mpsc::Receiver<Lease>), Error> {
        let session: PgConnectOptions = session_url.parse().map_err(Error::SessionUrl)?;
        let (news, listener) = mpsc::channel(NEWS);
        let shared = Arc::new(Shared {
            redis: RedisLease::new(redis.shared_within(config.ttl / 3), config.keys.clone(), config.ttl),
            config,
            pool,
            session,
            held: Mutex::default(),
            changed: watch::Sender::new(0),
            signals: Signals::new(),
            news,
            member: Mutex::new(None),
            report: watch::Sender::new(Report::default()),
            draining: watch::Sender::new(false),
            cancel: cancel.child_token(),
            tasks: TaskTracker::new(),
        });
        let url = session_url.to_owned();
        shared.tasks.spawn(shared.signals.clone().listen(url, String::new, shared.cancel.clone()));
        shared.tasks.spawn(Arc::clone(&shared).live());
        shared.tasks.close();
        Ok((Self { shared }, listener))
    }

    /// Whether what joins, claims and listens is still there: false after a panic in it, or once it was stopped.
    pub fn runs(&self) -> bool {
        self.shared.tasks.len() >= LOOPS
    }

    /// The id under which this process is a member; `None` while it is joining.
    pub fn proxy(&self) -> Option<ProxyId> {
        self.shared.member()
    }

    /// How things stand; changes when they do.
    pub fn report(&self) -> watch::Receiver<Report> {
        self.shared.report.subscribe()
    }

    /// Raises the lease's epoch above one that stands in Redis. False: it is ours no more.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn raise_epoch(&self, lease: &mut Lease, stands: u64) -> Result<bool, sqlx::Error> {
        let raised = store::raise_epoch(&self.shared.pool, lease.holding(), stands).await?;
        let Some(epoch) = raised else { return Ok(false) };
        if let Some(held) = self.shared.lock().get_mut(&lease.gateway)
            && held.epoch == lease.epoch
        {
            held.epoch = epoch;
        }
        lease.epoch = epoch;
        Ok(true)
    }

    /// Whether the gateway shard is ours under the lease's epoch. To be asked after
    /// [`Publisher::eras`](crate::event_log::Publisher::eras) and before the epoch is raised in Redis.
    ///
    /// # Errors
    /// [`Error::Unanswered`]: Postgres cannot be asked, or takes too long.
    pub async fn holds(&self, lease: &Lease) -> Result<bool, Error> {
        let asking = membership::within(PATIENCE, store::holds(&self.shared.pool, lease.holding()));
        asking.await.map_err(|error| Error::Unanswered(error.into()))
    }

    /// What ran for the lease has ended; another proxy, or this one, may claim the gateway shard.
    pub async fn release(&self, lease: &Lease) {
        self.give_back(lease, store::release(&self.shared.pool, lease.holding())).await;
    }

    /// The session of a closing gateway shard has ended, and everything of it is published.
    pub async fn retire(&self, lease: &Lease) {
        self.give_back(lease, store::retire(&self.shared.pool, lease.holding())).await;
    }

    /// Only then out of the books: a look in between would find a row that is ours and that nobody runs, and claim it
    /// again. After a failure that is what mends it.
    async fn give_back(&self, lease: &Lease, writing: impl Future<Output = Result<(), sqlx::Error>>) {
        if let Err(error) = membership::within(PATIENCE, writing).await {
            tracing::debug!(%error, "{} is given back later", lease.gateway);
        }
        self.shared.forget(lease);
        raise(&self.shared.signals.mine);
    }

    /// Discord will not have a set of this size: gives it up while it only rises. True: it did, or it was gone.
    ///
    /// # Errors
    /// When Postgres cannot be asked.
    pub async fn abandon(&self, total: u32) -> Result<bool, sqlx::Error> {
        store::abandon(&self.shared.pool, Some(total)).await.map(|gone| gone.is_some())
    }

    /// The consumer told a lease that its session is up or down.
    pub fn look_again(&self) {
        raise(&self.shared.signals.mine);
    }

    /// Gives every gateway shard back, each as soon as the consumer has released it, then leaves. At the deadline it
    /// leaves with what is left, and peers take that over.
    pub async fn drain(&self, deadline: Duration) {
        let shared = &self.shared;
        let deadline = Instant::now() + deadline;
        shared.draining.send_replace(true);
        if let Some(proxy) = shared.member() {
            // Before the first release, so that nothing comes back here.
            let telling = timeout(Duration::from_secs(1), store::set_draining(&shared.pool, proxy));
            drop(timeout_at(deadline, telling).await);
        }
        for held in shared.lock().values() {
            held.release.cancel();
        }
        let mut changed = shared.changed.subscribe();
        let given_back = async { while !shared.lock().is_empty() && changed.changed().await.is_ok() {} };
        drop(timeout_at(deadline, given_back).await);
        shared.cancel.cancel();
        shared.tasks.wait().await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<GatewayShard, Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn member(&self) -> Option<ProxyId> {
        *self.member.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn forget(&self, lease: &Lease) {
        let mut held = self.lock();
        // A lease of an earlier life may end after the next one has begun.
        if held.get(&lease.gateway).is_some_and(|held| held.epoch == lease.epoch) {
            held.remove(&lease.gateway);
        }
        drop(held);
        raise(&self.changed);
    }

    /// Takes a claim into the books and tells the consumer.
    async fn enter(&self, won: Won, owner: ProxyId, fence: &Arc<SelfFence>, life: &CancellationToken) {
        let lost = life.child_token();
        let (phase, phase_seen) = watch::channel(won.phase);
        let (up, up_seen) = watch::channel(false);
        let release = lost.child_token();
        let lease = Lease {
            gateway: won.gateway,
            epoch: won.epoch,
            owner,
            phase: phase_seen,
            self_fence: Arc::clone(fence),
            release: release.clone(),
            lost: lost.clone(),
            up,
        };
        let held = Held { epoch: won.epoch, phase, release, lost, up: up_seen };
        self.lock().insert(won.gateway, held);
        raise(&self.changed);
        if self.news.send(lease).await.is_err() {
            tracing::debug!("nobody takes {} any more", won.gateway);
        }
    }

    /// Everything stops: the life is over.
    fn lose_all(&self) {
        let held = std::mem::take(&mut *self.lock());
        for held in held.values() {
            held.lost.cancel();
        }
        raise(&self.changed);
    }

    /// By total, what is planned for this proxy.
    fn share(plan: &BTreeMap<GatewayShard, ProxyId>, me: ProxyId) -> Vec<GatewayShard> {
        plan.iter().filter(|(_, proxy)| **proxy == me).map(|(gateway, _)| *gateway).collect()
    }
}
