//! The membership of a process, as `cluster::claims` and `cluster::membership` keep it: joining, heartbeat, Redis lease,
//! self-fence, watching the peers, standing for leader. `SelfFence` and `Evidence` are the product's; the rest is
//! glue.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::clock::Clock;
use helpline_cluster::ids::WorkerId;
use helpline_cluster::lease::SelfFence;
use helpline_cluster::membership::evidence::{Cause, Evidence, Finding};
use helpline_cluster::placement::Params;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::engine::Host;
use crate::mutation::Mutation;
use crate::node::{Node, TTL, TTL_MICROS};
use crate::store::Store;
use crate::store::members::Role;

/// One life as a member: from joining until it is declared dead.
#[derive(Clone)]
pub struct Life {
    pub node: Node,
    pub id: WorkerId,
    pub fence: Arc<SelfFence>,
    pub over: CancellationToken,
    session: Rc<Cell<u64>>,
}

impl Life {
    /// To be asked before each write and each request to the outside.
    pub fn may_act(&self) -> bool {
        self.fence.is_valid() || (self.node.world.is(Mutation::NoSelfFence) && !self.over.is_cancelled())
    }

    pub fn spawn(&self, job: impl Future<Output = ()> + 'static) {
        let over = self.over.clone();
        self.node.spawn(async move { _ = over.run_until_cancelled(job).await });
    }

    /// Resolves when it may not act any more.
    pub async fn expired(&self) {
        while self.may_act() {
            self.node.sleep(self.fence.remaining().max(Duration::from_millis(100))).await;
        }
    }

    fn now(&self) -> Instant {
        self.node.world.engine.clock(self.node.host()).now()
    }
}

/// Lives as a member, again and again; `begin` starts what a life does.
pub async fn live(node: Node, role: Role, begin: impl Fn(Life), end: impl Fn(&Life)) {
    loop {
        if let Some(life) = join(&node, role).await {
            let (fence, over) = (Arc::clone(&life.fence), life.over.clone());
            let mutated = node.world.is(Mutation::NoSelfFence);
            let believes = move || !over.is_cancelled() && (mutated || fence.is_valid());
            node.world.checker.believes(node.client, life.id, believes);
            node.note(|| format!("joins as {}", life.id));
            life.spawn(renew_in_redis(life.clone()));
            life.spawn(watch(life.clone()));
            life.spawn(lead(life.clone()));
            begin(life.clone());
            keep(&life).await;
            node.note(|| format!("{} was declared dead and joins anew", life.id));
            life.fence.revoke();
            life.over.cancel();
            node.world.checker.believes_no_more(life.id);
            end(&life);
        }
        node.sleep(node.jittered(Duration::from_millis(100))).await;
    }
}

async fn join(node: &Node, role: Role) -> Option<Life> {
    let (id, client) = (node.new_worker_id(), node.client);
    let clock: Arc<dyn Clock> = node.world.engine.clock(node.host());
    let asked_at = clock.now();
    let joining = node.postgres(move |store| {
        let session = store.open_session(client);
        store.join(session, id, role).map(|()| session)
    });
    let session = joining.await.ok().flatten()?;
    let fence = Arc::new(SelfFence::new(TTL, clock));
    fence.renewed(asked_at);
    let over = CancellationToken::new();
    Some(Life { node: node.clone(), id, fence, over, session: Rc::new(Cell::new(session)) })
}

/// The heartbeat, until the row is gone.
async fn keep(life: &Life) {
    let every = TTL / 3;
    loop {
        let (asked_at, id, session) = (life.now(), life.id, life.session.get());
        let beaten = life.node.postgres_within(every, move |store| store.heartbeat(session, id)).await;
        match beaten {
            Ok(Some(true)) => life.fence.renewed(asked_at),
            Ok(Some(false)) => return,
            Ok(None) | Err(_) => {
                reconnect(life).await;
                continue;
            }
        }
        let relocking = life.node.postgres_within(every, move |store| store.relock(session, id));
        drop(relocking.await);
        life.node.sleep(life.node.jittered(every)).await;
    }
}

