//! `helpline migrate` on databases that are half-way: at an earlier migration with data in it, or left by a migrator
//! that died.

use std::process::Stdio;

use futures_util::future::join_all;
use helpline::migrate::{self, Options};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};

use crate::migrating::{TestRoles, supabase_like};
use crate::support::{TestDb, eventually, run};

/// Applies the migrations up to this one, as an earlier release did.
async fn migrate_to(pool: &PgPool, version: i64) {
    let mut migrator = sqlx::migrate!();
    migrator.dangerous_set_table_name("public._sqlx_migrations");
    migrator.run_to(version, pool).await.unwrap_or_else(|error| panic!("to {version}: {error}"));
}

fn versions() -> Vec<i64> {
    sqlx::migrate!().iter().map(|migration| migration.version).collect()
}

/// What a release that knew the first migrations only may have stored: every table of them has rows.
async fn add_data(pool: &PgPool, version: i64) {
    run(
        pool,
        "insert into auth.users (id)
         select ('00000000-0000-0000-0000-00000000000' || n)::uuid from generate_series(1, 3) n;
         insert into public.users (id, discord_id, discord_username)
         select id, right(id::text, 1), 'user' from auth.users;
         insert into public.billing_plans (name, price, interval) values ('Pro', 10, 'monthly');
         insert into public.servers (id, name, config, plan_id)
         select 9007199254740993 + n, 'server ' || n, jsonb_build_object('enabled', true, 'text', repeat('x', n * 3000)), p.id
         from generate_series(1, 3) n, public.billing_plans p;
         insert into public.server_admins (server_id, user_id)
         select 9007199254740993 + right(id::text, 1)::bigint, id from public.users;
         insert into helpline.pending_admins (server_id, discord_id) select id, '77' from public.servers;
         insert into public.knowledge_documents (server_id, title, content, file_type)
         select id, 'Opening hours', 'We are open from nine to five.', 'txt' from public.servers;
         insert into public.conversations (server_id, channel_id, thread_id, user_id, username, transcript, status)
         select s.id, '1', n::text, '2', 'ada', jsonb_build_array(repeat('said ', n * 100)),
             (array['active', 'completed', 'forwarded'])[1 + n % 3]
         from public.servers s, generate_series(1, 30) n;
         insert into public.forwarded_tickets (server_id, conversation_id, status, assigned_to, resolved_at)
         select server_id, id, 'assigned', '5', null from public.conversations where status = 'forwarded'
         union all
         select server_id, id, 'resolved', '5', now() from public.conversations where status = 'completed';
         insert into public.subscriptions (server_id, plan_id, status, current_period_start, current_period_end)
         select id, plan_id, 'active', now(), now() from public.servers;
         insert into public.invoices (subscription_id, server_id, amount, status, invoice_date, due_date)
         select id, server_id, 10, 'open', now(), now() from public.subscriptions;
         insert into public.analytics (server_id, date) select id, current_date from public.servers;",
    )
    .await;
    if version >= 2 {
        run(
            pool,
            "insert into helpline.answer_jobs (server_id, conversation_id, event_id, job)
             select server_id, id, thread_id, '{}' from public.conversations where status = 'active';
             insert into helpline.outbox (server_id, conversation_id, event_id, effect, request)
             select server_id, id, thread_id, 'answer', '{}' from public.conversations;
             insert into helpline.event_keys (key) values ('\\x01'), ('\\x02');
             insert into helpline.knowledge_passages (server_id, document_id, ordinal, content, lexemes)
             select server_id, id, 0, content, to_tsvector(content) from public.knowledge_documents;",
        )
        .await;
    }
}

/// What is in the tables: a hash over all rows of each, without what only the database itself writes, and without numbers
/// that are 0 in rows from before they were counted.
async fn contents(pool: &PgPool, like: &TestDb) -> Vec<(String, String)> {
    let tables: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c
         where c.relkind in ('r', 'p') and not c.relispartition
             and c.relnamespace in ('public'::regnamespace, 'helpline'::regnamespace)
             and c.relname not in ('_sqlx_migrations', 'shards', 'shard_fences', 'shard_streams', 'knowledge_versions')
         order by 1",
    )
    .fetch_all(&like.pool)
    .await
    .expect("tables are listed");
    let mut contents = Vec::new();
    for table in tables {
        let statement = format!(
            "select count(*) || ' ' || coalesce(md5(string_agg(r, ' ' order by r)), '') from (
                 select (jsonb_strip_nulls(to_jsonb(t)) - 'config_version' - 'updated_at'
                     - array['assumed_resolutions', 'responses', 'response_ms'])::text as r from {table} t
             ) t"
        );
        let hash: String =
            sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(pool).await.expect("rows are read");
        contents.push((table, hash));
    }
    contents
}

