//! The part of the backlog that knows of missing events: lanes that are given up, and events that are read again.
//!
//! A given-up lane keeps its first event, to find out when its stream takes events again; what comes meanwhile is dropped.
//! A later one would be applied before what was dropped. The channels of what is dropped are held at once, so that what
//! comes live after it waits for the reading, wherever its server is by then. The sequence before the first dropped event
//! stays the safe one until the gap is recorded, so that a crash in between makes Discord send it again.

use std::collections::HashSet;

use helpline_cluster::ids::ShardId;

use super::{Arrival, Backlog, Entry, GivenUp, Lane, READ_AGAIN};
use crate::discord::MessageId;
use crate::proxy::gaps::{Cause, Missed, Noticed, Places};
use crate::proxy::holds::take_out;

/// As `helpline.open_gap` reads from so long before.
const EARLIER_MS: u64 = 5_000;

impl Backlog {
    /// Lets events that are counted already go where their servers are when [`Backlog::reroute`] is called next. Straight
    /// into a lane they would pass the marker of a server that has begun to move since.
    pub fn line_up(&mut self, entries: Vec<Entry>) {
        for entry in entries {
            match entry.server {
                Some(server) => self.unrouted.entry(server).or_default().push_back(entry),
                None => self.place(entry, None),
            }
        }
    }

    /// Ends the hold of a channel: what was read of it and what came live, in order.
    pub fn merge(&mut self, channel: u64, read: Vec<Entry>) {
        let new = |entry: &&Entry| entry.session == READ_AGAIN;
        let merged = self.holds.merge(channel, read);
        self.read_again += merged.iter().filter(new).count();
        self.entries += merged.iter().filter(new).count();
        self.bytes += merged.iter().filter(new).map(Entry::bytes).sum::<usize>();
        self.line_up(merged);
        // Something of it may have been dropped after the reading.
        if self.misses_of_channel(channel) {
            self.holds.hold([channel]);
        }
    }

    /// Whether messages of the channel are missing in a stream, and nobody has recorded it.
    fn misses_of_channel(&self, channel: u64) -> bool {
        let of_streams = self.missed.iter().filter(|missed| missed.shard.is_some());
        let recent = self.given_up.values().map(|given_up| &given_up.places);
        let mut places = of_streams.map(|missed| &missed.places).chain(recent);
        places.any(|places| places.channels().any(|of| of == channel))
    }

    /// Messages of these channels are missing: those that came after them wait for the reading.
    fn hold_missed(&mut self, places: &Places) {
        self.holds.hold(places.channels());
        let later = |entry: &Entry| {
            entry.session != READ_AGAIN && places.has(entry.server, &entry.kind, &entry.payload)
        };
        let mut waiting = Vec::new();
        for (shard, lane) in &mut self.lanes {
            let asks = self.given_up.contains_key(shard).then(|| lane.queue.pop_front()).flatten();
            waiting.extend(take_out(&mut lane.queue, later));
            if let Some(asks) = asks {
                lane.queue.push_front(asks);
            }
        }
        waiting.extend(self.markers.take_back(later));
        waiting.extend(self.unrouted.values_mut().flat_map(|queue| take_out(queue, later)));
        self.lanes.retain(|_, lane| !lane.queue.is_empty());
        self.unrouted.retain(|_, queue| !queue.is_empty());
        waiting.sort_by_key(|entry| (entry.session, entry.sequence));
        let others = self.holds.take_back(waiting);
        self.line_up(others);
    }

    /// Whether something is missing, or may be, that no gap tells of yet.
    pub fn misses_anything(&self) -> bool {
        !(self.missed.is_empty() && self.given_up.is_empty() && self.noticed.is_empty())
    }

    /// How many events that were read again wait.
    pub fn read_again(&self) -> usize {
        self.read_again
    }

    /// What was missed and is not recorded yet.
    pub fn missed(&self) -> Option<Missed> {
        self.missed.first().cloned()
    }

    /// Something is missing that the backlog does not know of by itself.
    pub fn miss(&mut self, missed: Missed) {
        if missed.shard.is_none() {
            self.missing_since(missed.from_ms.unwrap_or(0));
            self.no_sequence_tells();
        }
        if missed.cause == Cause::StreamLost {
            self.hold_missed(&missed.places);
        }
        // One for a cause and shard, however long none can be recorded: the earliest is read from.
        let same = |known: &&mut Missed| (known.cause, known.shard) == (missed.cause, missed.shard);
        match self.missed.iter_mut().find(same) {
            Some(known) => {
                known.from_ms = known.from_ms.zip(missed.from_ms).map(|(known, new)| known.min(new));
                known.interactions = known.interactions.saturating_add(missed.interactions);
                known.places.extend(missed.places);
            }
            None => self.missed.push(missed),
        }
    }

