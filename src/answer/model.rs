//! The answerer for any OpenAI-compatible chat endpoint.
//!
//! Retrieves, lets the model write from what was found, checks what it wrote as if it obeyed every text that it was given
//! ([`guard`]), and answers as the built-in answerer does wherever that does not come to an answer: the endpoint is down
//! or busy, the server or this worker has spent its tokens, the reply cannot be read or does not rest on what it cites.
//! So a question never waits for a model longer than [`Config::deadline`](client::Config).
//!
//! What the model may decide is bounded: it hands over only when it does so on the question alone too, which no document
//! and no earlier message can bring about, and it asks back once in a row.

pub mod breaker;
pub mod client;
pub mod events;
pub mod gate;
pub mod grounds;
pub mod guard;
pub mod links;
pub mod reply;

use std::sync::{Mutex, MutexGuard, PoisonError};

use helpline_cluster::database::Database;
use helpline_cluster::ids::ServerId;
use time::Date;
use tokio::time::Instant;
use uuid::Uuid;

use super::extract::{Extractive, unsure_text};
use super::prompt::{self, Prompt, Source};
use super::retrieve::{Retrieved, Retriever};
use super::{Action, Answer, AnswerFuture, AnswerRequest, Answerer, Citation, Error, Reason, spent};
use crate::metrics as names;
use crate::texts::say;
use breaker::Breaker;
use client::{Client, Failed};
use gate::Gate;
use guard::{Refused, Secrets};
use reply::{Reply, Wanted};

/// Replies that are asked for until one can be read.
const READINGS: u32 = 2;
/// Part of the deadline that a question waits for its place.
const PATIENCE: f64 = 0.25;

/// Where the model is, and what may be spent on it.
#[derive(Debug, Clone)]
pub struct Config {
    pub endpoint: client::Config,
    /// Calls at once: of this worker, and for one server.
    pub calls: usize,
    pub calls_per_server: usize,
    /// Tokens a day (UTC); 0: no bound. Calls under way may exceed it by what they take.
    pub tokens_per_server: u64,
    pub tokens_per_worker: u64,
}

/// Why the built-in answerer answers in the model's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Instead {
    Busy,
    Spent,
    BreakerOpen,
    Failed,
    Unreadable,
    Refused(Refused),
    /// It handed over, and on the question alone it did not.
    Unconfirmed,
    AsksAgain,
}

impl Instead {
    fn name(self) -> &'static str {
        match self {
            Self::Busy => "busy",
            Self::Spent => "spent",
            Self::BreakerOpen => "breaker_open",
            Self::Failed => "failed",
            Self::Unreadable => "unreadable",
            Self::Refused(Refused::Leak) => "leak",
            Self::Refused(Refused::Uncited) => "uncited",
            Self::Refused(Refused::Unfounded) => "unfounded",
            Self::Refused(Refused::NoQuestion) => "no_question",
            Self::Unconfirmed => "unconfirmed",
            Self::AsksAgain => "asks_again",
        }
    }
}

/// Answers with a chat model.
#[derive(Debug)]
pub struct Model {
    config: Config,
    client: Client,
    database: Database,
    retriever: Retriever,
    extractive: Extractive,
    gate: Gate,
    breaker: Mutex<Breaker>,
    /// What this worker has spent on the day that it counts.
    spent_here: Mutex<(Date, u64)>,
}

impl Model {
    /// # Errors
    /// The HTTP client cannot be made.
    pub fn new(config: Config, database: &Database, retriever: Retriever) -> Result<Self, reqwest::Error> {
        metrics::gauge!(names::MODEL_BREAKER_OPEN).set(0.0);
        Ok(Self {
            client: Client::new(config.endpoint.clone())?,
            database: database.clone(),
            extractive: Extractive::new(retriever.clone()),
            retriever,
            gate: Gate::new(config.calls, config.calls_per_server),
            breaker: Mutex::default(),
            spent_here: Mutex::new((spent::today(), 0)),
            config,
        })
    }

    async fn make(&self, request: &AnswerRequest) -> Result<Answer, Error> {
        let found = self
            .retriever
            .retrieve(request.server, &request.language, &request.question, &request.history)
            .await?;
        let mut call = Call { tokens: 0, until: Instant::now() + self.config.endpoint.deadline };
        let written = match self.may_spend(request.server).await? {
            true => self.write(request, &found, &mut call).await,
            false => Err(Instead::Spent),
        };
        let mut answer = match written {
            Ok(answer) => answer,
            Err(instead) => {
                metrics::counter!(names::MODEL_FALLBACKS, "because" => instead.name()).increment(1);
                tracing::debug!(
                    server = request.server.get(),
                    "answered without the model: {}",
                    instead.name()
                );
                self.extractive.quote(request, &found).await?
            }
        };
        answer.tokens = call.tokens;
        Ok(answer)
    }

