//! The libraries' own limiters against the simulator's limits.

use crate::harness::{Client, Library};
use crate::support::simulator;
use crate::with_both_libraries;
use helpline_sim::{Config, Kind, Route, RouteLimits, Rule, Simulator};
use serde_json::json;
use std::collections::BTreeMap;
use std::time::Duration;

with_both_libraries! {
    a_burst_past_a_routes_limit_is_delivered_in_order_without_a_429,
    messages_sent_all_at_once_are_delivered_without_a_429,
    a_limit_that_no_header_announces_is_learnt_from_its_429s,
    windows_longer_than_announced_lose_nothing,
    a_shared_limit_is_waited_for,
    a_burst_past_the_global_limit_is_delivered_in_order,
}

const CHANNELS: usize = 3;
const COUNT: usize = 12;

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

/// A simulator that takes four messages a second in each channel.
async fn tight(change: impl FnOnce(&mut Config)) -> Simulator {
    let rule = Rule { limit: 4, per: Duration::from_secs(1) };
    simulator(|config| {
        config.route_limits = RouteLimits::off().with(Route::CreateMessage, Some(rule));
        change(config);
    })
    .await
}

fn channels(simulator: &Simulator) -> Vec<u64> {
    simulator.servers()[..CHANNELS].iter().map(|server| server.support_channel.get()).collect()
}

/// Has messages sent into each of the channels and checks that they arrive once each and in order.
async fn burst(library: Library, simulator: &Simulator, at_once: bool) {
    burst_after(library, simulator, at_once, |_| {}).await;
}

/// The same, with something that happens right before.
async fn burst_after(
    library: Library,
    simulator: &Simulator,
    at_once: bool,
    before: impl FnOnce(&Simulator),
) {
    let channels = channels(simulator);
    let ids: Vec<String> = channels.iter().map(u64::to_string).collect();
    let settings = json!({"channels": ids, "count": COUNT, "at_once": at_once});
    let (mut client, _) = Client::ready(library, "burst", simulator, &settings).await;
    before(simulator);
    client.go().await;
    client.said("delivered").await;
    client.stop().await;
    let expected: Vec<String> = (0..COUNT).map(|n| n.to_string()).collect();
    let mut delivered = delivered(simulator);
    assert_eq!(delivered.len(), CHANNELS);
    for channel in channels {
        let texts = delivered.get_mut(&channel).unwrap();
        if at_once && library == Library::DiscordPy {
            // It sends as many at a time as the bucket has left, and so promises no order among them.
            texts.sort_by_key(|text| text.parse::<usize>().unwrap());
        }
        assert_eq!(*texts, expected);
    }
}

/// How often each scope was refused.
fn refused(simulator: &Simulator) -> BTreeMap<&'static str, usize> {
    let mut scopes = BTreeMap::new();
    for entry in simulator.transcript().snapshot() {
        if let Kind::RateLimited { scope, .. } = entry.kind {
            *scopes.entry(scope).or_default() += 1;
        }
    }
    scopes
}

/// Checks that nothing but one scope was refused, and how often at most.
fn at_most(simulator: &Simulator, scope: &str, times: usize) {
    let refused = refused(simulator);
    assert!(refused.iter().all(|(of, count)| *of == scope && *count <= times), "{refused:?}");
}

async fn a_burst_past_a_routes_limit_is_delivered_in_order_without_a_429(library: Library) {
    let simulator = tight(|_| {}).await;
    burst(library, &simulator, false).await;
    assert_eq!(simulator.counters().rest_429, 0);
}

/// Also the very first: both let one request go ahead and learn the limit from its answer.
async fn messages_sent_all_at_once_are_delivered_without_a_429(library: Library) {
    let simulator = tight(|_| {}).await;
    burst(library, &simulator, true).await;
    assert_eq!(simulator.counters().rest_429, 0);
}

async fn a_limit_that_no_header_announces_is_learnt_from_its_429s(library: Library) {
    let simulator = tight(|config| config.route_limits.announce(Route::CreateMessage, false)).await;
    burst(library, &simulator, false).await;
    // Three windows each, and one request too early at the end of each but the last.
    at_most(&simulator, "user", CHANNELS * 2);
}

async fn windows_longer_than_announced_lose_nothing(library: Library) {
    let simulator = tight(|config| config.window_jitter = Duration::from_millis(400)).await;
    burst(library, &simulator, false).await;
    // One try at the announced end of each window; the refusal tells the real one.
    at_most(&simulator, "user", CHANNELS * 2);
}

async fn a_shared_limit_is_waited_for(library: Library) {
    let simulator = simulator(|_| {}).await;
    burst_after(library, &simulator, false, |simulator| {
        simulator.limit_resource(channels(simulator)[0], Duration::from_secs(3), Some(20_028));
    })
    .await;
    assert_eq!(refused(&simulator), BTreeMap::from([("shared", 1)]));
    assert_eq!(simulator.counters().rest_invalid, 0, "shared limits are not held against the bot");
}

async fn a_burst_past_the_global_limit_is_delivered_in_order(library: Library) {
    let simulator = simulator(|config| config.rest_global_per_s = Some(10)).await;
    burst(library, &simulator, false).await;
    // Both learn of it by being refused: each channel once in each of the four seconds it takes.
    at_most(&simulator, "global", CHANNELS * 4);
}
