//! One request of a start: sent, and sent again when Discord has said so, until it is answered.

use std::time::Duration;

use anyhow::{Context as _, bail};
use helpline_cluster::rate_limit::Answer;
use reqwest::{Method, Response, StatusCode};
use serde_json::Value;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::REFUSED_TOKEN;
use crate::proxy::rest::Rest;

const RETRY_EVERY: Duration = Duration::from_secs(1);

/// See the module's documentation.
#[derive(Debug)]
pub struct Asking {
    rest: Rest,
    method: Method,
    path: String,
    body: Option<Value>,
    due: Instant,
    /// Why the last attempt was not answered.
    problem: Option<String>,
    told: bool,
}

impl Asking {
    pub fn get(rest: &Rest, path: &str) -> Self {
        Self {
            rest: rest.clone(),
            method: Method::GET,
            path: path.to_owned(),
            body: None,
            due: Instant::now(),
            problem: None,
            told: false,
        }
    }

    pub fn put(rest: &Rest, path: &str, body: Value) -> Self {
        Self { method: Method::PUT, body: Some(body), ..Self::get(rest, path) }
    }

    /// When it may be sent again.
    pub fn due(&self) -> Instant {
        self.due
    }

    pub fn problem(&self) -> &str {
        self.problem.as_deref().unwrap_or("another proxy asks")
    }

    /// Sends it, if it is due. None: it was not answered within this time, was limited, or Discord failed.
    ///
    /// # Errors
    /// When Discord refuses the token or the request, or what answers is not Discord.
    pub async fn once(&mut self, within: Duration) -> anyhow::Result<Option<Value>> {
        if Instant::now() < self.due {
            return Ok(None);
        }
        let mut request = self.rest.as_bot(self.method.clone(), &self.path);
        if let Some(body) = &self.body {
            request = request.json(body);
        }
        let answer = async {
            match request.send().await {
                Ok(response) => read(&self.path, response).await,
                Err(error) => Ok(Err((error.without_url().to_string(), RETRY_EVERY))),
            }
        };
        let answer = match tokio::time::timeout(within, answer).await {
            Ok(answer) => answer?,
            Err(_) => Err((format!("no answer within {} ms", within.as_millis()), RETRY_EVERY)),
        };
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err((problem, wait)) => {
                (self.problem, self.due) = (Some(problem), Instant::now() + wait);
                Ok(None)
            }
        }
    }

    /// Sends it until it is answered.
    ///
    /// # Errors
    /// As [`Asking::once`], and when the deadline passes or the proxy is stopped.
    pub async fn answer(&mut self, deadline: Instant, stop: &CancellationToken) -> anyhow::Result<Value> {
        loop {
            if let Some(answer) = self.once(deadline.saturating_duration_since(Instant::now())).await? {
                return Ok(answer);
            }
            self.wait(deadline, self.due, stop).await?;
        }
    }

    /// Waits until `until`, and says why.
    ///
    /// # Errors
    /// When it is not due before the deadline, or the proxy is stopped.
    pub async fn wait(
        &mut self,
        deadline: Instant,
        until: Instant,
        stop: &CancellationToken,
    ) -> anyhow::Result<()> {
        let (method, path, problem) = (&self.method, &self.path, self.problem());
        if self.due.max(Instant::now()) > deadline {
            bail!(
                "Discord's API did not answer {method} {path} in time ({problem}): check the network and DISCORD_API_URL"
            );
        }
        if !self.told && self.problem.is_some() {
            tracing::warn!(problem, "waiting for Discord's API ({method} {path})");
            self.told = true;
        }
        match stop.run_until_cancelled(tokio::time::sleep_until(until)).await {
            Some(()) => Ok(()),
            None => bail!("stopped while waiting for Discord's API"),
        }
    }
}

/// The answer's body, or why and when to ask again.
async fn read(path: &str, response: Response) -> anyhow::Result<Result<Value, (String, Duration)>> {
    let status = response.status();
    if status == StatusCode::UNAUTHORIZED {
        bail!(REFUSED_TOKEN);
    }
    if status == StatusCode::TOO_MANY_REQUESTS {
        let headers = response.headers();
        let answer = Answer::from_headers(429, |name| headers.get(name).and_then(|v| v.to_str().ok()));
        return Ok(Err(("rate limited".to_owned(), answer.wait())));
    }
    if status.is_server_error() {
        return Ok(Err((status.to_string(), RETRY_EVERY)));
    }
    let body = match response.text().await {
        Ok(body) => body,
        Err(error) => return Ok(Err((error.without_url().to_string(), RETRY_EVERY))),
    };
    if !status.is_success() {
        bail!("Discord answered {path} with {status}: {body}");
    }
    serde_json::from_str(&body)
        .map(Ok)
        .with_context(|| format!("{path} did not answer with JSON: does DISCORD_API_URL point to Discord?"))
}
