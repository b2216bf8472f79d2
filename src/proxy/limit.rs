//! What Discord says about sessions, read again and again: the day's budget for the identify queue, and how many
//! gateway shards it recommends.
//! Source: <https://discord.com/developers/docs/events/gateway#get-gateway-bot>.

use std::time::Duration;

use helpline_cluster::identify::{Identifies, Limit};
use tokio_util::sync::CancellationToken;

use super::metrics;
use super::rest::Rest;
use super::setup::{Gateway, Setup};

/// How often it is read although nobody asks for it.
const EVERY: Duration = Duration::from_secs(600);
/// Two requests are so far apart at least.
const LEAST: Duration = Duration::from_secs(5);
/// How long one reading may take.
const PATIENCE: Duration = Duration::from_secs(30);

impl Gateway {
    /// For the identify queue.
    pub fn limit(&self) -> Limit {
        let limit = &self.session_start_limit;
        Limit {
            total: limit.total,
            remaining: limit.remaining,
            reset_after: Duration::from_millis(limit.reset_after),
            max_concurrency: limit.max_concurrency,
        }
    }
}

/// Keeps the identify queue informed until `stop`.
pub async fn keep(identifies: Identifies, rest: Rest, mut recommended: u32, stop: CancellationToken) {
    #[expect(clippy::cast_precision_loss, reason = "a gauge is for looking at")]
    let gauge = |count: u32| ::metrics::gauge!(metrics::RECOMMENDED).set(count as f32);
    gauge(recommended);
    let mut budget = identifies.budget();
    loop {
        budget.mark_unchanged();
        let seen = *budget.borrow();
        ::metrics::gauge!(metrics::IDENTIFIES_LEFT).set(seen.left.map_or(f64::NAN, f64::from));
        ::metrics::gauge!(metrics::IDENTIFIES_LOW).set(u8::from(seen.low));
        let ask = tokio::select! {
            () = stop.cancelled() => return,
            _ = budget.changed() => false,
            () = identifies.wanted() => true,
            () = tokio::time::sleep(EVERY.mul_f64(0.8 + 0.2 * fastrand::f64())) => true,
        };
        if !ask {
            continue;
        }
        match Setup::new(&rest, PATIENCE, &stop).gateway().await {
            Ok(gateway) => {
                if let Err(error) = identifies.learn(gateway.limit()).await {
                    tracing::debug!(%error, "the identify queue cannot be told what Discord says");
                }
                if gateway.shards != recommended {
                    recommended = gateway.shards;
                    gauge(recommended);
                    tracing::warn!(
                        recommended,
                        "Discord recommends another number of gateway shards; \
                         `helpline gateway-shards set {recommended}` changes it while everything runs"
                    );
                }
            }
            Err(error) if stop.is_cancelled() => tracing::debug!(%error, "stopped"),
            Err(error) => tracing::warn!("cannot read how many sessions are left today: {error:#}"),
        }
        let _ = stop.run_until_cancelled(tokio::time::sleep(LEAST)).await;
    }
}
