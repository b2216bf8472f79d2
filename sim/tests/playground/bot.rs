//! A scripted support bot: it answers what a question mark ends, offers a human, and has a command.

use crate::support::{Gateway, Got, Rest, id};
use helpline_sim::Simulator;
use serde_json::{Value, json};
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// Shorter than what the gateway asks for.
const HEARTBEAT: Duration = Duration::from_secs(10);

pub const ANSWER: &str =
    "You can ask for a refund within **14 days** of the purchase [1].\n\n-# Sources: [1] Refunds";

/// Ends with this value.
pub struct Bot(JoinHandle<()>);

impl Drop for Bot {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Bot {
    /// Connected, with its commands registered.
    pub async fn start(simulator: &Simulator) -> Self {
        let rest = Rest::new(simulator);
        let commands = json!([
            {"name": "ask", "description": "Ask a question about this server", "options": [
                {"name": "question", "description": "What you want to know", "type": 3, "required": true},
                {"name": "private", "description": "Whether only you see the answer", "type": 5},
            ]},
            {"name": "status", "description": "How things are", "options": [
                {"name": "topic", "description": "Of what", "type": 3, "required": true, "autocomplete": true},
            ]},
            {"name": "setup", "description": "For those who manage the server", "default_member_permissions": "32"},
            {"name": "Ask Helpline", "type": 3},
        ]);
        let application = simulator.config().bot.get();
        let (status, body) =
            rest.call("PUT", &format!("/applications/{application}/commands"), commands).await;
        assert_eq!(status, 200, "{body}");
        let (mut gateway, _) = Gateway::identified(simulator).await;
        let script = Script { rest, application, role: simulator.servers()[0].support_role.get() };
        Self(tokio::spawn(async move {
            loop {
                match timeout(HEARTBEAT, gateway.wait()).await {
                    Ok(Got::Payload(payload)) => script.hear(&payload).await,
                    Ok(_) => return,
                    Err(_) => gateway.send(json!({"op": 1, "d": gateway.seq})).await,
                }
            }
        }))
    }
}

struct Script {
    rest: Rest,
    application: u64,
    role: u64,
}

fn buttons() -> Value {
    json!([{"type": 1, "components": [
        {"type": 2, "style": 2, "label": "Ask a human", "custom_id": "human:1"},
        {"type": 2, "style": 5, "label": "Handbook", "url": "https://handbook.example/refunds"},
    ]}])
}

impl Script {
    async fn hear(&self, payload: &Value) {
        let data = &payload["d"];
        match payload["t"].as_str() {
            Some("MESSAGE_CREATE") if data["author"]["bot"] != true => self.answer(data).await,
            Some("INTERACTION_CREATE") => self.interaction(data).await,
            _ => {}
        }
    }

    async fn answer(&self, message: &Value) {
        let channel = id(&json!({"id": message["channel_id"]}));
        let said = message["content"].as_str().unwrap();
        match said {
            "show an order" => drop(self.rest.post(channel, order(message)).await),
            "show a card" => drop(self.rest.post(channel, card()).await),
            _ => {}
        }
        if !said.ends_with('?') {
            return;
        }
        self.rest.call("POST", &format!("/channels/{channel}/typing"), json!({})).await;
        let mut place = channel;
        if message["guild_id"].is_string() {
            let path = format!("/channels/{channel}/messages/{}/threads", id(message));
            let (status, thread) = self.rest.call("POST", &path, json!({"name": said})).await;
            assert_eq!(status, 201, "{thread}");
            place = id(&thread);
        }
        self.rest.post(place, json!({"content": ANSWER, "components": buttons()})).await;
    }

