//! Members and reports against a fake bot that answers in threads, and misbehaves on purpose.

use crate::support::{Gateway, Rest, id, simulator};
use helpline_sim::members::{How, Members, Params, Question, Script, ServerRef};
use helpline_sim::report::{Likeness, Report, report};
use helpline_sim::{Server, Simulator, members};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const DEADLINE: Duration = Duration::from_millis(1_500);

/// What the fake bot does wrong.
#[derive(Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// Leaves every third question unanswered.
    Forgets,
    /// Says every answer twice.
    Repeats,
    /// Ends every answer twice, in other words.
    EndsTwice,
    /// Answers two follow-ups in the wrong order.
    Swaps,
    /// Answers what was not asked.
    Babbles,
}

struct Bot {
    rest: Rest,
    fault: Fault,
    me: String,
    asked: AtomicUsize,
}

impl Bot {
    async fn start(simulator: &Simulator, fault: Fault) -> CancellationToken {
        let rest = Rest::new(simulator);
        rest.register_ask(simulator).await;
        let (mut gateway, ready) = Gateway::identified(simulator).await;
        let me = ready["user"]["id"].as_str().unwrap().to_owned();
        let texts = |channel: fn(&Server) -> u64| -> Vec<String> {
            simulator.servers().iter().map(|server| channel(server).to_string()).collect()
        };
        let support = texts(|server| server.support_channel.get());
        let general = texts(|server| server.general_channel.get());
        let bot = Arc::new(Self { rest, fault, me, asked: AtomicUsize::new(0) });
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        tokio::spawn(async move {
            let mut held: Vec<Value> = Vec::new();
            loop {
                let payload = tokio::select! {
                    got = gateway.next() => got.payload(),
                    () = stopped.cancelled() => return,
                };
                let d = &payload["d"];
                match payload["t"].as_str() {
                    Some("MESSAGE_CREATE") if d["author"]["bot"] == false => {
                        let channel = d["channel_id"].as_str().unwrap().to_owned();
                        let mentioned = d["content"].as_str().unwrap().contains(&format!("<@{}>", bot.me));
                        let first = support.contains(&channel) || mentioned;
                        if !first && general.contains(&channel) && bot.fault != Fault::Babbles {
                            continue;
                        }
                        if !first && bot.fault == Fault::Swaps {
                            held.push(d.clone());
                            if held.len() == 2 {
                                bot.answer(&held[1], false).await;
                                bot.answer(&held[0], false).await;
                                held.clear();
                            }
                        } else {
                            bot.answer(d, first).await;
                        }
                    }
                    Some("INTERACTION_CREATE") => bot.interaction(d).await,
                    _ => {}
                }
            }
        });
        stop
    }

    async fn answer(&self, question: &Value, first: bool) {
        if self.fault == Fault::Forgets && self.asked.fetch_add(1, Ordering::Relaxed) % 3 == 2 {
            return;
        }
        let (channel, asked) = (question["channel_id"].as_str().unwrap(), id(question));
        let target = if first {
            let path = format!("/channels/{channel}/messages/{asked}/threads");
            assert_eq!(self.rest.call("POST", &path, json!({"name": "answer"})).await.0, 201);
            asked
        } else {
            channel.parse().unwrap()
        };
        let button =
            json!({"type": 2, "style": 2, "label": "Ask a human", "custom_id": format!("human:{asked}")});
        let mut body = json!({
            "content": format!("about {asked} END"),
            "components": [{"type": 1, "components": [button]}],
        });
        if !first {
            body["message_reference"] = json!({"message_id": asked.to_string()});
        }
        self.rest.post(target, body.clone()).await;
        if self.fault == Fault::EndsTwice {
            body["content"] = json!(format!("again about {asked} END"));
        }
        if matches!(self.fault, Fault::Repeats | Fault::EndsTwice) {
            self.rest.post(target, body).await;
        }
    }

    async fn interaction(&self, event: &Value) {
        let token = event["token"].as_str().unwrap();
        let path = format!("/interactions/{}/{token}/callback", id(event));
        let command = event["type"] == 2;
        let flags = if command { 0 } else { 64 };
        assert_eq!(self.rest.call("POST", &path, json!({"type": 5, "data": {"flags": flags}})).await.0, 204);
        let original = format!("/webhooks/{}/{token}/messages/@original", self.me);
        let body = json!({"content": format!("about {} END", id(event))});
        let (_, message) = self.rest.call("PATCH", &original, body).await;
        if command {
            let channel = event["channel_id"].as_str().unwrap();
            let path = format!("/channels/{channel}/messages/{}/threads", id(&message));
            assert_eq!(self.rest.call("POST", &path, json!({"name": "answer"})).await.0, 201);
        }
    }
}

fn script() -> Script {
    let question =
        |n: usize| Question::new(Some(ServerRef::Index(n % 4)), format!("question {n}?"), json!(n));
    Script { questions: (0..20).map(question).collect() }
}

fn params() -> Params {
    Params {
        questions_per_s: 60.0,
        duration: Duration::from_millis(700),
        think: Duration::from_millis(10),
        deadline: DEADLINE,
        linger: Duration::from_millis(300),
        ..Params::default()
    }
}

async fn run(fault: Fault, params: Params) -> (Vec<members::Asked>, Report) {
    let simulator = simulator(|_| {}).await;
    let stop = Bot::start(&simulator, fault).await;
    let asked = members::run(&simulator, script(), params, CancellationToken::new()).await.unwrap();
    let entries = simulator.transcript().snapshot();
    let report = report(&entries, &asked, DEADLINE, |answer| answer.content.ends_with("END"));
    stop.cancel();
    simulator.shutdown().await;
    (asked, report)
}

