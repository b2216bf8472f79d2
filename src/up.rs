//! `helpline up`: everything on one machine, in one process. Starts a private Postgres and Redis when their URLs are
//! unset, migrates, then runs a proxy and a worker.

pub mod services;

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio_util::sync::CancellationToken;

use crate::cli::{live, stop_signal};
use crate::config::{AdminArgs, DiscordArgs, ProxyArgs, StoreArgs, WorkerArgs, WorkerTuning};
use crate::{admin, migrate, proxy, store, telemetry, worker};
use services::{Lifetime, Services};

/// Hold the private stores' URLs while they run, for `helpline config`, `helpline status` and others.
const URL_FILE: &str = "database-url";
const REDIS_URL_FILE: &str = "redis-url";

#[derive(Debug, Clone, clap::Args)]
pub struct UpArgs {
    #[command(flatten)]
    pub stores: StoreArgs,
    #[command(flatten)]
    pub discord: DiscordArgs,
    #[command(flatten)]
    pub admin: AdminArgs,
    #[command(flatten)]
    pub tuning: WorkerTuning,
    /// Where the private Postgres keeps its data [default: /var/lib/helpline or ~/.local/share/helpline]
    #[arg(long, env = "HELPLINE_DATA")]
    pub data: Option<PathBuf>,
    /// How many shards there are to be at least
    #[arg(long, env = "SHARDS", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub shards: u32,
}

/// The database of a `helpline up` that runs on this machine with its default data directory.
pub fn running_database_url() -> Option<String> {
    running(URL_FILE)
}

/// The same for its Redis.
pub fn running_redis_url() -> Option<String> {
    running(REDIS_URL_FILE)
}

fn running(file: &str) -> Option<String> {
    let dir = match std::env::var_os("HELPLINE_DATA") {
        Some(dir) => PathBuf::from(dir),
        None => services::default_dir().ok()?,
    };
    std::fs::read_to_string(dir.join(file)).ok().map(|url| url.trim().to_owned())
}

pub async fn run(args: UpArgs) -> anyhow::Result<()> {
    if args.discord.discord_token.as_deref().is_none_or(|token| token.trim().is_empty()) {
        bail!(NO_TOKEN);
    }
    telemetry::install_crypto();
    match (&args.stores.database_url, &args.stores.redis_url) {
        (Some(url), Some(_)) => {
            let urls = Urls {
                owner: url.clone(),
                stores: args.stores.clone(),
                stores_of_proxy: args.stores.clone(),
            };
            roles(&args, urls, stop_signal()).await
        }
        (None, None) => with_private_services(&args).await,
        (Some(_), None) => bail!("REDIS_URL is not set: set both DATABASE_URL and REDIS_URL, or neither"),
        (None, Some(_)) => bail!("DATABASE_URL is not set: set both DATABASE_URL and REDIS_URL, or neither"),
    }
}

const NO_TOKEN: &str = "DISCORD_TOKEN is not set.
  To serve a real Discord server:
    1. Create an application at https://discord.com/developers/applications
    2. Bot: Reset Token, copy it; switch on Message Content Intent
    3. DISCORD_TOKEN=… helpline up
  The README says it step by step, with the invite link.
  To see Helpline at work without any account: make demo";

/// Where the roles find their stores, and as whom.
struct Urls {
    owner: String,
    stores: StoreArgs,
    stores_of_proxy: StoreArgs,
}

async fn with_private_services(args: &UpArgs) -> anyhow::Result<()> {
    let dir = match &args.data {
        Some(dir) => dir.clone(),
        None => services::default_dir()?,
    };
    tracing::info!("starting a private Postgres and Redis in {}", dir.display());
    // Before the services: Ctrl-C reaches them too, and they must outlive the roles.
    let cancel = stop_signal();
    let services = Services::start(&dir, Lifetime::Kept).await?;
    let urls = private_urls(&services, args)?;
    let url_files = [
        UrlFile::write(&dir, URL_FILE, &urls.owner)?,
        UrlFile::write(&dir, REDIS_URL_FILE, &services.redis_url())?,
    ];
    let done = roles(args, urls, cancel).await;
    drop(url_files);
    services.stop().await?;
    done
}

/// The private Postgres trusts its machine, so the roles need no passwords.
fn private_urls(services: &Services, args: &UpArgs) -> anyhow::Result<Urls> {
    let owner = services.database_url();
    let as_role = |role: &str| -> anyhow::Result<StoreArgs> {
        let url = owner.replacen("postgres@", &format!("{role}@"), 1);
        if url == owner {
            bail!("the private Postgres has an unexpected URL");
        }
        Ok(StoreArgs {
            database_url: Some(url),
            database_session_url: None,
            redis_url: Some(services.redis_url()),
            redis_prefix: args.stores.redis_prefix.clone(),
        })
    };
    Ok(Urls { stores: as_role("helpline_worker")?, stores_of_proxy: as_role("helpline_proxy")?, owner })
}

/// Removed when it is dropped.
struct UrlFile(PathBuf);

impl UrlFile {
    fn write(dir: &Path, file: &str, url: &str) -> anyhow::Result<Self> {
        let path = dir.join(file);
        std::fs::write(&path, url).with_context(|| format!("write {}", path.display()))?;
        Ok(Self(path))
    }
}

impl Drop for UrlFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

async fn roles(args: &UpArgs, urls: Urls, cancel: CancellationToken) -> anyhow::Result<()> {
    let owner = store::postgres_once(&urls.owner).await?;
    let report = migrate::run(&owner, migrate::Options { shards: args.shards }).await?;
    owner.close().await;
    tracing::info!("{report}");
    let proxy_port = free_port()?;
    let live = live(&urls.stores);
    let proxy_config = ProxyArgs {
        stores: urls.stores_of_proxy,
        discord: args.discord.clone(),
        admin: args.admin.clone(),
        proxy_addr: format!("127.0.0.1:{proxy_port}"),
        name: None,
        lease_ttl_ms: args.tuning.lease_ttl_ms.clone(),
    }
    .resolve()?;
    let worker_config = WorkerArgs {
        stores: urls.stores,
        admin: args.admin.clone(),
        message_content: args.discord.message_content.clone(),
        tuning: args.tuning.clone(),
        proxy_url: format!("http://127.0.0.1:{proxy_port}"),
        discord_api_url: args.discord.discord_api_url.clone(),
        name: None,
    }
    .resolve()?;

    tracing::info!(
        "starting; once the bot is in a server: `helpline knowledge import` brings documents in, \
         `helpline config set` switches support on. Ctrl-C stops everything"
    );
    let health = Arc::new(admin::Health::default());
    let ends = CancellationToken::new();
    let served = admin::start(args.admin.resolve()?, Arc::clone(&health), Some(live), ends.clone()).await?;
    let proxy_end = CancellationToken::new();
    let worker_end = cancel.child_token();
    let proxied = async {
        let done = proxy::run(proxy_config, &health, proxy_end.clone()).await;
        worker_end.cancel();
        done
    };
    let worked = async {
        let done = worker::run(worker_config, &health, worker_end.clone()).await;
        // The worker hands its last effects to the proxy, so the proxy goes after it.
        proxy_end.cancel();
        done
    };
    let (proxied, worked) = tokio::join!(proxied, worked);
    ends.cancel();
    served.await.context("join the admin endpoint")?;
    proxied.and(worked)
}

fn free_port() -> anyhow::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr().context("read the free port")?.port())
}
