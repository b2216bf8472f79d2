//! What the backfill asks of a [`Link`]: what is missing, and channels whose live messages wait.

use std::collections::HashSet;

use super::{Entry, Link};
use crate::proxy::gaps::{Missed, Noticed};

impl Link {
    /// Notes that events are missing; they are recorded and read again by the backfill.
    pub fn miss(&self, missed: Missed) {
        self.lock().backlog.miss(missed);
        self.gaps.notify_one();
    }

    /// Resolves when there may be something to record.
    pub async fn gap_noted(&self) {
        self.gaps.notified().await;
    }

    pub fn missed(&self) -> Option<Missed> {
        self.lock().backlog.missed()
    }

    /// It is recorded, and these channels are held and read, so that what tells of it otherwise may be forgotten.
    pub fn recorded(&self, missed: &Missed, read: &HashSet<u64>) {
        let mut state = self.lock();
        state.backlog.recorded(missed, read);
        // It may be stored with the session, and stands elsewhere now.
        state.session_changed |= missed.shard.is_none() && state.session.is_some();
        drop(state);
        self.arrived.notify_one();
    }

    /// What the session told of channels, of so many servers at most, that nobody has looked at.
    pub fn noticed(&self, servers: usize) -> Vec<Noticed> {
        self.lock().backlog.noticed(servers)
    }

    /// These were looked at, so that their sequences need not come again; so many of their channels are to be read.
    pub fn looked_at(&self, noticed: &[Noticed], to_read: &HashSet<u64>) {
        self.lock().backlog.looked_at(noticed, to_read);
        self.arrived.notify_one();
    }

    /// A gap that is recorded and open: what the session tells of channels is held as far as it was written since then.
    pub fn missing_since(&self, ms: u64) {
        self.lock().backlog.missing_since(ms);
    }

    /// Live messages of these channels wait for [`Link::merge`].
    pub fn hold(&self, channels: impl IntoIterator<Item = u64>) {
        self.lock().backlog.holds.hold(channels);
    }

    /// Nothing waits for being read again any more.
    pub fn let_go(&self) {
        let mut state = self.lock();
        let held = state.backlog.holds.all();
        state.backlog.line_up(held);
    }

    /// Ends the holds that nothing is left to end: of channels that stand in no gap, while nothing is missing that is not
    /// recorded. `nothing_recorded` tells, under the lock, that no gap was recorded since they were looked for.
    pub fn let_go_of_what_is_read(&self, nothing_recorded: impl FnOnce() -> bool) {
        let mut state = self.lock();
        if nothing_recorded() && !state.backlog.misses_anything() {
            let held = state.backlog.holds.all();
            state.backlog.line_up(held);
        }
        drop(state);
        self.arrived.notify_one();
    }

    pub fn most_urgent(&self) -> Option<u64> {
        self.lock().backlog.holds.most_urgent()
    }

    /// What was read of a channel, before what came live of it meanwhile.
    pub fn merge(&self, channel: u64, read: Vec<Entry>) {
        self.lock().backlog.merge(channel, read);
        self.arrived.notify_one();
    }

    /// Waits until everything that was read again is in its stream.
    pub async fn read_again_is_published(&self) {
        loop {
            let published = self.published.notified();
            if self.lock().backlog.read_again() == 0 {
                return;
            }
            published.await;
        }
    }
}
