//! An embeddings endpoint over real HTTP that answers as a test wants, well or badly, and keeps what it was asked.

#![allow(dead_code, reason = "each test binary uses a part of this")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use serde_json::{Value, json};

/// How one request is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Ok,
    /// The same, so much later.
    Slow(Duration),
    /// The same in another order, which the indices tell.
    Shuffled,
    ServerError,
    /// Takes no more texts at once.
    AtMost(usize),
    /// Refuses a text that says so.
    Choosy,
    /// Numbers of another length.
    OtherLength,
    /// One vector less than was asked for.
    OneLess,
    Garbage,
    /// An answer that never ends, as fast as it can be sent.
    Endless,
}

type Vector = Arc<dyn Fn(&str) -> Vec<f32> + Send + Sync>;

#[derive(Clone)]
pub struct EmbeddingServer {
    pub url: String,
    state: Arc<Standing>,
}

struct Standing {
    mode: Mutex<Mode>,
    requests: Mutex<Vec<Value>>,
    keys: Mutex<Vec<String>>,
    vector: Vector,
}

impl EmbeddingServer {
    pub async fn start(mode: Mode, vector: impl Fn(&str) -> Vec<f32> + Send + Sync + 'static) -> Self {
        let state = Arc::new(Standing {
            mode: Mutex::new(mode),
            requests: Mutex::default(),
            keys: Mutex::default(),
            vector: Arc::new(vector),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let router =
            Router::new().route("/v1/embeddings", routing::post(answer)).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// From the next request on.
    pub fn set(&self, mode: Mode) {
        *self.state.mode.lock().expect("not poisoned") = mode;
    }

    pub fn requests(&self) -> Vec<Value> {
        self.state.requests.lock().expect("not poisoned").clone()
    }

    pub fn count(&self) -> usize {
        self.requests().len()
    }

    pub fn keys(&self) -> Vec<String> {
        self.state.keys.lock().expect("not poisoned").clone()
    }
}

async fn answer(
    State(state): State<Arc<Standing>>,
    headers: HeaderMap,
    Json(request): Json<Value>,
) -> Response {
    let key = headers.get(header::AUTHORIZATION).and_then(|key| key.to_str().ok()).unwrap_or_default();
    state.keys.lock().expect("not poisoned").push(key.to_owned());
    state.requests.lock().expect("not poisoned").push(request.clone());
    let texts: Vec<&str> =
        request["input"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let mode = *state.mode.lock().expect("not poisoned");
    let refused = || (StatusCode::BAD_REQUEST, "no").into_response();
    match mode {
        Mode::Slow(by) => tokio::time::sleep(by).await,
        Mode::ServerError => return (StatusCode::BAD_GATEWAY, "down").into_response(),
        Mode::AtMost(most) if texts.len() > most => return refused(),
        Mode::Choosy if texts.iter().any(|text| text.contains("refuse me")) => return refused(),
        Mode::Garbage => {
            return ([(header::CONTENT_TYPE, "application/json")], "{\"data\":[{").into_response();
        }
        Mode::Endless => {
            let zeros = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b' '; 64 * 1024]));
            return axum::body::Body::from_stream(zeros).into_response();
        }
        _ => {}
    }
    let item = |(index, text): (usize, &&str)| {
        let mut embedding = (state.vector)(text);
        if mode == Mode::OtherLength {
            embedding.push(0.5);
        }
        json!({ "object": "embedding", "index": index, "embedding": embedding })
    };
    let mut data: Vec<Value> = texts.iter().enumerate().map(item).collect();
    match mode {
        Mode::Shuffled => data.reverse(),
        Mode::OneLess => drop(data.pop()),
        _ => {}
    }
    Json(json!({ "object": "list", "model": request["model"], "data": data })).into_response()
}

/// What a text is about, of a few things that can be said in several words; and a little of each of its words.
pub fn about(text: &str) -> Vec<f32> {
    const SUBJECTS: [&[&str]; 5] = [
        &["invoice", "invoices", "bill", "billed", "charge"],
        &["gate", "door", "entrance"],
        &["backup", "backups", "snapshot", "copies"],
        &["password", "credentials", "login"],
        &["umbrella", "parasol"],
    ];
    let mut vector = vec![0.01; SUBJECTS.len() + 1];
    for word in text.to_lowercase().split(|c: char| !c.is_alphanumeric()) {
        if let Some(at) = SUBJECTS.iter().position(|words| words.contains(&word)) {
            vector[at] += 1.0;
        }
    }
    vector
}
