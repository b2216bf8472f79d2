//! Carries the effects of a lane out: each seen once, whatever an earlier owner may have done before it ended.

use std::sync::PoisonError;
use std::time::Duration;

use helpline_cluster::fence::FencedTx;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{Flow, Inner, Lost};
use crate::deliver::Effect;
use crate::deliver::client::Outcome;
use crate::deliver::look::Looked;
use crate::deliver::outbox::{self, Lane};
use crate::deliver::resend::{self, Known, Next, Repeat, Sought};
use crate::discord::{ChannelId, MessageId};
use crate::metrics as names;
use crate::worker::Backoff;
use crate::worker::apply::Error;

impl Inner {
    /// Notes durably that these effects may be seen from now on; one transaction for all that are tried for the first
    /// time. Leaves out what is no longer to be done. None: the lease is over, and nothing is noted.
    pub(super) async fn about_to_try(
        &self,
        lane: Lane,
        mut rows: Vec<outbox::Row>,
    ) -> Result<Option<Vec<outbox::Row>>, Error> {
        let in_doubt = |row: &outbox::Row| {
            row.tried_ago.is_none()
                && row.request.as_ref().is_ok_and(|effect| effect.repeat() == Repeat::WithinWindow)
        };
        let new: Vec<i64> = rows.iter().filter(|row| in_doubt(row)).map(|row| row.id).collect();
        if new.is_empty() {
            return Ok(Some(rows));
        }
        let beginning = FencedTx::begin_for(&self.pool, &self.lease.fence, lane.server);
        let Some(tx) = self.lease.stop.run_until_cancelled(beginning).await else { return Ok(None) };
        let mut tx = tx?;
        let marked = outbox::mark_tried(&mut tx, lane.server, &new).await?;
        tx.commit().await?;
        rows.retain(|row| !new.contains(&row.id) || marked.contains(&row.id));
        Ok(Some(rows))
    }

    /// Carries one effect out, trying until it is done, hopeless, or the lease is over.
    pub(super) async fn deliver(&self, lane: Lane, row: outbox::Row) -> Result<Flow, Error> {
        let effect = match &row.request {
            Ok(effect) => effect,
            Err(error) => return self.give_up(lane, &row, &format!("unreadable request: {error}")).await,
        };
        let mut thread = self.thread_of(lane, effect).await?;
        let mark = row.nonce();
        let mut tried_at = row.tried_ago.map(|ago| Instant::now() - ago);
        let mut backoff = Backoff::new();
        loop {
            if !self.may_act().await {
                return Ok(Flow::Stop);
            }
            let known = Known {
                repeat: effect.repeat(),
                tried_ago: tried_at.map(|at| at.elapsed()),
                seen: self.confirmed.lock().unwrap_or_else(PoisonError::into_inner).get(&mark),
            };
            let attempt = async {
                let outcome = match resend::next(known, self.shared.repair.nonce_window) {
                    Next::Done(message) => Outcome::Done { message: Some(message) },
                    Next::Send => match self.replace(lane, &row, &mark).await? {
                        Some(outcome) => outcome,
                        None => self.send(lane, effect, &mark, &mut thread).await?,
                    },
                    Next::Look => self.look(effect, &mark, thread.id(), known.tried_ago).await,
                };
                Ok::<_, Error>(outcome)
            };
            let Some(outcome) = self.lease.stop.run_until_cancelled(attempt).await else {
                return Ok(Flow::Stop);
            };
            let outcome = outcome?;
            match outcome {
                Outcome::NotThere => {
                    let mut tx = FencedTx::begin_for(&self.pool, &self.lease.fence, lane.server).await?;
                    outbox::mark_not_there(&mut tx, lane.server, row.id).await?;
                    tx.commit().await?;
                    // As if never tried: what is sent next is sent at once.
                    tried_at = None;
                }
                Outcome::Done { message } => return self.done(lane, &row, effect, message).await,
                Outcome::GiveUp { reason } => return self.refused(lane, &row, thread, &reason).await,
                Outcome::Superseded { stands } => {
                    tracing::info!(
                        "the proxy knows {} at {stands}: its lanes stop at {}",
                        self.lease.fence.shard,
                        self.lease.fence.epoch
                    );
                    self.lose(Lost::Superseded { stands });
                    return Ok(Flow::Stop);
                }
                Outcome::Again { reason, .. }
                    if OffsetDateTime::now_utc() - row.created_at > effect.patience() =>
                {
                    return self.give_up(lane, &row, &reason).await;
                }
                Outcome::Again { after, reason } => {
                    tried_at.get_or_insert_with(Instant::now);
                    thread = thread.in_doubt();
                    if backoff.is_first() {
                        tracing::warn!(reason, event = row.event_id, "{} is tried again", effect.name());
                    }
                    let wait = backoff.wait_at_least(after.unwrap_or(Duration::ZERO));
                    if self.lease.stop.run_until_cancelled(wait).await.is_none() {
                        return Ok(Flow::Stop);
                    }
                }
            }
        }
    }

