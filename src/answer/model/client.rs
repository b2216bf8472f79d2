//! Asks an OpenAI-compatible chat endpoint and reads its stream within bounds of time and size.
//!
//! | what happens | what is done |
//! |---|---|
//! | 429, 5xx, no connection, cut in the middle, what is no stream | tried again, [`ATTEMPTS`] in all, later each time, no sooner than `Retry-After` |
//! | silence for [`Config::idle`] | the same |
//! | 400 or 422 that names an optional field | asked again without it, and never with it any more |
//! | any other refusal, too much text | given up |
//!
//! Nothing that the endpoint says, and neither key nor URL, comes into a log: an endpoint may repeat what it was sent.
//! Source: <https://platform.openai.com/docs/api-reference/chat/create>.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use reqwest::{Response, StatusCode, Url, header};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::{Instant, timeout_at};

use super::events::Events;
use super::reply;
use crate::answer::prompt::Prompt;
use crate::config::Secret;

/// Requests for one completion.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// An attempt that has less time than this is not made.
const LEAST: Duration = Duration::from_millis(500);
/// Fields that an endpoint may refuse one after the other.
const ADAPTATIONS: u32 = 5;
/// Longest reply that is asked for, in tokens.
pub const MAX_REPLY_TOKENS: u32 = 1_200;
/// What is read of one reply: its stream, its text, and the body of a refusal, in bytes.
const MAX_STREAM_BYTES: usize = 1024 * 1024;
const MAX_TEXT_BYTES: usize = 32 * 1024;
const MAX_REFUSAL_BYTES: usize = 16 * 1024;
/// Bytes of text to a token, about, where the endpoint does not count.
const BYTES_PER_TOKEN: usize = 4;

/// Where the endpoint is, and how long it may take.
#[derive(Debug, Clone)]
pub struct Config {
    /// As the operator gives it, see [`chat_url`].
    pub url: Url,
    pub key: Option<Secret>,
    pub name: String,
    /// From the question to the end of the reply, all attempts and waits in it.
    pub deadline: Duration,
    /// Longest silence, also before the first word.
    pub idle: Duration,
}

/// Why there is no completion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    Unreachable,
    TimedOut,
    RateLimited,
    ServerError,
    /// 401, 403, 404: what the operator has set is wrong.
    Misconfigured,
    /// Any other refusal: of this request.
    Refused,
    /// The stream ended early, or with an error.
    Cut,
    TooLong,
    Malformed,
}

impl Failure {
    /// The label in metrics and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed_out",
            Self::RateLimited => "rate_limited",
            Self::ServerError => "server_error",
            Self::Misconfigured => "misconfigured",
            Self::Refused => "refused",
            Self::Cut => "cut",
            Self::TooLong => "too_long",
            Self::Malformed => "malformed",
        }
    }

    /// Not to be had by asking something else.
    pub fn is_of_the_endpoint(self) -> bool {
        !matches!(self, Self::Refused | Self::TooLong)
    }

    pub fn may_pass(self) -> bool {
        matches!(
            self,
            Self::Unreachable
                | Self::TimedOut
                | Self::RateLimited
                | Self::ServerError
                | Self::Cut
                | Self::Malformed
        )
    }
}

/// A failed attempt, and how long the endpoint wants to be left alone.
#[derive(Debug, Clone, Copy)]
pub struct Failed {
    pub failure: Failure,
    pub retry_after: Duration,
}

impl From<Failure> for Failed {
    fn from(failure: Failure) -> Self {
        Self { failure, retry_after: Duration::ZERO }
    }
}

/// Optional fields that the endpoint takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Dialect {
    format: Format,
    counts: bool,
    limit: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Schema,
    Object,
    Nothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Limit {
    MaxTokens,
    MaxCompletionTokens,
    Nothing,
}

impl Dialect {
    const FULL: Self = Self { format: Format::Schema, counts: true, limit: Limit::MaxTokens };

