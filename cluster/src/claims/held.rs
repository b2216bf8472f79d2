//! The shards this process holds, and how far each lease has come. Memory only: Postgres is the truth,
//! this is what was said to the consumer. No I/O here, and time comes in, so that a simulation can run it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::signals::raise;
use crate::fence::Fence;
use crate::ids::{Epoch, ShardId, WorkerId};
use crate::lease::Status;

/// How many shards are let go at the same time at least; of many it is [`LET_GO_PART`] of them.
const LET_GO_AT_LEAST: usize = 4;
/// All that begin at once on another worker wait for each other, and each shard for its first event. Those that have not
/// been told to go yet are served meanwhile, so that what this makes longer is the drain and not a pause.
const LET_GO_PART: usize = 8;
/// A shard that is not let go within this time does not keep others back any more.
const LET_GO_PATIENCE: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Claimed; its log is not usable yet.
    Preparing,
    /// Handed to the consumer.
    Running,
    /// The consumer was asked to give it up.
    Revoked { since: Instant },
    /// Its `stop` was cancelled; the consumer has not released it yet.
    Stopped { since: Instant },
}

#[derive(Debug)]
struct Entry {
    fence: Fence,
    phase: Phase,
    stop: CancellationToken,
    /// Count of changes when it was entered: a view of Postgres from before says nothing about it.
    entered: u64,
}

/// What Postgres says of a shard that is or should be ours.
#[derive(Debug, Clone)]
pub struct Standing {
    pub shard: ShardId,
    /// The fence, when we own it.
    pub mine: Option<Fence>,
    pub assigned: Option<WorkerId>,
    /// Whether its owner is nobody, dead, or we.
    pub claimable: bool,
}

