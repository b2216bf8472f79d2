//! New servers find a shard, and shards know how many servers they hold.

use std::collections::{BTreeMap, HashMap};

use futures_util::future::join_all;
use sqlx::PgPool;

use crate::support::{SHARDS, TestDb, eventually, run};

/// As the proxy's own database user.
async fn add_servers(proxy: &PgPool, ids: &[i64]) -> HashMap<i64, i32> {
    sqlx::query_as::<_, (i64, i32)>("select server_id, shard_id from helpline.add_servers($1)")
        .bind(ids)
        .fetch_all(proxy)
        .await
        .expect("servers are added")
        .into_iter()
        .collect()
}

/// What shards say they hold, after comparing it with what they do hold.
async fn counts(pool: &PgPool) -> Vec<i64> {
    let rows: Vec<(i64, i64)> = sqlx::query_as(
        "select s.server_count::bigint, (select count(*) from public.server_shards p where p.shard_id = s.id)
         from public.shards s order by s.id",
    )
    .fetch_all(pool)
    .await
    .expect("shards are listed");
    for (shard, (said, held)) in rows.iter().enumerate() {
        assert_eq!(said, held, "server_count of shard {shard}");
    }
    rows.into_iter().map(|(said, _)| said).collect()
}

#[tokio::test]
async fn a_batch_of_new_servers_goes_to_the_shards_with_the_fewest() {
    let db = TestDb::new().await;
    let proxy = db.role("helpline_proxy");
    let first: Vec<i64> = (1..=100).collect();
    let placed = add_servers(&proxy, &first).await;
    assert_eq!(placed.len(), 100);
    assert_eq!(counts(&db.pool).await, [13, 13, 13, 13, 12, 12, 12, 12]);

    // Shards that fell behind are filled up first: 0 has 13, 7 gets to 12 again from 0.
    run(&db.pool, "delete from public.servers where id in (select server_id from public.server_shards where shard_id = 7)")
        .await;
    assert_eq!(counts(&db.pool).await, [13, 13, 13, 13, 12, 12, 12, 0]);
    let more: Vec<i64> = (1001..=1011).collect();
    let placed = add_servers(&proxy, &more).await;
    assert!(placed.values().all(|shard| *shard == 7), "{placed:?}");
    assert_eq!(counts(&db.pool).await, [13, 13, 13, 13, 12, 12, 12, 11]);
}

#[tokio::test]
async fn adding_servers_again_moves_none_of_them() {
    let db = TestDb::new().await;
    let proxy = db.role("helpline_proxy");
    let first = add_servers(&proxy, &[1, 2, 3]).await;
    let again = add_servers(&proxy, &[3, 3, 2, 1, 4]).await;
    for (server, shard) in &first {
        assert_eq!(again[server], *shard, "server {server}");
    }
    assert_eq!(again.len(), 4);
    assert_eq!(counts(&db.pool).await.iter().sum::<i64>(), 4);
    assert!(add_servers(&proxy, &[]).await.is_empty());
}

#[tokio::test]
async fn proxies_that_see_the_same_servers_at_once_agree_and_stay_balanced() {
    let db = TestDb::new().await;
    let proxy = db.role("helpline_proxy");
    // Eight batches that overlap in all possible ways, half of them in reverse order.
    let batches: Vec<Vec<i64>> = (0..8)
        .map(|n: i64| {
            let batch = n * 50..n * 50 + 200;
            if n % 2 == 0 { batch.collect() } else { batch.rev().collect() }
        })
        .collect();
    let placed = join_all(batches.iter().map(|batch| add_servers(&proxy, batch))).await;
    let mut agreed = BTreeMap::new();
    for (batch, placed) in batches.iter().zip(&placed) {
        assert_eq!(placed.len(), batch.len());
        for (server, shard) in placed {
            assert_eq!(agreed.entry(*server).or_insert(*shard), shard, "server {server}");
        }
    }
    let counts = counts(&db.pool).await;
    assert_eq!(counts.iter().sum::<i64>(), 550);
    let (most, fewest) = (counts.iter().max().expect("shards"), counts.iter().min().expect("shards"));
    assert!(most - fewest <= 1, "{counts:?}");
}

#[tokio::test]
async fn a_batch_sees_what_an_unfinished_one_before_it_placed() {
    let db = TestDb::new().await;
    let proxy = db.role("helpline_proxy");
    let mut first = proxy.begin().await.expect("a transaction begins");
    sqlx::query("select from helpline.add_servers(array[1, 2, 3, 4])")
        .execute(&mut *first)
        .await
        .expect("placed");
    let second = tokio::spawn(async move { add_servers(&proxy, &[11, 12, 13, 14]).await });
    eventually("the second batch waits for the first", async || {
        let waiting: i64 = sqlx::query_scalar(
            "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'",
        )
        .fetch_one(&db.pool)
        .await
        .expect("sessions are listed");
        (waiting > 0).then_some(())
    })
    .await;
    first.commit().await.expect("the first batch commits");
    second.await.expect("the second batch is placed");
    assert_eq!(counts(&db.pool).await, [1; SHARDS as usize]);
}

#[tokio::test]
async fn server_count_stays_right_when_servers_come_move_and_go() {
    let db = TestDb::new().await;
    add_servers(&db.role("helpline_proxy"), &(0..80).collect::<Vec<_>>()).await;
    for statement in [
        "update public.server_shards set shard_id = 3 where shard_id in (1, 2)",
        "update public.server_shards set assigned_at = now()",
        "delete from public.server_shards where shard_id = 4",
        "delete from public.servers where id % 2 = 0",
        "insert into public.servers (id, name) values (900, 'one more');
         insert into public.server_shards (server_id, shard_id) values (900, 4)",
    ] {
        run(&db.pool, statement).await;
        counts(&db.pool).await;
    }
    run(&db.pool, "truncate public.server_shards").await;
    assert_eq!(counts(&db.pool).await, [0; SHARDS as usize]);
}

#[tokio::test]
async fn server_count_stays_right_when_servers_move_at_the_same_time() {
    let db = TestDb::new().await;
    add_servers(&db.role("helpline_proxy"), &(0..80).collect::<Vec<_>>()).await;
    // Pairs of shards exchange servers in both directions at once; locks taken in any order would deadlock.
    let moves = (0..80).map(|server: i64| {
        let pool = db.pool.clone();
        async move {
            let statement = format!(
                "update public.server_shards set shard_id = ({SHARDS} - 1 - shard_id + {server}) % {SHARDS}
                 where server_id in ({server}, {})",
                79 - server
            );
            for attempt in 0.. {
                let mut connection = pool.acquire().await.expect("a connection");
                match crate::outcome(&mut connection, &statement).await {
                    crate::Outcome::Rows(_) => break,
                    // The two rows of server_shards themselves may deadlock; the counts must survive that too.
                    crate::Outcome::Refused(code) => assert!(code == "40P01" && attempt < 10, "{code}"),
                }
            }
        }
    });
    join_all(moves).await;
    counts(&db.pool).await;
}

#[tokio::test]
async fn without_shards_adding_a_server_says_what_to_run() {
    let db = TestDb::new().await;
    run(&db.pool, "truncate public.shards cascade").await;
    let error = sqlx::query("select helpline.add_servers(array[1])")
        .execute(&db.pool)
        .await
        .expect_err("there is nowhere to put it");
    let error = error.into_database_error().expect("an error of the server");
    let error = error.downcast_ref::<sqlx::postgres::PgDatabaseError>();
    assert_eq!(error.hint(), Some("run `helpline migrate`"));
}
