//! Settings of the roles: flags and environment variables, checked together so that every mistake is told at once.
//!
//! clap only collects strings; [`Checker`] turns them into values and gathers the problems.

mod embedding;
mod model;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use helpline_cluster::ids::ServerId;
use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::RedisLink;

use crate::knowledge::pdf;
use crate::{proxy, worker};
pub use embedding::EmbeddingArgs;
pub use model::ModelArgs;

/// A secret that never shows itself in a log or an error.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// For the one place that sends it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}

/// Where the stores are. Flags win over the environment.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct StoreArgs {
    /// Postgres of the role's own database user; may be a transaction pooler
    #[arg(long, env = "DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<String>,
    /// Direct Postgres connection for LISTEN and liveness [default: DATABASE_URL]
    #[arg(long, env = "DATABASE_SESSION_URL", hide_env_values = true)]
    pub database_session_url: Option<String>,
    /// Redis 7 or newer: redis://host:6379, redis+sentinel://host:26379,host:26379/primary's-name or
    /// redis+cluster://host:6379,host:6379, each with user:password@ before the hosts where needed; rediss for TLS
    #[arg(long, env = "REDIS_URL", hide_env_values = true)]
    pub redis_url: Option<String>,
    /// First part of every Redis key; two clusters on one Redis need two
    #[arg(long, env = "REDIS_PREFIX", default_value = "hl")]
    pub redis_prefix: String,
}

#[derive(Debug, Clone, Default, clap::Args)]
pub struct AdminArgs {
    /// Where health and metrics are served, as in 127.0.0.1:9090; unset: nowhere
    #[arg(long, env = "ADMIN_ADDR")]
    pub admin_addr: Option<String>,
}

#[derive(Debug, Clone, Default, clap::Args)]
pub struct DiscordArgs {
    /// Token of the bot (developer portal, Bot, Reset Token)
    #[arg(long, env = "DISCORD_TOKEN", hide_env_values = true)]
    pub discord_token: Option<String>,
    /// Discord's REST base without /api
    #[arg(long, env = "DISCORD_API_URL", default_value = "https://discord.com")]
    pub discord_api_url: String,
    /// Gateway to connect to instead of the one that GET /gateway/bot returns
    #[arg(long, env = "UPSTREAM_GATEWAY")]
    pub upstream_gateway: Option<String>,
    /// REST requests a second that Discord grants this bot
    #[arg(long, env = "REST_PER_SECOND", default_value = "50")]
    pub rest_per_second: String,
    /// Number of gateway shards [default: what Discord recommends]
    #[arg(long, env = "GATEWAY_SHARDS")]
    pub gateway_shards: Option<String>,
    /// true: the bot reads what is written in support channels, for which the developer portal has to allow it the Message
    /// Content Intent; false: it reads what addresses it
    #[arg(long, env = "MESSAGE_CONTENT", default_value = "true")]
    pub message_content: String,
}

#[derive(Debug, Clone, Default, clap::Args)]
pub struct ProxyArgs {
    #[command(flatten)]
    pub stores: StoreArgs,
    #[command(flatten)]
    pub discord: DiscordArgs,
    #[command(flatten)]
    pub admin: AdminArgs,
    /// Where workers send their REST requests. Whoever reaches it speaks as the bot: keep it private
    #[arg(long, env = "PROXY_ADDR", default_value = "127.0.0.1:8300")]
    pub proxy_addr: String,
    /// Name shown to operators [default: HOSTNAME]
    #[arg(long, env = "PROXY_NAME")]
    pub name: Option<String>,
    /// After how many milliseconds of silence a proxy loses its gateway shards
    #[arg(long, env = "LEASE_TTL_MS", default_value = "5000")]
    pub lease_ttl_ms: String,
}

#[derive(Debug, Clone, Default, clap::Args)]
pub struct WorkerArgs {
    #[command(flatten)]
    pub stores: StoreArgs,
    #[command(flatten)]
    pub admin: AdminArgs,
    #[command(flatten)]
    pub tuning: WorkerTuning,
    /// The proxies that carry REST requests to Discord, with commas between
    #[arg(long, env = "HELPLINE_PROXY_URL", default_value = "http://127.0.0.1:8300")]
    pub proxy_url: String,
    /// Discord's REST base without /api; what stands in for Discord serves files too
    #[arg(long, env = "DISCORD_API_URL", default_value = "https://discord.com")]
    pub discord_api_url: String,
    /// Name shown to operators [default: HOSTNAME]
    #[arg(long, env = "WORKER_NAME")]
    pub name: Option<String>,
    /// As the proxies have it: admins are told what the bot does not read
    #[arg(long, env = "MESSAGE_CONTENT", default_value = "true")]
    pub message_content: String,
}

