//! Questions that are edited a moment after they were answered.

use helpline_sim::ids::MessageId;
use helpline_sim::matching::QuestionId;

use crate::faults::number;
use crate::harness::Town;
use crate::support::{eventually, run};
use crate::ticket_desk::{BACKUP, REFUND, town};

fn edit(town: &Town, question: QuestionId, text: &str) {
    let channel = town.server(0).support_channel;
    town.sim.edit(channel, MessageId(number(question)), town.member(0), text).expect("his own");
}

async fn reads(town: &Town, question: QuestionId, text: &str) {
    eventually("the answer reads anew", async || {
        town.answers(question).first().filter(|answer| answer.content.contains(text)).map(drop)
    })
    .await;
    town.at_rest().await;
}

#[tokio::test]
async fn what_is_edited_within_a_minute_is_answered_in_the_place_of_the_answer_once() {
    let town = town().await;
    let worker = town.worker();
    let question = town.ask(0, REFUND);
    let first = town.answer(question).await;
    assert!(first.content.contains("14 days"));
    town.at_rest().await;
    worker.kill();
    edit(&town, question, BACKUP);
    let _worker = town.worker();
    reads(&town, question, "restore a backup").await;
    let answers = town.answers(question);
    assert_eq!(
        (answers.len(), answers[0].message),
        (1, first.message),
        "it is edited, and nothing is posted"
    );
    assert_eq!(answers[0].components.len(), 4);
    edit(&town, question, REFUND);
    town.answer(town.say(town.server(0).support_channel, town.server(0).members[1], REFUND)).await;
    town.caught_up(0).await;
    town.at_rest().await;
    assert!(town.answers(question)[0].content.contains("restore a backup"), "once");
    let vote = town.sim.press(
        first.channel,
        first.message,
        &town.answers(question)[0].components[1].custom_id,
        town.member(0),
    );
    vote.expect("the buttons are there");
    let asked = "select sum(total_queries)::bigint from analytics";
    town.at_rest().await;
    assert_eq!(town.count(asked).await, 2, "an edit is no question more");
}

#[tokio::test]
async fn what_is_edited_later_stays_as_it_was_answered() {
    let town = town().await;
    let _worker = town.worker();
    let question = town.ask(0, REFUND);
    town.answer(question).await;
    town.at_rest().await;
    let aged = "update conversations set transcript = jsonb_set(transcript, '{1,at}', to_jsonb(
        to_char((now() - interval '2 minutes') at time zone 'utc', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')))";
    run(&town.db.pool, aged).await;
    edit(&town, question, BACKUP);
    town.answer(town.say(town.server(0).support_channel, town.server(0).members[1], REFUND)).await;
    town.caught_up(0).await;
    town.at_rest().await;
    assert!(town.answers(question)[0].content.contains("14 days"));
}
