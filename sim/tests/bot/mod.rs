//! A scripted bot for the tests of scenarios: it answers one event after the other, each wholly, retries what
//! fails under the same nonce, waits out 429s, and resumes its session. What it does follows from what it
//! receives alone.
#![allow(dead_code, reason = "each test file uses its part")]
#![allow(clippy::unwrap_used, reason = "a test has nobody to tell")]

use crate::support::{ALL_INTENTS, Gateway, Got, Rest};
use helpline_sim::Simulator;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::time::Duration;

/// What the bot does wrong, for tests that have to notice.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Flaw {
    #[default]
    None,
    /// Posts without a nonce.
    NoNonce,
    /// Identifies anew after every lost connection instead of resuming.
    NeverResumes,
    /// Gives a request up after a quarter of a second and sends it again, which is lawful.
    Impatient,
}

pub struct Bot {
    simulator: Simulator,
    rest: Rest,
    flaw: Flaw,
    session: Option<String>,
    seq: u64,
    /// Channels whose messages are questions: support channels and the threads started there.
    asked_in: HashSet<String>,
    me: String,
}

impl Bot {
    /// Registers its command and serves in a task of its own until that is aborted.
    pub fn start(simulator: &Simulator, flaw: Flaw) -> tokio::task::JoinHandle<()> {
        let simulator = simulator.clone();
        tokio::spawn(async move {
            let rest = Rest::new(&simulator);
            let me = simulator.config().bot.get().to_string();
            let mut bot = Self { simulator, rest, flaw, session: None, seq: 0, asked_in: HashSet::new(), me };
            let option = json!({"name": "question", "description": "what", "type": 3, "required": true});
            let commands = json!([{"name": "ask", "description": "ask", "options": [option]}]);
            bot.send("PUT", &format!("/applications/{}/commands", bot.me), commands).await;
            loop {
                bot.connection().await;
                // The connection is gone; a real bot waits a little, too.
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
    }

    async fn connection(&mut self) {
        let mut gateway = Gateway::connect(&self.simulator, "").await;
        let Got::Payload(_hello) = gateway.wait().await else { return };
        let token = self.simulator.token().to_owned();
        match &self.session {
            Some(session) => gateway.resume(&token, session, self.seq).await,
            None => gateway.identify(&token, ALL_INTENTS, [0, 1]).await,
        }
        loop {
            let Got::Payload(payload) = gateway.wait().await else { break };
            match payload["op"].as_u64() {
                Some(0) => {
                    self.event(payload["t"].as_str().unwrap(), &payload["d"]).await;
                    // Only now, so that an event that was not dealt with comes again.
                    self.seq = payload["s"].as_u64().unwrap();
                }
                Some(7) => break,
                Some(9) => {
                    self.session = None;
                    break;
                }
                _ => {}
            }
        }
        if self.flaw == Flaw::NeverResumes {
            self.session = None;
        }
    }

    async fn event(&mut self, name: &str, d: &Value) {
        match name {
            "READY" => self.session = Some(d["session_id"].as_str().unwrap().to_owned()),
            "GUILD_CREATE" => {
                let channels = d["channels"].as_array().into_iter().flatten();
                let support = channels.filter(|channel| channel["name"] == "support");
                self.asked_in.extend(support.map(|channel| channel["id"].as_str().unwrap().to_owned()));
                let threads = d["threads"].as_array().into_iter().flatten();
                self.asked_in.extend(threads.map(|thread| thread["id"].as_str().unwrap().to_owned()));
            }
            "MESSAGE_CREATE" => self.message(d).await,
            "INTERACTION_CREATE" => self.interaction(d).await,
            _ => {}
        }
    }

    async fn message(&mut self, d: &Value) {
        let (channel, id) = (d["channel_id"].as_str().unwrap(), d["id"].as_str().unwrap());
        let content = d["content"].as_str().unwrap_or_default();
        let mentioned = d["mentions"].as_array().into_iter().flatten().any(|user| user["id"] == self.me);
        let direct = d.get("guild_id").is_none();
        if d["author"]["bot"] == true
            || d["type"] == 21
            || !(self.asked_in.contains(channel) || mentioned || direct)
        {
            return;
        }
        let threaded = self.asked_in.contains(channel) && d["thread"].is_null() && self.is_support(channel);
        let target = if threaded {
            let path = format!("/channels/{channel}/messages/{id}/threads");
            self.send("POST", &path, json!({"name": "Help"})).await;
            self.asked_in.insert(id.to_owned());
            id.to_owned()
        } else {
            channel.to_owned()
        };
        let button =
            json!({"type": 2, "style": 2, "label": "Ask a human", "custom_id": format!("human:{id}")});
        let mut body = json!({
            "content": format!("About “{content}”: it is in the handbook."),
            "components": [{"type": 1, "components": [button]}],
            "allowed_mentions": {"parse": []},
        });
        if !threaded {
            body["message_reference"] = json!({"message_id": id});
        }
        if self.flaw != Flaw::NoNonce {
            body["nonce"] = json!(format!("a{id}"));
            body["enforce_nonce"] = json!(true);
        }
        self.send("POST", &format!("/channels/{target}/messages"), body).await;
    }

    fn is_support(&self, channel: &str) -> bool {
        self.simulator.servers().iter().any(|server| server.support_channel.get().to_string() == channel)
    }

    async fn interaction(&mut self, d: &Value) {
        let (id, token) = (d["id"].as_str().unwrap(), d["token"].as_str().unwrap());
        let callback = format!("/interactions/{id}/{token}/callback");
        if d["type"] == 3 {
            let data = json!({"content": "A human will come.", "flags": 64});
            self.send("POST", &callback, json!({"type": 4, "data": data})).await;
            return;
        }
        self.send("POST", &callback, json!({"type": 5})).await;
        let question = d["data"]["options"][0]["value"].as_str().unwrap_or_default();
        let original = format!("/webhooks/{}/{token}/messages/@original", self.me);
        self.send("PATCH", &original, json!({"content": format!("About “{question}”: see the handbook.")}))
            .await;
    }

    /// Sends until it is done, or refused for good.
    async fn send(&self, method: &str, path: &str, body: Value) {
        loop {
            let patience = if self.flaw == Flaw::Impatient { 250 } else { 60_000 };
            let sent = self.rest.try_send(method, path, Some(body.clone()));
            let Ok(answer) = tokio::time::timeout(Duration::from_millis(patience), sent).await else {
                continue;
            };
            let retry = match answer {
                Err(_) => Duration::from_millis(20),
                Ok(response) if response.status() == 429 => {
                    let told = response.json::<Value>().await.unwrap_or_default();
                    Duration::from_secs_f64(told["retry_after"].as_f64().unwrap_or(1.0))
                }
                Ok(response) if response.status().is_server_error() => Duration::from_millis(20),
                // A body that breaks off says nothing: asked again under the same nonce it comes whole.
                Ok(response) => match response.bytes().await {
                    Ok(_) => return,
                    Err(_) => Duration::from_millis(20),
                },
            };
            tokio::time::sleep(retry).await;
        }
    }
}
