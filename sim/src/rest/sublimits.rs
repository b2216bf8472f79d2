//! Which limits beneath a route's own a request meets, by what it asks for.

use super::error::ApiError;
use crate::core::Core;
use crate::ids::DISCORD_EPOCH_MS;
use crate::rate_limit::{Route, Sublimit};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse, Response};
use serde_json::Value;

/// Channels are described in far less.
const MAX_CHANNEL_BYTES: usize = 1 << 20;

/// The sublimits of a request, and the request with its body unread.
pub(super) async fn of(
    core: &Core,
    route: Route,
    request: Request,
) -> Result<(Request, Vec<Sublimit>), Response> {
    match route {
        Route::ModifyChannel => {
            let (parts, body) = request.into_parts();
            let body = to_bytes(body, MAX_CHANNEL_BYTES).await;
            let body = body.map_err(|_| ApiError::invalid_json().into_response())?;
            let asked: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
            let sublimits = [("name", Sublimit::ChannelRename), ("topic", Sublimit::ChannelTopic)];
            let met = sublimits.into_iter().filter(|(field, _)| asked.get(field).is_some());
            let met = met.map(|(_, sublimit)| sublimit).collect();
            Ok((Request::from_parts(parts, Body::from(body)), met))
        }
        Route::EditMessage => {
            let message = request.uri().path().trim_end_matches('/').rsplit('/').next();
            let made_ms =
                message.and_then(|id| id.parse::<u64>().ok()).map(|id| (id >> 22) + DISCORD_EPOCH_MS);
            let age_ms = made_ms.map(|made_ms| core.clock.unix_ms().saturating_sub(made_ms));
            let old =
                age_ms.is_some_and(|age_ms| u128::from(age_ms) >= core.config.old_message_age.as_millis());
            Ok((request, if old { vec![Sublimit::OldEdits] } else { Vec::new() }))
        }
        _ => Ok((request, Vec::new())),
    }
}
