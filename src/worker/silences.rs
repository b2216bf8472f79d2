//! Conversations whose asker is silent: the owner of the shard warns, and later closes, by what stands in the database.
//!
//! Promise: a silence is warned of once and closed once, over whatever takeovers, because its row is looked at again under the
//! fence and its effects are named by the moment at which the silence began. Nobody is given up while it is not his turn.

use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::claims::Claims;
use helpline_cluster::fence::{Fence, FencedTx};
use helpline_cluster::ids::ServerId;
use time::OffsetDateTime;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Shared;
use super::apply::{Error, store_actions};
use super::counts::Counts;
use super::moving::is_elsewhere;
use crate::conversation::command::{Command, Due};
use crate::conversation::state::Next;
use crate::conversation::store::{self, silences, tickets};
use crate::deliver::outbox::Lane;
use crate::server_config::Patience;
use crate::texts::Lang;

/// How late a silence is noticed at the most, when nothing is in the way.
const EVERY: Duration = Duration::from_secs(5);

/// Looks at the silences of the shards that this worker owns, until cancelled.
pub async fn run(shared: Arc<Shared>, claims: Claims, cancel: CancellationToken) {
    loop {
        let pause = tokio::time::sleep(EVERY.mul_f64(0.5 + fastrand::f64() / 2.0));
        if cancel.run_until_cancelled(pause).await.is_none() {
            return;
        }
        let fences = claims.running();
        let look = look(&shared, &fences, OffsetDateTime::now_utc());
        match cancel.run_until_cancelled(look).await {
            Some(Err(error)) => {
                tracing::warn!(%error, "looking at conversations that fell silent; again later")
            }
            Some(Ok(())) => {}
            None => return,
        }
    }
}

/// Deals with what is due at this moment.
///
/// # Errors
/// When the list cannot be read, or for what is wrong with one of them; the others are dealt with.
pub async fn look(shared: &Shared, fences: &[Fence], now: OffsetDateTime) -> Result<(), Error> {
    let shards: Vec<_> = fences.iter().map(|fence| fence.shard).collect();
    let mut failed = Ok(());
    for (shard, server, conversation) in silences::due(&shared.pool, &shards, now).await? {
        let Some(fence) = fences.iter().find(|fence| fence.shard == shard) else { continue };
        match one(shared, fence, server, conversation, now).await {
            Ok(true) => shared.tickets.wake(shard),
            Ok(false) => {}
            // Its next owner looks at it.
            Err(error) if error.is_superseded() || error.is_unknown() || is_elsewhere(&error) => {}
            Err(error) => failed = Err(error),
        }
    }
    failed
}

/// Looks at one of them. True: there is something to carry out.
async fn one(
    shared: &Shared,
    fence: &Fence,
    server: ServerId,
    id: Uuid,
    now: OffsetDateTime,
) -> Result<bool, Error> {
    let config = shared.configs.get(server).await?;
    // Where support is switched off the bot says nothing, and nobody waits for it.
    let patience = if config.enabled { config.patience() } else { Patience::default() };
    let mut tx = FencedTx::begin_for(&shared.pool, fence, server).await?;
    // The ticket first, as everybody locks them.
    let ticket = match silences::open_ticket(&mut tx, server, id).await? {
        Some(ticket) => tickets::load(&mut tx, server, ticket).await?.map(|(ticket, _)| ticket),
        None => None,
    };
    let conversation = store::load(&mut tx, server, id).await?;
    let Some(warned_at) = silences::still_due(&mut tx, server, id, now).await? else { return Ok(false) };
    let Some(conversation) = conversation else {
        silences::forget(&mut tx, server, id).await?;
        tx.commit().await?;
        return Ok(false);
    };
    let due = match conversation.next(patience, warned_at, now) {
        Next::Due(due) => due,
        Next::Later(at) => {
            silences::look_again(&mut tx, server, id, at, None).await?;
            tx.commit().await?;
            return Ok(false);
        }
        Next::Nothing => {
            silences::forget(&mut tx, server, id).await?;
            tx.commit().await?;
            return Ok(false);
        }
    };
    let asked = conversation.last_question().map(|(_, text)| text);
    let lang = asked.map_or_else(|| Lang::of_server(&config), |text| Lang::of_text(text, &config));
    let (conversation, actions) = conversation.apply(Command::Silence { due, ticket, at: now, lang });
    let lane = Lane { server, conversation: Some(id) };
    store::save(&mut tx, server, &conversation, "", patience).await?;
    match due {
        Due::Warning { closes_at } => {
            silences::look_again(&mut tx, server, id, closes_at, Some(now)).await?;
        }
        Due::Close => silences::forget(&mut tx, server, id).await?,
    }
    let mut counts = Counts::default();
    counts.note(server, &actions, now);
    store_actions(&mut tx, lane, actions).await?;
    counts.store(&mut tx).await?;
    tx.commit().await?;
    Ok(true)
}
