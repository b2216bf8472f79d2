//! `helpline partition`: everybody goes on while a server gets a partition of its own, whatever dies meanwhile.

use std::process::Stdio;
use std::time::{Duration, Instant};

use helpline::partition::{self, Error, Options, Report};
use helpline_cluster::ids::ServerId;
use sqlx::PgPool;

use crate::load::{Load, add_conversations, quantiles};
use crate::migrating::{TestRoles, supabase_like};
use crate::support::{TestDb, eventually, run};

const BUSY: i64 = 1_100_000_000_000_000_001;
const OTHERS: [i64; 3] = [1_100_000_000_000_000_002, 1_100_000_000_000_000_003, 7];
const BUSY_TABLE: &str = "helpline.conversations_s1100000000000000001";

fn server(id: i64) -> ServerId {
    ServerId::from_db(id)
}

/// A database with conversations of a busy server and of others.
async fn busy_database(conversations: u32) -> TestDb {
    let db = TestDb::new().await;
    add_conversations(&db.pool, BUSY, conversations).await;
    for other in OTHERS {
        add_conversations(&db.pool, other, 300).await;
    }
    db
}

async fn number(pool: &PgPool, statement: &str) -> i64 {
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement)).fetch_one(pool).await.expect("a number")
}

/// Every conversation is where it belongs, every index and foreign key is in use, and nothing is left behind.
async fn assert_tidy(pool: &PgPool, promoted: &[i64]) {
    for server in promoted {
        let own = format!("select count(*) from helpline.conversations_s{server}");
        let all = format!("select count(*) from public.conversations where server_id = {server}");
        assert_eq!(number(pool, &own).await, number(pool, &all).await, "server {server}");
    }
    let list = partition::list(pool).await.expect("partitions are listed");
    assert_eq!(list.len(), promoted.len() + 1, "{list:?}");
    assert!(list.iter().all(|partition| partition.attached), "{list:?}");
    let wrong: Vec<String> = sqlx::query_scalar(
        "select 'foreign key ' || f.conname from pg_constraint f
         where f.contype = 'f' and f.conparentid = 0 and not f.convalidated
         union all
         select 'index ' || x.indexrelid::regclass from pg_index x where not x.indisvalid
         union all
         select 'trigger ' || tgname from pg_trigger where tgname = 'note_conversation_change'
         union all
         select 'noted changes' from helpline.conversation_changes
         union all
         select 'index ' || x.indexrelid::regclass || ' of ' || p.inhrelid::regclass || ' is nobody''s'
         from pg_inherits p
         join pg_index x on x.indrelid = p.inhrelid
         where p.inhparent = 'public.conversations'::regclass
             and not exists (select from pg_inherits i where i.inhrelid = x.indexrelid)
         union all
         select p.inhrelid::regclass || ' lacks an index' from pg_inherits p
         where p.inhparent = 'public.conversations'::regclass
             and (select count(*) from pg_index x where x.indrelid = p.inhrelid)
                 <> (select count(*) from pg_index x where x.indrelid = 'public.conversations'::regclass)
         union all
         select p.inhrelid::regclass || ' has other options' from pg_inherits p
         join pg_class c on c.oid = p.inhrelid
         where p.inhparent = 'public.conversations'::regclass and c.reloptions::text is distinct from '{fillfactor=85,autovacuum_vacuum_scale_factor=0.05}'
         union all
         select 'constraint ' || c.conname from pg_constraint c where c.conname = 'promoting'
         union all
         select t.id || ' is a ticket of nothing' from public.forwarded_tickets t
         where not exists (
             select from public.conversations c where c.server_id = t.server_id and c.id = t.conversation_id
         )",
    )
    .fetch_all(pool)
    .await
    .expect("the catalogs are read");
    assert!(wrong.is_empty(), "{wrong:?}");
}

#[tokio::test]
async fn a_promotion_under_load_loses_no_conversation_and_no_ticket() {
    let db = busy_database(3_000).await;
    let load = Load::start(&db, BUSY, &OTHERS, Duration::from_millis(3)).await;
    let report =
        partition::promote(&db.pool, server(BUSY), Options::default()).await.expect("it is promoted");
    assert!(
        matches!(&report, Report::Promoted { table, copied, .. } if table == BUSY_TABLE && *copied >= 3_900),
        "{report:?}"
    );
    // The tickets of the busy server go on to refer to its conversations, the others' to theirs.
    let seen = load.stop(&db.pool).await;
    assert!(!seen.busy.is_empty() && !seen.others.is_empty());
    assert_tidy(&db.pool, &[BUSY]).await;

    // A second one goes beside the first.
    let load = Load::start(&db, OTHERS[0], &[BUSY, OTHERS[1]], Duration::from_millis(3)).await;
    partition::promote(&db.pool, server(OTHERS[0]), Options::default()).await.expect("it is promoted");
    load.stop(&db.pool).await;
    assert_tidy(&db.pool, &[BUSY, OTHERS[0]]).await;
}

