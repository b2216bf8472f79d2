//! Rate limits, by order.

use super::{App, Input, Refused, Routes};
use crate::rate_limit::LimitChange;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get(
            "/limits",
            "",
            "limits of routes, sublimits, the global one, invalid requests and the ban",
            shown,
        )
        .post(
            "/limits",
            "global_per_s?, limits?, jitter_ms?, rename_buckets?",
            "changes limits: \"create_message=5/5s\", \"=off\", \"=unannounced\", \"typing=with:channel\"",
            limits,
        )
        .post(
            "/limits/resource",
            "id, for_ms, code?",
            "a channel or server is limited for a while: 429 with scope shared",
            resource,
        )
}

async fn shown(State(core): App) -> Json<Value> {
    Json(core.limiter.describe(core.clock.now()))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Limits {
    /// A number of requests a second, or `"off"`.
    global_per_s: Option<Value>,
    #[serde(default)]
    limits: Vec<String>,
    jitter_ms: Option<u64>,
    #[serde(default)]
    rename_buckets: bool,
}

async fn limits(State(core): App, Input(wish): Input<Limits>) -> Result<Json<Value>, Refused> {
    let changes = wish.limits.iter().map(|limit| limit.parse::<LimitChange>());
    let changes = changes.collect::<Result<Vec<_>, _>>().map_err(Refused::wrong)?;
    if let Some(global) = wish.global_per_s {
        let per_s = match &global {
            Value::String(text) if text == "off" => None,
            other => match other.as_u64().and_then(|n| u32::try_from(n).ok()).filter(|n| *n > 0) {
                Some(n) => Some(n),
                None => return Err(Refused::wrong("global_per_s is a positive number or \"off\"")),
            },
        };
        core.limiter.set_global(per_s);
    }
    changes.iter().for_each(|change| core.limiter.change(change));
    if let Some(jitter_ms) = wish.jitter_ms {
        core.limiter.set_jitter(Duration::from_millis(jitter_ms));
    }
    if wish.rename_buckets {
        core.limiter.rename_buckets();
    }
    Ok(Json(json!({})))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Resource {
    #[serde(deserialize_with = "snowflake")]
    id: u64,
    for_ms: u64,
    code: Option<u32>,
}

fn snowflake<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    crate::ids::ChannelId::deserialize(deserializer).map(crate::ids::ChannelId::get)
}

async fn resource(State(core): App, Input(wish): Input<Resource>) -> Json<Value> {
    let until = core.clock.now() + Duration::from_millis(wish.for_ms);
    core.limiter.limit_resource(wish.id, until, wish.code);
    Json(json!({}))
}
