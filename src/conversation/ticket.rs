//! The lawful ways of a handed-over conversation's ticket. Pure data: [`TRANSITIONS`] is the table
//! `helpline.ticket_transitions`, by which a trigger refuses everything else; a test holds the two equal.
//!
//! A ticket is pending until somebody takes it, then assigned to him, then resolved. A resolved ticket names who
//! resolved it, and its conversation is completed; one that names nobody went back to the bot, and its conversation
//! is active again. Either can be reopened. While a ticket is open, its conversation is forwarded.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::state::Status;
use crate::discord::{ChannelId, MessageId, UserId};

/// `forwarded_tickets.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketStatus {
    /// Nobody has taken it yet.
    Pending,
    Assigned,
    Resolved,
}

impl TicketStatus {
    /// Reads the column.
    pub fn read(column: &str) -> Option<Self> {
        [Self::Pending, Self::Assigned, Self::Resolved].into_iter().find(|status| status.as_str() == column)
    }

    /// As the column holds it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Resolved => "resolved",
        }
    }
}

/// One lawful step of a ticket, and what the row holds after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Transition {
    pub name: &'static str,
    /// None: the ticket is opened.
    pub from: Option<TicketStatus>,
    pub to: TicketStatus,
    /// `assigned_to` names a person afterwards.
    pub names_somebody: bool,
    /// `conversations.status` afterwards, unless the conversation has another open ticket.
    pub conversation: Status,
    /// Dashboards take the step too, not only workers and the service.
    pub by_dashboards: bool,
}

impl Transition {
    /// Whether `resolved_at` is set afterwards, and `resolution_notes` may be.
    pub fn resolves(&self) -> bool {
        self.to == TicketStatus::Resolved
    }
}

/// A member asked for a human.
pub const OPEN: Transition = Transition {
    name: "open",
    from: None,
    to: TicketStatus::Pending,
    names_somebody: false,
    conversation: Status::Forwarded,
    by_dashboards: false,
};

/// Every lawful step.
pub const TRANSITIONS: [Transition; 10] = {
    use TicketStatus::{Assigned, Pending, Resolved};
    [
        OPEN,
        step("claim", Pending, Assigned, true, Status::Forwarded),
        step("transfer", Assigned, Assigned, true, Status::Forwarded),
        step("release", Assigned, Pending, false, Status::Forwarded),
        step("resolve_unclaimed", Pending, Resolved, true, Status::Completed),
        step("resolve", Assigned, Resolved, true, Status::Completed),
        step("hand_back_unclaimed", Pending, Resolved, false, Status::Active),
        step("hand_back", Assigned, Resolved, false, Status::Active),
        step("reopen", Resolved, Pending, false, Status::Forwarded),
        step("reopen_claimed", Resolved, Assigned, true, Status::Forwarded),
    ]
};

const fn step(
    name: &'static str,
    from: TicketStatus,
    to: TicketStatus,
    names_somebody: bool,
    conversation: Status,
) -> Transition {
    Transition { name, from: Some(from), to, names_somebody, conversation, by_dashboards: true }
}

/// The step between two states of a ticket; none when it is not lawful.
pub fn between(
    from: Option<TicketStatus>,
    to: TicketStatus,
    names_somebody: bool,
) -> Option<&'static Transition> {
    TRANSITIONS
        .iter()
        .find(|step| step.from == from && step.to == to && step.names_somebody == names_somebody)
}

/// Notes beyond this are cut, in characters; the trigger refuses longer ones.
pub const MAX_NOTES_CHARS: usize = 10_000;

/// A ticket as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    pub id: Uuid,
    pub status: TicketStatus,
    /// Discord's id of whoever has it, or has resolved it. A dashboard may write one that is nobody's.
    pub assigned_to: Option<String>,
    pub resolved_at: Option<OffsetDateTime>,
    pub notes: Option<String>,
}

/// A ticket that is open, as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// None: nobody has claimed it.
    pub assigned_to: Option<String>,
    pub forwarded_at: OffsetDateTime,
    pub asker: String,
    /// The thread of its conversation, or the channel where there is none.
    pub channel: Option<ChannelId>,
    /// The message with its buttons.
    pub message: Option<MessageId>,
    /// What the conversation began with.
    pub question: String,
}

/// What staff do to a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Claim,
    Transfer(UserId),
    Release,
    Resolve { notes: Option<String> },
    HandBack,
    Reopen,
}

