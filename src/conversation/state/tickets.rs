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
use crate::discord::UserId;

/// How long after staff spoke the bot leaves a talk to them.
const QUIET_FOR: Duration = Duration::minutes(30);

impl Conversation {
    pub(super) fn act(&mut self, press: &Press, ticket: &Ticket, act: Act) -> Vec<Action> {
        if let Some(why_not) = self.why_not(ticket, &act) {
            return vec![respond(press, &why_not)];
        }
        let told = told(&act);
        let Some((after, step)) = ticket.after(act, press.user, press.pressed_at) else {
            return vec![respond(press, &standing(ticket))];
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
            _ => respond(press, &told),
        };
        [reply, Action::ChangeTicket(after)].into_iter().chain(counts).collect()
    }

    /// Opens the form in which the notes are written; what is sent then is [`Act::Resolve`].
    pub(super) fn ask_notes(&self, press: &Press, ticket: &Ticket) -> Vec<Action> {
        if let Some(why_not) = self.why_not(ticket, &Act::Resolve { notes: None }) {
            return vec![respond(press, &why_not)];
        }
        let effect = Effect::AskNotes {
            interaction: press.interaction,
            token: press.token.clone(),
            ticket: ticket.id,
        };
        vec![Action::Deliver(key(&press.interaction.0.to_string(), "notes", 0), effect)]
    }

    /// What whoever pressed is told when the act cannot be done now.
    fn why_not(&self, ticket: &Ticket, act: &Act) -> Option<String> {
        if let Act::Transfer(to) = act
            && ticket.status == TicketStatus::Assigned
            && ticket.assigned_to == Some(to.0.to_string())
        {
            return Some(format!("<@{}> has this ticket already.", to.0));
        }
        if *act == Act::Reopen && ticket.status == TicketStatus::Resolved && self.status == Status::Forwarded
        {
            return Some("This conversation has a newer ticket that is open.".to_owned());
        }
        ticket.step(act).is_none().then(|| standing(ticket))
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
fn standing(ticket: &Ticket) -> String {
    match (ticket.status, &ticket.assigned_to) {
        (TicketStatus::Pending, _) => "Nobody has claimed this ticket now.".to_owned(),
        (TicketStatus::Assigned, Some(somebody)) => format!("<@{somebody}> has claimed this ticket."),
        (TicketStatus::Assigned, None) => "This ticket has been claimed.".to_owned(),
        (TicketStatus::Resolved, Some(somebody)) => {
            format!(
                "<@{somebody}> has resolved this ticket already. Press \"Reopen\" if there is more to do."
            )
        }
        (TicketStatus::Resolved, None) => {
            "This ticket went back to the bot already. Press \"Reopen\" if there is more to do.".to_owned()
        }
    }
}

/// What whoever did it is told.
fn told(act: &Act) -> String {
    match act {
        Act::Claim => {
            "The ticket is yours. I stay silent in the conversation until you resolve it or give it back to me."
                .to_owned()
        }
        Act::Transfer(to) => format!("The ticket is <@{}>'s now.", to.0),
        Act::Release => "The ticket waits for somebody else to claim it.".to_owned(),
        Act::Resolve { .. } => "The ticket is resolved.".to_owned(),
        Act::HandBack => "I answer in this conversation again.".to_owned(),
        Act::Reopen => "The ticket is open again, and waits for somebody to claim it.".to_owned(),
    }
}

#[cfg(test)]
mod tests;
