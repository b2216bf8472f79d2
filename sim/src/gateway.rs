//! The gateway: who is connected, which session gets which event, and who may IDENTIFY when.
//!
//! A session's log is both its replay buffer and its send queue: an event is appended once, and each
//! connection walks the log with a position of its own. So a RESUME is the same walk from an earlier
//! position, and nothing can be lost between the two. The log is bounded; a connection that lags past
//! the bound is closed and its session ended, as Discord does with clients that cannot keep up.
//! <https://discord.com/developers/docs/events/gateway>

mod codec;
mod connection;
mod protocol;
mod session;

pub(crate) use connection::{Params, serve};
use session::Item;
pub(crate) use session::{Event, Session};

use crate::config::{Config, MESSAGE_CONTENT};
use crate::ids::GuildId;
use crate::lock;
use crate::transcript::{Live, add};
use crate::world::gateway_shard;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// What can be done to a connection from outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Close frame with this code.
    Close(u16),
    /// The TCP connection goes away without a word.
    Drop,
    /// Opcode 7.
    Reconnect,
    /// Opcode 9.
    Invalid { resumable: bool },
}

/// Orders waiting for one connection; a connection that has not taken eight of them gets no more.
const ORDERS: usize = 8;
/// The GUILDS intent.
const GUILDS: u64 = 1;
const DAY: Duration = Duration::from_secs(86_400);

#[derive(Debug)]
struct Link {
    session: Option<String>,
    orders: mpsc::Sender<Order>,
}

#[derive(Debug, Default)]
struct Starts {
    last: HashMap<u32, Instant>,
    day_began: Option<Instant>,
    used: u32,
    /// Sessions begun so far on each gateway shard.
    begun: HashMap<u32, u64>,
}

/// What came of asking to IDENTIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    Allowed,
    /// More than one in the interval for this bucket: opcode 9.
    TooSoon,
    /// The daily budget is gone: the token is reset.
    OverBudget,
}

/// All sessions and connections.
#[derive(Debug)]
pub(crate) struct Hub {
    sessions: RwLock<Vec<Arc<Session>>>,
    links: Mutex<HashMap<u64, Link>>,
    next_link: AtomicU64,
    starts: Mutex<Starts>,
    /// Some session lacks the message content intent, so that events are rendered a second time for it.
    pub(crate) wants_stripped: AtomicBool,
    pub(crate) token_reset: AtomicBool,
    max_concurrency: u32,
    identify_interval: Duration,
    identify_budget: u32,
    session_ttl: Duration,
}

