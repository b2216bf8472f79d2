//! One real `helpline` process: started, stopped, frozen and killed by its id. It ends with this value, also when the
//! test panics, and its last words are printed then.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer than any drain may take.
const GONE_WITHIN: Duration = Duration::from_secs(60);
const LAST_WORDS: usize = 25;

#[derive(Debug)]
pub struct Process {
    pub name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a role; what it logs is appended to `<name without #…>.log` in `logs`.
    pub fn start(name: &str, role: &str, env: &[(&str, String)], logs: &Path) -> Self {
        let log = logs.join(format!("{}.log", name.split('#').next().unwrap_or(name)));
        let output = File::options().create(true).append(true).open(&log).expect("a log file");
        let child = Command::new(env!("CARGO_BIN_EXE_helpline"))
            .arg(role)
            // Nothing of the caller's own settings reaches it.
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .envs(env.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(output.try_clone().expect("the log file is shared"))
            .stderr(output)
            .spawn()
            .expect("the helpline binary starts");
        Self { name: name.to_owned(), child, log }
    }

    /// kill -9, and returns the moment right before it in Unix microseconds.
    pub fn kill(&mut self) -> i64 {
        let at = now_us();
        self.child.kill().expect("it can be killed");
        self.child.wait().expect("it ends");
        at
    }

    /// SIGSTOP: frozen as by a host that hangs. Returns the moment right before it.
    pub fn freeze(&self) -> i64 {
        self.signal("-STOP")
    }

    /// SIGCONT.
    pub fn thaw(&self) -> i64 {
        self.signal("-CONT")
    }

    /// SIGTERM; returns at once.
    pub fn terminate(&self) -> i64 {
        self.signal("-TERM")
    }

    fn signal(&self, signal: &str) -> i64 {
        let at = now_us();
        let sent =
            Command::new("kill").args([signal, &self.child.id().to_string()]).status().expect("kill runs");
        assert!(sent.success(), "{} is not there to get {signal}", self.name);
        at
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + GONE_WITHIN;
        loop {
            if let Some(status) = self.child.try_wait().expect("it can be waited for") {
                return status;
            }
            assert!(Instant::now() < deadline, "{} does not end", self.name);
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // A frozen process dies of SIGKILL as well.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let text = std::fs::read_to_string(&self.log).unwrap_or_default();
            let lines: Vec<&str> = text.lines().collect();
            let last = &lines[lines.len().saturating_sub(LAST_WORDS)..];
            eprintln!("last words of {}:\n{}\n", self.name, last.join("\n"));
        }
    }
}

/// The machine's clock, which is also the database's and the simulator's.
pub fn now_us() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).expect("before the year 294,000")
}
