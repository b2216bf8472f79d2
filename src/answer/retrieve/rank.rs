//! Ranks the passages of an [`Index`] against a question: BM25 over passages (Robertson, Zaragoza 2009), with
//! adjacent word pairs and the whole document added. Any shared lexeme counts (OR), none is required. Pure.

use super::dense::Likeness;
use super::evidence::{self, Evidence};
use super::index::Index;
use super::postings::Postings;
use super::vector::Token;
use std::collections::{BTreeMap, HashMap};

const K1: f32 = 1.6;
const B: f32 = 0.75;
/// Saturation of words that the question repeats.
const K3: f32 = 3.0;
const BIGRAM_WEIGHT: f32 = 0.2;
const DOCUMENT_WEIGHT: f32 = 0.3;
/// Documents and passages of one document that are returned at most.
const MAX_DOCUMENTS: usize = 10;
const MAX_PASSAGES_PER_DOCUMENT: usize = 3;

/// A question as weighted lexemes and adjacent pairs of them.
#[derive(Clone, Debug, Default)]
pub struct Query {
    words: BTreeMap<String, f32>,
    pairs: BTreeMap<(String, String), f32>,
}

impl Query {
    /// Adds one turn; the question itself has weight 1.
    pub fn add(&mut self, tokens: &[Token], weight: f32) {
        for token in tokens {
            *self.words.entry(token.lexeme.clone()).or_default() += weight;
        }
        for pair in tokens.windows(2) {
            *self.pairs.entry((pair[0].lexeme.clone(), pair[1].lexeme.clone())).or_default() += weight;
        }
    }
}

/// A ranked passage: its place in the index and its score.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) passage: u32,
    pub(super) score: f32,
}

/// A question word as the index knows it.
struct Word {
    /// None = the knowledge base does not have it, and nothing near it.
    term: Option<u32>,
    idf: f32,
    /// Weight in the question, saturated by k3.
    weight: f32,
    /// 1, or the similarity of the word that stands in for a mistyped one.
    likeness: f32,
    /// How much the word says about what is asked.
    telling: f32,
}

pub(super) fn rank(index: &Index, query: &Query, likeness: Option<&Likeness>) -> (Vec<Hit>, Evidence) {
    let words = words(index, query);
    let mut scores = vec![0.0; index.passages.len()];
    let mut of_documents = vec![0.0; index.documents.len()];
    for word in &words {
        let Some(term) = word.term else { continue };
        let weight = word.weight * word.idf;
        add(&index.in_passages, term, weight, &mut scores);
        add(&index.in_documents, term, weight, &mut of_documents);
    }
    let words_only = scores.clone();
    let pairs = pairs(index, query, &words, &mut scores);
    for (passage, score) in index.passages.iter().zip(&mut scores) {
        if *score > 0.0 {
            *score += DOCUMENT_WEIGHT * of_documents[passage.document as usize];
        }
    }
    let fused = likeness.map(|likeness| likeness.fused(&scores));
    let hits = best(index, fused.as_ref().unwrap_or(&scores));
    let mut evidence = weigh(index, &words, &pairs, &scores, &words_only, &hits);
    if let (Some(likeness), Some(top)) = (likeness, hits.first()) {
        (evidence.meant, evidence.cosine) = likeness.standing(top.passage);
    }
    let evidence = if hits.is_empty() { evidence } else { evidence.judged(index.documents.len()) };
    (hits, evidence)
}

fn words(index: &Index, query: &Query) -> Vec<Word> {
    query
        .words
        .iter()
        .map(|(lexeme, count)| {
            let (term, likeness) = match index.term(lexeme) {
                Some(term) => (Some(term), 1.0),
                None => match index.trigrams.nearest(lexeme) {
                    Some((term, likeness)) => (Some(term), likeness),
                    None => (None, 0.0),
                },
            };
            let documents = term.map_or(0, |term| index.in_documents.of(term).len());
            let (idf, weight) = (index.idf(documents), count * (K3 + 1.0) / (K3 + count));
            Word { term, idf, weight, likeness, telling: weight * idf * evidence::telling(lexeme) }
        })
        .collect()
}

fn saturate(count: f32, relative_length: f32) -> f32 {
    count * (K1 + 1.0) / (count + K1 * (1.0 - B + B * relative_length))
}

fn add(postings: &Postings, term: u32, weight: f32, scores: &mut [f32]) {
    for (unit, count) in postings.of(term) {
        scores[*unit as usize] += weight * saturate(*count, postings.relative_length(*unit));
    }
}

/// A pair of question words that stand next to each other somewhere in the knowledge base, or nowhere.
struct Pair {
    idf: f32,
    counts: HashMap<u32, u16>,
}

