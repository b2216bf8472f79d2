//! Reads the steps that disturb the simulator: faults, limits, connections, the clock.

use super::names::{Names, Sort};
use super::setting::global;
use super::step::{Action, Shard, SkewChange};
use super::words::{ParseError, Word, Words, parse_duration};
use crate::clock::Skew;
use crate::faults::{Fault, FaultPlan};
use crate::gateway::faults::{GatewayFault, GatewayTarget};
use crate::rate_limit::{Route, Scope};
use serde_json::Map;
use std::time::Duration;

const STEPS: &str = "say, reply, slash, press, type, edit, delete, react, join, leave, bot, outage, wait, at, \
     expect, note, fault, gateway, clear, limits, drop, reconnect, close, invalidate, clock, repeat, name, set, title";

/// Reads a step whose first word was `verb`.
pub(super) fn read(verb: &Word, words: &mut Words, names: &Names) -> Result<Action, ParseError> {
    match verb.text.as_str() {
        "fault" => fault(words),
        "clear" => match words.one_of(&["faults", "gateway"])? {
            "faults" => Ok(Action::ClearFaults),
            _ => Ok(Action::ClearGateway),
        },
        "gateway" => gateway(words),
        "limits" => limits(words, names),
        "drop" => Ok(Action::Drop(shard(words)?)),
        "reconnect" => Ok(Action::Reconnect(shard(words)?)),
        "invalidate" => Ok(Action::Invalidate(shard(words)?)),
        "close" => {
            let code = words.number("a close code")?;
            Ok(Action::Close(code, shard(words)?))
        }
        "clock" => clock(words),
        other => Err(words.error(format!("there is no step {other:?}; there are {STEPS}"))),
    }
}

/// `gateway drop_after events=3 shard 0`, `gateway delay ms=50 jitter_ms=20`: a [`GatewayFault`] as it stands in JSON.
fn gateway(words: &mut Words) -> Result<Action, ParseError> {
    let mut wish = Map::from_iter([("fault".to_owned(), words.next("a gateway fault")?.text.into())]);
    let named = words.clone();
    let mut on = None;
    while !words.is_done() {
        on = shard(words)?;
        if on.is_some() {
            break;
        }
        let field = words.next("field=value")?;
        let Some((key, value)) = field.text.split_once('=') else {
            return Err(words.error(format!("expected field=value or `shard`, found {:?}", field.text)));
        };
        let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
        wish.insert(key.to_owned(), value);
    }
    let fault: GatewayFault =
        serde_json::from_value(wish.into()).map_err(|error| named.error(error.to_string()))?;
    let target = on.map_or_else(GatewayTarget::all, GatewayTarget::shard);
    match fault.problem(&target) {
        Some(problem) => Err(named.error(problem)),
        None => Ok(Action::Gateway(fault, on)),
    }
}

fn shard(words: &mut Words) -> Result<Shard, ParseError> {
    if words.take("shard") { words.number("the number of a gateway shard").map(Some) } else { Ok(None) }
}

/// `fault create_message status 503 times 2 chance 20% after 2s for 10s`
fn fault(words: &mut Words) -> Result<Action, ParseError> {
    let route = if words.take("any") {
        None
    } else {
        let name = words.next("a route, or `any`")?;
        Some(name.text.parse::<Route>().map_err(|error| words.error(error))?)
    };
    let mut plan = FaultPlan { route, ..FaultPlan::always(kind(words)?) };
    let (mut counted, mut open) = (false, false);
    loop {
        if words.take("times") {
            (plan.count, counted) = (Some(words.number("how often")?), true);
        } else if words.take("always") {
            counted = true;
        } else if words.take("chance") {
            (plan.probability, open) = (percent(words)?, true);
        } else if words.take("after") {
            plan.after = words.duration()?;
        } else if words.take("for") {
            (plan.lasts, open) = (Some(words.duration()?), true);
        } else {
            break;
        }
    }
    // Without a count, a chance or a span it is the next request alone.
    if !counted && !open {
        plan.count = Some(1);
    }
    match plan.problem() {
        Some(problem) => Err(words.error(problem)),
        None => Ok(Action::Fault(plan)),
    }
}

