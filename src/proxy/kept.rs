//! What Discord said last of the bot and its gateway, kept in Redis for starts to which it does not answer.
//!
//! Owns one key, and the turn to ask. Promises: what is found was said to this token within [`LIFE`]; what cannot be
//! read counts as nothing. How many sessions are left is not kept: the identify queue's budget in Redis is the only
//! one that counts them, so that no start makes it larger (docs/adr/0019-starts-from-what-discord-said-last.md).
//! Callers: a start ([`super::setup`]) and what asks from time to time ([`super::limit`]).

use std::time::Duration;

use helpline_cluster::keys::Keys;
use helpline_cluster::redis_link::{Connection, RedisLink};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::ingest::Identity;
use crate::config::Secret;

/// So long it may stand in for Discord: hours in which its REST API fails are what it is for.
pub const LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// Not asked for again by others within this; Discord answers twice in five seconds.
const FRESH: Duration = Duration::from_secs(10);
/// Whoever has the turn to ask is waited for so long.
const TURN: Duration = Duration::from_secs(1);

/// What Discord says of the bot and its gateway, and what hardly ever changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    pub me: Identity,
    /// Without a slash at its end.
    pub url: String,
    /// How many gateway shards Discord recommends.
    pub shards: u32,
    /// How many sessions may begin at once.
    pub max_concurrency: u32,
}

/// What was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    pub facts: Facts,
    /// Since Discord said it.
    pub age: Duration,
}

impl Found {
    pub fn is_fresh(&self) -> bool {
        self.age <= FRESH
    }
}

/// As it stands in Redis.
#[derive(Debug, Serialize, Deserialize)]
struct Written {
    /// Hash of the token.
    token: String,
    user_id: String,
    application_id: String,
    url: String,
    shards: u32,
    max_concurrency: u32,
}

/// The key as the proxies of one token use it. Cheap to clone.
#[derive(Clone)]
pub struct Kept {
    redis: Connection,
    keys: Keys,
    token: String,
}

impl std::fmt::Debug for Kept {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Kept").field("keys", &self.keys).finish_non_exhaustive()
    }
}

impl Kept {
    /// Connects with its first call.
    pub fn new(redis: &RedisLink, keys: Keys, token: &Secret) -> Self {
        let digest = Sha256::digest(format!("helpline gateway {}", token.expose()).as_bytes());
        // A token has too many bits to be guessed from this.
        let token = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        Self { redis: redis.shared(), keys, token }
    }

    /// None: nothing, nothing readable, of another token, or Redis does not answer.
    pub async fn read(&self) -> Option<Found> {
        let key = self.keys.gateway_facts();
        let mut both = redis::pipe();
        both.cmd("GET").arg(&key).cmd("PTTL").arg(&key);
        let answer: redis::RedisResult<(Option<String>, i64)> =
            both.query_async(&mut self.redis.clone()).await;
        let (text, left_ms) = match answer {
            Ok((text, left_ms)) => (text?, left_ms),
            Err(error) => {
                tracing::warn!(%error, "what Discord said last cannot be read from Redis");
                return None;
            }
        };
        // Without a life it is not ours.
        let left = Duration::from_millis(u64::try_from(left_ms).ok()?);
        let found = self.parse(&text).map(|facts| Found { facts, age: LIFE.saturating_sub(left) });
        if found.is_none() {
            tracing::warn!(
                "what Redis keeps of Discord's last answer is of another token or unreadable, and is not used"
            );
        }
        found
    }

    fn parse(&self, text: &str) -> Option<Facts> {
        let written: Written = serde_json::from_str(text).ok()?;
        let me = Identity {
            user_id: written.user_id.parse().ok()?,
            application_id: written.application_id.parse().ok()?,
        };
        let sound = written.url.starts_with("wss://") || written.url.starts_with("ws://");
        (written.token == self.token && sound && written.shards > 0 && written.max_concurrency > 0).then_some(
            Facts { me, url: written.url, shards: written.shards, max_concurrency: written.max_concurrency },
        )
    }

    /// Keeps what Discord has just said. When Redis does not take it, the next start has to wait for Discord.
    pub async fn save(&self, facts: &Facts) {
        let written = Written {
            token: self.token.clone(),
            user_id: facts.me.user_id.to_string(),
            application_id: facts.me.application_id.to_string(),
            url: facts.url.clone(),
            shards: facts.shards,
            max_concurrency: facts.max_concurrency,
        };
        let text = serde_json::to_string(&written).expect("strings and numbers are JSON");
        let saved: redis::RedisResult<()> = redis::cmd("SET")
            .arg(self.keys.gateway_facts())
            .arg(text)
            .arg("EX")
            .arg(LIFE.as_secs())
            .query_async(&mut self.redis.clone())
            .await;
        if let Err(error) = saved {
            tracing::debug!(%error, "what Discord said is not kept");
        }
    }

    /// Of several proxies that would ask at once, one is given the turn. A Redis that does not answer gives it to all.
    pub async fn turn(&self) -> bool {
        let given: redis::RedisResult<Option<String>> = redis::cmd("SET")
            .arg(self.keys.gateway_turn())
            .arg(1)
            .arg("NX")
            .arg("PX")
            .arg(u64::try_from(TURN.as_millis()).unwrap_or(u64::MAX))
            .query_async(&mut self.redis.clone())
            .await;
        !matches!(given, Ok(None))
    }
}
