//! The clock, by order: what it shows, its skew, moving it on; and starting afresh.

use super::{App, Input, Refused, Routes};
use crate::clock::Skew;
use crate::core::Core;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::time::Duration;

/// Furthest the clock is moved at once.
const MAX_ADVANCE_MS: u64 = 366 * 86_400_000;

pub(super) fn add(routes: Routes) -> Routes {
    let routes = routes.post("/reset", "", "starts afresh: servers as generated, no messages, faults, changed limits, counts, transcript, sessions", reset);
    routes.get("/clock", "", "wall time in Unix milliseconds, and its skew", clock).post(
        "/clock",
        "offset_ms?, drift_ppm?, advance_ms?",
        "skews the wall clock, or moves the clock on with all that becomes due",
        set,
    )
}

fn shown(core: &Core) -> Value {
    let skew = core.clock.standing();
    json!({
        "unix_ms": core.clock.unix_ms(), "offset_ms": skew.offset_ms, "drift_ppm": skew.drift_ppm,
        "logical": core.clock.is_logical(),
    })
}

async fn reset(State(core): App) -> Json<Value> {
    core.reset();
    Json(json!({}))
}

async fn clock(State(core): App) -> Json<Value> {
    Json(shown(&core))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    offset_ms: Option<i64>,
    drift_ppm: Option<i64>,
    #[serde(default)]
    advance_ms: u64,
}

async fn set(State(core): App, Input(change): Input<Change>) -> Result<Json<Value>, Refused> {
    if change.advance_ms > MAX_ADVANCE_MS {
        return Err(Refused::wrong("the clock moves on by at most a year at once"));
    }
    if change.offset_ms.is_some() || change.drift_ppm.is_some() {
        let before = core.clock.standing();
        let skew = Skew {
            offset_ms: change.offset_ms.unwrap_or(before.offset_ms),
            drift_ppm: change.drift_ppm.unwrap_or(before.drift_ppm),
        };
        core.skew(skew).map_err(Refused::wrong)?;
    }
    if change.advance_ms > 0 {
        core.advance(Duration::from_millis(change.advance_ms));
    }
    Ok(Json(shown(&core)))
}
