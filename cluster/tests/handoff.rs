//! Planned handoffs: nothing is lost or applied twice, nobody waits long, and nothing is left without an owner.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;
mod worker;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use helpline_cluster::claims::{Claims, Config, Lease, Ownership};
use helpline_cluster::event_log::{Delivery, NewEvent, Publisher, Reader};
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::{Epoch, GatewayShard, ShardId, StreamId};
use helpline_cluster::redis_link::RedisLink;
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;
use worker::wire::{State, Wire};
use worker::{Db, LONG_TTL, Process, Urls, Worker, eventually};

#[test]
#[ignore = "not a test: the worker that the other tests start as a process"]
fn worker_process() {
    worker::run_process();
}

/// What was applied, in the order of the commits of each shard.
type Applied = Arc<Mutex<BTreeMap<ShardId, Vec<(Epoch, StreamId, Instant)>>>>;

/// A worker whose consumer applies the events of its shards, as the product's does.
struct Applying {
    claims: Claims,
    cancel: CancellationToken,
}

impl Applying {
    fn start(name: &str, urls: &Urls, applied: &Applied) -> Self {
        let pool =
            sqlx::postgres::PgPoolOptions::new().max_connections(8).connect_lazy(&urls.postgres).unwrap();
        let cancel = CancellationToken::new();
        let redis = RedisLink::open(&urls.redis).unwrap();
        let config = Config { ttl: LONG_TTL, ..Config::new(name, urls.keys()) };
        let (claims, mut news) =
            Claims::start(config, pool.clone(), &urls.postgres, &redis, cancel.clone()).unwrap();
        let reader = Reader::start(&redis, urls.keys(), cancel.clone());
        let (applied, releasing) = (Arc::clone(applied), claims.clone());
        tokio::spawn(async move {
            let mut stops = BTreeMap::new();
            while let Some(news) = news.recv().await {
                match news {
                    Ownership::Gained(lease) => {
                        stops.insert(lease.fence.shard, lease.stop.clone());
                        let (pool, reader) = (pool.clone(), reader.clone());
                        let (applied, claims) = (Arc::clone(&applied), releasing.clone());
                        tokio::spawn(async move {
                            apply(&pool, &reader, &lease, &applied).await;
                            drop(claims.release(&lease.fence).await);
                        });
                    }
                    Ownership::Revoked { shard, .. } => stops[&shard].cancel(),
                }
            }
        });
        Self { claims, cancel }
    }

    async fn leave(self) {
        self.cancel.cancel();
        self.claims.stopped().await;
    }
}

async fn apply(pool: &PgPool, reader: &Reader, lease: &Lease, applied: &Applied) {
    let mut deliveries = reader.watch(&lease.fence, lease.cursor);
    while let Some(Some(Delivery::Entries(entries))) = lease.stop.run_until_cancelled(deliveries.recv()).await
    {
        let last = entries.last().unwrap().id;
        let mut tx = FencedTx::begin(pool, &lease.fence).await.unwrap();
        assert!(tx.move_cursor(last).await.unwrap(), "applied before");
        tx.commit().await.unwrap();
        let mut applied = applied.lock().unwrap();
        let of_shard = applied.entry(lease.fence.shard).or_default();
        of_shard.extend(entries.iter().map(|entry| (lease.fence.epoch, entry.id, Instant::now())));
    }
}

/// A steady stream of events into every shard, until it is aborted.
fn stream(urls: &Urls, shards: u32, every: Duration) -> JoinHandle<()> {
    let publisher = Publisher::new(&RedisLink::open(&urls.redis).unwrap(), urls.keys());
    tokio::spawn(async move {
        let gateway = GatewayShard::new(0, 1);
        let epoch = publisher.raise_gateway_epoch(gateway).await.unwrap();
        let mut ticks = interval(every);
        loop {
            ticks.tick().await;
            let event = |shard| NewEvent {
                shard: ShardId(shard),
                origin: "session:1".to_owned(),
                kind: "MESSAGE_CREATE".to_owned(),
                server: None,
                received_at_ms: 0,
                payload: "{}".into(),
            };
            let batch: Vec<NewEvent> = (0..shards).map(event).collect();
            publisher.publish(gateway, epoch, &batch).await.unwrap();
        }
    })
}