impl Act {
    /// The steps of [`TRANSITIONS`] that it can be.
    fn steps(&self) -> &'static [&'static str] {
        match self {
            Self::Claim => &["claim"],
            Self::Transfer(_) => &["transfer"],
            Self::Release => &["release"],
            Self::Resolve { .. } => &["resolve", "resolve_unclaimed"],
            Self::HandBack => &["hand_back", "hand_back_unclaimed"],
            Self::Reopen => &["reopen"],
        }
    }
}

impl Ticket {
    /// A ticket that was opened just now.
    pub fn new(id: Uuid) -> Self {
        Self { id, status: OPEN.to, assigned_to: None, resolved_at: None, notes: None }
    }

    /// The step that an act is from here; none when it is not lawful now.
    pub fn step(&self, act: &Act) -> Option<&'static Transition> {
        TRANSITIONS.iter().find(|step| step.from == Some(self.status) && act.steps().contains(&step.name))
    }

    /// The ticket after somebody's act; the trigger of the database does the same. None: the act is not lawful now.
    pub fn after(&self, act: Act, by: UserId, at: OffsetDateTime) -> Option<(Self, &'static Transition)> {
        let step = self.step(&act)?;
        let (somebody, notes) = match act {
            Act::Claim => (Some(by), None),
            Act::Transfer(to) => (Some(to), None),
            Act::Resolve { notes } => (Some(by), notes),
            Act::Release | Act::HandBack | Act::Reopen => (None, None),
        };
        let after = Self {
            id: self.id,
            status: step.to,
            assigned_to: somebody.map(|user| user.0.to_string()),
            resolved_at: step.resolves().then_some(at),
            notes: notes.map(|notes| notes.chars().take(MAX_NOTES_CHARS).collect()),
        };
        Some((after, step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_act_is_one_step_from_each_status_at_most_and_leaves_what_the_step_says() {
        let acts = [
            Act::Claim,
            Act::Transfer(UserId(8)),
            Act::Release,
            Act::Resolve { notes: Some("told him".into()) },
            Act::HandBack,
            Act::Reopen,
        ];
        let mut taken = Vec::new();
        for status in [TicketStatus::Pending, TicketStatus::Assigned, TicketStatus::Resolved] {
            let ticket = Ticket { status, ..Ticket::new(Uuid::nil()) };
            for act in &acts {
                let Some((after, step)) = ticket.after(act.clone(), UserId(9), OffsetDateTime::UNIX_EPOCH)
                else {
                    continue;
                };
                taken.push(step.name);
                assert_eq!((after.status, after.assigned_to.is_some()), (step.to, step.names_somebody));
                assert_eq!(after.resolved_at.is_some(), step.resolves(), "{}", step.name);
                assert!(after.notes.is_none() || step.resolves(), "{}", step.name);
                assert_eq!(between(Some(status), after.status, after.assigned_to.is_some()), Some(step));
            }
        }
        let left: Vec<_> = TRANSITIONS.iter().filter(|step| !taken.contains(&step.name)).collect();
        assert_eq!(left.iter().map(|step| step.name).collect::<Vec<_>>(), ["open", "reopen_claimed"]);
    }

    #[test]
    fn notes_are_cut_at_what_the_database_takes() {
        let act = Act::Resolve { notes: Some("\u{202e}é".repeat(10_000)) };
        let (after, _) =
            Ticket::new(Uuid::nil()).after(act, UserId(9), OffsetDateTime::UNIX_EPOCH).expect("lawful");
        assert_eq!(after.notes.expect("notes").chars().count(), MAX_NOTES_CHARS);
    }

    #[test]
    fn an_open_ticket_keeps_its_conversation_with_the_humans_and_a_resolved_one_does_not() {
        for step in TRANSITIONS {
            let expected = match (step.to, step.names_somebody) {
                (TicketStatus::Pending | TicketStatus::Assigned, _) => Status::Forwarded,
                (TicketStatus::Resolved, true) => Status::Completed,
                (TicketStatus::Resolved, false) => Status::Active,
            };
            assert_eq!(step.conversation, expected, "{}", step.name);
        }
    }

    #[test]
    fn two_states_have_one_step_between_them_at_most() {
        for step in &TRANSITIONS {
            assert_eq!(between(step.from, step.to, step.names_somebody), Some(step));
        }
        assert_eq!(between(None, TicketStatus::Resolved, false), None);
        assert_eq!(between(Some(TicketStatus::Pending), TicketStatus::Assigned, false), None);
    }
}
