//! Settings of a simulator and their defaults, which are Discord's own wherever it documents one.

use crate::clock::Skew;
use crate::ids::{DISCORD_EPOCH_MS, UserId};
use crate::permissions::Permissions;
use crate::rate_limit::RouteLimits;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

pub use crate::gateway::intents::{MESSAGE_CONTENT, PRIVILEGED as PRIVILEGED_INTENTS};

/// Everything that can be set about a simulator. `Config::default()` behaves like Discord towards a
/// small bot, with twenty servers.
#[derive(Clone)]
pub struct Config {
    /// Where HTTP and websocket are served. Default 127.0.0.1, any free port.
    pub listen: SocketAddr,
    /// Gateway address given to clients; default `ws://<the address listened on>`.
    pub gateway_url: Option<String>,
    /// Servers the bot is in. Default 20.
    pub servers: usize,
    /// Ordinary members of each server. Default 12.
    pub members_per_server: usize,
    /// Members of each server that have the support role. Default 2.
    pub staff_per_server: usize,
    /// Whether each server also has a category with a forum called "questions". Default false.
    pub forums: bool,
    /// Gateway shards recommended by `GET /gateway/bot`. Default 1.
    pub gateway_shards: u32,
    /// IDENTIFYs allowed per `identify_interval`, one for each bucket. Default 1.
    pub max_concurrency: u32,
    /// Default 5 s.
    pub identify_interval: Duration,
    /// IDENTIFYs allowed in 24 h; one more resets the token. Default 1,000.
    pub identify_budget: u32,
    /// Servers one gateway shard may hold (close code 4011). Default 2,500.
    pub max_servers_per_gateway_shard: usize,
    /// For a large bot: its total of gateway shards must be a multiple of this (close code 4010). Default none.
    pub large_bot_shards: Option<u32>,
    /// Time between two requests for all members of one server (opcode 8). Default 30 s.
    pub member_list_interval: Duration,
    /// The bot token. Never printed by `Debug`.
    pub token: String,
    /// The bot's user id; the application has the same number, as it has for bots made today.
    pub bot: UserId,
    /// The bot's user name. Default `helpline`.
    pub bot_name: String,
    /// Privileged intents switched on in the simulated developer portal. Default all.
    pub privileged_intents: u64,
    /// What the bot's own role gives it in each server. Default what a support bot is invited with, and managing
    /// and pinning messages.
    pub bot_permissions: Permissions,
    /// Whether the bot may ping everyone. Default true, so that a slip of the bot shows.
    pub bot_may_mention_everyone: bool,
    /// The language of every member's Discord, as interactions carry it. Default `en-US`.
    pub locale: String,
    /// Decides every id, token and draw. Default 1.
    pub seed: u64,
    /// Wall time to start from, in Unix milliseconds; default the host's.
    pub start_unix_ms: Option<u64>,
    /// How the wall clock is off and drifts. Default not at all.
    pub skew: Skew,
    /// The clock moves with what happens and when it is told to, not with the host's. Default false.
    pub logical_clock: bool,
    /// REST requests a second over all routes but the interaction ones; `None` is no limit. Default 50.
    pub rest_global_per_s: Option<u32>,
    /// Limits of single routes.
    pub route_limits: RouteLimits,
    /// Requests answered 401, 403 or 429 in ten minutes before the client is banned. Default 10,000.
    pub invalid_request_limit: u64,
    /// How long such a ban lasts. Discord says only "temporarily"; default 10 min.
    pub ban: Duration,
    /// How much longer or shorter than announced a window may be, drawn for each. Default not at all.
    pub window_jitter: Duration,
    /// Whether requests without a user agent are refused, as Discord's proxy does. Default true.
    pub require_user_agent: bool,
    /// Time added to every REST answer. Default none.
    pub rest_latency: Duration,
    /// How long a nonce is remembered. Discord says "a few minutes"; default 3 min.
    pub nonce_window: Duration,
    /// Default 41.25 s.
    pub heartbeat_interval: Duration,
    /// How long a session can be resumed after its connection is gone. Default 3 min.
    pub session_ttl: Duration,
    /// Events kept for a resume, and the most a slow connection may lag. Default 100,000 for each session.
    pub replay_events: usize,
    /// Time for the first answer to an interaction. Default 3 s.
    pub interaction_deadline: Duration,
    /// Life of an interaction token. Default 15 min.
    pub interaction_token_life: Duration,
    /// Threads that may be open at once in a server (160006). Default 1,000.
    pub max_active_threads: usize,
    /// How long the address of an attachment serves it. Default 24 h.
    pub attachment_url_life: Duration,
    /// Bytes of attachments kept; past it the oldest files are forgotten. Default 256 MiB.
    pub attachment_bytes: usize,
    /// Age from which edits of a message count against the sublimit of old edits. Default 1 h.
    pub old_message_age: Duration,
    /// Transcript entries kept; older ones are dropped and counted, and 0 keeps none. Default 1,000,000.
    pub transcript_entries: usize,
    /// Messages kept over all channels; older ones are forgotten. Default 500,000.
    pub messages: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            gateway_url: None,
            servers: 20,
            members_per_server: 12,
            staff_per_server: 2,
            forums: false,
            gateway_shards: 1,
            max_concurrency: 1,
            identify_interval: Duration::from_secs(5),
            identify_budget: 1_000,
            max_servers_per_gateway_shard: 2_500,
            large_bot_shards: None,
            member_list_interval: Duration::from_secs(30),
            token: "MTA0NTg4ODk5NjM1NTQ4NTY5Ng.simulated.discord-token".to_owned(),
            bot: UserId(1_045_888_996_355_485_696),
            bot_name: "helpline".to_owned(),
            privileged_intents: PRIVILEGED_INTENTS,
            bot_permissions: Permissions::MEMBER | Permissions::MANAGE_MESSAGES | Permissions::PIN_MESSAGES,
            bot_may_mention_everyone: true,
            locale: "en-US".to_owned(),
            seed: 1,
            start_unix_ms: None,
            skew: Skew::default(),
            logical_clock: false,
            rest_global_per_s: Some(50),
            route_limits: RouteLimits::default(),
            invalid_request_limit: 10_000,
            ban: Duration::from_secs(600),
            window_jitter: Duration::ZERO,
            require_user_agent: true,
            rest_latency: Duration::ZERO,
            nonce_window: Duration::from_secs(180),
            heartbeat_interval: Duration::from_millis(41_250),
            session_ttl: Duration::from_secs(180),
            replay_events: 100_000,
            interaction_deadline: Duration::from_secs(3),
            interaction_token_life: Duration::from_secs(900),
            max_active_threads: 1_000,
            attachment_url_life: Duration::from_secs(86_400),
            attachment_bytes: 256 * 1024 * 1024,
            old_message_age: Duration::from_secs(3_600),
            transcript_entries: 1_000_000,
            messages: 500_000,
        }
    }
}

