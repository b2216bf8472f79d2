//! `helpline doctor`, as it is called: on a deployment that is well, and on some that are not.

use std::time::Duration;

use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use helpline::message_content;
use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::RedisLink;
use serde_json::{Value, json};

use crate::command::{helpline, text};
use crate::harness::Town;
use crate::own_redis::OwnRedis;
use crate::support::{TestDb, TestRedis, eventually, run};

struct Seen {
    status: Option<i32>,
    findings: Vec<Value>,
}

impl Seen {
    /// Its verdict, what was seen, and what to do.
    fn of(&self, area: &str, check: &str) -> (String, String) {
        let finding = self.findings.iter().find(|it| it["area"] == area && it["check"] == check);
        let finding =
            finding.unwrap_or_else(|| panic!("{area} {check} was not looked at: {:#?}", self.findings));
        let told =
            format!("{}: {}", finding["seen"].as_str().unwrap(), finding["to_do"].as_str().unwrap_or("-"));
        (finding["verdict"].as_str().unwrap().to_owned(), told)
    }

    fn is(&self, area: &str, check: &str, verdict: &str, says: &str) {
        let (found, told) = self.of(area, check);
        assert!(
            found == verdict && told.contains(says),
            "{area} {check}: {found}, {told}; wanted {verdict}, {says}"
        );
    }
}

async fn doctor(env: &[(&str, &str)]) -> Seen {
    let output = helpline(&["doctor", "--json"], env).await;
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}{}", text(&output.stdout), text(&output.stderr)));
    let findings = report["findings"].as_array().unwrap().clone();
    // Every one that is not well says what to do.
    for finding in &findings {
        assert_eq!(finding["verdict"] == "ok", finding["to_do"].is_null(), "{finding}");
    }
    Seen { status: output.status.code(), findings }
}

#[tokio::test]
async fn a_deployment_that_is_well_has_nothing_broken() {
    let town = Town::new().await;
    let worker = town.worker();
    worker.is(true).await;
    let (database, api, token) =
        (town.db.role_url("helpline_worker"), town.sim.rest_base(), town.sim.token());
    let env = [
        ("DATABASE_URL", database.as_str()),
        ("REDIS_URL", &town.redis.url),
        ("REDIS_PREFIX", &town.redis.prefix),
        ("DISCORD_API_URL", &api),
        ("DISCORD_TOKEN", token),
    ];
    let well = eventually("both have said whether they read", async || {
        let seen = doctor(&env).await;
        (seen.of("cluster", "message content").1.contains("proxy: true, worker: true")).then_some(seen)
    })
    .await;
    assert_eq!(well.status, Some(0), "{:#?}", well.findings);
    for (area, check) in [
        ("postgres", "version"),
        ("postgres", "migrations"),
        ("postgres", "row security"),
        ("postgres", "role"),
        ("postgres", "notifications"),
        ("postgres", "session locks"),
        ("redis", "version"),
        ("redis", "policy"),
        ("redis", "scripts"),
        ("discord", "token"),
        ("discord", "intents"),
        ("discord", "slash commands"),
        ("discord", "permissions"),
        ("clocks", "postgres"),
        ("clocks", "redis"),
        ("cluster", "shards"),
        ("cluster", "message content"),
    ] {
        well.is(area, check, "ok", "");
    }
    let table = helpline(&["doctor"], &env).await;
    assert!(table.status.success() && text(&table.stdout).contains("0 broken"), "{}", text(&table.stdout));
    assert!(!text(&table.stdout).contains(token), "the token is nobody's business");

    // A worker that takes its proxies for ones that read nothing.
    let redis = RedisLink::open(&town.redis.url).unwrap().shared();
    message_content::say(redis, &Keys::new(&town.redis.prefix), "worker", false).await.unwrap();
    let differing = doctor(&env).await;
    differing.is("cluster", "message content", "broken", "they differ");
    assert_eq!(differing.status, Some(1));
}

