//! Delivery faults on demand, as a raw websocket client meets them.

use crate::support::{ALL_INTENTS, Gateway, Got, Rest, entry, simulator};
use helpline_sim::{GatewayFault, GatewayTarget, Kind, Outage, Server, Simulator};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// Something happens to everybody, and takes hold of someone at once.
fn wrong(simulator: &Simulator, fault: GatewayFault) {
    assert_eq!(fault.problem(&GatewayTarget::all()), None);
    simulator.gateway_fault(&GatewayTarget::all(), &fault);
}

fn say(simulator: &Simulator, server: &Server, n: usize) {
    simulator.say(server.support_channel, server.members[0], &format!("message {n}")).unwrap();
}

async fn disconnected(simulator: &Simulator, times: usize) {
    let deadline = Instant::now() + crate::support::PATIENCE;
    loop {
        let entries = simulator.transcript().snapshot();
        if entries.iter().filter(|one| matches!(one.kind, Kind::Disconnected { .. })).count() >= times {
            return;
        }
        assert!(Instant::now() < deadline, "the session never lost its connection");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

async fn resumed(simulator: &Simulator, session: &str, seq: u64) -> Gateway {
    let mut again = Gateway::connect(simulator, "").await;
    again.next().await;
    again.resume(simulator.token(), session, seq).await;
    again
}

fn session_of(ready: &Value) -> String {
    ready["session_id"].as_str().unwrap().to_owned()
}

/// Reads events until RESUMED, which is left out: their numbers and texts.
async fn replayed(gateway: &mut Gateway) -> Vec<(u64, String)> {
    let mut events = Vec::new();
    loop {
        let payload = gateway.next().await.payload();
        if payload["t"] == "RESUMED" {
            return events;
        }
        if payload["op"] == 0 {
            let text = payload["d"]["content"].as_str().unwrap_or_default().to_owned();
            events.push((payload["s"].as_u64().unwrap(), text));
        }
    }
}

#[tokio::test]
async fn a_connection_drops_after_exactly_so_many_events_and_the_rest_is_replayed() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::DropAfter { events: 3 });
    (0..5).for_each(|n| say(&simulator, &server, n));
    for n in 0..3 {
        assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], format!("message {n}"));
    }
    assert_eq!(gateway.next().await, Got::Gone);
    disconnected(&simulator, 1).await;
    let mut again = resumed(&simulator, &session_of(&ready), gateway.seq).await;
    let texts: Vec<String> = replayed(&mut again).await.into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["message 3", "message 4"]);
    (5..12).for_each(|n| say(&simulator, &server, n));
    for _ in 5..12 {
        again.event("MESSAGE_CREATE").await;
    }
    assert_eq!(simulator.counters().gateway_faults, 1, "it happens once to a session");
}

#[tokio::test]
async fn a_fault_for_one_gateway_shard_leaves_the_others_alone() {
    let simulator = simulator(|config| (config.gateway_shards, config.max_concurrency) = (2, 2)).await;
    let (mut zero, _) = Gateway::identified_with(&simulator, ALL_INTENTS, [0, 2]).await;
    let (mut one, _) = Gateway::identified_with(&simulator, ALL_INTENTS, [1, 2]).await;
    let hit = simulator
        .gateway_fault(&GatewayTarget::shard(1), &GatewayFault::CloseAfter { events: 1, code: 4000 });
    assert_eq!(hit, 1);
    for server in simulator.servers() {
        say(&simulator, server, 0);
    }
    one.event("MESSAGE_CREATE").await;
    assert_eq!(one.next().await, Got::Closed(4000));
    zero.event("MESSAGE_CREATE").await;
    zero.event("MESSAGE_CREATE").await;
    assert!(zero.quiet().await);
}

/// Sends 60 events at a drop rate and returns the numbers after which the connection was gone.
async fn drops(seed: u64) -> Vec<u64> {
    let simulator = simulator(|config| config.seed = seed).await;
    let server = simulator.servers()[0].clone();
    wrong(&simulator, GatewayFault::DropRate { per_event: 0.15 });
    let mut gateway = Gateway::connect(&simulator, "").await;
    gateway.next().await;
    gateway.identify(simulator.token(), ALL_INTENTS, [0, 1]).await;
    let mut drops = Vec::new();
    let mut session = None;
    let last = 5 + 60;
    let mut said = false;
    while gateway.seq < last {
        match gateway.next().await {
            Got::Payload(payload) => {
                if payload["t"] == "READY" {
                    session = Some(session_of(&payload["d"]));
                }
                if !std::mem::replace(&mut said, true) {
                    (0..60).for_each(|n| say(&simulator, &server, n));
                }
            }
            Got::Gone => {
                drops.push(gateway.seq);
                disconnected(&simulator, drops.len()).await;
                let seq = gateway.seq;
                gateway = resumed(&simulator, session.as_ref().unwrap(), seq).await;
                gateway.seq = seq;
            }
            other => panic!("{other:?}"),
        }
    }
    drops
}

