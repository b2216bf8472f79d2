//! What members are told who have no server yet: as the outbox of servers, without lanes.

use std::time::Duration;

use futures_util::StreamExt as _;
use helpline_cluster::fence::{Fence, FencedTx};
use time::OffsetDateTime;

use super::{AT_ONCE, PATIENCE};
use crate::deliver::client::Outcome;
use crate::deliver::look::Looked;
use crate::deliver::resend::{self, Known, Next, Repeat, Sought};
use crate::deliver::{Effect, nonce};
use crate::discord::{ChannelId, UserId};
use crate::worker::Shared;
use crate::worker::apply::Error;
use crate::worker::lanes::delivery::now_ms;

struct Row {
    id: i64,
    mark: String,
    effect: Effect,
    created_at: OffsetDateTime,
    tried_ago: Option<Duration>,
}

/// Stores an effect. A repetition of its event adds none.
pub async fn add(
    tx: &mut FencedTx,
    user: UserId,
    event_id: &str,
    name: &str,
    effect: &Effect,
) -> Result<(), Error> {
    let request = serde_json::to_value(effect).expect("an effect has string keys");
    sqlx::query!(
        "insert into helpline.dm_outbox (user_id, event_id, effect, request) values ($1, $2, $3, $4)
         on conflict (event_id, effect) do nothing",
        user.0.cast_signed(),
        event_id,
        name,
        request
    )
    .execute(tx.conn())
    .await?;
    Ok(())
}

/// Carries out what waits, each once; what Discord does not take now is left for the next time.
pub(super) async fn carry_out(shared: &Shared, fence: &Fence) -> Result<(), Error> {
    let waiting = sqlx::query!(
        "select id, event_id, effect, request, created_at,
             extract(epoch from now() - attempted_at)::float8 as tried_ago_s
         from helpline.dm_outbox order by id limit 50"
    )
    .fetch_all(shared.pool.read().await?.conn())
    .await?;
    let mut rows = Vec::new();
    for row in waiting {
        match serde_json::from_value(row.request) {
            Ok(effect) => rows.push(Row {
                id: row.id,
                mark: nonce(&row.event_id, &row.effect, 0),
                effect,
                created_at: row.created_at,
                tried_ago: row.tried_ago_s.map(|seconds| Duration::from_secs_f64(seconds.clamp(0.0, 1e9))),
            }),
            Err(error) => {
                tracing::error!(%error, "an effect of a direct message is unreadable and dropped");
                forget(shared, fence, row.id).await?;
            }
        }
    }
    let tried = futures_util::stream::iter(rows).map(|row| async move {
        match tokio::time::timeout(PATIENCE, attempt(shared, fence, &row)).await {
            Ok(done) => done,
            Err(_) => Ok(()),
        }
    });
    let done: Vec<Result<(), Error>> = tried.buffer_unordered(AT_ONCE).collect().await;
    done.into_iter().collect()
}

async fn attempt(shared: &Shared, fence: &Fence, row: &Row) -> Result<(), Error> {
    let known = Known { repeat: row.effect.repeat(), tried_ago: row.tried_ago, seen: None };
    let outcome = match resend::next(known, shared.repair.nonce_window) {
        Next::Done(_) => return forget(shared, fence, row.id).await,
        Next::Look => look(shared, fence, row).await,
        Next::Send => {
            if known.repeat == Repeat::WithinWindow && row.tried_ago.is_none() {
                tried(shared, fence, row.id).await?;
            }
            shared.client.carry_out(fence, &row.effect.at(now_ms()), &row.mark, None).await
        }
    };
    match outcome {
        Outcome::Done { .. } => forget(shared, fence, row.id).await,
        Outcome::NotThere => tried_now(shared, fence, row.id).await,
        Outcome::Superseded { .. } => Ok(()),
        Outcome::Again { .. } if OffsetDateTime::now_utc() - row.created_at <= row.effect.patience() => {
            Ok(())
        }
        Outcome::Again { reason, .. } | Outcome::GiveUp { reason } => {
            tracing::warn!(reason, "{} in direct messages is given up", row.effect.name());
            forget(shared, fence, row.id).await
        }
    }
}

async fn look(shared: &Shared, fence: &Fence, row: &Row) -> Outcome {
    let (Effect::Post { channel, .. } | Effect::ChooseServer { channel, .. }) = &row.effect else {
        return Outcome::NotThere;
    };
    let channel: ChannelId = *channel;
    let tried_at = OffsetDateTime::now_utc() - row.tried_ago.unwrap_or_default();
    let sought = Sought::of(&row.effect, &row.mark);
    let bot = *shared.identity.borrow();
    match shared.client.look(fence, channel, tried_at, sought, bot).await {
        Looked::Found(message) => Outcome::Done { message: Some(message) },
        Looked::NotThere => Outcome::NotThere,
        Looked::Again { after, reason } => Outcome::Again { after, reason },
        Looked::Superseded { stands } => Outcome::Superseded { stands },
    }
}

/// Before anybody can have seen it.
async fn tried(shared: &Shared, fence: &Fence, id: i64) -> Result<(), Error> {
    let mut tx = FencedTx::begin(&shared.pool, fence).await?;
    sqlx::query!(
        "update helpline.dm_outbox set attempted_at = coalesce(attempted_at, now()) where id = $1",
        id
    )
    .execute(tx.conn())
    .await?;
    Ok(tx.commit().await?)
}

/// It was looked for in vain: what counts from now on is the next attempt.
async fn tried_now(shared: &Shared, fence: &Fence, id: i64) -> Result<(), Error> {
    let mut tx = FencedTx::begin(&shared.pool, fence).await?;
    sqlx::query!("update helpline.dm_outbox set attempted_at = now() where id = $1", id)
        .execute(tx.conn())
        .await?;
    Ok(tx.commit().await?)
}

async fn forget(shared: &Shared, fence: &Fence, id: i64) -> Result<(), Error> {
    let mut tx = FencedTx::begin(&shared.pool, fence).await?;
    sqlx::query!("delete from helpline.dm_outbox where id = $1", id).execute(tx.conn()).await?;
    Ok(tx.commit().await?)
}
