//! Moves without any failure.

use helpline_cluster::ids::ShardId;
use helpline_sim::matching::QuestionId;
use helpline_sim::{Config, RouteLimits};

use crate::harness::Town;
use crate::record::{assert_answered_once, begin, plan, until};
use crate::support::eventually;

const QUESTION: &str = "how do I restore a backup?";

async fn town() -> Town {
    // Discord's limit of 50 requests a second is not what is looked at here.
    let town = Town::with(Config {
        servers: 2,
        rest_global_per_s: None,
        route_limits: RouteLimits::off(),
        ..Config::default()
    })
    .await;
    begin(&town).await;
    town
}

#[tokio::test]
async fn a_server_moves_while_its_member_asks_and_nothing_is_lost_doubled_or_out_of_order() {
    let town = town().await;
    let (_first, _second) = (town.worker(), town.worker());
    let mut asked: Vec<QuestionId> = vec![town.ask(0, QUESTION)];
    town.answer(asked[0]).await;
    for to in [3, 5, 0, 7] {
        let id = plan(&town, 0, ShardId(to)).await;
        for _ in 0..6 {
            asked.push(town.ask(0, QUESTION));
            tokio::task::yield_now().await;
        }
        until(&town, id, "done").await;
        assert_eq!(town.shard_of(0).await, ShardId(to));
        asked.push(town.ask(0, QUESTION));
    }
    assert_answered_once(&town, 0, &asked).await;
}

#[tokio::test]
async fn a_conversation_goes_on_in_its_thread_across_a_move() {
    let town = town().await;
    let _worker = town.worker();
    let question = town.ask(0, QUESTION);
    let thread = town.answer(question).await.channel;
    let id = plan(&town, 0, ShardId(6)).await;
    let follow_up = town.say(thread, town.member(0), "how long do I have to ask for a refund?");
    until(&town, id, "done").await;
    assert!(town.answer(follow_up).await.content.contains("14 days"));
    assert_answered_once(&town, 0, &[question, follow_up]).await;
    assert_eq!(town.count("select count(*) from conversations").await, 1);
}

#[tokio::test]
async fn two_shards_that_exchange_servers_do_not_wait_for_each_other() {
    let town = town().await;
    let (_first, _second) = (town.worker(), town.worker());
    let mut asked: [Vec<QuestionId>; 2] = [vec![town.ask(0, QUESTION)], vec![town.ask(1, QUESTION)]];
    town.answer(asked[0][0]).await;
    town.answer(asked[1][0]).await;
    for round in 0..3 {
        let (to_first, to_second) = if round % 2 == 0 { (1, 0) } else { (0, 1) };
        let moves = [plan(&town, 0, ShardId(to_first)).await, plan(&town, 1, ShardId(to_second)).await];
        for _ in 0..3 {
            for (server, asked) in asked.iter_mut().enumerate() {
                asked.push(town.ask(server, QUESTION));
            }
        }
        for id in moves {
            until(&town, id, "done").await;
        }
    }
    for (server, asked) in asked.iter().enumerate() {
        assert_answered_once(&town, server, asked).await;
    }
}

#[tokio::test]
async fn an_event_that_comes_to_a_shard_where_its_server_does_not_live_is_handed_on() {
    let town = town().await;
    let _worker = town.worker();
    let question = town.ask(0, QUESTION);
    town.answer(question).await;
    // Past the proxy, into the log of a shard that has nothing to do with the server.
    let text = format!(
        r#"{{"id":"1","channel_id":"{}","author":{{"id":"77","username":"ada"}},"content":"{QUESTION}"}}"#,
        town.server(0).support_channel.get()
    );
    crate::servers::append_to(&town, ShardId(6), 0, "late:1", &text).await;
    eventually("it is applied", async || (crate::record::applied(&town, 0).await.len() == 2).then_some(()))
        .await;
    assert_eq!(town.count("select count(*) from helpline.dead_letters").await, 0);
    eventually("nothing is held any more", async || {
        (town.count("select count(*) from helpline.held_events").await == 0).then_some(())
    })
    .await;
}

/// Appends a message of a server to the log of any shard, past the proxy.
pub async fn append_to(town: &Town, shard: ShardId, server: usize, origin: &str, payload: &str) {
    let mut redis = town.redis.connection().await;
    let incarnation: u64 = eventually("the stream is begun", async || {
        let mut redis = town.redis.connection().await;
        redis::cmd("GET")
            .arg(town.keys.incarnation(shard))
            .query_async::<Option<u64>>(&mut redis)
            .await
            .expect("get")
    })
    .await;
    let mut first = redis::cmd("XADD");
    first.arg(town.keys.stream(shard)).arg(format!("{incarnation}-1")).arg(&[("k", "none"), ("t", "NONE")]);
    let _ = first.query_async::<String>(&mut redis).await;
    let id = town.server(server).id.get().to_string();
    let mut add = redis::cmd("XADD");
    add.arg(town.keys.stream(shard)).arg(format!("{incarnation}-*"));
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_millis();
    add.arg(&[("k", origin), ("t", "MESSAGE_CREATE"), ("g", &id), ("r", &now.to_string()), ("d", payload)]);
    let _: String = add.query_async(&mut redis).await.expect("the entry is appended");
}
