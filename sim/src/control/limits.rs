//! Rate limits, by order.

use super::{App, Input, Refused, Routes};
use crate::rate_limit::parse_limit;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

pub(super) fn add(routes: Routes) -> Routes {
    routes.post("/limits", "global_per_s?, limits?", "changes the global limit and those of routes", limits)
}

#[derive(Deserialize)]
struct Limits {
    /// A number of requests a second, or `"off"`.
    global_per_s: Option<Value>,
    /// Such as `create_message=5/5s` or `create_message=off`.
    #[serde(default)]
    limits: Vec<String>,
}

async fn limits(State(core): App, Input(limits): Input<Limits>) -> Result<Json<Value>, Refused> {
    if let Some(global) = limits.global_per_s {
        let per_s = match &global {
            Value::String(text) if text == "off" => None,
            other => match other.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0) {
                Some(n) => Some(n),
                None => return Err(Refused::wrong("global_per_s is a positive number or \"off\"")),
            },
        };
        core.limiter.set_global(per_s);
    }
    for limit in &limits.limits {
        let (route, rule) = parse_limit(limit).map_err(Refused::wrong)?;
        core.limiter.set_route(route, rule);
    }
    Ok(Json(json!({})))
}
