//! Follow-ups that are written in a thread as soon as it is there, before its start is answered, and threads that Discord
//! refuses.

use helpline_sim::ids::{ChannelId, MessageId};
use helpline_sim::matching::{Answer, QuestionId};
use helpline_sim::{Fault, FaultPlan, Route};
use serde_json::json;

use crate::harness::Town;
use crate::support::eventually;

const BACKUP: &str = "how do I restore a backup?";
const REFUND: &str = "and when is a refund possible?";
/// The thread is there, and who asked for it learns that so much later.
const HELD: Fault = Fault::LateMs(4_000);
const FAILED: &str = "select count(*) from helpline.outbox where state = 'failed'";
const THREADS: &str = "select count(*) from conversations where thread_id is not null";

async fn slash(town: &Town) -> QuestionId {
    eventually("the command is registered", async || {
        town.sim.commands().contains(&"ask".to_owned()).then_some(())
    })
    .await;
    let channel = town.server(0).general_channel;
    let options = [("question", json!(BACKUP))];
    QuestionId::Interaction(
        town.sim.slash(channel, town.member(0), "ask", &options).expect("the command exists"),
    )
}

/// A follow-up at the first moment at which the thread on a message takes one.
async fn follow_up(town: &Town, on: MessageId) -> QuestionId {
    let thread = ChannelId(on.get());
    let said = eventually("the thread is there", async || town.sim.say(thread, town.member(0), REFUND).ok());
    QuestionId::Message(said.await)
}

async fn assert_both_answered_once(town: &Town, first: QuestionId, second: QuestionId) {
    let answer = town.answer(second).await;
    assert!(answer.content.contains("Sources"), "{}", answer.content);
    town.at_rest().await;
    assert_eq!((town.answers(first).len(), town.answers(second).len()), (1, 1));
    assert_eq!(town.count("select count(*) from conversations").await, 1);
    assert_eq!(town.count(FAILED).await, 0);
}

async fn ask_a_human(town: &Town, answer: &Answer) {
    let button = &answer.components[0].custom_id;
    let pressed = town.sim.press(answer.channel, answer.message, button, town.member(0)).expect("a button");
    town.answer(QuestionId::Interaction(pressed)).await;
    town.at_rest().await;
}

/// Messages of ours that call the support role, by channel.
fn calls_for_staff(town: &Town) -> Vec<ChannelId> {
    let role = town.server(0).support_role;
    let transcript = town.sim.transcript().snapshot();
    let messages = transcript.iter().filter_map(|entry| match &entry.kind {
        helpline_sim::transcript::Kind::BotMessage(message) => Some(message),
        _ => None,
    });
    messages.filter(|message| message.pinged.roles == [role]).map(|message| message.channel).collect()
}

#[tokio::test]
async fn a_follow_up_is_answered_that_comes_before_the_worker_knows_of_the_thread_on_its_reply() {
    let town = Town::new().await;
    let _worker = town.worker();
    town.sim.plan_fault(FaultPlan::once(HELD).on(Route::StartThread)).expect("a good plan");
    let question = slash(&town).await;
    let original = town.answer(question).await;
    let second = follow_up(&town, original.message).await;
    assert_both_answered_once(&town, question, second).await;
}

#[tokio::test]
async fn a_follow_up_is_answered_when_the_owner_dies_between_the_thread_on_its_reply_and_its_knowledge() {
    let town = Town::new().await;
    let first = town.worker();
    // The next owner's repetition is held as well.
    town.sim.fail_next(Some(Route::StartThread), 2, HELD);
    let question = slash(&town).await;
    let original = town.answer(question).await;
    let second = follow_up(&town, original.message).await;
    first.kill();
    let _next = town.worker();
    assert_both_answered_once(&town, question, second).await;
}

#[tokio::test]
async fn a_follow_up_is_answered_that_comes_before_the_thread_on_a_question_is_known_also_after_a_crash() {
    for dies in [false, true] {
        let town = Town::new().await;
        let first = town.worker();
        town.sim.plan_fault(FaultPlan::once(HELD).on(Route::StartThread)).expect("a good plan");
        let question = town.ask(0, BACKUP);
        let QuestionId::Message(message) = question else { panic!("it is a message") };
        let second = follow_up(&town, message).await;
        let next = if dies {
            first.kill();
            town.worker()
        } else {
            first
        };
        assert_both_answered_once(&town, question, second).await;
        next.kill();
    }
}

#[tokio::test]
async fn a_thread_on_a_reply_that_is_refused_is_forgotten_and_staff_are_called_in_the_channel() {
    let town = Town::new().await;
    let _worker = town.worker();
    town.sim.fail_next(Some(Route::StartThread), 1, Fault::Status(403));
    let question = slash(&town).await;
    let answer = town.answer(question).await;
    town.at_rest().await;
    assert_eq!((town.count(FAILED).await, town.count(THREADS).await), (1, 0));
    ask_a_human(&town, &answer).await;
    assert_eq!(calls_for_staff(&town), [answer.channel]);
}

#[tokio::test]
async fn a_thread_whose_start_was_not_answered_stays_known_when_it_is_refused_later() {
    let town = Town::new().await;
    let _worker = town.worker();
    town.sim.fail_next(Some(Route::StartThread), 1, Fault::DropAnswer);
    town.sim.fail_next(Some(Route::StartThread), 1, Fault::Status(403));
    let question = slash(&town).await;
    let original = town.answer(question).await;
    eventually("the start is given up", async || (town.count(FAILED).await == 1).then_some(())).await;
    assert_eq!(town.count(THREADS).await, 1, "it may be there, and is");
    let second = follow_up(&town, original.message).await;
    town.answer(second).await;
}

#[tokio::test]
async fn staff_are_called_in_the_channel_when_there_is_no_thread_on_the_question() {
    let town = Town::new().await;
    let _worker = town.worker();
    town.sim.fail_next(Some(Route::StartThread), 1, Fault::Status(403));
    let answer = town.answer(town.ask(0, BACKUP)).await;
    town.at_rest().await;
    ask_a_human(&town, &answer).await;
    assert_eq!(calls_for_staff(&town), [town.server(0).support_channel]);
    assert_eq!(town.count(FAILED).await, 1, "the thread alone");
}
