//! Applies what is held of a server: the first of it under an ownership on trial, because what ended the predecessor may
//! be among it, and event by event when that is so.

use helpline_cluster::ids::ServerId;

use super::{Arriving, Backoff, Stopped, TRIES, in_hand, moving, trial};
use crate::worker::apply::Error;
use crate::worker::trial::{Found, Place};

impl Arriving {
    /// Applies some of what is held of a server. True when more is held.
    pub(super) async fn drain_some(&mut self, server: ServerId) -> Result<bool, Stopped> {
        if self.tried.contains(&server) || self.first_held(server).await?.is_none() {
            return self.drain_next(server, false).await;
        }
        let (pool, fence) = (&self.shared.first, &self.lease.fence);
        let mut backoff = Backoff::new();
        let found = loop {
            self.wait_until_valid().await?;
            match trial::begin(pool, fence, Place::Held(server)).await.map_err(Error::from) {
                Ok(found) => break found,
                Err(error) => self.wait_out(error, server, &mut backoff).await?,
            }
        };
        let done = match found {
            Found::Nothing => self.drain_next(server, false).await,
            Found::Suspects { deaths, dead } => self.drain_with_care(server, deaths, dead).await,
        };
        // Also when the lease is over: it is no end of this process. Failing to say so makes the next owner careful.
        if let Err(error) = trial::end(&self.shared.first, &self.lease.fence, Place::Held(server)).await {
            tracing::debug!(%error, "ending the trial of what is held of {server}");
        }
        if done.is_ok() {
            self.tried.insert(server);
        }
        done
    }

    /// As many as an owner before this one can have had in one transaction.
    async fn drain_with_care(
        &mut self,
        server: ServerId,
        deaths: i32,
        dead: Option<String>,
    ) -> Result<bool, Stopped> {
        tracing::warn!("the last owners of {} ended at held events of {server}", self.lease.fence.shard);
        for _ in 0..moving::AT_ONCE {
            let Some(event) = self.first_held(server).await? else { break };
            if dead.as_ref() == Some(&event) {
                self.put_first_aside(server, trial::ENDED_ITS_OWNERS).await?;
                continue;
            }
            self.wait_until_valid().await?;
            // Without the marker, because Postgres is away, applying fails as well and is waited out there.
            let (pool, fence) = (&self.shared.first, &self.lease.fence);
            let permit = trial::suspect(pool, fence, Place::Held(server), &event, deaths).await;
            let more = self.drain_next(server, true).await?;
            drop(permit);
            if !more {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Applies the next held events, or with care the next one alone. True when more may be held.
    async fn drain_next(&mut self, server: ServerId, careful: bool) -> Result<bool, Stopped> {
        let mut backoff = Backoff::new();
        let mut failures = 0;
        loop {
            self.wait_until_valid().await?;
            let one = careful || failures > 0;
            let applying = moving::drain(&self.shared, &self.lease.fence, server, one, &self.moved_in);
            let drained = in_hand(&self.lease, trial::caught(applying)).await?;
            match drained.unwrap_or(Err(Error::Panicked)) {
                Ok(drained) => return Ok(self.drained(server, drained).await),
                Err(error) if error.is_about_the_event() && failures < TRIES => failures += 1,
                Err(error) if error.is_about_the_event() => {
                    self.put_first_aside(server, &error.to_string()).await?;
                    return Ok(true);
                }
                Err(error) => self.wait_out(error, server, &mut backoff).await?,
            }
        }
    }

    async fn put_first_aside(&mut self, server: ServerId, failure: &str) -> Result<(), Stopped> {
        let mut backoff = Backoff::new();
        loop {
            self.wait_until_valid().await?;
            let putting = moving::put_first_aside(&self.shared, &self.lease.fence, server, failure);
            match in_hand(&self.lease, putting).await? {
                Ok(()) => return Ok(()),
                // It waits for another shard by now.
                Err(error) if moving::is_elsewhere(&error) => return Ok(()),
                Err(error) => self.wait_out(error, server, &mut backoff).await?,
            }
        }
    }

    async fn first_held(&self, server: ServerId) -> Result<Option<String>, Stopped> {
        let mut backoff = Backoff::new();
        loop {
            match moving::first_held(&self.shared.first, self.lease.fence.shard, server).await {
                Ok(first) => return Ok(first),
                Err(error) => self.wait_out(error, server, &mut backoff).await?,
            }
        }
    }

    async fn wait_out(&self, error: Error, server: ServerId, backoff: &mut Backoff) -> Result<(), Stopped> {
        if error.is_superseded() {
            return Err(Stopped::Over);
        }
        if error.is_unknown() {
            tracing::warn!(%error, "{} is acquired anew", self.lease.fence.shard);
            return Err(Stopped::Doubt { above: None });
        }
        if backoff.is_first() {
            tracing::debug!(%error, "held events of {server} wait");
        }
        self.pause(backoff).await
    }
}