#[tokio::test]
async fn connections_drop_at_the_same_events_for_the_same_seed_and_at_others_for_another() {
    let (first, again, other) = tokio::join!(drops(5), drops(5), drops(6));
    assert!(first.len() > 2, "{first:?}");
    assert_eq!(first, again);
    assert_ne!(first, other);
}

#[tokio::test]
async fn a_stalled_connection_sends_nothing_and_then_everything() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::Stall { after_events: 1, ms: 600, reading: true });
    (0..3).for_each(|n| say(&simulator, &server, n));
    gateway.event("MESSAGE_CREATE").await;
    gateway.send(json!({"op": 1, "d": null})).await;
    assert!(gateway.quiet().await, "neither events nor acknowledgements");
    assert_eq!(gateway.next().await.payload()["op"], 11, "what was read meanwhile is answered");
    assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], "message 1");
    assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], "message 2");
}

#[tokio::test]
async fn a_zombie_connection_neither_sends_nor_reads_and_is_not_closed_for_missing_heartbeats() {
    let simulator = simulator(|config| config.heartbeat_interval = Duration::from_millis(100)).await;
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::Stall { after_events: 0, ms: 60_000, reading: false });
    let before = simulator.counters().heartbeats;
    gateway.send(json!({"op": 1, "d": null})).await;
    assert!(gateway.quiet().await && gateway.quiet().await, "150 ms without a heartbeat close others");
    assert_eq!(simulator.counters().heartbeats, before);
    let mut again = resumed(&simulator, &session_of(&ready), gateway.seq).await;
    again.event("RESUMED").await;
}

#[tokio::test]
async fn heartbeats_are_not_acknowledged_on_demand_and_events_go_on() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::WithholdAcks);
    say(&simulator, &server, 0);
    gateway.event("MESSAGE_CREATE").await;
    gateway.send(json!({"op": 1, "d": null})).await;
    assert!(gateway.quiet().await);
    simulator.clear_gateway_faults();
    say(&simulator, &server, 1);
    gateway.event("MESSAGE_CREATE").await;
    gateway.send(json!({"op": 1, "d": null})).await;
    assert_eq!(gateway.next().await.payload()["op"], 11);
}

#[tokio::test]
async fn delayed_events_come_late_and_in_order() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::Delay { ms: 250, jitter_ms: 100 });
    let said = Instant::now();
    (0..20).for_each(|n| say(&simulator, &server, n));
    for n in 0..20 {
        assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], format!("message {n}"));
        assert!(said.elapsed() >= Duration::from_millis(250), "event {n} after {:?}", said.elapsed());
    }
    simulator.clear_gateway_faults();
    say(&simulator, &server, 20);
    assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], "message 20");
}

#[tokio::test]
async fn a_resume_repeats_events_that_were_delivered_before() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::DuplicateOnResume { events: 4 });
    for n in 0..8 {
        say(&simulator, &server, n);
        gateway.event("MESSAGE_CREATE").await;
    }
    let seen = gateway.seq;
    simulator.drop_connection(None);
    disconnected(&simulator, 1).await;
    say(&simulator, &server, 8);
    let mut again = resumed(&simulator, &session_of(&ready), seen).await;
    let events = replayed(&mut again).await;
    let repeated = events.iter().filter(|(seq, _)| *seq <= seen).count();
    assert!((1..=4).contains(&repeated), "{events:?}");
    assert_eq!(events.last().unwrap(), &(seen + 1, "message 8".to_owned()));
    let numbers: Vec<u64> = events.iter().map(|(seq, _)| *seq).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "{numbers:?}");
    let first = &events[0];
    assert_eq!(first.1, format!("message {}", 8 - repeated), "what was sent before, under its number");
}

