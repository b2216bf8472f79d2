//! The proxy role: the only part that talks to Discord, and the only one that knows the bot's token.
//!
//! Several of them share the gateway shards ([`holdings`], [`helpline_cluster::gateway_shards`]).
//! In: gateway events, each into the stream of its server's shard ([`gateway`], [`ingest`], [`backlog`],
//! [`publish`], [`routes`]). Out: the workers' REST requests, within Discord's limits ([`egress`]), and the first
//! reply to an interaction that no worker has acknowledged ([`defer`]).
//! Promises: nothing that Discord sent is lost while the session can be resumed; the sequence saved for a resume
//! is never ahead of the streams; every buffer is bounded.

pub mod activity;
pub mod backfill;
pub mod backlog;
pub mod cli;
mod connects;
pub mod cursors;
pub mod defer;
pub mod egress;
pub mod epochs;
pub mod gaps;
pub mod gateway;
mod holdings;
pub mod holds;
pub mod ingest;
pub mod invalid;
pub mod kept;
mod limit;
pub mod markers;
pub mod metrics;
mod permit;
pub mod publish;
pub mod rest;
pub mod retained;
pub mod routes;
pub mod setup;
mod task;
mod telling;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::Context as _;
use helpline_cluster::clock::SystemClock;
use helpline_cluster::event_log::Publisher;
use helpline_cluster::gateway_session::SessionStore;
use helpline_cluster::gateway_shards::{self, GatewayClaims, Lease, Phase};
use helpline_cluster::identify::Identifies;
use helpline_cluster::invalid_requests::{Breaker, Settings};
use helpline_cluster::keys::Keys;
use helpline_cluster::rate_limit::{self, Limiter};
use helpline_cluster::redis_link::RedisLink;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use twilight_gateway::{ConfigBuilder, Intents};

use crate::admin::Health;
use crate::config::Secret;
use crate::{store, telemetry};
use backfill::{Backfill, Budget};
use backlog::Bounds;
use connects::Connects;
use defer::Deferrals;
use egress::Egress;
use epochs::Epochs;
use gateway::Polling;
pub use holdings::DRAIN_DEADLINE;
use holdings::{Holdings, Totals, Ups, announce};
use ingest::Identity;
use invalid::InvalidBudget;
use kept::Kept;
use permit::Permit;
use publish::Link;
use rest::Rest;
use routes::Routes;
use setup::{Known, Registering, Said, Setup};
use task::GatewayTask;

/// Connections to Postgres: routes are read, servers added.
const DATABASE_POOL: u32 = 4;
const IDLE_IN_TRANSACTION: Duration = Duration::from_secs(5);
/// For /livez.
const BEAT_EVERY: Duration = Duration::from_secs(1);

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
    /// How many the first proxy of all begins with; default: as many as Discord recommends.
    pub gateway_shards: Option<u32>,
    /// For people: what this proxy is called.
    pub name: String,
    /// How long a silent proxy keeps its gateway shards; equal for all.
    pub lease_ttl: Duration,
    /// What one gateway shard may buffer.
    pub backlog: Bounds,
    /// What it may keep of what it has published.
    pub retained: Bounds,
    /// What reading again of missed messages may cost.
    pub backfill: Budget,
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
            name: "proxy".to_owned(),
            lease_ttl: Duration::from_secs(5),
            backlog: Bounds::default(),
            retained: retained::BOUNDS,
            backfill: Budget::default(),
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
    metrics::begin(&config.name);
    // Ends everything, whether told from outside or by a failure inside.
    let stop = cancel.child_token();
    let parts = Parts::gather(&config, &stop).await?;
    tracing::info!(
        recommended_gateway_shards = parts.asked.known.facts.shards,
        max_concurrency = parts.asked.known.facts.max_concurrency,
        said = ?parts.asked.known.said,
        "Discord takes us as user {}; REST of the workers on {}",
        parts.me.user_id,
        listener.local_addr().context("read the listener's address")?,
    );
    let totals = Totals { set: config.gateway_shards, recommended: parts.asked.known.facts.shards };
    let mut tasks = JoinSet::new();
    let egress = parts.spawn_egress(listener, &config, &stop, &mut tasks);
    let (claims, ups) = parts.spawn_gateway(config, egress, &stop, &mut tasks).await?;
    // A task that ends ends the process; the loop that claims is not among them.
    let pulse = health.pulse("claims");
    let beating = async {
        let mut every = tokio::time::interval(BEAT_EVERY);
        while stop.run_until_cancelled(every.tick()).await.is_some() {
            if claims.runs() {
                pulse.beat();
            }
        }
    };
    let (result, (), ()) =
        tokio::join!(supervise(tasks, &stop), announce(&claims, &ups, totals, health, &stop), beating);
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
    asked: Asked,
    redis: RedisLink,
    pool: sqlx::PgPool,
    routes: Arc<Routes>,
    reader: routes::Reader,
    deferrals: Arc<Deferrals>,
}

