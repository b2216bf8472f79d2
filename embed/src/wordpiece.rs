//! BERT's tokens: text is cleaned, put in lower case, cut at blanks and punctuation, and each word into the longest
//! pieces that the vocabulary has. Source: <https://arxiv.org/abs/1810.04805>, google-research/bert `tokenization.py`.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// A longer word is unknown as a whole.
const MAX_WORD_CHARS: usize = 100;
/// Text that is looked at for each token that may come of it, in characters: the rest could not count.
const CHARS_PER_TOKEN: usize = 40;

/// A vocabulary, and how text is written in it.
#[derive(Debug)]
pub struct WordPiece {
    pieces: HashMap<Box<str>, u32>,
    lower_case: bool,
    unknown: u32,
    first: u32,
    last: u32,
}

/// The token that the vocabulary lacks.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the vocabulary has no {0}")]
pub struct Missing(&'static str);

impl WordPiece {
    /// Of a `vocab.txt`: a token a line.
    ///
    /// # Errors
    /// When it lacks a token that every text needs.
    pub fn new(vocabulary: &str, lower_case: bool) -> Result<Self, Missing> {
        let pieces: HashMap<Box<str>, u32> =
            vocabulary.lines().map(|line| line.trim_end().into()).zip(0u32..).collect();
        let needed = |token: &'static str| pieces.get(token).copied().ok_or(Missing(token));
        let (unknown, first, last) = (needed("[UNK]")?, needed("[CLS]")?, needed("[SEP]")?);
        Ok(Self { pieces, lower_case, unknown, first, last })
    }

    pub fn len(&self) -> usize {
        self.pieces.len()
    }

    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// The tokens of a text with those that open and close it; the text is cut where they would be more than `most`.
    pub fn tokens(&self, text: &str, most: usize) -> Vec<u32> {
        let room = most.saturating_sub(1).max(1);
        let mut tokens = vec![self.first];
        for word in self.words(text, room * CHARS_PER_TOKEN) {
            self.cut(&word, &mut tokens);
            if tokens.len() >= room {
                break;
            }
        }
        tokens.truncate(room);
        tokens.push(self.last);
        tokens
    }

    fn words(&self, text: &str, most: usize) -> Vec<String> {
        let mut clean = String::new();
        for c in text.chars().take(most) {
            if c.is_whitespace() {
                clean.push(' ');
            } else if is_ideograph(c) {
                clean.extend([' ', c, ' ']);
            } else if c != '\u{fffd}' && c.general_category_group() != GeneralCategoryGroup::Other {
                clean.push(c);
            }
        }
        if self.lower_case {
            let bare = clean.nfd().filter(|c| c.general_category() != GeneralCategory::NonspacingMark);
            clean = bare.flat_map(char::to_lowercase).collect();
        }
        let mut words = Vec::new();
        for word in clean.split_whitespace() {
            let mut rest = word;
            while let Some((at, mark)) = rest.char_indices().find(|(_, c)| is_punctuation(*c)) {
                if at > 0 {
                    words.push(rest[..at].to_owned());
                }
                words.push(mark.to_string());
                rest = &rest[at + mark.len_utf8()..];
            }
            if !rest.is_empty() {
                words.push(rest.to_owned());
            }
        }
        words
    }

    /// Adds the longest pieces; a word that has a part in no piece is unknown as a whole.
    fn cut(&self, word: &str, tokens: &mut Vec<u32>) {
        let before = tokens.len();
        let ends: Vec<usize> = word.char_indices().map(|(at, c)| at + c.len_utf8()).collect();
        if ends.len() > MAX_WORD_CHARS {
            tokens.push(self.unknown);
            return;
        }
        let mut start = 0;
        let mut piece = String::new();
        while start < word.len() {
            let longest = ends.iter().rev().take_while(|end| **end > start).find_map(|end| {
                piece.clear();
                piece.push_str(if start > 0 { "##" } else { "" });
                piece.push_str(&word[start..*end]);
                Some((*self.pieces.get(piece.as_str())?, *end))
            });
            let Some((token, end)) = longest else {
                tokens.truncate(before);
                tokens.push(self.unknown);
                return;
            };
            tokens.push(token);
            start = end;
        }
    }
}

fn is_punctuation(c: char) -> bool {
    c.is_ascii_punctuation() || c.general_category_group() == GeneralCategoryGroup::Punctuation
}

fn is_ideograph(c: char) -> bool {
    matches!(
        u32::from(c),
        0x4e00..=0x9fff
            | 0x3400..=0x4dbf
            | 0x20000..=0x2a6df
            | 0x2a700..=0x2ceaf
            | 0xf900..=0xfaff
            | 0x2f800..=0x2fa1f
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const VOCABULARY: &str = "[PAD]\n[UNK]\n[CLS]\n[SEP]\nun\n##aff\n##able\ncafe\n,\n日\nstrasse\n!\n";

    fn tokens(text: &str) -> Vec<u32> {
        WordPiece::new(VOCABULARY, true).expect("complete").tokens(text, 16)
    }

    #[test]
    fn words_are_cut_into_the_longest_pieces() {
        assert_eq!(tokens("Unaffable,  CAFÉ!"), [2, 4, 5, 6, 8, 7, 11, 3]);
        assert_eq!(tokens("日un"), [2, 9, 4, 3]);
        assert_eq!(tokens("unaffablex"), [2, 1, 3], "a word is known as a whole or not at all");
        assert_eq!(
            tokens("un\u{200b}\0aff\u{202e}able"),
            [2, 4, 5, 6, 3],
            "what nobody sees is no part of a word"
        );
        assert_eq!(tokens(""), [2, 3]);
    }

    #[test]
    fn a_text_of_any_length_gives_a_bounded_number_of_tokens() {
        let many = WordPiece::new(VOCABULARY, true).expect("complete").tokens(&"cafe ".repeat(100_000), 8);
        assert_eq!((many.len(), many[0], many[7]), (8, 2, 3));
        assert_eq!(tokens(&"x".repeat(100_000)).len(), 3);
    }

    #[test]
    fn a_vocabulary_without_its_marks_is_refused() {
        assert_eq!(WordPiece::new("[UNK]\n[SEP]\n", true).map(drop), Err(Missing("[CLS]")));
    }
}
