//! A measurement: proxies are killed under load, again and again, while members ask and a worker answers.
//!
//! `KILLS=100 target/debug/with-services -- cargo test --workspace --test proxy -- --ignored --nocapture bench_proxy_failover`

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use helpline::admin::Health;
use helpline::worker;
use helpline_sim::matching::{Matcher, QuestionId};
use helpline_sim::{Config, Kind};
use tokio_util::sync::CancellationToken;

use crate::harness::{Bench, Load, Running};
use crate::several::until_shared;
use crate::support::{eventually, run};

const NAMES: [&str; 2] = ["one", "two"];

async fn start(bench: &Bench, which: usize, address: SocketAddr) -> Running {
    let mut config = bench.config();
    config.name = NAMES[which].to_owned();
    bench.start_at(config, address).await
}

fn start_worker(bench: &Bench, proxies: [SocketAddr; 2]) -> (CancellationToken, tokio::task::JoinHandle<()>) {
    let cancel = CancellationToken::new();
    let config = worker::Config {
        name: "worker".to_owned(),
        database_url: bench.db.role_url("helpline_worker"),
        session_url: bench.db.role_url("helpline_worker"),
        redis_url: bench.config().redis_url,
        keys: bench.keys.clone(),
        proxy_url: proxies.map(|proxy| format!("http://{proxy}")).join(","),
        lease_ttl: Duration::from_secs(5),
        lanes: 64,
        pool_size: 8,
        drain_deadline: Duration::from_secs(5),
        repair: worker::Repair::default(),
        model: None,
        embedding: None,
        message_content: true,
        discord_api_url: "https://discord.com".to_owned(),
        pdf: helpline::knowledge::pdf::Reader::default(),
    };
    let (health, stop) = (Arc::new(Health::default()), cancel.clone());
    let task =
        tokio::spawn(async move { worker::run(config, &health, stop).await.expect("the worker ends well") });
    (cancel, task)
}

/// Sessions of the gateway shards that this proxy holds.
async fn sessions_of(bench: &Bench, name: &str) -> HashSet<String> {
    let shards: Vec<i32> = sqlx::query_scalar(
        "select g.id from helpline.gateway_shards g join helpline.proxies p on p.id = g.owner where p.name = $1",
    )
    .bind(name)
    .fetch_all(&bench.db.pool)
    .await
    .expect("read the gateway shards");
    let held = |shard: u32| shards.contains(&shard.cast_signed());
    bench.sim.sessions().into_iter().filter(|session| held(session.shard)).map(|session| session.id).collect()
}

/// When the last of the sessions was resumed after this transcript entry; waits for it.
async fn resumed_at_ms(bench: &Bench, sessions: &HashSet<String>, from: u64) -> u64 {
    eventually("all its sessions are resumed", async || {
        let mut missing = sessions.clone();
        let mut last = None;
        for entry in bench.sim.transcript().since(from, usize::MAX) {
            if let Kind::Resumed { session, .. } = &entry.kind
                && missing.remove(session)
            {
                last = Some(entry.at_ms);
            }
        }
        last.filter(|_| missing.is_empty())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement of minutes"]
async fn bench_proxy_failover() {
    let kills = std::env::var("KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(20);
    let config = Config {
        servers: 12,
        gateway_shards: 4,
        max_concurrency: 16,
        rest_global_per_s: None,
        ..Config::default()
    };
    let bench = Bench::new(config).await;
    for index in 0..12 {
        let server = bench.server(index);
        bench.place(&server, u32::try_from(index % 8).expect("small"), true).await;
        // One member asks more here than a member may.
        let config = format!(
            r#"{{"enabled": true, "channels": ["{}"], "max_messages_per_user": 1000000}}"#,
            server.support_channel.get()
        );
        run(&bench.db.pool, format!("update servers set config = '{config}' where id = {}", server.id.get()))
            .await;
    }
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let mut proxies = [Some(start(&bench, 0, any).await.ready().await), Some(start(&bench, 1, any).await)];
    let addresses = [0, 1].map(|which| proxies[which].as_ref().expect("it runs").address);
    let (stop_worker, worker) = start_worker(&bench, addresses);
    until_shared(&bench, &[2, 2]).await;
    let load = Load::start(&bench, Duration::from_millis(100));
    let mut times_ms = Vec::new();
    for round in 0..kills {
        let which = round % 2;
        load.reaches(load.count() + 10).await;
        let sessions = sessions_of(&bench, NAMES[which]).await;
        assert_eq!(sessions.len(), 2);
        let (from, at_ms) = (bench.sim.transcript().end(), bench.sim.now_ms());
        proxies[which].take().expect("it runs").kill();
        times_ms.push(resumed_at_ms(&bench, &sessions, from).await - at_ms);
        proxies[which] = Some(start(&bench, which, addresses[which]).await.ready().await);
        until_shared(&bench, &[2, 2]).await;
    }
    let said = load.stop().await;
    let answers = eventually("every question is answered", async || {
        let entries = bench.sim.transcript().snapshot();
        let matcher = Matcher::of(entries.iter().map(|entry| &**entry));
        let of = |id: u64| matcher.answers(QuestionId::Message(helpline_sim::ids::MessageId(id))).len();
        let answers: Vec<usize> = said.iter().map(|(_, id)| of(*id)).collect();
        answers.iter().all(|count| *count > 0).then_some(answers)
    })
    .await;
    times_ms.sort_unstable();
    let at = |share: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
        let place = ((times_ms.len() - 1) as f64 * share).round() as usize;
        times_ms[place]
    };
    let doubled = answers.iter().filter(|count| **count > 1).count();
    let identifies = bench.sim.counters().identifies - 4;
    println!(
        "{kills} kills under load: {} questions, 0 lost, {doubled} answered twice, {identifies} new IDENTIFYs; \
         from the kill to the last RESUMED: p50 {} ms, p99 {} ms, most {} ms",
        said.len(),
        at(0.5),
        at(0.99),
        at(1.0)
    );
    assert_eq!((doubled, identifies), (0, 0));
    stop_worker.cancel();
    worker.await.expect("no panic");
}
