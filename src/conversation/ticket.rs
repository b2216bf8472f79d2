//! The lawful ways of a handed-over conversation's ticket. Pure data: [`TRANSITIONS`] is the table
//! `helpline.ticket_transitions`, by which a trigger refuses everything else; a test holds the two equal.
//!
//! A ticket is pending until somebody takes it, then assigned to him, then resolved. A resolved ticket names who
//! resolved it, and its conversation is completed; one that names nobody went back to the bot, and its conversation
//! is active again. Either can be reopened. While a ticket is open, its conversation is forwarded.

use super::state::Status;

/// `forwarded_tickets.status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TicketStatus {
    /// Nobody has taken it yet.
    Pending,
    Assigned,
    Resolved,
}

impl TicketStatus {
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

#[cfg(test)]
mod tests {
    use super::*;

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
