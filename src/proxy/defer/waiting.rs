//! Interactions that nobody has acknowledged yet. Pure: time is an argument.
//!
//! Overflow rule: the newest is refused, so that what is nearest to its deadline is served.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use tokio::time::Instant;

use crate::first_reply::FirstReply;

/// Age at which the proxy acknowledges an interaction itself: half of what Discord gives.
pub const DEFER_AFTER: Duration = Duration::from_millis(1_500);
/// Discord takes the first reply within three seconds:
/// <https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-callback>.
pub const DEADLINE: Duration = Duration::from_secs(3);

/// An interaction without its first reply. The token answers in the bot's name and is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Pending {
    pub id: u64,
    pub token: String,
    pub reply: FirstReply,
    /// When the member acted, as far as that is known.
    pub since: Instant,
}

impl std::fmt::Debug for Pending {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").field("id", &self.id).field("reply", &self.reply).finish_non_exhaustive()
    }
}

/// What became of an arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    Waits,
    /// It waits already.
    Known,
    /// Its deadline has passed.
    TooOld,
    /// There is no room.
    Overflow,
}

/// See the module's documentation.
#[derive(Debug)]
pub struct Waiting {
    bound: usize,
    pending: HashMap<u64, Pending>,
    /// What has not been handed out yet, by the moment at which it is to be.
    due: BTreeSet<(Instant, u64)>,
    defer_after: Duration,
}

impl Waiting {
    /// At most `bound` interactions wait.
    pub fn new(bound: usize) -> Self {
        Self { bound, pending: HashMap::new(), due: BTreeSet::new(), defer_after: DEFER_AFTER }
    }

    /// Notes an interaction.
    pub fn arrived(&mut self, new: Pending, now: Instant) -> Taken {
        if self.pending.contains_key(&new.id) {
            return Taken::Known;
        }
        if now >= new.since + DEADLINE {
            return Taken::TooOld;
        }
        if self.pending.len() >= self.bound {
            return Taken::Overflow;
        }
        self.due.insert((new.since + self.defer_after, new.id));
        self.pending.insert(new.id, new);
        Taken::Waits
    }

    /// Somebody has acknowledged it, or nobody can any more; returns it if it waited.
    pub fn ended(&mut self, id: u64) -> Option<Pending> {
        let pending = self.pending.remove(&id)?;
        self.due.remove(&(pending.since + self.defer_after, id));
        Some(pending)
    }

    /// Takes what is to be deferred now, at most `count`; each stays known until it [`Waiting::ended`].
    pub fn due(&mut self, now: Instant, count: usize) -> Vec<Pending> {
        let mut due = Vec::new();
        while due.len() < count
            && let Some(&(at, id)) = self.due.first()
            && (at <= now)
        {
            self.due.pop_first();
            due.extend(self.pending.get(&id).cloned());
        }
        due
    }

    /// When the next one is to be deferred.
    pub fn next_due(&self) -> Option<Instant> {
        self.due.first().map(|&(at, _)| at)
    }

    /// From now on nothing waits for a worker: this process ends.
    pub fn hurry(&mut self) {
        self.defer_after = Duration::ZERO;
        let at_once = |&id: &u64| (self.pending[&id].since, id);
        let ids: Vec<u64> = self.due.iter().map(|&(_, id)| id).collect();
        self.due = ids.iter().map(at_once).collect();
    }

    /// Whether it still waits for its acknowledgment.
    pub fn contains(&self, id: u64) -> bool {
        self.pending.contains_key(&id)
    }
}

/// Tells the age of an interaction by its id, which holds Discord's time of the act:
/// <https://discord.com/developers/docs/reference#snowflakes>. Live events correct the clocks' difference.
#[derive(Debug, Default)]
pub struct Ages {
    /// Least difference seen between our clock at a live arrival and Discord's at the act.
    offset_ms: Option<i64>,
}

const DISCORD_EPOCH_MS: u64 = 1_420_070_400_000;

