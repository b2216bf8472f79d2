//! One gateway shard: a connection that is only polled, and what follows from how it ends.
//!
//! The polling task never waits for anything downstream: it classifies, leaves the event in the [`Link`] and
//! polls again, because heartbeats depend on it. Reconnecting is done here, not by twilight: with back-off, and
//! from the sequence that the link has taken, not from the one twilight has seen.
//! Sources: <https://discord.com/developers/docs/events/gateway#connection-lifecycle> and its close codes.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use helpline_cluster::clock::Clock;
use helpline_cluster::gateway_session::Session;
use helpline_cluster::ids::{GatewayShard, ServerId};
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use twilight_gateway::{
    CloseFrame, Config, ConfigBuilder, Message, Shard, ShardId as TwilightId, ShardState,
};

use super::backlog::{Arrival, Taken};
use super::defer::{self, Deferrals};
use super::identifies::Identifies;
use super::ingest::{self, Class, Dropped, Frame, Identity, Payload, Verdict};
use super::metrics;
use super::publish::Link;
use super::routes::Routes;
use super::setup::REFUSED_TOKEN;

/// Discord answers a heartbeat every 41 s; a connection silent for longer is dead.
const SILENCE: Duration = Duration::from_secs(120);
/// A connection that does not take our close frame is left after this.
const CLOSE_WAIT: Duration = Duration::from_secs(2);
/// How long the echo of our close frame is waited for.
const CLOSE_STEP: Duration = Duration::from_millis(50);
/// A connection that held so long was a good one: the next attempt comes at once.
const GOOD_CONNECTION: Duration = Duration::from_secs(30);
const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_LONGEST: Duration = Duration::from_secs(60);

/// Discord will not have us until a person changes something.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    #[error("{REFUSED_TOKEN}")]
    Token,
    #[error(
        "Discord refused the Message Content Intent (4014): switch it on at https://discord.com/developers/applications, \
         your application, Bot, Privileged Gateway Intents, and start again"
    )]
    DisallowedIntents,
    #[error(
        "Discord says that gateway shard {0} does not exist (4010): check GATEWAY_SHARDS and start again"
    )]
    InvalidShard(GatewayShard),
    #[error(
        "Discord demands more gateway shards (4011): raise GATEWAY_SHARDS or leave it unset, and start again"
    )]
    ShardingRequired,
    #[error("Discord no longer takes this version of its gateway (4012): update Helpline")]
    ApiVersion,
    #[error("Discord does not know the intents asked for (4013): update Helpline")]
    InvalidIntents,
}

impl Fatal {
    fn of_close_code(code: u16, gateway: GatewayShard) -> Option<Self> {
        Some(match code {
            4004 => Self::Token,
            4010 => Self::InvalidShard(gateway),
            4011 => Self::ShardingRequired,
            4012 => Self::ApiVersion,
            4013 => Self::InvalidIntents,
            4014 => Self::DisallowedIntents,
            _ => return None,
        })
    }
}

/// How a connection ended.
#[derive(Debug)]
enum Ended {
    Cancelled,
    /// The backlog took no more.
    Full,
    /// Closed by the other side, or lost.
    Closed(Option<u16>),
    /// Not even opened.
    Unreachable(String),
    InvalidSession {
        resumable: bool,
    },
    /// Discord asked us to connect again.
    Asked,
    Silent,
    Fatal(Fatal),
}

impl Ended {
    fn label(&self) -> &'static str {
        match self {
            Self::Cancelled => "stopped",
            Self::Full => "full",
            Self::Closed(_) => "closed",
            Self::Unreachable(_) => "unreachable",
            Self::InvalidSession { .. } => "invalid_session",
            Self::Asked => "asked",
            Self::Silent => "silent",
            Self::Fatal(_) => "fatal",
        }
    }
}

