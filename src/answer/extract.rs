//! The built-in answerer: quotes the best passages, without network or model.

use super::retrieve::Retriever;
use super::{Action, Answer, AnswerFuture, AnswerRequest, Answerer};

/// Answers by quoting.
#[derive(Clone, Debug)]
pub struct Extractive {
    #[expect(dead_code, reason = "the index follows")]
    retriever: Retriever,
}

impl Extractive {
    pub fn new(retriever: Retriever) -> Self {
        Self { retriever }
    }
}

impl Answerer for Extractive {
    fn answer<'a>(&'a self, _request: &'a AnswerRequest) -> AnswerFuture<'a> {
        Box::pin(async {
            Ok(Answer {
                action: Action::Unsure,
                text: "I could not find this in the documents of this server.".to_owned(),
                citations: Vec::new(),
                confidence: 0.0,
            })
        })
    }
}
