//! What people on a dashboard may do, as PostgREST would let them: a role and the claims of a token.

use uuid::Uuid;

use crate::support::{TestDb, run};
use crate::{Outcome, TwoServers, attempt, become_user, denied, outcome};

/// Every table of a server's affairs, with the column that names the server.
const OF_A_SERVER: [(&str, &str); 7] = [
    ("public.servers", "id"),
    ("public.knowledge_documents", "server_id"),
    ("public.conversations", "server_id"),
    ("public.forwarded_tickets", "server_id"),
    ("public.subscriptions", "server_id"),
    ("public.invoices", "server_id"),
    ("public.analytics", "server_id"),
];

#[tokio::test]
async fn an_admin_sees_his_server_and_no_other() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    for (table, column) in OF_A_SERVER {
        let all = format!("select from {table}");
        let foreign = format!("select from {table} where {column} = {}", servers.theirs);
        let admin = Some(servers.admin);
        assert_eq!(attempt(&db.pool, "authenticated", admin, &all).await, Outcome::Rows(1), "{all}");
        assert_eq!(attempt(&db.pool, "authenticated", admin, &foreign).await, Outcome::Rows(0), "{foreign}");
        let stranger = Some(servers.stranger);
        assert_eq!(attempt(&db.pool, "authenticated", stranger, &all).await, Outcome::Rows(0), "{all}");
        assert_eq!(attempt(&db.pool, "authenticated", None, &all).await, Outcome::Rows(0), "{all}");
    }
}

#[tokio::test]
async fn a_user_sees_himself_and_the_servers_he_is_admin_of() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let seen = |statement| attempt(&db.pool, "authenticated", Some(servers.admin), statement);
    assert_eq!(seen("select from public.users").await, Outcome::Rows(1));
    assert_eq!(seen("select from public.server_admins").await, Outcome::Rows(1));
    let other = format!("select from public.users where id = '{}'", servers.stranger);
    assert_eq!(seen(&other).await, Outcome::Rows(0));
}

#[tokio::test]
async fn an_admin_changes_config_and_name_of_his_server_and_no_other() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let change = r#"update public.servers set config = '{"enabled": true}', name = 'renamed'"#;
    let ours = format!("{change} where id = {}", servers.ours);
    let theirs = format!("{change} where id = {}", servers.theirs);
    let as_admin = |statement| attempt(&db.pool, "authenticated", Some(servers.admin), statement);
    assert_eq!(as_admin(&ours).await, Outcome::Rows(1));
    assert_eq!(as_admin(&theirs).await, Outcome::Rows(0));
    assert_eq!(as_admin(change).await, Outcome::Rows(1), "without a condition");
}

#[tokio::test]
async fn nobody_gives_his_server_a_plan_or_switches_it_on() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    for statement in [
        format!("update public.servers set plan_id = '{}'", servers.plan),
        "update public.servers set active = false".to_owned(),
        "update public.servers set config_version = 1".to_owned(),
        "update public.servers set id = 3".to_owned(),
        "insert into public.servers (id, name) values (3, 'mine')".to_owned(),
        "delete from public.servers".to_owned(),
    ] {
        assert_refused_to_all(&db, &servers, &statement).await;
    }
}

#[tokio::test]
async fn nobody_makes_himself_admin() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    for statement in [
        format!("insert into public.server_admins values ({}, '{}')", servers.theirs, servers.stranger),
        format!("update public.server_admins set server_id = {}", servers.theirs),
        "delete from public.server_admins".to_owned(),
        format!("insert into helpline.pending_admins values ({}, '5002')", servers.theirs),
        "update public.users set discord_id = '1'".to_owned(),
        format!("insert into public.users values ('{}', '1', 'someone else')", Uuid::new_v4()),
        "delete from public.users".to_owned(),
        "select from auth.users".to_owned(),
    ] {
        assert_refused_to_all(&db, &servers, &statement).await;
    }
}

