//! Cuts documents into the passages that are searched and quoted. Pure.
//!
//! Short passages are what lifts BM25 most: about [`TARGET`] words with about 15 words shared between
//! neighbours, cut only where a sentence or a line ends. A passage never spans two sections and carries its
//! heading path; code stays fenced.

mod blocks;
pub mod sentences;

use blocks::Unit;

/// Words a passage aims at; a passage ends before the unit that would exceed it by [`SLACK`].
pub const TARGET: usize = 50;
/// Words repeated from the end of the passage before, at most: whole sentences, so about 15 of them on average.
pub const OVERLAP: usize = 20;
/// A unit (sentence, line) longer than this is cut between words; no passage is longer than this and a unit.
const LONGEST_UNIT: usize = 60;
const SLACK: usize = 10;
/// Joins the parts of a heading path.
pub const HEADING_SEPARATOR: &str = " › ";

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    Markdown,
    /// The text that was read from it.
    Pdf,
}

/// A piece of a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Passage {
    /// The headings above it, outermost first, joined by [`HEADING_SEPARATOR`]; without the document's title.
    pub heading: String,
    /// Markdown: one line a block, lists as lists, code fenced.
    pub content: String,
}

/// The document's own title: front matter's `title:`, or the first `# heading`.
pub fn title(text: &str, format: Format) -> Option<String> {
    match format {
        Format::Text | Format::Pdf => None,
        Format::Markdown => blocks::markdown(text).title,
    }
}

/// Cuts a document into passages; none for a document without words.
pub fn split(text: &str, format: Format) -> Vec<Passage> {
    let document = match format {
        Format::Text | Format::Pdf => blocks::text(text),
        Format::Markdown => blocks::markdown(text),
    };
    let mut passages = Vec::new();
    for section in document.sections {
        let units: Vec<Unit> = section.units.into_iter().flat_map(cut_long).collect();
        for range in pack(&units) {
            passages.push(Passage { heading: section.heading.clone(), content: render(&units[range]) });
        }
    }
    passages
}

/// Ranges of units, each a passage.
fn pack(units: &[Unit]) -> Vec<std::ops::Range<usize>> {
    let mut ranges = Vec::new();
    let (mut start, mut words) = (0, 0);
    for (at, unit) in units.iter().enumerate() {
        if words > 0 && words + unit.words > TARGET + SLACK {
            ranges.push(start..at);
            let (back, carried) = overlap(&units[start..at]);
            start = at - back;
            words = carried;
            if words + unit.words > TARGET + SLACK {
                (start, words) = (at, 0);
            }
        }
        words += unit.words;
    }
    if start < units.len() {
        ranges.push(start..units.len());
    }
    ranges
}

/// How many units at the end are repeated, and their words; never all of them.
fn overlap(units: &[Unit]) -> (usize, usize) {
    let mut carried = 0;
    let back = units
        .iter()
        .skip(1)
        .rev()
        .take_while(|unit| {
            let fits = carried + unit.words <= OVERLAP;
            carried += if fits { unit.words } else { 0 };
            fits
        })
        .count();
    (back, carried)
}

fn cut_long(unit: Unit) -> Vec<Unit> {
    if unit.words <= LONGEST_UNIT {
        return vec![unit];
    }
    let mut pieces: Vec<Unit> = Vec::new();
    for word in unit.text.split_whitespace().flat_map(cut_word) {
        let cost = count_words(word);
        match pieces.last_mut() {
            Some(piece) if piece.words + cost <= LONGEST_UNIT => {
                piece.text.push(' ');
                piece.text.push_str(word);
                piece.words += cost;
            }
            last => {
                let starts_line = last.is_none() && unit.starts_line;
                pieces.push(Unit { text: word.to_owned(), words: cost, code: unit.code, starts_line });
            }
        }
    }
    pieces
}

/// A "word" may be a paragraph of a script without spaces, or a dump.
fn cut_word(word: &str) -> Vec<&str> {
    const LONGEST_CHARS: usize = 60;
    let mut pieces = Vec::new();
    let mut rest = word;
    while let Some((at, _)) = rest.char_indices().nth(LONGEST_CHARS) {
        pieces.push(&rest[..at]);
        rest = &rest[at..];
    }
    pieces.push(rest);
    pieces
}

/// Words of a text; a very long word counts as several, ideographs as half a word each.
fn count_words(text: &str) -> usize {
    text.split_whitespace()
        .map(|word| {
            let wide = word.chars().filter(|c| is_ideograph(*c)).count();
            let narrow = word.chars().count() - wide;
            (wide / 2 + narrow.div_ceil(30)).max(1)
        })
        .sum()
}

fn is_ideograph(c: char) -> bool {
    matches!(u32::from(c), 0x3040..=0x30ff | 0x3400..=0x9fff | 0xac00..=0xd7af | 0x20000..=0x3ffff)
}

fn render(units: &[Unit]) -> String {
    let mut text = String::new();
    let mut in_code = false;
    for unit in units {
        if unit.code != in_code {
            if !text.is_empty() {
                text.push('\n');
            }
            text.push_str(if unit.code { "```\n" } else { "```" });
            in_code = unit.code;
            if !unit.code {
                text.push('\n');
            }
        } else if !text.is_empty() {
            text.push(if unit.starts_line || unit.code { '\n' } else { ' ' });
        }
        text.push_str(&unit.text);
    }
    if in_code {
        text.push_str("\n```");
    }
    text
}

#[cfg(test)]
mod tests;