/// Another connection. The old one may linger in Postgres, and with it the lock.
async fn reconnect(life: &Life) {
    let mut backoff = life.node.backoff();
    let old = life.session.get();
    let store = Rc::clone(&life.node.world.store);
    life.node.world.network.post(life.node.host(), Host::Postgres, move || store.end_session(old));
    loop {
        let (id, client) = (life.id, life.node.client);
        let connecting = life.node.postgres(move |store| {
            let session = store.open_session(client);
            store.relock(session, id);
            session
        });
        if let Ok(session) = connecting.await {
            life.session.set(session);
            return;
        }
        backoff.wait().await;
    }
}

async fn renew_in_redis(life: Life) {
    let every = TTL / 3;
    loop {
        let (asked_at, id) = (life.now(), life.id);
        let renewing = life.node.redis(move |redis| redis.renew_lease(id, TTL_MICROS));
        if renewing.await.is_ok() {
            life.fence.extended(asked_at);
        }
        life.node.sleep(life.node.jittered(every)).await;
    }
}

/// Looks at everybody's lock and heartbeat once a round, without prejudice on each new connection.
async fn watch(life: Life) {
    let round = TTL / 10;
    loop {
        if let Some(connection) = Connection::open(&life.node).await {
            watch_on(&life, connection.session, round).await;
        }
        life.node.sleep(life.node.jittered(Duration::from_millis(300))).await;
    }
}

/// `cluster::membership::evidence`, the product's, says whom to suspect and what proves it.
async fn watch_on(life: &Life, session: u64, round: Duration) {
    let mut evidence = Evidence::new(TTL, true, life.now());
    loop {
        let me = life.id;
        let looking = life.node.postgres(move |store| store.snapshot(session, me));
        let Ok(Some(sights)) = looking.await else { return };
        if life.node.world.is(Mutation::LeaseAlone) {
            for sight in &sights {
                bury_by_lease_alone(life, sight.id).await;
            }
        }
        for (id, cause) in evidence.look(&sights, life.now()) {
            let Some(sight) = sights.iter().find(|sight| sight.id == id).copied() else { continue };
            let finding = match cause {
                // Taken, if it is free, in the statement that buries.
                Cause::SessionEnded => Finding::Lock { taken: true },
                Cause::Silence => {
                    let asked = life.node.redis(move |redis| redis.lease_is_there(id, TTL_MICROS)).await;
                    Finding::Lease { there: asked.ok().flatten() }
                }
            };
            if cause.is_proved_by(finding) {
                let _ = life.node.postgres(move |store| store.bury(session, sight, cause)).await;
            }
        }
        life.node.sleep(life.node.jittered(round)).await;
    }
}

async fn bury_by_lease_alone(life: &Life, id: WorkerId) {
    if life.node.redis(move |redis| redis.lease_is_gone(id)).await == Ok(true) {
        drop(life.node.postgres(move |store| store.bury_unseen(id)).await);
    }
}

/// A direct connection, closed when its holder lets go of it.
struct Connection {
    node: Node,
    session: u64,
}

impl Connection {
    async fn open(node: &Node) -> Option<Self> {
        let client = node.client;
        let session = node.postgres(move |store| store.open_session(client)).await.ok()?;
        Some(Self { node: node.clone(), session })
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let (store, session) = (Rc::clone(&self.node.world.store), self.session);
        self.node.world.network.post(self.node.host(), Host::Postgres, move || store.end_session(session));
    }
}

/// Stands for leader and plans once a round.
async fn lead(life: Life) {
    loop {
        let Some(connection) = Connection::open(&life.node).await else {
            life.node.sleep(Duration::from_millis(500)).await;
            continue;
        };
        let session = connection.session;
        let planning = move |store: &Store| {
            let leads = store.try_lead(session);
            if leads {
                store.plan_once(&Params::default());
            }
            leads || store.has_session(session)
        };
        while life.node.postgres(planning).await == Ok(true) {
            life.node.sleep(life.node.jittered(Duration::from_millis(500))).await;
        }
    }
}
