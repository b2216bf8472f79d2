//! One websocket connection: hello, heartbeats, IDENTIFY or RESUME, then events until it ends.
//!
//! One task owns the socket. It never waits for a slow client longer than `STALL`, after which the
//! connection is dropped and its session waits to be resumed.

use super::accept::Door;
use super::codec::Codec;
use super::commands;
use super::delivery::Delivery;
use super::faults::mix;
use super::protocol::{self, Identify, Incoming, MAX_PAYLOAD_BYTES, MAX_SENDS, Params, Resume, close};
use super::session::{Item, ResumeRefused, Session};
use super::socket::{Received, Socket};
use super::{Order, Start};
use crate::core::Core;
use crate::transcript::{Kind, add};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// Time for the client's half of a close.
const CLOSING: Duration = Duration::from_secs(1);
const SEND_WINDOW: Duration = Duration::from_secs(60);
/// A client asked to reconnect is closed when it has not gone by then.
const RECONNECT_GRACE: Duration = Duration::from_secs(5);

pub(super) enum State {
    Unidentified,
    Live(Box<Delivery>),
}

/// How a connection ends.
pub(super) enum End {
    /// We close with a code.
    Close(u16),
    /// The client closed with a code.
    Closed(u16),
    /// The connection broke, or was to break.
    Gone,
}

enum Woke {
    Incoming(Received),
    Order(Option<Order>),
    Events,
    Time,
    Shutdown,
}

/// Nothing is sent until then, and perhaps nothing read.
pub(super) struct Stall {
    pub(super) until: Instant,
    pub(super) reading: bool,
}

pub(super) struct Connection {
    pub(super) core: Arc<Core>,
    pub(super) socket: Socket,
    pub(super) codec: Codec,
    pub(super) link: u64,
    door: Door,
    orders: mpsc::Receiver<Order>,
    pub(super) state: State,
    pub(super) stall: Option<Stall>,
    /// Payloads that wait for the end of a stall.
    held: Vec<String>,
    last_beat: Instant,
    close_at: Option<Instant>,
    received: VecDeque<Instant>,
    /// Room for one payload's head, and for its compressed form.
    pub(super) scratch: (Vec<u8>, Vec<u8>),
}

/// Serves a websocket until it ends.
pub(super) async fn serve(core: Arc<Core>, socket: Socket, door: Door, params: Params) {
    let codec = Codec::for_query(params.compress.as_deref());
    let json = params.encoding.as_deref().is_none_or(|encoding| encoding == "json");
    let current = params.v.as_deref().is_none_or(|version| version == "10");
    add(&core.counters.connections, 1);
    let (link, orders) = core.hub.connect();
    let known = codec.is_some();
    let mut connection = Connection {
        codec: codec.unwrap_or(Codec::Plain),
        core: core.clone(),
        socket,
        link,
        door,
        orders,
        state: State::Unidentified,
        stall: None,
        held: Vec::new(),
        last_beat: Instant::now(),
        close_at: None,
        received: VecDeque::new(),
        scratch: (Vec::new(), Vec::new()),
    };
    let end = if !current {
        End::Close(close::INVALID_VERSION)
    } else if !json || !known {
        End::Close(close::DECODE_ERROR)
    } else {
        match connection.run().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    };
    core.hub.disconnect(link);
    connection.finish(end).await;
}

impl Connection {
    async fn run(&mut self) -> Result<std::convert::Infallible, End> {
        self.send(protocol::hello(self.core.config.heartbeat_interval.as_millis())).await?;
        loop {
            match self.wait().await {
                Woke::Incoming(Received::Payload(bytes)) => self.incoming(&bytes).await?,
                Woke::Incoming(Received::TooLong) => return Err(End::Close(close::DECODE_ERROR)),
                Woke::Incoming(Received::Closed(code)) => return Err(End::Closed(code)),
                Woke::Incoming(Received::Gone) => return Err(End::Gone),
                Woke::Order(Some(order)) => self.obey(order).await?,
                Woke::Order(None) => return Err(End::Gone),
                Woke::Events => self.send_events().await?,
                Woke::Time => self.on_time().await?,
                Woke::Shutdown => return Err(End::Close(close::UNKNOWN_ERROR)),
            }
        }
    }

    async fn wait(&mut self) -> Woke {
        let wake_at = self.wake_at();
        let sending = self.stall.is_none();
        let reading = self.stall.as_ref().is_none_or(|stall| stall.reading);
        let events = async {
            match &self.state {
                State::Live(delivery) if sending => delivery.events().await,
                _ => std::future::pending().await,
            }
        };
        tokio::select! {
            incoming = self.socket.receive(), if reading => Woke::Incoming(incoming),
            order = self.orders.recv() => Woke::Order(order),
            () = events => Woke::Events,
            () = sleep_until(wake_at) => Woke::Time,
            () = self.core.cancel.cancelled() => Woke::Shutdown,
        }
    }

    /// When a heartbeat is overdue.
    fn patience(&self) -> Instant {
        self.last_beat + self.core.config.heartbeat_interval.mul_f64(1.5)
    }