#[tokio::test]
async fn billing_analytics_and_shards_are_written_by_the_service_alone() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let server = servers.ours;
    let plan = servers.plan;
    for statement in [
        format!(
            "insert into public.subscriptions
                 (server_id, plan_id, status, current_period_start, current_period_end)
             values ({server}, '{plan}', 'active', now(), now())"
        ),
        "update public.subscriptions set status = 'active'".to_owned(),
        "delete from public.subscriptions".to_owned(),
        "update public.invoices set status = 'paid'".to_owned(),
        "delete from public.invoices".to_owned(),
        "update public.analytics set total_queries = 5".to_owned(),
        format!("insert into public.analytics (server_id, date) values ({server}, '2026-01-01')"),
        "insert into public.billing_plans (name, price, interval) values ('Free', 0, 'yearly')".to_owned(),
        "update public.billing_plans set price = 0".to_owned(),
        "update public.shards set status = 'offline'".to_owned(),
        "select from public.shards".to_owned(),
        format!("insert into public.server_shards values ({server}, 1)"),
        "select from public.server_shards".to_owned(),
        format!("select helpline.add_servers(array[{server}])"),
        "truncate public.analytics".to_owned(),
        "select from public._sqlx_migrations".to_owned(),
    ] {
        assert_refused_to_all(&db, &servers, &statement).await;
    }
}

#[tokio::test]
async fn anybody_signed_in_reads_the_plans() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let read = "select from public.billing_plans";
    assert_eq!(attempt(&db.pool, "authenticated", Some(servers.stranger), read).await, Outcome::Rows(1));
}

#[tokio::test]
async fn anon_sees_nothing() {
    let db = TestDb::new().await;
    TwoServers::create(&db.pool).await;
    for (table, _) in OF_A_SERVER {
        assert_eq!(
            attempt(&db.pool, "anon", None, &format!("select from {table}")).await,
            denied(),
            "{table}"
        );
    }
    for table in ["public.users", "public.server_admins", "public.billing_plans", "public.shards"] {
        assert_eq!(
            attempt(&db.pool, "anon", None, &format!("select from {table}")).await,
            denied(),
            "{table}"
        );
    }
}

#[tokio::test]
async fn a_partition_cannot_be_read_around_the_policies_of_its_parent() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    assert_refused_to_all(&db, &servers, "select from helpline.conversations_default").await;
    // Even with every privilege, as default privileges would give it, row security shows nothing.
    let mut transaction = db.pool.begin().await.expect("a transaction begins");
    for statement in [
        "grant usage on schema helpline to authenticated",
        "grant all on helpline.conversations_default to authenticated",
    ] {
        assert_eq!(outcome(&mut transaction, statement).await, Outcome::Rows(0));
    }
    become_user(&mut transaction, "authenticated", Some(servers.admin)).await;
    assert_eq!(
        outcome(&mut transaction, "select from helpline.conversations_default").await,
        Outcome::Rows(0)
    );
}

#[tokio::test]
async fn conversations_are_read_only_for_admins() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    assert_refused_to_all(&db, &servers, "update public.conversations set transcript = '[1]'").await;
    assert_refused_to_all(&db, &servers, "delete from public.conversations").await;
}

#[tokio::test]
async fn an_admin_works_on_the_tickets_of_his_server_and_no_other() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let as_admin = |statement| attempt(&db.pool, "authenticated", Some(servers.admin), statement);
    assert_eq!(
        as_admin("update public.forwarded_tickets set status = 'assigned', assigned_to = '9'").await,
        Outcome::Rows(1)
    );
    let theirs = format!(
        "update public.forwarded_tickets set status = 'resolved' where server_id = {}",
        servers.theirs
    );
    assert_eq!(as_admin(&theirs).await, Outcome::Rows(0));
    let moved = format!("update public.forwarded_tickets set server_id = {}", servers.theirs);
    assert_eq!(as_admin(&moved).await, denied());
    assert_eq!(as_admin("delete from public.forwarded_tickets").await, denied());
}

#[tokio::test]
async fn an_admin_keeps_the_documents_of_his_server_and_no_other() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let (pool, admin) = (&db.pool, Some(servers.admin));
    let as_admin = |statement: String| async move { attempt(pool, "authenticated", admin, &statement).await };
    let add = |server: i64, author: Uuid| {
        format!(
            "insert into public.knowledge_documents (server_id, title, content, file_type, created_by)
             values ({server}, 'Prices', 'It is free.', 'md', '{author}')"
        )
    };
    let documents = "public.knowledge_documents";
    let theirs = format!("where server_id = {}", servers.theirs);

    assert_eq!(as_admin(add(servers.ours, servers.admin)).await, Outcome::Rows(1));
    assert_eq!(as_admin(add(servers.theirs, servers.admin)).await, denied());
    assert_eq!(as_admin(add(servers.ours, servers.stranger)).await, denied(), "under another's name");
    assert_eq!(as_admin(format!("update {documents} set content = 'new'")).await, Outcome::Rows(1));
    assert_eq!(as_admin(format!("update {documents} set content = 'new' {theirs}")).await, Outcome::Rows(0));
    assert_eq!(as_admin(format!("update {documents} set server_id = {}", servers.theirs)).await, denied());
    assert_eq!(as_admin(format!("delete from {documents} {theirs}")).await, Outcome::Rows(0));
    assert_eq!(as_admin(format!("delete from {documents}")).await, Outcome::Rows(1));
}

