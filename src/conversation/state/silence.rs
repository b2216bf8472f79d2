//! Whoever asked says nothing more: when he is warned, when nothing more is waited for, and what counts as resolved then.
//!
//! Promises: nobody is given up while the bot or staff have the last word to say; who was warned has the time that he was
//! promised, however late the warning came; one answer ends the waiting.

use time::OffsetDateTime;

use super::presses::respond;
use super::{Conversation, Status, Turn, answer_to, key};
use crate::answer;
use crate::conversation::command::{Action, Due, Press, ResolvedBy};
use crate::conversation::ticket::{Act, Ticket};
use crate::deliver::render::silence as texts;
use crate::deliver::{Controls, Effect};
use crate::discord::{MessageId, UserId};
use crate::server_config::Patience;
use crate::texts::{Lang, say};

/// Since when whoever asked is waited for, and when that is looked at again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timer {
    pub since: OffsetDateTime,
    pub look_at: OffsetDateTime,
}

/// What follows from a silence at some moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// Nobody is waited for.
    Nothing,
    /// Nothing, until then.
    Later(OffsetDateTime),
    Due(Due),
}

impl Conversation {
    /// What is stored with the conversation; none: nobody is waited for.
    pub fn timer(&self, patience: Patience) -> Option<Timer> {
        match self.next(patience, None, OffsetDateTime::UNIX_EPOCH) {
            Next::Later(look_at) => Some(Timer { since: self.waits_since()?, look_at }),
            Next::Nothing | Next::Due(_) => None,
        }
    }

    /// What is due. `warned_at`: he was warned of this silence already.
    pub fn next(&self, patience: Patience, warned_at: Option<OffsetDateTime>, now: OffsetDateTime) -> Next {
        let allowed = match self.status {
            Status::Active => patience.conversation,
            Status::Forwarded => patience.ticket,
            Status::Completed => None,
        };
        let (Some(allowed), Some(since)) = (allowed, self.waits_since()) else { return Next::Nothing };
        let notice = patience.warning.min(allowed / 2);
        match warned_at {
            None if now < since + (allowed - notice) => Next::Later(since + (allowed - notice)),
            None => Next::Due(Due::Warning { closes_at: now + notice }),
            Some(warned_at) => match (since + allowed).max(warned_at + notice) {
                closes_at if now < closes_at => Next::Later(closes_at),
                _ => Next::Due(Due::Close),
            },
        }
    }

    /// When the bot or staff spoke, if whoever asked has not spoken since. With a ticket only what staff said counts: the
    /// bot has promised a human.
    fn waits_since(&self) -> Option<OffsetDateTime> {
        let last = self.transcript.iter().rev().find_map(|turn| match turn {
            Turn::Member { by_staff: true, at, .. } => Some(Some(*at)),
            Turn::Member { user, asked, .. } if *user == self.user || *asked => Some(None),
            Turn::Assistant { at, .. } => Some((self.status == Status::Active).then_some(*at)),
            _ => None,
        });
        last.flatten()
    }

    pub(super) fn silent(
        &mut self,
        due: Due,
        ticket: Option<Ticket>,
        at: OffsetDateTime,
        lang: Lang,
    ) -> Vec<Action> {
        let Some(since) = self.waits_since() else { return Vec::new() };
        let event = format!("silence:{}:{}", self.id, since.unix_timestamp_nanos());
        match (due, ticket) {
            (Due::Warning { closes_at }, ticket) => self.warning(&event, closes_at, ticket.is_some(), lang),
            (Due::Close, Some(ticket)) => self.give_up_on(&ticket, &event, at, lang),
            (Due::Close, None) => {
                let mut actions: Vec<Action> =
                    self.end(self.user, at, ResolvedBy::Silence).into_iter().collect();
                actions.extend(self.notice(
                    &event,
                    "closed",
                    say!(lang, "silence-closed"),
                    (Controls::None, lang),
                ));
                actions.extend(self.archive(&event));
                actions
            }
        }
    }

