//! What a gateway shard received and has not published yet. Pure; bounded in entries and bytes.
//!
//! Overflow rule: when one lane that its stream refuses takes half of a full backlog while others go on, that lane is
//! given up ([`missing`]). Otherwise a full backlog refuses the next event, and the gateway connection is closed so
//! that Discord keeps the events for a resume. Entries wait in one lane per shard, in order; a lane whose stream
//! refuses waits by itself while the others go on. Events of a server that has no shard yet wait apart, those of one
//! that moves as [`super::markers`] says, those of a channel that is read again as [`super::holds`] says. Whatever has
//! waited goes where its server is by then.
//!
//! [`Backlog::safe_sequence`] is what may be saved for a resume: at and below it, everything has been
//! published or deliberately dropped.

mod missing;

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use helpline_cluster::ids::{GatewayShard, ServerId, ShardId};
use tokio::time::Instant;

use super::activity::Written;
use super::gaps::{Missed, Noticed, Places};
use super::holds::Holds;
use super::markers::{Markers, OpenMoves, ToLane, Way};
use super::routes::Route;

/// What an entry costs besides its payload.
const ENTRY_BYTES: usize = 200;
/// Stands for a session in what was read over REST.
const READ_AGAIN: u32 = u32::MAX - 1;
/// Pause of a lane whose stream refused.
const RETRY_AFTER: Duration = Duration::from_millis(100);
/// Stands for the session of what is no event of a session.
const NO_SESSION: u32 = u32::MAX;

/// Bounds of one gateway shard's backlog.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    pub entries: usize,
    pub bytes: usize,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: 200_000, bytes: 128 * 1024 * 1024 }
    }
}

/// An event that waits to be published.
#[derive(Clone, Debug)]
pub struct Entry {
    pub sequence: u64,
    /// `<session id>:<sequence>`, the first event key.
    pub origin: String,
    pub kind: String,
    pub server: Option<ServerId>,
    pub received_at_ms: u64,
    pub payload: Bytes,
    /// Only for a server that is active and has support switched on.
    pub if_listening: bool,
    /// Sequences start anew with each session.
    session: u32,
}

impl Entry {
    /// An entry of our own making, which no sequence waits for. `number` tells it from others of its kind.
    pub fn beside_the_session(
        number: u64,
        origin: String,
        kind: &str,
        server: ServerId,
        payload: Bytes,
    ) -> Self {
        Self {
            sequence: number,
            origin,
            kind: kind.to_owned(),
            server: Some(server),
            received_at_ms: 0,
            payload,
            if_listening: false,
            session: NO_SESSION,
        }
    }

    /// An event that was read over REST: of no session. `origin` and the message's id are its first event key.
    pub fn read_again(origin: &str, kind: &str, server: Option<ServerId>, id: u64, payload: Bytes) -> Self {
        Self {
            sequence: id,
            origin: format!("{origin}:{id}"),
            kind: kind.to_owned(),
            server,
            received_at_ms: 0,
            payload,
            if_listening: false,
            session: READ_AGAIN,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.payload.len() + ENTRY_BYTES
    }
}

/// What the poller knows of an event; the backlog adds its session.
#[derive(Debug)]
pub struct Arrival {
    pub sequence: u64,
    pub kind: String,
    pub server: Option<ServerId>,
    pub received_at_ms: u64,
    /// When it was sent by Discord's clock, if it tells.
    pub sent_at_ms: Option<u64>,
    pub payload: Bytes,
    pub if_listening: bool,
    /// What it tells of the server's channels; its sequence is unsafe until that is looked at.
    pub written: Vec<Written>,
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Queued,
    /// The server does not want it.
    NotListening,
    /// Its sequence was seen before.
    Repeated,
    /// There is no room; the event counts as not received.
    Full,
    /// Its stream takes nothing; it is part of what was missed.
    GivenUp,
}

/// How a stream received an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Published,
    /// Not now: keep it, and what follows it in the same stream.
    Refused,
}

#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Entry>,
    retry_at: Option<Instant>,
    /// Since it was refused, another lane's event was published.
    others_go_on: bool,
}

