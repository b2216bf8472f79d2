//! What staff do to a ticket of the conversation, and when the bot leaves the talk to them. Each press is answered to
//! whoever pressed, alone; the message with the buttons follows from the database, see `worker::lanes::tickets`.

use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use super::presses::respond;
use super::{Because, Conversation, Status, Turn, key};
use crate::answer;
use crate::conversation::command::{Action, Press, ResolvedBy};
use crate::conversation::ticket::{Act, Ticket, TicketStatus};
use crate::deliver::Effect;
use crate::deliver::render::ticket::mention;
use crate::discord::UserId;
use crate::texts::{Lang, say};

/// How long after staff spoke the bot leaves a talk to them.
const QUIET_FOR: Duration = Duration::minutes(30);

impl Conversation {
    pub(super) fn act(&mut self, press: &Press, ticket: &Ticket, act: Act) -> Vec<Action> {
        if let Some(why_not) = self.why_not(ticket, &act, press.lang) {
            return vec![respond(press, why_not)];
        }
        let told = told(&act, press.lang);
        let Some((after, step)) = ticket.after(act, press.user, press.pressed_at) else {
            return vec![respond(press, standing(ticket, press.lang))];
        };
        self.status = step.conversation;
        self.transcript.push(Turn::Ticket {
            ticket: ticket.id,
            step: step.name.to_owned(),
            by: press.user,
            at: press.pressed_at,
        });
        let counts = match (step.to, step.names_somebody) {
            (TicketStatus::Resolved, true) => self.resolved(ResolvedBy::Staff),
            _ if step.from == Some(TicketStatus::Resolved) => self.unresolved(),
            _ => None,
        };
        // Whoever resolves it gets the conversation as files, which are made when everything is stored.
        let reply = match (step.to, step.names_somebody) {
            (TicketStatus::Resolved, true) => with_transcript(press, ticket.id, told),
            _ => respond(press, told),
        };
        let told = self.told_of(press, step.name);
        [reply, Action::ChangeTicket(after)].into_iter().chain(counts).chain(told).collect()
    }

    /// Opens the form in which the notes are written; what is sent then is [`Act::Resolve`].
    pub(super) fn ask_notes(&self, press: &Press, ticket: &Ticket) -> Vec<Action> {
        if let Some(why_not) = self.why_not(ticket, &Act::Resolve { notes: None }, press.lang) {
            return vec![respond(press, why_not)];
        }
        let effect = Effect::AskNotes {
            interaction: press.interaction,
            token: press.token.clone(),
            ticket: ticket.id,
            lang: press.lang,
        };
        vec![Action::Deliver(key(&press.interaction.0.to_string(), "notes", 0), effect)]
    }

    /// What whoever pressed is told when the act cannot be done now.
    fn why_not(&self, ticket: &Ticket, act: &Act, lang: Lang) -> Option<String> {
        if let Act::Transfer(to) = act
            && ticket.status == TicketStatus::Assigned
            && ticket.assigned_to == Some(to.0.to_string())
        {
            return Some(say!(lang, "ticket-has-already", user = *to));
        }
        if *act == Act::Reopen && ticket.status == TicketStatus::Resolved && self.status == Status::Forwarded
        {
            return Some(say!(lang, "ticket-newer-open"));
        }
        ticket.step(act).is_none().then(|| standing(ticket, lang))
    }

    /// Whether the bot leaves what is said at this moment to staff, unless it is addressed.
    pub fn is_quiet_at(&self, now: OffsetDateTime) -> bool {
        let last = self.transcript.iter().rev().find_map(|turn| match turn {
            Turn::Member { by_staff: true, at, .. } => Some(Some(*at)),
            Turn::Ticket { step, .. } if step.starts_with("hand_back") => Some(None),
            _ => None,
        });
        last.flatten().is_some_and(|spoke_at| now - spoke_at < QUIET_FOR)
    }

    /// Whether somebody has worked on a ticket of this conversation, and so is staff whatever a message says of him.
    pub fn has_been_handled_by(&self, user: UserId) -> bool {
        self.transcript.iter().any(|turn| matches!(turn, Turn::Ticket { by, .. } if *by == user))
    }

    /// The last question that was put to the bot: its event id and text.
    pub fn last_question(&self) -> Option<(&str, &str)> {
        last_question(&self.transcript)
    }

    /// What was said until a ticket was opened.
    pub fn before_ticket(&self, id: Uuid) -> &[Turn] {
        let opened = |turn: &Turn| matches!(turn, Turn::Forwarded { ticket, .. } if *ticket == Some(id));
        let end = self.transcript.iter().position(opened).unwrap_or(self.transcript.len());
        &self.transcript[..end]
    }