#[tokio::test]
async fn foreign_keys_and_the_rule_of_one_conversation_a_thread_hold_in_a_new_partition() {
    let db = busy_database(100).await;
    partition::promote(&db.pool, server(BUSY), Options::default()).await.expect("it is promoted");
    for (statement, code) in [
        (
            format!(
                "insert into public.forwarded_tickets (server_id, conversation_id) values ({BUSY}, gen_random_uuid())"
            ),
            "23503",
        ),
        (
            format!(
                "insert into public.conversations (server_id, channel_id, thread_id, user_id, username, transcript)
                 select server_id, channel_id, thread_id, user_id, username, transcript
                 from public.conversations where server_id = {BUSY} limit 1"
            ),
            "23505",
        ),
    ] {
        let error = sqlx::query(sqlx::AssertSqlSafe(statement.as_str())).execute(&db.pool).await;
        let error = error.expect_err("it is refused");
        assert_eq!(error.as_database_error().and_then(|error| error.code()).as_deref(), Some(code), "{error}");
    }
    let before = number(&db.pool, "select count(*) from public.forwarded_tickets").await;
    let removed = format!(
        "delete from public.conversations where id in
             (select conversation_id from public.forwarded_tickets where server_id = {BUSY} limit 1)"
    );
    run(&db.pool, removed).await;
    assert_eq!(number(&db.pool, "select count(*) from public.forwarded_tickets").await, before - 1);
    run(&db.pool, format!("update public.conversations set username = 'grace' where server_id = {BUSY}"))
        .await;
    let stale = format!("select count(*) from {BUSY_TABLE} where updated_at < now() - interval '1 hour'");
    assert_eq!(number(&db.pool, &stale).await, 0, "updated_at is kept");
    run(&db.pool, format!("delete from public.servers where id = {BUSY}")).await;
    assert_eq!(number(&db.pool, &format!("select count(*) from {BUSY_TABLE}")).await, 0);
}

#[tokio::test]
async fn a_partition_is_closed_to_everybody_whatever_default_privileges_say() {
    let roles = TestRoles::create(&["owner", "auth_owner"]).await;
    let db = supabase_like(&roles.names[0], &roles.names[1]).await;
    let owner = db.role(&roles.names[0]);
    helpline::migrate::run(&owner, helpline::migrate::Options { shards: 2 }).await.expect("it migrates");
    add_conversations(&owner, BUSY, 200).await;
    add_conversations(&owner, OTHERS[0], 50).await;

    let refused = partition::promote(&db.role("helpline_worker"), server(BUSY), Options::default()).await;
    let message = refused.expect_err("the worker is not the owner").to_string();
    assert!(
        message.contains("helpline_worker does not own") && message.contains(&roles.names[0]),
        "{message}"
    );

    partition::promote(&owner, server(BUSY), Options::default()).await.expect("no superuser is needed");
    assert_tidy(&db.pool, &[BUSY]).await;
    let open: Vec<String> = sqlx::query_scalar(
        "select c.relname || ' to ' || r.rolname from pg_class c
         cross join pg_roles r
         where c.relkind = 'r' and c.relname like 'conversations\\_%'
             and r.rolname in
                 ('anon', 'authenticated', 'service_role', 'helpline_worker', 'helpline_proxy', 'helpline_web')
             and (not c.relrowsecurity
                 or has_table_privilege(r.oid, c.oid, 'select, insert, update, delete, truncate, references, trigger')
                 or has_any_column_privilege(r.oid, c.oid, 'select, insert, update, references'))",
    )
    .fetch_all(&db.pool)
    .await
    .expect("privileges are listed");
    assert!(open.is_empty(), "{open:?}");
    // A superuser who promotes leaves the tables to their owner.
    partition::promote(&db.pool, server(OTHERS[0]), Options::default()).await.expect("it is promoted");
    let owners: Vec<String> = sqlx::query_scalar(
        "select distinct pg_get_userbyid(relowner)::text from pg_class
         where relname like 'conversations%' and relkind in ('r', 'p')",
    )
    .fetch_all(&db.pool)
    .await
    .expect("owners are listed");
    assert_eq!(owners, [roles.names[0].clone()]);
    // Through the parent everything is as it was.
    let statement = format!("select count(*) from public.conversations where server_id = {BUSY}");
    assert_eq!(number(&db.role("helpline_worker"), &statement).await, 200);
}

