//! The way of a shard from one owner to the next, step by step, as debug lines of a target of their own
//! (`RUST_LOG=info,handoff=debug`): where a handoff spends its time is read from them.

use crate::fence::Fence;

/// What a line is about. Of the old owner first, then of the next one, in their usual order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// It was told to let the shard go.
    Told,
    /// The transaction in hand has ended: nothing more is read from the stream.
    Ended,
    /// So have the lanes.
    Quiet,
    /// The release is committed.
    Released,
    /// The claim is committed.
    Claimed,
    /// The epoch is raised in Redis and the cursor known.
    Ready,
    /// The loop runs and its stream is watched.
    Begun,
    /// The first events are there.
    Read,
    /// The first batch may be applied: what might have ended a predecessor has been looked for.
    Tried,
    /// The first batch is committed.
    Applied,
}

impl Step {
    /// As the line says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Told => "told",
            Self::Ended => "ended",
            Self::Quiet => "quiet",
            Self::Released => "released",
            Self::Claimed => "claimed",
            Self::Ready => "ready",
            Self::Begun => "begun",
            Self::Read => "read",
            Self::Tried => "tried",
            Self::Applied => "applied",
        }
    }
}

/// Writes the line: `shard 3 at epoch 7: claimed`.
pub fn note(fence: &Fence, step: Step) {
    tracing::debug!(target: "handoff", "{} at {}: {}", fence.shard, fence.epoch, step.name());
}
