//! The gateway as a raw websocket client sees it.

use crate::support::{ALL_INTENTS, Gateway, Got, Rest, entry, simulator};
use futures_util::future::join_all;
use helpline_sim::Kind;
use serde_json::{Value, json};
use std::time::Duration;

#[tokio::test]
async fn a_client_is_greeted_identifies_and_gets_its_servers() {
    let simulator = simulator(|_| {}).await;
    let mut gateway = Gateway::connect(&simulator, "").await;
    let hello = gateway.next().await.payload();
    assert_eq!(hello["op"], 10);
    assert_eq!(hello["d"]["heartbeat_interval"], 41_250);
    gateway.send(json!({"op": 1, "d": null})).await;
    assert_eq!(gateway.next().await.payload()["op"], 11);
    gateway.identify(simulator.token(), ALL_INTENTS, [0, 1]).await;
    let ready = gateway.event("READY").await;
    assert_eq!(ready["v"], 10);
    assert_eq!(ready["guilds"].as_array().unwrap().len(), 4);
    assert_eq!(ready["guilds"][0]["unavailable"], true);
    assert_ne!(ready["resume_gateway_url"], simulator.gateway_url(), "an address of its own");
    assert_eq!(ready["session_type"], "normal");
    assert_eq!(ready["shard"], json!([0, 1]));
    assert_eq!(ready["application"]["id"], simulator.config().bot.get().to_string());
    for server in simulator.servers() {
        let guild = gateway.event("GUILD_CREATE").await;
        assert_eq!(guild["id"], server.id.get().to_string());
        assert_eq!(guild["channels"][0]["id"], server.support_channel.get().to_string());
        assert_eq!(guild["roles"][1]["id"], server.support_role.get().to_string());
        assert_eq!(guild["members"][0]["user"]["id"], simulator.config().bot.get().to_string());
    }
    for text in &gateway.texts {
        let place = |key: &str| text.find(&format!("\"{key}\":")).unwrap();
        assert!(place("t") < place("s") && place("s") < place("op") && place("op") < place("d"), "{text}");
    }
    assert_eq!(simulator.counters().identifies, 1);
}

#[tokio::test]
async fn zlib_and_zstd_streams_decode_with_one_context_for_the_connection() {
    let simulator = simulator(|config| config.servers = 40).await;
    for compress in ["zlib-stream", "zstd-stream"] {
        let mut gateway = Gateway::connect(&simulator, compress).await;
        assert_eq!(gateway.next().await.payload()["op"], 10);
        tokio::time::sleep(Duration::from_millis(5)).await;
        gateway.identify(simulator.token(), ALL_INTENTS, [0, 1]).await;
        gateway.event("READY").await;
        for _ in 0..40 {
            gateway.event("GUILD_CREATE").await;
        }
        let server = &simulator.servers()[3];
        for n in 0..50 {
            simulator.say(server.support_channel, server.members[0], &format!("message {n}")).unwrap();
        }
        for n in 0..50 {
            assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], format!("message {n}"));
        }
    }
}

#[tokio::test]
async fn events_reach_only_the_gateway_shard_of_their_server() {
    let simulator = simulator(|config| (config.gateway_shards, config.max_concurrency) = (2, 2)).await;
    let (mut zero, ready) = Gateway::identified_with(&simulator, ALL_INTENTS, [0, 2]).await;
    let (mut one, _) = Gateway::identified_with(&simulator, ALL_INTENTS, [1, 2]).await;
    assert_eq!(ready["guilds"].as_array().unwrap().len(), 2);
    let server = simulator.servers().iter().find(|server| server.gateway_shard(2) == 1).unwrap();
    simulator.say(server.support_channel, server.members[0], "for one").unwrap();
    assert_eq!(one.event("MESSAGE_CREATE").await["content"], "for one");
    let dm = simulator.dm_channel(server.members[0]).unwrap();
    simulator.say(dm, server.members[0], "a direct message").unwrap();
    let message = zero.event("MESSAGE_CREATE").await;
    assert_eq!(message["content"], "a direct message");
    assert!(message.get("guild_id").is_none());
    assert!(one.quiet().await && zero.quiet().await);
}

