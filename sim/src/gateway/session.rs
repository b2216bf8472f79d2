//! A gateway session: its log of events, and which connection may walk it.

use super::faults::mix;
use super::presence::Status;
use super::reorder::{Waiting, shuffle};
use crate::config::MESSAGE_CONTENT;
use crate::ids::GuildId;
use crate::lock;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::Instant;

/// An event ready for any session: its payload is rendered once.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) name: &'static str,
    /// Intent bits of which a session must have one; 0 goes to all.
    pub(crate) intents: u64,
    pub(crate) data: Arc<str>,
    /// The payload for sessions without the message content intent, where it differs.
    pub(crate) stripped: Option<Arc<str>>,
}

/// What a log holds. Server payloads are large and the same for every session, so only their place in the
/// world is kept and they are rendered when they are sent.
#[derive(Clone, Debug)]
pub(crate) enum Item {
    Event(&'static str, Arc<str>),
    GuildCreate(usize),
    /// GUILD_CREATE of a server the bot has just joined.
    GuildJoined(usize),
}

/// What an IDENTIFY asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wishes {
    pub(crate) shard: u32,
    pub(crate) total: u32,
    pub(crate) intents: u64,
    /// Members from which GUILD_CREATE leaves out those that are offline.
    pub(crate) large_threshold: u64,
    pub(crate) status: Status,
}

#[derive(Debug)]
struct Log {
    /// Sequence number of the oldest item kept.
    first: u64,
    items: VecDeque<Item>,
    /// Connection that may walk the log; older ones have to go.
    holder: u64,
    /// How many connections have held the session, this one included.
    connections: u64,
    detached: Option<Instant>,
    /// What came in while a fault lets it change places; it has no numbers yet.
    waiting: Vec<Waiting>,
    /// Plans of faults that have happened to this session.
    happened: Vec<u64>,
}

impl Log {
    fn extend(&mut self, items: impl IntoIterator<Item = Item>, capacity: usize) {
        self.items.extend(items);
        while self.items.len() > capacity {
            self.items.pop_front();
            self.first += 1;
        }
    }
}

/// What a walk along the log gave.
#[derive(Debug)]
pub(crate) enum Walk {
    /// The items were appended to the vector given; they follow the position given.
    Items,
    /// Another connection has taken the session over.
    Superseded,
    /// The position is no longer in the log.
    Overrun,
}

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) shard: u32,
    pub(crate) total: u32,
    pub(crate) intents: u64,
    pub(crate) large_threshold: u64,
    /// From which everything drawn about this session follows.
    pub(crate) seed: u64,
    /// Wakes the connection when there is something to send.
    pub(crate) wake: Notify,
    /// It ends with its connection.
    doomed: AtomicBool,
    /// What the client last said about itself, by IDENTIFY or opcode 3.
    status: Mutex<Status>,
    capacity: usize,
    log: Mutex<Log>,
}

impl Session {
    pub(crate) fn new(id: String, wishes: &Wishes, seed: u64, capacity: usize, holder: u64) -> Self {
        let log = Log {
            first: 1,
            items: VecDeque::new(),
            holder,
            connections: 1,
            detached: None,
            waiting: Vec::new(),
            happened: Vec::new(),
        };
        Self {
            id,
            shard: wishes.shard,
            total: wishes.total,
            intents: wishes.intents,
            large_threshold: wishes.large_threshold,
            seed,
            wake: Notify::new(),
            doomed: AtomicBool::new(false),
            status: Mutex::new(wishes.status),
            capacity,
            log: Mutex::new(log),
        }
    }

    pub(crate) fn has(&self, intents: u64) -> bool {
        self.intents & intents != 0
    }

    /// Appends an event the session's intents ask for; tells whether they did. `reorder` keeps it without
    /// a number while there is no connection.
    pub(crate) fn push(&self, guild: Option<GuildId>, event: &Event, reorder: bool) -> bool {
        if event.intents != 0 && !self.has(event.intents) {
            return false;
        }
        let data = match &event.stripped {
            Some(stripped) if !self.has(MESSAGE_CONTENT) => stripped,
            _ => &event.data,
        };
        self.take(guild, Item::Event(event.name, data.clone()), reorder);
        true
    }

