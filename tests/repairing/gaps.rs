//! Messages that the gateway never brought.

use std::collections::BTreeSet;
use std::time::Duration;

use helpline::discord::MessageId;
use helpline::proxy::backfill::Budget;
use helpline_sim::matching::QuestionId;
use helpline_sim::{Config, Fault, FaultPlan, Route};
use time::OffsetDateTime;

use crate::harness::Town;
use crate::letters::id;
use crate::streams::messages_in_stream;
use crate::support::{eventually, run};

const REFUND: &str = "how long do I have to ask for a refund?";
const BACKUP: &str = "how do I restore a backup?";

/// A town in which something was answered once, so that there is something to miss.
async fn settled(config: Config) -> (Town, crate::harness::Process) {
    let town = Town::with(config).await;
    let worker = town.worker();
    town.answer(town.ask(0, REFUND)).await;
    town.answer(town.ask(1, REFUND)).await;
    town.at_rest().await;
    (town, worker)
}

/// Discord forgets the session while nobody is connected, and members ask meanwhile.
async fn ask_while_the_session_is_lost(town: &Town) -> Vec<QuestionId> {
    let session = town.sim.sessions().first().expect("a session").id.clone();
    assert!(town.sim.invalidate(&session));
    let mut asked = Vec::new();
    for n in 0..4 {
        asked.push(town.ask(n % 2, if n < 2 { BACKUP } else { REFUND }));
    }
    asked
}

#[tokio::test]
async fn questions_of_a_lost_session_are_answered_once_each() {
    let (town, _worker) = settled(Config { servers: 2, ..Config::default() }).await;
    let asked = ask_while_the_session_is_lost(&town).await;
    for question in &asked {
        town.answer(*question).await;
    }
    let after = town.ask(0, BACKUP);
    town.answer(after).await;
    town.at_rest().await;
    for question in asked.iter().chain([&after]) {
        assert_eq!(town.answers(*question).len(), 1);
    }
    eventually("the gap is recorded and repaired", async || {
        let gaps = "select count(*) from helpline.gaps where cause = 'session_lost' and state = 'repaired'";
        (town.count(gaps).await == 1).then_some(())
    })
    .await;
    assert!(town.count("select sum(messages)::bigint from helpline.gaps").await >= 4);
    assert_eq!(town.count("select count(*) from helpline.gap_channels").await, 0);
}

#[tokio::test]
async fn a_follow_up_in_a_thread_is_found_too() {
    let (town, _worker) = settled(Config { servers: 2, ..Config::default() }).await;
    let question = town.ask(0, REFUND);
    let thread = town.answer(question).await.channel;
    town.at_rest().await;
    let session = town.sim.sessions().first().expect("a session").id.clone();
    assert!(town.sim.invalidate(&session));
    let follow_up = town.say(thread, town.member(0), BACKUP);
    assert!(town.answer(follow_up).await.content.contains("Backups"));
}

#[tokio::test]
async fn a_follow_up_in_a_thread_that_was_started_after_the_gap_was_recorded_is_found_too() {
    let (town, _worker) = settled(Config { servers: 2, ..Config::default() }).await;
    let question = town.ask(0, REFUND);
    let thread = town.answer(question).await.channel;
    town.at_rest().await;
    // As if the worker came to the question between the recording of the gap and the new session.
    let threads = "create table public.threads as
        select server_id, id, thread_id from public.conversations where thread_id is not null;
        update public.conversations set thread_id = null";
    run(&town.db.pool, threads).await;
    let session = town.sim.sessions().first().expect("a session").id.clone();
    assert!(town.sim.invalidate(&session));
    let follow_up = town.say(thread, town.member(0), BACKUP);
    eventually("the gap is recorded", async || {
        (town.count("select count(*) from helpline.gaps").await == 1).then_some(())
    })
    .await;
    let noted = "update public.conversations c set thread_id = t.thread_id, updated_at = now()
        from public.threads t where t.server_id = c.server_id and t.id = c.id";
    run(&town.db.pool, noted).await;
    assert!(town.answer(follow_up).await.content.contains("Backups"));
    town.at_rest().await;
    assert_eq!(town.answers(follow_up).len(), 1);
}

#[tokio::test]
async fn a_first_mention_in_a_channel_that_nobody_knows_of_is_found_too() {
    let (town, _worker) = settled(Config { servers: 2, ..Config::default() }).await;
    let session = town.sim.sessions().first().expect("a session").id.clone();
    assert!(town.sim.invalidate(&session));
    let mention = town.mention(0, BACKUP);
    let chat = town.say(town.server(1).general_channel, town.member(1), BACKUP);
    assert!(town.answer(mention).await.content.contains("Backups"));
    eventually("the gap is repaired, and nothing of it is left", async || {
        let gaps = "select count(*) from helpline.gaps g where g.state = 'repaired'
            and not exists (select from helpline.gap_channels c where c.gap_id = g.id)";
        (town.count(gaps).await == 1).then_some(())
    })
    .await;
    town.at_rest().await;
    assert_eq!(town.answers(mention).len(), 1);
    assert!(town.answers(chat).is_empty(), "it was not said to the bot");
}