impl Hub {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            sessions: RwLock::default(),
            links: Mutex::default(),
            next_link: AtomicU64::new(1),
            starts: Mutex::default(),
            wants_stripped: AtomicBool::new(false),
            token_reset: AtomicBool::new(false),
            max_concurrency: config.max_concurrency,
            identify_interval: config.identify_interval,
            identify_budget: config.identify_budget,
            session_ttl: config.session_ttl,
        }
    }

    /// Puts an event into every session it belongs to. `guild` decides the gateway shard; events without
    /// one go to gateway shard 0.
    pub(crate) fn dispatch(&self, counters: &Live, guild: Option<GuildId>, event: &Event) {
        let mut reached = 0;
        for session in self.sessions.read().unwrap_or_else(PoisonError::into_inner).iter() {
            let shard = guild.map_or(0, |guild| gateway_shard(guild, session.total));
            if session.shard == shard && session.push(event) {
                reached += 1;
            }
        }
        add(&counters.events_dispatched, reached);
    }

    /// Puts GUILD_CREATE of a server into the sessions of its gateway shard that asked for servers.
    pub(crate) fn announce(&self, counters: &Live, guild: GuildId, index: usize) {
        let mut reached = 0;
        for session in self.sessions.read().unwrap_or_else(PoisonError::into_inner).iter() {
            if session.shard == gateway_shard(guild, session.total) && session.intents & GUILDS != 0 {
                session.append([Item::GuildCreate(index)]);
                reached += 1;
            }
        }
        add(&counters.events_dispatched, reached);
    }

    pub(crate) fn connect(&self) -> (u64, mpsc::Receiver<Order>) {
        let (orders, receiver) = mpsc::channel(ORDERS);
        let id = self.next_link.fetch_add(1, Ordering::Relaxed);
        lock(&self.links).insert(id, Link { session: None, orders });
        (id, receiver)
    }

    pub(crate) fn disconnect(&self, link: u64) {
        lock(&self.links).remove(&link);
    }

    pub(crate) fn name(&self, link: u64, session: &str) {
        if let Some(link) = lock(&self.links).get_mut(&link) {
            link.session = Some(session.to_owned());
        }
    }

    /// Gives an order to all connections, or to that of one session. Returns how many got it.
    pub(crate) fn order(&self, session: Option<&str>, order: Order) -> usize {
        let links = lock(&self.links);
        let wanted = links.values().filter(|link| session.is_none() || link.session.as_deref() == session);
        wanted.filter(|link| link.orders.try_send(order).is_ok()).count()
    }

    /// Asks to start a session on a gateway shard.
    pub(crate) fn start(&self, shard: u32, now: Instant) -> Start {
        let mut starts = lock(&self.starts);
        if starts.day_began.is_none_or(|began| now.duration_since(began) >= DAY) {
            starts.day_began = Some(now);
            starts.used = 0;
        }
        starts.used += 1;
        if starts.used > self.identify_budget {
            return Start::OverBudget;
        }
        let bucket = shard % self.max_concurrency;
        let last = starts.last.get(&bucket);
        if last.is_some_and(|last| now.duration_since(*last) < self.identify_interval) {
            return Start::TooSoon;
        }
        starts.last.insert(bucket, now);
        Start::Allowed
    }

    /// How many sessions began on a gateway shard before this one, which is counted.
    pub(crate) fn nth_session(&self, shard: u32) -> u64 {
        let mut starts = lock(&self.starts);
        let begun = starts.begun.entry(shard).or_default();
        *begun += 1;
        *begun - 1
    }

    /// Remaining IDENTIFYs today, and the time until the count starts anew.
    pub(crate) fn budget(&self, now: Instant) -> (u32, Duration) {
        let starts = lock(&self.starts);
        let passed = starts.day_began.map_or(Duration::ZERO, |began| now.duration_since(began));
        if passed >= DAY {
            return (self.identify_budget, Duration::ZERO);
        }
        let left = if starts.day_began.is_some() { DAY - passed } else { Duration::ZERO };
        (self.identify_budget.saturating_sub(starts.used), left)
    }

    pub(crate) fn add(&self, session: Arc<Session>) {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        sessions.push(session);
        self.note_intents(&sessions);
    }

    fn note_intents(&self, sessions: &[Arc<Session>]) {
        let stripped = sessions.iter().any(|session| session.intents & MESSAGE_CONTENT == 0);
        self.wants_stripped.store(stripped, Ordering::Relaxed);
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Session>> {
        let sessions = self.sessions.read().unwrap_or_else(PoisonError::into_inner);
        sessions.iter().find(|session| session.id == id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends a session: it can no longer be resumed.
    pub(crate) fn end(&self, id: &str) {
        let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
        sessions.retain(|session| session.id != id);
        self.note_intents(&sessions);
    }

    /// Ends sessions that have been without a connection for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        let expired = |session: &Arc<Session>| session.expired(now, self.session_ttl);
        if self.sessions.read().unwrap_or_else(PoisonError::into_inner).iter().any(expired) {
            let mut sessions = self.sessions.write().unwrap_or_else(PoisonError::into_inner);
            sessions.retain(|session| !expired(session));
            self.note_intents(&sessions);
        }
    }

    pub(crate) fn expired(&self, session: &Session, now: Instant) -> bool {
        session.expired(now, self.session_ttl)
    }

    /// Ends every session and forgets all IDENTIFYs; the token counts again.
    pub(crate) fn reset(&self) {
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).clear();
        *lock(&self.starts) = Starts::default();
        self.token_reset.store(false, Ordering::Relaxed);
    }

    /// The daily budget was exceeded: every session ends and the token counts no more.
    pub(crate) fn reset_token(&self) {
        self.token_reset.store(true, Ordering::Relaxed);
        self.sessions.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.order(None, Order::Close(4004));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identifies_are_counted_per_bucket_and_day() {
        let hub = Hub::new(&Config { max_concurrency: 2, identify_budget: 4, ..Config::default() });
        let now = Instant::now();
        assert_eq!(hub.start(0, now), Start::Allowed);
        assert_eq!(hub.start(1, now), Start::Allowed);
        assert_eq!(hub.start(2, now), Start::TooSoon, "shares the bucket of 0");
        assert_eq!(hub.start(2, now + Duration::from_secs(5)), Start::Allowed);
        assert_eq!(hub.budget(now).0, 0);
        assert_eq!(hub.start(3, now + Duration::from_secs(9)), Start::OverBudget);
        assert_eq!(hub.start(3, now + DAY), Start::Allowed);
    }
}