impl std::fmt::Debug for Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Config")
            .field("listen", &self.listen)
            .field("servers", &self.servers)
            .field("gateway_shards", &self.gateway_shards)
            .field("max_concurrency", &self.max_concurrency)
            .field("seed", &self.seed)
            .field("rest_global_per_s", &self.rest_global_per_s)
            .field("token", &"redacted")
            .finish_non_exhaustive()
    }
}

impl Config {
    /// All that is wrong with these settings, one sentence each.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut check = |ok: bool, problem: &str| {
            if !ok {
                problems.push(problem.to_owned());
            }
        };
        check(self.servers > 0, "servers must be at least 1");
        check(self.servers <= 1_000_000, "servers must be at most 1,000,000");
        check(self.members_per_server > 0, "members per server must be at least 1");
        check(self.members_per_server + self.staff_per_server <= 1_000, "a server has at most 1,000 members");
        check(self.gateway_shards > 0, "gateway shards must be at least 1");
        check(self.large_bot_shards != Some(0), "the shards of a large bot must be at least 1, or none");
        check(self.max_concurrency > 0, "max concurrency must be at least 1");
        check(!self.token.trim().is_empty(), "the token must not be empty");
        check(self.invalid_request_limit > 0, "the invalid request limit must be at least 1");
        check(self.rest_global_per_s != Some(0), "the global REST limit must be at least 1, or off");
        check(
            self.start_unix_ms.is_none_or(|ms| ms >= DISCORD_EPOCH_MS),
            "the start time must not be before 2015, where Discord's ids begin",
        );
        check(self.replay_events >= 16, "replay events must be at least 16");
        problems.extend(self.skew.problem());
        problems
    }
}
