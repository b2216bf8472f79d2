//! What is said when nobody wrote for long, and what staff let the bot say. Pure.

use time::OffsetDateTime;

use super::{chars, truncate};
use crate::discord::{MAX_CONTENT_CHARS, UserId};

pub const CLOSED: &str =
    "I closed this conversation, because nobody wrote here for a while. Write here, and it goes on.";
/// The notes of a ticket that is resolved by itself.
pub const GIVEN_UP: &str = "Resolved by itself: whoever asked did not write any more.";
/// To whoever let the bot say something.
pub const SAID: &str = "I said that here.";

pub fn warning(asker: UserId, closes_at: OffsetDateTime) -> String {
    format!(
        "<@{}>, is this solved? I close this conversation <t:{}:R>, unless you write here.",
        asker.0,
        closes_at.unix_timestamp()
    )
}

/// What the bot would answer, to whoever of the staff asked for it.
pub fn suggestion(text: &str) -> String {
    let head = "**What I would answer.** Only you see this; \"Send it\" says it in the conversation, with your name.\n\n";
    format!("{head}{}", truncate(text, MAX_CONTENT_CHARS - chars(head)))
}

/// Of a suggestion: room for the name of whoever sends it.
pub const SUGGESTION_CHARS: usize = 1_800;
pub const NO_SUGGESTION: &str =
    "I find nothing in the documents that answers this. `/reply use` says what you keep ready.";
pub const NOTHING_ASKED: &str = "Nobody has asked anything here yet.";
pub const SUGGESTION_GONE: &str =
    "That suggestion was sent already, or there is a newer one. Nothing was said.";
pub const TRANSCRIPT: &str = "The conversation as files. Only you see them.";
pub const TICKET_GONE: &str = "That ticket is no longer here.";

/// What staff let the bot say, with their name.
pub fn spoken(text: &str, by: UserId) -> String {
    let from = format!("\n-# From <@{}>", by.0);
    format!("{}{from}", truncate(text, MAX_CONTENT_CHARS - chars(&from)))
}
