//! The simulated Redis: streams with incarnations, epochs, sessions, and leases that expire by its own clock.
//!
//! Every method is what one script or command of the product does, in one step. A FLUSHALL forgets everything.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::rc::Rc;

use helpline_cluster::event_log::{Entry, NewEvent, Outcome, Raised};
use helpline_cluster::gateway_session::Session;
use helpline_cluster::ids::{ShardId, StreamId, WorkerId};
use tokio::sync::Notify;

use crate::checker::Checker;
use crate::engine::{Engine, Host, Micros, SECOND, race};

#[derive(Clone, Debug, Default)]
struct Stream {
    entries: VecDeque<Entry>,
    last: Option<StreamId>,
}

#[derive(Clone, Debug, Default)]
struct SessionHash {
    epoch: u64,
    session: Option<Session>,
}

#[derive(Clone, Debug, Default)]
struct State {
    streams: BTreeMap<ShardId, Stream>,
    incarnations: BTreeMap<ShardId, u64>,
    shard_epochs: BTreeMap<ShardId, i64>,
    gateway_epochs: BTreeMap<u32, u64>,
    sessions: BTreeMap<u32, SessionHash>,
    /// Until when, by Redis' clock.
    leases: BTreeMap<WorkerId, Micros>,
}

/// The answer of the publish script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    Outcomes(Vec<Outcome>),
    EpochLost,
    Superseded,
}

/// What a blocking read brings.
#[derive(Clone, Debug)]
pub enum Read {
    /// Possibly none, when the wait was over.
    Entries(Vec<Entry>),
    Wiped,
}

pub struct Redis {
    engine: Engine,
    checker: Checker,
    state: RefCell<State>,
    added: Notify,
    max_entries: Cell<usize>,
    /// Streams that take no more whatever their length.
    closed: RefCell<BTreeSet<ShardId>>,
    /// How often everything was lost, and when last by Redis' clock: era.lua.
    era: Cell<(u64, Option<Micros>)>,
    /// When a lease that stands now was last seen absent.
    absent: RefCell<BTreeMap<WorkerId, Micros>>,
}

impl Redis {
    pub fn new(engine: Engine, checker: Checker) -> Rc<Self> {
        Rc::new(Self {
            engine,
            checker,
            state: RefCell::default(),
            added: Notify::new(),
            max_entries: Cell::new(usize::MAX),
            closed: RefCell::default(),
            era: Cell::new((0, None)),
            absent: RefCell::default(),
        })
    }

    fn now(&self) -> Micros {
        self.engine.local(Host::Redis)
    }

    pub fn flush_all(&self) {
        *self.state.borrow_mut() = State::default();
        self.era.set((self.era.get().0 + 1, Some(self.now())));
        self.checker.wiped();
        self.added.notify_waiters();
    }

    /// At this length a stream takes no more.
    pub fn set_bound(&self, entries: usize) {
        self.max_entries.set(entries);
    }

    /// One stream takes nothing more, as if its byte budget were used up.
    pub fn close_stream(&self, shard: ShardId) {
        self.closed.borrow_mut().insert(shard);
    }

    pub fn open_stream(&self, shard: ShardId) {
        self.closed.borrow_mut().remove(&shard);
    }

    /// Answers the era: to be asked for before Postgres is asked whose a gateway shard is.
    pub fn era(&self) -> u64 {
        self.era.get().0
    }

    /// raise.lua in all slot groups.
    pub fn raise_gateway_epoch(&self, gateway: u32, epoch: u64, era: u64) -> Raised {
        if era != self.era() {
            return Raised::EraOver;
        }
        let mut state = self.state.borrow_mut();
        let stands = state.gateway_epochs.entry(gateway).or_default();
        if *stands > epoch {
            return Raised::Below(*stands);
        }
        *stands = epoch;
        self.checker.gateway_epoch(gateway, epoch);
        Raised::Stands
    }

