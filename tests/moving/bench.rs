//! Numbers for docs/benchmarks.md: `--ignored --nocapture bench_`. They print; only what is promised absolutely fails.

#![allow(clippy::cast_possible_truncation, reason = "numbers drawn or looked at, far below any bound")]

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use helpline::shards;
use helpline_sim::{Config, RouteLimits};
use sqlx::Row;
use tokio::time::{Instant, sleep, sleep_until};

use crate::harness::Town;
use crate::record::{begin, number};
use crate::support::{SHARDS, run};

/// Who asked what when; times are seconds since 1970.
#[derive(Default)]
struct Asked {
    by_server: HashMap<i64, Vec<(u64, f64)>>,
}

impl Asked {
    fn ask(&mut self, town: &Town, server: usize) {
        let at = now();
        let question = number(&town.ask(server, "how do I restore a backup?"));
        let id = town.server(server).id.get().cast_signed();
        self.by_server.entry(id).or_default().push((question, at));
    }

    fn len(&self) -> usize {
        self.by_server.values().map(Vec::len).sum()
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs_f64()
}

/// What the record says of the questions.
struct Verdict {
    lost: usize,
    doubled: usize,
    out_of_order: usize,
    /// Seconds from asking to T1, of questions during a move of their server, and of the others.
    moving: Vec<f64>,
    resting: Vec<f64>,
}

/// Latencies are those of questions asked after `since`: before that the cluster warms up.
async fn judge(town: &Town, asked: &Asked, since: f64) -> Verdict {
    let deadline = Instant::now() + Duration::from_secs(120);
    while town.count("select count(*) from public.seen").await < i64::try_from(asked.len()).expect("few")
        && Instant::now() < deadline
    {
        sleep(Duration::from_millis(100)).await;
    }
    sleep(Duration::from_secs(2)).await;
    let rows = sqlx::query(
        "select s.server_id, s.event_id::bigint, extract(epoch from s.at)::float8,
            array(select row(extract(epoch from m.created_at), extract(epoch from m.done_at))::text
                  from helpline.server_moves m where m.server_id = s.server_id)
         from public.seen s order by s.n",
    )
    .fetch_all(&town.db.pool)
    .await
    .expect("read the record");
    let mut seen: HashMap<i64, Vec<(u64, f64, Vec<String>)>> = HashMap::new();
    for row in rows {
        let event = (row.get::<i64, _>(1).cast_unsigned(), row.get(2), row.get(3));
        seen.entry(row.get(0)).or_default().push(event);
    }
    let mut verdict = Verdict { lost: 0, doubled: 0, out_of_order: 0, moving: vec![], resting: vec![] };
    for (server, asked) in &asked.by_server {
        let seen = seen.remove(server).unwrap_or_default();
        verdict.out_of_order += seen.windows(2).filter(|pair| pair[0].0 > pair[1].0).count();
        for (question, at) in asked {
            let mut found = seen.iter().filter(|(id, _, _)| id == question);
            let Some((_, applied, moves)) = found.next() else {
                verdict.lost += 1;
                continue;
            };
            verdict.doubled += found.count();
            if *at < since {
                continue;
            }
            let during = moves.iter().any(|moved| overlaps(moved, *at, *applied));
            if during { verdict.moving.push(applied - at) } else { verdict.resting.push(applied - at) }
        }
    }
    verdict
}

/// Whether a move, `(begin,end)`, was open at some moment between two.
fn overlaps(moved: &str, from: f64, to: f64) -> bool {
    let inner = moved.trim_matches(['(', ')']);
    let (begun, done) = inner.split_once(',').unwrap_or((inner, ""));
    let begun: f64 = begun.parse().unwrap_or(f64::MAX);
    begun <= to && done.parse().unwrap_or(f64::MAX) >= from
}

impl Verdict {
    fn print(mut self, what: &str, questions: usize) {
        println!("{what}: {questions} questions");
        println!("  lost {}, doubled {}, out of order {}", self.lost, self.doubled, self.out_of_order);
        for (name, latencies) in [("while moving", &mut self.moving), ("otherwise", &mut self.resting)] {
            latencies.sort_by(f64::total_cmp);
            let at = |share: f64| {
                let index = ((latencies.len() as f64 - 1.0) * share).max(0.0) as usize;
                latencies.get(index).map_or(0.0, |seconds| seconds * 1_000.0)
            };
            println!(
                "  asked to applied, {name} ({}): p50 {:.0} ms, p99 {:.0} ms, max {:.0} ms",
                latencies.len(),
                at(0.5),
                at(0.99),
                at(1.0)
            );
        }
        assert_eq!((self.lost, self.doubled, self.out_of_order), (0, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute; prints numbers"]
async fn bench_moves() {
    const SERVERS: usize = 40;
    const MOVES: usize = 1_000;
    const AT_ONCE: i64 = 4;
    const PER_SECOND: u64 = 100;
    let town = Town::with(Config {
        servers: SERVERS,
        rest_global_per_s: None,
        route_limits: RouteLimits::off(),
        ..Config::default()
    })
    .await;
    run(&town.db.pool, format!("update server_shards set shard_id = shard_id % {SHARDS}")).await;
    begin(&town).await;
    let _workers = (town.worker(), town.worker());
    town.answer(town.ask(0, "how do I restore a backup?")).await;
    run(&town.db.pool, "truncate public.seen").await;
    let (mut asked, mut planned) = (Asked::default(), 0);
    let (began, rng) = (Instant::now(), &mut fastrand::Rng::with_seed(5));
    for tick in 0.. {
        sleep_until(began + Duration::from_millis(1_000 / PER_SECOND) * tick).await;
        asked.ask(&town, rng.usize(..SERVERS));
        let open = town.count("select count(*) from helpline.server_moves where state <> 'done'").await;
        if planned >= MOVES && open == 0 {
            break;
        }
        for _ in open..if planned < MOVES { AT_ONCE } else { open } {
            let server = town.server(rng.usize(..SERVERS)).id.get().cast_signed();
            // The leader plans too: a server that is on its way already stays with that.
            let inserted = sqlx::query(
                "insert into helpline.server_moves (server_id, from_shard, to_shard)
                 select server_id, shard_id, $2 from public.server_shards where server_id = $1 and shard_id <> $2
                 for share on conflict do nothing",
            )
            .bind(server)
            .bind(rng.u32(..SHARDS).cast_signed())
            .execute(&town.db.pool)
            .await
            .expect("plan a move");
            if inserted.rows_affected() == 1 {
                planned += 1;
                run(&town.db.pool, "select pg_notify('helpline_moves', '')").await;
            }
        }
    }
    let took = began.elapsed();
    let done = town.count("select count(*) from helpline.server_moves where state = 'done'").await;
    let p = town
        .count("select (percentile_cont(0.99) within group (order by extract(epoch from done_at - created_at)) * 1000)::bigint from helpline.server_moves")
        .await;
    println!("{done} moves in {took:.1?}; p99 of a whole move {p} ms");
    let questions = asked.len();
    judge(&town, &asked, 0.0).await.print("1,000 moves of 40 servers under 100 questions/s", questions);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes minutes; prints numbers"]
async fn bench_growth() {
    const SERVERS: usize = 5_000;
    const PER_SECOND: u64 = 200;
    let config = Config {
        servers: SERVERS,
        members_per_server: 1,
        staff_per_server: 1,
        gateway_shards: 4,
        max_concurrency: 4,
        rest_global_per_s: None,
        route_limits: RouteLimits::off(),
        transcript_entries: 0,
        ..Config::default()
    };
    let mut town = Town::without_servers(config).await;
    shards::set(&town.db.pool, 64).await.expect("64 shards");
    let mut servers = String::new();
    for server in town.sim.servers() {
        let (id, channel) = (server.id.get(), server.support_channel.get());
        let shard = server.index % 64;
        let _ = write!(
            servers,
            r#"insert into servers (id, name, config) values ({id}, 'test', '{{"enabled":true,"channels":["{channel}"],"max_messages_per_user":1000000}}');
               insert into server_shards (server_id, shard_id) values ({id}, {shard});"#
        );
    }
    run(&town.db.pool, servers).await;
    begin(&town).await;
    town = town.with_proxy().await;
    // The way of events is measured: answers wait, for want of somebody to post them.
    "http://127.0.0.1:9".clone_into(&mut town.proxy_url);
    let _workers = (town.worker(), town.worker());
    let owned = async |town: &Town| town.count("select count(*) from shards where status = 'online'").await;
    while owned(&town).await < 64 {
        sleep(Duration::from_millis(100)).await;
    }
    let (mut asked, began, rng) = (Asked::default(), Instant::now(), &mut fastrand::Rng::with_seed(5));
    let (mut grown_at, mut since) = (None, 0.0);
    for tick in 0.. {
        sleep_until(began + Duration::from_micros(1_000_000 / PER_SECOND) * tick).await;
        asked.ask(&town, rng.usize(..SERVERS));
        if tick == 2_000 {
            shards::set(&town.db.pool, 256).await.expect("256 shards");
            grown_at = Some(Instant::now());
            since = now();
        }
        let look = u64::from(tick) % PER_SECOND == 0 && grown_at.is_some_and(|at| at.elapsed().as_secs() > 5);
        let open = "select (select count(*) from helpline.server_moves where state <> 'done')
                         + (select count(*) from shards where server_count < 12)";
        if (look && town.count(open).await == 0) || began.elapsed() > Duration::from_secs(300) {
            break;
        }
    }
    let moved = town.count("select count(*) from helpline.server_moves where state = 'done'").await;
    let most = town.count("select max(server_count)::bigint from shards").await;
    let grown = grown_at.map(|at| at.elapsed()).unwrap_or_default();
    println!(
        "64 -> 256 shards, {moved} servers moved in {grown:.1?}; the fullest shard has {most} of {SERVERS}"
    );
    let questions = asked.len();
    judge(&town, &asked, since).await.print("growth under 200 events/s", questions);
}
