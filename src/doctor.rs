//! `helpline doctor`: looks at a deployment, and says what is wrong and how it is mended.
//!
//! Changes nothing, but for a notification that nobody else listens for. One module for each of what is looked at; what
//! cannot be looked at is a finding too. Tells no passwords, tokens, or names of servers.

mod discord;
mod postgres;
mod redis_server;

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use crate::config::Secret;

/// How long each thing that is asked is waited for.
const PATIENCE: Duration = Duration::from_secs(5);
/// Clocks may differ so much before it is worth a word, and before it does harm: times of events are compared with deadlines.
const SKEW_SEEN: Duration = Duration::from_millis(500);
const SKEW_HARMS: Duration = Duration::from_secs(10);

/// What is wrong with one thing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    Ok,
    /// Works, with a promise weakened, or could not be looked at.
    Warning,
    Broken,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `postgres`, `redis`, `discord`, `cluster`, `clocks`.
    pub area: &'static str,
    pub check: &'static str,
    pub verdict: Verdict,
    pub seen: String,
    /// None: nothing.
    pub to_do: Option<String>,
}

/// Everything that was found, in the order in which it was looked at.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub findings: Vec<Finding>,
}

impl Report {
    /// The worst of all.
    pub fn verdict(&self) -> Verdict {
        self.findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Ok)
    }

    fn count(&self, verdict: Verdict) -> usize {
        self.findings.iter().filter(|finding| finding.verdict == verdict).count()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            let verdict = match finding.verdict {
                Verdict::Ok => "ok",
                Verdict::Warning => "warning",
                Verdict::Broken => "BROKEN",
            };
            writeln!(f, "{verdict:<8} {:<9} {:<20} {}", finding.area, finding.check, finding.seen)?;
            if let Some(to_do) = &finding.to_do {
                writeln!(f, "{:39}-> {to_do}", "")?;
            }
        }
        let (warnings, broken) = (self.count(Verdict::Warning), self.count(Verdict::Broken));
        write!(f, "{} looked at: {broken} broken, {warnings} warnings", self.findings.len())
    }
}

/// Findings of one area, as they are made.
#[derive(Debug)]
struct Notes {
    area: &'static str,
    findings: Vec<Finding>,
}

impl Notes {
    const fn of(area: &'static str) -> Self {
        Self { area, findings: Vec::new() }
    }

    fn ok(&mut self, check: &'static str, seen: impl Into<String>) {
        self.add(check, Verdict::Ok, seen.into(), None);
    }

    fn warn(&mut self, check: &'static str, seen: impl Into<String>, to_do: impl Into<String>) {
        self.add(check, Verdict::Warning, seen.into(), Some(to_do.into()));
    }

    fn broken(&mut self, check: &'static str, seen: impl Into<String>, to_do: impl Into<String>) {
        self.add(check, Verdict::Broken, seen.into(), Some(to_do.into()));
    }

    /// `Ok`: what was seen when all is well.
    fn judge(
        &mut self,
        check: &'static str,
        verdict: Verdict,
        seen: impl Into<String>,
        to_do: impl Into<String>,
    ) {
        let to_do = Some(to_do.into()).filter(|_| verdict != Verdict::Ok);
        self.add(check, verdict, seen.into(), to_do);
    }

    /// A clock beside this host's: `offset` ahead of it, known to within `doubt`, both in microseconds.
    fn clock(&mut self, whose: &'static str, offset_us: i64, doubt: Duration) {
        let certain = Duration::from_micros(offset_us.unsigned_abs()).saturating_sub(doubt);
        let verdict = match certain {
            certain if certain > SKEW_HARMS => Verdict::Broken,
            certain if certain > SKEW_SEEN => Verdict::Warning,
            _ => Verdict::Ok,
        };
        let way = if offset_us < 0 { "behind" } else { "ahead of" };
        let seen = format!(
            "{} ms {way} this host, to within {} ms",
            offset_us.unsigned_abs() / 1_000,
            doubt.as_millis()
        );
        self.judge(whose, verdict, seen, "set both clocks by NTP, as with chrony");
    }

    fn add(&mut self, check: &'static str, verdict: Verdict, seen: String, to_do: Option<String>) {
        self.findings.push(Finding { area: self.area, check, verdict, seen, to_do });
    }
}

/// What is to be looked at.
#[derive(Debug, Default)]
pub struct Deployment {
    pub database_url: Option<String>,
    /// For LISTEN and liveness; default the same.
    pub session_url: Option<String>,
    pub redis_url: Option<String>,
    pub redis_prefix: String,
    pub token: Option<Secret>,
    pub discord_api_url: String,
    /// What MESSAGE_CONTENT is here.
    pub message_content: bool,
}

/// Looks at everything that it is told of.
pub async fn examine(deployment: &Deployment) -> Report {
    let (postgres, redis, discord) = tokio::join!(
        postgres::examine(deployment),
        redis_server::examine(deployment),
        discord::examine(deployment)
    );
    let mut findings: Vec<Finding> = [postgres, redis, discord].into_iter().flatten().collect();
    // Clocks and the cluster come after what they were seen through.
    findings.sort_by_key(|finding| {
        ["postgres", "redis", "discord", "clocks"].iter().position(|area| *area == finding.area)
    });
    findings.sort_by_key(|finding| finding.area == "cluster");
    Report { findings }
}

fn now_us() -> i64 {
    i64::try_from(time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_judged_by_what_is_certain_of_it() {
        let verdict = |offset_ms: i64, doubt_ms| {
            let mut notes = Notes::of("clocks");
            notes.clock("redis", offset_ms * 1_000, Duration::from_millis(doubt_ms));
            notes.findings[0].verdict
        };
        assert_eq!(verdict(400, 1), Verdict::Ok);
        assert_eq!(verdict(-700, 1), Verdict::Warning);
        assert_eq!(verdict(700, 300), Verdict::Ok, "the answer took long");
        assert_eq!(verdict(-11_000, 100), Verdict::Broken);
    }

    #[test]
    fn the_worst_finding_is_the_verdict_and_each_says_what_to_do() {
        let mut notes = Notes::of("redis");
        notes.ok("version", "7.2");
        notes.judge("policy", Verdict::Ok, "noeviction", "never said");
        assert_eq!(Report { findings: notes.findings.clone() }.verdict(), Verdict::Ok);
        notes.broken("policy", "allkeys-lru", "set it");
        let report = Report { findings: notes.findings };
        assert_eq!(report.verdict(), Verdict::Broken);
        let text = report.to_string();
        assert!(text.contains("BROKEN   redis     policy") && text.contains("-> set it"), "{text}");
        assert!(!text.contains("never said"), "{text}");
    }
}
