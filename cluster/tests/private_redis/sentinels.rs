//! A primary with two replicas, watched by three sentinels.

use super::process::{Process, free_port};
use crate::support::eventually;

const NAME: &str = "main";

#[derive(Debug)]
pub struct Sentinels {
    pub servers: Vec<Process>,
    pub sentinels: Vec<Process>,
}

impl Sentinels {
    pub async fn start() -> Self {
        let first = free_port();
        let primary = Process::start(first, &["--save", "", "--repl-diskless-sync-delay", "0"]);
        let replica = || {
            let of = ["--save", "", "--repl-diskless-sync-delay", "0", "--replicaof", "127.0.0.1"];
            Process::start(free_port(), &[of.as_slice(), &[&first.to_string()]].concat())
        };
        let servers = vec![primary, replica(), replica()];
        eventually("both replicas follow", async || {
            let info: String = servers[0].ask(&["INFO", "replication"]).await.ok()?;
            (info.matches("state=online").count() == 2).then_some(())
        })
        .await;
        let watch = format!(
            "sentinel monitor {NAME} 127.0.0.1 {first} 2\n\
             sentinel down-after-milliseconds {NAME} 1000\n\
             sentinel failover-timeout {NAME} 6000\n"
        );
        let sentinels = (0..3).map(|_| Process::start_sentinel(free_port(), &watch)).collect();
        let all = Self { servers, sentinels };
        eventually("the sentinels know each other and the replicas", async || {
            for sentinel in &all.sentinels {
                let told: std::collections::HashMap<String, String> =
                    sentinel.ask(&["SENTINEL", "MASTER", NAME]).await.ok()?;
                let knows = |what: &str| told.get(what).map(String::as_str) == Some("2");
                (knows("num-slaves") && knows("num-other-sentinels")).then_some(())?;
            }
            Some(())
        })
        .await;
        all
    }

    pub fn url(&self) -> String {
        let ports: Vec<String> =
            self.sentinels.iter().map(|sentinel| format!("127.0.0.1:{}", sentinel.port)).collect();
        format!("redis+sentinel://{}/{NAME}", ports.join(","))
    }

    /// The server that most sentinels call primary, once it calls itself so.
    pub async fn primary(&self) -> &Process {
        eventually("the sentinels have a primary", async || {
            let mut named = Vec::new();
            for sentinel in &self.sentinels {
                let told = sentinel.ask::<Vec<String>>(&["SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME]).await;
                named.extend(told.ok().and_then(|told| told.get(1)?.parse::<u16>().ok()));
            }
            let port = named.iter().find(|port| named.iter().filter(|other| other == port).count() >= 2)?;
            let server = self.servers.iter().find(|server| server.port == *port)?;
            server.is_primary().await.then_some(server)
        })
        .await
    }

    /// Waits until another than this one is primary.
    pub async fn primary_other_than(&self, port: u16) -> &Process {
        eventually("another server is primary", async || {
            let primary = self.primary().await;
            (primary.port != port).then_some(primary)
        })
        .await
    }

    /// A failover as an operator orders it.
    pub async fn fail_over(&self) {
        let before = self.primary().await.port;
        eventually("the sentinels take the order", async || {
            self.sentinels[0].ask::<redis::Value>(&["SENTINEL", "FAILOVER", NAME]).await.ok()
        })
        .await;
        self.primary_other_than(before).await;
    }
}
