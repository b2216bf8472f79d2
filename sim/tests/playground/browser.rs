//! Runs the scenario scripts: Node drives Chromium, this side hears how it goes.

use helpline_sim::Simulator;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Long enough for a browser on a loaded machine; nothing waits so long when all is well.
const PATIENCE: Duration = Duration::from_secs(90);
/// Browsers at once: each is several processes.
static BROWSERS: Semaphore = Semaphore::const_new(2);

fn program(name: &str) -> PathBuf {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("below the target directory");
    let program = target.join("outside/bin").join(name);
    assert!(program.exists(), "{} is missing: run `make setup`, which installs it", program.display());
    program
}

fn script(name: &str) -> String {
    format!("{}/tests/playground/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A script that needs no browser: its exit status is the verdict.
pub async fn node(name: &str) {
    let output = Command::new(program("node")).arg(script(name)).output().await.unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
}

/// A scenario on its way. It is killed when dropped.
pub struct Browser {
    child: Child,
    stdin: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    errors: JoinHandle<String>,
    _permit: SemaphorePermit<'static>,
}

pub struct Opening {
    arguments: Vec<String>,
}

impl Browser {
    /// A scenario; `settings` go to the script beside the addresses and ids of the world.
    pub fn open(scenario: &str, simulator: &Simulator, settings: &Value) -> Opening {
        let mut all = json!({
            "base": simulator.rest_base(),
            "chromium": program("chromium"),
            "servers": simulator.servers().iter().take(4).collect::<Vec<_>>(),
            "bot": simulator.config().bot,
        });
        for (key, value) in settings.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        Opening { arguments: vec![script("scenarios.cjs"), scenario.to_owned(), all.to_string()] }
    }

    /// Another page than the playground: a script of one's own, which finds `base` among its settings.
    #[allow(dead_code, reason = "the playground has scenarios")]
    pub fn of(script: &Path, base: &str, settings: &Value) -> Opening {
        let mut all = json!({"base": base, "chromium": program("chromium"), "servers": [null]});
        for (key, value) in settings.as_object().into_iter().flatten() {
            all[key] = value.clone();
        }
        let script = script.to_str().expect("UTF-8").to_owned();
        Opening { arguments: vec![script, "all".to_owned(), all.to_string()] }
    }

    async fn start(opening: Opening) -> Self {
        let permit = BROWSERS.acquire().await.unwrap();
        let mut child = Command::new(program("node"))
            .args(&opening.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("start the script");
        let stdin = child.stdin.take().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut stderr = child.stderr.take().unwrap();
        let errors = tokio::spawn(async move {
            let mut text = String::new();
            let _ = stderr.read_to_string(&mut text).await;
            text
        });
        Self { child, stdin, lines, errors, _permit: permit }
    }

    /// Waits until the script says this, and lets it go on.
    pub async fn said(&mut self, word: &str) {
        loop {
            match timeout(PATIENCE, self.lines.next_line()).await.expect("the script says something").unwrap()
            {
                Some(line) if line == word => break,
                Some(line) => println!("{line}"),
                None => panic!("it ended without saying {word:?}: {}", (&mut self.errors).await.unwrap()),
            }
        }
        self.stdin.write_all(b"\n").await.unwrap();
    }

    /// Waits for its end, which has to be a good one.
    pub async fn end(mut self) {
        while let Some(line) =
            timeout(PATIENCE, self.lines.next_line()).await.expect("the script ends").unwrap()
        {
            println!("{line}");
        }
        let status = timeout(PATIENCE, self.child.wait()).await.expect("the script ends").unwrap();
        assert!(status.success(), "{}", self.errors.await.unwrap());
    }
}

impl Opening {
    pub async fn end(self) {
        Browser::start(self).await.end().await;
    }

    /// Started, and past its first word, `ready`.
    pub async fn await_ready(self) -> Browser {
        let mut browser = Browser::start(self).await;
        browser.said("ready").await;
        browser
    }
}
