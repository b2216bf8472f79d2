//! The gateway: who is connected, which session gets which event, and who may IDENTIFY when.
//!
//! A session's log is both its replay buffer and its send queue: an event is appended once, and each
//! connection walks the log with a position of its own. So a RESUME is the same walk from an earlier
//! position, and nothing can be lost between the two. The log is bounded; a connection that lags past
//! the bound is closed and its session ended, as Discord does with clients that cannot keep up.
//! <https://discord.com/developers/docs/events/gateway>

mod accept;
mod codec;
mod commands;
mod connection;
mod delivery;
pub mod faults;
pub mod intents;
mod member_list;
pub mod presence;
mod protocol;
mod reorder;
mod routes;
mod session;
mod socket;
mod starts;

pub(crate) use accept::{Door, accept, resume_door};
pub(crate) use protocol::Params;
pub(crate) use session::{Event, Item, Session};
pub(crate) use starts::Start;

use crate::config::{Config, MESSAGE_CONTENT};
use crate::ids::GuildId;
use crate::lock;
use crate::transcript::{Live, add};
use faults::{Doors, Faults, GatewayFault, GatewayTarget};
use routes::Routes;
use starts::Starts;
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
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
    /// Opcode 1.
    Beat,
    /// Faults have changed.
    Look,
}

/// Orders waiting for one connection; a connection that has not taken eight of them gets no more.
const ORDERS: usize = 8;

#[derive(Debug)]
struct Link {
    session: Option<Arc<Session>>,
    orders: mpsc::Sender<Order>,
}

/// All sessions and connections.
#[derive(Debug)]
pub(crate) struct Hub {
    sessions: RwLock<Routes>,
    links: Mutex<HashMap<u64, Link>>,
    next_link: AtomicU64,
    starts: Starts,
    /// Whole member lists are given once in a while for each server.
    member_lists: member_list::Limit,
    pub(crate) faults: Faults,
    pub(crate) doors: Doors,
    /// Some session may get what happens while it has no connection in another order.
    reordering: AtomicBool,
    /// Some session lacks the message content intent, so that events are rendered a second time for it.
    pub(crate) wants_stripped: AtomicBool,
    token: RwLock<String>,
    session_ttl: Duration,
}

