//! The transcript and the counters, for reading: by page and as a stream.

use super::{App, Refused, Routes, Wanted};
use crate::core::Core;
use crate::transcript::Entry;
use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, stream};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::broadcast;

const MAX_ENTRIES: usize = 10_000;

pub(super) fn add(routes: Routes) -> Routes {
    routes
        .get("/transcript", "after?, limit?", "entries from an index on; next is where to go on", transcript)
        .get(
            "/transcript/stream",
            "after?",
            "server-sent events: entries from an index on, or from now on, as they come",
            stream_entries,
        )
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

#[derive(Deserialize)]
struct From {
    after: Option<u64>,
}

struct Reader {
    core: Arc<Core>,
    news: broadcast::Receiver<Arc<Entry>>,
    next: u64,
    page: VecDeque<Arc<Entry>>,
}

impl Reader {
    /// The next entry. Lagging is no loss: entries are read by index, the channel only wakes.
    async fn read(&mut self) -> Option<Arc<Entry>> {
        loop {
            if let Some(entry) = self.page.pop_front() {
                self.next = entry.index + 1;
                return Some(entry);
            }
            self.page = self.core.transcript.since(self.next, 1_000).into();
            if self.page.is_empty() {
                tokio::select! {
                    news = self.news.recv() => {
                        if matches!(news, Err(broadcast::error::RecvError::Closed)) {
                            return None;
                        }
                    }
                    () = self.core.cancel.cancelled() => return None,
                }
            }
        }
    }
}

/// Each event carries its index as id, so that a browser that reconnects goes on where it was.
async fn stream_entries(
    State(core): App,
    headers: HeaderMap,
    Wanted(from): Wanted<From>,
) -> Result<impl IntoResponse, Refused> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let last = last.map(str::parse::<u64>).transpose();
    let last = last.map_err(|_| Refused::wrong("Last-Event-ID is the index of an entry"))?;
    let news = core.transcript.subscribe();
    let next = last.map(|last| last + 1).or(from.after).unwrap_or_else(|| core.transcript.end());
    let reader = Reader { core, news, next, page: VecDeque::new() };
    Ok(Sse::new(events(reader)).keep_alive(KeepAlive::default()))
}

fn events(reader: Reader) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(reader, |mut reader| async move {
        let entry = reader.read().await?;
        let data = serde_json::to_string(&*entry).expect("entries have string keys and finite numbers");
        Some((Ok(Event::default().id(entry.index.to_string()).data(data)), reader))
    })
}

async fn counters(State(core): App) -> Json<Value> {
    Json(json!(core.counters.read()))
}
