//! Reading, changing and deleting channels and threads, their overwrites, typing and direct messages.
//! <https://discord.com/developers/docs/resources/channel>

use super::App;
use super::body::{Body, Ids, read};
use super::channel_fields::{Fields, OverwriteBody, check_overwrite};
use super::error::ApiError;
use super::threads::{Snowflake, check_auto_archive};
use crate::core::Core;
use crate::ids::{ChannelId, RoleId, UserId};
use crate::message::kind;
use crate::permissions::{Permissions, Target};
use crate::render::UserJson;
use crate::store::{Made, Place, Stripe};
use crate::threads::{System, check_tags};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

const MAX_NAME: usize = 100;
const MAX_SLOWMODE_S: u32 = 21_600;

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

pub(super) fn check_name(name: &str) -> Result<(), ApiError> {
    if name.is_empty() || name.chars().count() > MAX_NAME {
        let message = "Must be between 1 and 100 in length.";
        return Err(ApiError::invalid("name", "BASE_TYPE_BAD_LENGTH", message));
    }
    Ok(())
}

pub(super) fn check_slowmode(seconds: Option<u32>) -> Result<(), ApiError> {
    if seconds.is_some_and(|seconds| seconds > MAX_SLOWMODE_S) {
        let message = "int value should be less than or equal to 21600.";
        return Err(ApiError::invalid("rate_limit_per_user", "NUMBER_TYPE_MAX", message));
    }
    Ok(())
}

pub(super) async fn modify(
    State(core): App,
    Ids(channel): Ids<ChannelId>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let place = core.place(channel)?;
    let mut stripe = core.store.lock(place);
    core.require(&stripe, channel, core.config.bot, Permissions::VIEW_CHANNEL)?;
    match place {
        Place::Dm(_) => Err(ApiError::wrong_channel_type()),
        Place::Guild(_) if stripe.thread(channel).is_some() => {
            modify_thread(&core, &mut stripe, channel, read(body)?)
        }
        Place::Guild(_) => modify_channel(&core, &mut stripe, channel, read(body)?),
    }
}

