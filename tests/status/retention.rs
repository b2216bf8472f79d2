//! What is forgotten in time, and what is not; and that what belongs to no shard is the leader's to forget.

use std::time::Duration;

use helpline::partition;
use helpline::worker::janitor;
use helpline_cluster::claims::{Claims, Config, Ownership};
use helpline_cluster::database::Database;
use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{Epoch, ServerId, ShardId, WorkerId};
use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::RedisLink;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::support::{TestDb, TestRedis, eventually, run};

const SHARD: i32 = 3;

/// Servers 1, 2 and 3 on the shard, owned by somebody.
async fn owned(db: &TestDb) -> Fence {
    let fence = Fence {
        shard: ShardId::from_db(SHARD),
        epoch: Epoch::from_db(1),
        claim_token: Uuid::new_v4(),
        owner: WorkerId::random(),
    };
    run(
        &db.pool,
        format!(
            "insert into public.servers (id, name) select n, 'Server ' || n from generate_series(1, 4) n;
             insert into public.server_shards (server_id, shard_id)
             select n, case when n = 4 then 5 else {SHARD} end from generate_series(1, 4) n;
             update helpline.shard_fences set epoch = 1, claim_token = '{}', owner = '{}' where shard_id = {SHARD}",
            fence.claim_token,
            fence.owner.db()
        ),
    )
    .await;
    fence
}

/// A conversation of so many days ago, in thread `thread`.
async fn conversation(db: &TestDb, server: i64, thread: &str, days: i32) -> Uuid {
    sqlx::query_scalar(
        "insert into public.conversations
             (server_id, channel_id, thread_id, user_id, username, transcript, status, created_at, updated_at)
         values ($1, '7', $2, '8', 'mia', '[]', 'completed', now() - make_interval(days => $3 + 1),
             now() - make_interval(days => $3))
         returning id",
    )
    .bind(server)
    .bind(thread)
    .bind(days)
    .fetch_one(&db.pool)
    .await
    .unwrap()
}

async fn threads(db: &TestDb) -> Vec<String> {
    sqlx::query_scalar("select thread_id from public.conversations order by thread_id")
        .fetch_all(&db.pool)
        .await
        .unwrap()
}

async fn count(db: &TestDb, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&db.pool).await.unwrap()
}

#[tokio::test]
async fn conversations_in_which_nothing_happens_are_forgotten_with_what_hangs_on_them() {
    let db = TestDb::new().await;
    let fence = owned(&db).await;
    for server in [1, 2] {
        for n in 0..3 {
            conversation(&db, server, &format!("{server}-old-{n}"), 400).await;
        }
        conversation(&db, server, &format!("{server}-young"), 300).await;
    }
    conversation(&db, 4, "of another shard", 400).await;
    let open = conversation(&db, 1, "1-open ticket", 400).await;
    let resolved = conversation(&db, 1, "1-old resolved", 400).await;
    run(
        &db.pool,
        format!(
            "insert into public.forwarded_tickets (conversation_id, server_id, status)
             values ('{open}', 1, 'pending'), ('{resolved}', 1, 'resolved');
             insert into helpline.feedback (server_id, question_id, conversation_id, user_id, helpful)
             values (1, 9, '{resolved}', 8, true);
             insert into helpline.silences (server_id, conversation_id, since, look_at)
             values (1, '{resolved}', now(), now()), (1, '{open}', now(), now())"
        ),
    )
    .await;
    // Opening a ticket touched them.
    run(
        &db.pool,
        "alter table public.conversations disable trigger user;
         update public.conversations set updated_at = now() - interval '400 days' where thread_id ~ 'open|resolved';
         alter table public.conversations enable trigger user",
    )
    .await;
    partition::promote(&db.pool, ServerId(2), partition::Options::default()).await.unwrap();
    let worker = Database::from(db.role("helpline_worker"));
    assert_eq!(
        janitor::forget_old(&worker, std::slice::from_ref(&fence), 0).await.unwrap(),
        0,
        "0 keeps them for ever"
    );
    assert_eq!(janitor::forget_old(&worker, std::slice::from_ref(&fence), 365).await.unwrap(), 7);
    assert_eq!(threads(&db).await, ["1-open ticket", "1-young", "2-young", "of another shard"]);
    assert_eq!(count(&db, "select count(*) from helpline.feedback").await, 0);
    assert_eq!(count(&db, "select count(*) from helpline.silences").await, 1);
    assert_eq!(count(&db, "select count(*) from public.forwarded_tickets").await, 1);
    // Under a fence that was superseded nothing is deleted.
    conversation(&db, 1, "1-old", 400).await;
    run(&db.pool, "update helpline.shard_fences set epoch = 2").await;
    assert_eq!(janitor::forget_old(&worker, std::slice::from_ref(&fence), 365).await.unwrap(), 0);
    assert_eq!(threads(&db).await.len(), 5);
}

