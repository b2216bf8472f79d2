//! Notices that Redis has lost a stream: an XREAD from a cursor above its end just returns nothing.

use std::sync::{Arc, LazyLock};

use redis::aio::ConnectionManager;
use redis::{RedisResult, Script};
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::{Context, Group};
use crate::redis_connections;

static LOST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/lost.lua")));

/// Checks every watched stream, once each period, until cancelled.
pub(super) async fn run(context: Context, groups: Vec<Arc<Group>>, cancel: CancellationToken) {
    let mut every = interval(context.settings.check_every);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let checking = async {
        let mut redis = None;
        loop {
            every.tick().await;
            if redis.is_none() {
                redis = redis_connections::shared_lazy(&context.client).ok();
            }
            let Some(redis) = &redis else { continue };
            for group in &groups {
                // Redis is away or loading: that says nothing about its streams.
                if let Err(error) = check(&context, group, redis).await {
                    tracing::debug!(%error, "whether the event logs are complete cannot be checked now");
                    break;
                }
            }
        }
    };
    let _: Option<std::convert::Infallible> = cancel.run_until_cancelled(checking).await;
}

async fn check(context: &Context, group: &Group, redis: &ConnectionManager) -> RedisResult<()> {
    let watched = group.all();
    if watched.is_empty() {
        return Ok(());
    }
    let mut call = LOST.prepare_invoke();
    for wanted in &watched {
        call.key(context.keys.stream(wanted.shard)).key(context.keys.incarnation(wanted.shard));
        call.arg(wanted.position.incarnation).arg(wanted.position.seq);
    }
    let lost: Vec<bool> = call.invoke_async(&mut redis.clone()).await?;
    for (wanted, _) in watched.iter().zip(lost).filter(|(_, lost)| *lost) {
        tracing::warn!("redis has lost the event log of {} as of {}", wanted.shard, wanted.position);
        metrics::counter!("helpline_log_lost_total").increment(1);
        group.with(wanted, |watch| watch.lost = true);
        group.changed.notify_one();
    }
    Ok(())
}
