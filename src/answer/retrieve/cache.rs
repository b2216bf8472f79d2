//! Indexes in memory, bounded in bytes.

use super::index::Index;
use helpline_cluster::ids::ServerId;
use helpline_embed::int8::Vectors;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

/// What an index was built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) version: i64,
    pub(super) configuration: &'static str,
}

/// A server's index with the vectors of its passages.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) key: Key,
    /// What was known of the vectors when they were read, see [`super::Asked`].
    pub(super) vectors_version: i64,
    pub(super) index: Arc<Index>,
    /// None without a sentence model, and as long as no passage has a vector.
    pub(super) vectors: Option<Arc<Vectors>>,
}

/// A server's index, or none yet. The lock is held while it is built, so that it is built once.
pub(super) type Slot = Arc<tokio::sync::Mutex<Option<Held>>>;

#[derive(Debug)]
struct Entry {
    slot: Slot,
    bytes: usize,
    used: u64,
}

#[derive(Debug, Default)]
struct Entries {
    by_server: HashMap<ServerId, Entry>,
    bytes: usize,
    uses: u64,
}

/// Overflow rule: the servers that were not asked for longest are dropped until the rest fits.
#[derive(Debug)]
pub(super) struct Cache {
    entries: Mutex<Entries>,
    max_bytes: usize,
}

/// What an entry costs besides its index; servers without documents are bounded by it.
const ENTRY_BYTES: usize = 256;

impl Cache {
    pub(super) fn new(max_bytes: usize) -> Self {
        Self { entries: Mutex::default(), max_bytes }
    }

    /// The slot of a server, which counts as used now.
    pub(super) fn slot(&self, server: ServerId) -> Slot {
        let mut entries = self.lock();
        let Entries { by_server, bytes, uses } = &mut *entries;
        *uses += 1;
        let entry = by_server.entry(server).or_insert_with(|| {
            *bytes += ENTRY_BYTES;
            Entry { slot: Slot::default(), bytes: ENTRY_BYTES, used: 0 }
        });
        entry.used = *uses;
        Arc::clone(&entry.slot)
    }

    /// Notes what the server's new index takes and makes room.
    pub(super) fn keep(&self, server: ServerId, index_bytes: usize) {
        let mut entries = self.lock();
        let Entries { by_server, bytes, .. } = &mut *entries;
        if let Some(entry) = by_server.get_mut(&server) {
            *bytes = *bytes - entry.bytes + index_bytes + ENTRY_BYTES;
            entry.bytes = index_bytes + ENTRY_BYTES;
        }
        while entries.bytes > self.max_bytes {
            let Some(oldest) =
                entries.by_server.iter().min_by_key(|(_, entry)| entry.used).map(|(id, _)| *id)
            else {
                return;
            };
            let dropped = entries.by_server.remove(&oldest).map_or(0, |entry| entry.bytes);
            entries.bytes -= dropped;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().expect("nothing panics while the map is locked")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_server_not_asked_for_longest_is_dropped_first() {
        let cache = Cache::new(1_000 + 3 * ENTRY_BYTES);
        for server in [1, 2] {
            cache.slot(ServerId(server));
            cache.keep(ServerId(server), 500);
        }
        cache.slot(ServerId(1));
        cache.slot(ServerId(3));
        cache.keep(ServerId(3), 500);
        let mut kept: Vec<u64> = cache.lock().by_server.keys().map(|server| server.0).collect();
        kept.sort_unstable();
        assert_eq!(kept, [1, 3]);
        cache.slot(ServerId(4));
        cache.keep(ServerId(4), 5_000);
        assert!(cache.lock().bytes <= 1_000 + 3 * ENTRY_BYTES, "one larger than the cache is not kept");
    }
}
