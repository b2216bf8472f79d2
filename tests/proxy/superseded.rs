//! A worker that was superseded says nothing on Discord any more, however late its request comes.

use std::time::Duration;

use fred::interfaces::KeysInterface as _;
use helpline::proxy;
use helpline_cluster::ids::ShardId;
use reqwest::StatusCode;
use serde_json::json;

use crate::harness::{Bench, Running};
use crate::support::eventually;

const SHARD: ShardId = ShardId(3);

async fn raise(bench: &Bench, epoch: i64) {
    let key = bench.keys.shard_epoch(SHARD);
    let _: () = bench.fred.set(key, epoch, None, None, false).await.expect("Redis sets");
}

/// What the owner of the shard at `epoch` says.
async fn say(bench: &Bench, proxy: &Running, epoch: i64) -> reqwest::Response {
    let channel = bench.server(0).support_channel.get();
    reqwest::Client::new()
        .post(format!("http://{}/api/v10/channels/{channel}/messages", proxy.address))
        .header("x-helpline-shard", SHARD.get())
        .header("x-helpline-epoch", epoch)
        .json(&json!({ "content": format!("at epoch {epoch}") }))
        .send()
        .await
        .expect("the proxy answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_under_a_lower_epoch_than_the_proxy_knows_is_refused_and_never_sent() {
    let bench = Bench::with_servers(1).await;
    let proxy = bench.start().await.ready().await;
    assert_eq!(say(&bench, &proxy, 5).await.status(), 200, "redis knows nothing yet");
    raise(&bench, 7).await;
    for late in [5, 6] {
        let refused = say(&bench, &proxy, late).await;
        assert_eq!(refused.status(), StatusCode::CONFLICT);
        assert_eq!(refused.headers()["x-helpline-epoch"], "7");
        let body: serde_json::Value = refused.json().await.expect("JSON");
        assert_eq!(body["code"], 0);
        assert!(body["message"].as_str().expect("text").contains("owns this shard"), "{body}");
    }
    assert_eq!(say(&bench, &proxy, 7).await.status(), 200);
    assert_eq!(
        say(&bench, &proxy, 9).await.status(),
        200,
        "its owner has claimed it, whatever redis has lost"
    );
    let _: i64 = bench.fred.del(bench.keys.shard_epoch(SHARD)).await.expect("Redis deletes");
    assert_eq!(say(&bench, &proxy, 8).await.status(), StatusCode::CONFLICT, "the proxy remembers");
    assert_eq!(bench.sim.counters().bot_messages, 3);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_is_superseded_while_it_waits_for_the_limits_is_refused() {
    let bench = Bench::with_servers(1).await;
    let proxy = bench.start_with(proxy::Config { rest_per_s: 1, ..bench.config() }).await.ready().await;
    raise(&bench, 5).await;
    // Each takes its second; the last of them waits for the others.
    let asked = futures_util::future::join_all((0..4).map(|_| say(&bench, &proxy, 5)));
    let raised = async {
        eventually("the first is sent", async || (bench.sim.counters().bot_messages > 0).then_some(())).await;
        raise(&bench, 6).await;
        bench.sim.counters().bot_messages
    };
    let (answers, sent) = tokio::join!(asked, raised);
    let refused = answers.iter().filter(|answer| answer.status() == StatusCode::CONFLICT).count();
    assert!(refused >= 2, "{refused} of 4 were refused, {sent} had been sent before");
    assert_eq!(bench.sim.counters().bot_messages, 4 - refused as u64);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_cannot_be_read_are_refused_and_a_request_without_them_speaks_for_no_shard() {
    let bench = Bench::with_servers(1).await;
    let proxy = bench.start().await.ready().await;
    raise(&bench, 5).await;
    let channel = bench.server(0).support_channel.get();
    let post = |epoch: Option<&'static str>| {
        let request = reqwest::Client::new()
            .post(format!("http://{}/api/v10/channels/{channel}/messages", proxy.address))
            .header("x-helpline-shard", SHARD.get())
            .timeout(Duration::from_secs(10))
            .json(&json!({ "content": "x" }));
        match epoch {
            Some(epoch) => request.header("x-helpline-epoch", epoch),
            None => request,
        }
    };
    assert_eq!(post(Some("five")).send().await.expect("it answers").status(), StatusCode::BAD_REQUEST);
    assert_eq!(post(None).send().await.expect("it answers").status(), 200);
    proxy.stop().await;
}
