//! `helpline.server_moves` and `helpline.held_events`: where a server stands, and what waits for it.
//!
//! What is decided is `cluster::consumer`'s; these are the statements that carry it out, inside the transaction of the
//! cursor.

use helpline_cluster::consumer::{Move, Place, State, is_done};
use helpline_cluster::event_log::Entry;
use helpline_cluster::ids::{MoveId, ServerId, ShardId};

use crate::discord::EventId;

use super::locks::{Mode, Row};
use super::{Fail, Locking, Store, Tables, TxId};

/// An open move.
#[derive(Clone, Copy, Debug)]
pub struct MoveRow {
    pub moving: Move,
    /// The new shard has applied *moved in*.
    pub moved_in: bool,
}

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

    fn end_if_done(&mut self, server: ServerId) {
        let Some(row) = self.moves.get(&server).copied() else { return };
        if is_done(&row.moving, row.moved_in, self.waits(server, row.moving.to)) {
            self.moves.remove(&server);
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
                let moving = Move { id, server, from, to, state: State::Planned };
                tables.moves.insert(server, MoveRow { moving, moved_in: false });
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
            moving: tables.moves.get(&server).map(|row| row.moving),
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
            if let Some(row) = tables.moves.get_mut(&server) {
                row.moving.state = State::Left;
            }
        })
    }

    /// *Moved in* is acknowledged.
    pub fn arrive(&self, tx: TxId, server: ServerId) -> Result<(), Fail> {
        self.write(tx, move |tables| {
            if let Some(row) = tables.moves.get_mut(&server) {
                row.moved_in = true;
            }
            tables.end_if_done(server);
        })
    }

    /// The servers of which something waits for the shard.
    pub fn servers_held_for(&self, shard: ShardId) -> Vec<ServerId> {
        let tables = self.tables();
        let mut servers: Vec<ServerId> = tables
            .held
            .iter()
            .filter(|(_, row)| row.shard == shard)
            .map(|((server, _), _)| *server)
            .collect();
        servers.dedup();
        servers
    }

    /// What waits, in order.
    pub fn held(&self, server: ServerId, shard: ShardId) -> Vec<Entry> {
        let tables = self.tables();
        let rows = tables.held.iter().filter(|((of, _), row)| *of == server && row.shard == shard);
        rows.map(|(_, row)| row.entry.clone()).collect()
    }

    /// What waited has been applied.
    pub fn drop_held(&self, tx: TxId, server: ServerId, shard: ShardId) -> Result<(), Fail> {
        self.write(tx, move |tables| {
            tables.held.retain(|(of, _), row| *of != server || row.shard != shard);
            tables.end_if_done(server);
        })
    }

    /// What waited for one shard waits for another, in its order behind what waits there.
    pub fn pass_on(&self, tx: TxId, server: ServerId, from: ShardId, to: ShardId) -> Result<(), Fail> {
        let passed = self.held(server, from);
        self.write(tx, move |tables| tables.held.retain(|(of, _), row| *of != server || row.shard != from))?;
        passed.iter().try_for_each(|entry| self.hold(tx, server, to, entry))
    }
}
