//! One gateway shard: a connection that is only polled, and what follows from how it ends.
//!
//! The polling task never waits for anything downstream: it classifies, leaves the event in the [`Link`] and
//! polls again, because heartbeats depend on it. Reconnecting is done here, not by twilight: with back-off, and
//! from the sequence that the link has taken, not from the one twilight has seen.
//! Sources: <https://discord.com/developers/docs/events/gateway#connection-lifecycle> and its close codes.

mod ended;

use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use helpline_cluster::clock::Clock;
use helpline_cluster::gateway_session::Session;
use helpline_cluster::identify::ShardQueue;
use helpline_cluster::ids::{GatewayShard, ServerId};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use twilight_gateway::{
    CloseFrame, Config, ConfigBuilder, Latency, Message, Shard, ShardId as TwilightId, ShardState,
};

pub use ended::Fatal;
use ended::{Ended, backoff};

use super::activity::{self, Written};
use super::backlog::{Arrival, Taken};
use super::connects::Connects;
use super::defer::{self, Deferrals};
use super::ingest::{self, Class, Dropped, Frame, Identity, Payload, Verdict};
use super::metrics;
use super::permit::Permit;
use super::publish::Link;
use super::routes::Routes;
use crate::discord::MessageId;

/// Discord answers a heartbeat every 41 s; a connection silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(120);
/// A connection that does not take our close frame is left after this.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// How long the echo of our close frame is waited for.
const CLOSE_STEP: Duration = Duration::from_millis(50);
/// A connection that held so long was a good one: the next attempt comes at once.
const GOOD_CONNECTION: Duration = Duration::from_secs(30);

/// Two sessions get the same event at slightly different times: a session that closes is listened to so long after
/// it has caught up.
const OVERLAP: Duration = Duration::from_secs(1);
/// A connection that was not opened after being polled so often is one that twilight opens again and again.
const MOST_POLLS: u32 = 500;

/// Polls one gateway shard.
#[derive(Debug)]
pub struct Polling {
    pub gateway: GatewayShard,
    /// Token, intents, queue and the rest; address and session are set for each connection.
    pub config: Config<ShardQueue>,
    /// Where new sessions begin, and the others go when their own address is dead.
    pub address: watch::Receiver<String>,
    /// Ignore the resume address that Discord gives: somebody else's gateway stands in between.
    pub fixed_address: bool,
    pub me: Identity,
    pub link: Arc<Link>,
    pub routes: Arc<Routes>,
    pub deferrals: Arc<Deferrals>,
    pub clock: Arc<dyn Clock>,
    /// Whether the session is up.
    pub up: watch::Sender<bool>,
    pub permit: Permit,
    /// Shared by all gateway shards of this process.
    pub connects: Arc<Connects>,
}

