//! The simulated Discord: members who ask, gateway sessions with their sequences, REST with nonces and interactions.
//!
//! Rules from <https://discord.com/developers/docs/events/gateway#resuming> (a session that was disconnected too long is
//! invalid, a resume replays what came after the given sequence),
//! <https://discord.com/developers/docs/resources/message#create-message> (`enforce_nonce` within a few minutes) and
//! <https://discord.com/developers/docs/interactions/receiving-and-responding> (3 s, then the token lives 15 minutes).

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use helpline::discord::{ChannelId, MessageId};
use helpline_cluster::ids::{ServerId, WorkerId};
use tokio::sync::mpsc;

use crate::checker::Checker;
use crate::engine::{Engine, Host, Micros, SECOND, unix_ms};
use crate::network::Network;

/// The id of a message or an interaction.
pub type EventId = u64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A question in the support channel.
    Question,
    /// A further question in a thread, whose id this is.
    FollowUp(u64),
    /// `/ask` in the support channel.
    Slash,
    /// Something that has no effect.
    Noise,
}

#[derive(Clone, Copy, Debug)]
pub struct Event {
    pub id: EventId,
    pub server: ServerId,
    pub kind: Kind,
    pub at: Micros,
}

impl Event {
    /// The thread, or the server's support channel.
    pub fn channel(&self) -> u64 {
        if let Kind::FollowUp(thread) = self.kind { thread } else { self.server.get() }
    }
}

/// The id that Discord would have given an event.
pub fn snowflake(event: &Event) -> u64 {
    (unix_ms(event.at) - 1_420_070_400_000) << 22
}

