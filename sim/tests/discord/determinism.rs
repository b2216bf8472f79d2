//! The same seed gives the same run: the transcript of one scenario, ids and times included, is the same twice.

use crate::bot::{Bot, Flaw};
use helpline_sim::members::{self, How, Params, Question, Script};
use helpline_sim::scenario::Scenario;
use helpline_sim::{Config, RouteLimits, Simulator};
use serde_json::Value;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const SCENARIO: &str = include_str!("../../scenarios/logical.sim");

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

/// First questions as members asked them, of a bot that takes so long for each request.
async fn first_questions(seed: u64, latency: Duration) -> Vec<(usize, usize, u64, How)> {
    let config = Config {
        servers: 3,
        rest_latency: latency,
        rest_global_per_s: None,
        route_limits: RouteLimits::off(),
        ..Config::default()
    };
    let simulator = Simulator::start(config).await.unwrap();
    let bot = Bot::start(&simulator, Flaw::None);
    while simulator.sessions().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let question = |text: &str| Question {
        text: text.to_owned(),
        tag: Value::Null,
        server: None,
        follow_ups: Vec::new(),
    };
    let script = Script { questions: ["one?", "two?", "three?", "four?"].map(question).into() };
    let params = Params {
        questions_per_s: 25.0,
        duration: Duration::from_secs(1),
        seed,
        follow_up_share: 0.9,
        think: Duration::from_millis(10),
        linger: Duration::from_millis(50),
        ..Params::default()
    };
    let asked = members::run(&simulator, script, params, CancellationToken::new()).await.unwrap();
    bot.abort();
    simulator.shutdown().await;
    assert!(asked.iter().any(|asked| asked.how == How::FollowUp), "follow-ups come between");
    let firsts = asked.iter().filter(|asked| asked.how != How::FollowUp);
    firsts.map(|asked| (asked.question, asked.server, asked.member.get(), asked.how)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn how_fast_the_bot_answers_changes_nothing_about_who_asks_what() {
    let slow = Duration::from_millis(60);
    let (one, two, three) = tokio::join!(
        first_questions(5, Duration::ZERO),
        first_questions(5, slow),
        first_questions(6, Duration::ZERO)
    );
    assert_eq!(one, two);
    assert!(one.len() > 10);
    assert_ne!(one, three);
}