/// What a session gets that was away while three servers spoke in turn: server, channel, text.
async fn away(seed: u64, channels: bool) -> Vec<(String, String, String)> {
    let simulator = simulator(|config| config.seed = seed).await;
    let (gateway, ready) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::ReorderAcrossReconnect { channels });
    let seen = gateway.seq;
    simulator.drop_connection(None);
    disconnected(&simulator, 1).await;
    for n in 0..24_usize {
        let server = &simulator.servers()[n % 3];
        let channel = if n % 2 == 0 { server.support_channel } else { server.general_channel };
        simulator.say(channel, server.members[0], &format!("{n:02}")).unwrap();
    }
    let mut again = resumed(&simulator, &session_of(&ready), seen).await;
    let mut events = Vec::new();
    let mut last = seen;
    while events.len() < 24 {
        let payload = again.next().await.payload();
        assert_eq!(payload["s"], last + 1, "numbers rise one by one");
        last += 1;
        let text = |key: &str| payload["d"][key].as_str().unwrap().to_owned();
        events.push((text("guild_id"), text("channel_id"), text("content")));
    }
    again.event("RESUMED").await;
    events
}

fn in_order(
    events: &[(String, String, String)],
    same: impl Fn(&(String, String, String)) -> &String,
) -> bool {
    events.iter().all(|one| {
        let mine: Vec<_> = events.iter().filter(|other| same(other) == same(one)).map(|e| &e.2).collect();
        mine.is_sorted()
    })
}

#[tokio::test]
async fn what_happened_without_a_connection_changes_places_between_servers_or_channels_only() {
    let (servers, again, channels) = tokio::join!(away(3, false), away(3, false), away(3, true));
    assert!(!in_order(&servers, |_| const { &String::new() }), "{servers:?}");
    assert!(in_order(&servers, |(guild, ..)| guild), "one server's events keep their order");
    let texts = |events: &[(String, String, String)]| events.iter().map(|e| e.2.clone()).collect::<Vec<_>>();
    assert_eq!(texts(&servers), texts(&again), "the same seed gives the same order");
    assert!(!in_order(&channels, |(guild, ..)| guild), "{channels:?}");
    assert!(in_order(&channels, |(_, channel, _)| channel), "one channel's events keep their order");
}

#[tokio::test]
async fn an_invalidation_loses_what_was_not_delivered_and_only_that() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::InvalidateAfter { events: 2 });
    (0..4).for_each(|n| say(&simulator, &server, n));
    gateway.event("MESSAGE_CREATE").await;
    gateway.event("MESSAGE_CREATE").await;
    let payload = gateway.next().await.payload();
    assert_eq!((&payload["op"], &payload["d"]), (&json!(9), &json!(false)));
    assert!(gateway.quiet().await, "messages 2 and 3 are lost");
    gateway.send(json!({"op": 8, "d": {"guild_id": "1", "query": "", "limit": 0}})).await;
    assert_eq!(gateway.next().await, Got::Closed(4003), "the session has been invalidated");
    let mut again = resumed(&simulator, &session_of(&ready), gateway.seq).await;
    assert_eq!(again.next().await.payload()["d"], false);
    again.identify(simulator.token(), ALL_INTENTS, [0, 1]).await;
    again.event("READY").await;
}

#[tokio::test]
async fn an_invalid_session_that_may_be_resumed_goes_on_where_it_was() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::Invalidate { resumable: true });
    let payload = gateway.next().await.payload();
    assert_eq!((&payload["op"], &payload["d"]), (&json!(9), &json!(true)));
    say(&simulator, &server, 0);
    assert!(gateway.quiet().await);
    gateway.resume(simulator.token(), &session_of(&ready), gateway.seq).await;
    assert_eq!(gateway.event("MESSAGE_CREATE").await["content"], "message 0");
    gateway.event("RESUMED").await;
}

#[tokio::test]
async fn a_session_that_expired_in_silence_lives_until_its_connection_ends() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::Expire);
    say(&simulator, &server, 0);
    gateway.event("MESSAGE_CREATE").await;
    simulator.drop_connection(None);
    disconnected(&simulator, 1).await;
    let mut again = resumed(&simulator, &session_of(&ready), gateway.seq).await;
    let payload = again.next().await.payload();
    assert_eq!((&payload["op"], &payload["d"]), (&json!(9), &json!(false)));
}

#[tokio::test]
async fn a_requested_heartbeat_is_acknowledged_like_any_other() {
    let simulator = simulator(|_| {}).await;
    let (mut gateway, _) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::RequestHeartbeat);
    let payload = gateway.next().await.payload();
    assert_eq!((&payload["op"], &payload["d"]), (&json!(1), &Value::Null));
    gateway.send(json!({"op": 1, "d": gateway.seq})).await;
    assert_eq!(gateway.next().await.payload()["op"], 11);
}

