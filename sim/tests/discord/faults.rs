//! REST faults as a client meets them: before and after the effect, late, broken, doubled, and by plan.

use crate::support::{PATIENCE, Rest, entry, simulator};
use helpline_sim::{Fault, FaultPlan, Kind, Route, Simulator};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

async fn town() -> (Simulator, Rest, String) {
    let simulator = simulator(|_| {}).await;
    let path = format!("/channels/{}/messages", simulator.servers()[0].support_channel.get());
    let rest = Rest::new(&simulator);
    (simulator, rest, path)
}

/// Waits until so many messages of the bot were posted.
async fn posted(simulator: &Simulator, n: u64) {
    let deadline = Instant::now() + PATIENCE;
    while simulator.counters().bot_messages < n {
        assert!(Instant::now() < deadline, "only {} were posted", simulator.counters().bot_messages);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn proxies_pages_come_before_and_after_the_effect() {
    let (simulator, rest, path) = town().await;
    for (fault, status, effects) in [
        (Fault::Page(502), 502, 0),
        (Fault::PageAfter(504), 504, 1),
        (Fault::Status(500), 500, 1),
        (Fault::StatusAfter(503), 503, 2),
    ] {
        simulator.fail_next(None, 1, fault);
        let failed = rest.response("POST", &path, json!({"content": "x"})).await;
        let html = failed.headers()["content-type"].to_str().unwrap().starts_with("text/html");
        assert_eq!(html, matches!(fault, Fault::Page(_) | Fault::PageAfter(_)), "{fault:?}");
        assert_eq!(failed.headers().contains_key("via"), !html, "{fault:?}");
        assert_eq!((failed.status().as_u16(), simulator.counters().bot_messages), (status, effects));
    }
    let met = json!(Fault::Page(502));
    entry(
        &simulator,
        |kind| matches!(kind, Kind::Faulted { route: "create_message", fault } if json!(fault) == met),
    )
    .await;
}

#[tokio::test]
async fn a_connection_is_reset_before_and_after_the_effect() {
    let (simulator, rest, path) = town().await;
    for (fault, effects) in [(Fault::Reset, 0), (Fault::ResetAfter, 1)] {
        simulator.fail_next(None, 1, fault);
        let broken = rest.try_send("POST", &path, Some(json!({"content": "x"}))).await.unwrap_err();
        let mut cause: &dyn std::error::Error = &broken;
        while let Some(deeper) = cause.source() {
            cause = deeper;
        }
        let kind = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        assert_eq!(kind, Some(std::io::ErrorKind::ConnectionReset), "{fault:?}: {broken:?}");
        assert_eq!(simulator.counters().bot_messages, effects, "{fault:?}");
    }
}

#[tokio::test]
async fn what_stalls_is_carried_out_although_the_client_gave_up() {
    let (simulator, rest, path) = town().await;
    simulator.fail_next(None, 1, Fault::StallMs(400));
    let slow = rest.try_send("POST", &path, Some(json!({"content": "x"})));
    assert!(tokio::time::timeout(Duration::from_millis(50), slow).await.is_err(), "the client gives up");
    assert_eq!(simulator.counters().bot_messages, 0, "not carried out yet");
    posted(&simulator, 1).await;
}

#[tokio::test]
async fn a_late_answer_comes_after_an_effect_that_was_at_once() {
    let (simulator, rest, path) = town().await;
    simulator.fail_next(None, 1, Fault::LateMs(60_000));
    let body = json!({"content": "x", "nonce": "n", "enforce_nonce": true});
    let waiting = tokio::spawn({
        let (rest, path, body) = (rest.clone(), path.clone(), body.clone());
        async move { rest.try_send("POST", &path, Some(body)).await.is_ok() }
    });
    posted(&simulator, 1).await;
    assert!(!waiting.is_finished(), "the answer is still out");
    waiting.abort();
    assert_eq!(rest.call("POST", &path, body).await.0, 200);
    assert_eq!(simulator.counters().bot_messages, 1, "the retry found the nonce");
}

#[tokio::test]
async fn a_truncated_body_breaks_and_a_slow_one_comes_whole() {
    let (simulator, rest, path) = town().await;
    simulator.fail_next(None, 1, Fault::Truncated);
    let cut = rest.response("POST", &path, json!({"content": "x"})).await;
    assert_eq!(cut.status(), 200, "the head is whole");
    assert!(cut.text().await.is_err(), "the body is not");
    assert_eq!(simulator.counters().bot_messages, 1);
    simulator.fail_next(None, 1, Fault::SlowBodyMs(160));
    let began = Instant::now();
    let slow = rest.response("POST", &path, json!({"content": "whole"})).await;
    assert_eq!(slow.json::<serde_json::Value>().await.unwrap()["content"], "whole");
    assert!(began.elapsed() >= Duration::from_millis(150));
}

#[tokio::test]
async fn a_request_is_doubled_only_when_asked_for_and_a_nonce_holds_against_it() {
    let (simulator, rest, path) = town().await;
    assert_eq!(rest.call("POST", &path, json!({"content": "x"})).await.0, 200);
    assert_eq!(simulator.counters().bot_messages, 1);
    simulator.fail_next(None, 2, Fault::Twice);
    assert_eq!(rest.call("POST", &path, json!({"content": "x"})).await.0, 200);
    assert_eq!(simulator.counters().bot_messages, 3, "posted twice");
    let held = json!({"content": "x", "nonce": "n", "enforce_nonce": true});
    assert_eq!(rest.call("POST", &path, held).await.0, 200);
    assert_eq!(simulator.counters().bot_messages, 4, "posted once");
}

#[tokio::test]
async fn plans_choose_by_route_count_and_chance_and_can_be_taken_back() {
    let (simulator, rest, path) = town().await;
    let half = FaultPlan::always(Fault::Status(500)).on(Route::CreateMessage).with_probability(0.5);
    let id = simulator.plan_fault(half).unwrap();
    let mut failed = 0;
    for _ in 0..40 {
        failed += u64::from(rest.call("POST", &path, json!({"content": "x"})).await.0 == 500);
        assert_eq!(rest.get("/users/@me").await.0, 200, "another route");
    }
    assert!((5..=35).contains(&failed), "{failed} of 40 at one half");
    assert_eq!(simulator.fault_plans()[0].met, failed);
    assert!(simulator.remove_fault(id) && !simulator.remove_fault(id));
    for _ in 0..8 {
        assert_eq!(rest.call("POST", &path, json!({"content": "x"})).await.0, 200);
    }
}

#[tokio::test]
async fn faults_are_planned_listed_and_taken_back_over_the_control_api() {
    let (_simulator, rest, path) = town().await;
    let wish = json!({"fault": {"page": 502}, "route": "create_message", "count": "all", "for_ms": 600_000});
    let (status, made) = rest.control("POST", "/faults", wish).await;
    assert_eq!(status, 200);
    assert_eq!(rest.response("POST", &path, json!({"content": "x"})).await.status(), 502);
    let listed = rest.control("GET", "/faults", json!({})).await.1;
    assert_eq!((&listed[0]["id"], &listed[0]["met"]), (&made["id"], &json!(1)));
    let one = format!("/faults/{}", made["id"]);
    assert_eq!(rest.control("DELETE", &one, json!({})).await.0, 200);
    assert_eq!(rest.control("DELETE", &one, json!({})).await.0, 404);
    assert_eq!(rest.call("POST", &path, json!({"content": "x"})).await.0, 200);
    for (wish, says) in [
        (json!({"fault": {"status": 200}}), "from 400 to 599"),
        (json!({"fault": {"status": 500}, "route": "nowhere"}), "unknown route"),
        (json!({"fault": "explode"}), "unknown variant"),
        (json!({"fault": "reset", "often": 2}), "unknown field"),
        (json!({"fault": "reset", "probability": 2}), "probability"),
        (json!({"fault": "reset", "count": "many"}), "whole number"),
    ] {
        let (status, refused) = rest.control("POST", "/faults", wish.clone()).await;
        assert_eq!(status, 422, "{wish}");
        assert!(refused["error"].as_str().unwrap().contains(says), "{wish}: {refused}");
    }
}
