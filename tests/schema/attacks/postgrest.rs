//! The same through a real PostgREST with signed tokens, as a Supabase dashboard comes in. PostgREST 12 is installed
//! by `make setup-tests` (`target/outside/bin/postgrest`); the settings are those that docs/schema.md asks for.
//! What PostgREST does with requests, roles and tokens: https://docs.postgrest.org/en/v12/

mod entering;
mod reading;
mod tokens;
mod writing;

use std::collections::HashSet;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use reqwest::{Method, StatusCode};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use super::report;
use super::target::{Target, fill};
use tokens::SECRET;

const READY_WITHIN: Duration = Duration::from_secs(30);

/// What another server's answers would hold.
const OF_OTHERS: &[&str] = &[
    "1100000000000000002",
    "1100000000000000003",
    "prompt 2",
    "prompt 3",
    "document 2",
    "document 3",
    "talk 2",
    "talk 3",
    "member 2",
    "member 3",
    "5002",
    "5005",
    "user 2",
    "\"total_queries\":41,\"server_id\":1100000000000000002",
];

/// What must come of a request.
#[derive(Debug, Clone, Copy)]
pub enum Expect {
    /// One of these statuses, all of which are errors.
    Status(&'static [u16]),
    /// Success, with an empty list.
    Empty,
    /// Success or not, with nothing in it that belongs to somebody else.
    NothingOfOthers,
    /// Success that touches what is the caller's own; this question of the owner's is answered with true.
    OwnOnly(&'static str),
}

/// No rights: 401 for anon, 403 for somebody.
pub const DENIED: Expect = Expect::Status(&[401, 403]);
/// There is no such thing to be seen.
pub const ABSENT: Expect = Expect::Status(&[404, 406]);

#[derive(Debug, Clone)]
pub struct Request {
    pub name: String,
    /// The Authorization header's token.
    pub token: Option<String>,
    pub method: Method,
    pub path: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
    pub expect: Expect,
}

pub fn get(name: &str, token: Option<String>, path: &str, expect: Expect) -> Request {
    request(name, token, Method::GET, path, "", expect)
}

pub fn request(
    name: &str,
    token: Option<String>,
    method: Method,
    path: &str,
    body: &str,
    expect: Expect,
) -> Request {
    let mut headers = Vec::new();
    if !body.is_empty() {
        headers.push(("Content-Type".to_owned(), "application/json".to_owned()));
    }
    // Otherwise a change of no row looks like a change of some.
    if method != Method::GET && method != Method::HEAD {
        headers.push(("Prefer".to_owned(), "return=representation".to_owned()));
    }
    Request { name: name.to_owned(), token, method, path: fill(path), headers, body: fill(body), expect }
}

impl Request {
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), fill(value)));
        self
    }
}

/// One PostgREST on a port of its own; ends with this value.
pub struct Postgrest {
    url: String,
    http: reqwest::Client,
    /// Killed when dropped.
    _process: Child,
}

