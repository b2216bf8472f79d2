//! Interactions whose worker is late, or as fast as the proxy: one reply, one answer, the right visibility.

use std::time::Duration;

use helpline_sim::ids::InteractionId;
use helpline_sim::matching::{Answer, QuestionId};
use helpline_sim::{Config, Fault, FaultPlan, Phase, Route};
use serde_json::json;

use crate::harness::Town;
use crate::support::eventually;

/// The simulator waits longer for the first reply than Discord, so that a slow machine fails nothing.
async fn town() -> Town {
    Town::with(Config { servers: 2, interaction_deadline: Duration::from_secs(60), ..Config::default() })
        .await
}

fn ask(town: &Town, text: &str) -> InteractionId {
    let channel = town.server(0).support_channel;
    let options = [("question", json!(text))];
    town.sim.slash(channel, town.member(0), "ask", &options).expect("the command exists")
}

async fn acknowledged(town: &Town, interaction: InteractionId) -> u64 {
    eventually("the interaction is acknowledged", async || match town.sim.interaction(interaction) {
        Some(Phase::Answered { callback, .. }) => Some(callback),
        _ => None,
    })
    .await
}

/// An answer with its button, while a worker lives.
async fn answered(town: &Town) -> Answer {
    let worker = town.worker();
    let answer = town.answer(town.ask(0, "how long do I have to ask for a refund?")).await;
    town.at_rest().await;
    worker.kill();
    answer
}

fn press(town: &Town, answer: &Answer) -> InteractionId {
    let button = &answer.components[0].custom_id;
    town.sim.press(answer.channel, answer.message, button, town.member(0)).expect("the button is there")
}

#[tokio::test]
async fn what_the_proxy_deferred_a_worker_that_comes_back_answers_once() {
    let town = town().await;
    let before = answered(&town).await;
    let question = ask(&town, "how do I restore a backup?");
    let pressed = press(&town, &before);
    assert_eq!((acknowledged(&town, question).await, acknowledged(&town, pressed).await), (5, 5));
    assert!(town.answers(QuestionId::Interaction(question)).is_empty(), "nobody knows the answer yet");

    let _worker = town.worker();
    let answer = town.answer(QuestionId::Interaction(question)).await;
    assert!(answer.content.contains("Backups") && !answer.ephemeral);
    let told = town.answer(QuestionId::Interaction(pressed)).await;
    assert!(told.content.contains("human") && told.ephemeral, "the member alone is told");
    town.at_rest().await;
    assert_eq!(town.answers(QuestionId::Interaction(question)).len(), 1);
    assert_eq!(town.answers(QuestionId::Interaction(pressed)).len(), 1);
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
    assert_eq!(town.count("select count(*) from forwarded_tickets").await, 1);
}

#[tokio::test]
async fn a_worker_and_the_proxy_that_reply_at_the_same_time_show_one_answer() {
    let town = town().await;
    let before = answered(&town).await;
    let _worker = town.worker();
    // The worker's callback hangs at Discord until the proxy has deferred; every second one the other way round.
    for (round, stall_ms) in [2_500, 1_500, 0, 2_500].into_iter().enumerate() {
        let stall = FaultPlan::once(Fault::StallMs(stall_ms)).on(Route::InteractionCallback);
        town.sim.plan_fault(stall).expect("a good plan");
        let interaction =
            if round % 2 == 0 { press(&town, &before) } else { ask(&town, "how do I restore a backup?") };
        let answer = town.answer(QuestionId::Interaction(interaction)).await;
        assert_eq!(answer.ephemeral, round % 2 == 0, "round {round}");
        town.at_rest().await;
        assert_eq!(town.answers(QuestionId::Interaction(interaction)).len(), 1, "round {round}");
    }
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
}

#[tokio::test]
async fn a_private_reply_whose_answer_was_lost_is_shown_once() {
    let town = town().await;
    let before = answered(&town).await;
    let _worker = town.worker();
    town.sim.fail_next(Some(Route::InteractionCallback), 1, Fault::DropAnswer);
    let pressed = press(&town, &before);
    let told = town.answer(QuestionId::Interaction(pressed)).await;
    assert!(told.ephemeral && told.content.contains("human"));
    town.at_rest().await;
    assert_eq!(town.answers(QuestionId::Interaction(pressed)).len(), 1);
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
}
