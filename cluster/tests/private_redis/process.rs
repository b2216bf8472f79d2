//! One Redis process of a test: ends with its value, with a panic, and with the test's process however that ends.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Mutex;

/// The kernel closes the shell's input when the test's process is gone; then the shell ends its server. The server
/// stays a child of the shell, so that its id cannot become another's before.
const GUARD: &str = r#"cd "$0" && { "$@" </dev/null >log 2>&1 & echo $!; read _; kill -9 $! 2>/dev/null; }"#;

#[derive(Debug)]
pub struct Process {
    pub port: u16,
    directory: PathBuf,
    shell: Child,
    _open: ChildStdin,
    pid: u32,
}

impl Process {
    /// redis-server on this port with these arguments, in a directory of its own.
    pub fn start(port: u16, arguments: &[&str]) -> Self {
        let directory = std::env::temp_dir().join(format!("helpline-redis-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&directory).expect("a temporary directory can be made");
        Self::start_in(directory, port, arguments)
    }

    fn start_in(directory: PathBuf, port: u16, arguments: &[&str]) -> Self {
        let mut shell = Command::new("sh")
            .args(["-c", GUARD])
            .arg(&directory)
            .arg("redis-server")
            .args(arguments)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell starts");
        let mut pid = String::new();
        let answer = shell.stdout.take().expect("it is piped");
        BufReader::new(answer).read_line(&mut pid).expect("the shell tells the process id");
        let open = shell.stdin.take().expect("it is piped");
        let pid = pid.trim().parse().expect("the process id is a number");
        Self { port, directory, shell, _open: open, pid }
    }

    /// As `sentinel.conf` has it, which a sentinel writes to.
    pub fn start_sentinel(port: u16, lines: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("helpline-sentinel-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&directory).expect("a temporary directory can be made");
        std::fs::write(directory.join("sentinel.conf"), lines).expect("the configuration is written");
        Self::start_in(directory, port, &["sentinel.conf", "--sentinel"])
    }

    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn kill(&self) {
        self.signal("-KILL");
    }

    /// It neither answers nor ends, until [`Process::thaw`].
    pub fn freeze(&self) {
        self.signal("-STOP");
    }

    pub fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.pid.to_string()]).status();
        assert!(status.is_ok_and(|status| status.success()), "the server gets its signal");
    }

    /// An answer of the server, or why there is none.
    pub async fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> redis::RedisResult<T> {
        let asking = async {
            let client = redis::Client::open(self.url())?;
            let mut connection = client.get_multiplexed_async_connection().await?;
            let mut command = redis::cmd(words[0]);
            command.arg(&words[1..]).query_async(&mut connection).await
        };
        let in_time = tokio::time::timeout(std::time::Duration::from_secs(2), asking).await;
        in_time.unwrap_or_else(|_| Err((redis::ErrorKind::Io, "no answer").into()))
    }

    pub async fn tell(&self, words: &[&str]) {
        self.ask::<redis::Value>(words).await.unwrap_or_else(|error| panic!("{words:?}: {error}"));
    }

    pub async fn is_primary(&self) -> bool {
        let role = self.ask::<Vec<redis::Value>>(&["ROLE"]).await;
        role.is_ok_and(|role| role.first() == Some(&redis::Value::BulkString(b"master".to_vec())))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", &self.pid.to_string()]).stderr(Stdio::null()).status();
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A port that nothing listens on and that this process has given to nobody. Below those that the kernel gives out by
/// itself (32768 and up), so that no connection of another test takes it before its server does.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = fastrand::u16(15_000..32_000);
        let new = GIVEN.lock().expect("nothing panics under the lock").insert(port);
        if new && std::net::TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
