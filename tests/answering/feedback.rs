//! The buttons below an answer: votes of whoever asked, and the end of a conversation. "Ask a human" has its own tests.

use std::time::Duration;

use helpline_sim::ids::{InteractionId, UserId};
use helpline_sim::matching::{Answer, QuestionId};
use helpline_sim::{Config, Phase};

use crate::faults::{append, entry_of};
use crate::harness::Town;
use crate::support::eventually;

const REFUND: &str = "how long do I have to ask for a refund?";
const BACKUP: &str = "how do I restore a backup?";
const VOTES: &str = "select count(*) from helpline.feedback";
const HELPFUL: &str = "select count(*) from helpline.feedback where helpful";
const CLOSED: &str =
    "select count(*) from conversations where status = 'completed' and completed_at is not null";
const ACTIVE: &str = "select count(*) from conversations where status = 'active' and completed_at is null";

/// The simulator waits longer for the first reply than Discord, so that a slow machine fails nothing.
async fn town() -> Town {
    Town::with(Config { servers: 2, interaction_deadline: Duration::from_secs(60), ..Config::default() })
        .await
}

/// A press of the button whose custom id begins so.
fn press(town: &Town, answer: &Answer, button: &str, member: UserId) -> InteractionId {
    let button = answer.components.iter().find(|component| component.custom_id.starts_with(button));
    let button = &button.expect("the answer has such a button").custom_id;
    town.sim.press(answer.channel, answer.message, button, member).expect("the button is there")
}

/// What whoever pressed is told: something, once, and alone.
async fn told(town: &Town, pressed: InteractionId) -> String {
    let told = town.answer(QuestionId::Interaction(pressed)).await;
    assert!(told.ephemeral, "for everybody to see: {}", told.content);
    town.at_rest().await;
    assert_eq!(town.answers(QuestionId::Interaction(pressed)).len(), 1);
    told.content
}

#[tokio::test]
async fn whoever_asked_says_whether_it_helped_and_may_change_his_mind() {
    let town = town().await;
    let _worker = town.worker();
    let answer = town.answer(town.ask(0, REFUND)).await;
    let labels: Vec<&str> = answer.components.iter().map(|button| button.label.as_str()).collect();
    assert_eq!(labels, ["Ask a human", "Helpful", "Not helpful", "Close"]);
    let (asker, other) = (town.member(0), town.server(0).members[1]);
    assert!(told(&town, press(&town, &answer, "helpful:", asker)).await.contains("glad"));
    assert_eq!((town.count(VOTES).await, town.count(HELPFUL).await), (1, 1));
    assert!(told(&town, press(&town, &answer, "unhelpful:", other)).await.starts_with("Only the member"));
    assert_eq!((town.count(VOTES).await, town.count(HELPFUL).await), (1, 1));
    for _ in 0..2 {
        told(&town, press(&town, &answer, "unhelpful:", asker)).await;
        assert_eq!((town.count(VOTES).await, town.count(HELPFUL).await), (1, 0));
    }
    // Each answer has its own vote, also that to a command and that which found nothing.
    let second = town.answer(town.say(answer.channel, asker, "which wine goes with grilled salmon?")).await;
    told(&town, press(&town, &second, "unhelpful:", asker)).await;
    let channel = town.server(0).general_channel;
    let options = [("question", serde_json::json!(BACKUP))];
    let command = town.sim.slash(channel, asker, "ask", &options).expect("the command exists");
    let third = town.answer(QuestionId::Interaction(command)).await;
    told(&town, press(&town, &third, "helpful:", asker)).await;
    assert_eq!((town.count(VOTES).await, town.count(HELPFUL).await), (3, 1));
    assert_eq!(town.count(ACTIVE).await, 2, "a vote ends nothing");
}

#[tokio::test]
async fn of_two_votes_at_once_the_later_counts_and_a_press_that_comes_again_changes_nothing() {
    let town = town().await;
    let worker = town.worker();
    let answer = town.answer(town.ask(0, REFUND)).await;
    town.at_rest().await;
    worker.kill();
    let asker = town.member(0);
    let presses = [press(&town, &answer, "helpful:", asker), press(&town, &answer, "unhelpful:", asker)];
    let first = entry_of(&town, 0, presses[0].get(), "INTERACTION_CREATE").await;
    entry_of(&town, 0, presses[1].get(), "INTERACTION_CREATE").await;
    // Both wait, and are applied in one transaction.
    let _next = town.worker();
    for pressed in presses {
        told(&town, pressed).await;
    }
    assert_eq!((town.count(VOTES).await, town.count(HELPFUL).await), (1, 0));
    append(&town, 0, &first.0, "INTERACTION_CREATE", &first.1).await;
    append(&town, 0, "another-session:1", "INTERACTION_CREATE", &first.1).await;
    town.answer(town.ask(0, BACKUP)).await;
    town.at_rest().await;
    assert_eq!((town.count(VOTES).await, town.count(HELPFUL).await), (1, 0));
    assert_eq!(town.answers(QuestionId::Interaction(presses[0])).len(), 1);
}

