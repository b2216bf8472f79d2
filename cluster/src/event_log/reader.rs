//! Reads the streams of the shards that a worker owns: one dedicated connection and one blocking XREAD for each slot
//! group, so that a worker with many shards waits in eight places, not in hundreds.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::streams::StreamReadReply;
use redis::{AsyncConnectionConfig, RedisError};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Entry;
use crate::ids::{ServerId, ShardId, StreamId};
use crate::keys::{GROUPS, Keys};

/// Batches that wait for a shard's loop; a full shard is left out of the next XREAD.
const WAITING_BATCHES: usize = 4;
const ENTRIES_PER_READ: usize = 256;
/// How long one XREAD waits; a change of the watched set ends it earlier.
const BLOCK: Duration = Duration::from_millis(1_000);
/// How long it waits while some shard is full and has to be looked at again.
const BLOCK_WHILE_FULL: Duration = Duration::from_millis(10);
/// How often it is checked that Redis still has the streams.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// What a shard's loop receives.
#[derive(Debug)]
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
    client: redis::Client,
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
    /// The last id that was handed over.
    after: StreamId,
    to: mpsc::Sender<Delivery>,
    /// Told once; nothing is read until the shard is watched anew.
    wiped: bool,
}

impl Reader {
    /// Starts the reading tasks; they connect when the first shard is watched and outlive every loss of Redis.
    pub fn start(client: redis::Client, keys: Keys, cancel: CancellationToken) -> Self {
        let group = |_| Group {
            watched: Mutex::default(),
            changed: Notify::new(),
            version: AtomicU64::new(0),
            reading: AtomicU64::new(0),
            connection: AtomicI64::new(0),
        };
        let groups: Arc<[Group]> = (0..GROUPS).map(group).collect();
        for index in 0..groups.len() {
            let task =
                Task { groups: Arc::clone(&groups), index, client: client.clone(), keys: keys.clone() };
            let cancel = cancel.clone();
            tokio::spawn(async move { cancel.run_until_cancelled(task.run()).await });
        }
        Self { groups, client }
    }

