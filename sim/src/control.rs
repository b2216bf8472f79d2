//! The control API under `/sim`: what [`Simulator`](crate::Simulator) can do, over JSON, for when the simulator is a process of
//! its own. It needs no token and is outside all limits; the listener belongs on a loopback address.
//!
//! | route | body or query | answer |
//! |---|---|---|
//! | `GET /sim/transcript` | `after`, `limit` | entries, next, dropped |
//! | `GET /sim/counters`, `/sim/servers`, `/sim/sessions` | | |
//! | `GET /sim/interactions/{id}` | | phase |
//! | `POST /sim/say` | channel, member, text, reply_to? | message |
//! | `POST /sim/slash` | channel, member, command, options | interaction |
//! | `POST /sim/press` | channel, message, custom_id, member | interaction |
//! | `POST /sim/type` | channel, member | |
//! | `POST /sim/drop`, `/sim/reconnect` | session? | connections |
//! | `POST /sim/close` | session?, code | connections |
//! | `POST /sim/invalidate` | session | known |
//! | `POST /sim/faults` | route?, count, fault | |
//! | `POST /sim/limits` | global_per_s?, limits? | |

use crate::actions::ActionError;
use crate::core::Core;
use crate::faults::Fault;
use crate::gateway::Order;
use crate::ids::{ChannelId, InteractionId, MessageId, UserId};
use crate::rate_limit::{Route, parse_limit};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use std::sync::Arc;

const MAX_ENTRIES: usize = 10_000;

pub(crate) fn router(core: Arc<Core>) -> Router {
    let routes = Router::new()
        .route("/transcript", get(transcript))
        .route("/counters", get(counters))
        .route("/servers", get(servers))
        .route("/sessions", get(sessions))
        .route("/interactions/{id}", get(interaction))
        .route("/say", post(say))
        .route("/slash", post(slash))
        .route("/press", post(press))
        .route("/type", post(type_in))
        .route("/drop", post(drop_connections))
        .route("/reconnect", post(reconnect))
        .route("/close", post(close))
        .route("/invalidate", post(invalidate))
        .route("/faults", post(faults))
        .route("/limits", post(limits));
    Router::new().nest("/sim", routes).with_state(core)
}

type App = State<Arc<Core>>;

struct Refused(StatusCode, String);

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

