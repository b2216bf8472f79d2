//! What the content network serves: attachments under signed addresses, and fresh addresses for old ones.
//! <https://discord.com/developers/docs/reference#signed-attachment-cdn-urls>

use super::App;
use super::body::{Body, read};
use super::error::ApiError;
use crate::core::Core;
use crate::ids::{AttachmentId, ChannelId};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

const MAX_REFRESHED: usize = 50;

#[derive(Debug, Deserialize)]
pub(super) struct Signed {
    #[serde(default)]
    ex: String,
    #[serde(default)]
    is: String,
    #[serde(default)]
    hm: String,
}

/// A file, while its address is genuine and not over.
pub(super) async fn serve(
    State(core): App,
    Path((channel, id, name)): Path<(u64, u64, String)>,
    Query(signed): Query<Signed>,
) -> Response {
    let gone = || (StatusCode::NOT_FOUND, "This content is no longer available.").into_response();
    let (channel, id) = (ChannelId(channel), AttachmentId(id));
    let hex = |text: &str| u64::from_str_radix(text, 16).ok();
    let (Some(ends), Some(issued)) = (hex(&signed.ex), hex(&signed.is)) else { return gone() };
    if !core.files.is_valid(id, issued, ends, &signed.hm, core.clock.unix_ms()) {
        return gone();
    }
    match core.files.get(channel, id) {
        Some((file, bytes)) if file.filename == name => {
            let disposition = format!("attachment; filename=\"{}\"", file.filename);
            let headers = [(CONTENT_TYPE, file.content_type.clone()), (CONTENT_DISPOSITION, disposition)];
            (headers, bytes).into_response()
        }
        _ => gone(),
    }
}

#[derive(Debug, Deserialize)]
struct Refresh {
    attachment_urls: Vec<String>,
}

/// New addresses for attachments that are still there; others come back as they are.
pub(super) async fn refresh(State(core): App, Body(body): Body) -> Result<Json<Value>, ApiError> {
    let refresh: Refresh = read(body)?;
    if refresh.attachment_urls.len() > MAX_REFRESHED {
        return Err(ApiError::too_long("attachment_urls", MAX_REFRESHED));
    }
    let one = |url: &String| json!({"original": url, "refreshed": refreshed(&core, url)});
    let urls: Vec<Value> = refresh.attachment_urls.iter().map(one).collect();
    Ok(Json(json!({"refreshed_urls": urls})))
}

fn refreshed(core: &Core, url: &str) -> Option<String> {
    let path = url.split('?').next().unwrap_or_default();
    let (_, path) = path.split_once("/attachments/")?;
    let mut parts = path.split('/');
    let channel = ChannelId(parts.next()?.parse().ok()?);
    let id = AttachmentId(parts.next()?.parse().ok()?);
    let (file, _) = core.files.get(channel, id)?;
    Some(core.files.url(&file, core.clock.unix_ms()))
}
