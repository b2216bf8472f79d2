//! `helpline.server_moves` and `helpline.held_events`: where a server stands, and what waits for it.
//!
//! What is decided is `cluster::consumer`'s; these are the statements that carry it out, inside the transaction of the
//! cursor.

use std::collections::{BTreeMap, BTreeSet};

use helpline_cluster::consumer::{Move, Place, State, is_done};
use helpline_cluster::event_log::Entry;
use helpline_cluster::ids::{MoveId, ServerId, ShardId};

use crate::discord::EventId;

use super::locks::{Mode, Row};
use super::{Fail, Locking, Store, Tables, TxId};

/// What a transaction does to held events; it sees that itself at once, the others from its commit on.
#[derive(Clone, Debug)]
pub enum HeldChange {
    Hold(ServerId, u64, HeldRow),
    Drop(ServerId, u64),
}

/// An event that waits for its server, or for its turn after such ones.
#[derive(Clone, Debug)]
pub struct HeldRow {
    /// Whom it waits for.
    pub shard: ShardId,
    pub event: EventId,
    pub entry: Entry,
}

type HeldRows = BTreeMap<(ServerId, u64), HeldRow>;

/// A replay takes no second place.
fn change_held(held: &mut HeldRows, change: HeldChange) {
    match change {
        HeldChange::Hold(server, position, row) => {
            let same = |((of, _), held): (&(ServerId, u64), &HeldRow)| {
                *of == server && held.shard == row.shard && held.entry.origin == row.entry.origin
            };
            if !held.iter().any(same) {
                held.insert((server, position), row);
            }
        }
        HeldChange::Drop(server, position) => _ = held.remove(&(server, position)),
    }
}

impl Tables {
    pub fn change_held(&mut self, change: HeldChange) {
        change_held(&mut self.held, change);
    }

    fn waits(&self, server: ServerId, shard: ShardId) -> bool {
        self.held.iter().any(|((of, _), row)| *of == server && row.shard == shard)
    }
}

impl Store {
    /// plan_moves.sql: plans a move, unless the server has one or lives there already.
    pub fn plan_move(&self, server: ServerId, to: ShardId) -> Option<MoveId> {
        let id = MoveId(self.new_id());
        self.change(|tables| {
            let from = tables.server_shards.get(&server).copied().filter(|from| *from != to)?;
            if tables.moves.contains_key(&server) {
                return None;
            }
            tables.moves.insert(server, Move { id, server, from, to, state: State::Planned });
            self.engine.note(|| format!("postgres: {server} is to move from {from} to {to} ({id})"));
            Some(id)
        })
    }

    /// places_here.sql and places_elsewhere.sql: where a server stands. If it lives on the shard, it stays until the
    /// transaction ends.
    pub async fn place(
        &self,
        tx: TxId,
        shard: ShardId,
        server: ServerId,
        locking: Locking,
    ) -> Result<Place, Fail> {
        let lives_here = || self.tables().server_shards.get(&server) == Some(&shard);
        if locking == Locking::Lock && lives_here() {
            let _running = self.running(tx)?;
            self.locks.lock(self, tx, Row::Server(server), Mode::Share).await?;
            if !lives_here() {
                self.locks.unlock(tx, &Row::Server(server));
            }
        }
        let waiting = !self.held_rows(tx, server, shard)?.is_empty();
        let tables = self.tables();
        Ok(Place {
            lives_on: tables.server_shards.get(&server).copied(),
            moving: tables.moves.get(&server).copied(),
            waiting,
        })
    }

    /// hold_event.sql: puts an event behind those that are held for a shard; a replay takes no second place.
    pub fn hold(&self, tx: TxId, server: ServerId, shard: ShardId, entry: &Entry) -> Result<(), Fail> {
        let Some(event) = crate::checker::event_id(&entry.payload) else { return Ok(()) };
        let row = HeldRow { shard, event, entry: entry.clone() };
        self.note_held(tx, HeldChange::Hold(server, self.new_id(), row))
    }

