//! Servers, as far as bots read them. <https://discord.com/developers/docs/resources/guild>

use super::App;
use super::body::Ids;
use super::error::ApiError;
use crate::ids::{GuildId, UserId};
use crate::render::{self, MemberJson};
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

pub(super) async fn guild(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    Ok(Json(render::guild(server, &stripe.guild(&core.world, server))))
}

pub(super) async fn roles(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    Ok(Json(render::roles(&stripe.guild(&core.world, server))))
}

pub(super) async fn channels(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    let guild = stripe.guild(&core.world, server);
    let channels = guild.channels.keys().filter_map(|id| stripe.channel_json(&core.world, *id));
    Ok(Json(channels.map(|channel| json!(channel)).collect()))
}

pub(super) async fn threads(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    let threads = core.active_threads(&stripe, server.id, None);
    let members: Vec<_> = threads.iter().filter_map(|thread| thread.member.clone()).collect();
    Ok(Json(json!({"threads": threads, "members": members})))
}

pub(super) async fn member(
    State(core): App,
    Ids((guild, user)): Ids<(GuildId, UserId)>,
) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    let guild = stripe.guild(&core.world, server);
    if !guild.has(user) {
        return Err(ApiError::unknown_member());
    }
    Ok(Json(json!(MemberJson::full(&core.world, server, Some(&guild), user))))
}
