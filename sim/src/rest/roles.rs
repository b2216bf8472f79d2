//! Roles over REST. A role that is not below the bot's highest cannot be touched, and nobody gives what he does not
//! have himself.
//! <https://discord.com/developers/docs/topics/permissions#permission-hierarchy>,
//! <https://discord.com/developers/docs/resources/guild#create-guild-role>

use super::App;
use super::body::{Body, Ids, read};
use super::error::ApiError;
use crate::core::Core;
use crate::guild::{Guild, Role};
use crate::ids::{GuildId, RoleId};
use crate::permissions::Permissions;
use crate::render;
use crate::store::Stripe;
use crate::world::Server;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

const MAX_ROLES: usize = 250;
const MAX_NAME: usize = 100;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    name: Option<String>,
    permissions: Option<Permissions>,
    color: Option<u32>,
    colors: Option<Colors>,
    hoist: Option<bool>,
    mentionable: Option<bool>,
}

#[derive(Debug, Deserialize)]
struct Colors {
    primary_color: u32,
}

impl Fields {
    fn check(&self, may: Permissions, role: &Role) -> Result<(), ApiError> {
        if self.name.as_ref().is_some_and(|name| name.chars().count() > MAX_NAME) {
            return Err(ApiError::too_long("name", MAX_NAME));
        }
        let color = self.colors.as_ref().map(|colors| colors.primary_color).or(self.color);
        if color.is_some_and(|color| color > 0xff_ffff) {
            let message = "int value should be less than or equal to 16777215.";
            return Err(ApiError::invalid("color", "NUMBER_TYPE_MAX", message));
        }
        let new = self.permissions.unwrap_or(role.permissions).without(role.permissions);
        if may.has(new) { Ok(()) } else { Err(ApiError::missing_permissions()) }
    }

    fn apply(self, role: &mut Role) {
        role.name = self.name.unwrap_or_else(|| std::mem::take(&mut role.name));
        role.permissions = self.permissions.unwrap_or(role.permissions);
        let color = self.colors.map(|colors| colors.primary_color).or(self.color);
        role.color = color.unwrap_or(role.color);
        role.hoist = self.hoist.unwrap_or(role.hoist);
        role.mentionable = self.mentionable.unwrap_or(role.mentionable);
    }
}

/// Whether the bot's highest role is above this one.
pub(super) fn is_below(core: &Core, guild: &Guild, role: &Role) -> bool {
    role.rank() < guild.rank(core.config.bot)
}

/// What the bot may do, which includes managing roles.
fn manages(core: &Core, stripe: &Stripe, server: &Server) -> Result<Permissions, ApiError> {
    core.require_in_guild(stripe, server, core.config.bot, Permissions::MANAGE_ROLES)
}

/// A role below the bot's highest.
fn below(core: &Core, stripe: &Stripe, server: &Server, id: RoleId) -> Result<Role, ApiError> {
    let guild = stripe.guild(&core.world, server);
    let role = guild.role(id).ok_or_else(ApiError::unknown_role)?;
    if is_below(core, &guild, role) { Ok(role.clone()) } else { Err(ApiError::missing_permissions()) }
}

pub(super) async fn list(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    Ok(Json(render::roles(&stripe.guild(&core.world, server))))
}

pub(super) async fn get(
    State(core): App,
    Ids((guild, role)): Ids<(GuildId, RoleId)>,
) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    let guild = stripe.guild(&core.world, server);
    guild.role(role).map(|role| Json(render::role(role))).ok_or_else(ApiError::unknown_role)
}

/// How many members have each role but everyone's.
pub(super) async fn counts(State(core): App, Ids(guild): Ids<GuildId>) -> Result<Json<Value>, ApiError> {
    let (server, stripe) = core.bots_server(guild)?;
    let guild = stripe.guild(&core.world, server);
    let mut counts = json!({});
    for role in guild.roles.iter().filter(|role| role.id != guild.everyone()) {
        let count = guild.members.values().filter(|member| member.roles.contains(&role.id)).count();
        counts[role.id.get().to_string()] = json!(count);
    }
    Ok(Json(counts))
}

pub(super) async fn create(
    State(core): App,
    Ids(guild): Ids<GuildId>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    let may = manages(&core, &stripe, server)?;
    let fields: Fields = if body.is_null() { Fields::default() } else { read(body)? };
    let guild = stripe.guild(&core.world, server);
    if guild.roles.len() >= MAX_ROLES {
        return Err(ApiError::too_many_roles());
    }
    let everyone = guild.role(guild.everyone()).map_or(Permissions::NONE, |role| role.permissions);
    fields.check(may, &Role::new(RoleId(0), everyone & may))?;
    let mut role = Role::new(RoleId(core.next_id()), everyone);
    fields.apply(&mut role);
    Ok(Json(core.add_role(&mut stripe, server, role)))
}

pub(super) async fn modify(
    State(core): App,
    Ids((guild, id)): Ids<(GuildId, RoleId)>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    let may = manages(&core, &stripe, server)?;
    let role = below(&core, &stripe, server, id)?;
    let fields: Fields = read(body)?;
    fields.check(may, &role)?;
    let json = core.update_role(&mut stripe, server, id, |role| fields.apply(role));
    json.map(Json).ok_or_else(ApiError::unknown_role)
}

#[derive(Debug, Deserialize)]
pub(super) struct Move {
    id: RoleId,
    position: Option<u32>,
}

pub(super) async fn reorder(
    State(core): App,
    Ids(guild): Ids<GuildId>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    manages(&core, &stripe, server)?;
    let moves: Vec<Move> = read(body)?;
    let moves = moves.iter().filter_map(|one| one.position.map(|to| (one.id, to)));
    let moves: Vec<(RoleId, u32)> = moves.collect();
    for (id, position) in &moves {
        let moved = Role { position: *position, ..below(&core, &stripe, server, *id)? };
        let guild = stripe.guild(&core.world, server);
        if *position == 0 || *id == guild.everyone() || !is_below(&core, &guild, &moved) {
            return Err(ApiError::missing_permissions());
        }
    }
    Ok(Json(core.move_roles(&mut stripe, server, &moves)))
}

pub(super) async fn delete(
    State(core): App,
    Ids((guild, id)): Ids<(GuildId, RoleId)>,
) -> Result<StatusCode, ApiError> {
    let (server, mut stripe) = core.bots_server(guild)?;
    manages(&core, &stripe, server)?;
    let role = below(&core, &stripe, server, id)?;
    if role.of_bot.is_some() || role.id.get() == guild.get() {
        return Err(ApiError::invalid_role());
    }
    core.delete_role(&mut stripe, server, id);
    Ok(StatusCode::NO_CONTENT)
}
