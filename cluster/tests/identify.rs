//! The identify queue over real Redis: one bucket for all processes, and buckets that do not wait for each other.

use std::time::Duration;

use helpline_cluster::identify::RedisQueue;
use tokio::time::Instant;
use twilight_gateway_queue::Queue;

mod support;

use support::{TestRedis, eventually, soon};

const REST: Duration = Duration::from_millis(400);

async fn queue(redis: &TestRedis, max_concurrency: u32) -> RedisQueue {
    let queue = RedisQueue::new(&redis.link, redis.keys.clone(), max_concurrency);
    queue.with_rest(REST)
}

#[tokio::test]
async fn queues_of_two_processes_share_a_bucket() {
    let redis = TestRedis::new();
    let (one, other) = (queue(&redis, 2).await, queue(&redis, 2).await);
    let begun = Instant::now();
    // 0, 2 and 4 are of one bucket.
    let permits = [one.enqueue(0), other.enqueue(2), one.enqueue(4)];
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
    let queue = queue(&redis, 4).await;
    let begun = Instant::now();
    for id in 0..4 {
        soon("a permit", queue.enqueue(id)).await.expect("the queue answers");
    }
    assert!(begun.elapsed() < REST, "four buckets took {:?}", begun.elapsed());
}

#[tokio::test]
async fn whoever_stops_asking_does_not_use_his_turn_up() {
    let redis = TestRedis::new();
    let queue = queue(&redis, 1).await;
    soon("the first permit", queue.enqueue(0)).await.expect("the queue answers");
    drop(queue.enqueue(1));
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
}
