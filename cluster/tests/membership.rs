//! Who is alive: deaths are seen at once, silence only after the TTL, and nothing else is taken for a death.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;
mod worker;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use helpline_cluster::claims::Lease;
use helpline_cluster::ids::WorkerId;
use tokio::time::Instant;
use worker::{Db, LONG_TTL, Process, SHORT_TTL, Urls, Worker, eventually, never};

const SHARDS: usize = 24;

#[test]
#[ignore = "not a test: the worker that the other tests start as a process"]
fn worker_process() {
    worker::run_process();
}

async fn cluster(db: &Db, ttl: Duration, names: &[&str]) -> Vec<Process> {
    let processes = names.iter().map(|name| Process::start(name, &db.urls, ttl, false)).collect();
    db.settled(SHARDS, names.len()).await;
    processes
}

async fn all_owned_without(db: &Db, dead: &[WorkerId]) -> Duration {
    eventually("the others own every shard", async || {
        let owners = db.owners().await;
        owners.len() == SHARDS && owners.iter().all(|(_, owner)| !dead.contains(owner))
    })
    .await
}

#[tokio::test]
async fn the_shards_of_a_killed_worker_are_claimed_long_before_its_ttl() {
    let db = Db::new(24).await;
    let mut processes = cluster(&db, LONG_TTL, &["a", "b", "c"]).await;
    let dead = db.worker("b").await.unwrap();
    processes[1].kill();
    let took = all_owned_without(&db, &[dead]).await;
    eprintln!("killed worker: all its shards claimed after {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    db.assert_lawful().await;
}

#[tokio::test]
async fn neighbours_that_are_killed_together_are_both_found_although_one_of_them_leads() {
    let db = Db::new(24).await;
    let mut processes = cluster(&db, LONG_TTL, &["a", "b", "c", "d"]).await;
    eventually("everybody was seen once by everybody", async || {
        let watching = "select count(*) from pg_stat_activity
            where application_name like 'helpline-watch %' and datname = current_database()";
        db.number(watching).await == 4
    })
    .await;
    tokio::time::sleep(Duration::from_millis(1_000)).await;
    let mut ring = db.workers().await;
    ring.sort_by_key(|(_, id)| *id);
    let survivor = ring.pop().unwrap();
    let dead: Vec<WorkerId> = ring.iter().map(|(_, id)| *id).collect();
    for process in &mut processes {
        if process.name != survivor.0 {
            process.kill();
        }
    }
    let took = all_owned_without(&db, &dead).await;
    eprintln!("three of four killed: all shards claimed after {took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(db.workers().await.len(), 1);
    db.assert_lawful().await;
}

#[tokio::test]
async fn a_frozen_worker_keeps_its_shards_for_its_ttl_and_no_longer_even_if_it_leads_and_holds_its_fences() {
    let db = Db::new(24).await;
    let frozen = Process::start("frozen", &db.urls, SHORT_TTL, true);
    db.settled(SHARDS, 1).await;
    let id = db.worker("frozen").await.unwrap();
    eventually("it holds every fence", async || {
        let holding = "select count(*) from pg_stat_activity
            where state = 'idle in transaction' and datname = current_database()";
        db.number(holding).await == 24
    })
    .await;
    let peer = Worker::start("peer", &db.urls, SHORT_TTL);
    peer.joined().await;
    let frozen_at = Instant::now();
    frozen.signal("STOP");
    never("it is declared dead before half its TTL", SHORT_TTL / 2, async || {
        !db.workers().await.iter().any(|(_, other)| *other == id)
    })
    .await;
    all_owned_without(&db, &[id]).await;
    let took = frozen_at.elapsed();
    eprintln!("frozen worker: all its shards claimed after {took:?} with a TTL of {SHORT_TTL:?}");
    assert!(took < SHORT_TTL + Duration::from_secs(3), "{took:?}");
    frozen.signal("CONT");
    eventually("it comes back under a new id", async || {
        db.worker("frozen").await.is_some_and(|new| new != id)
    })
    .await;
    db.settled(SHARDS, 2).await;
    db.assert_lawful().await;
    peer.leave().await;
}

#[tokio::test]
async fn a_vanished_redis_lease_alone_takes_nothing_over() {
    let db = Db::new(24).await;
    let workers = [Worker::start("a", &db.urls, SHORT_TTL), Worker::start("b", &db.urls, SHORT_TTL)];
    db.settled(SHARDS, 2).await;
    let changes = db.changes().await;
    let lease = db.urls.keys().lease(workers[0].joined().await);
    let mut redis = db.redis().await;
    never("a fence changes", SHORT_TTL * 3, async || {
        redis::cmd("DEL").arg(&lease).query_async::<()>(&mut redis).await.unwrap();
        db.changes().await != changes
    })
    .await;
    assert_eq!(db.workers().await.len(), 2);
    for worker in workers {
        worker.leave().await;
    }
}

#[tokio::test]
async fn a_stale_heartbeat_takes_nothing_over_until_the_redis_lease_is_gone_too() {
    let db = Db::new(24).await;
    let workers = [Worker::start("a", &db.urls, SHORT_TTL), Worker::start("b", &db.urls, SHORT_TTL)];
    db.settled(SHARDS, 2).await;
    let changes = db.changes().await;
    let victim = workers[0].joined().await;
    db.keep_a_stale().await;
    never("a fence changes", SHORT_TTL * 3, async || db.changes().await != changes).await;
    assert!(db.workers().await.iter().any(|(_, id)| *id == victim));

    let lease = db.urls.keys().lease(victim);
    let mut redis = db.redis().await;
    eventually("both together are a death", async || {
        redis::cmd("DEL").arg(&lease).query_async::<()>(&mut redis).await.unwrap();
        !db.workers().await.iter().any(|(_, id)| *id == victim)
    })
    .await;
    for worker in workers {
        worker.leave().await;
    }
}

#[tokio::test]
async fn a_lease_that_a_wiped_redis_lost_is_no_evidence_until_its_worker_had_time_to_put_it_back() {
    let db = Db::new(24).await;
    let workers = [Worker::start("a", &db.urls, SHORT_TTL), Worker::start("b", &db.urls, SHORT_TTL)];
    db.settled(SHARDS, 2).await;
    let victim = workers[0].joined().await;
    db.keep_a_stale().await;
    let keys = db.urls.keys();
    let wiped = [keys.lease(victim), keys.lease_era()];
    let mut redis = db.redis().await;
    never("it is declared dead", SHORT_TTL * 3, async || {
        redis::cmd("DEL").arg(&wiped[..]).query_async::<()>(&mut redis).await.unwrap();
        !db.workers().await.iter().any(|(_, id)| *id == victim)
    })
    .await;
    eventually("a lease that goes for other reasons is evidence", async || {
        redis::cmd("DEL").arg(&wiped[0]).query_async::<()>(&mut redis).await.unwrap();
        !db.workers().await.iter().any(|(_, id)| *id == victim)
    })
    .await;
    for worker in workers {
        worker.leave().await;
    }
}

#[tokio::test]
async fn a_heartbeat_that_moves_is_no_silence_whatever_clock_stamps_it_and_whatever_redis_lost() {
    let db = Db::new(24).await;
    let workers = [Worker::start("a", &db.urls, SHORT_TTL), Worker::start("b", &db.urls, SHORT_TTL)];
    db.settled(SHARDS, 2).await;
    // The wall clock of Postgres jumps back and forth by an hour.
    db.run(
        "create function helpline.jump() returns trigger language plpgsql as $$
        begin
            new.last_heartbeat := clock_timestamp() + (random() - 0.5) * interval '2 hours';
            return new;
        end $$;
        create trigger jump before update on helpline.workers for each row execute function helpline.jump();",
    )
    .await;
    let (changes, before) = (db.changes().await, db.workers().await);
    let leases = [workers[0].joined().await, workers[1].joined().await].map(|id| db.urls.keys().lease(id));
    let mut redis = db.redis().await;
    never("a fence changes", SHORT_TTL * 3, async || {
        redis::cmd("DEL").arg(&leases[..]).query_async::<()>(&mut redis).await.unwrap();
        db.changes().await != changes
    })
    .await;
    assert_eq!(db.workers().await, before);
    for worker in workers {
        worker.leave().await;
    }
}

#[tokio::test]
async fn connections_that_all_break_at_once_are_nobodys_death() {
    let db = Db::new(24).await;
    let workers = ["a", "b", "c"].map(|name| Worker::start(name, &db.urls, LONG_TTL));
    db.settled(SHARDS, 3).await;
    let before = db.workers().await;
    let changes = db.changes().await;
    db.cut("watch", None).await;
    db.cut("%", None).await;
    eventually("everybody holds his lock again", async || {
        let held =
            "select count(*) from pg_locks l join helpline.workers w on w.liveness_key = l.objid::bigint
            where l.locktype = 'advisory' and l.classid = 18508 and l.mode = 'ExclusiveLock' and l.granted
                and l.database = (select oid from pg_database where datname = current_database())";
        db.number(held).await == 3
    })
    .await;
    never("a fence changes", Duration::from_secs(2), async || db.changes().await != changes).await;
    assert_eq!(db.workers().await, before);
    for worker in workers {
        worker.leave().await;
    }
}

#[tokio::test]
async fn a_worker_whose_session_alone_breaks_is_taken_for_dead_gives_up_its_leases_and_joins_anew() {
    let db = Db::new(24).await;
    let leases = Arc::new(Mutex::new(Vec::new()));
    let gained = Arc::clone(&leases);
    let keep = move |lease: &Lease| gained.lock().unwrap().push(Arc::clone(&lease.self_fence));
    let workers = [Worker::start_and("a", &db.urls, LONG_TTL, keep), Worker::start("b", &db.urls, LONG_TTL)];
    db.settled(SHARDS, 2).await;
    let old = workers[0].joined().await;
    eventually("it runs what it owns", async || workers[0].running().len() == db.owned_by(old).await).await;
    let old_fences = workers[0].gained();
    let old_leases = std::mem::take(&mut *leases.lock().unwrap());
    assert!(old_leases.iter().all(|lease| lease.is_valid()));
    db.cut("alive", Some(old)).await;
    eventually("it joins under a new id", async || workers[0].claims.worker().is_some_and(|new| new != old))
        .await;
    db.settled(SHARDS, 2).await;
    eventually("it runs what it owns and nothing else", async || {
        let new = workers[0].claims.worker();
        let owned = db.owners().await.into_iter().filter(|(_, owner)| Some(*owner) == new);
        workers[0].running() == owned.map(|(shard, _)| shard).collect()
    })
    .await;
    let running = workers[0].seen.lock().unwrap().running.clone();
    assert!(running.values().all(|fence| !old_fences.contains(fence)));
    assert!(old_leases.iter().all(|lease| !lease.is_valid()), "nobody may act under the old id");
    db.assert_lawful().await;
    for worker in workers {
        worker.leave().await;
    }
}

#[tokio::test]
async fn without_session_locks_a_plan_is_made_and_a_killed_worker_is_found_by_its_ttl() {
    let db = Db::new(24).await;
    let urls = Urls { session_locks: false, ..db.urls.clone() };
    let worker = Worker::start("a", &urls, SHORT_TTL);
    let mut killed = Process::start("b", &urls, SHORT_TTL, false);
    db.settled(SHARDS, 2).await;
    assert!(!worker.claims.liveness_fast());
    let dead = db.worker("b").await.unwrap();
    killed.kill();
    never("it is found before half its TTL", SHORT_TTL / 2, async || db.worker("b").await != Some(dead))
        .await;
    let took = all_owned_without(&db, &[dead]).await;
    assert!(took < SHORT_TTL + Duration::from_secs(3), "{took:?}");
    db.assert_lawful().await;
    worker.leave().await;
}

#[tokio::test]
async fn a_direct_connection_makes_liveness_fast() {
    let db = Db::new(1).await;
    let worker = Worker::start("a", &db.urls, LONG_TTL);
    assert!(!worker.claims.liveness_fast());
    worker.joined().await;
    assert!(worker.claims.liveness_fast());
    worker.leave().await;
    assert!(db.workers().await.is_empty(), "who leaves in order leaves no row behind");
}