#[tokio::test]
async fn a_schema_that_is_open_or_not_whole_is_broken_and_says_what_to_do() {
    let (db, redis) = (TestDb::new().await, TestRedis::new());
    run(
        &db.pool,
        "alter table helpline.outbox disable row level security;
         grant usage on schema helpline to anon;
         alter table public.servers disable trigger notify_server_config_changed;
         drop trigger notify_server_added on public.servers;
         delete from public._sqlx_migrations where version = (select max(version) from public._sqlx_migrations)",
    )
    .await;
    let url = db.role_url("helpline_proxy");
    let seen =
        doctor(&[("DATABASE_URL", &url), ("REDIS_URL", &redis.url), ("REDIS_PREFIX", &redis.prefix)]).await;
    assert_eq!(seen.status, Some(1));
    seen.is("postgres", "row security", "broken", "alter table helpline.outbox enable row level security");
    seen.is("postgres", "internal schema", "broken", "revoke usage on schema helpline from anon");
    seen.is("postgres", "triggers", "broken", "notify_server_config_changed");
    seen.is("postgres", "notify triggers", "broken", "2 of 3");
    seen.is("postgres", "migrations", "broken", "helpline migrate");
    seen.is("discord", "token", "warning", "DISCORD_TOKEN is not set");
    seen.is("cluster", "processes", "warning", "0 workers, 0 proxies");

    let empty = TestDb::empty().await;
    let seen = doctor(&[("DATABASE_URL", &empty.url)]).await;
    seen.is("postgres", "row security", "broken", "no tables of Helpline");
    seen.is("redis", "connection", "warning", "REDIS_URL is not set");
    assert_eq!(seen.status, Some(1));
}

#[tokio::test]
async fn a_redis_that_throws_away_what_it_is_given_is_broken() {
    let redis = OwnRedis::start();
    eventually("it answers", async || RedisLink::open(&redis.url).unwrap().ping().await.ok()).await;
    let set = redis::Client::open(redis.url.as_str()).unwrap();
    let mut connection = set.get_multiplexed_async_connection().await.unwrap();
    let _: () = redis::cmd("CONFIG")
        .arg(&["SET", "maxmemory-policy", "allkeys-lru"])
        .query_async(&mut connection)
        .await
        .unwrap();
    let seen = doctor(&[("REDIS_URL", &redis.url)]).await;
    seen.is("redis", "policy", "broken", "maxmemory-policy noeviction");
    seen.is("redis", "persistence", "warning", "appendonly yes");
    seen.is("postgres", "connection", "warning", "DATABASE_URL is not set");
    assert_eq!(seen.status, Some(1));
    redis.signal("-STOP");
    let silent = doctor(&[("REDIS_URL", &redis.url)]).await;
    redis.signal("-CONT");
    silent.is("redis", "connection", "broken", "REDIS_URL");
}

#[tokio::test]
async fn a_bot_that_may_not_read_or_has_no_sessions_left_is_broken() {
    let me = || async { Json(json!({"id": "42"})) };
    let app = Router::new()
        .route("/api/v10/users/@me", get(me))
        .route("/api/v10/applications/@me", get(async || Json(json!({"id": "42", "flags": 1 << 13}))))
        .route("/api/v10/applications/42/commands", get(async || Json(json!([{"name": "ask"}]))))
        .route(
            "/api/v10/gateway/bot",
            get(async || {
                Json(json!({"url": "wss://x", "shards": 3, "session_start_limit":
                    {"total": 1000, "remaining": 0, "reset_after": 60_000, "max_concurrency": 1}}))
            }),
        )
        .route(
            "/api/v10/users/@me/guilds",
            get(async || Json(json!([{"id": "7", "permissions": "1024"}, {"id": "8", "permissions": "8"}]))),
        );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });
    let env = [("DISCORD_API_URL", base.as_str()), ("DISCORD_TOKEN", "abc")];
    let seen = doctor(&env).await;
    assert_eq!(seen.status, Some(1));
    seen.is("discord", "intents", "broken", "MESSAGE_CONTENT=false");
    seen.is("discord", "sessions", "broken", "0 of 1000");
    seen.is("discord", "slash commands", "warning", "start a proxy");
    seen.is("discord", "permissions", "warning", "1 of 2 servers, as in 7");
    let without = doctor(&[env[0], env[1], ("MESSAGE_CONTENT", "false")]).await;
    without.is("discord", "intents", "ok", "neither granted nor used");
    serving.abort();

    let refusing = Router::new().fallback(async || StatusCode::UNAUTHORIZED);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let serving = tokio::spawn(async move { axum::serve(listener, refusing).await });
    let refused = doctor(&[("DISCORD_API_URL", base.as_str()), ("DISCORD_TOKEN", "abc")]).await;
    refused.is("discord", "token", "broken", "Reset Token");
    serving.abort();
    tokio::time::timeout(Duration::from_secs(30), serving).await.ok();
}