    async fn interaction(&self, event: &Value) {
        let data = &event["data"];
        match (data["name"].as_str(), data["custom_id"].as_str()) {
            (Some("ask"), _) => {
                let option = |name: &str| {
                    let mut options = data["options"].as_array().into_iter().flatten();
                    options.find(|option| option["name"] == name).map(|option| option["value"].clone())
                };
                let flags = if option("private") == Some(json!(true)) { 64 } else { 0 };
                self.callback(event, json!({"type": 5, "data": {"flags": flags}})).await;
                let token = event["token"].as_str().unwrap();
                let path = format!("/webhooks/{}/{token}/messages/@original", self.application);
                let body = json!({"content": ANSWER, "components": buttons()});
                self.rest.call("PATCH", &path, body).await;
            }
            (Some("status"), _) if event["type"] == 4 => {
                let typed = data["options"][0]["value"].as_str().unwrap().to_lowercase();
                let topics = ["Billing", "Hosting", "Backups"]
                    .map(|name| json!({"name": name, "value": format!("topic:{name}")}));
                let fits =
                    |topic: &&Value| topic["name"].as_str().unwrap().to_lowercase().starts_with(&typed);
                let choices: Vec<&Value> = topics.iter().filter(fits).collect();
                self.callback(event, json!({"type": 8, "data": {"choices": choices}})).await;
            }
            (Some("status"), _) => {
                let topic = data["options"][0]["value"].as_str().unwrap();
                self.callback(
                    event,
                    json!({"type": 4, "data": {"content": format!("All is well with {topic}.")}}),
                )
                .await;
            }
            (Some("Ask Helpline"), _) => {
                let asked = &data["resolved"]["messages"][data["target_id"].as_str().unwrap()]["content"];
                let told =
                    json!({"content": format!("You asked about: {}", asked.as_str().unwrap()), "flags": 64});
                self.callback(event, json!({"type": 4, "data": told})).await;
            }
            (Some("setup"), _) => self.callback(event, json!({"type": 9, "data": modal()})).await,
            (_, Some("setup:1")) => {
                let fields = data["components"].as_array().unwrap();
                let said: Vec<String> = fields
                    .iter()
                    .map(|field| {
                        let inner =
                            if field["type"] == 18 { &field["component"] } else { &field["components"][0] };
                        inner["value"].as_str().map_or_else(|| inner["values"].to_string(), str::to_owned)
                    })
                    .collect();
                let told = json!({"content": format!("Set up: {}", said.join(" / ")), "flags": 64});
                self.callback(event, json!({"type": 4, "data": told})).await;
            }
            (_, Some("topics")) => {
                let told = json!({"content": format!("You chose {}.", data["values"]), "flags": 64});
                self.callback(event, json!({"type": 4, "data": told})).await;
            }
            (_, Some("human:1")) => {
                let told = json!({"content": "A human has been asked to help.", "flags": 64});
                self.callback(event, json!({"type": 4, "data": told})).await;
                let channel = id(&json!({"id": event["channel_id"]}));
                let member = event["member"]["user"]["id"].as_str().unwrap();
                let content = format!("<@&{}> <@{member}> asks for a human.", self.role);
                let allowed = json!({"roles": [self.role.to_string()]});
                self.rest.post(channel, json!({"content": content, "allowed_mentions": allowed})).await;
            }
            // Everything else stays without an answer.
            _ => {}
        }
    }

    async fn callback(&self, event: &Value, body: Value) {
        let path = format!("/interactions/{}/{}/callback", id(event), event["token"].as_str().unwrap());
        let (status, answer) = self.rest.call("POST", &path, body).await;
        assert_eq!(status, 204, "{answer}");
    }
}

/// A message of the newer layout components, with a menu of which several can be chosen.
fn card() -> Value {
    json!({"flags": 1 << 15, "components": [{"type": 17, "accent_color": 0x0f_766e, "components": [
        {"type": 10, "content": "## Your plan\n**Team**, until tomorrow"},
        {"type": 14},
        {"type": 9, "components": [{"type": 10, "content": "More seats"}],
            "accessory": {"type": 2, "style": 1, "label": "Add seats", "custom_id": "human:1"}},
        {"type": 1, "components": [{"type": 3, "custom_id": "topics", "placeholder": "What matters to you?",
            "min_values": 1, "max_values": 2, "options": [
                {"label": "Price", "value": "price", "description": "what it costs"},
                {"label": "Speed", "value": "speed"}, {"label": "Support", "value": "support"},
            ]}]},
    ]}]})
}

fn modal() -> Value {
    json!({"custom_id": "setup:1", "title": "Set Helpline up", "components": [
        {"type": 1, "components": [
            {"type": 4, "custom_id": "name", "label": "Name of the team", "style": 1, "min_length": 3, "max_length": 20},
        ]},
        {"type": 18, "label": "Language", "component": {"type": 3, "custom_id": "language", "options": [
            {"label": "English", "value": "en"}, {"label": "Deutsch", "value": "de"},
        ]}},
        {"type": 18, "label": "Greeting", "description": "What new members read", "component":
            {"type": 4, "custom_id": "greeting", "style": 2, "required": false}},
    ]})
}

/// An embed with everything in it, as a reply.
fn order(to: &Value) -> Value {
    let fields = json!([
        {"name": "State", "value": "on its way", "inline": true},
        {"name": "Carrier", "value": "`Swift`", "inline": true},
    ]);
    json!({
        "content": "",
        "embeds": [{
            "title": "Order 42", "url": "https://shop.example/42", "description": "Shipped *yesterday*.",
            "color": 0xd9_822b, "fields": fields, "footer": {"text": "The shop"},
            "image": {"url": "https://elsewhere.example/tracker.png"},
        }],
        "message_reference": {"message_id": to["id"]},
        "components": [{"type": 1, "components": [{"type": 2, "style": 4, "label": "Return it", "custom_id": "silent"}]}],
    })
}
