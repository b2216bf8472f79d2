//! The fence against real Postgres: who may write, who has to wait, and what is remembered.

use std::time::Duration;

use helpline_cluster::database::Database;
use helpline_cluster::fence::{Error, Fence, FencedTx};
use helpline_cluster::ids::{ServerId, ShardId, StreamId, WorkerId};
use sqlx::Row;
use sqlx::postgres::PgPoolOptions;
use uuid::Uuid;

mod support;
#[path = "worker/wire.rs"]
mod wire;

use support::{TestDb, claim, soon};
use wire::{Harm, Wire};

const SHARD: ShardId = ShardId(3);
const SERVER: ServerId = ServerId(81_384_788_765_712_384);

fn superseded<T>(result: &Result<T, Error>) -> bool {
    matches!(result, Err(Error::Superseded { shard: SHARD, .. }))
}

#[tokio::test]
async fn no_transaction_commits_under_a_superseded_epoch() {
    let db = TestDb::new().await;
    db.set_incarnation(SHARD, 1).await;
    let old = db.claim(SHARD).await;
    let mut tx = FencedTx::begin(&db.pool, &old).await.expect("the owner begins");
    tx.move_cursor(StreamId::new(1, 5)).await.expect("the cursor moves");

    let mut claiming = db.connection().await;
    let claimed = tokio::spawn(async move { claim(&mut claiming, SHARD).await });
    db.waits_for_a_lock(&claimed).await;
    assert!(!claimed.is_finished(), "the shard was claimed under an open transaction of its owner");
    tx.commit().await.expect("the owner commits");
    let new = soon("the claim goes on", claimed).await.expect("the claim does not panic");

    assert!(new.epoch > old.epoch);
    assert!(superseded(&FencedTx::begin(&db.pool, &old).await), "the old owner may still write");
    assert!(superseded(&FencedTx::begin_for(&db.pool, &old, SERVER).await), "the old owner may still write");
    assert_eq!(db.cursor(SHARD).await, StreamId::new(1, 5), "what was committed before the claim is lost");
    let tx = FencedTx::begin(&db.pool, &new).await.expect("the new owner begins");
    tx.commit().await.expect("the new owner commits");
}

