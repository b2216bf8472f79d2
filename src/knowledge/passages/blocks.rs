//! Reads a document as sections of units: the smallest pieces that a passage may end after.

use super::sentences::sentences;
use super::{HEADING_SEPARATOR, count_words};

/// A sentence, a list item's sentence, a table row or a line of code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Unit {
    pub(super) text: String,
    pub(super) words: usize,
    pub(super) code: bool,
    /// Stands on a line of its own rather than after the sentence before.
    pub(super) starts_line: bool,
}

#[derive(Debug, Default)]
pub(super) struct Section {
    pub(super) heading: String,
    pub(super) units: Vec<Unit>,
}

#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) title: Option<String>,
    pub(super) sections: Vec<Section>,
}

/// Plain text: a line is a block, except that a line which goes on in lower case continues the one before.
pub(super) fn text(text: &str) -> Document {
    let mut blocks: Vec<String> = Vec::new();
    let mut broken = true;
    for line in text.lines() {
        let line = line.trim();
        let continues = !broken && line.starts_with(char::is_lowercase);
        match blocks.last_mut() {
            Some(block) if continues && !block.ends_with(['.', '!', '?', ':', ';']) => {
                block.push(' ');
                block.push_str(line);
            }
            _ if !line.is_empty() => blocks.push(line.to_owned()),
            _ => {}
        }
        broken = line.is_empty();
    }
    let mut section = Section::default();
    for block in blocks {
        section.push_block(&block);
    }
    Document { title: None, sections: vec![section] }
}

/// Markdown (CommonMark's blocks as far as passages need them).
pub(super) fn markdown(text: &str) -> Document {
    let (front_title, text) = front_matter(text);
    let mut reader =
        Reader { document: Document { title: front_title, sections: Vec::new() }, ..Reader::default() };
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let underline = lines.peek().map_or("", |next| next.trim());
        if reader.line(line, underline) {
            lines.next();
        }
    }
    reader.finish()
}

/// `title:` of a `---` block at the very start, and the text after that block.
fn front_matter(text: &str) -> (Option<String>, &str) {
    let Some(body) = text.strip_prefix("---\n") else { return (None, text) };
    let Some((fields, rest)) = body.split_once("\n---\n") else { return (None, text) };
    if !fields.lines().all(|line| line.contains(':') || line.starts_with([' ', '-', '#']) || line.is_empty())
    {
        return (None, text);
    }
    let title = fields.lines().find_map(|line| line.strip_prefix("title:"));
    let title = title
        .map(|title| title.trim().trim_matches(['"', '\'']).to_owned())
        .filter(|title| !title.is_empty());
    (title, rest)
}

#[derive(Debug, Default)]
struct Reader {
    document: Document,
    /// Open headings with their levels.
    path: Vec<(usize, String)>,
    section: Section,
    paragraph: String,
    fence: Option<&'static str>,
}

impl Reader {
    /// Reads one line; true when the line after it (the underline of a heading) was used as well.
    fn line(&mut self, line: &str, next: &str) -> bool {
        let trimmed = line.trim();
        if let Some(fence) = self.fence {
            if trimmed.starts_with(fence) {
                self.fence = None;
            } else if !trimmed.is_empty() {
                self.section.units.push(Unit::new(line.trim_end(), true, true));
            }
            return false;
        }
        if let Some(fence) = ["```", "~~~"].into_iter().find(|fence| trimmed.starts_with(fence)) {
            self.end_paragraph();
            self.fence = Some(fence);
        } else if trimmed.is_empty() || is_rule(trimmed) {
            self.end_paragraph();
        } else if let Some((level, heading)) = atx_heading(trimmed) {
            self.heading(level, heading);
        } else if self.paragraph.is_empty()
            && !is_item(trimmed)
            && !trimmed.starts_with('|')
            && underlines(next)
        {
            self.heading(if next.starts_with('=') { 1 } else { 2 }, trimmed);
            return true;
        } else {
            let quoted = trimmed.trim_start_matches(['>', ' ']);
            if is_item(trimmed) || trimmed.starts_with('|') {
                self.end_paragraph();
            }
            if !is_table_rule(trimmed) && !quoted.is_empty() {
                if !self.paragraph.is_empty() {
                    self.paragraph.push(' ');
                }
                self.paragraph.push_str(quoted);
            }
            if trimmed.starts_with('|') {
                self.end_paragraph();
            }
        }
        false
    }

    fn heading(&mut self, level: usize, heading: &str) {
        self.end_paragraph();
        let is_title = level == 1 && self.document.title.is_none();
        if is_title {
            self.document.title = Some(heading.to_owned());
        }
        self.path.retain(|(above, _)| *above < level);
        if !is_title {
            self.path.push((level, heading.to_owned()));
        }
        let path: Vec<&str> = self.path.iter().map(|(_, heading)| heading.as_str()).collect();
        let section = Section { heading: path.join(HEADING_SEPARATOR), units: Vec::new() };
        self.document.sections.push(std::mem::replace(&mut self.section, section));
    }

    fn end_paragraph(&mut self) {
        let paragraph = std::mem::take(&mut self.paragraph);
        self.section.push_block(&paragraph);
    }

    fn finish(mut self) -> Document {
        self.end_paragraph();
        self.document.sections.push(self.section);
        self.document.sections.retain(|section| !section.units.is_empty());
        self.document
    }
}

impl Section {
    fn push_block(&mut self, block: &str) {
        for (at, sentence) in sentences(block).into_iter().enumerate() {
            self.units.push(Unit::new(sentence, false, at == 0));
        }
    }
}

impl Unit {
    fn new(text: &str, code: bool, starts_line: bool) -> Self {
        Self { text: text.to_owned(), words: count_words(text), code, starts_line }
    }
}

fn atx_heading(line: &str) -> Option<(usize, &str)> {
    let level = line.bytes().take_while(|b| *b == b'#').count();
    let heading = line[level..].strip_prefix([' ', '\t'])?.trim().trim_end_matches('#').trim();
    ((1..=6).contains(&level) && !heading.is_empty()).then_some((level, heading))
}

/// The underline of a heading: at least three `=` or `-`.
fn underlines(line: &str) -> bool {
    line.len() >= 3 && (line.bytes().all(|b| b == b'=') || line.bytes().all(|b| b == b'-'))
}

fn is_rule(line: &str) -> bool {
    line.len() >= 3 && ['-', '*', '_'].iter().any(|mark| line.chars().all(|c| c == *mark || c == ' '))
}

fn is_item(line: &str) -> bool {
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    let numbered =
        (1..=9).contains(&digits) && (line[digits..].starts_with(". ") || line[digits..].starts_with(") "));
    numbered || ["- ", "* ", "+ "].iter().any(|mark| line.starts_with(mark))
}

fn is_table_rule(line: &str) -> bool {
    line.starts_with('|') && line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' '))
}
