//! Where sentences end, well enough for cutting passages and choosing what to quote.

/// Abbreviations after which a full stop does not end a sentence, lower case and without the stop.
const ABBREVIATIONS: [&str; 16] = [
    "e.g", "i.e", "etc", "vs", "mr", "mrs", "ms", "dr", "st", "no", "approx", "cf", "resp", "z.b", "bzw",
    "ca",
];

/// Cuts a text into sentences, each without surrounding white space. Every word of the text is in one of them.
pub fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut rest = text.char_indices().peekable();
    while let Some((at, c)) = rest.next() {
        let wide = matches!(c, '。' | '！' | '？');
        if c != '\n' && !wide && !matches!(c, '.' | '!' | '?' | '…') {
            continue;
        }
        let mut end = at + c.len_utf8();
        while let Some((at, closer)) = rest.next_if(|(_, c)| is_closing(*c)) {
            end = at + closer.len_utf8();
        }
        let after = &text[end..];
        let at_gap = after.is_empty() || after.starts_with(char::is_whitespace);
        let ends = c == '\n'
            || wide
            || (at_gap && starts_anew(after) && !(c == '.' && is_abbreviated(&text[start..at])));
        if ends {
            push(&mut found, &text[start..end]);
            start = end;
        }
    }
    push(&mut found, &text[start..]);
    found
}

fn push<'a>(found: &mut Vec<&'a str>, sentence: &'a str) {
    let sentence = sentence.trim();
    if !sentence.is_empty() {
        found.push(sentence);
    }
}

fn is_closing(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '"' | '\'' | ')' | ']' | '*' | '_' | '`' | '”' | '’' | '»')
}

/// A lower-case letter after the stop continues the sentence.
fn starts_anew(after: &str) -> bool {
    after
        .trim_start()
        .chars()
        .find(|c| !matches!(c, '*' | '_' | '"' | '(' | '“'))
        .is_none_or(|c| !c.is_lowercase())
}

fn is_abbreviated(before: &str) -> bool {
    let last = before.rsplit(char::is_whitespace).next().unwrap_or_default();
    let last = last.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let is_list_number = before.trim_start() == last && last.bytes().all(|b| b.is_ascii_digit());
    let is_initial = last.chars().count() == 1 && last.chars().all(char::is_alphabetic);
    is_list_number || is_initial || ABBREVIATIONS.contains(&last.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_end_at_stops_and_lines_but_not_at_abbreviations() {
        assert_eq!(
            sentences("Open the panel, e.g. Start. \"Really?\" Yes!\nVersion 1.21 works. and so on"),
            ["Open the panel, e.g. Start.", "\"Really?\"", "Yes!", "Version 1.21 works. and so on"]
        );
        assert_eq!(sentences("1. Press Start. 2. Wait"), ["1. Press Start.", "2. Wait"]);
        assert_eq!(sentences("再起動します。待ちます。"), ["再起動します。", "待ちます。"]);
        assert!(sentences(" \n ").is_empty());
    }
}
