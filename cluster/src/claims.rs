//! The shards of one worker: ties liveness, the plan, claims and the event log together.
//!
//! [`Claims::start`] joins the cluster and keeps this worker's shards in line with the leader's plan. The
//! consumer gets a [`Lease`] for each shard it is to apply, and has to call [`Claims::release`] for every
//! one of them once its loop has stopped: because it was revoked, because `stop` was cancelled, or because
//! the fence was superseded. A shard is not handed out again before that (or one TTL later).
//!
//! Postgres and Redis may be away at any time. When neither renews in time, every lease stops; afterwards
//! the shards are claimed anew. A worker that was declared dead stops its leases and joins under a new id.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::clock::{Clock, SystemClock};
use crate::event_log::EventLog;
use crate::fence::Fence;
use crate::ids::{Epoch, StreamId, WorkerId};
use crate::keys::Keys;
use crate::lease::{self, RedisLease, SelfFence};
use crate::membership::session::{End, Session};
use crate::membership::watch::Watch;
use crate::membership::{self, Kind, PATIENCE};
use crate::placement;
use crate::redis_link::RedisLink;

mod drain;
pub mod held;
mod leader;
mod levelling;
mod log;
mod reconcile;
mod renew;
pub(crate) mod signals;
pub mod steps;

pub use log::Error as LogError;

use held::Held;
use leader::Leader;
use levelling::Levelling;
use log::Log;
use reconcile::Reconciler;
use signals::{Signals, raise};
use steps::Step;

/// Tasks of a whole process's life: lives, and the listener.
const LOOPS: usize = 2;
/// News that the consumer has not read yet; when full, claiming waits for him.
const NEWS: usize = 1024;

#[derive(Debug, Clone)]
pub struct Config {
    /// For people: stands in `helpline.workers.name`.
    pub name: String,
    /// How long a silent worker keeps its shards; default 5 s, at least 200 ms. Equal in the whole cluster.
    pub ttl: Duration,
    pub keys: Keys,
    /// Used while this worker is the leader.
    pub placement: placement::Params,
    /// The same for moves of servers between shards.
    pub server_placement: placement::servers::Params,
    /// Whether to try if session locks work on the direct connection, and to rely on them if they do.
    /// False: deaths are seen by the TTL alone.
    pub session_locks: bool,
    /// What the self-fence measures with.
    pub clock: Arc<dyn Clock>,
}

