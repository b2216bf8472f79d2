//! The generated world, for reading.

use super::{App, Routes, Wanted};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

const MAX_SERVERS: usize = 10_000;

pub(super) fn add(routes: Routes) -> Routes {
    routes.get("/servers", "after?, limit?", "servers with their channels, roles and people", servers)
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

async fn servers(State(core): App, Wanted(page): Wanted<Page>) -> Json<Value> {
    let skip = usize::try_from(page.after).unwrap_or(usize::MAX);
    let servers: Vec<_> =
        core.world.servers.iter().skip(skip).take(page.limit.unwrap_or(MAX_SERVERS)).collect();
    Json(json!(servers))
}
