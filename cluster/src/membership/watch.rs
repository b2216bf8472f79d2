//! Watching the others. Each member waits for the lock of its successor in the ring of ids, and looks at
//! everybody's lock and heartbeat once a round, so that neighbours that die together are found too.

use std::time::Duration;

use sqlx::PgConnection;
use sqlx::postgres::PgConnectOptions;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::evidence::{Cause, Evidence, Finding, Sight};
use super::within;
use super::{Error, Kind, LOCK_CLASS, PATIENCE, Purpose};
use super::{connect, lock_shared, try_lock_shared, unlock_shared};
use crate::ids::WorkerId;
use crate::lease::RedisLease;

/// A round is short, so that silence is seen soon after the TTL.
const LONGEST_ROUND: Duration = Duration::from_millis(900);
/// So soon a worker that just joined is watched.
const LOOK_FOR_NEW: Duration = Duration::from_millis(100);

/// What one member needs to watch its peers.
pub(crate) struct Watch {
    pub(crate) kind: Kind,
    pub(crate) options: PgConnectOptions,
    pub(crate) id: WorkerId,
    /// This member's own liveness key.
    pub(crate) key: i32,
    pub(crate) fast: bool,
    pub(crate) ttl: Duration,
    pub(crate) redis: RedisLease,
    pub(crate) membership: watch::Receiver<u64>,
}

#[derive(Debug)]
struct Peer {
    /// Its lock.
    key: i32,
    seen: Sight,
}

impl Watch {
    /// Watches until cancelled; survives any outage, and starts without prejudice after each.
    pub(crate) async fn run(mut self, life: CancellationToken) {
        let mut pause = Duration::from_millis(50);
        loop {
            let started = Instant::now();
            let watched = tokio::select! {
                () = life.cancelled() => return,
                watched = self.watch_on_one_connection() => watched,
            };
            if let Err(error) = watched {
                tracing::warn!(%error, "{} watches its peers on a new connection", self.kind.of(self.id));
            }
            if started.elapsed() > self.ttl {
                pause = Duration::from_millis(50);
            }
            tokio::select! {
                () = life.cancelled() => return,
                () = sleep(pause.mul_f64(0.5 + fastrand::f64())) => {}
            }
            pause = (pause * 2).min(self.ttl / 3);
        }
    }

    async fn watch_on_one_connection(&mut self) -> Result<(), Error> {
        let round = (self.ttl / 10).min(LONGEST_ROUND);
        let mut conn = connect(&self.options, Purpose::Watch, self.id, LOOK_FOR_NEW).await?;
        let mut evidence = Evidence::new(self.ttl, self.fast, Instant::now());
        loop {
            let peers = self.snapshot(&mut conn).await?;
            let sights: Vec<Sight> = peers.iter().map(|peer| peer.seen).collect();
            for (id, cause) in evidence.look(&sights, Instant::now()) {
                let Some(peer) = peers.iter().find(|peer| peer.seen.id == id) else { continue };
                match cause {
                    Cause::SessionEnded => self.bury_if_free(&mut conn, peer).await?,
                    Cause::Silence => self.bury_if_lease_gone(&mut conn, peer).await?,
                }
            }
            match successor(self.id, &peers).filter(|peer| evidence.was_held(peer.seen.id)) {
                Some(peer) => {
                    let newest = peers.iter().map(|peer| peer.key).fold(self.key, i32::max);
                    self.wait_for_its_end(&mut conn, peer, newest, round).await?;
                }
                None => drop(timeout(round, self.membership.changed()).await),
            }
        }
    }

