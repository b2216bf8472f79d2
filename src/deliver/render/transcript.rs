//! A conversation as a file to keep: a page of HTML that needs nothing from elsewhere, and plain text. Pure.
//!
//! Promise: whatever was written is shown and does nothing. It is escaped, the page forbids itself scripts and requests, and
//! each text keeps its direction to itself.

use std::fmt::Write as _;

use helpline_cluster::ids::ServerId;
use time::OffsetDateTime;

use crate::conversation::state::{Conversation, Turn};
use crate::conversation::ticket::Ticket;
use crate::discord::UserId;

/// Room of what was said, in bytes; what came before is left out, and that is said.
const ROOM_BYTES: usize = 1024 * 1024;

const STYLE: &str = ":root{color-scheme:light dark;--back:#fff;--text:#1c1e21;--dim:#5c6370;--card:#f3f4f6;--staff:#e3f1e6;\
    --bot:#e8ecfb}@media (prefers-color-scheme:dark){:root{--back:#1b1c20;--text:#e6e7ea;--dim:#9aa0ab;--card:#26282e;\
    --staff:#22332a;--bot:#262b40}}body{background:var(--back);color:var(--text);font:16px/1.5 system-ui,sans-serif;\
    max-width:46rem;margin:2rem auto;padding:0 1rem}h1{font-size:1.3rem}.about,.when,.note{color:var(--dim);\
    font-size:.85rem}article{background:var(--card);border-radius:.6rem;padding:.6rem .9rem;margin:.7rem 0;\
    overflow-wrap:anywhere}article.staff{background:var(--staff)}article.bot{background:var(--bot)}header{font-weight:600}\
    .when{font-weight:400;margin-inline-start:.6rem}p{white-space:pre-wrap;unicode-bidi:isolate;margin:.3rem 0}\
    ul{margin:.3rem 0;padding-inline-start:1.2rem;font-size:.85rem}";

/// One entry, as both files show it.
struct Entry {
    class: &'static str,
    who: String,
    at: OffsetDateTime,
    /// None: something happened.
    text: Option<String>,
    sources: Vec<String>,
}

/// The conversation of a ticket. `username`: what whoever began it was called.
pub fn html(server: ServerId, conversation: &Conversation, username: &str, ticket: &Ticket) -> String {
    let (entries, left_out) = entries(conversation, username);
    let mut body = String::new();
    if left_out > 0 {
        write!(body, "<p class=note>{left_out} earlier entries are left out.</p>")
            .expect("a string takes it");
    }
    for entry in &entries {
        write!(
            body,
            "<article class=\"{}\"><header><bdi>{}</bdi><span class=when>{}</span></header>",
            entry.class,
            escaped(&entry.who),
            moment(entry.at)
        )
        .expect("a string takes it");
        if let Some(text) = &entry.text {
            write!(body, "<p dir=auto>{}</p>", escaped(text)).expect("a string takes it");
        }
        if !entry.sources.is_empty() {
            let sources: String =
                entry.sources.iter().map(|it| format!("<li dir=auto>{}</li>", escaped(it))).collect();
            write!(body, "<ul>{sources}</ul>").expect("a string takes it");
        }
        body.push_str("</article>");
    }
    if let Some(notes) = ticket.notes.as_deref() {
        write!(
            body,
            "<article class=staff><header>Notes</header><p dir=auto>{}</p></article>",
            escaped(notes)
        )
        .expect("a string takes it");
    }
    format!(
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\
         <meta name=viewport content=\"width=device-width, initial-scale=1\">\
         <title>Ticket {id}</title><style>{STYLE}</style></head><body><h1>Ticket {id}</h1>\
         <p class=about>{about}</p>{body}</body></html>\n",
        id = ticket.id,
        about = escaped(&about(server, conversation, username))
    )
}

pub fn text(server: ServerId, conversation: &Conversation, username: &str, ticket: &Ticket) -> String {
    let (entries, left_out) = entries(conversation, username);
    let mut file = format!("Ticket {}\n{}\n", ticket.id, about(server, conversation, username));
    if left_out > 0 {
        writeln!(file, "\n{left_out} earlier entries are left out.").expect("a string takes it");
    }
    for entry in &entries {
        write!(file, "\n[{}] {}\n", moment(entry.at), seen(&entry.who)).expect("a string takes it");
        for line in entry.text.iter().flat_map(|text| text.lines()) {
            writeln!(file, "  {}", seen(line)).expect("a string takes it");
        }
        for source in &entry.sources {
            writeln!(file, "  - {}", seen(source)).expect("a string takes it");
        }
    }
    if let Some(notes) = ticket.notes.as_deref() {
        write!(file, "\nNotes\n").expect("a string takes it");
        notes.lines().for_each(|line| writeln!(file, "  {}", seen(line)).expect("a string takes it"));
    }
    file
}

fn about(server: ServerId, conversation: &Conversation, username: &str) -> String {
    let place = conversation.thread.unwrap_or(conversation.channel);
    format!(
        "Asked by {username} (user {}) in channel {} of server {}. Times are in UTC.",
        conversation.user.0,
        place.0,
        server.get()
    )
}