    /// Begins to deliver what comes after `after`. Replaces an earlier watch of the shard.
    pub fn watch(&self, shard: ShardId, after: StreamId) -> mpsc::Receiver<Delivery> {
        let (to, from) = mpsc::channel(WAITING_BATCHES);
        let group = self.group(shard);
        group.lock().insert(shard, Watched { after, to, wiped: false });
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
            let mut control = None;
            while group.reading.load(Ordering::SeqCst) < version && Instant::now() < deadline {
                let connection = group.connection.load(Ordering::SeqCst);
                if connection > 0 {
                    if control.is_none() {
                        control = reader.client.get_multiplexed_async_connection().await.ok();
                    }
                    if let Some(control) = &mut control {
                        let unblock = redis::cmd("CLIENT").arg("UNBLOCK").arg(connection).to_owned();
                        let _ = unblock.query_async::<i64>(control).await;
                    }
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
    client: redis::Client,
    keys: Keys,
}

/// The shards that one XREAD asks for.
struct Ask {
    shards: Vec<(ShardId, StreamId)>,
    /// A shard was left out because its loop has not taken what it has.
    some_full: bool,
}

impl Task {
    fn group(&self) -> &Group {
        &self.groups[self.index]
    }

    async fn run(self) {
        let mut pause = Duration::from_millis(20);
        loop {
            match self.read_until_broken(&mut pause).await {
                Ok(()) => {}
                Err(error) => {
                    tracing::debug!(%error, "reading slot group {} is interrupted", self.index);
                    self.group().connection.store(0, Ordering::SeqCst);
                    tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
            }
        }
    }

    async fn read_until_broken(&self, pause: &mut Duration) -> Result<(), RedisError> {
        while self.group().lock().is_empty() {
            self.group().changed.notified().await;
        }
        let mut connection = self.connect().await?;
        let mut checked_at: Option<Instant> = None;
        loop {
            if checked_at.is_none_or(|at| at.elapsed() >= CHECK_EVERY) {
                self.check_incarnations(&mut connection).await?;
                checked_at = Some(Instant::now());
            }
            let ask = self.ask();
            if ask.shards.is_empty() {
                let wait = if ask.some_full { BLOCK_WHILE_FULL } else { BLOCK };
                let _ = tokio::time::timeout(wait, self.group().changed.notified()).await;
                continue;
            }
            let block = if ask.some_full { BLOCK_WHILE_FULL } else { BLOCK };
            let reply = self.xread(&mut connection, &ask, block).await?;
            *pause = Duration::from_millis(20);
            self.hand_over(reply);
        }
    }

    /// A connection of its own without a response timeout, which would end a blocking XREAD.
    async fn connect(&self) -> Result<MultiplexedConnection, RedisError> {
        let config = AsyncConnectionConfig::new()
            .set_response_timeout(None)
            .set_connection_timeout(Some(Duration::from_secs(2)));
        let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
        let id: i64 = redis::cmd("CLIENT").arg("ID").query_async(&mut connection).await?;
        self.group().connection.store(id, Ordering::SeqCst);
        Ok(connection)
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
    ) -> Result<Vec<(ShardId, StreamId, Vec<Entry>)>, RedisError> {
        let mut xread = redis::cmd("XREAD");
        xread
            .arg("COUNT")
            .arg(ENTRIES_PER_READ)
            .arg("BLOCK")
            .arg(block.as_millis().max(1) as u64)
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
        // A dead peer that never closes: the answer is due when the block is over.
        let answer = tokio::time::timeout(block + Duration::from_secs(5), xread.query_async(connection));
        let reply: Option<StreamReadReply> = match answer.await {
            Ok(reply) => reply?,
            Err(_) => return Err((redis::ErrorKind::Io, "XREAD got no answer").into()),
        };
        let mut read = Vec::new();
        for stream in reply.map(|reply| reply.keys).unwrap_or_default() {
            let Some((shard, after)) = names.get(&stream.key) else { continue };
            let entries: Vec<Entry> = stream.ids.into_iter().filter_map(entry).collect();
            read.push((*shard, *after, entries));
        }
        Ok(read)
    }

    fn hand_over(&self, read: Vec<(ShardId, StreamId, Vec<Entry>)>) {
        let mut watched = self.group().lock();
        for (shard, after, entries) in read {
            let Some(last) = entries.last().map(|entry| entry.id) else { continue };
            // Watched anew from elsewhere while the XREAD was under way: what it brought is not asked for any more.
            let Some(shard) = watched.get_mut(&shard).filter(|shard| shard.after == after) else { continue };
            if shard.to.try_send(Delivery::Entries(entries)).is_ok() {
                shard.after = last;
            }
        }
    }

    /// After a FLUSHALL ids start below every cursor and XREAD returns nothing for ever: the incarnation key tells.
    async fn check_incarnations(&self, connection: &mut MultiplexedConnection) -> Result<(), RedisError> {
        let shards: Vec<(ShardId, StreamId)> = {
            let watched = self.group().lock();
            watched.iter().filter(|(_, shard)| !shard.wiped).map(|(id, shard)| (*id, shard.after)).collect()
        };
        if shards.is_empty() {
            return Ok(());
        }
        let mut mget = redis::cmd("MGET");
        for (shard, _) in &shards {
            mget.arg(self.keys.incarnation(*shard));
        }
        let answer = tokio::time::timeout(Duration::from_secs(5), mget.query_async(connection));
        let now: Vec<Option<u64>> = match answer.await {
            Ok(now) => now?,
            Err(_) => return Err((redis::ErrorKind::Io, "MGET got no answer").into()),
        };
        let mut watched = self.group().lock();
        for ((id, after), incarnation) in shards.into_iter().zip(now) {
            if incarnation == Some(after.incarnation) {
                continue;
            }
            if let Some(shard) =
                watched.get_mut(&id).filter(|shard| shard.after.incarnation == after.incarnation)
                && shard.to.try_send(Delivery::Wiped).is_ok()
            {
                shard.wiped = true;
            }
        }
        Ok(())
    }
}

/// An entry as its writer made it; one that is not of our making is passed over.
fn entry(raw: redis::streams::StreamId) -> Option<Entry> {
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
}
