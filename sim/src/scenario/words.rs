//! A line of a scenario as words with their columns, and the one way to complain about them.

use std::time::Duration;

/// What is wrong with a scenario, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {message}")]
pub struct ParseError {
    /// 1-based.
    pub line: usize,
    /// 1-based, in characters.
    pub column: usize,
    /// What was expected, and what was found.
    pub message: String,
}

/// One word: bare, or a quoted text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Word {
    pub(super) text: String,
    pub(super) column: usize,
    pub(super) quoted: bool,
}

/// A line, read word by word.
#[derive(Clone, Debug)]
pub(super) struct Words {
    pub(super) line: usize,
    words: Vec<Word>,
    at: usize,
    /// Column behind the last word.
    end: usize,
}

impl Words {
    /// Splits a line. `#` begins a comment; `"` a text, with `\"`, `\\` and `\n` inside. `name="text"` is one word.
    pub(super) fn split(line: usize, text: &str) -> Result<Self, ParseError> {
        let mut words = Vec::new();
        let mut chars = text.chars().enumerate().peekable();
        while let Some(&(at, first)) = chars.peek() {
            if first == '#' {
                break;
            }
            if first.is_whitespace() {
                chars.next();
                continue;
            }
            let mut word = Word { text: String::new(), column: at + 1, quoted: first == '"' };
            while let Some(&(at, next)) = chars.peek() {
                if next.is_whitespace() {
                    break;
                }
                chars.next();
                if next == '"' {
                    quoted(&mut chars, &mut word.text, line, at + 1)?;
                } else {
                    word.text.push(next);
                }
            }
            words.push(word);
        }
        let end = text.trim_end().chars().count() + 1;
        Ok(Self { line, words, at: 0, end })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Replaces `{name}` in every word.
    pub(super) fn with(&self, name: &str, value: usize) -> Self {
        let mut new = self.clone();
        let pattern = format!("{{{name}}}");
        for word in &mut new.words {
            word.text = word.text.replace(&pattern, &value.to_string());
        }
        new
    }

    pub(super) fn error_at(&self, column: usize, message: impl Into<String>) -> ParseError {
        ParseError { line: self.line, column, message: message.into() }
    }

    /// A complaint about the word that was read last.
    pub(super) fn error(&self, message: impl Into<String>) -> ParseError {
        let column = self.at.checked_sub(1).and_then(|at| self.words.get(at)).map_or(1, |word| word.column);
        self.error_at(column, message)
    }

    fn expected(&self, what: &str) -> ParseError {
        match self.words.get(self.at) {
            Some(word) => self.error_at(word.column, format!("expected {what}, found {:?}", word.text)),
            None => self.error_at(self.end, format!("expected {what}, but the line ends here")),
        }
    }

    /// The next word; `what` says what it is.
    pub(super) fn next(&mut self, what: &str) -> Result<Word, ParseError> {
        let word = self.words.get(self.at).cloned().ok_or_else(|| self.expected(what))?;
        self.at += 1;
        Ok(word)
    }

    /// Takes the next word if it is this one.
    pub(super) fn take(&mut self, bare: &str) -> bool {
        let found = self.words.get(self.at).is_some_and(|word| !word.quoted && word.text == bare);
        self.at += usize::from(found);
        found
    }

    /// The next word has to be this one.
    pub(super) fn keyword(&mut self, bare: &str) -> Result<(), ParseError> {
        if self.take(bare) { Ok(()) } else { Err(self.expected(&format!("`{bare}`"))) }
    }

    /// The next word has to be one of these; gives which.
    pub(super) fn one_of(&mut self, bare: &[&'static str]) -> Result<&'static str, ParseError> {
        match bare.iter().find(|bare| self.take(bare)) {
            Some(found) => Ok(found),
            None => {
                let list: Vec<String> = bare.iter().map(|bare| format!("`{bare}`")).collect();
                Err(self.expected(&format!("one of {}", list.join(", "))))
            }
        }
    }

    /// A quoted text.
    pub(super) fn text(&mut self, what: &str) -> Result<String, ParseError> {
        match self.words.get(self.at) {
            Some(word) if word.quoted => {
                self.at += 1;
                Ok(word.text.clone())
            }
            _ => Err(self.expected(&format!("{what} in quotes"))),
        }
    }

    /// A whole number.
    pub(super) fn number<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, ParseError> {
        let number = self.words.get(self.at).and_then(|word| word.text.parse().ok());
        let number = number.ok_or_else(|| self.expected(what))?;
        self.at += 1;
        Ok(number)
    }

    /// A length of time, such as 250ms, 1.5s, 2m or 1h.
    pub(super) fn duration(&mut self) -> Result<Duration, ParseError> {
        let duration = self.words.get(self.at).and_then(|word| parse_duration(&word.text));
        let duration = duration.ok_or_else(|| self.expected("a length of time such as 250ms, 5s or 2m"))?;
        self.at += 1;
        Ok(duration)
    }

    /// Nothing may follow.
    pub(super) fn finish(&self) -> Result<(), ParseError> {
        if self.at == self.words.len() { Ok(()) } else { Err(self.expected("the end of the line")) }
    }

    pub(super) fn is_done(&self) -> bool {
        self.at == self.words.len()
    }
}

fn quoted(
    chars: &mut std::iter::Peekable<std::iter::Enumerate<std::str::Chars<'_>>>,
    into: &mut String,
    line: usize,
    column: usize,
) -> Result<(), ParseError> {
    loop {
        let escaped = match chars.next() {
            Some((_, '"')) => return Ok(()),
            Some((at, '\\')) => match chars.next() {
                Some((_, 'n')) => '\n',
                Some((_, other @ ('"' | '\\'))) => other,
                _ => {
                    let message = "expected \\\", \\\\ or \\n after a backslash".to_owned();
                    return Err(ParseError { line, column: at + 1, message });
                }
            },
            Some((_, plain)) => plain,
            None => {
                let message = "this text has no closing quote".to_owned();
                return Err(ParseError { line, column, message });
            }
        };
        into.push(escaped);
    }
}

/// 250ms, 1.5s, 2m, 1h.
pub(super) fn parse_duration(text: &str) -> Option<Duration> {
    let at = text.find(|c: char| c != '.' && !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(at);
    let unit_ms = match unit {
        "ms" => 1.0,
        "s" => 1_000.0,
        "m" => 60_000.0,
        "h" => 3_600_000.0,
        _ => return None,
    };
    let ms = number.parse::<f64>().ok()? * unit_ms;
    Duration::try_from_secs_f64((ms / 1_000.0).min(1e9)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Words {
        Words::split(3, text).unwrap()
    }

    #[test]
    fn words_are_bare_quoted_or_both_and_know_their_column() {
        let mut line = words("  say ada \"it \\\"is\\\"\\n # here\" text=\"a b\"  # a comment");
        line.keyword("say").unwrap();
        assert_eq!(line.next("a member").unwrap(), Word { text: "ada".into(), column: 7, quoted: false });
        assert_eq!(line.text("what").unwrap(), "it \"is\"\n # here");
        assert_eq!(line.next("an option").unwrap().text, "text=a b");
        line.finish().unwrap();
    }

    #[test]
    fn complaints_say_where_and_what_was_expected() {
        let mut line = words("wait soon");
        line.keyword("wait").unwrap();
        let error = line.duration().unwrap_err();
        assert_eq!((error.line, error.column), (3, 6));
        assert!(error.message.contains("such as 250ms") && error.message.contains("\"soon\""), "{error}");
        let mut short = words("drop shard");
        short.keyword("drop").unwrap();
        short.keyword("shard").unwrap();
        assert_eq!(short.number::<u32>("a number").unwrap_err().column, 11);
        assert_eq!(Words::split(1, "say \"x").unwrap_err().column, 5);
    }

    #[test]
    fn lengths_of_time_have_a_unit() {
        assert_eq!(parse_duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(parse_duration("1.5s"), Some(Duration::from_millis(1_500)));
        assert_eq!(parse_duration("2m"), Some(Duration::from_secs(120)));
        assert_eq!(parse_duration("5"), None);
        assert_eq!(parse_duration("-1s"), None);
    }
}
