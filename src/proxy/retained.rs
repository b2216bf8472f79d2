//! What a gateway shard has published and no shard's owner has applied durably yet: published again when Redis loses it.
//! Pure; bounded in entries and bytes.
//!
//! Overflow rule: the oldest go first and are counted. They are given up only when Redis then loses their stream: they are
//! handed out as [`GivenUp`], which becomes a gap and is repaired from Discord. Once the durable cursor has passed them they are forgotten.
//!
//! A stream is known under one incarnation. As soon as a higher one is heard of, from Redis or from Postgres, everything
//! kept under the lower one goes back to the head of the stream's lane, in order, before anything newer is published.

use std::collections::{BTreeSet, HashMap, VecDeque};

use helpline_cluster::ids::{ShardId, StreamId};

use super::backlog::{Bounds, Entry};
use super::gaps::Places;

/// Bounds of one gateway shard when nothing else is said: what it publishes in seconds, since cursors follow closely.
pub const BOUNDS: Bounds = Bounds { entries: 100_000, bytes: 64 * 1024 * 1024 };

/// What was published, lost by Redis, and dropped here before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenUp {
    pub shard: ShardId,
    pub entries: u64,
    /// When the proxy received the first and the last of them, Unix time.
    pub from_ms: u64,
    pub to_ms: u64,
    /// So many were interactions, which cannot be read again.
    pub interactions: u32,
    /// Where the messages among them were written.
    pub places: Places,
}

/// What is to be published again.
#[derive(Debug)]
pub struct Lost {
    /// In order, for the head of the shard's lane.
    pub again: Vec<Entry>,
    pub given_up: Option<GivenUp>,
}

#[derive(Debug)]
struct Stream {
    incarnation: u64,
    kept: VecDeque<Kept>,
    /// Dropped by the overflow rule and not yet passed by the durable cursor.
    dropped: Option<(StreamId, GivenUp)>,
}

#[derive(Debug)]
struct Kept {
    order: u64,
    id: StreamId,
    entry: Entry,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Retained {
    bounds: Bounds,
    entries: usize,
    bytes: usize,
    streams: HashMap<ShardId, Stream>,
    /// The oldest entry of each stream that keeps some.
    oldest: BTreeSet<(u64, ShardId)>,
    next_order: u64,
    dropped: u64,
}

impl Retained {
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            entries: 0,
            bytes: 0,
            streams: HashMap::new(),
            oldest: BTreeSet::new(),
            next_order: 0,
            dropped: 0,
        }
    }

    /// The incarnation under which the shard's stream is known. Nothing is to be published into another.
    pub fn incarnation(&self, shard: ShardId) -> Option<u64> {
        self.streams.get(&shard).map(|stream| stream.incarnation)
    }

    /// Keeps what was published under this id, in the stream's order and in its known incarnation.
    pub fn keep(&mut self, shard: ShardId, id: StreamId, entry: Entry) {
        let order = self.next_order;
        self.next_order += 1;
        let stream = self.streams.entry(shard).or_insert_with(|| Stream {
            incarnation: id.incarnation,
            kept: VecDeque::new(),
            dropped: None,
        });
        if stream.kept.is_empty() {
            self.oldest.insert((order, shard));
        }
        self.entries += 1;
        self.bytes += entry.bytes();
        stream.kept.push_back(Kept { order, id, entry });
        while self.entries > self.bounds.entries || self.bytes > self.bounds.bytes {
            if !self.drop_oldest() {
                break;
            }
        }
    }

    fn drop_oldest(&mut self) -> bool {
        let Some((_, shard)) = self.oldest.first().copied() else { return false };
        let Some(kept) = self.pop(shard) else { return false };
        let Some(stream) = self.streams.get_mut(&shard) else { return false };
        self.dropped += 1;
        let received = kept.entry.received_at_ms;
        let (entries, interactions, places) = (0, 0, Places::default());
        let none = GivenUp { shard, entries, from_ms: received, to_ms: received, interactions, places };
        let (up_to, dropped) = stream.dropped.get_or_insert((kept.id, none));
        *up_to = kept.id;
        dropped.entries += 1;
        // A marker of ours was not received.
        if received > 0 {
            dropped.from_ms = if dropped.from_ms == 0 { received } else { dropped.from_ms.min(received) };
            dropped.to_ms = dropped.to_ms.max(received);
        }
        dropped.interactions += u32::from(kept.entry.kind == "INTERACTION_CREATE");
        dropped.places.add(kept.entry.server, &kept.entry.kind, &kept.entry.payload);
        true
    }

    /// Takes the oldest entry of a stream out of the books.
    fn pop(&mut self, shard: ShardId) -> Option<Kept> {
        let stream = self.streams.get_mut(&shard)?;
        let kept = stream.kept.pop_front()?;
        self.oldest.remove(&(kept.order, shard));
        if let Some(next) = stream.kept.front() {
            self.oldest.insert((next.order, shard));
        }
        self.entries -= 1;
        self.bytes -= kept.entry.bytes();
        Some(kept)
    }

    /// The shard's owner has durably applied everything up to the cursor. A cursor in a higher incarnation: the stream
    /// was lost, and what is kept of it is to be published again.
    pub fn durable(&mut self, shard: ShardId, cursor: StreamId) -> Option<Lost> {
        let stream = self.streams.get_mut(&shard)?;
        if cursor.incarnation > stream.incarnation {
            return Some(self.begun_anew(shard, cursor.incarnation));
        }
        if cursor.incarnation < stream.incarnation {
            return None;
        }
        if stream.dropped.as_ref().is_some_and(|(up_to, _)| *up_to <= cursor) {
            stream.dropped = None;
        }
        while self.streams.get(&shard)?.kept.front().is_some_and(|kept| kept.id <= cursor) {
            self.pop(shard);
        }
        None
    }

    /// The stream goes on under a higher incarnation: what is kept of the one before is handed out.
    pub fn begun_anew(&mut self, shard: ShardId, incarnation: u64) -> Lost {
        let mut again = Vec::new();
        while let Some(kept) = self.pop(shard) {
            again.push(kept.entry);
        }
        let dropped = self.streams.get_mut(&shard).and_then(|stream| {
            stream.incarnation = stream.incarnation.max(incarnation);
            stream.dropped.take()
        });
        Lost { again, given_up: dropped.map(|(_, given_up)| given_up) }
    }

    pub fn len(&self) -> usize {
        self.entries
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many the overflow rule has dropped since this was asked last.
    pub fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
#[path = "retained_tests.rs"]
mod tests;
