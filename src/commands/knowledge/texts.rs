//! Everything that people read of `/knowledge`.

use uuid::Uuid;

use crate::answer::retrieve::{Found, Retrieved, THRESHOLD};
use crate::commands::{Choice, Kind};
use crate::deliver::panel::{Button, Panel, Style};
use crate::deliver::render::{one_line, ticket::quote, truncate};
use crate::discord::MAX_CONTENT_CHARS;
use crate::first_reply::{DRAFT, PAGE, REMOVE, REMOVE_NOT};
use crate::knowledge::documents::{Listed, Room, Shown};
use crate::knowledge::fetch;
use crate::knowledge::import::{FileError, MAX_DOCUMENT_BYTES, MAX_PDF_BYTES, is_unseen};
use crate::knowledge::pdf::{self, MAX_PAGES};
use crate::texts::{Key, Lang, say};

const FILE: Choice =
    Choice { name: "file", description: Key("describe-knowledge-file"), kind: Kind::Optional(&Kind::File) };
const LINK: Choice = Choice {
    name: "link",
    description: Key("describe-knowledge-link"),
    kind: Kind::Optional(&Kind::Text { max_chars: 200, suggested: false }),
};
const DOCUMENT: Choice = Choice {
    name: "document",
    description: Key("describe-knowledge-document"),
    kind: Kind::Text { max_chars: 1_000, suggested: true },
};

/// Subcommands and options, required ones first.
pub const OPTIONS: &[Choice] = &[
    Choice {
        name: "add",
        description: Key("describe-knowledge-add"),
        kind: Kind::Subcommand(&[
            FILE,
            LINK,
            Choice {
                name: "title",
                description: Key("describe-knowledge-title"),
                kind: Kind::Optional(&Kind::Text { max_chars: 200, suggested: false }),
            },
        ]),
    },
    Choice { name: "list", description: Key("describe-knowledge-list"), kind: Kind::Subcommand(&[]) },
    Choice { name: "view", description: Key("describe-knowledge-view"), kind: Kind::Subcommand(&[DOCUMENT]) },
    Choice {
        name: "search",
        description: Key("describe-knowledge-search"),
        kind: Kind::Subcommand(&[Choice {
            name: "question",
            description: Key("describe-knowledge-question"),
            kind: Kind::Text { max_chars: 1_000, suggested: false },
        }]),
    },
    Choice {
        name: "replace",
        description: Key("describe-knowledge-replace"),
        kind: Kind::Subcommand(&[DOCUMENT, FILE, LINK]),
    },
    Choice {
        name: "remove",
        description: Key("describe-knowledge-remove"),
        kind: Kind::Subcommand(&[DOCUMENT]),
    },
];

/// Whether a file can become a document, by its name and size.
pub fn takes(lang: Lang, filename: &str, bytes: u64) -> Result<(), String> {
    let ending = filename.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase()).unwrap_or_default();
    let most = match ending.as_str() {
        "pdf" => MAX_PDF_BYTES,
        "txt" | "text" | "md" | "markdown" => MAX_DOCUMENT_BYTES,
        _ => return Err(say!(lang, "file-kinds", name = code(filename))),
    };
    if bytes > most as u64 {
        let (name, size, limit) = (code(filename), size(bytes), size(most as u64));
        return Err(say!(lang, "file-too-large", name, size, limit));
    }
    Ok(())
}

/// Why a file is no document, and what to do about it.
pub fn why_not(lang: Lang, error: &FileError) -> String {
    match error {
        FileError::Unreadable(_) | FileError::Pdf(pdf::Error::NoReader(_)) => say!(lang, "file-later"),
        FileError::Pdf(pdf::Error::Encrypted) => say!(lang, "file-protected"),
        FileError::Pdf(pdf::Error::Damaged) => say!(lang, "file-damaged"),
        FileError::Pdf(pdf::Error::NoText) => say!(lang, "file-scan"),
        FileError::Pdf(pdf::Error::TooManyPages) => say!(lang, "file-too-many-pages", limit = MAX_PAGES),
        FileError::Pdf(pdf::Error::TooCostly) => say!(lang, "file-too-costly"),
        FileError::Pdf(pdf::Error::TooMuchText) | FileError::TooLarge { .. } => say!(lang, "file-too-long"),
        FileError::PdfByContent | FileError::NoPdf | FileError::UnknownType(_) => {
            say!(lang, "file-other-ending")
        }
        FileError::Empty => say!(lang, "file-empty"),
        FileError::Binary { .. } | FileError::Utf16 | FileError::NotUtf8 { .. } => {
            say!(lang, "file-no-text-file")
        }
    }
}

