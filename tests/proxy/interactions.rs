//! The first reply to an interaction when no worker gives it. The simulator's own deadline is far away in these
//! tests, so that a slow machine does not fail them; what is measured is measured in the benches.

use std::time::Duration;

use helpline_sim::ids::{InteractionId, MessageId};
use helpline_sim::{Config, Fault, Kind, Phase, Route, Server};
use serde_json::{Value, json};

use crate::harness::{Bench, Running};
use crate::own_redis::OwnRedis;
use crate::support::{TestRedis, eventually};

fn patient() -> Config {
    Config { servers: 2, interaction_deadline: Duration::from_secs(60), ..Config::default() }
}

async fn bench() -> Bench {
    let bench = Bench::new(patient()).await;
    bench.begin_streams().await;
    bench.place(&bench.server(0), 3, true).await;
    bench.place(&bench.server(1), 4, false).await;
    bench
}

fn ask(bench: &Bench, server: &Server) -> InteractionId {
    let options = [("question", json!("how do I restore a backup?"))];
    let asked = bench.sim.slash(server.support_channel, server.members[0], "ask", &options);
    asked.expect("the command exists")
}

/// The callback that the interaction was answered with.
async fn answered(bench: &Bench, interaction: InteractionId) -> u64 {
    eventually(&format!("{interaction} is acknowledged"), async || match bench.sim.interaction(interaction) {
        Some(Phase::Answered { callback, .. }) => Some(callback),
        _ => None,
    })
    .await
}

/// Whether the reply to an interaction is seen by the member alone.
fn is_private(bench: &Bench, interaction: InteractionId) -> bool {
    let Some(Phase::Answered { original: Some(original), .. }) = bench.sim.interaction(interaction) else {
        panic!("{interaction} has a reply")
    };
    let entries = bench.sim.transcript().snapshot();
    let found = entries.iter().find_map(|entry| match &entry.kind {
        Kind::BotMessage(message) if message.id == original => Some(message.ephemeral),
        _ => None,
    });
    found.expect("the reply is in the transcript")
}

/// A request as the bot, past the proxy.
async fn as_bot(bench: &Bench, method: reqwest::Method, path: &str, body: Value) -> Value {
    let url = format!("{}/api/v10{path}", bench.sim.rest_base());
    let request = reqwest::Client::new().request(method, url).json(&body);
    let request = request
        .header("authorization", format!("Bot {}", bench.sim.token()))
        .header("user-agent", "DiscordBot (https://helpline.example, 1)");
    let response = request.send().await.expect("the simulator answers");
    assert!(response.status().is_success(), "{path}: {}", response.status());
    response.json().await.expect("JSON")
}