    /// What the bot is to answer for staff: what whoever began it wrote last, and what was said before. None: nothing.
    pub fn open_question(&self) -> Option<(String, Vec<answer::Turn>)> {
        const WORDS: usize = 3;
        let by_asker = |turn: &Turn| match turn {
            Turn::Member { user, text, by_staff: false, asked, .. } => {
                *asked || *user == self.user && text.split_whitespace().count() >= WORDS
            }
            _ => false,
        };
        let at = self.transcript.iter().rposition(by_asker)?;
        let Turn::Member { text, .. } = &self.transcript[at] else { return None };
        let earlier = at.saturating_sub(super::HISTORY_TURNS);
        Some((text.clone(), self.transcript[earlier..at].iter().filter_map(Turn::said).collect()))
    }

    /// Why a ticket was opened.
    pub fn because(&self, id: Uuid) -> Option<Because> {
        self.transcript.iter().find_map(|turn| match turn {
            Turn::Forwarded { ticket, because, .. } if *ticket == Some(id) => *because,
            _ => None,
        })
    }

    /// Who asked for a human when a ticket was opened.
    pub fn forwarded_by(&self, id: Uuid) -> UserId {
        let by = self.transcript.iter().find_map(|turn| match turn {
            Turn::Forwarded { ticket, user, .. } if *ticket == Some(id) => Some(*user),
            _ => None,
        });
        by.unwrap_or(self.user)
    }

    /// Who took the last step with a ticket in Discord, and which it was.
    pub fn last_step(&self, id: Uuid) -> Option<(&str, UserId)> {
        self.transcript.iter().rev().find_map(|turn| match turn {
            Turn::Ticket { ticket, step, by, .. } if *ticket == id => Some((step.as_str(), *by)),
            _ => None,
        })
    }

    pub(super) fn why_forwarded(&self, voted: Option<bool>) -> Because {
        match last_question(&self.transcript).and_then(|(event, _)| answer_to(&self.transcript, event)) {
            None | Some((_, answer::Action::Clarify | answer::Action::HandOver(_))) => Because::Unanswered,
            Some((_, answer::Action::Unsure)) => Because::NothingFound,
            Some((_, answer::Action::Answer)) if voted == Some(false) => Because::NotHelpful,
            Some((_, answer::Action::Answer)) => Because::Answered,
        }
    }
}

/// The last question among these turns: its event id and text.
pub fn last_question(turns: &[Turn]) -> Option<(&str, &str)> {
    turns.iter().rev().find_map(|turn| match turn {
        Turn::Member { event_id, text, asked: true, .. } => Some((event_id.as_str(), text.as_str())),
        _ => None,
    })
}

/// The answer to a question among these turns.
pub fn answer_to<'a>(turns: &'a [Turn], question: &str) -> Option<(&'a str, answer::Action)> {
    turns.iter().rev().find_map(|turn| match turn {
        Turn::Assistant { answers, text, action, .. } if answers == question => {
            Some((text.as_str(), *action))
        }
        _ => None,
    })
}

fn with_transcript(press: &Press, ticket: Uuid, content: String) -> Action {
    let effect = Effect::Transcript {
        interaction: press.interaction,
        token: press.token.clone(),
        application: press.application,
        ticket,
        content,
    };
    Action::Deliver(key(&press.interaction.0.to_string(), "respond", 0), effect)
}

/// How the ticket stands, to whoever wanted something of it that does not go from there.
fn standing(ticket: &Ticket, lang: Lang) -> String {
    let by = ticket.assigned_to.as_deref().map(mention);
    match (ticket.status, by) {
        (TicketStatus::Pending, _) => say!(lang, "ticket-is-unclaimed"),
        (TicketStatus::Assigned, Some(user)) => say!(lang, "ticket-is-claimed-by", user),
        (TicketStatus::Assigned, None) => say!(lang, "ticket-is-claimed"),
        (TicketStatus::Resolved, Some(user)) => say!(lang, "ticket-is-resolved", user),
        (TicketStatus::Resolved, None) => say!(lang, "ticket-is-given-back"),
    }
}

/// What whoever did it is told.
fn told(act: &Act, lang: Lang) -> String {
    match act {
        Act::Claim => say!(lang, "ticket-did-claim"),
        Act::Transfer(to) => say!(lang, "ticket-did-transfer", user = *to),
        Act::Release => say!(lang, "ticket-did-release"),
        Act::Resolve { .. } => say!(lang, "ticket-did-resolve"),
        Act::HandBack => say!(lang, "ticket-did-hand-back"),
        Act::Reopen => say!(lang, "ticket-did-reopen"),
    }
}

#[cfg(test)]
mod tests;
