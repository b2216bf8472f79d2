//! Unit tests of silences.

use time::Duration;
use uuid::Uuid;

use super::super::tests::{ASKER, OTHER, answered, begun, effects, follow_up, message, press, pressed};
use super::*;
use crate::conversation::command::{Command, Question};

const HELPER: UserId = UserId(70);
const PATIENCE: Patience = Patience {
    conversation: Some(Duration::hours(72)),
    ticket: Some(Duration::hours(48)),
    warning: Duration::hours(24),
};

fn at(hours: i64) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::hours(hours)
}

fn says(conversation: Conversation, user: UserId, by_staff: bool, hours: i64) -> Conversation {
    let question = Question { author: user, asked_at: at(hours), ..follow_up(500, "hm") };
    conversation.apply(Command::Overhear { question, by_staff }).0
}

fn silence(conversation: Conversation, due: Due, ticket: Option<Ticket>) -> (Conversation, Vec<Action>) {
    conversation.apply(Command::Silence { due, ticket, at: at(100), lang: Lang::En })
}

#[test]
fn who_has_an_answer_is_warned_then_closed_and_has_the_time_that_he_was_promised() {
    let conversation = answered();
    let next = |warned, now| conversation.next(PATIENCE, warned, at(now));
    assert_eq!(conversation.timer(PATIENCE), Some(Timer { since: at(0), look_at: at(48) }));
    assert_eq!(next(None, 47), Next::Later(at(48)));
    assert_eq!(next(None, 48), Next::Due(Due::Warning { closes_at: at(72) }));
    assert_eq!(next(Some(at(48)), 71), Next::Later(at(72)));
    assert_eq!(next(Some(at(48)), 72), Next::Due(Due::Close));
    // Nobody was there to warn him in time.
    assert_eq!(next(None, 500), Next::Due(Due::Warning { closes_at: at(524) }));
    assert_eq!(next(Some(at(500)), 501), Next::Later(at(524)));
}

#[test]
fn nobody_is_given_up_while_the_bot_or_staff_have_the_last_word_to_say() {
    let waits = |conversation: &Conversation| conversation.timer(PATIENCE).is_some();
    assert!(!waits(&begun(message(100, "how?")).0), "the bot owes an answer");
    let unheard = says(answered(), ASKER, false, 1);
    assert!(!waits(&unheard), "he wrote what nobody answered yet");
    assert!(waits(&says(unheard, HELPER, true, 2)));
    assert!(waits(&says(answered(), OTHER, false, 1)), "the talk of others is none of his");
    let forwarded = answered().apply(press(300)).0;
    assert!(!waits(&forwarded), "staff owe a word");
    let spoken = says(forwarded, HELPER, true, 1);
    assert_eq!(spoken.timer(PATIENCE), Some(Timer { since: at(1), look_at: at(25) }));
    assert!(!waits(&says(spoken, ASKER, false, 2)));
}

#[test]
fn what_is_switched_off_is_not_waited_for() {
    let off = Patience { conversation: None, ..PATIENCE };
    assert_eq!((answered().timer(off), answered().next(off, None, at(999))), (None, Next::Nothing));
    let spoken = says(answered().apply(press(300)).0, HELPER, true, 1);
    assert_eq!(spoken.timer(Patience { ticket: None, ..PATIENCE }), None);
    let closed = answered().apply(Command::Close { press: pressed(300, ASKER) }).0;
    assert_eq!(closed.timer(PATIENCE), None);
}

#[test]
fn a_long_notice_leaves_half_of_the_time() {
    let patience = Patience { warning: Duration::hours(1_000), ..PATIENCE };
    assert_eq!(answered().timer(patience), Some(Timer { since: at(0), look_at: at(36) }));
}

#[test]
fn a_conversation_that_is_closed_for_its_silence_says_so_and_counts_as_assumed() {
    let (conversation, warned) = silence(answered(), Due::Warning { closes_at: at(124) }, None);
    assert_eq!((effects(&warned), conversation.status), (vec!["notice"], Status::Active));
    let Action::Deliver(_, Effect::Notice { ping_user, controls, content, .. }) = &warned[0] else {
        panic!("a notice: {warned:?}")
    };
    assert_eq!((*ping_user, *controls), (Some(ASKER), Controls::Silent { conversation: Uuid::nil() }));
    assert!(content.contains(&format!("<t:{}:R>", at(124).unix_timestamp())), "{content}");
    let (conversation, closed) = silence(conversation, Due::Close, None);
    assert_eq!(effects(&closed), ["resolved", "notice", "archive"]);
    assert!(matches!(closed[0], Action::Resolved { question: MessageId(100), by: ResolvedBy::Silence }));
    assert_eq!(conversation.status, Status::Completed);
    assert!(matches!(conversation.transcript.last(), Some(Turn::Closed { by_silence: true, .. })));
    let keys = |actions: &[Action]| {
        actions
            .iter()
            .filter_map(|it| if let Action::Deliver(key, _) = it { Some(key.clone()) } else { None })
            .collect::<Vec<_>>()
    };
    let again = silence(answered(), Due::Close, None).1;
    assert_eq!(keys(&closed), keys(&again), "whoever closes it says the same thing once");
}

#[test]
fn a_ticket_whose_asker_is_silent_is_resolved_in_the_name_of_whoever_has_it_or_spoke() {
    let spoken = says(answered().apply(press(300)).0, HELPER, true, 1);
    let assigned = Ticket { assigned_to: Some("71".into()), ..Ticket::new(Uuid::max()) };
    let assigned = Ticket { status: crate::conversation::ticket::TicketStatus::Assigned, ..assigned };
    for (ticket, by) in [(Ticket::new(Uuid::max()), "70"), (assigned, "71")] {
        let (conversation, actions) = silence(spoken.clone(), Due::Close, Some(ticket));
        assert_eq!(effects(&actions), ["change", "resolved", "notice", "archive"]);
        let Action::ChangeTicket(after) = &actions[0] else { panic!("a change: {actions:?}") };
        assert_eq!((after.assigned_to.as_deref(), conversation.status), (Some(by), Status::Completed));
        assert!(after.notes.as_deref().is_some_and(|notes| notes.contains("by itself")));
    }
}

#[test]
fn what_staff_let_the_bot_say_counts_as_theirs_and_names_them_without_a_ping() {
    let (conversation, actions) = answered().apply(Command::Speak {
        press: pressed(400, HELPER),
        text: "Hello <@9>".into(),
        lang: Lang::En,
    });
    assert_eq!(effects(&actions), ["respond", "post"]);
    let Action::Deliver(_, Effect::Post { content, ping_user: None, ping_role: None, .. }) = &actions[1]
    else {
        panic!("a post that pings nobody: {actions:?}")
    };
    assert_eq!(content, "Hello <@9>\n-# From <@70>");
    assert!(conversation.is_quiet_at(at(0)));
}