#[tokio::test]
async fn a_faithful_bot_is_reported_without_fault_however_it_is_asked() {
    let busy = Params {
        follow_up_share: 0.5,
        double_share: 0.5,
        slash_share: 0.3,
        mention_share: 0.3,
        press_share: 0.5,
        press_prefix: Some("human:".to_owned()),
        chatter_per_s: 20.0,
        ..params()
    };
    let (asked, report) = run(Fault::None, busy).await;
    assert_eq!(report.questions, asked.len());
    assert_eq!(report.answered, asked.len(), "{report:?}");
    assert!(
        report.lost.is_empty() && report.duplicates.is_empty() && report.out_of_order.is_empty(),
        "{report:?}"
    );
    assert!(report.strays.is_empty() && report.interactions_failed == 0, "{report:?}");
    for how in [How::Support, How::Mention, How::Slash, How::FollowUp] {
        assert!(asked.iter().any(|question| question.how == how), "nobody asked by {how:?}");
    }
    assert!(asked.iter().any(|question| question.pressed.is_some()));
    assert!(asked.iter().all(|question| question.answers.len() == 1 && question.thread.is_some()));
    let of = |question: &members::Asked| asked[question.follow_up_of.unwrap()].clone();
    let follow_ups: Vec<_> = asked.iter().filter(|question| question.how == How::FollowUp).collect();
    assert!(follow_ups.iter().all(|question| of(question).thread == Some(question.channel)));
    assert!(report.latency_ms(0.5, |_| true).unwrap() < 1_000);
}

#[tokio::test]
async fn lost_answers_are_found() {
    let (asked, report) = run(Fault::Forgets, Params { slash_share: 0.0, ..params() }).await;
    assert_eq!(report.lost.len(), asked.len() / 3, "{report:?}");
    assert_eq!(report.lost.len() + report.answered, asked.len());
    assert!(report.lost.iter().all(|index| asked[*index].answers.is_empty()));
    assert!(report.duplicates.is_empty() && report.late.is_empty());
}

#[tokio::test]
async fn answers_said_twice_are_found_by_their_text_and_by_their_end() {
    for (fault, why) in [(Fault::Repeats, Likeness::SameContent), (Fault::EndsTwice, Likeness::TwoFinalParts)]
    {
        let (asked, report) = run(fault, Params { slash_share: 0.0, ..params() }).await;
        assert_eq!(report.duplicates.len(), asked.len());
        assert!(report.duplicates.iter().all(|duplicate| duplicate.why == why));
        assert!(report.lost.is_empty());
    }
}

#[tokio::test]
async fn answers_to_what_nobody_asked_are_found() {
    let (_, report) = run(Fault::Babbles, Params { chatter_per_s: 20.0, ..params() }).await;
    assert!(!report.strays.is_empty());
    assert!(report.lost.is_empty() && report.duplicates.is_empty());
}

#[tokio::test]
async fn answers_in_the_wrong_order_are_found() {
    let pairs = Params {
        questions_per_s: 0.0,
        duration: Duration::from_millis(600),
        follow_up_share: 1.0,
        double_share: 1.0,
        max_turns: 2,
        slash_share: 0.0,
        ..params()
    };
    let simulator = simulator(|_| {}).await;
    let stop = Bot::start(&simulator, Fault::Swaps).await;
    let members = Members::start(&simulator, script(), pairs, CancellationToken::new()).unwrap();
    members.burst(1).await;
    let asked = members.finish().await;
    let entries = simulator.transcript().snapshot();
    let report = report(&entries, &asked, DEADLINE, |answer| answer.content.ends_with("END"));
    assert_eq!(asked.len(), 3, "one question and two follow-ups at once");
    assert_eq!(report.out_of_order.len(), 1, "{report:?}");
    let disorder = &report.out_of_order[0];
    assert!(asked[disorder.earlier].at_ms <= asked[disorder.later].at_ms);
    assert_eq!((disorder.earlier, disorder.later), (1, 2));
    stop.cancel();
}

#[tokio::test]
async fn the_same_seed_asks_the_same_questions_in_the_same_places() {
    let asked_with = |seed| async move {
        let (asked, _) = run(Fault::None, Params { seed, follow_up_share: 0.0, ..params() }).await;
        asked.iter().map(|a| (a.question, a.server, a.member, a.how)).take(20).collect::<Vec<_>>()
    };
    let (one, two, other) = tokio::join!(asked_with(5), asked_with(5), asked_with(6));
    assert_eq!(one, two);
    assert_ne!(one, other);
}

#[tokio::test]
async fn a_burst_is_asked_at_once_and_stopping_ends_the_asking() {
    let simulator = simulator(|_| {}).await;
    let stop = Bot::start(&simulator, Fault::None).await;
    let long =
        Params { questions_per_s: 0.0, duration: Duration::from_secs(600), follow_up_share: 0.0, ..params() };
    let members = Members::start(&simulator, script(), long, CancellationToken::new()).unwrap();
    members.burst(12).await;
    members.stop_asking().await;
    let asked = members.finish().await;
    assert_eq!(asked.len(), 12);
    assert!(asked.iter().all(|question| question.answers.len() == 1));
    stop.cancel();
}

#[tokio::test]
async fn members_refuse_a_script_they_cannot_follow() {
    let simulator = simulator(|_| {}).await;
    let start = |script| Members::start(&simulator, script, params(), CancellationToken::new()).unwrap_err();
    assert_eq!(start(Script::default()), members::Error::EmptyScript);
    let nowhere = Question::new(Some(ServerRef::Index(99)), "x", Value::Null);
    assert_eq!(start(Script { questions: vec![nowhere] }), members::Error::UnknownServer(0));
}
