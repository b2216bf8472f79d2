//! Measures how soon interactions are acknowledged that no worker answers: none lives, and Redis hangs from the middle on.

use std::time::Duration;

use helpline_sim::{Config, Phase};
use serde_json::json;

use crate::harness::Bench;
use crate::own_redis::OwnRedis;
use crate::support::TestRedis;

const INTERACTIONS: usize = 600;
const EVERY: Duration = Duration::from_millis(25);

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures"]
async fn bench_acknowledgment() {
    let redis = OwnRedis::start();
    let config = Config { servers: 20, ..Config::default() };
    let bench = Bench::on_redis(config, TestRedis::new(), redis.url.clone()).await;
    bench.begin_streams().await;
    for index in 0..20 {
        bench.place(&bench.server(index), 3, true).await;
    }
    let proxy = bench.start().await.ready().await;
    let mut asked = Vec::new();
    for n in 0..INTERACTIONS {
        if n == INTERACTIONS / 2 {
            redis.signal("-STOP");
        }
        let server = bench.server(n % 20);
        let options = [("question", json!("how do I restore a backup?"))];
        let member = server.members[n % server.members.len()];
        asked.push(
            bench.sim.slash(server.support_channel, member, "ask", &options).expect("the command exists"),
        );
        tokio::time::sleep(EVERY).await;
    }
    tokio::time::sleep(Duration::from_secs(4)).await;
    let mut after_ms: Vec<u64> = asked
        .iter()
        .filter_map(|id| match bench.sim.interaction(*id) {
            Some(Phase::Answered { after_ms, .. }) => Some(after_ms),
            _ => None,
        })
        .collect();
    after_ms.sort_unstable();
    let failed = bench.sim.counters().interactions_failed;
    println!(
        "no worker, Redis hanging for the second half: {} of {INTERACTIONS} acknowledged, {failed} not within 3 s; \
         p50 {} ms, p99 {} ms, max {} ms",
        after_ms.len(),
        after_ms[after_ms.len() / 2],
        after_ms[after_ms.len() * 99 / 100],
        after_ms.last().expect("some"),
    );
    redis.signal("-CONT");
    proxy.kill();
}