fn modify_channel(
    core: &Core,
    stripe: &mut Stripe,
    id: ChannelId,
    fields: Fields,
) -> Result<Json<Value>, ApiError> {
    core.require(stripe, id, core.config.bot, Permissions::MANAGE_CHANNELS)?;
    let server = stripe.server_of(&core.world, id).ok_or_else(ApiError::unknown_channel)?;
    let mut channel =
        stripe.guild_channel(&core.world, id).ok_or_else(ApiError::unknown_channel)?.into_owned();
    fields.check(core, stripe, server, Some(&channel), channel.kind)?;
    fields.apply(core, &mut channel);
    let json = core.update_channel(stripe, server, id, |known| *known = channel);
    Ok(Json(json!(json)))
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ThreadFields {
    name: Option<String>,
    archived: Option<bool>,
    auto_archive_duration: Option<u64>,
    locked: Option<bool>,
    invitable: Option<bool>,
    rate_limit_per_user: Option<u32>,
    flags: Option<u64>,
    applied_tags: Option<Vec<Snowflake>>,
}

impl ThreadFields {
    /// Whether opening the thread again is all that is asked for.
    fn only_opens(&self) -> bool {
        let others = self.name.is_some()
            || self.auto_archive_duration.is_some()
            || self.locked.is_some()
            || self.invitable.is_some()
            || self.rate_limit_per_user.is_some()
            || self.flags.is_some()
            || self.applied_tags.is_some();
        self.archived == Some(false) && !others
    }

    /// Whether something is asked for that only moderators may do.
    fn moderates(&self) -> bool {
        self.locked.is_some() || self.rate_limit_per_user.is_some() || self.flags.is_some()
    }
}

/// <https://discord.com/developers/docs/topics/threads#editing-deleting-threads>
fn modify_thread(
    core: &Core,
    stripe: &mut Stripe,
    id: ChannelId,
    fields: ThreadFields,
) -> Result<Json<Value>, ApiError> {
    let bot = core.config.bot;
    let may = core.require(stripe, id, bot, Permissions::VIEW_CHANNEL)?;
    let thread = stripe.thread(id).ok_or_else(ApiError::unknown_channel)?;
    let moderator = may.has(Permissions::MANAGE_THREADS);
    let allowed = if fields.moderates() {
        moderator
    } else if fields.only_opens() && !thread.locked {
        may.has(Permissions::SEND_MESSAGES)
    } else {
        moderator || thread.owner == bot
    };
    if !allowed {
        return Err(ApiError::missing_permissions());
    }
    if thread.locked && !moderator {
        return Err(ApiError::thread_locked());
    }
    if thread.archived && fields.archived != Some(false) {
        return Err(ApiError::archived());
    }
    check_auto_archive(fields.auto_archive_duration)?;
    check_slowmode(fields.rate_limit_per_user)?;
    let tags: Option<Vec<u64>> = fields.applied_tags.map(|tags| tags.iter().map(|tag| tag.get()).collect());
    if let Some(tags) = &tags {
        let forum = stripe.guild_channel(&core.world, thread.parent).ok_or_else(ApiError::unknown_channel)?;
        check_tags(&forum, tags, moderator)?;
    }
    let toggles = fields.archived.filter(|to| *to != thread.archived);
    if toggles == Some(false) {
        core.room_for_thread(stripe, thread.guild)?;
    }
    if let Some(name) = &fields.name {
        check_name(name)?;
    }
    let now_ms = core.clock.unix_ms();
    let thread = stripe.thread_mut(id).ok_or_else(ApiError::unknown_channel)?;
    if let Some(minutes) = fields.auto_archive_duration {
        thread.auto_archive = minutes;
        (thread.archive_ms, thread.active_ms) = (now_ms, now_ms);
    }
    thread.name = fields.name.clone().unwrap_or_else(|| std::mem::take(&mut thread.name));
    thread.locked = fields.locked.unwrap_or(thread.locked);
    thread.invitable = fields.invitable.unwrap_or(thread.invitable);
    thread.slowmode_s = fields.rate_limit_per_user.unwrap_or(thread.slowmode_s);
    thread.flags = fields.flags.unwrap_or(thread.flags);
    thread.tags = tags.unwrap_or_else(|| std::mem::take(&mut thread.tags));
    stripe.expect_archiving(id);
    match toggles {
        Some(archived) => core.set_archived(stripe, id, archived)?,
        None => core.tell_thread(stripe, id),
    }
    if let Some(content) = fields.name {
        let renamed = System { kind: kind::CHANNEL_NAME_CHANGE, by: bot, content, mentions: Vec::new() };
        core.post_system(stripe, id, renamed, None);
    }
    Ok(Json(json!(stripe.thread_json(id))))
}

/// Deletes a channel or thread; closing a direct message leaves it as it is.
pub(super) async fn delete(State(core): App, Ids(channel): Ids<ChannelId>) -> Result<Json<Value>, ApiError> {
    if let Place::Dm(_) = core.place(channel)? {
        return channel_json(&core, channel).map(Json);
    }
    let mut stripe = core.store.lock(core.place(channel)?);
    let bot = core.config.bot;
    let deleted = if stripe.thread(channel).is_some() {
        core.require(&stripe, channel, bot, Permissions::MANAGE_THREADS)?;
        core.delete_thread(&mut stripe, channel)
    } else {
        core.require(&stripe, channel, bot, Permissions::MANAGE_CHANNELS)?;
        let server = stripe.server_of(&core.world, channel).ok_or_else(ApiError::unknown_channel)?;
        core.remove_channel(&mut stripe, server, channel)
    };
    Ok(Json(json!(deleted.ok_or_else(ApiError::unknown_channel)?)))
}

pub(super) async fn put_overwrite(
    State(core): App,
    Ids((channel, target)): Ids<(ChannelId, u64)>,
    Body(body): Body,
) -> Result<StatusCode, ApiError> {
    let overwrite = OverwriteBody { id: Some(UserId(target)), ..read(body)? };
    let mut stripe = core.store.lock(core.place(channel)?);
    core.require(&stripe, channel, core.config.bot, Permissions::MANAGE_ROLES)?;
    let known = stripe.guild_channel(&core.world, channel).ok_or_else(ApiError::wrong_channel_type)?;
    let known = known.into_owned();
    let server = stripe.server_of(&core.world, channel).ok_or_else(ApiError::unknown_channel)?;
    let overwrite = overwrite.overwrite()?;
    check_overwrite(&core, &stripe, server, Some(&known), &overwrite)?;
    core.update_channel(&mut stripe, server, channel, |channel| {
        channel.set_overwrite(overwrite.target, Some((overwrite.allow, overwrite.deny)));
    });
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn delete_overwrite(
    State(core): App,
    Ids((channel, target)): Ids<(ChannelId, u64)>,
) -> Result<StatusCode, ApiError> {
    let mut stripe = core.store.lock(core.place(channel)?);
    core.require(&stripe, channel, core.config.bot, Permissions::MANAGE_ROLES)?;
    let known = stripe.guild_channel(&core.world, channel).ok_or_else(ApiError::wrong_channel_type)?;
    if known.overwrite(target).is_none() {
        return Err(ApiError::unknown_overwrite());
    }
    let server = stripe.server_of(&core.world, channel).ok_or_else(ApiError::unknown_channel)?;
    core.update_channel(&mut stripe, server, channel, |channel| {
        channel.set_overwrite(Target::Role(RoleId(target)), None);
    });
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn typing(State(core): App, Ids(channel): Ids<ChannelId>) -> Result<StatusCode, ApiError> {
    core.type_in(channel, core.config.bot)?;
    Ok(StatusCode::NO_CONTENT)
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
