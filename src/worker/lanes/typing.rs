//! The typing indicator of a question that was taken: where its answer will come, until that is found.
//!
//! A courtesy: nothing waits for it, nothing is stored, nothing is tried again, and the proxy leaves it out while
//! Discord's limits are short. An interaction needs none: its deferred reply says that the bot is thinking.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{sleep, timeout};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::Inner;
use crate::conversation::command::{AnswerJob, Origin};
use crate::discord::ChannelId;

/// Discord shows it for ten seconds.
const AGAIN_AFTER: Duration = Duration::from_secs(8);
/// One that is shown later than this may be shown after the answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where the answer to a question will come; none where the member sees already that it is on its way.
fn place(job: &AnswerJob) -> Option<ChannelId> {
    match job.origin {
        Origin::Message { message, .. } if job.first => Some(message.thread()),
        Origin::Message { channel, .. } => Some(channel),
        Origin::Slash { .. } => None,
    }
}

impl Inner {
    /// Shows it until the guard is dropped.
    pub(super) fn show_typing(&self, job: &AnswerJob) -> Option<DropGuard> {
        let channel = place(job)?;
        let slot = Arc::clone(&self.shared.typing_slots).try_acquire_owned().ok()?;
        let answered = CancellationToken::new();
        let guard = answered.clone().drop_guard();
        let (shared, lease) = (Arc::clone(&self.shared), self.lease.clone());
        self.tasks.spawn(async move {
            let _slot = slot;
            let showing = async {
                loop {
                    // Whether it was shown in time is nobody's concern.
                    let _ = timeout(PATIENCE, shared.client.show_typing(&lease.fence, channel)).await;
                    if answered.run_until_cancelled(sleep(AGAIN_AFTER)).await.is_none() {
                        return;
                    }
                }
            };
            lease.stop.run_until_cancelled(showing).await;
        });
        Some(guard)
    }
}
