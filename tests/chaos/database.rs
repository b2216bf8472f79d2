//! The database of a test: one of its own on the Postgres that all tests share, or a Postgres of its own that it may
//! crash.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::str::FromStr;

use helpline::migrate;
use helpline::up::services::{Lifetime, Services};
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{ConnectOptions, PgPool};
use tempfile::TempDir;

use crate::support::{TestDb, eventually};
use crate::wire::Wire;

#[derive(Debug)]
#[allow(clippy::large_enum_variant, reason = "a test has one")]
pub enum Database {
    Shared(TestDb),
    Own(OwnPostgres),
}

impl Database {
    pub async fn shared(shards: u32) -> Self {
        let db = TestDb::new().await;
        migrate::run(&db.pool, migrate::Options { shards }).await.expect("shards are added");
        Self::Shared(db)
    }

    pub async fn own(shards: u32) -> Self {
        let own = OwnPostgres::start().await;
        migrate::run(&own.pool, migrate::Options { shards }).await.expect("it migrates");
        Self::Own(own)
    }

    /// As its owner.
    pub fn pool(&self) -> &PgPool {
        match self {
            Self::Shared(db) => &db.pool,
            Self::Own(own) => &own.pool,
        }
    }

    pub fn address(&self) -> SocketAddr {
        match self {
            Self::Shared(db) => address_of(&options(&db.url)),
            Self::Own(own) => own.front.address(),
        }
    }

    /// What a process connects to as `role`, over a wire at `at`. Its connections bear its name.
    pub fn url(&self, role: &str, process: &str, at: SocketAddr) -> String {
        let options = match self {
            Self::Shared(db) => options(&db.url),
            Self::Own(own) => options(&own.url),
        };
        let mut url = options.host("127.0.0.1").port(at.port()).username(role).to_url_lossy();
        // The options' own way to a URL leaves the name out.
        url.query_pairs_mut().append_pair("application_name", process);
        url.to_string()
    }
}

fn options(url: &str) -> PgConnectOptions {
    PgConnectOptions::from_str(url).expect("a Postgres URL")
}

fn address_of(options: &PgConnectOptions) -> SocketAddr {
    let host = options.get_host();
    let ip = if host == "localhost" { "127.0.0.1" } else { host };
    format!("{ip}:{}", options.get_port()).parse().expect("the tests' Postgres listens on an address")
}

/// A Postgres that comes back on another port after a crash; everybody connects through `front`.
#[derive(Debug)]
pub struct OwnPostgres {
    pub pool: PgPool,
    front: Wire,
    url: String,
    /// Before the directory, so that it is gone when the directory goes.
    services: Option<Services>,
    dir: TempDir,
}

impl OwnPostgres {
    async fn start() -> Self {
        let dir = tempfile::Builder::new().prefix("helpline-chaos-").tempdir().expect("a directory");
        // Root's servers do not run as root and have to enter.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).expect("it is opened");
        let services = Services::start(dir.path(), Lifetime::Kept).await.expect("Postgres starts");
        let url = services.database_url();
        let front = Wire::to(vec![address_of(&options(&url))]).await;
        let over_the_wire = options(&url).port(front.address().port());
        let pool = PgPoolOptions::new().max_connections(4).connect_lazy_with(over_the_wire);
        Self { pool, front, url, services: Some(services), dir }
    }

    /// Ends as by a crash (SIGQUIT: nothing is written, clients are thrown out), recovers and is back.
    pub async fn crash_and_recover(&mut self) {
        crash(self.dir.path());
        let services = self.services.take().expect("it runs");
        services.stop().await.expect("it is gone");
        let services = Services::start(self.dir.path(), Lifetime::Kept).await.expect("Postgres recovers");
        self.front.lead_to(vec![address_of(&options(&services.database_url()))]);
        self.services = Some(services);
        eventually("Postgres answers again", async || {
            sqlx::query_scalar::<_, i32>("select 1").fetch_one(&self.pool).await.ok()
        })
        .await;
    }
}

fn crash(dir: &Path) {
    let file = std::fs::read_to_string(dir.join("postgres/postmaster.pid")).expect("Postgres runs");
    let pid = file.lines().next().expect("it begins with the process id");
    let sent = std::process::Command::new("kill").args(["-QUIT", pid.trim()]).status().expect("kill runs");
    assert!(sent.success());
}