/// Why there is no file, and what to do about it.
pub fn not_fetched(lang: Lang, error: &fetch::Error) -> String {
    match error {
        fetch::Error::Elsewhere | fetch::Error::Gone => say!(lang, "file-gone"),
        fetch::Error::TooLarge { .. } => say!(lang, "file-too-long"),
        fetch::Error::Unreachable(_) => say!(lang, "file-later"),
    }
}

/// Words of others, on one line and without a way out of the code that they stand in.
fn code(text: &str) -> String {
    format!("`{}`", short(text, 100).replace('`', "'"))
}

/// A title within a text of ours: nothing in it is Markdown.
pub fn title(text: &str) -> String {
    let mut shown = String::from("**");
    for c in short(text, 120).chars() {
        if "*_`~|<>[]()\\#@".contains(c) {
            shown.push('\\');
        }
        shown.push(c);
    }
    shown.push_str("**");
    shown
}

/// On one line, without what cannot be seen and turns what comes after it around.
pub fn short(text: &str, chars: usize) -> String {
    let seen: String = text.chars().filter(|c| !is_unseen(*c)).collect();
    let line = one_line(&seen, chars);
    if line.is_empty() { "…".to_owned() } else { line }
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..1_000_000 => format!("{} kB", bytes.div_ceil(1_000)),
        _ => format!("{:.1} MB", bytes as f64 / 1e6),
    }
}

fn amount(bytes: i64) -> String {
    size(u64::try_from(bytes).unwrap_or_default())
}

