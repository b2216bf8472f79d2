//! Answers that faults make: proxies' pages, 429s out of the blue, bodies that end early or come slowly.

use crate::faults::Fault;
use crate::rate_limit::{Refusal, Scope};
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use serde_json::json;
use std::io;
use std::time::Duration;

/// Largest body that a fault takes apart.
const MAX_BODY_BYTES: usize = 64 << 20;
/// Pieces that a slow body comes in.
const PIECES: usize = 16;
/// Lets the first half of a truncated body leave before the connection breaks.
const HALF: Duration = Duration::from_millis(20);

/// An error in Discord's own JSON.
pub(super) fn status(status: u16) -> Response {
    let (status, reason) = known(status);
    let message = format!("{}: {reason}", status.as_u16());
    (status, axum::Json(json!({"message": message, "code": 0}))).into_response()
}

/// The page that a proxy before Discord gives.
pub(super) fn page(status: u16) -> Response {
    let (status, reason) = known(status);
    let title = format!("{} {reason}", status.as_u16());
    let html = format!(
        "<html>\r\n<head><title>{title}</title></head>\r\n<body>\r\n<center><h1>{title}</h1></center>\r\n\
         <hr><center>cloudflare</center>\r\n</body>\r\n</html>\r\n"
    );
    (status, Html(html)).into_response()
}

fn known(status: u16) -> (StatusCode, &'static str) {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (status, status.canonical_reason().unwrap_or("Error"))
}

/// A refusal that no limit is behind.
pub(super) fn refusal(retry_after_ms: u64, scope: Scope) -> Refusal {
    Refusal { scope, retry_after: Duration::from_millis(retry_after_ms), code: None }
}

/// The page of a ban for invalid requests.
pub(super) fn banned(left: Duration) -> Response {
    let retry = HeaderValue::from(left.as_secs().max(1));
    let page = Html("<html><body>error code: 1015</body></html>");
    (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, retry)], page).into_response()
}

/// The page for a client that does not say what it is.
/// <https://discord.com/developers/docs/reference#user-agent>
pub(super) fn nameless() -> Response {
    (StatusCode::FORBIDDEN, Html("<html><body>error code: 1010</body></html>")).into_response()
}

pub(super) fn has_user_agent(headers: &HeaderMap) -> bool {
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    agent.is_some_and(|agent| !agent.trim().is_empty())
}

/// Does to an answer what the fault does to answers; other faults leave it alone.
pub(super) async fn to_answer(fault: Fault, response: Response) -> Response {
    match fault {
        Fault::StatusAfter(code) => status(code),
        Fault::PageAfter(code) => page(code),
        Fault::LateMs(ms) => {
            tokio::time::sleep(Duration::from_millis(ms)).await;
            response
        }
        Fault::Truncated => rebuilt(response, truncated).await,
        Fault::SlowBodyMs(ms) => rebuilt(response, |whole| slow(whole, Duration::from_millis(ms))).await,
        _ => response,
    }
}

/// The answer with another body, under the length of the whole one.
async fn rebuilt(response: Response, body: impl FnOnce(Bytes) -> Body) -> Response {
    let (mut parts, whole) = response.into_parts();
    let Ok(whole) = to_bytes(whole, MAX_BODY_BYTES).await else {
        return status(500);
    };
    parts.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(whole.len()));
    Response::from_parts(parts, body(whole))
}

fn truncated(whole: Bytes) -> Body {
    let half = whole.slice(..whole.len() / 2);
    Body::from_stream(stream::unfold(Some(half), |half| async move {
        match half {
            Some(half) if !half.is_empty() => Some((Ok(half), Some(Bytes::new()))),
            _ => {
                tokio::time::sleep(HALF).await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionAborted)), None))
            }
        }
    }))
}

fn slow(whole: Bytes, over: Duration) -> Body {
    let pieces = u32::try_from(PIECES).expect("a small number");
    let step = whole.len().div_ceil(PIECES).max(1);
    Body::from_stream(stream::unfold(whole, move |mut rest| async move {
        if rest.is_empty() {
            return None;
        }
        tokio::time::sleep(over / pieces).await;
        let piece = rest.split_to(step.min(rest.len()));
        Some((Ok::<_, io::Error>(piece), rest))
    }))
}
