//! Looks at Redis: what it is, whether it keeps what it is given, and whether our scripts run.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::{Connection, RedisLink};
use redis::RedisResult;
use tokio::time::timeout;

use super::{Deployment, Finding, Notes, PATIENCE, Verdict, now_us};
use crate::message_content;
use crate::status::explain;

const OLDEST: u32 = 7;

pub(super) async fn examine(deployment: &Deployment) -> Vec<Finding> {
    let mut notes = Notes::of("redis");
    let Some(url) = &deployment.redis_url else {
        notes.warn("connection", "not looked at: REDIS_URL is not set", "set it and run this again");
        return notes.findings;
    };
    let link = match RedisLink::open(url) {
        Ok(link) => link,
        Err(error) => {
            notes.broken("connection", format!("REDIS_URL cannot be used: {error}"), "mend this first");
            return notes.findings;
        }
    };
    let keys = Keys::new(&deployment.redis_prefix);
    // Of a Redis Cluster, the node of one slot group.
    let redis = link.shared().beside(&keys.era(0));
    let asked_at = Instant::now();
    let info = match timeout(PATIENCE, info(redis.clone())).await {
        Ok(Ok(info)) => info,
        Ok(Err(error)) => {
            notes.broken("connection", explain::redis(&error.to_string()), "mend this first");
            return notes.findings;
        }
        Err(_) => {
            notes.broken("connection", explain::silent("Redis", "REDIS_URL", PATIENCE), "mend this first");
            return notes.findings;
        }
    };
    notes.ok("connection", format!("answers, {} ms", asked_at.elapsed().as_millis()));
    server(&mut notes, &info);
    persistence(&mut notes, &info);
    replicas(&mut notes, &info, redis.clone()).await;
    scripts(&mut notes, redis.clone(), &keys).await;
    let mut found = notes.findings;
    found.extend(clock(redis.clone()).await);
    found.extend(content(redis, &keys, deployment.message_content).await);
    found
}

async fn info(mut redis: Connection) -> RedisResult<HashMap<String, String>> {
    let text: String = redis::cmd("INFO").query_async(&mut redis).await?;
    let pairs = text.lines().filter_map(|line| line.trim().split_once(':'));
    Ok(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
}

fn said<'a>(info: &'a HashMap<String, String>, name: &str) -> &'a str {
    info.get(name).map_or("", String::as_str)
}

fn server(notes: &mut Notes, info: &HashMap<String, String>) {
    let version = said(info, "redis_version");
    let major = version.split('.').next().and_then(|major| major.parse::<u32>().ok());
    let verdict = if major.is_some_and(|major| major >= OLDEST) { Verdict::Ok } else { Verdict::Broken };
    notes.judge("version", verdict, version, "Helpline needs Redis 7 or newer (or Valkey): upgrade it");
    let role = said(info, "role");
    let verdict = if role == "master" { Verdict::Ok } else { Verdict::Broken };
    let to_do = "let REDIS_URL name the primary, or the sentinels that know it";
    notes.judge(
        "writes",
        verdict,
        if role == "master" { "takes writes" } else { "a replica, which takes none" },
        to_do,
    );
    let policy = said(info, "maxmemory_policy");
    let verdict = if policy == "noeviction" { Verdict::Ok } else { Verdict::Broken };
    notes.judge(
        "policy",
        verdict,
        policy,
        "Redis would throw away events and leases when its memory is full: config set maxmemory-policy noeviction, and the same \
         in its configuration file",
    );
    let number = |name: &str| said(info, name).parse::<u64>().unwrap_or_default();
    let (used, most) = (number("used_memory"), number("maxmemory"));
    let mib = |bytes: u64| bytes / (1024 * 1024);
    let (verdict, seen) = match most {
        0 => (Verdict::Ok, format!("{} MiB in use, without a bound of its own", mib(used))),
        most if used * 10 > most * 8 => {
            (Verdict::Warning, format!("{} of {} MiB in use", mib(used), mib(most)))
        }
        most => (Verdict::Ok, format!("{} of {} MiB in use", mib(used), mib(most))),
    };
    notes.judge(
        "memory",
        verdict,
        seen,
        "raise maxmemory, or look at what fills it: are workers behind (`helpline status`)?",
    );
}

