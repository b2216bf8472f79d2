//! Whether what a chat model wrote rests on the passages it cites. Pure.
//!
//! A sentence rests on them when enough of its words stand there, and all of its numbers. Words are compared by how they
//! begin, which does for inflection what it can without knowing the language; scripts without spaces by pairs of
//! characters. A text in another language than its passages does not pass.

use std::collections::HashSet;

use crate::knowledge::passages::sentences::sentences;

/// Part of a sentence's words that its passages must have.
const SHARE: f32 = 0.4;
/// Of so many words in a row so many must, or something else was put between.
const WINDOW: usize = 5;
const IN_WINDOW: usize = 2;
/// Letters that two forms of a word share.
const STEM: usize = 5;
/// Shorter words say nothing.
const SHORTEST: usize = 3;
/// A word is not that long: something is spelled out or packed.
const LONGEST: usize = 28;

/// Words, and what has digits in it: numbers, versions, codes.
#[derive(Debug, Default, Clone)]
pub struct Grounds {
    words: HashSet<String>,
    exact: HashSet<String>,
}

impl Grounds {
    pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut grounds = Self::default();
        for text in texts {
            each_word(text, |word| {
                match word {
                    Word::Plain(word) => grounds.words.insert(word),
                    Word::Exact(word) => grounds.exact.insert(word),
                };
            });
        }
        grounds
    }

    /// Lets a sentence name what stands in this text, such as the question, without resting on it.
    pub fn and_exact_of(mut self, text: &str) -> Self {
        self.exact.extend(Self::of([text]).exact);
        self
    }

    /// Whether all numbers and codes of a text stand here, and no word is spelled out beyond recognition.
    pub fn has_all_exact_of(&self, text: &str) -> bool {
        self.measure(text).exact_missing == 0
    }

    fn measure(&self, text: &str) -> Measure {
        let mut measure = Measure::default();
        let mut seen = HashSet::new();
        each_word(text, |word| match word {
            Word::Exact(word) => {
                measure.exact += 1;
                measure.exact_missing += usize::from(!self.exact.contains(&word));
            }
            Word::Plain(word) => {
                let stands = self.words.contains(&word);
                measure.stand_in_order.push(stands);
                measure.longest = measure.longest.max(word.chars().count());
                if seen.insert(word) {
                    measure.words += 1;
                    measure.missing += usize::from(!stands);
                }
            }
        });
        measure
    }

    /// Whether a sentence rests on the passages; none when it says nothing.
    fn bear(&self, sentence: &str) -> Option<bool> {
        let measure = self.measure(sentence);
        let aside = measure.words == 1 && measure.longest <= SHORTEST;
        if measure.exact == 0 && (measure.words == 0 || aside) {
            return None;
        }
        let shared = measure.words - measure.missing;
        #[allow(clippy::cast_precision_loss, reason = "a sentence has few words")]
        let enough = shared as f32 >= SHARE * measure.words as f32;
        let stand = |window: &[bool]| window.iter().filter(|stands| **stands).count();
        let everywhere = measure.stand_in_order.windows(WINDOW).all(|window| stand(window) >= IN_WINDOW);
        Some(enough && everywhere && measure.exact_missing == 0)
    }

    /// The text without the sentences that do not rest on the passages. None: nothing that says something is left.
    pub fn keep(&self, text: &str) -> Option<String> {
        let mut kept = String::with_capacity(text.len());
        let mut says = false;
        let mut code: Option<String> = None;
        for line in text.lines() {
            let fence = line.trim_start().starts_with("```");
            match &mut code {
                Some(lines) => {
                    lines.push_str(line);
                    lines.push('\n');
                    if fence {
                        says |= self.keep_code(lines, &mut kept);
                        code = None;
                    }
                }
                None if fence => code = Some(format!("{line}\n")),
                None => says |= self.keep_line(line, &mut kept),
            }
        }
        if let Some(lines) = code {
            says |= self.keep_code(&format!("{lines}```\n"), &mut kept);
        }
        says.then_some(kept)
    }

    fn keep_code(&self, lines: &str, kept: &mut String) -> bool {
        let bears = self.bear(lines);
        if bears == Some(true) {
            kept.push_str(lines);
        }
        bears == Some(true)
    }

    fn keep_line(&self, line: &str, kept: &mut String) -> bool {
        let (mark, words) = line.split_at(list_mark(line));
        let mut says = false;
        let mut rest = Vec::new();
        for sentence in sentences(words) {
            let bears = self.bear(sentence);
            says |= bears == Some(true);
            if bears != Some(false) {
                rest.push(sentence);
            }
        }
        // An empty line of the text stays one; a line of which nothing is left goes.
        if !rest.is_empty() || line.trim().is_empty() {
            kept.push_str(mark);
            kept.push_str(&rest.join(" "));
            kept.push('\n');
        }
        says
    }
}

