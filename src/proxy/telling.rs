//! What workers have to know of Discord and cannot ask for without the token: who the bot is; and what operators want to know
//! of the proxies: whether they read the content of messages.

use std::time::Duration;

use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::Connection;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ingest::Identity;
use crate::message_content;

/// Keeps the bot's user id where workers look for it: they have no token to ask Discord with.
pub(super) async fn tell_workers(
    mut redis: Connection,
    keys: Keys,
    me: Identity,
    reads_content: bool,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let mut said: Option<Instant> = None;
    loop {
        let told: redis::RedisResult<()> =
            redis::cmd("SET").arg(keys.bot_user()).arg(me.user_id).query_async(&mut redis).await;
        if let Err(error) = told {
            tracing::debug!(%error, "workers cannot be told who the bot is");
        }
        if said.is_none_or(|said| said.elapsed() >= message_content::SAY_EVERY)
            && message_content::say(redis.clone(), &keys, "proxy", reads_content).await.is_ok()
        {
            said = Some(Instant::now());
        }
        // Repeated, because Redis may be wiped, and a new worker applies nothing before it knows.
        if stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_none() {
            return Ok(());
        }
    }
}
