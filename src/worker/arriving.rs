//! Servers that come to a shard from others: whoever owns it applies what is held of them, once they have left.
//!
//! [`Arrivals`] is the worker's: it hears of moves and wakes the loops of the shards concerned. [`Arriving`] is one
//! shard's, part of its loop, so that held events and those of the stream are never applied side by side.
//!
//! Promise: a held event that fails, panics or ends its owner's process is put aside as one of the stream is ([`trial`]).

mod held;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use helpline_cluster::claims::Lease;
use helpline_cluster::database::Database;
use helpline_cluster::ids::{MoveId, ServerId, ShardId};
use helpline_cluster::membership::MOVES;
use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::lanes::Lanes;
use super::moving::{self, Drained};
use super::shard_loop::{Stopped, TRIES, in_hand};
use super::{Backoff, Shared, trial};

/// Notifications are hints: the moves are looked at that often anyway.
const POLL_EVERY: Duration = Duration::from_secs(1);
/// Markers that are remembered; the oldest are forgotten, and written again if they mattered.
const MOVED_IN_AT_MOST: usize = 1_000;

/// Wakes the loops of shards that servers come to, or for which something else is there to do.
#[derive(Debug, Default)]
pub struct Arrivals {
    shards: Mutex<HashMap<ShardId, watch::Sender<()>>>,
}

impl Arrivals {
    /// Wakes at once, for what is there already.
    pub(super) fn of(&self, shard: ShardId) -> watch::Receiver<()> {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        let mut news = shards.entry(shard).or_insert_with(|| watch::Sender::new(())).subscribe();
        news.mark_changed();
        news
    }

    pub(super) fn wake(&self, shard: ShardId) {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(news) = shards.get(&shard)
            && news.send(()).is_err()
        {
            // Nobody applies the shard here any more.
            shards.remove(&shard);
        }
    }
}

/// Listens to moves and polls them, until cancelled.
pub async fn watch(shared: Arc<Shared>, session_url: String, cancel: CancellationToken) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = listen(&shared.arrivals, &session_url) => {}
        () = poll(&shared) => {}
    }
}

async fn poll(shared: &Shared) {
    let mut every = tokio::time::interval(POLL_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        match arriving_shards(&shared.pool).await {
            Ok(shards) => shards.into_iter().for_each(|shard| shared.arrivals.wake(shard)),
            Err(error) => tracing::debug!(%error, "looking for servers that move"),
        }
    }
}

async fn listen(arrivals: &Arrivals, session_url: &str) {
    loop {
        if let Err(error) = listen_once(arrivals, session_url).await {
            tracing::debug!(%error, "no notifications of moves; polling goes on");
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

async fn listen_once(arrivals: &Arrivals, session_url: &str) -> sqlx::Result<()> {
    let mut listener = PgListener::connect(session_url).await?;
    listener.listen(MOVES).await?;
    loop {
        // None = the connection was lost and made again; the poll finds what was missed.
        let Some(said) = listener.try_recv().await? else { continue };
        if let Ok(shard) = said.payload().parse() {
            arrivals.wake(ShardId(shard));
        }
    }
}

async fn arriving_shards(database: &Database) -> sqlx::Result<Vec<ShardId>> {
    let rows = sqlx::query_file_scalar!("src/worker/sql/arriving_shards.sql")
        .fetch_all(database.read().await?.conn())
        .await?;
    Ok(rows.into_iter().map(ShardId::from_db).collect())
}

/// The servers that come to one shard, under one lease.
pub struct Arriving {
    shared: Arc<Shared>,
    lease: Lease,
    lanes: Lanes,
    news: watch::Receiver<()>,
    /// To be looked at.
    servers: VecDeque<ServerId>,
    /// Those whose lanes were set going since they came.
    settled: HashSet<ServerId>,
    /// Those of whose held events some were applied under this lease.
    tried: HashSet<ServerId>,
    /// Moves whose *moved in* was read, as Postgres numbers them. Lost with this owner: the proxy writes the marker
    /// again until the move is done.
    moved_in: Vec<i64>,
}

impl Arriving {
    pub(super) fn new(shared: Arc<Shared>, lease: Lease, lanes: Lanes) -> Self {
        let news = shared.arrivals.of(lease.fence.shard);
        Self {
            shared,
            lease,
            lanes,
            news,
            servers: VecDeque::new(),
            settled: HashSet::new(),
            tried: HashSet::new(),
            moved_in: Vec::new(),
        }
    }

    /// *Moved in* was read. Whether its server has left the old shard yet is looked at next.
    pub(super) fn moved_in(&mut self, id: MoveId, server: Option<ServerId>) {
        if self.moved_in.len() >= MOVED_IN_AT_MOST {
            self.moved_in.remove(0);
        }
        self.moved_in.push(id.db());
        self.servers.extend(server);
    }

    /// Resolves when there is something to do.
    pub(super) async fn due(&mut self) {
        // The sender lives as long as the process.
        if self.servers.is_empty() && self.news.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Does a part of it, so that the stream has its turn.
    pub(super) async fn step(&mut self) -> Result<(), Stopped> {
        if let Some(server) = self.servers.pop_front() {
            if self.drain_some(server).await? {
                self.servers.push_front(server);
            }
            return Ok(());
        }
        self.news.mark_unchanged();
        let shard = self.lease.fence.shard;
        match moving::arrivals(&self.shared.first, shard).await {
            Ok(servers) => {
                self.settled.retain(|server| servers.contains(server));
                self.tried.retain(|server| servers.contains(server));
                self.servers = servers.into();
            }
            Err(error) => tracing::debug!(%error, "looking for servers that come to {shard}"),
        }
        Ok(())
    }

    /// Applies everything that is held of a server.
    pub(super) async fn drain(&mut self, server: ServerId) -> Result<(), Stopped> {
        while self.drain_some(server).await? {}
        Ok(())
    }

    async fn drained(&mut self, server: ServerId, drained: Drained) -> bool {
        let (lanes, more, here) = match drained {
            Drained::Some(lanes) => (lanes, true, true),
            Drained::All { lanes, gone } => (lanes, false, !gone),
            Drained::NotYet => return false,
        };
        if here && (self.settled.insert(server) || self.lanes.is_away(server)) {
            self.lanes.arrive(server).await;
        }
        lanes.into_iter().for_each(|lane| self.lanes.kick(lane));
        more
    }

    /// A worker that cannot renew its lease applies nothing, nor one that does not know which user the bot is.
    async fn wait_until_valid(&self) -> Result<(), Stopped> {
        while !self.lease.self_fence.is_valid() || self.shared.identity.borrow().is_none() {
            let pause = tokio::time::sleep(Duration::from_millis(20));
            self.lease.stop.run_until_cancelled(pause).await.ok_or(Stopped::Over)?;
        }
        if self.lease.stop.is_cancelled() { Err(Stopped::Over) } else { Ok(()) }
    }

    async fn pause(&self, backoff: &mut Backoff) -> Result<(), Stopped> {
        self.lease.stop.run_until_cancelled(backoff.wait()).await.ok_or(Stopped::Over)
    }
}