    /// publish.lua, for one batch of one gateway shard.
    pub fn publish(&self, gateway: u32, epoch: u64, batch: &[NewEvent]) -> Published {
        let mut state = self.state.borrow_mut();
        match state.gateway_epochs.get(&gateway) {
            None => return Published::EpochLost,
            Some(stands) if *stands < epoch => return Published::EpochLost,
            Some(stands) if *stands > epoch => return Published::Superseded,
            Some(_) => {}
        }
        let mut refused: BTreeMap<ShardId, Outcome> = BTreeMap::new();
        let mut outcomes = Vec::with_capacity(batch.len());
        for event in batch {
            let outcome = match refused.get(&event.shard) {
                Some(outcome) => *outcome,
                None => self.add(&mut state, event),
            };
            match outcome {
                Outcome::Published(id) => self.checker.published(event, id),
                _ => _ = refused.insert(event.shard, outcome),
            }
            outcomes.push(outcome);
        }
        drop(state);
        self.added.notify_waiters();
        Published::Outcomes(outcomes)
    }

    fn add(&self, state: &mut State, event: &NewEvent) -> Outcome {
        let Some(&incarnation) = state.incarnations.get(&event.shard) else { return Outcome::NoIncarnation };
        let stream = state.streams.entry(event.shard).or_default();
        if stream.entries.len() >= self.max_entries.get() || self.closed.borrow().contains(&event.shard) {
            return Outcome::Full;
        }
        let seq = match stream.last {
            Some(last) if last.incarnation > incarnation => return Outcome::NoIncarnation,
            Some(last) if last.incarnation == incarnation => last.seq + 1,
            _ => 1,
        };
        let id = StreamId::new(incarnation, seq);
        stream.last = Some(id);
        stream.entries.push_back(Entry {
            id,
            origin: event.origin.clone(),
            kind: event.kind.clone(),
            server: event.server,
            received_at_ms: event.received_at_ms,
            payload: event.payload.clone(),
        });
        Outcome::Published(id)
    }

    /// XREAD BLOCK with the check for loss (lost.lua) that the reader makes about every second.
    pub async fn read(self: Rc<Self>, shard: ShardId, after: StreamId) -> Read {
        for _ in 0..2 {
            let added = self.added.notified();
            let found = self.entries(shard, after);
            if found.iter().any(|entry| entry.id.incarnation != after.incarnation) {
                return Read::Wiped;
            }
            if !found.is_empty() {
                return Read::Entries(found);
            }
            race(added, self.engine.sleep_true(SECOND)).await;
        }
        Read::Entries(self.entries(shard, after))
    }

    fn entries(&self, shard: ShardId, after: StreamId) -> Vec<Entry> {
        let state = self.state.borrow();
        let Some(stream) = state.streams.get(&shard) else { return Vec::new() };
        let first = stream.entries.partition_point(|entry| entry.id <= after);
        stream.entries.iter().skip(first).take(16).cloned().collect()
    }

    /// lost.lua for one shard.
    pub fn is_lost(&self, shard: ShardId, epoch: i64, read_up_to: StreamId) -> bool {
        let mut state = self.state.borrow_mut();
        if state.incarnations.get(&shard) != Some(&read_up_to.incarnation) {
            return true;
        }
        let last = state.streams.get(&shard).and_then(|stream| stream.last);
        let gone = read_up_to.seq != 0
            && last
                .is_none_or(|last| last.incarnation != read_up_to.incarnation || last.seq < read_up_to.seq);
        if gone && state.shard_epochs.get(&shard).is_none_or(|stands| *stands <= epoch) {
            state.incarnations.remove(&shard);
        }
        gone
    }

    pub fn incarnation(&self, shard: ShardId) -> Option<u64> {
        self.state.borrow().incarnations.get(&shard).copied()
    }

    /// begin.lua. Answers the epoch that stands.
    pub fn begin_incarnation(&self, shard: ShardId, epoch: i64, incarnation: u64) -> i64 {
        let mut state = self.state.borrow_mut();
        let owner = state.shard_epochs.entry(shard).or_default();
        if *owner > epoch {
            return *owner;
        }
        *owner = epoch;
        let stands = state.incarnations.entry(shard).or_default();
        *stands = incarnation.max(*stands);
        epoch
    }