#[derive(Default)]
struct Measure {
    /// Different ones.
    words: usize,
    missing: usize,
    /// Whether each stands in the passages.
    stand_in_order: Vec<bool>,
    longest: usize,
    exact: usize,
    exact_missing: usize,
}

/// Bytes of what makes a line an item of a list: its number is not a claim.
fn list_mark(line: &str) -> usize {
    let words = line.trim_start();
    let indent = line.len() - words.len();
    let digits = words.bytes().take_while(u8::is_ascii_digit).count();
    let mark = match words.as_bytes().get(digits) {
        Some(b'.' | b')') if digits > 0 => digits + 1,
        Some(b'-' | b'*' | b'+' | b'>' | b'#') if digits == 0 => 1,
        _ => return indent,
    };
    let after = &words[mark..];
    if !after.starts_with([' ', '#']) {
        return indent;
    }
    indent + mark + (after.len() - after.trim_start_matches(['#', ' ']).len())
}

enum Word {
    Plain(String),
    Exact(String),
}

fn each_word(text: &str, mut take: impl FnMut(Word)) {
    let mut run = String::new();
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if c.is_alphanumeric() {
            run.extend(c.to_lowercase());
            continue;
        }
        // 1,000 and 9.99 are one number each.
        let between_digits = run.ends_with(|c: char| c.is_numeric())
            && matches!(c, '.' | ',' | '\u{a0}' | '\u{202f}')
            && characters.peek().is_some_and(|next| next.is_numeric());
        if !between_digits {
            end_of_run(&std::mem::take(&mut run), &mut take);
        }
    }
    end_of_run(&run, &mut take);
}

fn end_of_run(run: &str, take: &mut impl FnMut(Word)) {
    let length = run.chars().count();
    if run.chars().any(without_spaces) {
        let characters: Vec<char> = run.chars().collect();
        for pair in characters.windows(2) {
            take(Word::Plain(pair.iter().collect()));
        }
    } else if run.contains(char::is_numeric) {
        // A single digit is a count of something, or a mark that was left over.
        if length > 1 {
            take(Word::Exact(run.to_owned()));
        }
    } else if length > LONGEST {
        take(Word::Exact(run.to_owned()));
    } else if length >= SHORTEST {
        take(Word::Plain(run.chars().take(STEM).collect()));
    }
}

/// Characters of scripts that put no spaces between words.
fn without_spaces(c: char) -> bool {
    matches!(u32::from(c), 0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x3040..=0x30ff
        | 0x3400..=0x4dbf | 0x4e00..=0x9fff | 0xf900..=0xfaff | 0x20000..=0x3ffff)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSAGE: &str = "You can ask for a refund within 14 days of the purchase. \
        Write to billing with the number of the invoice. It costs 1,000 coins.";

    fn kept(text: &str) -> Option<String> {
        Grounds::of([PASSAGE]).keep(text).map(|kept| kept.trim().to_owned())
    }

    #[test]
    fn what_rests_on_the_passages_stays_in_other_words_too() {
        for text in [
            "You can request a refund within 14 days of your purchase by writing to billing.",
            "Refunds: within 14 days.\n\n1. Write to billing.\n2. Give the invoice number.",
            "Yes. It costs 1000 coins.",
        ] {
            assert_eq!(kept(text).as_deref(), Some(text));
        }
    }

    #[test]
    fn what_does_not_goes_and_nothing_is_left_of_what_says_nothing_else() {
        let mixed = "The owner of this server is a thief. You can ask for a refund within 14 days.";
        assert_eq!(kept(mixed).as_deref(), Some("You can ask for a refund within 14 days."));
        for text in [
            "Send me your password!",
            "Within 14 days the owner steals your money, send every password to the thief.",
            "BUY NOW",
            "You can ask for a refund within 30 days of the purchase.",
            "Ask billing for a refund with code X99.",
            "Yes.",
            "",
            "```\nrm -rf everything\n```",
            "Das Geld kommt nach einer Woche.",
        ] {
            assert_eq!(kept(text), None, "{text}");
        }
    }

    #[test]
    fn scripts_without_spaces_are_compared_too() {
        let grounds = Grounds::of(["購入から14日以内に返金を申請できます。"]);
        assert!(grounds.keep("14日以内に返金を申請できます。").is_some());
        assert!(grounds.keep("管理者は泥棒です。").is_none());
    }

    #[test]
    fn a_number_of_the_question_may_be_named() {
        let grounds = Grounds::of([PASSAGE]).and_exact_of("is 15 days too late?");
        assert!(grounds.keep("You can ask within 14 days of the purchase, not 15.").is_some());
    }

    proptest! {
        #[test]
        fn nothing_is_added(text in r"[a-c0-9.\-#` \n]{0,100}") {
            let grounds = Grounds::of(["a aaa bbb 11 abc 22"]);
            let letters = |s: &str| s.chars().filter(|c| c.is_alphanumeric()).count();
            prop_assert!(grounds.keep(&text).is_none_or(|kept| letters(&kept) <= letters(&text)));
        }
    }
}
