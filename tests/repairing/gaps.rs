//! Messages that the gateway never brought.

use std::time::Duration;

use helpline::proxy::backfill::Budget;
use helpline_sim::Config;
use helpline_sim::matching::QuestionId;

use crate::harness::Town;
use crate::support::{eventually, run};

const REFUND: &str = "how long do I have to ask for a refund?";
const BACKUP: &str = "how do I restore a backup?";

/// A town in which something was answered once, so that there is something to miss.
async fn settled(config: Config) -> (Town, crate::harness::Process) {
    let town = Town::with(config).await;
    let worker = town.worker();
    town.answer(town.ask(0, REFUND)).await;
    town.answer(town.ask(1, REFUND)).await;
    town.at_rest().await;
    (town, worker)
}

/// Discord forgets the session while nobody is connected, and members ask meanwhile.
async fn ask_while_the_session_is_lost(town: &Town) -> Vec<QuestionId> {
    let session = town.sim.sessions().first().expect("a session").id.clone();
    assert!(town.sim.invalidate(&session));
    let mut asked = Vec::new();
    for n in 0..4 {
        asked.push(town.ask(n % 2, if n < 2 { BACKUP } else { REFUND }));
    }
    asked
}

#[tokio::test]
async fn questions_of_a_lost_session_are_answered_once_each() {
    let (town, _worker) = settled(Config { servers: 2, ..Config::default() }).await;
    let asked = ask_while_the_session_is_lost(&town).await;
    for question in &asked {
        town.answer(*question).await;
    }
    let after = town.ask(0, BACKUP);
    town.answer(after).await;
    town.at_rest().await;
    for question in asked.iter().chain([&after]) {
        assert_eq!(town.answers(*question).len(), 1);
    }
    eventually("the gap is recorded and repaired", async || {
        let gaps = "select count(*) from helpline.gaps where cause = 'session_lost' and state = 'repaired'";
        (town.count(gaps).await == 1).then_some(())
    })
    .await;
    assert!(town.count("select sum(messages)::bigint from helpline.gaps").await >= 4);
    assert_eq!(town.count("select count(*) from helpline.gap_channels").await, 0);
}

#[tokio::test]
async fn a_follow_up_in_a_thread_is_found_too() {
    let (town, _worker) = settled(Config { servers: 2, ..Config::default() }).await;
    let question = town.ask(0, REFUND);
    let thread = town.answer(question).await.channel;
    town.at_rest().await;
    let session = town.sim.sessions().first().expect("a session").id.clone();
    assert!(town.sim.invalidate(&session));
    let follow_up = town.say(thread, town.member(0), BACKUP);
    assert!(town.answer(follow_up).await.content.contains("Backups"));
}

#[tokio::test]
async fn what_the_budget_does_not_allow_is_given_up_and_told() {
    let budget = Budget { in_all: 0, ..Budget::default() };
    let town = Town::with_backfill(Config { servers: 2, ..Config::default() }, budget).await;
    let _worker = town.worker();
    town.answer(town.ask(0, REFUND)).await;
    town.at_rest().await;
    let asked = ask_while_the_session_is_lost(&town).await;
    eventually("the gap is given up", async || {
        let gaps =
            "select count(*) from helpline.gaps where state = 'given_up' and channels_given_up = channels";
        (town.count(gaps).await == 1).then_some(())
    })
    .await;
    let why = "select count(*) from helpline.gap_channels where given_up = 'budget'";
    assert!(town.count(why).await >= 2);
    // Live questions are not held up by what is given up.
    town.answer(town.ask(0, BACKUP)).await;
    assert!(asked.iter().all(|question| town.answers(*question).is_empty()));
}

#[tokio::test]
async fn questions_asked_while_proxy_and_redis_are_gone_are_answered_afterwards() {
    let (mut town, worker) = settled(Config { servers: 2, ..Config::default() }).await;
    town.kill_proxy_now();
    worker.kill();
    // The session, the streams and everything else that Redis knew.
    let mut redis = town.redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{}*", town.redis.prefix))
        .query_async(&mut redis)
        .await
        .expect("keys");
    let _: i64 = redis::cmd("DEL").arg(keys).query_async(&mut redis).await.expect("deleted");
    let asked = [town.ask(0, BACKUP), town.ask(1, BACKUP)];
    tokio::time::sleep(Duration::from_millis(100)).await;
    town.replace_proxy().await;
    // Workers find a proxy at its own address only.
    let _next = town.worker();
    for question in asked {
        town.answer(question).await;
    }
    town.at_rest().await;
    for question in asked {
        assert_eq!(town.answers(question).len(), 1);
    }
    let unknown = "select count(*) from helpline.gaps where cause = 'session_unknown'";
    assert_eq!(town.count(unknown).await, 1);
}

#[tokio::test]
async fn the_very_first_start_has_missed_nothing() {
    let town = Town::new().await;
    run(&town.db.pool, "select 1").await;
    assert_eq!(town.count("select count(*) from helpline.gaps").await, 0);
}
