//! Servers and their lists of channels over REST: read, changed, left.
//! <https://discord.com/developers/docs/resources/guild>,
//! <https://discord.com/developers/docs/resources/user#get-current-user-guilds>

use super::App;
use super::body::{Body, Ids, read};
use super::channel_fields::Fields;
use super::error::ApiError;
use crate::guild::{GuildChannel, channel_kind};
use crate::ids::{ChannelId, GuildId};
use crate::permissions::Permissions;
use crate::render;
use crate::store::Place;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

const MAX_CHANNELS: usize = 500;
const MAX_GUILDS: usize = 200;

type Fits = fn(&Value) -> bool;

/// Settings that Modify Guild takes besides the name, and what kind of value each is.
const SETTINGS: [(&str, Fits); 14] = [
    ("verification_level", Value::is_u64),
    ("default_message_notifications", Value::is_u64),
    ("explicit_content_filter", Value::is_u64),
    ("afk_channel_id", Value::is_string),
    ("afk_timeout", Value::is_u64),
    ("system_channel_id", Value::is_string),
    ("system_channel_flags", Value::is_u64),
    ("rules_channel_id", Value::is_string),
    ("public_updates_channel_id", Value::is_string),
    ("safety_alerts_channel_id", Value::is_string),
    ("preferred_locale", Value::is_string),
    ("features", Value::is_array),
    ("description", Value::is_string),
    ("premium_progress_bar_enabled", Value::is_boolean),
];

