//! Gives the passages of this worker's servers their vectors, in the background.
//!
//! Which servers: those that somebody asked in ([`Embedder::want`]), and every minute those whose documents have changed. One
//! batch at a time: read what lacks a vector, ask the model, write under the fence of the server's shard. A model in this
//! process works half of the time of one processor at most. Whoever dies in between has written whole batches, and the next
//! owner goes on behind them.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use helpline_cluster::claims::Claims;
use helpline_cluster::database::{Database, Unowned};
use helpline_cluster::fence::{self, Fence, FencedTx};
use helpline_cluster::ids::ServerId;
use tokio_util::sync::CancellationToken;

use crate::answer::model::client::Failed;
use crate::embedding::{Embedder, written};
use crate::knowledge::{index, vectors};
use crate::metrics as names;

/// Looks for servers whose documents have changed.
const SWEEP_EVERY: Duration = Duration::from_secs(60);
/// Servers that one look finds, and that wait for their turn.
const SERVERS_AT_MOST: i64 = 1_000;
/// Batches of one server before it is another's turn.
const BATCHES_IN_TURN: usize = 16;
/// How long the model is left alone when it fails, doubled each time.
const FIRST_REST: Duration = Duration::from_secs(1);
const LONGEST_REST: Duration = Duration::from_secs(300);

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("the sentence model: {}", .0.failure.name())]
    Model(Failed),
    #[error(transparent)]
    Fence(#[from] fence::Error),
    #[error("vectors of passages: {0}")]
    Database(#[from] sqlx::Error),
}

/// How a server's turn ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// All its passages have their vectors.
    Done,
    /// There are more.
    More,
    /// Another worker's.
    Elsewhere,
}

/// Works until cancelled.
pub async fn run(database: Database, claims: Claims, embedder: Arc<Embedder>, cancel: CancellationToken) {
    let mut work = Work { database, claims, embedder, waiting: VecDeque::new(), known: HashSet::new() };
    cancel.run_until_cancelled(work.go_on()).await;
}

struct Work {
    database: Database,
    claims: Claims,
    embedder: Arc<Embedder>,
    waiting: VecDeque<ServerId>,
    /// Those that wait.
    known: HashSet<ServerId>,
}

impl Work {
    async fn go_on(&mut self) {
        // Soon, when this worker has its shards, and not all workers of a deployment at once.
        let mut sweep_at = Instant::now() + SWEEP_EVERY.mul_f64(fastrand::f64() / 10.0);
        let mut rest = FIRST_REST;
        loop {
            if Instant::now() >= sweep_at {
                sweep_at = Instant::now() + SWEEP_EVERY;
                self.sweep().await;
            }
            let patience = sweep_at.saturating_duration_since(Instant::now());
            let Some(server) = self.next(patience).await else { continue };
            match turn(&self.database, &self.claims.running(), &self.embedder, server).await {
                Ok(Turn::More) => self.add(server),
                Ok(Turn::Done | Turn::Elsewhere) => {}
                Err(error) => {
                    let asked =
                        if let Error::Model(failed) = &error { failed.retry_after } else { Duration::ZERO };
                    if rest == FIRST_REST {
                        tracing::warn!(server = server.get(), %error, "passages wait for their vectors");
                    }
                    self.add(server);
                    tokio::time::sleep(
                        rest.max(asked).min(LONGEST_REST).mul_f64(0.5 + fastrand::f64() / 2.0),
                    )
                    .await;
                    rest = (rest * 2).min(LONGEST_REST);
                    continue;
                }
            }
            rest = FIRST_REST;
        }
    }

    /// The next server whose turn it is; none when none comes within the time.
    async fn next(&mut self, patience: Duration) -> Option<ServerId> {
        if self.waiting.is_empty() {
            metrics::gauge!(names::VECTORS_PENDING).set(0.0);
            let wanted = tokio::time::timeout(patience, self.embedder.wanted()).await.ok()?;
            wanted.into_iter().for_each(|server| self.add(server));
        }
        let server = self.waiting.pop_front()?;
        self.known.remove(&server);
        Some(server)
    }

    fn add(&mut self, server: ServerId) {
        if self.known.insert(server) {
            self.waiting.push_back(server);
        }
        metrics::gauge!(names::VECTORS_PENDING)
            .set(f64::from(u32::try_from(self.waiting.len()).unwrap_or(u32::MAX)));
    }

    async fn sweep(&mut self) {
        let shards: Vec<i32> = self.claims.running().iter().map(|fence| fence.shard.db()).collect();
        let found = async {
            let mut tx = self.database.read().await?;
            vectors::undone(&mut tx, &shards, self.embedder.model(), SERVERS_AT_MOST).await
        };
        match found.await {
            Ok(servers) => servers.into_iter().for_each(|server| self.add(server)),
            Err(error) => tracing::debug!(%error, "looking for passages without vectors"),
        }
    }
}

/// Gives some passages of a server their vectors, if one of the fences is its shard's.
///
/// # Errors
/// When the model or Postgres is not there, or the shard has another owner. What was written stays.
pub async fn turn(
    database: &Database,
    fences: &[Fence],
    embedder: &Embedder,
    server: ServerId,
) -> Result<Turn, Error> {
    let state = vectors::state(&mut database.read().await?, server, embedder.model()).await?;
    let Some(state) = state.filter(|state| !state.done) else { return Ok(Turn::Done) };
    let Some(fence) = fences.iter().find(|fence| fence.shard == state.shard) else {
        return Ok(Turn::Elsewhere);
    };
    index_stale(database, server, state.configuration).await?;
    let mut after = vectors::FIRST;
    for _ in 0..BATCHES_IN_TURN {
        let most = i64::try_from(embedder.batch()).unwrap_or(1);
        let passages =
            vectors::missing(&mut database.read().await?, server, embedder.model(), after, most).await?;
        let Some(last) = passages.last() else {
            let mut tx = FencedTx::begin_for(database, fence, server).await?;
            vectors::done(&mut tx, server, embedder.model(), state.version).await?;
            tx.commit().await?;
            return Ok(Turn::Done);
        };
        after = (last.document_id, last.ordinal);
        let texts: Vec<String> = passages
            .iter()
            .map(|passage| written(&passage.title, &passage.heading, &passage.content))
            .collect();
        let started = Instant::now();
        let made = embedder.passages(&texts).await.map_err(Error::Model)?;
        let took = started.elapsed();
        let mut tx = FencedTx::begin_for(database, fence, server).await?;
        vectors::write(&mut tx, server, embedder.model(), &passages, &made).await?;
        tx.commit().await?;
        metrics::counter!(names::VECTORS_WRITTEN).increment(u64::try_from(made.len()).unwrap_or(u64::MAX));
        tokio::time::sleep(embedder.rest_after(took)).await;
    }
    Ok(Turn::More)
}

/// A task of its own, as where questions do it: a connection that is given back in the middle stays in a transaction.
async fn index_stale(database: &Database, server: ServerId, configuration: &'static str) -> sqlx::Result<()> {
    let database = database.clone();
    let indexing = tokio::spawn(async move {
        let mut conn = database.unowned(Unowned::DerivedPassages).await?;
        index::index_stale(conn.conn(), server, configuration).await
    });
    indexing.await.map_err(|_| sqlx::Error::PoolClosed)?.map(drop)
}