fn count(number: i64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

pub fn reading(lang: Lang, name: &str) -> String {
    say!(lang, "documents-reading", name = title(name))
}

pub fn cutting(lang: Lang, name: &str) -> String {
    say!(lang, "documents-cutting", name = title(name))
}

/// A file that could not become a document.
pub fn refused(lang: Lang, name: &str, why: &str) -> String {
    say!(lang, "documents-refused", name = title(name), why)
}

pub fn searchable(lang: Lang, name: &str, passages: i64, replaced: bool, closed_gap: bool) -> String {
    let (name, passages) = (title(name), count(passages));
    let mut text = match replaced {
        true => say!(lang, "documents-replaced", name, passages),
        false => say!(lang, "documents-added", name, passages),
    };
    if closed_gap {
        text.push('\n');
        text.push_str(&say!(lang, "documents-gap-closed"));
    }
    text
}

pub fn known_already(lang: Lang, name: &str) -> String {
    say!(lang, "documents-known", name = title(name))
}

/// The title is taken.
pub fn taken(lang: Lang, name: &str, draft: Uuid) -> Panel {
    let id = |what: &str| format!("{DRAFT}{draft}:{what}");
    Panel {
        content: say!(lang, "documents-taken", name = title(name)),
        rows: vec![vec![
            Button::new(Style::Primary, &say!(lang, "button-document-replace"), id("replace")),
            Button::new(Style::Secondary, &say!(lang, "button-document-both"), id("both")),
            Button::new(Style::Secondary, &say!(lang, "button-cancel"), id("drop")),
        ]],
    }
}

pub fn no_room(lang: Lang, room: &Room, bytes: u64) -> String {
    if room.documents >= room.max_documents {
        let (documents, limit) = (count(room.documents), count(room.max_documents));
        return say!(lang, "documents-full", documents, limit);
    }
    let (size, used, limit) = (size(bytes), amount(room.bytes), amount(room.max_bytes));
    say!(lang, "documents-too-much", size, used, limit)
}

/// A page of the list; `page` counts from 0 and is there.
pub fn list(lang: Lang, documents: &[Listed], page: i64, room: &Room) -> Panel {
    if room.documents == 0 {
        return Panel::text(say!(lang, "documents-none"));
    }
    let (number, limit) = (count(room.documents), count(room.max_documents));
    let (used, most) = (amount(room.bytes), amount(room.max_bytes));
    let mut content = say!(lang, "documents-list", documents = number, limit, used, room = most);
    content.push('\n');
    for document in documents {
        content.push_str(&format!(
            "{} · {} · {} · <t:{}:R>\n",
            title(&document.title),
            document.file_type,
            amount(document.bytes),
            document.updated_at.unix_timestamp()
        ));
    }
    let pages = pages(room.documents);
    content.push_str("-# ");
    content.push_str(&say!(lang, "documents-page", page = count(page + 1), pages = count(pages)));
    Panel { content: truncate(&content, MAX_CONTENT_CHARS), rows: turning(lang, PAGE, page, pages) }
}

pub fn pages(documents: i64) -> i64 {
    let length = i64::try_from(super::PAGE).unwrap_or(i64::MAX);
    documents.max(1).saturating_add(length - 1) / length
}

/// Buttons that turn pages; none for a single page.
pub fn turning(lang: Lang, prefix: &str, page: i64, pages: i64) -> Vec<Vec<Button>> {
    if pages < 2 {
        return Vec::new();
    }
    let button = |label: &str, to: i64| {
        let there = (0..pages).contains(&to);
        // Two buttons of one message need two ids, also where both are off.
        let button = Button::new(Style::Secondary, label, format!("{prefix}{to}"));
        if there { button } else { button.off() }
    };
    vec![vec![
        button(&say!(lang, "button-page-back"), page - 1),
        button(&say!(lang, "button-page-next"), page + 1),
    ]]
}

/// A document as a whole; the file goes along.
pub fn view(lang: Lang, document: &Shown) -> Panel {
    let at = format!("<t:{}:f>", document.created_at.unix_timestamp());
    let changed = format!("<t:{}:R>", document.updated_at.unix_timestamp());
    let added = match document.added_by {
        Some(user) => say!(lang, "documents-added-by", at, user, changed),
        None => say!(lang, "documents-added-at", at, changed),
    };
    let (kind, language) = (document.file_type.as_str(), document.language.as_str());
    let (size, passages) = (size(document.content.len() as u64), count(document.passages));
    let about = say!(lang, "documents-view", kind, size, passages, language);
    let mut content = format!("{}\n{about}\n{added}\n", title(&document.title));
    let mut left = document.headings.len();
    for heading in &document.headings {
        let line = format!("• {}\n", short(heading, 120).replace('`', "'"));
        if content.chars().count() + line.chars().count() > MAX_CONTENT_CHARS - 80 {
            break;
        }
        content.push_str(&line);
        left -= 1;
    }
    if left > 0 {
        content.push_str(&format!("-# {}", say!(lang, "documents-more-headings", left)));
    }
    Panel::text(content)
}

/// What retrieval finds, as the bot would read it.
pub fn found(lang: Lang, question: &str, found: &Retrieved) -> String {
    const SHOWN: usize = 5;
    let asked = quote(&short(question, 200), 200);
    if found.passages.is_empty() {
        return format!("{asked}\n{}", say!(lang, "documents-found-nothing"));
    }
    let confidence = found.evidence.confidence;
    let percent = format!("{:.0}", confidence * 100.0);
    let sure = match confidence >= THRESHOLD {
        true => say!(lang, "documents-would-answer", percent),
        false => say!(lang, "documents-would-be-unsure", percent),
    };
    let mut text = format!("{asked}\n{sure}\n");
    for (n, passage) in found.passages.iter().take(SHOWN).enumerate() {
        text.push_str(&hit(lang, n + 1, passage));
    }
    truncate(&text, MAX_CONTENT_CHARS)
}

fn hit(lang: Lang, n: usize, passage: &Found) -> String {
    let heading = match passage.heading.as_str() {
        "" => String::new(),
        heading => format!(" › {}", short(heading, 80).replace('`', "'")),
    };
    let score = say!(lang, "documents-score", score = format!("{:.1}", passage.score));
    let place = format!("{n}\\. {}{heading} · {score}", title(&passage.title));
    format!("{place}\n{}\n", quote(&short(&passage.content, 220), 220))
}

pub fn really_remove(lang: Lang, name: &str, document: Uuid, passages: i64, file: bool) -> Panel {
    let mut content = say!(lang, "documents-really-remove", name = title(name), passages = count(passages));
    if file {
        content.push(' ');
        content.push_str(&say!(lang, "documents-and-file"));
    }
    let remove = say!(lang, "button-document-remove");
    let keep = say!(lang, "button-document-keep");
    let rows = vec![vec![
        Button::new(Style::Danger, &remove, format!("{REMOVE}{document}")),
        Button::new(Style::Secondary, &keep, format!("{REMOVE_NOT}{document}")),
    ]];
    Panel { content, rows }
}

pub fn removed(lang: Lang, name: &str) -> String {
    say!(lang, "documents-removed", name = title(name))
}
