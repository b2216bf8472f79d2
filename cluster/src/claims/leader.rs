//! The leader: one worker plans for all. It plans on the connection that holds the leader's lock, so that
//! a leader whose session ended cannot write a plan any more.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::levelling::Weights;
use crate::ids::{ShardId, WorkerId};
use crate::membership::{self, Error, LEADER, PATIENCE, PLACEMENT, Purpose};
use crate::placement::{self, Assignment, Input, Params, Shard};

/// The plan is looked at that often even when nothing was heard.
const EVERY: Duration = Duration::from_secs(1);
/// One wait for the leader's lock; shorter than Postgres' deadlock_timeout.
const LOCK_WAIT: Duration = Duration::from_millis(900);

pub(crate) struct Leader {
    pub(crate) options: PgConnectOptions,
    pub(crate) id: WorkerId,
    pub(crate) fast: bool,
    pub(crate) ttl: Duration,
    pub(crate) params: Params,
    pub(crate) membership: watch::Receiver<u64>,
    pub(crate) placement: watch::Receiver<u64>,
    /// Tells the planner of servers whether this worker leads.
    pub(crate) leads: watch::Sender<bool>,
    /// What it found the shards to weigh.
    pub(crate) weights: watch::Receiver<Weights>,
}

impl Leader {
    /// Waits to become the leader and plans as long as it is. Survives any outage.
    pub(crate) async fn run(mut self, life: CancellationToken) {
        let mut pause = Duration::from_millis(50);
        loop {
            let led = tokio::select! {
                () = life.cancelled() => return,
                led = self.lead_on_one_connection(&mut pause) => led,
            };
            self.leads.send_replace(false);
            if let Err(error) = led {
                tracing::warn!(%error, "{} stands for leader on a new connection", self.id);
            }
            tokio::select! {
                () = life.cancelled() => return,
                () = sleep(pause.mul_f64(0.5 + fastrand::f64())) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn lead_on_one_connection(&mut self, pause: &mut Duration) -> Result<(), Error> {
        let mut conn = membership::connect(&self.options, Purpose::Lead, self.id, LOCK_WAIT).await?;
        if self.fast {
            while !membership::lock(&mut conn, LEADER).await? {}
            tracing::info!("{} leads", self.id);
        }
        loop {
            self.membership.mark_unchanged();
            self.placement.mark_unchanged();
            membership::within(PATIENCE, self.plan_once(&mut conn)).await?;
            *pause = Duration::from_millis(50);
            tokio::select! {
                _ = self.membership.changed() => {}
                _ = self.placement.changed() => {}
                () = sleep(EVERY) => {}
            }
        }
    }

    async fn plan_once(&self, conn: &mut PgConnection) -> Result<(), sqlx::Error> {
        let mut tx = conn.begin().await?;
        // Through a pooler no lock outlives a transaction: whoever gets it plans this time.
        let leads = self.fast || membership::try_lead_once(&mut tx).await?;
        self.leads.send_if_modified(|led| std::mem::replace(led, leads) != leads);
        if !leads {
            return Ok(());
        }
        // A leader that freezes in here would keep its locks until it is declared dead.
        membership::end_if_idle(&mut tx, self.ttl / 2).await?;
        let (input, params, mut plan) = self.look(&mut tx).await?;
        plan.extend(placement::plan(&input, &params));
        if !plan.is_empty() {
            write(&mut tx, &plan).await?;
            tracing::info!("{} assigns {} shards among {} workers", self.id, plan.len(), input.workers.len());
        }
        tx.commit().await
    }

    /// Today's placement, and what has to be written of it: a shard whose way led to a worker that is gone
    /// stays where it is. Shards on their way from a live worker to another use up the budget.
    async fn look(&self, conn: &mut PgConnection) -> Result<(Input, Params, Vec<Assignment>), sqlx::Error> {
        let workers = sqlx::query_scalar!("select id from helpline.workers where not draining")
            .fetch_all(&mut *conn)
            .await?;
        let workers: HashSet<WorkerId> = workers.into_iter().map(WorkerId::from_db).collect();
        let rows = sqlx::query_file!("src/claims/sql/placement.sql").fetch_all(&mut *conn).await?;
        if rows.iter().any(|row| !row.known) {
            sqlx::query_file!("src/claims/sql/add_rows.sql").execute(&mut *conn).await?;
        }
        if rows.iter().any(|row| row.to_be_set_offline) {
            membership::set_offline(&mut *conn).await?;
        }
        let mut on_their_way = 0;
        let mut stay = Vec::new();
        let weights = Arc::clone(&self.weights.borrow());
        let mut shards = Vec::with_capacity(rows.len());
        for row in rows {
            let assigned = row.assigned.map(WorkerId::from_db).filter(|worker| workers.contains(worker));
            let owner = row.owner.map(WorkerId::from_db);
            let shard = ShardId::from_db(row.id);
            match (assigned, owner) {
                (Some(assigned), Some(owner)) if assigned != owner => on_their_way += 1,
                (None, Some(worker)) if workers.contains(&worker) => {
                    stay.push(Assignment { shard, worker, moved_from: None });
                }
                _ => {}
            }
            let ago = Duration::try_from_secs_f64(row.assigned_seconds_ago).unwrap_or_default();
            shards.push(Shard {
                id: shard,
                load: weights
                    .get(&shard)
                    .copied()
                    .unwrap_or(u64::from(row.server_count.max(0).cast_unsigned())),
                assigned: assigned.or(owner),
                moved: row.moved_from.map(|from| (WorkerId::from_db(from), ago)),
            });
        }
        let params = Params { budget: self.params.budget.saturating_sub(on_their_way), ..self.params };
        Ok((Input { workers: workers.into_iter().collect(), shards }, params, stay))
    }
}

/// Of two assignments of a shard the later one holds.
async fn write(conn: &mut PgConnection, plan: &[Assignment]) -> Result<(), sqlx::Error> {
    let last: BTreeMap<ShardId, &Assignment> =
        plan.iter().map(|assignment| (assignment.shard, assignment)).collect();
    let plan: Vec<&Assignment> = last.into_values().collect();
    let shards: Vec<i32> = plan.iter().map(|assignment| assignment.shard.db()).collect();
    let workers: Vec<Uuid> = plan.iter().map(|assignment| assignment.worker.db()).collect();
    let moved_from: Vec<Option<Uuid>> =
        plan.iter().map(|assignment| assignment.moved_from.map(WorkerId::db)).collect();
    sqlx::query_file!("src/claims/sql/assign.sql", &shards, &workers, &moved_from as _)
        .execute(&mut *conn)
        .await?;
    membership::notify(conn, PLACEMENT, "").await
}
