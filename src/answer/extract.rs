//! The built-in answerer: quotes the sentences that answer best, without network or model.

pub(super) mod quote;

use super::retrieve::{Found, Retrieved, Retriever};
use super::{Action, Answer, AnswerFuture, AnswerRequest, Answerer, Citation, Error, MAX_TEXT_CHARS};
use crate::texts::{Lang, say};
use quote::{Block, blocks};
use std::collections::{HashMap, HashSet};

/// Sections that are quoted at most.
const MAX_QUOTES: usize = 3;
/// A further section is quoted only when its score is at least this part of the best one's.
const FURTHER_SCORE: f32 = 0.6;
/// Words that are quoted of the best section and of each further one, about.
const BEST_WORDS: usize = 90;
const FURTHER_WORDS: usize = 40;
/// A block is worth quoting when it has at least this part of the best block's telling words.
const WORTH_QUOTING: f32 = 0.35;
/// A further section is quoted only when its best block has at least this part of the best one's words.
const FURTHER_WORTH: f32 = 0.25;
/// Blocks (sentences, list items, code) that are looked at for one answer.
const MAX_BLOCKS: usize = 80;

/// What is said when the evidence is too thin; delivery offers the human below it.
pub fn unsure_text(lang: Lang) -> String {
    say!(lang, "answer-unsure")
}

/// Answers by quoting.
#[derive(Clone, Debug)]
pub struct Extractive {
    retriever: Retriever,
}

impl Extractive {
    pub fn new(retriever: Retriever) -> Self {
        Self { retriever }
    }

    async fn make(&self, request: &AnswerRequest) -> Result<Answer, Error> {
        let found = self
            .retriever
            .retrieve(request.server, &request.language, &request.question, &request.history)
            .await?;
        self.quote(request, &found).await
    }

    /// Makes the answer of what was found.
    pub async fn quote(&self, request: &AnswerRequest, found: &Retrieved) -> Result<Answer, Error> {
        if found.evidence.is_thin() {
            return Ok(unsure(found, request.lang));
        }
        let sections = sections(found);
        let texts: Vec<String> = std::iter::once(asked(request, found))
            .chain(sections.iter().flat_map(|section| &section.blocks).map(|block| block.text.clone()))
            .take(MAX_BLOCKS + 1)
            .collect();
        let lexemes = self.retriever.lexemes(&request.language, &texts).await?;
        Ok(compose(found, &sections, &lexemes, request.lang))
    }
}

impl Answerer for Extractive {
    fn answer<'a>(&'a self, request: &'a AnswerRequest) -> AnswerFuture<'a> {
        Box::pin(self.make(request))
    }
}

fn unsure(found: &Retrieved, lang: Lang) -> Answer {
    Answer {
        action: Action::Unsure,
        text: unsure_text(lang),
        citations: Vec::new(),
        confidence: found.evidence.confidence,
        tokens: 0,
    }
}

/// The words that a sentence should have: those of the question, and of the member's turn before it where it goes on with that.
fn asked(request: &AnswerRequest, found: &Retrieved) -> String {
    let before = request.history.iter().rev().find(|turn| turn.speaker == super::Speaker::Member);
    let before = before.filter(|_| found.follows_on);
    format!("{} {}", request.question, before.map_or("", |turn| &turn.text))
}

/// A section of a document that may be quoted: its passages joined, blocks in the order of the text.
struct Section<'a> {
    found: &'a Found,
    blocks: Vec<Block>,
}

/// The best sections, each of another document. Passages of one section are put together, or their overlap would be quoted twice.
fn sections(retrieved: &Retrieved) -> Vec<Section<'_>> {
    let Some(best) = retrieved.passages.first() else { return Vec::new() };
    let mut sections: Vec<Vec<&Found>> = Vec::new();
    for found in retrieved.passages.iter().filter(|found| found.score >= FURTHER_SCORE * best.score) {
        let same = |passages: &Vec<&Found>| {
            passages[0].document_id == found.document_id && passages[0].heading == found.heading
        };
        let known = sections.iter().any(|passages| passages[0].document_id == found.document_id);
        match sections.iter().position(same) {
            Some(at) => sections[at].push(found),
            None if known => {}
            None if sections.len() < MAX_QUOTES => sections.push(vec![found]),
            None => {}
        }
    }
    sections
        .into_iter()
        .map(|mut passages| {
            let found = passages[0];
            passages.sort_by_key(|passage| passage.ordinal);
            let mut seen = HashSet::new();
            let all = passages.iter().flat_map(|passage| blocks(&passage.content));
            Section { found, blocks: all.filter(|block| seen.insert(block.text.clone())).collect() }
        })
        .collect()
}