    /// The same without what a refusal names; none when it names nothing of these.
    fn without(self, refusal: &str) -> Option<Self> {
        let names = |word: &str| refusal.contains(word);
        if self.limit == Limit::MaxTokens && names("max_completion_tokens") {
            return Some(Self { limit: Limit::MaxCompletionTokens, ..self });
        }
        if self.limit != Limit::Nothing && (names("max_tokens") || names("max_completion_tokens")) {
            return Some(Self { limit: Limit::Nothing, ..self });
        }
        if self.counts && (names("stream_options") || names("include_usage")) {
            return Some(Self { counts: false, ..self });
        }
        let of_format =
            names("response_format") || names("json_schema") || names("json_object") || names("schema");
        let format = match self.format {
            Format::Schema => Format::Object,
            Format::Object => Format::Nothing,
            Format::Nothing => return None,
        };
        of_format.then_some(Self { format, ..self })
    }

    fn body(self, model: &str, prompt: &Prompt) -> Value {
        let mut body = json!({
            "model": model,
            "stream": true,
            "messages": [
                { "role": "system", "content": prompt.system },
                { "role": "user", "content": prompt.user },
            ],
        });
        match self.format {
            Format::Schema => {
                let schema = json!({ "name": "reply", "strict": true, "schema": reply::schema() });
                body["response_format"] = json!({ "type": "json_schema", "json_schema": schema });
            }
            Format::Object => body["response_format"] = json!({ "type": "json_object" }),
            Format::Nothing => {}
        }
        if self.counts {
            body["stream_options"] = json!({ "include_usage": true });
        }
        match self.limit {
            Limit::MaxTokens => body["max_tokens"] = MAX_REPLY_TOKENS.into(),
            Limit::MaxCompletionTokens => body["max_completion_tokens"] = MAX_REPLY_TOKENS.into(),
            Limit::Nothing => {}
        }
        body
    }
}

/// The URL of chat completions: `…/chat/completions` as it is, a host alone with `/v1/chat/completions` behind it, any
/// other path with `/chat/completions`. A query stays.
pub fn chat_url(given: &Url) -> Url {
    let mut url = given.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&match path.as_str() {
        "" => "/v1/chat/completions".to_owned(),
        path if path.ends_with("/chat/completions") => path.to_owned(),
        path => format!("{path}/chat/completions"),
    });
    url
}

/// An HTTP client for an endpoint that is sent a key.
pub fn http(url: &Url) -> Result<reqwest::Client, reqwest::Error> {
    let mut http = reqwest::Client::builder()
        .connect_timeout(Duration::from_secs(5))
        // The key goes to nobody else.
        .redirect(reqwest::redirect::Policy::none())
        .pool_idle_timeout(Duration::from_secs(30));
    if url.host_str().is_some_and(|host| host == "localhost" || host.starts_with("127.")) {
        http = http.no_proxy();
    }
    http.build()
}

/// A client of one endpoint.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    config: Config,
    url: Url,
    dialect: Mutex<Dialect>,
}

impl Client {
    pub fn new(config: Config) -> Result<Self, reqwest::Error> {
        let (http, url) = (http(&config.url)?, chat_url(&config.url));
        Ok(Self { http, config, url, dialect: Mutex::new(Dialect::FULL) })
    }

