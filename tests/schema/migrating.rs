//! `helpline migrate`: many at once, onto strange ground, and never backwards.

use futures_util::future::join_all;
use helpline::migrate::{self, Error, Options, Report};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection, PgPool};

use crate::support::{TestDb, execute, run};

async fn count(pool: &PgPool, table: &str) -> i64 {
    let statement = format!("select count(*) from {table}");
    sqlx::query_scalar(AssertSqlSafe(statement)).fetch_one(pool).await.expect("rows are counted")
}

#[tokio::test]
async fn of_many_migrators_at_once_one_works_and_the_others_find_nothing_to_do() {
    let db = TestDb::empty().await;
    let reports = join_all((0..4).map(|_| migrate::run(&db.pool, Options { shards: 16 }))).await;
    let reports: Vec<Report> = reports.into_iter().map(|report| report.expect("it migrates")).collect();
    let worked: Vec<&Report> = reports.iter().filter(|report| report.from == 0).collect();
    assert_eq!(worked.len(), 1, "{reports:?}");
    assert_eq!(worked[0].applied.len(), sqlx::migrate!().iter().count());
    assert_eq!(reports.iter().map(|report| report.shards_created).sum::<u32>(), 16);
    assert!(reports.iter().all(|report| report.to == migrate::version()));
    assert!(worked[0].to_string().ends_with("; created 16 shards"), "{}", worked[0]);
    migrate::check(&db.pool).await.expect("the database is ready");
}

#[tokio::test]
async fn migrating_again_changes_nothing_and_more_shards_are_only_added() {
    let db = TestDb::empty().await;
    for (shards, created, total) in [(4, 4, 4), (4, 0, 4), (6, 2, 6), (2, 0, 6)] {
        let report = migrate::run(&db.pool, Options { shards }).await.expect("it migrates");
        assert_eq!(report.shards_created, created);
        for table in ["public.shards", "helpline.shard_fences", "helpline.shard_streams"] {
            assert_eq!(count(&db.pool, table).await, total, "{table} after --shards {shards}");
        }
    }
    run(&db.pool, "delete from helpline.shard_streams where shard_id = 1").await;
    migrate::run(&db.pool, Options { shards: 6 }).await.expect("it migrates");
    assert_eq!(count(&db.pool, "helpline.shard_streams").await, 6, "a missing part of a shard is added");
}