/// Commands that the product does not have (yet).
async fn register_more(bench: &Bench) {
    let me = as_bot(bench, reqwest::Method::GET, "/applications/@me", json!(null)).await;
    let path = format!("/applications/{}/commands", me["id"].as_str().expect("an id"));
    let option = json!({ "name": "what", "type": 3, "description": "what", "autocomplete": true });
    let other = json!({ "name": "other", "type": 1, "description": "other", "options": [option] });
    as_bot(bench, reqwest::Method::POST, &path, other).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_worker_acknowledges_the_proxy_does_each_in_its_own_way() {
    let bench = bench().await;
    let proxy = bench.start().await.ready().await;
    register_more(&bench).await;
    let (on, off) = (bench.server(0), bench.server(1));
    let (channel, member) = (on.support_channel, on.members[0]);
    let button = json!([{ "type": 1, "components": [
        { "type": 2, "style": 2, "label": "Ask a human", "custom_id": "human:1" }] }]);
    let path = format!("/channels/{}/messages", channel.get());
    let body = json!({ "content": "x", "components": button });
    let message = as_bot(&bench, reqwest::Method::POST, &path, body).await;
    let message: MessageId = serde_json::from_value(message["id"].clone()).expect("an id");

    let question = ask(&bench, &on);
    let refused = ask(&bench, &off);
    let pressed = bench.sim.press(channel, message, "human:1", member).expect("the button is there");
    let unknown = bench.sim.slash(channel, member, "other", &[]).expect("the command exists");
    let typed = [("what", json!("x"))];
    let typing = bench.sim.autocomplete(channel, member, "other", &typed, "what").expect("it offers choices");

    assert_eq!((answered(&bench, question).await, is_private(&bench, question)), (5, false));
    for private in [refused, pressed, unknown] {
        assert_eq!((answered(&bench, private).await, is_private(&bench, private)), (5, true));
    }
    assert_eq!(answered(&bench, typing).await, 8);
    assert_eq!(bench.sim.choices(typing), Some(json!([])));
    proxy.stop().await;
}

async fn worker_replies(bench: &Bench, proxy: &Running, interaction: InteractionId) {
    let payload = eventually("the interaction is in its stream", async || {
        let entries = bench.stream(3).await.into_iter();
        let wanted = interaction.get().to_string();
        entries.map(|entry| entry.payload).find(|payload| payload["id"].as_str() == Some(&wanted))
    })
    .await;
    let token = payload["token"].as_str().expect("a token");
    let path = format!("/api/v10/interactions/{}/{token}/callback", interaction.get());
    let body = json!({ "type": 4, "data": { "content": "the answer" } });
    let request = reqwest::Client::new().post(format!("http://{}{path}", proxy.address)).json(&body);
    assert!(request.send().await.expect("the proxy answers").status().is_success());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_has_acknowledged_through_this_proxy_is_left_alone() {
    let bench = bench().await;
    let proxy = bench.start().await.ready().await;
    let server = bench.server(0);
    let first = ask(&bench, &server);
    worker_replies(&bench, &proxy, first).await;
    // One that nobody answers shows that the time of the first is over.
    let second = ask(&bench, &server);
    assert_eq!(answered(&bench, second).await, 5);
    assert_eq!(answered(&bench, first).await, 4);
    assert_eq!(bench.sim.counters().rest_rejected, 0, "no second callback (40060) was sent");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deferral_is_repeated_until_discord_has_it() {
    let bench = bench().await;
    let proxy = bench.start().await.ready().await;
    for fault in [Fault::Status(503), Fault::DropAnswer] {
        bench.sim.fail_next(Some(Route::InteractionCallback), 1, fault);
        let question = ask(&bench, &bench.server(0));
        assert_eq!(answered(&bench, question).await, 5);
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn interactions_are_acknowledged_while_redis_is_away() {
    let redis = OwnRedis::start();
    let bench = Bench::on_redis(patient(), TestRedis::new(), redis.url.clone()).await;
    bench.place(&bench.server(0), 3, true).await;
    let proxy = bench.start().await.ready().await;
    redis.signal("-STOP");
    let question = ask(&bench, &bench.server(0));
    assert_eq!(answered(&bench, question).await, 5);
    drop(redis);
    let question = ask(&bench, &bench.server(0));
    assert_eq!(answered(&bench, question).await, 5);
    proxy.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_defers_what_waits_before_it_ends() {
    let bench = bench().await;
    let proxy = bench.start().await.ready().await;
    let question = ask(&bench, &bench.server(0));
    eventually("the interaction is in its stream", async || {
        bench.stream(3).await.iter().any(|entry| entry.kind == "INTERACTION_CREATE").then_some(())
    })
    .await;
    proxy.stop().await;
    assert!(matches!(bench.sim.interaction(question), Some(Phase::Answered { callback: 5, .. })));
}

/// A proxy dies before it could publish an interaction; the next one gets it by its RESUME. `ahead_ms`: by how
/// much Discord's clock, which interactions carry, is ahead of ours.
async fn repeated_to_the_next_proxy(ahead_ms: i64) -> (Bench, OwnRedis, Running, InteractionId) {
    let skew = helpline_sim::Skew { offset_ms: ahead_ms, drift_ppm: 0 };
    let redis = OwnRedis::start();
    let config = Config { skew, ..patient() };
    let bench = Bench::on_redis(config, TestRedis::new(), redis.url.clone()).await;
    bench.begin_streams().await;
    bench.place(&bench.server(0), 3, true).await;
    let proxy = bench.start().await.ready().await;
    bench.wait_until_saved(bench.last_sequence()).await;
    redis.signal("-STOP");
    proxy.kill();
    let question = ask(&bench, &bench.server(0));
    redis.signal("-CONT");
    let proxy = bench.start().await.ready().await;
    (bench, redis, proxy, question)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_young_interaction_is_acknowledged_by_the_next_proxy_when_one_dies() {
    // By Discord's clock it has only just been made, however slow this machine is.
    let (bench, _redis, proxy, question) = repeated_to_the_next_proxy(60_000).await;
    assert_eq!(answered(&bench, question).await, 5);
    assert!(bench.sim.counters().events_replayed > 0, "it came by the resume");
    proxy.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interaction_older_than_discords_deadline_is_not_tried() {
    let (bench, _redis, proxy, question) = repeated_to_the_next_proxy(-10_000).await;
    let young = ask(&bench, &bench.server(0));
    assert_eq!(answered(&bench, young).await, 5);
    assert_eq!(bench.sim.interaction(question), Some(Phase::Waiting));
    proxy.kill();
}
