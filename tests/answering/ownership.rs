//! What becomes of answers when a worker no longer knows whether its shard is its own.

use std::time::Duration;

use helpline::deliver::outbox;
use helpline_cluster::database::Database;
use helpline_cluster::ids::{ServerId, ShardId};

use crate::harness::Town;
use crate::harness::wire::Harm;
use crate::support::{eventually, run};

async fn epoch_of(town: &Town, shard: ShardId) -> i64 {
    sqlx::query_scalar("select epoch from helpline.shard_fences where shard_id = $1")
        .bind(shard.db())
        .fetch_one(&town.db.pool)
        .await
        .expect("the shard has a fence")
}

#[tokio::test]
async fn an_answer_that_the_proxy_refuses_for_its_epoch_waits_for_the_next_one_and_is_said_once() {
    let town = Town::new().await;
    let _worker = town.worker();
    town.answer(town.ask(0, "how do I restore a backup?")).await;
    town.at_rest().await;
    let shard = town.shard_of(0).await;
    // Somebody was given a higher epoch by a Postgres that has forgotten it.
    let mut redis = town.redis.connection().await;
    redis::cmd("SET").arg(town.keys.shard_epoch(shard)).arg(500).exec_async(&mut redis).await.expect("set");
    let question = town.ask(0, "how long do I have to ask for a refund?");
    town.answer(question).await;
    town.at_rest().await;
    assert_eq!(town.answers(question).len(), 1);
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
    eventually("the shard is claimed above it", async || (epoch_of(&town, shard).await > 500).then_some(()))
        .await;
}

#[tokio::test]
async fn commits_whose_answers_are_lost_cost_an_epoch_and_change_nothing_that_a_member_sees() {
    let town = Town::new().await;
    let (_worker, wire) = town.worker_on_a_wire().await;
    town.answer(town.ask(0, "how do I restore a backup?")).await;
    town.at_rest().await;
    let shard = town.shard_of(0).await;
    let before = epoch_of(&town, shard).await;
    let late = Harm::Late(Duration::from_millis(80));
    let mut questions = Vec::new();
    let harms = [Harm::LoseAnswer, Harm::LoseCommit, late, Harm::LoseAnswer, Harm::LoseCommit, late];
    // A harm may hit a commit of another shard, or of the membership, which costs this shard no epoch: then once more.
    for harm in harms.into_iter().cycle().take(4 * harms.len()) {
        if questions.len() >= 2 * harms.len() && epoch_of(&town, shard).await >= before + 3 {
            break;
        }
        wire.harm_next_commit(harm);
        let question = town.ask(0, "how long do I have to ask for a refund?");
        town.answer(question).await;
        assert!(wire.has_harmed(), "no commit was in the way");
        // Another one hits the commit that says what was delivered, or the answer's own.
        wire.harm_next_commit(harm);
        questions.push(question);
        questions.push(town.ask(1, "how do I restore a backup?"));
    }
    for question in questions {
        town.answer(question).await;
        town.at_rest().await;
        assert_eq!(town.answers(question).len(), 1);
    }
    assert_eq!(town.count("select count(*) from helpline.outbox where state = 'failed'").await, 0);
    assert!(epoch_of(&town, shard).await >= before + 3, "the shard was not acquired anew");
}

/// In an order that never changes the last ones would wait for ever while owners end one after the other.
#[tokio::test]
async fn a_new_owner_begins_with_whoever_waits_longest() {
    let town = Town::new().await;
    let shard = town.shard_of(0).await;
    let server = town.server(0).id.get();
    let waiting = format!(
        "with asked as ( \
             insert into public.conversations (server_id, channel_id, user_id, username, transcript) \
             select {server}, '1', '2', 'ada', '[]' from generate_series(1, 40) returning id ) \
         insert into helpline.answer_jobs (server_id, conversation_id, event_id, job, created_at) \
         select {server}, id, id, '{{}}', now() - random() * interval '1 hour' from asked"
    );
    run(&town.db.pool, waiting).await;
    let database = Database::from(town.db.pool.clone());
    let of_server = outbox::waiting_lanes_of(&database, ServerId(server)).await.expect("they are read");
    let of_shard = outbox::waiting_lanes(&database, shard).await.expect("they are read");
    assert_eq!(of_shard, of_server);
    assert_eq!(of_server.len(), 40);
    assert!(of_server.is_sorted_by_key(|waiting| waiting.since), "{of_server:?}");
}