#[tokio::test]
async fn whoever_promotes_what_cannot_be_promoted_is_told_why() {
    let db = busy_database(10).await;
    let unknown = partition::promote(&db.pool, server(42), Options::default()).await.expect_err("nobody");
    assert!(matches!(unknown, Error::UnknownServer(ServerId(42))), "{unknown:?}");
    partition::promote(&db.pool, server(BUSY), Options::default()).await.expect("it is promoted");
    let again = partition::promote(&db.pool, server(BUSY), Options::default()).await.expect_err("twice");
    assert_eq!(again.to_string(), format!("server {BUSY} has a partition of its own already: {BUSY_TABLE}"));
    assert!(!partition::abandon(&db.pool, Options::default()).await.expect("nothing is left"));

    // Somebody who holds the table for too long is named, and the others are held up only now and then.
    let mut reader = db.role("helpline_worker").begin().await.expect("a transaction begins");
    sqlx::query("select count(*) from public.conversations").execute(&mut *reader).await.expect("it reads");
    let pid: i32 =
        sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut *reader).await.expect("a pid");
    let options = Options { patience: Duration::from_millis(600), ..Options::default() };
    let busy = partition::promote(&db.pool, server(OTHERS[0]), options).await.expect_err("a reader stays");
    let message = busy.to_string();
    assert!(
        message.contains(&format!("pid {pid} helpline_worker"))
            && message.contains("run the same command again"),
        "{message}"
    );
    reader.rollback().await.expect("the reader goes");
    partition::promote(&db.pool, server(OTHERS[0]), Options::default()).await.expect("it starts anew");
    assert_tidy(&db.pool, &[BUSY, OTHERS[0]]).await;
}