/// As much of an event's JSON as is looked at.
pub fn payload(event: EventId, channel: u64) -> String {
    format!(r#"{{"id":"{event}","channel_id":"{channel}"}}"#)
}

/// What a gateway connection brings.
#[derive(Clone, Debug)]
pub enum Frame {
    Ready { session: String },
    Resumed { sequence: u64 },
    InvalidSession,
    Dispatch { sequence: u64, event: Event },
}

struct Session {
    gateway: u32,
    sequence: u64,
    sent: Vec<(u64, Event)>,
    connection: Option<Connection>,
    disconnected_at: Micros,
    began_at: Micros,
    /// The member that connected it last.
    holder: WorkerId,
}

struct Connection {
    id: u64,
    host: Host,
    to: mpsc::UnboundedSender<Frame>,
    /// When the frame before arrives: TCP keeps the order.
    last_at: Micros,
}

/// A request to the REST API, as far as it matters here.
#[derive(Clone, Debug)]
pub enum Request {
    /// The mark stands in a component of the message.
    Post {
        channel: ChannelId,
        content: String,
        nonce: String,
        mark: String,
    },
    StartThread {
        message: MessageId,
    },
    Callback {
        interaction: u64,
    },
    /// The reply stands in that channel.
    PatchOriginal {
        token: String,
        content: String,
        channel: ChannelId,
        mark: String,
    },
    /// The message of this channel that carries the mark.
    Look {
        channel: ChannelId,
        mark: String,
    },
    GetOriginal {
        token: String,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    Ok(Option<MessageId>),
    /// Already there: 160004 for threads, 40060 for interactions.
    Already,
    Refused,
}

#[derive(Default)]
struct Interaction {
    asked_at: Micros,
    acknowledged: bool,
    original: Option<MessageId>,
}

#[derive(Default)]
struct State {
    next_id: u64,
    next_connection: u64,
    sessions: BTreeMap<String, Session>,
    threads: BTreeMap<u64, ServerId>,
    nonces: BTreeMap<(ChannelId, String), (MessageId, Micros)>,
    marks: BTreeMap<(ChannelId, String), MessageId>,
    interactions: BTreeMap<u64, Interaction>,
    invalid: BTreeSet<String>,
    /// The messages of each channel, oldest first.
    messages: BTreeMap<u64, Vec<Event>>,
}

pub struct Discord {
    engine: Engine,
    network: Network,
    checker: Checker,
    gateways: u32,
    /// How long a nonce is remembered.
    nonce_window: Micros,
    /// How long a disconnected session can be resumed.
    session_lasts: Micros,
    state: RefCell<State>,
}

impl Discord {
    pub fn new(
        engine: Engine,
        network: Network,
        checker: Checker,
        gateways: u32,
        nonce_window: Micros,
        session_lasts: Micros,
    ) -> Rc<Self> {
        let state = RefCell::new(State { next_id: 1_000, ..State::default() });
        Rc::new(Self { engine, network, checker, gateways, nonce_window, session_lasts, state })
    }

    pub fn gateway_of(&self, server: ServerId) -> u32 {
        u32::try_from((server.get() >> 22) % u64::from(self.gateways)).expect("few gateway shards")
    }

    fn new_id(&self) -> u64 {
        let mut state = self.state.borrow_mut();
        state.next_id += 1;
        state.next_id
    }

    /// A member does something.
    pub fn happen(self: &Rc<Self>, server: ServerId, kind: Kind) {
        let event = Event { id: self.new_id(), server, kind, at: self.engine.now() };
        let gateway = self.gateway_of(server);
        let mut state = self.state.borrow_mut();
        let state = &mut *state;
        if kind == Kind::Slash {
            state.interactions.insert(event.id, Interaction { asked_at: event.at, ..Interaction::default() });
        } else {
            state.messages.entry(event.channel()).or_default().push(event);
        }
        let mut on = Vec::new();
        let mut with = Vec::new();
        self.expire(state);
        for (id, session) in state.sessions.iter_mut().filter(|(_, session)| session.gateway == gateway) {
            session.sequence += 1;
            session.sent.push((session.sequence, event));
            on.push((id.clone(), session.sequence));
            let frame = Frame::Dispatch { sequence: session.sequence, event };
            self.send(session, frame);
            with.extend(
                session.connection.as_ref().map(|connection| (id.clone(), connection.id, connection.host)),
            );
        }
        self.checker.happened(event, &on);
        if kind == Kind::Slash {
            with.retain(|(_, _, host)| self.network.is_calm(*host, event.at));
            let this = Rc::clone(self);
            self.engine.at(event.at + 3 * SECOND, move || this.look_for_reply(event, &with));
        }
    }

    /// Whoever had an interaction all the time and was not disturbed has acknowledged it, or a worker has.
    fn look_for_reply(&self, event: Event, with: &[(String, u64, Host)]) {
        let state = self.state.borrow();
        if state.interactions[&event.id].acknowledged {
            return;
        }
        let kept = with.iter().find(|(session, connection, host)| {
            let session = state.sessions.get(session).and_then(|session| session.connection.as_ref());
            session.is_some_and(|now| now.id == *connection && !now.to.is_closed())
                && self.network.is_calm(*host, event.at)
        });
        match kept {
            Some((_, _, host)) => self.checker.violate(&format!(
                "interaction {} is not acknowledged after 3 s, though {host} had it all the time",
                event.id
            )),
            None => self.checker.count("interactions that nobody could acknowledge"),
        }
    }

    /// The thread of an earlier question of that server, if there is one.
    pub fn some_thread(&self, server: ServerId) -> Option<u64> {
        let state = self.state.borrow();
        let threads: Vec<u64> =
            state.threads.iter().filter(|(_, s)| **s == server).map(|(&id, _)| id).collect();
        let chosen = self.engine.below(threads.len() as u64);
        threads.get(usize::try_from(chosen).expect("few threads")).copied()
    }

    /// The messages of a channel that were written at or after a moment of Unix time.
    pub fn read(&self, channel: u64, after_ms: u64) -> Vec<Event> {
        let state = self.state.borrow();
        let messages = state.messages.get(&channel).into_iter().flatten();
        messages.filter(|event| unix_ms(event.at) >= after_ms).copied().collect()
    }

    fn send(&self, session: &mut Session, frame: Frame) {
        let Some(connection) = &mut session.connection else { return };
        let delay = self.network.delay(Host::Discord, connection.host);
        let Some(delay) = delay.filter(|_| !connection.to.is_closed()) else {
            self.disconnect(session);
            return;
        };
        let at = (self.engine.now() + delay).max(connection.last_at + 1);
        connection.last_at = at;
        let to = connection.to.clone();
        self.engine.at(at, move || drop(to.send(frame)));
    }

    /// The other side notices by its heartbeats, some seconds later at the most.
    fn disconnect(&self, session: &mut Session) {
        session.disconnected_at = self.engine.now();
        if let Some(connection) = session.connection.take() {
            let notices = self.engine.now() + self.engine.below(5 * SECOND);
            self.engine.at(notices.max(connection.last_at + 1), move || drop(connection));
        }
    }

    fn expire(&self, state: &mut State) {
        let now = self.engine.now();
        let over = |session: &Session| {
            session.connection.is_none() && now - session.disconnected_at > self.session_lasts
        };
        let expired: Vec<String> =
            state.sessions.iter().filter(|(_, session)| over(session)).map(|(id, _)| id.clone()).collect();
        for id in expired {
            self.invalidate(state, &id);
        }
    }

    fn invalidate(&self, state: &mut State, id: &str) {
        if let Some(session) = state.sessions.remove(id) {
            self.engine.note(|| format!("discord: session {id} is invalid"));
            self.checker.session_lost(id);
            state.invalid.insert(id.to_owned());
            drop(session);
        }
    }

    /// Discord forgets some session, as it may at any time.
    pub fn invalidate_some(&self) {
        let mut state = self.state.borrow_mut();
        let ids: Vec<String> = state.sessions.keys().cloned().collect();
        let chosen = usize::try_from(self.engine.below(ids.len() as u64)).expect("few sessions");
        if let Some(id) = ids.get(chosen) {
            self.invalidate(&mut state, id);
        }
    }

    /// Closes the connections of a host that has not sent a heartbeat for too long.
    pub fn drop_connections(&self, host: Host) {
        let mut state = self.state.borrow_mut();
        for session in state.sessions.values_mut() {
            if session.connection.as_ref().is_some_and(|connection| connection.host == host) {
                self.disconnect(session);
            }
        }
    }

    /// IDENTIFY, or RESUME when a session and its sequence are given. Frames come on the channel; its end is the
    /// connection's.
    pub fn connect(
        &self,
        host: Host,
        holder: WorkerId,
        gateway: u32,
        resume: Option<(String, u64)>,
    ) -> mpsc::UnboundedReceiver<Frame> {
        let (to, from) = mpsc::unbounded_channel();
        let mut state = self.state.borrow_mut();
        self.expire(&mut state);
        state.next_connection += 1;
        let id = state.next_connection;
        let connection = Connection { id, host, to, last_at: self.engine.now() };
        let Some((name, sequence)) = resume else {
            for (old, session) in state.sessions.iter().filter(|(_, session)| session.gateway == gateway) {
                self.checker.session_forgotten(old, session.began_at, session.holder);
            }
            let name = format!("s{id}g{gateway}");
            let mut session = Session {
                gateway,
                sequence: 1,
                sent: Vec::new(),
                connection: Some(connection),
                disconnected_at: 0,
                began_at: self.engine.now(),
                holder,
            };
            self.send(&mut session, Frame::Ready { session: name.clone() });
            state.sessions.insert(name, session);
            return from;
        };
        let Some(session) = state.sessions.get_mut(&name).filter(|session| session.gateway == gateway) else {
            let delay = self.network.delay(Host::Discord, host).unwrap_or(SECOND);
            let at = self.engine.now() + delay;
            self.engine.at(at, move || drop(connection.to.send(Frame::InvalidSession)));
            return from;
        };
        session.connection = Some(connection);
        session.holder = holder;
        let missed: Vec<(u64, Event)> =
            session.sent.iter().filter(|(sent, _)| *sent > sequence).copied().collect();
        for (sequence, event) in missed {
            self.send(session, Frame::Dispatch { sequence, event });
        }
        session.sequence += 1;
        let sequence = session.sequence;
        self.send(session, Frame::Resumed { sequence });
        from
    }

    /// The client has closed its connection, or its host's kernel has.
    pub fn closed(&self, host: Host) {
        let mut state = self.state.borrow_mut();
        for session in state.sessions.values_mut() {
            if session.connection.as_ref().is_some_and(|c| c.host == host && c.to.is_closed()) {
                session.connection = None;
                session.disconnected_at = self.engine.now();
            }
        }
    }

    pub fn request(&self, request: Request) -> Reply {
        match request {
            Request::Post { channel, content, nonce, mark } => self.post(channel, &content, nonce, mark),
            Request::StartThread { message } => self.start_thread(message),
            Request::Callback { interaction } => self.callback(interaction),
            Request::PatchOriginal { token, content, channel, mark } => {
                self.patch_original(&token, &content, (channel, mark))
            }
            Request::Look { channel, mark } => {
                Reply::Ok(self.state.borrow().marks.get(&(channel, mark)).copied())
            }
            Request::GetOriginal { token } => match self.with_interaction(&token, |i| i.original) {
                Some(original) => Reply::Ok(original),
                None => Reply::Refused,
            },
        }
    }

    fn post(&self, channel: ChannelId, content: &str, nonce: String, mark: String) -> Reply {
        let now = self.engine.now();
        let known = self.state.borrow().nonces.get(&(channel, nonce.clone())).copied();
        if let Some((message, _)) = known.filter(|(_, at)| now - at <= self.nonce_window) {
            return Reply::Ok(Some(message));
        }
        let message = MessageId(self.new_id());
        self.state.borrow_mut().nonces.insert((channel, nonce), (message, now));
        self.state.borrow_mut().marks.insert((channel, mark), message);
        self.checker.shown(content);
        Reply::Ok(Some(message))
    }

    fn start_thread(&self, message: MessageId) -> Reply {
        let Some(server) = self.checker.server_of(message.0) else {
            // The reply to an interaction: its thread takes no further questions here.
            return Reply::Ok(None);
        };
        match self.state.borrow_mut().threads.insert(message.0, server) {
            None => Reply::Ok(None),
            Some(_) => Reply::Already,
        }
    }

    fn callback(&self, interaction: u64) -> Reply {
        let now = self.engine.now();
        let mut state = self.state.borrow_mut();
        let Some(found) = state.interactions.get_mut(&interaction) else { return Reply::Refused };
        if found.acknowledged {
            return Reply::Already;
        }
        if now - found.asked_at > 3 * SECOND {
            return Reply::Refused;
        }
        found.acknowledged = true;
        Reply::Ok(None)
    }

    fn patch_original(&self, token: &str, content: &str, mark: (ChannelId, String)) -> Reply {
        let now = self.engine.now();
        let fresh = self.new_id();
        let patched = self.with_interaction(token, |interaction| {
            let lives = interaction.acknowledged && now - interaction.asked_at < 900 * SECOND;
            lives.then(|| {
                let first = interaction.original.is_none();
                (first, *interaction.original.get_or_insert(MessageId(fresh)))
            })
        });
        match patched.flatten() {
            None => Reply::Refused,
            Some((first, message)) => {
                self.state.borrow_mut().marks.insert(mark, message);
                // A later edit with the same content shows nothing new.
                if first {
                    self.checker.shown(content);
                }
                Reply::Ok(Some(message))
            }
        }
    }

    fn with_interaction<T>(&self, token: &str, look: impl FnOnce(&mut Interaction) -> T) -> Option<T> {
        let id: u64 = token.strip_prefix("token-")?.parse().ok()?;
        self.state.borrow_mut().interactions.get_mut(&id).map(look)
    }
}