/// Polls it so often at the most, and gives it up then. None: it was given up.
async fn polled<T>(most: usize, work: impl Future<Output = T>) -> Option<T> {
    let patience = async {
        for _ in 0..most {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        done = work => Some(done),
        () = patience => None,
    }
}

#[tokio::test]
async fn a_transaction_whose_beginning_is_given_up_leaves_nothing_open_on_its_connection() {
    let db = TestDb::new().await;
    let fence = db.claim(SHARD).await;
    let options = (*db.pool.connect_options()).clone();
    let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.expect("connect");
    let database = Database::from(pool.clone());
    let (mut given_up, mut begun) = (0, 0);
    for polls in 0..400 {
        for fenced in [false, true] {
            let done = match fenced {
                false => polled(polls, database.read()).await.map(|tx| drop(tx.expect("it begins"))),
                true => {
                    polled(polls, FencedTx::begin(&pool, &fence)).await.map(|tx| drop(tx.expect("it begins")))
                }
            };
            *(if done.is_some() { &mut begun } else { &mut given_up }) += 1;
            // A transaction that is still open began before this statement did.
            let row = sqlx::raw_sql("select now() = statement_timestamp()").fetch_one(&pool).await;
            let alone: bool = row.expect("the connection serves").get(0);
            assert!(alone, "given up after {polls} polls, fenced: {fenced}: its transaction is open");
        }
    }
    assert!(given_up > 4 && begun > 4, "{given_up} were given up, {begun} were not");
}

#[tokio::test]
async fn an_owner_that_begins_while_it_is_being_superseded_waits_and_is_refused() {
    let db = TestDb::new().await;
    db.server_on(SERVER, SHARD).await;
    for with_server in [false, true] {
        let old = db.claim(SHARD).await;
        let mut claiming = db.connection().await;
        let mut open = sqlx::Connection::begin(&mut claiming).await.expect("a transaction begins");
        claim(&mut open, SHARD).await;
        let late = {
            let (pool, old) = (db.pool.clone(), old.clone());
            tokio::spawn(async move {
                match with_server {
                    false => FencedTx::begin(&pool, &old).await,
                    true => FencedTx::begin_for(&pool, &old, SERVER).await,
                }
            })
        };
        db.waits_for_a_lock(&late).await;
        assert!(!late.is_finished(), "the old owner began beside a claim");
        open.commit().await.expect("the claim commits");
        let late = soon("the old owner is answered", late).await.expect("it does not panic");
        assert!(superseded(&late), "the old owner may still write");
    }
}

#[tokio::test]
async fn a_fence_with_another_token_or_owner_is_superseded_even_at_the_same_epoch() {
    let db = TestDb::new().await;
    let fence = db.claim(SHARD).await;
    let forged = [
        Fence { claim_token: Uuid::new_v4(), ..fence.clone() },
        Fence { owner: WorkerId::random(), ..fence.clone() },
    ];
    for forged in forged {
        assert!(superseded(&FencedTx::begin(&db.pool, &forged).await));
    }
    FencedTx::begin(&db.pool, &fence)
        .await
        .expect("the owner begins")
        .rollback()
        .await
        .expect("it rolls back");
}

#[tokio::test]
async fn a_dropped_transaction_writes_nothing_and_lets_the_next_owner_claim() {
    let db = TestDb::new().await;
    db.set_incarnation(SHARD, 1).await;
    let fence = db.claim(SHARD).await;
    {
        let mut tx = FencedTx::begin(&db.pool, &fence).await.expect("the owner begins");
        assert!(tx.move_cursor(StreamId::new(1, 9)).await.expect("the cursor moves"));
        assert!(tx.remember_event("session:9").await.expect("the event is remembered"));
    }
    let next = soon("the shard is claimed", db.claim(SHARD)).await;
    assert_eq!(db.cursor(SHARD).await, StreamId::new(1, 0));
    let mut tx = FencedTx::begin(&db.pool, &next).await.expect("the next owner begins");
    assert!(
        tx.remember_event("session:9").await.expect("the event is remembered"),
        "a rollback was remembered"
    );
}

#[tokio::test]
async fn a_frozen_owner_holds_a_claim_up_no_longer_than_its_idle_timeout() {
    let db = TestDb::new().await;
    let fence = db.claim(SHARD).await;
    let frozen = db.pool_with_idle_timeout(Duration::from_millis(300));
    let tx = FencedTx::begin(&frozen, &fence).await.expect("the owner begins");
    let next = soon("the shard is claimed", db.claim(SHARD)).await;
    assert!(next.epoch > fence.epoch);
    tx.commit().await.expect_err("the frozen owner committed");
}

#[tokio::test]
async fn a_server_that_lives_elsewhere_is_not_written_and_a_move_waits_for_the_writer() {
    let db = TestDb::new().await;
    let elsewhere = ServerId(7);
    db.server_on(SERVER, SHARD).await;
    db.server_on(elsewhere, ShardId(4)).await;
    let fence = db.claim(SHARD).await;

    let refused = FencedTx::begin_for(&db.pool, &fence, elsewhere).await;
    assert!(matches!(refused, Err(Error::ServerElsewhere { server, shard: SHARD }) if server == elsewhere));
    let mut tx = FencedTx::begin(&db.pool, &fence).await.expect("the owner begins");
    let refused = tx.lock_server(elsewhere).await;
    assert!(matches!(refused, Err(Error::ServerElsewhere { server, .. }) if server == elsewhere));
    tx.lock_server(SERVER).await.expect("the transaction goes on after a refusal");
    tx.rollback().await.expect("it rolls back");

    for locked_at_begin in [false, true] {
        let tx = if locked_at_begin {
            FencedTx::begin_for(&db.pool, &fence, SERVER).await.expect("the owner begins")
        } else {
            let mut tx = FencedTx::begin(&db.pool, &fence).await.expect("the owner begins");
            tx.lock_server(SERVER).await.expect("the server is here");
            tx
        };
        let mut moving = db.connection().await;
        let moved = tokio::spawn(async move {
            sqlx::query("update public.server_shards set shard_id = shard_id where server_id = $1")
                .bind(SERVER.db())
                .execute(&mut moving)
                .await
        });
        db.waits_for_a_lock(&moved).await;
        assert!(!moved.is_finished(), "the server was moved under an open transaction that writes it");
        tx.commit().await.expect("the owner commits");
        soon("the move goes on", moved).await.expect("no panic").expect("the move succeeds");
    }
}

#[tokio::test]
async fn the_cursor_only_goes_forward_and_only_in_the_streams_own_incarnation() {
    let db = TestDb::new().await;
    db.set_incarnation(SHARD, 2).await;
    let fence = db.claim(SHARD).await;
    let steps = [
        (StreamId::new(2, 100), true),
        (StreamId::new(2, 100), false),
        (StreamId::new(2, 7), false),
        (StreamId::new(1, 500), false),
        (StreamId::new(3, 1), false),
        (StreamId::new(2, 101), true),
    ];
    for (to, moves) in steps {
        let mut tx = FencedTx::begin(&db.pool, &fence).await.expect("the owner begins");
        assert_eq!(tx.move_cursor(to).await.expect("the cursor is asked to move"), moves, "to {to}");
        tx.commit().await.expect("the owner commits");
    }
    assert_eq!(db.cursor(SHARD).await, StreamId::new(2, 101));
}

#[tokio::test]
async fn the_first_move_of_each_owner_is_stamped_and_the_stamp_stays() {
    async fn move_to(
        db: &TestDb,
        fence: &Fence,
        seq: u64,
    ) -> (i64, time::OffsetDateTime, time::OffsetDateTime) {
        let mut tx = FencedTx::begin(&db.pool, fence).await.expect("the owner begins");
        assert!(tx.move_cursor(StreamId::new(1, seq)).await.expect("the cursor moves"));
        tx.commit().await.expect("the owner commits");
        sqlx::query_as(
            "select cursor_epoch, first_moved_at, moved_at from helpline.shard_streams where shard_id = $1",
        )
        .bind(fence.shard.db())
        .fetch_one(&db.pool)
        .await
        .expect("the stream row is there")
    }
    let db = TestDb::new().await;
    db.set_incarnation(SHARD, 1).await;
    let first = db.claim(SHARD).await;
    let (epoch, begun, _) = move_to(&db, &first, 1).await;
    assert_eq!(epoch, first.epoch.db());
    let (_, still, moved) = move_to(&db, &first, 2).await;
    assert_eq!(still, begun, "a later move changed the stamp of the first");
    assert!(moved > begun);
    let second = db.claim(SHARD).await;
    let (epoch, anew, _) = move_to(&db, &second, 3).await;
    assert_eq!(epoch, second.epoch.db());
    assert!(anew > moved, "the next owner's first move has no stamp of its own");
}

#[tokio::test]
async fn an_event_is_new_once_whichever_shard_asks() {
    let db = TestDb::new().await;
    let (one, other) = (db.claim(SHARD).await, db.claim(ShardId(4)).await);
    let mut tx = FencedTx::begin(&db.pool, &one).await.expect("the owner begins");
    assert!(tx.remember_event("session:1").await.expect("it answers"));
    assert!(
        !tx.remember_event("session:1").await.expect("it answers"),
        "remembered twice in one transaction"
    );
    let batch = ["session:1", "session:2", "message:2", "session:2"];
    assert_eq!(tx.remember_events(&batch).await.expect("it answers"), [false, true, true, false]);
    assert_eq!(tx.remember_events(&[]).await.expect("it answers"), [false; 0]);
    tx.commit().await.expect("the owner commits");

    let mut tx = FencedTx::begin(&db.pool, &other).await.expect("the other owner begins");
    assert!(!tx.remember_event("message:2").await.expect("it answers"), "another shard applied it again");
    assert_eq!(tx.remember_events(&["session:2", "session:3"]).await.expect("it answers"), [false, true]);
}

#[tokio::test]
async fn the_workers_own_database_user_can_do_all_of_it() {
    let db = TestDb::new().await;
    db.server_on(SERVER, SHARD).await;
    db.set_incarnation(SHARD, 1).await;
    let fence = db.claim(SHARD).await;
    let pool = db.pool_as("helpline_worker");
    let mut tx = FencedTx::begin_for(&pool, &fence, SERVER).await.expect("the owner begins");
    tx.lock_server(SERVER).await.expect("the server is here");
    assert!(tx.move_cursor(StreamId::new(1, 1)).await.expect("the cursor moves"));
    assert!(tx.remember_event("session:1").await.expect("the event is remembered"));
    assert_eq!(tx.remember_events(&["session:1", "session:2"]).await.expect("it answers"), [false, true]);
    tx.commit().await.expect("the owner commits");
}

#[tokio::test]
async fn what_is_read_through_a_workers_handle_cannot_be_written() {
    let db = TestDb::new().await;
    let database = Database::from(db.pool_as("helpline_worker"));
    let mut read = database.read().await.expect("a transaction begins");
    let found: i64 = sqlx::query_scalar("select count(*) from helpline.shard_fences")
        .fetch_one(read.conn())
        .await
        .expect("it reads");
    assert_eq!(found, i64::from(support::SHARDS));
    for write in [
        "update helpline.shard_streams set cursor_seq = cursor_seq + 1",
        "insert into helpline.event_keys (key) values ('\\x00')",
        "delete from helpline.outbox",
        "select 1 from helpline.shard_fences for share",
    ] {
        let mut read = database.read().await.expect("a transaction begins");
        let refused = sqlx::query(write).execute(read.conn()).await.expect_err(write);
        let code = refused.as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("25006"), "{write}: {refused}");
    }
    let fence = db.claim(SHARD).await;
    let mut tx = FencedTx::begin(&database, &fence).await.expect("the owner begins");
    assert!(tx.remember_event("k").await.expect("it writes"));
    tx.commit().await.expect("the connection that read before writes now");
}

