//! The simulated Postgres: tables, serialisable enough transactions, row locks, sessions and advisory locks.
//!
//! It honours the contract of `cluster::fence`: a transaction holds its fence row and the rows of its servers FOR SHARE,
//! a claim or a move waits for those, a key that an open transaction remembers is waited for, and writes are seen
//! from the commit on. `conformance.rs` runs the same behaviours against this and against the real Postgres.
//! Clients are told apart by host and life, so that a crash ends what that life had open.

use std::cell::{Ref, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use helpline::conversation::command::AnswerJob;
use helpline::conversation::state::Conversation;
use helpline::deliver::{Effect, OutboxKey};
use helpline::discord::ChannelId;
use helpline_cluster::consumer::Move;
use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{Epoch, ServerId, ShardId, StreamId, WorkerId};
use uuid::Uuid;

use crate::checker::Checker;
use crate::engine::{Engine, Host, MS, Micros};

pub mod claims;
pub mod gaps;
pub mod locks;
pub mod members;
pub mod moves;

use locks::{Locks, Mode, Row};

/// A process's life: a restarted one has other connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Client {
    pub host: Host,
    pub life: u32,
}

/// Chosen by the client, so that it can give up a transaction whose beginning it never heard of.
pub type TxId = u64;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fail {
    /// Redis, or a proxy, knows a higher epoch than ours: the shard is claimed anew, above it.
    EpochTaken(Epoch),
    /// The statement's outcome is unknown, or the connection is gone: nothing is committed.
    Lost,
    /// The answer to a commit was lost: it may have taken effect, or still may.
    OutcomeUnknown,
    Superseded,
    Elsewhere(ServerId),
}

#[derive(Clone, Debug)]
pub struct FenceRow {
    pub epoch: i64,
    pub token: Uuid,
    pub owner: Option<WorkerId>,
}

/// `shard_streams`.
#[derive(Clone, Copy, Debug)]
pub struct StreamRow {
    pub cursor: StreamId,
}

#[derive(Clone, Debug)]
pub struct OutboxRow {
    pub server: ServerId,
    pub conversation: Option<Uuid>,
    pub key: OutboxKey,
    pub effect: Effect,
    pub sent: bool,
    /// When it was first tried, or looked for in vain.
    pub tried_at: Option<Micros>,
}

#[derive(Clone, Debug)]
pub struct JobRow {
    pub server: ServerId,
    pub conversation: Uuid,
    pub job: AnswerJob,
}

#[derive(Default)]
pub struct Tables {
    pub members: BTreeMap<WorkerId, members::Member>,
    pub fences: BTreeMap<ShardId, FenceRow>,
    pub assignments: BTreeMap<ShardId, WorkerId>,
    pub gateways: BTreeMap<u32, claims::GatewayRow>,
    pub server_shards: BTreeMap<ServerId, ShardId>,
    pub streams: BTreeMap<ShardId, StreamRow>,
    pub event_keys: BTreeSet<String>,
    pub conversations: BTreeMap<(ServerId, Uuid), Conversation>,
    pub threads: BTreeMap<(ServerId, ChannelId), Uuid>,
    pub jobs: BTreeMap<u64, JobRow>,
    pub outbox: BTreeMap<u64, OutboxRow>,
    /// The open ones.
    pub moves: BTreeMap<ServerId, Move>,
    /// Those that are done; the product keeps them for a day.
    pub past_moves: Vec<Move>,
    /// By server and position.
    pub held: BTreeMap<(ServerId, u64), moves::HeldRow>,
    /// Those that are not repaired.
    pub gaps: BTreeMap<u64, gaps::GapRow>,
}

impl Tables {
    pub fn fence_is(&self, fence: &Fence) -> bool {
        self.fences.get(&fence.shard).is_some_and(|row| {
            (row.epoch, row.token, row.owner) == (fence.epoch.0, fence.claim_token, Some(fence.owner))
        })
    }
}

type Write = Box<dyn FnOnce(&mut Tables)>;

/// What a transaction has done so far; nobody else sees it.
struct Tx {
    client: Client,
    fence: Option<Fence>,
    writes: Vec<Write>,
    /// Servers whose rows it writes.
    servers: BTreeSet<ServerId>,
    cursor: Option<StreamId>,
    keys: BTreeSet<String>,
    conversations: BTreeMap<Uuid, Conversation>,
    held: Vec<moves::HeldChange>,
    /// Statements that run at the moment.
    running: u32,
    idle_since: Micros,
    /// Noted for the checker at the commit.
    effects: Vec<crate::checker::Effect>,
}

/// What a transaction began with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Locking {
    Lock,
    /// A broken build: rows are neither locked nor looked at.
    Skip,
}

pub struct Store {
    pub engine: Engine,
    pub checker: Checker,
    tables: RefCell<Tables>,
    txs: RefCell<BTreeMap<TxId, Tx>>,
    /// Given up before they began.
    void: RefCell<BTreeSet<TxId>>,
    locks: Locks,
    sessions: RefCell<BTreeMap<u64, members::Session>>,
    next: RefCell<u64>,
    idle_limit: Micros,
}