impl Ages {
    /// The age on arrival. A live event has just happened; one that a RESUME repeats may be old.
    pub fn of(&mut self, id: u64, replayed: bool, unix_ms: u64) -> Duration {
        let made_ms = (id >> 22) + DISCORD_EPOCH_MS;
        let difference = unix_ms.cast_signed() - made_ms.cast_signed();
        if replayed {
            let age = difference - self.offset_ms.unwrap_or(0);
            return Duration::from_millis(u64::try_from(age).unwrap_or(0));
        }
        self.offset_ms = Some(self.offset_ms.map_or(difference, |known| known.min(difference)));
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pending(id: u64, since: Instant) -> Pending {
        Pending { id, token: "secret".to_owned(), reply: FirstReply::Private, since }
    }

    fn ids(due: &[Pending]) -> Vec<u64> {
        due.iter().map(|pending| pending.id).collect()
    }

    #[test]
    fn an_interaction_is_due_at_one_and_a_half_seconds_and_only_once() {
        let start = Instant::now();
        let mut waiting = Waiting::new(10);
        assert_eq!(waiting.arrived(pending(1, start), start), Taken::Waits);
        assert_eq!(waiting.arrived(pending(1, start), start), Taken::Known);
        assert_eq!(waiting.next_due(), Some(start + DEFER_AFTER));
        assert!(waiting.due(start + DEFER_AFTER - Duration::from_millis(1), 10).is_empty());
        assert_eq!(ids(&waiting.due(start + DEFER_AFTER, 10)), [1]);
        assert!(waiting.due(start + DEADLINE, 10).is_empty());
        assert!(waiting.contains(1), "it stays known while it is being deferred");
    }

    #[test]
    fn an_acknowledged_interaction_is_not_deferred() {
        let start = Instant::now();
        let mut waiting = Waiting::new(10);
        waiting.arrived(pending(1, start), start);
        waiting.arrived(pending(2, start), start);
        assert!(waiting.ended(1).is_some() && waiting.ended(1).is_none());
        assert_eq!(ids(&waiting.due(start + DEFER_AFTER, 10)), [2]);
    }

    #[test]
    fn beyond_the_bound_the_newest_is_refused_and_the_oldest_are_served_first() {
        let start = Instant::now();
        let mut waiting = Waiting::new(2);
        let later = start + Duration::from_millis(5);
        waiting.arrived(pending(7, later), later);
        waiting.arrived(pending(9, start), later);
        assert_eq!(waiting.arrived(pending(3, later), later), Taken::Overflow);
        assert_eq!(ids(&waiting.due(start + DEADLINE, 1)), [9]);
        assert_eq!(ids(&waiting.due(start + DEADLINE, 1)), [7]);
    }

    #[test]
    fn what_is_older_than_discords_deadline_is_not_tried() {
        let start = Instant::now();
        let now = start + DEADLINE;
        let mut waiting = Waiting::new(2);
        assert_eq!(waiting.arrived(pending(1, start), now), Taken::TooOld);
        let younger = start + Duration::from_millis(1);
        assert_eq!(waiting.arrived(pending(2, younger), now), Taken::Waits);
        assert_eq!(ids(&waiting.due(now, 2)), [2], "at once: half of its time is over");
    }

    #[test]
    fn a_process_that_ends_defers_what_waits_at_once() {
        let start = Instant::now();
        let mut waiting = Waiting::new(10);
        waiting.arrived(pending(1, start), start);
        waiting.hurry();
        waiting.arrived(pending(2, start), start);
        assert_eq!(ids(&waiting.due(start, 10)), [1, 2]);
        assert!(waiting.ended(1).is_some() && waiting.ended(2).is_some() && !waiting.contains(2));
    }

    #[test]
    fn the_age_of_a_repeated_interaction_follows_from_its_id_whatever_the_clocks_say() {
        let made_at_ms = 1_800_000_000_000_u64;
        let id = (made_at_ms - DISCORD_EPOCH_MS) << 22;
        for skew_ms in [0, 90_000] {
            let mut ages = Ages::default();
            // A live one, which took 40 ms.
            assert_eq!(ages.of(id, false, made_at_ms + skew_ms + 40), Duration::ZERO);
            let age = ages.of(id, true, made_at_ms + skew_ms + 2_540);
            assert_eq!(age, Duration::from_millis(2_500));
            // Never negative.
            assert_eq!(ages.of(id, true, made_at_ms + skew_ms), Duration::ZERO);
        }
    }

    #[test]
    fn a_pending_interaction_never_prints_its_token() {
        assert!(!format!("{:?}", pending(1, Instant::now())).contains("secret"));
    }
}
