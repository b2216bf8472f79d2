//! From a question to an answer: what every answerer takes and gives.
//!
//! [`retrieve`] finds the passages of the server's own knowledge, an [`Answerer`] makes a reply of them: [`extract`]
//! quotes, [`model`] lets a chat model write. An answerer runs outside any transaction and may be run again for the
//! same question after a crash.

pub mod extract;
pub mod model;
pub mod prompt;
pub mod retrieve;
pub mod spent;

use crate::texts::Lang;
use helpline_cluster::ids::ServerId;
use std::future::Future;
use std::pin::Pin;
use uuid::Uuid;

/// Who said a turn of the conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// The member who asks.
    Member,
    /// This bot.
    Bot,
    /// A human of the support team.
    Staff,
}

/// One earlier turn of the conversation.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Turn {
    pub speaker: Speaker,
    pub text: String,
    /// The bot asked the member back here instead of answering.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub asks_back: bool,
}

/// A question with all that an answerer may look at.
#[derive(Clone, Debug)]
pub struct AnswerRequest {
    /// The server whose knowledge is searched; nothing of another server is reached.
    pub server: ServerId,
    /// Language tag of the server (`ServerConfig::language`).
    pub language: String,
    /// `ServerConfig::system_prompt`; read by chat models only.
    pub system_prompt: String,
    /// The question as the member typed it.
    pub question: String,
    /// Earlier turns of the same conversation, oldest first, without the question.
    pub history: Vec<Turn>,
    /// Of what the answerer says in words of its own.
    pub lang: Lang,
}

/// What the answerer decided to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The text answers the question from the cited documents.
    Answer,
    /// The evidence is too thin: the text says so, and a human is offered.
    Unsure,
    /// The text asks the member for what is needed to answer.
    Clarify,
    /// A human is to take over, as if the member had pressed "Ask a human".
    HandOver(Reason),
}

impl Action {
    /// What became of the question, as metrics name it.
    pub const fn outcome(self) -> &'static str {
        match self {
            Self::Answer => "answered",
            Self::Unsure => "unsure",
            Self::Clarify => "clarified",
            Self::HandOver(_) => "handed_over",
        }
    }
}

/// Why a human is to take over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The member asks for one.
    AskedForHuman,
    /// Only staff can look into it: an account, a payment, a moderation decision.
    AccountOrPayment,
    Complaint,
    /// Somebody may be harmed, or has been.
    Safety,
    Other,
}

/// A section of a document that the text was made from; `[n]` in the text is the n-th citation, counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Citation {
    pub document_id: Uuid,
    pub title: String,
    /// Heading path inside the document, `Section › Subsection`; empty before the first heading.
    pub heading: String,
}

/// A reply. The text is Discord Markdown in which quoted material cannot mention anyone; it has no sources line
/// and no buttons (delivery adds both) and fits [`MAX_TEXT_CHARS`].
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Answer {
    pub action: Action,
    pub text: String,
    /// Empty unless the action is [`Action::Answer`].
    pub citations: Vec<Citation>,
    /// How sure the answerer is that the text answers the question, 0 to 1.
    pub confidence: f32,
    /// What a chat model was paid for it, also when its reply was not used; 0 without one.
    #[serde(default)]
    pub tokens: u64,
}

/// Longest text of an answer, in characters: two Discord messages and a half.
pub const MAX_TEXT_CHARS: usize = 5_000;

/// Why there is no answer; the question can be tried again.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("searching the knowledge: {0}")]
    Retrieve(#[from] retrieve::Error),
    #[error("reading what a server has spent today: {0}")]
    Spent(#[from] sqlx::Error),
}

/// The future of an answer, boxed so that answerers can be chosen at run time.
pub type AnswerFuture<'a> = Pin<Box<dyn Future<Output = Result<Answer, Error>> + Send + 'a>>;

/// Makes an answer of a question: the built-in extractive answerer, or a chat model.
pub trait Answerer: Send + Sync {
    /// Answers one question. Has no effect that others can see.
    fn answer<'a>(&'a self, request: &'a AnswerRequest) -> AnswerFuture<'a>;
}
