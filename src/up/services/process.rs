//! One server process under a shell that ends it when this process is gone.
//!
//! The shell waits on a pipe whose other end only this process holds. However this process ends, kill -9
//! included, the kernel closes the pipe and the shell shuts the server down; no process id is remembered that
//! could meanwhile belong to somebody else. The shell leads a process group of its own, so Ctrl-C in a
//! terminal reaches the server only through here.

use std::fs::{File, OpenOptions};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::account::Account;

/// Longer than the shell takes to go from the polite signal (10 s) over SIGQUIT (5 s) to SIGKILL.
const GONE_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(10);

/// Arguments: the signal that ends the server, a directory to remove afterwards or '', the server's command.
/// The directory goes only when the end was asked for: a start that failed is tried again in it.
const SUPERVISOR: &str = r#"
signal=$1 remove=$2
shift 2
exec 3<&0 0</dev/null
"$@" 3<&- &
server=$!
{
    read -r line <&3
    : >ending
    kill -s "$signal" "$server" 2>/dev/null
    tenths=0
    while kill -0 "$server" 2>/dev/null; do
        sleep 0.1
        tenths=$((tenths + 1))
        case $tenths in
            100) kill -s QUIT "$server" ;;
            150) kill -s KILL "$server" ;;
        esac
    done
} &
watcher=$!
exec 3<&-
wait "$server"
status=$?
kill "$watcher" 2>/dev/null
[ -z "$remove" ] || [ ! -e ending ] || { cd / && rm -rf -- "$remove"; }
exit "$status"
"#;

/// What to run and how to end it.
#[derive(Debug)]
pub(super) struct Service<'a> {
    pub(super) name: &'static str,
    pub(super) program: &'a Path,
    pub(super) arguments: Vec<String>,
    /// Name of the signal that asks the server to end in order.
    pub(super) end_signal: &'static str,
    pub(super) remove_afterwards: Option<&'a Path>,
}

#[derive(Debug)]
pub(super) struct Supervised {
    name: &'static str,
    shell: Child,
    lifeline: Option<ChildStdin>,
    log: PathBuf,
}

impl Supervised {
    /// Starts the service in `dir`; what it prints goes to `<name>.log` there, anew at each start.
    pub(super) fn spawn(service: Service<'_>, dir: &Path, account: &Account) -> Result<Self> {
        let name = service.name;
        let log = dir.join(format!("{name}.log"));
        let output = fresh_log(&log)?;
        let mut shell = account
            .command("/bin/sh")
            .args(["-c", SUPERVISOR, "supervisor", service.end_signal])
            .arg(service.remove_afterwards.unwrap_or(Path::new("")))
            .arg(service.program)
            .args(service.arguments)
            .env("LC_ALL", "C")
            .current_dir(dir)
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(output.try_clone().context("share the log file")?)
            .stderr(output)
            .spawn()
            .with_context(|| format!("start {name}"))?;
        let lifeline = shell.stdin.take();
        Ok(Self { name, shell, lifeline, log })
    }

    /// How the server ended, or `None` while it runs.
    pub(super) fn ended(&mut self) -> Result<Option<ExitStatus>> {
        self.shell.try_wait().with_context(|| format!("look after {}", self.name))
    }

    pub(super) fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The end of the log, for an error message.
    pub(super) fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        format!(
            "last lines of {}:\n{}",
            self.log.display(),
            lines[lines.len().saturating_sub(12)..].join("\n")
        )
    }

    /// Asks the server to end; returns at once.
    pub(super) fn let_go(&mut self) {
        self.lifeline = None;
    }

    /// Waits until the server has ended, after [`Supervised::let_go`].
    pub(super) async fn gone(&mut self) -> Result<()> {
        let deadline = Instant::now() + GONE_WITHIN;
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                bail!("{} does not end: see {}", self.name, self.log.display());
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(())
    }
}

impl Drop for Supervised {
    fn drop(&mut self) {
        self.let_go();
        let deadline = Instant::now() + GONE_WITHIN;
        while matches!(self.shell.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(POLL);
        }
    }
}

/// An empty log; the one before is kept as `<name>.log.1`, because it tells why the last run ended.
fn fresh_log(path: &Path) -> Result<File> {
    if path.exists() {
        let mut before = path.as_os_str().to_owned();
        before.push(".1");
        std::fs::rename(path, before).with_context(|| format!("put away {}", path.display()))?;
    }
    OpenOptions::new()
        .create_new(true)
        .append(true)
        .open(path)
        .with_context(|| format!("create {}", path.display()))
}
