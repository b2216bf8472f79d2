//! The proxy's part in moving a server between shards: markers in the order of its own publishing. Pure.
//!
//! Belongs to the backlog of one gateway shard, whose holder alone routes the server's events. When a move is planned,
//! *moved out* goes behind everything of the server in the old shard's lane; the server's events wait until it **is in
//! the stream**; then *moved in* and the events follow in the new shard's lane. So nothing of the server can be in the
//! new stream before all of it is in the old one, whenever the proxy dies. A new holder begins every open move anew.
//!
//! Bounds: until the server has left its old shard, [`EARLY`] of its events go into the new stream, where they are held
//! in Postgres; what comes after waits here, within the backlog's own bounds and by its overflow rule.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use helpline_cluster::consumer::{Item, MOVED_IN, MOVED_OUT};
use helpline_cluster::ids::{GatewayShard, MoveId, ServerId, ShardId};
use tokio::time::Instant;

use super::backlog::Entry;
use super::holds::take_out;
use super::routes::Route;

/// Events of a server that may be in its new shard's stream before it has left the old one.
pub const EARLY: usize = 500;
/// A marker whose move has not come further is written again after this long: its stream may have been lost.
const AGAIN_AFTER: Duration = Duration::from_secs(5);

/// An open move, as Postgres has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpenMove {
    pub id: MoveId,
    pub from: ShardId,
    pub to: ShardId,
    /// The old shard has applied *moved out*.
    pub left: bool,
}

/// The open moves of all servers.
pub type OpenMoves = HashMap<ServerId, OpenMove>;

/// Where an event of a server goes.
#[derive(Debug, PartialEq, Eq)]
pub enum Way {
    Lane(ShardId),
    /// It waits with the move.
    Wait,
    /// No move decides.
    Route,
}

/// The moves of a gateway shard's servers.
#[derive(Debug, Default)]
pub struct Markers {
    crossings: HashMap<ServerId, Crossing>,
    seen: Option<Arc<OpenMoves>>,
    looked_at: Option<Instant>,
}

#[derive(Debug)]
struct Crossing {
    moving: OpenMove,
    phase: Phase,
    waiting: VecDeque<Entry>,
    written_at: Instant,
}

#[derive(Debug, PartialEq, Eq)]
enum Phase {
    /// *Moved out* is on its way into the old stream: the server's events wait.
    Leaving,
    /// Events go to the new shard; so many since.
    Arriving(usize),
    /// The move is over; kept until the routes say so too.
    Over,
}

/// Something to be put at the end of a shard's lane.
pub type ToLane = (ShardId, Entry);

impl Markers {
    /// Whether [`Markers::look`] has anything to do.
    pub fn is_due(&self, open: &Arc<OpenMoves>, now: Instant) -> bool {
        let known = self.seen.as_ref().is_some_and(|seen| Arc::ptr_eq(seen, open));
        let recent = self.looked_at.is_some_and(|at| now - at < Duration::from_secs(1));
        !known || (!self.crossings.is_empty() && !recent)
    }

    /// Takes the open moves of the gateway shard's servers, and returns what has to go into lanes. `queued` says whether
    /// a marker still waits in a lane; `route` is where the routes say that a server lives.
    pub fn look(
        &mut self,
        gateway: GatewayShard,
        open: &Arc<OpenMoves>,
        now: Instant,
        queued: impl Fn(ShardId, &Entry) -> bool,
        route: impl Fn(ServerId) -> Option<ShardId>,
    ) -> Vec<ToLane> {
        self.seen = Some(Arc::clone(open));
        self.looked_at = Some(now);
        let mut to_lanes = Vec::new();
        // In a fixed order, as all that decides here: equal backlogs publish equally.
        let mut ours: Vec<_> = open.iter().filter(|(server, _)| gateway.carries(**server)).collect();
        ours.sort_unstable_by_key(|(server, _)| **server);
        for (&server, moving) in ours {
            match self.crossings.get_mut(&server) {
                Some(crossing) if crossing.moving.id == moving.id => {
                    crossing.go_on(*moving, &mut to_lanes, server)
                }
                before => {
                    // The move before this one is over, or this one could not have been planned.
                    let waiting = before.map(|crossing| std::mem::take(&mut crossing.waiting));
                    self.begin(server, *moving, waiting.unwrap_or_default(), now, &mut to_lanes);
                }
            }
        }
        let mut crossings: Vec<_> = self.crossings.iter_mut().collect();
        crossings.sort_unstable_by_key(|(server, _)| **server);
        for (&server, crossing) in crossings {
            let is_open = open.get(&server).is_some_and(|moving| moving.id == crossing.moving.id);
            if !is_open {
                crossing.end(&mut to_lanes);
            } else if now - crossing.written_at >= AGAIN_AFTER {
                crossing.written_at = now;
                let (shard, marker) = crossing.due_marker(server);
                if !queued(shard, &marker) {
                    to_lanes.push((shard, marker));
                }
            }
        }
        self.crossings.retain(|server, crossing| {
            crossing.phase != Phase::Over || route(*server) != Some(crossing.moving.to)
        });
        to_lanes
    }

