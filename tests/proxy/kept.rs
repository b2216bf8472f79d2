//! Starts to which Discord does not answer: they go on with what it said to a proxy before, which Redis keeps.

use std::time::Duration;

use fred::interfaces::{HashesInterface as _, KeysInterface as _};
use helpline::config::Secret;
use helpline::proxy::kept::LIFE;
use helpline_sim::{Config, Fault, FaultPlan, Route, RouteLimits, Rule, Scope};
use tokio::time::Instant;

use crate::harness::{Bench, GATEWAY, Running};
use crate::several::until_shared;
use crate::support::eventually;

/// Every request of the route is refused, for longer than any test waits.
fn limited() -> FaultPlan {
    FaultPlan::always(Fault::RateLimited { retry_after_ms: 60_000, scope: Scope::User })
}

/// The next request of the route is refused, for half a second.
fn limited_once(bench: &Bench, route: Route) {
    let fault = Fault::RateLimited { retry_after_ms: 500, scope: Scope::User };
    bench.sim.fail_next(Some(route), 1, fault);
}

fn fault(bench: &Bench, plan: FaultPlan) {
    bench.sim.plan_fault(plan).expect("a plan");
}

/// One server, and one proxy that was started, has its session saved, and was killed.
async fn after_a_kill() -> Bench {
    let bench = Bench::with_servers(1).await;
    bench.place(&bench.server(0), 3, true).await;
    let proxy = bench.start().await.ready().await;
    bench.say(&bench.server(0), "before");
    bench.wait_for_messages(3, 1).await;
    bench.wait_until_saved(bench.last_sequence()).await;
    proxy.kill();
    bench
}

/// As if Discord had said it an hour ago.
async fn an_hour_passes(bench: &Bench) {
    let left = i64::try_from(LIFE.as_secs()).expect("small") - 3_600;
    let aged: bool = bench.fred.expire(bench.keys.gateway_facts(), left, None).await.expect("expire");
    assert!(aged, "it was kept");
}

async fn kept(bench: &Bench) -> Option<String> {
    bench.fred.get(bench.keys.gateway_facts()).await.expect("read")
}

