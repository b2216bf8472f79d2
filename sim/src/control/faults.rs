//! REST faults, by order.

use super::{App, Input, Refused, Routes};
use crate::faults::Fault;
use crate::rate_limit::Route;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .post(
            "/faults",
            "route?, count?, fault",
            "the next requests of a route, or of any, meet a fault",
            faults,
        )
        .delete("/faults", "", "takes back all faults that have not met a request", clear)
}

#[derive(Deserialize)]
struct FaultPlan {
    route: Option<String>,
    #[serde(default = "one")]
    count: u64,
    fault: Fault,
}

async fn clear(State(core): App) -> Json<Value> {
    core.faults.clear();
    Json(json!({}))
}

fn one() -> u64 {
    1
}

async fn faults(State(core): App, Input(plan): Input<FaultPlan>) -> Result<Json<Value>, Refused> {
    let route = plan.route.as_deref().map(str::parse::<Route>).transpose().map_err(Refused::wrong)?;
    core.faults.plan(route, plan.count, plan.fault);
    Ok(Json(json!({})))
}
