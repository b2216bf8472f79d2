//! What happens once at the start: who are we, where is the gateway, are our slash commands registered.

use std::time::Duration;

use anyhow::{Context as _, bail};
use helpline_cluster::rate_limit::Answer;
use reqwest::{Method, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::ingest::Identity;
use super::rest::Rest;
use crate::first_reply;

/// Requests of a start that goes well; they count to Discord's global limit.
pub const REQUESTS: u32 = 5;
const RETRY_EVERY: Duration = Duration::from_secs(1);

/// Said whenever Discord does not take the token, at the start (401) or at the gateway (4004).
pub const REFUSED_TOKEN: &str = "Discord refused the token: copy the bot's token again \
     (https://discord.com/developers/applications, your application, Bot, Reset Token), set DISCORD_TOKEN to it \
     and start again";

/// `GET /gateway/bot`.
#[derive(Debug, Deserialize)]
pub struct Gateway {
    pub url: String,
    /// How many gateway shards Discord recommends.
    pub shards: u32,
    pub session_start_limit: SessionStartLimit,
}

/// How many sessions may still be started; times in milliseconds.
#[derive(Debug, Deserialize)]
pub struct SessionStartLimit {
    pub total: u32,
    pub remaining: u32,
    pub reset_after: u64,
    pub max_concurrency: u32,
}

#[derive(Deserialize)]
struct Object {
    id: String,
}

/// Requests of the start; each waits for Discord at most until the deadline.
#[derive(Debug)]
pub struct Setup<'a> {
    rest: &'a Rest,
    deadline: Instant,
    cancel: &'a CancellationToken,
}

impl<'a> Setup<'a> {
    pub fn new(rest: &'a Rest, wait: Duration, cancel: &'a CancellationToken) -> Self {
        Self { rest, deadline: Instant::now() + wait, cancel }
    }

    /// # Errors
    /// When Discord refuses the token or does not answer in time.
    pub async fn gateway(&self) -> anyhow::Result<Gateway> {
        let gateway = self.send(Method::GET, "/gateway/bot", None).await?;
        serde_json::from_value(gateway).context("GET /gateway/bot answered something else than documented")
    }

    /// # Errors
    /// As [`Setup::gateway`].
    pub async fn identity(&self) -> anyhow::Result<Identity> {
        let user_id = self.id_at("/users/@me").await?;
        let application_id = self.id_at("/applications/@me").await?;
        Ok(Identity { user_id, application_id })
    }

    /// Registers the global slash commands if those that Discord has are others.
    ///
    /// # Errors
    /// As [`Setup::gateway`].
    pub async fn register_commands(&self, application_id: u64) -> anyhow::Result<()> {
        let path = format!("/applications/{application_id}/commands");
        let known = self.send(Method::GET, &path, None).await?;
        let wanted = commands();
        if same_commands(&wanted, &known) {
            tracing::debug!("the slash commands are registered");
            return Ok(());
        }
        self.send(Method::PUT, &path, Some(&wanted)).await?;
        tracing::info!("registered the slash commands");
        Ok(())
    }

    async fn id_at(&self, path: &str) -> anyhow::Result<u64> {
        let object = self.send(Method::GET, path, None).await?;
        serde_json::from_value::<Object>(object)
            .ok()
            .and_then(|object| object.id.parse().ok())
            .with_context(|| format!("GET {path} answered without an id"))
    }

    async fn send(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let mut told = false;
        loop {
            let mut request = self.rest.as_bot(method.clone(), path);
            if let Some(body) = body {
                request = request.json(body);
            }
            let (problem, wait) = match request.send().await {
                Ok(response) => match self.read(path, response).await? {
                    Ok(answer) => return Ok(answer),
                    Err(again) => again,
                },
                Err(error) => (error.without_url().to_string(), RETRY_EVERY),
            };
            if Instant::now() + wait > self.deadline {
                bail!(
                    "Discord's API did not answer {method} {path} in time ({problem}): check the network and DISCORD_API_URL"
                );
            }
            if !told {
                tracing::warn!(problem, "waiting for Discord's API ({method} {path})");
                told = true;
            }
            tokio::select! {
                () = self.cancel.cancelled() => bail!("stopped while waiting for Discord's API"),
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    /// The answer's body, or why and when to ask again.
    async fn read(
        &self,
        path: &str,
        response: reqwest::Response,
    ) -> anyhow::Result<Result<Value, (String, Duration)>> {
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
        let body = response.text().await.unwrap_or_default();
        if !status.is_success() {
            bail!("Discord answered {path} with {status}: {body}");
        }
        serde_json::from_str(&body).map(Ok).with_context(|| {
            format!("{path} did not answer with JSON: does DISCORD_API_URL point to Discord?")
        })
    }
}

/// The slash commands: <https://discord.com/developers/docs/interactions/application-commands>.
/// Type 1 is a slash command, option type 3 a string; contexts and installation in servers only.
pub fn commands() -> Value {
    json!([{
        "name": first_reply::ASK,
        "type": 1,
        "description": "Ask a question; the answer comes from this server's own knowledge",
        "contexts": [0],
        "integration_types": [0],
        "options": [{
            "name": first_reply::QUESTION,
            "type": 3,
            "description": "What do you want to know?",
            "required": true,
            "max_length": 2000,
        }],
    }])
}

/// Whether what Discord has says all that we want; it adds fields of its own.
fn same_commands(wanted: &Value, known: &Value) -> bool {
    match (wanted, known) {
        (Value::Array(wanted), Value::Array(known)) => {
            wanted.len() == known.len()
                && wanted.iter().zip(known).all(|(wanted, known)| same_commands(wanted, known))
        }
        (Value::Object(wanted), Value::Object(known)) => wanted
            .iter()
            .all(|(key, wanted)| known.get(key).is_some_and(|known| same_commands(wanted, known))),
        (wanted, known) => wanted == known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_the_same_whatever_discord_adds() {
        let mut known = commands();
        known[0]["id"] = json!("1");
        known[0]["options"][0]["name_localizations"] = Value::Null;
        assert!(same_commands(&commands(), &known));
        known[0]["options"][0]["max_length"] = json!(100);
        assert!(!same_commands(&commands(), &known));
        assert!(!same_commands(&commands(), &json!([])));
    }
}
