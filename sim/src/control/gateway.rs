//! Gateway sessions and connections, by order: who is there, drop, close, invalidate.

use super::{App, Input, Refused, Routes};
use crate::gateway::Order;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get("/sessions", "", "gateway sessions, resumable ones included", sessions)
        .post("/drop", "session?", "the TCP connections of one session, or of all, go away", drop_connections)
        .post("/reconnect", "session?", "opcode 7", reconnect)
        .post("/close", "session?, code?", "a close frame, 4000 unless told", close)
        .post("/invalidate", "session", "opcode 9, and the session is over", invalidate)
}

async fn sessions(State(core): App) -> Json<Value> {
    let one = |session: &Arc<crate::gateway::Session>| {
        json!({"id": session.id, "shard": session.shard, "total": session.total, "intents": session.intents,
               "sequence": session.last(), "connected": session.connected()})
    };
    Json(core.hub.all().iter().map(one).collect())
}

#[derive(Deserialize)]
struct Which {
    session: Option<String>,
    code: Option<u16>,
}

async fn drop_connections(State(core): App, Input(which): Input<Which>) -> Json<Value> {
    Json(json!({"connections": core.hub.order(which.session.as_deref(), Order::Drop)}))
}

async fn reconnect(State(core): App, Input(which): Input<Which>) -> Json<Value> {
    Json(json!({"connections": core.hub.order(which.session.as_deref(), Order::Reconnect)}))
}

async fn close(State(core): App, Input(which): Input<Which>) -> Json<Value> {
    let order = Order::Close(which.code.unwrap_or(4000));
    Json(json!({"connections": core.hub.order(which.session.as_deref(), order)}))
}

async fn invalidate(State(core): App, Input(which): Input<Which>) -> Result<Json<Value>, Refused> {
    let missing = || Refused::wrong("say which session");
    let session = which.session.ok_or_else(missing)?;
    let known = core.hub.find(&session).is_some();
    core.hub.order(Some(&session), Order::Invalid { resumable: false });
    core.hub.end(&session);
    Ok(Json(json!({"known": known})))
}
