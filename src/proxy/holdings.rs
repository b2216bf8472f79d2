//! The gateway shards that this proxy holds: one [`GatewayTask`] for each lease, from the claim until it is given back.
//!
//! Promise: a lease is released only after everything that ran for it has ended, so that the next holder resumes from
//! a sequence that nobody moves any more.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::gateway_shards::{GatewayClaims, Lease, Report};
use helpline_cluster::ids::GatewayShard;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::metrics;
use super::task::{Done, GatewayTask};
use crate::admin::{Health, Readiness};

/// How long a stop waits for the gateway shards to be published and given back.
pub const DRAIN_DEADLINE: Duration = Duration::from_secs(12);
/// A task that ended although nobody asked it to is begun anew after this, by whoever claims.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// Those whose session is up.
pub(super) type Ups = Arc<watch::Sender<HashSet<GatewayShard>>>;

/// Runs the leases; see the module's documentation.
pub(super) struct Holdings<F> {
    pub claims: GatewayClaims,
    /// Makes what is to run for a lease.
    pub task: F,
    pub ups: Ups,
}

impl<F> Holdings<F>
where
    F: Fn(&Lease) -> GatewayTask + Send + Sync + 'static,
{
    /// Runs until `stop`, then gives everything back.
    ///
    /// # Errors
    /// When Discord will not have us whatever we repeat.
    pub async fn run(self, mut leases: mpsc::Receiver<Lease>, stop: CancellationToken) -> anyhow::Result<()> {
        let mut running = JoinSet::new();
        let mut result = Ok(());
        while result.is_ok() {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = running.join_next(), if !running.is_empty() => result = ended?,
                lease = leases.recv() => match lease {
                    Some(lease) => self.start(lease, &mut running),
                    None => break,
                },
            }
        }
        let mut leaving = std::pin::pin!(self.claims.drain(DRAIN_DEADLINE));
        let mut left = false;
        while !left || !running.is_empty() {
            tokio::select! {
                () = &mut leaving, if !left => left = true,
                Some(ended) = running.join_next(), if !running.is_empty() => {
                    let ended = ended?;
                    if result.is_ok() {
                        result = ended;
                    }
                }
                // Claimed before the peers were told.
                Some(lease) = leases.recv() => self.claims.release(&lease).await,
            }
        }
        result
    }

    fn start(&self, lease: Lease, running: &mut JoinSet<anyhow::Result<()>>) {
        let task = (self.task)(&lease);
        let (claims, ups) = (self.claims.clone(), Arc::clone(&self.ups));
        running.spawn(hold(task, lease, claims, ups));
    }
}

async fn hold(task: GatewayTask, mut lease: Lease, claims: GatewayClaims, ups: Ups) -> anyhow::Result<()> {
    let gateway = lease.gateway;
    let telling = {
        let (mut up, claims, ups) = (lease.up.subscribe(), claims.clone(), Arc::clone(&ups));
        tokio::spawn(async move {
            while up.changed().await.is_ok() {
                let is_up = *up.borrow_and_update();
                ups.send_if_modified(|ups| if is_up { ups.insert(gateway) } else { ups.remove(&gateway) });
                claims.look_again();
            }
        })
    };
    let done = task.run(&mut lease, &claims).await;
    telling.abort();
    ups.send_if_modified(|ups| ups.remove(&gateway));
    match done {
        Ok(Done::Retired) => claims.retire(&lease).await,
        Ok(Done::Stopped) => {
            if !lease.release.is_cancelled() {
                // Superseded in Redis, or the like: not at once again.
                let pause = AGAIN_AFTER.mul_f64(1.0 + fastrand::f64());
                let _ = lease.release.run_until_cancelled(tokio::time::sleep(pause)).await;
            }
            claims.release(&lease).await;
        }
        Err(error) => {
            claims.release(&lease).await;
            return Err(error);
        }
    }
    Ok(())
}

