//! Holds the rules of docs/architecture.md on where things live, by reading the sources.

use std::path::{Path, PathBuf};

/// Decide or compute; take time, randomness and rows as arguments. A prefix of paths.
const PURE: &[&str] = &[
    "cluster/src/membership/evidence.rs",
    "cluster/src/consumer",
    "cluster/src/claims/held.rs",
    "cluster/src/gateway_shards/plan",
    "cluster/src/placement",
    "cluster/src/rate_limit.rs",
    "cluster/src/rate_limit/bucket.rs",
    "cluster/src/rate_limit/global.rs",
    "cluster/src/rate_limit/route.rs",
    "embed/src/bert.rs",
    "embed/src/int8.rs",
    "embed/src/wordpiece.rs",
    "src/answer/model/breaker.rs",
    "src/answer/model/events.rs",
    "src/answer/model/grounds.rs",
    "src/answer/model/guard",
    "src/answer/model/links.rs",
    "src/answer/model/reply.rs",
    "src/answer/prompt.rs",
    "src/answer/retrieve/dense.rs",
    "src/answer/retrieve/evidence.rs",
    "src/answer/retrieve/index.rs",
    "src/answer/retrieve/postings.rs",
    "src/answer/retrieve/rank.rs",
    "src/answer/retrieve/topic.rs",
    "src/answer/retrieve/typos.rs",
    "src/commands",
    "src/conversation/command.rs",
    "src/conversation/state.rs",
    "src/conversation/state/",
    "src/conversation/ticket.rs",
    "src/deliver/components.rs",
    "src/deliver/render",
    "src/proxy/retained.rs",
    "src/worker/configs/cache.rs",
    "src/deliver/resend.rs",
    "src/deliver/panel.rs",
    "src/knowledge/gaps/group",
    "src/knowledge/passages",
    "src/knowledge/pdf/tidy.rs",
    "src/proxy/markers.rs",
    "src/texts.rs",
    "src/texts/language.rs",
];

/// What a pure module must not touch: stores, network, files, clocks, chance, tasks.
const IMPURE: &[&str] = &[
    ".await",
    "async fn",
    "fastrand::",
    "Instant::now",
    "now_utc",
    "redis::",
    "reqwest",
    "sqlx",
    "std::env",
    "std::fs",
    "std::net",
    "std::process",
    "std::thread",
    "SystemTime::now",
    "tokio::fs",
    "tokio::net",
    "tokio::spawn",
    "tokio::time::sleep",
];

/// The stores: modules that may hold SQL. Whoever needs SQL elsewhere moves it into one of them, or makes a new
/// store and names it here.
const SQL: &[&str] = &[
    "cluster/src/claims",
    "cluster/src/event_log",
    "cluster/src/fence.rs",
    "cluster/src/gateway_shards/store.rs",
    "cluster/src/lease.rs",
    "cluster/src/membership",
    "src/answer/retrieve.rs",
    "src/answer/spent.rs",
    "src/conversation/store",
    "src/dead_letters.rs",
    "src/deliver/outbox.rs",
    "src/doctor/",
    "src/knowledge/",
    "src/migrate",
    "src/partition",
    "src/proxy/gaps.rs",
    "src/proxy/cursors",
    "src/proxy/routes",
    "src/server_config",
    "src/shards.rs",
    "src/status.rs",
    "src/store.rs",
    "src/up/services/postgres.rs",
    "src/worker/",
];

/// The modules that may speak to Redis: log, lease, sessions and buckets, and those that open connections for them.
const REDIS: &[&str] = &[
    "cluster/src/budgets.rs",
    "cluster/src/claims",
    "cluster/src/event_log",
    "cluster/src/gateway_session",
    "cluster/src/gateway_shards",
    "cluster/src/identify",
    "cluster/src/invalid_requests",
    "cluster/src/lease",
    "cluster/src/rate_limit/link.rs",
    "cluster/src/redis_link",
    "src/doctor/redis_server.rs",
    "src/message_content.rs",
    "src/proxy.rs",
    "src/proxy/kept.rs",
    "src/proxy/telling.rs",
    "src/proxy/epochs.rs",
    "src/store.rs",
    "src/up/services/redis_server.rs",
    "src/worker.rs",
    "src/worker/configs/kept.rs",
];

