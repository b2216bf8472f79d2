//! What an owner applies beside its stream: events that an operator wants again, and with care what may have ended its
//! predecessor.

use helpline_cluster::claims::steps::{self, Step};
use helpline_cluster::event_log::Entry;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::StreamId;

use super::{ShardLoop, Stopped};
use crate::metrics as names;
use crate::worker::Backoff;
use crate::worker::apply::{self, Error, Relevant};
use crate::worker::letters::{self, Letter};
use crate::worker::trial::{self, Found, Place};

impl ShardLoop {
    /// The first batch after an owner that did not release the shard, see [`trial`].
    pub(super) async fn on_trial(
        &mut self,
        entries: &[Entry],
        batch: &[Relevant],
        last: StreamId,
    ) -> Result<(), Stopped> {
        let mut backoff = Backoff::new();
        let found = loop {
            self.wait_until_valid().await?;
            match trial::begin(&self.shared.first, &self.lease.fence, Place::Stream)
                .await
                .map_err(Error::from)
            {
                Ok(found) => break found,
                Err(error) if error.is_superseded() => return Err(Stopped::Over),
                Err(error) if error.is_unknown() => return Err(self.doubt(&error)),
                Err(error) => self.wait_out(&error, &mut backoff).await?,
            }
        };
        steps::note(&self.lease.fence, Step::Tried);
        let done = match found {
            Found::Nothing => match self.try_apply(batch, last).await {
                Ok(Ok(())) => {
                    steps::note(&self.lease.fence, Step::Applied);
                    Ok(())
                }
                Ok(Err(_)) => self.one_by_one(entries).await,
                Err(stopped) => Err(stopped),
            },
            Found::Suspects { deaths, dead } => self.with_care(entries, deaths, dead).await,
        };
        // Also when the lease is over: it is no end of this process. Failing to say so makes the next owner careful.
        if let Err(error) = trial::end(&self.shared.first, &self.lease.fence, Place::Stream).await {
            tracing::debug!(%error, "ending the trial of {}", self.lease.fence.shard);
        }
        done
    }

    async fn with_care(
        &mut self,
        entries: &[Entry],
        deaths: i32,
        dead: Option<String>,
    ) -> Result<(), Stopped> {
        tracing::warn!(
            events = entries.len(),
            "the last owners of {} ended before they had applied anything: event by event",
            self.lease.fence.shard
        );
        for entry in entries {
            let id = entry.id.to_string();
            if dead.as_ref() == Some(&id) {
                self.put_aside(entry, trial::ENDED_ITS_OWNERS).await?;
                continue;
            }
            self.wait_until_valid().await?;
            // Without the marker, because Postgres is away, applying fails as well and is waited out there.
            let permit =
                trial::suspect(&self.shared.first, &self.lease.fence, Place::Stream, &id, deaths).await;
            self.one_by_one(std::slice::from_ref(entry)).await?;
            drop(permit);
        }
        Ok(())
    }

    /// Applies what an operator asked for again.
    pub(super) async fn replay(&mut self) -> Result<(), Stopped> {
        let letters = match letters::to_replay(&self.shared.first, self.lease.fence.shard).await {
            Ok(letters) => letters,
            Err(error) => {
                tracing::debug!(%error, "looking for events to be replayed");
                return Ok(());
            }
        };
        for letter in letters {
            self.wait_until_valid().await?;
            match self.replay_one(&letter).await {
                Ok(()) => metrics::counter!(names::REPLAYS, "result" => "applied").increment(1),
                Err(error) if error.is_superseded() => return Err(Stopped::Over),
                Err(error) if error.is_unknown() => return Err(self.doubt(&error)),
                Err(error) if error.is_about_the_event() => {
                    metrics::counter!(names::REPLAYS, "result" => "failed").increment(1);
                    tracing::warn!(%error, letter = letter.id, "a replayed event failed again");
                    if let Err(error) = self.replay_failed(&letter, &error.to_string()).await {
                        tracing::warn!(%error, letter = letter.id, "noting that a replay failed");
                    }
                }
                // Passing: tried again in a moment.
                Err(error) => tracing::debug!(%error, letter = letter.id, "replaying an event"),
            }
        }
        Ok(())
    }

    async fn replay_one(&mut self, letter: &Letter) -> Result<(), Error> {
        let event = match apply::parse(&letter.entry) {
            Ok(event) => event,
            Err(error) => {
                return self.replay_failed(letter, &format!("unreadable payload: {error}")).await;
            }
        };
        if event.is_some() && self.knows_the_bot().await.is_err() {
            return Ok(());
        }
        let applying = apply::replay(&self.shared, &self.lease.fence, event, letter.id);
        let lanes = trial::caught(applying).await.unwrap_or(Err(Error::Panicked))?;
        lanes.into_iter().for_each(|lane| self.lanes.kick(lane));
        Ok(())
    }

    async fn replay_failed(&self, letter: &Letter, failure: &str) -> Result<(), Error> {
        let mut tx = FencedTx::begin(&self.shared.first, &self.lease.fence).await?;
        letters::failed(&mut tx, letter.id, failure).await?;
        Ok(tx.commit().await?)
    }
}