#[tokio::test]
async fn a_new_session_tells_which_channels_of_a_gap_are_to_be_read() {
    let town = Town::without_servers(Config::default()).await;
    let world = "insert into servers (id, name, config) select (n << 22), 'n', jsonb_build_object('enabled', n < 7)
                     from generate_series(1, 7) n;
                 insert into server_shards (server_id, shard_id) select id, 0 from servers on conflict do nothing;
                 insert into helpline.gaps (gateway_total, gateway_id, cause, from_at, state, finished_at) values
                     (2, 1, 'session_lost', now() - interval '1 hour', 'repaired', now() - interval '11 minutes'),
                     (2, 1, 'session_lost', now() - interval '9 minutes', 'given_up', now() - interval '8 minutes'),
                     (2, 1, 'session_lost', now() - interval '2 minutes', 'repaired', now()),
                     (3, 1, 'session_lost', now(), 'open', null);
                 insert into helpline.gaps (gateway_total, gateway_id, cause, from_at, shard_id)
                     values (2, 0, 'stream_full', now(), 0)";
    run(&town.db.pool, world).await;
    let proxy = town.db.role("helpline_proxy");
    let notice = async |gateway: i32, minutes_ago: i64| {
        let newest = MessageId::at(OffsetDateTime::now_utc() - time::Duration::minutes(minutes_ago));
        let told: Vec<i32> = sqlx::query_scalar(
            "select array(select helpline.notice_channels(2, $1, array_agg(n << 22), array_agg(n), array_agg($2),
                 '1 day')::int from generate_series(1::bigint, 7) n)",
        )
        .bind(gateway)
        .bind(newest.0.cast_signed())
        .fetch_one(&proxy)
        .await
        .expect("noticed");
        told.into_iter().collect::<BTreeSet<i32>>().into_iter().collect::<Vec<i32>>()
    };
    // Since the earlier of the two that are not long over, and no earlier.
    assert_eq!(notice(1, 10).await, Vec::<i32>::new());
    assert_eq!(notice(1, 8).await, [1, 3, 5], "its own servers that listen");
    assert_eq!(notice(1, 8).await, [1, 3, 5], "they are known and still to be read");
    assert_eq!(notice(0, 0).await, Vec::<i32>::new(), "only one shard's stream was full there");
    let open =
        "select count(*) from helpline.gaps where gateway_total = 2 and gateway_id = 1 and state = 'open'
                and channels = 3 and finished_at is null and from_at > now() - interval '5 minutes'";
    assert_eq!(town.count(open).await, 1, "the newest is open again");
    assert_eq!(notice(1, 10).await, Vec::<i32>::new(), "nothing was missed there after all");
    let dropped =
        "select count(*) from helpline.gaps where gateway_id = 1 and channels = 0 and state = 'open'
                   and gateway_total = 2";
    assert_eq!(town.count(dropped).await, 1);
    assert_eq!(town.count("select count(*) from helpline.gap_channels").await, 0);
}

#[tokio::test]
async fn what_the_budget_does_not_allow_is_given_up_and_told() {
    let town = Town::with_proxies(Config { servers: 2, ..Config::default() }, |proxy| {
        proxy.backfill = Budget { in_all: 0, ..Budget::default() };
    })
    .await;
    let _worker = town.worker();
    town.answer(town.ask(0, REFUND)).await;
    town.at_rest().await;
    let asked = ask_while_the_session_is_lost(&town).await;
    eventually("the gap is given up", async || {
        let gaps =
            "select count(*) from helpline.gaps where state = 'given_up' and channels_given_up = channels";
        (town.count(gaps).await == 1).then_some(())
    })
    .await;
    let why = "select count(*) from helpline.gap_channels where given_up = 'budget'";
    assert!(town.count(why).await >= 2);
    // Live questions are not held up by what is given up.
    town.answer(town.ask(0, BACKUP)).await;
    assert!(asked.iter().all(|question| town.answers(*question).is_empty()));
}

