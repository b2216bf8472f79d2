//! What every REST request passes through: it is counted, may meet a fault, has to say what it is, has its token
//! checked (interaction and webhook routes carry their own), and takes its place in the limits.
//!
//! Every answer carries the simulator's own time in `Date`, and `Via` as Discord's do: client libraries tell
//! by it whether a 429 is Discord's or that of the proxy before it, which bans.

use super::error::ApiError;
use super::{App, harm, sublimits};
use crate::clock::http_date;
use crate::core::Core;
use crate::faults::Fault;
use crate::ids::{ChannelId, GuildId};
use crate::listener::Cut;
use crate::rate_limit::{Ask, Bucket, Refusal, Route, Scope};
use crate::transcript::{Kind, add};
use axum::body::{Body, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

/// Larger requests are carried out once whatever the fault says.
const MAX_TWICE_BYTES: usize = 32 << 20;

/// Outermost first.
pub(super) async fn pass(
    State(core): App,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request,
    next: Next,
) -> Response {
    add(&core.counters.rest_requests, 1);
    let (route, major) = Route::classify(request.method(), request.uri().path(), core.config.bot);
    let fault = core.faults.take(route, core.clock.now());
    if let Some(fault) = fault {
        add(&core.counters.faults, 1);
        core.record(Kind::Faulted { route: route.name(), fault });
    }
    let core_after = core.clone();
    let mut response = faulted(core, cut, (route, major), fault, request, next).await;
    let headers = response.headers_mut();
    if let Ok(date) = HeaderValue::from_str(&http_date(core_after.clock.unix_ms())) {
        headers.insert(header::DATE, date);
    }
    if !headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"text/html")) {
        headers.insert(header::VIA, HeaderValue::from_static("1.1 google"));
    }
    response
}

async fn faulted(
    core: Arc<Core>,
    cut: Cut,
    at: (Route, u64),
    fault: Option<Fault>,
    request: Request,
    next: Next,
) -> Response {
    let wait = match fault {
        Some(Fault::Status(status)) => return harm::status(status),
        Some(Fault::Page(status)) => return harm::page(status),
        Some(Fault::DropRequest) => {
            cut.close();
            return StatusCode::BAD_GATEWAY.into_response();
        }
        Some(Fault::Reset) => {
            cut.reset();
            return StatusCode::BAD_GATEWAY.into_response();
        }
        Some(Fault::RateLimited { retry_after_ms, scope }) => {
            return limited(&core, at.0, harm::refusal(retry_after_ms, scope));
        }
        Some(Fault::StallMs(ms)) => core.config.rest_latency + Duration::from_millis(ms),
        _ => core.config.rest_latency,
    };
    let twice = fault == Some(Fault::Twice);
    let response = if wait.is_zero() {
        admit(&core, at, request, next, twice).await
    } else {
        // A client that gives up meanwhile does not stop what it asked for, here as at Discord.
        let effect = tokio::spawn(async move {
            tokio::time::sleep(wait).await;
            admit(&core, at, request, next, twice).await
        });
        effect.await.unwrap_or_else(|_| harm::status(500))
    };
    match fault {
        Some(Fault::DropAnswer) => cut.close(),
        Some(Fault::ResetAfter) => cut.reset(),
        Some(other) => return harm::to_answer(other, response).await,
        None => {}
    }
    response
}

/// Ban, name, token and limits, then the handler; then the headers.
async fn admit(core: &Core, at: (Route, u64), request: Request, next: Next, twice: bool) -> Response {
    let (route, major) = at;
    let now = core.clock.now();
    if let Some(left) = core.limiter.banned_for(now) {
        add(&core.counters.rest_banned, 1);
        return harm::banned(left);
    }
    if core.config.require_user_agent && !harm::has_user_agent(request.headers()) {
        count_invalid(core);
        return harm::nameless();
    }
    let signed = request.headers().contains_key(header::AUTHORIZATION);
    if !may_be_unsigned(route, &request) && !authorised(core, request.headers()) {
        count_invalid(core);
        return ApiError::unauthorised().into_response();
    }
    let (request, sublimits) = match sublimits::of(core, route, request).await {
        Ok(read) => read,
        Err(refused) => return refused,
    };
    let server = if core.limiter.limits_resources() { server_of(core, request.uri().path()) } else { None };
    let ask = Ask { route, major, signed, sublimits: &sublimits, server };
    let verdict = core.limiter.admit(&ask, now);
    let mut response = match verdict.refusal {
        Some(refusal) => limited(core, route, refusal),
        None => {
            let response = perform(request, next, twice).await;
            count_answer(core, route, response.status());
            response
        }
    };
    if let Some(bucket) = verdict.bucket {
        tell(core, &bucket, response.headers_mut());
    }
    response
}

