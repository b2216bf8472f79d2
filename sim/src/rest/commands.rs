//! Registering commands, globally or for one server.
//! <https://discord.com/developers/docs/interactions/application-commands#endpoints>

use super::App;
use super::body::{Body, Ids};
use super::error::ApiError;
use crate::commands::{Scope, listed};
use crate::core::Core;
use crate::ids::{GuildId, UserId};
use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Debug, Deserialize)]
pub(super) struct Localizations {
    #[serde(default)]
    with_localizations: Option<String>,
}

impl Localizations {
    fn asked(&self) -> bool {
        matches!(self.with_localizations.as_deref(), Some("true" | "True" | "1"))
    }
}

/// The commands of the bot's own application, in a server only where the bot is.
fn scope(core: &Core, application: UserId, guild: Option<GuildId>) -> Result<Scope, ApiError> {
    if application != core.config.bot {
        return Err(ApiError::missing_access());
    }
    if let Some(guild) = guild {
        let _here = core.bots_server(guild).map_err(|_| ApiError::missing_access())?;
    }
    Ok(guild)
}

fn list(core: &Core, scope: Scope, localizations: &Localizations) -> Json<Value> {
    let whole = localizations.asked();
    Json(core.commands.list(scope).iter().map(|command| listed(command, whole)).collect())
}

fn overwrite(core: &Core, scope: Scope, body: Value) -> Result<Json<Value>, ApiError> {
    let Value::Array(new) = body else {
        let message = "Only iterables may be used in a ListType";
        return Err(ApiError::invalid("_misc", "LIST_TYPE_CONVERT", message));
    };
    let list = core.commands.overwrite(scope, new, core.clock.now(), &|| core.next_id())?;
    Ok(Json(list.iter().map(|command| Value::clone(command)).collect()))
}

fn upsert(core: &Core, scope: Scope, body: Value) -> Result<(StatusCode, Json<Value>), ApiError> {
    let (command, new) = core.commands.upsert(scope, body, core.clock.now(), &|| core.next_id())?;
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, Json(Value::clone(&command))))
}

fn get(core: &Core, scope: Scope, id: &str) -> Result<Json<Value>, ApiError> {
    let command = core.commands.get(scope, id).ok_or_else(ApiError::unknown_command)?;
    Ok(Json(Value::clone(&command)))
}

fn modify(core: &Core, scope: Scope, id: &str, body: &Value) -> Result<Json<Value>, ApiError> {
    let command = core.commands.modify(scope, id, body, &|| core.next_id())?;
    Ok(Json(Value::clone(&command)))
}

fn delete(core: &Core, scope: Scope, id: &str) -> Result<StatusCode, ApiError> {
    if core.commands.delete(scope, id) {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(ApiError::unknown_command())
    }
}

type One = Ids<(UserId, String)>;
type OneOfGuild = Ids<(UserId, GuildId, String)>;

pub(super) async fn list_global(
    State(core): App,
    Ids(application): Ids<UserId>,
    Query(query): Query<Localizations>,
) -> Result<Json<Value>, ApiError> {
    Ok(list(&core, scope(&core, application, None)?, &query))
}

pub(super) async fn overwrite_global(
    State(core): App,
    Ids(application): Ids<UserId>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    overwrite(&core, scope(&core, application, None)?, body)
}

pub(super) async fn create_global(
    State(core): App,
    Ids(application): Ids<UserId>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    upsert(&core, scope(&core, application, None)?, body)
}

pub(super) async fn get_global(
    State(core): App,
    Ids((application, id)): One,
) -> Result<Json<Value>, ApiError> {
    get(&core, scope(&core, application, None)?, &id)
}

pub(super) async fn modify_global(
    State(core): App,
    Ids((application, id)): One,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    modify(&core, scope(&core, application, None)?, &id, &body)
}

pub(super) async fn delete_global(
    State(core): App,
    Ids((application, id)): One,
) -> Result<StatusCode, ApiError> {
    delete(&core, scope(&core, application, None)?, &id)
}

pub(super) async fn list_of_guild(
    State(core): App,
    Ids((application, guild)): Ids<(UserId, GuildId)>,
    Query(query): Query<Localizations>,
) -> Result<Json<Value>, ApiError> {
    Ok(list(&core, scope(&core, application, Some(guild))?, &query))
}

pub(super) async fn overwrite_of_guild(
    State(core): App,
    Ids((application, guild)): Ids<(UserId, GuildId)>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    overwrite(&core, scope(&core, application, Some(guild))?, body)
}

pub(super) async fn create_of_guild(
    State(core): App,
    Ids((application, guild)): Ids<(UserId, GuildId)>,
    Body(body): Body,
) -> Result<(StatusCode, Json<Value>), ApiError> {
    upsert(&core, scope(&core, application, Some(guild))?, body)
}

pub(super) async fn get_of_guild(
    State(core): App,
    Ids((application, guild, id)): OneOfGuild,
) -> Result<Json<Value>, ApiError> {
    get(&core, scope(&core, application, Some(guild))?, &id)
}

pub(super) async fn modify_of_guild(
    State(core): App,
    Ids((application, guild, id)): OneOfGuild,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    modify(&core, scope(&core, application, Some(guild))?, &id, &body)
}

pub(super) async fn delete_of_guild(
    State(core): App,
    Ids((application, guild, id)): OneOfGuild,
) -> Result<StatusCode, ApiError> {
    delete(&core, scope(&core, application, Some(guild))?, &id)
}

/// Nobody has changed who may use which command: the list is empty.
pub(super) async fn permissions(
    State(core): App,
    Ids((application, guild)): Ids<(UserId, GuildId)>,
) -> Result<Json<Value>, ApiError> {
    scope(&core, application, Some(guild))?;
    Ok(Json(json!([])))
}