impl Polling {
    /// Keeps the gateway shard connected until cancelled, or until it is to close and its session has ended.
    ///
    /// # Errors
    /// When Discord will not have us whatever we repeat.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), Fatal> {
        let mut attempt = 0;
        let mut use_resume_address = true;
        loop {
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = async { self.permit.valid().await; self.connects.turn().await } => {}
            }
            if self.permit.is_closing() && self.link.session().is_none() {
                tracing::info!("{}: closed; it had no session to end", self.gateway);
                return Ok(());
            }
            let started = Instant::now();
            let ended = self.connection(use_resume_address && !self.fixed_address, &cancel).await;
            self.up.send_replace(false);
            ::metrics::counter!(metrics::DISCONNECTS, "why" => ended.label()).increment(1);
            use_resume_address = true;
            let mut least = Duration::ZERO;
            // A connection that we closed was a good one: waiting for the backlog is the pause.
            let good = matches!(ended, Ended::Full | Ended::Fenced | Ended::Closing);
            match ended {
                Ended::Cancelled | Ended::Retired => return Ok(()),
                Ended::Closing => tracing::info!("{}: closes; resuming once more to catch up", self.gateway),
                Ended::Fenced => tracing::warn!(
                    "{}: neither Postgres nor Redis renews this proxy's lease; disconnected until Postgres does",
                    self.gateway
                ),
                Ended::Fatal(fatal) => return Err(fatal),
                Ended::Full => {
                    tracing::warn!(
                        "{}: too much waits to be published; disconnected until half of it is",
                        self.gateway
                    );
                    tokio::select! {
                        () = cancel.cancelled() => return Ok(()),
                        () = self.link.drained() => {}
                    }
                }
                Ended::InvalidSession { resumable } => {
                    if !resumable && self.link.session().is_some() {
                        tracing::warn!(
                            "{}: Discord refused to resume the session; starting a new one",
                            self.gateway
                        );
                        ::metrics::counter!(metrics::SESSIONS_LOST).increment(1);
                        self.link.forget_session();
                    }
                    // Discord asks for 1 to 5 s.
                    least = Duration::from_millis(fastrand::u64(1_000..3_000));
                }
                Ended::Unreachable(error) => {
                    if attempt == 0 {
                        tracing::warn!(
                            error,
                            "{}: the gateway cannot be reached; trying again",
                            self.gateway
                        );
                    }
                    use_resume_address = attempt % 2 == 1;
                }
                Ended::Closed(code) => tracing::info!(code, "{}: disconnected; reconnecting", self.gateway),
                Ended::Asked => tracing::info!("{}: Discord asked to reconnect", self.gateway),
                Ended::Silent => {
                    tracing::warn!("{}: nothing was heard for too long; reconnecting", self.gateway)
                }
            }
            attempt = if good || started.elapsed() > GOOD_CONNECTION { 0 } else { attempt + 1 };
            tokio::select! {
                () = cancel.cancelled() => return Ok(()),
                () = tokio::time::sleep(backoff(attempt).max(least)) => {}
            }
        }
    }

    /// Opens one connection and polls it until it ends.
    async fn connection(&self, use_resume_address: bool, cancel: &CancellationToken) -> Ended {
        let address = self.address.borrow().clone();
        let mut config = ConfigBuilder::from(self.config.clone()).proxy_url(address);
        if let Some(session) = self.link.session() {
            config = config.session(twilight_gateway::Session::new(session.sequence, session.session_id));
            if use_resume_address && !session.resume_url.is_empty() {
                config = config.resume_url(session.resume_url);
            }
        }
        let id = TwilightId::new(self.gateway.id, self.gateway.total);
        let mut shard = Shard::with_config(id, config.build());
        // A closing gateway shard has everything once it was resumed after it was told to close.
        let closing = self.permit.is_closing();
        let (mut overlapped, mut barrier) = (None, None);
        let mut heartbeats = 0;
        loop {
            let item = tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    close(&mut shard, CloseFrame::RESUME).await;
                    return Ended::Cancelled;
                }
                () = self.permit.expired() => {
                    close(&mut shard, CloseFrame::RESUME).await;
                    return Ended::Fenced;
                }
                () = self.permit.closing(), if !closing => {
                    close(&mut shard, CloseFrame::RESUME).await;
                    return Ended::Closing;
                }
                () = self.caught_up(overlapped, &mut barrier), if overlapped.is_some() => {
                    // Forgotten first: a next holder that finds none has nothing to do.
                    self.link.forget_session();
                    close(&mut shard, CloseFrame::NORMAL).await;
                    return Ended::Retired;
                }
                item = tokio::time::timeout(SILENCE, next(&mut shard)) => item,
            };
            let text = match item {
                Err(_) => return Ended::Silent,
                Ok(None) => return Ended::Closed(None),
                Ok(Some(Ok(Message::Text(text)))) => text,
                Ok(Some(Ok(Message::Close(frame)))) => return self.closed(frame.map(|frame| frame.code)),
                Ok(Some(Err(error))) => match self.failed(&error, &shard) {
                    Some(ended) => return ended,
                    None => continue,
                },
            };
            if shard.latency().periods() != heartbeats {
                heartbeats = shard.latency().periods();
                self.measure(shard.latency());
            }
            if let Some(ended) = self.take(&text) {
                if !matches!(ended, Ended::InvalidSession { .. }) {
                    close(&mut shard, CloseFrame::RESUME).await;
                }
                return ended;
            }
            if closing && overlapped.is_none() && *self.up.borrow() {
                overlapped = Some(Instant::now() + OVERLAP);
            }
        }
    }

    fn measure(&self, latency: &Latency) {
        if let Some(average) = latency.average() {
            let label = self.gateway.id.to_string();
            ::metrics::gauge!(metrics::GATEWAY_LATENCY, "gateway_shard" => label).set(average.as_secs_f64());
        }
    }

    /// Resolves once everything that came until `overlapped` is in its stream.
    async fn caught_up(&self, overlapped: Option<Instant>, barrier: &mut Option<u64>) {
        if barrier.is_none() {
            let Some(overlapped) = overlapped else { return std::future::pending().await };
            tokio::time::sleep_until(overlapped).await;
        }
        let taken = || self.link.session().map_or(0, |session| session.sequence);
        let barrier = *barrier.get_or_insert_with(taken);
        self.link.passed(barrier).await;
    }

    fn closed(&self, code: Option<u16>) -> Ended {
        match code.and_then(|code| Fatal::of_close_code(code, self.gateway)) {
            Some(fatal) => Ended::Fatal(fatal),
            None => Ended::Closed(code),
        }
    }

    /// The error may quote the event, so it is not logged as it is.
    fn failed(
        &self,
        error: &twilight_gateway::error::ReceiveMessageError,
        shard: &Shard<ShardQueue>,
    ) -> Option<Ended> {
        use twilight_gateway::error::ReceiveMessageErrorType as Kind;
        match error.kind() {
            Kind::Reconnect => {
                let source = std::error::Error::source(error);
                Some(Ended::Unreachable(source.map_or_else(String::new, ToString::to_string)))
            }
            Kind::Compression => Some(Ended::Closed(None)),
            _ if shard.state().is_identified() => {
                tracing::warn!("{}: an event could not be read and was passed over", self.gateway);
                dropped(Dropped::Malformed);
                None
            }
            _ => Some(Ended::Closed(None)),
        }
    }

    /// Takes one frame; says if the connection is to end.
    fn take(&self, text: &str) -> Option<Ended> {
        match ingest::frame(text) {
            Frame::Dispatch { sequence, kind, data } => self.dispatch(sequence, kind, data),
            Frame::InvalidSession { resumable } => Some(Ended::InvalidSession { resumable }),
            Frame::Reconnect => Some(Ended::Asked),
            Frame::Other => None,
            Frame::Malformed { sequence } => {
                dropped(Dropped::Malformed);
                if let Some(sequence) = sequence {
                    self.link.skip(sequence);
                }
                None
            }
        }
    }

    fn dispatch(&self, sequence: u64, kind: &str, data: &str) -> Option<Ended> {
        let (class, server, payload, if_listening) = match ingest::classify(kind, data, self.me) {
            Verdict::Keep { class, server, payload } => (class, server, payload, false),
            Verdict::IfListening { class, server } => (class, Some(server), Payload::AsIs, true),
            Verdict::Drop(why) => {
                if why == Dropped::Malformed {
                    tracing::warn!(
                        kind,
                        sequence,
                        "{}: an event is not as documented and was dropped",
                        self.gateway
                    );
                }
                dropped(why);
                self.link.skip(sequence);
                return None;
            }
            Verdict::Ready(ready) => {
                self.ready(sequence, ready);
                return None;
            }
            Verdict::Resumed => {
                tracing::info!(sequence, "{}: resumed the session", self.gateway);
                ::metrics::counter!(metrics::RESUMES).increment(1);
                self.link.skip(sequence);
                self.up.send_replace(true);
                return None;
            }
        };
        let server = server.map(ServerId);
        let route = server.and_then(|server| self.routes.get(server));
        if class == Class::Interaction {
            // Before anything that may fail: a member waits at the other end.
            self.deferrals.arrived(defer::Arrival {
                data,
                replayed: !*self.up.borrow(),
                support_on: route.is_some_and(|route| route.listening),
                unix_ms: self.clock.unix_ms(),
            });
        }
        let message = if kind == "MESSAGE_CREATE" { ingest::message_id(data) } else { None };
        let sent_at_ms = message.map(|id| MessageId(id).unix_ms());
        let arrival = Arrival {
            sequence,
            kind: kind.to_owned(),
            server,
            received_at_ms: self.received_at_ms(sent_at_ms),
            sent_at_ms,
            payload: match payload {
                Payload::AsIs => Bytes::copy_from_slice(data.as_bytes()),
                Payload::Reduced(reduced) => reduced.into(),
            },
            if_listening,
            written: self.written(kind, data),
        };
        match self.link.push(arrival, route) {
            Taken::Queued => {
                ::metrics::counter!(metrics::EVENTS, "class" => class.label()).increment(1);
                if route.is_none() {
                    self.routes.want(server);
                }
            }
            Taken::NotListening => dropped(Dropped::NotListening),
            Taken::Repeated => dropped(Dropped::Repeated),
            Taken::GivenUp => dropped(Dropped::StreamFull),
            Taken::Full => return Some(Ended::Full),
        }
        None
    }

    /// What a server's GUILD_CREATE tells of its channels.
    fn written(&self, kind: &str, data: &str) -> Vec<Written> {
        if kind == "GUILD_CREATE" { activity::written(data, self.me.user_id) } else { Vec::new() }
    }

    /// What Discord sends again before the session is up was sent when it was written, for whoever asked meanwhile.
    fn received_at_ms(&self, sent_at_ms: Option<u64>) -> u64 {
        let now = self.clock.unix_ms();
        if *self.up.borrow() { now } else { sent_at_ms.map_or(now, |sent| sent.min(now)) }
    }

    fn ready(&self, sequence: u64, ready: ingest::Ready) {
        ::metrics::counter!(metrics::IDENTIFIES).increment(1);
        let servers: Vec<ServerId> = ready.servers().map(ServerId).collect();
        tracing::info!(servers = servers.len(), "{}: started a session", self.gateway);
        let me = ready.identity();
        self.link.begin(Session {
            session_id: ready.session_id,
            resume_url: ready.resume_gateway_url.trim_end_matches('/').to_owned(),
            sequence,
            user_id: me.user_id,
            application_id: me.application_id,
            missed_since_ms: None,
        });
        self.routes.want(servers);
        self.up.send_replace(true);
    }
}

