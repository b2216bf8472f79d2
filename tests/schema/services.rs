//! What helpline's own database users may do: all that their work needs, and no more.

use sqlx::PgPool;

use crate::support::{TestDb, run};
use crate::{Outcome, TwoServers, denied, outcome};

const SERVICES: [&str; 3] = ["helpline_worker", "helpline_proxy", "helpline_web"];

async fn attempt_all(pool: &PgPool, statements: &[&str]) -> Vec<Outcome> {
    let mut connection = pool.acquire().await.expect("a connection");
    let mut outcomes = Vec::new();
    for statement in statements {
        outcomes.push(outcome(&mut connection, statement).await);
    }
    outcomes
}

async fn assert_all_refused(pool: &PgPool, statements: &[&str]) {
    for (statement, outcome) in statements.iter().zip(attempt_all(pool, statements).await) {
        assert_eq!(outcome, denied(), "{statement}");
    }
}

/// A server on shard 3, added by the proxy, with a document.
async fn with_a_server(db: &TestDb) {
    let statement = "
        insert into public.servers (id, name) values (1, 'a server');
        insert into public.server_shards (server_id, shard_id) values (1, 3);
        insert into public.knowledge_documents (id, server_id, title, content, file_type)
        values ('00000000-0000-0000-0000-00000000000d', 1, 'Hours', 'Nine to five.', 'txt');";
    run(&db.pool, statement).await;
}

#[tokio::test]
async fn the_worker_claims_a_shard_and_answers() {
    let db = TestDb::new().await;
    with_a_server(&db).await;
    let statements = [
        // Membership and claim.
        "insert into helpline.workers (id, name) values ('00000000-0000-0000-0000-000000000001', 'w1')",
        "update helpline.workers set last_heartbeat = now(), draining = true",
        "insert into helpline.shard_assignments (shard_id, worker_id)
         values (3, '00000000-0000-0000-0000-000000000001')
         on conflict (shard_id) do update set worker_id = excluded.worker_id",
        "update helpline.shard_fences set epoch = epoch + 1, claim_token = gen_random_uuid() where shard_id = 3",
        "update public.shards set status = 'online', last_heartbeat = now() where id = 3",
        "update helpline.shard_streams set incarnation = 1, cursor_seq = 5 where shard_id = 3",
        // T1.
        "select from helpline.shard_fences where shard_id = 3 for share",
        "select from public.server_shards where server_id = 1 and shard_id = 3 for share",
        "insert into helpline.event_keys (key) values ('\\x01') on conflict do nothing",
        "insert into public.conversations (server_id, id, channel_id, thread_id, user_id, username, transcript)
         values (1, '00000000-0000-0000-0000-00000000000c', '2', '3', '4', 'ada', '[]')
         on conflict (server_id, thread_id) where thread_id is not null do nothing",
        "select from public.conversations where server_id = 1 for update",
        "update public.conversations set transcript = '[1]' where server_id = 1",
        "insert into helpline.answer_jobs (server_id, conversation_id, event_id, job)
         values (1, '00000000-0000-0000-0000-00000000000c', 'e', '{}') returning id",
        "insert into helpline.outbox (server_id, event_id, effect, request) values (1, 'e', 'answer', '{}')",
        // The answer, T2 and delivery.
        "insert into helpline.knowledge_passages (server_id, document_id, ordinal, content, lexemes)
         values (1, '00000000-0000-0000-0000-00000000000d', 0, 'Nine', to_tsvector('nine'))",
        "insert into helpline.knowledge_indexed (server_id, document_id, content_hash)
         values (1, '00000000-0000-0000-0000-00000000000d', '\\x01')",
        "select from helpline.knowledge_versions where server_id = 1",
        "delete from helpline.answer_jobs where server_id = 1",
        "update helpline.outbox set state = 'sent', sent_at = now() where server_id = 1",
        "insert into public.forwarded_tickets (server_id, conversation_id)
         values (1, '00000000-0000-0000-0000-00000000000c')",
        "insert into helpline.dead_letters (shard_id, stream_id, kind, error) values (3, '1-1', 'X', 'e')",
        "delete from helpline.outbox where server_id = 1",
        // What Discord tells of the server.
        "update public.servers set name = 'renamed', icon_url = 'i', active = true where id = 1",
        "insert into helpline.pending_admins (server_id, discord_id) values (1, '9')",
        "delete from helpline.pending_admins where server_id = 1",
    ];
    let outcomes = attempt_all(&db.role("helpline_worker"), &statements).await;
    for (statement, outcome) in statements.iter().zip(outcomes) {
        assert_eq!(outcome, Outcome::Rows(1), "{statement}");
    }
}

