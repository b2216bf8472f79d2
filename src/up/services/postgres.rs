//! The private Postgres: its data directory, its start, and the database that the product uses.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sqlx::{Connection, PgConnection};

use super::binaries::{Binaries, Postgres};
use super::process::{Service, Supervised};
use super::{DATABASE, Host, Lifetime, PORT_TRIES, free_port};

/// Recovery after a power cut replays the write-ahead log first, so this is generous.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a server of an earlier run, whose starter was killed, may take to end.
const PREDECESSOR_GONE_WITHIN: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(25);

/// Tried in order: UTF-8 case mapping for the full-text search first, the bare C locale where nothing else exists.
const LOCALES: [&str; 3] = ["C.UTF-8", "en_US.UTF-8", "C"];

pub(super) fn url(port: u16, database: &str) -> String {
    format!("postgres://postgres@127.0.0.1:{port}/{database}")
}

pub(super) async fn start(host: &Host, binaries: &Binaries) -> Result<(Supervised, u16)> {
    let data = host.dir.join("postgres");
    let installed = data_directory(host, binaries, &data)?;
    let predecessor_deadline = Instant::now() + PREDECESSOR_GONE_WITHIN;
    let mut taken = 0;
    while taken < PORT_TRIES {
        remove_stale_pid_file(&data)?;
        let port = free_port()?;
        let mut server = Supervised::spawn(service(host, installed, &data, port)?, &host.dir, &host.account)?;
        match ready(&mut server, &data, port).await? {
            Start::Ready => {
                create_database(port).await?;
                return Ok((server, port));
            }
            Start::PortTaken => taken += 1,
            Start::PredecessorRuns if Instant::now() > predecessor_deadline => {
                bail!("another Postgres runs on {}: stop it first; {}", data.display(), server.last_words())
            }
            Start::PredecessorRuns => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    }
    bail!("no port for Postgres: {PORT_TRIES} free ones were taken by others before it could start")
}

/// The installation that fits the data, which are created when there are none yet.
fn data_directory<'a>(host: &Host, binaries: &'a Binaries, data: &Path) -> Result<&'a Postgres> {
    let version_file = data.join("PG_VERSION");
    if !version_file.exists() {
        let newest = binaries.postgres(None).context("no PostgreSQL is installed")?;
        create_data(host, newest, data)?;
        return Ok(newest);
    }
    let text =
        std::fs::read_to_string(&version_file).with_context(|| format!("read {}", version_file.display()))?;
    let major = text.trim().parse().with_context(|| format!("read {}: {text}", version_file.display()))?;
    binaries.postgres(Some(major)).with_context(|| {
        format!(
            "{} was written by PostgreSQL {major}, which is not installed: install it, or carry the data over with pg_upgrade",
            data.display()
        )
    })
}

/// Runs initdb beside the final place and renames, so that a half-made directory is never taken for data.
fn create_data(host: &Host, installed: &Postgres, data: &Path) -> Result<()> {
    let unfinished = data.with_extension("unfinished");
    for locale in LOCALES {
        if unfinished.exists() {
            std::fs::remove_dir_all(&unfinished)
                .with_context(|| format!("remove {}", unfinished.display()))?;
        }
        let mut initdb = host.account.command(&installed.initdb);
        initdb.arg("-D").arg(&unfinished).args(["-U", "postgres", "-A", "trust", "-E", "UTF8"]);
        initdb.args(["--locale", locale]).env("LC_ALL", "C").current_dir(&host.dir).stdin(Stdio::null());
        if host.lifetime == Lifetime::Temporary {
            initdb.arg("--no-sync");
        }
        let output = initdb.output().with_context(|| format!("run {}", installed.initdb.display()))?;
        if output.status.success() {
            return std::fs::rename(&unfinished, data).with_context(|| format!("create {}", data.display()));
        }
        let complaint = String::from_utf8_lossy(&output.stderr);
        if !complaint.contains("invalid locale") {
            bail!("initdb could not create {}: {}", data.display(), complaint.trim());
        }
    }
    bail!("initdb knows none of the locales {}", LOCALES.join(", "))
}

