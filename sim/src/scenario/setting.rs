//! `set` lines: what the simulator of a scenario starts with.

use super::words::{ParseError, Words};
use crate::config::Config;
use crate::rate_limit::RouteLimits;
use std::time::Duration;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// One setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Setting {
    Number(Count, u64),
    Length(Span, Duration),
    /// The clock is logical, from this Unix time in milliseconds where one is given.
    Logical(Option<u64>),
    LimitsOff,
    Global(Option<u32>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Seed,
    Servers,
    Members,
    Staff,
    GatewayShards,
    MaxConcurrency,
    IdentifyBudget,
    InvalidLimit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Span {
    SessionTtl,
    IdentifyInterval,
    InteractionDeadline,
    NonceWindow,
    Jitter,
    Ban,
}

const COUNTS: [(&str, Count); 8] = [
    ("seed", Count::Seed),
    ("servers", Count::Servers),
    ("members", Count::Members),
    ("staff", Count::Staff),
    ("gateway-shards", Count::GatewayShards),
    ("max-concurrency", Count::MaxConcurrency),
    ("identify-budget", Count::IdentifyBudget),
    ("invalid-limit", Count::InvalidLimit),
];

const SPANS: [(&str, Span); 6] = [
    ("session-ttl", Span::SessionTtl),
    ("identify-interval", Span::IdentifyInterval),
    ("interaction-deadline", Span::InteractionDeadline),
    ("nonce-window", Span::NonceWindow),
    ("jitter", Span::Jitter),
    ("ban", Span::Ban),
];

/// Reads what follows `set`.
pub(super) fn read(words: &mut Words) -> Result<Setting, ParseError> {
    let name = words.next("what to set")?;
    let found = if let Some((_, count)) = COUNTS.iter().find(|(known, _)| *known == name.text) {
        Setting::Number(*count, words.number("a whole number")?)
    } else if let Some((_, span)) = SPANS.iter().find(|(known, _)| *known == name.text) {
        Setting::Length(*span, words.duration()?)
    } else {
        match name.text.as_str() {
            "clock" => {
                words.keyword("logical")?;
                Setting::Logical(if words.take("from") { Some(start(words)?) } else { None })
            }
            "limits" => {
                words.keyword("off")?;
                Setting::LimitsOff
            }
            "global" => Setting::Global(global(words)?),
            _ => {
                let counts = COUNTS.iter().map(|(name, _)| *name);
                let names: Vec<&str> = counts.chain(SPANS.iter().map(|(name, _)| *name)).collect();
                return Err(words.error(format!(
                    "{:?} cannot be set; what can is clock, limits, global, {}",
                    name.text,
                    names.join(", ")
                )));
            }
        }
    };
    words.finish()?;
    Ok(found)
}

fn start(words: &mut Words) -> Result<u64, ParseError> {
    let at = words.next("a time such as 2026-01-01T00:00:00Z")?;
    let ms = OffsetDateTime::parse(&at.text, &Rfc3339)
        .ok()
        .and_then(|time| u64::try_from(time.unix_timestamp_nanos() / 1_000_000).ok());
    ms.ok_or_else(|| {
        words.error(format!("expected a time such as 2026-01-01T00:00:00Z, found {:?}", at.text))
    })
}

/// A number of requests a second, or `off`.
pub(super) fn global(words: &mut Words) -> Result<Option<u32>, ParseError> {
    if words.take("off") {
        return Ok(None);
    }
    match words.number("a number of requests a second, or `off`")? {
        0 => Err(words.error("a global limit is at least 1, or `off`")),
        n => Ok(Some(n)),
    }
}

impl Setting {
    pub(super) fn apply(self, config: &mut Config) {
        let usize_of = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let u32_of = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        match self {
            Self::Number(Count::Seed, n) => config.seed = n,
            Self::Number(Count::Servers, n) => config.servers = usize_of(n),
            Self::Number(Count::Members, n) => config.members_per_server = usize_of(n),
            Self::Number(Count::Staff, n) => config.staff_per_server = usize_of(n),
            Self::Number(Count::GatewayShards, n) => config.gateway_shards = u32_of(n),
            Self::Number(Count::MaxConcurrency, n) => config.max_concurrency = u32_of(n),
            Self::Number(Count::IdentifyBudget, n) => config.identify_budget = u32_of(n),
            Self::Number(Count::InvalidLimit, n) => config.invalid_request_limit = n,
            Self::Length(Span::SessionTtl, span) => config.session_ttl = span,
            Self::Length(Span::IdentifyInterval, span) => config.identify_interval = span,
            Self::Length(Span::InteractionDeadline, span) => config.interaction_deadline = span,
            Self::Length(Span::NonceWindow, span) => config.nonce_window = span,
            Self::Length(Span::Jitter, span) => config.window_jitter = span,
            Self::Length(Span::Ban, span) => config.ban = span,
            Self::Logical(from) => {
                config.logical_clock = true;
                config.start_unix_ms = from.or(config.start_unix_ms);
            }
            Self::LimitsOff => config.route_limits = RouteLimits::off(),
            Self::Global(per_s) => config.rest_global_per_s = per_s,
        }
    }
}
