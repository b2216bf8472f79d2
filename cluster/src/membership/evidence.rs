//! What counts as evidence that a peer is dead. Pure: [`super::watch`] looks, asks and buries; here is decided.
//!
//! Two things convict. *Its session ended*: the lock that vouches for the peer was seen held and then free on one
//! unbroken connection, and the watcher got hold of it himself. *Silence*: the peer's heartbeat did not change for a
//! whole TTL of undisturbed watching, and its lease in Redis is gone as well. A new connection has seen nothing yet, a
//! watcher that was held up begins to watch anew, and a Redis that cannot be asked says nothing. Nor does one
//! that lost what it knew less than a TTL ago say that a lease is gone: its worker may live by it.
//!
//! Silence is measured on the watcher's monotonic clock alone, so that no jump of a server's wall clock makes a
//! heartbeat old. It lasts longer than a lease can be valid to its worker ([`crate::lease::SelfFence`], 5/6 of the TTL)
//! when one of the two clocks runs 5 % slow and the other 5 % fast: 5/6 x 1.05 / 0.95 < 14/15.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::ids::WorkerId;

/// What one look shows of a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sight {
    pub id: WorkerId,
    /// Whether a session holds the lock that vouches for it.
    pub held: bool,
    /// Its last heartbeat as the store stamped it. Only compared with what it was before.
    pub beat: i64,
}

/// Why a peer is suspected, and what it is buried for once that is confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Its lock was held and is free now. To be confirmed by taking the lock.
    SessionEnded,
    /// No heartbeat for the TTL. To be confirmed by asking for its lease in Redis.
    Silence,
}

/// What came of confirming.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// Whether the watcher got the peer's lock.
    Lock { taken: bool },
    /// Whether Redis has the peer's lease; none: Redis could not be asked, or may have lost it.
    Lease { there: Option<bool> },
}

impl Cause {
    /// Whether the peer is dead.
    pub const fn is_proved_by(self, finding: Finding) -> bool {
        match (self, finding) {
            (Self::SessionEnded, Finding::Lock { taken }) => taken,
            (Self::Silence, Finding::Lease { there: Some(there) }) => !there,
            (Self::SessionEnded, Finding::Lease { .. })
            | (Self::Silence, Finding::Lock { .. } | Finding::Lease { there: None }) => false,
        }
    }
}

/// What one connection of a watcher has seen so far.
#[derive(Debug, Clone)]
pub struct Evidence {
    ttl: Duration,
    /// Whether locks mean anything: not through a pooler.
    session_locks: bool,
    looked_at: Instant,
    seen: HashMap<WorkerId, Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    held: bool,
    beat: i64,
    /// When this heartbeat was seen first, in undisturbed watching.
    since: Instant,
}

impl Evidence {
    /// Of a connection that was just made.
    pub fn new(ttl: Duration, session_locks: bool, now: Instant) -> Self {
        Self { ttl, session_locks, looked_at: now, seen: HashMap::new() }
    }

    /// How long an unchanged heartbeat has to be watched.
    pub fn silence(ttl: Duration) -> Duration {
        ttl - ttl / 15
    }

    /// Takes in a look at all other members, and says who is suspected.
    pub fn look(&mut self, sights: &[Sight], now: Instant) -> Vec<(WorkerId, Cause)> {
        // The watcher or the server stood still: heartbeats may have waited in the same queue.
        let disturbed = now.saturating_duration_since(self.looked_at) > self.ttl / 2;
        self.looked_at = now;
        let mut suspects = Vec::new();
        let mut seen = HashMap::with_capacity(sights.len());
        for sight in sights {
            let before = self.seen.get(&sight.id);
            let since = before.filter(|before| before.beat == sight.beat && !disturbed);
            let since = since.map_or(now, |before| before.since);
            if self.session_locks && !sight.held && before.is_some_and(|before| before.held) {
                suspects.push((sight.id, Cause::SessionEnded));
            } else if now.saturating_duration_since(since) >= Self::silence(self.ttl) {
                suspects.push((sight.id, Cause::Silence));
            }
            seen.insert(sight.id, Seen { held: sight.held, beat: sight.beat, since });
        }
        self.seen = seen;
        suspects
    }

    /// Whether the peer's lock was held at the last look: who then gets it by waiting has seen its session end.
    pub fn was_held(&self, peer: WorkerId) -> bool {
        self.session_locks && self.seen.get(&peer).is_some_and(|seen| seen.held)
    }
}

#[cfg(test)]
#[path = "evidence_tests.rs"]
mod tests;