    fn wake_at(&self) -> Instant {
        let release = match &self.state {
            State::Live(delivery) if self.stall.is_none() => delivery.next_release,
            _ => None,
        };
        let stall = self.stall.as_ref().map(|stall| stall.until);
        // While nothing is read no heartbeat can be missed.
        let patience = self.stall.as_ref().is_none_or(|stall| stall.reading).then(|| self.patience());
        let times = [release, stall, patience, self.close_at];
        times.into_iter().flatten().min().unwrap_or_else(|| self.patience())
    }

    async fn on_time(&mut self) -> Result<(), End> {
        let now = Instant::now();
        if self.stall.as_ref().is_some_and(|stall| stall.until <= now) {
            if self.stall.take().is_some_and(|stall| !stall.reading) {
                self.last_beat = now;
            }
            for payload in std::mem::take(&mut self.held) {
                self.send(payload).await?;
            }
            return self.send_events().await;
        }
        if self.close_at.is_some_and(|at| at <= now) {
            return Err(End::Close(close::UNKNOWN_ERROR));
        }
        if self.stall.is_none() && self.patience() <= now {
            add(&self.core.counters.heartbeats_missed, 1);
            return Err(End::Close(close::SESSION_TIMED_OUT));
        }
        if self.stall.is_none() { self.send_events().await } else { Ok(()) }
    }

    /// Sends a payload that is no event.
    pub(super) async fn send(&mut self, payload: String) -> Result<(), End> {
        if self.stall.is_some() {
            self.held.push(payload);
            return Ok(());
        }
        let (_, compressed) = &mut self.scratch;
        match self.codec.encode(payload.as_bytes(), compressed) {
            Ok(true) => self.socket.binary(compressed),
            Ok(false) => self.socket.text(&[payload.as_bytes()]),
            Err(_) => return Err(End::Gone),
        }
        self.write().await
    }

    async fn obey(&mut self, order: Order) -> Result<(), End> {
        match order {
            Order::Close(code) => Err(End::Close(code)),
            Order::Drop => Err(End::Gone),
            Order::Reconnect => {
                self.close_at = Some(Instant::now() + RECONNECT_GRACE);
                self.send(protocol::control(7, &Value::Null)).await
            }
            Order::Invalid { resumable } => self.invalidate(resumable).await,
            Order::Beat => self.send(protocol::control(1, &Value::Null)).await,
            Order::Look => self.look().await,
        }
    }

    /// Opcode 9 to a session: the connection has none any more, and a resumable one waits.
    pub(super) async fn invalidate(&mut self, resumable: bool) -> Result<(), End> {
        if let State::Live(delivery) = std::mem::replace(&mut self.state, State::Unidentified) {
            self.leave(&delivery.session, !resumable);
        }
        self.send(protocol::control(9, &json!(resumable))).await
    }

    fn leave(&self, session: &Session, ends: bool) {
        if !session.detach(self.link, self.core.clock.now()) {
            return;
        }
        if ends || session.is_doomed() {
            self.core.hub.end(&session.id);
        }
        self.core.record(Kind::Disconnected { session: session.id.clone() });
    }

