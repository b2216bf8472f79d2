//! The simulator's clock against the host's: offset, drift, standing still, and being moved on.

use crate::support::{Gateway, Rest, id, simulator};
use helpline_sim::ids::DISCORD_EPOCH_MS;
use helpline_sim::{Phase, Skew};
use serde_json::json;
use std::time::Duration;

const START: u64 = 1_700_000_000_000;
const HOUR_MS: i64 = 3_600_000;

#[tokio::test]
async fn an_offset_shows_in_dates_ids_and_timestamps_alike() {
    let simulator = simulator(|config| {
        config.start_unix_ms = Some(START);
        config.logical_clock = true;
        config.skew = Skew { offset_ms: -HOUR_MS, drift_ppm: 0 };
    })
    .await;
    let rest = Rest::new(&simulator);
    let path = format!("/channels/{}/messages", simulator.servers()[0].support_channel.get());
    let response = rest.response("POST", &path, json!({"content": "x"})).await;
    // 1,700,000,000 s is 22:13:20; an hour before that:
    assert_eq!(response.headers()["date"], "Tue, 14 Nov 2023 21:13:20 GMT");
    let message: serde_json::Value = response.json().await.unwrap();
    let made_ms = (id(&message) >> 22) + DISCORD_EPOCH_MS;
    assert!((START - 3_600_000..START - 3_599_000).contains(&made_ms), "{made_ms}");
    assert!(message["timestamp"].as_str().unwrap().starts_with("2023-11-14T21:13:20"), "{message}");
}

#[tokio::test]
async fn a_clock_set_back_while_running_never_goes_backwards() {
    let simulator = simulator(|_| {}).await;
    let rest = Rest::new(&simulator);
    let channel = simulator.servers()[0].support_channel.get();
    let mut last = (0, 0);
    for (n, offset_ms) in [0, HOUR_MS, -HOUR_MS, 2 * HOUR_MS, 0].into_iter().enumerate() {
        let (status, shown) = rest.control("POST", "/clock", json!({"offset_ms": offset_ms})).await;
        assert_eq!((status, &shown["offset_ms"]), (200, &json!(offset_ms)));
        for _ in 0..3 {
            let now = (id(&rest.post(channel, json!({"content": format!("{n}")})).await), simulator.now_ms());
            assert!(now.0 > last.0 && now.1 >= last.1, "{now:?} after {last:?}");
            last = now;
        }
    }
    let times: Vec<u64> = simulator.transcript().snapshot().iter().map(|entry| entry.at_ms).collect();
    assert!(times.is_sorted());
}

#[tokio::test]
async fn a_clock_that_drifts_runs_away_from_the_hosts() {
    let simulator = simulator(|config| {
        config.start_unix_ms = Some(START);
        config.skew.drift_ppm = 1_000_000;
    })
    .await;
    let began = std::time::Instant::now();
    let from = simulator.now_ms();
    simulator.advance(Duration::from_secs(100));
    let most = u64::try_from(began.elapsed().as_millis()).unwrap() * 2 + 1;
    let passed = simulator.now_ms() - from;
    assert!((200_000..=200_000 + most).contains(&passed), "{passed} ms passed for 100 s at twice the pace");
    assert!(simulator.skew(Skew { offset_ms: 0, drift_ppm: -1_000_000 }).is_err(), "it would stand");
}

#[tokio::test]
async fn moving_the_clock_on_lets_deadlines_pass() {
    let simulator = simulator(|config| config.logical_clock = true).await;
    let rest = Rest::new(&simulator);
    rest.register_ask(&simulator).await;
    let (_gateway, _) = Gateway::identified(&simulator).await;
    let server = simulator.servers()[0].clone();
    let asked =
        simulator.slash(server.support_channel, server.members[0], "ask", &[("question", "how?".into())]);
    let asked = asked.unwrap();
    simulator.advance(Duration::from_millis(2_900));
    assert_eq!(simulator.interaction(asked), Some(Phase::Waiting));
    assert_eq!(rest.control("POST", "/clock", json!({"advance_ms": 200})).await.0, 200);
    assert_eq!(simulator.interaction(asked), Some(Phase::Failed));
    assert_eq!(rest.control("POST", "/clock", json!({"advance_ms": 1_u64 << 60})).await.0, 422);
}
