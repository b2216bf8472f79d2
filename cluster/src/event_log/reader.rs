//! Reads the streams of the shards that a worker owns: one dedicated connection and one blocking XREAD for each slot
//! group, so that a worker with many shards waits in eight places, not in hundreds.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use redis::{RedisError, Script};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Entry;
use crate::fence::Fence;
use crate::ids::{Epoch, ServerId, ShardId, StreamId};
use crate::keys::{GROUPS, Keys};
use crate::redis_link::{Connection, Dedicated, RedisLink};

/// Batches that wait for a shard's loop; a full shard is left out of the next XREAD.
const WAITING_BATCHES: usize = 4;
const ENTRIES_PER_READ: usize = 256;
/// How long one XREAD waits; a change of the watched set ends it earlier.
const BLOCK: Duration = Duration::from_millis(1_000);
/// How long it waits while some shard is full and has to be looked at again.
const BLOCK_WHILE_FULL: Duration = Duration::from_millis(10);
/// How often it is checked that Redis still has the streams.
const CHECK_EVERY: Duration = Duration::from_secs(1);

const FIRST_PAUSE: Duration = Duration::from_millis(20);
/// How long Redis may take beyond the time that an XREAD may block.
const PATIENCE: Duration = Duration::from_secs(5);

/// Which of the watched streams Redis has lost, see the script.
static LOST: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("lua/standing.lua"), include_str!("lua/lost.lua"))));

/// What a shard's loop receives.
#[derive(Debug, PartialEq, Eq)]
pub enum Delivery {
    /// In order, not empty.
    Entries(Vec<Entry>),
    /// Redis has lost the stream: a new incarnation is to be begun and watched anew.
    Wiped,
}

/// Hands the entries of watched shards to their loops. Cheap to clone; ends with its token.
#[derive(Clone)]
pub struct Reader {
    groups: Arc<[Group]>,
    keys: Keys,
    /// What unblocks.
    control: Connection,
    tasks: TaskTracker,
    cancel: CancellationToken,
}

impl std::fmt::Debug for Reader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").finish_non_exhaustive()
    }
}

struct Group {
    watched: Mutex<HashMap<ShardId, Watched>>,
    changed: Notify,
    /// Rises with every change of the set.
    version: AtomicU64,
    /// The version that the XREAD under way was made from.
    reading: AtomicU64,
    /// The connection that blocks, as CLIENT UNBLOCK names it.
    connection: AtomicI64,
}

#[derive(Debug, Clone)]
struct Watched {
    /// The owner for whom it is read.
    epoch: Epoch,
    /// The last id that was handed over.
    after: StreamId,
    to: mpsc::Sender<Delivery>,
    /// Told once; nothing is read until the shard is watched anew.
    wiped: bool,
}

impl Reader {
    /// Starts the reading tasks; they connect when the first shard is watched and outlive every loss of Redis.
    pub fn start(redis: &RedisLink, keys: Keys, cancel: CancellationToken) -> Self {
        let group = |_| Group {
            watched: Mutex::default(),
            changed: Notify::new(),
            version: AtomicU64::new(0),
            reading: AtomicU64::new(0),
            connection: AtomicI64::new(0),
        };
        let groups: Arc<[Group]> = (0..GROUPS).map(group).collect();
        let tasks = TaskTracker::new();
        for index in 0..groups.len() {
            let (groups, cancel) = (Arc::clone(&groups), cancel.clone());
            let task = Task { groups: Arc::clone(&groups), index, redis: redis.clone(), keys: keys.clone() };
            tasks.spawn(async move {
                cancel.run_until_cancelled(task.run()).await;
                groups[index].lock().clear();
            });
        }
        tasks.close();
        Self { groups, keys, control: redis.shared(), tasks, cancel }
    }

    /// Resolves when nothing is read any more, after the token was cancelled. Every channel has ended then.
    pub async fn stopped(&self) {
        self.tasks.wait().await;
    }

    /// Begins to deliver what comes after `after`. Replaces an earlier watch of the shard, whose channel ends. The
    /// watch ends with [`Reader::unwatch`] or by dropping the receiver.
    pub fn watch(&self, owner: &Fence, after: StreamId) -> mpsc::Receiver<Delivery> {
        let (shard, epoch) = (owner.shard, owner.epoch);
        let (to, from) = mpsc::channel(WAITING_BATCHES);
        let group = self.group(shard);
        group.lock().insert(shard, Watched { epoch, after, to, wiped: false });
        if self.cancel.is_cancelled() {
            group.lock().clear();
        }
        self.wake(shard);
        from
    }

    pub fn unwatch(&self, shard: ShardId) {
        self.group(shard).lock().remove(&shard);
    }