#[test]
fn the_cluster_knows_nothing_of_support_and_the_simulation_nothing_of_either() {
    for (crate_dir, forbidden) in [
        ("cluster", ["helpline", "helpline_sim"]),
        ("sim", ["helpline", "helpline_cluster"]),
        ("embed", ["helpline", "helpline_cluster"]),
    ] {
        let manifest = std::fs::read_to_string(root().join(crate_dir).join("Cargo.toml")).expect("manifest");
        for name in forbidden {
            let package = name.replace('_', "-");
            let declares =
                manifest.lines().any(|line| line.split(['=', '.', ' ']).next() == Some(package.as_str()));
            assert!(!declares, "{crate_dir}/Cargo.toml depends on {package}");
            assert_none(
                sources(&[crate_dir]),
                &[&format!("{name}::")],
                &format!("{crate_dir} imports {name}"),
            );
        }
    }
}

#[test]
fn pure_modules_do_no_input_or_output() {
    for prefix in PURE {
        let files = code_files(&[prefix]);
        assert!(!files.is_empty(), "{prefix} matches no file: the list of pure modules is out of date");
        assert_none(
            files,
            IMPURE,
            "a pure module takes time and chance as arguments and leaves stores to others",
        );
    }
}

#[test]
fn sql_lives_in_the_stores_alone() {
    let others = code_files(&["src/", "cluster/src/"]).into_iter().filter(|file| !is_in(file, SQL)).collect();
    assert_none(
        others,
        &["sqlx::query", "sqlx::raw_sql"],
        "SQL belongs into a store (see SQL in tests/layout.rs)",
    );
}

/// What acts for shards, but for what opens its connections.
const OWNERS: &[&str] = &["src/conversation", "src/deliver", "src/worker/"];

#[test]
fn what_acts_for_shards_holds_nothing_that_writes_without_a_fence() {
    let files = code_files(OWNERS);
    assert!(files.len() > 10, "the list of owners is out of date");
    assert_none(
        files,
        &["PgPool", "Pool<Postgres>", "PgConnection", "PoolConnection", "sqlx::Transaction"],
        "an owner reads through Database, and writes through FencedTx",
    );
}

#[test]
fn redis_is_spoken_to_in_the_log_lease_session_and_bucket_modules_alone() {
    let others =
        code_files(&["src/", "cluster/src/"]).into_iter().filter(|file| !is_in(file, REDIS)).collect();
    assert_none(
        others,
        &["redis::cmd", "redis::Client", "redis::pipe", "redis::Script", "redis::aio"],
        "Redis",
    );
}

#[test]
fn the_key_names_of_redis_are_made_in_one_place() {
    let others = code_files(&["src/", "cluster/src/"])
        .into_iter()
        .filter(|file| file != "cluster/src/keys.rs")
        .collect();
    assert_none(others, &["\"hl:", "format!(\"{{"], "keys of Redis are made in cluster/src/keys.rs");
}