/// A pool through a wire that does something to the next commit.
async fn wired(db: &TestDb, harm: Harm) -> sqlx::PgPool {
    let (url, wire) = Wire::to(&db.url_as("helpline_worker")).await;
    let pool = sqlx::postgres::PgPoolOptions::new().max_connections(2).connect_lazy(&url).expect("a url");
    drop(pool.acquire().await.expect("it connects"));
    wire.harm_next_commit(harm);
    pool
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_unknown_whether_it_took_effect_or_not() {
    for (harm, takes_effect) in [(Harm::LoseAnswer, true), (Harm::LoseCommit, false)] {
        let db = TestDb::new().await;
        db.set_incarnation(SHARD, 1).await;
        let fence = db.claim(SHARD).await;
        let pool = wired(&db, harm).await;
        let mut tx = FencedTx::begin(&pool, &fence).await.expect("the owner begins");
        tx.move_cursor(StreamId::new(1, 5)).await.expect("the cursor moves");
        let committed = tx.commit().await;
        assert!(matches!(committed, Err(Error::Unknown { shard: SHARD, .. })), "{harm:?}: {committed:?}");
        // The next claim waits for it, and from then on what stands is what will stand.
        db.claim(SHARD).await;
        assert_eq!(db.cursor(SHARD).await.seq == 5, takes_effect, "{harm:?}");
    }
}

#[tokio::test]
async fn a_commit_that_postgres_refuses_has_failed_and_is_not_unknown() {
    let db = TestDb::new().await;
    sqlx::raw_sql(
        "create function helpline.refuse() returns trigger language plpgsql as
            $$ begin raise exception 'no' using errcode = '23514'; end $$;
        create constraint trigger refuse after update on helpline.shard_streams
            deferrable initially deferred for each row execute function helpline.refuse()",
    )
    .execute(&db.pool)
    .await
    .expect("a trigger that fires at the commit");
    sqlx::raw_sql(
        "set session_replication_role = replica; update helpline.shard_streams set incarnation = 1",
    )
    .execute(&mut db.connection().await)
    .await
    .expect("the incarnation is set past the trigger");
    let fence = db.claim(SHARD).await;
    let mut tx = FencedTx::begin(&db.pool, &fence).await.expect("the owner begins");
    tx.move_cursor(StreamId::new(1, 5)).await.expect("the cursor moves");
    let refused = tx.commit().await;
    assert!(matches!(refused, Err(Error::Database(_))), "{refused:?}");
    assert_eq!(db.cursor(SHARD).await.seq, 0);
}

#[tokio::test]
async fn a_commit_during_which_the_session_is_ended_is_unknown() {
    let db = TestDb::new().await;
    let fence = db.claim(SHARD).await;
    let mut tx = FencedTx::begin(&db.pool, &fence).await.expect("the owner begins");
    let pid: i32 =
        sqlx::query_scalar("select pg_backend_pid()").fetch_one(tx.conn()).await.expect("it has one");
    sqlx::query("select pg_terminate_backend($1, 5000)").bind(pid).execute(&db.pool).await.expect("it ends");
    let committed = tx.commit().await;
    assert!(matches!(committed, Err(Error::Unknown { .. })), "{committed:?}");
}
