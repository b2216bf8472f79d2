//! What becomes of answers when a worker no longer knows whether its shard is its own.

use helpline_cluster::ids::ShardId;

use crate::harness::Town;
use crate::support::eventually;

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
