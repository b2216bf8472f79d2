//! Redis servers of the test's own, which it may kill: one, a primary with replicas and sentinels, a Redis Cluster.

#![allow(dead_code, reason = "each test binary uses a part of this")]

pub mod clustered;
pub mod process;
pub mod sentinels;

use std::process::{Child, Command, Stdio};

use crate::support::eventually;

/// Keeps its data in an append-only file.
#[derive(Debug)]
pub struct PrivateRedis {
    pub url: String,
    port: u16,
    directory: std::path::PathBuf,
    process: Child,
}

impl PrivateRedis {
    pub async fn start() -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        drop(listener);
        let directory = std::env::temp_dir().join(format!("helpline-redis-{:016x}", fastrand::u64(..)));
        std::fs::create_dir(&directory).expect("a temporary directory can be made");
        let process = spawn(port, &directory);
        let server = Self { url: format!("redis://127.0.0.1:{port}"), port, directory, process };
        server.ready().await;
        server
    }

    pub fn kill(&mut self) {
        self.process.kill().expect("the server is killed");
        self.process.wait().expect("the server ends");
    }

    pub async fn start_again(&mut self) {
        self.process = spawn(self.port, &self.directory);
        self.ready().await;
    }

    async fn ready(&self) {
        let client = redis::Client::open(self.url.as_str()).expect("the url is a Redis url");
        eventually("the private Redis answers", async || {
            let mut connection = client.get_multiplexed_async_connection().await.ok()?;
            redis::cmd("PING").exec_async(&mut connection).await.ok()
        })
        .await;
    }
}

impl Drop for PrivateRedis {
    fn drop(&mut self) {
        // It may have been killed before.
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn spawn(port: u16, directory: &std::path::Path) -> Child {
    Command::new("redis-server")
        .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
        .args(["--appendonly", "yes", "--appendfsync", "always", "--dir"])
        .arg(directory)
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed: run `make test`")
}
