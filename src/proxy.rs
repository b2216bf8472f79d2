//! The proxy role: the only part that talks to Discord, and the only one that knows the bot's token.
//!
//! In: gateway events, each into the stream of its server's shard ([`gateway`], [`ingest`], [`backlog`],
//! [`publish`], [`routes`]). Out: the workers' REST requests, within Discord's limits ([`egress`]).
//! Promises: nothing that Discord sent is lost while the session can be resumed; the sequence saved for a resume
//! is never ahead of the streams; every buffer is bounded.

pub mod backlog;
pub mod egress;
pub mod gateway;
pub mod ingest;
mod invalid;
pub mod metrics;
pub mod publish;
pub mod rest;
pub mod routes;
pub mod setup;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use helpline_cluster::clock::SystemClock;
use helpline_cluster::event_log::Publisher;
use helpline_cluster::gateway_session::SessionStore;
use helpline_cluster::identify::RedisQueue;
use helpline_cluster::ids::GatewayShard;
use helpline_cluster::keys::Keys;
use helpline_cluster::rate_limit::{self, Limiter};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use twilight_gateway::{ConfigBuilder, Intents};

use crate::config::Secret;
use backlog::Bounds;
use egress::Egress;
use gateway::{Fatal, Polling};
use ingest::Identity;
use publish::{End, Link, Publishing};
use rest::Rest;
use routes::Routes;
use setup::{Gateway, Setup};

/// What a proxy needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    pub token: Secret,
    /// REST base without `/api`; default Discord's own.
    pub discord_api_url: String,
    /// Connect there instead of where `GET /gateway/bot` says.
    pub upstream_gateway: Option<String>,
    pub database_url: String,
    /// Direct connection for LISTEN.
    pub session_url: String,
    pub redis_url: String,
    pub keys: Keys,
    /// Where workers send their REST requests. Whoever reaches it speaks as the bot.
    pub listen: SocketAddr,
    pub intents: Intents,
    /// REST requests per second over all routes; default Discord's 50.
    pub rest_per_s: u32,
    /// REST requests that may wait at once.
    pub rest_waiting: usize,
    /// Refused requests (401, 403, 429) in ten minutes after which nothing more is sent; Discord bans at 10,000.
    pub invalid_per_10_min: u32,
    /// Default: as many as Discord recommends.
    pub gateway_shards: Option<u32>,
    /// What one gateway shard may buffer.
    pub backlog: Bounds,
    /// How long a start waits for Postgres, Redis and Discord.
    pub start_deadline: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            token: Secret::new(""),
            discord_api_url: "https://discord.com".to_owned(),
            upstream_gateway: None,
            database_url: String::new(),
            session_url: String::new(),
            redis_url: String::new(),
            keys: Keys::default(),
            listen: SocketAddr::from(([127, 0, 0, 1], 8300)),
            intents: Intents::GUILDS | Intents::GUILD_MESSAGES | Intents::DIRECT_MESSAGES | Intents::MESSAGE_CONTENT,
            rest_per_s: 50,
            rest_waiting: 5_000,
            invalid_per_10_min: 5_000,
            gateway_shards: None,
            backlog: Bounds::default(),
            start_deadline: Duration::from_secs(60),
        }
    }
}

/// Runs until cancelled or until Discord refuses us for good.
///
/// # Errors
/// With what a person has to do: the address is taken, Postgres, Redis or Discord stay away, Discord refuses the
/// token or the intents.
pub async fn run(config: Config, cancel: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("listen on {}: set PROXY_ADDR to another address", config.listen))?;
    run_on(listener, config, watch::Sender::new(false), cancel).await
}

/// As [`run`], on a listener that is there already. `up` tells whether every gateway shard has its session.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    listener: TcpListener,
    config: Config,
    up: watch::Sender<bool>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    // Fails when another role of this process was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Ends everything, whether told from outside or by a failure inside.
    let stop = cancel.child_token();
    let parts = Parts::gather(&config, &stop).await?;
    tracing::info!(
        gateway_shards = parts.gateway_shards,
        max_concurrency = parts.gateway.session_start_limit.max_concurrency,
        sessions_left = parts.gateway.session_start_limit.remaining,
        "Discord takes us as user {}; REST of the workers on {}",
        parts.me.user_id,
        listener.local_addr().context("read the listener's address")?,
    );
    let mut tasks = JoinSet::new();
    parts.spawn_egress(listener, &config, &stop, &mut tasks);
    let shards = parts.spawn_gateway(&config, &stop, &mut tasks).await?;
    tasks.spawn(announce(shards, up, stop.clone()));
    let mut result = Ok(());
    while let Some(joined) = tasks.join_next().await {
        let ended = joined.context("a task of the proxy panicked").flatten();
        if let Err(error) = ended {
            // The first failure is the cause; what follows are its effects.
            if result.is_ok() {
                result = Err(error);
            }
            stop.cancel();
        }
    }
    result
}

/// What a running proxy is made of.
struct Parts {
    rest: Rest,
    me: Identity,
    gateway: Gateway,
    gateway_shards: u32,
    redis: redis::Client,
    routes: Arc<Routes>,
    reader: Option<routes::Reader>,
}

impl Parts {
    async fn gather(config: &Config, stop: &CancellationToken) -> anyhow::Result<Self> {
        let rest = Rest::new(&config.discord_api_url, config.token.clone())?;
        let setup = Setup::new(&rest, config.start_deadline, stop);
        // The token first: a wrong one is the commonest mistake, and needs no store to be found.
        let gateway = setup.gateway().await?;
        let me = setup.identity().await?;
        setup.register_commands(me.application_id).await?;
        let gateway_shards = config.gateway_shards.unwrap_or(gateway.shards).max(1);
        let redis = store::redis(&config.redis_url, stop).await?;
        let pool = store::postgres(&config.database_url, DATABASE_POOL, IDLE_IN_TRANSACTION, stop).await?;
        let (routes, reader) = Routes::load(&pool).await.context("read the shards of servers")?;
        Ok(Self { rest, me, gateway, gateway_shards, redis, routes, reader: Some(reader) })
    }
}