/// A lane that was given up: its first event stays, to find out when the stream takes events again.
#[derive(Debug, Default)]
struct GivenUp {
    /// When the first event was received; none: only markers were dropped so far.
    from_ms: Option<u64>,
    interactions: u32,
    places: Places,
    /// Sequences that stay unsafe until what was missed after them is recorded.
    sequences: BTreeSet<u64>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Backlog {
    bounds: Bounds,
    entries: usize,
    bytes: usize,
    lanes: HashMap<ShardId, Lane>,
    unrouted: HashMap<ServerId, VecDeque<Entry>>,
    /// Events of servers that move wait there.
    markers: Markers,
    /// Sequences of the current session that wait.
    outstanding: BTreeSet<u64>,
    session: u32,
    session_id: String,
    taken: u64,
    /// Where the next batch starts, so that no lane starves.
    turn: u32,
    /// Live events of channels that are read again.
    pub holds: Holds,
    given_up: HashMap<ShardId, GivenUp>,
    /// Streams that take events again, with what they missed; and those whose gap is not recorded yet.
    missed: Vec<Missed>,
    /// The unsafe sequences of what was missed of those streams.
    unrecorded: HashMap<ShardId, BTreeSet<u64>>,
    /// Overfull streams of whose unrecorded gaps the sequences of this session do not tell.
    before_session: BTreeSet<ShardId>,
    /// What the session told of channels and nobody has looked at, by its sequence.
    noticed: BTreeMap<u64, Noticed>,
    /// The first message id that a lost session may have left out.
    missed_from: Option<u64>,
    /// Events read again that wait.
    read_again: usize,
}

impl Backlog {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: 0,
            bytes: 0,
            lanes: HashMap::new(),
            unrouted: HashMap::new(),
            markers: Markers::default(),
            outstanding: BTreeSet::new(),
            session: 0,
            session_id: String::new(),
            taken: 0,
            turn: 0,
            holds: Holds::default(),
            given_up: HashMap::new(),
            missed: Vec::new(),
            unrecorded: HashMap::new(),
            before_session: BTreeSet::new(),
            noticed: BTreeMap::new(),
            missed_from: None,
            read_again: 0,
        }
    }

    /// A session begins, or one from before a restart goes on, at `sequence`. What waits from another session
    /// stays, but no longer holds the sequence back.
    pub fn start_session(&mut self, session_id: &str, sequence: u64) {
        self.session += 1;
        session_id.clone_into(&mut self.session_id);
        self.outstanding.clear();
        self.noticed.clear();
        self.taken = sequence;
        self.miss_what_was_given_up();
    }

    /// Takes an event whose server's route is `route`; for an event without server, shard 0's.
    pub fn push(&mut self, arrival: Arrival, route: Option<Route>) -> Taken {
        if arrival.sequence <= self.taken {
            return Taken::Repeated;
        }
        let bytes = arrival.payload.len() + ENTRY_BYTES;
        let over = self.entries + 1 > self.bounds.entries || self.bytes + bytes > self.bounds.bytes;
        if over && self.entries > 0 && !self.give_up_a_lane() {
            return Taken::Full;
        }
        self.taken = arrival.sequence;
        if arrival.if_listening && route.is_some_and(|route| !route.listening) {
            return Taken::NotListening;
        }
        if route.is_some_and(|route| self.is_missed_too(route.shard, &arrival)) {
            return Taken::GivenUp;
        }
        self.notice(&arrival);
        let entry = self.entry(arrival);
        self.entries += 1;
        self.bytes += bytes;
        self.outstanding.insert(entry.sequence);
        if let Some(entry) = self.holds.take(entry) {
            self.place(entry, route);
        }
        Taken::Queued
    }

    /// Puts a taken entry where it waits: with its server's move, in a lane, or apart until it has a route.
    fn place(&mut self, entry: Entry, route: Option<Route>) {
        if let Some(server) = entry.server {
            if let Some(waiting) = self.unrouted.get_mut(&server) {
                return waiting.push_back(entry);
            }
            match self.markers.way(server, route) {
                Way::Lane(shard) => return self.enter_lane((shard, entry)),
                Way::Wait => return self.markers.wait(server, entry),
                Way::Route => {}
            }
        }
        match (route, entry.server) {
            (Some(route), _) => self.enter_lane((route.shard, entry)),
            (None, Some(server)) => self.unrouted.entry(server).or_default().push_back(entry),
            (None, None) => self.enter_lane((ShardId(0), entry)),
        }
    }

    fn enter_lane(&mut self, (shard, entry): ToLane) {
        if entry.session == NO_SESSION {
            self.entries += 1;
            self.bytes += entry.bytes();
        }
        self.lanes.entry(shard).or_default().queue.push_back(entry);
    }

    /// Takes the open moves of servers: their markers go into lanes. `route` is where a server lives by the routes.
    pub fn look_at_moves(
        &mut self,
        gateway: GatewayShard,
        open: &Arc<OpenMoves>,
        now: Instant,
        route: impl Fn(ServerId) -> Option<ShardId>,
    ) {
        if !self.markers.is_due(open, now) {
            return;
        }
        let lanes = &self.lanes;
        let queued = |shard: ShardId, marker: &Entry| {
            let lane = lanes.get(&shard);
            lane.is_some_and(|lane| lane.queue.iter().any(|entry| entry.origin == marker.origin))
        };
        for to_lane in self.markers.look(gateway, open, now, queued, route) {
            self.enter_lane(to_lane);
        }
    }

    /// Notes an event that is not passed on.
    pub fn skip(&mut self, sequence: u64) {
        self.taken = self.taken.max(sequence);
    }

    /// Puts the events of servers that have a route by now, and what was held or read again, where they belong. Returns
    /// how many were dropped because their server does not want them.
    pub fn reroute(&mut self, now: Instant, route: impl Fn(ServerId) -> Option<Route>) -> usize {
        let over = self.holds.expired(now);
        self.line_up(over);
        let mut known: Vec<_> =
            self.unrouted.keys().filter_map(|&server| route(server).map(|route| (server, route))).collect();
        // Servers of one shard share a lane: equal backlogs publish in equal order.
        known.sort_unstable_by_key(|(server, _)| *server);
        let mut dropped = 0;
        for (server, route) in known {
            for entry in self.unrouted.remove(&server).unwrap_or_default() {
                if entry.if_listening && !route.listening {
                    dropped += 1;
                    self.forget(&entry);
                } else {
                    self.place(entry, Some(route));
                }
            }
        }
        dropped
    }

    /// The heads of all lanes that may go now, at most `max` entries, each lane's in order.
    pub fn batch(&mut self, max: usize, now: Instant) -> Vec<(ShardId, Entry)> {
        let mut shards: Vec<ShardId> = self
            .lanes
            .iter()
            .filter(|(_, lane)| !lane.queue.is_empty() && lane.retry_at.is_none_or(|at| at <= now))
            .map(|(&shard, _)| shard)
            .collect();
        shards.sort_unstable();
        let first = shards.partition_point(|shard| shard.0 < self.turn);
        shards.rotate_left(first);
        let mut batch = Vec::new();
        for shard in shards {
            let lane = &self.lanes[&shard];
            // A stream that refused is asked with one entry, not with all of them.
            let room = if lane.retry_at.is_some() { 1 } else { max - batch.len() };
            batch.extend(lane.queue.iter().take(room).map(|entry| (shard, entry.clone())));
            if batch.len() == max {
                // A lane that filled the batch is first again next time only if it is the only one.
                self.turn = shard.0 + 1;
                return batch;
            }
        }
        self.turn = 0;
        batch
    }

    /// Takes what became of a batch: one outcome for each entry, in the batch's order.
    pub fn settle(&mut self, batch: &[(ShardId, Entry)], outcomes: &[Outcome], now: Instant) {
        for ((shard, entry), outcome) in batch.iter().zip(outcomes) {
            let Some(lane) = self.lanes.get_mut(shard) else { continue };
            match outcome {
                Outcome::Refused => lane.retry_at = Some(now + RETRY_AFTER),
                Outcome::Published => {
                    let place = lane.queue.iter().position(|waiting| {
                        (waiting.session, waiting.sequence) == (entry.session, entry.sequence)
                    });
                    if let Some(entry) = place.and_then(|place| lane.queue.remove(place)) {
                        lane.retry_at = None;
                        lane.others_go_on = false;
                        self.forget(&entry);
                        self.goes_on(*shard);
                        for to_lane in self.markers.published(&entry) {
                            self.enter_lane(to_lane);
                        }
                    }
                }
            }
        }
        self.lanes.retain(|_, lane| !lane.queue.is_empty());
    }

    /// Puts what was published and lost back to the head of its lane, in order; the lane is tried at once. The bounds
    /// hold for arrivals: these had their room elsewhere. Whether the safe sequence may have gone back.
    pub fn put_back(&mut self, shard: ShardId, again: Vec<Entry>) -> bool {
        let mut of_this_session = false;
        let lane = self.lanes.entry(shard).or_default();
        // Known to be another stream than the one that refused.
        lane.retry_at = None;
        for entry in again.into_iter().rev() {
            self.entries += 1;
            self.bytes += entry.bytes();
            self.read_again += usize::from(entry.session == READ_AGAIN);
            if entry.session == self.session {
                of_this_session = true;
                self.outstanding.insert(entry.sequence);
            }
            lane.queue.push_front(entry);
        }
        self.lanes.retain(|_, lane| !lane.queue.is_empty());
        of_this_session
    }

    /// When a refused lane may try again, if only such lanes wait.
    pub fn next_retry(&self) -> Option<Instant> {
        self.lanes.values().filter_map(|lane| lane.retry_at).min()
    }

    /// The highest sequence of the session at and below which nothing waits.
    pub fn safe_sequence(&self) -> u64 {
        let first = [self.outstanding.first(), self.noticed.keys().next()].into_iter().flatten().min();
        first.map_or(self.taken, |first| first - 1)
    }

    /// The last sequence that was taken: where this process resumes.
    pub fn taken_sequence(&self) -> u64 {
        self.taken
    }

    pub fn session_id(&self) -> &str {
        &self.session_id
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub fn len(&self) -> usize {
        self.entries
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether there is room enough to open the connection again.
    pub fn is_half_empty(&self) -> bool {
        self.entries <= self.bounds.entries / 2 && self.bytes <= self.bounds.bytes / 2
    }

    fn entry(&self, arrival: Arrival) -> Entry {
        Entry {
            sequence: arrival.sequence,
            origin: format!("{}:{}", self.session_id, arrival.sequence),
            kind: arrival.kind,
            server: arrival.server,
            received_at_ms: arrival.received_at_ms,
            payload: arrival.payload,
            if_listening: arrival.if_listening,
            session: self.session,
        }
    }

    fn forget(&mut self, entry: &Entry) {
        self.entries -= 1;
        self.bytes -= entry.bytes();
        self.read_again -= usize::from(entry.session == READ_AGAIN);
        if entry.session == self.session {
            self.outstanding.remove(&entry.sequence);
        }
    }
}

#[cfg(test)]
#[path = "backlog_tests.rs"]
mod tests;
