//! The page of the admin port: what it serves, what it costs, and what is seen of it in a browser.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use helpline::shards;
use helpline::status::{KEPT, Live, Source};
use helpline_sim::Config;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::Instant;

use crate::browser::Browser;
use crate::harness::Town;
use crate::process::Process;
use crate::support::{TestDb, TestRedis, eventually};

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// A worker as operators start it.
fn worker(town: &Town, name: &str, admin: &str, logs: &Path) -> Process {
    let env = [
        ("DATABASE_URL", town.db.role_url("helpline_worker")),
        ("REDIS_URL", town.redis.url.clone()),
        ("REDIS_PREFIX", town.redis.prefix.clone()),
        ("HELPLINE_PROXY_URL", town.proxy_url.clone()),
        ("DISCORD_API_URL", town.sim.rest_base()),
        ("WORKER_NAME", name.to_owned()),
        ("ADMIN_ADDR", admin.to_owned()),
    ];
    Process::start(name, "worker", &env, logs)
}

async fn get(address: &str, path: &str) -> Option<reqwest::Response> {
    reqwest::get(format!("http://{address}{path}")).await.ok()
}

async fn status(address: &str) -> Option<Value> {
    serde_json::from_slice(&get(address, "/status.json").await?.bytes().await.ok()?).ok()
}

#[tokio::test]
async fn new_owners_are_seen_in_the_browser_after_a_worker_was_killed() {
    let town = Town::with(Config { servers: 40, members_per_server: 4, ..Config::default() }).await;
    shards::set(&town.db.pool, 64).await.unwrap();
    let logs = TempDir::new().unwrap();
    let admins = [free_address(), free_address(), free_address()];
    let mut workers: Vec<Process> = ["worker-a", "worker-b", "worker-c"]
        .iter()
        .zip(&admins)
        .map(|(name, admin)| worker(&town, name, admin, logs.path()))
        .collect();
    eventually("the shards are shared among three", async || {
        let seen = status(&admins[0]).await?;
        let each = seen["workers"].as_array()?;
        let shared = each.len() == 3 && each.iter().all(|worker| worker["holds"].as_u64() > Some(10));
        (shared && seen["summary"]["without_owner"] == 0).then_some(())
    })
    .await;
    let settings = json!({"screenshots": std::env::var("SCREENSHOTS").ok(), "killed": "worker-b"});
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/status/page.cjs");
    let base = format!("http://{}", admins[0]);
    let mut browser = Browser::of(&script, &base, &settings).await_ready().await;
    workers[1].kill();
    browser.said("killed").await;
    // Nobody serves the page any more: it says so, and where to look.
    workers[0].kill();
    browser.said("away").await;
    browser.end().await;
}

#[tokio::test]
async fn many_viewers_cost_one_look_a_second() {
    let (db, redis) = (TestDb::new().await, TestRedis::new());
    let source = Source::new(Ok(db.role_url("helpline_worker")), Ok(redis.url.clone()), &redis.prefix);
    let live = Live::new(source);
    let begun = Instant::now();
    let mut viewers = tokio::task::JoinSet::new();
    for _ in 0..50 {
        let live = live.clone();
        viewers.spawn(async move {
            while begun.elapsed() < KEPT * 3 {
                let seen: Value = serde_json::from_str(&live.json().await).unwrap();
                assert_eq!(seen["summary"]["shards"], 8);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
    }
    viewers.join_all().await;
    let (looks, seconds) = (live.looks().await, begun.elapsed().as_secs());
    assert!((2..=seconds + 1).contains(&looks), "{looks} looks in {seconds} s");
}

#[tokio::test]
async fn what_postgres_told_last_is_shown_with_its_age_while_it_is_away() {
    let (db, redis) = (TestDb::new().await, TestRedis::new());
    let mut source = Source::new(Ok(db.role_url("helpline_proxy")), Ok(redis.url.clone()), &redis.prefix);
    let fresh = source.ask().await;
    assert_eq!((fresh.shards.len(), fresh.stale_ms), (8, None));
    drop(db);
    let stale = source.ask().await;
    assert!(!stale.postgres.answers() && stale.redis.answers());
    assert!(stale.stale_ms.is_some() && stale.shards.len() == 8);
    assert!(stale.shards.iter().all(|shard| shard.behind.is_none()), "old cursors say nothing of what waits");
}

#[tokio::test]
async fn the_page_allows_nothing_from_elsewhere_and_tells_nothing_of_members() {
    let town = Town::new().await;
    let logs = TempDir::new().unwrap();
    let admin = free_address();
    let _worker = worker(&town, "worker-a", &admin, logs.path());
    eventually("the page is there", async || get(&admin, "/").await).await;
    for (path, kind) in [
        ("/", "text/html"),
        ("/status.js", "text/javascript"),
        ("/status.css", "text/css"),
        ("/status.json", "application/json"),
    ] {
        let answer = get(&admin, path).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
        assert!(header("content-type").starts_with(kind), "{path}");
        let policy = header("content-security-policy");
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(!policy.contains("unsafe") && !policy.contains("http") && !policy.contains('*'), "{policy}");
        assert_eq!(
            (header("x-content-type-options"), header("cache-control")),
            ("nosniff".into(), "no-store".into())
        );
        let text = answer.text().await.unwrap();
        assert!(!text.contains("https://") && !text.contains("//cdn"), "{path} names another origin");
        let server = town.server(0);
        assert!(!text.contains(&server.id.get().to_string()) && !text.contains(town.sim.token()), "{path}");
    }
    let posted = reqwest::Client::new().post(format!("http://{admin}/status.json")).send().await.unwrap();
    assert_eq!(posted.status(), 405, "it is read-only");
}
