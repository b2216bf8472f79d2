//! The task of one slot group: reads on its own connection, and is woken when there is more to read.

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt};
use redis::aio::{ConnectionManager, MultiplexedConnection};
use redis::{Cmd, ErrorKind, RedisError, RedisResult, Value};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Context, Group, Wanted};
use crate::event_log::decode;
use crate::redis_connections;

/// Beyond the time that an XREAD may block.
const GRACE: Duration = Duration::from_secs(2);
const SHORTEST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Resolve when a full channel has room again.
type Room = FuturesUnordered<BoxFuture<'static, Wanted>>;

/// Reads until cancelled, whatever happens to Redis.
pub(super) async fn run(context: Context, group: Arc<Group>, cancel: CancellationToken) {
    let mut task = Task { context, group: Arc::clone(&group), room: Room::new() };
    cancel.run_until_cancelled(task.read_for_ever()).await;
    group.close();
}

struct Task {
    context: Context,
    group: Arc<Group>,
    room: Room,
}

impl Task {
    async fn read_for_ever(&mut self) -> Infallible {
        let mut pause = SHORTEST_PAUSE;
        let mut away = false;
        loop {
            while self.group.all().is_empty() {
                self.group.changed.notified().await;
            }
            let error = match connect(&self.context).await {
                Err(error) => error,
                Ok(mut connection) => {
                    if std::mem::take(&mut away) {
                        tracing::info!("the event log is read again");
                    }
                    pause = SHORTEST_PAUSE;
                    match self.read(&mut connection).await {
                        Err(error) => error,
                        Ok(never) => match never {},
                    }
                }
            };
            if !std::mem::replace(&mut away, true) {
                tracing::warn!(%error, "the event log cannot be read; it is tried again");
            }
            metrics::counter!("helpline_log_reconnects_total").increment(1);
            sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    async fn read(&mut self, connection: &mut Connection) -> RedisResult<Infallible> {
        loop {
            let (wanted, full) = self.group.next();
            for (wanted, sender) in full {
                self.room.push(Box::pin(async move {
                    // An error means that nobody receives any more; the next look ends the watch.
                    drop(sender.reserve().await);
                    wanted
                }));
            }
            if wanted.is_empty() {
                self.changed().await;
                continue;
            }
            let cmd = self.command(&wanted);
            let patience = self.context.settings.block + GRACE;
            let waker = connection.waker.clone();
            let id = connection.id;
            let reply = tokio::select! {
                biased;
                reply = timeout(patience, connection.blocking.send_packed_command(&cmd)) => {
                    reply.map_err(|_| late())?.and_then(Value::extract_error)?
                }
                never = self.wake_when_changed(waker, id) => match never {},
            };
            self.deliver(&wanted, reply);
        }
    }

    /// Resolves when the watched shards have changed or a full channel has room again.
    async fn changed(&mut self) {
        let group = &self.group;
        let room = &mut self.room;
        let emptied = async {
            match room.next().await {
                Some(wanted) => wanted,
                None => pending().await,
            }
        };
        tokio::select! {
            () = group.changed.notified() => {}
            wanted = emptied => {
                group.with(&wanted, |watch| watch.waits_for_room = false);
            }
        }
    }

    /// Ends the XREAD that is under way as soon as it lacks something. An UNBLOCK that arrives before its
    /// XREAD has no effect, so it is repeated until the answer to the XREAD drops this future.
    async fn wake_when_changed(&mut self, mut waker: ConnectionManager, id: u64) -> Infallible {
        self.changed().await;
        let cmd = redis::cmd("CLIENT").arg("UNBLOCK").arg(id).to_owned();
        loop {
            // Without an answer the XREAD ends by its own time.
            drop(waker.send_packed_command(&cmd).await);
            sleep(Duration::from_millis(5)).await;
        }
    }

    fn command(&self, wanted: &[Wanted]) -> Cmd {
        let settings = &self.context.settings;
        let block_ms = u64::try_from(settings.block.as_millis()).unwrap_or(1_000).max(1);
        let mut cmd = redis::cmd("XREAD");
        cmd.arg("COUNT").arg(settings.batch_entries.max(1)).arg("BLOCK").arg(block_ms).arg("STREAMS");
        for wanted in wanted {
            cmd.arg(self.context.keys.stream(wanted.shard));
        }
        for wanted in wanted {
            cmd.arg(wanted.position.to_string());
        }
        cmd
    }

    fn deliver(&self, wanted: &[Wanted], reply: Value) {
        for read in decode::streams(reply) {
            let of = |wanted: &&Wanted| self.context.keys.stream(wanted.shard).as_bytes() == read.key;
            if let Some(wanted) = wanted.iter().find(of) {
                self.group.with(wanted, |watch| watch.deliver(read.entries));
            }
        }
    }
}

struct Connection {
    blocking: MultiplexedConnection,
    /// What CLIENT UNBLOCK takes.
    id: u64,
    waker: ConnectionManager,
}

async fn connect(context: &Context) -> RedisResult<Connection> {
    let mut blocking = redis_connections::dedicated(&context.client).await?;
    let asking = redis::cmd("CLIENT").arg("ID").to_owned();
    let id = timeout(GRACE, asking.query_async(&mut blocking)).await.map_err(|_| late())??;
    Ok(Connection { blocking, id, waker: redis_connections::shared_lazy(&context.client)? })
}

fn late() -> RedisError {
    RedisError::from((ErrorKind::Io, "redis did not answer in time"))
}
