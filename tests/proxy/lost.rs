//! Redis losing what the proxy has published: what no owner has durably applied is published again.

use helpline_sim::{Config, Server};

use crate::harness::Bench;
use crate::own_redis::OwnRedis;
use crate::support::{TestRedis, eventually, run};

const SHARD: u32 = 3;

async fn bench(own: &OwnRedis) -> (Bench, Server) {
    let config = Config { servers: 1, ..Config::default() };
    let bench = Bench::on_redis(config, TestRedis::new(), own.url.clone()).await;
    let server = bench.server(0);
    bench.place(&server, SHARD, true).await;
    (bench, server)
}

/// What the shard's owner does when Redis does not have the stream: first Postgres, then Redis.
async fn begin(bench: &Bench, incarnation: i64) {
    let statement = format!(
        "update helpline.shard_streams set incarnation = {incarnation}, cursor_seq = 0 where shard_id = {SHARD}"
    );
    run(&bench.db.pool, statement).await;
    bench.begin_stream_at(SHARD, incarnation).await;
}

/// The owner has durably applied everything in the stream.
async fn applied(bench: &Bench) {
    let last = bench.last_number(SHARD).await;
    let statement = format!("update helpline.shard_streams set cursor_seq = {last} where shard_id = {SHARD}");
    run(&bench.db.pool, statement).await;
    let now: time::OffsetDateTime =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&bench.db.pool).await.expect("the time");
    eventually("the proxy has read the cursor", async || {
        let read: bool = sqlx::query_scalar(
            "select exists (select from pg_stat_activity where datname = current_database()
             and usename = 'helpline_proxy' and query like 'select shard_id, incarnation%' and query_start > $1)",
        )
        .bind(now)
        .fetch_one(&bench.db.pool)
        .await
        .expect("activity is listed");
        read.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_redis_lost_is_published_again_in_order_and_before_anything_newer() {
    let own = OwnRedis::start();
    let (bench, server) = bench(&own).await;
    begin(&bench, 1).await;
    let proxy = bench.start().await.ready().await;
    let mut said: Vec<u64> = (0..20).map(|index| bench.say(&server, &format!("before {index}"))).collect();
    assert_eq!(bench.wait_for_messages(SHARD, 20).await, said);

    own.wipe();
    said.extend((0..20).map(|index| bench.say(&server, &format!("meanwhile {index}"))));
    begin(&bench, 2).await;
    said.push(bench.say(&server, "after"));
    assert_eq!(bench.wait_for_messages(SHARD, 41).await, said);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_durably_applied_is_not_published_again() {
    let own = OwnRedis::start();
    let (bench, server) = bench(&own).await;
    begin(&bench, 1).await;
    let proxy = bench.start().await.ready().await;
    bench.say(&server, "applied");
    bench.wait_for_messages(SHARD, 1).await;
    let mut incarnation = 1;
    // The proxy reads the cursor in its own time: sooner or later nothing is left to publish again.
    eventually("only what is new gets into the new stream", async || {
        applied(&bench).await;
        own.wipe();
        incarnation += 1;
        begin(&bench, incarnation).await;
        let new = bench.say(&server, "new");
        eventually("the new one is there", async || bench.messages(SHARD).await.contains(&new).then_some(()))
            .await;
        (bench.messages(SHARD).await == [new]).then_some(())
    })
    .await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_dies_before_it_published_again_leaves_its_session_where_discord_can_give_it_all() {
    let own = OwnRedis::start();
    let (bench, server) = bench(&own).await;
    begin(&bench, 1).await;
    let proxy = bench.start().await.ready().await;
    let mut said: Vec<u64> = (0..5).map(|index| bench.say(&server, &format!("before {index}"))).collect();
    bench.wait_for_messages(SHARD, 5).await;
    bench.wait_until_saved(bench.last_sequence()).await;
    let published = bench.last_sequence();

    own.wipe();
    said.push(bench.say(&server, "the stream is found to be lost"));
    eventually("the saved sequence is back before what was lost", async || {
        bench.saved_sequence().await.filter(|saved| *saved <= published - 5)
    })
    .await;
    proxy.kill();
    let proxy = bench.start().await.ready().await;
    begin(&bench, 2).await;
    assert_eq!(bench.wait_for_messages(SHARD, 6).await, said);
    assert_eq!(bench.sim.counters().identifies, 1, "it resumed");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_gets_into_a_stream_that_went_back_below_the_known_incarnation() {
    let own = OwnRedis::start();
    let (bench, server) = bench(&own).await;
    begin(&bench, 2).await;
    let proxy = bench.start().await.ready().await;
    let first = bench.say(&server, "first");
    bench.wait_for_messages(SHARD, 1).await;
    own.wipe();
    // As a server that was cut off answers, with what it knew before.
    bench.begin_stream_at(SHARD, 1).await;
    let second = bench.say(&server, "second");
    eventually("the proxy has been there", async || bench.looked_at(SHARD).await.then_some(())).await;
    assert!(bench.messages(SHARD).await.is_empty());
    begin(&bench, 3).await;
    assert_eq!(bench.wait_for_messages(SHARD, 2).await, [first, second]);
    proxy.stop().await;
}
