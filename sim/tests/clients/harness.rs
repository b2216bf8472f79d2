//! Runs one scenario of a client library as a process of its own and reads what it says.
//!
//! The process gets the simulator's addresses and writes a line of JSON for each thing it saw. Nothing here or in
//! the tests knows which library it is, except to choose the script.

use helpline_sim::Simulator;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Long enough for a loaded machine; nothing waits so long when all is well.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A client library and the script that drives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Library {
    DiscordJs,
    DiscordPy,
}

impl Library {
    fn program(self) -> PathBuf {
        let name = match self {
            Self::DiscordJs => "node",
            Self::DiscordPy => "python",
        };
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("below the target directory");
        let program = target.join("outside/bin").join(name);
        assert!(program.exists(), "{} is missing: run `make setup`, which installs it", program.display());
        program
    }

    fn script(self) -> &'static str {
        match self {
            Self::DiscordJs => concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/discord_js.cjs"),
            Self::DiscordPy => concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients/discord_py.py"),
        }
    }
}

/// A running scenario. It is killed when dropped.
pub struct Client {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Said but not asked for yet.
    waiting: VecDeque<Value>,
    errors: JoinHandle<String>,
    /// Everything said, for the message of a failure.
    heard: Vec<Value>,
}

impl Client {
    /// Starts a scenario. `settings` go to the script beside the simulator's addresses.
    pub fn start(library: Library, scenario: &str, simulator: &Simulator, settings: &Value) -> Self {
        let mut all = json!({
            "rest": simulator.rest_base(), "gateway": simulator.gateway_url(), "token": simulator.token(),
        });
        for (key, value) in settings.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        let mut child = Command::new(library.program())
            .arg(library.script())
            .args([scenario, &all.to_string()])
            .env("PYTHONDONTWRITEBYTECODE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("start the script");
        let stdin = child.stdin.take().expect("piped");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let mut stderr = child.stderr.take().expect("piped");
        let errors = tokio::spawn(async move {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text).await;
            text
        });
        Self { child, stdin, lines, waiting: VecDeque::new(), errors, heard: Vec::new() }
    }

    /// Starts a scenario and waits until it says `ready`; returns that too.
    pub async fn ready(
        library: Library,
        scenario: &str,
        simulator: &Simulator,
        settings: &Value,
    ) -> (Self, Value) {
        let mut client = Self::start(library, scenario, simulator, settings);
        let ready = client.said("ready").await;
        (client, ready)
    }

    /// The next thing said with this name; others stay for later. An error said on the way fails the test.
    pub async fn said(&mut self, event: &str) -> Value {
        if let Some(at) = self.waiting.iter().position(|said| said["event"] == event) {
            return self.waiting.remove(at).expect("just found");
        }
        loop {
            let said = match timeout(PATIENCE, self.next()).await {
                Ok(Some(said)) => said,
                Ok(None) => self.give_up(&format!("it ended without saying {event:?}")).await,
                Err(_) => self.give_up(&format!("it never said {event:?}")).await,
            };
            if said["event"] == event {
                return said;
            }
            if said["event"] == "error" {
                self.give_up("something went wrong in it").await;
            }
            self.waiting.push_back(said);
        }
    }

    /// Lets a scenario go on that waits for it.
    pub async fn go(&mut self) {
        self.stdin.write_all(b"{\"do\": \"go\"}\n").await.expect("it reads its orders");
    }

    /// Passes over what was said so far.
    pub fn forget(&mut self) {
        self.waiting.clear();
    }

    async fn next(&mut self) -> Option<Value> {
        let line = self.lines.next_line().await.expect("read its output")?;
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not JSON: {line}"));
        self.heard.push(said.clone());
        Some(said)
    }

    /// Asks it to stop, and expects it to close its connections and end well. Returns what it said and nobody asked
    /// for.
    pub async fn stop(mut self) -> Vec<Value> {
        // It may have ended by itself.
        let _ = self.stdin.write_all(b"{\"do\": \"stop\"}\n").await;
        loop {
            match timeout(PATIENCE, self.next()).await {
                Ok(Some(said)) if said["event"] == "error" => {
                    self.give_up("something went wrong in it").await
                }
                Ok(Some(said)) => self.waiting.push_back(said),
                Ok(None) => break,
                Err(_) => self.give_up("it did not stop").await,
            }
        }
        let status =
            timeout(PATIENCE, self.child.wait()).await.expect("it did not end").expect("wait for it");
        if !status.success() {
            self.give_up(&format!("it ended with {status}")).await;
        }
        self.waiting.into_iter().collect()
    }

    async fn give_up(&mut self, why: &str) -> ! {
        let _ = self.child.kill().await;
        let errors = (&mut self.errors).await.unwrap_or_default();
        let heard: Vec<String> = self.heard.iter().map(Value::to_string).collect();
        panic!("the script failed: {why}\nit said:\n{}\nand on stderr:\n{errors}", heard.join("\n"));
    }
}
