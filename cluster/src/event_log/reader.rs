//! Reading: one connection and one blocking XREAD per slot group, for whatever shards are watched.
//!
//! Each watched shard has a bounded channel. A shard whose channel is full is left out of the next XREAD
//! until there is room, so that a slow consumer holds up nobody else and nothing is dropped. When Redis
//! is away the reader comes back by itself and goes on after the last entry it delivered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{Delivery, Entry};
use crate::ids::{ShardId, StreamId};
use crate::keys::{GROUPS, Keys};

mod group;
mod watchdog;

/// What a reader may take at once, and how often it looks.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// Most entries of one delivery.
    pub batch_entries: usize,
    /// Deliveries that wait in a shard's channel.
    pub channel: usize,
    /// How long one XREAD waits for entries; a connection that answers much later counts as broken.
    pub block: Duration,
    /// How often it is checked that Redis still has the streams.
    pub check_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            batch_entries: 128,
            channel: 4,
            block: Duration::from_secs(1),
            check_every: Duration::from_secs(1),
        }
    }
}

/// Reads the streams of the shards that this process owns. Clones share everything.
#[derive(Clone, Debug)]
pub struct Reader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    groups: Vec<Arc<Group>>,
    settings: Settings,
    generations: AtomicU64,
    tasks: TaskTracker,
}

impl Reader {
    /// Starts with default settings; needs a running tokio runtime. Redis may be away. `cancel` ends
    /// every channel.
    pub fn start(client: redis::Client, keys: Keys, cancel: CancellationToken) -> Self {
        Self::start_with(client, keys, Settings::default(), cancel)
    }

    /// [`Reader::start`] with other settings.
    pub fn start_with(
        client: redis::Client,
        keys: Keys,
        settings: Settings,
        cancel: CancellationToken,
    ) -> Self {
        let groups: Vec<Arc<Group>> = (0..GROUPS).map(|_| Arc::new(Group::default())).collect();
        let tasks = TaskTracker::new();
        let context = Context { client, keys, settings };
        for group in &groups {
            tasks.spawn(group::run(context.clone(), Arc::clone(group), cancel.clone()));
        }
        tasks.spawn(watchdog::run(context, groups.clone(), cancel));
        tasks.close();
        Self { shared: Arc::new(Shared { groups, settings, generations: AtomicU64::new(0), tasks }) }
    }

    /// Delivers the shard's entries after `after`, from now on, in place of an earlier watch of the shard,
    /// whose channel ends. It also ends after [`Delivery::Wiped`], and with the reader. Dropping the
    /// receiver ends the watch.
    pub fn watch(&self, shard: ShardId, after: StreamId) -> mpsc::Receiver<Delivery> {
        let (sender, receiver) = mpsc::channel(self.shared.settings.channel.max(1));
        let generation = self.shared.generations.fetch_add(1, Ordering::Relaxed);
        let watch = Watch { generation, position: after, sender, waits_for_room: false, lost: false };
        let group = self.group(shard);
        if let Some(watches) = group.lock().as_mut() {
            watches.insert(shard, watch);
        }
        group.changed.notify_one();
        receiver
    }

    /// Ends the watch: once this returns, nothing is added to the channel.
    pub fn unwatch(&self, shard: ShardId) {
        if let Some(watches) = self.group(shard).lock().as_mut() {
            watches.remove(&shard);
        }
    }

    /// Resolves when every task of the reader has ended, after its token was cancelled.
    pub async fn stopped(&self) {
        self.shared.tasks.wait().await;
    }

    fn group(&self, shard: ShardId) -> &Group {
        &self.shared.groups[Keys::group(shard) as usize]
    }
}

#[derive(Clone, Debug)]
struct Context {
    client: redis::Client,
    keys: Keys,
    settings: Settings,
}

/// The watched shards of one slot group. The lock is never held across an await.
#[derive(Debug)]
struct Group {
    /// None once the reader has ended.
    watches: Mutex<Option<HashMap<ShardId, Watch>>>,
    /// The XREAD that is under way lacks something.
    changed: Notify,
}

impl Default for Group {
    fn default() -> Self {
        Self { watches: Mutex::new(Some(HashMap::new())), changed: Notify::new() }
    }
}

#[derive(Debug)]
struct Watch {
    /// Tells this watch from an earlier one of the same shard.
    generation: u64,
    /// The last entry that was delivered.
    position: StreamId,
    sender: mpsc::Sender<Delivery>,
    waits_for_room: bool,
    /// Redis has lost the stream; to be said as soon as there is room.
    lost: bool,
}

/// A watch as the tasks carry it outside the lock.
#[derive(Clone, Debug)]
struct Wanted {
    shard: ShardId,
    generation: u64,
    position: StreamId,
}

impl Group {
    fn lock(&self) -> MutexGuard<'_, Option<HashMap<ShardId, Watch>>> {
        self.watches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Every channel ends, and so do those of later watches.
    fn close(&self) {
        self.lock().take();
    }

    fn all(&self) -> Vec<Wanted> {
        self.lock().iter().flatten().map(|(&shard, watch)| watch.wanted(shard)).collect()
    }

    /// What to read next, and the senders of full channels that nobody waits for yet.
    fn next(&self) -> (Vec<Wanted>, Vec<(Wanted, mpsc::Sender<Delivery>)>) {
        let mut watches = self.lock();
        let Some(watches) = watches.as_mut() else { return (Vec::new(), Vec::new()) };
        watches.retain(|_, watch| !watch.sender.is_closed() && !watch.said_lost());
        let mut full = Vec::new();
        let mut wanted = Vec::new();
        for (&shard, watch) in watches {
            if watch.sender.capacity() > 0 {
                wanted.push(watch.wanted(shard));
            } else if !watch.waits_for_room {
                watch.waits_for_room = true;
                full.push((watch.wanted(shard), watch.sender.clone()));
            }
        }
        (wanted, full)
    }

    /// Runs on the watch unless it was ended or replaced in between.
    fn with<T>(&self, wanted: &Wanted, run: impl FnOnce(&mut Watch) -> T) -> Option<T> {
        let mut watches = self.lock();
        let watch = watches.as_mut()?.get_mut(&wanted.shard)?;
        (watch.generation == wanted.generation).then(|| run(watch))
    }
}

impl Watch {
    fn wanted(&self, shard: ShardId) -> Wanted {
        Wanted { shard, generation: self.generation, position: self.position }
    }

    /// True once the loss was said; the watch ends then.
    fn said_lost(&self) -> bool {
        self.lost && self.sender.try_send(Delivery::Wiped).is_ok()
    }

    /// Takes what was read for this watch. Entries that are not ours move the position only.
    fn deliver(&mut self, read: Vec<(StreamId, Option<Entry>)>) {
        let mut entries = Vec::with_capacity(read.len());
        for (id, entry) in read {
            if id.incarnation != self.position.incarnation {
                // Begun by another owner: this one's cursor does not lead there.
                self.lost = true;
                break;
            }
            self.position = id;
            match entry {
                Some(entry) => entries.push(entry),
                None => tracing::error!("the entry {id} of an event log is not an event and is skipped"),
            }
        }
        if entries.is_empty() {
            return;
        }
        metrics::counter!("helpline_log_read_total").increment(entries.len() as u64);
        // There was room before the read and nobody else sends: this fails only for a dropped receiver.
        drop(self.sender.try_send(Delivery::Entries(entries)));
    }
}
