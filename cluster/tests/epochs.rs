//! The epoch of a shard in Redis follows its owner, and a shard whose ownership is in doubt is claimed anew.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;
mod worker;

use std::time::Duration;

use helpline_cluster::fence::{self, Fence, FencedTx};
use helpline_cluster::ids::{Epoch, ShardId, StreamId};
use worker::wire::{Harm, Wire};
use worker::{Db, LONG_TTL, SHORT_TTL, Urls, Worker, eventually, never};

const SHARD: ShardId = ShardId(0);

async fn in_redis(db: &Db) -> Option<i64> {
    let key = db.urls.keys().shard_epoch(SHARD);
    redis::cmd("GET").arg(key).query_async(&mut db.redis().await).await.unwrap()
}

async fn set_in_redis(db: &Db, epoch: i64) {
    let key = db.urls.keys().shard_epoch(SHARD);
    redis::cmd("SET").arg(key).arg(epoch).exec_async(&mut db.redis().await).await.unwrap();
}

async fn running(worker: &Worker) -> Fence {
    eventually("the shard runs", async || worker.running().contains(&SHARD)).await;
    worker.seen.lock().unwrap().running[&SHARD].clone()
}

/// Waits until the shard runs under another fence than this one.
async fn runs_anew(worker: &Worker, before: &Fence) -> Fence {
    eventually("the shard runs anew", async || {
        worker.seen.lock().unwrap().running.get(&SHARD).is_some_and(|fence| fence != before)
    })
    .await;
    running(worker).await
}

#[tokio::test]
async fn the_epoch_in_redis_is_raised_before_a_lease_is_handed_out_and_at_every_change_of_owner() {
    let db = Db::new(1).await;
    let first = Worker::start("a", &db.urls, LONG_TTL);
    let old = running(&first).await;
    assert_eq!(in_redis(&db).await, Some(old.epoch.get()));
    first.leave().await;
    let second = Worker::start("b", &db.urls, LONG_TTL);
    let new = running(&second).await;
    assert!(new.epoch > old.epoch);
    assert_eq!(in_redis(&db).await, Some(new.epoch.get()));
    second.leave().await;
}

#[tokio::test]
async fn a_shard_whose_epoch_redis_knows_already_is_claimed_above_it() {
    // Postgres has lost its last commits: another was given this epoch before, or a higher one.
    for known in [1, 40] {
        let db = Db::new(1).await;
        set_in_redis(&db, known).await;
        let worker = Worker::start("a", &db.urls, LONG_TTL);
        let fence = running(&worker).await;
        assert_eq!(fence.epoch, Epoch(known + 1));
        assert_eq!(in_redis(&db).await, Some(known + 1));
        assert_eq!(worker.gained().len(), 1, "no lease is handed out under an epoch that is not enough");
        worker.leave().await;
    }
}

#[tokio::test]
async fn the_owner_puts_back_the_epoch_that_redis_lost() {
    let db = Db::new(1).await;
    let worker = Worker::start("a", &db.urls, SHORT_TTL);
    let fence = running(&worker).await;
    redis::cmd("DEL").arg(db.urls.keys().shard_epoch(SHARD)).exec_async(&mut db.redis().await).await.unwrap();
    eventually("it is back", async || in_redis(&db).await == Some(fence.epoch.get())).await;
    assert_eq!(worker.gained().len(), 1, "the lease goes on");
    worker.leave().await;
}

#[tokio::test]
async fn an_owner_above_whom_an_epoch_appears_in_redis_claims_anew_above_it() {
    let db = Db::new(1).await;
    let worker = Worker::start("a", &db.urls, SHORT_TTL);
    let before = running(&worker).await;
    set_in_redis(&db, 90).await;
    let after = runs_anew(&worker, &before).await;
    assert!(after.epoch > Epoch(90), "{}", after.epoch);
    worker.leave().await;
}

#[tokio::test]
async fn a_shard_that_is_acquired_anew_comes_back_under_a_new_epoch_once_the_old_transactions_have_ended() {
    let db = Db::new(1).await;
    let worker = Worker::start("a", &db.urls, LONG_TTL);
    let before = running(&worker).await;
    // It works, so that nobody ends it as idle.
    let mut open = FencedTx::begin(&worker.pool, &before).await.unwrap();
    let working = tokio::spawn(async move {
        sqlx::query("select pg_sleep(1)").execute(open.conn()).await.unwrap();
        open.commit().await
    });
    worker.claims.reacquire(&before, Some(Epoch(12)));
    never("it runs anew", Duration::from_millis(500), async || worker.gained().len() > 1).await;
    assert!(!working.is_finished(), "the test is too slow to say anything");
    working.await.unwrap().expect("a transaction that works is waited for");
    let after = runs_anew(&worker, &before).await;
    assert!(after.epoch > Epoch(12) && after.owner == before.owner);
    let late = FencedTx::begin(&worker.pool, &before).await;
    assert!(matches!(late, Err(fence::Error::Superseded { .. })), "the old epoch writes beside the new one");
    worker.leave().await;
}

#[tokio::test]
async fn a_shard_that_was_claimed_by_another_meanwhile_is_not_acquired_anew() {
    let db = Db::new(1).await;
    let worker = Worker::start("a", &db.urls, LONG_TTL);
    let before = running(&worker).await;
    // As if this worker had been declared dead, and its shard taken over by one that lives.
    db.run(
        "with other as (insert into helpline.workers (id, name) values (gen_random_uuid(), 'b') returning id)
         update helpline.shard_fences set epoch = epoch + 1, claim_token = gen_random_uuid(), owner = id from other",
    )
    .await;
    worker.claims.reacquire(&before, None);
    never("it runs anew", Duration::from_secs(1), async || worker.gained().len() > 1).await;
    worker.leave().await;
}

#[tokio::test]
async fn after_a_lost_answer_the_next_lease_begins_where_the_shard_will_stand_for_good() {
    // Late: the commit reaches Postgres after the worker was cut off and would have begun to read again.
    for harm in [Harm::LoseAnswer, Harm::LoseCommit, Harm::Late(Duration::from_millis(60))] {
        let db = Db::new(1).await;
        let (postgres, wire) = Wire::to(&db.urls.postgres).await;
        let leases = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
        let seen = leases.clone();
        let worker = Worker::start_and("a", &Urls { postgres, ..db.urls.clone() }, LONG_TTL, move |lease| {
            seen.lock().unwrap().push((lease.fence.clone(), lease.cursor));
        });
        let before = running(&worker).await;
        let mut tx = FencedTx::begin(&worker.pool, &before).await.unwrap();
        let applied = StreamId::new(1, 5);
        assert!(tx.move_cursor(applied).await.unwrap());
        wire.harm_next_commit(harm);
        let committed = tx.commit().await;
        assert!(committed.as_ref().is_err_and(fence::Error::is_unknown), "{harm:?}: {committed:?}");
        worker.claims.reacquire(&before, None);
        let after = runs_anew(&worker, &before).await;
        let read_from = leases.lock().unwrap().iter().find(|(fence, _)| *fence == after).unwrap().1;
        let took_effect =
            async || db.number("select cursor_seq from helpline.shard_streams where shard_id = 0").await == 5;
        assert_eq!(read_from == applied, took_effect().await, "{harm:?}: read from {read_from}");
        never("it takes effect after it was read", Duration::from_millis(500), async || {
            took_effect().await != (read_from == applied)
        })
        .await;
        worker.leave().await;
    }
}
