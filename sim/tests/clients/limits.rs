//! The libraries' own limiters against the simulator's limits.

use crate::harness::{Client, Library};
use crate::support::simulator;
use crate::with_both_libraries;
use helpline_sim::{Kind, Route, RouteLimits, Rule, Simulator};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

with_both_libraries! {
    a_burst_past_a_routes_limit_is_delivered_in_order_without_a_429,
}

/// What arrived in each channel, in order.
fn delivered(simulator: &Simulator) -> BTreeMap<u64, Vec<String>> {
    let mut channels: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    for entry in simulator.transcript().snapshot() {
        if let Kind::BotMessage(message) = &entry.kind {
            channels.entry(message.channel.get()).or_default().push(message.content.clone());
        }
    }
    channels
}

/// Has `count` messages sent into each of three channels and checks that they arrive once each and in order.
async fn burst(library: Library, simulator: &Simulator, count: usize) {
    let channels: Vec<u64> =
        simulator.servers()[..3].iter().map(|server| server.support_channel.get()).collect();
    let ids: Vec<String> = channels.iter().map(u64::to_string).collect();
    let settings = json!({"channels": ids, "count": count});
    let (mut client, _) = Client::ready(library, "burst", simulator, &settings).await;
    client.said("delivered").await;
    client.stop().await;
    let expected: Vec<String> = (0..count).map(|n| n.to_string()).collect();
    let delivered = delivered(simulator);
    assert_eq!(delivered.len(), 3);
    for channel in channels {
        assert_eq!(delivered[&channel], expected);
    }
}

async fn a_burst_past_a_routes_limit_is_delivered_in_order_without_a_429(library: Library) {
    let rule = Rule { limit: 4, per: Duration::from_secs(1) };
    let limits = RouteLimits::off().with(Route::CreateMessage, Some(rule));
    let simulator = simulator(|config| config.route_limits = limits).await;
    burst(library, &simulator, 12).await;
    assert_eq!(simulator.counters().rest_429, 0);
}
