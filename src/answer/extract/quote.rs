//! The pieces of a passage that are quoted, and how they are made safe to post.

use crate::answer::prompt::visible;
use crate::knowledge::passages::sentences::sentences;

/// Longest piece that is quoted, in characters; a longer one is cut.
const MAX_BLOCK_CHARS: usize = 1_200;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A sentence; the first of a line starts one.
    Sentence { starts_line: bool },
    /// A list item or table row, on a line of its own.
    Item,
    /// Lines of code without the fences.
    Code,
}

/// A piece that is quoted whole or not at all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) kind: Kind,
    pub(super) text: String,
    pub(super) words: usize,
}

/// The pieces of a passage as [`crate::knowledge::passages`] writes it.
pub(super) fn blocks(content: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut code: Option<String> = None;
    for line in content.lines() {
        match (&mut code, line == "```") {
            (None, true) => code = Some(String::new()),
            (Some(lines), true) => {
                blocks.push(Block::new(Kind::Code, lines.trim_end()));
                code = None;
            }
            (Some(lines), false) => {
                lines.push_str(line);
                lines.push('\n');
            }
            (None, false) if is_item(line) => blocks.push(Block::new(Kind::Item, line)),
            (None, false) => blocks.extend(
                sentences(line)
                    .into_iter()
                    .enumerate()
                    .map(|(at, sentence)| Block::new(Kind::Sentence { starts_line: at == 0 }, sentence)),
            ),
        }
    }
    if let Some(lines) = code {
        blocks.push(Block::new(Kind::Code, lines.trim_end()));
    }
    blocks.retain(|block| !block.text.trim().is_empty());
    blocks
}

impl Block {
    fn new(kind: Kind, text: &str) -> Self {
        let text = match text.char_indices().nth(MAX_BLOCK_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        Self { kind, words: text.split_whitespace().count(), text }
    }

    fn announces(&self) -> bool {
        self.text.trim_end_matches(['*', '_']).ends_with(':')
    }
}

fn is_item(line: &str) -> bool {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    (digits > 0 && (line[digits..].starts_with(". ") || line[digits..].starts_with(") ")))
        || ["- ", "* ", "+ ", "|"].iter().any(|mark| line.starts_with(mark))
}

/// The announcing sentence (`do this:`) above an item or code, which reads oddly without it.
pub(super) fn lead(blocks: &[Block], at: usize) -> Option<usize> {
    let is_below = |block: &Block| matches!(block.kind, Kind::Item | Kind::Code);
    if !is_below(&blocks[at]) {
        return None;
    }
    let lead = (0..at)
        .rev()
        .find(|before| !is_below(&blocks[*before]) || blocks[*before].kind != blocks[at].kind)?;
    blocks[lead].announces().then_some(lead)
}

/// What belongs after a block: the items or code it announces, the steps after a step, and for the best
/// sentence (`best`) the next one.
pub(super) fn followers(blocks: &[Block], at: usize, best: bool) -> Vec<usize> {
    let rest = at + 1..blocks.len();
    match blocks[at].kind {
        _ if blocks[at].announces() => {
            rest.take_while(|next| matches!(blocks[*next].kind, Kind::Item | Kind::Code)).collect()
        }
        Kind::Item if best => rest.take_while(|next| blocks[*next].kind == Kind::Item).collect(),
        Kind::Sentence { .. } if best => {
            rest.take(1).filter(|next| !matches!(blocks[*next].kind, Kind::Item)).collect()
        }
        _ => Vec::new(),
    }
}

/// The chosen blocks in the order of the text; what was left out between sentences of a line is marked.
pub(super) fn render(blocks: &[Block], chosen: &[bool]) -> String {
    let mut text = String::new();
    let mut before: Option<usize> = None;
    for (at, block) in blocks.iter().enumerate().filter(|(at, _)| chosen[*at]) {
        let gap = before.is_some_and(|before| before + 1 < at);
        let same_line = block.kind == Kind::Sentence { starts_line: false };
        if before.is_some() {
            text.push_str(match (same_line, gap) {
                (true, true) => " … ",
                (true, false) => " ",
                (false, _) => "\n",
            });
        }
        match block.kind {
            Kind::Code => {
                text.push_str("```\n");
                text.push_str(&harmless(&block.text).replace("```", "'''"));
                text.push_str("\n```");
            }
            _ => text.push_str(&balanced(&harmless(&block.text))),
        }
        before = Some(at);
    }
    text
}

/// What stands in a mention to break it; it shows nothing and takes no room.
pub(in crate::answer) const WORD_JOINER: char = '\u{2060}';

/// Breaks mentions: `@everyone`, `<@1>`, `<#1>`, `</ask:1>`, custom emoji. Every message is sent without allowed
/// mentions as well; this keeps a quotation from looking like a ping.
pub(in crate::answer) fn harmless(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        out.push(c);
        let before_name =
            c == '@' && rest.peek().is_some_and(|next| next.is_alphanumeric() || "!&".contains(*next));
        let before_mark = c == '<' && rest.peek().is_some_and(|next| "@#:/at".contains(*next));
        if before_name || before_mark {
            out.push(WORD_JOINER);
        }
    }
    out
}

