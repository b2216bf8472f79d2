//! Texts as vectors, where the operator has set a sentence model: an OpenAI-compatible endpoint ([`endpoint`]) or one that runs
//! in this process ([`local`]). Optional: without one, and whenever it is away or slow, questions are looked up by their
//! words alone.
//!
//! Whoever has a question gets a vector within [`Config::patience`] or none. Passages are embedded in the background by
//! the owner of their server (`worker::vectors`), which hears here of servers whose passages lack vectors.

pub mod endpoint;
pub mod local;

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use helpline_cluster::ids::ServerId;
use tokio::sync::Notify;

use crate::answer::model::client::Failed;
use crate::metrics as names;
use endpoint::Endpoint;
use local::Local;

/// Part of every model's name: raised when passages are written down differently for the model.
const REVISION: u32 = 1;
/// Servers that wait for their vectors at most; what else is wanted is found by the next sweep.
const WANTED_AT_MOST: usize = 1_000;
/// Longest text of which a vector is made, in characters; models read fewer.
const MAX_CHARS: usize = 4_000;

/// Which model there is, and how long a question may wait for it.
#[derive(Debug, Clone)]
pub struct Config {
    pub source: Source,
    /// From a question to its vector; later it is looked up without.
    pub patience: Duration,
}

#[derive(Debug, Clone)]
pub enum Source {
    Endpoint(endpoint::Config),
    Local(local::Config),
}

/// Why there is no embedder.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the client of EMBEDDING_API_URL: {0}")]
    Client(#[from] reqwest::Error),
    #[error("EMBEDDING_MODEL_DIR: {0}")]
    Model(#[from] helpline_embed::OpenError),
    #[error("EMBEDDING_MODEL_DIR: reading it was broken off")]
    BrokenOff,
}

#[derive(Debug)]
enum Kind {
    Endpoint(Box<Endpoint>),
    Local(Local),
}

/// Makes vectors.
#[derive(Debug)]
pub struct Embedder {
    kind: Kind,
    patience: Duration,
    model: String,
    wanted: Mutex<HashSet<ServerId>>,
    woken: Notify,
}

impl Embedder {
    /// Reads the model's directory, if it is one.
    ///
    /// # Errors
    /// When there is no such model.
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        let kind = match config.source {
            Source::Endpoint(config) => Kind::Endpoint(Box::new(Endpoint::new(config)?)),
            Source::Local(config) => Kind::Local(Local::open(config).await?),
        };
        let name = match &kind {
            Kind::Endpoint(endpoint) => format!("api:{}", endpoint.name()),
            Kind::Local(local) => format!("dir:{}", local.name()),
        };
        Ok(Self {
            kind,
            patience: config.patience,
            model: format!("{REVISION}:{name}"),
            wanted: Mutex::default(),
            woken: Notify::new(),
        })
    }

    /// What vectors are stored under: those of another name are never compared with this one's.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The vector of a question; none when there is none in time.
    pub async fn question(&self, text: &str) -> Option<Vec<i8>> {
        let (started, text) = (Instant::now(), bounded(text));
        let asked = async {
            match &self.kind {
                Kind::Endpoint(endpoint) => endpoint.question(text, self.patience).await,
                Kind::Local(local) => local.question(text, self.patience).await,
            }
        };
        let (vector, outcome) = match asked.await {
            Ok(vector) => (Some(vector), "ok"),
            Err(Missed::Late) => (None, "late"),
            Err(Missed::Resting) => (None, "resting"),
            Err(Missed::Failed) => (None, "failed"),
        };
        metrics::histogram!(names::QUESTION_VECTOR_SECONDS).record(started.elapsed().as_secs_f64());
        metrics::counter!(names::QUESTION_VECTORS, "result" => outcome).increment(1);
        vector
    }

    /// Passages that are embedded at once.
    pub fn batch(&self) -> usize {
        match &self.kind {
            Kind::Endpoint(endpoint) => endpoint.batch(),
            Kind::Local(_) => local::BATCH,
        }
    }

    /// How long whoever embeds passages leaves the processor to others after a batch that took so long.
    pub fn rest_after(&self, took: Duration) -> Duration {
        match &self.kind {
            Kind::Endpoint(_) => Duration::ZERO,
            Kind::Local(_) => took,
        }
    }

    /// The vectors of passages, in their order; none for a passage that the model refuses for itself.
    ///
    /// # Errors
    /// When the model is not there; to be tried again later.
    pub async fn passages(&self, texts: &[String]) -> Result<Vec<Option<Vec<i8>>>, Failed> {
        match &self.kind {
            Kind::Endpoint(endpoint) => endpoint.passages(texts).await,
            Kind::Local(local) => Ok(local.passages(texts).await),
        }
    }

    /// Says that a server's passages lack vectors. Overflow rule: see [`WANTED_AT_MOST`].
    pub fn want(&self, server: ServerId) {
        let mut wanted = self.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        if wanted.len() < WANTED_AT_MOST && wanted.insert(server) {
            self.woken.notify_one();
        }
    }

    /// The servers of which that was said, once there are any.
    pub async fn wanted(&self) -> HashSet<ServerId> {
        loop {
            let wanted = std::mem::take(&mut *self.wanted.lock().unwrap_or_else(PoisonError::into_inner));
            if !wanted.is_empty() {
                return wanted;
            }
            self.woken.notified().await;
        }
    }
}

/// Why a question has no vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    Late,
    /// The model failed so often that it is left alone for a while.
    Resting,
    Failed,
}

/// A passage as the model reads it.
pub fn written(title: &str, heading: &str, content: &str) -> String {
    let parts = [title, heading, content].into_iter().filter(|part| !part.is_empty());
    bounded(&parts.collect::<Vec<_>>().join("\n")).to_owned()
}

fn bounded(text: &str) -> &str {
    text.char_indices().nth(MAX_CHARS).map_or(text, |(end, _)| &text[..end])
}
