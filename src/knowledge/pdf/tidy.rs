//! Makes text of what stands on pages: words that were broken at the end of a line, ligatures, and what every page
//! repeats. Pure.

use std::collections::HashMap;

/// From how many pages on a line that returns is taken for a running head.
const MANY_PAGES: usize = 4;

/// The text of pages that are ended by form feeds, with a blank line between two of them.
pub fn tidy(pages: &str) -> String {
    let pages: Vec<Vec<String>> = pages.split('\u{c}').map(lines).filter(|lines| !lines.is_empty()).collect();
    let running = running_heads(&pages);
    let mut text = String::new();
    for page in &pages {
        let last = page.len() - 1;
        for (at, line) in page.iter().enumerate() {
            if (at == 0 || at == last) && running.contains(&shape(line)) {
                continue;
            }
            push_line(&mut text, line);
        }
        push_line(&mut text, "");
    }
    text.truncate(text.trim_end().len());
    if !text.is_empty() {
        text.push('\n');
    }
    text
}

/// Lines without what cannot be seen; empty ones stay between others.
fn lines(page: &str) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in page.lines() {
        let line = plain(line);
        if !line.is_empty() || lines.last().is_some_and(|before| !before.is_empty()) {
            lines.push(line);
        }
    }
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn plain(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    for c in line.chars() {
        match c {
            '\u{fb00}' => plain.push_str("ff"),
            '\u{fb01}' => plain.push_str("fi"),
            '\u{fb02}' => plain.push_str("fl"),
            '\u{fb03}' => plain.push_str("ffi"),
            '\u{fb04}' => plain.push_str("ffl"),
            '\u{fb05}' | '\u{fb06}' => plain.push_str("st"),
            c if c.is_whitespace() => plain.push(' '),
            c if c.is_control() || c == '\u{fffd}' => {}
            c => plain.push(c),
        }
    }
    plain.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// A word that goes on in the next line loses the hyphen at which it was broken.
fn push_line(text: &mut String, line: &str) {
    let goes_on = line.starts_with(char::is_lowercase);
    let broken = |text: &str| {
        let mut back = text.trim_end_matches('\n').chars().rev();
        matches!(back.next(), Some('-' | '\u{2010}' | '\u{ad}'))
            && back.next().is_some_and(char::is_alphabetic)
    };
    if goes_on && text.ends_with('\n') && !text.ends_with("\n\n") && broken(text) {
        text.pop();
        text.pop();
    }
    text.push_str(line);
    text.push('\n');
}

/// What stands first or last on most pages, apart from its numbers.
fn running_heads(pages: &[Vec<String>]) -> Vec<String> {
    if pages.len() < MANY_PAGES {
        return Vec::new();
    }
    let mut times: HashMap<String, usize> = HashMap::new();
    for page in pages {
        let mut ends: Vec<String> =
            page.first().into_iter().chain(page.last()).map(|line| shape(line)).collect();
        ends.dedup();
        ends.into_iter().for_each(|end| *times.entry(end).or_default() += 1);
    }
    times.into_iter().filter(|(_, times)| times * 10 > pages.len() * 6).map(|(line, _)| line).collect()
}

fn shape(line: &str) -> String {
    let mut shape: String = line.chars().map(|c| if c.is_numeric() { '#' } else { c }).collect();
    while shape.contains("##") {
        shape = shape.replace("##", "#");
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn broken_words_are_joined_and_ligatures_spelt_out() {
        assert_eq!(
            tidy("We o\u{fb00}er an exam-\nple of e\u{fb03}cient work.\u{c}"),
            "We offer an example of efficient work.\n"
        );
        assert_eq!(tidy("well-\nKnown is a name\u{c}"), "well-\nKnown is a name\n");
        assert_eq!(tidy("1 -\nand so on\u{c}"), "1 -\nand so on\n");
    }

    #[test]
    fn what_every_page_repeats_is_left_out_and_pages_are_apart() {
        let page =
            |n: usize| format!("The Handbook\n\nParagraph {} begins.\nPage {n} of 12\u{c}", "x".repeat(n));
        let text = tidy(&(8..12).map(page).collect::<String>());
        assert!(!text.contains("Handbook") && !text.contains("Page"), "{text}");
        assert_eq!(text.matches("begins.\n\n").count(), 3);
        assert!(
            tidy(&(8..11).map(page).collect::<String>()).contains("Handbook"),
            "three pages tell nothing"
        );
    }

    #[test]
    fn nothing_stays_nothing() {
        assert_eq!(tidy(" \u{c}\n\u{c}\0\u{c}"), "");
    }
}
