//! The control API as a whole: its list, its refusals, the transcript as pages and as a stream, starting afresh.

use crate::support::{Gateway, Got, PATIENCE, Rest, simulator};
use helpline_sim::{Entry, Kind, Simulator};
use serde_json::{Value, json};
use std::collections::HashSet;
use tokio::time::timeout;

fn say(simulator: &Simulator, text: &str) {
    let server = &simulator.servers()[0];
    simulator.say(server.support_channel, server.members[0], text).unwrap();
}

#[tokio::test]
async fn every_route_is_listed_with_a_line_and_every_listed_route_is_there() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let (status, list) = rest.control("GET", "", json!({})).await;
    assert_eq!(status, 200);
    let routes = list["routes"].as_array().unwrap().clone();
    let mut seen = HashSet::new();
    for route in &routes {
        let (method, path) = (route["method"].as_str().unwrap(), route["path"].as_str().unwrap());
        assert!(seen.insert((method, path)), "{method} {path} is listed twice");
        assert!(route["about"].as_str().unwrap().len() > 3, "{method} {path} says nothing");
        if method == "GET" && !path.contains('{') && !path.ends_with("stream") {
            let below = path.strip_prefix("/sim").unwrap();
            assert_eq!(rest.control("GET", below, json!({})).await.0, 200, "{path}");
        }
    }
    for wanted in
        ["/sim/transcript/stream", "/sim/faults", "/sim/limits", "/sim/clock", "/sim/reset", "/sim/say"]
    {
        assert!(routes.iter().any(|route| route["path"] == wanted), "{wanted} is missing");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_refused_with_a_sentence() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    for (method, path, body, status, says) in [
        ("POST", "/say", json!({"channel": "1"}), 422, "missing field `member`"),
        ("POST", "/say", json!({"channel": "x", "member": "1", "text": "x"}), 422, "not a snowflake"),
        ("POST", "/say", json!([]), 422, "the body does not fit"),
        ("GET", "/transcript?after=soon", json!({}), 422, "the query does not fit"),
        ("POST", "/clock", json!({"drift_ppm": -2_000_000}), 422, "parts per million"),
        ("POST", "/nothing", json!({}), 404, "GET /sim lists them"),
        ("DELETE", "/counters", json!({}), 405, "another method"),
    ] {
        let (got, refused) = rest.control(method, path, body).await;
        assert_eq!(got, status, "{method} {path}: {refused}");
        assert!(refused["error"].as_str().unwrap_or_default().contains(says), "{method} {path}: {refused}");
    }
}

/// Reads entries of a stream: their ids and texts.
async fn events(response: &mut reqwest::Response, n: usize) -> Vec<(u64, String)> {
    let mut text = String::new();
    while text.matches("\n\n").count() < n {
        let chunk = timeout(PATIENCE, response.chunk()).await.expect("the stream says nothing").unwrap();
        text.push_str(std::str::from_utf8(&chunk.expect("the stream ended")).unwrap());
    }
    let mut events = Vec::new();
    for event in text.split("\n\n").filter(|event| event.contains("data:")) {
        let field = |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap().trim();
        let data: Value = serde_json::from_str(field("data:")).unwrap();
        let id: u64 = field("id:").parse().unwrap();
        assert_eq!(data["index"], id);
        events.push((id, data["content"].as_str().unwrap_or_default().to_owned()));
    }
    events
}

#[tokio::test]
async fn the_transcript_streams_what_was_and_what_comes_and_goes_on_where_it_was() {
    let simulator = simulator(|_| {}).await;
    let url = format!("{}/sim/transcript/stream", simulator.rest_base());
    let _ = Rest::new(&simulator);
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    say(&simulator, "before");
    let mut stream = http.get(format!("{url}?after=0")).send().await.unwrap();
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    assert_eq!(events(&mut stream, 1).await, [(0, "before".to_owned())]);
    let mut live = http.get(&url).send().await.unwrap();
    say(&simulator, "after");
    assert_eq!(events(&mut stream, 1).await, [(1, "after".to_owned())]);
    assert_eq!(events(&mut live, 1).await, [(1, "after".to_owned())], "only what comes");
    drop(stream);
    say(&simulator, "meanwhile");
    let mut again = http.get(&url).header("last-event-id", "0").send().await.unwrap();
    let missed = [(1, "after".to_owned()), (2, "meanwhile".to_owned())];
    assert_eq!(events(&mut again, 2).await, missed);
}

#[tokio::test]
async fn starting_afresh_forgets_what_happened_and_ends_sessions() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[0].clone();
    say(&simulator, "forget me");
    gateway.event("MESSAGE_CREATE").await;
    simulator.member_leaves(server.id, server.members[1]).unwrap();
    let path = format!("/channels/{}/messages", server.support_channel.get());
    assert_eq!(rest.get(&path).await.1.as_array().unwrap().len(), 1);
    assert_eq!(rest.control("POST", "/reset", json!({})).await.0, 200);
    // Only the end of the session may already be told again.
    let told_anew = |entry: &Entry| matches!(entry.kind, Kind::Disconnected { .. });
    assert!(simulator.transcript().snapshot().iter().all(|entry| told_anew(entry)));
    assert!(simulator.sessions().is_empty());
    assert_eq!(simulator.counters().member_messages, 0);
    assert_eq!(rest.get(&path).await.1, json!([]), "the messages are gone");
    let member = format!("/guilds/{}/members/{}", server.id.get(), server.members[1].get());
    assert_eq!(rest.get(&member).await.0, 200, "the member is back");
    let told = loop {
        match gateway.next().await {
            Got::Payload(payload) if payload["op"] == 9 => break payload,
            Got::Payload(_) => {}
            gone => panic!("the session ended without a word: {gone:?}"),
        }
    };
    assert_eq!(told["d"], false);
    say(&simulator, "anew");
    let mut entries = simulator.transcript().snapshot();
    entries.retain(|entry| !told_anew(entry));
    assert_eq!(entries.len(), 1);
    assert!(entries[0].index > 0, "indexes go on");
    assert_eq!(simulator.transcript().dropped(), 0, "forgotten on purpose is not dropped");
}