#[tokio::test]
async fn questions_asked_while_proxy_and_redis_are_gone_are_answered_afterwards() {
    let (mut town, worker) = settled(Config { servers: 2, ..Config::default() }).await;
    town.kill_proxy_now();
    worker.kill();
    // The session, the streams and everything else that Redis knew.
    let mut redis = town.redis.connection().await;
    let keys: Vec<String> = redis::cmd("KEYS")
        .arg(format!("{}*", town.redis.prefix))
        .query_async(&mut redis)
        .await
        .expect("keys");
    let _: i64 = redis::cmd("DEL").arg(keys).query_async(&mut redis).await.expect("deleted");
    let asked = [town.ask(0, BACKUP), town.ask(1, BACKUP)];
    tokio::time::sleep(Duration::from_millis(100)).await;
    town.replace_proxy().await;
    // Workers find a proxy at its own address only.
    let _next = town.worker();
    for question in asked {
        town.answer(question).await;
    }
    town.at_rest().await;
    for question in asked {
        assert_eq!(town.answers(question).len(), 1);
    }
    let unknown = "select count(*) from helpline.gaps where cause = 'session_unknown'";
    assert_eq!(town.count(unknown).await, 1);
}

#[tokio::test]
async fn the_very_first_start_has_missed_nothing() {
    let town = Town::new().await;
    run(&town.db.pool, "select 1").await;
    assert_eq!(town.count("select count(*) from helpline.gaps").await, 0);
}

#[tokio::test]
async fn what_is_said_while_a_channel_is_read_again_comes_after_what_was_missed_of_it() {
    let (town, worker) = settled(Config { servers: 2, ..Config::default() }).await;
    // Nobody applies: the order in the stream is looked at.
    worker.kill();
    let slow = FaultPlan { route: Some(Route::ListMessages), ..FaultPlan::always(Fault::LateMs(2_500)) };
    town.sim.plan_fault(slow).expect("a good plan");
    let missed = ask_while_the_session_is_lost(&town).await;
    let before = town.sim.sessions();
    eventually("a new session is up and the gap is recorded", async || {
        let gaps = town.count("select count(*) from helpline.gaps where state = 'open'").await;
        let new = town.sim.sessions().iter().any(|session| before.iter().all(|old| old.id != session.id));
        (gaps == 1 && new).then_some(())
    })
    .await;
    let live: Vec<QuestionId> = (0..2).map(|server| town.ask(server, REFUND)).collect();
    for server in 0..2 {
        let of_server = |asked: &[QuestionId]| {
            let mine = asked.iter().enumerate().filter(|(n, _)| n % 2 == server);
            mine.map(|(_, question)| id(*question)).collect::<Vec<u64>>()
        };
        let expected = [of_server(&missed), of_server(&live)].concat();
        let in_stream = eventually("all are in the stream", async || {
            let ids = messages_in_stream(&town, server).await;
            let ids: Vec<u64> = ids.into_iter().filter(|id| expected.contains(id)).collect();
            (ids.len() >= expected.len()).then_some(ids)
        })
        .await;
        assert_eq!(in_stream, expected, "server {server}");
    }
}

#[tokio::test]
async fn channels_of_two_lost_sessions_are_read_once_for_both_and_all_that_was_said_keeps_its_order() {
    let (town, worker) = settled(Config { servers: 2, ..Config::default() }).await;
    // Nobody applies: the order in the streams is looked at.
    worker.kill();
    let slow = FaultPlan { route: Some(Route::ListMessages), ..FaultPlan::always(Fault::LateMs(2_500)) };
    town.sim.plan_fault(slow).expect("a good plan");
    let mut said = Vec::new();
    for lost in 1..=2 {
        let before = town.sim.sessions();
        said.extend(ask_while_the_session_is_lost(&town).await);
        eventually("a new session is up and the gap is recorded", async || {
            let gaps = town.count("select count(*) from helpline.gaps where state = 'open'").await;
            let new = town.sim.sessions().iter().any(|session| before.iter().all(|old| old.id != session.id));
            (gaps == lost && new).then_some(())
        })
        .await;
        said.extend((0..2).map(|server| town.ask(server, REFUND)));
    }
    for server in 0..2 {
        let expected: Vec<u64> =
            said.iter().enumerate().filter(|(n, _)| n % 2 == server).map(|(_, asked)| id(*asked)).collect();
        let in_stream = eventually("all are in the stream", async || {
            let ids = messages_in_stream(&town, server).await;
            let ids: Vec<u64> = ids.into_iter().filter(|id| expected.contains(id)).collect();
            (ids.len() >= expected.len()).then_some(ids)
        })
        .await;
        assert_eq!(in_stream, expected, "server {server}");
    }
    eventually("both gaps are repaired", async || {
        let open = "select count(*) from helpline.gaps where state <> 'repaired'";
        (town.count(open).await == 0).then_some(())
    })
    .await;
    let of_second = "select requests::bigint from helpline.gaps order by id desc limit 1";
    assert_eq!(town.count(of_second).await, 0, "the first gap's readings were its own too");
}

