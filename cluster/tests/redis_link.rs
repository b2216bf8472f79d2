//! The way to Redis against real servers that fail over: sentinels, a Redis Cluster, and a server that hangs.

mod private_redis;
mod support;

use std::sync::LazyLock;
use std::time::Duration;

use helpline_cluster::ids::ShardId;
use helpline_cluster::keys::{GROUPS, Keys};
use helpline_cluster::redis_link::{Connection, RedisLink};
use redis::Script;

use private_redis::PrivateRedis;
use private_redis::clustered::Clustered;
use private_redis::process::{Process, free_port};
use private_redis::sentinels::Sentinels;
use support::{eventually, soon};

/// A script of these tests, which no server has before.
static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new("return redis.call('INCR', KEYS[1])"));

fn link(url: &str) -> RedisLink {
    RedisLink::open(url).expect("the url is good")
}

/// A key in each slot group.
fn keys() -> Vec<String> {
    (0..GROUPS).map(|group| Keys::new("link").stream(ShardId(group))).collect()
}

async fn count(redis: &mut Connection, key: &str) -> redis::RedisResult<u64> {
    COUNT.key(key).invoke_async(redis).await
}

/// Counts until it works, as every user of a connection tries again.
async fn count_again(redis: &mut Connection, key: &str) {
    eventually("the script runs", async || count(redis, key).await.ok()).await;
}

/// What is written gets to this server; the one before may have taken some that is lost.
async fn is_followed(redis: &mut Connection, server: &Process, key: &str) {
    let before: u64 = server.ask::<Option<u64>>(&["GET", key]).await.expect("it answers").unwrap_or(0);
    eventually("the primary of now is written to", async || {
        count(redis, key).await.ok()?;
        let after: Option<u64> = server.ask(&["GET", key]).await.ok()?;
        (after? > before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_primary_is_followed_through_the_sentinels_failovers() {
    let redis = Sentinels::start().await;
    let link = link(&redis.url());
    let mut shared = link.shared();
    let key = &keys()[0];
    is_followed(&mut shared, redis.primary().await, key).await;

    redis.fail_over().await;
    is_followed(&mut shared, redis.primary().await, key).await;

    let before = redis.primary().await;
    before.kill();
    is_followed(&mut shared, redis.primary_other_than(before.port).await, key).await;
}

#[tokio::test]
async fn a_blocking_read_is_found_a_new_primary() {
    let redis = Sentinels::start().await;
    let link = link(&redis.url());
    let key = &keys()[0];
    let dedicated = link.dedicated(key).await.expect("the primary is found");
    assert!(dedicated.is_current());
    let before = redis.primary().await;
    before.kill();
    let now = redis.primary_other_than(before.port).await;
    let mut again = eventually("a new primary is found", async || link.dedicated(key).await.ok()).await;
    let told: String = redis::cmd("SET").arg(key).arg(1).query_async(&mut again.connection).await.unwrap();
    assert_eq!(told, "OK");
    assert_eq!(now.ask::<u64>(&["GET", key]).await.unwrap(), 1);
    assert!(again.is_current() && !dedicated.is_current());
}

#[tokio::test]
async fn scripts_reach_every_slot_of_a_cluster_and_follow_its_failovers() {
    let redis = Clustered::start().await;
    let mut shared = link(&redis.url()).shared();
    for key in &keys() {
        is_followed(&mut shared, redis.of_key(key).await.0, key).await;
    }
    let key = &keys()[0];
    redis.fail_over(key).await;
    is_followed(&mut shared, redis.of_key(key).await.0, key).await;

    redis.whole().await;
    let before = redis.of_key(key).await.0;
    before.kill();
    is_followed(&mut shared, redis.primary_other_than(key, before.port).await, key).await;
    for key in &keys() {
        count_again(&mut shared, key).await;
    }
}

#[tokio::test]
async fn a_slot_under_migration_is_served_by_whoever_has_the_key() {
    let redis = Clustered::start().await;
    let mut shared = link(&redis.url()).shared();
    let key = &keys()[0];
    let (from, _) = redis.of_key(key).await;
    let to = redis.nodes[..3].iter().find(|node| node.port != from.port).expect("there are three");
    let slot: u16 = from.ask(&["CLUSTER", "KEYSLOT", key]).await.unwrap();
    let (from_id, to_id): (String, String) =
        (from.ask(&["CLUSTER", "MYID"]).await.unwrap(), to.ask(&["CLUSTER", "MYID"]).await.unwrap());
    let slot = slot.to_string();
    count_again(&mut shared, "another key").await;
    to.tell(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &from_id]).await;
    from.tell(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &to_id]).await;
    // The key is on neither side: the old one says ASK.
    assert_eq!(soon("a script is asked", count(&mut shared, key)).await.unwrap(), 1);
    let mut several = redis::pipe();
    several.cmd("INCR").arg(key).cmd("GET").arg(key);
    let answers: (u64, u64) = several.query_async(&mut shared).await.unwrap();
    assert_eq!(answers, (2, 2), "a pipeline is asked as well");
    for node in [to, from] {
        node.tell(&["CLUSTER", "SETSLOT", &slot, "NODE", &to_id]).await;
    }
    assert_eq!(soon("it is followed", count(&mut shared, key)).await.unwrap(), 3);
}

#[tokio::test]
async fn a_command_whose_answer_was_lost_is_not_sent_again() {
    let redis = Process::start(free_port(), &["--save", ""]);
    let mut shared = link(&redis.url()).shared_within(Duration::from_millis(400));
    count_again(&mut shared, "n").await;
    redis.freeze();
    let lost = redis::cmd("INCR").arg("n").query_async::<u64>(&mut shared).await;
    redis.thaw();
    assert!(lost.is_err(), "nobody can say that it was executed");
    count_again(&mut shared, "n").await;
    assert_eq!(redis.ask::<u64>(&["GET", "n"]).await.unwrap(), 3, "each was executed once");
}

#[tokio::test]
async fn a_server_that_comes_back_is_used_again() {
    let mut redis = PrivateRedis::start().await;
    let mut shared = link(&redis.url).shared();
    count_again(&mut shared, "n").await;
    redis.kill();
    assert!(count(&mut shared, "n").await.is_err());
    redis.start_again().await;
    assert_eq!(
        soon("it is used", async {
            loop {
                if let Ok(n) = count(&mut shared, "n").await {
                    return n;
                }
            }
        })
        .await,
        2
    );
}

#[tokio::test]
async fn a_wrong_password_is_told_at_once() {
    let redis = Process::start(free_port(), &["--save", "", "--requirepass", "right"]);
    let url = |password: &str| format!("redis://:{password}@127.0.0.1:{}", redis.port);
    eventually("the server takes the right one", async || link(&url("right")).ping().await.ok()).await;
    let error = link(&url("wrong")).ping().await.expect_err("the server refuses");
    assert_eq!(error.kind(), redis::ErrorKind::AuthenticationFailed);
}