#[tokio::test]
async fn during_an_outage_new_connections_fail_in_the_way_asked_for_and_old_ones_live() {
    let simulator = simulator(|_| {}).await;
    let server = simulator.servers()[0].clone();
    let (mut old, _) = Gateway::identified(&simulator).await;
    let url = format!("{}/?v=10&encoding=json", simulator.gateway_url());
    for how in [Outage::Refuse, Outage::Unavailable] {
        wrong(&simulator, GatewayFault::Outage { ms: 60_000, how });
        let error = tokio_tungstenite::connect_async(&url).await.unwrap_err();
        let unavailable =
            matches!(&error, tokio_tungstenite::tungstenite::Error::Http(answer) if answer.status() == 503);
        assert_eq!(unavailable, how == Outage::Unavailable, "{error}");
    }
    wrong(&simulator, GatewayFault::Outage { ms: 60_000, how: Outage::Close });
    assert_eq!(Gateway::connect(&simulator, "").await.next().await, Got::Gone);
    wrong(&simulator, GatewayFault::Outage { ms: 400, how: Outage::Silent });
    let mut late = Gateway::connect(&simulator, "").await;
    assert!(late.quiet().await, "no hello during the outage");
    assert_eq!(late.next().await.payload()["op"], 10);
    say(&simulator, &server, 0);
    old.event("MESSAGE_CREATE").await;
    simulator.clear_gateway_faults();
    Gateway::identified(&simulator).await;
}

#[tokio::test]
async fn the_resume_address_can_be_dead_while_the_other_one_works() {
    let simulator = simulator(|_| {}).await;
    let (gateway, ready) = Gateway::identified(&simulator).await;
    let (session, seq) = (session_of(&ready), gateway.seq);
    let address = format!("{}/?v=10&encoding=json", ready["resume_gateway_url"].as_str().unwrap());
    wrong(&simulator, GatewayFault::DeadResumeUrl { ms: 60_000 });
    assert!(tokio_tungstenite::connect_async(&address).await.is_err());
    resumed(&simulator, &session, seq).await.event("RESUMED").await;
    assert_eq!(simulator.counters().resumes_elsewhere, 1);
    simulator.clear_gateway_faults();
    let mut there = Gateway::connect_to(&address, "").await;
    there.next().await;
    there.resume(simulator.token(), &session, seq).await;
    there.skip_to("RESUMED").await;
    assert_eq!(simulator.counters().resumes_elsewhere, 1, "this one came in by READY's address");
}

#[tokio::test]
async fn a_client_asked_to_reconnect_is_closed_when_it_stays() {
    let simulator = simulator(|_| {}).await;
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    wrong(&simulator, GatewayFault::Reconnect);
    assert_eq!(gateway.next().await.payload()["op"], 7);
    assert_eq!(gateway.next().await, Got::Closed(4000));
    resumed(&simulator, &session_of(&ready), gateway.seq).await.event("RESUMED").await;
}

#[tokio::test]
async fn one_event_reaches_two_sessions_of_the_same_gateway_shard() {
    let simulator = simulator(|config| config.max_concurrency = 1).await;
    let server = simulator.servers()[0].clone();
    let (mut first, _) = Gateway::identified(&simulator).await;
    tokio::time::sleep(Duration::from_millis(5)).await;
    let (mut second, _) = Gateway::identified(&simulator).await;
    say(&simulator, &server, 0);
    let id = first.event("MESSAGE_CREATE").await["id"].clone();
    assert_eq!(second.event("MESSAGE_CREATE").await["id"], id);
}

#[tokio::test]
async fn faults_are_ordered_over_the_control_api_and_what_cannot_be_meant_is_refused() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let (mut gateway, ready) = Gateway::identified(&simulator).await;
    let on = json!({"session": ready["session_id"]});
    let order = json!({"on": on, "fault": "close", "code": 4009});
    assert_eq!(rest.control("POST", "/gateway/faults", order).await, (200, json!({"hit": 1})));
    assert_eq!(gateway.next().await, Got::Closed(4009));
    entry(&simulator, |kind| matches!(kind, Kind::Disconnected { .. })).await;
    for wrong in [
        json!({"fault": "explode"}),
        json!({"fault": "drop_rate", "per_event": 1.5}),
        json!({"fault": "drop_after", "events": 0}),
        json!({"fault": "close", "code": 1006}),
        json!({"on": {"shard": 0}, "fault": "outage", "ms": 5, "how": "refuse"}),
        json!({"fault": "drop_after", "events": 1, "evnets": 2}),
        json!({"on": {"shrad": 0}, "fault": "drop"}),
    ] {
        assert!(
            (400..500).contains(&rest.control("POST", "/gateway/faults", wrong.clone()).await.0),
            "{wrong}"
        );
    }
    assert_eq!(rest.control("DELETE", "/gateway/faults", json!({})).await.0, 200);
}
