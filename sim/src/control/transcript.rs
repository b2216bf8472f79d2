//! The transcript and the counters, for reading.

use super::{App, Routes, Wanted};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};

const MAX_ENTRIES: usize = 10_000;

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get("/transcript", "after?, limit?", "entries from an index on; next is where to go on", transcript)
        .get("/counters", "", "counts since the start", counters)
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    after: u64,
    limit: Option<usize>,
}

/// Entries from index `after` on; `next` is where to go on.
async fn transcript(State(core): App, Wanted(page): Wanted<Page>) -> Json<Value> {
    let entries = core.transcript.since(page.after, page.limit.unwrap_or(1_000).min(MAX_ENTRIES));
    let next = entries.last().map_or(page.after, |entry| entry.index + 1);
    let entries: Vec<Value> = entries.iter().map(|entry| json!(**entry)).collect();
    Json(json!({"entries": entries, "next": next, "dropped": core.transcript.dropped()}))
}

async fn counters(State(core): App) -> Json<Value> {
    Json(json!(core.counters.read()))
}
