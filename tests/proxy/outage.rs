//! Redis, or both stores, being away while the proxy runs or starts.

use std::time::Duration;

use helpline_cluster::ids::{GatewayShard, ShardId};
use helpline_cluster::keys::Keys;
use helpline_sim::Config;
use tokio::time::Instant;

use crate::harness::{Bench, Load, distinct};
use crate::own_redis::OwnRedis;
use crate::support::{TestRedis, eventually, execute, server_connection};

#[tokio::test(flavor = "multi_thread")]
async fn while_redis_hangs_the_connection_stays_and_nothing_is_lost() {
    let redis = OwnRedis::start();
    let config = Config { servers: 2, ..Config::default() };
    let bench = Bench::on_redis(config, TestRedis::new(), redis.url.clone()).await;
    bench.begin_streams().await;
    let server = bench.server(0);
    bench.place(&server, 3, true).await;
    let proxy = bench.start().await.ready().await;
    let mut said = vec![bench.say(&server, "before")];
    bench.wait_for_messages(3, 1).await;

    redis.signal("-STOP");
    for index in 0..60 {
        said.push(bench.say(&server, &format!("meanwhile {index}")));
        // Longer in all than the two seconds after which an answer of Redis is given up.
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(bench.sim.sessions()[0].connected, "the connection is still polled");
    redis.signal("-CONT");

    said.push(bench.say(&server, "after"));
    let mut messages = bench.wait_for_messages(3, said.len()).await;
    // What was under way may have been written twice: the workers' event keys are for that.
    assert_eq!(distinct(&messages), said.len());
    messages.sort_unstable();
    messages.dedup();
    assert_eq!(messages, said);
    let counters = bench.sim.counters();
    assert_eq!((counters.identifies, counters.connections), (1, 1));
    bench.wait_until_saved(bench.last_sequence()).await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_redis_was_wiped_the_proxy_goes_on_and_its_session_is_saved_again() {
    let own = OwnRedis::start();
    let config = Config { servers: 1, ..Config::default() };
    let bench = Bench::on_redis(config, TestRedis::new(), own.url.clone()).await;
    bench.begin_streams().await;
    let server = bench.server(0);
    bench.place(&server, 3, true).await;
    let proxy = bench.start().await.ready().await;
    let before = bench.say(&server, "before");
    bench.wait_for_messages(3, 1).await;
    bench.wait_until_saved(bench.last_sequence()).await;

    own.wipe();
    let after = bench.say(&server, "after");
    bench.begin_stream_at(3, 2).await;
    assert_eq!(bench.wait_for_messages(3, 2).await, [before, after]);
    bench.wait_until_saved(bench.last_sequence()).await;
    proxy.kill();
    let proxy = bench.start().await.ready().await;
    assert_eq!(bench.sim.counters().identifies, 1, "resumed by what was saved again");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_brings_no_epoch_into_a_wiped_redis_that_is_not_its_in_postgres() {
    let own = OwnRedis::start();
    let config = Config { servers: 1, ..Config::default() };
    let bench = Bench::on_redis(config, TestRedis::new(), own.url.clone()).await;
    bench.begin_streams().await;
    let server = bench.server(0);
    bench.place(&server, 3, true).await;
    let proxy = bench.start().await.ready().await;
    bench.say(&server, "before");
    bench.wait_for_messages(3, 1).await;

    // Claimed since; this proxy has not heard of it.
    let claimed: i64 =
        sqlx::query_scalar("update helpline.gateway_shards set epoch = epoch + 1 returning epoch")
            .fetch_one(&bench.db.pool)
            .await
            .expect("claimed");
    own.wipe();
    bench.say(&server, "after");
    let client = redis::Client::open(own.url.as_str()).expect("a URL");
    let mut connection = client.get_connection().expect("it answers");
    let key = bench.keys.gateway_epoch(Keys::group(ShardId(3)), GatewayShard::new(0, 1));
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        let stands: Option<String> = redis::cmd("GET").arg(&key).query(&mut connection).expect("it answers");
        let stands = stands.map(|stands| stands.split('@').next().expect("a part").parse::<i64>());
        match stands {
            Some(stands) => {
                let stands = stands.expect("a number");
                assert!(stands > claimed, "{stands} was put back, though {claimed} stands in Postgres");
                break;
            }
            None => assert!(Instant::now() < deadline, "nobody holds the gateway shard"),
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    proxy.stop().await;
}

/// Ends every connection to the test's database and lets nobody in, or lets them in again.
async fn postgres_away(bench: &Bench, away: bool) {
    let database = bench.db.name();
    let mut server = server_connection().await;
    let cut = match away {
        true => format!(
            "alter database {database} allow_connections false;
             select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{database}'"
        ),
        false => format!("alter database {database} allow_connections true"),
    };
    execute(&mut server, cut).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_both_stores_are_away_longer_than_the_lease_a_proxy_disconnects_and_then_misses_nothing() {
    let redis = OwnRedis::start();
    let config = Config { servers: 2, ..Config::default() };
    let bench = Bench::on_redis(config, TestRedis::new(), redis.url.clone()).await;
    bench.begin_streams().await;
    for index in 0..2 {
        bench.place(&bench.server(index), 3, true).await;
    }
    let mut config = bench.config();
    config.lease_ttl = Duration::from_millis(600);
    let proxy = bench.start_with(config).await.ready().await;
    let load = Load::start(&bench, Duration::from_millis(5));
    load.reaches(40).await;

    redis.signal("-STOP");
    postgres_away(&bench, true).await;
    eventually("it may have been taken for dead, and disconnects", async || {
        (!bench.sim.sessions()[0].connected).then_some(())
    })
    .await;
    assert!(!proxy.health.is_ready());
    load.reaches(load.count() + 40).await;
    postgres_away(&bench, false).await;
    eventually("Postgres alone brings it back", async || bench.sim.sessions()[0].connected.then_some(()))
        .await;
    load.reaches(load.count() + 40).await;
    redis.signal("-CONT");
    load.reaches(load.count() + 40).await;
    let said = load.stop().await;
    bench.wait_until_applied(&said).await;
    let counters = bench.sim.counters();
    assert_eq!((counters.identifies, counters.resumes_refused), (1, 0));
    bench.wait_until_saved(bench.last_sequence()).await;
    proxy.ready().await.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_waits_for_both_stores_and_then_resumes() {
    let redis = OwnRedis::start();
    let config = Config { servers: 1, ..Config::default() };
    let bench = Bench::on_redis(config, TestRedis::new(), redis.url.clone()).await;
    bench.begin_streams().await;
    let server = bench.server(0);
    bench.place(&server, 3, true).await;
    let proxy = bench.start().await.ready().await;
    let mut said = vec![bench.say(&server, "before")];
    bench.wait_for_messages(3, 1).await;
    bench.wait_until_saved(bench.last_sequence()).await;
    proxy.kill();

    redis.signal("-STOP");
    postgres_away(&bench, true).await;
    let asked = bench.sim.counters().rest_requests;
    let proxy = bench.start().await;
    eventually("it asks who it is", async || (bench.sim.counters().rest_requests > asked).then_some(()))
        .await;
    said.push(bench.say(&server, "meanwhile"));
    redis.signal("-CONT");
    eventually("it goes on as far as Postgres", async || {
        (bench.sim.counters().rest_requests > asked + 1).then_some(())
    })
    .await;
    assert_eq!(bench.sim.counters().resumes, 0);
    said.push(bench.say(&server, "later"));
    postgres_away(&bench, false).await;
    let proxy = proxy.ready().await;
    assert_eq!(bench.wait_for_messages(3, said.len()).await, said);
    let counters = bench.sim.counters();
    assert_eq!((counters.identifies, counters.resumes), (1, 1));
    proxy.stop().await;
}
