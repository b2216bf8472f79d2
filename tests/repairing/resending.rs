//! Effects that may have been carried out: Discord has forgotten their nonces in all of these.

use std::time::Duration;

use helpline::worker::Repair;
use helpline_sim::{Config, Fault, FaultPlan, Route};

use crate::harness::Town;
use crate::support::run;

/// Discord forgets a nonce at once, and we know it.
async fn forgetful() -> (Town, Repair) {
    let town = Town::with(Config { servers: 2, nonce_window: Duration::ZERO, ..Config::default() }).await;
    (town, Repair { nonce_window: Duration::ZERO, ..Repair::default() })
}

const REFUND: &str = "how long do I have to ask for a refund?";

#[tokio::test]
async fn an_answer_whose_nonce_discord_has_forgotten_is_looked_for_and_found() {
    let (town, repair) = forgetful().await;
    let worker = town.worker_with(repair);
    let question = town.ask(0, REFUND);
    town.answer(question).await;
    town.at_rest().await;
    town.caught_up(0).await;
    worker.kill();
    // As if the owner had died after Discord took the requests and before it could note that.
    run(&town.db.pool, "update helpline.outbox set state = 'pending', message_id = null, sent_at = null")
        .await;
    let _next = town.worker_with(repair);
    town.at_rest().await;
    assert_eq!(town.answers(question).len(), 1, "said again");
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
    let named = "select count(*) from helpline.outbox where effect = 'answer' and message_id is not null";
    assert_eq!(town.count(named).await, 1, "the message that was found is the answer's");
}

#[tokio::test]
async fn a_message_without_buttons_is_found_by_its_words() {
    let (town, repair) = forgetful().await;
    let worker = town.worker_with(repair);
    town.answer(town.ask(1, REFUND)).await;
    let bot = town.sim.config().bot.get();
    let hinted = town.ask(0, &format!("<@{bot}>"));
    let hint = town.answer(hinted).await;
    town.at_rest().await;
    town.caught_up(0).await;
    worker.kill();
    run(&town.db.pool, "update helpline.outbox set state = 'pending', message_id = null, sent_at = null")
        .await;
    let _next = town.worker_with(repair);
    town.at_rest().await;
    assert_eq!(town.answers(hinted).len(), 1, "said again: {}", hint.content);
}

#[tokio::test]
async fn an_answer_that_was_not_carried_out_is_sent_after_the_look() {
    let (town, repair) = forgetful().await;
    let create = FaultPlan::always(Fault::Status(503)).on(Route::CreateMessage);
    let plan = town.sim.plan_fault(create).expect("a good plan");
    let worker = town.worker_with(repair);
    let question = town.ask(0, REFUND);
    crate::support::eventually("the answer is tried", async || {
        let tried =
            "select count(*) from helpline.outbox where effect = 'answer' and attempted_at is not null";
        (town.count(tried).await == 1).then_some(())
    })
    .await;
    worker.kill();
    assert!(town.sim.remove_fault(plan));
    let _next = town.worker_with(repair);
    town.answer(question).await;
    town.at_rest().await;
    assert_eq!(town.answers(question).len(), 1);
}

#[tokio::test]
async fn an_own_message_that_comes_back_confirms_its_effect_without_a_request() {
    let (town, repair) = forgetful().await;
    // Looking is impossible, so that nothing else can tell.
    let list = FaultPlan::always(Fault::Status(503)).on(Route::ListMessages);
    town.sim.plan_fault(list).expect("a good plan");
    let lost = FaultPlan::once(Fault::ResetAfter).on(Route::CreateMessage);
    town.sim.plan_fault(lost).expect("a good plan");
    let _worker = town.worker_with(repair);
    let question = town.ask(0, REFUND);
    town.answer(question).await;
    town.at_rest().await;
    assert_eq!(town.answers(question).len(), 1, "said again");
    assert_eq!(town.sim.counters().nonce_replays, 0);
}

#[tokio::test]
async fn a_button_of_an_earlier_release_still_calls_a_human() {
    let town = Town::new().await;
    let _worker = town.worker();
    let question = town.ask(0, REFUND);
    let answer = town.answer(question).await;
    let custom_id = answer.components.first().map(|button| button.custom_id.clone()).expect("a button");
    let parts: Vec<&str> = custom_id.split(':').collect();
    assert_eq!((parts[0], parts.len()), ("human", 3), "the mark stands at the end: {custom_id}");
    assert!(custom_id.len() <= 100);
    let server = town.server(0).id.get().to_string();
    let payload = serde_json::json!({
        "id": "999999999999999999", "application_id": "1", "type": 3, "token": "none",
        "guild_id": server, "channel_id": answer.channel.get().to_string(),
        "member": { "user": { "id": town.member(0).get().to_string(), "username": "ada" } },
        "data": { "custom_id": format!("human:{}", parts[1]), "component_type": 2 },
    });
    town.append(0, "old:1", "INTERACTION_CREATE", &payload.to_string()).await;
    crate::support::eventually("a ticket is opened", async || {
        (town.count("select count(*) from forwarded_tickets").await == 1).then_some(())
    })
    .await;
}
