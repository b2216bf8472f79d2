//! What is said when nobody wrote for long, and what staff are shown and let the bot say. Pure.

use time::OffsetDateTime;

use super::{chars, truncate};
use crate::discord::{MAX_CONTENT_CHARS, UserId};
use crate::texts::{Lang, say};

/// Of a suggestion: room for the name of whoever sends it.
pub const SUGGESTION_CHARS: usize = 1_800;

pub fn warning(lang: Lang, asker: UserId, closes_at: OffsetDateTime) -> String {
    say!(lang, "silence-warning", user = asker, when = format!("<t:{}:R>", closes_at.unix_timestamp()))
}

/// What the bot would answer, to whoever of the staff asked for it.
pub fn suggestion(lang: Lang, text: &str) -> String {
    let head = format!("{}\n\n", say!(lang, "suggest-head"));
    format!("{head}{}", truncate(text, MAX_CONTENT_CHARS - chars(&head)))
}

/// What staff let the bot say, with their name.
pub fn spoken(lang: Lang, text: &str, by: UserId) -> String {
    let from = format!("\n-# {}", say!(lang, "spoken-from", user = by));
    format!("{}{from}", truncate(text, MAX_CONTENT_CHARS - chars(&from)))
}
