//! Asks an OpenAI-compatible embeddings endpoint, within bounds of time and size.
//!
//! | what happens | what is done |
//! |---|---|
//! | a question is not answered in time | it has no vector; after five in a row the endpoint is left alone for a while |
//! | 429, 5xx, no connection, what is no list of vectors, for passages | tried again, [`ATTEMPTS`] in all, later each time, no sooner than `Retry-After` |
//! | any other refusal of several passages | asked for half of them, and from then on for no more at once |
//! | of a single passage | it has no vector |
//!
//! All vectors have the length of the first. Nothing that the endpoint says, and neither key nor URL, comes into a log.
//! Source: <https://platform.openai.com/docs/api-reference/embeddings/create>.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use helpline_embed::int8;
use reqwest::{Response, Url};
use serde::Deserialize;
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use super::Missed;
use crate::answer::model::breaker::Breaker;
use crate::answer::model::client::{self, Failed, Failure};
use crate::config::Secret;

/// Requests for one batch of passages.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
/// How long one request for passages may take.
const PASSAGES_PATIENCE: Duration = Duration::from_secs(30);
/// Passages in one request, at first.
const BATCH: usize = 32;
/// What is read of an answer: so many bytes for each vector, and some for what is around them.
const BYTES_A_VECTOR: usize = 24 * int8::MAX_DIMENSIONS;
const BYTES_AROUND: usize = 16 * 1024;

/// Where the endpoint is.
#[derive(Debug, Clone)]
pub struct Config {
    /// As the operator gives it, see [`embeddings_url`].
    pub url: Url,
    pub key: Option<Secret>,
    pub name: String,
}

/// The URL of embeddings: `…/embeddings` as it is, a host alone with `/v1/embeddings` behind it, any other path with
/// `/embeddings`. A query stays.
pub fn embeddings_url(given: &Url) -> Url {
    let mut url = given.clone();
    let path = url.path().trim_end_matches('/').to_owned();
    url.set_path(&match path.as_str() {
        "" => "/v1/embeddings".to_owned(),
        path if path.ends_with("/embeddings") => path.to_owned(),
        path => format!("{path}/embeddings"),
    });
    url
}

/// A client of one endpoint.
#[derive(Debug)]
pub struct Endpoint {
    http: reqwest::Client,
    url: Url,
    config: Config,
    batch: AtomicUsize,
    dimensions: OnceLock<usize>,
    /// For questions. Passages have all the time, and wait by themselves.
    breaker: Mutex<Breaker>,
}

#[derive(Deserialize)]
struct Answer {
    data: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    index: Option<usize>,
    embedding: Vec<f32>,
}

impl Endpoint {
    pub fn new(config: Config) -> Result<Self, reqwest::Error> {
        Ok(Self {
            http: client::http(&config.url)?,
            url: embeddings_url(&config.url),
            config,
            batch: AtomicUsize::new(BATCH),
            dimensions: OnceLock::new(),
            breaker: Mutex::default(),
        })
    }

    pub fn name(&self) -> &str {
        &self.config.name
    }

    pub fn batch(&self) -> usize {
        self.batch.load(Ordering::Relaxed)
    }

    /// One try: whoever asks does not wait for a second one.
    pub async fn question(&self, text: &str, patience: Duration) -> Result<Vec<i8>, Missed> {
        if !self.breaker().lets_through(Instant::now()) {
            return Err(Missed::Resting);
        }
        let mut outcome = Outcome { endpoint: self, told: false };
        let asked = self.ask(&[text], Instant::now() + patience).await;
        match asked {
            Ok(mut vectors) => {
                outcome.succeeded();
                vectors.pop().flatten().ok_or(Missed::Failed)
            }
            Err(failed) => {
                outcome.failed(failed);
                Err(if failed.failure == Failure::TimedOut { Missed::Late } else { Missed::Failed })
            }
        }
    }

    pub async fn passages(&self, texts: &[String]) -> Result<Vec<Option<Vec<i8>>>, Failed> {
        let mut vectors = Vec::with_capacity(texts.len());
        while vectors.len() < texts.len() {
            let rest = &texts[vectors.len()..];
            let part: Vec<&str> = rest.iter().take(self.batch().max(1)).map(String::as_str).collect();
            match self.ask_again(&part).await {
                Ok(made) => vectors.extend(made),
                Err(Failed { failure: Failure::Refused | Failure::TooLong, .. }) if part.len() > 1 => {
                    self.batch.store(part.len() / 2, Ordering::Relaxed);
                }
                Err(Failed { failure: Failure::Refused | Failure::TooLong, .. }) => vectors.push(None),
                Err(failed) => return Err(failed),
            }
        }
        Ok(vectors)
    }

    async fn ask_again(&self, texts: &[&str]) -> Result<Vec<Option<Vec<i8>>>, Failed> {
        let mut attempts = 0;
        loop {
            attempts += 1;
            let failed = match self.ask(texts, Instant::now() + PASSAGES_PATIENCE).await {
                Ok(vectors) => return Ok(vectors),
                Err(failed) => failed,
            };
            if attempts >= ATTEMPTS || !failed.failure.may_pass() {
                return Err(failed);
            }
            let pause = FIRST_PAUSE.saturating_mul(1 << attempts).mul_f64(0.5 + fastrand::f64() / 2.0);
            tokio::time::sleep(pause.max(failed.retry_after.min(PASSAGES_PATIENCE))).await;
        }
    }

