//! REST of the workers on its way to Discord: adds the token, keeps the limits, answers through.
//!
//! Workers send what they would send to Discord, below `/api/v10`; routes they do not need are not there.
//! Promises: a client's own authorization is never passed on; no request is sent into an exhausted limit; the
//! number of waiting requests is bounded (503 with Retry-After beyond); a stop answers 503, so that the worker
//! repeats the request, which is safe because messages carry a nonce. A request of a shard's owner who was superseded
//! is refused (409) at the last moment before it would be sent ([`super::epochs`]). When Discord has refused too many
//! requests (401, 403, 429), nothing more is sent before it bans the address. A typing indicator is sent only while the
//! limits have room, and once.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};
use helpline_cluster::rate_limit::{Answer, Limiter, Permit, Route, Scope};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::defer::Deferrals;
use super::epochs::{Claimed, Epochs};
use super::invalid::{Admission, InvalidBudget};
use super::metrics;
use super::rest::Rest;
use crate::discord::code;

/// The largest file that a worker sends, an original of a document, and what is said with it.
const BODY_LIMIT: usize = 11 * 1024 * 1024;
/// How often a request that was refused by a limit is repeated here before the worker sees the 429.
const LIMITED_TRIES: u32 = 5;
/// How long what may be left out is held up: by no more than asking the other proxies takes.
const SPARE_PATIENCE: Duration = Duration::from_millis(250);
/// A longer wait is the worker's own to decide about.
const LIMITED_WAIT: Duration = Duration::from_secs(20);
/// After a stop, what is under way may still end for so long.
const STOP_DEADLINE: Duration = Duration::from_secs(5);

/// The egress; see the module's documentation.
#[derive(Debug)]
pub struct Egress {
    rest: Rest,
    limiter: Arc<Limiter>,
    application_id: u64,
    invalid: Arc<InvalidBudget>,
    deferrals: Arc<Deferrals>,
    epochs: Epochs,
    stop: CancellationToken,
}

impl Egress {
    pub fn new(
        rest: Rest,
        limiter: Arc<Limiter>,
        application_id: u64,
        invalid: Arc<InvalidBudget>,
        deferrals: Arc<Deferrals>,
        epochs: Epochs,
        stop: CancellationToken,
    ) -> Arc<Self> {
        Arc::new(Self { rest, limiter, application_id, invalid, deferrals, epochs, stop })
    }