    fn warning(&self, event: &str, closes_at: OffsetDateTime, has_ticket: bool, lang: Lang) -> Vec<Action> {
        let controls = match has_ticket {
            true => Controls::None,
            false => Controls::Silent { conversation: self.id },
        };
        self.notice(event, "warning", texts::warning(lang, self.user, closes_at), (controls, lang))
            .into_iter()
            .collect()
    }

    /// A ticket whose asker is silent is resolved in the name of whoever of the staff spoke with him.
    fn give_up_on(&mut self, ticket: &Ticket, event: &str, at: OffsetDateTime, lang: Lang) -> Vec<Action> {
        let spoke = self.transcript.iter().rev().find_map(|turn| match turn {
            Turn::Member { by_staff: true, user, .. } => Some(*user),
            _ => None,
        });
        let by = ticket.assigned_to.as_deref().and_then(|id| id.parse().ok()).map(UserId).or(spoke);
        let notes = Some(say!(lang, "silence-notes"));
        let Some((after, step)) = by.and_then(|by| ticket.after(Act::Resolve { notes }, by, at)) else {
            return Vec::new();
        };
        let by = by.unwrap_or(self.user);
        self.status = step.conversation;
        self.transcript.push(Turn::Ticket { ticket: ticket.id, step: step.name.to_owned(), by, at });
        self.transcript.push(Turn::Closed { user: self.user, at, by_silence: true });
        let mut actions = vec![Action::ChangeTicket(after)];
        actions.extend(self.resolved(ResolvedBy::Silence));
        actions.extend(self.notice(event, "closed", say!(lang, "silence-closed"), (Controls::None, lang)));
        actions.extend(self.archive(event));
        actions
    }

    /// Ends the conversation. The last question counts as resolved when there was an answer to it.
    pub(super) fn end(&mut self, user: UserId, at: OffsetDateTime, by: ResolvedBy) -> Option<Action> {
        self.status = Status::Completed;
        self.transcript.push(Turn::Closed { user, at, by_silence: by == ResolvedBy::Silence });
        let (event, _) = self.last_question()?;
        let (_, action) = answer_to(&self.transcript, event)?;
        (action == answer::Action::Answer).then(|| self.resolved(by)).flatten()
    }

    /// The last question counts as resolved.
    pub(super) fn resolved(&self, by: ResolvedBy) -> Option<Action> {
        let question = MessageId(self.last_question()?.0.parse().ok()?);
        Some(Action::Resolved { question, by })
    }

    pub(super) fn unresolved(&self) -> Option<Action> {
        let question = MessageId(self.last_question()?.0.parse().ok()?);
        Some(Action::Unresolved { question })
    }

    /// The thread is put away; written in again, it comes back by itself.
    pub(super) fn archive(&self, event: &str) -> Option<Action> {
        let channel = self.thread.filter(|_| !self.direct)?;
        Some(Action::Deliver(key(event, "archive", 0), Effect::Archive { channel }))
    }

    /// Says something in the thread; in a channel it would be in the way of others.
    fn notice(
        &self,
        event: &str,
        effect: &'static str,
        content: String,
        (controls, lang): (Controls, Lang),
    ) -> Option<Action> {
        let ping_user = (effect == "warning").then_some(self.user);
        let notice = Effect::Notice { channel: self.thread?, content, controls, ping_user, lang };
        Some(Action::Deliver(key(event, effect, 0), notice))
    }

    /// Staff let the bot say something: it counts as theirs.
    pub(super) fn speak(&mut self, press: &Press, text: String, lang: Lang) -> Vec<Action> {
        let event = press.interaction.0.to_string();
        let content = texts::spoken(lang, &text, press.user);
        self.transcript.push(Turn::Member {
            event_id: event.clone(),
            user: press.user,
            text,
            asked: false,
            by_staff: true,
            at: press.pressed_at,
        });
        let post = Effect::Post {
            channel: self.thread.unwrap_or(self.channel),
            content,
            reply_to: None,
            controls: Controls::None,
            ping_role: None,
            ping_user: None,
            fallback: None,
            asked_at_ms: None,
            lang,
        };
        vec![respond(press, say!(press.lang, "spoken-done")), Action::Deliver(key(&event, "spoken", 0), post)]
    }
}

#[cfg(test)]
mod tests;
