//! `with-services [--dir D] -- CMD ARGS…`: runs a command beside a private Postgres and Redis.
//!
//! The command finds them in TEST_DATABASE_URL (the maintenance database, as superuser) and TEST_REDIS_URL.
//! Both servers and their data are gone when this process ends, however it ends.

use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Parser;
use helpline::up::services::Services;
use tokio::process::{Child, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Ctrl-C in a terminal reaches the command directly as well; it is passed on only to one that did not end.
const INTERRUPT_GRACE: Duration = Duration::from_secs(2);

/// Runs a command beside a temporary Postgres and Redis.
#[derive(Debug, Parser)]
struct Arguments {
    /// Where the servers' directory is made [default: the system's directory for temporary files]
    #[arg(long)]
    dir: Option<PathBuf>,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    command: Vec<String>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(status) => exit_code(status),
        Err(error) => {
            eprintln!("with-services: {error:#}");
            ExitCode::from(125)
        }
    }
}

async fn run(arguments: Arguments) -> Result<ExitStatus> {
    let mut signals = Signals::listen()?;
    let parent = arguments.dir.unwrap_or_else(std::env::temp_dir);
    let services = tokio::select! {
        started = Services::temporary(&parent) => started?,
        () = signals.any() => return Ok(ExitStatus::from_raw(SignalKind::interrupt().as_raw_value())),
    };
    let result = run_beside(&services, &arguments.command, &mut signals).await;
    services.stop().await?;
    result
}

async fn run_beside(services: &Services, command: &[String], signals: &mut Signals) -> Result<ExitStatus> {
    let mut child = Command::new(&command[0])
        .args(&command[1..])
        .env("TEST_DATABASE_URL", services.maintenance_url())
        .env("TEST_REDIS_URL", services.redis_url())
        .spawn()
        .with_context(|| format!("run {}", command[0]))?;
    loop {
        tokio::select! {
            status = child.wait() => return status.context("wait for the command"),
            name = signals.next() => {
                if name == "INT"
                    && let Ok(status) = tokio::time::timeout(INTERRUPT_GRACE, child.wait()).await
                {
                    return status.context("wait for the command");
                }
                pass_on(name, &child).await?;
            }
        }
    }
}

/// Sends the signal to the command through the shell's `kill`, the way that needs no unsafe code.
async fn pass_on(name: &str, child: &Child) -> Result<()> {
    let Some(pid) = child.id() else { return Ok(()) };
    // A command that has just ended is no error here: the next wait() sees it.
    Command::new("/bin/sh")
        .args(["-c", r#"kill -s "$1" "$2" 2>/dev/null"#, "sh", name, &pid.to_string()])
        .status()
        .await
        .with_context(|| format!("pass signal {name} on"))?;
    Ok(())
}

struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).context("listen for SIGINT")?,
            terminate: signal(SignalKind::terminate()).context("listen for SIGTERM")?,
            hangup: signal(SignalKind::hangup()).context("listen for SIGHUP")?,
        })
    }

    /// Name of the next signal.
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "INT",
            _ = self.terminate.recv() => "TERM",
            _ = self.hangup.recv() => "HUP",
        }
    }

    async fn any(&mut self) {
        self.next().await;
    }
}

/// The command's own code; 128 + the signal's number when a signal ended it, as shells do.
fn exit_code(status: ExitStatus) -> ExitCode {
    let code = status.code().or_else(|| status.signal().map(|number| 128 + number));
    ExitCode::from(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
