//! Webhooks of channels: made and changed by the bot, executed by whoever knows the token.
//! <https://discord.com/developers/docs/resources/webhook>

use super::App;
use super::body::{Body, Files, Ids, MessageBody, read};
use super::error::ApiError;
use super::messages::answer;
use crate::core::Core;
use crate::guild::channel_kind;
use crate::ids::{ChannelId, GuildId, MessageId, UserId};
use crate::message::Message;
use crate::permissions::Permissions;
use crate::posting::{Origin, intents};
use crate::render::UserJson;
use crate::store::Place;
use crate::threads::NewThread;
use crate::webhooks::{Face, Webhook};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

const MAX_NAME: usize = 80;

#[derive(Debug, Deserialize)]
pub(super) struct Execute {
    #[serde(default)]
    wait: Option<String>,
    #[serde(default)]
    thread_id: Option<ChannelId>,
    #[serde(default)]
    with_components: Option<String>,
}

fn is_true(flag: Option<&String>) -> bool {
    flag.is_some_and(|text| matches!(text.as_str(), "true" | "True" | "1"))
}

fn described(core: &Core, hook: &Webhook, with_user: bool) -> Value {
    let mut json = json!({
        "type": 1, "id": hook.id, "name": hook.name, "avatar": hook.avatar, "channel_id": hook.channel,
        "guild_id": hook.guild, "application_id": hook.application, "token": hook.token,
        "url": format!("http://{}/api/webhooks/{}/{}", core.addr, hook.id.get(), hook.token),
    });
    if with_user {
        json["user"] = json!(UserJson::new(&core.world, hook.creator));
    }
    json
}

/// The name of a webhook, which must not pretend to be Discord's.
fn name(given: &Value) -> Result<String, ApiError> {
    let name = given.as_str().map(str::trim).ok_or_else(|| ApiError::required("name"))?;
    if name.is_empty() || name.chars().count() > MAX_NAME {
        let message = "Must be between 1 and 80 in length.";
        return Err(ApiError::invalid("name", "BASE_TYPE_BAD_LENGTH", message));
    }
    let lower = name.to_lowercase();
    if let Some(word) = ["clyde", "discord"].into_iter().find(|word| lower.contains(word)) {
        let message = format!("Username cannot contain \"{word}\"");
        return Err(ApiError::invalid("name", "USERNAME_INVALID_CONTAINS", &message));
    }
    Ok(name.to_owned())
}

/// The bot's permission to manage the webhooks of a channel.
fn managed(core: &Core, channel: ChannelId) -> Result<GuildId, ApiError> {
    let Place::Guild(guild) = core.place(channel)? else { return Err(ApiError::no_dms_here()) };
    let stripe = core.store.lock(Place::Guild(guild));
    core.require(&stripe, channel, core.config.bot, Permissions::MANAGE_WEBHOOKS)?;
    Ok(guild)
}

fn tell(core: &Core, guild: GuildId, channel: ChannelId) {
    let stripe = core.store.lock(Place::Guild(guild));
    let d = json!({"guild_id": guild, "channel_id": channel});
    core.dispatch_in(&stripe, channel, "WEBHOOKS_UPDATE", intents::GUILD_WEBHOOKS, || d.to_string().into());
}

pub(super) async fn create(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let guild = managed(&core, channel)?;
    if core.store.lock(Place::Guild(guild)).thread(channel).is_some() {
        return Err(ApiError::wrong_channel_type());
    }
    let id = UserId(core.next_id());
    let secret = |nth| core.chance.hex("webhook", id.get(), nth);
    let hook = Webhook {
        id,
        token: format!("{}{}", secret(0), secret(1)),
        guild,
        channel,
        name: name(&body["name"])?,
        avatar: None,
        application: Some(core.config.bot),
        creator: core.config.bot,
    };
    let json = described(&core, &hook, true);
    if !core.webhooks.add(hook) {
        return Err(ApiError::too_many_webhooks());
    }
    tell(&core, guild, channel);
    Ok(Json(json))
}

pub(super) async fn of_channel(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
) -> Result<Json<Value>, ApiError> {
    managed(&core, channel)?;
    let list = core.webhooks.list(|hook| hook.channel == channel);
    Ok(Json(list.iter().map(|hook| described(&core, hook, true)).collect()))
}

