//! What each subcommand does, between the command line and the roles.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use helpline_cluster::event_log::EventLog;
use helpline_cluster::ids::ServerId;
use helpline_cluster::keys::Keys;
use tokio_util::sync::CancellationToken;

use crate::config::{AdminArgs, EmbeddingArgs, ProxyArgs, Secret, StoreArgs, WorkerArgs};
use crate::embedding::Embedder;
use crate::status::{self, Live, Source};
use crate::{
    admin, doctor, knowledge, migrate, partition, proxy, server_config, shards, store, telemetry, worker,
};

#[derive(Debug, Clone, clap::Args)]
pub struct DatabaseArgs {
    /// Postgres of the owner or of helpline_worker [default: the private one of `helpline up` on this machine]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
}

#[derive(Debug, Clone, clap::Args)]
pub struct MigrateArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// How many shards there are to be at least; the number never shrinks
    #[arg(long, env = "SHARDS", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub shards: u32,
    #[command(flatten)]
    pub sign_in: migrate::sign_in::SignInArgs,
}

#[derive(Debug, Clone, clap::Args)]
pub struct PartitionArgs {
    /// Postgres of the owner, not through a pooler [default: the private one of `helpline up` on this machine]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Seconds to go on trying when others hold the tables
    #[arg(long, default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    pub patience: u64,
    /// Milliseconds that others may wait behind one try
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    pub lock_timeout_ms: u64,
}

#[derive(Debug, Clone, clap::Args)]
pub struct ShardsArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Redis, to tell how many events each shard is behind [default: that column is left empty]
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// First part of every Redis key
    #[arg(long, env = "REDIS_PREFIX", default_value = "hl")]
    pub redis_prefix: String,
}

#[derive(Debug, Clone, clap::Args)]
pub struct StatusArgs {
    /// Postgres of the owner or of any of Helpline's users [default: the private one of `helpline up` on this machine]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Redis [default: the private one of `helpline up` on this machine]
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// First part of every Redis key
    #[arg(long, env = "REDIS_PREFIX", default_value = "hl")]
    pub redis_prefix: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    /// Show every shard; else, where there are many, those in which something waits
    #[arg(long)]
    pub all: bool,
    /// Go on showing, every so many seconds
    #[arg(
        long,
        value_name = "SECONDS",
        num_args = 0..=1,
        default_missing_value = "2",
        value_parser = clap::value_parser!(u64).range(1..=3_600)
    )]
    pub watch: Option<u64>,
}

/// All of a deployment's settings: those of a proxy are those of a worker and the token.
#[derive(Debug, Clone, clap::Args)]
pub struct DoctorArgs {
    /// Postgres of the owner or of any of Helpline's users [default: the private one of `helpline up` on this machine]
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Direct Postgres connection for LISTEN and liveness [default: DATABASE_URL]
    #[arg(long, env = "DATABASE_SESSION_URL", hide_env_values = true)]
    pub database_session_url: Option<String>,
    /// Redis [default: the private one of `helpline up` on this machine]
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// First part of every Redis key
    #[arg(long, env = "REDIS_PREFIX", default_value = "hl")]
    pub redis_prefix: String,
    /// Token of the bot [default: Discord is not looked at]
    #[arg(long, env = "DISCORD_TOKEN", hide_env_values = true)]
    pub discord_token: Option<String>,
    /// Discord's REST base without /api
    #[arg(long, env = "DISCORD_API_URL", default_value = "https://discord.com")]
    pub discord_api_url: String,
    /// As the proxies and workers have it
    #[arg(
        long,
        env = "MESSAGE_CONTENT",
        default_value_t = true,
        action = clap::ArgAction::Set
    )]
    pub message_content: bool,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
}

#[derive(Debug, Clone, clap::Args)]
pub struct EvalArgs {
    /// A JSON object a line: {"id", "title", "text"}
    #[arg(long)]
    pub documents: PathBuf,
    /// A JSON object a line: {"id", "question", "relevant": [ids of documents]}; an empty list = not answerable
    #[arg(long)]
    pub questions: PathBuf,
    /// Language of the documents, as in a server's config
    #[arg(long, default_value = "en")]
    pub language: String,
    /// Print one JSON object
    #[arg(long)]
    pub json: bool,
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
    /// Postgres, of which only the stemming is used [default: that of `helpline up`, or a temporary one]
    #[command(flatten)]
    pub database: DatabaseArgs,
}

const NO_DATABASE: &str = "DATABASE_URL is not set and no `helpline up` runs on this machine: \
                           give the database, as in DATABASE_URL=postgres://user:password@host/helpline";
