//! What this process uses, read from `/proc`.

use anyhow::{Context, ensure};
use std::fs::read_to_string;
use std::process::Command;

/// Clock ticks a second, the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

pub struct Usage {
    pub cpu_s: f64,
    pub rss_mb: u64,
}

pub fn usage() -> anyhow::Result<Usage> {
    let status = read_to_string("/proc/self/status")?;
    let rss = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let rss_kb = rss.and_then(|rest| rest.split_whitespace().next()).context("VmRSS")?.parse::<u64>()?;
    Ok(Usage { cpu_s: cpu_s("/proc/self/stat")?, rss_mb: rss_kb / 1_024 })
}

/// Binds a process and its threads to a core.
pub fn bind(process: u32, core: usize) -> anyhow::Result<()> {
    let bound = Command::new("taskset")
        .args(["--all-tasks", "--cpu-list", "--pid", &core.to_string(), &process.to_string()])
        .output()
        .context("cannot run taskset; --core none does without")?;
    ensure!(bound.status.success(), "taskset: {}", String::from_utf8_lossy(&bound.stderr));
    Ok(())
}

pub fn thread_cpu_s() -> anyhow::Result<f64> {
    cpu_s("/proc/thread-self/stat")
}

fn cpu_s(path: &str) -> anyhow::Result<f64> {
    let stat = read_to_string(path)?;
    // The name, in parentheses, may hold anything; user and system time are the 12th and 13th after it.
    let (_, rest) = stat.rsplit_once(')').context("stat")?;
    let mut ticks = rest.split_whitespace().skip(11).map(str::parse::<f64>);
    let user = ticks.next().context("user time")??;
    let system = ticks.next().context("system time")??;
    Ok((user + system) / TICKS)
}
