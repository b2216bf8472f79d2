//! Unit tests of what staff do to a conversation.

use time::OffsetDateTime;
use uuid::Uuid;

use super::super::tests::{
    ASKER, CALL, OTHER, answered, begun, effects, follow_up, job, message, press, pressed, told,
};
use super::*;
use crate::answer::Answer;
use crate::conversation::command::{Command, Question};
use crate::deliver::Controls;
use crate::discord::RoleId;

const HELPER: UserId = UserId(70);
const OTHER_HELPER: UserId = UserId(71);

fn at(minutes: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::minutes(minutes)
}

/// A conversation with a ticket that nobody has claimed.
fn forwarded() -> (Conversation, Ticket) {
    (answered().apply(press(300)).0, Ticket::new(Uuid::max()))
}

fn act(conversation: Conversation, ticket: &Ticket, by: UserId, act: Act) -> (Conversation, Vec<Action>) {
    conversation.apply(Command::Act { press: pressed(400, by), ticket: ticket.clone(), act })
}

/// The conversation and its ticket after an act that is lawful.
fn after(conversation: Conversation, ticket: &Ticket, by: UserId, done: Act) -> (Conversation, Ticket) {
    let (conversation, actions) = act(conversation, ticket, by, done);
    match actions.as_slice() {
        [Action::Deliver(..), Action::ChangeTicket(ticket), ..] => (conversation, ticket.clone()),
        other => panic!("a reply and a change: {other:?}"),
    }
}

fn said(conversation: Conversation, minutes: i64, by_staff: bool) -> Conversation {
    let question = Question { author: OTHER, asked_at: at(minutes), ..follow_up(500, "let me see") };
    conversation.apply(Command::Overhear { question, by_staff }).0
}

#[test]
fn a_ticket_goes_its_way_and_the_conversation_with_it() {
    let (conversation, ticket) = forwarded();
    let (conversation, ticket) = after(conversation, &ticket, HELPER, Act::Claim);
    assert_eq!((conversation.status, ticket.assigned_to.as_deref()), (Status::Forwarded, Some("70")));
    let (conversation, ticket) = after(conversation, &ticket, HELPER, Act::Transfer(OTHER_HELPER));
    assert_eq!((conversation.status, ticket.assigned_to.as_deref()), (Status::Forwarded, Some("71")));
    let (conversation, ticket) = after(conversation, &ticket, HELPER, Act::Release);
    assert_eq!((conversation.status, ticket.status), (Status::Forwarded, TicketStatus::Pending));
    let notes = Some("told him".to_owned());
    let (conversation, ticket) = after(conversation, &ticket, HELPER, Act::Resolve { notes: notes.clone() });
    assert_eq!((conversation.status, &ticket.notes), (Status::Completed, &notes));
    let (conversation, ticket) = after(conversation, &ticket, OTHER_HELPER, Act::Reopen);
    assert_eq!((conversation.status, &ticket.notes), (Status::Forwarded, &None));
    let (conversation, ticket) = after(conversation, &ticket, OTHER_HELPER, Act::HandBack);
    assert_eq!((conversation.status, ticket.status), (Status::Active, TicketStatus::Resolved));
    assert_eq!(conversation.last_step(ticket.id), Some(("hand_back_unclaimed", OTHER_HELPER)));
}

#[test]
fn what_is_not_lawful_from_here_changes_nothing_and_says_how_the_ticket_stands() {
    let (conversation, pending) = forwarded();
    let (conversation, claimed) = after(conversation, &pending, HELPER, Act::Claim);
    let acts = |ticket: &Ticket, acts: Vec<Act>, says: &str| {
        for wanted in acts {
            let (unchanged, actions) = act(conversation.clone(), ticket, OTHER_HELPER, wanted);
            assert_eq!(effects(&actions), ["respond"]);
            assert!(told(&actions).contains(says), "{}", told(&actions));
            assert_eq!(unchanged, conversation);
        }
    };
    acts(&pending, vec![Act::Release, Act::Reopen, Act::Transfer(HELPER)], "Nobody has claimed");
    acts(&claimed, vec![Act::Claim, Act::Reopen], "<@70> has claimed");
    acts(&claimed, vec![Act::Transfer(HELPER)], "<@70> has this ticket already");
    let (resolved, _) = claimed.after(Act::Resolve { notes: None }, HELPER, at(0)).expect("lawful");
    let others =
        vec![Act::Claim, Act::Release, Act::HandBack, Act::Resolve { notes: None }, Act::Transfer(OTHER)];
    acts(&resolved, others, "<@70> has resolved");
    acts(&resolved, vec![Act::Reopen], "a newer ticket");
}