impl Hub {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            sessions: RwLock::default(),
            links: Mutex::default(),
            next_link: AtomicU64::new(1),
            starts: Starts::new(config),
            member_lists: member_list::Limit::new(config.member_list_interval),
            faults: Faults::default(),
            doors: Doors::default(),
            reordering: AtomicBool::new(false),
            wants_stripped: AtomicBool::new(false),
            token: RwLock::new(config.token.clone()),
            session_ttl: config.session_ttl,
        }
    }

    fn sessions(&self) -> RwLockReadGuard<'_, Routes> {
        self.sessions.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn sessions_mut(&self) -> RwLockWriteGuard<'_, Routes> {
        self.sessions.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts an event into every session it belongs to. `guild` decides the gateway shard; events without
    /// one go to gateway shard 0.
    pub(crate) fn dispatch(&self, counters: &Live, guild: Option<GuildId>, event: &Event) {
        debug_assert!(
            intents::fits(event.name, guild.is_some(), event.intents),
            "{} does not come with the intents {:#x}",
            event.name,
            event.intents
        );
        let mut reached = 0;
        self.sessions().each(guild, |session| {
            reached += u64::from(session.push(guild, event, self.may_reorder(session)));
        });
        add(&counters.events_dispatched, reached);
    }

    /// Puts GUILD_CREATE of a server into the sessions of its gateway shard that asked for servers.
    pub(crate) fn announce(&self, counters: &Live, guild: GuildId, item: &Item) {
        let mut reached = 0;
        self.sessions().each(Some(guild), |session| {
            if session.has(intents::GUILDS) {
                session.take(Some(guild), item.clone(), self.may_reorder(session));
                reached += 1;
            }
        });
        add(&counters.events_dispatched, reached);
    }

    fn may_reorder(&self, session: &Session) -> bool {
        self.reordering.load(Ordering::Relaxed) && self.faults.reorder(session).is_some()
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

    pub(crate) fn name(&self, link: u64, session: &Arc<Session>) {
        if let Some(link) = lock(&self.links).get_mut(&link) {
            link.session = Some(session.clone());
        }
    }

    /// Gives an order to all connections, or to that of one session. Returns how many got it.
    pub(crate) fn order(&self, session: Option<&str>, order: Order) -> usize {
        let target = GatewayTarget { session: session.map(str::to_owned), ..GatewayTarget::default() };
        self.order_each(&target, order)
    }

    /// Gives an order to one connection, if it is still there.
    fn order_link(&self, link: u64, order: Order) {
        if let Some(link) = lock(&self.links).get(&link) {
            // A connection that takes no orders any more is about to end.
            let _ = link.orders.try_send(order);
        }
    }

    fn order_each(&self, target: &GatewayTarget, order: Order) -> usize {
        let links = lock(&self.links);
        let fits = |link: &&Link| match &link.session {
            Some(session) => target.fits(session),
            None => target.is_all(),
        };
        links.values().filter(fits).filter(|link| link.orders.try_send(order).is_ok()).count()
    }

    /// Lets something go wrong; `now` is on the simulator's clock. Returns how many connections or sessions it
    /// took hold of at once.
    pub(crate) fn fault(&self, target: &GatewayTarget, fault: &GatewayFault, now: Instant) -> usize {
        // Outages last for a client's time, whatever the simulator's clock shows.
        let until = |ms| Instant::now() + Duration::from_millis(ms);
        match *fault {
            GatewayFault::Drop => self.order_each(target, Order::Drop),
            GatewayFault::Close { code } => self.order_each(target, Order::Close(code)),
            GatewayFault::Reconnect => self.order_each(target, Order::Reconnect),
            GatewayFault::RequestHeartbeat => self.order_each(target, Order::Beat),
            GatewayFault::Invalidate { resumable } => {
                // Found first: the connection that is told may end the session before we look.
                let hit = self.matching(target);
                self.order_each(target, Order::Invalid { resumable });
                if !resumable {
                    hit.iter().for_each(|session| self.end(&session.id));
                }
                hit.len()
            }
            GatewayFault::Expire => {
                let hit = self.matching(target);
                hit.iter().for_each(|session| session.doom());
                self.sweep(now);
                hit.len()
            }
            GatewayFault::Outage { ms, how } => {
                self.doors.shut(until(ms), how);
                0
            }
            GatewayFault::DeadResumeUrl { ms } => {
                self.doors.kill_resume_url(until(ms));
                0
            }
            _ => {
                let hit = self.matching(target);
                let sessions: Vec<&Session> = hit.iter().map(|session| &**session).collect();
                self.faults.plan(target.clone(), fault.clone(), &sessions);
                if matches!(fault, GatewayFault::ReorderAcrossReconnect { .. }) {
                    self.reordering.store(true, Ordering::Relaxed);
                }
                self.order_each(target, Order::Look);
                hit.len()
            }
        }
    }

    /// Ends all faults and outages. What already happened stays.
    pub(crate) fn clear_faults(&self) {
        self.reordering.store(false, Ordering::Relaxed);
        self.faults.clear();
        self.doors.open();
        self.order_each(&GatewayTarget::all(), Order::Look);
    }

    fn matching(&self, target: &GatewayTarget) -> Vec<Arc<Session>> {
        self.sessions().all().filter(|session| target.fits(session)).cloned().collect()
    }

    /// Asks to start a session on a gateway shard.
    pub(crate) fn start(&self, shard: (u32, u32), now: Instant) -> Start {
        self.starts.start(shard, now)
    }

    /// Remaining IDENTIFYs today, and the time until the count starts anew.
    pub(crate) fn budget(&self, now: Instant) -> (u32, Duration) {
        self.starts.budget(now)
    }

    /// Adds a session that begins with `opening`; nothing is dispatched between the two.
    pub(crate) fn add(&self, opening: impl FnOnce() -> Session) -> Arc<Session> {
        let mut sessions = self.sessions_mut();
        let session = Arc::new(opening());
        sessions.add(session.clone());
        self.note_intents(&sessions);
        session
    }

    fn note_intents(&self, sessions: &Routes) {
        let stripped = sessions.all().any(|session| !session.has(MESSAGE_CONTENT));
        self.wants_stripped.store(stripped, Ordering::Relaxed);
    }

    pub(crate) fn find(&self, id: &str) -> Option<Arc<Session>> {
        self.sessions().all().find(|session| session.id == id).cloned()
    }

    pub(crate) fn all(&self) -> Vec<Arc<Session>> {
        self.sessions().all().cloned().collect()
    }

    /// Ends a session: it can no longer be resumed.
    pub(crate) fn end(&self, id: &str) {
        self.keep(|session| session.id != id);
    }

    fn keep(&self, keep: impl Fn(&Session) -> bool) {
        let mut sessions = self.sessions_mut();
        sessions.retain(keep);
        self.note_intents(&sessions);
    }

    /// Ends sessions that have been without a connection for too long.
    pub(crate) fn sweep(&self, now: Instant) {
        if self.all().iter().any(|session| self.expired(session, now)) {
            self.keep(|session| !self.expired(session, now));
        }
    }

    pub(crate) fn expired(&self, session: &Session, now: Instant) -> bool {
        session.expired(now, self.session_ttl)
    }

    /// Ends every session, fault and outage, and forgets all IDENTIFYs; the first token counts again.
    pub(crate) fn reset(&self, config: &Config) {
        self.clear_faults();
        self.keep(|_| false);
        self.starts.begin_anew();
        self.token.write().unwrap_or_else(PoisonError::into_inner).clone_from(&config.token);
    }

    /// Whether this is the bot's token as it stands.
    pub(crate) fn token_is(&self, given: &str) -> bool {
        *self.token.read().unwrap_or_else(PoisonError::into_inner) == given
    }

    /// The bot's token as its owner finds it in the developer portal.
    pub(crate) fn token(&self) -> String {
        self.token.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The daily budget was exceeded: every session ends, and only a new token counts, with a new day.
    pub(crate) fn reset_token(&self) {
        let mut token = self.token.write().unwrap_or_else(PoisonError::into_inner);
        token.push_str("-reset");
        drop(token);
        self.starts.begin_anew();
        self.keep(|_| false);
        self.order(None, Order::Close(4004));
    }
}
