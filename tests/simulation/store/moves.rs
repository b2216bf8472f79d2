//! `helpline.server_moves` and `helpline.held_events`: where a server stands, and what waits for it.
//!
//! What is decided is `cluster::consumer`'s; these are the statements that carry it out, inside the transaction of the
//! cursor.

use std::collections::BTreeSet;

use helpline_cluster::consumer::{Move, Place, State, is_done};
use helpline_cluster::event_log::Entry;
use helpline_cluster::ids::{MoveId, ServerId, ShardId};

use crate::discord::EventId;

use super::locks::{Mode, Row};
use super::{Fail, Locking, Store, Tables, TxId};

/// An event that waits for its server, or for its turn after such ones.
#[derive(Clone, Debug)]
pub struct HeldRow {
    /// Whom it waits for.
    pub shard: ShardId,
    pub event: EventId,
    pub entry: Entry,
}

impl Tables {
    fn waits(&self, server: ServerId, shard: ShardId) -> bool {
        self.held.iter().any(|((of, _), row)| *of == server && row.shard == shard)
    }

    fn hold(&mut self, server: ServerId, position: u64, row: HeldRow) {
        let same = |((of, _), held): (&(ServerId, u64), &HeldRow)| {
            *of == server && held.shard == row.shard && held.entry.origin == row.entry.origin
        };
        if !self.held.iter().any(same) {
            self.held.insert((server, position), row);
        }
    }
}

impl Store {
    /// Plans a move, unless the server has one.
    pub fn plan_move(&self, server: ServerId, to: ShardId) {
        let id = MoveId(self.new_id());
        self.change(|tables| {
            let Some(&from) = tables.server_shards.get(&server) else { return };
            if from != to && !tables.moves.contains_key(&server) {
                tables.moves.insert(server, Move { id, server, from, to, state: State::Planned });
                self.engine.note(|| format!("postgres: {server} is to move from {from} to {to} ({id})"));
            }
        });
    }

    /// Where a server stands. It stays there until the transaction ends.
    pub async fn place(
        &self,
        tx: TxId,
        shard: ShardId,
        server: ServerId,
        locking: Locking,
    ) -> Result<Place, Fail> {
        if locking == Locking::Lock {
            let _running = self.running(tx)?;
            self.locks.lock(self, tx, Row::Server(server), Mode::Share).await?;
        }
        let tables = self.tables();
        Ok(Place {
            lives_on: tables.server_shards.get(&server).copied(),
            moving: tables.moves.get(&server).copied(),
            waiting: tables.waits(server, shard),
        })
    }

    /// Puts an event behind those that are held for a shard; a replay takes no second place.
    pub fn hold(&self, tx: TxId, server: ServerId, shard: ShardId, entry: &Entry) -> Result<(), Fail> {
        let Some(event) = crate::checker::event_id(&entry.payload) else { return Ok(()) };
        let (position, row) = (self.new_id(), HeldRow { shard, event, entry: entry.clone() });
        self.write(tx, move |tables| tables.hold(server, position, row))
    }

    /// The server lives on `to` from the commit on. Waits for every transaction that writes its rows.
    pub async fn leave(&self, tx: TxId, server: ServerId, to: ShardId, locking: Locking) -> Result<(), Fail> {
        if locking == Locking::Lock {
            self.lock_row(tx, Row::Server(server)).await?;
        }
        self.write(tx, move |tables| {
            tables.server_shards.insert(server, to);
            if let Some(moving) = tables.moves.get_mut(&server) {
                moving.state = State::Left;
            }
        })
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

    /// What waits, in order.
    pub fn held(&self, server: ServerId, shard: ShardId) -> Vec<Entry> {
        let tables = self.tables();
        let rows = tables.held.iter().filter(|((of, _), row)| *of == server && row.shard == shard);
        rows.map(|(_, row)| row.entry.clone()).collect()
    }

    /// What waited has been applied.
    pub fn drop_held(&self, tx: TxId, server: ServerId, shard: ShardId) -> Result<(), Fail> {
        self.write(tx, move |tables| tables.held.retain(|(of, _), row| *of != server || row.shard != shard))
    }

    /// What waited for one shard waits for another, in its order behind what waits there.
    pub fn pass_on(&self, tx: TxId, server: ServerId, from: ShardId, to: ShardId) -> Result<(), Fail> {
        let passed = self.held(server, from);
        self.write(tx, move |tables| tables.held.retain(|(of, _), row| *of != server || row.shard != from))?;
        passed.iter().try_for_each(|entry| self.hold(tx, server, to, entry))
    }
}