#[tokio::test]
async fn a_database_at_any_earlier_migration_is_brought_up_with_its_data() {
    let versions = versions();
    let earlier = versions[..versions.len() - 1].iter().copied();
    join_all(earlier.map(|version| async move {
        let db = TestDb::empty().await;
        migrate_to(&db.pool, version).await;
        add_data(&db.pool, version).await;
        let before = contents(&db.pool, &db).await;
        assert!(before.iter().filter(|(_, hash)| !hash.starts_with('0')).count() >= 11, "{before:?}");

        let report = migrate::run(&db.pool, Options { shards: 4 }).await;
        let report = report.unwrap_or_else(|error| panic!("from {version}: {error}"));
        assert_eq!((report.from, report.to), (version, migrate::version()));
        let after = contents(&db.pool, &db).await;
        let changed: Vec<_> = before.iter().filter(|table| !after.contains(table)).collect();
        assert!(changed.is_empty(), "from {version}: {changed:?} became {after:?}");
        assert_eq!(
            fingerprint(&db.pool).await,
            fingerprint(&TestDb::new().await.pool).await,
            "from {version}"
        );
    }))
    .await;
}

#[tokio::test]
async fn a_supabase_at_any_earlier_migration_is_brought_up_and_closed() {
    let roles = TestRoles::create(&["owner", "auth_owner"]).await;
    for version in &versions()[..versions().len() - 1] {
        let db = supabase_like(&roles.names[0], &roles.names[1]).await;
        let owner = db.role(&roles.names[0]);
        migrate_to(&owner, *version).await;
        migrate::run(&owner, Options { shards: 2 })
            .await
            .unwrap_or_else(|error| panic!("from {version}: {error}"));
        let open: Vec<String> = sqlx::query_scalar(
            "select c.oid::regclass::text from pg_class c
             where c.relkind in ('r', 'p', 'S') and (
                 c.relnamespace = 'helpline'::regnamespace and (
                     has_table_privilege('anon', c.oid, 'select, insert, update, delete')
                     or has_table_privilege('authenticated', c.oid, 'select, insert, update, delete')
                     or has_table_privilege('service_role', c.oid, 'select, insert, update, delete')
                 )
                 or c.relnamespace = 'public'::regnamespace
                     and has_table_privilege('anon', c.oid, 'select, insert, update, delete')
                 or c.relkind <> 'S' and not c.relrowsecurity
                     and c.relnamespace in ('helpline'::regnamespace, 'public'::regnamespace)
             )",
        )
        .fetch_all(&db.pool)
        .await
        .expect("tables are listed");
        assert!(open.is_empty(), "from {version}: {open:?}");
        owner.close().await;
    }
}

#[tokio::test]
async fn two_and_eight_migrators_at_once_make_one_schema() {
    let expected = fingerprint(&TestDb::new().await.pool).await;
    for migrators in [2, 8] {
        let db = TestDb::empty().await;
        let reports = join_all((0..migrators).map(|_| migrate::run(&db.pool, Options { shards: 8 }))).await;
        let worked = reports.iter().filter(|report| report.as_ref().expect("it migrates").from == 0).count();
        assert_eq!(worked, 1);
        assert_eq!(fingerprint(&db.pool).await, expected);
    }
}

/// Everything that makes the schema: tables, indexes, columns, functions, triggers, policies, grants, versions.
async fn fingerprint(pool: &PgPool) -> Vec<String> {
    sqlx::query_scalar(
        "with ours as (
             select oid from pg_namespace where nspname in ('public', 'helpline')
         )
         select line from (
             select 'class ' || c.relname || c.relkind::text || c.relrowsecurity || coalesce(x.indisvalid, true) ||
                 coalesce((select string_agg(a::text, ',' order by a::text) from unnest(c.relacl) a), '')
             from pg_class c left join pg_index x on x.indexrelid = c.oid
             where c.relnamespace in (select oid from ours) and c.relkind <> 't'
             union all
             select 'column ' || a.attrelid::regclass || '.' || a.attname || a.atttypid::regtype || a.attnotnull ||
                 coalesce(a.attacl::text, '')
             from pg_attribute a join pg_class c on c.oid = a.attrelid
             where c.relnamespace in (select oid from ours) and a.attnum > 0 and c.relkind in ('r', 'p')
             union all
             select 'function ' || p.oid::regprocedure || md5(p.prosrc) || p.prosecdef || coalesce(p.proacl::text, '')
             from pg_proc p where p.pronamespace in (select oid from ours)
             union all
             select 'trigger ' || t.tgrelid::regclass || '.' || t.tgname from pg_trigger t where not t.tgisinternal
             union all
             select 'policy ' || p.polrelid::regclass || '.' || p.polname ||
                 coalesce(pg_get_expr(p.polqual, p.polrelid), '')
             from pg_policy p
             union all
             select 'constraint ' || c.conname || pg_get_constraintdef(c.oid)
             from pg_constraint c where c.connamespace in (select oid from ours)
         ) l (line)
         order by line",
    )
    .fetch_all(pool)
    .await
    .expect("the catalogs are read")
}