    /// Looks wherever an earlier attempt may have said it.
    async fn look(
        &self,
        effect: &Effect,
        mark: &str,
        thread: Option<ChannelId>,
        tried_ago: Option<Duration>,
    ) -> Outcome {
        let places: Vec<ChannelId> = match effect {
            Effect::Post { channel, fallback, .. } => {
                [Some(*channel), fallback.map(|(channel, _)| channel)].into_iter().flatten().collect()
            }
            Effect::PostInThread { channel, .. } => thread.into_iter().chain([*channel]).collect(),
            Effect::Replace { channel, else_in, .. } => vec![*channel, *else_in],
            Effect::Whisper { user, channel, .. } => {
                match self.shared.client.direct_channel(&self.lease.fence, *user).await {
                    Ok(direct) => direct.into_iter().chain([*channel]).collect(),
                    Err(outcome) => return outcome,
                }
            }
            Effect::PostToStaff { .. } => thread.into_iter().collect(),
            Effect::Relay { channel, staff_thread, .. } => vec![*channel, *staff_thread],
            Effect::EditOriginal { channel, .. } | Effect::Notice { channel, .. } => vec![*channel],
            _ => Vec::new(),
        };
        let tried_at = OffsetDateTime::now_utc() - tried_ago.unwrap_or_default();
        let bot = *self.shared.identity.borrow();
        let sought = Sought::of(effect, mark);
        let count = |result: &'static str| metrics::counter!(names::LOOKS, "result" => result).increment(1);
        for place in places {
            match self.shared.client.look(&self.lease.fence, place, tried_at, sought, bot).await {
                Looked::Found(message) => {
                    count("found");
                    return Outcome::Done { message: Some(message) };
                }
                Looked::NotThere => {}
                Looked::Again { after, reason } => return Outcome::Again { after, reason },
                Looked::Superseded { stands } => return Outcome::Superseded { stands },
            }
        }
        count("not_there");
        Outcome::NotThere
    }

    async fn done(
        &self,
        lane: Lane,
        row: &outbox::Row,
        effect: &Effect,
        message: Option<MessageId>,
    ) -> Result<Flow, Error> {
        let mut tx = FencedTx::begin_for(&self.pool, &self.lease.fence, lane.server).await?;
        if outbox::mark_sent(&mut tx, lane.server, row.id, message).await? {
            Self::note_ticket(&mut tx, lane, effect, message).await?;
        }
        tx.commit().await?;
        metrics::counter!(names::EFFECTS, "effect" => effect.name(), "result" => "done").increment(1);
        let took = OffsetDateTime::now_utc() - row.created_at;
        metrics::histogram!(names::DELIVERY_SECONDS).record(took.as_seconds_f64().max(0.0));
        Ok(Flow::Continue)
    }

    pub(super) async fn give_up(&self, lane: Lane, row: &outbox::Row, reason: &str) -> Result<Flow, Error> {
        tracing::error!(
            reason,
            server = lane.server.get(),
            event = row.event_id,
            "an effect ({}) could not be carried out and is given up",
            row.effect
        );
        let mut tx = FencedTx::begin_for(&self.pool, &self.lease.fence, lane.server).await?;
        outbox::mark_failed(&mut tx, lane.server, row.id, reason).await?;
        tx.commit().await?;
        metrics::counter!(names::EFFECTS, "effect" => "any", "result" => "given_up").increment(1);
        Ok(Flow::Continue)
    }
}

pub(in crate::worker) fn now_ms() -> i64 {
    i64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(i64::MAX)
}
