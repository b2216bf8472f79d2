//! `helpline status`: once, or again and again.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio_util::sync::CancellationToken;

use super::{Source, Status, Store, Table};

/// How it is shown.
#[derive(Clone, Copy, Debug)]
pub struct Show {
    /// One JSON object a line.
    pub json: bool,
    /// Every shard, however many there are.
    pub all: bool,
    /// Again after so long, until stopped.
    pub every: Option<Duration>,
}

/// Shows what the stores tell.
///
/// # Errors
/// After everything was shown: when a store does not answer, with what to do.
pub async fn run(mut source: Source, show: Show, cancel: CancellationToken) -> anyhow::Result<()> {
    let Some(every) = show.every else {
        let status = source.ask().await;
        print(&status, show)?;
        return match problems(&status) {
            problems if problems.is_empty() => Ok(()),
            problems => bail!(problems.join("\n  ")),
        };
    };
    let mut tick = tokio::time::interval(every);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while cancel.run_until_cancelled(tick.tick()).await.is_some() {
        let Some(status) = cancel.run_until_cancelled(source.ask()).await else { break };
        if !show.json && std::io::stdout().is_terminal() {
            // Home, and everything below is erased: what stays does not flicker.
            std::io::stdout().write_all(b"\x1b[H\x1b[J").context("write to the terminal")?;
        }
        print(&status, show)?;
        if !show.json {
            problems(&status).iter().for_each(|problem| println!("! {problem}"));
        }
    }
    Ok(())
}

fn print(status: &Status, show: Show) -> anyhow::Result<()> {
    let text = match show.json {
        true => serde_json::to_string(status).context("write the status as JSON")?,
        false => Table { status, all: show.all }.to_string(),
    };
    match writeln!(std::io::stdout(), "{text}") {
        // Whoever reads has seen enough.
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        written => written.context("write the status"),
    }
}

fn problems(status: &Status) -> Vec<String> {
    let mut problems: Vec<String> = [&status.postgres, &status.redis]
        .into_iter()
        .filter_map(|store| match store {
            Store::Away { why } => Some(why.clone()),
            Store::Answers | Store::NotAsked { .. } => None,
        })
        .collect();
    if let (Store::NotAsked { why }, false) = (&status.postgres, status.redis.answers()) {
        problems.insert(0, why.clone());
    }
    problems
}
