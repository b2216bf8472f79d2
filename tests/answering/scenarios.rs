//! Scenarios of the simulator, docs/scenarios.md, against the real proxy and worker.

use helpline_sim::Config;
use helpline_sim::scenario::Scenario;

use crate::harness::Town;

/// Drops, an asked reconnect and an invalidated session: every question is answered, and once.
const DROP: &str = include_str!("../../sim/scenarios/drop.sim");

#[tokio::test]
async fn the_real_bot_passes_the_scenario_of_dropped_connections() {
    let scenario: Scenario = DROP.parse().expect("a scenario that can be read");
    let town = Town::with(scenario.config(Config::default())).await;
    let _worker = town.worker();
    let report = scenario.run(&town.sim).await;
    assert!(report.passed(), "{report}");
}
