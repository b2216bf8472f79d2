//! Conversations in direct messages: staff do not see them, so what is for staff is said in a thread of their own, what they
//! write there is passed on, and whoever asked is told what becomes of his ticket, whose message he does not see.

use super::{Conversation, Status, Turn, key};
use crate::conversation::command::{Action, Call, Press, Question};
use crate::conversation::ticket::Ticket;
use crate::deliver::{Controls, Effect, render};
use crate::texts::{Lang, say};

/// What begins so stays among staff.
pub const ASIDE: &str = "//";
/// A conversation that ended goes on in another one once it is that long, or at once when no human had it.
const LONG_TURNS: usize = 200;

impl Conversation {
    /// Whether what is asked next begins another conversation. Staff may reopen a ticket, which goes on with what is there.
    pub fn is_over(&self) -> bool {
        let had_ticket = self.transcript.iter().any(|turn| matches!(turn, Turn::Forwarded { .. }));
        self.direct && self.status == Status::Completed && (!had_ticket || self.transcript.len() > LONG_TURNS)
    }

    /// Opens a ticket where staff see it.
    pub(super) fn call_staff(&self, call: &Call, ticket: &Ticket, event_id: &str) -> Vec<Action> {
        let ping = call.support_role.map(|role| format!("<@&{}> ", role.0)).unwrap_or_default();
        let post = Effect::PostToStaff {
            content: format!("{ping}{}", render::ticket::summary(call.lang, call.server, self, ticket)),
            discreet: Some(format!("{ping}{}", render::ticket::discreet(call.lang, self, ticket))),
            controls: Controls::Ticket { ticket: call.ticket, status: ticket.status },
            ping_role: call.support_role,
            lang: call.lang,
        };
        vec![
            Action::OpenTicket(call.ticket),
            Action::Deliver(key(event_id, "staff_thread", 0), Effect::OpenStaffThread {}),
            Action::Deliver(key(event_id, "forward", 0), post),
        ]
    }

    /// What whoever asked says while a human has it.
    pub(super) fn told_to_staff(&self, question: &Question) -> Option<Action> {
        let post = Effect::PostToStaff {
            content: render::ticket::said(question.author, &question.text),
            discreet: None,
            controls: Controls::None,
            ping_role: None,
            lang: question.lang,
        };
        self.direct.then(|| Action::Deliver(key(&question.origin.event_id(), "relay", 0), post))
    }

    /// What staff say to whoever asked.
    pub(super) fn pass_on(&mut self, question: &Question) -> Vec<Action> {
        let (Some(channel), Some(staff_thread)) = (self.thread, self.staff_thread) else { return Vec::new() };
        if question.text.starts_with(ASIDE) {
            return Vec::new();
        }
        self.record(question, false, true);
        let relay = Effect::Relay {
            channel,
            content: render::silence::spoken(question.lang, &question.text, question.author),
            staff_thread,
            message: question.origin.id(),
            lang: question.lang,
        };
        vec![Action::Deliver(key(&question.origin.event_id(), "relay", 0), relay)]
    }

    /// What whoever asked learns of a step with his ticket.
    pub(super) fn told_of(&self, press: &Press, step: &str) -> Option<Action> {
        let asked = self.last_question().and_then(|(_, text)| Lang::detect(text));
        let lang = asked.unwrap_or(press.lang);
        let content = match step {
            "claim" => say!(lang, "dm-claimed", user = press.user),
            "resolve" | "resolve_unclaimed" => say!(lang, "dm-resolved", user = press.user),
            "hand_back" | "hand_back_unclaimed" => say!(lang, "dm-handed-back"),
            _ => return None,
        };
        let channel = self.thread.filter(|_| self.direct)?;
        let notice = Effect::Notice { channel, content, controls: Controls::None, ping_user: None, lang };
        Some(Action::Deliver(key(&press.interaction.0.to_string(), "told", 0), notice))
    }
}
