//! REST faults, by order.

use super::{App, Input, Refused, Routes};
use crate::faults::{Fault, FaultPlan, FaultStanding};
use crate::rate_limit::Route;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get("/faults", "", "planned faults with what is left of them", list)
        .post(
            "/faults",
            "fault, route?, count? (1, or \"all\"), probability?, after_ms?, for_ms?",
            "requests meet a fault; gives the plan's id",
            plan,
        )
        .delete("/faults", "", "takes back all planned faults", clear)
        .delete("/faults/{id}", "", "takes back one planned fault", remove)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    fault: Fault,
    route: Option<String>,
    count: Option<Value>,
    #[serde(default = "certain")]
    probability: f64,
    #[serde(default)]
    after_ms: u64,
    for_ms: Option<u64>,
}

const fn certain() -> f64 {
    1.0
}

async fn list(State(core): App) -> Json<Vec<FaultStanding>> {
    Json(core.faults.standing(core.clock.now()))
}

async fn plan(State(core): App, Input(wish): Input<Wish>) -> Result<Json<Value>, Refused> {
    let route = wish.route.as_deref().map(str::parse::<Route>).transpose().map_err(Refused::wrong)?;
    let count = match &wish.count {
        None => Some(1),
        Some(Value::String(all)) if all == "all" => None,
        Some(other) => {
            Some(other.as_u64().ok_or_else(|| Refused::wrong("count is a whole number or \"all\""))?)
        }
    };
    let plan = FaultPlan {
        fault: wish.fault,
        route,
        count,
        probability: wish.probability,
        after: Duration::from_millis(wish.after_ms),
        lasts: wish.for_ms.map(Duration::from_millis),
    };
    let id = core.plan_fault(plan).map_err(Refused::wrong)?;
    Ok(Json(json!({"id": id})))
}

async fn clear(State(core): App) -> Json<Value> {
    core.faults.clear();
    Json(json!({}))
}

async fn remove(State(core): App, Path(id): Path<u64>) -> Result<Json<Value>, Refused> {
    if core.faults.remove(id) {
        return Ok(Json(json!({})));
    }
    Err(Refused(StatusCode::NOT_FOUND, format!("there is no fault plan {id}, or not any more")))
}
