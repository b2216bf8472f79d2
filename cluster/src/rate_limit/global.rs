//! The limit that all routes share: a sliding log of what may still count at the far end.
//!
//! A request counts there for one second from its arrival, which lies between sending and answer. A slot is
//! therefore held for a second plus the part of the round trip that varies, within bounds.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

const WINDOW: Duration = Duration::from_secs(1);
/// Never less: clocks and timers are granular.
const MARGIN_MIN: Duration = Duration::from_millis(8);
/// As long as no answer says more: keeps the reachable rate above 95 % of the limit.
const MARGIN_MAX: Duration = Duration::from_millis(40);
/// Never more, however late the answer: a request that was held up somewhere counts from its arrival.
const MARGIN_LONGEST: Duration = Duration::from_millis(120);
/// How long a slot is held unless the answer says more.
pub(super) const HOLD: Duration = WINDOW.saturating_add(MARGIN_MAX);
/// How long a shortest round trip is believed.
const FLOOR_PERIOD: Duration = Duration::from_secs(30);
/// Answers before the shortest round trip is believed at all.
const FLOOR_ANSWERS: u32 = 100;

/// A place in the log, given at sending.
#[derive(Debug)]
pub(super) struct Slot {
    id: u64,
    sent_at: Instant,
    free_at: Instant,
}

#[derive(Debug)]
pub(super) struct Global {
    per_s: usize,
    held: BTreeSet<(Instant, u64)>,
    next: u64,
    blocked_until: Option<Instant>,
    floor: Floor,
    /// How many share the limit, as far as is known.
    sharers: usize,
}

/// The shortest round trip of late: what is above it is delay that can bunch requests together.
/// Two periods, so that a path that became longer is noticed.
#[derive(Debug, Default)]
struct Floor {
    before: Option<Duration>,
    current: Option<Duration>,
    since: Option<Instant>,
    answers: u32,
    /// The shortest of the other proxies, who may be nearer: their request may use the slot that this one frees.
    elsewhere: Option<Duration>,
}

impl Floor {
    /// How much later than the quickest this request may have arrived.
    fn delay(&mut self, trip: Duration, now: Instant) -> Duration {
        if self.since.is_none_or(|since| now.saturating_duration_since(since) > FLOOR_PERIOD) {
            self.before = self.current.take();
            self.since = Some(now);
        }
        let current = self.current.map_or(trip, |floor| floor.min(trip));
        self.current = Some(current);
        self.answers = self.answers.saturating_add(1);
        if self.answers < FLOOR_ANSWERS {
            return MARGIN_MAX;
        }
        let shortest = [self.before, self.elsewhere].into_iter().flatten().fold(current, Duration::min);
        trip.saturating_sub(shortest)
    }

    fn shortest(&self) -> Option<Duration> {
        let shortest = [self.before, self.current].into_iter().flatten().min();
        shortest.filter(|_| self.answers >= FLOOR_ANSWERS)
    }
}

impl Global {
    pub(super) fn new(per_s: u32) -> Self {
        let per_s = size(per_s);
        Self {
            per_s,
            held: BTreeSet::new(),
            next: 0,
            blocked_until: None,
            floor: Floor::default(),
            sharers: 1,
        }
    }

    /// Until when nothing may be sent, if so.
    pub(super) fn blocked(&mut self, now: Instant) -> Option<Instant> {
        if let Some(until) = self.blocked_until {
            if now < until {
                return Some(until);
            }
            self.blocked_until = None;
        }
        while let Some(&(free_at, id)) = self.held.first() {
            if free_at > now {
                break;
            }
            self.held.remove(&(free_at, id));
        }
        if self.held.len() < self.per_s { None } else { self.held.first().map(|&(free_at, _)| free_at) }
    }

    /// Whether more than half of an equal share of the limit is free.
    pub(super) fn has_room(&mut self, now: Instant) -> bool {
        self.blocked(now).is_none() && self.held.len() * 2 * self.sharers < self.per_s
    }

    pub(super) fn set_sharers(&mut self, sharers: u32) {
        self.sharers = size(sharers);
    }

    pub(super) fn take(&mut self, now: Instant) -> Slot {
        self.next += 1;
        let slot = Slot { id: self.next, sent_at: now, free_at: now + WINDOW + MARGIN_MAX };
        self.held.insert((slot.free_at, slot.id));
        slot
    }

    /// Returns how long beyond a second after its grant the request may count.
    pub(super) fn answered(&mut self, slot: &Slot, now: Instant) -> Duration {
        let trip = now.saturating_duration_since(slot.sent_at);
        let margin = self.floor.delay(trip, now).clamp(MARGIN_MIN, MARGIN_LONGEST);
        self.hold_until(slot, slot.sent_at + WINDOW + margin);
        margin
    }

    /// Nobody knows when it arrived: hold the slot as if it were now. Returns as [`Global::answered`].
    pub(super) fn lost(&mut self, slot: &Slot, now: Instant) -> Duration {
        self.hold_until(slot, now + WINDOW + MARGIN_MIN);
        now.saturating_duration_since(slot.sent_at) + MARGIN_MIN
    }

    /// The request was not sent.
    pub(super) fn take_back(&mut self, slot: &Slot) {
        self.held.remove(&(slot.free_at, slot.id));
    }

    pub(super) fn set_per_s(&mut self, per_s: u32) {
        self.per_s = size(per_s);
    }

    /// The limit turned out to be too high.
    pub(super) fn halve(&mut self) {
        self.per_s = (self.per_s / 2).max(1);
    }

    /// For how long each slot is still held.
    pub(super) fn held(&self, now: Instant) -> impl Iterator<Item = Duration> + '_ {
        let left = move |(free_at, _): &(Instant, u64)| free_at.saturating_duration_since(now);
        self.held.iter().map(left).filter(|left| !left.is_zero())
    }

    /// The shortest round trip of late, once there were enough.
    pub(super) fn shortest_trip(&self) -> Option<Duration> {
        self.floor.shortest()
    }

    /// The shortest round trip of all proxies.
    pub(super) fn set_shortest_elsewhere(&mut self, trip: Option<Duration>) {
        self.floor.elsewhere = trip;
    }

    pub(super) fn block(&mut self, until: Instant) {
        self.blocked_until = Some(self.blocked_until.map_or(until, |known| known.max(until)));
    }

    fn hold_until(&mut self, slot: &Slot, free_at: Instant) {
        self.held.remove(&(slot.free_at, slot.id));
        self.held.insert((free_at, slot.id));
    }
}

fn size(per_s: u32) -> usize {
    usize::try_from(per_s.max(1)).unwrap_or(usize::MAX)
}