impl Config {
    pub fn new(name: impl Into<String>, keys: Keys) -> Self {
        Self {
            name: name.into(),
            ttl: Duration::from_secs(5),
            keys,
            placement: placement::Params::default(),
            server_placement: placement::servers::Params::default(),
            session_locks: true,
            clock: Arc::new(SystemClock),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("read the url of the direct postgres connection: {0}")]
    SessionUrl(#[source] sqlx::Error),
    #[error("release a shard: {0}")]
    Release(#[source] sqlx::Error),
    #[error("release a shard: postgres did not answer in time; it is tried again")]
    ReleaseTimedOut,
    /// Nobody took over in time, or the consumer did not release. The worker has left nevertheless.
    #[error("drain: {left} shards were not handed over in time")]
    DrainTimedOut { left: usize },
}

/// What the consumer has to do with a shard.
#[derive(Debug)]
pub enum Ownership {
    /// Apply it from the lease's cursor on.
    Gained(Lease),
    /// Finish what is being applied, then call [`Claims::release`]: another worker waits for it.
    Revoked { shard: crate::ids::ShardId, fence: Fence },
}

/// The right to apply a shard.
#[derive(Debug, Clone)]
pub struct Lease {
    pub fence: Fence,
    /// The stream is applied up to here.
    pub cursor: StreamId,
    /// The former owner did not release it, or one before left the marker of its first events: what ended it may come next.
    pub on_trial: bool,
    /// To be asked before each write and each request to the outside.
    pub self_fence: Arc<SelfFence>,
    /// Cancelled when the shard must not be applied any more; then call [`Claims::release`].
    pub stop: CancellationToken,
}

/// Handle on the claims of this process; clones share them.
#[derive(Debug, Clone)]
pub struct Claims {
    shared: Arc<Shared>,
}

/// A worker's present life.
#[derive(Debug, Clone)]
struct Member {
    id: WorkerId,
    fast: bool,
}

struct Shared {
    config: Config,
    pool: PgPool,
    session: PgConnectOptions,
    redis: RedisLease,
    log: Log,
    held: Held,
    waiting_claims: Semaphore,
    signals: Signals,
    news: mpsc::Sender<Ownership>,
    member: Mutex<Option<Member>>,
    leading: Mutex<Option<watch::Receiver<bool>>>,
    draining: watch::Sender<bool>,
    cancel: CancellationToken,
    tasks: TaskTracker,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("config", &self.config)
            .field("member", &self.member)
            .finish_non_exhaustive()
    }
}

impl Claims {
    /// Joins the cluster in the background and claims what the plan gives. Needs a running tokio runtime.
    /// `session_url` is a direct connection; `cancel` ends everything, and peers take over at once.
    ///
    /// # Errors
    /// [`Error::SessionUrl`] for a URL that cannot be read; outages are waited out.
    pub fn start(
        config: Config,
        pool: PgPool,
        session_url: &str,
        redis: &RedisLink,
        cancel: CancellationToken,
    ) -> Result<(Self, mpsc::Receiver<Ownership>), Error> {
        let session: PgConnectOptions = session_url.parse().map_err(Error::SessionUrl)?;
        let every = config.ttl / 3;
        let redis = redis.shared_within(every);
        let (news, listener) = mpsc::channel(NEWS);
        let shared = Arc::new(Shared {
            redis: RedisLease::new(redis.clone(), config.keys.clone(), config.ttl),
            log: Log { pool: pool.clone(), log: EventLog::on(redis, config.keys.clone()) },
            held: Held::new(),
            waiting_claims: Semaphore::new(lease::waiting_claims(&pool)),
            config,
            pool,
            session,
            signals: Signals::new(),
            news,
            member: Mutex::new(None),
            leading: Mutex::default(),
            draining: watch::Sender::new(false),
            // A child: draining ends this worker without ending what the caller's token stands for.
            cancel: cancel.child_token(),
            tasks: TaskTracker::new(),
        });
        let url = session_url.to_owned();
        let me = Arc::clone(&shared);
        let my_id = move || me.member().map(|member| member.id.get().to_string()).unwrap_or_default();
        shared.tasks.spawn(shared.signals.clone().listen(url, my_id, shared.cancel.clone()));
        shared.tasks.spawn(Arc::clone(&shared).live());
        shared.tasks.close();
        Ok((Self { shared }, listener))
    }

    /// The id under which this process is a member; `None` while it is joining.
    pub fn worker(&self) -> Option<WorkerId> {
        self.shared.member().map(|member| member.id)
    }

    /// Whether peers would see the death of this process within milliseconds; false = only by the TTL
    /// (session locks do not work through this connection), or not joined yet.
    pub fn liveness_fast(&self) -> bool {
        self.shared.member().is_some_and(|member| member.fast)
    }

    /// Whether this process plans for the whole cluster now. A hint: for what does no harm when two do it.
    pub fn leads(&self) -> bool {
        let leading = self.shared.leading.lock().unwrap_or_else(PoisonError::into_inner);
        // The sender goes with the life that it is of.
        leading.as_ref().is_some_and(|leading| leading.has_changed().is_ok() && *leading.borrow())
    }

    /// Whether what joins, claims and listens is still there: false after a panic in it, or once it was stopped.
    pub fn runs(&self) -> bool {
        self.shared.tasks.len() >= LOOPS
    }

    /// The shards that the consumer is to apply at the moment.
    pub fn running(&self) -> Vec<Fence> {
        self.shared.held.running()
    }

    /// The consumer has stopped applying the shard: the next owner may claim it. Waits for open
    /// transactions under the fence. A fence that is not valid any more is no error.
    ///
    /// # Errors
    /// [`Error::Release`], [`Error::ReleaseTimedOut`]: it is tried again in the background.
    pub async fn release(&self, fence: &Fence) -> Result<(), Error> {
        let shared = &self.shared;
        shared.held.remove(fence);
        let releasing = timeout(PATIENCE, lease::release(&shared.pool, fence));
        let released = match releasing.await {
            Ok(Ok(released)) => Ok(released),
            Ok(Err(error)) => Err(Error::Release(error)),
            Err(_) => Err(Error::ReleaseTimedOut),
        };
        // Another may be waiting for this one to be gone from the list, the present life for an old fence.
        raise(&shared.signals.mine);
        if matches!(released, Ok(true)) {
            steps::note(fence, Step::Released);
        }
        released.map(drop)
    }

    /// The consumer has stopped applying the shard, and does not know what stands: the answer to a commit was lost, or
    /// a higher epoch was met outside Postgres (`above`). The shard stays with this worker and comes back as a new
    /// lease, under an epoch above all of these, once no transaction of the present one is open any more. Until then
    /// nothing may be read of what it wrote. Where another has claimed it meanwhile it does not come back.
    pub fn reacquire(&self, fence: &Fence, above: Option<Epoch>) {
        self.shared.reacquire(fence, above);
    }

    /// Redis does not have the stream any more under the incarnation that the consumer reads: begins a new
    /// one where that is so, and says where to read on.
    ///
    /// # Errors
    /// [`LogError`]; call again unless the fence was superseded.
    pub async fn log_wiped(&self, fence: &Fence) -> Result<StreamId, LogError> {
        self.shared.log.ensure(fence, &mut false).await
    }

    /// Hands every shard over to other workers, then leaves. The consumer gets [`Ownership::Revoked`] for
    /// each and has to go on releasing. Without other workers the shards are just released. At the deadline
    /// all leases are stopped.
    ///
    /// # Errors
    /// [`Error::DrainTimedOut`].
    pub async fn drain(&self, deadline: Duration) -> Result<(), Error> {
        let shared = &self.shared;
        let deadline = Instant::now() + deadline;
        shared.draining.send_replace(true);
        let drained = timeout_at(deadline, shared.drained()).await.is_ok();
        let left = if drained { 0 } else { shared.held.len() };
        if !drained {
            shared.held.stop_all(Instant::now());
            let released = async {
                let mut changed = shared.held.changed.subscribe();
                while !shared.held.is_empty() && changed.changed().await.is_ok() {}
            };
            // Loops that end now still get to release; the others are fenced out by their next owner.
            drop(timeout(Duration::from_secs(1).min(shared.config.ttl), released).await);
        }
        shared.cancel.cancel();
        self.stopped().await;
        if drained { Ok(()) } else { Err(Error::DrainTimedOut { left }) }
    }

    /// Resolves when every task of the claims has ended, after the token was cancelled or a drain.
    pub async fn stopped(&self) {
        self.shared.tasks.wait().await;
    }
}

impl Shared {
    fn member(&self) -> Option<Member> {
        self.member.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_member(&self, member: Option<Member>) {
        *self.member.lock().unwrap_or_else(PoisonError::into_inner) = member;
    }

    fn is_draining(&self) -> bool {
        *self.draining.borrow()
    }

    fn count_shards(&self) {
        let running = u32::try_from(self.held.running().len()).unwrap_or(u32::MAX);
        metrics::gauge!("helpline_shards_owned").set(running);
    }

    /// Forgets the lease and keeps the fence row: it is ours and not in use, so that the reconciler claims it anew.
    fn reacquire(&self, fence: &Fence, above: Option<Epoch>) {
        if let Some(above) = above {
            self.held.claim_above(fence.shard, above);
        }
        self.held.remove(fence);
        raise(&self.signals.mine);
    }

    /// Life after life, until cancelled.
    async fn live(self: Arc<Self>) {
        let mut pause = Duration::from_millis(50);
        while !self.cancel.is_cancelled() {
            let asked_at = Instant::now();
            let joining = tokio::select! {
                () = self.cancel.cancelled() => return,
                joining = Session::join(&self.session, Kind::Worker, &self.config.name, self.config.session_locks) => joining,
            };
            match joining {
                Ok(session) => {
                    pause = Duration::from_millis(50);
                    self.live_once(session, asked_at).await;
                }
                Err(error) => tracing::warn!(%error, "{} could not join the cluster yet", self.config.name),
            }
            tokio::select! {
                () = self.cancel.cancelled() => return,
                () = sleep(pause.mul_f64(0.5 + fastrand::f64())) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn live_once(self: &Arc<Self>, session: Session, asked_at: Instant) {
        let (id, key, fast) = (session.id, session.key, session.fast);
        if fast {
            tracing::info!("{id} joined as {}", self.config.name);
        } else {
            tracing::warn!(
                "{id} joined without session locks (a pooler?): its death is seen after {:?} only",
                self.config.ttl
            );
        }
        let fence = Arc::new(SelfFence::new(self.config.ttl, Arc::clone(&self.config.clock)));
        fence.renewed(asked_at);
        self.set_member(Some(Member { id, fast }));
        let life = self.cancel.child_token();
        let tasks = TaskTracker::new();
        self.spawn_tasks(id, key, fast, &fence, &life, &tasks);
        let held = Arc::clone(self);
        let statuses = move || held.held.statuses();
        let membership = self.signals.membership.subscribe();
        let end = session.keep(self.config.ttl, Arc::clone(&fence), membership, statuses, life.clone()).await;
        if end == End::DeclaredDead {
            tracing::warn!("{id} was declared dead: it gives up its shards and joins anew");
        }
        fence.revoke();
        life.cancel();
        self.held.stop_all(Instant::now());
        self.set_member(None);
        self.count_shards();
        tasks.close();
        tasks.wait().await;
        let leaving = async {
            if let Err(error) = membership::leave(&self.pool, id).await {
                tracing::debug!(%error, "{id} could not leave; its peers will see it");
            }
            self.redis.give_up(id).await
        };
        drop(timeout(self.config.ttl.min(Duration::from_secs(1)), leaving).await);
    }

    fn spawn_tasks(
        self: &Arc<Self>,
        id: WorkerId,
        key: i32,
        fast: bool,
        fence: &Arc<SelfFence>,
        life: &CancellationToken,
        tasks: &TaskTracker,
    ) {
        let watch = Watch {
            kind: Kind::Worker,
            options: self.session.clone(),
            id,
            key,
            fast,
            ttl: self.config.ttl,
            redis: self.redis.clone(),
            membership: self.signals.membership.subscribe(),
        };
        let (leads, is_leading) = watch::channel(false);
        *self.leading.lock().unwrap_or_else(PoisonError::into_inner) = Some(is_leading.clone());
        let (weights, weighed) = watch::channel(levelling::Weights::default());
        let levelling = Levelling {
            pool: self.pool.clone(),
            params: self.config.server_placement,
            leads: is_leading,
            weights,
        };
        tasks.spawn(levelling.run(life.clone()));
        let leader = Leader {
            options: self.session.clone(),
            id,
            fast,
            ttl: self.config.ttl,
            params: self.config.placement,
            membership: self.signals.membership.subscribe(),
            placement: self.signals.placement.subscribe(),
            leads,
            weights: weighed,
        };
        let reconciler = Reconciler {
            shared: Arc::clone(self),
            id,
            self_fence: Arc::clone(fence),
            life: life.clone(),
            tasks: tasks.clone(),
        };
        tasks.spawn(watch.run(life.clone()));
        tasks.spawn(leader.run(life.clone()));
        tasks.spawn(reconciler.run());
        tasks.spawn(Arc::clone(self).renew_in_redis(id, Arc::clone(fence), life.clone()));
        tasks.spawn(Arc::clone(self).stop_when_expired(Arc::clone(fence), life.clone()));
    }
}
