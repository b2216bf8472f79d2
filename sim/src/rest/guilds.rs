//! Servers, as far as bots read them. <https://discord.com/developers/docs/resources/guild>

use super::App;
use super::body::Ids;
use super::error::ApiError;
use crate::core::Core;
use crate::ids::{GuildId, UserId};
use crate::render::{self, MemberJson};
use crate::world::Server;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

fn server(core: &Core, guild: GuildId) -> Result<&Server, ApiError> {
    core.world.guild(guild).ok_or_else(ApiError::unknown_guild)
}

pub(super) async fn guild(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let everyone = core.config.bot_may_mention_everyone;
    Ok(Json(render::guild(server(&core, guild)?, core.config.bot, everyone)))
}

pub(super) async fn roles(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let everyone = core.config.bot_may_mention_everyone;
    Ok(Json(render::roles(server(&core, guild)?, core.config.bot, everyone)))
}

pub(super) async fn channels(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let server = server(&core, guild)?;
    let one = |channel| super::channels::channel_json(&core, channel);
    Ok(Json(json!([one(server.support_channel)?, one(server.general_channel)?])))
}

pub(super) async fn threads(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let server = server(&core, guild)?;
    let threads = core.store.threads(server.id);
    let members: Vec<_> = threads.iter().filter_map(|thread| thread.member.clone()).collect();
    Ok(Json(json!({"threads": threads, "members": members})))
}

pub(super) async fn member(
    State(core): App,
    Ids((guild, user)): Ids<(GuildId, UserId)>,
) -> Result<Json<Value>, ApiError> {
    let server = server(&core, guild)?;
    let at_home = core.world.home(user).is_some_and(|home| home.index == server.index);
    if !at_home && !core.world.is_bot(user) {
        return Err(ApiError::unknown_member());
    }
    Ok(Json(json!(MemberJson::full(&core.world, server, user))))
}