/// `lexemes` are those of the question, then of every block.
fn compose(retrieved: &Retrieved, sections: &[Section<'_>], lexemes: &[Vec<String>], lang: Lang) -> Answer {
    let (asked, of_blocks) = lexemes.split_first().expect("the question's lexemes come first");
    let asked: HashSet<&str> = asked.iter().map(String::as_str).collect();
    let weights = weights(&asked, of_blocks);
    let mut of_blocks = of_blocks.iter();
    let mut text = String::new();
    let mut citations: Vec<Citation> = Vec::new();
    let mut best_worth = 0.0f32;
    for (at, section) in sections.iter().enumerate() {
        let worth: Vec<f32> = section
            .blocks
            .iter()
            .zip(of_blocks.by_ref())
            .map(|(_, lexemes)| worth(lexemes, &weights))
            .collect();
        let top = worth.iter().copied().fold(0.0, f32::max);
        best_worth = best_worth.max(top);
        if at > 0 && (top == 0.0 || top < FURTHER_WORTH * best_worth) {
            continue;
        }
        let words = if at == 0 { BEST_WORDS } else { FURTHER_WORDS };
        let quoted = quote::render(&section.blocks, &choose(&section.blocks, &worth, words));
        let mark = format!(" [{}]", citations.len() + 1);
        let separator = if text.is_empty() { "" } else { "\n\n" };
        let length = text.chars().count() + quoted.chars().count() + mark.len() + separator.len();
        if quoted.is_empty() || length > MAX_TEXT_CHARS {
            continue;
        }
        text.push_str(separator);
        text.push_str(&quoted);
        // A mark on the line of a closing fence would reopen the code.
        text.push_str(if quoted.ends_with("```") { mark.replacen(' ', "\n", 1) } else { mark }.as_str());
        citations.push(Citation {
            document_id: section.found.document_id,
            title: quote::title(&section.found.title),
            heading: quote::title(&section.found.heading),
        });
    }
    if citations.is_empty() {
        return unsure(retrieved, lang);
    }
    Answer { action: Action::Answer, text, citations, confidence: retrieved.evidence.confidence, tokens: 0 }
}

/// How telling each word of the question is among the blocks looked at: rarer is more.
fn weights<'a>(asked: &HashSet<&'a str>, of_blocks: &[Vec<String>]) -> HashMap<&'a str, f32> {
    let all = of_blocks.len() as f32;
    asked
        .iter()
        .map(|word| {
            let having =
                of_blocks.iter().filter(|lexemes| lexemes.iter().any(|lexeme| lexeme == word)).count() as f32;
            (*word, ((all + 1.0) / (having + 0.5)).ln())
        })
        .collect()
}

fn worth(lexemes: &[String], weights: &HashMap<&str, f32>) -> f32 {
    let different: HashSet<&str> = lexemes.iter().map(String::as_str).collect();
    different.iter().filter_map(|lexeme| weights.get(lexeme)).sum()
}

/// Picks blocks by worth within the budget of words, each with what it leads to: after a block that ends in a
/// colon its list or code, and the sentence after the best one, which often completes it.
fn choose(blocks: &[Block], worth: &[f32], budget: usize) -> Vec<bool> {
    let mut chosen = vec![false; blocks.len()];
    let top = worth.iter().copied().fold(0.0, f32::max);
    let mut order: Vec<usize> = (0..blocks.len().min(worth.len())).collect();
    order.sort_by(|a, b| worth[*b].total_cmp(&worth[*a]).then(a.cmp(b)));
    let mut left = budget;
    let mut take = |at: usize, chosen: &mut Vec<bool>, must: bool| {
        if chosen[at] {
            return true;
        }
        let fits = must || blocks[at].words <= left;
        if fits {
            chosen[at] = true;
            left = left.saturating_sub(blocks[at].words);
        }
        fits
    };
    for (rank, at) in order.into_iter().enumerate() {
        if rank > 0 && worth[at] < WORTH_QUOTING * top {
            break;
        }
        if !take(at, &mut chosen, rank == 0) {
            continue;
        }
        if let Some(lead) = quote::lead(blocks, at) {
            take(lead, &mut chosen, false);
        }
        for follower in quote::followers(blocks, at, rank == 0) {
            if !take(follower, &mut chosen, false) {
                break;
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests;
