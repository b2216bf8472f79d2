//! What triggers and constraints keep true.

use std::time::Duration;

use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgListener;

use crate::support::{TestDb, run};

const SERVER: i64 = 1_234_567_890_123_456_789;

async fn add_server(pool: &PgPool) {
    run(pool, format!("insert into public.servers (id, name) values ({SERVER}, 'a server')")).await;
}

async fn listen(pool: &PgPool) -> PgListener {
    let mut listener = PgListener::connect_with(pool).await.expect("a listener connects");
    listener.listen("server_config_changed").await.expect("it listens");
    listener
}

async fn heard(listener: &mut PgListener) -> Value {
    let notification = tokio::time::timeout(Duration::from_secs(20), listener.recv())
        .await
        .expect("a notification arrives in time")
        .expect("the listener stays connected");
    assert!(notification.payload().len() < 8000);
    serde_json::from_str(notification.payload()).expect("the payload is JSON")
}

async fn set_config(pool: &PgPool, config: &Value) {
    let updated = sqlx::query!("update public.servers set config = $2 where id = $1", SERVER, config)
        .execute(pool)
        .await
        .expect("the config updates");
    assert_eq!(updated.rows_affected(), 1);
}

async fn config_version(pool: &PgPool) -> i64 {
    sqlx::query_scalar("select config_version from public.servers where id = $1")
        .bind(SERVER)
        .fetch_one(pool)
        .await
        .expect("the server has a version")
}

#[tokio::test]
async fn a_config_of_64_kb_updates_and_its_listeners_are_told_to_look() {
    let db = TestDb::new().await;
    add_server(&db.pool).await;
    let mut listener = listen(&db.pool).await;
    set_config(&db.pool, &json!({ "system_prompt": "x".repeat(64 * 1024) })).await;
    let payload = heard(&mut listener).await;
    assert_eq!(payload["server_id"], json!(SERVER.to_string()));
    assert_eq!(payload["config"], Value::Null);
    assert_eq!(payload["config_version"], json!(config_version(&db.pool).await));
}

#[tokio::test]
async fn a_small_config_change_tells_its_listeners_the_config() {
    let db = TestDb::new().await;
    add_server(&db.pool).await;
    let mut listener = listen(&db.pool).await;
    let before = config_version(&db.pool).await;
    let config = json!({ "enabled": true, "channels": ["1"] });
    set_config(&db.pool, &config).await;
    let after = config_version(&db.pool).await;
    assert!(after > before, "{before} -> {after}");
    assert_eq!(
        heard(&mut listener).await,
        json!({
            "server_id": SERVER.to_string(), "config": config, "active": true, "config_version": after,
            "operation": "update"
        })
    );
}

/// The limit is in bytes: the second text has half as many characters.
#[tokio::test]
async fn no_config_is_too_large_to_update_around_the_limit_of_a_notification() {
    let db = TestDb::new().await;
    add_server(&db.pool).await;
    let mut listener = listen(&db.pool).await;
    let (mut with_config, mut without) = (0, 0);
    for letter in ["x", "ü"] {
        for bytes in (7_850..8_010).step_by(2) {
            set_config(&db.pool, &json!({ "p": letter.repeat(bytes / letter.len()) })).await;
            if heard(&mut listener).await["config"].is_null() { without += 1 } else { with_config += 1 }
        }
    }
    assert!(with_config > 10 && without > 10, "{with_config} with the config, {without} without");
}

#[tokio::test]
async fn joining_leaving_a_plan_and_removal_are_told_and_a_new_name_is_not() {
    let db = TestDb::new().await;
    run(&db.pool, "insert into public.billing_plans (name, price, interval) values ('Pro', 1, 'yearly')")
        .await;
    let mut listener = listen(&db.pool).await;
    let mut last = 0;
    for (statement, operation) in [
        (format!("insert into public.servers (id, name) values ({SERVER}, 'a server')"), "insert"),
        ("update public.servers set active = false".to_owned(), "update"),
        ("update public.servers set plan_id = (select id from public.billing_plans)".to_owned(), "update"),
        ("update public.servers set name = 'new', config = config".to_owned(), "nothing"),
        (format!("delete from public.servers where id = {SERVER}"), "delete"),
        (format!("insert into public.servers (id, name) values ({SERVER}, 'again')"), "insert"),
    ] {
        run(&db.pool, statement).await;
        if operation == "nothing" {
            continue;
        }
        let payload = heard(&mut listener).await;
        assert_eq!(payload["operation"], json!(operation));
        assert_eq!(payload["server_id"], json!(SERVER.to_string()));
        let version = payload["config_version"].as_i64().expect("a version");
        assert!(version > last, "{operation}: {last} -> {version}");
        last = version;
    }
}

#[tokio::test]
async fn a_config_version_cannot_be_set_by_hand() {
    let db = TestDb::new().await;
    add_server(&db.pool).await;
    let before = config_version(&db.pool).await;
    run(&db.pool, "update public.servers set config_version = 999999").await;
    assert_eq!(config_version(&db.pool).await, before);
}