#[tokio::test]
async fn a_database_newer_than_the_binary_is_refused_by_migrate_and_served_by_the_others() {
    let db = TestDb::new().await;
    run(
        &db.pool,
        "insert into public._sqlx_migrations (version, description, success, checksum, execution_time)
         values (9000, 'from the future', true, '', 0)",
    )
    .await;
    let error = migrate::run(&db.pool, Options { shards: 99 }).await.expect_err("it is refused");
    assert!(matches!(error, Error::Newer { database: 9000, .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("9000") && message.contains(&migrate::version().to_string()), "{message}");
    assert_eq!(count(&db.pool, "public.shards").await, i64::from(crate::support::SHARDS));
    // Migrations expand before they contract: this release runs on the next one's schema.
    migrate::check(&db.pool).await.expect("roles start");
}

#[tokio::test]
async fn a_database_that_was_never_migrated_or_only_in_part_tells_what_to_run() {
    let db = TestDb::empty().await;
    let message = migrate::check(&db.pool).await.expect_err("it is empty").to_string();
    let needed = migrate::version();
    assert_eq!(
        message,
        format!("the database is at migration 0, this binary needs {needed}: run `helpline migrate`")
    );
    migrate::run(&db.pool, Options::default()).await.expect("it migrates");
    assert_eq!(count(&db.pool, "public.shards").await, 64);
    run(&db.pool, format!("delete from public._sqlx_migrations where version = {needed}")).await;
    let error = migrate::check(&db.pool).await.expect_err("one is missing");
    assert!(matches!(error, Error::Older { .. }), "{error:?}");
}

#[tokio::test]
async fn service_users_may_check_the_version() {
    let db = TestDb::new().await;
    for role in ["helpline_worker", "helpline_proxy", "helpline_web"] {
        migrate::check(&db.role(role)).await.unwrap_or_else(|error| panic!("{role}: {error}"));
    }
}

#[tokio::test]
async fn a_failing_migration_is_named_and_leaves_nothing_behind() {
    let db = TestDb::empty().await;
    run(&db.pool, "create table public.analytics (in_the_way integer)").await;
    let error = migrate::run(&db.pool, Options::default()).await.expect_err("a table is in the way");
    assert!(matches!(error, Error::Failed { version: 1, .. }), "{error:?}");
    let message = error.to_string();
    assert!(message.contains("migration 1 (tables)") && message.contains("analytics"), "{message}");
    let left: Option<String> = sqlx::query_scalar("select to_regclass('public.servers')::text")
        .fetch_one(&db.pool)
        .await
        .expect("tables are looked up");
    assert_eq!(left, None);
    run(&db.pool, "drop table public.analytics").await;
    migrate::run(&db.pool, Options::default()).await.expect("it goes on once the table is out of the way");
}

#[tokio::test]
async fn an_applied_migration_that_was_edited_is_named() {
    let db = TestDb::new().await;
    run(&db.pool, r"update public._sqlx_migrations set checksum = '\x00' where version = 2").await;
    let error = migrate::run(&db.pool, Options::default()).await.expect_err("it differs");
    assert!(matches!(error, Error::Changed { version: 2, .. }), "{error:?}");
}

#[tokio::test]
async fn migrating_needs_a_user_who_may_create_roles_and_no_superuser() {
    let roles = TestRoles::create(&["owner", "auth_owner"]).await;
    let [owner, auth_owner] = [&roles.names[0], &roles.names[1]];
    let db = supabase_like(owner, auth_owner).await;
    let pool = db.role(owner);
    let report = migrate::run(&pool, Options { shards: 4 }).await.expect("it migrates");
    assert_eq!(report.to, migrate::version());
    migrate::run(&pool, Options { shards: 5 }).await.expect("and again");

    // What default privileges gave away is taken back.
    let open: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c
         where c.relkind in ('r', 'p')
             and c.relnamespace in ('public'::regnamespace, 'helpline'::regnamespace)
             and (
                 not c.relrowsecurity
                 or has_any_column_privilege('anon', c.oid, 'select, insert, update')
                 or has_table_privilege('anon', c.oid, 'delete, truncate')
                 or has_table_privilege('authenticated', c.oid, 'truncate, trigger')
                 or (c.relname not in ('knowledge_documents')
                     and has_any_column_privilege('authenticated', c.oid, 'insert'))
             )",
    )
    .fetch_all(&db.pool)
    .await
    .expect("tables are listed");
    assert!(open.is_empty(), "open tables: {open:?}");

    // The auth schema is as it was.
    let columns: i64 = sqlx::query_scalar(
        "select count(*) from information_schema.columns where table_schema = 'auth' and table_name = 'users'",
    )
    .fetch_one(&db.pool)
    .await
    .expect("columns are counted");
    assert_eq!(columns, 1);

    let servers = crate::TwoServers::create(&db.pool).await;
    let rename = "update public.servers set name = 'new'";
    let changed = crate::attempt(&db.pool, "authenticated", Some(servers.admin), rename).await;
    assert_eq!(changed, crate::Outcome::Rows(1));
    let placed = sqlx::query("select from helpline.add_servers(array[1, 2, 3])")
        .execute(&db.role("helpline_proxy"))
        .await
        .expect("the proxy adds servers");
    assert_eq!(placed.rows_affected(), 3);
}

/// The schema's name is also a likely name of its owner, whose search path then starts with it.
#[tokio::test]
async fn a_user_called_like_the_schema_migrates_twice() {
    let db = TestDb::empty().await;
    let mut path = PgConnection::connect(&db.url).await.expect("a connection");
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&mut path).await.expect("a name");
    execute(&mut path, format!("alter database {name} set search_path = helpline, public")).await;
    for _ in 0..2 {
        migrate::run(&db.pool, Options { shards: 1 }).await.expect("it migrates");
    }
}

/// The other test finds the roles there; this one has the same user make them.
#[tokio::test]
async fn creating_the_roles_needs_no_superuser() {
    let roles = TestRoles::named(&ROLES);
    let owners = TestRoles::create(&["owner", "auth_owner"]).await;
    let db = supabase_like(&owners.names[0], &owners.names[1]).await;
    run(&db.role(&owners.names[0]), roles_migration_for(&roles)).await;
    let able: Vec<String> = sqlx::query_scalar(
        "select rolname::text from pg_roles where rolname = any ($1) and rolcanlogin order by rolname",
    )
    .bind(&roles.names)
    .fetch_all(&db.pool)
    .await
    .expect("roles are listed");
    assert_eq!(able.len(), 3, "{able:?}");

    run(&db.pool, format!("alter role {} nocreaterole", owners.names[0])).await;
    let mut connection = db.role(&owners.names[0]).acquire().await.expect("a connection");
    let refused = connection.execute(AssertSqlSafe(roles_migration_for(&TestRoles::named(&ROLES)))).await;
    let message = refused.expect_err("this user may not create roles").to_string();
    assert!(message.contains("is missing and") && message.contains("may not create it"), "{message}");
}

