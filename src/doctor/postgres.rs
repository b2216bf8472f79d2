//! Looks at Postgres: what it is, whether our schema is whole and closed, whether notifications and session locks work.

use std::time::{Duration, Instant};

use serde::Deserialize;
use sqlx::postgres::PgListener;
use sqlx::types::Json;
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use super::{Deployment, Finding, Notes, PATIENCE, Verdict, now_us};
use crate::migrate;
use crate::status::{Source, Store, explain};

/// The oldest that tests run on.
const OLDEST: i32 = 150_000;
const MIGRATE: &str = "run `helpline migrate` as the owner of the schema";
/// Postgres stops at two thousand million to protect its data.
const OLD_TRANSACTIONS: i64 = 1_000_000_000;

#[derive(Debug, Deserialize)]
struct Facts {
    version_num: i32,
    version: String,
    user: String,
    is_replica: bool,
    encoding: String,
    fsync: String,
    full_page_writes: String,
    synchronous_commit: String,
    autovacuum: String,
    max_connections: i64,
    connections: i64,
    age_of_transactions: i64,
    extensions: Vec<String>,
    roles: Vec<Role>,
    schema_open_to: Vec<String>,
    tables: i64,
    tables_without_row_security: Vec<String>,
    invalid_indexes: Vec<String>,
    triggers_off: Vec<String>,
    notify_triggers: i64,
    swollen: Vec<String>,
    clock_us: i64,
}

#[derive(Debug, Deserialize)]
struct Role {
    name: String,
    exists: bool,
    may_login: bool,
    sees_all_rows: bool,
    plans_anew: bool,
}

pub(super) async fn examine(deployment: &Deployment) -> Vec<Finding> {
    let mut notes = Notes::of("postgres");
    let Some(url) = &deployment.database_url else {
        notes.warn("connection", "not looked at: DATABASE_URL is not set", "set it and run this again");
        return notes.findings;
    };
    let mut connection = match timeout(PATIENCE, PgConnection::connect(url)).await {
        Ok(Ok(connection)) => connection,
        Ok(Err(error)) => {
            notes.broken("connection", explain::postgres(&error), "mend this first");
            return notes.findings;
        }
        Err(_) => {
            let why = explain::silent("Postgres", "DATABASE_URL", PATIENCE);
            notes.broken("connection", why, "mend this first");
            return notes.findings;
        }
    };
    let (asked_us, asked_at) = (now_us(), Instant::now());
    let facts = timeout(PATIENCE, async {
        let facts: Json<Facts> =
            sqlx::query_file_scalar!("src/doctor/sql/facts.sql").fetch_one(&mut connection).await?;
        Ok::<_, sqlx::Error>(facts.0)
    });
    let facts = match facts.await {
        Ok(Ok(facts)) => facts,
        Ok(Err(error)) => {
            notes.broken("catalog", explain::postgres(&error), "mend this first");
            return notes.findings;
        }
        Err(_) => {
            notes.broken("catalog", "no answer in time", "look at its load, then run this again");
            return notes.findings;
        }
    };
    let took = asked_at.elapsed();
    notes.ok("connection", format!("answers as user {}, {} ms", facts.user, took.as_millis()));
    server(&mut notes, &facts);
    roles(&mut notes, &facts);
    schema(&mut notes, &facts, &mut connection).await;
    let session_url = deployment.session_url.as_ref().unwrap_or(url);
    notifications(&mut notes, &mut connection, session_url).await;
    session_locks(&mut notes, &mut connection, session_url).await;
    let mut clocks = Notes::of("clocks");
    let middle = asked_us + i64::try_from(took.as_micros() / 2).unwrap_or_default();
    clocks.clock("postgres", facts.clock_us - middle, took / 2);
    let mut found = notes.findings;
    found.extend(clocks.findings);
    found.extend(cluster(url, deployment).await);
    found
}