#[tokio::test]
async fn of_two_promoters_at_once_each_does_its_own_and_one_the_same() {
    let db = busy_database(500).await;
    let load = Load::start(&db, BUSY, &OTHERS, Duration::from_millis(5)).await;
    let promote = |id| partition::promote(&db.pool, server(id), Options::default());
    let (first, same, other) = tokio::join!(promote(BUSY), promote(BUSY), promote(OTHERS[2]));
    let mut promoted = 0;
    for outcome in [first, same] {
        match outcome {
            Ok(Report::Promoted { .. }) => promoted += 1,
            Err(Error::AlreadyPromoted { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(promoted, 1);
    other.expect("another server is promoted after them");
    load.stop(&db.pool).await;
    assert_tidy(&db.pool, &[BUSY, OTHERS[2]]).await;
}

/// A `helpline partition promote` that ends with `kill -9` as soon as `statement` returns a row.
async fn promote_and_kill(db: &TestDb, statement: &str) {
    let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_helpline"))
        .args(["partition", "promote", "--server", &BUSY.to_string()])
        .env("DATABASE_URL", &db.url)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("helpline starts");
    eventually(statement, async || {
        let found = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_optional(&db.pool).await;
        found.expect("it is looked for")
    })
    .await;
    child.kill().await.expect("it is killed");
    // Its backend notices at the next statement at the latest.
    eventually("the lock of a dead promoter is free", async || {
        let held = "select count(*) from pg_locks where locktype = 'advisory'
                    and database = (select oid from pg_database where datname = current_database())";
        (number(&db.pool, held).await == 0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_promoter_killed_at_any_step_loses_nothing_and_is_run_again() {
    let db = busy_database(2_000).await;
    let load = Load::start(&db, BUSY, &OTHERS, Duration::from_millis(5)).await;

    // Before changes are noted: a writer's open transaction keeps the trigger away.
    let mut writer = db.pool.begin().await.expect("a transaction begins");
    sqlx::query("update public.conversations set username = username where false")
        .execute(&mut *writer)
        .await
        .expect("it locks the table");
    promote_and_kill(&db, "select from pg_class where relname = 'conversations_default_next'").await;
    writer.rollback().await.expect("the writer goes");

    // While it copies.
    promote_and_kill(&db, "select from pg_trigger where tgname = 'note_conversation_change'").await;
    let list = partition::list(&db.pool).await.expect("partitions are listed");
    assert!(list.iter().any(|partition| !partition.attached), "it is seen that something is left: {list:?}");
    assert!(list.iter().any(|partition| partition.to_string().contains("interrupted")));

    // Before the swap: a reader keeps it away. It has vacuumed both copies by then.
    let mut reader = db.pool.begin().await.expect("a transaction begins");
    sqlx::query("lock table only public.forwarded_tickets in access share mode")
        .execute(&mut *reader)
        .await
        .expect("it locks the table");
    promote_and_kill(
        &db,
        "select from pg_constraint where conname = 'conversations_default_next_server_id_fkey' and convalidated",
    )
    .await;
    reader.rollback().await.expect("the reader goes");
    assert_eq!(
        number(
            &db.pool,
            "select count(*) from pg_inherits where inhparent = 'public.conversations'::regclass"
        )
        .await,
        1
    );

    let report =
        partition::promote(&db.pool, server(BUSY), Options::default()).await.expect("it is promoted");
    assert!(matches!(report, Report::Promoted { .. }), "{report:?}");
    load.stop(&db.pool).await;
    assert_tidy(&db.pool, &[BUSY]).await;
}

#[tokio::test]
async fn what_an_interrupted_promotion_left_is_abandoned() {
    let db = busy_database(100).await;
    promote_and_kill(&db, "select from pg_trigger where tgname = 'note_conversation_change'").await;
    assert!(partition::abandon(&db.pool, Options::default()).await.expect("it is removed"));
    assert_tidy(&db.pool, &[]).await;
}

/// An event trigger stands for the death: it fails every command after the swap, and no other.
#[tokio::test]
async fn a_promotion_that_dies_after_the_swap_is_finished() {
    let db = busy_database(100).await;
    run(
        &db.pool,
        "create function public.die() returns event_trigger language plpgsql as $$
         begin
             if to_regclass('helpline.conversations_default_old') is not null and current_query() like '%validate%' then
                 raise exception 'died after the swap';
             end if;
         end $$;
         create event trigger die on ddl_command_start execute function public.die();",
    )
    .await;
    let load = Load::start(&db, BUSY, &OTHERS, Duration::from_millis(5)).await;
    let died = partition::promote(&db.pool, server(BUSY), Options::default()).await.expect_err("it dies");
    assert!(died.to_string().contains("died after the swap"), "{died}");
    run(&db.pool, "drop event trigger die; drop function public.die()").await;
    let report =
        partition::promote(&db.pool, server(BUSY), Options::default()).await.expect("it is finished");
    assert_eq!(report, Report::Finished { table: BUSY_TABLE.to_owned() });
    load.stop(&db.pool).await;
    assert_tidy(&db.pool, &[BUSY]).await;
}

/// `make bench-schema`: prints what docs/benchmarks.md shows.
#[tokio::test]
#[ignore = "takes minutes: make bench-schema"]
async fn bench_promotion_of_a_server_with_100_000_conversations() {
    let total: u32 =
        std::env::var("BENCH_CONVERSATIONS").map_or(1_000_000, |text| text.parse().expect("a number"));
    let db = TestDb::new().await;
    add_conversations(&db.pool, BUSY, 100_000).await;
    for other in OTHERS {
        add_conversations(&db.pool, other, (total - 100_000) / 3).await;
    }
    run(&db.pool, "analyze").await;
    let load = Load::start(&db, BUSY, &OTHERS, Duration::from_millis(10)).await;
    tokio::time::sleep(Duration::from_secs(10)).await;
    let began = Instant::now();
    let report =
        partition::promote(&db.pool, server(BUSY), Options::default()).await.expect("it is promoted");
    let ended = Instant::now();
    let seen = load.stop(&db.pool).await;
    assert_tidy(&db.pool, &[BUSY]).await;
    println!("{report}");
    println!("{total} conversations; the promotion took {:.1} s", (ended - began).as_secs_f64());
    let before = began.checked_sub(Duration::from_secs(10)).expect("the clock has run for so long");
    for (who, times) in [("others", &seen.others), ("the busy server", &seen.busy)] {
        for (when, from, to) in [("before", before, began), ("during", began, ended)] {
            let [p50, p99, longest] = quantiles(times, from, to);
            println!("{who} {when}: p50 {p50:.1} ms, p99 {p99:.1} ms, longest {longest:.1} ms");
        }
    }
    let mut slowest: Vec<_> = seen.others.iter().filter(|(at, _)| *at >= began).collect();
    slowest.sort_by_key(|(_, took)| std::cmp::Reverse(*took));
    for (at, took) in slowest.iter().take(8) {
        println!("slow: {} ms, {:.2} s after the start", took.as_millis(), (*at - began).as_secs_f64());
    }
    println!("{} transactions; 0 conversations and 0 tickets lost", seen.others.len() + seen.busy.len());
}