/// A title or heading as the sources line shows it: it names, and does nothing else.
pub(in crate::answer) fn title(text: &str) -> String {
    harmless(&visible(text).replace("](", "] (").replace("```", "'''"))
}

/// A quoted sentence may open emphasis or code that its neighbour closes; such marks are escaped or closed.
fn balanced(text: &str) -> String {
    let mut text = text.replace("```", "'''");
    for mark in ["`", "**", "__", "~~", "||"] {
        // Rows of tables are full of bars that hide nothing.
        let is_table = mark == "||" && text.starts_with('|');
        if !is_table && text.matches(mark).count() % 2 == 1 {
            text = match text.strip_prefix(mark) {
                Some(rest) if mark != "`" => rest.to_owned(),
                _ => format!("{text}{mark}"),
            };
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_passage_is_read_as_sentences_items_and_code() {
        let kinds: Vec<_> = blocks("Do this. Then:\n1. Stop.\n```\na b\n\nc\n```")
            .into_iter()
            .map(|b| (b.kind, b.text))
            .collect();
        assert_eq!(
            kinds,
            [
                (Kind::Sentence { starts_line: true }, "Do this.".to_owned()),
                (Kind::Sentence { starts_line: false }, "Then:".to_owned()),
                (Kind::Item, "1. Stop.".to_owned()),
                (Kind::Code, "a b\n\nc".to_owned()),
            ]
        );
    }

    #[test]
    fn quoted_mentions_ping_nobody() {
        for mention in [
            "@everyone",
            "@here",
            "<@123>",
            "<@!123>",
            "<@&123>",
            "<#123>",
            "</ask:1>",
            "<:x:1>",
            "<a:x:1>",
            "<t:1>",
        ] {
            let text = render(&blocks(mention), &[true]);
            assert!(!text.contains(mention), "{text}");
        }
        assert_eq!(
            render(&blocks("Write to me@example.org if a < b."), &[true]).matches('\u{2060}').count(),
            1
        );
    }

    #[test]
    fn a_step_brings_the_sentence_that_announces_it_and_the_steps_after_it() {
        let blocks = blocks("Unrelated. Restart it:\n1. Stop.\n2. Start.");
        assert_eq!(lead(&blocks, 2), Some(1));
        assert_eq!(followers(&blocks, 2, true), [3]);
        assert_eq!(followers(&blocks, 1, false), [2, 3]);
    }

    #[test]
    fn emphasis_that_is_cut_apart_is_closed() {
        assert_eq!(balanced("Press **Start now."), "Press **Start now.**");
        assert_eq!(balanced("Use `a` or `b"), "Use `a` or `b`");
    }

    proptest! {
        #[test]
        fn nothing_quoted_mentions_or_panics(text in "[@<>&!#:/a-e0-9*_`| \n.]{0,120}") {
            let blocks = blocks(&text);
            let chosen = vec![true; blocks.len()];
            let rendered = render(&blocks, &chosen);
            prop_assert!(!rendered.contains("<@") && !rendered.contains("@e") && !rendered.contains("<#"));
        }
    }
}
