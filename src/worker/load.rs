//! What each server costs: its events, and the seconds spent answering. Measured here by the owners, kept in
//! `helpline.server_load` outside every transaction of an owner, read by the leader. A hint: what a worker has not
//! written when it dies is lost.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use helpline_cluster::database::{Database, Unowned};
use helpline_cluster::event_log::Entry;
use helpline_cluster::ids::ServerId;
use tokio_util::sync::CancellationToken;

use super::Shared;

const FLUSH_EVERY: Duration = Duration::from_secs(5);
/// Servers measured between two flushes; the load of further ones is not counted.
const SERVERS_AT_MOST: usize = 100_000;

/// What was measured since the last flush: events and seconds, by server.
#[derive(Debug, Default)]
pub struct Load {
    amounts: Mutex<HashMap<ServerId, f64>>,
}

impl Load {
    pub fn events(&self, entries: &[Entry]) {
        for server in entries.iter().filter_map(|entry| entry.server) {
            self.add(server, 1.0);
        }
    }

    pub fn answered(&self, server: ServerId, took: Duration) {
        self.add(server, took.as_secs_f64());
    }

    fn add(&self, server: ServerId, amount: f64) {
        let mut amounts = self.amounts.lock().unwrap_or_else(PoisonError::into_inner);
        if amounts.len() < SERVERS_AT_MOST || amounts.contains_key(&server) {
            *amounts.entry(server).or_default() += amount;
        }
    }

    fn take(&self) -> HashMap<ServerId, f64> {
        std::mem::take(&mut *self.amounts.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Writes what was measured every few seconds, until cancelled.
pub async fn run(shared: Arc<Shared>, cancel: CancellationToken) {
    let mut going_on = true;
    while going_on {
        going_on = cancel.run_until_cancelled(tokio::time::sleep(FLUSH_EVERY)).await.is_some();
        let amounts = shared.load.take();
        if amounts.is_empty() {
            continue;
        }
        let (servers, amounts): (Vec<i64>, Vec<f64>) =
            amounts.into_iter().map(|(server, amount)| (server.db(), amount * 1_000.0)).unzip();
        let flushed = flush(&shared.pool, &servers, &amounts).await;
        if let Err(error) = flushed {
            tracing::debug!(%error, "the load of {} servers is not counted", servers.len());
        }
    }
}

async fn flush(database: &Database, servers: &[i64], amounts: &[f64]) -> sqlx::Result<()> {
    let mut conn = database.unowned(Unowned::PlacementHints).await?;
    sqlx::query_file!("src/worker/sql/flush_load.sql", servers, amounts).execute(conn.conn()).await?;
    Ok(())
}
