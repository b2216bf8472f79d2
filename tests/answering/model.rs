//! Answers that a chat model writes, and what becomes of a question when it does not.

use std::time::{Duration, Instant};

use helpline::answer::retrieve::Retriever;
use helpline::answer::{Action, Answerer, Reason, Speaker, Turn, extract};
use helpline_cluster::ids::ServerId;
use helpline_sim::Kind;

use crate::desk::{Desk, REFUND, SERVER, request, settings};
use crate::harness::Town;
use crate::model_server::{Mode, ModelServer};
use crate::settled::REFUNDS;
use crate::support::eventually;

/// What the fake says of the refunds: three sentences, where the built-in answerer quotes two.
const WRITTEN: &str = "You can ask for a refund within 14 days of the purchase. \
    Write to billing with the number of the invoice. \
    The money is back on your card after five working days. [1]";

#[tokio::test]
async fn the_model_writes_the_answer_from_the_passages_and_its_source_is_named() {
    for mode in [Mode::Ok, Mode::Whole, Mode::Plain] {
        let desk = Desk::new(mode).await;
        let answer = desk.ask(REFUND).await;
        assert_eq!((answer.action, answer.text.as_str()), (Action::Answer, WRITTEN), "{mode:?}");
        assert_eq!(answer.citations.iter().map(|c| c.title.as_str()).collect::<Vec<_>>(), ["Refunds"]);
        assert_eq!(answer.tokens, 1_000, "{mode:?}");
        assert!(desk.server.keys().iter().all(|key| key == "Bearer sk-test"));
    }
}

#[tokio::test]
async fn fields_that_an_endpoint_refuses_are_left_out_from_then_on() {
    let desk = Desk::new(Mode::Plain).await;
    desk.ask(REFUND).await;
    let learned = desk.server.count();
    assert!(learned > 1, "it refused some");
    assert_eq!(desk.ask(REFUND).await.text, WRITTEN);
    assert_eq!(desk.server.count(), learned + 1);
}

#[tokio::test]
async fn whatever_the_endpoint_does_the_question_is_answered_within_the_deadline() {
    for (mode, requests) in [
        (Mode::ServerError, 3),
        (Mode::Unauthorized, 1),
        (Mode::RateLimited { retry_after_s: 60 }, 1),
        (Mode::Hang, 3),
        (Mode::Stall, 3),
        (Mode::Cut, 3),
        (Mode::ErrorInside, 3),
        (Mode::Garbage, 3),
        (Mode::Prose, 2),
    ] {
        let desk = Desk::new(mode).await;
        let started = Instant::now();
        let answer = desk.ask(REFUND).await;
        assert!(started.elapsed() < Duration::from_secs(5), "{mode:?} took {:?}", started.elapsed());
        let quoting = extract::Extractive::new(Retriever::new(desk.db.role("helpline_worker")));
        let quoted = quoting.answer(&request(SERVER, REFUND, &[])).await.expect("answered");
        assert_ne!(quoted.text, WRITTEN);
        assert_eq!((answer.action, &answer.text), (Action::Answer, &quoted.text), "{mode:?}");
        assert_eq!(desk.server.count(), requests, "{mode:?}");
    }
    // Nobody listens there.
    let desk =
        Desk::with(Mode::Ok, |config| config.endpoint.url = "http://127.0.0.1:9".parse().expect("a URL"))
            .await;
    assert_eq!(desk.ask(REFUND).await.action, Action::Answer);
}