/// Polls one gateway shard.
#[derive(Debug)]
pub struct Polling {
    pub gateway: GatewayShard,
    /// Token, intents, queue and gateway address; the session is set for each connection.
    pub config: Config<Identifies>,
    /// Ignore the resume address that Discord gives: somebody else's gateway stands in between.
    pub fixed_address: bool,
    pub me: Identity,
    pub link: Arc<Link>,
    pub routes: Arc<Routes>,
    pub deferrals: Arc<Deferrals>,
    pub clock: Arc<dyn Clock>,
    /// Whether the session is up.
    pub up: watch::Sender<bool>,
}

impl Polling {
    /// Keeps the gateway shard connected until cancelled.
    ///
    /// # Errors
    /// When Discord will not have us whatever we repeat.
    pub async fn run(self, cancel: CancellationToken) -> Result<(), Fatal> {
        let mut attempt = 0;
        let mut use_resume_address = true;
        loop {
            let started = Instant::now();
            let ended = self.connection(use_resume_address && !self.fixed_address, &cancel).await;
            self.up.send_replace(false);
            ::metrics::counter!(metrics::DISCONNECTS, "why" => ended.label()).increment(1);
            use_resume_address = true;
            let mut least = Duration::ZERO;
            // A connection that we closed was a good one: waiting for the backlog is the pause.
            let good = matches!(ended, Ended::Full);
            match ended {
                Ended::Cancelled => return Ok(()),
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
        let mut config = ConfigBuilder::from(self.config.clone());
        if let Some(session) = self.link.session() {
            config = config.session(twilight_gateway::Session::new(session.sequence, session.session_id));
            if use_resume_address && !session.resume_url.is_empty() {
                config = config.resume_url(session.resume_url);
            }
        }
        let id = TwilightId::new(self.gateway.id, self.gateway.total);
        let mut shard = Shard::with_config(id, config.build());
        loop {
            let item = tokio::select! {
                biased;
                () = cancel.cancelled() => {
                    close(&mut shard).await;
                    return Ended::Cancelled;
                }
                item = tokio::time::timeout(SILENCE, shard.next()) => item,
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
            if let Some(ended) = self.take(&text) {
                if !matches!(ended, Ended::InvalidSession { .. }) {
                    close(&mut shard).await;
                }
                return ended;
            }
        }
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
        shard: &Shard<Identifies>,
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
        let arrival = Arrival {
            sequence,
            kind: kind.to_owned(),
            server,
            received_at_ms: self.clock.unix_ms(),
            payload: match payload {
                Payload::AsIs => Bytes::copy_from_slice(data.as_bytes()),
                Payload::Reduced(reduced) => reduced.into(),
            },
            if_listening,
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
            Taken::Full => return Some(Ended::Full),
        }
        None
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
        });
        self.routes.want(servers);
        self.up.send_replace(true);
    }
}

fn dropped(why: Dropped) {
    ::metrics::counter!(metrics::DROPPED, "reason" => why.label()).increment(1);
}

/// Closes so that the session stays. What still comes in is not looked at: the resume brings it again.
async fn close(shard: &mut Shard<Identifies>) {
    shard.close(CloseFrame::RESUME);
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

/// Full jitter in the upper half, doubling up to the longest; the first attempt comes nearly at once.
fn backoff(attempt: u32) -> Duration {
    let full = match attempt {
        0 | 1 => Duration::from_millis(100),
        _ => BACKOFF_FIRST.saturating_mul(1 << (attempt - 2).min(16)).min(BACKOFF_LONGEST),
    };
    full.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_and_stays_bounded() {
        assert!(backoff(0) <= Duration::from_millis(100));
        assert!(backoff(6) >= Duration::from_secs(2));
        assert!(backoff(1_000) <= BACKOFF_LONGEST);
    }

    #[test]
    fn a_fatal_close_says_what_to_do() {
        let gateway = GatewayShard::new(0, 1);
        let text = |code| Fatal::of_close_code(code, gateway).expect("fatal").to_string();
        assert!(text(4004).contains("DISCORD_TOKEN"));
        assert!(text(4014).contains("Message Content Intent"));
        assert!((4010..=4013).all(|code| Fatal::of_close_code(code, gateway).is_some()));
        assert!(Fatal::of_close_code(4009, gateway).is_none());
    }
}
