//! Channels, threads, typing and direct messages.
//! <https://discord.com/developers/docs/resources/channel>

use super::App;
use super::body::{Body, Ids, read};
use super::error::ApiError;
use crate::core::Core;
use crate::ids::{ChannelId, MessageId, UserId};
use crate::permissions::Permissions;
use crate::render::UserJson;
use crate::store::{Made, Place};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

const AUTO_ARCHIVE_MINUTES: [u64; 4] = [60, 1_440, 4_320, 10_080];
const MAX_NAME: usize = 100;

pub(super) async fn channel(State(core): App, Ids(channel): Ids<ChannelId>) -> Result<Json<Value>, ApiError> {
    channel_json(&core, channel).map(Json)
}

pub(super) fn channel_json(core: &Core, channel: ChannelId) -> Result<Value, ApiError> {
    let place = core.place(channel)?;
    let stripe = core.store.lock(place);
    core.require(&stripe, channel, core.config.bot, Permissions::VIEW_CHANNEL)?;
    let mut json = json!(stripe.channel_json(&core.world, channel).ok_or_else(ApiError::unknown_channel)?);
    if let Place::Dm(user) = place {
        json["recipients"] = json!([UserJson::new(&core.world, user)]);
    }
    Ok(json)
}

#[derive(Debug, Deserialize)]
pub(super) struct Modify {
    name: Option<String>,
    archived: Option<bool>,
}

/// Renames or archives a thread; fixed channels cannot be changed.
pub(super) async fn modify(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let modify: Modify = read(body)?;
    let place = core.place(channel)?;
    let mut stripe = core.store.lock(place);
    core.require(&stripe, channel, core.config.bot, Permissions::VIEW_CHANNEL)?;
    let now_ms = core.clock.unix_ms();
    let thread = stripe.thread_mut(channel).ok_or_else(ApiError::missing_permissions)?;
    if let Some(new) = modify.name {
        check_name(&new)?;
        thread.name = new;
    }
    if let Some(new) = modify.archived {
        (thread.archived, thread.archive_ms) = (new, now_ms);
    }
    let json = stripe.thread_json(channel).ok_or_else(ApiError::unknown_channel)?;
    core.dispatch_in(&stripe, channel, "THREAD_UPDATE", 1, || crate::posting::to_json(&json));
    Ok(Json(json!(json)))
}

fn check_name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name.chars().count() > MAX_NAME {
        return Err(ApiError::invalid(
            "name",
            "BASE_TYPE_BAD_LENGTH",
            "Must be between 1 and 100 in length.",
        ));
    }
    Ok(())
}

pub(super) async fn typing(State(core): App, Ids(channel): Ids<ChannelId>) -> Result<StatusCode, ApiError> {
    core.type_in(channel, core.config.bot)?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Debug, Deserialize)]
pub(super) struct StartThread {
    name: Option<String>,
    auto_archive_duration: Option<u64>,
}

pub(super) async fn start_thread(
    State(core): App,
    Ids((channel, message)): Ids<(ChannelId, MessageId)>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    let start: StartThread = read(body)?;
    let name = start.name.ok_or_else(|| ApiError::required("name"))?;
    check_name(&name)?;
    let minutes = start.auto_archive_duration.unwrap_or(4_320);
    if !AUTO_ARCHIVE_MINUTES.contains(&minutes) {
        let message = "Value must be one of (60, 1440, 4320, 10080).";
        return Err(ApiError::invalid("auto_archive_duration", "BASE_TYPE_CHOICES", message));
    }
    let json = core.start_thread(channel, message, name, minutes)?;
    Ok((StatusCode::CREATED, Json(json!(json))))
}

#[derive(Debug, Deserialize)]
pub(super) struct OpenDm {
    recipient_id: UserId,
}

pub(super) async fn open_dm(State(core): App, Body(body): Body) -> Result<Json<Value>, ApiError> {
    let open: OpenDm = read(body)?;
    let channel = core.dm_channel(open.recipient_id).ok_or_else(ApiError::unknown_user)?;
    channel_json(&core, channel).map(Json)
}

impl Core {
    /// The direct-message channel of a member, made when it is first needed.
    pub(crate) fn dm_channel(&self, user: UserId) -> Option<ChannelId> {
        if !self.world.is_person(user) {
            return None;
        }
        // A number no other channel has: the member's own, a millisecond before any thread could be made.
        let channel = ChannelId(user.get() | 1 << 21);
        let mut stripe = self.store.lock(Place::Dm(user));
        if stripe.made(channel).is_none() {
            self.store.make(&mut stripe, channel, Made::Dm { user });
        }
        Some(channel)
    }
}