    /// It is recorded, and these channels are held and read: what tells of it otherwise may be forgotten, unless more is
    /// missing by now.
    pub fn recorded(&mut self, missed: &Missed, read: &HashSet<u64>) {
        self.missed.retain(|known| known != missed);
        for channel in missed.places.channels().filter(|channel| !read.contains(channel)) {
            self.merge(channel, Vec::new());
        }
        // Another gap of the shard says nothing of the one that a given-up lane leaves.
        let Some(shard) = missed.shard.filter(|_| missed.cause == Cause::StreamFull) else { return };
        if self.missed.iter().any(|known| (known.cause, known.shard) == (missed.cause, missed.shard)) {
            return;
        }
        self.before_session.remove(&shard);
        for sequence in self.unrecorded.remove(&shard).unwrap_or_default() {
            self.outstanding.remove(&sequence);
        }
    }

    /// Events of every server are missing since then (Unix time in ms), whoever recorded it.
    pub fn missing_since(&mut self, ms: u64) {
        let from = MessageId::at_unix_ms(ms.saturating_sub(EARLIER_MS)).0;
        self.missed_from = Some(self.missed_from.map_or(from, |known| known.min(from)));
    }

    /// Since when events of every server are missing that nobody has recorded: Unix time in ms, 0 = not known.
    pub fn missed_since_ms(&self) -> Option<u64> {
        let of_all = self.missed.iter().filter(|missed| missed.shard.is_none());
        of_all.map(|missed| missed.from_ms.unwrap_or(0)).min()
    }

    /// Whether the events of a stream are missing, nobody has recorded it, and no sequence tells of it: who finds this session
    /// stored would know of nothing. What an overfull stream missed in this session keeps its sequence back instead, and
    /// needs the session to come again.
    pub fn misses_of_a_stream(&self) -> bool {
        let told = |shard: ShardId, cause: Cause| {
            cause == Cause::StreamFull && !self.before_session.contains(&shard)
        };
        self.missed.iter().any(|missed| missed.shard.is_some_and(|shard| !told(shard, missed.cause)))
    }

    /// Keeps what an event tells of its server's channels until it is looked at. What was written in since the session
    /// before was lost is held from here on: its live messages come after this event.
    pub(super) fn notice(&mut self, arrival: &Arrival) {
        if let Some(from) = self.missed_from {
            let missed = arrival.written.iter().filter(|written| written.newest > from);
            self.holds.hold(missed.map(|written| written.channel));
        }
        if let Some(server) = arrival.server.filter(|_| !arrival.written.is_empty()) {
            let noticed = Noticed { sequence: arrival.sequence, server, written: arrival.written.clone() };
            self.noticed.insert(arrival.sequence, noticed);
        }
    }

    /// What nobody has looked at yet, of so many servers at most.
    pub fn noticed(&self, servers: usize) -> Vec<Noticed> {
        self.noticed.values().take(servers).cloned().collect()
    }

    /// These were looked at, and of their channels so many are to be read; the others need not wait. What an earlier
    /// session told is gone already.
    pub fn looked_at(&mut self, noticed: &[Noticed], to_read: &HashSet<u64>) {
        for one in noticed {
            if self.noticed.get(&one.sequence) != Some(one) {
                continue;
            }
            self.noticed.remove(&one.sequence);
            let (read, free): (Vec<u64>, Vec<u64>) = one
                .written
                .iter()
                .map(|written| written.channel)
                .partition(|channel| to_read.contains(channel));
            self.holds.hold(read);
            for channel in free {
                self.merge(channel, Vec::new());
            }
        }
    }