impl Parts {
    async fn gather(config: &Config, stop: &CancellationToken) -> anyhow::Result<Self> {
        let rest = Rest::new(&config.discord_api_url, config.token.clone())?;
        let mut setup = Setup::new(&rest, config.start_deadline, stop);
        // The token first: a wrong one is the commonest mistake, and needs no store to be found.
        setup.check_token().await?;
        let redis = store::redis(&config.redis_url, stop).await?;
        let kept = Kept::new(&redis, config.keys.clone(), &config.token);
        let known = setup.known(&kept).await?;
        let me = known.facts.me;
        let mut registering = Registering::new(&rest, me.application_id);
        // Those of before work, when Discord does not answer.
        let registering_now =
            async { anyhow::Ok(known.said != Said::Before && registering.once(setup::PATIENCE).await?) };
        let (registered, pool) = tokio::try_join!(
            registering_now,
            store::postgres(&config.database_url, DATABASE_POOL, IDLE_IN_TRANSACTION, stop),
        )?;
        let asked = Asked { known, kept, registering: (!registered).then_some(registering) };
        crate::migrate::check(&pool).await?;
        let (routes, reader) = Routes::load(&pool).await.context("read the shards of servers")?;
        let deferrals = Deferrals::new();
        Ok(Self { rest, me, asked, redis, pool, routes, reader, deferrals })
    }

