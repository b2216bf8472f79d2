//! The nearest word of a knowledge base for a mistyped one, by shared trigrams.

use std::collections::HashMap;

/// Least Jaccard similarity of the trigrams for a word to count as the same one mistyped.
const NEAREST: f32 = 0.3;

/// Trigrams of every word of a vocabulary that may be mistyped: letters only, at least three of them.
#[derive(Debug, Default)]
pub(super) struct Trigrams {
    words_of: HashMap<[char; 3], Vec<u32>>,
    /// Number of different trigrams by word; 0 for words that are never a correction.
    sizes: Vec<u8>,
}

impl Trigrams {
    /// Words come in the order of their ids, 0 first.
    pub(super) fn new<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut trigrams = Self::default();
        for (word, id) in words.zip(0u32..) {
            let of_word = if may_be_mistyped(word) { trigrams_of(word) } else { Vec::new() };
            trigrams.sizes.push(u8::try_from(of_word.len()).unwrap_or(u8::MAX));
            for trigram in of_word {
                trigrams.words_of.entry(trigram).or_default().push(id);
            }
        }
        trigrams
    }

    /// The most similar word and its similarity; of equals the one with the lower id.
    pub(super) fn nearest(&self, word: &str) -> Option<(u32, f32)> {
        if !may_be_mistyped(word) {
            return None;
        }
        let of_word = trigrams_of(word);
        let mut shared: HashMap<u32, u8> = HashMap::new();
        for id in of_word.iter().filter_map(|trigram| self.words_of.get(trigram)).flatten() {
            *shared.entry(*id).or_default() += 1;
        }
        shared
            .into_iter()
            .map(|(id, shared)| {
                let union = of_word.len() + usize::from(self.sizes[id as usize]) - usize::from(shared);
                (id, f32::from(shared) / union as f32)
            })
            .filter(|(_, similarity)| *similarity >= NEAREST)
            .max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))
    }

    pub(super) fn bytes(&self) -> usize {
        self.words_of.values().map(|ids| 4 * ids.capacity() + 60).sum::<usize>() + self.sizes.len()
    }
}

fn may_be_mistyped(word: &str) -> bool {
    (3..=40).contains(&word.chars().count()) && word.chars().all(char::is_alphabetic)
}

/// Different trigrams of a word, padded as pg_trgm does: two blanks before, one after.
fn trigrams_of(word: &str) -> Vec<[char; 3]> {
    let padded: Vec<char> = [' ', ' '].into_iter().chain(word.chars()).chain([' ']).collect();
    let mut trigrams: Vec<[char; 3]> =
        padded.windows(3).map(|three| [three[0], three[1], three[2]]).collect();
    trigrams.sort_unstable();
    trigrams.dedup();
    trigrams
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_finds_the_nearest_one_and_a_strange_word_none() {
        let trigrams = Trigrams::new(["password", "restart", "backup", "1.21"].into_iter());
        assert_eq!(trigrams.nearest("pasword").map(|(id, _)| id), Some(0));
        assert_eq!(trigrams.nearest("restrat").map(|(id, _)| id), Some(1));
        assert_eq!(trigrams.nearest("giraffe"), None);
        assert_eq!(trigrams.nearest("1.22"), None);
    }
}
