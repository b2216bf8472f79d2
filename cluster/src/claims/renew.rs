//! What keeps a worker's leases alive beside its heartbeat: its lease in Redis, the epochs of its shards there, and the
//! end of every lease when nothing has renewed in time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::signals::raise;
use crate::ids::WorkerId;
use crate::lease::SelfFence;

impl Shared {
    pub(super) async fn renew_in_redis(
        self: Arc<Self>,
        id: WorkerId,
        fence: Arc<SelfFence>,
        life: CancellationToken,
    ) {
        let every = self.config.ttl / 3;
        let mut away = false;
        loop {
            let asked_at = Instant::now();
            let renewed = tokio::select! {
                () = life.cancelled() => return,
                renewed = timeout(every, self.redis.renew(id)) => matches!(renewed, Ok(Ok(()))),
            };
            if renewed {
                fence.extended(asked_at);
                metrics::histogram!("helpline_lease_renew_seconds", "by" => "redis")
                    .record(asked_at.elapsed().as_secs_f64());
            }
            if renewed {
                tokio::select! {
                    () = life.cancelled() => return,
                    () = self.keep_epochs(every) => {}
                }
            }
            if away == renewed {
                away = !renewed;
                tracing::warn!(
                    "{id} {} its lease in redis",
                    if away { "cannot renew" } else { "renews again" }
                );
            }
            tokio::select! {
                () = life.cancelled() => return,
                () = sleep(every.mul_f64(0.9 + 0.1 * fastrand::f64())) => {}
            }
        }
    }

    /// Puts the epochs of what this worker runs back where Redis lost them. Where a higher one stands, the shard is
    /// given up: another owns it, or Postgres has lost its last commits and it is claimed anew above that epoch.
    async fn keep_epochs(&self, patience: Duration) {
        let running = self.held.running();
        let Ok(Ok(higher)) = timeout(patience, self.log.log.epochs().keep(&running)).await else { return };
        for (fence, stands) in higher {
            tracing::warn!("{} stands at {stands} in redis, above our {}", fence.shard, fence.epoch);
            self.held.claim_above(fence.shard, stands);
            self.held.stop(&fence, Instant::now());
        }
    }

    /// Stops every lease while no renewal is young enough; afterwards they are claimed anew.
    pub(super) async fn stop_when_expired(self: Arc<Self>, fence: Arc<SelfFence>, life: CancellationToken) {
        let look_again = self.config.ttl / 20;
        loop {
            tokio::select! {
                () = life.cancelled() => return,
                () = fence.expired() => {}
            }
            tracing::warn!("no renewal within {:?}: every lease stops", self.config.ttl);
            while !fence.is_valid() {
                // In each round: a claim that was under way may have come through.
                self.held.stop_all(Instant::now());
                tokio::select! {
                    () = life.cancelled() => return,
                    () = sleep(look_again) => {}
                }
            }
            raise(&self.signals.mine);
        }
    }
}
