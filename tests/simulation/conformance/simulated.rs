//! The simulated store behind the contract's interface.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use helpline::proxy::gaps::{self, Missed, Places};
use helpline_cluster::consumer::{self, HeldStep, Item, Place, State, Step};
use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{Epoch, GatewayShard, MoveId, ServerId, ShardId, StreamId};
use helpline_cluster::membership::evidence::{Cause, Sight};

use super::moves::{self, THIRD};
use super::{OTHER, Refused, SHARD};
use crate::checker::Checker;
use crate::engine::{Engine, First, Host, MS, SECOND, race};
use crate::node::TTL_MICROS;
use crate::store::locks::Row;
use crate::store::members::Role;
use crate::store::{Client, Fail, Locking, Store, StreamRow, TxId};
use crate::trace::Trace;

const CLIENT: Client = Client { host: Host::Worker(0), life: 1 };

pub struct Simulated {
    store: Rc<Store>,
    /// Whose transactions they are.
    shards: RefCell<BTreeMap<TxId, ShardId>>,
}

/// Runs a behaviour in a world of its own.
pub fn run<F: Future<Output = ()> + 'static>(behaviour: impl FnOnce(Simulated) -> F) {
    let engine = Engine::new(1, Trace::last(50));
    engine.add_host(Host::Postgres, 1_000_000, 0);
    let checker = Checker::new(engine.clone(), TTL_MICROS);
    let store = Store::new(engine.clone(), checker, 60 * SECOND);
    [SHARD, OTHER, THIRD].into_iter().for_each(|shard| store.add_shard(shard));
    engine.block_on(Host::Postgres, 30 * SECOND, behaviour(Simulated { store, shards: RefCell::default() }));
    engine.dismantle();
}

impl Simulated {
    /// A worker that is a member, and to whom the shard is assigned; whoever was before is dead.
    fn next_owner(&self, shard: ShardId) -> helpline_cluster::ids::WorkerId {
        let worker = helpline_cluster::ids::WorkerId(self.store.engine.uuid());
        let before = self.store.tables().fences[&shard].owner;
        let session = self.store.open_session(CLIENT);
        if let Some(before) = before {
            let vouching = self.store.session_of(before);
            vouching.into_iter().for_each(|session| self.store.end_session(session));
            let sight = Sight { id: before, held: false, beat: 0 };
            self.store.bury(session, sight, Cause::SessionEnded);
        }
        let session = self.store.open_session(CLIENT);
        self.store.join(session, worker, Role::Worker).expect("the session is new");
        self.store.change(|tables| tables.assignments.insert(shard, worker));
        worker
    }
}

fn refused(fail: Fail) -> Refused {
    match fail {
        Fail::Superseded | Fail::EpochTaken(_) => Refused::Superseded,
        Fail::Elsewhere(_) => Refused::Elsewhere,
        Fail::Lost | Fail::OutcomeUnknown => Refused::Gone,
    }
}

impl super::Store for Simulated {
    type Tx = TxId;

    async fn claim(&self, shard: ShardId) -> Fence {
        let worker = self.next_owner(shard);
        let claim = Rc::clone(&self.store).claim_held(CLIENT, worker, shard, Epoch(0)).await;
        claim.expect("it does not wait for too long").expect("it may be claimed").fence
    }

    async fn release(&self, fence: &Fence) -> bool {
        self.store.release_fence(CLIENT, fence).await.expect("it does not wait for ever")
    }

    async fn begin(&self, fence: &Fence) -> Result<TxId, Refused> {
        let tx = self.store.new_id();
        self.shards.borrow_mut().insert(tx, fence.shard);
        self.store.begin(tx, CLIENT, fence, Locking::Lock).await.map(|()| tx).map_err(refused)
    }

    async fn lock_server(&self, tx: &mut TxId, server: ServerId) -> Result<(), Refused> {
        self.store.lock_server(*tx, server, Locking::Lock).await.map_err(refused)
    }

    async fn move_cursor(&self, tx: &mut TxId, to: StreamId) -> bool {
        self.store.move_cursor(*tx, to).await.expect("the transaction is open")
    }

    async fn remember(&self, tx: &mut TxId, key: &str) -> bool {
        self.store.remember(*tx, key).await.expect("the transaction is open")
    }

    async fn commit(&self, tx: TxId) -> Result<(), Refused> {
        self.store.commit(tx).map_err(refused)
    }