#[tokio::test]
async fn a_resume_replays_exactly_what_was_missed() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let say = |text: &str| simulator.say(server.support_channel, server.members[1], text).unwrap();
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    let session = ready["session_id"].as_str().unwrap().to_owned();
    say("seen");
    gateway.event("MESSAGE_CREATE").await;
    let seq = gateway.seq;
    assert_eq!(simulator.drop_connection(Some(&session)), 1);
    assert_eq!(gateway.next().await, Got::Gone);
    entry(&simulator, |kind| matches!(kind, Kind::Disconnected { .. })).await;
    say("missed 1");
    say("missed 2");
    let mut again = Gateway::connect(&simulator, "").await;
    again.next().await;
    again.resume(simulator.token(), &session, seq).await;
    assert_eq!(again.event("MESSAGE_CREATE").await["content"], "missed 1");
    assert_eq!(again.event("MESSAGE_CREATE").await["content"], "missed 2");
    assert_eq!(again.seq, seq + 2);
    again.event("RESUMED").await;
    say("new");
    assert_eq!(again.event("MESSAGE_CREATE").await["content"], "new");
    assert_eq!(simulator.counters().identifies, 1);
    assert_eq!(simulator.counters().events_replayed, 2);
}

#[tokio::test]
async fn a_resume_takes_the_session_from_a_connection_that_is_still_open() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut old, ready) = Gateway::identified(&simulator).await;
    let session = ready["session_id"].as_str().unwrap();
    let mut new = Gateway::connect(&simulator, "").await;
    new.next().await;
    new.resume(simulator.token(), session, old.seq).await;
    new.event("RESUMED").await;
    assert_eq!(old.next().await, Got::Closed(4000));
    simulator.say(server.support_channel, server.members[0], "hello").unwrap();
    new.event("MESSAGE_CREATE").await;
}

#[tokio::test]
async fn a_session_ends_with_1000_and_with_its_time_and_resumes_after_any_other_close() {
    let simulator = simulator(|config| config.session_ttl = Duration::from_millis(300)).await;
    for (code, wait, resumable) in [(4000, 0, true), (1000, 0, false), (1001, 0, false), (4000, 400, false)] {
        let (gateway, ready) = Gateway::identified(&simulator).await;
        let (session, seq) = (ready["session_id"].as_str().unwrap().to_owned(), gateway.seq);
        gateway.close(code).await;
        let gone = |kind: &Kind| matches!(kind, Kind::Disconnected { session: of } if *of == session);
        entry(&simulator, gone).await;
        tokio::time::sleep(Duration::from_millis(wait)).await;
        let mut again = Gateway::connect(&simulator, "").await;
        again.next().await;
        again.resume(simulator.token(), &session, seq).await;
        let payload = again.next().await.payload();
        if resumable {
            assert_eq!(payload["t"], "RESUMED", "after {code} and {wait} ms");
        } else {
            assert_eq!(
                (&payload["op"], &payload["d"]),
                (&json!(9), &json!(false)),
                "after {code} and {wait} ms"
            );
        }
    }
}

#[tokio::test]
async fn an_invalidated_session_is_told_and_cannot_be_resumed() {
    let simulator = simulator(|_| {}).await;
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    let session = ready["session_id"].as_str().unwrap();
    assert!(simulator.invalidate(session));
    let payload = gateway.next().await.payload();
    assert_eq!((&payload["op"], &payload["d"]), (&json!(9), &json!(false)));
    let mut again = Gateway::connect(&simulator, "").await;
    again.next().await;
    again.resume(simulator.token(), session, gateway.seq).await;
    assert_eq!(again.next().await.payload()["op"], 9);
    assert!(simulator.sessions().is_empty());
}

