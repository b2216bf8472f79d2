//! A process of the world: which host it runs on, and how it speaks to the stores.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{ServerId, WorkerId};

use crate::checker::Checker;
use crate::discord::Discord;
use crate::engine::{Engine, Host, MS, Micros};
use crate::mutation::Mutation;
use crate::network::{Lost, Network};
use crate::redis::Redis;
use crate::store::{Client, Fail, Locking, Store, TxId};

pub const TTL: Duration = Duration::from_secs(5);
pub const TTL_MICROS: Micros = 5_000 * MS;
/// Longest wait for one statement.
const PATIENCE: Duration = Duration::from_secs(2);

/// What all processes of a world share.
pub struct World {
    pub engine: Engine,
    pub network: Network,
    pub checker: Checker,
    pub store: Rc<Store>,
    pub redis: Rc<Redis>,
    pub discord: Rc<Discord>,
    pub mutation: Option<Mutation>,
    pub proxies: u8,
    pub workers: u8,
    /// Entries that a gateway shard's backlog holds.
    pub backlog: usize,
    /// What each proxy's REST side knows.
    pub egress: RefCell<crate::rest::Known>,
    /// What waits at each proxy for its first reply.
    pub deferrals: RefCell<BTreeMap<Host, Rc<crate::proxy::defer::Deferrals>>>,
}

impl World {
    pub fn is(&self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }
}

/// Cheap to clone; one for each life of a process.
#[derive(Clone)]
pub struct Node {
    pub world: Rc<World>,
    pub client: Client,
}

impl Node {
    pub fn host(&self) -> Host {
        self.client.host
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        self.world.engine.note(|| format!("{}: {}", self.host(), line()));
    }

    pub async fn sleep(&self, span: Duration) {
        self.world.engine.sleep(self.host(), span).await;
    }

    /// A span of up to a tenth less.
    pub fn jittered(&self, span: Duration) -> Duration {
        let micros = u64::try_from(span.as_micros()).expect("a short span");
        Duration::from_micros(micros - self.world.engine.below(micros / 10))
    }

    pub fn spawn(&self, job: impl Future<Output = ()> + 'static) {
        self.world.engine.spawn(self.host(), job);
    }

    /// One statement, or several that make one step, without a transaction around them.
    pub async fn postgres<R: 'static>(&self, ask: impl FnOnce(&Store) -> R + 'static) -> Result<R, Lost> {
        self.postgres_within(PATIENCE, ask).await
    }

    pub async fn postgres_within<R: 'static>(
        &self,
        patience: Duration,
        ask: impl FnOnce(&Store) -> R + 'static,
    ) -> Result<R, Lost> {
        let store = Rc::clone(&self.world.store);
        self.world.network.call(self.host(), Host::Postgres, patience, move || ask(&store)).await
    }

    /// A statement that may have to wait for locks.
    pub async fn postgres_waiting<R: 'static, F>(&self, ask: impl FnOnce(Rc<Store>) -> F) -> Result<R, Lost>
    where
        F: Future<Output = R> + 'static,
    {
        let work = ask(Rc::clone(&self.world.store));
        self.world.network.call_async(self.host(), Host::Postgres, Duration::from_secs(5), work).await
    }

    pub async fn redis<R: 'static>(&self, ask: impl FnOnce(&Redis) -> R + 'static) -> Result<R, Lost> {
        let redis = Rc::clone(&self.world.redis);
        self.world.network.call(self.host(), Host::Redis, PATIENCE, move || ask(&redis)).await
    }

    /// Begins a fenced transaction, for one server where one is given.
    pub async fn begin(&self, fence: &Fence, server: Option<ServerId>) -> Result<FencedTx, Fail> {
        let id = self.world.store.new_id();
        let tx = FencedTx { node: self.clone(), id, over: false };
        let (fence, client) = (fence.clone(), self.client);
        let shard_rows = self.locking(Mutation::NoShardFence);
        let server_rows = self.locking(Mutation::NoServerFence);
        tx.run(move |store, tx| async move {
            store.begin(tx, client, &fence, shard_rows).await?;
            match server {
                Some(server) => store.lock_server(tx, server, server_rows).await,
                None => Ok(()),
            }
        })
        .await?;
        Ok(tx)
    }

    pub fn locking(&self, unless: Mutation) -> Locking {
        if self.world.is(unless) { Locking::Skip } else { Locking::Lock }
    }

    pub fn backoff(&self) -> Backoff {
        Backoff { node: self.clone(), pause: Duration::from_millis(50) }
    }

    pub fn new_worker_id(&self) -> WorkerId {
        WorkerId(self.world.engine.uuid())
    }
}

/// An open transaction as its client holds it; dropped, the connection says so to Postgres when it can.
pub struct FencedTx {
    node: Node,
    id: TxId,
    over: bool,
}

impl FencedTx {
    pub async fn run<R: 'static, F>(&self, statement: impl FnOnce(Rc<Store>, TxId) -> F) -> Result<R, Fail>
    where
        F: Future<Output = Result<R, Fail>> + 'static,
    {
        let id = self.id;
        match self.node.postgres_waiting(|store| statement(store, id)).await {
            Ok(answer) => answer,
            Err(Lost) => Err(Fail::Lost),
        }
    }

    pub async fn commit(mut self) -> Result<(), Fail> {
        let id = self.id;
        let done = self.node.postgres(move |store| store.commit(id)).await;
        self.over = matches!(done, Ok(Ok(())));
        done.unwrap_or(Err(Fail::OutcomeUnknown))
    }
}

impl Drop for FencedTx {
    fn drop(&mut self) {
        if !self.over {
            let (store, id) = (Rc::clone(&self.node.world.store), self.id);
            self.node.world.network.post(self.node.host(), Host::Postgres, move || store.rollback(id));
        }
    }
}

/// Exponential waiting, 50 ms to 2 s.
pub struct Backoff {
    node: Node,
    pause: Duration,
}

impl Backoff {
    pub async fn wait(&mut self) {
        let pause = self.node.jittered(self.pause);
        self.pause = (self.pause * 2).min(Duration::from_secs(2));
        self.node.sleep(pause).await;
    }
}