pub(super) async fn of_guild(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    core.require_in_guild(&stripe, server, core.config.bot, Permissions::MANAGE_WEBHOOKS)?;
    drop(stripe);
    let list = core.webhooks.list(|hook| hook.guild == guild);
    Ok(Json(list.iter().map(|hook| described(&core, hook, true)).collect()))
}

/// A webhook that still has its channel.
fn living(core: &Core, id: UserId) -> Result<Arc<Webhook>, ApiError> {
    let hook = core.webhooks.get(id).ok_or_else(ApiError::unknown_webhook)?;
    core.place(hook.channel).map_err(|_| ApiError::unknown_webhook())?;
    Ok(hook)
}

fn by_token(core: &Core, id: UserId, token: &str) -> Result<Arc<Webhook>, ApiError> {
    let hook = living(core, id)?;
    if hook.token == token { Ok(hook) } else { Err(ApiError::bad_webhook_token()) }
}

pub(super) async fn read_one(State(core): App, Ids(id): Ids<UserId>) -> Result<Json<Value>, ApiError> {
    let hook = living(&core, id)?;
    if hook.application != Some(core.config.bot) {
        managed(&core, hook.channel)?;
    }
    Ok(Json(described(&core, &hook, true)))
}

pub(super) async fn read_by_token(
    State(core): App,
    Ids((id, token)): Ids<(UserId, String)>,
) -> Result<Json<Value>, ApiError> {
    Ok(Json(described(&core, &*by_token(&core, id, &token)?, false)))
}

fn modified(core: &Core, hook: &Webhook, body: &Value, may_move: bool) -> Result<Arc<Webhook>, ApiError> {
    let mut new = hook.clone();
    if !body["name"].is_null() {
        new.name = name(&body["name"])?;
    }
    if let (true, false) = (may_move, body["channel_id"].is_null()) {
        let channel: ChannelId = read(body["channel_id"].clone())?;
        if managed(core, channel)? != hook.guild {
            return Err(ApiError::unknown_channel());
        }
        new.channel = channel;
    }
    let new = core.webhooks.replace(new);
    tell(core, new.guild, new.channel);
    Ok(new)
}

pub(super) async fn modify(
    State(core): App,
    Ids(id): Ids<UserId>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let hook = living(&core, id)?;
    managed(&core, hook.channel)?;
    Ok(Json(described(&core, &*modified(&core, &hook, &body, true)?, true)))
}

pub(super) async fn modify_by_token(
    State(core): App,
    Ids((id, token)): Ids<(UserId, String)>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let hook = by_token(&core, id, &token)?;
    Ok(Json(described(&core, &*modified(&core, &hook, &body, false)?, false)))
}