    async fn incoming(&mut self, bytes: &[u8]) -> Result<(), End> {
        self.count_send()?;
        if bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(End::Close(close::DECODE_ERROR));
        }
        let incoming: Incoming =
            serde_json::from_slice(bytes).map_err(|_| End::Close(close::DECODE_ERROR))?;
        match (incoming.op, &self.state) {
            (1, _) => self.beat(&incoming.d).await,
            (2 | 6, State::Live(_)) => Err(End::Close(close::ALREADY_AUTHENTICATED)),
            (2, _) => self.identify(parse(incoming.d)?).await,
            (6, _) => self.resume(parse(incoming.d)?).await,
            (op, State::Live(delivery)) if commands::is_command(op) => {
                commands::carry_out(&self.core, &delivery.session, op, incoming.d).map_err(End::Close)
            }
            (op, _) if commands::is_command(op) => Err(End::Close(close::NOT_AUTHENTICATED)),
            _ => Err(End::Close(close::UNKNOWN_OPCODE)),
        }
    }

    async fn beat(&mut self, d: &Value) -> Result<(), End> {
        if !d.is_null() && !d.is_u64() {
            return Err(End::Close(close::DECODE_ERROR));
        }
        self.last_beat = Instant::now();
        add(&self.core.counters.heartbeats, 1);
        let acknowledged = match &self.state {
            State::Live(delivery) => delivery.watch.acknowledges(),
            State::Unidentified => true,
        };
        if acknowledged { self.send(protocol::control(11, &Value::Null)).await } else { Ok(()) }
    }

    fn count_send(&mut self) -> Result<(), End> {
        let now = Instant::now();
        while self.received.front().is_some_and(|at| now.duration_since(*at) >= SEND_WINDOW) {
            self.received.pop_front();
        }
        self.received.push_back(now);
        if self.received.len() > MAX_SENDS { Err(End::Close(close::RATE_LIMITED)) } else { Ok(()) }
    }

    async fn identify(&mut self, identify: Identify) -> Result<(), End> {
        if let Some(code) = protocol::refuse(&self.core, &identify) {
            return Err(End::Close(code));
        }
        let wishes = identify.wishes();
        let (shard, total) = (wishes.shard, wishes.total);
        let earlier = match self.core.hub.start((shard, total), self.core.clock.now()) {
            Start::Allowed(earlier) => earlier,
            Start::TooSoon => {
                add(&self.core.counters.identifies_refused, 1);
                return self.send(protocol::control(9, &json!(false))).await;
            }
            Start::OverBudget => {
                self.core.hub.reset_token();
                self.core.record(Kind::TokenReset);
                return Err(End::Close(close::AUTHENTICATION_FAILED));
            }
        };
        if identify.compress {
            self.codec.compress_payloads();
        }
        let config = &self.core.config;
        let seed = mix(&[config.seed, shard.into(), total.into(), earlier]);
        // Two runs never share a session id, unless their clocks were set to the same moment.
        let id = self.core.chance.hex("session", seed, self.core.clock.started_ms());
        let session = self.core.hub.add(|| {
            let opening = protocol::opening(&self.core, &id, &identify);
            // The log holds the opening whole, however many servers there are.
            let capacity = config.replay_events.max(opening.len() * 2);
            let session = Session::new(id.clone(), &wishes, seed, capacity, self.link);
            session.append(opening);
            session
        });
        self.core.hub.name(self.link, &session);
        add(&self.core.counters.identifies, 1);
        self.core.record(Kind::Identified { shard, total, session: id });
        self.begin(session, 0, 1).await
    }

    async fn resume(&mut self, resume: Resume) -> Result<(), End> {
        if !self.core.token_is(&resume.token) {
            return Err(End::Close(close::AUTHENTICATION_FAILED));
        }
        let hub = &self.core.hub;
        let session =
            hub.find(&resume.session_id).filter(|session| !hub.expired(session, self.core.clock.now()));
        let session = session.filter(|session| session.connected() || !session.is_doomed());
        let taken = session.as_ref().map(|session| {
            let reorder = hub.faults.reorder(session);
            session.take_over(self.link, resume.seq, reorder)
        });
        match (session, taken) {
            (Some(session), Some(Ok((connection, held)))) => {
                // It may be resting, or not reading: events that wake it may never come.
                if let Some(held) = held {
                    hub.order_link(held, Order::Close(close::UNKNOWN_ERROR));
                }
                if self.door != Door::Resume {
                    add(&self.core.counters.resumes_elsewhere, 1);
                }
                let repeats = hub.faults.watch(&session, connection).repeats();
                let from = session.step_back(resume.seq, repeats);
                let replayed = session.last() - from;
                session.append([Item::Event("RESUMED", r#"{"_trace":["simulated"]}"#.into())]);
                add(&self.core.counters.resumes, 1);
                add(&self.core.counters.events_replayed, replayed);
                hub.name(self.link, &session);
                self.core.record(Kind::Resumed { session: session.id.clone(), replayed });
                self.begin(session, from, connection).await
            }
            (Some(_), Some(Err(ResumeRefused::Ahead))) => Err(End::Close(close::INVALID_SEQ)),
            _ => {
                add(&self.core.counters.resumes_refused, 1);
                self.send(protocol::control(9, &json!(false))).await
            }
        }
    }

    async fn begin(&mut self, session: Arc<Session>, sent: u64, connection: u64) -> Result<(), End> {
        let watch = self.core.hub.faults.watch(&session, connection);
        self.state = State::Live(Box::new(Delivery::new(session, watch, sent, connection)));
        self.meet_present_faults().await
    }

    async fn finish(mut self, end: End) {
        if let State::Live(delivery) = std::mem::replace(&mut self.state, State::Unidentified) {
            self.leave(&delivery.session, matches!(end, End::Closed(1000 | 1001)));
        }
        if let End::Close(code) = end {
            // A client that does not answer the close is left behind.
            let _ = timeout(CLOSING, self.socket.close(code, reason(code))).await;
        }
    }
}

fn parse<T: for<'de> Deserialize<'de>>(d: Value) -> Result<T, End> {
    serde_json::from_value(d).map_err(|_| End::Close(close::DECODE_ERROR))
}

fn reason(code: u16) -> &'static str {
    match code {
        close::UNKNOWN_OPCODE => "Unknown opcode.",
        close::DECODE_ERROR => "Error while decoding payload.",
        close::NOT_AUTHENTICATED => "Not authenticated.",
        close::AUTHENTICATION_FAILED => "Authentication failed.",
        close::ALREADY_AUTHENTICATED => "Already authenticated.",
        close::INVALID_SEQ => "Invalid seq.",
        close::RATE_LIMITED => "Rate limited.",
        close::SESSION_TIMED_OUT => "Session timed out.",
        close::INVALID_SHARD => "Invalid shard.",
        close::SHARDING_REQUIRED => "Sharding required.",
        close::INVALID_VERSION => "Invalid API version.",
        close::INVALID_INTENTS => "Invalid intent(s).",
        close::DISALLOWED_INTENTS => "Disallowed intent(s).",
        _ => "Unknown error.",
    }
}