    /// open.lua and keep_epochs.lua: whether it was lower or unknown, and what stands.
    pub fn raise_shard_epoch(&self, shard: ShardId, epoch: i64) -> (bool, i64) {
        let mut state = self.state.borrow_mut();
        let stands = state.shard_epochs.entry(shard).or_default();
        let raised = epoch > *stands;
        *stands = epoch.max(*stands);
        (raised, *stands)
    }

    pub fn shard_epoch(&self, shard: ShardId) -> Option<i64> {
        self.state.borrow().shard_epochs.get(&shard).copied()
    }

    /// trim.lua.
    pub fn trim(&self, shard: ShardId, epoch: i64, below: StreamId) {
        let mut state = self.state.borrow_mut();
        if state.shard_epochs.get(&shard) != Some(&epoch) {
            return;
        }
        if let Some(stream) = state.streams.get_mut(&shard) {
            stream.entries.retain(|entry| entry.id >= below);
        }
    }

    /// The id of the last entry; none when there is no stream.
    pub fn last_id(&self, shard: ShardId) -> Option<StreamId> {
        self.state.borrow().streams.get(&shard).and_then(|stream| stream.last)
    }

    pub fn renew_lease(&self, worker: WorkerId, ttl: Micros) {
        if self.lease_is_gone(worker) {
            self.absent.borrow_mut().insert(worker, self.engine.now());
        }
        self.state.borrow_mut().leases.insert(worker, self.now() + ttl);
        self.checker.renewed_in_redis(worker);
    }

    /// is_there.lua. None: it is not there, and Redis was wiped less than a TTL ago.
    pub fn lease_is_there(&self, worker: WorkerId, ttl: Micros) -> Option<bool> {
        let there = !self.lease_is_gone(worker);
        let young = self.era.get().1.is_some_and(|since| self.now() < since + ttl);
        (there || !young).then_some(there)
    }

    pub fn lease_is_gone(&self, worker: WorkerId) -> bool {
        self.state.borrow().leases.get(&worker).is_none_or(|until| *until <= self.now())
    }

    /// Whether the lease was absent at some time in the last second.
    pub fn lease_was_gone(&self, worker: WorkerId) -> bool {
        let recently =
            self.absent.borrow().get(&worker).is_some_and(|at| at + 2 * SECOND > self.engine.now());
        recently || self.lease_is_gone(worker)
    }

    /// None: a later epoch has loaded it.
    pub fn load_session(&self, gateway: u32, epoch: u64) -> Option<Option<Session>> {
        let mut state = self.state.borrow_mut();
        let hash = state.sessions.entry(gateway).or_default();
        if hash.epoch > epoch {
            return None;
        }
        hash.epoch = epoch;
        Some(hash.session.clone())
    }

    /// False: superseded.
    pub fn save_session(&self, gateway: u32, epoch: u64, session: Option<Session>) -> bool {
        let mut state = self.state.borrow_mut();
        let hash = state.sessions.entry(gateway).or_default();
        if hash.epoch > epoch {
            return false;
        }
        if let Some(session) = &session {
            self.checker.sequence_saved(&session.session_id, session.sequence);
        }
        *hash = SessionHash { epoch, session };
        true
    }

    /// None: superseded. False: Redis does not have this session.
    pub fn save_sequence(&self, gateway: u32, epoch: u64, session: &str, sequence: u64) -> Option<bool> {
        let mut state = self.state.borrow_mut();
        let hash = state.sessions.entry(gateway).or_default();
        if hash.epoch > epoch {
            return None;
        }
        hash.epoch = epoch;
        let Some(saved) = hash.session.as_mut().filter(|saved| saved.session_id == session) else {
            return Some(false);
        };
        if sequence > saved.sequence {
            saved.sequence = sequence;
            self.checker.sequence_saved(session, sequence);
        }
        Some(true)
    }
}