#[tokio::test]
async fn a_conversation_that_was_closed_goes_on_when_its_asker_writes_in_its_thread() {
    let town = town().await;
    let _worker = town.worker();
    let answer = town.answer(town.ask(0, REFUND)).await;
    let (asker, other) = (town.member(0), town.server(0).members[1]);
    assert!(told(&town, press(&town, &answer, "close:", other)).await.starts_with("Only the member"));
    assert_eq!(town.count(ACTIVE).await, 1);
    let (first, second) = (press(&town, &answer, "close:", asker), press(&town, &answer, "close:", asker));
    let said = [told(&town, first).await, told(&town, second).await];
    assert!(said.iter().any(|text| text.contains("already")), "{said:?}");
    assert_eq!((town.count(CLOSED).await, town.count(ACTIVE).await), (1, 0));
    let turns = "select count(*) from conversations, jsonb_array_elements(transcript) turn
                 where turn ->> 'role' = 'closed'";
    assert_eq!(town.count(turns).await, 1, "closed once");
    assert!(town.answer(town.say(answer.channel, asker, BACKUP)).await.content.contains("Backups"));
    assert_eq!((town.count(CLOSED).await, town.count(ACTIVE).await), (0, 1));
}

#[tokio::test]
async fn what_is_asked_beside_a_press_of_close_is_answered_whichever_comes_first() {
    let town = town().await;
    let worker = town.worker();
    let answers = [town.answer(town.ask(0, REFUND)).await, town.answer(town.ask(0, BACKUP)).await];
    town.at_rest().await;
    worker.kill();
    let asker = town.member(0);
    let closed_first = press(&town, &answers[0], "close:", asker);
    let asked_then = town.say(answers[0].channel, asker, BACKUP);
    let asked_first = town.say(answers[1].channel, asker, REFUND);
    let closed_then = press(&town, &answers[1], "close:", asker);
    entry_of(&town, 0, closed_then.get(), "INTERACTION_CREATE").await;
    let _next = town.worker();
    for question in [asked_then, asked_first] {
        assert!(town.answer(question).await.content.contains("Sources"));
        assert_eq!(town.answers(question).len(), 1);
    }
    for pressed in [closed_first, closed_then] {
        told(&town, pressed).await;
    }
    assert_eq!((town.count(CLOSED).await, town.count(ACTIVE).await), (1, 1));
}

#[tokio::test]
async fn presses_that_no_worker_is_there_for_are_acknowledged_by_the_proxy_and_answered_alone() {
    let town = town().await;
    let worker = town.worker();
    let answer = town.answer(town.ask(0, REFUND)).await;
    town.at_rest().await;
    worker.kill();
    let asker = town.member(0);
    let presses = ["helpful:", "unhelpful:", "close:"].map(|button| press(&town, &answer, button, asker));
    for pressed in presses {
        let callback =
            eventually("the press is acknowledged", async || match town.sim.interaction(pressed) {
                Some(Phase::Answered { callback, .. }) => Some(callback),
                _ => None,
            })
            .await;
        assert_eq!(callback, 5, "deferred");
    }
    let _next = town.worker();
    for pressed in presses {
        told(&town, pressed).await;
    }
    assert_eq!((town.count(VOTES).await, town.count(HELPFUL).await, town.count(CLOSED).await), (1, 0, 1));
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
}

#[tokio::test]
async fn a_human_who_was_asked_is_not_sent_away_by_a_press_of_close() {
    let town = town().await;
    let _worker = town.worker();
    let answer = town.answer(town.ask(0, REFUND)).await;
    told(&town, press(&town, &answer, "human:", town.member(0))).await;
    assert!(told(&town, press(&town, &answer, "close:", town.member(0))).await.contains("human"));
    let open = "select count(*) from forwarded_tickets where status = 'pending'";
    assert_eq!((town.count(open).await, town.count(CLOSED).await), (1, 0));
}

#[tokio::test]
async fn buttons_of_another_server_and_crafted_ones_reach_nothing() {
    let town = town().await;
    let _worker = town.worker();
    let theirs = town.answer(town.ask(1, BACKUP)).await;
    let stranger = town.member(1).get();
    let server = town.server(0).id.get().to_string();
    let (_, ids) = theirs.components[1].custom_id.split_once(':').expect("ids");
    let crafted = ["helpful:", "unhelpful:", "close:"].map(|button| format!("{button}{ids}"));
    let crafted = crafted.into_iter().chain([
        "helpful:".to_owned(),
        "close:%00:1:x".to_owned(),
        format!("unhelpful:{}", "9".repeat(90)),
    ]);
    let mut sent = 0;
    for (id, custom_id) in (999_999_999_999_990_000_u64..).zip(crafted) {
        // As if whoever asked there had pressed it here.
        let payload = serde_json::json!({
            "id": id.to_string(), "application_id": "1", "type": 3, "token": "none",
            "guild_id": server, "channel_id": theirs.channel.get().to_string(),
            "member": { "user": { "id": stranger.to_string(), "username": "eve" } },
            "data": { "custom_id": custom_id, "component_type": 2 },
        });
        append(&town, 0, &format!("forged:{id}"), "INTERACTION_CREATE", &payload.to_string()).await;
        sent += 1;
    }
    eventually("the forged presses are applied", async || {
        let seen = town.count("select count(*) from helpline.outbox where effect = 'respond'").await;
        (seen == sent).then_some(())
    })
    .await;
    assert_eq!((town.count(VOTES).await, town.count(CLOSED).await, town.count(ACTIVE).await), (0, 0, 1));
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
}
