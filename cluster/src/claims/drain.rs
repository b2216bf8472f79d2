//! Leaving in order: every shard is handed over to another worker before this one goes.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::signals::raise;
use super::{Ownership, Shared};
use crate::ids::WorkerId;
use crate::membership::{self, PATIENCE};

impl Shared {
    /// Says that this worker drains until it holds nothing.
    pub(super) async fn drained(&self) {
        let mut changed = self.held.changed.subscribe();
        let (mut said_by, mut alone) = (None, false);
        loop {
            changed.mark_unchanged();
            let Some(member) = self.member() else {
                // Between two lives there is nothing but what the consumer has not released.
                if self.held.is_empty() {
                    return;
                }
                drop(timeout(Duration::from_millis(50), changed.changed()).await);
                continue;
            };
            let looking =
                membership::within(PATIENCE, self.drain_step(member.id, &mut said_by, &mut alone)).await;
            if matches!(looking, Ok(true)) {
                return;
            }
            drop(timeout(Duration::from_millis(100), changed.changed()).await);
        }
    }

    /// True once nothing belongs to this worker, in memory or in Postgres.
    async fn drain_step(
        &self,
        id: WorkerId,
        said_by: &mut Option<WorkerId>,
        alone: &mut bool,
    ) -> Result<bool, sqlx::Error> {
        if *said_by != Some(id) {
            membership::set_draining(&self.pool, id).await?;
            *said_by = Some(id);
        }
        if !membership::has_successor(&self.pool, id).await? {
            if !std::mem::replace(alone, true) {
                tracing::info!("{id} drains and nobody is there to take over: its shards are released");
            }
            if self.held.stop_preparing() {
                raise(&self.signals.mine);
            }
            for fence in self.held.revoke_all(Instant::now()) {
                let news = Ownership::Revoked { shard: fence.shard, fence };
                drop(self.news.send(news).await);
            }
        }
        if !self.held.is_empty() {
            return Ok(false);
        }
        let owned = sqlx::query_scalar!(
            r#"select exists (select from helpline.shard_fences where owner = $1) as "owned!""#,
            id.db()
        )
        .fetch_one(&self.pool)
        .await?;
        Ok(!owned)
    }
}