    /// Serves until stopped, then ends what is under way within a deadline.
    ///
    /// # Errors
    /// When the listener fails.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) -> std::io::Result<()> {
        let stop = self.stop.clone();
        let app = Router::new()
            .fallback(handle)
            .layer(DefaultBodyLimit::max(BODY_LIMIT))
            .with_state(Arc::clone(&self));
        let stopped = stop.clone();
        let server =
            axum::serve(listener, app).with_graceful_shutdown(async move { stopped.cancelled().await });
        tokio::select! {
            result = server => result,
            () = async { stop.cancelled().await; tokio::time::sleep(STOP_DEADLINE).await } => Ok(()),
        }
    }

    async fn forward(&self, request: Request) -> Response {
        if self.stop.is_cancelled() {
            return refuse(StatusCode::SERVICE_UNAVAILABLE, "the proxy is stopping", Some(1));
        }
        let started = Instant::now();
        let route = Route::new(request.method.as_str(), &request.path);
        if is_spare(&request.path) {
            return match self.limiter.acquire_spare(route, SPARE_PATIENCE).await {
                Some(permit) => self.send_once(&request, permit).await,
                None => {
                    refuse(StatusCode::TOO_MANY_REQUESTS, "Discord's limits leave no room for this", None)
                }
            };
        }
        let Ok(mut permit) = self.limiter.acquire(route).await else {
            ::metrics::counter!(metrics::REST_REFUSED).increment(1);
            return refuse(
                StatusCode::SERVICE_UNAVAILABLE,
                "too many requests wait for Discord's limits",
                Some(1),
            );
        };
        ::metrics::histogram!(metrics::REST_WAIT).record(started.elapsed());
        let mut tries = 0;
        loop {
            tries += 1;
            let (answer, response) = match self.attempt(&request).await {
                Attempt::Answered(answer, response) => (answer, response),
                Attempt::NotSent(refusal) => return refusal,
                Attempt::Unanswered(error) => return unanswered(&error, permit),
            };
            if !answer.is_limited() || tries >= LIMITED_TRIES || answer.wait() > LIMITED_WAIT {
                permit.answered(&answer);
                return response;
            }
            permit = match permit.again(&answer).await {
                Ok(permit) => permit,
                Err(_) => return refuse(StatusCode::SERVICE_UNAVAILABLE, "the proxy is stopping", Some(1)),
            };
        }
    }

    /// Sends what has leave, unless nothing may be sent now.
    async fn attempt(&self, request: &Request) -> Attempt {
        let admission = match self.invalid.admit(request.speaker == Speaker::Path).await {
            Ok(admission) => admission,
            Err(wait) => {
                let why = "Discord refused too many requests (401, 403, 429): only probes are sent for now";
                let after = Some(wait.as_secs() + 1);
                return Attempt::NotSent(refuse(StatusCode::SERVICE_UNAVAILABLE, why, after));
            }
        };
        // After the wait for the limits, which can be long enough for a takeover.
        if let Some(refusal) = self.epochs.refusal(request.claimed).await {
            return Attempt::NotSent(refusal);
        }
        let (answer, response, code) = match self.send(request).await {
            Ok(answered) => answered,
            Err(error) => return Attempt::Unanswered(error),
        };
        self.count(admission, &answer).await;
        if let Some(interaction) = acknowledges(&request.path, &answer, code) {
            self.deferrals.acknowledged(interaction);
        }
        Attempt::Answered(answer, response)
    }

    /// What may be left out is not repeated, whatever comes of it.
    async fn send_once(&self, request: &Request, permit: Permit) -> Response {
        match self.attempt(request).await {
            Attempt::Answered(answer, response) => {
                permit.answered(&answer);
                response
            }
            Attempt::NotSent(refusal) => refusal,
            Attempt::Unanswered(error) => unanswered(&error, permit),
        }
    }

    /// A request of the proxy's own that only reads.
    pub async fn read(&self, path: String, query: String) -> Response {
        let request = Request {
            method: Method::GET,
            path,
            query: Some(query),
            headers: Vec::new(),
            body: Bytes::new(),
            speaker: Speaker::Bot,
            claimed: None,
        };
        self.forward(request).await
    }

    /// Whether requests wait for Discord's limits.
    pub fn is_busy(&self) -> bool {
        self.limiter.waiting() > 0
    }

    /// The first reply to an interaction, which waits for no limit: callbacks are outside the global one, and each
    /// interaction is a bucket of its own. Returns the answer with its JSON error code (0 = none), or none.
    pub async fn callback(&self, interaction: u64, token: &str, body: &Value) -> Option<(Answer, u64)> {
        let admission = self.invalid.admit(true).await.ok()?;
        let json = (header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let request = Request {
            method: Method::POST,
            path: format!("/interactions/{interaction}/{token}/callback"),
            query: None,
            headers: vec![json],
            body: body.to_string().into(),
            speaker: Speaker::Path,
            claimed: None,
        };
        let (answer, _, code) = self.send(&request).await.ok()?;
        self.count(admission, &answer).await;
        Some((answer, code))
    }

    async fn send(&self, request: &Request) -> reqwest::Result<(Answer, Response, u64)> {
        let target = match &request.query {
            Some(query) => format!("{}?{query}", request.path),
            None => request.path.clone(),
        };
        let mut outgoing = match request.speaker {
            Speaker::Bot => self.rest.as_bot(request.method.clone(), &target),
            Speaker::Path => self.rest.without_token(request.method.clone(), &target),
        };
        for (name, value) in &request.headers {
            outgoing = outgoing.header(name, value);
        }
        if !request.body.is_empty() {
            outgoing = outgoing.body(request.body.clone());
        }
        let started = Instant::now();
        let answered = outgoing.send().await?;
        let status = answered.status();
        let answer = Answer::from_headers(status.as_u16(), |name| {
            answered.headers().get(name).and_then(|value| value.to_str().ok())
        });
        let mut response = Response::builder().status(status);
        for (name, value) in answered.headers() {
            if passes(name.as_str()) {
                response = response.header(name, value);
            }
        }
        let body = answered.bytes().await?;
        ::metrics::histogram!(metrics::REST_TIME).record(started.elapsed());
        let code = if status.is_success() { 0 } else { error_code(&body) };
        let response =
            response.body(Body::from(body)).unwrap_or_else(|_| StatusCode::BAD_GATEWAY.into_response());
        Ok((answer, response, code))
    }

    async fn count(&self, admission: Admission, answer: &Answer) {
        ::metrics::counter!(metrics::REST_REQUESTS, "status" => answer.status.to_string()).increment(1);
        if answer.is_limited() {
            let scope = match answer.scope {
                Some(Scope::Global) => "global",
                Some(Scope::Shared) => "shared",
                Some(Scope::User) => "user",
                None => "none",
            };
            ::metrics::counter!(metrics::REST_LIMITED, "scope" => scope).increment(1);
            tracing::debug!(
                scope,
                wait_ms = answer.wait().as_millis(),
                "Discord refused a request by a limit"
            );
        }
        self.invalid.answered(admission, answer).await;
    }
}

