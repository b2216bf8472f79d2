//! The processes of the cluster, kept running as an orchestrator would: one that ends is started again.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// How long an orchestrator takes to start a dead process again.
const RESTART_AFTER: Duration = Duration::from_millis(500);
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// How a process is started, every time.
#[derive(Debug, Clone)]
pub struct Recipe {
    pub name: String,
    pub program: PathBuf,
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
    pub logs: PathBuf,
}

/// A process that is restarted when it ends.
#[derive(Debug)]
pub struct Kept {
    name: String,
    child: Arc<Mutex<Option<Child>>>,
    starts: watch::Receiver<u32>,
    stop: CancellationToken,
    keeper: JoinHandle<()>,
}

impl Recipe {
    fn start(&self) -> Result<Child> {
        let log = log_file(&self.logs, &self.name)?;
        let errors = log.try_clone().context("share the log file")?;
        Command::new(&self.program)
            .args(&self.args)
            // Nothing of the caller's own settings reaches the demo.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log)
            .stderr(errors)
            .kill_on_drop(true)
            // Ctrl-C is the demo's to handle.
            .process_group(0)
            .spawn()
            .with_context(|| format!("start {}", self.program.display()))
    }

    /// Runs it once, to its end.
    pub async fn run(&self) -> Result<()> {
        let status = self.start()?.wait().await.with_context(|| format!("wait for {}", self.name))?;
        anyhow::ensure!(
            status.success(),
            "{} failed ({status}); {}",
            self.name,
            last_words(&self.logs, &self.name)
        );
        Ok(())
    }

    /// Starts it and keeps it running.
    pub fn keep(self) -> Result<Kept> {
        let name = self.name.clone();
        let child = Arc::new(Mutex::new(Some(self.start()?)));
        let stop = CancellationToken::new();
        let (started, starts) = watch::channel(1);
        let keeper = tokio::spawn(keep(self, Arc::clone(&child), started, stop.clone()));
        Ok(Kept { name, child, starts, stop, keeper })
    }
}

async fn keep(
    recipe: Recipe,
    child: Arc<Mutex<Option<Child>>>,
    started: watch::Sender<u32>,
    stop: CancellationToken,
) {
    let mut every = tokio::time::interval(Duration::from_millis(20));
    while stop.run_until_cancelled(every.tick()).await.is_some() {
        let mut child = child.lock().await;
        let ended = matches!(child.as_mut().map(Child::try_wait), None | Some(Ok(Some(_))));
        if !ended {
            continue;
        }
        if stop.run_until_cancelled(tokio::time::sleep(RESTART_AFTER)).await.is_none() {
            return;
        }
        match recipe.start() {
            Ok(new) => {
                *child = Some(new);
                started.send_modify(|count| *count += 1);
            }
            Err(error) => tracing::error!("restarting {}: {error:#}", recipe.name),
        }
    }
}

impl Kept {
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often it was started.
    pub fn starts(&self) -> u32 {
        *self.starts.borrow()
    }

    /// kill -9.
    pub async fn kill(&self) -> Result<()> {
        let mut child = self.child.lock().await;
        let child = child.as_mut().with_context(|| format!("{} does not run", self.name))?;
        child.start_kill().with_context(|| format!("kill {}", self.name))
    }

    /// SIGTERM, then SIGKILL when it takes too long.
    pub async fn stop(self) {
        self.stop.cancel();
        let _ = self.keeper.await;
        let Some(mut child) = self.child.lock().await.take() else { return };
        if let Some(pid) = child.id() {
            let _ = Command::new("kill").arg("-TERM").arg(pid.to_string()).status().await;
        }
        if tokio::time::timeout(STOP_WITHIN, child.wait()).await.is_err() {
            tracing::warn!("{} did not stop in {} s and is killed", self.name, STOP_WITHIN.as_secs());
            let _ = child.kill().await;
        }
    }
}

fn log_file(dir: &Path, name: &str) -> Result<File> {
    let path = dir.join(format!("{name}.log"));
    File::options().create(true).append(true).open(&path).with_context(|| format!("open {}", path.display()))
}

/// The end of a process's log, for an error that a person reads.
pub fn last_words(dir: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(dir.join(format!("{name}.log"))).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let from = lines.len().saturating_sub(5);
    format!("its last words:\n{}", lines[from..].join("\n"))
}