    /// Workers need REST as soon as they run, whatever the gateway does.
    fn spawn_egress(
        &self,
        listener: TcpListener,
        config: &Config,
        stop: &CancellationToken,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> Arc<Egress> {
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
        let serving = Arc::clone(&egress);
        tasks.spawn(async move { serving.serve(listener).await.context("serve the workers' REST requests") });
        let (limits_stop, invalid_stop) = (stop.clone(), stop.clone());
        tasks.spawn(async move {
            tokio::join!(limiter.run(limits_stop), invalid.run(invalid_stop));
            Ok(())
        });
        egress
    }

    async fn spawn_gateway(
        self,
        config: Config,
        egress: Arc<Egress>,
        stop: &CancellationToken,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> anyhow::Result<(GatewayClaims, Ups)> {
        let publisher = Publisher::new(&self.redis, config.keys.clone());
        let sessions = SessionStore::new(&self.redis, config.keys.clone());
        let identifies = Identifies::new(&self.redis, config.keys.clone());
        let first_total = config.gateway_shards.unwrap_or(self.asked.known.facts.shards);
        let fixed = config.upstream_gateway.as_deref();
        let address = self.asked.spawn(&self.rest, identifies.clone(), fixed, stop, tasks).await;
        let reads_content = config.intents.contains(Intents::MESSAGE_CONTENT);
        tasks.spawn(telling::tell_workers(
            self.redis.shared(),
            config.keys.clone(),
            self.me,
            reads_content,
            stop.clone(),
        ));
        // Events of new servers wait for their shard: the routes are kept until the last gateway shard has stopped.
        let reading = CancellationToken::new();
        let still_reading = reading.clone().drop_guard();
        let (reader, session_url) = (self.reader, config.session_url.clone());
        tasks.spawn(async move {
            reader.run(session_url, reading).await;
            Ok(())
        });
        let mut claiming = gateway_shards::Config::new(&config.name, config.keys.clone(), first_total);
        claiming.ttl = config.lease_ttl;
        // Draining ends it, not the token: the gateway shards are handed over first.
        let until_dropped = CancellationToken::new();
        let (claims, leases) = GatewayClaims::start(
            claiming,
            self.pool.clone(),
            &config.session_url,
            &self.redis,
            &until_dropped,
        )
        .context("join the other proxies")?;
        let maker = Maker {
            publisher,
            sessions,
            identifies,
            routes: self.routes,
            deferrals: self.deferrals,
            me: self.me,
            connects: Arc::default(),
            pool: self.pool,
            egress,
            address,
            config,
        };
        let ups = Ups::default();
        let holdings = Holdings {
            claims: claims.clone(),
            task: move |lease: &Lease| maker.make(lease),
            ups: Arc::clone(&ups),
        };
        let stop = stop.clone();
        tasks.spawn(async move {
            let _kept = (still_reading, until_dropped.drop_guard());
            holdings.run(leases, stop).await
        });
        Ok((claims, ups))
    }
}

/// What Discord was asked at the start.
struct Asked {
    known: Known,
    kept: Kept,
    /// Discord did not answer when the slash commands were looked at.
    registering: Option<Registering>,
}

impl Asked {
    /// Goes on asking beside the gateway. Returns where that is: `fixed`, or where Discord says.
    async fn spawn(
        self,
        rest: &Rest,
        identifies: Identifies,
        fixed: Option<&str>,
        stop: &CancellationToken,
        tasks: &mut JoinSet<anyhow::Result<()>>,
    ) -> watch::Receiver<String> {
        let (said, address) = watch::channel(self.known.facts.url.clone());
        let asking = limit::Asking {
            identifies,
            rest: rest.clone(),
            kept: self.kept,
            known: self.known,
            address: said,
        };
        asking.begin().await;
        let (asking_stop, registering_stop) = (stop.clone(), stop.clone());
        tasks.spawn(async move {
            asking.keep(asking_stop).await;
            Ok(())
        });
        if let Some(registering) = self.registering {
            tasks.spawn(async move {
                registering.later(registering_stop).await;
                Ok(())
            });
        }
        // One that is fixed stays: its sender is gone.
        fixed.map_or(address, |fixed| watch::channel(fixed.trim_end_matches('/').to_owned()).1)
    }
}

/// Makes what runs for a lease.
struct Maker {
    publisher: Publisher,
    sessions: SessionStore,
    identifies: Identifies,
    routes: Arc<Routes>,
    deferrals: Arc<Deferrals>,
    me: Identity,
    connects: Arc<Connects>,
    pool: sqlx::PgPool,
    egress: Arc<Egress>,
    address: watch::Receiver<String>,
    config: Config,
}

impl Maker {
    fn make(&self, lease: &Lease) -> GatewayTask {
        let permit = Permit::of(lease);
        // While an old set publishes for the same servers, nobody misses this one.
        let essential = Arc::new({
            let permit = permit.clone();
            move || permit.phase() != Phase::Held
        });
        let twilight = ConfigBuilder::new(self.config.token.expose().to_owned(), self.config.intents)
            .queue(self.identifies.of(lease.gateway, essential))
            .build();
        let link = Link::new(self.config.backlog, self.config.retained);
        GatewayTask {
            backfill: Backfill {
                gateway: lease.gateway,
                pool: self.pool.clone(),
                egress: Arc::clone(&self.egress),
                link: Arc::clone(&link),
                routes: Arc::clone(&self.routes),
                me: self.me,
                budget: self.config.backfill,
                looks: AtomicU64::new(0),
            },
            publisher: self.publisher.clone(),
            sessions: self.sessions.clone(),
            polling: Polling {
                gateway: lease.gateway,
                config: twilight,
                address: self.address.clone(),
                fixed_address: self.config.upstream_gateway.is_some(),
                me: self.me,
                link,
                routes: Arc::clone(&self.routes),
                deferrals: Arc::clone(&self.deferrals),
                clock: Arc::new(SystemClock),
                up: lease.up.clone(),
                permit,
                connects: Arc::clone(&self.connects),
            },
        }
    }
}
