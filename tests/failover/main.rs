//! Failovers and the loss of Redis under a whole Helpline: proxy, workers and members who ask meanwhile. What decides is
//! the simulated Discord's transcript: every question is answered, once.

#[path = "../answering/harness.rs"]
#[allow(dead_code, reason = "the tests of answering use the rest")]
mod harness;
#[path = "../support/own_redis.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod own_redis;
#[path = "../../cluster/tests/private_redis/mod.rs"]
mod private_redis;
#[path = "../support/settled.rs"]
mod settled;
#[path = "../support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use harness::Town;
use helpline_sim::Config;
use helpline_sim::matching::QuestionId;
use own_redis::OwnRedis;
use private_redis::clustered::Clustered;
use private_redis::sentinels::Sentinels;
use settled::settle;
use support::{eventually, execute, server_connection};

const ASK_EVERY: Duration = Duration::from_millis(250);

async fn town(redis_url: String) -> Town {
    let mut town = Town::without_servers(Config { servers: 2, ..Config::default() }).await;
    town.redis.url = redis_url;
    for (shard, server) in (0..).zip(town.sim.servers()) {
        settle(&town.db.pool, server, shard).await;
    }
    town.with_proxy().await
}

/// Another member of another server each time.
fn ask(town: &Town, number: usize) -> QuestionId {
    let server = town.server(number % 2);
    let member = server.members[number / 2 % server.members.len()];
    let topic = ["how long do I have to ask for a refund?", "how do I restore a backup?"][number / 2 % 2];
    town.say(server.support_channel, member, topic)
}

/// Members ask before, during and after the fault.
async fn asked_during<T>(town: &Town, fault: impl Future<Output = T>) -> Vec<QuestionId> {
    let mut questions: Vec<QuestionId> = (0..4).map(|number| ask(town, number)).collect();
    let asking = async {
        loop {
            tokio::time::sleep(ASK_EVERY).await;
            if questions.len() < 24 {
                questions.push(ask(town, questions.len()));
            }
        }
    };
    tokio::select! {
        _ = fault => {}
        () = asking => unreachable!("it asks for ever"),
    }
    for _ in 0..4 {
        questions.push(ask(town, questions.len()));
    }
    questions
}

async fn every_one_is_answered_once(town: &Town, questions: &[QuestionId]) {
    for question in questions {
        // Each has the deadline for itself: Discord's limits hold back many answers at once.
        town.answer(*question).await;
    }
    town.at_rest().await;
    for question in questions {
        assert_eq!(town.answers(*question).len(), 1, "{question:?} is answered once");
    }
}

/// The incarnation of a server's shard.
async fn incarnation(town: &Town, server: usize) -> i64 {
    let shard = town.shard_of(server).await;
    sqlx::query_scalar("select incarnation from helpline.shard_streams where shard_id = $1")
        .bind(shard.db())
        .fetch_one(&town.db.pool)
        .await
        .expect("the shard has a stream")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_primary_under_sentinels_fails_over_and_every_question_is_answered_once() {
    let redis = Sentinels::start().await;
    let town = town(redis.url()).await;
    let _workers = [town.worker(), town.worker()];
    town.answer(ask(&town, 0)).await;
    let begun = incarnation(&town, 0).await;

    let questions = asked_during(&town, redis.fail_over()).await;
    every_one_is_answered_once(&town, &questions).await;
    eventually("a failover begins a new incarnation", async || {
        (incarnation(&town, 0).await > begun).then_some(())
    })
    .await;

    let killed = async {
        let before = redis.primary().await;
        before.kill();
        redis.primary_other_than(before.port).await;
    };
    let questions = asked_during(&town, killed).await;
    every_one_is_answered_once(&town, &questions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_of_a_cluster_fails_over_and_every_question_is_answered_once() {
    let redis = Clustered::start().await;
    let town = town(redis.url()).await;
    let _workers = [town.worker(), town.worker()];
    town.answer(ask(&town, 0)).await;
    let begun = incarnation(&town, 0).await;
    let stream = town.keys.stream(town.shard_of(0).await);

    let questions = asked_during(&town, redis.fail_over(&stream)).await;
    every_one_is_answered_once(&town, &questions).await;
    eventually("a failover begins a new incarnation", async || {
        (incarnation(&town, 0).await > begun).then_some(())
    })
    .await;

    redis.whole().await;
    let killed = async {
        let (before, _) = redis.of_key(&stream).await;
        before.kill();
        redis.primary_other_than(&stream, before.port).await;
    };
    let questions = asked_during(&town, killed).await;
    every_one_is_answered_once(&town, &questions).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_whose_stores_do_not_answer_says_that_it_is_not_ready() {
    let redis = OwnRedis::start();
    let town = town(redis.url.clone()).await;
    let worker = town.worker();
    worker.is(true).await;

    redis.signal("-STOP");
    worker.is(false).await;
    redis.signal("-CONT");
    worker.is(true).await;

    let mut server = server_connection().await;
    let allow = |allowed| format!("alter database {} with allow_connections {allowed}", town.db.name());
    execute(&mut server, allow(false)).await;
    let end = "select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and usename = 'helpline_worker'";
    sqlx::query(end).execute(&town.db.pool).await.expect("its connections are ended");
    worker.is(false).await;
    execute(&mut server, allow(true)).await;
    worker.is(true).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn redis_is_wiped_and_every_question_is_answered_once() {
    let redis = OwnRedis::start();
    let town = town(redis.url.clone()).await;
    let _workers = [town.worker(), town.worker()];
    town.answer(ask(&town, 0)).await;
    let wiped = async {
        for _ in 0..3 {
            redis.wipe();
            tokio::time::sleep(ASK_EVERY * 2).await;
        }
    };
    let questions = asked_during(&town, wiped).await;
    every_one_is_answered_once(&town, &questions).await;
}

/// How long until members notice nothing any more, and what was lost: docs/benchmarks.md.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: cargo test --workspace --test failover -- --ignored --nocapture"]
async fn bench_flushall() {
    let redis = OwnRedis::start();
    let town = town(redis.url.clone()).await;
    let _workers = [town.worker(), town.worker()];
    town.answer(ask(&town, 0)).await;
    let (mut worst, mut lost, mut asked) = (Duration::ZERO, 0, 0);
    for _ in 0..10 {
        let mut waiting: Vec<QuestionId> = (0..2).map(|number| ask(&town, asked + number)).collect();
        redis.wipe();
        let wiped = Instant::now();
        waiting.extend((2..4).map(|number| ask(&town, asked + number)));
        asked += waiting.len();
        while !waiting.is_empty() && wiped.elapsed() < Duration::from_secs(15) {
            waiting.retain(|question| town.answers(*question).is_empty());
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        lost += waiting.len();
        worst = worst.max(wiped.elapsed());
        println!("everything asked around the wipe is answered after {:?}", wiped.elapsed());
        town.at_rest().await;
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    println!("10 wipes, {asked} questions: {lost} lost, full service after at most {worst:?}");
}