impl Postgrest {
    pub async fn start(target: &Target) -> Self {
        helpline::telemetry::install_crypto();
        let http = reqwest::Client::builder().no_proxy().build().expect("a client");
        for _ in 0..5 {
            // Free at this moment; whoever is quicker makes PostgREST exit, and another port is tried.
            let port = {
                let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
                listener.local_addr().expect("it has an address").port()
            };
            let mut process = spawn(target, port);
            let url = format!("http://127.0.0.1:{port}");
            let deadline = Instant::now() + READY_WITHIN;
            while process.try_wait().expect("the process is ours").is_none() {
                // 503 until the schema has been read.
                let answer = http.get(format!("{url}/billing_plans")).send().await;
                if answer.is_ok_and(|answer| answer.status() == StatusCode::UNAUTHORIZED) {
                    return Self { url, http, _process: process };
                }
                assert!(Instant::now() < deadline, "PostgREST is not ready within {READY_WITHIN:?}");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
        panic!("PostgREST ended at once, five times: run target/outside/bin/postgrest by hand to see why");
    }

    /// Status, the header that tells of counts, and the body.
    pub async fn send(&self, request: &Request) -> (StatusCode, String, String) {
        let url = format!("{}{}", self.url, request.path);
        let mut sent = self.http.request(request.method.clone(), url).body(request.body.clone());
        for (name, value) in &request.headers {
            sent = sent.header(name, value);
        }
        if let Some(token) = &request.token {
            sent = sent.header("Authorization", format!("Bearer {token}"));
        }
        let answer = sent.send().await.unwrap_or_else(|error| panic!("{}: {error}", request.path));
        let range = answer.headers().get("content-range").and_then(|range| range.to_str().ok());
        let range = range.unwrap_or_default().to_owned();
        (answer.status(), range, answer.text().await.expect("a body"))
    }
}

fn spawn(target: &Target, port: u16) -> Child {
    let program = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target"), PathBuf::from)
        .join("outside/bin/postgrest");
    assert!(program.exists(), "{} is missing: run `make setup-tests`", program.display());
    Command::new(program)
        .env("PGRST_DB_URI", target.authenticator_url())
        .env("PGRST_DB_SCHEMAS", "public")
        .env("PGRST_DB_EXTRA_SEARCH_PATH", "public,extensions")
        .env("PGRST_DB_ANON_ROLE", "anon")
        .env("PGRST_DB_PREPARED_STATEMENTS", "false")
        .env("PGRST_DB_MAX_ROWS", "1000")
        .env("PGRST_DB_POOL", "2")
        .env("PGRST_DB_CHANNEL_ENABLED", "false")
        .env("PGRST_JWT_SECRET", SECRET)
        .env("PGRST_SERVER_HOST", "127.0.0.1")
        .env("PGRST_SERVER_PORT", port.to_string())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("PostgREST starts")
}

/// Why a request counts as through; none when it was beaten off.
async fn judge(
    target: &Target,
    expect: Expect,
    status: StatusCode,
    range: &str,
    body: &str,
) -> Option<String> {
    let of_others = status.is_success() && OF_OTHERS.iter().any(|word| body.contains(word));
    let beaten = match expect {
        Expect::Status(statuses) => statuses.contains(&status.as_u16()),
        Expect::Empty => status.is_success() && body == "[]",
        Expect::NothingOfOthers => status.as_u16() < 500 && !of_others,
        Expect::OwnOnly(question) => {
            let answer: bool = sqlx::query_scalar(sqlx::AssertSqlSafe(fill(question)))
                .fetch_one(&target.db.pool)
                .await
                .expect("the owner is answered");
            answer && status.is_success() && !of_others
        }
    };
    // A count of more than what may be seen is a leak as well; nothing that is asked for here has more rows.
    let counted: u64 = range.rsplit('/').next().and_then(|total| total.parse().ok()).unwrap_or_default();
    let why = || format!("{status} {range} {}", body.chars().take(300).collect::<String>());
    (!beaten || counted > 4).then(why)
}

/// Sends controls, which must succeed with rows, and then every attack.
pub async fn run(target: &Target, family: &str, attacks: Vec<Request>, controls: Vec<Request>, least: usize) {
    let postgrest = Postgrest::start(target).await;
    for control in controls {
        let (status, _, body) = postgrest.send(&control).await;
        assert!(
            status.is_success() && body != "[]" && (!body.is_empty() || control.method == Method::HEAD),
            "control of {family}: {} {}: {status} {body}",
            control.method,
            control.path
        );
    }
    let distinct: HashSet<_> =
        attacks.iter().map(|a| (&a.token, &a.method, &a.path, &a.headers, &a.body)).collect();
    assert_eq!(distinct.len(), attacks.len(), "{family} counts an attack twice");
    let mut before = target.snapshot.take(&target.db.pool).await;
    let mut through = Vec::new();
    for attack in &attacks {
        let (status, range, body) = postgrest.send(attack).await;
        let mut why = judge(target, attack.expect, status, &range, &body).await;
        let after = target.snapshot.take(&target.db.pool).await;
        if let Some(changed) = before.difference(&after) {
            if !matches!(attack.expect, Expect::OwnOnly(_)) {
                why = Some(format!("{} changed; {status} {body}", changed.join(", ")));
            }
            before = after;
        }
        if let Some(why) = why {
            let Request { name, method, path, headers, body, .. } = attack;
            let body: String = body.chars().take(200).collect();
            through.push(format!("{name}: {method} {path} {headers:?} {body}: {why}"));
        }
    }
    report(family, attacks.len(), least, &through);
}