    /// The text of the reply. `tokens` grows by what was spent, also where nothing comes of it.
    pub async fn complete(
        &self,
        prompt: &Prompt,
        until: Instant,
        tokens: &mut u64,
    ) -> Result<String, Failed> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failed = match self.attempt(prompt, until, tokens).await {
                Ok(text) => return Ok(text),
                Err(failed) => failed,
            };
            let pause = FIRST_PAUSE.saturating_mul(1 << attempts).mul_f64(0.5 + fastrand::f64() / 2.0);
            let pause = pause.max(failed.retry_after);
            if attempts >= ATTEMPTS || !failed.failure.may_pass() || Instant::now() + pause + LEAST > until {
                return Err(failed);
            }
            tokio::time::sleep(pause).await;
        }
    }

    async fn attempt(&self, prompt: &Prompt, until: Instant, tokens: &mut u64) -> Result<String, Failed> {
        for _ in 0..ADAPTATIONS {
            let dialect = *self.dialect.lock().unwrap_or_else(PoisonError::into_inner);
            let response = self.send(&dialect.body(&self.config.name, prompt), until).await?;
            let status = response.status();
            if status.is_success() {
                let mut reading = Reading::new(prompt);
                let read = reading.read(response, self.config.idle, until).await;
                *tokens += reading.tokens();
                return Ok(read.map(|()| reading.text)?);
            }
            let failed = Failed { failure: failure(status), retry_after: retry_after(response.headers()) };
            if !matches!(status, StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY) {
                return Err(failed);
            }
            let refusal = refusal(response, until.min(Instant::now() + self.config.idle)).await;
            let Some(learned) = dialect.without(&refusal) else { return Err(failed) };
            tracing::debug!("the chat endpoint refuses an optional field: from now on {learned:?}");
            *self.dialect.lock().unwrap_or_else(PoisonError::into_inner) = learned;
        }
        Err(Failure::Refused.into())
    }

    async fn send(&self, body: &Value, until: Instant) -> Result<Response, Failed> {
        let mut request = self.http.post(self.url.clone()).json(body);
        request = request.header(header::ACCEPT, "text/event-stream, application/json");
        if let Some(key) = &self.config.key {
            request = request.bearer_auth(key.expose());
        }
        let patience = until.min(Instant::now() + self.config.idle);
        match timeout_at(patience, request.send()).await {
            Err(_) => Err(Failure::TimedOut.into()),
            Ok(Err(error)) if error.is_timeout() => Err(Failure::TimedOut.into()),
            Ok(Err(_)) => Err(Failure::Unreachable.into()),
            Ok(Ok(response)) => Ok(response),
        }
    }
}

/// What a refusal means.
pub fn failure(status: StatusCode) -> Failure {
    match status.as_u16() {
        408 | 425 | 429 => Failure::RateLimited,
        401..=405 => Failure::Misconfigured,
        500.. => Failure::ServerError,
        300..=399 => Failure::Misconfigured,
        _ => Failure::Refused,
    }
}

/// Seconds, as nearly all endpoints give them, or milliseconds as some do besides; a date is not read.
pub fn retry_after(headers: &header::HeaderMap) -> Duration {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<f64>().ok();
    let seconds = number("retry-after-ms").map(|ms| ms / 1_000.0).or_else(|| number("retry-after"));
    seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or_default()
}

/// The beginning of a refusal's body: which field it names.
async fn refusal(mut response: Response, until: Instant) -> String {
    let mut body = Vec::new();
    while body.len() < MAX_REFUSAL_BYTES
        && let Ok(Ok(Some(bytes))) = timeout_at(until, response.chunk()).await
    {
        body.extend_from_slice(&bytes);
    }
    String::from_utf8_lossy(&body).into_owned()
}

/// A piece of a streamed reply, or a whole one.
#[derive(Debug, Deserialize)]
struct Piece {
    #[serde(default)]
    choices: Vec<Choice>,
    #[serde(default)]
    usage: Option<Usage>,
    #[serde(default)]
    error: Option<Value>,
}

