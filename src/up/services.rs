//! Private Postgres and Redis servers for `helpline up`, the demo and the tests.
//!
//! Owns one directory: data, logs and both processes live and end there. Promises: free ports on 127.0.0.1
//! only, an unprivileged account when started by root, nothing left running when the starting process ends
//! in any way, and no contact with servers that already run. Both servers trust every local connection, so
//! they are for a machine whose users trust each other; elsewhere set DATABASE_URL and REDIS_URL.

mod account;
mod binaries;
mod postgres;
mod process;
mod redis_server;

use std::fs::{File, TryLockError};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;

use account::Account;
use binaries::Binaries;
use process::Supervised;

/// Name of the database that [`Services::database_url`] points to.
pub const DATABASE: &str = "helpline";

/// How often a start is tried again when another process took the chosen port first.
const PORT_TRIES: u32 = 5;

/// What becomes of the data when the servers end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// Postgres writes through to the disk, and the next start in the directory finds the data again.
    Kept,
    /// Postgres does not wait for the disk, and the directory is removed with the servers.
    Temporary,
}

/// A running Postgres and a running Redis. Dropping it ends both; [`Services::stop`] does so without blocking.
#[derive(Debug)]
pub struct Services {
    postgres: Supervised,
    redis: Supervised,
    postgres_port: u16,
    redis_port: u16,
    /// Held open: the lock on it keeps a second start out of the directory.
    _lock: File,
    /// Removed after the servers have ended.
    _dir: Option<TempDir>,
}

impl Services {
    /// Starts both servers in `dir` (created when missing) and returns when both answer.
    ///
    /// Data of an earlier [`Lifetime::Kept`] run is used again. Fails with a message for a person when a program
    /// is missing (it names the packages), when `dir` is in use, or when the account cannot enter `dir`.
    pub async fn start(dir: &Path, lifetime: Lifetime) -> Result<Self> {
        let binaries = Binaries::find()?;
        let account = Account::choose()?;
        let dir = prepare(dir, &account)?;
        let lock = lock(&dir)?;
        let host = Host { dir, account, lifetime };
        // Redis first: it takes a tenth of a second, and a failure here has cost nothing yet.
        let (redis, redis_port) = redis_server::start(&host, &binaries).await?;
        let (postgres, postgres_port) = postgres::start(&host, &binaries).await?;
        Ok(Self { postgres, redis, postgres_port, redis_port, _lock: lock, _dir: None })
    }

    /// Starts both servers in a new directory within `parent`, which other accounts must be able to enter when root
    /// starts them: the system's directory for temporary files is, a [`TempDir`] of root's is not.
    pub async fn temporary(parent: &Path) -> Result<Self> {
        let dir = tempfile::Builder::new()
            .prefix("helpline-services-")
            .tempdir_in(parent)
            .with_context(|| format!("create a directory in {}", parent.display()))?;
        let services = Self::start(dir.path(), Lifetime::Temporary).await?;
        Ok(Self { _dir: Some(dir), ..services })
    }

    /// URL of the database [`DATABASE`], as the superuser `postgres`.
    #[must_use]
    pub fn database_url(&self) -> String {
        postgres::url(self.postgres_port, DATABASE)
    }

    /// URL of the maintenance database `postgres`, from which tests create databases of their own.
    #[must_use]
    pub fn maintenance_url(&self) -> String {
        postgres::url(self.postgres_port, "postgres")
    }

    /// URL of the Redis server.
    #[must_use]
    pub fn redis_url(&self) -> String {
        redis_server::url(self.redis_port)
    }

    /// Ends both servers (Postgres by a fast shutdown) and returns when they are gone.
    pub async fn stop(mut self) -> Result<()> {
        self.redis.let_go();
        self.postgres.let_go();
        self.redis.gone().await?;
        self.postgres.gone().await
    }
}

/// What both servers need to know of the place they run in.
#[derive(Debug)]
struct Host {
    dir: PathBuf,
    account: Account,
    lifetime: Lifetime,
}

/// The directory `helpline up` uses unless told otherwise: `/var/lib/helpline` for root, whose home other
/// accounts cannot enter, else `helpline` in the user's data directory (XDG base directory specification).
pub fn default_dir() -> Result<PathBuf> {
    if Account::is_root()? {
        return Ok(PathBuf::from("/var/lib/helpline"));
    }
    let absolute = |name| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    absolute("XDG_DATA_HOME")
        .or_else(|| absolute("HOME").map(|home| home.join(".local/share")))
        .map(|data| data.join("helpline"))
        .context("neither XDG_DATA_HOME nor HOME is set: name a directory for the data")
}

/// Creates the directory for the account alone and checks that the account can work in it.
fn prepare(dir: &Path, account: &Account) -> Result<PathBuf> {
    std::fs::create_dir_all(dir).with_context(|| format!("create the directory {}", dir.display()))?;
    let dir = dir.canonicalize().with_context(|| format!("find the directory {}", dir.display()))?;
    account.own(&dir)?;
    if !account.can_work_in(&dir)? {
        bail!(
            "the unprivileged account {} cannot enter {}: choose a directory outside of private ones, such as /var/lib/helpline",
            account.name(),
            dir.display()
        );
    }
    Ok(dir)
}

fn lock(dir: &Path) -> Result<File> {
    let path = dir.join("lock");
    let file = File::create(&path).with_context(|| format!("open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            bail!(
                "{} is in use by another helpline: stop that one or choose another directory",
                dir.display()
            )
        }
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("lock {}", path.display())),
    }
}

/// A port that was free a moment ago. Nothing reserves it: whoever uses it must try again when it is taken.
fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port on 127.0.0.1")?;
    Ok(listener.local_addr().context("read the free port")?.port())
}
