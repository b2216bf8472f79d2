//! The same seed gives the same run: the transcript of one scenario, ids and times included, is the same twice.
#![allow(clippy::unwrap_used, reason = "a test has nobody to tell")]

mod bot;
mod support;

use bot::{Bot, Flaw};
use helpline_sim::scenario::Scenario;
use helpline_sim::{Config, Simulator};

const SCENARIO: &str = include_str!("../scenarios/logical.sim");

/// The transcript of a run as lines of JSON.
async fn transcript(seed: u64) -> Vec<String> {
    let scenario: Scenario = SCENARIO.parse().unwrap();
    let config = Config { seed, ..scenario.config(Config::default()) };
    let simulator = Simulator::start(config).await.unwrap();
    let bot = Bot::start(&simulator, Flaw::None);
    let report = scenario.run(&simulator).await;
    assert!(report.passed(), "seed {seed}: {report}");
    let entries = simulator.transcript().snapshot();
    bot.abort();
    simulator.shutdown().await;
    entries.iter().map(|entry| serde_json::to_string(&**entry).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_same_seed_gives_the_same_transcript_and_another_seed_another() {
    // At once, so that each disturbs the timing of the others.
    let (one, two, three) = tokio::join!(transcript(18), transcript(18), transcript(19));
    for (at, (one, two)) in one.iter().zip(&two).enumerate() {
        assert_eq!(one, two, "entry {at}");
    }
    assert_eq!(one.len(), two.len());
    assert!(one.len() > 40, "{} entries say little", one.len());
    assert!(one.iter().any(|entry| entry.contains("\"kind\":\"faulted\"")));
    assert!(one.iter().any(|entry| entry.contains("\"kind\":\"resumed\"")));
    assert_ne!(one, three);
}