fn service<'a>(host: &'a Host, installed: &'a Postgres, data: &Path, port: u16) -> Result<Service<'a>> {
    let temporary = host.lifetime == Lifetime::Temporary;
    let port = format!("port={port}");
    let mut settings = vec![
        port.as_str(),
        "listen_addresses=127.0.0.1",
        // TCP alone: the path of a socket in a deep directory can be too long for the kernel.
        "unix_socket_directories=",
        "shared_buffers=128MB",
        "lc_messages=C",
        "logging_collector=off",
        "log_destination=stderr",
    ];
    if temporary {
        // A test run opens many small pools at once, and its data need not outlive a power cut.
        settings.extend(["max_connections=400", "fsync=off", "full_page_writes=off", "autovacuum=on"]);
    } else {
        settings.extend(["max_connections=200", "fsync=on"]);
    }
    let data = data.to_str().context("the directory's name is not UTF-8")?;
    let mut arguments = vec!["-D".to_owned(), data.to_owned()];
    arguments.extend(settings.iter().flat_map(|setting| ["-c".to_owned(), (*setting).to_owned()]));
    Ok(Service {
        name: "postgres",
        program: &installed.server,
        arguments,
        // Fast shutdown: https://www.postgresql.org/docs/15/server-shutdown.html
        end_signal: "INT",
        remove_afterwards: temporary.then_some(host.dir.as_path()),
    })
}

enum Start {
    Ready,
    PortTaken,
    PredecessorRuns,
}

async fn ready(server: &mut Supervised, data: &Path, port: u16) -> Result<Start> {
    let deadline = Instant::now() + READY_WITHIN;
    loop {
        if server.ended()?.is_some() {
            let log = server.log();
            if log.contains("Address already in use") {
                return Ok(Start::PortTaken);
            }
            if log.contains("postmaster.pid\" already exists") {
                return Ok(Start::PredecessorRuns);
            }
            bail!("postgres ended while starting; {}", server.last_words());
        }
        // On a lost race for the port, the one that answers is somebody else's: its data directory tells.
        if serves(port, data).await.unwrap_or(false) {
            return Ok(Start::Ready);
        }
        if Instant::now() > deadline {
            bail!("postgres does not answer on port {port}; {}", server.last_words());
        }
        tokio::time::sleep(POLL).await;
    }
}

async fn serves(port: u16, data: &Path) -> sqlx::Result<bool> {
    let mut connection = PgConnection::connect(&url(port, "postgres")).await?;
    let directory: String =
        sqlx::query_scalar("select current_setting('data_directory')").fetch_one(&mut connection).await?;
    connection.close().await?;
    Ok(PathBuf::from(directory) == data)
}

async fn create_database(port: u16) -> Result<()> {
    let mut connection = PgConnection::connect(&url(port, "postgres")).await?;
    let exists: bool =
        sqlx::query_scalar("select exists (select from pg_catalog.pg_database where datname = $1)")
            .bind(DATABASE)
            .fetch_one(&mut connection)
            .await?;
    if !exists {
        sqlx::query("create database helpline")
            .execute(&mut connection)
            .await
            .context("create the database helpline")?;
    }
    Ok(connection.close().await?)
}

/// Removes postmaster.pid when its process is gone or is no Postgres (the number was given out again after a
/// restart of the machine). Postgres itself sees only whether some process of the same account has the number.
fn remove_stale_pid_file(data: &Path) -> Result<()> {
    let file = data.join("postmaster.pid");
    let Ok(text) = std::fs::read_to_string(&file) else { return Ok(()) };
    let Some(pid) = text.lines().next().and_then(|line| line.trim().parse::<u32>().ok()) else {
        return Ok(());
    };
    let processes = Path::new("/proc");
    if !processes.join("self/comm").exists() {
        // No Linux /proc: leave it to Postgres' own check.
        return Ok(());
    }
    let name = std::fs::read_to_string(processes.join(pid.to_string()).join("comm")).unwrap_or_default();
    if name.trim_end() == "postgres" {
        return Ok(());
    }
    std::fs::remove_file(&file).with_context(|| format!("remove the stale {}", file.display()))
}