fn dropped(why: Dropped) {
    ::metrics::counter!(metrics::DROPPED, "reason" => why.label()).increment(1);
}

/// The next item. Twilight connects again by itself, without a pause, when the other side ends a connection before
/// it has said anything: that ends here instead.
async fn next(
    shard: &mut Shard<ShardQueue>,
) -> Option<Result<Message, twilight_gateway::error::ReceiveMessageError>> {
    let (mut opened, mut polls) = (!is_disconnected(shard), 0);
    std::future::poll_fn(|context| {
        let polled = shard.poll_next_unpin(context);
        if polled.is_pending() {
            let disconnected = is_disconnected(shard);
            polls = if disconnected { polls + 1 } else { 0 };
            if disconnected && (opened || polls > MOST_POLLS) {
                return Poll::Ready(None);
            }
            opened |= !disconnected;
        }
        polled
    })
    .await
}

fn is_disconnected(shard: &Shard<ShardQueue>) -> bool {
    matches!(shard.state(), ShardState::Disconnected { .. })
}

/// Closes, with a frame that keeps the session or ends it. What still comes in is not looked at: a resume brings it
/// again.
async fn close(shard: &mut Shard<ShardQueue>, frame: CloseFrame<'static>) {
    shard.close(frame);
    let deadline = Instant::now() + CLOSE_WAIT;
    while Instant::now() < deadline {
        match tokio::time::timeout(CLOSE_STEP, shard.next()).await {
            Ok(Some(Ok(Message::Text(_)))) if may_still_close(shard.state()) => {}
            Ok(_) => return,
            // Our frame is out; not every peer echoes it.
            Err(_) if matches!(shard.state(), ShardState::Disconnected { .. }) => return,
            Err(_) => {}
        }
    }
}

/// Any other state is twilight's own attempt to come back, which must not resume behind our back.
fn may_still_close(state: ShardState) -> bool {
    matches!(state, ShardState::Active | ShardState::Disconnected { .. })
}