/// The newest entries that there is room for, and how many are left out.
fn entries(conversation: &Conversation, username: &str) -> (Vec<Entry>, usize) {
    let all = conversation.transcript.iter().map(|turn| entry(conversation, username, turn));
    let (mut entries, mut bytes): (Vec<Entry>, usize) = (Vec::new(), 0);
    let mut all: Vec<Entry> = all.collect();
    while let Some(entry) = all.pop() {
        bytes += entry.text.as_ref().map_or(0, String::len) + 200;
        if bytes > ROOM_BYTES {
            all.push(entry);
            break;
        }
        entries.push(entry);
    }
    entries.reverse();
    (entries, all.len())
}

fn entry(conversation: &Conversation, username: &str, turn: &Turn) -> Entry {
    let name = |user: UserId| match user == conversation.user {
        true => format!("{username} (user {})", user.0),
        false => format!("user {}", user.0),
    };
    let happened =
        |who: String, at: OffsetDateTime| Entry { class: "event", who, at, text: None, sources: Vec::new() };
    match turn {
        Turn::Member { user, text, by_staff, at, .. } => Entry {
            class: if *by_staff { "staff" } else { "member" },
            who: if *by_staff { format!("Staff: {}", name(*user)) } else { name(*user) },
            at: *at,
            text: Some(text.clone()),
            sources: Vec::new(),
        },
        Turn::Assistant { text, citations, at, .. } => Entry {
            class: "bot",
            who: "Helpline".to_owned(),
            at: *at,
            text: Some(text.clone()),
            sources: citations
                .iter()
                .map(|it| match it.heading.is_empty() {
                    true => it.title.clone(),
                    false => format!("{} › {}", it.title, it.heading),
                })
                .collect(),
        },
        Turn::Forwarded { user, at, .. } => happened(format!("{} asked for a human", name(*user)), *at),
        Turn::Ticket { step, by, at, .. } => {
            happened(format!("{} by {}", step.replace('_', " "), name(*by)), *at)
        }
        Turn::Closed { at, by_silence: true, .. } => {
            happened("Closed: nobody wrote any more".to_owned(), *at)
        }
        Turn::Closed { user, at, .. } => happened(format!("Closed by {}", name(*user)), *at),
    }
}

fn moment(at: OffsetDateTime) -> String {
    let at = at.to_offset(time::UtcOffset::UTC);
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    )
}

/// Without what no file should hold.
fn seen(text: &str) -> String {
    text.chars().filter(|it| !it.is_control() || matches!(it, '\n' | '\t')).collect()
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + text.len() / 8);
    for it in seen(text).chars() {
        match it {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::conversation::state::Status;
    use crate::discord::ChannelId;

    fn said(text: &str) -> Conversation {
        let member = Turn::Member {
            event_id: "1".into(),
            user: UserId(9),
            text: text.into(),
            asked: true,
            by_staff: false,
            at: OffsetDateTime::UNIX_EPOCH,
        };
        Conversation {
            id: Uuid::nil(),
            channel: ChannelId(5),
            thread: None,
            user: UserId(9),
            status: Status::Completed,
            transcript: vec![member],
            direct: false,
            staff_thread: None,
        }
    }

    fn page(text: &str) -> String {
        let ticket = Ticket { notes: Some(text.to_owned()), ..Ticket::new(Uuid::nil()) };
        html(ServerId(1), &said(text), text, &ticket)
    }

    #[test]
    fn both_files_say_who_said_what_and_when() {
        let ticket = Ticket::new(Uuid::nil());
        let page = html(ServerId(1), &said("how?\nsay"), "ada", &ticket);
        assert!(
            page.contains("<bdi>ada (user 9)</bdi><span class=when>1970-01-01 00:00:00</span>"),
            "{page}"
        );
        assert!(page.contains("<p dir=auto>how?\nsay</p>"), "{page}");
        let file = text(ServerId(1), &said("how?\nsay"), "ada", &ticket);
        assert!(file.ends_with("\n[1970-01-01 00:00:00] ada (user 9)\n  how?\n  say\n"), "{file}");
    }

    #[test]
    fn a_long_talk_keeps_its_newest_entries_and_says_so() {
        let mut conversation = said(&"x".repeat(600_000));
        conversation.transcript.push(conversation.transcript[0].clone());
        let page = html(ServerId(1), &conversation, "ada", &Ticket::new(Uuid::nil()));
        assert!(page.contains("1 earlier entries are left out") && page.len() < 2 * ROOM_BYTES);
    }

    proptest! {
        #[test]
        fn nothing_that_was_written_is_markup(text in "[<>&\"'a-z/= ]{0,60}|<script>.*</script>|\u{202e}.*|\" onload=.*") {
            let (page, plain) = (page(&text), page("x"));
            // Not one tag, attribute or comment more than of a page whose words are harmless.
            prop_assert_eq!(page.matches('<').count(), plain.matches('<').count());
            prop_assert_eq!(page.matches('>').count(), plain.matches('>').count());
            prop_assert_eq!(page.matches('"').count(), plain.matches('"').count());
        }
    }
}
