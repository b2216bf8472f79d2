//! Measures three proxies at Discord's limits under the load of twenty workers: what Discord refuses, and how much of the
//! global limit is used. `BENCH_SECONDS` (60) says for how long.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use helpline_cluster::keys::Keys;
use helpline_sim::{Config, Simulator};
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::shared_limits::{SETTINGS, fronts};
use crate::support::TestRedis;

const WORKERS: usize = 20;
/// Requests that each worker has under way at once.
const LANES: usize = 8;
const SERVERS: usize = 200;
const LIMIT: f64 = 50.0;

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures for a minute"]
async fn bench_rest_limits() {
    let seconds = std::env::var("BENCH_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(60);
    let latency = Duration::from_millis(20);
    let config = Config { servers: SERVERS, rest_latency: latency, ..Config::default() };
    let sim = Simulator::start(config).await.expect("the simulator starts");
    let redis = TestRedis::new();
    let fronts = Arc::new(fronts(&sim, &redis.url, &Keys::new(&redis.prefix), SETTINGS).await);
    let channels: Arc<Vec<u64>> =
        Arc::new(sim.servers().iter().map(|server| server.support_channel.get()).collect());
    let sent: Arc<Vec<AtomicU64>> = Arc::new((0..3).map(|_| AtomicU64::new(0)).collect());
    let mut load = JoinSet::new();
    for lane in 0..WORKERS * LANES {
        let (fronts, channels, sent) = (Arc::clone(&fronts), Arc::clone(&channels), Arc::clone(&sent));
        load.spawn(async move {
            // A worker speaks to one proxy; one of its servers' channels may be asked for by another worker too.
            let front = lane % WORKERS % 3;
            let mut random = fastrand::Rng::with_seed(lane as u64);
            loop {
                if fronts[front].post(channels[random.usize(..channels.len())]).await == 200 {
                    sent[front].fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    // The first seconds learn the route.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (before, began) = (sim.counters(), Instant::now());
    let sent_before: Vec<u64> = sent.iter().map(|sent| sent.load(Ordering::Relaxed)).collect();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let (after, took) = (sim.counters(), began.elapsed().as_secs_f64());
    load.abort_all();
    let requests = after.rest_requests - before.rest_requests;
    let refused = after.rest_429 - before.rest_429;
    let through = after.bot_messages - before.bot_messages;
    let each: Vec<u64> =
        sent.iter().zip(sent_before).map(|(sent, before)| sent.load(Ordering::Relaxed) - before).collect();
    #[expect(clippy::cast_precision_loss, reason = "a report is for looking at")]
    let (per_10_000, used) =
        (refused as f64 * 10_000.0 / requests as f64, through as f64 * 100.0 / (LIMIT * took));
    println!(
        "3 proxies, {WORKERS} workers, {took:.1} s, {latency:?} to Discord: {requests} requests, {refused} answered 429 \
         ({per_10_000:.1} per 10,000); {through} through, {used:.1} % of the limit; by proxy {each:?}"
    );
    assert!(requests > 0 && through > 0);
}