    fn begin(
        &mut self,
        server: ServerId,
        moving: OpenMove,
        waiting: VecDeque<Entry>,
        now: Instant,
        to_lanes: &mut Vec<ToLane>,
    ) {
        let mut crossing = Crossing { moving, phase: Phase::Leaving, waiting, written_at: now };
        if moving.left {
            crossing.arrive(server, to_lanes);
        } else {
            to_lanes.push((moving.from, marker(MOVED_OUT, server, moving.id)));
        }
        self.crossings.insert(server, crossing);
    }

    /// Where an event of the server goes that would by the routes go to `route`. With [`Way::Wait`] the caller gives it
    /// to [`Markers::wait`]; whatever way, it counts as gone there.
    pub fn way(&mut self, server: ServerId, route: Option<Route>) -> Way {
        let Some(crossing) = self.crossings.get_mut(&server) else { return Way::Route };
        match &mut crossing.phase {
            Phase::Leaving => Way::Wait,
            Phase::Arriving(passed) if *passed < EARLY || crossing.moving.left => {
                *passed += 1;
                Way::Lane(crossing.moving.to)
            }
            Phase::Arriving(_) => Way::Wait,
            Phase::Over if route.is_some_and(|route| route.shard == crossing.moving.to) => {
                self.crossings.remove(&server);
                Way::Route
            }
            Phase::Over => Way::Lane(crossing.moving.to),
        }
    }

    pub fn wait(&mut self, server: ServerId, entry: Entry) {
        if let Some(crossing) = self.crossings.get_mut(&server) {
            crossing.waiting.push_back(entry);
        }
    }

    /// Takes back those that wait with a move and are wanted elsewhere.
    pub fn take_back(&mut self, wanted: impl Fn(&Entry) -> bool) -> Vec<Entry> {
        let queues = self.crossings.values_mut().map(|crossing| &mut crossing.waiting);
        queues.flat_map(|queue| take_out(queue, &wanted)).collect()
    }

    /// An entry is in its stream. After *moved out* the new shard's lane gets *moved in* and what has waited.
    pub fn published(&mut self, entry: &Entry) -> Vec<ToLane> {
        let mut to_lanes = Vec::new();
        let Some(server) = entry.server.filter(|_| entry.kind == MOVED_OUT) else { return to_lanes };
        let Some(crossing) = self.crossings.get_mut(&server) else { return to_lanes };
        let of_this_move = Item::read(&entry.kind, &entry.payload) == Ok(Item::MovedOut(crossing.moving.id));
        if of_this_move && crossing.phase == Phase::Leaving {
            crossing.arrive(server, &mut to_lanes);
        }
        to_lanes
    }
}

impl Crossing {
    fn go_on(&mut self, moving: OpenMove, to_lanes: &mut Vec<ToLane>, server: ServerId) {
        let left_now = moving.left && !self.moving.left;
        self.moving = moving;
        match self.phase {
            // Another holder's marker was applied.
            Phase::Leaving if left_now => self.arrive(server, to_lanes),
            Phase::Arriving(_) if left_now => self.release(usize::MAX, to_lanes),
            _ => {}
        }
    }

    fn arrive(&mut self, server: ServerId, to_lanes: &mut Vec<ToLane>) {
        self.phase = Phase::Arriving(0);
        to_lanes.push((self.moving.to, marker(MOVED_IN, server, self.moving.id)));
        self.release(if self.moving.left { usize::MAX } else { EARLY }, to_lanes);
    }

    fn release(&mut self, most: usize, to_lanes: &mut Vec<ToLane>) {
        let some = self.waiting.len().min(most);
        if let Phase::Arriving(passed) = &mut self.phase {
            *passed += some;
        }
        to_lanes.extend(self.waiting.drain(..some).map(|entry| (self.moving.to, entry)));
    }

    /// The move is done, or its row is gone; either way the server's events belong to the new shard by now.
    fn end(&mut self, to_lanes: &mut Vec<ToLane>) {
        self.phase = Phase::Over;
        self.release(usize::MAX, to_lanes);
    }

    fn due_marker(&self, server: ServerId) -> ToLane {
        match self.moving.left {
            true => (self.moving.to, marker(MOVED_IN, server, self.moving.id)),
            false => (self.moving.from, marker(MOVED_OUT, server, self.moving.id)),
        }
    }
}

fn marker(kind: &str, server: ServerId, id: MoveId) -> Entry {
    let payload = Bytes::from(Item::payload(id));
    Entry::beside_the_session(id.get(), format!("{kind}:{}", id.get()), kind, server, payload)
}

#[cfg(test)]
#[path = "markers_tests.rs"]
mod tests;