    /// leave.sql: the server lives on `to` from the commit on. Waits for every transaction that writes its rows. False: it
    /// does not live here, or is not on its way there.
    pub async fn leave(
        &self,
        tx: TxId,
        server: ServerId,
        from: ShardId,
        to: ShardId,
        locking: Locking,
    ) -> Result<bool, Fail> {
        if locking == Locking::Lock {
            self.lock_row(tx, Row::Server(server)).await?;
            let tables = self.tables();
            let planned =
                |moving: &Move| (moving.from, moving.to, moving.state) == (from, to, State::Planned);
            let here = tables.server_shards.get(&server) == Some(&from);
            if !here || !tables.moves.get(&server).is_some_and(planned) {
                return Ok(false);
            }
        }
        self.write(tx, move |tables| {
            tables.server_shards.insert(server, to);
            if let Some(moving) = tables.moves.get_mut(&server) {
                moving.state = State::Left;
            }
        })?;
        Ok(true)
    }

    /// finish_move.sql: ends the move to this shard if nothing of it remains to be done.
    pub fn finish(
        &self,
        tx: TxId,
        server: ServerId,
        shard: ShardId,
        moved_in: BTreeSet<MoveId>,
    ) -> Result<(), Fail> {
        self.write(tx, move |tables| {
            let Some(moving) = tables.moves.get(&server).copied().filter(|moving| moving.to == shard) else {
                return;
            };
            if is_done(&moving, moved_in.contains(&moving.id), tables.waits(server, shard)) {
                tables.moves.remove(&server);
                tables.past_moves.push(moving);
            }
        })
    }

    /// arrivals.sql: the servers for which the shard has something to do apart from its stream.
    pub fn arrivals(&self, shard: ShardId) -> BTreeSet<ServerId> {
        let tables = self.tables();
        let left = |moving: &&Move| moving.to == shard && moving.state == State::Left;
        let coming = tables.moves.values().filter(left).map(|moving| moving.server);
        let held = tables.held.iter().filter(|(_, row)| row.shard == shard).map(|((server, _), _)| *server);
        coming.chain(held).collect()
    }

    /// next_held.sql: what waits, in order, with its positions.
    pub fn next_held(&self, tx: TxId, server: ServerId, shard: ShardId) -> Result<Vec<(u64, Entry)>, Fail> {
        let rows = self.held_rows(tx, server, shard)?;
        Ok(rows.into_iter().map(|((_, position), row)| (position, row.entry)).collect())
    }

    /// What waited there has been applied.
    pub fn forget_held(&self, tx: TxId, server: ServerId, positions: &[u64]) -> Result<(), Fail> {
        positions.iter().try_for_each(|position| self.note_held(tx, HeldChange::Drop(server, *position)))
    }

    /// pass_held_on.sql: what waited for one shard waits for another, in its order behind what waits there.
    pub fn pass_on(&self, tx: TxId, server: ServerId, from: ShardId, to: ShardId) -> Result<(), Fail> {
        for (position, entry) in self.next_held(tx, server, from)? {
            self.note_held(tx, HeldChange::Drop(server, position))?;
            self.hold(tx, server, to, &entry)?;
        }
        Ok(())
    }

    /// As the transaction sees them.
    fn held_rows(&self, tx: TxId, server: ServerId, shard: ShardId) -> Result<HeldRows, Fail> {
        let mut rows: HeldRows = self
            .tables()
            .held
            .range((server, 0)..=(server, u64::MAX))
            .map(|(at, row)| (*at, row.clone()))
            .collect();
        self.with(tx, |tx| tx.held.iter().for_each(|change| change_held(&mut rows, change.clone())))?;
        rows.retain(|(of, _), row| *of == server && row.shard == shard);
        Ok(rows)
    }

    fn note_held(&self, tx: TxId, change: HeldChange) -> Result<(), Fail> {
        self.with(tx, |tx| tx.held.push(change))
    }
}
