//! The proxy role: the only part that talks to Discord, and the only one that knows the bot's token.
//!
//! In: gateway events, each into the stream of its server's shard ([`gateway`], [`ingest`], [`backlog`],
//! [`publish`], [`routes`]). Out: the workers' REST requests, within Discord's limits ([`egress`]), and the first
//! reply to an interaction that no worker has acknowledged ([`defer`]).
//! Promises: nothing that Discord sent is lost while the session can be resumed; the sequence saved for a resume
//! is never ahead of the streams; every buffer is bounded.

pub mod backlog;
pub mod defer;
pub mod egress;
pub mod epochs;
pub mod gateway;
mod identifies;
pub mod ingest;
pub mod invalid;
pub mod markers;
pub mod metrics;
pub mod publish;
pub mod rest;
pub mod routes;
pub mod setup;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use helpline_cluster::clock::SystemClock;
use helpline_cluster::event_log::Publisher;
use helpline_cluster::gateway_session::{Session, SessionStore};
use helpline_cluster::identify::RedisQueue;
use helpline_cluster::ids::GatewayShard;
use helpline_cluster::invalid_requests::{Breaker, Settings};
use helpline_cluster::keys::Keys;
use helpline_cluster::rate_limit::{self, Limiter};
use helpline_cluster::redis_link::{Connection, RedisLink};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use twilight_gateway::{ConfigBuilder, Intents};

use crate::admin::{Health, Readiness};
use crate::config::Secret;
use crate::{store, telemetry};
use backlog::Bounds;
use defer::Deferrals;
use egress::Egress;
use epochs::Epochs;
use gateway::{Fatal, Polling};
use identifies::Identifies;
use ingest::Identity;
use invalid::InvalidBudget;
use publish::{End, Link, Publishing};
use rest::Rest;
use routes::Routes;
use setup::{Gateway, Setup};

/// Connections to Postgres: routes are read, servers added.
const DATABASE_POOL: u32 = 4;
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);

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
    /// Refused requests (401, 403, 429) of all proxies in ten minutes at which the breaker opens; Discord bans at 10,000.
    pub invalid_per_10_min: u32,
    /// While the breaker is open one request is sent so often, to see whether Discord takes us again.
    pub invalid_probe_every: Duration,
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
            intents: Intents::GUILDS
                | Intents::GUILD_MESSAGES
                | Intents::DIRECT_MESSAGES
                | Intents::MESSAGE_CONTENT,
            rest_per_s: 50,
            rest_waiting: 5_000,
            invalid_per_10_min: 5_000,
            invalid_probe_every: Duration::from_secs(10),
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
pub async fn run(config: Config, health: &Health, cancel: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(config.listen)
        .await
        .with_context(|| format!("listen on {}: set PROXY_ADDR to another address", config.listen))?;
    run_on(listener, config, health, cancel).await
}

/// As [`run`], on a listener that is there already.
///
/// # Errors
/// As [`run`].
pub async fn run_on(
    listener: TcpListener,
    config: Config,
    health: &Health,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    telemetry::install_crypto();
    metrics::describe();
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
    let shards = parts.spawn_gateway(config, &stop, &mut tasks).await?;
    let (result, ()) = tokio::join!(supervise(tasks, &stop), announce(shards, health, &stop));
    result
}

