//! How a connection to the gateway ends, what that means, and how long to wait for the next one.
//! Source: <https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>.

use std::time::Duration;

use helpline_cluster::ids::GatewayShard;

use crate::proxy::setup::REFUSED_TOKEN;

const BACKOFF_FIRST: Duration = Duration::from_millis(250);
const BACKOFF_LONGEST: Duration = Duration::from_secs(60);

/// Discord will not have us until a person changes something.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    #[error("{REFUSED_TOKEN}")]
    Token,
    #[error(
        "Discord refused the Message Content Intent (4014): switch it on at https://discord.com/developers/applications, \
         your application, Bot, Privileged Gateway Intents, and start again; or set MESSAGE_CONTENT=false, and answer only who \
         addresses the bot"
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
    pub(super) fn of_close_code(code: u16, gateway: GatewayShard) -> Option<Self> {
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
pub(super) enum Ended {
    Cancelled,
    /// This process may have been taken for dead.
    Fenced,
    /// The gateway shard is to close: its session is resumed once more, so that nothing is missing.
    Closing,
    /// The session was ended for good.
    Retired,
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
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Cancelled => "stopped",
            Self::Fenced => "fenced",
            Self::Closing | Self::Retired => "closing",
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

/// Full jitter in the upper half, doubling up to the longest; the first attempt comes nearly at once.
pub(super) fn backoff(attempt: u32) -> Duration {
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