#[derive(Debug, Deserialize)]
struct Choice {
    #[serde(default)]
    delta: Option<Message>,
    #[serde(default)]
    message: Option<Message>,
    #[serde(default)]
    finish_reason: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Message {
    #[serde(default)]
    content: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Usage {
    #[serde(default)]
    total_tokens: Option<u64>,
    #[serde(default)]
    prompt_tokens: u64,
    #[serde(default)]
    completion_tokens: u64,
}

/// A reply as far as it was read.
struct Reading {
    text: String,
    read_bytes: usize,
    prompt_bytes: usize,
    counted: Option<u64>,
    /// The endpoint said that it was through.
    ended: bool,
}

impl Reading {
    fn new(prompt: &Prompt) -> Self {
        let prompt_bytes = prompt.system.len() + prompt.user.len();
        Self { text: String::new(), read_bytes: 0, prompt_bytes, counted: None, ended: false }
    }

    /// As the endpoint counted, or about.
    fn tokens(&self) -> u64 {
        let about = (self.prompt_bytes + self.text.len()).div_ceil(BYTES_PER_TOKEN);
        self.counted.unwrap_or(u64::try_from(about).unwrap_or(u64::MAX))
    }

    async fn read(&mut self, mut response: Response, idle: Duration, until: Instant) -> Result<(), Failure> {
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        // An endpoint that does not stream sends the whole as one object.
        let whole = kind.is_some_and(|kind| kind.starts_with("application/json"));
        let (mut events, mut body) = (Events::default(), Vec::new());
        loop {
            let chunk = match timeout_at(until.min(Instant::now() + idle), response.chunk()).await {
                Err(_) => return Err(Failure::TimedOut),
                // After the last event there is nothing left to be cut.
                Ok(Err(_)) if self.ended => break,
                Ok(Err(_)) => return Err(Failure::Cut),
                Ok(Ok(None)) => break,
                Ok(Ok(Some(chunk))) => chunk,
            };
            self.read_bytes += chunk.len();
            if self.read_bytes > MAX_STREAM_BYTES {
                return Err(Failure::TooLong);
            }
            if whole {
                body.extend_from_slice(&chunk);
                continue;
            }
            for data in events.push(&chunk) {
                if data.trim() == "[DONE]" {
                    self.ended = true;
                    return Ok(());
                }
                self.take(&data)?;
            }
        }
        if whole {
            self.take(std::str::from_utf8(&body).map_err(|_| Failure::Malformed)?)?;
        } else if let Some(data) = events.end()
            && data.trim() != "[DONE]"
        {
            self.take(&data)?;
        }
        // A stream that just ends may have lost its end.
        if self.ended || !self.text.is_empty() && whole { Ok(()) } else { Err(Failure::Cut) }
    }

    fn take(&mut self, data: &str) -> Result<(), Failure> {
        let piece: Piece = serde_json::from_str(data).map_err(|_| Failure::Malformed)?;
        if piece.error.is_some() {
            return Err(Failure::Cut);
        }
        if let Some(usage) = piece.usage {
            self.counted = Some(usage.total_tokens.unwrap_or(usage.prompt_tokens + usage.completion_tokens));
        }
        if let Some(choice) = piece.choices.into_iter().next() {
            let message = choice.delta.or(choice.message);
            self.text.push_str(&message.and_then(|message| message.content).unwrap_or_default());
            self.ended |= choice.finish_reason.is_some();
        }
        if self.text.len() > MAX_TEXT_BYTES {
            return Err(Failure::TooLong);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_url_is_taken_with_and_without_a_version() {
        for (given, expected) in [
            ("https://api.example.org", "https://api.example.org/v1/chat/completions"),
            ("https://api.example.org/v1", "https://api.example.org/v1/chat/completions"),
            ("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/v1/chat/completions"),
            ("https://x.org/openai/v1beta?key=1", "https://x.org/openai/v1beta/chat/completions?key=1"),
            ("https://x.org/a/chat/completions", "https://x.org/a/chat/completions"),
        ] {
            let given = Url::parse(given).expect("a URL");
            assert_eq!(chat_url(&given).as_str(), expected);
        }
    }

    #[test]
    fn a_field_that_is_refused_is_left_out_and_no_other() {
        let full = Dialect::FULL;
        let tokens =
            full.without("Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.");
        assert_eq!(tokens, Some(Dialect { limit: Limit::MaxCompletionTokens, ..full }));
        let object = full.without("response_format.type json_schema is not available");
        assert_eq!(object, Some(Dialect { format: Format::Object, ..full }));
        assert_eq!(full.without("unknown field stream_options"), Some(Dialect { counts: false, ..full }));
        assert_eq!(full.without("this model's context has 4096 tokens"), None);
        let plain = Dialect { format: Format::Nothing, counts: false, limit: Limit::Nothing };
        assert_eq!(plain.without("response_format stream_options max_tokens"), None);
        let body = plain.body("m", &Prompt { system: "s".into(), user: "u".into(), fence: "f".into() });
        assert_eq!(body.as_object().map(|body| body.len()), Some(3));
    }

    #[test]
    fn what_a_question_can_bring_about_is_no_fault_of_the_endpoint() {
        for status in [400, 413, 422] {
            assert!(!failure(StatusCode::from_u16(status).expect("a status")).is_of_the_endpoint());
        }
        for status in [301, 401, 404, 429, 500, 529] {
            assert!(failure(StatusCode::from_u16(status).expect("a status")).is_of_the_endpoint());
        }
    }
}
