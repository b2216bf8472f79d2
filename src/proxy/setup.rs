//! What a proxy has to know before it connects: who the bot is, where the gateway is, how fast sessions may begin.
//!
//! Discord is asked, but not waited for where a proxy was told before ([`super::kept`]): a proxy that is started again
//! has sessions to resume. Promise: a token that Discord refuses ends the start, whatever is kept.

mod asking;
mod commands;

use std::time::Duration;

use anyhow::Context as _;
use helpline_cluster::identify::Limit;
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ingest::Identity;
use super::kept::{Facts, Found, Kept};
use super::rest::Rest;
use asking::Asking;
pub use commands::Registering;

/// Requests of a start at the most, when it goes well; they count to Discord's global limit.
pub const REQUESTS: u32 = 5;
/// How long Discord may take to answer where a start can go on without.
pub const PATIENCE: Duration = Duration::from_secs(1);
/// How often a start that waits looks whether another proxy was told meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Said whenever Discord does not take the token, at the start (401) or at the gateway (4004).
pub const REFUSED_TOKEN: &str = "Discord refused the token: copy the bot's token again \
     (https://discord.com/developers/applications, your application, Bot, Reset Token), set DISCORD_TOKEN to it \
     and start again";

/// `GET /gateway/bot`.
#[derive(Debug, Deserialize)]
pub struct Gateway {
    pub url: String,
    /// How many gateway shards Discord recommends.
    pub shards: u32,
    pub session_start_limit: SessionStartLimit,
}

/// How many sessions may still be started; times in milliseconds.
#[derive(Debug, Deserialize)]
pub struct SessionStartLimit {
    pub total: u32,
    pub remaining: u32,
    pub reset_after: u64,
    pub max_concurrency: u32,
}

impl Gateway {
    /// Asks until Discord answers.
    ///
    /// # Errors
    /// When Discord refuses the token or does not answer in time.
    pub async fn ask(rest: &Rest, within: Duration, stop: &CancellationToken) -> anyhow::Result<Self> {
        let answer = Asking::get(rest, PATH).answer(Instant::now() + within, stop).await?;
        Self::read(answer)
    }

    fn read(answer: Value) -> anyhow::Result<Self> {
        serde_json::from_value(answer).context("GET /gateway/bot answered something else than documented")
    }

    /// For the identify queue.
    pub fn limit(&self) -> Limit {
        let limit = &self.session_start_limit;
        Limit {
            total: limit.total,
            remaining: limit.remaining,
            reset_after: Duration::from_millis(limit.reset_after),
            max_concurrency: limit.max_concurrency,
        }
    }

    /// What of it is true for longer than a moment.
    pub fn facts(&self, me: Identity) -> Facts {
        let url = self.url.trim_end_matches('/').to_owned();
        Facts { me, url, shards: self.shards, max_concurrency: self.session_start_limit.max_concurrency }
    }
}

const PATH: &str = "/gateway/bot";

/// What a proxy starts with.
#[derive(Debug)]
pub struct Known {
    pub facts: Facts,
    pub said: Said,
}

/// When Discord said it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Said {
    /// To this start, with how many sessions are left.
    Now(Limit),
    /// To another proxy, so lately that it need not be asked again.
    Lately,
    /// Longer ago: it is to be asked soon.
    Before,
}

/// Asks for the start.
#[derive(Debug)]
pub struct Setup<'a> {
    rest: &'a Rest,
    wait: Duration,
    stop: &'a CancellationToken,
    user: Asking,
    user_id: Option<u64>,
}

impl<'a> Setup<'a> {
    /// Discord is waited for so long at the most.
    pub fn new(rest: &'a Rest, wait: Duration, stop: &'a CancellationToken) -> Self {
        Self { rest, wait, stop, user: Asking::get(rest, "/users/@me"), user_id: None }
    }

    /// # Errors
    /// When Discord refuses the token. One that does not answer now is asked again by [`Setup::known`].
    pub async fn check_token(&mut self) -> anyhow::Result<()> {
        if let Some(user) = self.user.once(PATIENCE).await? {
            self.user_id = Some(id(user, "/users/@me")?);
        }
        Ok(())
    }

    /// Asks Discord, or takes what is kept.
    ///
    /// # Errors
    /// When Discord refuses the token, or does not answer in time and nothing is kept.
    pub async fn known(mut self, kept: &Kept) -> anyhow::Result<Known> {
        match self.kept(kept).await {
            Some(found) => self.refreshed(found, kept).await,
            None => self.asked(kept).await,
        }
    }

    /// What is kept, if it is of this bot.
    async fn kept(&self, kept: &Kept) -> Option<Found> {
        kept.read().await.filter(|found| self.user_id.is_none_or(|id| id == found.facts.me.user_id))
    }

    /// Something is kept: one attempt to hear it from Discord, and only by one of the proxies that start now.
    async fn refreshed(&self, found: Found, kept: &Kept) -> anyhow::Result<Known> {
        // Who did not say whose token it is says nothing else either.
        if found.is_fresh() || self.user_id.is_none() || !kept.turn().await {
            return Ok(Known::kept(found));
        }
        let mut gateway = Asking::get(self.rest, PATH);
        match gateway.once(PATIENCE).await? {
            Some(answer) => Known::asked(&Gateway::read(answer)?, found.facts.me, kept).await,
            None => {
                tracing::info!(
                    problem = gateway.problem(),
                    "Discord does not answer GET {PATH}; going on with what it said {} s ago",
                    found.age.as_secs(),
                );
                Ok(Known::kept(found))
            }
        }
    }

    /// Nothing is kept: waits for Discord, or for another proxy that was told.
    async fn asked(&mut self, kept: &Kept) -> anyhow::Result<Known> {
        let deadline = Instant::now() + self.wait;
        let user_id = match self.user_id {
            Some(user_id) => user_id,
            None => id(self.user.answer(deadline, self.stop).await?, "/users/@me")?,
        };
        self.user_id = Some(user_id);
        let application = Asking::get(self.rest, "/applications/@me").answer(deadline, self.stop).await?;
        let me = Identity { user_id, application_id: id(application, "/applications/@me")? };
        let mut gateway = Asking::get(self.rest, PATH);
        loop {
            let now = Instant::now();
            if now >= gateway.due() && kept.turn().await {
                let left = deadline.saturating_duration_since(now);
                if let Some(answer) = gateway.once(left).await? {
                    return Known::asked(&Gateway::read(answer)?, me, kept).await;
                }
            }
            if let Some(found) = self.kept(kept).await {
                return Ok(Known::kept(found));
            }
            gateway.wait(deadline, Instant::now() + LOOK_EVERY, self.stop).await?;
        }
    }
}

impl Known {
    async fn asked(gateway: &Gateway, me: Identity, kept: &Kept) -> anyhow::Result<Self> {
        let facts = gateway.facts(me);
        kept.save(&facts).await;
        Ok(Self { facts, said: Said::Now(gateway.limit()) })
    }

    fn kept(found: Found) -> Self {
        let said = if found.is_fresh() { Said::Lately } else { Said::Before };
        Self { facts: found.facts, said }
    }
}

fn id(object: Value, path: &str) -> anyhow::Result<u64> {
    let id = object.get("id").and_then(Value::as_str).and_then(|id| id.parse().ok());
    id.with_context(|| format!("GET {path} answered without an id"))
}