#[tokio::test]
async fn op_7_is_sent_on_demand() {
    let simulator = simulator(|_| {}).await;
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    assert_eq!(simulator.ask_to_reconnect(None), 1);
    assert_eq!(gateway.next().await.payload()["op"], 7);
}

async fn close_code(simulator: &helpline_sim::Simulator, payload: Value) -> Got {
    let mut gateway = Gateway::connect(simulator, "").await;
    gateway.next().await;
    gateway.send(payload).await;
    gateway.next().await
}

fn identify(token: &str, intents: u64, shard: [u32; 2]) -> Value {
    json!({"op": 2, "d": {"token": token, "intents": intents, "shard": shard, "properties": {}}})
}

#[tokio::test]
async fn wrong_payloads_close_with_the_documented_codes() {
    let simulator = simulator(|config| config.privileged_intents = 1 << 15).await;
    let token = simulator.token().to_owned();
    let resume_ahead = json!({"op": 6, "d": {"token": token, "session_id": "nobody", "seq": 1}});
    let cases = [
        (identify("wrong", 1, [0, 1]), 4004),
        (identify(&token, 1 << 1, [0, 1]), 4014),
        (identify(&token, 1 << 40, [0, 1]), 4013),
        (identify(&token, 1, [2, 2]), 4010),
        (identify(&token, 1, [0, 0]), 4010),
        (json!({"op": 99, "d": null}), 4001),
        (json!({"op": 3, "d": {}}), 4003),
        (json!({"op": 2, "d": {"token": 5}}), 4002),
        (json!({"op": 1, "d": "x".repeat(5_000)}), 4002),
        (json!({"op": 6, "d": {"token": "wrong", "session_id": "a", "seq": 1}}), 4004),
    ];
    for (payload, code) in cases {
        assert_eq!(close_code(&simulator, payload.clone()).await, Got::Closed(code), "{payload}");
    }
    assert_eq!(close_code(&simulator, resume_ahead).await.payload()["op"], 9);
    assert_eq!(simulator.counters().identifies, 0);
}

#[tokio::test]
async fn a_second_identify_closes_with_4005_and_an_old_version_with_4012() {
    let simulator = simulator(|_| {}).await;
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    gateway.identify(simulator.token(), 1, [0, 1]).await;
    assert_eq!(gateway.next().await, Got::Closed(4005));
    let mut old = Gateway::connect_to(&format!("{}/?v=6", simulator.gateway_url()), "").await;
    assert_eq!(old.next().await, Got::Closed(4012));
    let mut etf = Gateway::connect_to(&format!("{}/?v=10&encoding=etf", simulator.gateway_url()), "").await;
    assert_eq!(etf.next().await, Got::Closed(4002));
}

#[tokio::test]
async fn too_many_servers_for_one_gateway_shard_close_with_4011() {
    let simulator = simulator(|config| config.max_servers_per_gateway_shard = 3).await;
    assert_eq!(close_code(&simulator, identify(simulator.token(), 1, [0, 1])).await, Got::Closed(4011));
    Gateway::identified_with(&simulator, ALL_INTENTS, [0, 2]).await;
}

#[tokio::test]
async fn missed_heartbeats_close_with_4009_and_the_session_can_be_resumed() {
    let simulator = simulator(|config| config.heartbeat_interval = Duration::from_millis(100)).await;
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(80)).await;
        gateway.send(json!({"op": 1, "d": gateway.seq})).await;
        assert_eq!(gateway.next().await.payload()["op"], 11);
    }
    assert_eq!(gateway.next().await, Got::Closed(4009));
    let mut again = Gateway::connect(&simulator, "").await;
    again.next().await;
    again.resume(simulator.token(), ready["session_id"].as_str().unwrap(), gateway.seq).await;
    again.event("RESUMED").await;
}

#[tokio::test]
async fn more_than_120_payloads_a_minute_close_with_4008() {
    let simulator = simulator(|_| {}).await;
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    for _ in 0..119 {
        gateway.send(json!({"op": 1, "d": null})).await;
        gateway.next().await.payload();
    }
    gateway.send(json!({"op": 1, "d": null})).await;
    assert_eq!(gateway.next().await, Got::Closed(4008));
}

