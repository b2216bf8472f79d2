//! The nearest word of a knowledge base for a mistyped one, by shared trigrams and then by slips of the finger.

use std::collections::HashMap;

/// Least Jaccard similarity of the trigrams for a word to stand in for another.
const NEAREST: f32 = 0.3;
/// The same when no more than a slip or two lies between them: short swapped words share few trigrams.
const NEAREST_SLIP: f32 = 0.2;
/// Words of the greatest similarity whose slips are counted.
const LOOKED_AT: usize = 8;
/// How alike a word and a slip of it are.
const SLIP_LIKENESS: f32 = 0.9;
/// Part of the similarity that counts when it is no slip: most such words are only spelt alike.
const OTHER_LIKENESS: f32 = 0.4;

type ByTrigram = HashMap<u64, u32, foldhash::fast::RandomState>;

/// Trigrams of every word of a vocabulary that may be mistyped: letters only, at least three of them.
#[derive(Debug, Default)]
pub(super) struct Trigrams {
    /// A number for each trigram, and where its words begin and end among `ids`.
    numbers: ByTrigram,
    begins: Vec<u32>,
    ids: Vec<u32>,
    /// Number of different trigrams by word; 0 for words that are never a correction.
    sizes: Vec<u8>,
    /// All words behind each other, and where each ends.
    text: String,
    ends: Vec<u32>,
}

impl Trigrams {
    /// Words come in the order of their ids, 0 first.
    pub(super) fn new<'a>(words: impl Iterator<Item = &'a str>) -> Self {
        let mut trigrams = Self::default();
        let (mut pairs, mut sizes): (Vec<(u32, u32)>, Vec<u32>) = Default::default();
        let mut of_word = Vec::new();
        for (word, id) in words.zip(0u32..) {
            of_word.clear();
            if may_be_mistyped(word) {
                trigrams_of(word, &mut of_word);
            }
            trigrams.text.push_str(word);
            trigrams.ends.push(u32::try_from(trigrams.text.len()).unwrap_or(u32::MAX));
            trigrams.sizes.push(u8::try_from(of_word.len()).unwrap_or(u8::MAX));
            for trigram in &of_word {
                let next = u32::try_from(sizes.len()).unwrap_or(u32::MAX);
                let number = *trigrams.numbers.entry(*trigram).or_insert(next);
                if number == next {
                    sizes.push(0);
                }
                sizes[number as usize] += 1;
                pairs.push((number, id));
            }
        }
        trigrams.begins = std::iter::once(0)
            .chain(sizes.iter().scan(0, |end, size| {
                *end += size;
                Some(*end)
            }))
            .collect();
        let mut next = trigrams.begins.clone();
        trigrams.ids = vec![0; pairs.len()];
        for (number, id) in pairs {
            trigrams.ids[next[number as usize] as usize] = id;
            next[number as usize] += 1;
        }
        trigrams
    }

    fn words_of(&self, trigram: u64) -> &[u32] {
        let Some(number) = self.numbers.get(&trigram) else { return &[] };
        &self.ids[self.begins[*number as usize] as usize..self.begins[*number as usize + 1] as usize]
    }

    fn word(&self, id: u32) -> &str {
        let from = id.checked_sub(1).map_or(0, |before| self.ends[before as usize]);
        &self.text[from as usize..self.ends[id as usize] as usize]
    }

    /// The word most likely meant and how likely that is, 0 to 1; of equals the one with the lower id.
    pub(super) fn nearest(&self, word: &str) -> Option<(u32, f32)> {
        if !may_be_mistyped(word) {
            return None;
        }
        let mut of_word = Vec::new();
        trigrams_of(word, &mut of_word);
        let mut shared: HashMap<u32, u8, foldhash::fast::RandomState> = HashMap::default();
        for id in of_word.iter().flat_map(|trigram| self.words_of(*trigram)) {
            *shared.entry(*id).or_default() += 1;
        }
        let mut near: Vec<(u32, f32)> = shared
            .into_iter()
            .map(|(id, shared)| {
                let union = of_word.len() + usize::from(self.sizes[id as usize]) - usize::from(shared);
                (id, f32::from(shared) / union as f32)
            })
            .filter(|(_, similarity)| *similarity >= NEAREST_SLIP)
            .collect();
        near.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        near.truncate(LOOKED_AT);
        let slip = near.iter().find(|(id, _)| is_slip(word, self.word(*id)));
        let other = near.first().filter(|(_, similarity)| *similarity >= NEAREST);
        slip.map(|(id, _)| (*id, SLIP_LIKENESS))
            .or_else(|| other.map(|(id, similarity)| (*id, similarity * OTHER_LIKENESS)))
    }

    pub(super) fn bytes(&self) -> usize {
        18 * self.numbers.len() + 4 * (self.ids.len() + self.ends.len()) + self.text.len() + self.sizes.len()
    }
}

fn may_be_mistyped(word: &str) -> bool {
    (3..=40).contains(&word.chars().count()) && word.chars().all(char::is_alphabetic)
}

/// Different trigrams of a word, padded as pg_trgm does: two blanks before, one after. A character has 21 bits.
fn trigrams_of(word: &str, trigrams: &mut Vec<u64>) {
    let blank = u64::from(u32::from(' '));
    let mut last = blank << 21 | blank;
    for c in word.chars().chain([' ']) {
        last = (last << 21 | u64::from(u32::from(c))) & ((1 << 63) - 1);
        trigrams.push(last);
    }
    trigrams.sort_unstable();
    trigrams.dedup();
}

/// An ending that the stemmer left (`ddosed`, `ddos`), one slip in a word of at least five letters, two in one of at least eight; the first letter is seldom wrong.
fn is_slip(typed: &str, meant: &str) -> bool {
    let (typed, meant): (Vec<char>, Vec<char>) = (typed.chars().collect(), meant.chars().collect());
    let (shorter, longer) = if typed.len() < meant.len() { (&typed, &meant) } else { (&meant, &typed) };
    if shorter.len() >= 4 && longer.len() - shorter.len() <= 2 && longer.starts_with(shorter) {
        return true;
    }
    let allowed = match typed.len().min(meant.len()) {
        0..=4 => return false,
        5..=7 => 1,
        _ => 2,
    };
    typed[0] == meant[0] && typed.len().abs_diff(meant.len()) <= allowed && slips(&typed, &meant) <= allowed
}

/// Optimal string alignment distance: letters inserted, dropped, replaced, or two neighbours swapped.
fn slips(a: &[char], b: &[char]) -> usize {
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(before[j - 2] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_word_finds_the_nearest_one_and_a_strange_word_none() {
        let trigrams = Trigrams::new(["password", "restart", "backup", "1.21"].into_iter());
        assert_eq!(trigrams.nearest("pasword").map(|(id, _)| id), Some(0));
        assert_eq!(trigrams.nearest("restrat").map(|(id, _)| id), Some(1));
        assert_eq!(trigrams.nearest("backpu").map(|(id, _)| id), Some(2));
        assert_eq!(trigrams.nearest("giraffe"), None);
        assert_eq!(trigrams.nearest("1.22"), None);
    }
}
