//! A sentence model in this process. Questions go before passages, and both take threads that nobody else waits for.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::StreamExt as _;
use helpline_embed::{Model, int8};
use tokio::sync::Semaphore;

use super::{Missed, OpenError};

/// Passages between two looks at what else is to be done: a third of a second of work.
pub const BATCH: usize = 8;
/// How long passages wait between two looks whether there are still questions.
const WAITING: Duration = Duration::from_millis(5);

#[derive(Debug, Clone)]
pub struct Config {
    pub dir: PathBuf,
    /// Passages that are worked on at once. Workers answer meanwhile and have 1.
    pub at_once: usize,
}

#[derive(Debug)]
pub struct Local {
    model: Arc<Model>,
    at_once: usize,
    /// Questions that are worked on at once. What came too late is worked on to its end, and holds its place until then.
    places: Arc<Semaphore>,
    questions: AtomicUsize,
}

impl Local {
    pub async fn open(config: Config) -> Result<Self, OpenError> {
        let opening = tokio::task::spawn_blocking(move || Model::open(&config.dir));
        let model = Arc::new(opening.await.map_err(|_| OpenError::BrokenOff)??);
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            model,
            at_once: config.at_once.max(1),
            places: Arc::new(Semaphore::new(cores)),
            questions: AtomicUsize::new(0),
        })
    }

    pub fn name(&self) -> &str {
        self.model.name()
    }

    pub async fn question(&self, text: &str, patience: Duration) -> Result<Vec<i8>, Missed> {
        let _asking = Asking::new(&self.questions);
        let work = async {
            let place = Arc::clone(&self.places).acquire_owned().await.map_err(|_| Missed::Failed)?;
            let (model, text) = (Arc::clone(&self.model), text.to_owned());
            let working = tokio::task::spawn_blocking(move || {
                let _place = place;
                int8::quantise(&model.vector(&text))
            });
            working.await.ok().flatten().ok_or(Missed::Failed)
        };
        tokio::time::timeout(patience, work).await.unwrap_or(Err(Missed::Late))
    }

    pub async fn passages(&self, texts: &[String]) -> Vec<Option<Vec<i8>>> {
        let mut work = Vec::with_capacity(texts.len());
        for text in texts {
            work.push(self.passage(text.clone()));
        }
        futures_util::stream::iter(work).buffered(self.at_once).collect().await
    }

    async fn passage(&self, text: String) -> Option<Vec<i8>> {
        while self.questions.load(Ordering::Relaxed) > 0 {
            tokio::time::sleep(WAITING).await;
        }
        let model = Arc::clone(&self.model);
        tokio::task::spawn_blocking(move || int8::quantise(&model.vector(&text))).await.ok().flatten()
    }
}

/// Counts a question for as long as somebody waits for it.
struct Asking<'a>(&'a AtomicUsize);

impl<'a> Asking<'a> {
    fn new(questions: &'a AtomicUsize) -> Self {
        questions.fetch_add(1, Ordering::Relaxed);
        Self(questions)
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