    async fn rollback(&self, tx: TxId) {
        self.store.rollback(tx);
    }

    async fn cursor(&self, shard: ShardId) -> StreamId {
        self.store.tables().streams[&shard].cursor
    }

    async fn begin_incarnation(&self, shard: ShardId, incarnation: u64) {
        let row = StreamRow { cursor: StreamId::start_of(incarnation) };
        self.store.change(|tables| tables.streams.insert(shard, row));
    }

    async fn put_server(&self, server: ServerId, shard: ShardId) {
        let tx = self.store.new_id();
        self.store.open(tx, CLIENT).expect("it is new");
        self.store.lock_row(tx, Row::Server(server)).await.expect("it does not wait for ever");
        self.store.change(|tables| tables.server_shards.insert(server, shard));
        self.store.rollback(tx);
    }

    async fn waits<F: Future>(&self, work: Pin<&mut F>) -> bool {
        // Below the time after which a claim ends idle transactions that block it.
        matches!(race(work, self.store.engine.sleep_true(50 * MS)).await, First::Right(()))
    }
}

impl Simulated {
    fn shard(&self, tx: TxId) -> ShardId {
        self.shards.borrow()[&tx]
    }

    async fn place(&self, tx: TxId, server: ServerId) -> Place {
        let place = self.store.place(tx, self.shard(tx), server, Locking::Lock).await;
        place.expect("the transaction is open")
    }
}

impl moves::Moves for Simulated {
    async fn plan_move(&self, server: ServerId, to: ShardId) -> Option<MoveId> {
        self.store.plan_move(server, to)
    }

    async fn state(&self, id: MoveId) -> State {
        let tables = self.store.tables();
        tables.moves.values().find(|moving| moving.id == id).map_or(State::Done, |moving| moving.state)
    }

    async fn step(&self, tx: &mut TxId, server: ServerId, item: Item) -> Step {
        consumer::step(self.shard(*tx), item, &self.place(*tx, server).await)
    }

    async fn held_step(&self, tx: &mut TxId, server: ServerId) -> HeldStep {
        consumer::held_step(self.shard(*tx), &self.place(*tx, server).await)
    }

    async fn leave(&self, tx: &mut TxId, server: ServerId, to: ShardId) -> bool {
        let left = self.store.leave(*tx, server, self.shard(*tx), to, Locking::Lock).await;
        left.expect("the transaction is open")
    }

    async fn hold(&self, tx: &mut TxId, server: ServerId, shard: ShardId, event: u64) {
        let held = self.store.hold(*tx, server, shard, &moves::entry(server, event));
        held.expect("the transaction is open");
    }

    async fn next_held(&self, tx: &mut TxId, server: ServerId) -> Vec<u64> {
        let held = self.store.next_held(*tx, server, self.shard(*tx)).expect("the transaction is open");
        held.iter().map(|(_, entry)| moves::event(&entry.origin)).collect()
    }

    async fn forget_held(&self, tx: &mut TxId, server: ServerId) {
        let held = self.store.next_held(*tx, server, self.shard(*tx)).expect("the transaction is open");
        let positions: Vec<u64> = held.iter().map(|(position, _)| *position).collect();
        self.store.forget_held(*tx, server, &positions).expect("the transaction is open");
    }

    async fn pass_on(&self, tx: &mut TxId, server: ServerId, to: ShardId) {
        self.store.pass_on(*tx, server, self.shard(*tx), to).expect("the transaction is open");
    }

    async fn finish(&self, tx: &mut TxId, server: ServerId, moved_in: &[MoveId]) {
        let moved_in: BTreeSet<MoveId> = moved_in.iter().copied().collect();
        self.store.finish(*tx, server, self.shard(*tx), moved_in).expect("the transaction is open");
    }

    async fn read_for_gap(&self, shard: Option<ShardId>) -> BTreeSet<ServerId> {
        let missed = Missed {
            cause: gaps::Cause::StreamFull,
            shard,
            from_ms: Some(0),
            interactions: 0,
            places: Places::default(),
        };
        let (_, channels) = self.store.open_gap(GatewayShard::new(0, 1), &missed);
        // The only channel of a server has its id.
        channels.into_iter().map(ServerId).collect()
    }

    async fn arrivals(&self, shard: ShardId) -> BTreeSet<ServerId> {
        self.store.arrivals(shard)
    }
}
