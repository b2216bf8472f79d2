//! One websocket connection: hello, heartbeats, IDENTIFY or RESUME, then events until it ends.
//!
//! One task owns the socket. It never waits for a slow client longer than `STALL`, after which the
//! connection is dropped and its session waits to be resumed.

use super::codec::Codec;
use super::protocol::{self, Identify, Incoming, MAX_PAYLOAD_BYTES, MAX_SENDS, Resume, close};
use super::session::{ResumeRefused, Session, Walk};
use super::{Order, Start};
use crate::core::Core;
use crate::transcript::{Kind, add};
use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures_util::SinkExt;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until, timeout};

/// Events written before the connection looks at what came in.
const BATCH: usize = 256;
/// A client that does not read for so long is dropped.
const STALL: Duration = Duration::from_secs(30);
/// Time for the client's half of a close.
const CLOSING: Duration = Duration::from_secs(1);
const SEND_WINDOW: Duration = Duration::from_secs(60);

/// Query of the websocket URL.
/// <https://discord.com/developers/docs/events/gateway#connecting-gateway-url-query-string-params>
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Params {
    v: Option<String>,
    encoding: Option<String>,
    compress: Option<String>,
}

enum State {
    Unidentified,
    Live { session: Arc<Session>, sent: u64 },
}

/// How a connection ends.
enum End {
    /// We close with a code.
    Close(u16),
    /// The client closed with a code.
    Closed(u16),
    /// The connection broke, or was to break.
    Gone,
}

enum Woke {
    Incoming(Option<Result<Message, axum::Error>>),
    Order(Option<Order>),
    Events,
    NoHeartbeat,
    Shutdown,
}

struct Connection {
    core: Arc<Core>,
    socket: WebSocket,
    codec: Codec,
    link: u64,
    orders: mpsc::Receiver<Order>,
    state: State,
    last_beat: Instant,
    received: VecDeque<Instant>,
}

