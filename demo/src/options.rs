//! What can be set, and what of it makes no sense.

use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

/// Watch Helpline at work: members ask in a simulated Discord, a process is killed, nothing is lost.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "demo", version)]
pub struct Options {
    /// How long members ask, as in 30s or 2m
    #[arg(long = "for", value_parser = duration, default_value = "30s")]
    pub duration: Duration,
    /// Print the summary as one JSON object on the last line
    #[arg(long)]
    pub json: bool,
    /// Simulated servers
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub servers: u32,
    /// Members of each server that ask
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u32).range(1..=900))]
    pub members: u32,
    /// Questions a second, follow-ups not counted
    #[arg(long, default_value_t = 6.0)]
    pub questions_per_second: f64,
    /// Which share of the first questions is asked by /ask, from 0 to 1
    #[arg(long, default_value_t = 0.2)]
    pub slash_share: f64,
    /// How long an answer may take before its question counts as lost
    #[arg(long, value_parser = duration, default_value = "15s")]
    pub patience: Duration,
    /// Worker processes
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub workers: u32,
    /// Shards
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    pub shards: u32,
    /// Gateway shards, all held by the one proxy
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub gateway_shards: u32,
    /// REST requests a second that the simulated Discord grants; its default is the real one's
    #[arg(long, default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub rest_per_second: u32,
    /// What is killed (kill -9) and when, as in worker@12s or proxy@20s; may be repeated; none = nothing
    /// [default: worker@ a third of the time]
    #[arg(long = "kill", value_parser = kill)]
    pub kills: Vec<Kill>,
    /// Questions asked at once before each kill
    #[arg(long, default_value_t = 24)]
    pub burst: u32,
    /// Decides who asks what, where and when
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Keep the world running after the summary, until Ctrl-C, to be played with in a browser
    #[arg(long)]
    pub keep: bool,
    /// Keep the logs of all processes here
    #[arg(long)]
    pub logs: Option<PathBuf>,
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Victim {
    Worker,
    Proxy,
    Nobody,
}

/// A kill -9 at a moment after the first question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kill {
    pub victim: Victim,
    pub at: Duration,
}

impl Options {
    /// The kills in order of time.
    ///
    /// # Errors
    /// A sentence for a person.
    pub fn kills(&self) -> Result<Vec<Kill>, String> {
        let mut kills = self.kills.clone();
        if kills.is_empty() {
            kills.push(Kill { victim: Victim::Worker, at: self.duration / 3 });
        }
        kills.retain(|kill| kill.victim != Victim::Nobody);
        kills.sort_by_key(|kill| kill.at);
        if let Some(late) = kills.iter().find(|kill| kill.at >= self.duration) {
            return Err(format!(
                "--kill at {} s is after the end of --for {} s",
                late.at.as_secs_f64(),
                self.duration.as_secs_f64()
            ));
        }
        if kills.iter().any(|kill| kill.victim == Victim::Worker) && self.workers < 2 {
            return Err("--kill worker needs --workers 2 or more, or nobody can take over".to_owned());
        }
        if !(0.1..=1_000.0).contains(&self.questions_per_second) {
            return Err("--questions-per-second must be between 0.1 and 1000".to_owned());
        }
        if !(0.0..=1.0).contains(&self.slash_share) {
            return Err("--slash-share must be between 0 and 1".to_owned());
        }
        Ok(kills)
    }
}

fn duration(text: &str) -> Result<Duration, String> {
    let (number, unit) = text.split_at(text.find(|c: char| c.is_alphabetic()).unwrap_or(text.len()));
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err("give a time as in 30s or 2m".to_owned()),
    };
    let number = f64::from_str(number).map_err(|_| "give a time as in 30s or 2m".to_owned())?;
    Duration::try_from_secs_f64(number * seconds)
        .ok()
        .filter(|time| (1.0..=86_400.0).contains(&time.as_secs_f64()))
        .ok_or_else(|| "give a time between 1s and 24h".to_owned())
}

fn kill(text: &str) -> Result<Kill, String> {
    if text == "none" {
        return Ok(Kill { victim: Victim::Nobody, at: Duration::ZERO });
    }
    let wanted = || "give worker@12s, proxy@20s or none".to_owned();
    let (victim, at) = text.split_once('@').ok_or_else(wanted)?;
    let victim = match victim {
        "worker" => Victim::Worker,
        "proxy" => Victim::Proxy,
        _ => return Err(wanted()),
    };
    Ok(Kill { victim, at: duration(at)? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[test]
    fn a_worker_is_killed_unless_told_otherwise() {
        let options = Options::try_parse_from(["demo"]).unwrap();
        assert_eq!(options.kills().unwrap()[0].victim, Victim::Worker);
        let options = Options::try_parse_from(["demo", "--kill", "none"]).unwrap();
        assert!(options.kills().unwrap().is_empty());
    }

    #[test]
    fn what_makes_no_sense_is_told() {
        for bad in [&["--for", "soon"][..], &["--kill", "redis@3s"], &["--for", "0s"], &["--workers", "0"]] {
            assert!(Options::try_parse_from([&["demo"], bad].concat()).is_err(), "{bad:?}");
        }
        let late = Options::try_parse_from(["demo", "--for", "5s", "--kill", "worker@9s"]).unwrap();
        assert!(late.kills().is_err());
    }
}
