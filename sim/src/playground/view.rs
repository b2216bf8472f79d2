//! The world as one viewer sees it: servers, channels, people, messages.

use super::{App, Refused};
use crate::core::Core;
use crate::guild::Guild;
use crate::ids::{ChannelId, GuildId, MessageId, UserId};
use crate::message::{Message, MessageJson, View, flag};
use crate::permissions::Permissions;
use crate::reactions::Reaction;
use crate::render::{self, MemberJson};
use crate::store::{Place, Stripe};
use crate::world::Server;
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

const MAX_PAGE: usize = 100;
/// Threads told at once; an older one is told when it is asked for.
const MAX_THREADS: usize = 200;

pub(super) async fn hello(State(core): App) -> Json<Value> {
    Json(json!({"bot": core.current_user(), "servers": core.world.servers.len()}))
}

#[derive(Debug, Deserialize)]
pub(super) struct Search {
    #[serde(default)]
    q: String,
    #[serde(default)]
    after: usize,
    limit: Option<usize>,
}

impl Search {
    fn finds(&self, name: &str, id: u64) -> bool {
        let wanted = self.q.trim().to_lowercase();
        wanted.is_empty() || name.to_lowercase().contains(&wanted) || id.to_string() == wanted
    }
}

/// Servers whose name holds the words or whose id it is, in the order of the world.
pub(super) async fn servers(State(core): App, Query(search): Query<Search>) -> Json<Value> {
    let limit = search.limit.unwrap_or(50).clamp(1, MAX_PAGE);
    let all = core.world.servers.iter().skip(search.after);
    let mut found = all.filter(|server| search.finds(&server.name, server.id.get()));
    let page: Vec<&Server> = found.by_ref().take(limit).collect();
    let next = found.next().map(|server| server.index);
    let page: Vec<Value> =
        page.iter().map(|server| json!({"id": server.id, "name": name_of(&core, server)})).collect();
    Json(json!({"servers": page, "next": next, "total": core.world.servers.len()}))
}

fn name_of(core: &Core, server: &Server) -> String {
    let stripe = core.store.lock(Place::Guild(server.id));
    stripe.changed(server.id).map_or_else(|| server.name.clone(), |guild| guild.name.clone())
}

#[derive(Debug, Deserialize)]
pub(super) struct As {
    #[serde(rename = "as")]
    viewer: UserId,
}

fn known(core: &Core, guild: GuildId) -> Result<&Server, Refused> {
    core.world.guild(guild).ok_or_else(|| Refused::missing("there is no such server"))
}

/// Refuses who is no member of the server.
pub(super) fn lives_in(core: &Core, viewer: UserId, id: GuildId) -> Result<(), Refused> {
    let server = known(core, id)?;
    let stripe = core.store.lock(Place::Guild(id));
    if !stripe.guild(&core.world, server).has(viewer) {
        return Err(Refused::hidden("you are no member of this server"));
    }
    Ok(())
}

/// What somebody may do in a channel, or `None` where he does not see it.
pub(super) fn permissions(core: &Core, viewer: UserId, channel: ChannelId) -> Option<Permissions> {
    let place = core.store.place(&core.world, channel)?;
    held(core, &core.store.lock(place), viewer, channel)
}

fn held(core: &Core, stripe: &Stripe, viewer: UserId, channel: ChannelId) -> Option<Permissions> {
    let may = core.permissions_in(stripe, channel, viewer)?;
    may.has(Permissions::VIEW_CHANNEL).then_some(may)
}

/// Refuses a viewer who does not see the channel, in words for him.
fn seen(core: &Core, viewer: UserId, channel: ChannelId) -> Result<Place, Refused> {
    let place = core.store.place(&core.world, channel);
    let place = place.ok_or_else(|| Refused::missing("this channel does not exist, or not any more"))?;
    match permissions(core, viewer, channel) {
        Some(_) => Ok(place),
        None => Err(Refused::hidden("you do not have access to this channel")),
    }
}

pub(super) async fn server(
    State(core): App,
    Path(id): Path<GuildId>,
    Query(As { viewer }): Query<As>,
) -> Result<Json<Value>, Refused> {
    lives_in(&core, viewer, id)?;
    let server = known(&core, id)?;
    let direct = core.dm_channel(viewer).and_then(|channel| {
        let stripe = core.store.lock(Place::Dm(viewer));
        described(&core, &stripe, viewer, channel)
    });
    let stripe = core.store.lock(Place::Guild(id));
    let guild = stripe.guild(&core.world, server);
    let channels = guild.channels.keys().filter_map(|channel| described(&core, &stripe, viewer, *channel));
    let threads = stripe.threads().rev().filter(|(_, thread)| thread.guild == id);
    let threads = threads.filter_map(|(thread, _)| described(&core, &stripe, viewer, thread));
    let member = |user| MemberJson::full(&core.world, server, Some(&guild), user);
    Ok(Json(json!({
        "id": id,
        "name": guild.name,
        "owner_id": guild.owner,
        "available": guild.available,
        "roles": render::roles(&guild),
        "me": member(viewer),
        "bot": guild.has(core.config.bot).then(|| member(core.config.bot)),
        "permissions": guild.permissions(viewer, core.clock.unix_ms()),
        "channels": channels.collect::<Vec<_>>(),
        "threads": threads.take(MAX_THREADS).collect::<Vec<_>>(),
        "direct": direct.into_iter().collect::<Vec<_>>(),
    })))
}

