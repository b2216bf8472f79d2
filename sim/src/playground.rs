//! The playground: a page that shows the simulated Discord as one of its members sees it and lets a person act for him.
//!
//! `GET /playground` is the page; what it reads and does goes through `/playground/api`. Every answer is for one viewer,
//! named by `as`: he gets what his permissions show him, and the ephemeral messages that are his.
//!
//! | route | answer |
//! |---|---|
//! | `GET …/hello` | the bot, the number of servers |
//! | `GET …/servers?q=&after=&limit=` | servers by name or id, a page at a time |
//! | `GET …/servers/{id}?as=` | roles, channels and threads as the viewer sees them, his direct messages |
//! | `GET …/servers/{id}/people?q=` | whom one can be there |
//! | `GET …/servers/{id}/commands` | commands the bot has registered |
//! | `GET …/channels/{id}?as=` | one channel or thread |
//! | `GET …/channels/{id}/messages?as=&before=&limit=` | messages, the newest last |
//! | `GET …/events?as=&server=` | what happens, as server-sent events |
//! | `POST …/act` | something the viewer does: [`act`] |
//!
//! Nobody is asked who he is, so it has to stay on this machine: [`guard`] refuses what other web pages send.

mod act;
mod assets;
mod events;
mod feed;
mod guard;
mod view;

pub(crate) use feed::{Feed, Happening};
pub(crate) use guard::guard;

use crate::core::Core;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, extract::State};
use serde_json::json;
use std::sync::Arc;

type App = State<Arc<Core>>;

/// Ten attachments of ordinary size, in base64.
const MAX_BODY_BYTES: usize = 16 * 1024 * 1024;

pub(crate) fn router(core: Arc<Core>) -> Router {
    let api = Router::new()
        .route("/hello", get(view::hello))
        .route("/servers", get(view::servers))
        .route("/servers/{guild}", get(view::server))
        .route("/servers/{guild}/people", get(view::people))
        .route("/servers/{guild}/commands", get(view::commands))
        .route("/channels/{channel}", get(view::channel))
        .route("/channels/{channel}/messages", get(view::messages))
        .route("/events", get(events::events))
        .route("/act", post(act::act))
        .fallback(|| async { Refused::missing("there is nothing here") })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES));
    Router::new()
        .route("/playground", get(assets::page))
        .route("/playground/", get(assets::page))
        .route("/playground/{file}", get(assets::file))
        .nest("/playground/api", api)
        .layer(from_fn_with_state(core.clone(), guard))
        .with_state(core)
}

/// Why the page does not get what it asked for: a status and a sentence for the person.
#[derive(Debug)]
pub(crate) struct Refused(StatusCode, String);

impl Refused {
    fn missing(what: impl Into<String>) -> Self {
        Self(StatusCode::NOT_FOUND, what.into())
    }

    fn hidden(what: impl Into<String>) -> Self {
        Self(StatusCode::FORBIDDEN, what.into())
    }

    fn unfit(what: impl Into<String>) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, what.into())
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}
