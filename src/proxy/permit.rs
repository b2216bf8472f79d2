//! What the holder of a gateway shard may do at this moment: connect, publish, or only keep what it has.
//!
//! Asked by the poller and the publisher of one gateway shard. Promise: nothing is published and no connection is
//! opened while this process may have been taken for dead; what Redis refuses by its epoch is refused besides.

use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::gateway_shards::{Lease, Phase};
use helpline_cluster::lease::SelfFence;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// How often an expired self-fence is looked at again.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// See the module's documentation. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Permit {
    phase: watch::Receiver<Phase>,
    self_fence: Arc<SelfFence>,
    lost: CancellationToken,
}

impl Permit {
    pub fn of(lease: &Lease) -> Self {
        Self {
            phase: lease.phase.clone(),
            self_fence: Arc::clone(&lease.self_fence),
            lost: lease.lost.clone(),
        }
    }

    pub fn phase(&self) -> Phase {
        *self.phase.borrow()
    }

    pub fn is_closing(&self) -> bool {
        self.phase() == Phase::Closing
    }

    /// Whether events may go into their streams.
    pub fn publishes(&self) -> bool {
        self.phase() != Phase::Held && self.is_valid()
    }

    /// Whether this process is surely not taken for dead.
    pub fn is_valid(&self) -> bool {
        !self.is_lost() && self.self_fence.is_valid()
    }

    /// Whether another proxy holds the gateway shard, or may.
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Resolves when the process may have been taken for dead.
    pub async fn expired(&self) {
        self.self_fence.expired().await;
    }

    /// Resolves when it surely is not.
    pub async fn valid(&self) {
        while !self.is_valid() {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Resolves when the gateway shard is to close.
    pub async fn closing(&self) {
        let mut phase = self.phase.clone();
        if phase.wait_for(|phase| *phase == Phase::Closing).await.is_err() {
            // The lease is gone: its own token says so.
            std::future::pending::<()>().await;
        }
    }

    /// Waits for the next change of the phase.
    pub async fn next(&mut self) -> Phase {
        if self.phase.changed().await.is_err() {
            // The lease is gone: its own token says so.
            std::future::pending::<()>().await;
        }
        *self.phase.borrow_and_update()
    }

    /// The same permit, with phases as another tells them.
    pub fn behind(&self, phase: watch::Receiver<Phase>) -> Self {
        Self { phase, ..self.clone() }
    }
}