fn server(notes: &mut Notes, facts: &Facts) {
    let old = if facts.version_num < OLDEST { Verdict::Broken } else { Verdict::Ok };
    notes.judge("version", old, &facts.version, "Helpline needs PostgreSQL 15 or newer: upgrade it");
    let replica = if facts.is_replica { Verdict::Broken } else { Verdict::Ok };
    let seen = if facts.is_replica { "a replica, which takes no writes" } else { "takes writes" };
    notes.judge("writes", replica, seen, "let DATABASE_URL name the primary");
    let encoding = if facts.encoding == "UTF8" { Verdict::Ok } else { Verdict::Broken };
    notes.judge(
        "encoding",
        encoding,
        &facts.encoding,
        "create the database anew with encoding 'UTF8', and restore into it",
    );
    let has_language = facts.extensions.iter().any(|extension| extension == "plpgsql");
    let verdict = if has_language { Verdict::Ok } else { Verdict::Broken };
    notes.judge(
        "extensions",
        verdict,
        facts.extensions.join(", "),
        "as a superuser: create extension plpgsql",
    );
    let unsafe_settings: Vec<String> = [
        ("fsync", &facts.fsync),
        ("full_page_writes", &facts.full_page_writes),
        ("synchronous_commit", &facts.synchronous_commit),
    ]
    .into_iter()
    .filter(|(_, value)| *value == "off")
    .map(|(name, _)| format!("{name} = off"))
    .collect();
    match unsafe_settings.is_empty() {
        true => notes.ok("durability", "what is committed outlives a crash"),
        false => notes.warn(
            "durability",
            unsafe_settings.join(", "),
            "what was committed may be lost in a crash, and events with it: set them back to on",
        ),
    }
    let vacuums = facts.autovacuum == "on" && facts.swollen.is_empty();
    let seen = match facts.swollen.as_slice() {
        _ if facts.autovacuum != "on" => "autovacuum = off".to_owned(),
        [] => "keeps up".to_owned(),
        tables => format!("many dead rows in {}", tables.join(", ")),
    };
    let verdict = if vacuums { Verdict::Ok } else { Verdict::Warning };
    notes.judge("vacuum", verdict, seen, "set autovacuum on; look for transactions that stay open (pg_stat_activity), then vacuum these tables");
    let old = if facts.age_of_transactions > OLD_TRANSACTIONS { Verdict::Broken } else { Verdict::Ok };
    let seen = format!("oldest is {} transactions ago", facts.age_of_transactions);
    notes.judge("transaction ids", old, seen, "run vacuum freeze, before Postgres refuses all writes");
    let full = facts.connections * 10 > facts.max_connections * 8;
    let seen = format!("{} of {} in use", facts.connections, facts.max_connections);
    let verdict = if full { Verdict::Warning } else { Verdict::Ok };
    notes.judge(
        "connections",
        verdict,
        seen,
        "raise max_connections, lower DATABASE_POOL, or put a pooler before it",
    );
}

fn roles(notes: &mut Notes, facts: &Facts) {
    for role in &facts.roles {
        let (verdict, seen, to_do) = match role {
            Role { exists: false, .. } => (Verdict::Broken, "is missing", MIGRATE.to_owned()),
            Role { may_login: false, .. } => {
                (Verdict::Warning, "may not sign in", format!("alter role {} login", role.name))
            }
            Role { sees_all_rows: true, .. } => (
                Verdict::Broken,
                "is a superuser or has bypassrls: row security does not bind it",
                format!("alter role {} nosuperuser nobypassrls", role.name),
            ),
            Role { plans_anew: false, .. } => (
                Verdict::Warning,
                "its queries lock every partition of conversations",
                format!("as a superuser: alter role {} set plan_cache_mode = force_custom_plan", role.name),
            ),
            Role { .. } => (Verdict::Ok, "is as it should be", String::new()),
        };
        notes.judge("role", verdict, format!("{} {seen}", role.name), to_do);
    }
}

async fn schema(notes: &mut Notes, facts: &Facts, connection: &mut PgConnection) {
    let version = migrate::version();
    match migrate::check_connection(connection).await {
        Ok(()) => notes.ok("migrations", format!("complete, at {version} or newer")),
        Err(error) => notes.broken("migrations", error.to_string(), MIGRATE),
    }
    let open = &facts.tables_without_row_security;
    match (open.is_empty(), facts.tables) {
        (true, 0) => notes.broken("row security", "there are no tables of Helpline", MIGRATE),
        (true, tables) => notes.ok("row security", format!("on, on all {tables} tables")),
        (false, _) => notes.broken(
            "row security",
            format!("off on {}", open.join(", ")),
            format!("alter table {} enable row level security, each of them", open[0]),
        ),
    }
    let to = facts.schema_open_to.join(", ");
    match to.is_empty() {
        true => notes.ok("internal schema", "closed to dashboards"),
        false => {
            notes.broken(
                "internal schema",
                format!("helpline is open to {to}"),
                format!("revoke usage on schema helpline from {to}"),
            );
        }
    }
    let wrong = |names: &[String], fine: &str| {
        (
            if names.is_empty() { Verdict::Ok } else { Verdict::Broken },
            if names.is_empty() { fine.to_owned() } else { names.join(", ") },
        )
    };
    let (verdict, seen) = wrong(&facts.invalid_indexes, "all valid");
    notes.judge("indexes", verdict, seen, format!("drop these, then {MIGRATE}"));
    let (verdict, seen) = wrong(&facts.triggers_off, "all on");
    notes.judge("triggers", verdict, seen, "alter table … enable trigger …");
    let notifies = if facts.notify_triggers == 3 { Verdict::Ok } else { Verdict::Broken };
    let seen = format!("{} of 3 triggers of configs", facts.notify_triggers);
    notes.judge("notify triggers", notifies, seen, MIGRATE);
}