#[tokio::test]
async fn identifies_beyond_max_concurrency_get_op_9() {
    let simulator = simulator(|config| {
        config.max_concurrency = 2;
        config.identify_interval = Duration::from_millis(400);
    })
    .await;
    let attempts = (0..4).map(|shard| {
        let simulator = &simulator;
        async move {
            let mut gateway = Gateway::connect(simulator, "").await;
            gateway.next().await;
            gateway.identify(simulator.token(), ALL_INTENTS, [shard, 4]).await;
            let payload = gateway.next().await.payload();
            (gateway, payload)
        }
    });
    let mut refused: Vec<_> =
        join_all(attempts).await.into_iter().filter(|(_, payload)| payload["op"] == 9).collect();
    assert_eq!(refused.len(), 2, "one IDENTIFY for each of two buckets");
    assert_eq!(refused[0].1["d"], false);
    tokio::time::sleep(Duration::from_millis(450)).await;
    let (mut gateway, _) = refused.remove(0);
    gateway.identify(simulator.token(), ALL_INTENTS, [0, 4]).await;
    gateway.event("READY").await;
    assert_eq!(simulator.counters().identifies_refused, 2);
}

#[tokio::test]
async fn the_daily_budget_counts_down_and_its_end_resets_the_token() {
    let simulator = simulator(|config| config.identify_budget = 2).await;
    let rest = Rest::new(&simulator);
    let remaining = || async { rest.get("/gateway/bot").await.1["session_start_limit"]["remaining"].clone() };
    assert_eq!(remaining().await, 2);
    let (mut first, _) = Gateway::identified(&simulator).await;
    assert_eq!(remaining().await, 1);
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (_second, _) = Gateway::identified(&simulator).await;
    assert_eq!(remaining().await, 0);
    assert_eq!(close_code(&simulator, identify(simulator.token(), 1, [0, 1])).await, Got::Closed(4004));
    assert_eq!(first.next().await, Got::Closed(4004));
    assert_eq!(rest.get("/users/@me").await.0, 401);
    entry(&simulator, |kind| *kind == Kind::TokenReset).await;
}

#[tokio::test]
async fn without_the_message_content_intent_text_comes_only_where_documented() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut bare, _) = Gateway::identified_with(&simulator, ALL_INTENTS & !(1 << 15), [0, 1]).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (mut full, _) = Gateway::identified(&simulator).await;
    let (channel, member) = (server.support_channel, server.members[0]);
    simulator.say(channel, member, "plain").unwrap();
    simulator.say(channel, member, &format!("hey {}", simulator.bot_mention())).unwrap();
    Rest::new(&simulator).post(channel.get(), json!({"content": "own"})).await;
    let mut texts = Vec::new();
    for _ in 0..3 {
        let text = |message: Value| message["content"].as_str().unwrap().to_owned();
        texts.push((text(bare.event("MESSAGE_CREATE").await), text(full.event("MESSAGE_CREATE").await)));
    }
    assert_eq!(texts[0], (String::new(), "plain".to_owned()));
    assert!(texts[1].0.starts_with("hey <@"));
    assert_eq!(texts[2].0, "own");
}

#[tokio::test]
async fn a_connection_that_lags_past_the_replay_bound_loses_its_session() {
    let simulator = simulator(|config| config.replay_events = 16).await;
    let server = simulator.servers()[0].clone();
    let (gateway, ready) = Gateway::identified(&simulator).await;
    let (session, seq) = (ready["session_id"].as_str().unwrap().to_owned(), gateway.seq);
    simulator.drop_connection(None);
    drop(gateway);
    for n in 0..40 {
        simulator.say(server.support_channel, server.members[0], &format!("{n}")).unwrap();
    }
    let mut again = Gateway::connect(&simulator, "").await;
    again.next().await;
    again.resume(simulator.token(), &session, seq).await;
    assert_eq!(again.next().await.payload()["op"], 9);
}
