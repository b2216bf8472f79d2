//! A gateway session: its log of events, and which connection may walk it.

use crate::config::MESSAGE_CONTENT;
use crate::lock;
use std::collections::VecDeque;
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
}

#[derive(Debug)]
struct Log {
    /// Sequence number of the oldest item kept.
    first: u64,
    items: VecDeque<Item>,
    /// Connection that may walk the log; older ones have to go.
    holder: u64,
    detached: Option<Instant>,
}

/// What a walk along the log gave.
#[derive(Debug)]
pub(crate) enum Walk {
    /// Items with the sequence number of the first of them.
    Items(u64, Vec<Item>),
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
    /// Wakes the connection when there is something to send.
    pub(crate) wake: Notify,
    capacity: usize,
    log: Mutex<Log>,
}

impl Session {
    pub(crate) fn new(id: String, shard: (u32, u32), intents: u64, capacity: usize, holder: u64) -> Self {
        let log = Log { first: 1, items: VecDeque::new(), holder, detached: None };
        Self {
            id,
            shard: shard.0,
            total: shard.1,
            intents,
            wake: Notify::new(),
            capacity,
            log: Mutex::new(log),
        }
    }

    /// Appends an event the session's intents ask for; tells whether they did.
    pub(crate) fn push(&self, event: &Event) -> bool {
        if event.intents != 0 && event.intents & self.intents == 0 {
            return false;
        }
        let data = match &event.stripped {
            Some(stripped) if self.intents & MESSAGE_CONTENT == 0 => stripped,
            _ => &event.data,
        };
        self.append([Item::Event(event.name, data.clone())]);
        true
    }

    pub(crate) fn append(&self, items: impl IntoIterator<Item = Item>) {
        let mut log = lock(&self.log);
        log.items.extend(items);
        while log.items.len() > self.capacity {
            log.items.pop_front();
            log.first += 1;
        }
        drop(log);
        self.wake.notify_one();
    }

    /// Up to `limit` items after sequence number `after`, for the connection `holder`.
    pub(crate) fn walk(&self, holder: u64, after: u64, limit: usize) -> Walk {
        let log = lock(&self.log);
        if log.holder != holder {
            return Walk::Superseded;
        }
        if after + 1 < log.first {
            return Walk::Overrun;
        }
        let skip = usize::try_from(after + 1 - log.first).unwrap_or(usize::MAX);
        let items: Vec<Item> = log.items.iter().skip(skip).take(limit).cloned().collect();
        Walk::Items(after + 1, items)
    }

    /// Highest sequence number given out.
    pub(crate) fn last(&self) -> u64 {
        let log = lock(&self.log);
        log.first + log.items.len() as u64 - 1
    }

    /// Gives the session to another connection, which will walk on after `after`. `Err` when that is
    /// no longer, or not yet, in the log.
    pub(crate) fn take_over(&self, holder: u64, after: u64) -> Result<(), ResumeRefused> {
        let mut log = lock(&self.log);
        if after + 1 < log.first {
            return Err(ResumeRefused::TooOld);
        }
        if after >= log.first + log.items.len() as u64 {
            return Err(ResumeRefused::Ahead);
        }
        log.holder = holder;
        log.detached = None;
        drop(log);
        self.wake.notify_one();
        Ok(())
    }

    /// The connection is gone; the session waits to be resumed.
    pub(crate) fn detach(&self, holder: u64, now: Instant) -> bool {
        let mut log = lock(&self.log);
        let held = log.holder == holder;
        if held {
            log.detached = Some(now);
        }
        held
    }

    pub(crate) fn expired(&self, now: Instant, ttl: Duration) -> bool {
        lock(&self.log).detached.is_some_and(|since| now.duration_since(since) >= ttl)
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

    fn session(capacity: usize) -> Session {
        Session::new("s".to_owned(), (0, 1), MESSAGE_CONTENT | 1, capacity, 1)
    }

    fn items(n: usize) -> impl Iterator<Item = Item> {
        (0..n).map(Item::GuildCreate)
    }

    fn seen(walk: Walk) -> (u64, usize) {
        match walk {
            Walk::Items(first, items) => (first, items.len()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_connection_walks_the_log_and_a_resume_walks_it_again() {
        let session = session(100);
        session.append(items(5));
        assert_eq!(seen(session.walk(1, 0, 3)), (1, 3));
        assert_eq!(seen(session.walk(1, 3, 3)), (4, 2));
        session.take_over(2, 2).unwrap();
        assert!(matches!(session.walk(1, 5, 3), Walk::Superseded));
        assert_eq!(seen(session.walk(2, 2, 10)), (3, 3));
        assert_eq!(session.take_over(3, 6), Err(ResumeRefused::Ahead));
    }

    #[test]
    fn a_log_that_runs_over_cannot_be_walked_from_before() {
        let session = session(4);
        session.append(items(6));
        assert!(matches!(session.walk(1, 1, 3), Walk::Overrun));
        assert_eq!(seen(session.walk(1, 2, 9)), (3, 4));
        assert_eq!(session.take_over(2, 1), Err(ResumeRefused::TooOld));
        assert_eq!(session.last(), 6);
    }

    #[test]
    fn events_reach_only_sessions_with_their_intent() {
        let event = Event { name: "X", intents: 1 << 9, data: "full".into(), stripped: Some("less".into()) };
        assert!(!session(4).push(&event));
        let bare = Session::new("s".to_owned(), (0, 1), 1 << 9, 4, 1);
        assert!(bare.push(&event));
        match bare.walk(1, 0, 1) {
            Walk::Items(_, items) => {
                assert!(matches!(&items[0], Item::Event("X", data) if &**data == "less"))
            }
            other => panic!("{other:?}"),
        }
    }
}