/// From one connection to the other, as a change of a config goes.
async fn notifications(notes: &mut Notes, connection: &mut PgConnection, session_url: &str) {
    let channel = format!("helpline_doctor_{:016x}", fastrand::u64(..));
    let heard = async {
        let mut listener = PgListener::connect(session_url).await?;
        listener.listen(&channel).await?;
        let sent = Instant::now();
        sqlx::query!("select pg_notify($1, 'doctor')::text as notified", channel)
            .fetch_one(&mut *connection)
            .await?;
        listener.recv().await?;
        Ok::<Duration, sqlx::Error>(sent.elapsed())
    };
    match timeout(PATIENCE, heard).await {
        Ok(Ok(took)) => notes.ok("notifications", format!("arrive, after {} ms", took.as_millis())),
        Ok(Err(error)) => notes.broken(
            "notifications",
            explain::postgres(&error),
            "let DATABASE_SESSION_URL name Postgres itself",
        ),
        Err(_) => notes.warn(
            "notifications",
            format!("none arrived within {PATIENCE:?}"),
            "DATABASE_SESSION_URL leads through a pooler, or to another server than DATABASE_URL: let it name Postgres itself. \
             Until then changes of configs take seconds, not milliseconds",
        ),
    }
}

/// Whether a lock of a session is held between its transactions: by it the death of a process is seen.
async fn session_locks(notes: &mut Notes, connection: &mut PgConnection, session_url: &str) {
    let key = fastrand::i64(..);
    let held = async {
        let mut session = PgConnection::connect(session_url).await?;
        sqlx::query!("select pg_advisory_lock($1)::text as locked", key).fetch_one(&mut session).await?;
        let free = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "free!""#, key)
            .fetch_one(&mut *connection)
            .await?;
        session.close().await?;
        // What was locked by the session has to be free once it has ended.
        for _ in 0..20 {
            let freed = sqlx::query_scalar!(r#"select pg_try_advisory_xact_lock($1) as "free!""#, key)
                .fetch_one(&mut *connection)
                .await?;
            if freed {
                return Ok::<bool, sqlx::Error>(!free);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(false)
    };
    let to_do = "DATABASE_SESSION_URL leads through a pooler: let it name Postgres itself. Until then a dead process is noticed \
                 after the lease time only";
    match timeout(PATIENCE, held).await {
        Ok(Ok(true)) => notes.ok("session locks", "work: a dead process is noticed at once"),
        Ok(Ok(false)) => notes.warn("session locks", "do not work through this connection", to_do),
        Ok(Err(error)) => notes.broken(
            "session locks",
            explain::postgres(&error),
            "let DATABASE_SESSION_URL name Postgres itself",
        ),
        Err(_) => notes.warn("session locks", "no answer in time", to_do),
    }
}

/// Shards and processes, as the status sees them.
async fn cluster(url: &str, deployment: &Deployment) -> Vec<Finding> {
    let mut notes = Notes::of("cluster");
    let no_redis = "REDIS_URL is not set".to_owned();
    let redis = deployment.redis_url.clone().ok_or(no_redis);
    let status = Source::new(Ok(url.to_owned()), redis, &deployment.redis_prefix).ask().await;
    if let Store::Away { why } | Store::NotAsked { why } = &status.postgres {
        notes.warn("status", why.clone(), "mend what is said of postgres first");
        return notes.findings;
    }
    let it = &status.summary;
    let (workers, proxies) = (status.workers.len(), status.proxies.len());
    let verdict = if workers > 0 && proxies > 0 { Verdict::Ok } else { Verdict::Warning };
    notes.judge(
        "processes",
        verdict,
        format!("{workers} workers, {proxies} proxies"),
        "start `helpline proxy` and `helpline worker`",
    );
    let verdict = match (it.shards, it.without_owner, workers) {
        (0, ..) => Verdict::Broken,
        (_, 1.., 1..) => Verdict::Broken,
        _ => Verdict::Ok,
    };
    notes.judge(
        "shards",
        verdict,
        format!("{}, {} without an owner", it.shards, it.without_owner),
        if it.shards == 0 { MIGRATE } else { "docs/runbooks/shard-without-owner.md" },
    );
    let verdict =
        if proxies > 0 && it.gateway_shards_up < it.gateway_shards { Verdict::Broken } else { Verdict::Ok };
    let seen = format!("{} of {} have their session", it.gateway_shards_up, it.gateway_shards);
    notes.judge(
        "gateway shards",
        verdict,
        seen,
        "look at /readyz of the proxies, and at docs/runbooks/proxy-down.md",
    );
    if let Some(waiting) = &status.waiting {
        let verdict = if waiting.dead_letters > 0 { Verdict::Warning } else { Verdict::Ok };
        notes.judge(
            "dead letters",
            verdict,
            waiting.dead_letters.to_string(),
            "docs/runbooks/dead-letters.md",
        );
        let old = waiting.oldest_question_s.max(waiting.oldest_effect_s).unwrap_or_default();
        let verdict = if old > 60 { Verdict::Warning } else { Verdict::Ok };
        let seen = format!(
            "{} questions and {} messages, the oldest for {old} s",
            waiting.questions, waiting.effects
        );
        notes.judge("waiting", verdict, seen, "look at the workers' logs, and at `helpline status`");
    }
    notes.findings
}