impl From<ActionError> for Refused {
    fn from(error: ActionError) -> Self {
        Self(StatusCode::UNPROCESSABLE_ENTITY, error.to_string())
    }
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// Entries from index `after` on; `next` is where to go on.
async fn transcript(State(core): App, Query(page): Query<Page>) -> Json<Value> {
    let entries = core.transcript.since(page.after, page.limit.unwrap_or(1_000).min(MAX_ENTRIES));
    let next = entries.last().map_or(page.after, |entry| entry.index + 1);
    let entries: Vec<Value> = entries.iter().map(|entry| json!(**entry)).collect();
    Json(json!({"entries": entries, "next": next, "dropped": core.transcript.dropped()}))
}

async fn counters(State(core): App) -> Json<Value> {
    Json(json!(core.counters.read()))
}

async fn servers(State(core): App, Query(page): Query<Page>) -> Json<Value> {
    let skip = usize::try_from(page.after).unwrap_or(usize::MAX);
    let servers: Vec<_> =
        core.world.servers.iter().skip(skip).take(page.limit.unwrap_or(MAX_ENTRIES)).collect();
    Json(json!(servers))
}

async fn sessions(State(core): App) -> Json<Value> {
    let one = |session: &Arc<crate::gateway::Session>| {
        json!({"id": session.id, "shard": session.shard, "total": session.total, "intents": session.intents,
               "sequence": session.last(), "connected": session.connected()})
    };
    Json(core.hub.all().iter().map(one).collect())
}

async fn interaction(State(core): App, Path(id): Path<InteractionId>) -> Result<Json<Value>, Refused> {
    let interaction = core.interactions.by_id(id);
    let interaction =
        interaction.ok_or_else(|| Refused(StatusCode::NOT_FOUND, format!("there is no {id}")))?;
    let phase = *interaction.phase();
    Ok(Json(json!(phase)))
}

#[derive(Deserialize)]
struct Say {
    channel: ChannelId,
    member: UserId,
    text: String,
    reply_to: Option<MessageId>,
}

async fn say(State(core): App, Json(say): Json<Say>) -> Result<Json<Value>, Refused> {
    let message = core.say(say.channel, say.member, &say.text, say.reply_to)?;
    Ok(Json(json!({"message": message})))
}

#[derive(Deserialize)]
struct Slash {
    channel: ChannelId,
    member: UserId,
    command: String,
    #[serde(default)]
    options: Map<String, Value>,
}

async fn slash(State(core): App, Json(slash): Json<Slash>) -> Result<Json<Value>, Refused> {
    let options: Vec<(&str, Value)> =
        slash.options.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    let interaction = core.slash(slash.channel, slash.member, &slash.command, &options)?;
    Ok(Json(json!({"interaction": interaction})))
}

#[derive(Deserialize)]
struct Press {
    channel: ChannelId,
    message: MessageId,
    custom_id: String,
    member: UserId,
}

async fn press(State(core): App, Json(press): Json<Press>) -> Result<Json<Value>, Refused> {
    let interaction = core.press(press.channel, press.message, &press.custom_id, press.member)?;
    Ok(Json(json!({"interaction": interaction})))
}

#[derive(Deserialize)]
struct Typing {
    channel: ChannelId,
    member: UserId,
}

async fn type_in(State(core): App, Json(typing): Json<Typing>) -> Result<Json<Value>, Refused> {
    let unknown = |_| Refused::from(ActionError::UnknownChannel(typing.channel));
    core.type_in(typing.channel, typing.member).map_err(unknown)?;
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Which {
    session: Option<String>,
    code: Option<u16>,
}

async fn drop_connections(State(core): App, Json(which): Json<Which>) -> Json<Value> {
    Json(json!({"connections": core.hub.order(which.session.as_deref(), Order::Drop)}))
}

async fn reconnect(State(core): App, Json(which): Json<Which>) -> Json<Value> {
    Json(json!({"connections": core.hub.order(which.session.as_deref(), Order::Reconnect)}))
}

async fn close(State(core): App, Json(which): Json<Which>) -> Json<Value> {
    let order = Order::Close(which.code.unwrap_or(4000));
    Json(json!({"connections": core.hub.order(which.session.as_deref(), order)}))
}

async fn invalidate(State(core): App, Json(which): Json<Which>) -> Result<Json<Value>, Refused> {
    let missing = || Refused(StatusCode::UNPROCESSABLE_ENTITY, "say which session".to_owned());
    let session = which.session.ok_or_else(missing)?;
    let known = core.hub.find(&session).is_some();
    core.hub.order(Some(&session), Order::Invalid { resumable: false });
    core.hub.end(&session);
    Ok(Json(json!({"known": known})))
}

#[derive(Deserialize)]
struct FaultPlan {
    route: Option<String>,
    #[serde(default = "one")]
    count: u64,
    fault: Fault,
}

fn one() -> u64 {
    1
}

async fn faults(State(core): App, Json(plan): Json<FaultPlan>) -> Result<Json<Value>, Refused> {
    let wrong = |error| Refused(StatusCode::UNPROCESSABLE_ENTITY, error);
    let route = plan.route.as_deref().map(str::parse::<Route>).transpose().map_err(wrong)?;
    core.faults.plan(route, plan.count, plan.fault);
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
struct Limits {
    /// A number of requests a second, or `"off"`.
    global_per_s: Option<Value>,
    /// Such as `create_message=5/5s` or `create_message=off`.
    #[serde(default)]
    limits: Vec<String>,
}

async fn limits(State(core): App, Json(limits): Json<Limits>) -> Result<Json<Value>, Refused> {
    let wrong = |error| Refused(StatusCode::UNPROCESSABLE_ENTITY, error);
    if let Some(global) = limits.global_per_s {
        let per_s = match &global {
            Value::String(text) if text == "off" => None,
            other => match other.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0) {
                Some(n) => Some(n),
                None => return Err(wrong("global_per_s is a positive number or \"off\"".to_owned())),
            },
        };
        core.limiter.set_global(per_s);
    }
    for limit in &limits.limits {
        let (route, rule) = parse_limit(limit).map_err(wrong)?;
        core.limiter.set_route(route, rule);
    }
    Ok(Json(json!({})))
}
