//! What operators see of shards, and how they add some.

use helpline::shards::{self, Error};
use helpline_cluster::event_log::EventLog;
use helpline_cluster::ids::ShardId;
use helpline_cluster::redis_link::RedisLink;
use helpline_sim::matching::QuestionId;
use helpline_sim::{Config, RouteLimits};

use crate::harness::Town;
use crate::record::{assert_in_order, begin};
use crate::support::{SHARDS, eventually};

#[tokio::test]
async fn shards_are_added_while_members_ask_and_servers_follow_by_themselves() {
    const SERVERS: usize = 24;
    let town = Town::with(Config {
        servers: SERVERS,
        rest_global_per_s: None,
        route_limits: RouteLimits::off(),
        ..Config::default()
    })
    .await;
    begin(&town).await;
    let (_first, _second) = (town.worker(), town.worker());
    let mut asked: Vec<Vec<QuestionId>> = vec![Vec::new(); SERVERS];
    let mut ask_all = |town: &Town| {
        for (server, asked) in asked.iter_mut().enumerate() {
            asked.push(town.ask(server, "how do I restore a backup?"));
        }
    };
    ask_all(&town);
    let added = shards::set(&town.db.pool, SHARDS + 4).await.expect("shards are added");
    assert_eq!(added, 4);
    for _ in 0..3 {
        ask_all(&town);
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    }
    eventually("the new shards have owners and servers", async || {
        let idle = "select count(*) from shards where server_count = 0 or status <> 'online'";
        (town.count(idle).await == 0).then_some(())
    })
    .await;
    ask_all(&town);
    for (server, asked) in asked.iter().enumerate() {
        assert_in_order(&town, server, asked).await;
    }
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
}

#[tokio::test]
async fn the_number_of_shards_never_shrinks() {
    let town = Town::new().await;
    let refused = shards::set(&town.db.pool, SHARDS - 1).await;
    assert!(matches!(refused, Err(Error::Fewer { .. })), "{refused:?}");
    assert_eq!(shards::set(&town.db.pool, SHARDS).await.expect("it is so already"), 0);
    assert_eq!(town.count("select count(*) from shards").await, i64::from(SHARDS));
}

#[tokio::test]
async fn the_list_of_shards_tells_who_owns_them_how_busy_they_are_and_how_far_behind() {
    let town = Town::new().await;
    let _worker = town.worker_named("ada");
    let question = town.ask(0, "how do I restore a backup?");
    town.answer(question).await;
    let log = EventLog::new(&RedisLink::open(&town.redis.url).expect("a good address"), town.keys.clone());
    let lines = eventually("all are online, caught up, and the load is measured", async || {
        let lines = shards::list(&town.db.pool, Some(&log)).await.expect("the list");
        let well = lines.iter().all(|line| line.status == "online" && line.lag.unwrap_or(0) == 0);
        (well && lines[0].load > 0.0).then_some(lines)
    })
    .await;
    assert_eq!(lines.len(), SHARDS as usize);
    assert_eq!((lines[0].shard, lines[0].servers), (ShardId(0), 1));
    assert_eq!(lines[0].owner.as_deref(), Some("ada"));
    assert!(lines[0].lag.is_some() && lines[0].epoch > 0);
    let text = shards::Table(&lines).to_string();
    assert_eq!(text.lines().count(), 1 + lines.len());
    assert!(text.contains("ada") && text.contains("online"), "{text}");
}

#[tokio::test]
async fn two_busy_servers_of_one_shard_are_parted_by_what_was_measured() {
    let town = Town::with(Config { servers: 2 * SHARDS as usize, ..Config::default() }).await;
    // By count all is well: two servers on each shard.
    let busy = [0, SHARDS as usize];
    assert_eq!(town.shard_of(busy[0]).await, town.shard_of(busy[1]).await);
    for server in busy {
        let id = town.server(server).id.get();
        let load = format!("insert into helpline.server_load (server_id, load_milli) values ({id}, 100000)");
        crate::support::run(&town.db.pool, load).await;
    }
    let _worker = town.worker();
    eventually("they live on two shards", async || {
        (town.shard_of(busy[0]).await != town.shard_of(busy[1]).await).then_some(())
    })
    .await;
    let moved = "select count(*) from helpline.server_moves";
    assert_eq!(town.count(moved).await, 1, "nobody else had to move");
}