/// Waits for all tasks; the first failure stops the others.
async fn supervise(mut tasks: JoinSet<anyhow::Result<()>>, stop: &CancellationToken) -> anyhow::Result<()> {
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
    redis: RedisLink,
    routes: Arc<Routes>,
    reader: routes::Reader,
    deferrals: Arc<Deferrals>,
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
        crate::migrate::check(&pool).await?;
        let (routes, reader) = Routes::load(&pool).await.context("read the shards of servers")?;
        let deferrals = Deferrals::new();
        Ok(Self { rest, me, gateway, gateway_shards, redis, routes, reader, deferrals })
    }
    /// Workers need REST as soon as they run, whatever the gateway does.
    fn spawn_egress(
        &self,
        listener: TcpListener,
        config: &Config,
        stop: &CancellationToken,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) {
        let limits = rate_limit::Config { global_per_s: config.rest_per_s, max_waiting: config.rest_waiting };
        let limiter = Limiter::sharing(limits, rate_limit::Link::new(&self.redis, config.keys.clone()));
        limiter.charge(setup::REQUESTS);
        let epochs = Epochs::new(&self.redis, config.keys.clone());
        let settings =
            Settings { threshold: config.invalid_per_10_min, probe_every: config.invalid_probe_every };
        let breaker = Breaker::new(&self.redis, config.keys.clone(), settings);
        let invalid = InvalidBudget::new(settings, Some(breaker));
        let egress = Egress::new(
            self.rest.clone(),
            Arc::clone(&limiter),
            self.me.application_id,
            Arc::clone(&invalid),
            Arc::clone(&self.deferrals),
            epochs,
            stop.clone(),
        );
        let deferring = Arc::clone(&self.deferrals).run(Arc::clone(&egress), stop.clone());
        tasks.spawn(async move {
            deferring.await;
            Ok(())
        });
        tasks.spawn(async move { egress.serve(listener).await.context("serve the workers' REST requests") });
        let (limits_stop, invalid_stop) = (stop.clone(), stop.clone());
        tasks.spawn(async move {
            tokio::join!(limiter.run(limits_stop), invalid.run(invalid_stop));
            Ok(())
        });
    }

    async fn spawn_gateway(
        self,
        config: Config,
        stop: &CancellationToken,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<Vec<watch::Receiver<bool>>> {
        let publisher = Publisher::new(&self.redis, config.keys.clone());
        let sessions = SessionStore::new(&self.redis, config.keys.clone());
        let limit = &self.gateway.session_start_limit;
        let queue = RedisQueue::new(&self.redis, config.keys.clone(), limit.max_concurrency);
        let queue = Identifies::new(queue, limit, Instant::now());
        tasks.spawn(tell_workers(self.redis.shared(), config.keys.clone(), self.me, stop.clone()));
        // Events of new servers wait for their shard: the routes are kept until the last gateway shard has stopped.
        let reading = CancellationToken::new();
        let still_reading = Arc::new(reading.clone().drop_guard());
        let (reader, session_url) = (self.reader, config.session_url.clone());
        tasks.spawn(async move {
            reader.run(session_url, reading).await;
            Ok(())
        });
        let address = config.upstream_gateway.as_deref().unwrap_or(&self.gateway.url).trim_end_matches('/');
        let twilight = ConfigBuilder::new(config.token.expose().to_owned(), config.intents)
            .proxy_url(address.to_owned())
            .queue(queue)
            .build();
        let mut ups = Vec::new();
        for id in 0..self.gateway_shards {
            let (up, is_up) = watch::channel(false);
            ups.push(is_up);
            let link = Link::new(config.backlog);
            let shard = GatewayTask {
                publisher: publisher.clone(),
                sessions: sessions.clone(),
                polling: Polling {
                    gateway: GatewayShard::new(id, self.gateway_shards),
                    config: twilight.clone(),
                    fixed_address: config.upstream_gateway.is_some(),
                    me: self.me,
                    link,
                    routes: Arc::clone(&self.routes),
                    deferrals: Arc::clone(&self.deferrals),
                    clock: Arc::new(SystemClock),
                    up,
                },
            };
            let (still_reading, stop) = (Arc::clone(&still_reading), stop.clone());
            tasks.spawn(async move {
                let _still_reading = still_reading;
                shard.run(stop).await
            });
        }
        Ok(ups)
    }
}

/// One gateway shard: its connection and its publisher.
struct GatewayTask {
    publisher: Publisher,
    sessions: SessionStore,
    polling: Polling,
}

