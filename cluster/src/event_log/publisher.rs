//! Publishing: one script call per slot group, fenced by the gateway shard's epoch.

use std::collections::HashMap;
use std::sync::LazyLock;
use std::time::{SystemTime, UNIX_EPOCH};

use futures_util::future::try_join_all;
use redis::aio::ConnectionManager;
use redis::{Cmd, ErrorKind, RedisError, Script, ServerErrorKind, Value};

use super::{Bounds, Error, NewEvent, Outcome};
use crate::ids::{GatewayShard, ShardId, StreamId};
use crate::keys::{GROUPS, Keys};
use crate::redis_connections;

static PUBLISH: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/publish.lua")));
static RAISE: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/raise.lua")));

/// One script call holds Redis up for as long as it runs, so a batch goes in chunks of at most this.
const CHUNK_ENTRIES: usize = 256;
const CHUNK_BYTES: usize = 1024 * 1024;

/// Publishes events for the gateway shards of one proxy. Clones share the connection.
#[derive(Clone, Debug)]
pub struct Publisher {
    redis: ConnectionManager,
    keys: Keys,
    bounds: Bounds,
}

impl Publisher {
    /// # Errors
    /// When Redis cannot be reached. Afterwards it reconnects by itself.
    pub async fn new(client: &redis::Client, keys: Keys, bounds: Bounds) -> Result<Self, Error> {
        Ok(Self { redis: redis_connections::shared(client).await?, keys, bounds })
    }

    /// Takes the gateway shard over: every earlier epoch publishes nothing any more once this returns.
    /// An epoch is at least the time in ms, so that it stays new after Redis was wiped.
    ///
    /// # Errors
    /// [`Error::Redis`]: some slot groups may refuse the earlier holder already; call again.
    pub async fn raise_gateway_epoch(&self, gateway: GatewayShard) -> Result<u64, Error> {
        let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let mut epoch = u64::try_from(since_1970.as_millis()).unwrap_or_default();
        loop {
            let raised = try_join_all((0..GROUPS).map(|group| self.raise_in(group, gateway, epoch))).await?;
            // Two that raise at once get past each other only with different epochs, and the higher one
            // stands in every group.
            match raised.into_iter().filter(|&(won, _)| !won).map(|(_, stands)| stands).max() {
                None => return Ok(epoch),
                Some(highest) => epoch = highest.max(epoch) + 1,
            }
        }
    }

    async fn raise_in(&self, group: u32, gateway: GatewayShard, epoch: u64) -> Result<(bool, u64), Error> {
        let key = self.keys.gateway_epoch(group, gateway);
        Ok(RAISE.key(key).arg(epoch).invoke_async(&mut self.redis.clone()).await?)
    }

    /// Publishes the events in their order, with an outcome for each. Within a stream, nothing follows an
    /// event that was refused. Between calls the order is the caller's: it awaits each before the next.
    ///
    /// # Errors
    /// [`Error::Superseded`], [`Error::EpochLost`]: nothing, or with a takeover in between only a part, was
    /// published. [`Error::Redis`]: unknown; the same events are to be published again, and their origin
    /// tells the worker which of them it has applied.
    pub async fn publish(
        &self,
        gateway: GatewayShard,
        epoch: u64,
        batch: &[NewEvent],
    ) -> Result<Vec<Outcome>, Error> {
        let mut groups: Vec<Vec<usize>> = vec![Vec::new(); GROUPS as usize];
        for (index, event) in batch.iter().enumerate() {
            groups[Keys::group(event.shard) as usize].push(index);
        }
        let calls = (0..GROUPS)
            .zip(&groups)
            .filter(|(_, indices)| !indices.is_empty())
            .map(|(group, indices)| self.publish_group(group, gateway, epoch, batch, indices));
        let mut outcomes = vec![Outcome::NoIncarnation; batch.len()];
        for (index, outcome) in try_join_all(calls).await?.into_iter().flatten() {
            outcomes[index] = outcome;
        }
        count(&outcomes);
        Ok(outcomes)
    }