#[test]
fn every_metric_is_declared_once_and_has_its_help_text() {
    let declarations = ["src/metrics.rs", "src/proxy/metrics.rs"];
    let declared: String = declarations.iter().map(|file| text(file)).collect();
    let words: Vec<&str> = declared.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '"')).collect();
    let mut missing = Vec::new();
    for file in sources(&["src", "cluster/src"]) {
        for name in recorded(&text(&file)) {
            let constants = declared.matches(&format!(": &str = \"{name}\";")).count();
            if constants != 1 {
                missing.push(format!("{file}: {name} is declared {constants} times"));
            }
        }
    }
    for constant in declared.lines().filter_map(|line| line.trim_start_matches("pub ").strip_prefix("const "))
    {
        let name = constant.split(':').next().expect("a name");
        if constant.contains("\"helpline_") && words.iter().filter(|word| **word == name).count() < 2 {
            missing.push(format!("{name} has no help text"));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// The metrics that are recorded or declared by name in a file.
fn recorded(code: &str) -> Vec<&str> {
    let strings = code.split('"').skip(1).step_by(2);
    let named = |name: &&str| {
        name.starts_with("helpline_")
            && ["_total", "_seconds", "_bytes", "_open", "_owned"].iter().any(|unit| name.ends_with(unit))
    };
    strings.filter(named).collect()
}

#[test]
fn modules_are_files_of_their_own_name_that_open_by_saying_what_they_own() {
    let mut offences = Vec::new();
    for file in sources(&["src", "cluster", "embed", "sim", "demo", "tests", "benches"]) {
        let name = Path::new(&file).file_name().and_then(|name| name.to_str()).expect("file name");
        // Under tests/ a mod.rs is the way to share code: any other file there is a test of its own.
        if name == "mod.rs" && !file.contains("tests/") {
            offences.push(format!("{file}: write foo.rs beside foo/"));
        }
        if matches!(name, "utils.rs" | "util.rs" | "helpers.rs") {
            offences.push(format!("{file}: name what it is about"));
        }
        // A module's own tests.rs is opened by the module.
        if !name.ends_with("tests.rs") && !text(&file).starts_with("//!") {
            offences.push(format!("{file}: open it with //!, saying what it owns"));
        }
    }
    assert!(offences.is_empty(), "{}", offences.join("\n"));
}

#[test]
fn files_stay_under_five_hundred_lines() {
    for file in sources(&["src", "cluster", "embed", "sim", "demo", "tests", "benches"]) {
        let lines = text(&file).lines().count();
        assert!(lines < 500, "{file} has {lines} lines: split it by what its parts own");
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn text(file: &str) -> String {
    std::fs::read_to_string(root().join(file)).unwrap_or_else(|error| panic!("read {file}: {error}"))
}

/// Every Rust file under the directories, as a path from the workspace's root.
fn sources(dirs: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut open: Vec<PathBuf> = dirs.iter().map(|dir| root().join(dir)).collect();
    while let Some(dir) = open.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let path = path.strip_prefix(root()).expect("below the root");
                found.push(path.to_str().expect("UTF-8").to_owned());
            }
        }
    }
    found.sort();
    found
}

/// Those of the product's files that begin with a prefix and are no tests.
fn code_files(prefixes: &[&str]) -> Vec<String> {
    let mut files = sources(&["src", "cluster/src", "embed/src"]);
    files.retain(|file| is_in(file, prefixes) && !file.ends_with("tests.rs") && !file.contains("/tests/"));
    files
}

fn is_in(file: &str, prefixes: &[&str]) -> bool {
    prefixes.iter().any(|prefix| file.starts_with(prefix))
}

/// Fails with every line of the files, comments and inline tests left out, that holds one of the words.
fn assert_none(files: Vec<String>, words: &[&str], rule: &str) {
    let mut offences = Vec::new();
    for file in files {
        let text = text(&file);
        let code = text.lines().take_while(|line| line.trim() != "#[cfg(test)]").enumerate();
        for (index, line) in code.filter(|(_, line)| !line.trim_start().starts_with("//")) {
            offences.extend(
                words
                    .iter()
                    .filter(|word| holds(line, word))
                    .map(|word| format!("{file}:{}: {word}", index + 1)),
            );
        }
    }
    assert!(offences.is_empty(), "{rule}:\n{}", offences.join("\n"));
}

/// Whether the line holds the word as such: `helpline::` is not in `my_helpline::`.
fn holds(line: &str, word: &str) -> bool {
    let part_of_name = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word)
        .any(|(at, _)| !word.starts_with(part_of_name) || !line[..at].ends_with(part_of_name))
}

#[test]
fn a_word_is_found_as_such() {
    assert!(holds("use helpline::up;", "helpline::"));
    assert!(!holds("use my_helpline::up;", "helpline::"));
    assert!(holds("x.await?", ".await"));
}
