//! What the buttons below an answer do. Each press is answered to whoever pressed, alone.

use time::OffsetDateTime;

use super::{Because, Conversation, Status, Turn, key};
use crate::conversation::command::{Action, Call, Press, ResolvedBy, Vote};
use crate::conversation::ticket::{self, Ticket};
use crate::deliver::{Controls, Effect, render};
use crate::discord::{MessageId, UserId};
use crate::texts::say;

/// Says something to whoever pressed.
pub(super) fn respond(press: &Press, content: String) -> Action {
    let effect = Effect::Respond {
        interaction: press.interaction,
        token: press.token.clone(),
        content,
        application: Some(press.application),
    };
    Action::Deliver(key(&press.interaction.0.to_string(), "respond", 0), effect)
}

impl Conversation {
    pub(super) fn ask_human(&mut self, press: &Press, call: &Call, voted: Option<bool>) -> Vec<Action> {
        if self.status == Status::Forwarded {
            return vec![respond(press, say!(press.lang, "human-asked-already"))];
        }
        let because = self.why_forwarded(voted);
        let mut actions = vec![respond(press, say!(press.lang, "human-asked"))];
        let event_id = press.interaction.0.to_string();
        actions.extend(self.hand_over(press.user, press.pressed_at, because, call, &event_id));
        actions
    }

    /// Opens a ticket and calls staff, because the member or the answerer asks for it. Not while one is open.
    pub(super) fn hand_over(
        &mut self,
        user: UserId,
        at: OffsetDateTime,
        because: Because,
        call: &Call,
        event_id: &str,
    ) -> Vec<Action> {
        self.status = ticket::OPEN.conversation;
        self.transcript.push(Turn::Forwarded { user, at, ticket: Some(call.ticket), because: Some(because) });
        let opened = Ticket::new(call.ticket);
        if self.direct {
            return self.call_staff(call, &opened, event_id);
        }
        let ping = call.support_role.map(|role| format!("<@&{}> ", role.0)).unwrap_or_default();
        let post = Effect::Post {
            channel: self.thread.unwrap_or(self.channel),
            content: format!("{ping}{}", render::ticket::summary(call.lang, call.server, self, &opened)),
            reply_to: None,
            controls: Controls::Ticket { ticket: call.ticket, status: opened.status },
            ping_role: call.support_role,
            ping_user: None,
            // Staff are called also when the thread could not be started, or is gone.
            fallback: self.thread.map(|thread| (self.channel, thread.starter())),
            asked_at_ms: None,
            lang: call.lang,
        };
        vec![Action::OpenTicket(call.ticket), Action::Deliver(key(event_id, "forward", 0), post)]
    }

    /// The vote of whoever asked; a later one takes the place of an earlier one.
    pub(super) fn vote(&self, press: &Press, question: MessageId, helpful: bool) -> Vec<Action> {
        let Some(asker) = self.asker_of(question) else {
            return vec![respond(press, say!(press.lang, "vote-gone"))];
        };
        if asker != press.user {
            return vec![respond(press, say!(press.lang, "vote-not-yours"))];
        }
        let thanks = match helpful {
            true => say!(press.lang, "vote-thanks"),
            false => say!(press.lang, "vote-sorry"),
        };
        let counts = match helpful {
            true => Action::Resolved { question, by: ResolvedBy::Vote },
            false => Action::Unresolved { question },
        };
        vec![respond(press, thanks), Action::Vote(Vote { question, user: asker, helpful }), counts]
    }

    /// Whose question an answer of this conversation is to. None: nothing here answers it.
    fn asker_of(&self, question: MessageId) -> Option<UserId> {
        let question = question.0.to_string();
        let is_answered =
            |turn: &Turn| matches!(turn, Turn::Assistant { answers, .. } if *answers == question);
        let asker = self.transcript.iter().find_map(|turn| match turn {
            Turn::Member { event_id, user, .. } if *event_id == question => Some(*user),
            _ => None,
        });
        // The question may have been taken back; then whoever began the conversation is as good as its author.
        self.transcript.iter().any(is_answered).then(|| asker.unwrap_or(self.user))
    }

    /// Ends the conversation until somebody asks in it again.
    pub(super) fn close(&mut self, press: &Press) -> Vec<Action> {
        if self.user != press.user {
            return vec![respond(press, say!(press.lang, "close-not-yours"))];
        }
        let text = match self.status {
            Status::Active => {
                let mut actions = vec![respond(press, say!(press.lang, "close-done"))];
                actions.extend(self.end(press.user, press.pressed_at, ResolvedBy::Asker));
                return actions;
            }
            Status::Completed => say!(press.lang, "close-already"),
            Status::Forwarded => say!(press.lang, "close-human"),
        };
        vec![respond(press, text)]
    }
}
