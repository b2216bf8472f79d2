//! Several egresses on one Redis against Discord's limits: what one learns or exhausts holds for all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use helpline::config::Secret;
use helpline::proxy::defer::Deferrals;
use helpline::proxy::egress::Egress;
use helpline::proxy::epochs::Epochs;
use helpline::proxy::invalid::InvalidBudget;
use helpline::proxy::rest::Rest;
use helpline_cluster::invalid_requests::{Breaker, Settings};
use helpline_cluster::keys::Keys;
use helpline_cluster::rate_limit::{self, Limiter, Link, Route as Path};
use helpline_cluster::redis_link::RedisLink;
use helpline_sim::{Config, Fault, FaultPlan, Route, Rule, Scope, Simulator};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::own_redis::OwnRedis;
use crate::support::{TestRedis, eventually};

/// One proxy's way to Discord, in a runtime of its own.
pub struct Front {
    base: String,
    limiter: Arc<Limiter>,
    http: reqwest::Client,
    runtime: Option<Runtime>,
    stop: CancellationToken,
}

impl Front {
    pub async fn start(sim: &Simulator, redis_url: &str, keys: &Keys, settings: Settings) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("non-blocking");
        let base = format!("http://{}/api/v10", listener.local_addr().expect("an address"));
        let rest = Rest::new(&sim.rest_base(), Secret::new(sim.token())).expect("a client");
        let (keys, url, application) = (keys.clone(), redis_url.to_owned(), sim.config().bot.get());
        let stop = CancellationToken::new();
        let started = runtime.spawn({
            let stop = stop.clone();
            async move {
                let redis = RedisLink::open(&url).expect("a URL");
                let config = rate_limit::Config { global_per_s: 50, max_waiting: 5_000 };
                let link = Link::new(&redis, keys.clone());
                let limiter = Limiter::sharing(config, link);
                let breaker = Breaker::new(&redis, keys.clone(), settings);
                let invalid = InvalidBudget::new(settings, Some(breaker));
                let (of_limits, of_invalid) = (Arc::clone(&limiter), Arc::clone(&invalid));
                let stops = (stop.clone(), stop.clone());
                tokio::spawn(async move { of_limits.run(stops.0).await });
                tokio::spawn(async move { of_invalid.run(stops.1).await });
                let epochs = Epochs::new(&redis, keys);
                let deferrals = Deferrals::new();
                let egress =
                    Egress::new(rest, Arc::clone(&limiter), application, invalid, deferrals, epochs, stop);
                let listener = TcpListener::from_std(listener).expect("a listener");
                tokio::spawn(egress.serve(listener));
                limiter
            }
        });
        let limiter = started.await.expect("it starts");
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        Self { base, limiter, http, runtime: Some(runtime), stop }
    }

    pub fn send(&self, path: &str) -> impl Future<Output = u16> + Send + use<> {
        let request =
            self.http.post(format!("{}{path}", self.base)).json(&json!({ "content": "x", "type": 5 }));
        // 0: not answered.
        async move { request.send().await.map_or(0, |response| response.status().as_u16()) }
    }

    pub fn post(&self, channel: u64) -> impl Future<Output = u16> + Send + use<> {
        self.send(&format!("/channels/{channel}/messages"))
    }

    /// As kill -9: nobody is told.
    fn kill(mut self) {
        self.runtime.take().expect("still running").shutdown_background();
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.stop.cancel();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

pub const SETTINGS: Settings = Settings { threshold: 5_000, probe_every: Duration::from_secs(10) };

pub async fn fronts(sim: &Simulator, redis_url: &str, keys: &Keys, settings: Settings) -> Vec<Front> {
    helpline::telemetry::install_crypto();
    let mut fronts = Vec::new();
    for _ in 0..3 {
        fronts.push(Front::start(sim, redis_url, keys, settings).await);
    }
    fronts
}

async fn simulator(servers: usize) -> Simulator {
    Simulator::start(Config { servers, ..Config::default() }).await.expect("the simulator starts")
}

fn channel(sim: &Simulator, index: usize) -> u64 {
    sim.servers()[index].support_channel.get()
}

/// Puts `count` requests before all fronts, each front's to channels in turn; statuses come as they end.
fn load(fronts: &[Front], sim: &Simulator, count: usize) -> JoinSet<(usize, u16)> {
    let servers = sim.servers().len();
    let mut requests = JoinSet::new();
    for n in 0..count {
        let front = n % fronts.len();
        let request = fronts[front].post(channel(sim, n % servers));
        requests.spawn(async move { (front, request.await) });
    }
    requests
}

/// What a slow machine may add: without sharing it would be a third or more.
fn assert_hardly_refused(sim: &Simulator, requests: usize) {
    let refused = sim.counters().rest_429;
    assert!(refused * 100 <= requests as u64, "{refused} of {requests} refused by Discord");
}

#[tokio::test(flavor = "multi_thread")]
async fn three_proxies_keep_the_global_limit_together_and_none_starves() {
    let (sim, redis) = (simulator(60).await, TestRedis::new());
    let fronts = fronts(&sim, &redis.url, &Keys::new(&redis.prefix), SETTINGS).await;
    let mut requests = load(&fronts, &sim, 300);
    let mut done = [0_usize; 3];
    let mut halfway = None;
    while let Some(ended) = requests.join_next().await {
        let (front, status) = ended.expect("no panic");
        assert_eq!(status, 200);
        done[front] += 1;
        if done.iter().sum::<usize>() == 150 {
            halfway = Some(done);
        }
    }
    let halfway = halfway.expect("it went through there");
    assert!(halfway.iter().all(|&done| done >= 25), "halfway: {halfway:?}");
    assert_hardly_refused(&sim, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_that_several_proxies_use_is_one() {
    let (sim, redis) = (simulator(1).await, TestRedis::new());
    sim.set_route_limit(Route::CreateMessage, Some(Rule::per_s(3, 1)));
    let fronts = fronts(&sim, &redis.url, &Keys::new(&redis.prefix), SETTINGS).await;
    let statuses: Vec<(usize, u16)> = load(&fronts, &sim, 18).join_all().await;
    assert!(statuses.iter().all(|(_, status)| *status == 200));
    assert_eq!(sim.counters().rest_429, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_proxy_learned_of_a_route_another_need_not_find_out() {
    let (sim, redis) = (simulator(2).await, TestRedis::new());
    let fronts = fronts(&sim, &redis.url, &Keys::new(&redis.prefix), SETTINGS).await;
    assert_eq!(fronts[0].post(channel(&sim, 0)).await, 200);
    let route = Path::new("POST", "/channels/1/messages");
    eventually("the other proxy knows the route", async || fronts[1].limiter.knows(&route).then_some(()))
        .await;
    // Of an unknown bucket the first request would have to be answered before the next may go.
    let stalled = FaultPlan::once(Fault::StallMs(15_000)).on(Route::CreateMessage);
    sim.plan_fault(stalled).expect("a good plan");
    let other = channel(&sim, 1);
    let mut requests: JoinSet<u16> = (0..5).map(|_| fronts[1].post(other)).collect();
    for _ in 0..4 {
        assert_eq!(requests.join_next().await.expect("five").expect("no panic"), 200);
    }
    assert_eq!(sim.counters().bot_messages, 5, "one more is stalled");
}

/// Waits until a bucket in Redis is marked as refused, as all proxies see it.
async fn refused_for_all(redis: &TestRedis) {
    eventually("the others are told of the refusal", async || {
        let mut redis_connection = redis.connection().await;
        let mut all = redis::cmd("KEYS");
        all.arg(format!("{}*bucket*", redis.prefix));
        let keys: Vec<String> = all.query_async(&mut redis_connection).await.expect("keys");
        for key in keys {
            let mut look = redis::cmd("HEXISTS");
            if look.arg(key).arg("b").query_async(&mut redis_connection).await.expect("a hash") {
                return Some(());
            }
        }
        None
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shared_refusal_stops_that_resource_for_all_and_costs_no_budget() {
    let (sim, redis) = (simulator(2).await, TestRedis::new());
    let keys = Keys::new(&redis.prefix);
    let settings = Settings { threshold: 1, ..SETTINGS };
    let fronts = fronts(&sim, &redis.url, &keys, settings).await;
    let (limited, free) = (channel(&sim, 0), channel(&sim, 1));
    assert_eq!(fronts[0].post(limited).await, 200);
    sim.limit_resource(limited, Duration::from_secs(4), None);
    let mut waiting = JoinSet::new();
    waiting.spawn(fronts[0].post(limited));
    refused_for_all(&redis).await;
    waiting.spawn(fronts[1].post(limited));
    waiting.spawn(fronts[2].post(limited));
    assert_eq!(fronts[1].post(free).await, 200, "another channel is not concerned");
    while let Some(status) = waiting.join_next().await {
        assert_eq!(status.expect("no panic"), 200);
    }
    assert_eq!(sim.counters().rest_429, 1, "the others waited");
    let mut connection = redis.connection().await;
    let counted: Vec<(String, u32)> = redis::cmd("HGETALL")
        .arg(&keys.invalid_requests()[0])
        .query_async(&mut connection)
        .await
        .expect("a hash");
    assert!(counted.is_empty(), "{counted:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_global_refusal_of_one_proxy_stops_all_but_the_interactions() {
    let (sim, redis) = (simulator(3).await, TestRedis::new());
    let keys = Keys::new(&redis.prefix);
    let fronts = fronts(&sim, &redis.url, &keys, SETTINGS).await;
    for (index, front) in fronts.iter().enumerate() {
        assert_eq!(front.post(channel(&sim, index)).await, 200);
    }
    let refusal = Fault::RateLimited { retry_after_ms: 5_000, scope: Scope::Global };
    sim.fail_next(Some(Route::CreateMessage), 1, refusal);
    let refused = tokio::spawn(fronts[0].post(channel(&sim, 0)));
    eventually("the others are told of the refusal", async || {
        let mut look = redis::cmd("HEXISTS");
        look.arg(&keys.rest("")[5]).arg("blocked");
        let mut connection = redis.connection().await;
        look.query_async::<bool>(&mut connection).await.expect("a hash").then_some(())
    })
    .await;
    let mut waiting: JoinSet<u16> = (1..3).map(|index| fronts[index].post(channel(&sim, index))).collect();
    // Discord knows no such interaction; what counts is that it was asked at once.
    assert_eq!(fronts[1].send("/interactions/1/token/callback").await, 404);
    let follow_up = format!("/webhooks/{}/token", sim.config().bot.get());
    assert_eq!(fronts[2].send(&follow_up).await, 401);
    assert!(waiting.try_join_next().is_none(), "the others wait");
    assert_eq!(sim.counters().bot_messages, 3);
    while let Some(status) = waiting.join_next().await {
        assert_eq!(status.expect("no panic"), 200);
    }
    assert_eq!(refused.await.expect("no panic"), 200);
    assert_eq!(sim.counters().rest_429, 1, "the one that was made up");
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_of_all_proxies_open_the_breaker_for_all_and_good_probes_close_it() {
    let (sim, redis) = (simulator(3).await, TestRedis::new());
    let settings = Settings { threshold: 9, probe_every: Duration::from_millis(200) };
    let fronts = fronts(&sim, &redis.url, &Keys::new(&redis.prefix), settings).await;
    sim.plan_fault(FaultPlan::always(Fault::Status(403)).on(Route::CreateMessage)).expect("a good plan");
    for n in 0..9 {
        // Each alone is far below the threshold.
        assert_eq!(fronts[n % 3].post(channel(&sim, n % 3)).await, 403);
    }
    let all = async |what: &str, wanted: u16| {
        for (index, front) in fronts.iter().enumerate() {
            eventually(&format!("proxy {index}: {what}"), async || {
                (front.post(channel(&sim, index)).await == wanted).then_some(())
            })
            .await;
        }
    };
    all("nothing is sent", 503).await;
    // Discord knows no such interaction, and it was asked: its token is not the bot's.
    assert_eq!(fronts[1].send("/interactions/1/token/callback").await, 404);
    let met = sim.counters().faults;
    assert!(met < 30, "{met} were refused before all stopped");
    sim.clear_faults();
    all("requests go again", 200).await;
    // The budget is as good as used up: little more is risked.
    let met = sim.counters().faults;
    sim.plan_fault(FaultPlan::always(Fault::Status(403)).on(Route::CreateMessage)).expect("a good plan");
    assert_eq!(fronts[0].post(channel(&sim, 0)).await, 403);
    all("nothing is sent again", 503).await;
    assert!(sim.counters().faults - met < 9, "fewer than the threshold were refused before all stopped");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_redis_forgot_everything_the_limits_are_kept() {
    let (sim, mut own) = (simulator(60).await, OwnRedis::start());
    let fronts = fronts(&sim, &own.url, &Keys::new("hl"), SETTINGS).await;
    let mut requests = load(&fronts, &sim, 240);
    let mut done = 0;
    while let Some(ended) = requests.join_next().await {
        assert_eq!(ended.expect("no panic").1, 200);
        done += 1;
        if done == 120 {
            own.restart();
        } else if done % 80 == 40 {
            own.wipe();
        }
    }
    assert_eq!(done, 240);
    assert_hardly_refused(&sim, 240);
}

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_is_away_each_proxy_goes_on_with_its_share() {
    let (sim, own) = (simulator(60).await, OwnRedis::start());
    let fronts = fronts(&sim, &own.url, &Keys::new("hl"), SETTINGS).await;
    for ended in load(&fronts, &sim, 60).join_all().await {
        assert_eq!(ended.1, 200);
    }
    own.signal("-STOP");
    let began = Instant::now();
    let mut requests = load(&fronts, &sim, 150);
    assert_eq!(fronts[1].send("/interactions/1/token/callback").await, 404, "interactions do not wait");
    while let Some(ended) = requests.join_next().await {
        assert_eq!(ended.expect("no panic").1, 200);
    }
    assert!(fronts.iter().all(|front| !front.limiter.is_shared()));
    // A third of fifty each, after the first two seconds; faster would be a burst.
    assert!(began.elapsed() > Duration::from_secs(3), "{:?}", began.elapsed());
    own.signal("-CONT");
    for front in &fronts {
        eventually("the limits are shared again", async || front.limiter.is_shared().then_some(())).await;
    }
    for ended in load(&fronts, &sim, 90).join_all().await {
        assert_eq!(ended.1, 200);
    }
    assert_hardly_refused(&sim, 300);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_proxy_held_comes_free() {
    let (sim, redis) = (simulator(4).await, TestRedis::new());
    sim.set_route_limit(Route::CreateMessage, Some(Rule::per_s(2, 1)));
    let mut fronts = fronts(&sim, &redis.url, &Keys::new(&redis.prefix), SETTINGS).await;
    assert_eq!(fronts[0].post(channel(&sim, 0)).await, 200);
    // It dies with requests under way: in their bucket nobody will say how they ended.
    sim.plan_fault(FaultPlan::always(Fault::StallMs(20_000)).on(Route::CreateMessage)).expect("a good plan");
    let dying: Vec<_> = (0..8).map(|n| tokio::spawn(fronts[2].post(channel(&sim, n % 4)))).collect();
    eventually("its requests are under way", async || (sim.counters().faults >= 6).then_some(())).await;
    fronts.pop().expect("the third").kill();
    dying.iter().for_each(tokio::task::JoinHandle::abort);
    sim.clear_faults();
    for ended in load(&fronts, &sim, 40).join_all().await {
        assert_eq!(ended.1, 200);
    }
}
