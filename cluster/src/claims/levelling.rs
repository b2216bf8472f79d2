//! Servers to shards: the leader sees to it that no shard stays too hot or too cold, and says how heavy shards are.
//!
//! Looks at sums made by the database, and at servers only of shards that are out of bounds. What it writes is a plan
//! (`helpline.server_moves`), carried out by proxies and owners; nothing depends on there being one planner only.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sqlx::PgPool;
use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::ids::{ServerId, ShardId};
use crate::membership::{self, MOVES};
use crate::placement::servers::{self, Candidate, Params, ServerMove, Shard};

const EVERY: Duration = Duration::from_secs(1);
/// A look may take this part of the time at the most: summing a million servers is not for every second.
const SHARE: u32 = 20;
/// A server that has moved stays so long.
const COOLDOWN: Duration = Duration::from_secs(120);
/// A move that takes longer does not count towards the budget any more, so that a stuck one holds up no other.
const YOUNG: Duration = Duration::from_secs(10);
/// Open moves at the most, as a multiple of the budget.
const OPEN_AT_MOST: usize = 16;
/// A move that is open for longer is a case for an operator.
const STUCK_AFTER: Duration = Duration::from_secs(30);

/// The weights of all shards as last seen.
pub(crate) type Weights = Arc<HashMap<ShardId, u64>>;

pub(crate) struct Levelling {
    pub(crate) pool: PgPool,
    pub(crate) params: Params,
    /// This worker leads.
    pub(crate) leads: watch::Receiver<bool>,
    pub(crate) weights: watch::Sender<Weights>,
}

impl Levelling {
    /// Plans moves of servers while this worker leads.
    pub(crate) async fn run(mut self, life: CancellationToken) {
        let mut stuck = false;
        loop {
            while !*self.leads.borrow_and_update() {
                tokio::select! {
                    () = life.cancelled() => return,
                    changed = self.leads.changed() => if changed.is_err() { return },
                }
            }
            let began = Instant::now();
            let looked = tokio::select! {
                () = life.cancelled() => return,
                looked = self.look(&mut stuck) => looked,
            };
            if let Err(error) = looked {
                tracing::warn!(%error, "planning moves of servers; tried again");
            }
            let pause = (began.elapsed() * SHARE).max(EVERY);
            tokio::select! {
                () = life.cancelled() => return,
                () = sleep(pause) => {}
            }
            if !*self.leads.borrow() {
                report(0, 0.0);
            }
        }
    }

    async fn look(&self, stuck: &mut bool) -> Result<(), sqlx::Error> {
        let open = sqlx::query_file!("src/claims/sql/open_moves.sql", YOUNG.as_secs_f64())
            .fetch_one(&self.pool)
            .await?;
        report(open.open, open.oldest_seconds);
        let is_stuck = open.oldest_seconds > STUCK_AFTER.as_secs_f64();
        if is_stuck && !*stuck {
            tracing::warn!(
                "a server has been on its way to another shard for {:.0} s: see docs/runbooks/server-move-stuck.md",
                open.oldest_seconds
            );
        }
        *stuck = is_stuck;
        let shards = self.shards().await?;
        let weights = servers::weights(&shards);
        self.weights.send_replace(Arc::new(shards.iter().map(|shard| shard.id).zip(weights).collect()));
        let young = usize::try_from(open.young).unwrap_or(usize::MAX);
        let all = usize::try_from(open.open).unwrap_or(usize::MAX);
        let room = (self.params.budget * OPEN_AT_MOST).saturating_sub(all);
        let params = Params { budget: self.params.budget.saturating_sub(young).min(room), ..self.params };
        let sources = servers::sources(&shards, &params);
        if params.budget == 0 || sources.is_empty() {
            return Ok(());
        }
        let candidates = self.candidates(&sources).await?;
        let moves = servers::plan(&shards, &candidates, &params);
        if !moves.is_empty() {
            self.write(&moves).await?;
        }
        Ok(())
    }

    async fn shards(&self) -> Result<Vec<Shard>, sqlx::Error> {
        let rows = sqlx::query_file!("src/claims/sql/shard_loads.sql", YOUNG.as_secs_f64())
            .fetch_all(&self.pool)
            .await?;
        let room = |taken: i64, owned: bool| match owned {
            true => self.params.per_shard.saturating_sub(u32::try_from(taken).unwrap_or(u32::MAX)),
            false => 0,
        };
        let shards = rows.into_iter().map(|row| Shard {
            id: ShardId::from_db(row.id),
            load: row.load_milli.max(0).cast_unsigned(),
            servers: row.servers.max(0).cast_unsigned(),
            may_leave: room(row.leaving, row.owned),
            may_come: room(row.coming, row.owned),
        });
        Ok(shards.collect())
    }

    async fn candidates(&self, sources: &[ShardId]) -> Result<Vec<Candidate>, sqlx::Error> {
        let sources: Vec<i32> = sources.iter().map(|shard| shard.db()).collect();
        let rows = sqlx::query_file!("src/claims/sql/move_candidates.sql", &sources, COOLDOWN.as_secs_f64())
            .fetch_all(&self.pool)
            .await?;
        let candidates = rows.into_iter().map(|row| Candidate {
            server: ServerId::from_db(row.server_id),
            shard: ShardId::from_db(row.shard_id),
            load: row.load_milli.max(0).cast_unsigned(),
        });
        Ok(candidates.collect())
    }

    async fn write(&self, moves: &[ServerMove]) -> Result<(), sqlx::Error> {
        let ids: Vec<i64> = moves.iter().map(|planned| planned.server.db()).collect();
        let from: Vec<i32> = moves.iter().map(|planned| planned.from.db()).collect();
        let to: Vec<i32> = moves.iter().map(|planned| planned.to.db()).collect();
        sqlx::query_file!("src/claims/sql/plan_moves.sql", &ids, &from, &to).execute(&self.pool).await?;
        tracing::info!("{} servers are to move to other shards", moves.len());
        membership::notify(&self.pool, MOVES, "").await
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is for looking at")]
fn report(open: i64, oldest_seconds: f64) {
    metrics::gauge!("helpline_server_moves_open").set(open as f64);
    metrics::gauge!("helpline_server_move_oldest_seconds").set(oldest_seconds);
}