#[derive(Debug, Clone, Default, clap::Args)]
pub struct WorkerTuning {
    /// After how many milliseconds of silence a worker loses its shards
    #[arg(long, env = "LEASE_TTL_MS", default_value = "5000")]
    pub lease_ttl_ms: String,
    /// Questions answered and delivered at once
    #[arg(long, env = "ANSWER_LANES", default_value = "256")]
    pub answer_lanes: String,
    /// Connections to Postgres
    #[arg(long, env = "DATABASE_POOL", default_value = "16")]
    pub database_pool: String,
    /// A question older than so many seconds, because of an outage, is not answered any more
    #[arg(long, env = "ANSWER_WITHIN_S", default_value = "3600")]
    pub answer_within_s: String,
    /// Days after which a server that the bot has left is forgotten: documents, conversations, settings
    #[arg(long, env = "LEFT_SERVER_KEPT_DAYS", default_value = "30")]
    pub left_server_kept_days: String,
    /// Days after which a conversation in which nothing happens any more is forgotten, with its tickets; 0: never
    #[arg(long, env = "CONVERSATIONS_KEPT_DAYS", default_value = "365")]
    pub conversations_kept_days: String,
    #[command(flatten)]
    pub model: ModelArgs,
    #[command(flatten)]
    pub embedding: EmbeddingArgs,
}

impl WorkerTuning {
    fn repair(&self, check: &mut Checker) -> worker::Repair {
        let seconds = check.number("ANSWER_WITHIN_S", &self.answer_within_s, 30..=86_400);
        let days = check.number("LEFT_SERVER_KEPT_DAYS", &self.left_server_kept_days, 1..=3_650);
        worker::Repair {
            answer_within: Duration::from_secs(seconds),
            left_kept_days: days,
            conversations_kept_days: check.number(
                "CONVERSATIONS_KEPT_DAYS",
                &self.conversations_kept_days,
                0..=36_500,
            ),
            ..worker::Repair::default()
        }
    }
}

/// Everything that is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub struct Invalid(Vec<String>);

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of the settings cannot be used:", self.0.len())?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  - {problem}"))
    }
}

/// Collects problems while values are read; a default stands in for what could not be read.
#[derive(Debug, Default)]
struct Checker(Vec<String>);

impl Checker {
    fn problem(&mut self, text: String) {
        self.0.push(text);
    }

    fn done<T>(self, value: T) -> Result<T, Invalid> {
        match self.0.is_empty() {
            true => Ok(value),
            false => Err(Invalid(self.0)),
        }
    }

