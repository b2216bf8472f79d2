//! Messages of a channel. <https://discord.com/developers/docs/resources/message>

use super::App;
use super::body::{Body, Ids, MessageBody, read};
use super::error::ApiError;
use crate::core::Core;
use crate::ids::{ChannelId, MessageId};
use crate::message::{Message, MessageJson, View, flag};
use crate::permissions::Permissions;
use crate::posting::{Change, Origin};
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

fn rendered(core: &Core, place: Place, message: &Message) -> String {
    let stripe = core.store.lock(place);
    let replied_to = message.reference.and_then(|(channel, id)| stripe.message(channel, id)).cloned();
    let thread = message.has(flag::HAS_THREAD).then(|| stripe.thread_json(message.id.thread())).flatten();
    drop(stripe);
    let view = View { world: &core.world, gateway: false, content: true, changed: None };
    let json = MessageJson::new(message, replied_to.as_deref(), thread, view);
    serde_json::to_string(&json).expect("messages have string keys and finite numbers")
}

pub(super) async fn create(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let place = core.place(channel)?;
    let mut draft = read::<MessageBody>(body)?.draft()?;
    draft.flags &= !flag::EPHEMERAL;
    let message = core.post(&Origin { channel, author: core.config.bot, cause: None }, draft)?;
    Ok(answer(&core, place, &message))
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

fn visible(core: &Core, channel: ChannelId, id: MessageId) -> Result<Arc<Message>, ApiError> {
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
    let list: Vec<String> = found.iter().map(|message| rendered(&core, place, message)).collect();
    Ok(([(CONTENT_TYPE, "application/json")], format!("[{}]", list.join(","))).into_response())
}

/// The change an edit body asks for.
pub(super) fn change(body: MessageBody) -> Result<Change, ApiError> {
    body.check()?;
    let components = body.components()?.map(|rendered| (rendered.raw, rendered.buttons));
    let embeds = body.embeds().map(|rendered| (rendered.raw, rendered.count));
    Ok(Change {
        content: body.content.map(Option::unwrap_or_default),
        components,
        embeds,
        allowed: body.allowed_mentions,
        flags: body.flags,
    })
}

pub(super) async fn edit(
    State(core): App,
    Ids((channel, id)): Ids<(ChannelId, MessageId)>,
    Body(body): Body,
) -> Result<Response, ApiError> {
    let place = core.place(channel)?;
    let change = change(read(body)?)?;
    core.require(&core.store.lock(place), channel, core.config.bot, Permissions::VIEW_CHANNEL)?;
    visible(&core, channel, id)?;
    let message = core.edit(channel, id, change)?;
    Ok(answer(&core, place, &message))
}

pub(super) async fn delete(
    State(core): App,
    Ids((channel, id)): Ids<(ChannelId, MessageId)>,
) -> Result<StatusCode, ApiError> {
    let place = core.place(channel)?;
    core.require(&core.store.lock(place), channel, core.config.bot, Permissions::VIEW_CHANNEL)?;
    visible(&core, channel, id)?;
    core.delete(channel, id)?;
    Ok(StatusCode::NO_CONTENT)
}