/// Serves a websocket until it ends.
pub(crate) async fn serve(core: Arc<Core>, socket: WebSocket, params: Params) {
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
        orders,
        state: State::Unidentified,
        last_beat: Instant::now(),
        received: VecDeque::new(),
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
                Woke::Incoming(Some(Ok(message))) => self.incoming(message).await?,
                Woke::Incoming(_) => return Err(End::Gone),
                Woke::Order(Some(order)) => self.obey(order).await?,
                Woke::Order(None) => return Err(End::Gone),
                Woke::Events => self.send_events().await?,
                Woke::NoHeartbeat => {
                    add(&self.core.counters.heartbeats_missed, 1);
                    return Err(End::Close(close::SESSION_TIMED_OUT));
                }
                Woke::Shutdown => return Err(End::Close(close::UNKNOWN_ERROR)),
            }
        }
    }

    async fn wait(&mut self) -> Woke {
        let patience = self.core.config.heartbeat_interval.mul_f64(1.5);
        let deadline = self.last_beat + patience;
        let events = async {
            match &self.state {
                State::Live { session, .. } => session.wake.notified().await,
                State::Unidentified => std::future::pending().await,
            }
        };
        tokio::select! {
            incoming = self.socket.recv() => Woke::Incoming(incoming),
            order = self.orders.recv() => Woke::Order(order),
            () = events => Woke::Events,
            () = sleep_until(deadline) => Woke::NoHeartbeat,
            () = self.core.cancel.cancelled() => Woke::Shutdown,
        }
    }

    async fn send(&mut self, payload: String) -> Result<(), End> {
        let message = self.codec.encode(payload).map_err(|_| End::Gone)?;
        match timeout(STALL, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }

    async fn send_events(&mut self) -> Result<(), End> {
        let State::Live { session, sent } = &mut self.state else { return Ok(()) };
        let (first, items) = match session.walk(self.link, *sent, BATCH) {
            Walk::Items(first, items) => (first, items),
            Walk::Superseded => {
                // The permit taken from the new connection is given back.
                session.wake.notify_one();
                return Err(End::Close(close::UNKNOWN_ERROR));
            }
            Walk::Overrun => {
                add(&self.core.counters.sessions_overrun, 1);
                self.core.hub.end(&session.id);
                return Err(End::Close(close::UNKNOWN_ERROR));
            }
        };
        for (seq, item) in (first..).zip(&items) {
            let payload = protocol::render_item(&self.core, session.intents, seq, item);
            let message = self.codec.encode(payload).map_err(|_| End::Gone)?;
            match timeout(STALL, self.socket.feed(message)).await {
                Ok(Ok(())) => *sent = seq,
                _ => return Err(End::Gone),
            }
        }
        add(&self.core.counters.events_sent, items.len() as u64);
        if items.len() == BATCH {
            session.wake.notify_one();
        }
        match timeout(STALL, self.socket.flush()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }

    async fn obey(&mut self, order: Order) -> Result<(), End> {
        match order {
            Order::Close(code) => Err(End::Close(code)),
            Order::Drop => Err(End::Gone),
            Order::Reconnect => self.send(protocol::control(7, &Value::Null)).await,
            Order::Invalid { resumable } => {
                if let State::Live { session, .. } = &self.state
                    && !resumable
                {
                    self.core.hub.end(&session.id);
                    self.state = State::Unidentified;
                }
                self.send(protocol::control(9, &json!(resumable))).await
            }
        }
    }

    async fn incoming(&mut self, message: Message) -> Result<(), End> {
        let bytes = match message {
            Message::Text(text) => bytes::Bytes::from(text),
            Message::Binary(bytes) => bytes,
            Message::Close(frame) => return Err(End::Closed(frame.map_or(1005, |frame| frame.code))),
            Message::Ping(_) | Message::Pong(_) => return Ok(()),
        };
        self.count_send()?;
        if bytes.len() > MAX_PAYLOAD_BYTES {
            return Err(End::Close(close::DECODE_ERROR));
        }
        let incoming: Incoming =
            serde_json::from_slice(&bytes).map_err(|_| End::Close(close::DECODE_ERROR))?;
        let live = matches!(self.state, State::Live { .. });
        match incoming.op {
            1 => {
                self.last_beat = Instant::now();
                add(&self.core.counters.heartbeats, 1);
                self.send(protocol::control(11, &Value::Null)).await
            }
            2 | 6 if live => Err(End::Close(close::ALREADY_AUTHENTICATED)),
            2 => self.identify(parse(incoming.d)?).await,
            6 => self.resume(parse(incoming.d)?).await,
            3 | 4 | 8 | 31 | 43 if live => Ok(()),
            3 | 4 | 8 | 31 | 43 => Err(End::Close(close::NOT_AUTHENTICATED)),
            _ => Err(End::Close(close::UNKNOWN_OPCODE)),
        }
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
        let (shard, total) = identify.shard.unwrap_or((0, 1));
        match self.core.hub.start(shard, self.core.clock.now()) {
            Start::Allowed => {}
            Start::TooSoon => {
                add(&self.core.counters.identifies_refused, 1);
                return self.send(protocol::control(9, &json!(false))).await;
            }
            Start::OverBudget => {
                self.core.hub.reset_token();
                self.core.record(Kind::TokenReset);
                return Err(End::Close(close::AUTHENTICATION_FAILED));
            }
        }
        let nth = self.core.hub.nth_session(shard);
        let id = self.core.chance.hex("session", u64::from(shard), nth);
        let opening = protocol::opening(&self.core, &id, &identify);
        // The log holds the opening whole, however many servers there are.
        let capacity = self.core.config.replay_events.max(opening.len() * 2);
        let session = Session::new(id.clone(), (shard, total), identify.intents, capacity, self.link);
        session.append(opening);
        let session = Arc::new(session);
        self.core.hub.add(session.clone());
        self.core.hub.name(self.link, &id);
        add(&self.core.counters.identifies, 1);
        self.core.record(Kind::Identified { shard, total, session: id });
        self.state = State::Live { session, sent: 0 };
        Ok(())
    }

    async fn resume(&mut self, resume: Resume) -> Result<(), End> {
        if !self.core.token_is(&resume.token) {
            return Err(End::Close(close::AUTHENTICATION_FAILED));
        }
        let hub = &self.core.hub;
        let session =
            hub.find(&resume.session_id).filter(|session| !hub.expired(session, self.core.clock.now()));
        let taken = session.as_ref().map(|session| session.take_over(self.link, resume.seq));
        match (session, taken) {
            (Some(session), Some(Ok(()))) => {
                let replayed = session.last() - resume.seq;
                session
                    .append([super::session::Item::Event("RESUMED", r#"{"_trace":["simulated"]}"#.into())]);
                add(&self.core.counters.resumes, 1);
                add(&self.core.counters.events_replayed, replayed);
                hub.name(self.link, &session.id);
                self.core.record(Kind::Resumed { session: session.id.clone(), replayed });
                self.state = State::Live { session, sent: resume.seq };
                Ok(())
            }
            (Some(_), Some(Err(ResumeRefused::Ahead))) => Err(End::Close(close::INVALID_SEQ)),
            _ => {
                add(&self.core.counters.resumes_refused, 1);
                self.send(protocol::control(9, &json!(false))).await
            }
        }
    }

    async fn finish(mut self, end: End) {
        if let State::Live { session, .. } = &self.state
            && session.detach(self.link, self.core.clock.now())
        {
            if matches!(end, End::Closed(1000 | 1001)) {
                self.core.hub.end(&session.id);
            }
            self.core.record(Kind::Disconnected { session: session.id.clone() });
        }
        if let End::Close(code) = end {
            let frame = CloseFrame { code, reason: reason(code).into() };
            let closing = async {
                if self.socket.send(Message::Close(Some(frame))).await.is_ok() {
                    while let Some(Ok(_)) = self.socket.recv().await {}
                }
            };
            // A client that does not answer the close is left behind.
            let _ = timeout(CLOSING, closing).await;
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
