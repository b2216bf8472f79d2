//! Several proxies: they share the gateway shards, give them back, and take over from each other.

use std::collections::BTreeMap;
use std::time::Duration;

use fred::interfaces::KeysInterface as _;
use helpline_cluster::ids::{GatewayShard, ShardId};
use helpline_cluster::keys::{GROUPS, Keys};
use helpline_sim::{Config, Kind};

use crate::harness::{Bench, Load, Running, distinct};
use crate::support::{eventually, execute, run};

/// A Discord that recommends this many gateway shards and lets all of them identify at once.
async fn bench(gateway_shards: u32) -> Bench {
    let config = Config { servers: 12, gateway_shards, max_concurrency: 16, ..Config::default() };
    let bench = Bench::new(config).await;
    bench.begin_streams().await;
    for index in 0..12 {
        bench.place(&bench.server(index), u32::try_from(index % 8).expect("small"), true).await;
    }
    bench
}

/// Gateway shards by the name of the proxy that holds them, those alone that have their session.
async fn shares(bench: &Bench) -> BTreeMap<String, i64> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "select p.name, count(*) from helpline.gateway_shards g join helpline.proxies p on p.id = g.owner
         where g.up group by p.name",
    )
    .fetch_all(&bench.db.pool)
    .await
    .expect("read the shares");
    rows.into_iter().collect()
}

pub async fn until_shared(bench: &Bench, wanted: &[i64]) {
    eventually(&format!("shares of {wanted:?}"), async || {
        let mut counts: Vec<i64> = shares(bench).await.into_values().collect();
        counts.sort_unstable();
        (counts == wanted).then_some(())
    })
    .await;
}

