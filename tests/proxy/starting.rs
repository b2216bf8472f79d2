//! Sessions that have to be begun anew, and a gateway that will not have us: the day's sessions are not burnt, and no
//! server is knocked at in a loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use fred::interfaces::KeysInterface as _;
use futures_util::StreamExt as _;
use helpline_sim::{Config, GatewayFault, GatewayTarget, Outage};
use tokio::net::{TcpListener, TcpStream};

use crate::harness::{Bench, GATEWAY};
use crate::own_redis::OwnRedis;
use crate::support::{TestRedis, eventually};

/// What Redis is asked, also from within scripts.
struct Asked(redis::aio::Monitor);

impl Asked {
    async fn of(redis: &OwnRedis) -> Self {
        let client = redis::Client::open(redis.url.as_str()).expect("a URL");
        Self(client.get_async_monitor().await.expect("it answers"))
    }

    /// Waits for a command with these words.
    async fn until(&mut self, words: &[&str]) {
        let found = async {
            let mut commands = self.0.on_message::<String>();
            while let Some(command) = commands.next().await {
                if words.iter().all(|word| command.contains(word)) {
                    return;
                }
            }
            panic!("Redis is gone");
        };
        tokio::time::timeout(Duration::from_secs(20), found).await.expect("it is asked in time");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_no_sessions_left_nobody_identifies_and_the_token_stays() {
    let config = Config {
        servers: 1,
        identify_budget: 2,
        identify_interval: Duration::from_millis(1),
        ..Config::default()
    };
    let own = OwnRedis::start();
    let bench = Bench::on_redis(config, TestRedis::new(), own.url.clone()).await;
    let proxy = bench.start().await.ready().await;
    let invalidate = || {
        let sessions = bench.sim.sessions();
        sessions.iter().for_each(|session| assert!(bench.sim.invalidate(&session.id)));
        sessions.len()
    };
    assert_eq!(invalidate(), 1);
    eventually("the second session", async || (bench.sim.counters().identifies == 2).then_some(())).await;
    eventually("it is there", async || (bench.sim.sessions().len() == 1).then_some(())).await;
    assert_eq!(invalidate(), 1);
    eventually("it asks for a third", async || {
        let connected = bench.sim.counters().connections >= 3;
        (connected && !proxy.health.is_ready()).then_some(())
    })
    .await;
    // It looks at what is left once its bucket has rested, and takes nothing.
    let mut asked = Asked::of(&own).await;
    let _: i64 = bench.fred.del(bench.keys.identify_bucket(0)).await.expect("delete");
    asked.until(&[&bench.keys.identify_budget(), "left"]).await;
    let taken: bool = bench.fred.exists(bench.keys.identify_bucket(0)).await.expect("exists");
    assert!(!taken, "nobody was let go");
    assert_eq!(bench.sim.counters().identifies, 2);
    assert_eq!(bench.sim.current_token(), bench.sim.token(), "Discord had no reason to reset it");
    proxy.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_crashes_again_and_again_does_not_burn_the_days_sessions() {
    let config = Config { servers: 1, identify_interval: Duration::from_millis(1), ..Config::default() };
    let bench = Bench::new(config).await;
    // Only the restarts count here, not Discord's five seconds between two.
    let bucket = bench.keys.identify_bucket(0);
    let begun = std::time::Instant::now();
    for _ in 0..8 {
        let before = bench.sim.counters().identifies;
        let proxy = bench.start().await;
        for _ in 0..50 {
            let _: i64 = bench.fred.del(&bucket).await.expect("delete");
            if bench.sim.counters().identifies > before {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        proxy.kill();
        // It died before it could save its session.
        let _: i64 = bench.fred.del(bench.keys.gateway_session(GATEWAY)).await.expect("delete");
    }
    // The fourth waits ten seconds, the fifth twenty more, and so on.
    let waited = begun.elapsed().as_secs();
    let most = 3 + [10, 30, 70].iter().filter(|after| waited >= **after).count() as u64;
    let identifies = bench.sim.counters().identifies;
    assert!((3..=most).contains(&identifies), "{identifies} sessions in {waited} s");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_resume_address_falls_back_to_the_general_one_with_the_same_session() {
    let bench = Bench::with_servers(1).await;
    let server = bench.server(0);
    bench.place(&server, 3, true).await;
    let proxy = bench.start().await.ready().await;
    bench.sim.gateway_fault(&GatewayTarget::all(), &GatewayFault::DeadResumeUrl { ms: 60_000 });
    let mut said = Vec::new();
    for round in 0..3 {
        said.push(bench.say(&server, &format!("before {round}")));
        bench.sim.drop_connection(None);
        said.push(bench.say(&server, &format!("while away {round}")));
        assert_eq!(bench.wait_for_messages(3, said.len()).await, said);
        // Both messages may have come before the connection went.
        eventually("it is resumed elsewhere", async || {
            (bench.sim.counters().resumes_elsewhere > round).then_some(())
        })
        .await;
    }
    let counters = bench.sim.counters();
    assert_eq!((counters.identifies, counters.resumes_refused), (1, 0));
    proxy.stop().await;
}

/// A way to the gateway that counts who comes.
async fn counting_way(bench: &Bench) -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("ws://{}", listener.local_addr().expect("an address"));
    let (count, gateway) = (Arc::new(AtomicUsize::new(0)), bench.sim.addr());
    tokio::spawn({
        let count = Arc::clone(&count);
        async move {
            while let Ok((mut client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(gateway).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        }
    });
    (url, count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_that_opens_and_ends_connections_is_not_knocked_at_in_a_loop() {
    let bench = Bench::with_servers(1).await;
    let (url, count) = counting_way(&bench).await;
    let mut config = bench.config();
    config.upstream_gateway = Some(url);
    let proxy = bench.start_with(config).await.ready().await;
    for how in [Outage::Close, Outage::Refuse, Outage::Unavailable] {
        let before = count.load(Ordering::Relaxed);
        bench.sim.gateway_fault(&GatewayTarget::all(), &GatewayFault::Outage { ms: 3_000, how });
        bench.sim.drop_connection(None);
        tokio::time::sleep(Duration::from_millis(2_800)).await;
        let knocks = count.load(Ordering::Relaxed) - before;
        // The pause doubles from 0.1 s, which makes six attempts of two or three connections each, more where a moment of
        // service begins the pauses anew; a loop makes thousands.
        assert!((1..=150).contains(&knocks), "{how:?}: {knocks} connections in three seconds");
        eventually("it is back", async || {
            bench.sim.sessions().iter().all(|session| session.connected).then_some(())
        })
        .await;
    }
    assert_eq!(bench.sim.counters().identifies, 1);
    proxy.stop().await;
}