/// What became of one attempt.
enum Attempt {
    Answered(Answer, Response),
    /// And what to say instead.
    NotSent(Response),
    Unanswered(reqwest::Error),
}

/// Whose name a request is sent in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Speaker {
    Bot,
    /// The path carries an interaction's token, and the bot's would add nothing.
    Path,
}

#[derive(Debug)]
struct Request {
    method: Method,
    path: String,
    query: Option<String>,
    headers: Vec<(header::HeaderName, HeaderValue)>,
    body: Bytes,
    speaker: Speaker,
    claimed: Option<Claimed>,
}

async fn handle(
    State(egress): State<Arc<Egress>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let path = uri.path().strip_prefix("/api/v10");
    let Some((path, speaker)) =
        path.and_then(|path| Some((path, allowed(&method, path, egress.application_id)?)))
    else {
        return refuse(StatusCode::NOT_FOUND, "the proxy has no such route", None);
    };
    let Ok(claimed) = Claimed::from_headers(&headers) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "x-helpline-shard and x-helpline-epoch are not numbers",
            None,
        );
    };
    let headers = [header::CONTENT_TYPE, header::HeaderName::from_static("x-audit-log-reason")]
        .into_iter()
        .filter_map(|name| headers.get(&name).map(|value| (name.clone(), value.clone())))
        .collect();
    let query = uri.query().map(str::to_owned);
    let request = Request { method, path: path.to_owned(), query, headers, body, speaker, claimed };
    let stopped = async {
        egress.stop.cancelled().await;
        // Leaves the server's own deadline a moment to send the refusal.
        tokio::time::sleep(STOP_DEADLINE.saturating_sub(Duration::from_millis(500))).await;
    };
    tokio::select! {
        response = egress.forward(request) => response,
        () = stopped => refuse(StatusCode::SERVICE_UNAVAILABLE, "the proxy is stopping", Some(1)),
    }
}

/// Which routes there are. A path that a URL parser would rewrite (dots, escapes) is none of them.
fn allowed(method: &Method, path: &str, application_id: u64) -> Option<Speaker> {
    let segments: Vec<&str> = path.strip_prefix('/')?.split('/').collect();
    let plain = |segment: &&str| {
        !segment.is_empty()
            && !segment.starts_with('.')
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"@_-.=~".contains(&byte))
    };
    if !segments.iter().all(plain) {
        return None;
    }
    let id = |segment: &str| segment.parse::<u64>().ok();
    // Of a server as a whole only what stands in it is read.
    if let ["guilds", server] | ["guilds", server, "channels"] = segments.as_slice() {
        return id(server).filter(|_| *method == Method::GET).map(|_| Speaker::Bot);
    }
    match segments.as_slice() {
        // Whether somebody is in it, and which threads are open.
        ["guilds", server, "members", user] if *method == Method::GET => {
            id(server).and(id(user)).map(|_| Speaker::Bot)
        }
        ["guilds", server, "threads", "active"] if *method == Method::GET => id(server).map(|_| Speaker::Bot),
        ["users", "@me", "channels"] if *method == Method::POST => Some(Speaker::Bot),
        ["channels", channel, ..] => id(channel).map(|_| Speaker::Bot),
        ["interactions", interaction, _, "callback"] => id(interaction).map(|_| Speaker::Path),
        ["webhooks", application, _, ..] if id(application) == Some(application_id) => Some(Speaker::Path),
        _ => None,
    }
}