impl Store {
    pub fn new(engine: Engine, checker: Checker, idle_limit: Micros) -> Rc<Self> {
        Rc::new(Self {
            engine,
            checker,
            tables: RefCell::default(),
            txs: RefCell::default(),
            void: RefCell::default(),
            locks: Locks::default(),
            sessions: RefCell::default(),
            next: RefCell::new(0),
            idle_limit,
        })
    }

    pub fn tables(&self) -> Ref<'_, Tables> {
        self.tables.borrow()
    }

    /// For setting up a world, and for statements that need no lock but the one of the moment.
    pub fn change<T>(&self, change: impl FnOnce(&mut Tables) -> T) -> T {
        change(&mut self.tables.borrow_mut())
    }

    pub fn new_id(&self) -> u64 {
        let mut next = self.next.borrow_mut();
        *next += 1;
        *next
    }

    pub fn open(&self, tx: TxId, client: Client) -> Result<(), Fail> {
        if self.void.borrow_mut().remove(&tx) {
            return Err(Fail::Lost);
        }
        let idle_since = self.engine.now();
        let new = Tx {
            client,
            fence: None,
            writes: Vec::new(),
            servers: BTreeSet::new(),
            cursor: None,
            keys: BTreeSet::new(),
            conversations: BTreeMap::new(),
            held: Vec::new(),
            running: 0,
            idle_since,
            effects: Vec::new(),
        };
        self.txs.borrow_mut().insert(tx, new);
        Ok(())
    }

    /// `FencedTx::begin`.
    pub async fn begin(&self, tx: TxId, client: Client, fence: &Fence, locking: Locking) -> Result<(), Fail> {
        self.open(tx, client)?;
        let _running = self.running(tx)?;
        self.with(tx, |tx| tx.fence = Some(fence.clone()))?;
        if locking == Locking::Skip {
            return Ok(());
        }
        self.locks.lock(self, tx, Row::Fence(fence.shard), Mode::Share).await?;
        if !self.tables().fence_is(fence) {
            self.rollback(tx);
            return Err(Fail::Superseded);
        }
        Ok(())
    }

    /// `FencedTx::lock_server`; the transaction stays usable when the server is elsewhere.
    pub async fn lock_server(&self, tx: TxId, server: ServerId, locking: Locking) -> Result<(), Fail> {
        let _running = self.running(tx)?;
        self.with(tx, |tx| _ = tx.servers.insert(server))?;
        if locking == Locking::Skip {
            return Ok(());
        }
        let shard = self.with(tx, |tx| tx.fence.as_ref().map(|fence| fence.shard))?;
        // A row that does not match is not waited for.
        if self.tables().server_shards.get(&server).copied() == shard {
            self.locks.lock(self, tx, Row::Server(server), Mode::Share).await?;
            if self.tables().server_shards.get(&server).copied() == shard {
                return Ok(());
            }
            self.locks.unlock(tx, &Row::Server(server));
        }
        self.with(tx, |tx| _ = tx.servers.remove(&server))?;
        Err(Fail::Elsewhere(server))
    }

    /// `FencedTx::move_cursor`.
    pub async fn move_cursor(&self, tx: TxId, to: StreamId) -> Result<bool, Fail> {
        let _running = self.running(tx)?;
        let (shard, own) = self.with(tx, |tx| (tx.fence.as_ref().map(|fence| fence.shard), tx.cursor))?;
        let shard = shard.ok_or(Fail::Superseded)?;
        self.locks.lock(self, tx, Row::Stream(shard), Mode::Exclusive).await?;
        let at = own.unwrap_or(self.tables().streams[&shard].cursor);
        if at.incarnation != to.incarnation || at.seq >= to.seq {
            return Ok(false);
        }
        self.with(tx, |tx| tx.cursor = Some(to))?;
        Ok(true)
    }

    /// `FencedTx::remember_event`.
    pub async fn remember(&self, tx: TxId, key: &str) -> Result<bool, Fail> {
        let _running = self.running(tx)?;
        self.locks.lock(self, tx, Row::Key(key.to_owned()), Mode::Exclusive).await?;
        let known = self.tables().event_keys.contains(key);
        let new = self.with(tx, |tx| !known && tx.keys.insert(key.to_owned()))?;
        Ok(new)
    }

    /// Changes a row that is waited for when another transaction holds it. The change is made at the commit.
    pub async fn lock_row(&self, tx: TxId, row: Row) -> Result<(), Fail> {
        let _running = self.running(tx)?;
        self.locks.lock(self, tx, row, Mode::Exclusive).await
    }

    /// Adds to what the commit writes. The rows' server has to be among those locked, and the checker holds it to that.
    pub fn write(&self, tx: TxId, write: impl FnOnce(&mut Tables) + 'static) -> Result<(), Fail> {
        self.with(tx, |tx| tx.writes.push(Box::new(write)))
    }

    /// The transaction writes rows of this server.
    pub fn writes_server(&self, tx: TxId, server: ServerId) -> Result<(), Fail> {
        self.with(tx, |tx| _ = tx.servers.insert(server))
    }

    /// A conversation as this transaction has left it.
    pub fn changed_conversation(&self, tx: TxId, id: Uuid) -> Result<Option<Conversation>, Fail> {
        self.with(tx, |tx| tx.conversations.get(&id).cloned())
    }

    pub fn change_conversation(&self, tx: TxId, conversation: Conversation) -> Result<(), Fail> {
        self.with(tx, |tx| _ = tx.conversations.insert(conversation.id, conversation))
    }

    /// Tells the checker, if the transaction commits.
    pub fn effect(&self, tx: TxId, effect: crate::checker::Effect) -> Result<(), Fail> {
        self.with(tx, |tx| tx.effects.push(effect))
    }

    /// # Errors
    /// The transaction had been ended: nothing of it happened.
    pub fn commit(&self, id: TxId) -> Result<(), Fail> {
        let Some(tx) = self.txs.borrow_mut().remove(&id) else { return Err(Fail::Lost) };
        let from;
        {
            let tables = self.tables();
            let old =
                tx.fence.as_ref().and_then(|fence| tables.streams.get(&fence.shard)).map(|row| row.cursor);
            from = old;
            let cursor = tx.cursor.zip(old).map(|(to, from)| (from, to));
            self.checker.committing(&tables, tx.fence.as_ref(), &tx.servers, &tx.effects, cursor);
        }
        let mut tables = self.tables.borrow_mut();
        tx.held.into_iter().for_each(|change| tables.change_held(change));
        for write in tx.writes {
            write(&mut tables);
        }
        tables.event_keys.extend(tx.keys);
        if let (Some(cursor), Some(fence)) = (tx.cursor, &tx.fence) {
            tables.streams.insert(fence.shard, StreamRow { cursor });
        }
        self.checker.committed(&tables, tx.fence.as_ref(), from, tx.cursor);
        drop(tables);
        self.locks.release(id);
        Ok(())
    }

    pub fn rollback(&self, id: TxId) {
        if self.txs.borrow_mut().remove(&id).is_none() {
            self.void.borrow_mut().insert(id);
        }
        self.locks.release(id);
    }

    pub fn is_open(&self, tx: TxId) -> bool {
        self.txs.borrow().contains_key(&tx)
    }

    /// The kernel of a host has closed the connections of a life.
    pub fn client_gone(&self, client: Client) {
        let open: Vec<TxId> =
            self.txs.borrow().iter().filter(|(_, tx)| tx.client == client).map(|(&id, _)| id).collect();
        for tx in open {
            self.rollback(tx);
        }
        let sessions: Vec<u64> =
            self.sessions.borrow().iter().filter(|(_, s)| s.client == client).map(|(&id, _)| id).collect();
        for session in sessions {
            self.end_session(session);
        }
    }

    /// The direct connections of a host end, its transactions go on.
    pub fn end_sessions(&self, host: Host) {
        self.sessions.borrow_mut().retain(|_, session| session.client.host != host);
    }

    /// Restart: every connection and open transaction ends, nothing committed is lost.
    pub fn restart(&self) {
        let open: Vec<TxId> = self.txs.borrow().keys().copied().collect();
        for tx in open {
            self.rollback(tx);
        }
        let sessions: Vec<u64> = self.sessions.borrow().keys().copied().collect();
        for session in sessions {
            self.end_session(session);
        }
    }

    /// Ends transactions whose client has done nothing for too long (idle_in_transaction_session_timeout).
    pub async fn sweep(self: Rc<Self>) {
        loop {
            self.engine.sleep_true(250 * MS).await;
            let limit = self.idle_limit;
            let idle: Vec<TxId> = self.idle_for(limit).collect();
            for tx in idle {
                self.engine.note(|| format!("postgres: transaction {tx} was idle for too long"));
                self.rollback(tx);
            }
        }
    }

    fn idle_for(&self, limit: Micros) -> impl Iterator<Item = TxId> {
        let now = self.engine.now();
        let idle: Vec<TxId> = {
            let txs = self.txs.borrow();
            txs.iter()
                .filter(|(_, tx)| tx.running == 0 && now - tx.idle_since > limit)
                .map(|(&id, _)| id)
                .collect()
        };
        idle.into_iter()
    }

    fn with<T>(&self, tx: TxId, change: impl FnOnce(&mut Tx) -> T) -> Result<T, Fail> {
        self.txs.borrow_mut().get_mut(&tx).map(change).ok_or(Fail::Lost)
    }

    fn running(&self, tx: TxId) -> Result<Running<'_>, Fail> {
        self.with(tx, |tx| tx.running += 1)?;
        Ok(Running { store: self, tx })
    }
}

/// A statement under way: its transaction is not idle.
struct Running<'a> {
    store: &'a Store,
    tx: TxId,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let now = self.store.engine.now();
        let _ = self.store.with(self.tx, |tx| {
            tx.running -= 1;
            tx.idle_since = now;
        });
    }
}

/// A fence as its row stands now.
pub fn fence_of(shard: ShardId, row: &FenceRow) -> Option<Fence> {
    row.owner.map(|owner| Fence { shard, epoch: Epoch(row.epoch), claim_token: row.token, owner })
}