    async fn snapshot(&self, conn: &mut PgConnection) -> Result<Vec<Peer>, Error> {
        let me = self.id.db();
        let peer = |id, key, held, beat| Peer { key, seen: Sight { id: WorkerId::from_db(id), held, beat } };
        within(PATIENCE, async {
            Ok(match self.kind {
                Kind::Worker => {
                    let looking = sqlx::query_file!("src/membership/sql/snapshot.sql", me, LOCK_CLASS);
                    let rows = looking.fetch_all(conn).await?.into_iter();
                    rows.map(|row| peer(row.id, row.liveness_key, row.held, row.beat)).collect()
                }
                Kind::Proxy => {
                    let looking =
                        sqlx::query_file!("src/membership/sql/snapshot_of_proxies.sql", me, LOCK_CLASS);
                    let rows = looking.fetch_all(conn).await?.into_iter();
                    rows.map(|row| peer(row.id, row.liveness_key, row.held, row.beat)).collect()
                }
            })
        })
        .await
    }

    /// Blocks on the lock of a peer that was just seen to hold it: to get it means that its session ended.
    async fn wait_for_its_end(
        &self,
        conn: &mut PgConnection,
        peer: &Peer,
        newest: i32,
        round: Duration,
    ) -> Result<(), Error> {
        let taken = lock_shared(conn, self.kind, peer.key, newest, round).await?;
        if Cause::SessionEnded.is_proved_by(Finding::Lock { taken }) {
            self.bury(conn, peer, Cause::SessionEnded).await?;
            unlock_shared(conn, peer.key).await?;
        }
        Ok(())
    }

    /// Holding the peer's lock while deleting its row keeps a peer that reconnects from slipping in between.
    async fn bury_if_free(&self, conn: &mut PgConnection, peer: &Peer) -> Result<(), Error> {
        let taken = try_lock_shared(conn, peer.key).await?;
        if Cause::SessionEnded.is_proved_by(Finding::Lock { taken }) {
            self.bury(conn, peer, Cause::SessionEnded).await?;
            unlock_shared(conn, peer.key).await?;
        }
        Ok(())
    }

    async fn bury_if_lease_gone(&self, conn: &mut PgConnection, peer: &Peer) -> Result<(), Error> {
        let asked = timeout(self.ttl / 4, self.redis.is_there(peer.seen.id)).await;
        let there = asked.ok().and_then(Result::ok).flatten();
        if Cause::Silence.is_proved_by(Finding::Lease { there }) {
            self.bury(conn, peer, Cause::Silence).await?;
        }
        Ok(())
    }

    async fn bury(&self, conn: &mut PgConnection, peer: &Peer, cause: Cause) -> Result<(), Error> {
        let silent = cause == Cause::Silence;
        let Sight { id, beat, .. } = peer.seen;
        if !within(PATIENCE, self.delete(conn, id, silent.then_some(beat))).await? {
            return Ok(());
        }
        let why = if silent { "it has been silent for its TTL" } else { "its session ended" };
        tracing::warn!("declared {} dead: {why}", self.kind.of(id));
        let name = id.get().to_string();
        let ending = sqlx::query_file!("src/membership/sql/terminate_backends.sql", name);
        within(PATIENCE, ending.fetch_one(conn)).await.map(drop)
    }

    /// Whether it was there to be deleted; a silent one only if it has not beaten since `silent_since`.
    async fn delete(
        &self,
        conn: &mut PgConnection,
        id: WorkerId,
        silent_since: Option<i64>,
    ) -> Result<bool, sqlx::Error> {
        Ok(match self.kind {
            Kind::Worker => {
                let burying = sqlx::query_file!("src/membership/sql/bury.sql", id.db(), silent_since);
                burying.fetch_optional(conn).await?.is_some()
            }
            Kind::Proxy => {
                let burying = sqlx::query_file!("src/membership/sql/bury_proxy.sql", id.db(), silent_since);
                burying.fetch_optional(conn).await?.is_some()
            }
        })
    }
}

/// The next living member in the ring of ids; peers come sorted.
fn successor(id: WorkerId, peers: &[Peer]) -> Option<&Peer> {
    let mut living = peers.iter().filter(|peer| peer.seen.held);
    let first = living.clone().next();
    living.find(|peer| peer.seen.id > id).or(first)
}
