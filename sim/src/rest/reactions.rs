//! Reactions and pins over REST.
//! <https://discord.com/developers/docs/resources/message#create-reaction> and
//! <https://discord.com/developers/docs/resources/message#get-channel-pins>

use super::App;
use super::body::Ids;
use super::error::ApiError;
use super::messages::{listed, rendered, visible};
use crate::clock::timestamp;
use crate::core::Core;
use crate::ids::{ChannelId, MessageId, UserId};
use crate::message::Message;
use crate::permissions::Permissions;
use crate::reactions::{Away, Emoji};
use crate::render::UserJson;
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

const MAX_USERS: usize = 100;
const MAX_PINS_LISTED: usize = 50;

fn may(core: &Core, channel: ChannelId, wanted: Permissions) -> Result<Permissions, ApiError> {
    let place = core.place(channel)?;
    core.require(&core.store.lock(place), channel, core.config.bot, wanted)
}

pub(super) async fn add(
    State(core): App,
    Ids((channel, message, emoji)): Ids<(ChannelId, MessageId, String)>,
) -> Result<StatusCode, ApiError> {
    let held = may(&core, channel, Permissions::READ_MESSAGE_HISTORY)?;
    visible(&core, channel, message)?;
    let emoji = Emoji::read(&emoji)?;
    let first = held.has(Permissions::ADD_REACTIONS);
    core.react(channel, message, core.config.bot, emoji, first)?;
    Ok(StatusCode::NO_CONTENT)
}

async fn take(
    core: &Core,
    channel: ChannelId,
    message: MessageId,
    away: Away,
) -> Result<StatusCode, ApiError> {
    visible(core, channel, message)?;
    core.unreact(channel, message, core.config.bot, away)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn remove_own(
    State(core): App,
    Ids((channel, message, emoji)): Ids<(ChannelId, MessageId, String)>,
) -> Result<StatusCode, ApiError> {
    may(&core, channel, Permissions::READ_MESSAGE_HISTORY)?;
    take(&core, channel, message, Away::One(Emoji::read(&emoji)?, core.config.bot)).await
}

pub(super) async fn remove(
    State(core): App,
    Ids((channel, message, emoji, user)): Ids<(ChannelId, MessageId, String, UserId)>,
) -> Result<StatusCode, ApiError> {
    may(&core, channel, Permissions::MANAGE_MESSAGES)?;
    take(&core, channel, message, Away::One(Emoji::read(&emoji)?, user)).await
}

pub(super) async fn remove_emoji(
    State(core): App,
    Ids((channel, message, emoji)): Ids<(ChannelId, MessageId, String)>,
) -> Result<StatusCode, ApiError> {
    may(&core, channel, Permissions::MANAGE_MESSAGES)?;
    take(&core, channel, message, Away::Emoji(Emoji::read(&emoji)?)).await
}

pub(super) async fn remove_all(
    State(core): App,
    Ids((channel, message)): Ids<(ChannelId, MessageId)>,
) -> Result<StatusCode, ApiError> {
    may(&core, channel, Permissions::MANAGE_MESSAGES)?;
    take(&core, channel, message, Away::All).await
}

#[derive(Debug, Deserialize)]
pub(super) struct Users {
    after: Option<UserId>,
    limit: Option<usize>,
}

/// Users who reacted with an emoji, in the order of their ids.
pub(super) async fn users(
    State(core): App,
    Ids((channel, message, emoji)): Ids<(ChannelId, MessageId, String)>,
    Query(page): Query<Users>,
) -> Result<Json<Value>, ApiError> {
    may(&core, channel, Permissions::READ_MESSAGE_HISTORY)?;
    let limit = page.limit.unwrap_or(25);
    if limit == 0 || limit > MAX_USERS {
        return Err(ApiError::invalid("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100."));
    }
    let message = visible(&core, channel, message)?;
    let emoji = Emoji::read(&emoji)?;
    let known = message.reactions.iter().find(|reaction| reaction.emoji == emoji);
    let mut users = known.map(|reaction| reaction.users.clone()).ok_or_else(ApiError::unknown_emoji)?;
    users.sort_unstable();
    users.retain(|user| page.after.is_none_or(|after| *user > after));
    users.truncate(limit);
    Ok(Json(users.iter().map(|user| json!(UserJson::new(&core.world, *user))).collect()))
}

/// The pins that the bot may read; none without READ_MESSAGE_HISTORY.
fn pinned(core: &Core, channel: ChannelId) -> Result<Vec<Arc<Message>>, ApiError> {
    let held = may(core, channel, Permissions::VIEW_CHANNEL)?;
    if !held.has(Permissions::READ_MESSAGE_HISTORY) {
        return Ok(Vec::new());
    }
    let place = core.place(channel)?;
    Ok(core.pinned(&mut core.store.lock(place), channel))
}

#[derive(Debug, Deserialize)]
pub(super) struct Pins {
    before: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn pins(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Query(page): Query<Pins>,
) -> Result<Response, ApiError> {
    let limit = page.limit.unwrap_or(MAX_PINS_LISTED);
    if limit == 0 || limit > MAX_PINS_LISTED {
        return Err(ApiError::invalid("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 50."));
    }
    let before = match page.before {
        None => i128::MAX,
        Some(text) => {
            // A plus sign that the client did not encode arrives as a space.
            let time = OffsetDateTime::parse(&text.replace(' ', "+"), &Rfc3339);
            let wrong =
                |_| ApiError::invalid("before", "DATE_TIME_TYPE_PARSE", "Could not parse as ISO8601.");
            time.map_err(wrong)?.unix_timestamp_nanos() / 1_000_000
        }
    };
    let mut list = pinned(&core, channel)?;
    list.retain(|message| message.pinned_at_ms.is_some_and(|at| i128::from(at) < before));
    let has_more = list.len() > limit;
    let place = core.place(channel)?;
    let item = |message: &Arc<Message>| {
        let at = timestamp(message.pinned_at_ms.unwrap_or_default());
        format!(r#"{{"pinned_at":"{at}","message":{}}}"#, rendered(&core, place, message))
    };
    let items: Vec<String> = list.iter().take(limit).map(item).collect();
    let body = format!(r#"{{"items":[{}],"has_more":{has_more}}}"#, items.join(","));
    Ok(([(CONTENT_TYPE, "application/json")], body).into_response())
}

/// The older list, without times.
pub(super) async fn old_pins(State(core): App, Ids(channel): Ids<ChannelId>) -> Result<Response, ApiError> {
    let mut list = pinned(&core, channel)?;
    list.truncate(MAX_PINS_LISTED);
    Ok(listed(&core, core.place(channel)?, &list))
}

pub(super) async fn pin(
    State(core): App,
    Ids((channel, message)): Ids<(ChannelId, MessageId)>,
) -> Result<StatusCode, ApiError> {
    core.pin(channel, message, core.config.bot, true)?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn unpin(
    State(core): App,
    Ids((channel, message)): Ids<(ChannelId, MessageId)>,
) -> Result<StatusCode, ApiError> {
    core.pin(channel, message, core.config.bot, false)?;
    Ok(StatusCode::NO_CONTENT)
}