#[tokio::test]
async fn the_worker_reads_no_sign_ins_and_writes_nothing_that_is_not_its_work() {
    let db = TestDb::new().await;
    TwoServers::create(&db.pool).await;
    let statements = [
        "select from auth.users",
        "set role postgres",
        "insert into public.servers (id, name) values (7, 'mine')",
        "delete from public.servers",
        "update public.servers set plan_id = null",
        "delete from public.conversations",
        "select from helpline.conversations_default",
        "select avatar_url from public.users",
        "insert into public.users values (gen_random_uuid(), '1', 'x')",
        "insert into public.server_shards (server_id, shard_id) values (1, 1)",
        "delete from public.server_shards",
        "insert into public.shards (id) values (99)",
        "update public.shards set server_count = 5",
        "delete from helpline.shard_fences",
        "update helpline.knowledge_versions set version = 0",
        "select from public.subscriptions",
        "select from public.invoices",
        "update public.billing_plans set price = 0",
        "select helpline.add_servers(array[5])",
        "update public._sqlx_migrations set version = 0",
        "create table helpline.mine (id integer)",
    ];
    assert_all_refused(&db.role("helpline_worker"), &statements).await;
}

#[tokio::test]
async fn the_proxy_routes_and_adds_servers_and_sees_no_conversation() {
    let db = TestDb::new().await;
    with_a_server(&db).await;
    let proxy = db.role("helpline_proxy");
    let allowed = [
        "select id, active, config, config_version, updated_at from public.servers",
        "select server_id, shard_id from public.server_shards",
        "select from helpline.add_servers(array[5])",
        "insert into public.servers (id, name) values (6, 'Server 6') on conflict (id) do nothing",
        "insert into public.server_shards (server_id, shard_id) values (6, 0) on conflict (server_id) do nothing",
    ];
    for (statement, outcome) in allowed.iter().zip(attempt_all(&proxy, &allowed).await) {
        assert_eq!(outcome, Outcome::Rows(1), "{statement}");
    }
    let shards = format!("select id from public.shards where id < {}", crate::support::SHARDS);
    assert_eq!(attempt_all(&proxy, &[&shards]).await, [Outcome::Rows(crate::support::SHARDS.into())]);
    let refused = [
        "select from public.conversations",
        "select from helpline.conversations_default",
        "select from public.knowledge_documents",
        "select from public.forwarded_tickets",
        "select from public.users",
        "select from auth.users",
        "select name from public.servers",
        "update public.servers set config = '{}'",
        "insert into public.servers (id, name, plan_id) values (8, 'x', gen_random_uuid())",
        "delete from public.servers",
        "update public.server_shards set shard_id = 1",
        "delete from public.server_shards",
        "select from helpline.outbox",
        "select from helpline.answer_jobs",
        "update helpline.shard_fences set epoch = 9",
        "insert into public.server_admins values (1, gen_random_uuid())",
    ];
    assert_all_refused(&proxy, &refused).await;
}

#[tokio::test]
async fn the_web_role_keeps_billing_and_sees_no_conversation() {
    let db = TestDb::new().await;
    TwoServers::create(&db.pool).await;
    let web = db.role("helpline_web");
    let allowed = [
        "update public.servers set plan_id = (select id from public.billing_plans) where id = 1100000000000000001",
        "update public.subscriptions set status = 'canceled' where server_id = 1100000000000000001",
        "update public.invoices set status = 'paid', paid_at = now() where server_id = 1100000000000000001",
    ];
    for (statement, outcome) in allowed.iter().zip(attempt_all(&web, &allowed).await) {
        assert_eq!(outcome, Outcome::Rows(1), "{statement}");
    }
    let refused = [
        "select from public.conversations",
        "select from public.knowledge_documents",
        "select config from public.servers",
        "update public.servers set config = '{}'",
        "select from auth.users",
        "delete from public.invoices",
        "insert into public.server_admins values (1, gen_random_uuid())",
        "select from helpline.outbox",
    ];
    assert_all_refused(&web, &refused).await;
}

#[tokio::test]
async fn no_service_user_stands_above_row_security() {
    let db = TestDb::new().await;
    let above: Vec<String> = sqlx::query_scalar(
        "select rolname::text from pg_roles
         where rolname = any ($1)
             and (rolsuper or rolbypassrls or rolcreaterole or rolcreatedb or rolreplication or not rolcanlogin
                 or exists (select from pg_auth_members m where m.member = pg_roles.oid))",
    )
    .bind(&SERVICES[..])
    .fetch_all(&db.pool)
    .await
    .expect("roles are listed");
    assert!(above.is_empty(), "{above:?}");
}

#[tokio::test]
async fn service_users_plan_each_query_for_its_own_server() {
    let db = TestDb::new().await;
    for role in SERVICES {
        let mode: String = sqlx::query_scalar("select current_setting('plan_cache_mode')")
            .fetch_one(&db.role(role))
            .await
            .expect("the setting is read");
        assert_eq!(mode, "force_custom_plan", "{role}");
    }
}
