//! The gateway's address, the bot and its application.
//! <https://discord.com/developers/docs/events/gateway#get-gateway-bot>
//! <https://discord.com/developers/docs/resources/application>

use super::App;
use crate::render;
use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

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