/// Finds the question's pairs and adds their part to the scores.
fn pairs(index: &Index, query: &Query, words: &[Word], scores: &mut [f32]) -> Vec<Pair> {
    let terms: HashMap<&str, u32> = query
        .words
        .keys()
        .zip(words)
        .filter_map(|(lexeme, word)| Some((lexeme.as_str(), word.term?)))
        .collect();
    let mut found = Vec::new();
    for ((first, second), count) in &query.pairs {
        let counts = match (terms.get(first.as_str()), terms.get(second.as_str())) {
            (Some(first), Some(second)) => count_pair(index, *first, *second),
            _ => HashMap::new(),
        };
        let mut documents: Vec<u32> =
            counts.keys().map(|passage| index.passages[*passage as usize].document).collect();
        documents.sort_unstable();
        documents.dedup();
        let idf = index.idf(documents.len());
        let weight = BIGRAM_WEIGHT * idf * count * (K3 + 1.0) / (K3 + count);
        for (passage, count) in &counts {
            let relative_length = index.in_passages.relative_length(*passage);
            scores[*passage as usize] += weight * saturate(f32::from(*count), relative_length);
        }
        found.push(Pair { idf, counts });
    }
    found
}

fn count_pair(index: &Index, first: u32, second: u32) -> HashMap<u32, u16> {
    let (one, other) = (index.in_passages.of(first), index.in_passages.of(second));
    let rarer = if one.len() <= other.len() { one } else { other };
    let mut counts = HashMap::new();
    for (passage, _) in rarer {
        let sequence = index.sequence(*passage);
        let count = sequence.windows(2).filter(|pair| pair[0] == first && pair[1] == second).count();
        if count > 0 {
            counts.insert(*passage, u16::try_from(count).unwrap_or(u16::MAX));
        }
    }
    counts
}

/// The best passages of the best documents; a document ranks by its best passage.
fn best(index: &Index, scores: &[f32]) -> Vec<Hit> {
    let mut hits: Vec<Hit> = (0u32..)
        .zip(scores)
        .filter(|(_, score)| **score > 0.0)
        .map(|(passage, score)| Hit { passage, score: *score })
        .collect();
    hits.sort_unstable_by(|a, b| b.score.total_cmp(&a.score).then(a.passage.cmp(&b.passage)));
    let mut taken: HashMap<u32, usize> = HashMap::new();
    hits.retain(|hit| {
        let document = index.passages[hit.passage as usize].document;
        if !taken.contains_key(&document) && taken.len() == MAX_DOCUMENTS {
            return false;
        }
        let of_document = taken.entry(document).or_default();
        *of_document += 1;
        *of_document <= MAX_PASSAGES_PER_DOCUMENT
    });
    hits
}

fn weigh(
    index: &Index,
    words: &[Word],
    pairs: &[Pair],
    scores: &[f32],
    words_only: &[f32],
    hits: &[Hit],
) -> Evidence {
    // Without a hit there is no evidence at all, and no confidence.
    let Some(top) = hits.first() else { return Evidence::default() };
    let mut of_documents = vec![0.0f32; index.documents.len()];
    for (passage, score) in index.passages.iter().zip(scores) {
        let best = &mut of_documents[passage.document as usize];
        *best = best.max(*score);
    }
    let all = of_documents.len() as f32;
    let mean = of_documents.iter().sum::<f32>() / all;
    let deviation = (of_documents.iter().map(|score| (score - mean).powi(2)).sum::<f32>() / all).sqrt();
    let top_document = index.passages[top.passage as usize].document;
    let second = hits.iter().find(|hit| index.passages[hit.passage as usize].document != top_document);
    let sequence = index.sequence(top.passage);
    let asked: f32 = words.iter().map(|word| word.telling).sum();
    let ideal: f32 = words.iter().map(|word| word.weight * word.idf * (K1 + 1.0)).sum();
    let telling = |has: &dyn Fn(u32) -> bool| -> f32 {
        let found = words.iter().filter(|word| word.term.is_some_and(has));
        found.map(|word| word.telling * word.likeness).sum()
    };
    let found = telling(&|term| sequence.contains(&term));
    let in_document = telling(&|term| {
        index.in_documents.of(term).binary_search_by_key(&top_document, |(document, _)| *document).is_ok()
    });
    let pairs_asked: f32 = pairs.iter().map(|pair| pair.idf).sum();
    let pairs_found: f32 =
        pairs.iter().filter(|pair| pair.counts.contains_key(&top.passage)).map(|pair| pair.idf).sum();
    let share = |part: f32, whole: f32| if whole > 0.0 { part / whole } else { 0.0 };
    // Words alone: how they score was fitted, and a hit may have been found by its meaning.
    let of_top = scores[top.passage as usize];
    let of_second = second.map_or(0.0, |hit| scores[hit.passage as usize]);
    Evidence {
        z: share(of_top - mean, deviation),
        words: share(found, asked),
        pairs: share(pairs_found, pairs_asked),
        in_document: share(in_document, asked),
        known: share(telling(&|_| true), asked),
        amount: found / index.idf(1),
        ideal: share(words_only[top.passage as usize], ideal),
        margin: (1.0 - share(of_second, of_top)).max(0.0),
        ..Evidence::default()
    }
}