    fn required(&mut self, name: &str, value: Option<String>, hint: &str) -> String {
        match value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()) {
            Some(value) => value,
            None => {
                self.problem(format!("{name} is not set: {hint}"));
                String::new()
            }
        }
    }

    fn url(&mut self, name: &str, value: String, schemes: &[&str]) -> String {
        let scheme = value.split_once("://").map(|(scheme, rest)| (scheme, rest.is_empty()));
        let good = scheme.is_some_and(|(scheme, empty)| schemes.contains(&scheme) && !empty);
        // An unset value has been told already; the value itself may hold a password.
        if !good && !value.is_empty() {
            let schemes: Vec<String> = schemes.iter().map(|scheme| format!("{scheme}://…")).collect();
            self.problem(format!("{name} is not a URL of the form {}", schemes.join(" or ")));
        }
        value
    }

    /// One URL, or several with commas between.
    fn urls(&mut self, name: &str, value: &str, schemes: &[&str]) -> String {
        let urls = value.split(',').map(|url| self.url(name, url.trim().to_owned(), schemes));
        let urls: Vec<String> = urls.filter(|url| !url.is_empty()).collect();
        if urls.is_empty() {
            self.problem(format!(
                "{name} is empty: give the URL of a proxy, or of several with commas between"
            ));
        }
        urls.join(",")
    }

    fn number<T: std::str::FromStr + PartialOrd + Copy + fmt::Display>(
        &mut self,
        name: &str,
        value: &str,
        range: std::ops::RangeInclusive<T>,
    ) -> T {
        match value.trim().parse::<T>() {
            Ok(number) if range.contains(&number) => number,
            Ok(_) | Err(_) => {
                let (from, to) = (range.start(), range.end());
                self.problem(format!("{name} is {value:?}: give a whole number from {from} to {to}"));
                *from
            }
        }
    }

    fn flag(&mut self, name: &str, value: &str) -> bool {
        value.trim().parse().unwrap_or_else(|_| {
            self.problem(format!("{name} is {value:?}: give true or false"));
            true
        })
    }

    fn address(&mut self, name: &str, value: &str) -> SocketAddr {
        value.trim().parse().unwrap_or_else(|_| {
            self.problem(format!("{name} is {value:?}: give an address and a port, as in 127.0.0.1:8300"));
            SocketAddr::from(([127, 0, 0, 1], 0))
        })
    }

    fn token(&mut self, value: Option<String>) -> Secret {
        let hint =
            "copy it from https://discord.com/developers/applications, your application, Bot, Reset Token";
        let token = self.required("DISCORD_TOKEN", value, hint);
        let bare = token.strip_prefix("Bot ").unwrap_or(&token).to_owned();
        if bare.chars().any(|c| c.is_whitespace() || c.is_control()) {
            self.problem("DISCORD_TOKEN contains white space: copy it again, as one word".to_owned());
        }
        Secret::new(bare)
    }

    fn stores(&mut self, args: &StoreArgs) -> Stores {
        const POSTGRES: &[&str] = &["postgres", "postgresql"];
        let database = self.required(
            "DATABASE_URL",
            args.database_url.clone(),
            "give the Postgres of this role, as in postgres://helpline_worker:password@host/helpline",
        );
        let database = self.url("DATABASE_URL", database, POSTGRES);
        let session = match &args.database_session_url {
            Some(url) => self.url("DATABASE_SESSION_URL", url.clone(), POSTGRES),
            None => database.clone(),
        };
        let redis =
            self.required("REDIS_URL", args.redis_url.clone(), "give the Redis, as in redis://host:6379");
        if let Err(problem) = RedisLink::open(&redis)
            && !redis.is_empty()
        {
            self.problem(format!("REDIS_URL cannot be used: {problem}"));
        }
        if args.redis_prefix.is_empty() || args.redis_prefix.contains(['{', '}', ' ']) {
            self.problem("REDIS_PREFIX must not be empty or contain braces or blanks".to_owned());
        }
        Stores { database, session, redis, keys: Keys::new(&args.redis_prefix) }
    }
}

struct Stores {
    database: String,
    session: String,
    redis: String,
    keys: Keys,
}

impl AdminArgs {
    pub fn resolve(&self) -> Result<Option<SocketAddr>, Invalid> {
        let mut check = Checker::default();
        let address = self.admin_addr.as_deref().map(|addr| check.address("ADMIN_ADDR", addr));
        check.done(address)
    }
}

impl ProxyArgs {
    pub fn resolve(&self) -> Result<proxy::Config, Invalid> {
        let mut check = Checker::default();
        let stores = check.stores(&self.stores);
        let token = check.token(self.discord.discord_token.clone());
        let mut intents = proxy::Config::default().intents;
        intents.set(
            twilight_gateway::Intents::MESSAGE_CONTENT,
            check.flag("MESSAGE_CONTENT", &self.discord.message_content),
        );
        let config = proxy::Config {
            token,
            intents,
            discord_api_url: check.url(
                "DISCORD_API_URL",
                self.discord.discord_api_url.clone(),
                &["https", "http"],
            ),
            upstream_gateway: self
                .discord
                .upstream_gateway
                .clone()
                .map(|url| check.url("UPSTREAM_GATEWAY", url, &["wss", "ws"])),
            database_url: stores.database,
            session_url: stores.session,
            redis_url: stores.redis,
            keys: stores.keys,
            listen: check.address("PROXY_ADDR", &self.proxy_addr),
            rest_per_s: check.number("REST_PER_SECOND", &self.discord.rest_per_second, 1..=10_000),
            // The same after a restart, so that it knows its former self: not the process id.
            name: process_name(self.name.as_deref().or(host_name().as_deref()), "proxy"),
            lease_ttl: Duration::from_millis(check.number(
                "LEASE_TTL_MS",
                &self.lease_ttl_ms,
                1_000..=60_000,
            )),
            gateway_shards: self
                .discord
                .gateway_shards
                .as_deref()
                .map(|count| check.number("GATEWAY_SHARDS", count, 1..=100_000)),
            ..proxy::Config::default()
        };
        if let Some(address) = &self.admin.admin_addr {
            check.address("ADMIN_ADDR", address);
        }
        check.done(config)
    }
}