/// Roles are shared by all databases, the migration lock is not.
#[tokio::test]
async fn databases_of_one_cluster_create_the_roles_at_the_same_time() {
    // In turns: nobody has made the roles, and somebody has but without their settings.
    for round in 0..4 {
        let roles = if round % 2 == 0 { TestRoles::named(&ROLES) } else { TestRoles::create(&ROLES).await };
        let sql = roles_migration_for(&roles);
        let databases = join_all((0..4).map(|_| TestDb::empty())).await;
        // Two in each database, so that every kind of collision has its chance.
        let migrations = databases.iter().chain(&databases).map(|db| {
            let sql = sql.clone();
            async move {
                let mut transaction = db.pool.begin().await.expect("a transaction begins");
                execute(&mut transaction, sql).await;
                transaction.commit().await.expect("it commits");
            }
        });
        join_all(migrations).await;
        let set: i64 = sqlx::query_scalar(
            "select count(*) from pg_roles where rolname = any ($1) and 'plan_cache_mode=force_custom_plan' = any (rolconfig)",
        )
        .bind(&roles.names)
        .fetch_one(&databases[0].pool)
        .await
        .expect("roles are counted");
        assert_eq!(set, 3);
    }
}

#[tokio::test]
async fn a_password_is_set_for_helplines_users_only_whatever_it_contains() {
    let db = TestDb::new().await;
    migrate::set_role_password(&db.pool, "helpline_web", r"it's \ odd").await.expect("it is set");
    let error = migrate::set_role_password(&db.pool, "postgres", "x").await.expect_err("not ours");
    assert!(matches!(error, Error::NotOurRole(_)), "{error:?}");
}

const ROLES: [&str; 6] =
    ["anon", "authenticated", "service_role", "helpline_worker", "helpline_proxy", "helpline_web"];

/// The migration that creates roles, creating `roles` instead of those that the other tests' databases use.
fn roles_migration_for(roles: &TestRoles) -> String {
    let sql = include_str!("../../migrations/0004_roles.sql").to_owned();
    ROLES
        .iter()
        .zip(&roles.names)
        .fold(sql, |sql, (name, role)| sql.replace(&format!("'{name}'"), &format!("'{role}'")))
}

/// A database as Supabase hands it out: the migrating user may create roles but is no superuser and does not
/// own the database, auth belongs to somebody else, and default privileges open whatever is created.
pub async fn supabase_like(owner: &str, auth_owner: &str) -> TestDb {
    // The reserved roles exist before helpline comes; another test's database brought them.
    TestDb::new().await;
    let db = TestDb::empty().await;
    let mut connection = PgConnection::connect(&db.url).await.expect("a connection");
    let name: String =
        sqlx::query_scalar("select current_database()").fetch_one(&mut connection).await.expect("a name");
    execute(
        &mut connection,
        format!(
            "alter role {owner} login createrole;
             grant create on database {name} to {owner};
             grant all on schema public to {owner};
             create schema auth authorization {auth_owner};
             create table auth.users (id uuid primary key);
             alter table auth.users owner to {auth_owner};
             alter table auth.users enable row level security;
             create function auth.uid() returns uuid language sql stable as $$
                 select nullif(current_setting('request.jwt.claims', true)::jsonb ->> 'sub', '')::uuid $$;
             alter function auth.uid() owner to {auth_owner};
             grant usage on schema auth to {owner}, anon, authenticated, service_role;
             grant select, references on auth.users to {owner};
             alter default privileges for role {owner}
                 grant all on tables to anon, authenticated, service_role;
             alter default privileges for role {owner}
                 grant all on functions to anon, authenticated, service_role;
             alter default privileges for role {owner}
                 grant all on sequences to anon, authenticated, service_role;"
        ),
    )
    .await;
    db
}

/// Roles of a test's own, dropped with this value: declare it before the databases that use them.
pub struct TestRoles {
    pub names: Vec<String>,
}

impl TestRoles {
    /// Names that no other test uses; the roles are for somebody else to create.
    fn named(names: &[&str]) -> Self {
        let run = fastrand::u32(..);
        Self { names: names.iter().map(|name| format!("helpline_test_{name}_{run:08x}")).collect() }
    }

    pub async fn create(names: &[&str]) -> Self {
        let roles = Self::named(names);
        let mut server = server().await;
        for name in &roles.names {
            execute(&mut server, format!("create role {name}")).await;
        }
        roles
    }
}

impl Drop for TestRoles {
    fn drop(&mut self) {
        let statement = format!("drop role if exists {}", self.names.join(", "));
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime can be built").block_on(async {
                execute(&mut server().await, statement).await;
            });
        });
        if dropping.join().is_err() && !std::thread::panicking() {
            panic!("the test roles could not be dropped");
        }
    }
}

async fn server() -> PgConnection {
    let url = std::env::var("TEST_DATABASE_URL").expect("TEST_DATABASE_URL is not set: run `make test`");
    PgConnection::connect(&url).await.expect("Postgres answers")
}