const NO_REDIS: &str = "REDIS_URL is not set and no `helpline up` runs on this machine: \
                        give the Redis, as in REDIS_URL=redis://host:6379";

impl PartitionArgs {
    fn options(&self) -> partition::Options {
        partition::Options {
            patience: Duration::from_secs(self.patience),
            lock_timeout: Duration::from_millis(self.lock_timeout_ms),
        }
    }

    async fn connect(&self) -> anyhow::Result<sqlx::PgPool> {
        DatabaseArgs { database_url: self.database_url.clone() }.connect().await
    }
}

impl DatabaseArgs {
    fn url(&self) -> anyhow::Result<String> {
        match &self.database_url {
            Some(url) => Ok(url.clone()),
            None => crate::up::running_database_url().context(NO_DATABASE),
        }
    }

    pub async fn connect(&self) -> anyhow::Result<sqlx::PgPool> {
        let pool = store::postgres_once(&self.url()?).await?;
        migrate::check(&pool).await?;
        Ok(pool)
    }
}

/// Cancelled by Ctrl-C or SIGTERM. A second one ends the process at once.
pub fn stop_signal() -> CancellationToken {
    use tokio::signal::unix::{SignalKind, signal};
    let cancel = CancellationToken::new();
    let stop = cancel.clone();
    tokio::spawn(async move {
        let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be listened for");
        let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be listened for");
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if stop.is_cancelled() {
                std::process::exit(130);
            }
            tracing::info!("stopping; once more to stop at once");
            stop.cancel();
        }
    });
    cancel
}

pub async fn proxy(args: ProxyArgs) -> anyhow::Result<()> {
    let config = args.resolve()?;
    let live = live(&args.stores);
    with_admin(&args.admin, live, async |health, cancel| proxy::run(config, &health, cancel).await).await
}

pub async fn worker(args: WorkerArgs) -> anyhow::Result<()> {
    let config = args.resolve()?;
    let live = live(&args.stores);
    with_admin(&args.admin, live, async |health, cancel| worker::run(config, &health, cancel).await).await
}

/// What the status page of a role's process looks at: the role's own stores.
pub(crate) fn live(stores: &StoreArgs) -> Live {
    let url = |url: &Option<String>, none: &str| url.clone().ok_or_else(|| none.to_owned());
    let database = url(&stores.database_url, NO_DATABASE);
    Live::new(Source::new(database, url(&stores.redis_url, NO_REDIS), &stores.redis_prefix))
}

/// Runs a role beside its health and metrics endpoint until it ends or is told to.
async fn with_admin(
    args: &AdminArgs,
    live: Live,
    role: impl AsyncFnOnce(Arc<admin::Health>, CancellationToken) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    telemetry::install_crypto();
    let cancel = stop_signal();
    let health = Arc::new(admin::Health::default());
    let admin_end = CancellationToken::new();
    let served = admin::start(args.resolve()?, Arc::clone(&health), Some(live), admin_end.clone()).await?;
    let done = role(health, cancel).await;
    admin_end.cancel();
    served.await.context("join the admin endpoint")?;
    done
}

pub async fn migrate(args: MigrateArgs) -> anyhow::Result<()> {
    // Before anything is changed.
    let sign_ins = args.sign_in.resolve()?;
    let pool = store::postgres_once(&args.database.url()?).await?;
    let report = migrate::run(&pool, migrate::Options { shards: args.shards }).await?;
    migrate::sign_in::apply(&pool, &sign_ins).await?;
    println!("{report}");
    Ok(())
}

pub async fn config_show(database: &DatabaseArgs, server: ServerId) -> anyhow::Result<()> {
    server_config::show(&database.connect().await?, server).await
}

pub async fn config_set(database: &DatabaseArgs, server: ServerId, pairs: &[String]) -> anyhow::Result<()> {
    server_config::set(&database.connect().await?, server, pairs).await
}

pub async fn knowledge_import(
    database: &DatabaseArgs,
    server: ServerId,
    files: &[PathBuf],
) -> anyhow::Result<()> {
    let reader = knowledge::pdf::Reader::default();
    knowledge::cli::import(&database.connect().await?, &reader, server, files).await
}