    /// Appends an item, or with `reorder` keeps it without a number while there is no connection.
    pub(crate) fn take(&self, guild: Option<GuildId>, item: Item, reorder: bool) {
        if reorder {
            let mut log = lock(&self.log);
            if log.detached.is_some() && log.waiting.len() < self.capacity {
                return log.waiting.push(Waiting { guild, item });
            }
        }
        self.append([item]);
    }

    pub(crate) fn append(&self, items: impl IntoIterator<Item = Item>) {
        let mut log = lock(&self.log);
        log.extend(items, self.capacity);
        drop(log);
        self.wake.notify_one();
    }

    /// Appends to `out` up to `limit` items after sequence number `after`, for the connection `holder`.
    pub(crate) fn walk(&self, holder: u64, after: u64, limit: usize, out: &mut Vec<Item>) -> Walk {
        let log = lock(&self.log);
        if log.holder != holder {
            return Walk::Superseded;
        }
        if after + 1 < log.first {
            return Walk::Overrun;
        }
        let skip = usize::try_from(after + 1 - log.first).unwrap_or(usize::MAX).min(log.items.len());
        let until = skip.saturating_add(limit).min(log.items.len());
        out.extend(log.items.range(skip..until).cloned());
        Walk::Items
    }

    /// Highest sequence number given out.
    pub(crate) fn last(&self) -> u64 {
        let log = lock(&self.log);
        log.first + log.items.len() as u64 - 1
    }

    /// Gives the session to another connection, which will walk on after `after`. `Err` when that is
    /// no longer, or not yet, in the log. Gives the connection's number within the session, and the connection
    /// that has to go for it.
    pub(crate) fn take_over(
        &self,
        holder: u64,
        after: u64,
        reorder: Option<bool>,
    ) -> Result<(u64, Option<u64>), ResumeRefused> {
        let mut log = lock(&self.log);
        if after + 1 < log.first {
            return Err(ResumeRefused::TooOld);
        }
        if after >= log.first + log.items.len() as u64 {
            return Err(ResumeRefused::Ahead);
        }
        let held = log.detached.is_none().then_some(log.holder);
        log.holder = holder;
        log.detached = None;
        log.connections += 1;
        let connection = log.connections;
        let waiting = std::mem::take(&mut log.waiting);
        let items: Vec<Item> = match reorder {
            Some(channels) => shuffle(waiting, channels, mix(&[self.seed, connection])),
            None => waiting.into_iter().map(|one| one.item).collect(),
        };
        // Under the same lock, so that nothing newer of the same server gets an earlier number.
        log.extend(items, self.capacity);
        drop(log);
        self.wake.notify_one();
        Ok((connection, held))
    }

    /// The oldest position, at most `after`, from which the last `back` events before `after` are sent again.
    pub(crate) fn step_back(&self, after: u64, back: u64) -> u64 {
        after.saturating_sub(back).max(lock(&self.log).first - 1)
    }

    /// Notes that a fault's plan happened; tells whether it was the first time.
    pub(crate) fn happened(&self, plan: u64) -> bool {
        let mut log = lock(&self.log);
        let first = !log.happened.contains(&plan);
        if first {
            log.happened.push(plan);
        }
        first
    }

    /// The connection is gone; the session waits to be resumed.
    pub(crate) fn detach(&self, holder: u64, now: Instant) -> bool {
        let mut log = lock(&self.log);
        let held = log.holder == holder && log.detached.is_none();
        if held {
            log.detached = Some(now);
        }
        held
    }

    /// From now on it ends with its connection.
    pub(crate) fn doom(&self) {
        self.doomed.store(true, Ordering::Relaxed);
    }