#[tokio::test]
async fn days_of_statistics_become_months_and_no_number_is_lost() {
    let db = TestDb::new().await;
    owned(&db).await;
    run(
        &db.pool,
        "insert into public.analytics
             (server_id, date, total_queries, resolved_queries, forwarded_tickets, responses, response_ms, average_response_time)
         select s, current_date - d, d, 1, 2, 4, 4 * d, round(d / 1000.0, 2)
         from generate_series(1, 2) s cross join generate_series(0, 799) d;
         insert into helpline.resolutions (server_id, question_id, day, assumed)
         select 1, d, current_date - d, false from generate_series(1, 799) d;
         insert into helpline.dead_letters (shard_id, stream_id, kind, error, created_at)
         values (1, '1-1', 'A', 'x', now() - interval '91 days'), (1, '1-2', 'A', 'x', now() - interval '80 days')",
    )
    .await;
    let sums = "select (sum(total_queries) + 1000 * sum(resolved_queries) + 1000000 * sum(responses) + 17 * sum(response_ms))::bigint
                    from public.analytics";
    let before: i64 = sqlx::query_scalar(sums).fetch_one(&db.pool).await.unwrap();
    let worker = Database::from(db.role("helpline_worker"));
    janitor::sweep_common(&worker).await.unwrap();
    let after: i64 = sqlx::query_scalar(sums).fetch_one(&db.pool).await.unwrap();
    assert_eq!(before, after);
    let boundary = "(date_trunc('month', now() at time zone 'utc') - interval '13 months')::date";
    let old: (i64, i64) = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "select count(*), count(*) filter (where extract(day from date) <> 1) from public.analytics where date < {boundary}"
    )))
    .fetch_one(&db.pool)
    .await
    .unwrap();
    assert!((20..=32).contains(&old.0) && old.1 == 0, "{old:?}");
    assert!(
        count(&db, "select count(*) from public.analytics where date > current_date - 390").await == 2 * 390
    );
    assert_eq!(count(&db, "select count(*) from helpline.dead_letters").await, 1);
    let questions = count(&db, "select count(*) from helpline.resolutions").await;
    assert!((395..=430).contains(&questions), "{questions}");
    assert_eq!(janitor::sweep_common(&worker).await.unwrap(), 0, "a second time there is nothing to do");
}

type Worker = (Claims, mpsc::Receiver<Ownership>, CancellationToken);

/// Which of them leads; never two.
async fn leader(workers: &[Worker]) -> usize {
    eventually("one of them leads", async || {
        let leading: Vec<usize> =
            workers.iter().enumerate().filter(|(_, worker)| worker.0.leads()).map(|(n, _)| n).collect();
        assert!(leading.len() < 2, "two lead");
        leading.first().copied()
    })
    .await
}

#[tokio::test]
async fn one_process_leads_and_another_when_it_is_gone() {
    let (db, redis) = (TestDb::new().await, TestRedis::new());
    let url = db.role_url("helpline_worker");
    let link = RedisLink::open(&redis.url).unwrap();
    let mut workers: Vec<Worker> = Vec::new();
    for name in ["a", "b"] {
        let mut config = Config::new(name, Keys::new(&redis.prefix));
        config.ttl = Duration::from_secs(2);
        let end = CancellationToken::new();
        let (claims, news) =
            Claims::start(config, db.role("helpline_worker"), &url, &link, end.clone()).unwrap();
        workers.push((claims, news, end));
    }
    let first = leader(&workers).await;
    let (gone, _, end) = workers.remove(first);
    end.cancel();
    gone.stopped().await;
    assert!(!gone.leads() && !gone.runs());
    leader(&workers).await;
    workers[0].2.cancel();
    workers[0].0.stopped().await;
}

#[tokio::test]
async fn hot_tables_are_stored_for_many_changes_and_a_promotion_keeps_that() {
    let db = TestDb::new().await;
    owned(&db).await;
    let without: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname || '.' || c.relname in ('helpline.shard_streams', 'helpline.workers', 'helpline.outbox',
             'helpline.answer_jobs', 'helpline.event_keys', 'helpline.conversations_default', 'public.analytics')
             and c.reloptions is null",
    )
    .fetch_all(&db.pool)
    .await
    .unwrap();
    assert!(without.is_empty(), "{without:?}");
    partition::promote(&db.pool, ServerId(2), partition::Options::default()).await.unwrap();
    let options: Vec<(String, Vec<String>)> = sqlx::query_as(
        "select c.relname::text, coalesce(c.reloptions, '{}') from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'public.conversations'::regclass order by 1",
    )
    .fetch_all(&db.pool)
    .await
    .unwrap();
    assert_eq!(options.len(), 2);
    for (partition, options) in options {
        assert_eq!(options, ["fillfactor=85", "autovacuum_vacuum_scale_factor=0.05"], "{partition}");
    }
}