    fn group(&self, shard: ShardId) -> &Group {
        &self.groups[Keys::group(shard) as usize]
    }

    /// Ends the XREAD under way, so that a new shard need not wait for it. One that is about to begin cannot be
    /// unblocked yet, so this goes on until the group reads the new set.
    fn wake(&self, shard: ShardId) {
        let group = self.group(shard);
        let version = group.version.fetch_add(1, Ordering::SeqCst) + 1;
        group.changed.notify_one();
        let reader = self.clone();
        tokio::spawn(async move {
            let deadline = Instant::now() + BLOCK;
            let group = reader.group(shard);
            while group.reading.load(Ordering::SeqCst) < version && Instant::now() < deadline {
                let connection = group.connection.load(Ordering::SeqCst);
                if connection > 0 {
                    let mut control = reader.control.clone().beside(&reader.keys.stream(shard));
                    let unblock = redis::cmd("CLIENT").arg("UNBLOCK").arg(connection).to_owned();
                    // Without it the XREAD ends by its own time.
                    let _ = unblock.query_async::<i64>(&mut control).await;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        });
    }
}

impl Group {
    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<ShardId, Watched>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reading task of one slot group.
struct Task {
    groups: Arc<[Group]>,
    index: usize,
    redis: RedisLink,
    keys: Keys,
}

/// The shards that one XREAD asks for.
struct Ask {
    shards: Vec<(ShardId, StreamId)>,
    /// A shard was left out because its loop has not taken what it has.
    some_full: bool,
}

/// What one XREAD brought for a shard.
struct Read {
    shard: ShardId,
    /// What was asked for.
    after: StreamId,
    last: StreamId,
    entries: Vec<Entry>,
}

impl Task {
    fn group(&self) -> &Group {
        &self.groups[self.index]
    }

    /// All shards of the group are served by one server.
    fn any_shard(&self) -> ShardId {
        ShardId(u32::try_from(self.index).expect("there are few groups"))
    }

    async fn run(self) {
        let mut pause = FIRST_PAUSE;
        let mut told = false;
        loop {
            let Err(error) = self.read_until_broken(&mut pause, &mut told).await;
            self.group().connection.store(0, Ordering::SeqCst);
            if !std::mem::replace(&mut told, true) {
                tracing::warn!(%error, "slot group {} of the event log cannot be read; it is tried again", self.index);
            }
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn read_until_broken(
        &self,
        pause: &mut Duration,
        told: &mut bool,
    ) -> Result<Infallible, RedisError> {
        while self.group().lock().is_empty() {
            self.group().changed.notified().await;
        }
        let mut open = self.connect().await?;
        let mut checked_at: Option<Instant> = None;
        loop {
            if !open.is_current() {
                return Err((redis::ErrorKind::Io, "the streams are served elsewhere now").into());
            }
            let connection = &mut open.connection;
            if checked_at.is_none_or(|at| at.elapsed() >= CHECK_EVERY) {
                self.check_for_loss(connection).await?;
                checked_at = Some(Instant::now());
            }
            let ask = self.ask();
            if ask.shards.is_empty() {
                let wait = if ask.some_full { BLOCK_WHILE_FULL } else { BLOCK };
                let _ = tokio::time::timeout(wait, self.group().changed.notified()).await;
                continue;
            }
            let block = if ask.some_full { BLOCK_WHILE_FULL } else { BLOCK };
            let reply = self.xread(connection, &ask, block).await?;
            *pause = FIRST_PAUSE;
            if std::mem::take(told) {
                tracing::info!("slot group {} of the event log is read again", self.index);
            }
            self.hand_over(reply);
        }
    }

    /// A connection of its own to where the group is: a blocking XREAD holds up whatever comes after it.
    async fn connect(&self) -> Result<Dedicated, RedisError> {
        let mut open = self.redis.dedicated(&self.keys.stream(self.any_shard())).await?;
        let ask = redis::cmd("CLIENT").arg("ID").to_owned();
        let id: i64 = in_time(PATIENCE, ask.query_async(&mut open.connection)).await?;
        self.group().connection.store(id, Ordering::SeqCst);
        Ok(open)
    }

    fn ask(&self) -> Ask {
        let group = self.group();
        let version = group.version.load(Ordering::SeqCst);
        let mut watched = group.lock();
        watched.retain(|_, shard| !shard.to.is_closed());
        let mut ask = Ask { shards: Vec::with_capacity(watched.len()), some_full: false };
        for (id, shard) in watched.iter() {
            match shard.to.capacity() {
                _ if shard.wiped => {}
                0 => ask.some_full = true,
                _ => ask.shards.push((*id, shard.after)),
            }
        }
        group.reading.store(version, Ordering::SeqCst);
        ask
    }

    async fn xread(
        &self,
        connection: &mut MultiplexedConnection,
        ask: &Ask,
        block: Duration,
    ) -> Result<Vec<Read>, RedisError> {
        let mut xread = redis::cmd("XREAD");
        xread
            .arg("COUNT")
            .arg(ENTRIES_PER_READ)
            .arg("BLOCK")
            .arg(u64::try_from(block.as_millis()).unwrap_or(u64::MAX).max(1))
            .arg("STREAMS");
        let mut names = HashMap::with_capacity(ask.shards.len());
        for (shard, after) in &ask.shards {
            let stream = self.keys.stream(*shard);
            xread.arg(&stream);
            names.insert(stream, (*shard, *after));
        }
        for (_, after) in &ask.shards {
            xread.arg(after.to_string());
        }
        let reply: Option<StreamReadReply> = in_time(block + PATIENCE, xread.query_async(connection)).await?;
        let mut read = Vec::new();
        for stream in reply.map(|reply| reply.keys).unwrap_or_default() {
            let Some((shard, after)) = names.get(&stream.key) else { continue };
            let Some(last) = stream.ids.last().and_then(|raw| raw.id.parse().ok()) else { continue };
            let entries = stream.ids.into_iter().filter_map(entry).collect();
            read.push(Read { shard: *shard, after: *after, last, entries });
        }
        Ok(read)
    }

    fn hand_over(&self, read: Vec<Read>) {
        let mut watched = self.group().lock();
        for Read { shard, after, last, entries } in read {
            // Watched anew from elsewhere while the XREAD was under way: what it brought is not asked for any more.
            let Some(shard) = watched.get_mut(&shard).filter(|shard| shard.after == after) else { continue };
            let ours = last.incarnation == after.incarnation;
            let entries: Vec<Entry> =
                entries.into_iter().filter(|entry| entry.id.incarnation == after.incarnation).collect();
            let up_to = if ours { Some(last) } else { entries.last().map(|entry| entry.id) };
            if !entries.is_empty() && shard.to.try_send(Delivery::Entries(entries)).is_err() {
                continue;
            }
            shard.after = up_to.unwrap_or(after);
            // Another owner has begun a later incarnation; without room now, the next read comes here again.
            shard.wiped = !ours && shard.to.try_send(Delivery::Wiped).is_ok();
        }
    }

    /// After a FLUSHALL ids start below every cursor and XREAD returns nothing for ever.
    async fn check_for_loss(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let shards: Vec<(ShardId, StreamId, Epoch)> = {
            let watched = self.group().lock();
            let read = watched.iter().filter(|(_, shard)| !shard.wiped);
            read.map(|(id, shard)| (*id, shard.after, shard.epoch)).collect()
        };
        if shards.is_empty() {
            return Ok(());
        }
        let mut call = LOST.prepare_invoke();
        for (shard, after, epoch) in &shards {
            call.key(self.keys.stream(*shard)).key(self.keys.incarnation(*shard));
            call.key(self.keys.history(*shard)).key(self.keys.shard_epoch(*shard));
            call.arg(after.incarnation).arg(after.seq).arg(epoch.get());
        }
        let lost: Vec<bool> = in_time(PATIENCE, call.invoke_async(connection)).await?;
        let mut watched = self.group().lock();
        for ((id, after, _), _) in shards.into_iter().zip(lost).filter(|(_, lost)| *lost) {
            let Some(shard) = watched.get_mut(&id).filter(|shard| shard.after == after) else { continue };
            // A loop that has not taken what came before is told at one of the next checks.
            if shard.to.try_send(Delivery::Wiped).is_ok() {
                tracing::warn!("redis has lost the event log of {id} as it was read up to {after}");
                shard.wiped = true;
            }
        }
        Ok(())
    }
}

/// A peer that is dead may never close its connection.
async fn in_time<T>(
    limit: Duration,
    answer: impl Future<Output = Result<T, RedisError>>,
) -> Result<T, RedisError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(answer) => answer,
        Err(_) => Err((redis::ErrorKind::Io, "redis did not answer in time").into()),
    }
}

/// An entry as its writer made it; one that is not of our making is passed over.
fn entry(raw: redis::streams::StreamId) -> Option<Entry> {
    let read = || {
        let text = |field: &str| raw.get::<String>(field);
        let server = raw.get::<u64>("g").filter(|server| *server > 0).map(ServerId);
        Some(Entry {
            id: raw.id.parse().ok()?,
            origin: text("k")?,
            kind: text("t")?,
            server,
            received_at_ms: raw.get("r")?,
            payload: Bytes::from(raw.get::<Vec<u8>>("d")?),
        })
    };
    let entry = read();
    if entry.is_none() {
        tracing::error!("the entry {} of an event log is not an event and is passed over", raw.id);
    }
    entry
}
