//! Brings what this worker holds in line with the plan: claims, revocations, releases.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::held::{Standing, Steps};
use super::signals::raise;
use super::steps::{self, Step};
use super::{Lease, Ownership, Shared};
use crate::fence::Fence;
use crate::ids::{Epoch, ShardId, WorkerId};
use crate::lease::{self, Claim, SelfFence, Status};
use crate::membership::{self, Error, PATIENCE};

/// The plan is looked at that often even when nothing was heard.
const EVERY: Duration = Duration::from_secs(1);

/// One life of the worker: from joining until it leaves or is declared dead.
#[derive(Clone)]
pub(crate) struct Reconciler {
    pub(crate) shared: Arc<Shared>,
    pub(crate) id: WorkerId,
    pub(crate) self_fence: Arc<SelfFence>,
    pub(crate) life: CancellationToken,
    pub(crate) tasks: TaskTracker,
}

impl Reconciler {
    pub(crate) async fn run(self) {
        let mut mine = self.shared.signals.mine.subscribe();
        let mut membership = self.shared.signals.membership.subscribe();
        // Shards whose fences somebody holds, and which are being waited for.
        let waiting = watch::Sender::new(HashSet::new());
        let mut pause = Duration::from_millis(50);
        loop {
            mine.mark_unchanged();
            membership.mark_unchanged();
            let done = tokio::select! {
                () = self.life.cancelled() => return,
                done = self.reconcile(&waiting) => done,
            };
            let next = match done {
                Ok(()) => {
                    pause = Duration::from_millis(50);
                    EVERY
                }
                Err(error) => {
                    tracing::warn!(%error, "{} could not look at its plan", self.id);
                    pause = (pause * 2).min(EVERY);
                    pause.mul_f64(0.5 + fastrand::f64())
                }
            };
            let failed = next < EVERY;
            tokio::select! {
                () = self.life.cancelled() => return,
                Ok(()) = mine.changed(), if !failed => {}
                Ok(()) = membership.changed(), if !failed => {}
                () = sleep(next) => {}
            }
        }
    }

    async fn reconcile(&self, waiting: &watch::Sender<HashSet<ShardId>>) -> Result<(), Error> {
        let shared = &self.shared;
        let seen_at = shared.held.changes();
        let standings = membership::within(PATIENCE, self.standings()).await?;
        let now = Instant::now();
        let forget_before = now.checked_sub(shared.config.ttl);
        let steps = shared.held.compare(self.id, &standings, seen_at, now, forget_before);
        let Steps { mut claim, mut release, revoke } = steps;
        if shared.is_draining() {
            // What came back to be acquired anew, or was never begun: nobody else takes it from one who lives.
            let left = standings.into_iter().filter(|standing| claim.contains(&standing.shard));
            release.extend(left.filter_map(|standing| standing.mine));
            claim.clear();
        }
        shared.count_shards();
        for fence in revoke {
            self.tell(Ownership::Revoked { shard: fence.shard, fence }).await;
        }
        for fence in release {
            shared.held.remove(&fence);
            self.release(fence, waiting);
        }
        claim.retain(|shard| !waiting.borrow().contains(shard));
        if claim.is_empty() || !self.self_fence.is_valid() {
            return Ok(());
        }
        let wanted: Vec<(ShardId, Epoch)> =
            claim.iter().map(|shard| (*shard, shared.held.above(*shard))).collect();
        let won = membership::within(PATIENCE, lease::claim_free(&shared.pool, self.id, &wanted)).await?;
        claim.retain(|shard| !won.iter().any(|claim| claim.fence.shard == *shard));
        self.accept(won);
        for shard in claim {
            self.claim_held(shard, waiting.clone());
        }
        Ok(())
    }