fn persistence(notes: &mut Notes, info: &HashMap<String, String>) {
    let failed: Vec<&str> = ["rdb_last_bgsave_status", "aof_last_write_status", "aof_last_bgrewrite_status"]
        .into_iter()
        .filter(|name| said(info, name) == "err")
        .collect();
    if !failed.is_empty() {
        let to_do = "look at its log and its disk: it refuses writes while it cannot save";
        notes.broken("persistence", format!("{} = err", failed.join(", ")), to_do);
        return;
    }
    match said(info, "aof_enabled") {
        "1" => notes.ok("persistence", "append-only file"),
        _ => notes.warn(
            "persistence",
            "no append-only file",
            "a restart loses what is on the way; messages are read again from Discord, presses of buttons are not: config set \
             appendonly yes (appendfsync everysec), and the same in its configuration file",
        ),
    }
}

async fn replicas(notes: &mut Notes, info: &HashMap<String, String>, mut redis: Connection) {
    let replicas = said(info, "connected_slaves").parse::<u32>().unwrap_or_default();
    if replicas == 0 {
        notes.ok("replicas", "none");
        return;
    }
    let asked: RedisResult<HashMap<String, String>> =
        redis::cmd("CONFIG").arg("GET").arg("min-replicas-to-write").query_async(&mut redis).await;
    let seen = format!("{replicas}, all of them behind by little");
    match asked.map(|config| config.get("min-replicas-to-write").cloned().unwrap_or_default()) {
        Ok(least) if least == "0" => notes.warn(
            "replicas",
            format!("{replicas}, and it takes writes without them"),
            "a primary that was cut off would take events that are lost afterwards: min-replicas-to-write 1, \
             min-replicas-max-lag 10",
        ),
        Ok(_) => notes.ok("replicas", seen),
        // Managed ones do not tell.
        Err(_) => notes.ok("replicas", format!("{replicas}; its settings may not be read")),
    }
}

/// Reads a key of ours by a script, as all writes go.
async fn scripts(notes: &mut Notes, mut redis: Connection, keys: &Keys) {
    let script = redis::Script::new("redis.call('TIME') return redis.call('GET', KEYS[1])");
    let mut call = script.prepare_invoke();
    call.key(keys.era(0));
    let run: Result<RedisResult<Option<String>>, _> = timeout(PATIENCE, call.invoke_async(&mut redis)).await;
    match run {
        Ok(Ok(_)) => notes.ok("scripts", "run on our keys"),
        Ok(Err(error)) => notes.broken(
            "scripts",
            explain::redis(&error.to_string()),
            format!("allow its user ~{}:* and +@all -@dangerous", keys.prefix()),
        ),
        Err(_) => notes.broken("scripts", "no answer in time", "look at its load (SLOWLOG GET)"),
    }
}

async fn clock(mut redis: Connection) -> Vec<Finding> {
    let mut clocks = Notes::of("clocks");
    let (asked_us, asked_at) = (now_us(), Instant::now());
    let told: RedisResult<(i64, i64)> = redis::cmd("TIME").query_async(&mut redis).await;
    let took = asked_at.elapsed();
    if let Ok((seconds, micros)) = told {
        let middle = asked_us + i64::try_from(took.as_micros() / 2).unwrap_or_default();
        clocks.clock("redis", seconds * 1_000_000 + micros - middle, took.max(Duration::from_millis(1)) / 2);
    }
    clocks.findings
}

/// Whether all processes that run have the same MESSAGE_CONTENT, and this one too.
async fn content(redis: Connection, keys: &Keys, here: bool) -> Vec<Finding> {
    let mut notes = Notes::of("cluster");
    let to_do = "set MESSAGE_CONTENT to the same for all proxies and workers, and start them again";
    match message_content::seen(redis, keys).await {
        Ok(seen) if seen.is_empty() => notes.ok("message content", "no process runs that has said it"),
        Ok(seen) => {
            let alike = seen.iter().all(|(_, reads)| *reads == seen[0].1);
            let told: Vec<String> = seen.iter().map(|(role, reads)| format!("{role}: {reads}")).collect();
            let told = told.join(", ");
            match (alike, seen[0].1 == here) {
                (true, true) => notes.ok("message content", told),
                (true, false) => notes.warn(
                    "message content",
                    format!("{told}; here: {here}"),
                    "run this with their MESSAGE_CONTENT",
                ),
                (false, _) => notes.broken("message content", format!("they differ: {told}"), to_do),
            }
        }
        Err(error) => notes.warn("message content", explain::redis(&error.to_string()), "mend this first"),
    }
    notes.findings
}
