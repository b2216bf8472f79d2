//! The number of gateway shards changes while everything runs.

use std::time::Duration;

use helpline::proxy;
use helpline_cluster::gateway_shards::store;
use helpline_sim::{Config, GatewayFault, GatewayTarget};

use crate::harness::{Bench, Load, Running};
use crate::support::eventually;

async fn bench() -> Bench {
    let config = Config { servers: 16, gateway_shards: 1, max_concurrency: 16, ..Config::default() };
    let bench = Bench::new(config).await;
    bench.begin_streams().await;
    for index in 0..16 {
        bench.place(&bench.server(index), u32::try_from(index % 8).expect("small"), true).await;
    }
    bench
}

async fn start(bench: &Bench, name: &str) -> Running {
    let config = proxy::Config { name: name.to_owned(), ..bench.config() };
    bench.start_with(config).await
}

/// Only this set is left, and every gateway shard of it has its session.
async fn until_only(bench: &Bench, total: u32) {
    eventually(&format!("only the set of {total} serves"), async || {
        let snapshot = store::look(&bench.db.pool).await.expect("read the gateway shards");
        let done = snapshot.sets.len() == 1
            && snapshot.sets[0].total == total
            && !snapshot.sets[0].rising
            && snapshot.gateways.iter().all(|row| row.up && row.phase == store::Phase::Serving);
        done.then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn from_one_to_two_to_four_under_load_nothing_is_lost_and_the_order_holds() {
    let bench = bench().await;
    let (first, second) = (start(&bench, "first").await.ready().await, start(&bench, "second").await);
    let second = second.ready().await;
    until_only(&bench, 1).await;
    let load = Load::start(&bench, Duration::from_millis(2));
    load.reaches(100).await;
    for total in [2, 4] {
        assert!(store::rise(&bench.db.role("helpline_proxy"), total).await.expect("it rises"));
        until_only(&bench, total).await;
        load.reaches(load.count() + 100).await;
    }
    let said = load.stop().await;
    bench.wait_until_applied(&said).await;
    let counters = bench.sim.counters();
    assert_eq!((counters.identifies, counters.resumes_refused), (1 + 2 + 4, 0));
    assert_eq!(bench.sim.sessions().len(), 4, "the old sessions were ended");
    assert!(bench.sim.sessions().iter().all(|session| session.connected && session.total == 4));
    first.stop().await;
    second.stop().await;
}

/// Deletes the closing gateway shards in the middle of a step: after it looked which new ones may publish, before it
/// looks whether the old set is gone.
const RETIRED_IN_BETWEEN: &str = "
    create function public.retired_in_between() returns trigger language plpgsql security definer as $$
    declare updates integer := coalesce(nullif(current_setting('test.updates', true), ''), '0')::integer + 1;
    begin
        perform set_config('test.updates', updates::text, true);
        if updates = 2 then delete from helpline.gateway_shards where phase = 'closing'; end if;
        return null;
    end $$;
    create trigger retired_in_between after update on helpline.gateway_shards
        for each statement execute function public.retired_in_between();";

#[tokio::test(flavor = "multi_thread")]
async fn a_set_whose_predecessor_went_in_the_middle_of_a_step_is_not_left_held_back() {
    let bench = bench().await;
    let proxy = start(&bench, "first").await.ready().await;
    until_only(&bench, 1).await;
    sqlx::raw_sql(RETIRED_IN_BETWEEN).execute(&bench.db.pool).await.expect("the trigger is there");
    assert!(store::rise(&bench.db.pool, 2).await.expect("it rises"));
    until_only(&bench, 2).await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fewer_gateway_shards_take_over_from_more() {
    let bench = bench().await;
    let proxy = start(&bench, "first").await.ready().await;
    for total in [3, 2] {
        let load = Load::start(&bench, Duration::from_millis(3));
        assert!(store::rise(&bench.db.pool, total).await.expect("it rises"));
        until_only(&bench, total).await;
        let said = load.stop().await;
        bench.wait_until_applied(&said).await;
    }
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_old_session_had_late_is_in_the_stream_before_the_new_set_publishes() {
    let bench = bench().await;
    let proxy = start(&bench, "first").await.ready().await;
    // Everything of the old session comes late, so much that the new one is up long before.
    let late = GatewayFault::Delay { ms: 1_500, jitter_ms: 500 };
    bench.sim.gateway_fault(&GatewayTarget { total: Some(1), ..GatewayTarget::default() }, &late);
    let load = Load::start(&bench, Duration::from_millis(3));
    load.reaches(50).await;
    assert!(store::rise(&bench.db.pool, 2).await.expect("it rises"));
    until_only(&bench, 2).await;
    let said = load.stop().await;
    bench.wait_until_applied(&said).await;
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_goes_on_when_a_proxy_dies_in_the_middle() {
    let bench = bench().await;
    let (first, second) = (start(&bench, "first").await.ready().await, start(&bench, "second").await);
    let second = second.ready().await;
    let load = Load::start(&bench, Duration::from_millis(3));
    load.reaches(50).await;
    assert!(store::rise(&bench.db.pool, 4).await.expect("it rises"));
    eventually("the new set has sessions", async || {
        (bench.sim.sessions().iter().filter(|session| session.total == 4).count() >= 2).then_some(())
    })
    .await;
    // It holds the old gateway shard, or some of the new ones, or both.
    first.kill();
    until_only(&bench, 4).await;
    load.reaches(load.count() + 50).await;
    let said = load.stop().await;
    bench.wait_until_applied(&said).await;
    assert_eq!(bench.sim.counters().resumes_refused, 0);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_discord_will_not_have_is_given_up_and_the_old_set_goes_on() {
    let config = Config {
        servers: 4,
        gateway_shards: 2,
        max_concurrency: 16,
        large_bot_shards: Some(2),
        ..Config::default()
    };
    let bench = Bench::new(config).await;
    bench.begin_streams().await;
    bench.place(&bench.server(0), 3, true).await;
    let proxy = start(&bench, "first").await.ready().await;
    assert!(store::rise(&bench.db.pool, 3).await.expect("it rises"));
    eventually("the change is given up", async || {
        let snapshot = store::look(&bench.db.pool).await.expect("read the gateway shards");
        (snapshot.sets.len() == 1 && snapshot.gateways.len() == 2).then_some(())
    })
    .await;
    bench.say(&bench.server(0), "still here");
    bench.wait_for_messages(3, 1).await;
    assert_eq!(bench.sim.counters().identifies, 2);
    proxy.stop().await;
}