pub(super) async fn remove(State(core): App, Ids(id): Ids<UserId>) -> Result<StatusCode, ApiError> {
    let hook = living(&core, id)?;
    managed(&core, hook.channel)?;
    core.webhooks.remove(id);
    tell(&core, hook.guild, hook.channel);
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove_by_token(
    State(core): App,
    Ids((id, token)): Ids<(UserId, String)>,
) -> Result<StatusCode, ApiError> {
    let hook = by_token(&core, id, &token)?;
    core.webhooks.remove(id);
    tell(&core, hook.guild, hook.channel);
    Ok(StatusCode::NO_CONTENT)
}

/// The channel that a request is for: the webhook's own, or a thread in it.
fn target(core: &Core, hook: &Webhook, thread: Option<ChannelId>) -> Result<ChannelId, ApiError> {
    let Some(thread) = thread else { return Ok(hook.channel) };
    let stripe = core.store.lock(Place::Guild(hook.guild));
    let inside = stripe.thread(thread).is_some_and(|known| known.parent == hook.channel);
    if inside { Ok(thread) } else { Err(ApiError::unknown_channel()) }
}

/// Posts; answers with the message where it is waited for.
pub(super) fn execute(
    core: &Core,
    id: UserId,
    token: &str,
    query: &Execute,
    (mut body, files): (Value, Files),
) -> Result<Response, ApiError> {
    let hook = by_token(core, id, token)?;
    if hook.application.is_none() && !is_true(query.with_components.as_ref()) {
        body["components"] = Value::Null;
    }
    let thread_name = body["thread_name"].as_str().map(str::to_owned);
    let face = Face {
        name: if body["username"].is_null() { hook.name.clone() } else { name(&body["username"])? },
        avatar: body["avatar_url"].as_str().map(str::to_owned).or(hook.avatar.clone()),
        application: hook.application,
    };
    let place = Place::Guild(hook.guild);
    let forum = {
        let stripe = core.store.lock(place);
        let channel = stripe.guild_channel(&core.world, hook.channel);
        channel.is_some_and(|channel| channel_kind::is_thread_only(channel.kind))
    };
    let mut draft = super::callback::plain(read::<MessageBody>(body)?.draft(files)?);
    draft.flags &= !crate::message::flag::EPHEMERAL;
    let channel = match (forum, query.thread_id, thread_name) {
        (true, Some(_), Some(_)) => return Err(ApiError::thread_and_name()),
        (true, None, None) => return Err(ApiError::needs_thread()),
        (false, _, Some(_)) => return Err(ApiError::thread_name_in_text_channel()),
        (true, None, Some(name)) => open_post(core, &hook, name)?,
        (_, thread, _) => target(core, &hook, thread)?,
    };
    let opens_post = forum && query.thread_id.is_none();
    let origin = Origin { hook: Some(Arc::new(face)), opens_post, ..Origin::user(channel, hook.id) };
    let message = core.post(&origin, draft)?;
    if is_true(query.wait.as_ref()) {
        return Ok(answer(core, place, &message));
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Starts a post in the webhook's forum.
fn open_post(core: &Core, hook: &Webhook, name: String) -> Result<ChannelId, ApiError> {
    if name.is_empty() || name.chars().count() > 100 {
        let message = "Must be between 1 and 100 in length.";
        return Err(ApiError::invalid("thread_name", "BASE_TYPE_BAD_LENGTH", message));
    }
    let id = ChannelId(core.next_id());
    let mut stripe = core.store.lock(Place::Guild(hook.guild));
    let forum = stripe.guild_channel(&core.world, hook.channel).ok_or_else(ApiError::unknown_channel)?;
    let (forum, new) = (forum.into_owned(), NewThread::named(name, hook.id));
    core.open_thread(&mut stripe, &forum, id, channel_kind::PUBLIC_THREAD, new)?;
    Ok(id)
}

/// A message that the webhook posted.
fn posted(core: &Core, hook: &Webhook, name: &str, query: &Execute) -> Result<Arc<Message>, ApiError> {
    let channel = target(core, hook, query.thread_id)?;
    let id = name.parse().ok().map(MessageId).ok_or_else(ApiError::unknown_message)?;
    let message = core.find(channel, id).filter(|message| message.author == hook.id);
    message.ok_or_else(ApiError::unknown_message)
}

pub(super) fn get(
    core: &Core,
    id: UserId,
    token: &str,
    name: &str,
    query: &Execute,
) -> Result<Response, ApiError> {
    let hook = by_token(core, id, token)?;
    Ok(answer(core, Place::Guild(hook.guild), &*posted(core, &hook, name, query)?))
}

pub(super) fn edit(
    core: &Core,
    id: UserId,
    token: &str,
    name: &str,
    query: &Execute,
    (body, files): (Value, Files),
) -> Result<Response, ApiError> {
    let hook = by_token(core, id, token)?;
    let message = posted(core, &hook, name, query)?;
    let change = read::<MessageBody>(body)?.change(files)?;
    let edited = core.edit(message.channel, message.id, hook.id, change)?;
    Ok(answer(core, Place::Guild(hook.guild), &edited))
}

pub(super) fn delete(
    core: &Core,
    id: UserId,
    token: &str,
    name: &str,
    query: &Execute,
) -> Result<StatusCode, ApiError> {
    let hook = by_token(core, id, token)?;
    let message = posted(core, &hook, name, query)?;
    core.delete(message.channel, message.id, hook.id)?;
    Ok(StatusCode::NO_CONTENT)
}