async fn start(bench: &Bench, name: &str) -> Running {
    // Under a name of its own, so that none takes another for its former self.
    let mut config = bench.config();
    config.name = name.to_owned();
    bench.start_with(config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn proxies_share_the_gateway_shards_and_a_third_gets_its_part_without_identify() {
    let bench = bench(6).await;
    let first = start(&bench, "first").await.ready().await;
    until_shared(&bench, &[6]).await;
    let load = Load::start(&bench, Duration::from_millis(5));
    let second = start(&bench, "second").await.ready().await;
    until_shared(&bench, &[3, 3]).await;
    let third = start(&bench, "third").await.ready().await;
    until_shared(&bench, &[2, 2, 2]).await;
    let said = load.stop().await;
    bench.wait_until_applied(&said).await;
    let counters = bench.sim.counters();
    assert_eq!((counters.identifies, counters.resumes_refused), (6, 0), "the others resumed");
    assert_eq!(counters.resumes, 3 + 2, "only what had to move was moved");
    for proxy in [first, second, third] {
        proxy.stop().await;
    }
    assert!(shares(&bench).await.is_empty(), "whoever leaves gives back");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_proxys_gateway_shards_are_resumed_by_the_other_and_nothing_is_lost() {
    let bench = bench(4).await;
    let (first, second) = (start(&bench, "first").await.ready().await, start(&bench, "second").await);
    let second = second.ready().await;
    until_shared(&bench, &[2, 2]).await;
    let load = Load::start(&bench, Duration::from_millis(3));
    load.reaches(100).await;
    first.kill();
    until_shared(&bench, &[4]).await;
    load.reaches(load.count() + 100).await;
    let said = load.stop().await;
    bench.wait_until_applied(&said).await;
    let counters = bench.sim.counters();
    assert_eq!((counters.identifies, counters.resumes_refused), (4, 0));
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_proxy_hands_its_gateway_shards_over_and_says_nothing_twice() {
    let bench = bench(4).await;
    let first = start(&bench, "first").await.ready().await;
    let second = start(&bench, "second").await.ready().await;
    until_shared(&bench, &[2, 2]).await;
    let load = Load::start(&bench, Duration::from_millis(3));
    load.reaches(60).await;
    first.stop().await;
    until_shared(&bench, &[4]).await;
    load.reaches(load.count() + 60).await;
    let said = load.stop().await;
    bench.wait_until_applied(&said).await;
    let mut all = Vec::new();
    for shard in 0..8 {
        all.extend(bench.messages(shard).await);
    }
    assert_eq!(all.len(), distinct(&all), "what was published was saved too");
    assert_eq!(bench.sim.counters().identifies, 4);
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_superseded_in_redis_publishes_nothing_until_it_has_claimed_anew() {
    let bench = bench(1).await;
    let proxy = bench.start().await.ready().await;
    let server = bench.server(0);
    bench.say(&server, "before");
    bench.wait_for_messages(0, 1).await;
    let epoch = async || -> i64 {
        sqlx::query_scalar("select epoch from helpline.gateway_shards")
            .fetch_one(&bench.db.pool)
            .await
            .expect("read the epoch")
    };
    // Somebody else's, a minute ahead.
    let theirs = epoch().await + 60_000;
    for group in 0..GROUPS {
        let key = bench.keys.gateway_epoch(group, GatewayShard::new(0, 1));
        let _: () = bench.fred.set(key, theirs, None, None, false).await.expect("set");
    }
    let after = bench.say(&server, "after");
    let messages = bench.wait_for_messages(0, 2).await;
    assert_eq!(messages.last(), Some(&after));
    assert!(epoch().await > theirs, "it went above the epoch that had superseded it");
    let group = Keys::group(ShardId(0));
    let stands: String =
        bench.fred.get(bench.keys.gateway_epoch(group, GatewayShard::new(0, 1))).await.expect("get");
    assert_eq!(stands.split('@').next(), Some(epoch().await.to_string().as_str()));
    assert_eq!(bench.sim.counters().identifies, 1);
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_was_declared_dead_gives_up_what_it_holds_and_joins_anew() {
    let bench = bench(2).await;
    let first = start(&bench, "first").await.ready().await;
    let load = Load::start(&bench, Duration::from_millis(5));
    load.reaches(40).await;
    let id: uuid::Uuid = sqlx::query_scalar("delete from helpline.proxies returning id")
        .fetch_one(&bench.db.pool)
        .await
        .expect("one proxy");
    run(&bench.db.pool, "notify helpline_membership").await;
    eventually("it holds both again under another id", async || {
        let holders: Vec<uuid::Uuid> =
            sqlx::query_scalar("select owner from helpline.gateway_shards where up and owner is not null")
                .fetch_all(&bench.db.pool)
                .await
                .expect("read the holders");
        (holders.len() == 2 && holders.iter().all(|holder| *holder != id)).then_some(())
    })
    .await;
    load.reaches(load.count() + 40).await;
    let said = load.stop().await;
    bench.wait_until_applied(&said).await;
    assert_eq!(bench.sim.counters().identifies, 2, "it resumed its own sessions");
    first.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_longer_than_the_lease_the_connections_stay_and_events_go_on() {
    let bench = bench(2).await;
    let mut config = bench.config();
    config.lease_ttl = Duration::from_millis(600);
    let proxy = bench.start_with(config).await.ready().await;
    let database = bench.db.name();
    let mut server = crate::support::server_connection().await;
    let cut = format!(
        "alter database {database} allow_connections false;
         select count(pg_terminate_backend(pid)) from pg_stat_activity where datname = '{database}'"
    );
    let before = bench.sim.counters();
    execute(&mut server, cut).await;
    let load = Load::start(&bench, Duration::from_millis(5));
    // Three leases long.
    tokio::time::sleep(Duration::from_millis(1_800)).await;
    let said = load.stop().await;
    bench.wait_until_applied(&said).await;
    execute(&mut server, format!("alter database {database} allow_connections true")).await;
    until_shared(&bench, &[2]).await;
    let load = Load::start(&bench, Duration::from_millis(5));
    load.reaches(40).await;
    let said = load.stop().await;
    bench.wait_until_applied(&said).await;
    let after = bench.sim.counters();
    assert_eq!((after.connections, after.identifies), (before.connections, 2), "nothing was disconnected");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_proxies_than_gateway_shards_stand_by_and_one_of_them_takes_over() {
    let bench = bench(1).await;
    let first = start(&bench, "first").await.ready().await;
    let second = start(&bench, "second").await.ready().await;
    assert_eq!(shares(&bench).await, BTreeMap::from([("first".to_owned(), 1)]));
    let said = bench.say(&bench.server(0), "one");
    bench.wait_for_messages(0, 1).await;
    first.kill();
    eventually("the second holds it", async || {
        (shares(&bench).await == BTreeMap::from([("second".to_owned(), 1)])).then_some(())
    })
    .await;
    let more = bench.say(&bench.server(0), "two");
    let messages = bench.wait_for_messages(0, 2).await;
    assert!(messages.contains(&said) && messages.contains(&more));
    let identified = bench
        .sim
        .transcript()
        .snapshot()
        .iter()
        .filter(|entry| matches!(entry.kind, Kind::Identified { .. }))
        .count();
    assert_eq!(identified, 1);
    second.stop().await;
}