/// How many gateway shards there might be instead of those that serve.
#[derive(Clone, Copy)]
pub(super) struct Totals {
    /// By GATEWAY_SHARDS.
    pub set: Option<u32>,
    /// By Discord.
    pub recommended: u32,
}

impl Totals {
    /// What to tell the operator once the number that serves is known.
    fn advice(self, serving: u32) -> Option<String> {
        match self.set {
            Some(set) if set != serving => Some(format!(
                "{serving} gateway shards serve, GATEWAY_SHARDS={set} is not used: it counts at the very first start \
                 only; `helpline gateway-shards set {set}` changes the number while everything runs"
            )),
            None if self.recommended > serving => Some(format!(
                "{serving} gateway shards serve, Discord recommends {recommended}: \
                 `helpline gateway-shards set {recommended}` changes the number while everything runs",
                recommended = self.recommended
            )),
            _ => None,
        }
    }
}

/// Says on /readyz and in the metrics what this proxy holds, until `stop`.
pub(super) async fn announce(
    claims: &GatewayClaims,
    ups: &Ups,
    totals: Totals,
    health: &Health,
    stop: &CancellationToken,
) {
    let (mut report, mut up) = (claims.report(), ups.subscribe());
    let mut told = None;
    loop {
        let seen = report.borrow_and_update().clone();
        let serving = seen.serving.filter(|_| seen.rising.is_none());
        if serving.is_some() && serving != told {
            told = serving;
            if let Some(advice) = serving.and_then(|serving| totals.advice(serving)) {
                tracing::warn!("{advice}");
            }
        }
        let up_now = up.borrow_and_update().len();
        tell(&seen, up_now, health);
        tokio::select! {
            () = stop.cancelled() => return,
            Ok(()) = report.changed() => {}
            Ok(()) = up.changed() => {}
            else => return,
        }
    }
}

fn tell(report: &Report, up: usize, health: &Health) {
    health.set(
        "membership",
        match (report.joined, report.fast) {
            (false, _) => Readiness::Missing("joining the cluster, needs Postgres".to_owned()),
            (true, true) => Readiness::Ready,
            (true, false) => Readiness::Degraded(
                "DATABASE_SESSION_URL leads through a pooler: a crash is noticed after the lease's TTL only"
                    .to_owned(),
            ),
        },
    );
    let share = report.share;
    let complete = report.joined && up >= share;
    let missing = || Readiness::Missing(format!("{up} of {share} gateway shards have their session"));
    health.set("gateway", if complete { Readiness::Ready } else { missing() });
    health.set(
        "gateway_shards",
        match (report.unheld, report.rising) {
            (0, None) => Readiness::Ready,
            (0, Some(rising)) => Readiness::Degraded(format!(
                "their number changes from {} to {rising}",
                report.serving.unwrap_or_default()
            )),
            (unheld, _) => Readiness::Degraded(format!("{unheld} of {} are held by no proxy", report.all)),
        },
    );
    let gauge = |name: &'static str, value: usize| {
        #[expect(clippy::cast_precision_loss, reason = "a gauge is for looking at")]
        ::metrics::gauge!(name).set(value as f64);
    };
    gauge(metrics::GATEWAY_SHARDS_HELD, report.held);
    gauge(metrics::GATEWAY_SHARDS_UP, up);
    gauge(metrics::GATEWAY_SHARDS_UNHELD, report.unheld);
    gauge(metrics::PROXIES, report.proxies);
}

#[cfg(test)]
mod tests {
    use super::Totals;

    #[test]
    fn a_number_that_is_set_and_not_used_is_told_and_discords_where_none_is_set() {
        let advice = |set, recommended, serving| Totals { set, recommended }.advice(serving);
        assert_eq!(advice(Some(4), 2, 4), None);
        assert_eq!(advice(None, 2, 4), None);
        assert!(advice(Some(4), 2, 2).expect("it is told").contains("`helpline gateway-shards set 4`"));
        assert!(advice(None, 8, 4).expect("it is told").contains("Discord recommends 8"));
        assert_eq!(advice(Some(4), 8, 4), None, "who sets a number knows it");
    }
}