#[tokio::test]
async fn updated_at_moves_with_every_change_on_every_table_that_has_it() {
    let db = TestDb::new().await;
    let without_trigger: Vec<String> = sqlx::query_scalar(
        "select a.attrelid::regclass::text from pg_attribute a
         join pg_class c on c.oid = a.attrelid and c.relkind in ('r', 'p') and not c.relispartition
         where a.attname = 'updated_at'
             and c.relnamespace in ('public'::regnamespace, 'helpline'::regnamespace)
             and not exists (
                 select from pg_trigger t
                 where t.tgrelid = a.attrelid and t.tgfoid = 'public.set_updated_at'::regproc
             )",
    )
    .fetch_all(&db.pool)
    .await
    .expect("columns are listed");
    assert!(without_trigger.is_empty(), "updated_at stands still in {without_trigger:?}");

    crate::TwoServers::create(&db.pool).await;
    for (table, change) in [
        ("public.users", "discord_username = 'new'"),
        ("public.servers", "name = 'new'"),
        ("public.knowledge_documents", "title = 'new'"),
        ("public.conversations", "status = 'completed'"),
        ("public.shards", "status = 'online'"),
        ("public.billing_plans", "description = 'new'"),
        ("public.subscriptions", "status = 'canceled'"),
        ("public.invoices", "status = 'void'"),
        ("public.analytics", "total_queries = 1"),
    ] {
        let statement = format!(
            "update {table} set {change}, updated_at = '2000-01-01';
             do $$ begin
                 if exists (select from {table} where updated_at < now() - interval '1 minute') then
                     raise exception 'updated_at of {table} did not move';
                 end if;
             end $$"
        );
        run(&db.pool, statement).await;
    }
}

#[tokio::test]
async fn a_conversation_of_a_server_never_seen_before_inserts() {
    let db = TestDb::new().await;
    add_server(&db.pool).await;
    let id = sqlx::query_scalar!(
        "insert into public.conversations (server_id, channel_id, user_id, username, transcript)
         values ($1, '1', '2', 'ada', '[]') returning id",
        SERVER
    )
    .fetch_one(&db.pool)
    .await
    .expect("the conversation inserts");
    let found = sqlx::query_scalar!(
        "select status from public.conversations where server_id = $1 and id = $2",
        SERVER,
        id
    )
    .fetch_one(&db.pool)
    .await
    .expect("it is found");
    assert_eq!(found, "active");
}

#[tokio::test]
async fn a_thread_is_one_conversation() {
    let db = TestDb::new().await;
    add_server(&db.pool).await;
    let insert = |thread: &str| {
        format!(
            "insert into public.conversations (server_id, channel_id, thread_id, user_id, username, transcript)
             values ({SERVER}, '1', {thread}, '2', 'ada', '[]')
             on conflict (server_id, thread_id) where thread_id is not null do nothing"
        )
    };
    for thread in ["'7'", "'7'", "'8'", "null", "null"] {
        run(&db.pool, insert(thread)).await;
    }
    let count: i64 = sqlx::query_scalar("select count(*) from public.conversations")
        .fetch_one(&db.pool)
        .await
        .expect("conversations are counted");
    assert_eq!(count, 4);
}

#[tokio::test]
async fn a_ticket_belongs_to_a_conversation_of_its_own_server() {
    let db = TestDb::new().await;
    let servers = crate::TwoServers::create(&db.pool).await;
    let crossed = format!(
        "insert into public.forwarded_tickets (server_id, conversation_id)
         select {}, id from public.conversations where server_id = {}",
        servers.ours, servers.theirs
    );
    let mut connection = db.pool.acquire().await.expect("a connection");
    let foreign_key_violation = crate::Outcome::Refused("23503".to_owned());
    assert_eq!(crate::outcome(&mut connection, &crossed).await, foreign_key_violation);
}

#[tokio::test]
async fn every_change_of_documents_raises_the_version_of_their_server_once() {
    let db = TestDb::new().await;
    add_server(&db.pool).await;
    let mut expected = 0;
    for statement in [
        "insert into public.knowledge_documents (server_id, title, content, file_type)
         select id, n::text, 'text', 'txt' from public.servers, generate_series(1, 5) n",
        "update public.knowledge_documents set content = 'other text'",
        "update public.knowledge_documents set title = 'title' where title = '1'",
        "delete from public.knowledge_documents where title = '2'",
    ] {
        run(&db.pool, statement).await;
        expected += 1;
        let version = sqlx::query_scalar!(
            "select version from helpline.knowledge_versions where server_id = $1",
            SERVER
        )
        .fetch_one(&db.pool)
        .await
        .expect("the server has a version");
        assert_eq!(version, expected, "{statement}");
    }
    run(&db.pool, "update public.knowledge_documents set title = 'x' where false").await;
    // Its documents go with it, and raise no version of a server that is gone.
    run(&db.pool, "delete from public.servers").await;
    let left: i64 = sqlx::query_scalar("select count(*) from helpline.knowledge_versions")
        .fetch_one(&db.pool)
        .await
        .expect("versions are counted");
    assert_eq!(left, 0);
}
