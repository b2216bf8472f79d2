//! What every REST request passes through: it is counted, may meet a fault, has its token checked (interaction
//! routes carry their own), and takes its place in the route's and the global rate limit.

use super::App;
use super::error::ApiError;
use crate::core::Core;
use crate::faults::Fault;
use crate::listener::Cut;
use crate::rate_limit::{Route, Standing};
use crate::transcript::{Kind, add};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::time::Duration;
use tokio::time::Instant;

/// Outermost first.
pub(super) async fn pass(
    State(core): App,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
    next: Next,
) -> Response {
    add(&core.counters.rest_requests, 1);
    let (route, major) = Route::classify(request.method(), request.uri().path(), core.config.bot);
    if !core.config.rest_latency.is_zero() {
        tokio::time::sleep(core.config.rest_latency).await;
    }
    let fault = core.faults.take(route);
    if fault.is_some() {
        add(&core.counters.faults, 1);
    }
    match fault {
        Some(Fault::Status(status)) => return failure(status),
        Some(Fault::DropRequest) => {
            cut.now();
            return StatusCode::BAD_GATEWAY.into_response();
        }
        other => {
            if let Some(stall) = other.and_then(Fault::stall) {
                tokio::time::sleep(stall).await;
            }
        }
    }
    let response = admit(&core, route, major, request, next).await;
    match fault {
        Some(Fault::DropAnswer) => {
            cut.now();
            response
        }
        Some(Fault::StatusAfter(status)) => failure(status),
        _ => response,
    }
}

fn failure(status: u16) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let message = format!("{}: {}", status.as_u16(), status.canonical_reason().unwrap_or("Error"));
    (status, axum::Json(json!({"message": message, "code": 0}))).into_response()
}

/// Ban, token and limits, then the handler; then the headers.
async fn admit(core: &Core, route: Route, major: u64, request: Request, next: Next) -> Response {
    let now = core.clock.now();
    if let Some(left) = core.limiter.banned_for(now) {
        add(&core.counters.rest_banned, 1);
        let retry = HeaderValue::from(left.as_secs().max(1));
        let page = "<html><body>error code: 1015</body></html>";
        return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, retry)], axum::response::Html(page))
            .into_response();
    }
    if !route.carries_token() && !authorised(core, request.headers()) {
        count_invalid(core, now);
        return ApiError::unauthorised().into_response();
    }
    let standing = core.limiter.take_route(route, major, now);
    let mut response = if let Some(standing) = standing.filter(|standing| !standing.allowed) {
        limited(core, route, standing, false)
    } else if let Some(standing) = core.limiter.take_global(route, now).filter(|standing| !standing.allowed) {
        limited(core, route, standing, true)
    } else {
        let response = next.run(request).await;
        match response.status() {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => count_invalid(core, now),
            status if status.is_client_error() => add(&core.counters.rest_rejected, 1),
            _ => {}
        }
        response
    };
    if let Some(standing) = standing {
        bucket_headers(core, route, standing, response.headers_mut());
    }
    response
}

fn authorised(core: &Core, headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bot "))
        .is_some_and(|token| core.token_is(token))
}

fn count_invalid(core: &Core, now: Instant) {
    add(&core.counters.rest_invalid, 1);
    core.limiter.count_invalid(now);
}

fn limited(core: &Core, route: Route, standing: Standing, global: bool) -> Response {
    add(&core.counters.rest_429, 1);
    count_invalid(core, core.clock.now());
    let scope = if global { "global" } else { "user" };
    core.record(Kind::RateLimited { route: route.name(), scope });
    let body = json!({
        "message": "You are being rate limited.",
        "retry_after": millis_as_s(standing.reset_after),
        "global": global,
    });
    let mut response = (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    let whole_s = u64::try_from(standing.reset_after.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
    headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_s.max(1)));
    headers.insert(HeaderName::from_static("x-ratelimit-scope"), HeaderValue::from_static(scope));
    if global {
        headers.insert(HeaderName::from_static("x-ratelimit-global"), HeaderValue::from_static("true"));
    }
    response
}

/// Seconds with milliseconds, rounded up so that waiting this long is always enough.
fn millis_as_s(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).ceil() / 1_000.0
}

fn bucket_headers(core: &Core, route: Route, standing: Standing, headers: &mut HeaderMap) {
    let after = millis_as_s(standing.reset_after);
    let reset = (core.clock.unix_ms() as f64) / 1_000.0 + after;
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-ratelimit-limit", standing.limit.to_string());
    set("x-ratelimit-remaining", standing.remaining.to_string());
    set("x-ratelimit-reset", format!("{reset:.3}"));
    set("x-ratelimit-reset-after", format!("{after:.3}"));
    set("x-ratelimit-bucket", route.bucket());
}