impl GatewayTask {
    async fn run(self, stop: CancellationToken) -> anyhow::Result<()> {
        let gateway = self.polling.gateway;
        // The epoch first: from then on no other proxy publishes or saves for this gateway shard.
        let Some((epoch, session)) = self.take_over(&stop).await else { return Ok(()) };
        // The holder before may have known of moves that this process has not heard of.
        if stop.run_until_cancelled(self.polling.routes.read_anew()).await.is_none() {
            return Ok(());
        }
        if let Some(session) = session {
            tracing::info!(sequence = session.sequence, "{gateway}: going on with the session of before");
            self.polling.link.restore(session);
        }
        let (polling_stop, no_more_events) = (stop.child_token(), CancellationToken::new());
        let publishing = Publishing {
            gateway,
            epoch,
            link: Arc::clone(&self.polling.link),
            publisher: self.publisher,
            sessions: self.sessions.for_epoch(epoch),
            routes: Arc::clone(&self.polling.routes),
        };
        let publishing = tokio::spawn({
            let (no_more_events, polling_stop) = (no_more_events.clone(), polling_stop.clone());
            async move {
                let end = publishing.run(no_more_events).await;
                polling_stop.cancel();
                end
            }
        });
        let polled: Result<(), Fatal> = self.polling.run(polling_stop).await;
        no_more_events.cancel();
        match publishing.await.context("the publisher panicked")? {
            End::Superseded => tracing::error!(
                "{gateway}: another proxy has taken over this gateway shard; this one stops it. \
                 Run one proxy for each set of gateway shards"
            ),
            End::Stopped { left: 0 } => tracing::info!("{gateway}: stopped; everything is published"),
            End::Stopped { left } => {
                tracing::warn!(left, "{gateway}: stopped; the next proxy gets what is left by resuming");
            }
        }
        Ok(polled?)
    }

    /// Raises the epoch and reads the session; repeats while Redis is away. None when stopped meanwhile.
    async fn take_over(&self, stop: &CancellationToken) -> Option<(u64, Option<Session>)> {
        let gateway = self.polling.gateway;
        let mut told = false;
        loop {
            let taken = async {
                let epoch = self.publisher.raise_gateway_epoch(gateway).await?;
                let session = self.sessions.for_epoch(epoch).load(gateway).await?;
                anyhow::Ok((epoch, session))
            };
            match taken.await {
                Ok(taken) => return Some(taken),
                Err(error) if !told => {
                    told = true;
                    tracing::warn!(%error, "{gateway}: cannot be taken over yet; trying again");
                }
                Err(_) => {}
            }
            let pause = Duration::from_millis(fastrand::u64(200..600));
            stop.run_until_cancelled(tokio::time::sleep(pause)).await?;
        }
    }
}

/// Keeps the bot's user id where workers look for it: they have no token to ask Discord with.
async fn tell_workers(
    mut redis: Connection,
    keys: Keys,
    me: Identity,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        let told: redis::RedisResult<()> =
            redis::cmd("SET").arg(keys.bot_user()).arg(me.user_id).query_async(&mut redis).await;
        if let Err(error) = told {
            tracing::debug!(%error, "workers cannot be told who the bot is");
        }
        // Repeated, because Redis may be wiped, and a new worker applies nothing before it knows.
        if stop.run_until_cancelled(tokio::time::sleep(Duration::from_secs(1))).await.is_none() {
            return Ok(());
        }
    }
}

/// Reports how many gateway shards have their session.
async fn announce(mut shards: Vec<watch::Receiver<bool>>, health: &Health, stop: &CancellationToken) {
    let watching = async {
        loop {
            let up = shards.iter().filter(|shard| *shard.borrow()).count();
            let all = shards.len();
            let missing = || Readiness::Missing(format!("{up} of {all} gateway shards have their session"));
            health.set("gateway", if up == all { Readiness::Ready } else { missing() });
            // A gateway shard that ended stays as it was last seen: not up.
            shards.retain(|shard| shard.has_changed().is_ok() || *shard.borrow());
            let changes: Vec<_> = shards.iter_mut().map(|shard| Box::pin(shard.changed())).collect();
            if changes.is_empty() {
                return;
            }
            let _ = futures_util::future::select_all(changes).await;
        }
    };
    stop.run_until_cancelled(watching).await;
}
