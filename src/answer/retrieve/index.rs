//! The passages of one server in memory, ready to be ranked. Pure.

use super::postings::{Collected, Postings};
use super::typos::Trigrams;
use super::vector::{Lexemes, Place};
use std::collections::HashMap;
use std::ops::Range;
use uuid::Uuid;

/// The title of a document as it is read from the database.
#[derive(Clone, Debug)]
pub struct Titled {
    pub id: Uuid,
    pub title: String,
}

/// A passage as it is read from the database.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub document_id: Uuid,
    pub ordinal: i32,
    pub heading: String,
    pub content: String,
    pub lexemes: Lexemes,
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
    /// Its part of [`Index::sequence`].
    from: u32,
    to: u32,
}

/// Words by their text. The hasher is seeded by chance, since others choose the words.
type Words = HashMap<Box<str>, u32, foldhash::fast::RandomState>;

/// All that ranking needs of a server's knowledge.
#[derive(Debug, Default)]
pub struct Index {
    pub(super) documents: Vec<Document>,
    pub(super) passages: Vec<Passage>,
    /// Where the passages of each document stand.
    ranges: HashMap<Uuid, Range<u32>, foldhash::fast::RandomState>,
    terms: Words,
    pub(super) in_passages: Postings,
    pub(super) in_documents: Postings,
    /// Terms of all passages in the order of their texts: title, heading, content.
    sequence: Vec<u32>,
    pub(super) trigrams: Trigrams,
    bytes: usize,
}

/// Times that a lexeme of a title or heading counts.
const HEADING_WEIGHT: f32 = 2.0;

impl Index {
    /// Builds the index. Documents rank by their title where scores are equal, so that equal documents are ranked alike
    /// wherever they were imported; passages of documents that are not named are left out.
    pub fn new(mut documents: Vec<Titled>, rows: Vec<Row>) -> Self {
        documents.sort_unstable_by(|one, other| (&one.title, one.id).cmp(&(&other.title, other.id)));
        let numbers: HashMap<Uuid, u32, foldhash::fast::RandomState> =
            documents.iter().map(|document| document.id).zip(0u32..).collect();
        let mut ordered: Vec<(u32, i32, Row)> = rows
            .into_iter()
            .filter_map(|row| Some((*numbers.get(&row.document_id)?, row.ordinal, row)))
            .collect();
        ordered.sort_unstable_by_key(|(document, ordinal, _)| (*document, *ordinal));
        let mut building = Building::default();
        for of_document in ordered.chunk_by_mut(|one, other| one.0 == other.0) {
            let document = &mut documents[of_document[0].0 as usize];
            building.add_document(std::mem::take(&mut document.title), document.id);
            for (at, (_, _, row)) in of_document.iter_mut().enumerate() {
                building.add_passage(std::mem::take(row), at == 0);
            }
            building.end_document();
        }
        building.finish()
    }

    /// Terms of a passage in the order of its text.
    pub(super) fn sequence(&self, passage: u32) -> &[u32] {
        let Passage { from, to, .. } = self.passages[passage as usize];
        &self.sequence[from as usize..to as usize]
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

    /// How many passages there are.
    pub fn len(&self) -> usize {
        self.passages.len()
    }

    /// Where a passage stands among all.
    pub fn place(&self, document: Uuid, ordinal: i32) -> Option<usize> {
        let range = self.ranges.get(&document)?;
        let passages = &self.passages[range.start as usize..range.end as usize];
        let at = passages.binary_search_by_key(&ordinal, |passage| passage.ordinal).ok()?;
        Some(range.start as usize + at)
    }

    /// Title, heading and content of every passage, in their order.
    pub fn texts(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.passages.iter().map(|passage| {
            let title = &self.documents[passage.document as usize].title;
            (&**title, &*passage.heading, &*passage.content)
        })
    }

    /// Memory that the index holds, estimated.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn count_bytes(&self) -> usize {
        let documents: usize = self.documents.iter().map(|document| document.title.len() + 72).sum();
        let passages: usize =
            self.passages.iter().map(|passage| passage.heading.len() + passage.content.len() + 48).sum();
        let terms: usize = self.terms.keys().map(|word| word.len() + 40).sum();
        let sequences = 4 * self.sequence.len();
        documents
            + passages
            + terms
            + sequences
            + self.in_passages.bytes()
            + self.in_documents.bytes()
            + self.trigrams.bytes()
    }
}

/// An index that grows.
#[derive(Default)]
struct Building {
    index: Index,
    of_passages: Collected,
    of_documents: Collected,
    /// How often the document in hand has each term, and which it has.
    counts: Vec<f32>,
    counted: Vec<u32>,
    /// Its first passage.
    begun: u32,
    /// Places and terms of the passage in hand.
    placed: Vec<(u16, u32)>,
}

impl Building {
    fn add_document(&mut self, title: String, id: Uuid) {
        self.index.documents.push(Document { id, title: title.into_boxed_str() });
    }

    fn add_passage(&mut self, row: Row, is_first: bool) {
        let Self { index, of_passages, counts, counted, placed, .. } = self;
        placed.clear();
        for (lexeme, positions) in row.lexemes.iter() {
            let term = match index.terms.get(lexeme) {
                Some(term) => *term,
                None => {
                    let next = small(counts.len());
                    index.terms.insert(lexeme.into(), next);
                    counts.push(0.0);
                    next
                }
            };
            let (mut in_passage, mut in_document) = (0.0, 0.0);
            for (position, place) in positions.iter() {
                let weight = if place == Place::Body { 1.0 } else { HEADING_WEIGHT };
                in_passage += weight;
                // The title is in every passage of the document; the document has it once.
                in_document += if place != Place::Title || is_first { weight } else { 0.0 };
                placed.push((position, term));
            }
            of_passages.add(term, in_passage);
            let count = &mut counts[term as usize];
            if *count == 0.0 && in_document > 0.0 {
                counted.push(term);
            }
            *count += in_document;
        }
        of_passages.end_unit();
        placed.sort_unstable();
        let from = small(index.sequence.len());
        index.sequence.extend(placed.iter().map(|(_, term)| *term));
        index.passages.push(Passage {
            document: small(index.documents.len() - 1),
            ordinal: row.ordinal,
            heading: row.heading.into_boxed_str(),
            content: row.content.into_boxed_str(),
            from,
            to: small(index.sequence.len()),
        });
    }

    fn end_document(&mut self) {
        for term in self.counted.drain(..) {
            self.of_documents.add(term, std::mem::take(&mut self.counts[term as usize]));
        }
        self.of_documents.end_unit();
        if let Some(document) = self.index.documents.last() {
            let (from, to) = (self.begun, small(self.index.passages.len()));
            self.index.ranges.insert(document.id, from..to);
            self.begun = to;
        }
    }

    fn finish(self) -> Index {
        let Self { mut index, of_passages, of_documents, .. } = self;
        index.in_passages = of_passages.finish(index.terms.len());
        index.in_documents = of_documents.finish(index.terms.len());
        let mut words: Vec<(&str, u32)> = index.terms.iter().map(|(word, id)| (&**word, *id)).collect();
        words.sort_unstable_by_key(|(_, id)| *id);
        index.trigrams = Trigrams::new(words.into_iter().map(|(word, _)| word));
        index.bytes = index.count_bytes();
        index
    }
}

fn small(count: usize) -> u32 {
    u32::try_from(count).expect("fewer than 2^32 words fit in memory")
}
