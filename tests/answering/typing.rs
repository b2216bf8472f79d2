//! The typing indicator: where the answer will come, while Discord's limits have room.

use helpline_sim::ids::ChannelId;
use helpline_sim::matching::QuestionId;
use helpline_sim::{Config, Fault, FaultPlan, Kind, Route};

use crate::harness::Town;
use crate::support::eventually;

const REFUND: &str = "how long do I have to ask for a refund?";
const BACKUP: &str = "how do I restore a backup?";

/// Where the bot has been seen typing.
fn typed_in(town: &Town) -> Vec<ChannelId> {
    let transcript = town.sim.transcript().snapshot();
    let typed = transcript.iter().filter_map(|entry| match entry.kind {
        Kind::Typing { channel } => Some(channel),
        _ => None,
    });
    typed.collect()
}

async fn seen_typing(town: &Town, channel: ChannelId) {
    eventually("the bot is seen typing", async || typed_in(town).contains(&channel).then_some(())).await;
}

#[tokio::test]
async fn a_question_that_was_taken_shows_that_the_bot_types_where_it_will_answer() {
    let town = Town::new().await;
    let _worker = town.worker();
    let talk = town.say(town.server(0).general_channel, town.member(0), BACKUP);
    let answer = town.answer(town.ask(0, REFUND)).await;
    seen_typing(&town, answer.channel).await;
    let options = [("question", serde_json::json!(BACKUP))];
    let channel = town.server(0).general_channel;
    let command = town.sim.slash(channel, town.member(0), "ask", &options).expect("the command exists");
    town.answer(QuestionId::Interaction(command)).await;
    // Behind all of this: a follow-up.
    town.answer(town.say(answer.channel, town.member(0), BACKUP)).await;
    eventually("the bot is seen typing again", async || (typed_in(&town).len() == 2).then_some(())).await;
    assert_eq!(typed_in(&town), [answer.channel; 2]);
    assert!(town.answers(talk).is_empty());
    let effects = "select count(*) from helpline.outbox where effect not in ('thread', 'answer', 'defer')";
    assert_eq!(town.count(effects).await, 0, "it is no effect");
}

#[tokio::test]
async fn an_indicator_that_failed_holds_nothing_up_and_is_not_tried_again() {
    let town = Town::new().await;
    let _worker = town.worker();
    town.sim.plan_fault(FaultPlan::once(Fault::Status(500)).on(Route::Typing)).expect("a good plan");
    let first = town.answer(town.ask(0, REFUND)).await;
    // The fault has hit it, or else would hit the next one.
    let second = town.answer(town.ask(0, BACKUP)).await;
    seen_typing(&town, second.channel).await;
    assert!(!typed_in(&town).contains(&first.channel));
    town.at_rest().await;
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
}

#[tokio::test]
async fn while_discords_limits_are_short_nobody_types_and_answers_come() {
    let config = Config { servers: 2, rest_global_per_s: Some(2), ..Config::default() };
    let town = Town::with(config).await;
    let _worker = town.worker();
    let questions: Vec<QuestionId> =
        (0..4).map(|number| town.ask(number % 2, [REFUND, BACKUP][number / 2 % 2])).collect();
    for question in questions {
        town.answer(question).await;
    }
    town.at_rest().await;
    assert_eq!(typed_in(&town), []);
}