    pub(crate) fn expired(&self, now: Instant, ttl: Duration) -> bool {
        let detached = lock(&self.log).detached;
        detached.is_some_and(|since| self.doomed.load(Ordering::Relaxed) || now.duration_since(since) >= ttl)
    }

    pub(crate) fn status(&self) -> Status {
        *lock(&self.status)
    }

    pub(crate) fn set_status(&self, status: Status) {
        *lock(&self.status) = status;
    }

    pub(crate) fn is_doomed(&self) -> bool {
        self.doomed.load(Ordering::Relaxed)
    }

    pub(crate) fn connected(&self) -> bool {
        lock(&self.log).detached.is_none()
    }
}

/// Why a session cannot go on from a sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ResumeRefused {
    TooOld,
    Ahead,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_intents(capacity: usize, intents: u64) -> Session {
        let wishes = Wishes { shard: 0, total: 1, intents, large_threshold: 50, status: Status::Online };
        Session::new("s".to_owned(), &wishes, 1, capacity, 1)
    }

    fn session(capacity: usize) -> Session {
        with_intents(capacity, MESSAGE_CONTENT | 1)
    }

    fn items(n: usize) -> impl Iterator<Item = Item> {
        (0..n).map(Item::GuildCreate)
    }

    fn seen(session: &Session, holder: u64, after: u64, limit: usize) -> Vec<Item> {
        let mut out = Vec::new();
        assert!(matches!(session.walk(holder, after, limit, &mut out), Walk::Items));
        out
    }

    fn refused(session: &Session, holder: u64, after: u64) -> Walk {
        session.walk(holder, after, 3, &mut Vec::new())
    }

    #[test]
    fn a_connection_walks_the_log_and_a_resume_walks_it_again() {
        let session = session(100);
        session.append(items(5));
        assert!(matches!(seen(&session, 1, 0, 3)[..], [Item::GuildCreate(0), _, Item::GuildCreate(2)]));
        assert_eq!(seen(&session, 1, 3, 3).len(), 2);
        assert_eq!(session.take_over(2, 2, None), Ok((2, Some(1))));
        assert!(matches!(refused(&session, 1, 5), Walk::Superseded));
        assert!(matches!(seen(&session, 2, 2, 10)[..], [Item::GuildCreate(2), _, _]));
        assert_eq!(session.take_over(3, 6, None), Err(ResumeRefused::Ahead));
    }

    #[test]
    fn a_log_that_runs_over_cannot_be_walked_from_before() {
        let session = session(4);
        session.append(items(6));
        assert!(matches!(refused(&session, 1, 1), Walk::Overrun));
        assert_eq!(seen(&session, 1, 2, 9).len(), 4);
        assert_eq!(session.take_over(2, 1, None), Err(ResumeRefused::TooOld));
        assert_eq!(session.last(), 6);
        assert_eq!(session.step_back(5, 9), 2, "no further back than the log reaches");
    }

    #[test]
    fn events_reach_only_sessions_with_their_intent() {
        let event = Event { name: "X", intents: 1 << 9, data: "full".into(), stripped: Some("less".into()) };
        assert!(!session(4).push(None, &event, false));
        let bare = with_intents(4, 1 << 9);
        assert!(bare.push(None, &event, false));
        assert!(matches!(&seen(&bare, 1, 0, 1)[..], [Item::Event("X", data)] if &**data == "less"));
    }

    #[test]
    fn events_that_may_change_places_get_their_numbers_when_the_session_is_resumed() {
        let session = session(100);
        let event = Event { name: "X", intents: 0, data: "{}".into(), stripped: None };
        session.push(None, &event, true);
        assert_eq!(session.last(), 1, "connected: numbered at once");
        session.detach(1, Instant::now());
        for guild in 0..3 {
            session.push(Some(GuildId(guild)), &event, true);
        }
        assert_eq!(session.last(), 1);
        session.take_over(2, 1, Some(false)).unwrap();
        assert_eq!(session.last(), 4);
    }
}
