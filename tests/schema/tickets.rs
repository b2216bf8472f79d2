//! The lawful ways of a ticket: the same table in Rust and in SQL, and a conversation that follows.

use std::time::Duration;

use helpline::conversation::state::Status;
use helpline::conversation::store;
use helpline::conversation::ticket::TRANSITIONS;
use helpline::server_config::Patience;
use helpline_cluster::fence::{Fence, FencedTx};
use helpline_cluster::ids::{Epoch, ServerId, ShardId, WorkerId};
use serde_json::Value;
use sqlx::PgPool;
use sqlx::postgres::PgListener;
use uuid::Uuid;

use crate::support::{TestDb, run};
use crate::{Outcome, TwoServers, attempt, become_user, outcome};

type Row = (String, Option<String>, String, String, String, String, String, Vec<String>);

#[tokio::test]
async fn the_state_machine_and_the_trigger_know_the_same_transitions() {
    let db = TestDb::new().await;
    let mut in_sql: Vec<Row> = sqlx::query_as(
        "select name, from_status, to_status, assigned_to, resolved_at, resolution_notes, conversation_status, actors
         from helpline.ticket_transitions",
    )
    .fetch_all(&db.pool)
    .await
    .expect("transitions are listed");
    let mut in_rust: Vec<Row> = TRANSITIONS
        .iter()
        .map(|step| {
            let set = |is: bool| if is { "set" } else { "cleared" }.to_owned();
            let mut actors = vec!["helpline_worker".to_owned(), "service_role".to_owned()];
            actors.extend(step.by_dashboards.then(|| "authenticated".to_owned()));
            (
                step.name.to_owned(),
                step.from.map(|status| status.as_str().to_owned()),
                step.to.as_str().to_owned(),
                set(step.names_somebody),
                set(step.resolves()),
                if step.resolves() { "optional" } else { "cleared" }.to_owned(),
                step.conversation.as_str().to_owned(),
                actors,
            )
        })
        .collect();
    in_sql.sort();
    in_rust.sort();
    assert_eq!(in_sql, in_rust);
}

async fn conversation(pool: &PgPool, server: i64) -> (String, bool) {
    sqlx::query_as("select status, completed_at is not null from public.conversations where server_id = $1")
        .bind(server)
        .fetch_one(pool)
        .await
        .expect("the conversation is there")
}

/// A change of our ticket by its admin, committed.
async fn change(db: &TestDb, servers: &TwoServers, change: &str) -> Outcome {
    let mut transaction = db.pool.begin().await.expect("a transaction begins");
    become_user(&mut transaction, "authenticated", Some(servers.admin)).await;
    let outcome = outcome(&mut transaction, &format!("update public.forwarded_tickets set {change}")).await;
    if matches!(outcome, Outcome::Rows(_)) {
        transaction.commit().await.expect("it commits");
    }
    outcome
}

#[tokio::test]
async fn the_conversation_follows_its_ticket_wherever_a_dashboard_takes_it() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    for (step, status, completed) in [
        ("status = 'assigned', assigned_to = '9'", "forwarded", false),
        ("assigned_to = '10'", "forwarded", false),
        ("status = 'resolved', resolution_notes = 'Told him.'", "completed", true),
        ("resolution_notes = 'Told her.'", "completed", true),
        ("status = 'assigned'", "forwarded", false),
        ("status = 'pending'", "forwarded", false),
        ("status = 'resolved'", "active", false),
        ("status = 'pending'", "forwarded", false),
        ("status = 'resolved', assigned_to = '9'", "completed", true),
    ] {
        assert_eq!(change(&db, &servers, step).await, Outcome::Rows(1), "{step}");
        assert_eq!(conversation(&db.pool, servers.ours).await, (status.to_owned(), completed), "{step}");
    }
    let (theirs, _) = conversation(&db.pool, servers.theirs).await;
    assert_eq!(theirs, "active", "nobody touched their ticket");
}