/// How long each change of owner kept its shard from going on, and that nothing was left out or repeated.
fn pauses(applied: &Applied) -> Vec<Duration> {
    let mut pauses = Vec::new();
    for (shard, of_shard) in applied.lock().unwrap().iter() {
        for pair in of_shard.windows(2) {
            let [(old, before, at), (new, id, later)] = pair else { unreachable!() };
            assert_eq!(id.seq, before.seq + 1, "{shard}: {before} is followed by {id}");
            assert!(new >= old, "{shard} went back to {new}");
            if new != old {
                pauses.push(*later - *at);
            }
        }
    }
    pauses.sort();
    pauses
}

async fn every_shard_applies(applied: &Applied, shards: usize) {
    eventually("every shard applies events", async || {
        let seen = applied.lock().unwrap();
        seen.len() == shards
            && seen.values().all(|of_shard| {
                of_shard.last().is_some_and(|(_, _, at)| at.elapsed() < Duration::from_millis(500))
            })
    })
    .await;
}

#[allow(clippy::cast_possible_truncation, reason = "a place in a list")]
fn quantile(sorted: &[Duration], share: f64) -> Duration {
    sorted[((sorted.len() - 1) as f64 * share).round() as usize]
}

#[tokio::test]
async fn shards_that_are_handed_over_under_load_lose_nothing_and_repeat_nothing() {
    const SHARDS: usize = 12;
    let db = Db::new(12).await;
    let applied = Applied::default();
    let mut workers: Vec<Applying> =
        ["a", "b", "c"].map(|name| Applying::start(name, &db.urls, &applied)).into();
    db.settled(SHARDS, 3).await;
    let streaming = stream(&db.urls, 12, Duration::from_millis(25));
    every_shard_applies(&applied, SHARDS).await;
    for name in ["d", "e"] {
        let leaving = workers.remove(0);
        leaving.claims.drain(Duration::from_secs(15)).await.expect("the others take over");
        every_shard_applies(&applied, SHARDS).await;
        workers.push(Applying::start(name, &db.urls, &applied));
        db.settled(SHARDS, 3).await;
        every_shard_applies(&applied, SHARDS).await;
    }
    streaming.abort();
    let pauses = pauses(&applied);
    assert!(pauses.len() >= 8, "only {} handoffs", pauses.len());
    eprintln!("{} handoffs, the longest pause was {:?}", pauses.len(), pauses.last().unwrap());
    db.assert_lawful().await;
    for worker in workers {
        worker.leave().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures: cargo test --workspace --test handoff -- --ignored --nocapture bench_"]
async fn bench_the_pause_of_each_shard_in_planned_handoffs() {
    const SHARDS: u32 = 64;
    let db = Db::new(64).await;
    let mut drained = Vec::new();
    let mut all = Vec::new();
    for round in 0..6 {
        let applied = Applied::default();
        let mut workers: Vec<Applying> =
            ["a", "b", "c", "d"].map(|name| Applying::start(name, &db.urls, &applied)).into();
        db.settled(SHARDS as usize, 4).await;
        let streaming = stream(&db.urls, SHARDS, Duration::from_millis(20));
        every_shard_applies(&applied, SHARDS as usize).await;
        applied.lock().unwrap().clear();
        every_shard_applies(&applied, SHARDS as usize).await;
        let started = Instant::now();
        workers.remove(round % 4).claims.drain(Duration::from_secs(15)).await.expect("the others take over");
        drained.push(started.elapsed());
        sleep(Duration::from_millis(500)).await;
        let joining = Applying::start("e", &db.urls, &applied);
        db.settled(SHARDS as usize, 4).await;
        every_shard_applies(&applied, SHARDS as usize).await;
        streaming.abort();
        all.extend(pauses(&applied));
        workers.push(joining);
        for worker in workers {
            worker.leave().await;
        }
    }
    all.sort();
    drained.sort();
    eprintln!(
        "{} handoffs by drain and rebalance, {SHARDS} shards x 50 events/s: pause p50 {:?}, p99 {:?}, max {:?}; \
         a drain took p50 {:?}, max {:?}",
        all.len(),
        quantile(&all, 0.5),
        quantile(&all, 0.99),
        all.last().unwrap(),
        quantile(&drained, 0.5),
        drained.last().unwrap()
    );
}

#[tokio::test]
async fn the_last_worker_releases_also_what_it_could_not_begin() {
    let db = Db::new(4).await;
    let (redis, to_redis) = Wire::to(&db.urls.redis).await;
    to_redis.set(State::Broken);
    let worker = Worker::start("a", &Urls { redis, ..db.urls.clone() }, LONG_TTL);
    eventually("all are claimed", async || db.owners().await.len() == 4).await;
    let drained = timeout(Duration::from_secs(10), worker.claims.drain(LONG_TTL)).await;
    drained.expect("it does not wait for redis").expect("it drains");
    assert_eq!(db.number("select count(*) from helpline.shard_fences where owner is not null").await, 0);
    assert!(db.workers().await.is_empty());
}

#[tokio::test]
async fn shards_on_their_way_to_a_worker_that_dies_are_given_to_another_at_once() {
    let db = Db::new(8).await;
    let owner = Worker::start("owner", &db.urls, LONG_TTL);
    db.settled(8, 1).await;
    eventually("they run", async || owner.running().len() == 8).await;
    // It holds its fences, so that the shards stay on their way; it does something, so that nobody ends it.
    let held: Vec<JoinHandle<()>> = owner
        .gained()
        .into_iter()
        .map(|fence| {
            // Not the owner's own connections: it needs them to look at its plan.
            let pool = db.pool.clone();
            tokio::spawn(async move {
                let mut tx = FencedTx::begin(&pool, &fence).await.unwrap();
                sqlx::query("select pg_sleep(3)").execute(tx.conn()).await.unwrap();
                tx.commit().await.unwrap();
            })
        })
        .collect();
    eventually("the fences are held", async || {
        db.number(
            "select count(*) from pg_stat_activity where query like 'select pg_sleep%' \
                   and state = 'active' and datname = current_database()",
        )
        .await
            == 8
    })
    .await;
    let mut target = Process::start("target", &db.urls, LONG_TTL, false);
    eventually("shards are on their way", async || {
        let target = db.worker("target").await.map(|id| id.get());
        let on_their_way: i64 =
            sqlx::query_scalar("select count(*) from helpline.shard_assignments where worker_id = $1")
                .bind(target)
                .fetch_one(&db.pool)
                .await
                .unwrap();
        on_their_way > 0
    })
    .await;
    let dead = db.worker("target").await.unwrap();
    target.kill();
    let took = eventually("none is on its way to the dead any more", async || {
        let lost: i64 =
            sqlx::query_scalar("select count(*) from helpline.shard_assignments where worker_id = $1")
                .bind(dead.get())
                .fetch_one(&db.pool)
                .await
                .unwrap();
        lost == 0
    })
    .await;
    eprintln!("reassigned {took:?} after the death");
    for holding in held {
        holding.await.unwrap();
    }
    eventually("all run again", async || owner.running().len() == 8).await;
    db.assert_lawful().await;
    owner.leave().await;
}

#[tokio::test]
async fn a_shard_whose_transaction_hangs_keeps_no_other_from_being_released_and_is_released_in_the_end() {
    let db = Db::new(8).await;
    let owner = Worker::start("owner", &db.urls, LONG_TTL);
    db.settled(8, 1).await;
    eventually("they run", async || owner.running().len() == 8).await;
    // A lane that was left hanging: its client does nothing any more.
    let hanging = FencedTx::begin(&owner.pool, &owner.gained()[0]).await.unwrap();
    let other = Worker::start("other", &db.urls, LONG_TTL);
    other.joined().await;
    let started = Instant::now();
    owner.claims.drain(Duration::from_secs(30)).await.expect("the other takes over");
    let took = started.elapsed();
    assert!(took < Duration::from_secs(15), "{took:?}");
    eventually("all run", async || other.running().len() == 8).await;
    drop(hanging);
    db.assert_lawful().await;
    other.leave().await;
}
