//! Row locks: shared and exclusive, held to the end of the transaction. A wait that would close a circle fails at once,
//! as Postgres' deadlock detector does after a second.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use helpline_cluster::ids::{ServerId, ShardId};
use tokio::sync::Notify;

use super::{Fail, Store, TxId};

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Row {
    Fence(ShardId),
    Server(ServerId),
    Stream(ShardId),
    Key(String),
    Job(u64),
    Outbox(u64),
    Conversation(uuid::Uuid),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    Share,
    Exclusive,
}

#[derive(Default)]
struct Holders {
    shared: BTreeSet<TxId>,
    exclusive: Option<TxId>,
}

impl Holders {
    /// Whom a request has to wait for.
    fn blockers(&self, tx: TxId, mode: Mode) -> BTreeSet<TxId> {
        let mut blockers: BTreeSet<TxId> = self.exclusive.into_iter().collect();
        if mode == Mode::Exclusive {
            blockers.extend(&self.shared);
        }
        blockers.remove(&tx);
        blockers
    }
}

#[derive(Default)]
pub struct Locks {
    rows: RefCell<BTreeMap<Row, Holders>>,
    waiting: RefCell<BTreeMap<TxId, (Row, Mode)>>,
    released: Notify,
}

impl Locks {
    pub async fn lock(&self, store: &Store, tx: TxId, row: Row, mode: Mode) -> Result<(), Fail> {
        loop {
            if !store.is_open(tx) {
                return Err(Fail::Lost);
            }
            // Listened for from here on, so that a release between the look and the wait is not missed.
            let released = self.released.notified();
            if self.try_lock(tx, &row, mode) {
                return Ok(());
            }
            self.waiting.borrow_mut().insert(tx, (row.clone(), mode));
            if self.blocks_itself(tx) {
                self.waiting.borrow_mut().remove(&tx);
                store.rollback(tx);
                return Err(Fail::Lost);
            }
            let forget = Forget { locks: self, tx };
            released.await;
            drop(forget);
        }
    }

    pub fn try_lock(&self, tx: TxId, row: &Row, mode: Mode) -> bool {
        let mut rows = self.rows.borrow_mut();
        let holders = rows.entry(row.clone()).or_default();
        if !holders.blockers(tx, mode).is_empty() {
            return false;
        }
        match mode {
            Mode::Share => _ = holders.shared.insert(tx),
            Mode::Exclusive => holders.exclusive = Some(tx),
        }
        true
    }

    pub fn is_free(&self, row: &Row) -> bool {
        self.rows.borrow().get(row).is_none_or(|h| h.shared.is_empty() && h.exclusive.is_none())
    }

    pub fn unlock(&self, tx: TxId, row: &Row) {
        if let Some(holders) = self.rows.borrow_mut().get_mut(row) {
            holders.shared.remove(&tx);
            holders.exclusive = holders.exclusive.filter(|holder| *holder != tx);
        }
        self.released.notify_waiters();
    }

    pub fn release(&self, tx: TxId) {
        self.rows.borrow_mut().retain(|_, holders| {
            holders.shared.remove(&tx);
            holders.exclusive = holders.exclusive.filter(|holder| *holder != tx);
            !holders.shared.is_empty() || holders.exclusive.is_some()
        });
        self.released.notify_waiters();
    }

    /// Everybody whom a transaction waits for, directly or through others that wait.
    pub fn chain(&self, tx: TxId) -> BTreeSet<TxId> {
        let (rows, waiting) = (self.rows.borrow(), self.waiting.borrow());
        let mut chain = BTreeSet::new();
        let mut open = vec![tx];
        while let Some(next) = open.pop() {
            let Some((row, mode)) = waiting.get(&next) else { continue };
            let blockers = rows.get(row).map(|holders| holders.blockers(next, *mode)).unwrap_or_default();
            open.extend(blockers.into_iter().filter(|blocker| chain.insert(*blocker)));
        }
        chain
    }

    fn blocks_itself(&self, tx: TxId) -> bool {
        self.chain(tx).contains(&tx)
    }
}

struct Forget<'a> {
    locks: &'a Locks,
    tx: TxId,
}

impl Drop for Forget<'_> {
    fn drop(&mut self) {
        self.locks.waiting.borrow_mut().remove(&self.tx);
    }
}
