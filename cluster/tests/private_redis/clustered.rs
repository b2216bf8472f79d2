//! A Redis Cluster: three primaries, each with a replica.

use super::process::{Process, free_port};
use crate::support::eventually;

#[derive(Debug)]
pub struct Clustered {
    pub nodes: Vec<Process>,
}

impl Clustered {
    pub async fn start() -> Self {
        let node = |_| {
            let bus = free_port().to_string();
            let arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "1000", "--save", ""];
            let more = ["--repl-diskless-sync-delay", "0", "--cluster-replica-validity-factor", "0"];
            Process::start(free_port(), &[&arguments[..], &more[..], &["--cluster-port", &bus]].concat())
        };
        let all = Self { nodes: (0..6).map(node).collect() };
        for node in &all.nodes {
            eventually("the node answers", async || node.ask::<String>(&["PING"]).await.ok()).await;
        }
        for (index, node) in (1_u32..).zip(&all.nodes) {
            node.tell(&["CLUSTER", "SET-CONFIG-EPOCH", &index.to_string()]).await;
        }
        for (primary, (from, to)) in all.nodes.iter().zip([(0, 5460), (5461, 10_922), (10_923, 16_383)]) {
            primary.tell(&["CLUSTER", "ADDSLOTSRANGE", &from.to_string(), &to.to_string()]).await;
        }
        let first = &all.nodes[0];
        for other in &all.nodes[1..] {
            let bus = other.ask::<Vec<String>>(&["CONFIG", "GET", "cluster-port"]).await.expect("it is set");
            first.tell(&["CLUSTER", "MEET", "127.0.0.1", &other.port.to_string(), &bus[1]]).await;
        }
        for (primary, replica) in all.nodes[..3].iter().zip(&all.nodes[3..]) {
            let id: String = primary.ask(&["CLUSTER", "MYID"]).await.expect("a node has an id");
            eventually("the replica knows its primary and follows it", async || {
                replica.ask::<redis::Value>(&["CLUSTER", "REPLICATE", &id]).await.ok()
            })
            .await;
        }
        all.whole().await;
        all
    }

    /// Waits until every node that answers sees all slots served and every replica there follows.
    pub async fn whole(&self) {
        eventually("the cluster is whole", async || {
            for node in &self.nodes {
                let Ok(info) = node.ask::<String>(&["CLUSTER", "INFO"]).await else { continue };
                (info.contains("cluster_state:ok") && info.contains("cluster_known_nodes:6")).then_some(())?;
                let info: String = node.ask(&["INFO", "replication"]).await.ok()?;
                (info.contains("role:master") || info.contains("master_link_status:up")).then_some(())?;
            }
            Some(())
        })
        .await;
    }

    pub fn url(&self) -> String {
        let ports: Vec<String> =
            self.nodes[..3].iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        format!("redis+cluster://{}", ports.join(","))
    }

    /// The primary of the key's slot and a replica that follows it.
    pub async fn of_key(&self, key: &str) -> (&Process, Option<&Process>) {
        eventually("the slot of the key is served", async || {
            for asked in &self.nodes {
                let Ok(slot) = asked.ask::<u16>(&["CLUSTER", "KEYSLOT", key]).await else { continue };
                let rows: Vec<Vec<redis::Value>> = asked.ask(&["CLUSTER", "SLOTS"]).await.ok()?;
                let row = rows.iter().find(|row| match (&row[0], &row[1]) {
                    (redis::Value::Int(from), redis::Value::Int(to)) => {
                        (*from..=*to).contains(&i64::from(slot))
                    }
                    _ => false,
                })?;
                let mut served = row[2..].iter().filter_map(|node| self.by_row(node));
                return Some((served.next()?, served.next()));
            }
            None
        })
        .await
    }

    fn by_row(&self, row: &redis::Value) -> Option<&Process> {
        let redis::Value::Array(row) = row else { return None };
        let redis::Value::Int(port) = row.get(1)? else { return None };
        self.nodes.iter().find(|node| i64::from(node.port) == *port)
    }

    /// The replica of the key's primary takes over, as an operator orders it.
    pub async fn fail_over(&self, key: &str) {
        let before = eventually("the replica takes the order", async || {
            let (before, replica) = self.of_key(key).await;
            replica?.ask::<String>(&["CLUSTER", "FAILOVER"]).await.ok().map(|_| before.port)
        })
        .await;
        self.primary_other_than(key, before).await;
    }

    /// Waits until another serves the key.
    pub async fn primary_other_than(&self, key: &str, port: u16) -> &Process {
        eventually("another node serves the key", async || {
            let (primary, _) = self.of_key(key).await;
            (primary.port != port && primary.is_primary().await).then_some(primary)
        })
        .await
    }
}
