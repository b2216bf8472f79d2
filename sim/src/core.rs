//! Everything a simulator consists of, shared by the REST handlers, the gateway and the members.

use crate::attachments::Files;
use crate::chance::Chance;
use crate::clock::Clock;
use crate::commands::Commands;
use crate::config::{Config, MESSAGE_CONTENT};
use crate::entitlements::Entitlements;
use crate::faults::Faults;
use crate::gateway::Hub;
use crate::ids::{ChannelId, GuildId, Snowflakes, UserId};
use crate::interactions::Interactions;
use crate::message::View;
use crate::nonces::Nonces;
use crate::playground::Feed;
use crate::rate_limit::Limiter;
use crate::render::{self, ChannelJson};
use crate::store::{Place, Store, Stripe};
use crate::transcript::{Kind, Live, Transcript, add};
use crate::webhooks::Webhooks;
use crate::world::World;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
pub(crate) struct Core {
    pub(crate) config: Config,
    pub(crate) addr: SocketAddr,
    /// Where sessions are resumed.
    pub(crate) resume_addr: SocketAddr,
    pub(crate) clock: Clock,
    pub(crate) chance: Chance,
    pub(crate) world: World,
    pub(crate) flakes: Snowflakes,
    pub(crate) store: Store,
    pub(crate) hub: Hub,
    pub(crate) limiter: Limiter,
    pub(crate) nonces: Nonces,
    pub(crate) interactions: Interactions,
    pub(crate) entitlements: Entitlements,
    pub(crate) transcript: Transcript,
    pub(crate) counters: Live,
    pub(crate) faults: Faults,
    pub(crate) commands: Commands,
    pub(crate) webhooks: Webhooks,
    /// Members who take no direct messages from the bot.
    pub(crate) no_dms: Mutex<HashSet<UserId>>,
    pub(crate) files: Files,
    /// What open playground pages hear of.
    pub(crate) feed: Arc<Feed>,
    pub(crate) cancel: CancellationToken,
}

impl Core {
    pub(crate) fn new(config: Config, addr: SocketAddr, resume_addr: SocketAddr) -> Self {
        let clock = Clock::new(config.start_unix_ms, config.skew, config.logical_clock);
        let limiter = Limiter::new(&config, clock.now());
        Self {
            addr,
            resume_addr,
            clock,
            chance: Chance::new(config.seed),
            world: World::generate(&config),
            flakes: Snowflakes::default(),
            store: Store::new(config.messages, config.bot),
            hub: Hub::new(&config),
            limiter,
            nonces: Nonces::new(config.nonce_window),
            interactions: Interactions::default(),
            entitlements: Entitlements::default(),
            transcript: Transcript::new(config.transcript_entries),
            counters: Live::default(),
            faults: Faults::new(Chance::new(config.seed)),
            commands: Commands::new(config.bot),
            webhooks: Webhooks::default(),
            no_dms: Mutex::default(),
            files: Files::new(&config, addr),
            feed: Arc::default(),
            cancel: CancellationToken::new(),
            config,
        }
    }

    pub(crate) fn record(&self, kind: Kind) {
        self.transcript.record(&self.clock, kind);
    }

    pub(crate) fn next_id(&self) -> u64 {
        self.flakes.next(self.clock.stamp())
    }

    /// Whether this is the bot's token, with or without the `Bot` prefix.
    pub(crate) fn token_is(&self, given: &str) -> bool {
        let given = given.strip_prefix("Bot ").unwrap_or(given);
        self.hub.token_is(given)
    }

    /// How messages are rendered: for the gateway with or without what members wrote, or for REST.
    pub(crate) fn view(&self, gateway: bool, withhold: bool) -> View<'_> {
        View {
            world: &self.world,
            files: &self.files,
            now_ms: self.clock.unix_ms(),
            changed: None,
            channel_type: None,
            gateway,
            withhold,
        }
    }

    /// As REST answers: without the message content intent in the developer portal, content is withheld.
    pub(crate) fn rest_view(&self) -> View<'_> {
        self.view(false, self.config.privileged_intents & MESSAGE_CONTENT == 0)
    }

    pub(crate) fn gateway_url(&self) -> String {
        self.config.gateway_url.clone().unwrap_or_else(|| format!("ws://{}", self.addr))
    }

    /// The payload of GUILD_CREATE, or of GUILD_DELETE where the bot was removed from the server meanwhile or the
    /// server is in an outage.
    pub(crate) fn guild_create(&self, index: usize, shown: render::Shown) -> (&'static str, String) {
        let server = &self.world.servers[index];
        let stripe = self.store.lock(Place::Guild(server.id));
        let guild = stripe.guild(&self.world, server);
        if !guild.has(self.config.bot) {
            return ("GUILD_DELETE", json!({"id": server.id}).to_string());
        }
        if !guild.available {
            return ("GUILD_DELETE", json!({"id": server.id, "unavailable": true}).to_string());
        }
        let channels: Vec<ChannelJson<'_>> =
            guild.channels.keys().filter_map(|id| stripe.channel_json(&self.world, *id)).collect();
        let threads = self.active_threads(&stripe, server.id, None);
        let data = render::guild_create(&self.world, server, &guild, &channels, &threads, shown);
        ("GUILD_CREATE", data)
    }

    /// The open threads of a server, or of one of its channels, that the bot may view, newest first.
    pub(crate) fn active_threads(
        &self,
        stripe: &Stripe,
        guild: GuildId,
        parent: Option<ChannelId>,
    ) -> Vec<ChannelJson<'static>> {
        if stripe.open_threads(guild) == 0 {
            return Vec::new();
        }
        let open = stripe.threads().rev().filter(|(_, thread)| {
            thread.guild == guild && !thread.archived && parent.is_none_or(|parent| thread.parent == parent)
        });
        let seen = open.filter(|(id, _)| self.bot_sees(stripe, *id));
        seen.take(self.config.max_active_threads).filter_map(|(id, _)| stripe.thread_json(id)).collect()
    }

    /// The gateway address that READY gives for resuming; clients that were given another gateway address
    /// stay with it.
    pub(crate) fn resume_gateway_url(&self) -> String {
        self.config.gateway_url.clone().unwrap_or_else(|| format!("ws://{}", self.resume_addr))
    }

    /// The bot's user object, as `GET /users/@me` and READY give it.
    pub(crate) fn current_user(&self) -> Value {
        json!({
            "id": self.config.bot, "username": self.config.bot_name, "discriminator": "1234",
            "global_name": null, "avatar": null, "bot": true, "mfa_enabled": true, "verified": true,
            "email": null, "flags": 0, "public_flags": 0, "banner": null, "accent_color": null,
        })
    }

    /// Fails the interactions that were not answered in time.
    pub(crate) fn fail_overdue(&self) {
        for interaction in self.interactions.fail_overdue(self.clock.now(), self.config.interaction_deadline)
        {
            add(&self.counters.interactions_failed, 1);
            self.record(Kind::InteractionFailed { interaction });
        }
    }

    /// Moves the clock on, with all that becomes due by it.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.fail_overdue();
        self.sweep();
    }

    /// Forgets what has expired. Called about once a second.
    pub(crate) fn sweep(&self) {
        let now = self.clock.now();
        self.archive_idle_threads();
        self.hub.sweep(now);
        self.limiter.sweep(now);
        self.nonces.sweep(now);
        self.interactions.forget_expired(now, self.config.interaction_token_life);
    }
}
