//! A Redis of a test's own, which it may stop, kill and wipe. Keeps nothing on disk.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

#[derive(Debug)]
pub struct OwnRedis {
    process: Child,
    port: u16,
    pub url: String,
}

impl OwnRedis {
    pub fn start() -> Self {
        let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = free.local_addr().expect("an address").port();
        drop(free);
        Self { process: spawn(port), port, url: format!("redis://127.0.0.1:{port}") }
    }

    pub fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    pub fn signal(&self, signal: &str) {
        let sent =
            Command::new("kill").args([signal, &self.process.id().to_string()]).status().expect("kill runs");
        assert!(sent.success());
    }

    /// kill -9, and a new one on the same port, which knows nothing.
    pub fn restart(&mut self) {
        self.end();
        self.process = spawn(self.port);
    }

    pub fn wipe(&self) {
        let client = redis::Client::open(self.url.as_str()).expect("a URL");
        let _: () =
            redis::cmd("FLUSHALL").query(&mut client.get_connection().expect("it answers")).expect("wiped");
    }

    fn end(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for OwnRedis {
    fn drop(&mut self) {
        self.end();
    }
}

fn spawn(port: u16) -> Child {
    let process = Command::new("redis-server")
        .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--port", &port.to_string()])
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed: run `make test`");
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        std::thread::sleep(Duration::from_millis(20));
    }
    process
}