/// What follows from a view of Postgres.
#[derive(Debug, Default)]
pub struct Steps {
    pub claim: Vec<ShardId>,
    /// Ours in Postgres, not in use, wanted elsewhere.
    pub release: Vec<Fence>,
    /// To be told to the consumer.
    pub revoke: Vec<Fence>,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Held {
    entries: Mutex<Entries>,
    /// Raised at every change.
    pub changed: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Entries {
    /// In order, so that equal lives stop their leases equally.
    by_shard: BTreeMap<ShardId, Entry>,
    changes: u64,
    /// Epochs that somebody was seen to act under, and which Postgres has not reached: the next claim goes above.
    above: HashMap<ShardId, Epoch>,
}

impl Default for Held {
    fn default() -> Self {
        Self::new()
    }
}

impl Held {
    pub fn new() -> Self {
        Self { entries: Mutex::default(), changed: watch::Sender::new(0) }
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // Nothing panics while it holds the lock, and every change is one step.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change<T>(&self, change: impl FnOnce(&mut Entries) -> T) -> T {
        let changed = {
            let mut entries = self.lock();
            entries.changes += 1;
            change(&mut entries)
        };
        raise(&self.changed);
        changed
    }

    /// To be called before Postgres is asked.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// A claim was won.
    pub fn enter(&self, fence: Fence, stop: CancellationToken) {
        self.change(|entries| {
            let entered = entries.changes;
            let shard = fence.shard;
            entries.by_shard.insert(shard, Entry { fence, phase: Phase::Preparing, stop, entered });
        });
    }

    /// Its log is usable: `hand_over` gives it to the consumer, unless it is not wanted any more. Nobody
    /// can revoke it before that.
    pub fn run(&self, fence: &Fence, hand_over: impl FnOnce()) {
        self.change(|entries| match entries.of(fence) {
            Some(entry) if entry.phase == Phase::Preparing && !entry.stop.is_cancelled() => {
                entry.phase = Phase::Running;
                hand_over();
            }
            _ => {}
        });
    }

    /// Forgets a lease; its `stop` is cancelled. False: it was not held.
    pub fn remove(&self, fence: &Fence) -> bool {
        self.change(|entries| {
            if entries.of(fence).is_none() {
                return false;
            }
            if let Some(entry) = entries.by_shard.remove(&fence.shard) {
                entry.stop.cancel();
            }
            true
        })
    }

    /// The next claim of the shard is to be above this epoch.
    pub fn claim_above(&self, shard: ShardId, epoch: Epoch) {
        let mut entries = self.lock();
        let above = entries.above.entry(shard).or_insert(epoch);
        // Far below where a bigint ends: a value that nobody can have come to must not stop the shard for good.
        *above = epoch.max(*above).min(Epoch(i64::MAX / 2));
    }

    /// What [`Held::claim_above`] was told of a shard.
    pub fn above(&self, shard: ShardId) -> Epoch {
        self.lock().above.get(&shard).copied().unwrap_or(Epoch(0))
    }

    /// Stops the lease of one fence. The consumer then gives it up, and it is claimed anew.
    pub fn stop(&self, fence: &Fence, now: Instant) {
        self.change(|entries| {
            if entries.of(fence).is_some_and(|entry| !entry.stop(now)) {
                entries.by_shard.remove(&fence.shard);
            }
        });
    }

    /// Stops every lease. Those in the consumer's hands stay until he releases them.
    pub fn stop_all(&self, now: Instant) {
        self.change(|entries| entries.by_shard.retain(|_, entry| entry.stop(now)));
    }

    /// Forgets what the consumer has not been given yet. True: there was something, which is to be released.
    pub fn stop_preparing(&self) -> bool {
        self.change(|entries| {
            let before = entries.by_shard.len();
            entries.by_shard.retain(|_, entry| {
                let prepares = entry.phase == Phase::Preparing;
                if prepares {
                    entry.stop.cancel();
                }
                !prepares
            });
            entries.by_shard.len() < before
        })
    }

    /// All leases that the consumer runs, which are from now on revoked.
    pub fn revoke_all(&self, now: Instant) -> Vec<Fence> {
        self.change(|entries| {
            let running = entries.by_shard.values_mut().filter(|entry| entry.phase == Phase::Running);
            running.map(|entry| entry.revoke(now)).collect()
        })
    }

    /// Whether the consumer has released everything and nothing is being prepared.
    pub fn is_empty(&self) -> bool {
        self.lock().by_shard.is_empty()
    }

    /// How many leases are not released yet.
    pub fn len(&self) -> usize {
        self.lock().by_shard.len()
    }

    /// The leases the consumer runs.
    pub fn running(&self) -> Vec<Fence> {
        let entries = self.lock();
        let running = entries.by_shard.values().filter(|entry| entry.phase == Phase::Running);
        running.map(|entry| entry.fence.clone()).collect()
    }

    /// What to report of each shard to operators.
    pub(crate) fn statuses(&self) -> Vec<(ShardId, Status)> {
        let entries = self.lock();
        let status = |entry: &Entry| match entry.phase {
            Phase::Preparing => Status::Starting,
            Phase::Running => Status::Online,
            Phase::Revoked { .. } | Phase::Stopped { .. } => Status::Stopping,
        };
        entries.by_shard.iter().map(|(shard, entry)| (*shard, status(entry))).collect()
    }

    /// Compares what is held with what Postgres says. `seen_at` = `changes()` before Postgres was asked;
    /// entries of stopped leases that nobody released since `forget_before` are given up. Of the shards that are wanted
    /// elsewhere a few are revoked at a time: to be called again when one of them has been released.
    pub fn compare(
        &self,
        me: WorkerId,
        standings: &[Standing],
        seen_at: u64,
        now: Instant,
        forget_before: Option<Instant>,
    ) -> Steps {
        let mut steps = Steps::default();
        let mut entries = self.lock();
        entries.by_shard.retain(|shard, entry| {
            let kept = !entry.is_overdue(forget_before);
            if !kept {
                tracing::warn!("{shard} was stopped and never released; its fence keeps it safe");
            }
            kept
        });
        let mut may_go = entries.may_go(now);
        for standing in standings {
            let wanted = standing.assigned == Some(me);
            match entries.by_shard.get_mut(&standing.shard) {
                Some(entry) if entry.entered > seen_at => {}
                Some(entry) if standing.mine.as_ref() != Some(&entry.fence) => {
                    if !entry.stop(now) {
                        entries.by_shard.remove(&standing.shard);
                    }
                }
                // Without an assignment it stays where it is.
                Some(_) if wanted || standing.assigned.is_none() => {}
                Some(entry) => match entry.phase {
                    Phase::Running if may_go == 0 => {}
                    Phase::Running => {
                        may_go -= 1;
                        steps.revoke.push(entry.revoke(now));
                    }
                    Phase::Preparing => {
                        entry.stop.cancel();
                        steps.release.push(entry.fence.clone());
                    }
                    Phase::Revoked { .. } | Phase::Stopped { .. } => {}
                },
                None if wanted && standing.claimable => steps.claim.push(standing.shard),
                None => steps.release.extend(standing.mine.clone().filter(|_| standing.assigned.is_some())),
            }
        }
        let known: HashSet<ShardId> = standings.iter().map(|standing| standing.shard).collect();
        entries
            .by_shard
            .retain(|shard, entry| known.contains(shard) || entry.entered > seen_at || entry.stop(now));
        steps
    }
}

impl Entries {
    /// How many more may be told to go.
    fn may_go(&self, now: Instant) -> usize {
        let goes = |entry: &&Entry| match entry.phase {
            Phase::Revoked { since } => now.saturating_duration_since(since) < LET_GO_PATIENCE,
            _ => false,
        };
        let going = self.by_shard.values().filter(goes).count();
        (self.by_shard.len() / LET_GO_PART).max(LET_GO_AT_LEAST).saturating_sub(going)
    }

    fn of(&mut self, fence: &Fence) -> Option<&mut Entry> {
        self.by_shard.get_mut(&fence.shard).filter(|entry| entry.fence == *fence)
    }
}

impl Entry {
    /// False: nobody but us knew of it, so that there is nobody to wait for.
    fn stop(&mut self, now: Instant) -> bool {
        self.stop.cancel();
        match self.phase {
            Phase::Preparing => return false,
            Phase::Running | Phase::Revoked { .. } => self.phase = Phase::Stopped { since: now },
            Phase::Stopped { .. } => {}
        }
        true
    }

    fn revoke(&mut self, now: Instant) -> Fence {
        self.phase = Phase::Revoked { since: now };
        self.fence.clone()
    }

    fn is_overdue(&self, forget_before: Option<Instant>) -> bool {
        matches!((self.phase, forget_before), (Phase::Stopped { since }, Some(before)) if since < before)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    const SHARDS: u32 = 10;

    fn worker(id: u128) -> WorkerId {
        WorkerId::from_db(Uuid::from_u128(id))
    }

    fn fence(shard: u32) -> Fence {
        Fence { shard: ShardId(shard), epoch: Epoch(1), claim_token: Uuid::from_u128(7), owner: worker(1) }
    }

    /// A worker that runs all shards, each of which is wanted by another.
    fn held_and_wanted_elsewhere() -> (Held, Vec<Standing>) {
        let held = Held::new();
        for shard in 0..SHARDS {
            held.enter(fence(shard), CancellationToken::new());
            held.run(&fence(shard), || {});
        }
        let standing = |shard| Standing {
            shard: ShardId(shard),
            mine: Some(fence(shard)),
            assigned: Some(worker(2)),
            claimable: true,
        };
        (held, (0..SHARDS).map(standing).collect())
    }

    fn revoked(held: &Held, standings: &[Standing], now: Instant) -> Vec<Fence> {
        held.compare(worker(1), standings, held.changes(), now, None).revoke
    }

    #[test]
    fn a_few_shards_go_at_a_time_and_the_next_when_one_has_gone() {
        let (held, mut standings) = held_and_wanted_elsewhere();
        let now = Instant::now();
        let first = revoked(&held, &standings, now);
        assert_eq!(first.len(), LET_GO_AT_LEAST);
        assert!(revoked(&held, &standings, now).is_empty(), "none has gone");
        held.remove(&first[1]);
        standings.retain(|standing| standing.shard != first[1].shard);
        let next = revoked(&held, &standings, now);
        assert_eq!(next, [fence(4)]);
        assert_eq!(held.running().len(), SHARDS as usize - LET_GO_AT_LEAST - 1, "the others are served");
    }

    #[test]
    fn shards_that_hang_keep_the_others_back_for_a_moment_only() {
        let (held, standings) = held_and_wanted_elsewhere();
        let now = Instant::now();
        let first = revoked(&held, &standings, now);
        let soon = now + LET_GO_PATIENCE / 2;
        assert!(revoked(&held, &standings, soon).is_empty());
        let later = revoked(&held, &standings, now + LET_GO_PATIENCE);
        assert_eq!(later.len(), LET_GO_AT_LEAST);
        assert!(later.iter().all(|fence| !first.contains(fence)));
    }
}