fn kind(words: &mut Words) -> Result<Fault, ParseError> {
    let ms = |words: &mut Words| words.duration().map(millis);
    let status = |words: &mut Words| words.number("a status");
    Ok(
        match words.one_of(&[
            "status",
            "status-after",
            "page",
            "page-after",
            "drop-request",
            "drop-answer",
            "reset",
            "reset-after",
            "stall",
            "late",
            "truncated",
            "slow-body",
            "rate-limited",
            "twice",
        ])? {
            "status" => Fault::Status(status(words)?),
            "status-after" => Fault::StatusAfter(status(words)?),
            "page" => Fault::Page(status(words)?),
            "page-after" => Fault::PageAfter(status(words)?),
            "drop-request" => Fault::DropRequest,
            "drop-answer" => Fault::DropAnswer,
            "reset" => Fault::Reset,
            "reset-after" => Fault::ResetAfter,
            "stall" => Fault::StallMs(ms(words)?),
            "late" => Fault::LateMs(ms(words)?),
            "truncated" => Fault::Truncated,
            "slow-body" => Fault::SlowBodyMs(ms(words)?),
            "rate-limited" => {
                let retry_after_ms = ms(words)?;
                let scope = match ["user", "global", "shared"].into_iter().find(|scope| words.take(scope)) {
                    Some("global") => Scope::Global,
                    Some("shared") => Scope::Shared,
                    _ => Scope::User,
                };
                Fault::RateLimited { retry_after_ms, scope }
            }
            _ => Fault::Twice,
        },
    )
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// `20%`
fn percent(words: &mut Words) -> Result<f64, ParseError> {
    let word = words.next("a chance such as 20%")?;
    let percent = word.text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    match percent {
        Some(percent) if percent > 0.0 && percent <= 100.0 => Ok(percent / 100.0),
        _ => Err(words.error(format!("expected a chance such as 20%, found {:?}", word.text))),
    }
}

/// `limits global 10`, `limits jitter 50ms`, `limits rename-buckets`, `limits resource help for 5s code 20028`,
/// `limits create_message 5/5s`, `limits typing off`, `limits typing unannounced`, `limits typing with channel`.
fn limits(words: &mut Words, names: &Names) -> Result<Action, ParseError> {
    let what = words.next("a route, `global`, `jitter`, `rename-buckets` or `resource`")?;
    match what.text.as_str() {
        "global" => Ok(Action::LimitGlobal(global(words)?)),
        "jitter" => Ok(Action::Jitter(words.duration()?)),
        "rename-buckets" => Ok(Action::RenameBuckets),
        "resource" => {
            let mut ahead = words.clone();
            let server = ahead.next("a channel or server").ok().and_then(|word| names.sort(&word.text));
            let sort = if server == Some(Sort::Server) { Sort::Server } else { Sort::Channel };
            let of = names.known(words, sort)?;
            words.keyword("for")?;
            let lasts = words.duration()?;
            let code = if words.take("code") { Some(words.number("an error code")?) } else { None };
            Ok(Action::LimitResource { of, lasts, code })
        }
        name => {
            let value = words.next("a limit such as 5/5s, `off`, `unannounced`, `announced` or `with`")?.text;
            let value = if value == "with" { format!("with:{}", words.next("a route")?.text) } else { value };
            let change = format!("{name}={value}").parse();
            change.map(Action::Limit).map_err(|error: String| words.error(error))
        }
    }
}

/// `clock offset +90s`, `clock drift -200ppm`, `clock advance 10s`.
fn clock(words: &mut Words) -> Result<Action, ParseError> {
    match words.one_of(&["offset", "drift", "advance"])? {
        "advance" => Ok(Action::Advance(words.duration()?)),
        "offset" => {
            let word = words.next("an offset such as +90s or -1h")?;
            let (sign, rest) = signed(&word.text);
            let offset = parse_duration(rest).and_then(|span| i64::try_from(span.as_millis()).ok());
            let offset = offset.ok_or_else(|| {
                words.error(format!("expected an offset such as +90s, found {:?}", word.text))
            })?;
            checked(words, SkewChange::Offset(sign * offset))
        }
        _ => {
            let word = words.next("a drift such as 200ppm")?;
            let (sign, rest) = signed(&word.text);
            let drift = rest.strip_suffix("ppm").and_then(|number| number.parse::<i64>().ok());
            let drift = drift.ok_or_else(|| {
                words.error(format!("expected a drift such as 200ppm, found {:?}", word.text))
            })?;
            checked(words, SkewChange::Drift(sign * drift))
        }
    }
}

fn checked(words: &Words, change: SkewChange) -> Result<Action, ParseError> {
    match change.of(Skew::default()).problem() {
        Some(problem) => Err(words.error(problem)),
        None => Ok(Action::Skew(change)),
    }
}

fn signed(text: &str) -> (i64, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}