    /// Chunk after chunk, because what one refuses the next must not take.
    async fn publish_group(
        &self,
        group: u32,
        gateway: GatewayShard,
        epoch: u64,
        batch: &[NewEvent],
        indices: &[usize],
    ) -> Result<Vec<(usize, Outcome)>, Error> {
        let mut outcomes = Vec::with_capacity(indices.len());
        let mut refused: HashMap<ShardId, Outcome> = HashMap::new();
        let mut rest = indices;
        while !rest.is_empty() {
            let (chunk, after) = rest.split_at(chunk_len(batch, rest));
            rest = after;
            let (held, open): (Vec<usize>, Vec<usize>) =
                chunk.iter().copied().partition(|&index| refused.contains_key(&batch[index].shard));
            outcomes.extend(held.into_iter().map(|index| (index, refused[&batch[index].shard])));
            if open.is_empty() {
                continue;
            }
            let published = self.call(group, gateway, epoch, batch, &open).await?;
            for (&index, outcome) in open.iter().zip(published) {
                if !matches!(outcome, Outcome::Published(_)) {
                    refused.insert(batch[index].shard, outcome);
                }
                outcomes.push((index, outcome));
            }
        }
        Ok(outcomes)
    }

    async fn call(
        &self,
        group: u32,
        gateway: GatewayShard,
        epoch: u64,
        batch: &[NewEvent],
        chunk: &[usize],
    ) -> Result<Vec<Outcome>, Error> {
        let cmd = self.command(group, gateway, epoch, batch, chunk);
        let mut redis = self.redis.clone();
        let reply = match redis.send_packed_command(&cmd).await.and_then(Value::extract_error) {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                PUBLISH.load_async(&mut redis).await?;
                redis.send_packed_command(&cmd).await.and_then(Value::extract_error)?
            }
            reply => reply?,
        };
        match reply {
            Value::Int(0) => Err(Error::Superseded { gateway, epoch }),
            Value::Int(_) => Err(Error::EpochLost { gateway }),
            Value::Array(items) if items.len() == chunk.len() => {
                items.into_iter().map(|item| outcome(item).ok_or_else(not_understood)).collect()
            }
            _ => Err(not_understood()),
        }
    }

    /// The script's arguments: see lua/publish.lua.
    fn command(
        &self,
        group: u32,
        gateway: GatewayShard,
        epoch: u64,
        batch: &[NewEvent],
        chunk: &[usize],
    ) -> Cmd {
        let mut shards: Vec<ShardId> = Vec::new();
        let mut numbers: HashMap<ShardId, usize> = HashMap::new();
        for &index in chunk {
            let shard = batch[index].shard;
            numbers.entry(shard).or_insert_with(|| {
                shards.push(shard);
                shards.len()
            });
        }
        let mut cmd = redis::cmd("EVALSHA");
        cmd.arg(PUBLISH.get_hash()).arg(1 + 2 * shards.len());
        cmd.arg(self.keys.gateway_epoch(group, gateway));
        for &shard in &shards {
            cmd.arg(self.keys.stream(shard)).arg(self.keys.incarnation(shard));
        }
        cmd.arg(epoch).arg(self.bounds.entries).arg(self.bounds.bytes);
        for &index in chunk {
            let event = &batch[index];
            cmd.arg(numbers[&event.shard]).arg(&event.origin).arg(&event.kind);
            match event.server {
                Some(server) => cmd.arg(server.get()),
                None => cmd.arg(""),
            };
            cmd.arg(event.received_at_ms).arg(&event.payload[..]);
        }
        cmd
    }
}

/// How many of `rest` go in one call; at least one.
fn chunk_len(batch: &[NewEvent], rest: &[usize]) -> usize {
    let mut bytes = 0;
    rest.iter()
        .take(CHUNK_ENTRIES)
        .take_while(|&&index| {
            let fits = bytes == 0 || bytes + batch[index].payload.len() <= CHUNK_BYTES;
            bytes += batch[index].payload.len().max(1);
            fits
        })
        .count()
}

fn outcome(item: Value) -> Option<Outcome> {
    match item {
        Value::Int(0) => Some(Outcome::NoIncarnation),
        Value::Int(1) => Some(Outcome::Full),
        Value::BulkString(id) => {
            let id: StreamId = std::str::from_utf8(&id).ok()?.parse().ok()?;
            Some(Outcome::Published(id))
        }
        _ => None,
    }
}

fn not_understood() -> Error {
    Error::Redis(RedisError::from((
        ErrorKind::UnexpectedReturnType,
        "the publish script's answer is not understood",
    )))
}

fn count(outcomes: &[Outcome]) {
    let published = outcomes.iter().filter(|outcome| matches!(outcome, Outcome::Published(_))).count();
    metrics::counter!("helpline_log_published_total").increment(published as u64);
    if published < outcomes.len() {
        metrics::counter!("helpline_log_refused_total").increment((outcomes.len() - published) as u64);
    }
}