/// Starts a proxy, and how long it took until it had resumed.
async fn resumes(bench: &Bench) -> (Running, Duration) {
    let begun = Instant::now();
    let proxy = bench.start().await;
    eventually("the session is resumed", async || (bench.sim.counters().resumes == 1).then_some(())).await;
    let took = begun.elapsed();
    println!("resumed after {} ms", took.as_millis());
    let proxy = proxy.ready().await;
    assert_eq!(bench.sim.counters().identifies, 1);
    let after = bench.say(&bench.server(0), "after");
    assert_eq!(bench.wait_for_messages(3, 2).await[1], after);
    (proxy, took)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_started_again_while_the_gateways_route_is_limited_resumes_within_a_second() {
    let bench = after_a_kill().await;
    an_hour_passes(&bench).await;
    fault(&bench, limited().on(Route::Gateway));
    fault(&bench, limited().on(Route::CurrentApplication));
    fault(&bench, limited().on(Route::Commands));
    let before = bench.sim.counters();
    let (proxy, took) = resumes(&bench).await;
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert!(bench.sim.counters().rest_429 > before.rest_429, "Discord was asked");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_started_again_while_discords_api_fails_or_is_silent_resumes() {
    for fault_now in [Fault::Status(503), Fault::StallMs(60_000), Fault::Reset] {
        let bench = after_a_kill().await;
        an_hour_passes(&bench).await;
        fault(&bench, FaultPlan::always(fault_now));
        let (proxy, took) = resumes(&bench).await;
        assert!(took < Duration::from_secs(3), "{fault_now:?}: {took:?}");
        proxy.kill();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_soon_after_another_do_not_ask_again_and_those_at_once_ask_once() {
    let config = Config {
        servers: 12,
        gateway_shards: 3,
        max_concurrency: 16,
        route_limits: RouteLimits::default().with(Route::Gateway, Some(Rule::per_s(1, 600))),
        // So that all three are there before the first has its answer.
        rest_latency: Duration::from_millis(200),
        ..Config::default()
    };
    let bench = Bench::new(config).await;
    bench.begin_streams().await;
    let start = async |name: &str| {
        let mut config = bench.config();
        config.name = name.to_owned();
        bench.start_with(config).await
    };
    let proxies = [start("first").await, start("second").await, start("third").await];
    until_shared(&bench, &[1, 1, 1]).await;
    proxies.into_iter().for_each(Running::kill);
    let again = [start("first").await, start("second").await, start("third").await];
    eventually("all are resumed", async || (bench.sim.counters().resumes >= 3).then_some(())).await;
    let counters = bench.sim.counters();
    assert_eq!((counters.identifies, counters.rest_429), (3, 0), "one request in all");
    for proxy in again {
        proxy.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_first_start_of_all_waits_for_discord() {
    let bench = Bench::with_servers(1).await;
    limited_once(&bench, Route::Gateway);
    limited_once(&bench, Route::CurrentUser);
    limited_once(&bench, Route::CurrentApplication);
    limited_once(&bench, Route::Commands);
    let begun = Instant::now();
    let proxy = bench.start().await.ready().await;
    assert!(begun.elapsed() > Duration::from_millis(1_500), "the three of which nothing is kept");
    assert_eq!(bench.sim.counters().identifies, 1);
    let registered = helpline::commands::registration();
    let offered: Vec<&str> = registered
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|command| command["name"].as_str())
        .collect();
    eventually("the slash commands are registered", async || (bench.sim.commands() == offered).then_some(()))
        .await;
    assert_eq!(bench.sim.counters().rest_429, 4, "nothing was asked again too early");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_and_cannot_be_read_or_is_anothers_is_not_used() {
    let bench = after_a_kill().await;
    let good = kept(&bench).await.expect("it is kept");
    let key = bench.keys.gateway_facts();
    let with = |field: &str, value: serde_json::Value| {
        let mut text: serde_json::Value = serde_json::from_str(&good).expect("JSON");
        assert!(text.get(field).is_some(), "{field}");
        text[field] = value;
        text.to_string()
    };
    let broken = [
        "nonsense".to_owned(),
        with("url", "http://127.0.0.1:1".into()),
        with("user_id", "77".into()),
        with("token", "another".into()),
        with("max_concurrency", 0.into()),
    ];
    for text in broken {
        let life = Some(fred::types::Expiration::EX(80_000));
        let _: () = bench.fred.set(&key, &text, life, None, false).await.expect("set");
        starts_anew(&bench, &good, &text).await;
    }
    // Without a time to live nobody knows how old it is.
    let _: () = bench.fred.set(&key, &good, None, None, false).await.expect("set");
    starts_anew(&bench, &good, "without a life").await;
    let _: i64 = bench.fred.del(&key).await.expect("del");
    let _: i64 = bench.fred.hset(&key, ("of", "another type")).await.expect("hset");
    starts_anew(&bench, &good, "a hash").await;
}

/// A start hears from Discord, and keeps that.
async fn starts_anew(bench: &Bench, good: &str, what: &str) {
    limited_once(bench, Route::Gateway);
    let _: i64 = bench.fred.del(bench.keys.gateway_turn()).await.expect("del");
    let begun = Instant::now();
    let proxy = bench.start().await.ready().await;
    assert!(begun.elapsed() > Duration::from_millis(400), "{what}: it did not wait");
    assert_eq!(kept(bench).await.as_deref(), Some(good), "{what}");
    let left: i64 = bench.fred.ttl(bench.keys.gateway_facts()).await.expect("ttl");
    assert!(left > 80_000, "{what}");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_gives_no_sessions_that_discord_has_not_given() {
    let bench = after_a_kill().await;
    an_hour_passes(&bench).await;
    // The session has to be begun anew, and how many are left is known to Discord alone.
    let _: i64 = bench.fred.del(bench.keys.gateway_session(GATEWAY)).await.expect("del");
    let _: i64 = bench.fred.del(bench.keys.identify_budget()).await.expect("del");
    let _: i64 = bench.fred.del(bench.keys.identify_bucket(0)).await.expect("del");
    let retry = Fault::RateLimited { retry_after_ms: 200, scope: Scope::User };
    fault(&bench, FaultPlan::always(retry).on(Route::Gateway));
    let before = bench.sim.counters();
    let proxy = bench.start().await;
    // The start's own, then those of the queue that wants to know.
    eventually("Discord is asked for the budget", async || {
        (bench.sim.counters().rest_429 >= before.rest_429 + 4).then_some(())
    })
    .await;
    assert_eq!(bench.sim.counters().identifies, 1, "nobody knows whether there are any left");
    bench.sim.clear_faults();
    eventually("it begins a session", async || (bench.sim.counters().identifies == 2).then_some(())).await;
    proxy.ready().await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_has_changed_since_is_asked_for_and_used() {
    let bench = after_a_kill().await;
    let mut facts: serde_json::Value =
        serde_json::from_str(&kept(&bench).await.expect("it is kept")).expect("JSON");
    facts["url"] = "ws://127.0.0.1:1".into();
    let life = Some(fred::types::Expiration::EX(80_000));
    let key = bench.keys.gateway_facts();
    let _: () = bench.fred.set(&key, facts.to_string(), life, None, false).await.expect("set");
    // One that would be resumed has an address of its own.
    let _: i64 = bench.fred.del(bench.keys.gateway_session(GATEWAY)).await.expect("del");
    limited_once(&bench, Route::Gateway);
    let proxy = bench.start().await;
    eventually("it begins a session", async || (bench.sim.counters().identifies == 2).then_some(())).await;
    proxy.ready().await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_is_told_whatever_is_kept() {
    let bench = after_a_kill().await;
    let mut config = bench.config();
    config.token = Secret::new("wrong");
    let error = bench.start_with(config).await.error().await;
    assert!(error.contains("Discord refused the token"), "{error}");
    // Nor is what is kept used by another token that Discord does not judge now.
    fault(&bench, FaultPlan::always(Fault::Status(503)));
    let mut config = bench.config();
    config.token = Secret::new("wrong");
    config.start_deadline = Duration::from_secs(2);
    let error = bench.start_with(config).await.error().await;
    assert!(error.contains("did not answer GET /users/@me in time"), "{error}");
}