/// Whether a request may be left out: a typing indicator is a courtesy, and never in the way of what was asked for.
fn is_spare(path: &str) -> bool {
    path.ends_with("/typing")
}

/// The interaction that has its first reply after this answer: taken now, or acknowledged before.
fn acknowledges(path: &str, answer: &Answer, code: u64) -> Option<u64> {
    let rest = path.strip_prefix("/interactions/")?;
    let taken = (200..300).contains(&answer.status) || code == code::ALREADY_ACKNOWLEDGED;
    rest.split_once('/')?.0.parse().ok().filter(|_| taken)
}

/// The `code` of Discord's error object; 0 when there is none.
fn error_code(body: &[u8]) -> u64 {
    #[derive(serde::Deserialize)]
    struct Error {
        #[serde(default)]
        code: u64,
    }
    serde_json::from_slice::<Error>(body).map_or(0, |error| error.code)
}

fn passes(header: &str) -> bool {
    matches!(header, "content-type" | "retry-after" | "date") || header.starts_with("x-ratelimit-")
}

/// No answer: whether the request arrived is not known, and the worker decides. The URL may hold a token.
fn unanswered(error: &reqwest::Error, permit: Permit) -> Response {
    drop(permit);
    let (status, message) = if error.is_timeout() {
        (StatusCode::GATEWAY_TIMEOUT, "Discord did not answer in time")
    } else {
        (StatusCode::BAD_GATEWAY, "Discord could not be reached")
    };
    ::metrics::counter!(metrics::REST_REQUESTS, "status" => "none").increment(1);
    tracing::debug!(connect = error.is_connect(), message);
    refuse(status, message, Some(1))
}

/// An answer of our own, in the form of Discord's errors.
pub(super) fn refuse(status: StatusCode, message: &str, retry_after_s: Option<u64>) -> Response {
    let mut response = (status, axum::Json(json!({ "message": message, "code": 0 }))).into_response();
    if let Some(seconds) = retry_after_s {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_reach_the_routes_they_need_and_no_others() {
        assert_eq!(allowed(&Method::POST, "/channels/1/messages", 8), Some(Speaker::Bot));
        assert_eq!(allowed(&Method::POST, "/channels/1/messages/2/threads", 8), Some(Speaker::Bot));
        assert_eq!(allowed(&Method::POST, "/interactions/1/aW50-_x.y=/callback", 8), Some(Speaker::Path));
        assert_eq!(allowed(&Method::POST, "/webhooks/8/tok/messages/@original", 8), Some(Speaker::Path));
        assert_eq!(allowed(&Method::GET, "/guilds/1", 8), Some(Speaker::Bot));
        assert_eq!(allowed(&Method::GET, "/guilds/1/channels", 8), Some(Speaker::Bot));
        for path in ["/guilds/1/members/2", "/guilds/1/threads/active"] {
            assert_eq!(allowed(&Method::GET, path, 8), Some(Speaker::Bot));
            assert_eq!(allowed(&Method::PATCH, path, 8), None);
        }
        assert_eq!(allowed(&Method::POST, "/users/@me/channels", 8), Some(Speaker::Bot));
        for path in ["/guilds/1/roles", "/guilds/x", "/guilds", "/guilds/1/members", "/users/@me/channels"] {
            assert_eq!(allowed(&Method::GET, path, 8), None, "{path}");
        }
        for path in [
            "/guilds/1/channels",
            "/webhooks/9/tok",
            "/users/@me",
            "/applications/@me",
            "/guilds/1",
            "/channels/x",
            "/gateway/bot",
            "/channels/1/../../users/@me",
            "/channels/1/%2e%2e/x",
            "/channels//messages",
            "/interactions/1/t/other",
            "",
        ] {
            assert_eq!(allowed(&Method::POST, path, 8), None, "{path}");
        }
    }
}
