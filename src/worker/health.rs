//! Says on /readyz whether the worker can do its work: its membership, and whether its stores answer; and on /livez that what
//! claims shards is still there.

use std::fmt::Display;
use std::time::Duration;

use helpline_cluster::claims::Claims;
use helpline_cluster::database::Database;
use helpline_cluster::redis_link::RedisLink;
use tokio::time::{MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

use crate::admin::{Health, Readiness};

const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Stores are asked that often, and waited for so long.
const ASK_EVERY: Duration = Duration::from_secs(1);
const PATIENCE: Duration = Duration::from_secs(1);

/// Until `cancel`.
pub(super) async fn report(
    claims: &Claims,
    database: &Database,
    redis: &RedisLink,
    health: &Health,
    cancel: &CancellationToken,
) {
    tokio::select! {
        () = cancel.cancelled() => {}
        () = membership(claims, health) => {}
        () = store("postgres", health, || select_one(database)) => {}
        () = store("redis", health, || redis.ping()) => {}
    }
}

async fn membership(claims: &Claims, health: &Health) {
    let mut every = interval(LOOK_EVERY);
    let pulse = health.pulse("claims");
    loop {
        every.tick().await;
        if claims.runs() {
            pulse.beat();
        }
        let membership = match (claims.worker().is_some(), claims.liveness_fast()) {
            (false, _) => Readiness::Missing("joining the cluster, needs Postgres".to_owned()),
            (true, true) => Readiness::Ready,
            (true, false) => Readiness::Degraded(
                "DATABASE_SESSION_URL leads through a pooler: a crash is noticed after the lease's TTL only"
                    .to_owned(),
            ),
        };
        health.set("membership", membership);
    }
}

async fn store<E: Display, F: Future<Output = Result<(), E>>>(
    name: &'static str,
    health: &Health,
    ask: impl Fn() -> F,
) {
    let mut every = interval(ASK_EVERY);
    every.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        every.tick().await;
        let readiness = match timeout(PATIENCE, ask()).await {
            Ok(Ok(())) => Readiness::Ready,
            Ok(Err(error)) => Readiness::Missing(error.to_string()),
            Err(_) => Readiness::Missing(format!("no answer within {PATIENCE:?}")),
        };
        health.set(name, readiness);
    }
}

async fn select_one(database: &Database) -> Result<(), sqlx::Error> {
    sqlx::query("select 1").execute(database.read().await?.conn()).await.map(drop)
}
