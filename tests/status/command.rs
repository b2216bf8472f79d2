//! `helpline status`, as it is called.

use std::process::Output;

use helpline_sim::Config;
use serde_json::Value;
use tokio::process::Command;

use crate::harness::Town;
use crate::support::{SHARDS, TestDb, TestRedis, eventually};

/// Where nobody listens.
const NOWHERE: &str = "127.0.0.1:9";

/// Runs the program with nothing of the caller's settings but these.
pub async fn helpline(arguments: &[&str], env: &[(&str, &str)]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_helpline"))
        .args(arguments)
        .env_clear()
        // Where no `helpline up` of this machine is.
        .env("HELPLINE_DATA", "/nonexistent")
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .envs(env.iter().copied())
        .output()
        .await
        .expect("the program runs")
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

async fn status(arguments: &[&str], database: &str, redis: &TestRedis) -> Output {
    let env = [("DATABASE_URL", database), ("REDIS_URL", &redis.url), ("REDIS_PREFIX", &redis.prefix)];
    helpline(&[&["status"], arguments].concat(), &env).await
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", text(&output.stdout)))
}

#[tokio::test]
async fn every_role_sees_shards_owners_gateway_shards_processes_and_budgets() {
    let town = Town::new().await;
    let worker = town.worker_named("worker-7");
    worker.is(true).await;
    let shards = usize::try_from(SHARDS).unwrap();
    for role in ["helpline_worker", "helpline_proxy", "helpline_web"] {
        let seen = eventually("everything has an owner", async || {
            let seen = json(&status(&["--json"], &town.db.role_url(role), &town.redis).await);
            (seen["summary"]["without_owner"] == 0 && seen["summary"]["gateway_shards_up"] == 1)
                .then_some(seen)
        })
        .await;
        let list = seen["shards"].as_array().unwrap();
        assert_eq!(list.len(), shards);
        assert!(
            list.iter().all(|shard| shard["owner_name"] == "worker-7" && shard["epoch"].as_i64() > Some(0))
        );
        assert_eq!(seen["workers"][0]["holds"], shards);
        assert_eq!(seen["workers"][0]["servers"], 2);
        assert_eq!(
            (&seen["proxies"][0]["holds"], &seen["gateway_shards"][0]["up"]),
            (&1.into(), &true.into())
        );
        assert_eq!(seen["budgets"]["rest"]["proxies"], 1);
        let identifies = &seen["budgets"]["identifies"];
        assert!(identifies["left"].as_u64() < identifies["total"].as_u64(), "{identifies}");
        assert_eq!(seen["waiting"]["dead_letters"], 0);
        assert_eq!(
            (&seen["postgres"]["state"], &seen["redis"]["state"]),
            (&"answers".into(), &"answers".into())
        );
    }
    let table = status(&[], &town.db.role_url("helpline_worker"), &town.redis).await;
    let table = text(&table.stdout);
    for part in
        ["8 shards, 0 without an owner", "1 gateway shards, 1 with their session", "worker-7", "identifies: "]
    {
        assert!(table.contains(part), "{part:?} is missing in:\n{table}");
    }
}

#[tokio::test]
async fn what_waits_is_told_in_events_and_in_time() {
    let town = Town::with(Config { servers: 1, ..Config::default() }).await;
    // Its streams are begun.
    let worker = town.worker();
    worker.is(true).await;
    town.caught_up(0).await;
    worker.kill();
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_millis();
    for n in 0..3 {
        town.append_at(0, &format!("late:{n}"), "NONE", "{}", u64::try_from(since).unwrap() - 7_000).await;
    }
    let shard = usize::try_from(town.shard_of(0).await.get()).unwrap();
    let seen = json(&status(&["--json"], &town.db.role_url("helpline_proxy"), &town.redis).await);
    let its = &seen["shards"][shard];
    assert!(its["behind"].as_u64() >= Some(3), "{its}");
    assert!((7_000..60_000).contains(&its["waits_ms"].as_u64().unwrap()), "{its}");
    assert_eq!(seen["summary"]["longest_wait_ms"], its["waits_ms"]);
    let quiet = (shard + 1) % 8;
    assert_eq!(
        (&seen["shards"][quiet]["behind"], &seen["shards"][quiet]["waits_ms"]),
        (&0.into(), &0.into())
    );
}

#[tokio::test]
async fn one_store_away_is_told_with_what_to_do_and_the_other_is_shown() {
    let (db, redis) = (TestDb::new().await, TestRedis::new());
    let worker = db.role_url("helpline_worker");
    let nobody = format!("redis://{NOWHERE}");
    let env = [("DATABASE_URL", worker.as_str()), ("REDIS_URL", &nobody)];
    let without_redis = helpline(&["status", "--json"], &env).await;
    assert_eq!(without_redis.status.code(), Some(1));
    assert!(text(&without_redis.stderr).contains("REDIS_URL"), "{}", text(&without_redis.stderr));
    let seen: Value = serde_json::from_slice(&without_redis.stdout).unwrap();
    assert_eq!((seen["shards"].as_array().unwrap().len(), &seen["budgets"]), (8, &Value::Null));
    assert_eq!((&seen["shards"][0]["behind"], &seen["redis"]["state"]), (&Value::Null, &"away".into()));

    let without_postgres = status(&["--json"], &format!("postgres://a:hunter2@{NOWHERE}/x"), &redis).await;
    assert_eq!(without_postgres.status.code(), Some(1));
    let told = text(&without_postgres.stderr);
    assert!(
        told.contains("is it running") && told.contains("DATABASE_URL") && !told.contains("hunter2"),
        "{told}"
    );
    let seen: Value = serde_json::from_slice(&without_postgres.stdout).unwrap();
    assert_eq!(seen["budgets"]["invalid_requests"]["refused"], 0);
    assert_eq!(seen["waiting"], Value::Null);
    let table = status(&[], &format!("postgres://a@{NOWHERE}/x"), &redis).await;
    assert!(text(&table.stdout).contains("not known without Postgres"), "{}", text(&table.stdout));

    // Not asked at all is no fault, as long as the other was.
    let only_postgres = helpline(&["status"], &[("DATABASE_URL", &worker)]).await;
    assert!(only_postgres.status.success(), "{}", text(&only_postgres.stderr));
    let nothing = helpline(&["status"], &[]).await;
    assert_eq!(nothing.status.code(), Some(1));
    assert!(text(&nothing.stderr).contains("DATABASE_URL is not set"), "{}", text(&nothing.stderr));
}

#[tokio::test]
async fn a_database_that_is_none_of_helplines_or_not_there_is_told_as_such() {
    let (empty, redis) = (TestDb::empty().await, TestRedis::new());
    for (url, says) in [
        (empty.url.clone(), "helpline migrate"),
        (empty.url.replace(empty.name(), "no_such_database"), "check the name in DATABASE_URL"),
        ("mysql://x".to_owned(), "DATABASE_URL"),
    ] {
        let told = status(&[], &url, &redis).await;
        assert_eq!(told.status.code(), Some(1));
        assert!(text(&told.stderr).contains(says), "{says:?} is missing in {}", text(&told.stderr));
    }
}

#[tokio::test]
async fn watching_goes_on_until_it_is_stopped() {
    let (db, redis) = (TestDb::new().await, TestRedis::new());
    let mut watching = Command::new(env!("CARGO_BIN_EXE_helpline"))
        .args(["status", "--json", "--watch", "1"])
        .env("DATABASE_URL", db.role_url("helpline_worker"))
        .env("REDIS_URL", &redis.url)
        .env("REDIS_PREFIX", &redis.prefix)
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines =
        tokio::io::AsyncBufReadExt::lines(tokio::io::BufReader::new(watching.stdout.take().unwrap()));
    for _ in 0..2 {
        let line = lines.next_line().await.unwrap().expect("it goes on");
        let seen: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(seen["summary"]["without_owner"], 8, "{line}");
    }
    let stopped =
        std::process::Command::new("kill").arg(watching.id().unwrap().to_string()).status().unwrap();
    assert!(stopped.success());
    assert!(watching.wait().await.unwrap().success(), "it ends well when it is told to");
}