    async fn ask(&self, texts: &[&str], until: Instant) -> Result<Vec<Option<Vec<i8>>>, Failed> {
        let body = json!({ "model": self.config.name, "input": texts });
        let mut request = self.http.post(self.url.clone()).json(&body);
        if let Some(key) = &self.config.key {
            request = request.bearer_auth(key.expose());
        }
        let response = match timeout_at(until, request.send()).await {
            Err(_) => return Err(Failure::TimedOut.into()),
            Ok(Err(error)) if error.is_timeout() => return Err(Failure::TimedOut.into()),
            Ok(Err(_)) => return Err(Failure::Unreachable.into()),
            Ok(Ok(response)) => response,
        };
        if !response.status().is_success() {
            let retry_after = client::retry_after(response.headers());
            return Err(Failed { failure: client::failure(response.status()), retry_after });
        }
        let body = read(response, BYTES_AROUND + texts.len() * BYTES_A_VECTOR, until).await?;
        let answer: Answer = serde_json::from_slice(&body).map_err(|_| Failure::Malformed)?;
        Ok(self.vectors(answer, texts.len())?)
    }

    /// The vectors in the order of what was asked.
    fn vectors(&self, answer: Answer, count: usize) -> Result<Vec<Option<Vec<i8>>>, Failure> {
        if answer.data.len() != count {
            return Err(Failure::Malformed);
        }
        let mut vectors = vec![None; count];
        for (at, item) in answer.data.into_iter().enumerate() {
            let place = vectors.get_mut(item.index.unwrap_or(at)).ok_or(Failure::Malformed)?;
            let vector = int8::quantise(&item.embedding).ok_or(Failure::Malformed)?;
            if vector.len() != *self.dimensions.get_or_init(|| vector.len()) || place.is_some() {
                return Err(Failure::Malformed);
            }
            *place = Some(vector);
        }
        Ok(vectors)
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // Every change under the lock is complete before anything can panic.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn read(mut response: Response, most: usize, until: Instant) -> Result<Vec<u8>, Failure> {
    let mut body = Vec::new();
    loop {
        match timeout_at(until, response.chunk()).await {
            Err(_) => return Err(Failure::TimedOut),
            Ok(Err(_)) => return Err(Failure::Cut),
            Ok(Ok(None)) => return Ok(body),
            Ok(Ok(Some(chunk))) if body.len() + chunk.len() > most => {
                drop(chunk);
                return Err(Failure::Malformed);
            }
            Ok(Ok(Some(chunk))) => body.extend_from_slice(&chunk),
        }
    }
}

/// Tells the breaker how a question ended, also when it was called off.
struct Outcome<'a> {
    endpoint: &'a Endpoint,
    told: bool,
}

impl Outcome<'_> {
    fn succeeded(&mut self) {
        self.told = true;
        self.endpoint.breaker().succeeded();
    }

    fn failed(&mut self, failed: Failed) {
        self.told = true;
        let mut breaker = self.endpoint.breaker();
        if !failed.failure.is_of_the_endpoint() {
            breaker.told_nothing(Instant::now());
        } else if breaker.failed(Instant::now(), failed.retry_after) {
            tracing::warn!(
                because = failed.failure.name(),
                "the embeddings endpoint does not answer in time: questions are looked up by their words until it does"
            );
        }
    }
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.endpoint.breaker().told_nothing(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint() -> Endpoint {
        let url = Url::parse("http://127.0.0.1:1").expect("a URL");
        Endpoint::new(Config { url, key: None, name: "m".into() }).expect("a client")
    }

    fn answer(items: &[(Option<usize>, &[f32])]) -> Answer {
        let item = |(index, embedding): &(Option<usize>, &[f32])| Item {
            index: *index,
            embedding: embedding.to_vec(),
        };
        Answer { data: items.iter().map(item).collect() }
    }

    #[test]
    fn the_path_is_completed() {
        for (given, wanted) in [
            ("https://a", "https://a/v1/embeddings"),
            ("https://a/v1/", "https://a/v1/embeddings"),
            ("https://a/x/embeddings?v=1", "https://a/x/embeddings?v=1"),
        ] {
            assert_eq!(embeddings_url(&Url::parse(given).expect("a URL")).as_str(), wanted);
        }
    }

    #[test]
    fn vectors_come_in_the_order_of_what_was_asked() {
        let endpoint = endpoint();
        let vectors = endpoint.vectors(answer(&[(Some(1), &[0.0, 1.0]), (Some(0), &[1.0, 0.0])]), 2);
        assert_eq!(vectors, Ok(vec![Some(vec![127, 0]), Some(vec![0, 127])]));
        assert_eq!(endpoint.vectors(answer(&[(None, &[1.0, 1.0])]), 1), Ok(vec![Some(vec![127, 127])]));
    }

    #[test]
    fn what_is_not_one_vector_for_each_text_is_refused() {
        let endpoint = endpoint();
        assert!(endpoint.vectors(answer(&[(None, &[1.0, 0.0])]), 1).is_ok());
        for bad in [
            answer(&[(Some(0), &[1.0, 0.0]), (Some(0), &[1.0, 0.0])]),
            answer(&[(Some(0), &[1.0, 0.0]), (Some(2), &[1.0, 0.0])]),
            answer(&[(Some(0), &[1.0, 0.0])]),
            answer(&[(Some(0), &[1.0, 0.0]), (Some(1), &[1.0])]),
            answer(&[(Some(0), &[1.0, 0.0]), (Some(1), &[0.0, 0.0])]),
            answer(&[(Some(0), &[1.0, 0.0]), (Some(1), &[f32::NAN, 0.0])]),
        ] {
            assert_eq!(endpoint.vectors(bad, 2), Err(Failure::Malformed));
        }
    }
}
