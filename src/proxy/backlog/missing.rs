//! The part of the backlog that knows of missing events: lanes that are given up, and events that are read again.
//!
//! A given-up lane keeps its last event, to find out when its stream takes events again; what comes meanwhile is dropped.
//! The sequence before the first dropped event stays the safe one until the gap is recorded, so that a crash in between
//! makes Discord send it again.

use std::collections::{HashSet, VecDeque};

use helpline_cluster::ids::ShardId;

use super::{Arrival, Backlog, Entry, GivenUp, Lane, READ_AGAIN};
use crate::discord::MessageId;
use crate::proxy::gaps::{Cause, Missed, Noticed, Places};

/// As `helpline.open_gap` reads from so long before.
const EARLIER_MS: u64 = 5_000;

impl Backlog {
    /// Puts events into their lanes that are counted already.
    pub fn line_up(&mut self, entries: Vec<(ShardId, Entry)>) {
        for (shard, entry) in entries {
            self.lanes.entry(shard).or_default().queue.push_back(entry);
        }
    }

    /// Ends the hold of a channel: what was read of it and what came live, in order.
    pub fn merge(&mut self, channel: u64, read: Vec<(u64, ShardId, Entry)>) {
        let new = |(_, entry): &&(ShardId, Entry)| entry.session == READ_AGAIN;
        let merged = self.holds.merge(channel, read);
        self.read_again += merged.iter().filter(new).count();
        self.entries += merged.iter().filter(new).count();
        self.bytes += merged.iter().filter(new).map(|(_, entry)| entry.bytes()).sum::<usize>();
        self.line_up(merged);
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

    /// It is recorded: what tells of it otherwise may be forgotten, unless more is missing by now.
    pub fn recorded(&mut self, missed: &Missed) {
        self.missed.retain(|known| known != missed);
        // Another gap of the shard says nothing of the one that a given-up lane leaves.
        let Some(shard) = missed.shard.filter(|_| missed.cause == Cause::StreamFull) else { return };
        if self.missed.iter().any(|known| (known.cause, known.shard) == (missed.cause, missed.shard)) {
            return;
        }
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

    /// Whether the events of a stream are missing and nobody has recorded it.
    pub fn misses_of_a_stream(&self) -> bool {
        self.missed.iter().any(|missed| missed.shard.is_some())
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
        let heaviest = self
            .lanes
            .iter()
            .filter(|(_, lane)| lane.retry_at.is_some() && lane.others_go_on && lane.queue.len() > 1)
            .max_by_key(|(shard, lane)| (bytes(lane), **shard));
        let Some((&shard, lane)) = heaviest else { return false };
        if lane.queue.len() * 2 < self.entries && bytes(lane) * 2 < self.bytes {
            return false;
        }
        let lane = self.lanes.get_mut(&shard).expect("it was just found");
        let last = lane.queue.pop_back().expect("it holds two at least");
        let dropped = std::mem::replace(&mut lane.queue, VecDeque::from([last]));
        // Markers are of our own making: they were not received, and are written again.
        let from_ms = dropped.iter().map(|entry| entry.received_at_ms).filter(|ms| *ms > 0).min();
        let interactions = dropped.iter().filter(|entry| entry.kind == "INTERACTION_CREATE").count();
        let mut places = Places::default();
        for entry in &dropped {
            places.add(entry.server, &entry.kind, &entry.payload);
        }
        let first =
            dropped.iter().filter(|entry| entry.session == self.session).map(|entry| entry.sequence).min();
        for entry in &dropped {
            self.forget(entry);
        }
        // It may have been given up before, and have been filled by what was held or read again.
        let given_up = self.given_up.entry(shard).or_default();
        given_up.miss(from_ms, u32::try_from(interactions).unwrap_or(u32::MAX));
        given_up.places.extend(places);
        given_up.sequences.extend(first);
        self.outstanding.extend(first);
        true
    }

    /// Whether the event's lane is given up. Then it is missing as well, and unsafe until that is recorded.
    pub(super) fn is_missed_too(&mut self, shard: ShardId, arrival: &Arrival) -> bool {
        let Some(given_up) = self.given_up.get_mut(&shard) else { return false };
        given_up.miss(Some(arrival.received_at_ms), u32::from(arrival.kind == "INTERACTION_CREATE"));
        given_up.places.add(arrival.server, &arrival.kind, &arrival.payload);
        if given_up.sequences.is_empty() {
            given_up.sequences.insert(arrival.sequence);
            self.outstanding.insert(arrival.sequence);
        }
        true
    }

    /// A session begins: no sequence of it tells of what was given up before, so that it is recorded at once.
    pub(super) fn miss_what_was_given_up(&mut self) {
        self.unrecorded.clear();
        let mut shards: Vec<ShardId> = self.given_up.keys().copied().collect();
        shards.sort_unstable();
        for shard in shards {
            let given_up = self.given_up.insert(shard, GivenUp::default()).unwrap_or_default();
            self.miss_given_up(shard, given_up);
        }
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
