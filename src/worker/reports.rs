//! A config that cannot be read is reported in the server itself, to those who can mend it: once a day at the most.
//!
//! Whoever reads such a config notes it ([`super::configs`]); the owner of the server's shard reports it. Promise: over
//! whatever takeovers a server hears of it once a day, by an event key that is taken in the transaction of the report.

use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::claims::Claims;
use helpline_cluster::fence::{Fence, FencedTx};
use helpline_cluster::ids::{ServerId, ShardId};
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::apply::Error;
use super::moving::is_elsewhere;
use crate::commands::config::texts;
use crate::deliver::outbox::{self, Lane};
use crate::deliver::{Effect, OutboxKey};
use crate::discord::GuildId;
use crate::server_config::Problem;
use crate::texts::{Lang, say};

const EVERY: Duration = Duration::from_secs(5);

/// Reports what was noted, until cancelled.
pub async fn run(shared: Arc<Shared>, claims: Claims, cancel: CancellationToken) {
    loop {
        let pause = tokio::time::sleep(EVERY.mul_f64(0.5 + fastrand::f64() / 2.0));
        if cancel.run_until_cancelled(pause).await.is_none() {
            return;
        }
        for (server, problems) in shared.configs.take_unreadable() {
            let fences = claims.running();
            let reported = report(&shared, &fences, server, &problems, OffsetDateTime::now_utc());
            match cancel.run_until_cancelled(reported).await {
                None => return,
                Some(Ok(())) => {}
                // Its owner reads the config too.
                Some(Err(error)) if error.is_superseded() || error.is_unknown() || is_elsewhere(&error) => {}
                Some(Err(error)) => {
                    tracing::debug!(%error, "reporting the config of {server}; again later");
                    shared.configs.note_unreadable(server, problems);
                }
            }
        }
    }
}

/// Reports it, unless the server is another worker's, or has heard of it today.
async fn report(
    shared: &Shared,
    fences: &[Fence],
    server: ServerId,
    problems: &[Problem],
    now: OffsetDateTime,
) -> Result<(), Error> {
    let shard =
        sqlx::query_scalar!("select shard_id from public.server_shards where server_id = $1", server.db())
            .fetch_optional(shared.pool.read().await?.conn())
            .await?;
    let fence = shard.and_then(|shard| fences.iter().find(|fence| fence.shard == ShardId::from_db(shard)));
    let Some(fence) = fence else { return Ok(()) };
    // Before the transaction begins: it must not hold its fence while it waits for another connection.
    let config = shared.configs.get(server).await?;
    let lang = Lang::of_server(&config);
    let mut tx = FencedTx::begin_for(&shared.pool, fence, server).await?;
    let event_id = format!("config:{}:{}", server.get(), now.unix_timestamp() / 86_400);
    if !tx.remember_event(&event_id).await? {
        return Ok(tx.rollback().await?);
    }
    let content =
        texts::fit(format!("{}\n-# {}", texts::trouble(lang, problems), say!(lang, "report-daily")));
    let effect = Effect::TellServer { server: GuildId(server.get()), content };
    let lane = Lane { server, conversation: None };
    outbox::add(&mut tx, lane, &OutboxKey { event_id, effect: "config", part: 0 }, &effect).await?;
    tx.commit().await?;
    shared.tickets.wake(fence.shard);
    Ok(())
}
