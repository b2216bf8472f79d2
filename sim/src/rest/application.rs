//! The gateway's address, the bot and its application, and the registered commands.
//! <https://discord.com/developers/docs/events/gateway#get-gateway-bot>,
//! <https://discord.com/developers/docs/interactions/application-commands>

use super::App;
use super::body::{Body, Ids};
use super::error::ApiError;
use crate::ids::UserId;
use crate::render;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};
use std::sync::PoisonError;

const MAX_COMMANDS: usize = 100;
const MAX_NAME: usize = 32;
const MAX_DESCRIPTION: usize = 100;

pub(super) async fn gateway(State(core): App) -> Json<Value> {
    Json(json!({"url": core.gateway_url()}))
}

pub(super) async fn gateway_bot(State(core): App) -> Json<Value> {
    let (remaining, left) = core.hub.budget(core.clock.now());
    Json(json!({
        "url": core.gateway_url(),
        "shards": core.config.gateway_shards,
        "session_start_limit": {
            "total": core.config.identify_budget,
            "remaining": remaining,
            "reset_after": u64::try_from(left.as_millis()).unwrap_or(u64::MAX),
            "max_concurrency": core.config.max_concurrency,
        },
    }))
}

pub(super) async fn current_user(State(core): App) -> Json<Value> {
    Json(core.current_user())
}

pub(super) async fn current_application(State(core): App) -> Json<Value> {
    let owner = core.world.servers.first().map(|server| render::UserJson::new(&core.world, server.owner()));
    Json(json!({
        "id": core.config.bot, "name": core.config.bot_name, "icon": null, "description": "",
        "bot_public": true, "bot_require_code_grant": false, "bot": core.current_user(), "owner": owner,
        "rpc_origins": [], "verify_key": "0".repeat(64), "team": null, "flags": render::APPLICATION_FLAGS,
        "approximate_guild_count": core.world.servers.len(), "redirect_uris": [],
        "interactions_endpoint_url": null, "tags": [],
    }))
}

pub(super) async fn commands(
    State(core): App,
    Ids(application): Ids<UserId>,
) -> Result<Json<Value>, ApiError> {
    if application != core.config.bot {
        return Err(ApiError::missing_access());
    }
    Ok(Json(core.commands.read().unwrap_or_else(PoisonError::into_inner).clone()))
}

/// Replaces all global commands. A command that keeps its name and type keeps its id.
pub(super) async fn overwrite_commands(
    State(core): App,
    Ids(application): Ids<UserId>,
    Body(body): Body,
) -> Result<Json<Value>, ApiError> {
    if application != core.config.bot {
        return Err(ApiError::missing_access());
    }
    let Value::Array(new) = body else {
        return Err(ApiError::invalid(
            "_misc",
            "LIST_TYPE_CONVERT",
            "Only iterables may be used in a ListType",
        ));
    };
    if new.len() > MAX_COMMANDS {
        return Err(ApiError::too_long("_misc", MAX_COMMANDS));
    }
    let mut registered = core.commands.write().unwrap_or_else(PoisonError::into_inner);
    let old = registered.as_array().cloned().unwrap_or_default();
    let mut commands = Vec::with_capacity(new.len());
    for (at, command) in new.into_iter().enumerate() {
        let mut command = checked(at, command)?;
        let same =
            old.iter().find(|known| known["name"] == command["name"] && known["type"] == command["type"]);
        let id = same.map_or_else(|| json!(core.next_id().to_string()), |known| known["id"].clone());
        command["id"] = id;
        command["application_id"] = json!(core.config.bot);
        command["version"] = json!(core.next_id().to_string());
        commands.push(command);
    }
    *registered = Value::Array(commands.clone());
    Ok(Json(Value::Array(commands)))
}

fn checked(at: usize, mut command: Value) -> Result<Value, ApiError> {
    let path = |field: &str| format!("{at}.{field}");
    let kind = command["type"].as_u64().unwrap_or(1);
    let name = command["name"].as_str().ok_or_else(|| ApiError::required(&path("name")))?;
    if name.is_empty() || name.chars().count() > MAX_NAME {
        let message = "Must be between 1 and 32 in length.";
        return Err(ApiError::invalid(&path("name"), "BASE_TYPE_BAD_LENGTH", message));
    }
    if kind == 1 && name.chars().any(|c| c.is_uppercase() || c.is_whitespace()) {
        let message = "Command name is invalid";
        return Err(ApiError::invalid(&path("name"), "APPLICATION_COMMAND_INVALID_NAME", message));
    }
    let description = command["description"].as_str().unwrap_or_default();
    if kind == 1 && description.is_empty() {
        return Err(ApiError::required(&path("description")));
    }
    if description.chars().count() > MAX_DESCRIPTION {
        return Err(ApiError::too_long(&path("description"), MAX_DESCRIPTION));
    }
    command["type"] = json!(kind);
    if !command["description"].is_string() {
        command["description"] = json!("");
    }
    Ok(command)
}
