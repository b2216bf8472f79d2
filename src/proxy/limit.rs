//! What Discord says of the gateway, asked again and again: the day's budget for the identify queue, how many sessions
//! may begin at once, where the gateway is, and how many gateway shards are recommended.
//! Source: <https://discord.com/developers/docs/events/gateway#get-gateway-bot>.

use std::time::Duration;

use helpline_cluster::identify::Identifies;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::kept::{Facts, Found, Kept};
use super::metrics;
use super::rest::Rest;
use super::setup::{Gateway, Known, Said};

/// How often it is asked although nobody wants it.
const EVERY: Duration = Duration::from_secs(600);
/// Two requests are so far apart at least. Discord answers twice in five seconds.
const LEAST: Duration = Duration::from_secs(5);
/// After Discord did not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(60);
/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Asks, and passes on what it hears.
pub(super) struct Asking {
    pub identifies: Identifies,
    pub rest: Rest,
    pub kept: Kept,
    /// What the start went on with.
    pub known: Known,
    /// Where connections are opened.
    pub address: watch::Sender<String>,
}

/// Why to ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Why {
    /// The start went on without; another proxy may have been told since.
    Owed,
    /// The identify queue does not know what is left.
    Wanted,
    Time,
}

impl Asking {
    /// Tells the identify queue and the metrics what the start knew.
    pub async fn begin(&self) {
        gauge(self.known.facts.shards);
        match self.known.said {
            Said::Now(limit) => {
                if let Err(error) = self.identifies.learn(limit).await {
                    tracing::warn!(%error, "the identify queue learns later how many sessions are left");
                }
            }
            // What is left stands in Redis.
            Said::Lately | Said::Before => {
                self.identifies.set_max_concurrency(self.known.facts.max_concurrency);
            }
        }
    }

    /// Keeps the identify queue informed until `stop`.
    pub async fn keep(mut self, stop: CancellationToken) {
        let mut budget = self.identifies.budget();
        let mut why = if self.known.said == Said::Before { Why::Owed } else { Why::Time };
        let mut due = after(if why == Why::Owed { LEAST } else { EVERY });
        loop {
            budget.mark_unchanged();
            let seen = *budget.borrow();
            ::metrics::gauge!(metrics::IDENTIFIES_LEFT).set(seen.left.map_or(f64::NAN, f64::from));
            ::metrics::gauge!(metrics::IDENTIFIES_LOW).set(u8::from(seen.low));
            let why_now = tokio::select! {
                () = stop.cancelled() => return,
                _ = budget.changed() => continue,
                () = self.identifies.wanted() => Why::Wanted,
                () = tokio::time::sleep_until(due) => why,
            };
            due = if self.ask(why_now, &stop).await {
                why = Why::Time;
                after(EVERY)
            } else {
                after(AFTER_FAILURE)
            };
            let _ = stop.run_until_cancelled(tokio::time::sleep(LEAST)).await;
        }
    }

    /// Whether it was answered.
    async fn ask(&mut self, why: Why, stop: &CancellationToken) -> bool {
        if why == Why::Owed
            && let Some(found) = self.kept.read().await.filter(Found::is_fresh)
        {
            self.take(found.facts);
            return true;
        }
        match Gateway::ask(&self.rest, PATIENCE, stop).await {
            Ok(gateway) => {
                if let Err(error) = self.identifies.learn(gateway.limit()).await {
                    tracing::debug!(%error, "the identify queue cannot be told what Discord says");
                }
                let facts = gateway.facts(self.known.facts.me);
                self.kept.save(&facts).await;
                self.take(facts);
                true
            }
            Err(error) => {
                if !stop.is_cancelled() {
                    tracing::warn!("cannot read how many sessions are left today: {error:#}");
                }
                false
            }
        }
    }

    fn take(&mut self, facts: Facts) {
        self.identifies.set_max_concurrency(facts.max_concurrency);
        if facts.url != self.known.facts.url {
            tracing::info!(
                "Discord's gateway has another address now; connections opened from now on use it"
            );
            self.address.send_replace(facts.url.clone());
        }
        if facts.shards != self.known.facts.shards {
            let recommended = facts.shards;
            gauge(recommended);
            tracing::warn!(
                recommended,
                "Discord recommends another number of gateway shards; \
                 `helpline gateway-shards set {recommended}` changes it while everything runs"
            );
        }
        self.known.facts = facts;
    }
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is for looking at")]
fn gauge(recommended: u32) {
    ::metrics::gauge!(metrics::RECOMMENDED).set(recommended as f32);
}

/// So that several proxies do not ask at once.
fn after(pause: Duration) -> Instant {
    Instant::now() + pause.mul_f64(0.8 + 0.2 * fastrand::f64())
}
