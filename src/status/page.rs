//! The page of the admin port: one document with its style and script, served from memory, and the JSON that it follows.
//!
//! Read-only. Nothing comes from elsewhere, and the browser is told to allow nothing else.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::header::{self, HeaderName};
use axum::response::IntoResponse;
use axum::routing::get;

use super::Live;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// What every answer carries. `no-store`: it is of this second.
const HEADERS: [(HeaderName, &str); 5] = [
    (header::CONTENT_SECURITY_POLICY, POLICY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
];

/// `/`, its parts, and `/status.json`. None: this process was not told where the stores are.
pub fn routes(live: Option<Live>) -> Router {
    let file = |kind: &'static str, text: &'static str| {
        get(async move || (HEADERS, [(header::CONTENT_TYPE, kind)], text))
    };
    Router::new()
        .route("/", file("text/html; charset=utf-8", include_str!("page/page.html")))
        .route("/status.css", file("text/css; charset=utf-8", include_str!("page/page.css")))
        .route("/status.js", file("text/javascript; charset=utf-8", include_str!("page/page.js")))
        .route("/status.json", get(json))
        .with_state(live)
}

async fn json(State(live): State<Option<Live>>) -> impl IntoResponse {
    let text: Arc<str> = match live {
        Some(live) => live.json().await,
        None => Arc::from(r#"{"elsewhere":"look at the admin port of a worker or a proxy"}"#),
    };
    (HEADERS, [(header::CONTENT_TYPE, "application/json")], String::from(&*text))
}