    /// Makes room at the cost of one lane, if it is to blame: refused by its stream, half of everything, and others go on.
    pub(super) fn give_up_a_lane(&mut self) -> bool {
        let bytes = |lane: &Lane| lane.queue.iter().map(Entry::bytes).sum::<usize>();
        // What was read again stays: its gap counts on it.
        let live = |entry: &Entry| entry.session != READ_AGAIN;
        let to_blame = |lane: &Lane| lane.retry_at.is_some() && lane.others_go_on;
        let heaviest = self
            .lanes
            .iter()
            .filter(|(_, lane)| to_blame(lane) && lane.queue.iter().skip(1).any(live))
            .max_by_key(|(shard, lane)| (bytes(lane), **shard));
        let Some((&shard, lane)) = heaviest else { return false };
        if lane.queue.len() * 2 < self.entries && bytes(lane) * 2 < self.bytes {
            return false;
        }
        let lane = self.lanes.get_mut(&shard).expect("it was just found");
        let first = lane.queue.pop_front().expect("it holds two at least");
        let dropped = take_out(&mut lane.queue, live);
        lane.queue.push_front(first);
        // Markers are of our own making: they were not received, and are written again.
        let from_ms = dropped.iter().map(|entry| entry.received_at_ms).filter(|ms| *ms > 0).min();
        let interactions = dropped.iter().filter(|entry| entry.kind == "INTERACTION_CREATE").count();
        let mut places = Places::default();
        for entry in &dropped {
            places.add(entry.server, &entry.kind, &entry.payload);
        }
        let unsafe_from =
            dropped.iter().filter(|entry| entry.session == self.session).map(|entry| entry.sequence).min();
        for entry in &dropped {
            self.forget(entry);
        }
        // It may have been given up before, and have been filled by what was held or read again.
        let given_up = self.given_up.entry(shard).or_default();
        given_up.miss(from_ms, u32::try_from(interactions).unwrap_or(u32::MAX));
        given_up.places.extend(places.clone());
        given_up.sequences.extend(unsafe_from);
        self.outstanding.extend(unsafe_from);
        self.hold_missed(&places);
        true
    }

    /// Whether the event's lane is given up. Then it is missing as well, and unsafe until that is recorded.
    pub(super) fn is_missed_too(&mut self, shard: ShardId, arrival: &Arrival) -> bool {
        let Some(given_up) = self.given_up.get_mut(&shard) else { return false };
        given_up.miss(Some(arrival.received_at_ms), u32::from(arrival.kind == "INTERACTION_CREATE"));
        let channel = given_up.places.add(arrival.server, &arrival.kind, &arrival.payload);
        self.holds.hold(channel);
        if given_up.sequences.is_empty() {
            given_up.sequences.insert(arrival.sequence);
            self.outstanding.insert(arrival.sequence);
        }
        true
    }

    /// A session begins: no sequence of it tells of what was given up before, so that it is recorded at once.
    pub(super) fn miss_what_was_given_up(&mut self) {
        self.unrecorded.clear();
        self.no_sequence_tells();
        let mut shards: Vec<ShardId> = self.given_up.keys().copied().collect();
        shards.sort_unstable();
        for shard in shards {
            let given_up = self.given_up.insert(shard, GivenUp::default()).unwrap_or_default();
            self.miss_given_up(shard, given_up);
        }
    }

    /// The session that would bring again what streams have missed is over.
    fn no_sequence_tells(&mut self) {
        let missed = self.missed.iter().filter(|missed| missed.cause == Cause::StreamFull);
        self.before_session.extend(missed.filter_map(|missed| missed.shard));
        self.before_session.extend(self.given_up.keys());
    }

    fn miss_given_up(&mut self, shard: ShardId, given_up: GivenUp) {
        if given_up.from_ms.is_some() {
            let (cause, shard) = (Cause::StreamFull, Some(shard));
            let GivenUp { from_ms, interactions, places, .. } = given_up;
            self.miss(Missed { cause, shard, from_ms, interactions, places });
        }
    }

    /// A stream takes events: if it had been given up, what it missed is known now.
    pub(super) fn goes_on(&mut self, shard: ShardId) {
        if let Some(mut given_up) = self.given_up.remove(&shard) {
            let sequences = std::mem::take(&mut given_up.sequences);
            self.miss_given_up(shard, given_up);
            self.unrecorded.entry(shard).or_default().extend(sequences);
        }
        for (other, lane) in &mut self.lanes {
            lane.others_go_on |= *other != shard && lane.retry_at.is_some();
        }
    }
}

impl GivenUp {
    fn miss(&mut self, from_ms: Option<u64>, interactions: u32) {
        self.from_ms = self.from_ms.into_iter().chain(from_ms).min();
        self.interactions = self.interactions.saturating_add(interactions);
    }
}