async fn lock_is_free(db: &TestDb) -> Option<()> {
    let held: i64 = sqlx::query_scalar(
        "select count(*) from pg_locks where locktype = 'advisory'
         and database = (select oid from pg_database where datname = current_database())",
    )
    .fetch_one(&db.pool)
    .await
    .expect("locks are listed");
    (held == 0).then_some(())
}

/// The backend that waits for a lock of ours.
async fn blocked_backend(db: &TestDb) -> i32 {
    eventually("the migrator waits", async || {
        sqlx::query_scalar(
            "select pid from pg_stat_activity
             where datname = current_database() and cardinality(pg_blocking_pids(pid)) > 0",
        )
        .fetch_optional(&db.pool)
        .await
        .expect("sessions are listed")
    })
    .await
}

/// Every migration there is.
const ALL: i64 = i64::MAX;

/// (migrations that are there, what a transaction of ours does to stop the next one in the middle)
const HALF_WAY: [(i64, &str); 6] = [
    (0, "create schema helpline"),
    (1, "lock table public.shards in row exclusive mode"),
    (2, "lock table public.server_shards in row exclusive mode"),
    (4, "lock table public.analytics in access share mode"),
    (6, "create table helpline.conversation_changes ()"),
    // All of them: it builds indexes.
    (ALL, "lock table public.server_shards in row exclusive mode"),
];

#[tokio::test]
async fn a_migrator_killed_half_way_leaves_nothing_half_and_no_lock() {
    let expected = &fingerprint(&TestDb::new().await.pool).await;
    join_all(HALF_WAY.iter().map(|&(version, blocking)| async move {
        let db = TestDb::empty().await;
        if version > 0 {
            migrate_to(&db.pool, version).await;
        }
        let before = fingerprint(&db.pool).await;
        let mut blocker = PgConnection::connect(&db.url).await.expect("a connection");
        let mut transaction = blocker.begin().await.expect("a transaction begins");
        transaction
            .execute(AssertSqlSafe(blocking))
            .await
            .unwrap_or_else(|error| panic!("{blocking}: {error}"));

        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_helpline"))
            .arg("migrate")
            .env("DATABASE_URL", &db.url)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("helpline starts");
        blocked_backend(&db).await;
        child.kill().await.expect("it is killed");
        // While we still hold what it waits for: the server notices that nobody is there any more.
        eventually("the lock of a dead migrator is free", async || lock_is_free(&db).await).await;
        let left = fingerprint(&db.pool).await;
        let half: Vec<_> = left.iter().filter(|line| !before.contains(line)).collect();
        // Whole migrations before the one that was stopped may be there, and an index that is not valid yet.
        let whole: i64 = sqlx::query_scalar("select count(*) from public._sqlx_migrations where success")
            .fetch_one(&db.pool)
            .await
            .unwrap_or(0);
        let expected_whole = versions().iter().filter(|&&known| known <= version).count();
        assert_eq!(usize::try_from(whole).ok(), Some(expected_whole), "after {version}");
        let is_index =
            |line: &&&String| line.contains("_idx") && version == ALL || line.contains("_sqlx_migrations");
        assert!(half.iter().all(|line| is_index(&line)), "after {version}: {half:?}");
        transaction.rollback().await.expect("ours goes");

        migrate::run(&db.pool, Options { shards: 8 }).await.unwrap_or_else(|error| panic!("again: {error}"));
        assert_eq!(&fingerprint(&db.pool).await, expected, "after {version}");
    }))
    .await;
}

#[tokio::test]
async fn a_migrator_whose_backend_is_ended_tells_so_and_is_run_again() {
    let db = TestDb::empty().await;
    migrate_to(&db.pool, 4).await;
    let before = fingerprint(&db.pool).await;
    let mut blocker = PgConnection::connect(&db.url).await.expect("a connection");
    let mut transaction = blocker.begin().await.expect("a transaction begins");
    transaction.execute("lock table public.analytics in access share mode").await.expect("it locks");
    let pool = db.pool.clone();
    let migrating = tokio::spawn(async move { migrate::run(&pool, Options::default()).await });
    let backend = blocked_backend(&db).await;
    run(&db.pool, format!("select pg_terminate_backend({backend})")).await;
    let error = migrating.await.expect("it ends").expect_err("its connection is gone").to_string();
    assert!(error.contains("migration 5 (access) failed"), "{error}");
    eventually("the lock is free", async || lock_is_free(&db).await).await;
    assert_eq!(fingerprint(&db.pool).await, before);
    transaction.rollback().await.expect("ours goes");
    migrate::run(&db.pool, Options { shards: 8 }).await.expect("it migrates");
    assert_eq!(fingerprint(&db.pool).await, fingerprint(&TestDb::new().await.pool).await);
}
