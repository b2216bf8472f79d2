//! Wakes the lanes of conversations whose ticket was changed by somebody else than the owner of the shard: a dashboard.
//!
//! The trigger leaves an effect in the outbox and notifies. The notification is a hint whose words are not read: what
//! waits is looked at in the outbox, and that often anyway.

use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::database::Database;
use helpline_cluster::ids::ShardId;
use sqlx::postgres::PgListener;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::Shared;

const CHANNEL: &str = "forwarded_ticket_changed";
/// How late a change is shown without notifications.
const POLL_EVERY: Duration = Duration::from_secs(5);

/// Listens and polls, until cancelled.
pub async fn watch(shared: Arc<Shared>, session_url: String, cancel: CancellationToken) {
    let hints = Notify::new();
    tokio::select! {
        () = cancel.cancelled() => {}
        () = listen(&hints, &session_url) => {}
        () = look(&shared, &hints) => {}
    }
}

async fn look(shared: &Shared, hints: &Notify) {
    let mut every = tokio::time::interval(POLL_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = every.tick() => {}
            () = hints.notified() => {}
        }
        match shards(&shared.pool).await {
            Ok(shards) => shards.into_iter().for_each(|shard| shared.tickets.wake(shard)),
            Err(error) => tracing::debug!(%error, "looking for tickets that were changed"),
        }
    }
}

async fn listen(hints: &Notify, session_url: &str) {
    loop {
        if let Err(error) = listen_once(hints, session_url).await {
            tracing::debug!(%error, "no notifications of changed tickets; polling goes on");
        }
        tokio::time::sleep(POLL_EVERY).await;
    }
}

async fn listen_once(hints: &Notify, session_url: &str) -> sqlx::Result<()> {
    let mut listener = PgListener::connect(session_url).await?;
    listener.listen(CHANNEL).await?;
    loop {
        // None = the connection was lost and made again: something may have been missed.
        listener.try_recv().await?;
        hints.notify_one();
    }
}

/// The shards for which a changed ticket waits to be shown.
async fn shards(database: &Database) -> sqlx::Result<Vec<ShardId>> {
    let rows = sqlx::query_file_scalar!("src/worker/sql/changed_tickets.sql")
        .fetch_all(database.read().await?.conn())
        .await?;
    Ok(rows.into_iter().map(ShardId::from_db).collect())
}
