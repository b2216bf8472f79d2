//! What workers have to know of Discord and cannot ask for without the token: who the bot is.

use std::time::Duration;

use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::Connection;
use tokio_util::sync::CancellationToken;

use super::ingest::Identity;

/// Keeps the bot's user id where workers look for it: they have no token to ask Discord with.
pub(super) async fn tell_workers(
    mut redis: Connection,
    keys: Keys,
    me: Identity,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let told: redis::RedisResult<()> =
            redis::cmd("SET").arg(keys.bot_user()).arg(me.user_id).query_async(&mut redis).await;
        if let Err(error) = told {
            tracing::debug!(%error, "workers cannot be told who the bot is");
        }
        // Repeated, because Redis may be wiped, and a new worker applies nothing before it knows.
        if stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_none() {
            return Ok(());
        }
    }
}