#[test]
fn the_form_for_notes_is_opened_only_for_what_can_be_resolved() {
    let (conversation, ticket) = forwarded();
    let notes = |ticket: &Ticket| Command::AskNotes { press: pressed(400, HELPER), ticket: ticket.clone() };
    let (unchanged, actions) = conversation.clone().apply(notes(&ticket));
    assert_eq!((effects(&actions), &unchanged), (vec!["ask_notes"], &conversation));
    let (resolved, _) = ticket.after(Act::HandBack, HELPER, at(0)).expect("lawful");
    let (_, actions) = conversation.apply(notes(&resolved));
    assert!(told(&actions).contains("went back to the bot"));
}

#[test]
fn the_bot_leaves_a_talk_to_staff_for_half_an_hour_after_they_spoke() {
    let conversation = said(said(answered(), 10, true), 20, false);
    assert!(!answered().is_quiet_at(at(0)), "nobody of the staff spoke");
    assert!(conversation.is_quiet_at(at(10)) && conversation.is_quiet_at(at(39)));
    assert!(!conversation.is_quiet_at(at(40)), "others than staff do not count");
    assert!(said(conversation, 30, true).is_quiet_at(at(59)), "whenever they speak again");
}

#[test]
fn a_conversation_that_was_given_back_is_the_bots_at_once() {
    let (conversation, ticket) = forwarded();
    let (conversation, ticket) = after(said(conversation, 1, true), &ticket, HELPER, Act::Claim);
    assert!(conversation.is_quiet_at(at(2)));
    let (conversation, _) = after(conversation, &ticket, HELPER, Act::HandBack);
    assert!(!conversation.is_quiet_at(at(2)));
    assert!(conversation.has_been_handled_by(HELPER) && !conversation.has_been_handled_by(ASKER));
}

#[test]
fn staff_are_called_with_the_question_the_answer_and_why() {
    let post = |actions: &[Action]| match &actions[2] {
        Action::Deliver(_, Effect::Post { content, controls, ping_role, .. }) => {
            assert_eq!(*ping_role, Some(RoleId(7)));
            let ticket = Uuid::max();
            assert_eq!(*controls, Controls::Ticket { ticket, status: TicketStatus::Pending });
            content.clone()
        }
        other => panic!("a post: {other:?}"),
    };
    let voted = |voted| {
        let Command::AskHuman { press, call, .. } = press(300) else { unreachable!() };
        Command::AskHuman { press, call, voted }
    };
    let (_, actions) = answered().apply(voted(Some(false)));
    assert_eq!(
        post(&actions),
        "<@&7> <@9> asks for a human: my answer did not help.\n> how do refunds work?\nWhat I answered:\n> So.\n\
         https://discord.com/channels/1/100\n**Waits** for somebody to claim it."
    );
    let (_, actions) = answered().apply(voted(Some(true)));
    assert!(post(&actions).contains("after my answer"));
    let (conversation, actions) = begun(message(100, "how?"));
    let unanswered = conversation.clone().apply(voted(None)).1;
    assert!(post(&unanswered).contains("before I had an answer"));
    let unsure = Answer {
        action: answer::Action::Unsure,
        text: "I could not find it.".into(),
        citations: Vec::new(),
        confidence: 0.0,
        tokens: 0,
    };
    let (conversation, _) =
        conversation.apply(Command::Answered { job: job(actions), answer: unsure, at: at(0), call: CALL });
    let text = post(&conversation.apply(voted(None)).1);
    assert!(text.contains("I found nothing") && !text.contains("What I answered"), "{text}");
}

#[test]
fn what_is_said_later_does_not_change_what_a_ticket_was_opened_for() {
    let (conversation, ticket) = forwarded();
    let summary = |conversation: &Conversation, ticket: &Ticket| {
        crate::deliver::render::ticket::summary(
            Lang::En,
            helpline_cluster::ids::ServerId(1),
            conversation,
            ticket,
        )
    };
    let before = summary(&conversation, &ticket);
    let (conversation, _) = conversation.apply(Command::Ask(follow_up(101, "hello?")));
    assert_eq!(summary(&conversation, &ticket), before);
    let (conversation, ticket) =
        after(conversation, &ticket, HELPER, Act::Resolve { notes: Some("@everyone\n# done".into()) });
    let text = summary(&conversation, &ticket);
    assert!(text.ends_with("**Resolved** by <@70> <t:0:R>.\n> @everyone # done"), "{text}");
}
