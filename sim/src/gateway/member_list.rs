//! Opcode 8: members of a server on request, in chunks.
//! <https://discord.com/developers/docs/events/gateway-events#request-guild-members>

use super::intents::{GUILD_MEMBERS, GUILD_PRESENCES};
use super::presence;
use super::session::{Item, Session};
use crate::core::Core;
use crate::guild::Guild;
use crate::ids::{GuildId, UserId};
use crate::lock;
use crate::render::MemberJson;
use crate::store::Place;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;
use tokio::time::Instant;

const CHUNK: usize = 1_000;
/// Most members given for a prefix or for a list of ids.
const SOME: usize = 100;
const MAX_NONCE_BYTES: usize = 32;

/// One or several, where Discord takes both.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOrMany<T> {
    One(T),
    Many(Vec<T>),
}

/// The payload of opcode 8.
#[derive(Debug, Deserialize)]
pub(super) struct Request {
    guild_id: OneOrMany<GuildId>,
    #[serde(default)]
    query: Option<String>,
    #[serde(default)]
    limit: Option<usize>,
    #[serde(default)]
    presences: Option<bool>,
    #[serde(default)]
    user_ids: Option<OneOrMany<UserId>>,
    #[serde(default)]
    nonce: Option<Value>,
}

impl Request {
    /// One of `query`, with its `limit`, and `user_ids`; and a server.
    pub(super) fn is_valid(&self) -> bool {
        let whole = self.user_ids.is_some() || (self.query.is_some() && self.limit.is_some());
        whole && self.guild().is_some()
    }

    /// Of several servers the first; the others are passed over.
    fn guild(&self) -> Option<GuildId> {
        match &self.guild_id {
            OneOrMany::One(guild) => Some(*guild),
            OneOrMany::Many(guilds) => guilds.first().copied(),
        }
    }

    fn nonce(&self) -> Option<&str> {
        self.nonce.as_ref().and_then(Value::as_str).filter(|nonce| nonce.len() <= MAX_NONCE_BYTES)
    }

    fn asks_for_all(&self) -> bool {
        self.user_ids.is_none() && self.limit == Some(0) && self.query.as_deref() == Some("")
    }
}

/// Whole lists are given once in 30 s for each server, whichever session asks.
/// <https://discord.com/developers/docs/change-log#introducing-rate-limit-when-requesting-all-guild-members>
#[derive(Debug)]
pub(super) struct Limit {
    interval: Duration,
    given: Mutex<HashMap<GuildId, Instant>>,
}

impl Limit {
    pub(super) fn new(interval: Duration) -> Self {
        Self { interval, given: Mutex::default() }
    }

    /// `Err` with the time to wait.
    fn take(&self, guild: GuildId, now: Instant) -> Result<(), Duration> {
        let mut given = lock(&self.given);
        given.retain(|_, at| now.duration_since(*at) < self.interval);
        match given.get(&guild) {
            Some(at) => Err(self.interval.saturating_sub(now.duration_since(*at))),
            None => {
                given.insert(guild, now);
                Ok(())
            }
        }
    }
}

/// Answers a request; the events go to the session that asked. A server of another gateway shard, or a list
/// the session's intents do not allow, gets no answer.
pub(super) fn answer(core: &Core, session: &Session, request: &Request, now: Instant) {
    let Some(server) = request.guild().and_then(|guild| core.world.guild(guild)) else { return };
    if server.gateway_shard(session.total) != session.shard {
        return;
    }
    let prefix = request.query.as_deref().unwrap_or_default();
    if request.user_ids.is_none() && prefix.is_empty() && !session.has(GUILD_MEMBERS) {
        return;
    }
    if request.asks_for_all()
        && let Err(wait) = core.hub.member_lists.take(server.id, now)
    {
        let mut meta = json!({"guild_id": server.id});
        if let Some(nonce) = request.nonce() {
            meta["nonce"] = json!(nonce);
        }
        let d = json!({"opcode": 8, "retry_after": wait.as_secs_f64(), "meta": meta});
        session.append([Item::Event("RATE_LIMITED", d.to_string().into())]);
        return;
    }
    // Held until the answer is in the log, so that it agrees with the events around it.
    let stripe = core.store.lock(Place::Guild(server.id));
    let guild = stripe.guild(&core.world, server);
    if !guild.has(core.config.bot) {
        return;
    }
    let (users, not_found) = chosen(core, &guild, request);
    let chunks: Vec<&[UserId]> = if users.is_empty() { vec![&[]] } else { users.chunks(CHUNK).collect() };
    let events = chunks.iter().enumerate().map(|(index, users)| {
        let full = |user: &UserId| MemberJson::full(&core.world, server, Some(&guild), *user);
        let members: Vec<MemberJson> = users.iter().map(full).collect();
        let mut d = json!({"guild_id": server.id, "members": members, "chunk_index": index,
                           "chunk_count": chunks.len()});
        if !not_found.is_empty() {
            d["not_found"] = json!(not_found);
        }
        if request.presences == Some(true) && session.has(GUILD_PRESENCES) {
            d["presences"] = users.iter().map(|user| presence::object(server, *user)).collect();
        }
        if let Some(nonce) = request.nonce() {
            d["nonce"] = json!(nonce);
        }
        Item::Event("GUILD_MEMBERS_CHUNK", d.to_string().into())
    });
    session.append(events.collect::<Vec<_>>());
}

/// The members asked for, and the ids that are nobody here.
fn chosen(core: &Core, guild: &Guild, request: &Request) -> (Vec<UserId>, Vec<UserId>) {
    if let Some(ids) = &request.user_ids {
        let ids = match ids {
            OneOrMany::One(id) => std::slice::from_ref(id),
            OneOrMany::Many(ids) => &ids[..ids.len().min(SOME)],
        };
        return ids.iter().partition(|id| guild.has(**id));
    }
    let prefix = request.query.as_deref().unwrap_or_default().to_lowercase();
    let limit = match (request.limit.unwrap_or(0), prefix.is_empty()) {
        (0, true) => usize::MAX,
        (0, false) => SOME,
        (limit, true) => limit,
        (limit, false) => limit.min(SOME),
    };
    let named = |user: &UserId| core.world.user_name(*user).to_lowercase().starts_with(&prefix);
    (guild.members.keys().copied().filter(named).take(limit).collect(), Vec::new())
}
