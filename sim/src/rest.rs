//! The REST API, version 10: its routes. What every request passes through on its way to them is in `front`.

mod application;
mod body;
mod channels;
pub(crate) mod error;
mod front;
mod guilds;
mod messages;
mod webhooks;

use crate::core::Core;
use crate::gateway;
use axum::Router;
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::{Query, State};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post, put};
use error::ApiError;
use std::sync::Arc;

pub(crate) type App = State<Arc<Core>>;

/// The API below `/api/v10`, and the websocket at `/`.
pub(crate) fn router(core: Arc<Core>) -> Router {
    let api = Router::new()
        .route("/gateway", get(application::gateway))
        .route("/gateway/bot", get(application::gateway_bot))
        .route("/users/@me", get(application::current_user))
        .route("/users/@me/channels", post(channels::open_dm))
        .route("/applications/@me", get(application::current_application))
        .route("/oauth2/applications/@me", get(application::current_application))
        .route(
            "/applications/{application}/commands",
            put(application::overwrite_commands).get(application::commands),
        )
        .route("/guilds/{guild}", get(guilds::guild))
        .route("/guilds/{guild}/channels", get(guilds::channels))
        .route("/guilds/{guild}/roles", get(guilds::roles))
        .route("/guilds/{guild}/members/{user}", get(guilds::member))
        .route("/guilds/{guild}/threads/active", get(guilds::threads))
        .route("/channels/{channel}", get(channels::channel).patch(channels::modify))
        .route("/channels/{channel}/typing", post(channels::typing))
        .route("/channels/{channel}/messages", get(messages::list).post(messages::create))
        .route(
            "/channels/{channel}/messages/{message}",
            get(messages::get).patch(messages::edit).delete(messages::delete),
        )
        .route("/channels/{channel}/messages/{message}/threads", post(channels::start_thread))
        .route("/interactions/{interaction}/{token}/callback", post(webhooks::callback))
        .route("/webhooks/{application}/{token}", post(webhooks::follow_up))
        .route(
            "/webhooks/{application}/{token}/messages/{message}",
            get(webhooks::get).patch(webhooks::edit).delete(webhooks::delete),
        )
        .fallback(|| async { ApiError::not_found() })
        .layer(from_fn_with_state(core.clone(), front::pass));
    Router::new().route("/", get(websocket)).nest("/api/v10", api).with_state(core)
}

async fn websocket(
    State(core): App,
    Query(params): Query<gateway::Params>,
    upgrade: WebSocketUpgrade,
) -> Response {
    upgrade.on_upgrade(move |socket| gateway::serve(core, socket, params))
}
