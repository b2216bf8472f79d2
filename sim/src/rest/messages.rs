//! Messages of a channel. <https://discord.com/developers/docs/resources/message>

use super::App;
use super::body::{Body, Form, Ids, MessageBody, Reference, read};
use super::error::ApiError;
use crate::core::Core;
use crate::ids::{ChannelId, MessageId};
use crate::message::{Message, MessageJson, flag, is_exempt};
use crate::permissions::Permissions;
use crate::posting::Origin;
use crate::store::Place;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;

const MAX_LIST: usize = 100;

/// A message as REST returns it.
pub(super) fn answer(core: &Core, place: Place, message: &Message) -> Response {
    ([(CONTENT_TYPE, "application/json")], rendered(core, place, message)).into_response()
}

/// Messages as REST lists them.
pub(super) fn listed(core: &Core, place: Place, messages: &[Arc<Message>]) -> Response {
    let list: Vec<String> = messages.iter().map(|message| rendered(core, place, message)).collect();
    ([(CONTENT_TYPE, "application/json")], format!("[{}]", list.join(","))).into_response()
}

pub(super) fn rendered(core: &Core, place: Place, message: &Message) -> String {
    let stripe = core.store.lock(place);
    let replied_to = message.reference.filter(|_| message.snapshot.is_none());
    let replied_to = replied_to.and_then(|(channel, id)| stripe.message(channel, id)).cloned();
    let thread = message.has(flag::HAS_THREAD).then(|| stripe.thread_json(message.id.thread())).flatten();
    drop(stripe);
    let json = MessageJson::new(message, replied_to.as_deref(), thread, core.rest_view());
    serde_json::to_string(&json).expect("messages have string keys and finite numbers")
}

pub(super) async fn create(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Form { body, files }: Form,
) -> Result<Response, ApiError> {
    let place = core.place(channel)?;
    let body = read::<MessageBody>(body)?;
    let forward = match body.message_reference.as_ref().filter(|reference| reference.is_forward()) {
        None => None,
        Some(reference) => Some(forwarded(&core, reference)?),
    };
    let mut draft = body.draft(files)?;
    draft.flags &= !flag::EPHEMERAL;
    draft.forward = forward;
    let message = core.post(&Origin::user(channel, core.config.bot), draft)?;
    Ok(answer(&core, place, &message))
}

/// The message to forward, which the bot must be able to read.
fn forwarded(core: &Core, reference: &Reference) -> Result<Arc<Message>, ApiError> {
    let required = || ApiError::required("message_reference.channel_id");
    let channel = reference.channel_id.ok_or_else(required)?;
    let place = core.place(channel)?;
    core.require(&core.store.lock(place), channel, core.config.bot, Permissions::VIEW_CHANNEL)?;
    let message = visible(core, channel, reference.message_id)?;
    if message.is_system() {
        return Err(ApiError::system_message());
    }
    if core.rest_view().withhold && !is_exempt(&core.world, &message) {
        return Err(ApiError::unreadable_forward());
    }
    Ok(message)
}

pub(super) async fn get(
    State(core): App,
    Ids((channel, id)): Ids<(ChannelId, MessageId)>,
) -> Result<Response, ApiError> {
    let place = core.place(channel)?;
    core.require(&core.store.lock(place), channel, core.config.bot, Permissions::READ_MESSAGE_HISTORY)?;
    let message = visible(&core, channel, id)?;
    Ok(answer(&core, place, &message))
}

/// A message that is not for one member alone.
pub(super) fn visible(core: &Core, channel: ChannelId, id: MessageId) -> Result<Arc<Message>, ApiError> {
    core.find(channel, id)
        .filter(|message| !message.has(flag::EPHEMERAL))
        .ok_or_else(ApiError::unknown_message)
}

/// Which messages to list. At most one of `before`, `after` and `around`.
#[derive(Debug, Deserialize)]
pub(super) struct Range {
    before: Option<MessageId>,
    after: Option<MessageId>,
    around: Option<MessageId>,
    limit: Option<usize>,
}

/// Newest first, as Discord lists them whatever the direction.
pub(super) async fn list(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Query(range): Query<Range>,
) -> Result<Response, ApiError> {
    let place = core.place(channel)?;
    let limit = range.limit.unwrap_or(50);
    if limit == 0 || limit > MAX_LIST {
        let message = "int value should be between 1 and 100.";
        return Err(ApiError::invalid("limit", "NUMBER_TYPE_MAX", message));
    }
    let mut stripe = core.store.lock(place);
    let may = core.require(&stripe, channel, core.config.bot, Permissions::VIEW_CHANNEL)?;
    if !may.has(Permissions::READ_MESSAGE_HISTORY) {
        return Ok(([(CONTENT_TYPE, "application/json")], "[]").into_response());
    }
    let all = &stripe.channel(channel).messages;
    let shown = |message: &&Arc<Message>| !message.has(flag::EPHEMERAL);
    let mut found: Vec<Arc<Message>> = match (range.before, range.after, range.around) {
        (Some(before), ..) => {
            all.range(..before).map(|(_, m)| m).rev().filter(shown).take(limit).cloned().collect()
        }
        (_, Some(after), _) => {
            let from = MessageId(after.get().saturating_add(1));
            all.range(from..).map(|(_, m)| m).filter(shown).take(limit).cloned().collect()
        }
        (_, _, Some(around)) => {
            let half = limit / 2;
            let older = all.range(..around).map(|(_, m)| m).rev().filter(shown).take(half);
            let newer = all.range(around..).map(|(_, m)| m).filter(shown).take(limit - half);
            older.chain(newer).cloned().collect()
        }
        _ => all.values().rev().filter(shown).take(limit).cloned().collect(),
    };
    drop(stripe);
    found.sort_by_key(|message| std::cmp::Reverse(message.id));
    Ok(listed(&core, place, &found))
}

pub(super) async fn edit(
    State(core): App,
    Ids((channel, id)): Ids<(ChannelId, MessageId)>,
    Form { body, files }: Form,
) -> Result<Response, ApiError> {
    let place = core.place(channel)?;
    let change = read::<MessageBody>(body)?.change(files)?;
    core.require(&core.store.lock(place), channel, core.config.bot, Permissions::VIEW_CHANNEL)?;
    visible(&core, channel, id)?;
    let message = core.edit(channel, id, core.config.bot, change)?;
    Ok(answer(&core, place, &message))
}

pub(super) async fn delete(
    State(core): App,
    Ids((channel, id)): Ids<(ChannelId, MessageId)>,
) -> Result<StatusCode, ApiError> {
    let place = core.place(channel)?;
    core.require(&core.store.lock(place), channel, core.config.bot, Permissions::VIEW_CHANNEL)?;
    visible(&core, channel, id)?;
    core.delete(channel, id, core.config.bot)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
struct Bulk {
    messages: Vec<MessageId>,
}

pub(super) async fn bulk_delete(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Body(body): Body,
) -> Result<StatusCode, ApiError> {
    let bulk: Bulk = read(body)?;
    core.delete_many(channel, &bulk.messages, core.config.bot)?;
    Ok(StatusCode::NO_CONTENT)
}