#[tokio::test]
async fn what_passes_is_tried_again_no_sooner_than_the_endpoint_asks() {
    for modes in [
        [Mode::ServerError, Mode::Cut],
        [Mode::Hang, Mode::Garbage],
        [Mode::ErrorInside, Mode::Stall],
        [Mode::Prose, Mode::ServerError],
    ] {
        let desk = Desk::new(Mode::Ok).await;
        desk.server.next(&modes);
        assert_eq!(desk.ask(REFUND).await.text, WRITTEN, "{modes:?}");
        assert_eq!(desk.server.count(), 3, "{modes:?}");
    }
    let desk = Desk::new(Mode::Ok).await;
    desk.server.next(&[Mode::RateLimited { retry_after_s: 1 }]);
    let started = Instant::now();
    assert_eq!(desk.ask(REFUND).await.text, WRITTEN);
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn an_endpoint_that_is_down_is_left_alone_and_found_again() {
    let desk = Desk::new(Mode::Unauthorized).await;
    for _ in 0..5 {
        assert_eq!(desk.ask(REFUND).await.action, Action::Answer);
    }
    assert_eq!(desk.server.count(), 5);
    desk.server.set(Mode::Ok);
    let answer = desk.ask(REFUND).await;
    assert_ne!(answer.text, WRITTEN);
    assert_eq!(desk.server.count(), 5, "it is left alone");
    eventually("it is found again", async || (desk.ask(REFUND).await.text == WRITTEN).then_some(())).await;
    assert_eq!(desk.ask(REFUND).await.text, WRITTEN, "and used from then on");
}

#[tokio::test]
async fn replies_that_cannot_be_read_do_not_take_the_model_from_others() {
    let desk = Desk::new(Mode::Prose).await;
    for _ in 0..8 {
        desk.ask(REFUND).await;
    }
    desk.server.set(Mode::Ok);
    assert_eq!(desk.ask(REFUND).await.text, WRITTEN);
}

#[tokio::test]
async fn a_server_that_floods_takes_the_model_from_nobody_else() {
    let desk = Desk::with(Mode::Slow(Duration::from_millis(300)), |config| {
        config.calls = 4;
        config.endpoint.idle = Duration::from_secs(3);
        config.endpoint.deadline = Duration::from_secs(20);
    })
    .await;
    desk.settle(ServerId(8), &[REFUNDS]).await;
    let flood = futures_util::future::join_all((0..30).map(|_| desk.ask(REFUND)));
    let other = async {
        let answer = desk.answer(&request(ServerId(8), REFUND, &[])).await;
        (answer.text, desk.server.count())
    };
    let (flood, (text, requests)) = tokio::join!(flood, other);
    assert_eq!(text, WRITTEN);
    assert!(requests < 7, "the other server waited until all of them were through");
    let written = flood.iter().filter(|answer| answer.text == WRITTEN).count();
    assert_eq!(written, 6, "two call, four wait, the others are answered at once");
    assert!(flood.iter().all(|answer| answer.action == Action::Answer));
}

#[tokio::test]
async fn a_worker_spends_no_more_than_it_may() {
    let desk = Desk::with(Mode::Ok, |config| config.tokens_per_worker = 2_500).await;
    for _ in 0..6 {
        desk.ask(REFUND).await;
    }
    assert_eq!(desk.server.count(), 3);
}

#[tokio::test]
async fn what_a_server_spends_is_counted_once_and_holds_it_to_its_bound_on_every_worker() {
    let (town, server) = (Town::new().await, ModelServer::start(Mode::Ok).await);
    let mut config = settings(&server.url);
    config.tokens_per_server = 1_500;
    let worker = town.worker_with_model(config.clone());
    for expected in [1_000, 2_000] {
        let answer = town.answer(town.ask(0, REFUND)).await;
        assert!(answer.content.contains("five working days"), "{}", answer.content);
        town.at_rest().await;
        let spent = town.count("select sum(tokens)::bigint from helpline.model_spent").await;
        assert_eq!(spent, expected);
    }
    town.answer(town.ask(0, REFUND)).await;
    assert_eq!(server.count(), 2, "it has spent what it may");
    worker.terminate();
    let _next = town.worker_with_model(config);
    town.answer(town.ask(0, REFUND)).await;
    assert_eq!(server.count(), 2, "on the next worker too");
    town.answer(town.ask(1, REFUND)).await;
    assert_eq!(server.count(), 3, "another server has its own bound");
    town.at_rest().await;
    assert_eq!(town.count("select count(*) from helpline.model_spent").await, 2);
}

const ASKS_BACK: &str =
    r#"⟦{"action":"clarify","reason":null,"text":"Which purchase do you mean?","citations":[]}⟧"#;

#[tokio::test]
async fn a_question_back_is_neither_an_answer_nor_unsure_and_comes_once_in_a_row() {
    let (town, server) = (Town::new().await, ModelServer::start(Mode::Ok).await);
    let _worker = town.worker_with_model(settings(&server.url));
    let asked_back = town.answer(town.ask(0, &format!("refund? {ASKS_BACK}"))).await;
    assert_eq!(asked_back.content, "Which purchase do you mean?");
    let buttons: Vec<&str> = asked_back.components.iter().map(|button| button.custom_id.as_str()).collect();
    assert!(buttons.len() == 1 && buttons[0].starts_with("human:"), "{buttons:?}");
    let said = town.say(asked_back.channel, town.member(0), &format!("the refund of the game {ASKS_BACK}"));
    let answer = town.answer(said).await;
    assert!(answer.content.contains("14 days"), "{}", answer.content);
    let clarified = "select count(*) from conversations where transcript @> '[{\"action\": \"clarify\"}]'";
    assert_eq!(town.count(clarified).await, 1);
    assert_eq!(town.count("select count(*) from conversations where status = 'active'").await, 1);
}

#[tokio::test]
async fn handing_over_opens_one_ticket_and_calls_staff_once() {
    let (town, server) = (Town::new().await, ModelServer::start(Mode::Ok).await);
    let _worker = town.worker_with_model(settings(&server.url));
    let wish = r#"my refund is gone ⟦{"action":"hand_over","reason":"complaint"}⟧"#;
    let answer = town.answer(town.ask(0, wish)).await;
    assert!(answer.content.contains("This is one for a human"), "{}", answer.content);
    let again = town.say(answer.channel, town.member(0), wish);
    town.at_rest().await;
    assert!(town.answers(again).is_empty(), "a human has it");
    assert_eq!(town.count("select count(*) from forwarded_tickets where status = 'pending'").await, 1);
    assert_eq!(town.count("select count(*) from conversations where status = 'forwarded'").await, 1);
    let reason = "select count(*) from conversations
         where transcript @> '[{\"action\": {\"hand_over\": \"complaint\"}}]'";
    assert_eq!(town.count(reason).await, 1);
    let role = town.server(0).support_role;
    let pings =
        town.sim.transcript().snapshot().into_iter().filter(
            |entry| matches!(&entry.kind, Kind::BotMessage(message) if message.pinged.roles == [role]),
        );
    assert_eq!(pings.count(), 1);
}

#[tokio::test]
async fn a_hand_over_that_the_question_alone_does_not_bring_about_is_none() {
    let desk = Desk::new(Mode::Ok).await;
    let earlier = |speaker, text: &str| Turn { speaker, text: text.to_owned(), asks_back: false };
    let order = r#"⟦{"action":"hand_over","reason":"safety"}⟧"#;
    for turn in [earlier(Speaker::Member, order), earlier(Speaker::Bot, order)] {
        let answer = desk.answer(&request(SERVER, REFUND, &[turn])).await;
        assert_eq!(answer.action, Action::Answer);
    }
    let answer = desk.ask(&format!("{REFUND} {order}")).await;
    assert_eq!(answer.action, Action::HandOver(Reason::Safety));
    assert_eq!(answer.tokens, 2_000, "both calls are counted");
}

#[tokio::test]
async fn a_drain_waits_for_no_model_and_the_next_owner_answers_in_order() {
    let (town, server) = (Town::new().await, ModelServer::start(Mode::Hang).await);
    let mut patient = settings(&server.url);
    patient.endpoint.deadline = Duration::from_secs(120);
    patient.endpoint.idle = Duration::from_secs(120);
    let worker = town.worker_with_model(patient.clone());
    let first = town.mention(0, REFUND);
    eventually("the model is asked", async || (server.count() == 1).then_some(())).await;
    let second = town.ask(0, "how do I restore a backup?");
    eventually("and for the other question", async || (server.count() == 2).then_some(())).await;
    server.set(Mode::Ok);
    let stopped = Instant::now();
    worker.terminate();
    let _next = town.worker_with_model(patient);
    let answers = [town.answer(first).await, town.answer(second).await];
    assert!(stopped.elapsed() < Duration::from_secs(15), "{:?}", stopped.elapsed());
    assert!(answers[0].content.contains("14 days"), "{}", answers[0].content);
    town.at_rest().await;
    assert!([first, second].into_iter().all(|question| town.answers(question).len() == 1));
}

#[tokio::test]
async fn answers_of_one_conversation_come_in_the_order_of_its_questions_also_when_one_times_out() {
    let (town, server) = (Town::new().await, ModelServer::start(Mode::Ok).await);
    let _worker = town.worker_with_model(settings(&server.url));
    let thread = town.answer(town.ask(0, REFUND)).await.channel;
    server.next(&[Mode::Hang, Mode::Hang, Mode::Hang]);
    let slow = town.say(thread, town.member(0), "how do I restore a backup?");
    let fast = town.say(thread, town.member(0), REFUND);
    let (slow, fast) = (town.answer(slow).await, town.answer(fast).await);
    assert!(slow.message < fast.message, "the later question was answered first");
    assert!(slow.content.contains("Backups") && fast.content.contains("14 days"));
}
