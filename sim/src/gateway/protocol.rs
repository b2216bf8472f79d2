//! Payloads of the gateway protocol and the checks an IDENTIFY has to pass.
//!
//! Every payload carries `t`, `s` and `op` before `d`.
//! <https://discord.com/developers/docs/events/gateway-events#payload-structure>

use super::intents::{self, GUILD_PRESENCES};
use super::presence::{Presence, Status};
use super::session::{Item, Session, Wishes};
use crate::core::Core;
use crate::render::{self, Shown};
use crate::world::{Server, gateway_shard};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::sync::Arc;

/// Largest payload a client may send.
pub(super) const MAX_PAYLOAD_BYTES: usize = 4_096;
/// Payloads a client may send in 60 s.
pub(super) const MAX_SENDS: usize = 120;

/// Close codes used here.
/// <https://discord.com/developers/docs/topics/opcodes-and-status-codes#gateway-gateway-close-event-codes>
pub(super) mod close {
    pub(crate) const UNKNOWN_ERROR: u16 = 4000;
    pub(crate) const UNKNOWN_OPCODE: u16 = 4001;
    pub(crate) const DECODE_ERROR: u16 = 4002;
    pub(crate) const NOT_AUTHENTICATED: u16 = 4003;
    pub(crate) const AUTHENTICATION_FAILED: u16 = 4004;
    pub(crate) const ALREADY_AUTHENTICATED: u16 = 4005;
    pub(crate) const INVALID_SEQ: u16 = 4007;
    pub(crate) const RATE_LIMITED: u16 = 4008;
    pub(crate) const SESSION_TIMED_OUT: u16 = 4009;
    pub(crate) const INVALID_SHARD: u16 = 4010;
    pub(crate) const SHARDING_REQUIRED: u16 = 4011;
    pub(crate) const INVALID_VERSION: u16 = 4012;
    pub(crate) const INVALID_INTENTS: u16 = 4013;
    pub(crate) const DISALLOWED_INTENTS: u16 = 4014;
}

/// Bounds of an IDENTIFY's `large_threshold`, and what it is when left out.
const LARGE_THRESHOLD: std::ops::RangeInclusive<u64> = 50..=250;
const DEFAULT_LARGE_THRESHOLD: u64 = 50;

/// Query of the websocket URL.
/// <https://discord.com/developers/docs/events/gateway#connecting-gateway-url-query-string-params>
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Params {
    pub(super) v: Option<String>,
    pub(super) encoding: Option<String>,
    pub(super) compress: Option<String>,
}

/// What a client sent.
#[derive(Debug, Deserialize)]
pub(super) struct Incoming {
    pub(super) op: u64,
    #[serde(default)]
    pub(super) d: Value,
}

#[derive(Debug, Deserialize)]
pub(super) struct Identify {
    pub(super) token: String,
    pub(super) intents: u64,
    #[serde(default)]
    pub(super) shard: Option<(u32, u32)>,
    #[allow(dead_code, reason = "documented as required, so that its absence is a decode error")]
    properties: Map<String, Value>,
    /// Payload compression.
    #[serde(default)]
    pub(super) compress: bool,
    #[serde(default)]
    large_threshold: Option<u64>,
    #[serde(default)]
    presence: Option<Presence>,
}

impl Identify {
    /// What the session is to be.
    pub(super) fn wishes(&self) -> Wishes {
        let (shard, total) = self.shard.unwrap_or((0, 1));
        Wishes {
            shard,
            total,
            intents: self.intents,
            large_threshold: self.large_threshold.unwrap_or(DEFAULT_LARGE_THRESHOLD),
            status: self.presence.as_ref().map_or(Status::Online, |presence| presence.status),
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Resume {
    pub(super) token: String,
    pub(super) session_id: String,
    pub(super) seq: u64,
}

/// A payload that is not an event.
pub(super) fn control(op: u64, d: &Value) -> String {
    format!(r#"{{"t":null,"s":null,"op":{op},"d":{d}}}"#)
}

pub(super) fn hello(interval_ms: u128) -> String {
    format!(
        r#"{{"t":null,"s":null,"op":10,"d":{{"heartbeat_interval":{interval_ms},"_trace":["simulated"]}}}}"#
    )
}

/// What stands before an event's data; `}` stands behind.
pub(super) fn envelope(head: &mut Vec<u8>, name: &str, seq: u64) {
    head.clear();
    head.extend_from_slice(br#"{"t":""#);
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(br#"","s":"#);
    // Writing to a vector cannot fail.
    let _ = write!(head, "{seq}");
    head.extend_from_slice(br#","op":0,"d":"#);
}

/// The name and the data of a log item.
pub(super) fn rendered(core: &Core, session: &Session, item: &Item) -> (&'static str, Arc<str>) {
    match item {
        Item::Event(name, data) => (name, data.clone()),
        Item::GuildCreate(index) | Item::GuildJoined(index) => {
            let shown = Shown {
                joined: matches!(item, Item::GuildJoined(_)),
                presences: session.has(GUILD_PRESENCES),
                large_threshold: session.large_threshold,
            };
            let (name, data) = core.guild_create(*index, shown);
            (name, data.into())
        }
    }
}

/// The close code an IDENTIFY deserves, if it is wrong in itself.
pub(super) fn refuse(core: &Core, identify: &Identify) -> Option<u16> {
    if !core.token_is(&identify.token) {
        return Some(close::AUTHENTICATION_FAILED);
    }
    let threshold = identify.large_threshold.is_none_or(|asked| LARGE_THRESHOLD.contains(&asked));
    if !threshold || identify.presence.as_ref().is_some_and(|presence| !presence.is_valid()) {
        return Some(close::DECODE_ERROR);
    }
    if identify.intents & !intents::KNOWN != 0 {
        return Some(close::INVALID_INTENTS);
    }
    if identify.intents & intents::PRIVILEGED & !core.config.privileged_intents != 0 {
        return Some(close::DISALLOWED_INTENTS);
    }
    let (id, total) = identify.shard.unwrap_or((0, 1));
    let step = core.config.large_bot_shards.unwrap_or(1);
    if total == 0 || id >= total || total % step != 0 {
        return Some(close::INVALID_SHARD);
    }
    let held = core.world.servers.iter().filter(|server| gateway_shard(server.id, total) == id).count();
    (held > core.config.max_servers_per_gateway_shard).then_some(close::SHARDING_REQUIRED)
}

/// READY, then GUILD_CREATE for each server of the gateway shard.
pub(super) fn opening(core: &Core, session: &str, identify: &Identify) -> Vec<Item> {
    let (id, total) = identify.shard.unwrap_or((0, 1));
    let here =
        move |server: &&Server| gateway_shard(server.id, total) == id && core.store.bot_is_in(server.id);
    let mine: Vec<&Server> = core.world.servers.iter().filter(here).collect();
    let sees_guilds = identify.intents & intents::GUILDS != 0;
    let guilds: Vec<Value> =
        mine.iter().map(|server| json!({"id": server.id, "unavailable": true})).collect();
    let ready = json!({
        "v": 10,
        "user": core.current_user(),
        "user_settings": {},
        "guilds": guilds,
        "session_id": session,
        "session_type": "normal",
        "resume_gateway_url": core.resume_gateway_url(),
        "shard": [id, total],
        "application": {"id": core.config.bot, "flags": render::APPLICATION_FLAGS},
        "private_channels": [],
        "relationships": [],
    });
    let mut items = vec![Item::Event("READY", ready.to_string().into())];
    if sees_guilds {
        items.extend(mine.iter().map(|server| Item::GuildCreate(server.index)));
    }
    items
}