    async fn write(
        &self,
        request: &AnswerRequest,
        found: &Retrieved,
        call: &mut Call,
    ) -> Result<Answer, Instead> {
        let patience = self.config.endpoint.deadline.mul_f64(PATIENCE);
        let _place = self.gate.enter(request.server, patience).await.ok_or(Instead::Busy)?;
        let sources = prompt::sources(found);
        let prompt = prompt::build(request, &sources, &fence());
        let reply = self.reply(&prompt, call).await?;
        let secrets = Secrets::of(&prompt, request, &sources);
        let answer = |action, text: String, citations: Vec<Citation>| Answer {
            action,
            text,
            citations,
            confidence: found.evidence.confidence,
            tokens: 0,
        };
        match reply.action {
            Wanted::Answer => {
                let (text, citations) =
                    guard::answer(&reply.text, &reply.citations, request, &sources, &secrets)
                        .map_err(Instead::Refused)?;
                Ok(answer(Action::Answer, text, citations))
            }
            Wanted::Clarify if asked_back(request) => Err(Instead::AsksAgain),
            Wanted::Clarify => {
                let text =
                    guard::question(&reply.text, request, &sources, &secrets).map_err(Instead::Refused)?;
                Ok(answer(Action::Clarify, text, Vec::new()))
            }
            Wanted::Unsure => Ok(answer(Action::Unsure, unsure_text(request.lang), Vec::new())),
            Wanted::HandOver(reason) => {
                let reason = self.confirm(request, &sources, reason, call).await?;
                Ok(answer(Action::HandOver(reason), say!(request.lang, "answer-handed-over"), Vec::new()))
            }
        }
    }

    /// A human is called only if the member's own question is reason enough.
    async fn confirm(
        &self,
        request: &AnswerRequest,
        sources: &[Source],
        reason: Reason,
        call: &mut Call,
    ) -> Result<Reason, Instead> {
        if sources.is_empty() && request.history.is_empty() && request.system_prompt.is_empty() {
            return Ok(reason);
        }
        let prompt = prompt::question_alone(request, &fence());
        match self.reply(&prompt, call).await?.action {
            Wanted::HandOver(reason) => Ok(reason),
            Wanted::Answer | Wanted::Clarify | Wanted::Unsure => Err(Instead::Unconfirmed),
        }
    }

    /// A reply that can be read; one that cannot is asked for once more.
    async fn reply(&self, prompt: &Prompt, call: &mut Call) -> Result<Reply, Instead> {
        for _ in 0..READINGS {
            let text = self.call(prompt, call).await?;
            match reply::read(&text) {
                Ok(reply) => return Ok(reply),
                Err(reply::Unreadable) => count("unreadable"),
            }
        }
        Err(Instead::Unreadable)
    }

    /// One completion, if the breaker lets it through.
    async fn call(&self, prompt: &Prompt, call: &mut Call) -> Result<String, Instead> {
        if !self.breaker().lets_through(Instant::now()) {
            return Err(Instead::BreakerOpen);
        }
        let mut outcome = Outcome { model: self, told: false };
        let (started, before) = (Instant::now(), call.tokens);
        let completed = self.client.complete(prompt, call.until, &mut call.tokens).await;
        metrics::histogram!(names::MODEL_SECONDS).record(started.elapsed().as_secs_f64());
        self.spend(call.tokens - before);
        match completed {
            Ok(text) => {
                count("ok");
                outcome.succeeded();
                Ok(text)
            }
            Err(failed) => {
                count(failed.failure.name());
                outcome.failed(failed);
                Err(Instead::Failed)
            }
        }
    }

    async fn may_spend(&self, server: ServerId) -> Result<bool, Error> {
        let today = spent::today();
        let (day, here) = *self.spent_here.lock().unwrap_or_else(PoisonError::into_inner);
        if self.config.tokens_per_worker > 0 && day == today && here >= self.config.tokens_per_worker {
            return Ok(false);
        }
        if self.config.tokens_per_server == 0 {
            return Ok(true);
        }
        Ok(spent::on(&self.database, server, today).await? < self.config.tokens_per_server)
    }

    fn spend(&self, tokens: u64) {
        metrics::counter!(names::MODEL_TOKENS).increment(tokens);
        let today = spent::today();
        let mut spent = self.spent_here.lock().unwrap_or_else(PoisonError::into_inner);
        *spent = if spent.0 == today { (today, spent.1 + tokens) } else { (today, tokens) };
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        // Every change under the lock is complete before anything can panic.
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Answerer for Model {
    fn answer<'a>(&'a self, request: &'a AnswerRequest) -> AnswerFuture<'a> {
        Box::pin(self.make(request))
    }
}

/// What one question takes.
struct Call {
    tokens: u64,
    until: Instant,
}

/// Tells the breaker how a call ended, also when it was called off.
struct Outcome<'a> {
    model: &'a Model,
    told: bool,
}

impl Outcome<'_> {
    fn succeeded(&mut self) {
        self.told = true;
        let mut breaker = self.model.breaker();
        if !breaker.is_closed() {
            tracing::info!("the chat model answers again");
        }
        breaker.succeeded();
        metrics::gauge!(names::MODEL_BREAKER_OPEN).set(if breaker.is_closed() { 0.0 } else { 1.0 });
    }

    fn failed(&mut self, failed: Failed) {
        self.told = true;
        let mut breaker = self.model.breaker();
        if !failed.failure.is_of_the_endpoint() {
            return breaker.told_nothing(Instant::now());
        }
        if breaker.failed(Instant::now(), failed.retry_after) {
            metrics::gauge!(names::MODEL_BREAKER_OPEN).set(1.0);
            tracing::warn!(
                because = failed.failure.name(),
                "the chat model does not answer: questions are answered without it until it does"
            );
        }
    }
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        if !self.told {
            self.model.breaker().told_nothing(Instant::now());
        }
    }
}

fn count(result: &'static str) {
    metrics::counter!(names::MODEL_REQUESTS, "result" => result).increment(1);
}

/// A word that nobody can guess.
fn fence() -> String {
    Uuid::new_v4().simple().to_string()
}

/// The bot has asked back already, and this is what the member said to that.
fn asked_back(request: &AnswerRequest) -> bool {
    let last = request.history.iter().rev().find(|turn| turn.speaker == super::Speaker::Bot);
    last.is_some_and(|turn| turn.asks_back)
}