pub async fn knowledge_eval(args: &EvalArgs) -> anyhow::Result<()> {
    let set = knowledge::eval::Set::read(&args.documents, &args.questions)?;
    telemetry::install_crypto();
    let embedder = match args.embedding.for_a_command()? {
        Some(config) => Some(Arc::new(Embedder::open(config).await?)),
        None => None,
    };
    let report = match args.database.url() {
        Ok(_) => {
            knowledge::eval::run(&args.database.connect().await?, &set, &args.language, embedder).await?
        }
        Err(_) => {
            let services = crate::up::services::Services::temporary(&std::env::temp_dir()).await?;
            let pool = store::postgres_once(&services.database_url()).await?;
            migrate::run(&pool, migrate::Options { shards: 1 }).await?;
            let report = knowledge::eval::run(&pool, &set, &args.language, embedder).await;
            pool.close().await;
            services.stop().await?;
            report?
        }
    };
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(())
}

pub async fn shards_list(args: &ShardsArgs) -> anyhow::Result<()> {
    telemetry::install_crypto();
    let pool = args.database.connect().await?;
    let log = match &args.redis_url {
        Some(url) => {
            let redis = store::redis(url, &CancellationToken::new()).await?;
            Some(EventLog::new(&redis, Keys::new(&args.redis_prefix)))
        }
        None => None,
    };
    println!("{}", shards::Table(&shards::list(&pool, log.as_ref()).await?));
    Ok(())
}

pub async fn status(args: &StatusArgs) -> anyhow::Result<()> {
    telemetry::install_crypto();
    let database = args.database_url.clone().or_else(crate::up::running_database_url);
    let redis = args.redis_url.clone().or_else(crate::up::running_redis_url);
    let source = Source::new(
        database.ok_or_else(|| NO_DATABASE.to_owned()),
        redis.ok_or_else(|| NO_REDIS.to_owned()),
        &args.redis_prefix,
    );
    let every = args.watch.map(Duration::from_secs);
    let show = status::cli::Show { json: args.json, all: args.all, every };
    status::cli::run(source, show, if every.is_some() { stop_signal() } else { CancellationToken::new() })
        .await
}

/// Errors when something is broken, after all findings were printed.
pub async fn doctor(args: &DoctorArgs) -> anyhow::Result<()> {
    telemetry::install_crypto();
    let token = args.discord_token.as_deref().map(str::trim).filter(|token| !token.is_empty());
    let report = doctor::examine(&doctor::Deployment {
        database_url: args.database_url.clone().or_else(crate::up::running_database_url),
        session_url: args.database_session_url.clone(),
        redis_url: args.redis_url.clone().or_else(crate::up::running_redis_url),
        redis_prefix: args.redis_prefix.clone(),
        token: token.map(|token| Secret::new(token.strip_prefix("Bot ").unwrap_or(token))),
        discord_api_url: args.discord_api_url.clone(),
        message_content: args.message_content,
    })
    .await;
    match args.json {
        true => println!("{}", serde_json::to_string(&report).context("write the report as JSON")?),
        false => println!("{report}"),
    }
    anyhow::ensure!(report.verdict() != doctor::Verdict::Broken, "something is broken: see above");
    Ok(())
}

pub async fn shards_set(database: &DatabaseArgs, number: u32) -> anyhow::Result<()> {
    match shards::set(&database.connect().await?, number).await? {
        0 => println!("there are {number} shards already"),
        added => println!(
            "added {added} shards, {number} in all: they have owners within a second, and servers move to them little by little (see `helpline shards list`)"
        ),
    }
    Ok(())
}

pub async fn gateway_shards_show(database: &DatabaseArgs) -> anyhow::Result<()> {
    proxy::cli::show(&database.connect().await?).await
}

pub async fn gateway_shards_set(database: &DatabaseArgs, total: u32) -> anyhow::Result<()> {
    proxy::cli::set(&database.connect().await?, total).await
}

pub async fn gateway_shards_abandon(database: &DatabaseArgs) -> anyhow::Result<()> {
    proxy::cli::abandon(&database.connect().await?).await
}

pub async fn partition_list(database: &DatabaseArgs) -> anyhow::Result<()> {
    let pool = database.connect().await?;
    for partition in partition::list(&pool).await? {
        println!("{partition}");
    }
    Ok(())
}

pub async fn partition_promote(args: &PartitionArgs, server: ServerId) -> anyhow::Result<()> {
    println!("{}", partition::promote(&args.connect().await?, server, args.options()).await?);
    Ok(())
}

pub async fn partition_abandon(args: &PartitionArgs) -> anyhow::Result<()> {
    let found = partition::abandon(&args.connect().await?, args.options()).await?;
    println!(
        "{}",
        if found { "removed or finished an interrupted promotion" } else { "there was nothing to do" }
    );
    Ok(())
}
