//! Gateway sessions and connections, by order: who is there, and everything that can go wrong with them.

use super::{App, Input, Refused, Routes};
use crate::gateway::Order;
use crate::gateway::faults::{GatewayFault, GatewayTarget};
use crate::simulator::SessionInfo;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get("/sessions", "", "gateway sessions, resumable ones included", sessions)
        .post("/drop", "session?", "the TCP connections of one session, or of all, go away", drop_connections)
        .post("/reconnect", "session?", "opcode 7", reconnect)
        .post("/close", "session?, code?", "a close frame, 4000 unless told", close)
        .post("/invalidate", "session", "opcode 9, and the session is over", invalidate)
        .post(
            "/gateway/faults",
            "on?: {session?, shard?, total?}, fault, and what the fault takes",
            "lets something go wrong with gateway sessions, see GatewayFault",
            fault,
        )
        .delete("/gateway/faults", "", "ends all standing gateway faults and outages", clear)
        .get("/gateway/token", "", "the bot token as its owner finds it now", token)
}

async fn sessions(State(core): App) -> Json<Value> {
    Json(core.hub.all().iter().map(|session| json!(SessionInfo::of(session))).collect())
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
    let session = which.session.ok_or_else(|| Refused::wrong("say which session"))?;
    let invalid = GatewayFault::Invalidate { resumable: false };
    let hit = core.hub.fault(&GatewayTarget::session(&session), &invalid, core.clock.now());
    Ok(Json(json!({"known": hit > 0})))
}

/// A fault and whom it is for.
#[derive(Deserialize)]
struct Wrong {
    #[serde(default)]
    on: GatewayTarget,
    #[serde(flatten)]
    fault: GatewayFault,
}

async fn fault(State(core): App, Input(Wrong { on, fault }): Input<Wrong>) -> Result<Json<Value>, Refused> {
    if let Some(problem) = fault.problem(&on) {
        return Err(Refused::wrong(problem));
    }
    Ok(Json(json!({"hit": core.hub.fault(&on, &fault, core.clock.now())})))
}

async fn clear(State(core): App) -> Json<Value> {
    core.hub.clear_faults();
    Json(json!({}))
}

async fn token(State(core): App) -> Json<Value> {
    Json(json!({"token": core.hub.token()}))
}