/// The machine's or the container's, where it can be asked.
fn host_name() -> Option<String> {
    let name = std::env::var("HOSTNAME").or_else(|_| std::fs::read_to_string("/proc/sys/kernel/hostname"));
    name.ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty())
}

/// What operators see: the given name, else the host's.
fn process_name(given: Option<&str>, role: &str) -> String {
    let hostname = || std::env::var("HOSTNAME").ok().filter(|name| !name.is_empty());
    given.map(str::to_owned).or_else(hostname).unwrap_or_else(|| format!("{role}-{}", std::process::id()))
}

impl WorkerArgs {
    pub fn resolve(&self) -> Result<worker::Config, Invalid> {
        let mut check = Checker::default();
        let stores = check.stores(&self.stores);
        let ttl = check.number("LEASE_TTL_MS", &self.tuning.lease_ttl_ms, 1_000..=60_000);
        let config = worker::Config {
            name: process_name(self.name.as_deref(), "worker"),
            database_url: stores.database,
            session_url: stores.session,
            redis_url: stores.redis,
            keys: stores.keys,
            proxy_url: check.urls("HELPLINE_PROXY_URL", &self.proxy_url, &["http", "https"]),
            lease_ttl: Duration::from_millis(ttl),
            lanes: check.number("ANSWER_LANES", &self.tuning.answer_lanes, 1..=10_000),
            pool_size: check.number("DATABASE_POOL", &self.tuning.database_pool, 4..=500),
            drain_deadline: Duration::from_secs(20),
            repair: self.tuning.repair(&mut check),
            model: self.tuning.model.resolve(&mut check),
            embedding: self.tuning.embedding.resolve(&mut check),
            message_content: check.flag("MESSAGE_CONTENT", &self.message_content),
            discord_api_url: check.url("DISCORD_API_URL", self.discord_api_url.clone(), &["https", "http"]),
            pdf: pdf::Reader::default(),
        };
        if let Some(address) = &self.admin.admin_addr {
            check.address("ADMIN_ADDR", address);
        }
        check.done(config)
    }
}

/// Reads a Discord server's id as a person types it.
pub fn server_id(text: &str) -> Result<ServerId, String> {
    match text.trim().parse::<u64>() {
        Ok(id) if id > 0 => Ok(ServerId(id)),
        _ => {
            Err("give the server's id: in Discord, developer mode on, right click the server, Copy Server ID"
                .into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_problems_are_told_at_once() {
        let args = ProxyArgs {
            stores: StoreArgs {
                database_url: Some("mysql://x".into()),
                redis_prefix: "hl".into(),
                ..Default::default()
            },
            discord: DiscordArgs {
                discord_api_url: "discord.com".into(),
                rest_per_second: "many".into(),
                ..Default::default()
            },
            proxy_addr: "8300".into(),
            lease_ttl_ms: "5000".into(),
            ..Default::default()
        };
        let text = args.resolve().unwrap_err().to_string();
        for name in
            ["DATABASE_URL", "REDIS_URL", "DISCORD_TOKEN", "DISCORD_API_URL", "REST_PER_SECOND", "PROXY_ADDR"]
        {
            assert!(text.contains(name), "{name} is missing in: {text}");
        }
    }

    #[test]
    fn a_problem_never_shows_a_password() {
        let args = WorkerArgs {
            stores: StoreArgs { database_url: Some("mysql://u:hunter2@x".into()), ..Default::default() },
            ..Default::default()
        };
        assert!(!args.resolve().unwrap_err().to_string().contains("hunter2"));
    }

    #[test]
    fn a_redis_url_that_cannot_be_used_is_explained_without_its_password() {
        for (url, says) in
            [("redis+sentinel://a:hunter2@one,two", "no primary"), ("amqp://hunter2", "redis+cluster://")]
        {
            let args = WorkerArgs {
                stores: StoreArgs { redis_url: Some(url.into()), ..Default::default() },
                ..Default::default()
            };
            let text = args.resolve().unwrap_err().to_string();
            assert!(text.contains("REDIS_URL") && text.contains(says), "{url}: {text}");
            assert!(!text.contains("hunter2"), "{text}");
        }
    }

    #[test]
    fn a_secret_never_shows_itself() {
        assert_eq!(format!("{:?}", Secret::new("abc")), "<redacted>");
    }
}