#[tokio::test]
async fn a_conversation_is_forwarded_as_long_as_one_of_its_tickets_is_open() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    run(
        &db.pool,
        format!(
            "insert into public.forwarded_tickets (server_id, conversation_id, assigned_to, status)
             select server_id, conversation_id, '9', 'assigned' from public.forwarded_tickets
             where server_id = {}",
            servers.ours
        ),
    )
    .await;
    // The two are resolved at the same time: the second waits for the first and sees what it did.
    let resolve = |status: &'static str| {
        let change = format!(
            "update public.forwarded_tickets set status = 'resolved', assigned_to = '9'
             where status = '{status}' and server_id = {}",
            servers.ours
        );
        let pool = db.pool.clone();
        async move { run(&pool, change).await }
    };
    assert_eq!(change(&db, &servers, "status = status").await, Outcome::Rows(2));
    run(
        &db.pool,
        format!("update public.conversations set status = 'forwarded' where server_id = {}", servers.ours),
    )
    .await;
    let mut first = db.pool.begin().await.expect("a transaction begins");
    let one =
        "update public.forwarded_tickets set status = 'resolved', assigned_to = '9' where status = 'pending'";
    assert_eq!(outcome(&mut first, one).await, Outcome::Rows(2), "theirs too");
    let second = tokio::spawn(resolve("assigned"));
    somebody_waits_for_a_lock(&db).await;
    first.commit().await.expect("it commits");
    second.await.expect("the second is done");
    assert_eq!(conversation(&db.pool, servers.ours).await, ("completed".to_owned(), true));
}

async fn somebody_waits_for_a_lock(db: &TestDb) {
    crate::support::eventually("a session waits for a lock", async || {
        let waiting: bool = sqlx::query_scalar(
            "select exists (select from pg_stat_activity
             where datname = current_database() and wait_event_type = 'Lock')",
        )
        .fetch_one(&db.pool)
        .await
        .expect("sessions are listed");
        waiting.then_some(())
    })
    .await;
}

/// The shard of ours, owned by somebody.
async fn owned(db: &TestDb, servers: &TwoServers) -> Fence {
    let fence = Fence {
        shard: ShardId::from_db(3),
        epoch: Epoch::from_db(1),
        claim_token: Uuid::new_v4(),
        owner: WorkerId::random(),
    };
    run(
        &db.pool,
        format!(
            "insert into public.server_shards (server_id, shard_id) values ({}, 3);
             update helpline.shard_fences set epoch = 1, claim_token = '{}', owner = '{}' where shard_id = 3",
            servers.ours,
            fence.claim_token,
            fence.owner.db()
        ),
    )
    .await;
    fence
}

/// The owner would otherwise write back the status that it read before the dashboard's step.
#[tokio::test]
async fn a_dashboard_waits_for_an_owner_that_is_deciding_and_has_the_last_word() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let fence = owned(&db, &servers).await;
    run(&db.pool, "update public.conversations set status = 'forwarded'").await;
    let id: Uuid = sqlx::query_scalar("select id from public.conversations where server_id = $1")
        .bind(servers.ours)
        .fetch_one(&db.pool)
        .await
        .expect("the conversation is there");
    let server = ServerId::from_db(servers.ours);
    let worker = db.role("helpline_worker");

    let mut owner = FencedTx::begin(&worker, &fence).await.expect("the fence is held");
    let conversation_read =
        store::load(&mut owner, server, id).await.expect("it reads").expect("it is there");
    assert_eq!(conversation_read.status, Status::Forwarded);
    let pool = db.pool.clone();
    let resolve = format!(
        "update public.forwarded_tickets set status = 'resolved', assigned_to = '9' where server_id = {}",
        servers.ours
    );
    let dashboard = tokio::spawn(async move { run(&pool, resolve).await });
    somebody_waits_for_a_lock(&db).await;
    store::save(&mut owner, server, &conversation_read, "ada", Patience::default())
        .await
        .expect("it is saved");
    owner.commit().await.expect("it commits");
    dashboard.await.expect("the dashboard is done");
    assert_eq!(conversation(&db.pool, servers.ours).await, ("completed".to_owned(), true));
}

#[tokio::test]
async fn a_backend_that_opens_and_removes_a_ticket_takes_the_conversation_along() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let as_backend = async |statement: &str| {
        let mut transaction = db.pool.begin().await.expect("a transaction begins");
        become_user(&mut transaction, "service_role", None).await;
        assert_eq!(outcome(&mut transaction, statement).await, Outcome::Rows(1), "{statement}");
        transaction.commit().await.expect("it commits");
    };
    let remove = format!("delete from public.forwarded_tickets where server_id = {}", servers.ours);
    as_backend(&remove).await;
    let open = format!(
        "insert into public.forwarded_tickets (server_id, conversation_id)
         select server_id, id from public.conversations where server_id = {}",
        servers.ours
    );
    as_backend(&open).await;
    assert_eq!(conversation(&db.pool, servers.ours).await, ("forwarded".to_owned(), false));
    as_backend(&remove).await;
    assert_eq!(conversation(&db.pool, servers.ours).await, ("active".to_owned(), false));
}