/// Its passages carry the server's id too and would stay behind, in the answers of the old server.
#[tokio::test]
async fn not_even_an_admin_of_both_moves_a_document_or_ticket_to_another_server() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let appoint =
        format!("insert into public.server_admins values ({}, '{}')", servers.theirs, servers.admin);
    run(&db.pool, appoint).await;
    for table in ["public.knowledge_documents", "public.forwarded_tickets"] {
        let moved = format!("update {table} set server_id = {}", servers.theirs);
        assert_refused_to_all(&db, &servers, &moved).await;
    }
}

/// Guards tables that do not exist yet: one without row security, or open to anon, fails here.
#[tokio::test]
async fn every_table_denies_by_default() {
    let db = TestDb::new().await;
    let open: Vec<String> = sqlx::query_scalar(
        "select c.oid::regclass::text from pg_class c
         where c.relkind in ('r', 'p', 'v', 'm', 'f')
             and c.relnamespace in ('public'::regnamespace, 'helpline'::regnamespace)
             and (
                 not c.relrowsecurity
                 or has_any_column_privilege('anon', c.oid, 'select, insert, update, references')
                 or has_table_privilege('anon', c.oid, 'delete, truncate, trigger')
                 or has_table_privilege('authenticated', c.oid, 'truncate, trigger')
                 or (c.relnamespace = 'helpline'::regnamespace
                     and has_any_column_privilege('authenticated', c.oid, 'select, insert, update'))
             )",
    )
    .fetch_all(&db.pool)
    .await
    .expect("tables are listed");
    assert!(open.is_empty(), "open tables: {open:?}");
}

#[tokio::test]
async fn functions_with_more_rights_than_their_caller_are_hidden_and_pin_their_search_path() {
    let db = TestDb::new().await;
    let exposed: Vec<String> = sqlx::query_scalar(
        r#"select p.oid::regprocedure::text from pg_proc p
           where p.prosecdef
               and p.pronamespace not in ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
               and not (
                   p.pronamespace = 'helpline'::regnamespace
                   and coalesce(p.proconfig @> array['search_path=pg_catalog, pg_temp'], false)
                   and not has_function_privilege('anon', p.oid, 'execute')
                   and not has_function_privilege('authenticated', p.oid, 'execute')
               )"#,
    )
    .fetch_all(&db.pool)
    .await
    .expect("functions are listed");
    assert!(exposed.is_empty(), "exposed functions: {exposed:?}");
}

#[tokio::test]
async fn auth_uid_reads_both_forms_of_claims_and_takes_missing_and_empty_for_nobody() {
    let db = TestDb::new().await;
    let someone = Uuid::new_v4();
    let claims = format!(r#"{{"sub": "{someone}"}}"#);
    let someones_id = someone.to_string();
    let plain = Some(someones_id.as_str());
    let cases = [
        (None, None, None),
        (Some(""), Some(""), None),
        (Some("{}"), None, None),
        (Some(r#"{"sub": ""}"#), None, None),
        (Some("null"), None, None),
        (Some(claims.as_str()), None, Some(someone)),
        (None, plain, Some(someone)),
        (Some(""), plain, Some(someone)),
        (Some("{}"), plain, Some(someone)),
    ];
    for (json, sub, expected) in cases {
        let mut transaction = db.pool.begin().await.expect("a transaction begins");
        for (name, value) in [("request.jwt.claims", json), ("request.jwt.claim.sub", sub)] {
            if let Some(value) = value {
                sqlx::query("select set_config($1, $2, true)")
                    .bind(name)
                    .bind(value)
                    .execute(&mut *transaction)
                    .await
                    .expect("a setting is made");
            }
        }
        let uid: Option<Uuid> = sqlx::query_scalar("select auth.uid()")
            .fetch_one(&mut *transaction)
            .await
            .expect("auth.uid() answers");
        assert_eq!(uid, expected, "claims {json:?}, sub {sub:?}");
    }
}

async fn assert_refused_to_all(db: &TestDb, servers: &TwoServers, statement: &str) {
    for (role, user) in
        [("authenticated", Some(servers.admin)), ("authenticated", Some(servers.stranger)), ("anon", None)]
    {
        assert_eq!(attempt(&db.pool, role, user, statement).await, denied(), "{role} {user:?}: {statement}");
    }
}