/// `GET /gateway` needs no token; what carries one in its path needs no other.
/// <https://discord.com/developers/docs/events/gateway#get-gateway>
fn may_be_unsigned(route: Route, request: &Request) -> bool {
    route.carries_token() || (route == Route::Gateway && request.uri().path().ends_with("/gateway"))
}

/// The server that a request about a channel is about.
fn server_of(core: &Core, path: &str) -> Option<u64> {
    let id = path.strip_prefix("/channels/")?.split('/').next()?.parse().ok()?;
    let place = core.store.place(&core.world, ChannelId(id))?;
    place.guild().map(GuildId::get)
}

fn authorised(core: &Core, headers: &HeaderMap) -> bool {
    headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bot "))
        .is_some_and(|token| core.token_is(token))
}

async fn perform(request: Request, next: Next, twice: bool) -> Response {
    if !twice {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, MAX_TWICE_BYTES).await else {
        return ApiError::invalid_json().into_response();
    };
    let again = Request::from_parts(parts.clone(), Body::from(body.clone()));
    next.clone().run(Request::from_parts(parts, Body::from(body))).await;
    next.run(again).await
}

fn count_answer(core: &Core, route: Route, status: StatusCode) {
    match status {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => count_invalid(core),
        // Not an invalid request; but who goes on asking is told apart by this count.
        StatusCode::NOT_FOUND if route.carries_token() => add(&core.counters.rest_webhook_404, 1),
        status if status.is_client_error() => add(&core.counters.rest_rejected, 1),
        _ => {}
    }
}

fn count_invalid(core: &Core) {
    add(&core.counters.rest_invalid, 1);
    core.limiter.count_invalid(core.clock.now());
}

fn limited(core: &Core, route: Route, refusal: Refusal) -> Response {
    add(&core.counters.rest_429, 1);
    if refusal.scope != Scope::Shared {
        count_invalid(core);
    }
    core.record(Kind::RateLimited { route: route.name(), scope: refusal.scope.name() });
    let message = match (refusal.code, refusal.scope) {
        (Some(30_046), _) => {
            "Maximum number of edits to messages older than 1 hour reached. Try again later."
        }
        (Some(20_028), _) => {
            "The write action you are performing on the channel has hit the write rate limit."
        }
        (Some(20_029), _) => {
            "The write action you are performing on the server has hit the write rate limit."
        }
        (_, Scope::Shared) => "The resource is being rate limited.",
        _ => "You are being rate limited.",
    };
    let global = refusal.scope == Scope::Global;
    let retry_after = millis_as_s(refusal.retry_after);
    let mut body = json!({"message": message, "retry_after": retry_after, "global": global});
    if let Some(code) = refusal.code {
        body["code"] = json!(code);
    }
    let mut response = (StatusCode::TOO_MANY_REQUESTS, axum::Json(body)).into_response();
    let headers = response.headers_mut();
    let whole_s = u64::try_from(refusal.retry_after.as_millis().div_ceil(1_000)).unwrap_or(u64::MAX);
    headers.insert(header::RETRY_AFTER, HeaderValue::from(whole_s.max(1)));
    let scope = HeaderValue::from_static(refusal.scope.name());
    headers.insert(HeaderName::from_static("x-ratelimit-scope"), scope);
    if global {
        headers.insert(HeaderName::from_static("x-ratelimit-global"), HeaderValue::from_static("true"));
    }
    response
}

/// Seconds with milliseconds, rounded up so that waiting this long is always enough.
fn millis_as_s(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).ceil() / 1_000.0
}

fn tell(core: &Core, bucket: &Bucket, headers: &mut HeaderMap) {
    let after = millis_as_s(bucket.standing.reset_after);
    let reset = (core.clock.unix_ms() as f64) / 1_000.0 + after;
    let mut set = |name: &'static str, value: String| {
        if let Ok(value) = HeaderValue::from_str(&value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    };
    set("x-ratelimit-limit", bucket.standing.limit.to_string());
    set("x-ratelimit-remaining", bucket.standing.remaining.to_string());
    set("x-ratelimit-reset", format!("{reset:.3}"));
    set("x-ratelimit-reset-after", format!("{after:.3}"));
    set("x-ratelimit-bucket", bucket.name.clone());
}
