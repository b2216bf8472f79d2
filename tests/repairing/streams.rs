//! Streams that are full, or lost with more than the proxy kept: what could not be delivered is a gap, and is read again.

use std::collections::{HashMap, HashSet};

use helpline::proxy::backlog::Bounds;
use helpline_cluster::ids::ShardId;
use helpline_sim::matching::QuestionId;
use helpline_sim::{Config, Fault, FaultPlan, Route, RouteLimits};

use crate::harness::Town;
use crate::letters::id;
use crate::support::eventually;

const REFUND: &str = "how long do I have to ask for a refund?";
const BACKUP: &str = "how do I restore a backup?";
const ROOM: Bounds = Bounds { entries: 16, bytes: 64 * 1024 * 1024 };

fn unlimited() -> Config {
    let route_limits = RouteLimits::off();
    Config { servers: 2, rest_global_per_s: None, route_limits, ..Config::default() }
}

/// The ids of the messages in the stream of a server's shard, in its order.
pub async fn messages_in_stream(town: &Town, server: usize) -> Vec<u64> {
    let stream = town.keys.stream(town.shard_of(server).await);
    let mut redis = town.redis.connection().await;
    let entries: Vec<(String, HashMap<String, String>)> =
        redis::cmd("XRANGE").arg(&stream).arg("-").arg("+").query_async(&mut redis).await.expect("range");
    let id = |fields: HashMap<String, String>| {
        let message = fields.get("t").is_some_and(|kind| kind == "MESSAGE_CREATE");
        let payload: serde_json::Value = serde_json::from_str(fields.get("d").filter(|_| message)?).ok()?;
        payload["id"].as_str()?.parse().ok()
    };
    entries.into_iter().filter_map(|(_, fields)| id(fields)).collect()
}

/// A town in which both servers were answered once, and nobody applies any more.
async fn unattended(shape: fn(&mut helpline::proxy::Config)) -> Town {
    let town = Town::with_proxies(unlimited(), shape).await;
    let worker = town.worker();
    for server in 0..2 {
        town.answer(town.ask(server, REFUND)).await;
    }
    town.at_rest().await;
    for server in 0..2 {
        town.caught_up(server).await;
    }
    worker.kill();
    town
}

async fn assert_answered_once(town: &Town, asked: &[QuestionId]) {
    for question in asked {
        town.answer(*question).await;
    }
    town.at_rest().await;
    for question in asked {
        assert_eq!(town.answers(*question).len(), 1);
    }
}

async fn arrives(town: &Town, server: usize, question: QuestionId) {
    eventually("the question is in its stream", async || {
        messages_in_stream(town, server).await.contains(&id(question)).then_some(())
    })
    .await;
}

/// A shard's stream takes nothing more.
async fn fill(town: &Town, shard: ShardId) {
    let mut redis = town.redis.connection().await;
    let fill = "local n = redis.call('GET', KEYS[2])
                for i = 1, tonumber(ARGV[1]) do redis.call('XADD', KEYS[1], n .. '-*', 'k', 'none', 't', 'NONE') end";
    let mut call = redis::cmd("EVAL");
    call.arg(fill).arg(2).arg(town.keys.stream(shard)).arg(town.keys.incarnation(shard));
    call.arg(helpline_cluster::event_log::MAX_ENTRIES).exec_async(&mut redis).await.expect("filled");
}

async fn make_room(town: &Town, shard: ShardId) {
    let mut redis = town.redis.connection().await;
    let mut trim = redis::cmd("XTRIM");
    trim.arg(town.keys.stream(shard)).arg("MAXLEN").arg(0);
    trim.exec_async(&mut redis).await.expect("trimmed");
}

#[tokio::test]
async fn what_an_overfull_stream_refused_is_a_gap_and_every_question_of_it_is_answered_once() {
    let town = unattended(|proxy| proxy.backlog = ROOM).await;
    let shard = town.shard_of(0).await;
    fill(&town, shard).await;
    let mut asked = Vec::new();
    // Far more than the backlog holds; the other server's shard goes on meanwhile.
    for n in 0..40 {
        if n == 10 {
            // In a channel of which nobody knows, and the only one that is said there.
            asked.push(town.mention(0, BACKUP));
        }
        let other = town.ask(1, BACKUP);
        asked.extend([town.ask(0, REFUND), other]);
        arrives(&town, 1, other).await;
    }
    assert_eq!(town.count("select count(*) from helpline.gaps").await, 0, "it is still being missed");
    make_room(&town, shard).await;
    let recorded = "select count(*) from helpline.gaps where cause = 'stream_full'";
    eventually("the gap is recorded", async || (town.count(recorded).await == 1).then_some(())).await;
    let _worker = town.worker();
    assert_answered_once(&town, &asked).await;
    let repaired = "select count(*) from helpline.gaps where state = 'repaired' and messages >= 20";
    eventually("the gap is repaired", async || (town.count(repaired).await == 1).then_some(())).await;
}

#[tokio::test]
async fn messages_that_wait_for_a_gap_may_fill_the_backlog_and_keep_their_order() {
    let town = unattended(|proxy| proxy.backlog = ROOM).await;
    let shard = town.shard_of(0).await;
    fill(&town, shard).await;
    let mut asked = Vec::new();
    for _ in 0..20 {
        let other = town.ask(1, BACKUP);
        asked.push(id(town.ask(0, REFUND)));
        arrives(&town, 1, other).await;
    }
    let slow = FaultPlan { route: Some(Route::ListMessages), ..FaultPlan::always(Fault::LateMs(2_000)) };
    town.sim.plan_fault(slow).expect("a good plan");
    make_room(&town, shard).await;
    let recorded = "select count(*) from helpline.gaps where cause = 'stream_full'";
    eventually("the gap is recorded", async || (town.count(recorded).await == 1).then_some(())).await;
    // More than the backlog holds, and all of it waits for the reading.
    asked.extend((0..20).map(|_| id(town.ask(0, REFUND))));
    let connected = || town.sim.sessions().iter().any(|session| session.connected);
    eventually("the connection is closed", async || (!connected()).then_some(())).await;
    let in_order = eventually("all of it is in the stream", async || {
        let mut in_stream = messages_in_stream(&town, 0).await;
        in_stream.retain(|message| asked.contains(message));
        // What is read again may have been there before.
        let mut seen = HashSet::new();
        in_stream.retain(|message| seen.insert(*message));
        (in_stream.len() == asked.len()).then_some(in_stream)
    })
    .await;
    assert_eq!(in_order, asked);
}

#[tokio::test]
async fn what_was_not_kept_of_a_lost_stream_is_a_gap_and_every_question_of_it_is_answered_once() {
    let town = unattended(|proxy| proxy.retained = Bounds { entries: 4, ..ROOM }).await;
    let mut asked = Vec::new();
    for n in 0..12 {
        let question = if n == 3 { town.mention(0, BACKUP) } else { town.ask(0, REFUND) };
        arrives(&town, 0, question).await;
        asked.push(question);
    }
    let mut redis = town.redis.connection().await;
    let shard = town.shard_of(0).await;
    let keys = [town.keys.stream(shard), town.keys.incarnation(shard)];
    let _: i64 = redis::cmd("DEL").arg(&keys).query_async(&mut redis).await.expect("deleted");
    let _worker = town.worker();
    assert_answered_once(&town, &asked).await;
    let repaired = "select count(*) from helpline.gaps where cause = 'stream_lost' and state = 'repaired'";
    eventually("the gap is repaired", async || (town.count(repaired).await == 1).then_some(())).await;
}