#[tokio::test]
async fn what_a_set_of_gateway_shards_that_is_gone_left_open_is_taken_up() {
    let (town, _worker) = settled(Config { servers: 2, ..Config::default() }).await;
    // Asked while nobody listened.
    run(&town.db.pool, "update servers set config = config || '{\"enabled\": false}'").await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let asked = [town.ask(0, BACKUP), town.ask(1, BACKUP)];
    run(&town.db.pool, "update servers set config = config || '{\"enabled\": true}'").await;
    let mut gap =
        "with gap as (insert into helpline.gaps (gateway_total, gateway_id, cause, from_at, channels)
                   values (7, 3, 'session_lost', now(), 2) returning id)
                   insert into helpline.gap_channels (gap_id, server_id, channel_id, after_id) "
            .to_owned();
    for (server, question) in asked.iter().enumerate() {
        let home = town.server(server);
        let union = if server == 0 { "" } else { " union all " };
        let (channel, after) = (home.support_channel.get(), id(*question) - 1);
        gap += &format!(
            "{union}select id, {}::bigint, {channel}::bigint, {after}::bigint from gap",
            home.id.get()
        );
    }
    run(&town.db.pool, gap).await;
    for question in asked {
        town.answer(question).await;
    }
    town.at_rest().await;
    for question in asked {
        assert_eq!(town.answers(question).len(), 1);
    }
    eventually("the gap of the old set is closed, and those that took it up", async || {
        let open = town.count("select count(*) from helpline.gaps where state = 'open'").await;
        let mine =
            town.count("select count(*) from helpline.gaps where gateway_total <> 7 and messages > 0").await;
        (open == 0 && mine == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn each_gateway_shard_of_a_new_set_takes_up_its_own_servers_and_none_those_of_a_living_set() {
    let town = Town::without_servers(Config::default()).await;
    let gaps = "insert into servers (id, name) select (n << 22), 'n' from generate_series(1, 6) n;
                insert into helpline.gateway_sets (total, state) values (2, 'serving'), (5, 'rising');
                insert into helpline.gaps (gateway_total, gateway_id, cause, from_at, channels)
                    values (3, 0, 'session_lost', now(), 6), (5, 0, 'session_lost', now(), 1);
                insert into helpline.gap_channels (gap_id, server_id, channel_id, after_id)
                    select g.id, n << 22, n, 0 from helpline.gaps g, generate_series(1, 6) n
                    where g.gateway_total = 3 or n = 1;";
    run(&town.db.pool, gaps).await;
    let proxy = town.db.role("helpline_proxy");
    for gateway in [0, 1, 1] {
        let adopt: i32 = sqlx::query_scalar("select helpline.adopt_gaps(2, $1)")
            .bind(gateway)
            .fetch_one(&proxy)
            .await
            .expect("the proxy may");
        let _ = adopt;
    }
    let split = "select count(*) from helpline.gap_channels c join helpline.gaps g on g.id = c.gap_id
                 where g.gateway_total = 2 and (c.server_id >> 22) % 2 = g.gateway_id and g.channels = 3";
    assert_eq!(town.count(split).await, 6);
    assert_eq!(town.count("select count(*) from helpline.gaps where gateway_total = 2").await, 2);
    let old =
        "select count(*) from helpline.gaps where gateway_total = 3 and state = 'repaired' and channels = 0";
    assert_eq!(town.count(old).await, 1);
    let living = "select count(*) from helpline.gap_channels c join helpline.gaps g on g.id = c.gap_id
                  where g.gateway_total = 5 and g.state = 'open'";
    assert_eq!(town.count(living).await, 1);
}

#[tokio::test]
async fn gaps_go_when_they_are_old_and_done() {
    let town = Town::without_servers(Config::default()).await;
    let gaps = "insert into helpline.gaps (gateway_total, gateway_id, cause, from_at, state, finished_at)
                values (1, 0, 'stream_full', now() - interval '60 days', 'open', null),
                       (1, 0, 'stream_full', now() - interval '60 days', 'repaired', now() - interval '29 days'),
                       (1, 0, 'stream_full', now() - interval '60 days', 'repaired', now() - interval '31 days'),
                       (1, 0, 'stream_full', now() - interval '60 days', 'given_up', now() - interval '31 days');
                insert into servers (id, name) values (5, 'n');
                insert into helpline.gap_channels (gap_id, server_id, channel_id, after_id, given_up)
                select id, 5, 7, 0, 'budget' from helpline.gaps where state = 'given_up'";
    run(&town.db.pool, gaps).await;
    let worker = town.db.role("helpline_worker").into();
    let swept = helpline::worker::janitor::sweep(&worker, &[]).await.expect("swept");
    assert_eq!(swept, 2);
    let kept =
        "select count(*) from helpline.gaps where state = 'open' or finished_at > now() - interval '30 days'";
    assert_eq!((town.count("select count(*) from helpline.gaps").await, town.count(kept).await), (2, 2));
    assert_eq!(town.count("select count(*) from helpline.gap_channels").await, 0);
}