#[tokio::test]
async fn a_step_is_told_to_the_owner_with_ids_as_strings_and_opening_by_a_worker_is_not() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let mut listener = PgListener::connect_with(&db.pool).await.expect("a listener connects");
    listener.listen("forwarded_ticket_changed").await.expect("it listens");
    let open = format!(
        "insert into public.forwarded_tickets (server_id, conversation_id)
         select server_id, id from public.conversations where server_id = {}",
        servers.theirs
    );
    run(&db.role("helpline_worker"), open).await;
    assert_eq!(change(&db, &servers, "resolution_notes = null").await, Outcome::Rows(1), "no step at all");
    assert_eq!(change(&db, &servers, "status = 'assigned', assigned_to = '9'").await, Outcome::Rows(1));
    let heard = tokio::time::timeout(Duration::from_secs(20), listener.recv())
        .await
        .expect("a notification arrives in time")
        .expect("the listener stays connected");
    let told: Value = serde_json::from_str(heard.payload()).expect("the payload is JSON");
    assert_eq!(told["server_id"], Value::from(servers.ours.to_string()), "the first to be told is the claim");
    assert_eq!((&told["transition"], &told["status"]), (&Value::from("claim"), &Value::from("assigned")));
    assert!(told["ticket_id"].is_string() && told["conversation_id"].is_string(), "{told}");
}

#[tokio::test]
async fn an_unlawful_step_is_refused_with_a_code_and_the_lawful_ones_from_there() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let unlawful = "update public.forwarded_tickets set status = 'assigned'";
    assert_eq!(
        attempt(&db.pool, "authenticated", Some(servers.admin), unlawful).await,
        Outcome::Refused("HL001".to_owned())
    );
    let error = sqlx::query(unlawful).execute(&db.pool).await.expect_err("the owner is refused as well");
    let error = error.as_database_error().expect("by the database");
    assert_eq!(error.message(), "a ticket does not go from pending to assigned with assigned_to cleared");
    let hint = error.downcast_ref::<sqlx::postgres::PgDatabaseError>().hint().expect("a hint");
    assert!(hint.contains("claim (status assigned, assigned_to set)"), "{hint}");
}

#[tokio::test]
async fn whoever_changes_a_ticket_leaves_an_effect_for_its_owner_and_not_without_bound() {
    let db = TestDb::new().await;
    let servers = TwoServers::create(&db.pool).await;
    let waiting = async || -> i64 {
        sqlx::query_scalar(
            "select count(*) from helpline.outbox o join public.forwarded_tickets t on t.server_id = o.server_id
                 and t.conversation_id = o.conversation_id and o.request = jsonb_build_object('do', 'show_ticket', 'ticket', t.id)
             where o.server_id = $1 and o.effect = 'ticket' and o.state = 'pending'",
        )
        .bind(servers.ours)
        .fetch_one(&db.pool)
        .await
        .expect("it is counted")
    };
    assert_eq!(change(&db, &servers, "status = status, resolution_notes = null").await, Outcome::Rows(1));
    assert_eq!(waiting().await, 0, "nothing has changed");
    assert_eq!(change(&db, &servers, "status = 'resolved', assigned_to = '9'").await, Outcome::Rows(1));
    assert_eq!(change(&db, &servers, "resolution_notes = 'Told her.'").await, Outcome::Rows(1));
    assert_eq!(waiting().await, 2, "notes are shown too");
    // A dashboard gone wild; each of its statements is a transaction of its own.
    for n in 0..60 {
        let notes = format!("resolution_notes = '{n}'");
        assert_eq!(change(&db, &servers, &notes).await, Outcome::Rows(1));
    }
    assert_eq!(waiting().await, 50);
    let others: i64 = sqlx::query_scalar("select count(*) from helpline.outbox where server_id <> $1")
        .bind(servers.ours)
        .fetch_one(&db.pool)
        .await
        .expect("it is counted");
    assert_eq!(others, 0);
}
