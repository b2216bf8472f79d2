//! The identify queue over real Redis: one bucket for all processes, buckets that do not wait for each other, and the
//! day's budget, which nobody exceeds.

use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::identify::{Identifies, Limit, RESERVE_LEAST, ShardQueue};
use helpline_cluster::ids::GatewayShard;
use tokio::sync::oneshot::Receiver;
use tokio::time::{Instant, timeout};
use twilight_gateway_queue::Queue;

mod support;

use support::{TestRedis, eventually, soon};

const REST: Duration = Duration::from_millis(400);
const DAY: Duration = Duration::from_secs(86_400);

const fn limit(total: u32, remaining: u32, max_concurrency: u32) -> Limit {
    Limit { total, remaining, reset_after: DAY, max_concurrency }
}

/// A process's queue, informed by Discord.
async fn queue(redis: &TestRedis, limit: Limit, rest: Duration) -> Identifies {
    let queue = Identifies::new(&redis.link, redis.keys.clone()).with_rest(rest);
    queue.learn(limit).await.expect("Redis answers");
    queue
}

fn shard(queue: &Identifies, id: u32, essential: bool) -> ShardQueue {
    queue.of(GatewayShard::new(id, 1_000), Arc::new(move || essential))
}

fn ask(queue: &Identifies, id: u32) -> Receiver<()> {
    shard(queue, id, true).enqueue(id)
}

async fn granted(permit: Receiver<()>) {
    soon("a permit", permit).await.expect("the queue answers");
}

/// Whether nothing comes of it for longer than a bucket rests here.
async fn is_held_back(permit: Receiver<()>) -> bool {
    timeout(Duration::from_millis(600), permit).await.is_err()
}

#[tokio::test]
async fn queues_of_two_processes_share_a_bucket() {
    let redis = TestRedis::new();
    let all = limit(1_000, 1_000, 2);
    let (one, other) = (queue(&redis, all, REST).await, queue(&redis, all, REST).await);
    let begun = Instant::now();
    // 0, 2 and 4 are of one bucket.
    let permits = [ask(&one, 0), ask(&other, 2), ask(&one, 4)];
    let mut granted_at = Vec::new();
    for permit in permits {
        granted_at.push(tokio::spawn(async move { permit.await.map(|()| Instant::now()) }));
    }
    let mut times = Vec::new();
    for granted in granted_at {
        times.push(soon("a permit", granted).await.expect("no panic").expect("the queue answers"));
    }
    times.sort();
    assert!(times[0] - begun < REST, "the first waited for nobody");
    // Redis counts in ms, and its clock is not ours.
    let least = REST - Duration::from_millis(20);
    for pair in times.windows(2) {
        assert!(pair[1] - pair[0] >= least, "two identified within {:?}", pair[1] - pair[0]);
    }
}

#[tokio::test]
async fn buckets_do_not_wait_for_each_other() {
    let redis = TestRedis::new();
    // A rest that no test could wait for.
    let queue = queue(&redis, limit(1_000, 1_000, 4), DAY).await;
    for id in 0..4 {
        granted(ask(&queue, id)).await;
    }
}

#[tokio::test]
async fn whoever_stops_asking_does_not_use_his_turn_up() {
    let redis = TestRedis::new();
    let queue = queue(&redis, limit(1_000, 1_000, 1), REST).await;
    granted(ask(&queue, 0)).await;
    drop(ask(&queue, 1));
    let key = redis.keys.identify_bucket(0);
    let mut connection = redis.connection().await;
    eventually("the bucket has rested", async || {
        let taken: bool = redis::AsyncCommands::exists(&mut connection, &key).await.expect("Redis answers");
        (!taken).then_some(())
    })
    .await;
    // Longer than a waiting request would take to notice.
    tokio::time::sleep(Duration::from_millis(200)).await;
    let taken: bool = redis::AsyncCommands::exists(&mut connection, &key).await.expect("Redis answers");
    assert!(!taken, "nobody asks, and still the bucket was taken");
    assert_eq!(queue.budget().borrow().left, Some(999));
}

#[tokio::test]
async fn two_processes_together_never_take_more_than_discord_says() {
    let redis = TestRedis::new();
    let says = limit(1_000, 30, 1_000);
    let (one, other) = (queue(&redis, says, REST).await, queue(&redis, says, REST).await);
    let permits: Vec<_> = (0..40).map(|id| ask(if id % 2 == 0 { &one } else { &other }, id)).collect();
    let mut taken = 0;
    for permit in permits {
        taken += u32::from(!is_held_back(permit).await);
    }
    assert_eq!(taken, 30);
    let low = |queue: &Identifies| queue.budget().borrow().low;
    assert!(low(&one) || low(&other), "whoever waits raises the alarm");
    // Discord gives new ones.
    one.learn(limit(1_000, 1_000, 1_000)).await.expect("Redis answers");
}

#[tokio::test]
async fn the_reserve_is_for_gateway_shards_that_somebody_misses() {
    let redis = TestRedis::new();
    let queue = queue(&redis, limit(1_000, RESERVE_LEAST.max(100) + 1, 1_000), REST).await;
    granted(shard(&queue, 0, false).enqueue(0)).await;
    assert!(is_held_back(shard(&queue, 1, false).enqueue(1)).await, "a hundred are the reserve");
    assert!(queue.budget().borrow().low, "and the alarm is raised");
    granted(shard(&queue, 2, true).enqueue(2)).await;
    assert_eq!(queue.budget().borrow().left, Some(99));
}

#[tokio::test]
async fn one_that_starts_again_and_again_is_slowed_down_and_the_others_are_not() {
    let redis = TestRedis::new();
    let queue = queue(&redis, limit(1_000, 1_000, 1_000), Duration::from_millis(1)).await;
    let mut taken = 0;
    while taken < 20 && !is_held_back(ask(&queue, 7)).await {
        taken += 1;
    }
    assert_eq!(taken, 3, "each of its starts beyond waits longer");
    granted(ask(&queue, 8)).await;
}

#[tokio::test]
async fn a_permit_on_its_way_is_not_given_back_by_what_discord_says() {
    let redis = TestRedis::new();
    let queue = queue(&redis, limit(1_000, 1_000, 1_000), REST).await;
    granted(ask(&queue, 0)).await;
    // Discord has not seen the IDENTIFY yet.
    queue.learn(limit(1_000, 1_000, 1_000)).await.expect("Redis answers");
    assert_eq!(queue.budget().borrow().left, Some(999));
    // Another client of the same bot has used some.
    queue.learn(limit(1_000, 700, 1_000)).await.expect("Redis answers");
    assert_eq!(queue.budget().borrow().left, Some(700));
}

#[tokio::test]
async fn while_the_budget_is_not_known_nobody_identifies_and_it_is_asked_for() {
    let redis = TestRedis::new();
    let queue = queue(&redis, limit(1_000, 1_000, 1_000), REST).await;
    let mut connection = redis.connection().await;
    let wiped: i64 = redis::AsyncCommands::del(&mut connection, redis.keys.identify_budget())
        .await
        .expect("Redis answers");
    assert_eq!(wiped, 1);
    let permit = ask(&queue, 0);
    soon("it is asked for", queue.wanted()).await;
    queue.learn(limit(1_000, 500, 1_000)).await.expect("Redis answers");
    granted(permit).await;
    assert_eq!(queue.budget().borrow().left, Some(499));
}
