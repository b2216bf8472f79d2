//! What runs for one gateway shard that this proxy holds: its connection, its publisher, and the repair of what it missed.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use helpline_cluster::event_log::{Publisher, Raised};
use helpline_cluster::gateway_session::{Session, SessionStore};
use helpline_cluster::gateway_shards::{GatewayClaims, Lease, Phase};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::backfill::Backfill;
use super::gaps::{Cause, Missed};
use super::gateway::{Fatal, Polling};
use super::permit::Permit;
use super::publish::{End, Publishing};

/// How what ran for a lease has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    /// The next holder resumes.
    Stopped,
    /// The session of a closing gateway shard has ended, and everything of it is published.
    Retired,
}

/// One gateway shard: its connection and its publisher.
pub(super) struct GatewayTask {
    pub backfill: Backfill,
    pub publisher: Publisher,
    pub sessions: SessionStore,
    pub polling: Polling,
}

impl GatewayTask {
    pub async fn run(self, lease: &mut Lease, claims: &GatewayClaims) -> anyhow::Result<Done> {
        let gateway = self.polling.gateway;
        // The epoch first: from then on no other proxy publishes or saves for this gateway shard.
        let Some(session) = self.take_over(lease, claims).await else { return Ok(Done::Stopped) };
        // The holder before may have known of moves that this process has not heard of.
        if lease.release.run_until_cancelled(self.polling.routes.read_anew()).await.is_none() {
            return Ok(Done::Stopped);
        }
        let link = Arc::clone(&self.polling.link);
        self.restore(session).await;
        let (polling_stop, no_more_events) = (lease.release.child_token(), CancellationToken::new());
        let permit = self.polling.permit.clone();
        let (gate, gated) = watch::channel(permit.phase());
        let publishing = Publishing {
            gateway,
            lease: lease.clone(),
            claims: claims.clone(),
            link: Arc::clone(&self.polling.link),
            publisher: self.publisher,
            sessions: self.sessions.for_epoch(lease.epoch),
            routes: Arc::clone(&self.polling.routes),
            permit: permit.behind(gated),
        };
        let publishing = tokio::spawn({
            let (no_more_events, polling_stop) = (no_more_events.clone(), polling_stop.clone());
            let phases = permit.clone();
            async move {
                let end = publish(publishing, gate, phases, no_more_events).await;
                polling_stop.cancel();
                end
            }
        });
        let filling = tokio::spawn(self.backfill.run(self.polling.up.subscribe(), polling_stop.clone()));
        let polled: Result<(), Fatal> = self.polling.run(polling_stop.clone()).await;
        let retired = permit.is_closing() && !polling_stop.is_cancelled();
        polling_stop.cancel();
        filling.await.context("the backfill panicked")?;
        link.let_go();
        no_more_events.cancel();
        match publishing.await.context("the publisher panicked")? {
            End::Superseded => {
                tracing::warn!("{gateway}: another proxy has taken it over; this one stops it")
            }
            End::Lost => {
                tracing::warn!("{gateway}: it may belong to another proxy by now; this one stops it")
            }
            End::Stopped { .. } if retired && polled.is_ok() => {
                tracing::info!("{gateway}: closed for good; everything is published");
                return Ok(Done::Retired);
            }
            End::Stopped { left: 0 } => tracing::info!("{gateway}: stopped; everything is published"),
            End::Stopped { left } => {
                tracing::warn!(left, "{gateway}: stopped; the next proxy gets what is left by resuming");
            }
        }
        match polled {
            Err(error @ (Fatal::InvalidShard(_) | Fatal::ShardingRequired))
                if permit.phase() == Phase::Held =>
            {
                tracing::error!("{error}; the change to {} gateway shards is given up", gateway.total);
                if let Err(error) = claims.abandon(gateway.total).await {
                    tracing::warn!(%error, "the change cannot be given up yet");
                }
                Ok(Done::Stopped)
            }
            polled => Ok(polled.map(|()| Done::Stopped)?),
        }
    }

    /// Goes on with what the holder before left: its session, or a gap where there is none.
    async fn restore(&self, session: Option<Session>) {
        let (gateway, link) = (self.polling.gateway, &self.polling.link);
        match session {
            Some(session) => {
                tracing::info!(sequence = session.sequence, "{gateway}: going on with the session of before");
                let untold = session.missed_since_ms.is_some();
                link.restore(session);
                self.backfill.before_resuming().await;
                if untold {
                    self.backfill.before_connecting().await;
                }
            }
            // An old set that still serves misses nothing.
            None if self.polling.permit.phase() == Phase::Serving => {
                link.miss(Missed::of_all(Cause::SessionUnknown, None));
                self.backfill.before_connecting().await;
            }
            None => {}
        }
    }

    /// Raises the epoch in Redis and reads the session; repeats while Redis is away. None: the lease is over.
    async fn take_over(&self, lease: &mut Lease, claims: &GatewayClaims) -> Option<Option<Session>> {
        let gateway = self.polling.gateway;
        let release = lease.release.clone();
        let mut told = false;
        loop {
            let taken = async {
                let eras = self.publisher.eras().await?;
                if !claims.holds(lease).await? {
                    return Ok(None);
                }
                match self.publisher.raise_gateway_epoch_to(gateway, lease.epoch, &eras).await? {
                    Raised::Stands => {}
                    Raised::Below(stands) => {
                        return Ok(claims.raise_epoch(lease, stands).await?.then_some(None));
                    }
                    Raised::EraOver => return Ok(Some(None)),
                }
                let session = self.sessions.for_epoch(lease.epoch).load(gateway).await?;
                anyhow::Ok(Some(Some(session)))
            };
            match release.run_until_cancelled(taken).await? {
                Ok(Some(Some(session))) => return Some(session),
                // Its epoch is higher now, or Redis has lost what was asked: once more.
                Ok(Some(None)) => continue,
                Ok(None) => return None,
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(%error, "{gateway}: cannot be taken over yet; trying again");
                }
                Err(_) => {}
            }
            let pause = Duration::from_millis(fastrand::u64(200..600));
            release.run_until_cancelled(tokio::time::sleep(pause)).await?;
        }
    }
}

/// Publishes until superseded or stopped. A phase gets to the publisher through the gate, once what it needs is there.
async fn publish(
    publishing: Publishing,
    gate: watch::Sender<Phase>,
    mut phases: Permit,
    no_more_events: CancellationToken,
) -> End {
    let (link, routes) = (Arc::clone(&publishing.link), Arc::clone(&publishing.routes));
    let passing_on = async {
        loop {
            let phase = phases.next().await;
            if phase == Phase::Serving {
                // The old set may have known of moves that this process has not heard of.
                routes.read_anew().await;
            }
            gate.send_replace(phase);
            link.look_again();
        }
    };
    tokio::select! {
        end = publishing.run(no_more_events) => end,
        () = passing_on => unreachable!("it loops for ever"),
    }
}
