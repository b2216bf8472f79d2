//! How a ticket looks to staff: what the member wants, what the bot said, and how the ticket stands. Pure.

use helpline_cluster::ids::ServerId;

use super::{one_line, truncate};
use crate::answer::{self, Reason};
use crate::conversation::state::{Because, Conversation, answer_to, last_question};
use crate::conversation::ticket::{Ticket, TicketStatus};
use crate::discord::{ChannelId, MAX_CONTENT_CHARS, MessageId, UserId};
use crate::texts::{Lang, say};

/// Room of what is quoted of the member, of the bot, and of the notes.
const QUESTION_CHARS: usize = 400;
const ANSWER_CHARS: usize = 300;
const NOTES_CHARS: usize = 600;

/// The text of a ticket's message, without the ping.
pub fn summary(lang: Lang, server: ServerId, conversation: &Conversation, ticket: &Ticket) -> String {
    let before = conversation.before_ticket(ticket.id);
    let question = last_question(before);
    let mut lines = vec![asks(lang, conversation.forwarded_by(ticket.id), conversation.because(ticket.id))];
    lines.extend(question.map(|(_, text)| quote(text, QUESTION_CHARS)));
    if let Some((text, answer::Action::Answer)) = question.and_then(|(event, _)| answer_to(before, event)) {
        lines.push(say!(lang, "ticket-answered"));
        lines.push(quote(text, ANSWER_CHARS));
    }
    // Staff see no direct messages: this stands where they answer them.
    if !conversation.direct {
        lines.push(link(server, conversation.thread.unwrap_or(conversation.channel), None));
    }
    lines.push(standing(lang, conversation, ticket));
    lines.extend(
        ticket
            .notes
            .as_deref()
            .filter(|notes| !notes.trim().is_empty())
            .map(|notes| quote(notes, NOTES_CHARS)),
    );
    if conversation.direct {
        let user = conversation.forwarded_by(ticket.id);
        lines.push(format!("-# {}", say!(lang, "dm-staff-hint", user)));
    }
    truncate(&lines.join("\n"), MAX_CONTENT_CHARS)
}

/// The same where others may read it: of what was said in direct messages nothing is told.
pub fn discreet(lang: Lang, conversation: &Conversation, ticket: &Ticket) -> String {
    let user = conversation.forwarded_by(ticket.id);
    format!("{}\n{}", say!(lang, "dm-asks-for-human", user), standing(lang, conversation, ticket))
}

/// What a member says in direct messages, to staff.
pub fn said(user: UserId, text: &str) -> String {
    truncate(&format!("<@{}>: {text}", user.0), MAX_CONTENT_CHARS)
}

/// Leads to a channel, thread or message.
pub fn link(server: ServerId, channel: ChannelId, message: Option<MessageId>) -> String {
    let message = message.map(|message| format!("/{}", message.0)).unwrap_or_default();
    format!("https://discord.com/channels/{}/{}{message}", server.get(), channel.0)
}

fn asks(lang: Lang, user: UserId, because: Option<Because>) -> String {
    match because {
        None | Some(Because::Model(Reason::AskedForHuman)) => say!(lang, "ticket-asks", user),
        Some(Because::NothingFound) => say!(lang, "ticket-asks-nothing-found", user),
        Some(Because::NotHelpful) => say!(lang, "ticket-asks-not-helpful", user),
        Some(Because::Answered) => say!(lang, "ticket-asks-answered", user),
        Some(Because::Unanswered) => say!(lang, "ticket-asks-unanswered", user),
        Some(Because::Model(Reason::AccountOrPayment)) => say!(lang, "ticket-asks-account", user),
        Some(Because::Model(Reason::Complaint)) => say!(lang, "ticket-asks-complaint", user),
        Some(Because::Model(Reason::Safety)) => say!(lang, "ticket-asks-safety", user),
        Some(Because::Model(Reason::Other)) => say!(lang, "ticket-asks-other", user),
    }
}

fn standing(lang: Lang, conversation: &Conversation, ticket: &Ticket) -> String {
    match (ticket.status, ticket.assigned_to.as_deref().map(mention)) {
        (TicketStatus::Pending, _) => say!(lang, "ticket-waits"),
        (TicketStatus::Assigned, Some(user)) => say!(lang, "ticket-claimed", user),
        (TicketStatus::Assigned, None) => say!(lang, "ticket-claimed-somebody"),
        (TicketStatus::Resolved, Some(user)) => say!(lang, "ticket-resolved", user, when = when(ticket)),
        (TicketStatus::Resolved, None) => {
            let by = conversation.last_step(ticket.id).filter(|(step, _)| step.starts_with("hand_back"));
            match by {
                Some((_, user)) => say!(lang, "ticket-given-back-by", user, when = when(ticket)),
                None => say!(lang, "ticket-given-back", when = when(ticket)),
            }
        }
    }
}

/// Of a member by his id as the database holds it.
pub(crate) fn mention(id: &str) -> String {
    format!("<@{id}>")
}

fn when(ticket: &Ticket) -> String {
    ticket.resolved_at.map(|at| format!(" <t:{}:R>", at.unix_timestamp())).unwrap_or_default()
}

/// Quotes somebody's words on one line. What reaches beyond it, or hides where a link leads, is only shown: the words
/// stand in a message of ours.
pub fn quote(text: &str, limit: usize) -> String {
    let shown = one_line(text, limit).replace('`', "\\`").replace("](", "]\\(");
    format!("> {}", truncate(&shown, limit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn quoted_words_neither_leave_their_line_nor_hide_a_link() {
        let quoted = quote("```\n# big\u{2028}\u{202e}[Claim](https://evil.example) ```", 100);
        assert_eq!(quoted, "> \\`\\`\\` # big \u{202e}[Claim]\\(https://evil.example) \\`\\`\\`");
    }

    proptest! {
        #[test]
        fn whatever_is_quoted_keeps_to_its_room(text in any::<String>(), limit in 2usize..600) {
            let quoted = quote(&text, limit);
            prop_assert!(quoted.chars().count() <= limit + 2 && quoted.lines().count() == 1);
        }
    }
}