/// What `null` sets a setting back to.
fn unset(name: &str) -> Value {
    match name {
        "verification_level" | "default_message_notifications" | "explicit_content_filter" => json!(0),
        "preferred_locale" => json!("en-US"),
        _ => Value::Null,
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct Counted {
    with_counts: Option<String>,
}

pub(super) async fn guild(
    State(core): App,
    Ids(guild): Ids<GuildId>,
    Query(counted): Query<Counted>,
) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    let guild = stripe.guild(&core.world, server);
    let mut json = render::guild(server, &guild);
    if counted.with_counts.as_deref() == Some("true") {
        json["approximate_member_count"] = json!(guild.members.len());
        json["approximate_presence_count"] = json!(1);
    }
    Ok(Json(json))
}

pub(super) async fn modify(
    State(core): App,
    Ids(guild): Ids<GuildId>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    core.require_in_guild(&stripe, server, core.config.bot, Permissions::MANAGE_GUILD)?;
    let fields: Map<String, Value> = read(body)?;
    let name = match fields.get("name").map(|name| name.as_str()) {
        None => None,
        Some(Some(name)) if (2..=100).contains(&name.chars().count()) => Some(name.to_owned()),
        Some(_) => {
            let message = "Must be between 2 and 100 in length.";
            return Err(ApiError::invalid("name", "BASE_TYPE_BAD_LENGTH", message));
        }
    };
    let mut changed = Map::new();
    for (field, fits) in SETTINGS {
        match fields.get(field) {
            None => {}
            Some(Value::Null) => drop(changed.insert(field.to_owned(), unset(field))),
            Some(value) if fits(value) => drop(changed.insert(field.to_owned(), value.clone())),
            Some(_) => return Err(ApiError::invalid(field, "MODEL_TYPE_CONVERT", "The value does not fit.")),
        }
    }
    let json = core.update_guild(&mut stripe, server, |guild| {
        guild.name = name.unwrap_or_else(|| std::mem::take(&mut guild.name));
        guild.settings.extend(changed);
    });
    Ok(Json(json))
}

#[derive(Debug, Deserialize)]
pub(super) struct Page {
    before: Option<GuildId>,
    after: Option<GuildId>,
    limit: Option<usize>,
    with_counts: Option<String>,
}

/// The servers the bot is in, by id. Those in an outage are left out.
pub(super) async fn current_guilds(
    State(core): App,
    Query(page): Query<Page>,
) -> Result<Json<Value>, ApiError> {
    let limit = page.limit.unwrap_or(MAX_GUILDS);
    if limit == 0 || limit > MAX_GUILDS {
        let message = "int value should be between 1 and 200.";
        return Err(ApiError::invalid("limit", "NUMBER_TYPE_MAX", message));
    }
    let counted = page.with_counts.as_deref() == Some("true");
    let one = |server: &crate::world::Server| {
        let stripe = core.store.lock(Place::Guild(server.id));
        let guild = stripe.guild(&core.world, server);
        let shown = guild.available && guild.has(core.config.bot);
        shown.then(|| {
            let may = guild.permissions(core.config.bot, core.clock.unix_ms());
            let mut json = json!({
                "id": guild.id, "name": guild.name, "icon": null, "banner": null, "owner": false,
                "permissions": may, "features": [],
            });
            if counted {
                json["approximate_member_count"] = json!(guild.members.len());
                json["approximate_presence_count"] = json!(1);
            }
            json
        })
    };
    // Servers are in the order of their ids.
    let servers = &core.world.servers;
    let mut found: Vec<Value> = match page.before {
        Some(before) => servers.iter().rev().filter(|s| s.id < before).filter_map(one).take(limit).collect(),
        None => {
            let after = |s: &&crate::world::Server| page.after.is_none_or(|after| s.id > after);
            servers.iter().filter(after).filter_map(one).take(limit).collect()
        }
    };
    if page.before.is_some() {
        found.reverse();
    }
    Ok(Json(Value::Array(found)))
}

pub(super) async fn leave(State(core): App, Ids(guild): Ids<GuildId>) -> Result<StatusCode, ApiError> {
    match core.remove_bot(guild) {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        _ => Err(ApiError::unknown_guild()),
    }
}

pub(super) async fn channels(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    let guild = stripe.guild(&core.world, server);
    let channels = guild.channels.keys().filter_map(|id| stripe.channel_json(&core.world, *id));
    Ok(Json(channels.map(|channel| json!(channel)).collect()))
}

pub(super) async fn create_channel(
    State(core): App,
    Ids(guild): Ids<GuildId>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    core.require_in_guild(&stripe, server, core.config.bot, Permissions::MANAGE_CHANNELS)?;
    let fields: Fields = read(body)?;
    let kind = fields.kind.unwrap_or(channel_kind::TEXT);
    let made_here = channel_kind::takes_messages(kind)
        || channel_kind::is_thread_only(kind)
        || kind == channel_kind::CATEGORY;
    if !made_here {
        let message = "Value must be one of (0, 4, 5, 15, 16).";
        return Err(ApiError::invalid("type", "BASE_TYPE_CHOICES", message));
    }
    let name = fields.name.clone().ok_or_else(|| ApiError::required("name"))?;
    fields.check(&core, &stripe, server, None, kind)?;
    let count = stripe.guild(&core.world, server).channels.len();
    if count >= MAX_CHANNELS {
        return Err(ApiError::too_many_channels());
    }
    let position = u32::try_from(count).unwrap_or(u32::MAX);
    let mut channel = GuildChannel::new(ChannelId(core.next_id()), kind, &name, position);
    fields.apply(&core, &mut channel);
    let json = core.add_channel(&mut stripe, server, channel);
    Ok((StatusCode::CREATED, Json(json!(json))))
}

#[derive(Debug, Deserialize)]
pub(super) struct Move {
    id: ChannelId,
    position: Option<u32>,
    #[serde(default, deserialize_with = "super::body::present")]
    parent_id: Option<Option<ChannelId>>,
    lock_permissions: Option<bool>,
}

pub(super) async fn move_channels(
    State(core): App,
    Ids(guild): Ids<GuildId>,
    Body(body): Body,
) -> Result<StatusCode, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    let moves: Vec<Move> = read(body)?;
    let bot = core.config.bot;
    core.require_in_guild(&stripe, server, bot, Permissions::MANAGE_CHANNELS)?;
    let guild = stripe.guild(&core.world, server).into_owned();
    if moves.iter().any(|one| !guild.channels.contains_key(&one.id)) {
        return Err(ApiError::unknown_channel());
    }
    let moving = |one: &&Move| one.parent_id.is_some_and(|to| guild.channels[&one.id].parent != to);
    if moves.iter().filter(moving).count() > 1 {
        return Err(ApiError::one_parent_at_a_time());
    }
    for one in moves.iter().filter(moving) {
        let may = core.permissions_in(&stripe, one.id, bot).unwrap_or_default();
        if !may.has(Permissions::MANAGE_CHANNELS) {
            return Err(ApiError::missing_access());
        }
        if one.lock_permissions == Some(true) && !may.has(Permissions::MANAGE_ROLES) {
            return Err(ApiError::missing_permissions());
        }
        let category = |id| guild.channels.get(&id).is_some_and(|to| to.kind == channel_kind::CATEGORY);
        if one.parent_id.flatten().is_some_and(|to| !category(to)) {
            let message = "Category does not exist";
            return Err(ApiError::invalid("parent_id", "CHANNEL_PARENT_INVALID", message));
        }
    }
    for one in &moves {
        core.update_channel(&mut stripe, server, one.id, |channel| {
            channel.position = one.position.unwrap_or(channel.position);
            if let Some(parent) = one.parent_id {
                channel.parent = parent;
                let synced = parent.filter(|_| one.lock_permissions == Some(true));
                if let Some(category) = synced.and_then(|parent| guild.channels.get(&parent)) {
                    channel.overwrites.clone_from(&category.overwrites);
                }
            }
        });
    }
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn threads(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    let threads = core.active_threads(&stripe, server.id, None);
    let members: Vec<_> = threads.iter().filter_map(|thread| thread.member.clone()).collect();
    Ok(Json(json!({"threads": threads, "members": members})))
}