/// One channel or thread.
pub(super) async fn channel(
    State(core): App,
    Path(channel): Path<ChannelId>,
    Query(As { viewer }): Query<As>,
) -> Result<Json<Value>, Refused> {
    let place = seen(&core, viewer, channel)?;
    let described = described(&core, &core.store.lock(place), viewer, channel);
    described.map(Json).ok_or_else(|| Refused::missing("this channel does not exist any more"))
}

/// A channel as the viewer has it: with his permissions, or not at all.
fn described(core: &Core, stripe: &Stripe, viewer: UserId, channel: ChannelId) -> Option<Value> {
    let may = held(core, stripe, viewer, channel)?;
    let mut json = json!(stripe.channel_json(&core.world, channel)?);
    json["permissions"] = json!(may);
    if json["name"].is_null() {
        json["name"] = json!(core.config.bot_name);
    }
    Some(json)
}

/// Whom one can be: the owner and staff first.
pub(super) async fn people(
    State(core): App,
    Path(id): Path<GuildId>,
    Query(search): Query<Search>,
) -> Result<Json<Value>, Refused> {
    let server = known(&core, id)?;
    let stripe = core.store.lock(Place::Guild(id));
    let guild = stripe.guild(&core.world, server);
    let now = core.clock.unix_ms();
    let users = guild.members.keys().copied().filter(|user| !core.world.is_bot(*user));
    let found = users.filter(|user| search.finds(&core.world.user_name(*user), user.get()));
    let mut people: Vec<(u8, Value)> = found
        .map(|user| {
            let (rank, kind) = standing(&guild, user, now);
            let mut member = json!(MemberJson::full(&core.world, server, Some(&guild), user));
            member["kind"] = json!(kind);
            (rank, member)
        })
        .collect();
    people.sort_by_key(|(rank, _)| *rank);
    let people: Vec<Value> = people.into_iter().map(|(_, member)| member).collect();
    Ok(Json(json!({"people": people})))
}

/// Whether somebody owns the server, looks after it, or asks in it.
fn standing(guild: &Guild, user: UserId, now_ms: u64) -> (u8, &'static str) {
    let may = guild.permissions(user, now_ms);
    match () {
        () if user == guild.owner => (0, "owner"),
        () if may.has(Permissions::ADMINISTRATOR) => (1, "administrator"),
        () if may.has(Permissions::MANAGE_MESSAGES) => (2, "staff"),
        () => (3, "member"),
    }
}

pub(super) async fn commands(State(core): App, Path(guild): Path<GuildId>) -> Result<Json<Value>, Refused> {
    known(&core, guild)?;
    let all = core.commands.list(None).into_iter().chain(core.commands.list(Some(guild)));
    Ok(Json(json!({"commands": all.map(|command| Value::clone(&command)).collect::<Vec<_>>()})))
}

#[derive(Debug, Deserialize)]
pub(super) struct Range {
    #[serde(rename = "as")]
    viewer: UserId,
    before: Option<MessageId>,
    limit: Option<usize>,
}

/// The newest messages, or those before one; oldest first. `more`: there are earlier ones.
pub(super) async fn messages(
    State(core): App,
    Path(channel): Path<ChannelId>,
    Query(range): Query<Range>,
) -> Result<Json<Value>, Refused> {
    let place = seen(&core, range.viewer, channel)?;
    let limit = range.limit.unwrap_or(50).clamp(1, MAX_PAGE);
    let before = range.before.unwrap_or(MessageId(u64::MAX));
    let mut stripe = core.store.lock(place);
    let may = held(&core, &stripe, range.viewer, channel).unwrap_or_default();
    if !may.has(Permissions::READ_MESSAGE_HISTORY) {
        return Ok(Json(json!({"messages": [], "more": false})));
    }
    let all = &stripe.channel(channel).messages;
    let mine = |message: &&Arc<Message>| message.visible_to(range.viewer);
    let earlier = all.range(..before).rev().map(|(_, message)| message).filter(mine);
    let mut found: Vec<Arc<Message>> = earlier.take(limit + 1).cloned().collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let list: Vec<Value> =
        found.iter().rev().map(|message| shown(&core, &stripe, message, range.viewer)).collect();
    Ok(Json(json!({"messages": list, "more": more})))
}

/// A message as it stands now, where the viewer may see it.
pub(super) fn message(core: &Core, viewer: UserId, channel: ChannelId, id: MessageId) -> Option<Value> {
    let place = core.store.place(&core.world, channel)?;
    let stripe = core.store.lock(place);
    held(core, &stripe, viewer, channel)?;
    let message = stripe.message(channel, id).filter(|message| message.visible_to(viewer))?.clone();
    Some(shown(core, &stripe, &message, viewer))
}

/// The message object, with reactions as the viewer has them: `mine` are his.
fn shown(core: &Core, stripe: &Stripe, message: &Message, viewer: UserId) -> Value {
    let replied_to = message.reference.and_then(|(channel, id)| stripe.message(channel, id)).cloned();
    let thread = message.has(flag::HAS_THREAD).then(|| stripe.thread_json(message.id.thread())).flatten();
    let changed = message.guild.and_then(|guild| stripe.changed(guild));
    let view = View { changed, ..core.view(true, false) };
    let mut json = json!(MessageJson::new(message, replied_to.as_deref(), thread, view));
    let mine = |reaction: &Reaction| reaction.users.contains(&viewer);
    for (at, reaction) in message.reactions.iter().enumerate() {
        json["reactions"][at]["mine"] = json!(mine(reaction));
    }
    if let Some(used) = message.cause.as_ref().and_then(|cause| cause.used.as_ref()) {
        json["used"] = json!(used.name);
    }
    json
}
