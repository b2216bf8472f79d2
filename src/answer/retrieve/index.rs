//! The passages of one server in memory, ready to be ranked. Pure.

use super::typos::Trigrams;
use super::vector::{self, Place};
use std::collections::HashMap;
use uuid::Uuid;

/// A passage as it is read from the database.
#[derive(Clone, Debug)]
pub struct Row {
    pub document_id: Uuid,
    pub title: String,
    pub ordinal: i32,
    pub heading: String,
    pub content: String,
    /// Text form of the lexemes (`tsvector`).
    pub lexemes: String,
}

#[derive(Debug)]
pub(super) struct Document {
    pub(super) id: Uuid,
    pub(super) title: Box<str>,
}

#[derive(Debug)]
pub(super) struct Passage {
    pub(super) document: u32,
    pub(super) ordinal: i32,
    pub(super) heading: Box<str>,
    pub(super) content: Box<str>,
}

/// For each term the units (passages or documents) that have it, with the weighted number of times.
#[derive(Debug, Default)]
pub(super) struct Postings {
    lists: Vec<Vec<(u32, f32)>>,
    /// Weighted length of each unit.
    lengths: Vec<f32>,
    mean_length: f32,
}

impl Postings {
    /// Units must be added in the order of their ids.
    fn add(&mut self, unit: u32, counts: &HashMap<u32, f32>) {
        self.lengths.resize(unit as usize + 1, 0.0);
        self.lengths[unit as usize] = counts.values().sum();
        for (term, count) in counts {
            if self.lists.len() <= *term as usize {
                self.lists.resize_with(*term as usize + 1, Vec::new);
            }
            self.lists[*term as usize].push((unit, *count));
        }
    }

    fn finish(&mut self) {
        self.lists.iter_mut().for_each(Vec::shrink_to_fit);
        self.mean_length = self.lengths.iter().sum::<f32>() / self.lengths.len().max(1) as f32;
    }

    pub(super) fn of(&self, term: u32) -> &[(u32, f32)] {
        self.lists.get(term as usize).map_or(&[], Vec::as_slice)
    }

    /// Length of a unit over the mean length.
    pub(super) fn relative_length(&self, unit: u32) -> f32 {
        self.lengths[unit as usize] / self.mean_length.max(f32::MIN_POSITIVE)
    }

    fn bytes(&self) -> usize {
        self.lists.iter().map(|list| 8 * list.capacity() + 24).sum::<usize>() + 4 * self.lengths.len()
    }
}

/// All that ranking needs of a server's knowledge.
#[derive(Debug, Default)]
pub struct Index {
    pub(super) documents: Vec<Document>,
    pub(super) passages: Vec<Passage>,
    terms: HashMap<Box<str>, u32>,
    pub(super) in_passages: Postings,
    pub(super) in_documents: Postings,
    /// Terms of each passage in the order of its text: title, heading, content.
    pub(super) sequences: Vec<Box<[u32]>>,
    pub(super) trigrams: Trigrams,
    bytes: usize,
}

/// Times that a lexeme of a title or heading counts.
const HEADING_WEIGHT: f32 = 2.0;

impl Index {
    /// Builds the index; rows of one document must follow each other.
    pub fn new(rows: impl IntoIterator<Item = Row>) -> Self {
        let mut index = Self::default();
        let mut of_document: HashMap<u32, f32> = HashMap::new();
        for row in rows {
            if index.documents.last().is_none_or(|document| document.id != row.document_id) {
                index.end_document(&mut of_document);
                index.documents.push(Document { id: row.document_id, title: row.title.as_str().into() });
            }
            index.add_passage(row, &mut of_document);
        }
        index.end_document(&mut of_document);
        index.in_passages.finish();
        index.in_documents.finish();
        let mut words: Vec<(&str, u32)> = index.terms.iter().map(|(word, id)| (&**word, *id)).collect();
        words.sort_unstable_by_key(|(_, id)| *id);
        index.trigrams = Trigrams::new(words.into_iter().map(|(word, _)| word));
        index.bytes = index.count_bytes();
        index
    }

    fn add_passage(&mut self, row: Row, of_document: &mut HashMap<u32, f32>) {
        let is_first = of_document.is_empty();
        let mut of_passage: HashMap<u32, f32> = HashMap::new();
        let mut sequence = Vec::new();
        for token in vector::tokens(&row.lexemes) {
            let next =
                u32::try_from(self.terms.len()).expect("fewer than 2^32 different words fit in memory");
            let term = *self.terms.entry(token.lexeme.into_boxed_str()).or_insert(next);
            let weight = if token.place == Place::Body { 1.0 } else { HEADING_WEIGHT };
            *of_passage.entry(term).or_default() += weight;
            // The title is in every passage of the document; the document has it once.
            if token.place != Place::Title || is_first {
                *of_document.entry(term).or_default() += weight;
            }
            sequence.push(term);
        }
        let id = u32::try_from(self.passages.len()).expect("fewer than 2^32 passages fit in memory");
        let document =
            u32::try_from(self.documents.len() - 1).expect("there are no more documents than passages");
        self.in_passages.add(id, &of_passage);
        self.sequences.push(sequence.into_boxed_slice());
        self.passages.push(Passage {
            document,
            ordinal: row.ordinal,
            heading: row.heading.into_boxed_str(),
            content: row.content.into_boxed_str(),
        });
    }

    fn end_document(&mut self, of_document: &mut HashMap<u32, f32>) {
        if let Some(last) = self.documents.len().checked_sub(1) {
            let id = u32::try_from(last).expect("there are no more documents than passages");
            self.in_documents.add(id, of_document);
        }
        of_document.clear();
    }

    pub(super) fn term(&self, lexeme: &str) -> Option<u32> {
        self.terms.get(lexeme).copied()
    }

    /// Inverse document frequency of something that `documents` documents have; never negative.
    pub(super) fn idf(&self, documents: usize) -> f32 {
        let (all, having) = (self.documents.len() as f32, documents as f32);
        ((all - having + 0.5) / (having + 0.5)).ln_1p()
    }

    pub fn is_empty(&self) -> bool {
        self.passages.is_empty()
    }

    /// Memory that the index holds, estimated.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn count_bytes(&self) -> usize {
        let documents: usize = self.documents.iter().map(|document| document.title.len() + 40).sum();
        let passages: usize =
            self.passages.iter().map(|passage| passage.heading.len() + passage.content.len() + 56).sum();
        let terms: usize = self.terms.keys().map(|word| word.len() + 40).sum();
        let sequences: usize = self.sequences.iter().map(|sequence| 4 * sequence.len() + 16).sum();
        documents
            + passages
            + terms
            + sequences
            + self.in_passages.bytes()
            + self.in_documents.bytes()
            + self.trigrams.bytes()
    }
}
