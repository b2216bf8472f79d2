//! The REST API, version 10: its routes. What every request passes through on its way to them is in `front`.

mod application;
mod attachments;
mod body;
mod callback;
mod channel_fields;
mod channels;
mod commands;
mod embeds;
mod entitlements;
pub(crate) mod error;
mod front;
mod guilds;
mod harm;
mod hooks;
mod members;
mod messages;
mod reactions;
mod roles;
mod sublimits;
mod threads;
mod webhooks;

use crate::core::Core;
use crate::gateway;
use crate::listener::Cut;
use axum::Router;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, Request, State};
use axum::http::header;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{delete, get, patch, post, put};
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
        .merge(guild_routes())
        .merge(channel_routes())
        .merge(command_routes())
        .merge(message_routes())
        .merge(webhook_routes())
        .merge(entitlements::routes())
        .fallback(|| async { ApiError::not_found() })
        .layer(DefaultBodyLimit::max(body::MAX_BODY_BYTES))
        .layer(from_fn_with_state(core.clone(), front::pass));
    Router::new()
        .route("/", get(websocket))
        .route("/attachments/{channel}/{attachment}/{name}", get(attachments::serve))
        .nest("/api/v10", api)
        .with_state(core)
}

fn guild_routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/users/@me/guilds", get(guilds::current_guilds))
        .route("/users/@me/guilds/{guild}", delete(guilds::leave))
        .route("/guilds/{guild}", get(guilds::guild).patch(guilds::modify))
        .route(
            "/guilds/{guild}/channels",
            get(guilds::channels).post(guilds::create_channel).patch(guilds::move_channels),
        )
        .route("/guilds/{guild}/threads/active", get(guilds::threads))
        .route("/guilds/{guild}/roles", get(roles::list).post(roles::create).patch(roles::reorder))
        .route("/guilds/{guild}/roles/member-counts", get(roles::counts))
        .route("/guilds/{guild}/roles/{role}", get(roles::get).patch(roles::modify).delete(roles::delete))
        .route("/guilds/{guild}/members", get(members::list))
        .route("/guilds/{guild}/members/search", get(members::search))
        .route("/guilds/{guild}/members/@me", patch(members::modify_own))
        .route(
            "/guilds/{guild}/members/{user}",
            get(members::get).patch(members::modify).delete(members::kick),
        )
        .route(
            "/guilds/{guild}/members/{user}/roles/{role}",
            put(members::give_role).delete(members::take_role),
        )
        .route("/guilds/{guild}/bans", get(members::bans))
        .route("/guilds/{guild}/bans/{user}", get(members::get_ban).put(members::ban).delete(members::unban))
}

fn channel_routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/channels/{channel}", get(channels::channel).patch(channels::modify).delete(channels::delete))
        .route(
            "/channels/{channel}/permissions/{target}",
            put(channels::put_overwrite).delete(channels::delete_overwrite),
        )
        .route("/channels/{channel}/typing", post(channels::typing))
        .route("/channels/{channel}/messages/{message}/threads", post(threads::start_from_message))
        .route("/channels/{channel}/threads", post(threads::start))
        .route("/channels/{channel}/threads/archived/public", get(threads::archived_public))
        .route("/channels/{channel}/threads/archived/private", get(threads::archived_private))
        .route("/channels/{channel}/users/@me/threads/archived/private", get(threads::archived_joined))
        .route("/channels/{channel}/thread-members", get(threads::members))
        .route(
            "/channels/{channel}/thread-members/{user}",
            get(threads::member).put(threads::add_member).delete(threads::remove_member),
        )
}

fn command_routes() -> Router<Arc<Core>> {
    Router::new()
        .route(
            "/applications/{application}/commands",
            get(commands::list_global).put(commands::overwrite_global).post(commands::create_global),
        )
        .route(
            "/applications/{application}/commands/{command}",
            get(commands::get_global).patch(commands::modify_global).delete(commands::delete_global),
        )
        .route(
            "/applications/{application}/guilds/{guild}/commands",
            get(commands::list_of_guild).put(commands::overwrite_of_guild).post(commands::create_of_guild),
        )
        .route("/applications/{application}/guilds/{guild}/commands/permissions", get(commands::permissions))
        .route(
            "/applications/{application}/guilds/{guild}/commands/{command}",
            get(commands::get_of_guild).patch(commands::modify_of_guild).delete(commands::delete_of_guild),
        )
}

fn message_routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/channels/{channel}/messages", get(messages::list).post(messages::create))
        .route("/channels/{channel}/messages/bulk-delete", post(messages::bulk_delete))
        .route(
            "/channels/{channel}/messages/{message}",
            get(messages::get).patch(messages::edit).delete(messages::delete),
        )
        .route("/channels/{channel}/messages/{message}/reactions", delete(reactions::remove_all))
        .route(
            "/channels/{channel}/messages/{message}/reactions/{emoji}",
            get(reactions::users).delete(reactions::remove_emoji),
        )
        .route(
            "/channels/{channel}/messages/{message}/reactions/{emoji}/@me",
            put(reactions::add).delete(reactions::remove_own),
        )
        .route("/channels/{channel}/messages/{message}/reactions/{emoji}/{user}", delete(reactions::remove))
        .route("/channels/{channel}/messages/pins", get(reactions::pins))
        .route("/channels/{channel}/messages/pins/{message}", put(reactions::pin).delete(reactions::unpin))
        .route("/channels/{channel}/pins", get(reactions::old_pins))
        .route("/channels/{channel}/pins/{message}", put(reactions::pin).delete(reactions::unpin))
        .route("/attachments/refresh-urls", post(attachments::refresh))
}

fn webhook_routes() -> Router<Arc<Core>> {
    Router::new()
        .route("/interactions/{interaction}/{token}/callback", post(callback::callback))
        .route("/channels/{channel}/webhooks", get(hooks::of_channel).post(hooks::create))
        .route("/guilds/{guild}/webhooks", get(hooks::of_guild))
        .route("/webhooks/{webhook}", get(hooks::read_one).patch(hooks::modify).delete(hooks::remove))
        .route(
            "/webhooks/{application}/{token}",
            post(webhooks::follow_up)
                .get(hooks::read_by_token)
                .patch(hooks::modify_by_token)
                .delete(hooks::remove_by_token),
        )
        .route(
            "/webhooks/{application}/{token}/messages/{message}",
            get(webhooks::get).patch(webhooks::edit).delete(webhooks::delete),
        )
}

async fn websocket(
    State(core): App,
    ConnectInfo(cut): ConnectInfo<Cut>,
    Query(params): Query<gateway::Params>,
    request: Request,
) -> Response {
    // A person with a browser.
    if !request.headers().contains_key(header::UPGRADE) {
        return Redirect::to("/playground").into_response();
    }
    gateway::accept(core, &cut, gateway::Door::Main, params, request)
}