    async fn standings(&self) -> Result<Vec<Standing>, sqlx::Error> {
        let rows = sqlx::query_file!("src/claims/sql/standing.sql", self.id.db())
            .fetch_all(&self.shared.pool)
            .await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let shard = ShardId::from_db(row.shard_id);
                let ours = row.owner.filter(|owner| *owner == self.id.db()).and(row.claim_token);
                let fence = |claim_token| Fence {
                    shard,
                    epoch: Epoch::from_db(row.epoch),
                    claim_token,
                    owner: self.id,
                };
                Standing {
                    shard,
                    mine: ours.map(fence),
                    assigned: row.assigned.map(WorkerId::from_db),
                    claimable: row.claimable,
                }
            })
            .collect())
    }

    /// Releases beside everything else: a transaction that hangs holds up its own shard alone.
    fn release(&self, fence: Fence, waiting: &watch::Sender<HashSet<ShardId>>) {
        if !waiting.send_if_modified(|waiting| waiting.insert(fence.shard)) {
            return;
        }
        let (this, waiting) = (self.clone(), waiting.clone());
        self.tasks.spawn(async move {
            let releasing = async {
                let _turn = this.shared.waiting_claims.acquire().await;
                lease::release_held(&this.shared.pool, &fence).await
            };
            match this.life.run_until_cancelled(releasing).await {
                None => return,
                Some(Ok(_)) => {}
                Some(Err(error)) => {
                    tracing::warn!(%error, "{} has to release {} again", this.id, fence.shard)
                }
            }
            waiting.send_modify(|waiting| _ = waiting.remove(&fence.shard));
            raise(&this.shared.signals.mine);
            raise(&this.shared.held.changed);
        });
    }

    /// Waits for a fence that is held, beside everything else.
    fn claim_held(&self, shard: ShardId, waiting: watch::Sender<HashSet<ShardId>>) {
        let this = self.clone();
        waiting.send_modify(|waiting| _ = waiting.insert(shard));
        self.tasks.spawn(async move {
            let claiming = async {
                let _turn = this.shared.waiting_claims.acquire().await;
                let above = this.shared.held.above(shard);
                lease::claim_held(&this.shared.pool, this.id, shard, above).await
            };
            let won = tokio::select! {
                () = this.life.cancelled() => return,
                won = claiming => won,
            };
            match won {
                Ok(won) => this.accept(won.into_iter().collect()),
                Err(error) => tracing::debug!(%error, "{} has to try again to claim {shard}", this.id),
            }
            waiting.send_modify(|waiting| _ = waiting.remove(&shard));
            raise(&this.shared.signals.mine);
        });
    }

    fn accept(&self, won: Vec<Claim>) {
        if won.is_empty() {
            return;
        }
        let taken_over =
            won.iter().filter(|claim| claim.previous.is_some_and(|owner| owner != self.id)).count();
        metrics::counter!("helpline_epoch_changes_total").increment(won.len() as u64);
        metrics::counter!("helpline_takeovers_total").increment(taken_over as u64);
        tracing::info!("{} claims {} shards, {taken_over} of them from the dead", self.id, won.len());
        for Claim { fence, previous, marked } in won {
            let on_trial = previous.is_some() || marked;
            steps::note(&fence, Step::Claimed);
            let stop = self.life.child_token();
            self.shared.held.enter(fence.clone(), stop.clone());
            let this = self.clone();
            self.tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = this.hand_over(fence, on_trial, stop.clone()) => {}
                }
            });
        }
    }

    /// Hands the lease to the consumer once the shard's log is usable, however long that takes.
    async fn hand_over(&self, fence: Fence, on_trial: bool, stop: CancellationToken) {
        let won_at = Instant::now();
        let mut pause = Duration::from_millis(20);
        let mut fresh = true;
        let cursor = loop {
            match self.shared.log.ensure(&fence, &mut fresh).await {
                Ok(cursor) => break cursor,
                Err(error) if error.epoch_taken().is_some() || error.is_unknown() => {
                    tracing::warn!(%error, "{} is acquired anew", fence.shard);
                    self.shared.reacquire(&fence, error.epoch_taken());
                    return;
                }
                Err(error) if error.is_superseded() => {
                    self.shared.held.remove(&fence);
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "the log of {} is not usable yet", fence.shard);
                    sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
                    pause = (pause * 2).min(EVERY);
                }
            }
        };
        steps::note(&fence, Step::Ready);
        let Ok(place) = self.shared.news.reserve().await else { return };
        let shard = fence.shard;
        let self_fence = Arc::clone(&self.self_fence);
        let lease = Lease { fence: fence.clone(), cursor, on_trial, self_fence, stop };
        self.shared.held.run(&fence, || place.send(Ownership::Gained(lease)));
        metrics::histogram!("helpline_claim_seconds").record(won_at.elapsed());
        self.shared.count_shards();
        let online = [(shard, Status::Online)];
        let reporting = lease::report(&self.shared.pool, self.id, &online);
        if let Err(error) = membership::within(PATIENCE, reporting).await {
            tracing::debug!(%error, "the next heartbeat reports {shard}");
        }
    }

    /// The queue is bounded: a consumer that does not keep up delays the claims of his own worker only.
    async fn tell(&self, news: Ownership) {
        if self.shared.news.send(news).await.is_err() {
            tracing::debug!("nobody listens to the ownership of {} any more", self.id);
        }
    }
}
