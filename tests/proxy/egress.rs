//! REST of the workers through the proxy.

use std::sync::Arc;
use std::time::{Duration, Instant};

use helpline::config::Secret;
use helpline::proxy::defer::Deferrals;
use helpline::proxy::egress::Egress;
use helpline::proxy::epochs::Epochs;
use helpline::proxy::invalid::InvalidBudget;
use helpline::proxy::rest::Rest;
use helpline_cluster::invalid_requests::Settings;
use helpline_cluster::keys::Keys;
use helpline_cluster::rate_limit::{self, Limiter};
use helpline_cluster::redis_link::RedisLink;
use helpline_sim::{Config, Fault, Route, Rule};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::harness::{Bench, Running};

/// A worker's client: it knows no token.
struct Worker {
    http: reqwest::Client,
    base: String,
}

impl Worker {
    fn of(proxy: &Running) -> Self {
        Self { http: reqwest::Client::new(), base: format!("http://{}/api/v10", proxy.address) }
    }

    async fn post(&self, path: &str, body: Value) -> reqwest::Response {
        let request = self.http.post(format!("{}{path}", self.base)).header("x-helpline-shard", "3");
        request.header("authorization", "Bot stolen").json(&body).send().await.expect("the proxy answers")
    }
}

async fn post_to(worker: &Worker, channel: u64, n: usize) -> reqwest::Response {
    let body = json!({ "content": format!("answer {n}") });
    worker.post(&format!("/channels/{channel}/messages"), body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workers_request_gets_the_token_and_its_own_authorization_is_not_passed_on() {
    let bench = Bench::with_servers(1).await;
    let server = bench.server(0);
    bench.place(&server, 3, true).await;
    let proxy = bench.start().await.ready().await;
    let worker = Worker::of(&proxy);
    let path = format!("/channels/{}/messages", server.support_channel.get());
    let response = worker.post(&path, json!({ "content": "an answer" })).await;
    assert_eq!(response.status(), 200);
    assert!(response.headers().contains_key("x-ratelimit-bucket"));
    let posted: Value = response.json().await.expect("JSON");
    assert_eq!(posted["content"], "an answer");
    // Our own message comes back through the gateway and is kept.
    let id: u64 = posted["id"].as_str().expect("an id").parse().expect("a number");
    assert_eq!(bench.wait_for_messages(3, 1).await, [id]);

    let refused = worker.post("/channels/1/messages", json!({ "content": "x" })).await;
    assert_eq!(refused.status(), 404, "Discord's own refusals come through");
    let secret = worker.http.get(format!("{}/users/@me", worker.base)).send().await.expect("answers");
    assert_eq!(secret.status(), 404, "workers have no business there");
    let body: Value = secret.json().await.expect("JSON");
    assert_eq!(body["message"], "the proxy has no such route");
    proxy.stop().await;
}

/// Discord as a mirror: answers with the headers it got.
async fn mirror() -> String {
    let app = axum::Router::new().fallback(async |uri: axum::http::Uri, headers: axum::http::HeaderMap| {
        let all = |name: &axum::http::HeaderName| {
            headers
                .get_all(name)
                .iter()
                .map(|value| value.to_str().expect("text").to_owned())
                .collect::<Vec<_>>()
        };
        let headers: Vec<_> = headers.keys().map(|name| (name.as_str().to_owned(), all(name))).collect();
        axum::Json(json!({ "uri": uri.to_string(), "headers": serde_json::Map::from_iter(
            headers.into_iter().map(|(name, values)| (name, json!(values)))) }))
    });
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_says_of_itself_stays_here() {
    helpline::telemetry::install_crypto();
    let stop = CancellationToken::new();
    let limiter = Limiter::new(rate_limit::Config { global_per_s: 50, max_waiting: 10 });
    let settings = Settings { threshold: 100, probe_every: Duration::from_secs(10) };
    let invalid = InvalidBudget::new(settings, None);
    let rest = Rest::new(&mirror().await, Secret::new("token")).expect("a client");
    let redis = RedisLink::open("redis://127.0.0.1:1").expect("a URL");
    let epochs = Epochs::new(&redis, Keys::default());
    let egress = Egress::new(rest, Arc::clone(&limiter), 8, invalid, Deferrals::new(), epochs, stop.clone());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let base = format!("http://{}/api/v10", listener.local_addr().expect("an address"));
    tokio::spawn(egress.serve(listener));
    tokio::spawn({
        let stop = stop.clone();
        async move { limiter.run(stop).await }
    });
    let worker =
        Worker { http: reqwest::Client::builder().user_agent("worker").build().expect("a client"), base };

    let seen: Value = worker.post("/channels/1/messages?x=1", json!({})).await.json().await.expect("JSON");
    assert_eq!(seen["uri"], "/api/v10/channels/1/messages?x=1");
    assert_eq!(seen["headers"]["authorization"], json!(["Bot token"]));
    assert!(seen["headers"]["user-agent"][0].as_str().expect("one").starts_with("DiscordBot ("));
    assert_eq!(seen["headers"]["content-type"], json!(["application/json"]));
    assert!(seen["headers"].get("x-helpline-shard").is_none());
    let seen: Value =
        worker.post("/interactions/1/secret/callback", json!({})).await.json().await.expect("JSON");
    assert!(seen["headers"].get("authorization").is_none(), "an interaction has its own token");
    stop.cancel();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_429_is_waited_out_and_the_worker_sees_its_success() {
    let bench = Bench::with_servers(1).await;
    let server = bench.server(0);
    let proxy = bench.start().await.ready().await;
    let worker = Worker::of(&proxy);
    // Fewer than the proxy believes.
    bench.sim.set_rest_global_per_s(Some(5));
    let path = format!("/channels/{}/messages", server.support_channel.get());
    let requests = (0..8).map(|n| worker.post(&path, json!({ "content": format!("answer {n}") })));
    for response in futures_util::future::join_all(requests).await {
        assert_eq!(response.status(), 200);
    }
    assert_eq!(bench.sim.counters().bot_messages, 8);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_limit_nothing_is_refused_by_discord_and_the_limit_is_used() {
    let bench = Bench::with_servers(60).await;
    let proxy = bench.start().await.ready().await;
    let before = bench.sim.counters();
    let worker = Worker::of(&proxy);
    let started = Instant::now();
    let requests = (0..240).map(|n| {
        let channel = bench.server(n % 60).support_channel.get();
        post_to(&worker, channel, n)
    });
    for response in futures_util::future::join_all(requests).await {
        assert_eq!(response.status(), 200);
    }
    let took = started.elapsed();
    let after = bench.sim.counters();
    assert_eq!(after.rest_429 - before.rest_429, 0, "Discord refused none");
    assert_eq!(after.bot_messages, 240);
    // With the five of the start 245 at 50 a second: the first go at once, the rest takes four seconds and not five.
    assert!(took > Duration::from_millis(3_900) && took < Duration::from_millis(5_000), "{took:?}");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_routes_own_limit_is_learned_and_kept() {
    let bench = Bench::with_servers(2).await;
    let proxy = bench.start().await.ready().await;
    bench.sim.set_route_limit(Route::CreateMessage, Some(Rule::per_s(2, 1)));
    let worker = Worker::of(&proxy);
    let requests = (0..12).map(|n| {
        let channel = bench.server(n % 2).support_channel.get();
        post_to(&worker, channel, n)
    });
    for response in futures_util::future::join_all(requests).await {
        assert_eq!(response.status(), 200);
    }
    assert_eq!(bench.sim.counters().rest_429, 0);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_discord_does_not_answer_is_told_as_such() {
    let bench = Bench::with_servers(1).await;
    let server = bench.server(0);
    let proxy = bench.start().await.ready().await;
    let worker = Worker::of(&proxy);
    let path = format!("/channels/{}/messages", server.support_channel.get());
    bench.sim.fail_next(Some(Route::CreateMessage), 1, Fault::Status(503));
    assert_eq!(worker.post(&path, json!({ "content": "a" })).await.status(), 503);
    bench.sim.fail_next(Some(Route::CreateMessage), 1, Fault::DropRequest);
    let lost = worker.post(&path, json!({ "content": "b" })).await;
    assert_eq!((lost.status().as_u16(), lost.headers().contains_key("retry-after")), (502, true));
    assert_eq!(worker.post(&path, json!({ "content": "c" })).await.status(), 200);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_waiting_requests_are_refused_and_a_stop_answers_the_rest() {
    let bench = Bench::new(Config { servers: 1, rest_global_per_s: None, ..Config::default() }).await;
    bench.begin_streams().await;
    let server = bench.server(0);
    let mut config = bench.config();
    (config.rest_per_s, config.rest_waiting) = (1, 3);
    let proxy = bench.start_with(config).await.ready().await;
    let worker = Worker::of(&proxy);
    let path = format!("/channels/{}/messages", server.support_channel.get());
    let waiting =
        futures_util::future::join_all((0..12).map(|_| worker.post(&path, json!({ "content": "x" }))));
    let (responses, ()) = tokio::join!(waiting, async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        proxy.stop().await;
    });
    let refused = responses.iter().filter(|response| response.status() == 503);
    assert!(refused.clone().all(|response| response.headers().contains_key("retry-after")));
    assert!(
        (11..=12).contains(&refused.count()),
        "one was sent at the most, the rest was told to come again"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_stop_at_the_threshold_before_discord_bans_the_address() {
    let bench = Bench::with_servers(1).await;
    let server = bench.server(0);
    let mut config = bench.config();
    config.invalid_per_10_min = 3;
    let proxy = bench.start_with(config).await.ready().await;
    let worker = Worker::of(&proxy);
    let path = format!("/channels/{}/messages", server.support_channel.get());
    bench.sim.fail_next(Some(Route::CreateMessage), 100, Fault::Status(403));
    let mut statuses = Vec::new();
    for _ in 0..5 {
        statuses.push(worker.post(&path, json!({ "content": "x" })).await.status().as_u16());
    }
    assert_eq!(statuses, [403, 403, 403, 503, 503]);
    proxy.stop().await;
}
