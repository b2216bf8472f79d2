//! Unit tests of the state machine.

use helpline_cluster::ids::ServerId;

use super::*;
use crate::conversation::command::{Press, Vote};
use crate::discord::{ApplicationId, InteractionId, MessageId, RoleId};
use crate::texts::Lang;

pub(super) const ASKER: UserId = UserId(9);
pub(super) const OTHER: UserId = UserId(8);
/// How staff are called.
pub(super) const CALL: Call =
    Call { server: ServerId(1), support_role: Some(RoleId(7)), ticket: Uuid::max(), lang: Lang::En };

pub(super) fn message(id: u64, text: &str) -> Question {
    let origin = Origin::Message { channel: ChannelId(5), message: MessageId(id), in_thread: false };
    Question {
        origin,
        author: UserId(9),
        text: text.into(),
        asked_at: OffsetDateTime::UNIX_EPOCH,
        lang: Lang::En,
    }
}

pub(super) fn follow_up(id: u64, text: &str) -> Question {
    let origin = Origin::Message { channel: ChannelId(100), message: MessageId(id), in_thread: true };
    Question { origin, ..message(id, text) }
}

pub(super) fn slash(id: u64) -> Question {
    let origin = Origin::Slash {
        channel: ChannelId(5),
        interaction: InteractionId(id),
        application: ApplicationId(3),
        token: "t".into(),
        in_thread: false,
        private: false,
    };
    Question { origin, ..message(id, "how?") }
}

pub(super) fn answer(text: &str) -> Answer {
    let citation = Citation { document_id: Uuid::nil(), title: "Refunds".into(), heading: String::new() };
    Answer {
        action: answer::Action::Answer,
        text: text.into(),
        citations: vec![citation],
        confidence: 1.0,
        tokens: 0,
    }
}

pub(super) fn pressed(id: u64, user: UserId) -> Press {
    Press {
        server: ServerId(1),
        interaction: InteractionId(id),
        application: ApplicationId(3),
        token: "t".into(),
        user,
        pressed_at: OffsetDateTime::UNIX_EPOCH,
        lang: Lang::En,
    }
}

pub(super) fn press(id: u64) -> Command {
    Command::AskHuman { press: pressed(id, ASKER), call: CALL, voted: None }
}

fn vote(id: u64, user: UserId, question: u64, helpful: bool) -> Command {
    Command::Vote { press: pressed(id, user), question: MessageId(question), helpful }
}

fn close(id: u64, user: UserId) -> Command {
    Command::Close { press: pressed(id, user) }
}

/// A question of the asker's and its answer.
pub(super) fn answered() -> Conversation {
    let (conversation, actions) = begun(message(100, "how do refunds work?"));
    let answered = Command::Answered {
        job: job(actions),
        answer: answer("So."),
        at: OffsetDateTime::UNIX_EPOCH,
        call: CALL,
    };
    conversation.apply(answered).0
}

/// What whoever pressed is told.
pub(super) fn told(actions: &[Action]) -> &str {
    match &actions[0] {
        Action::Deliver(_, Effect::Respond { content, .. } | Effect::Transcript { content, .. }) => content,
        other => panic!("a private reply comes first: {other:?}"),
    }
}

pub(super) fn begun(question: Question) -> (Conversation, Vec<Action>) {
    Conversation::begin(Uuid::nil(), &question).apply(Command::Ask(question))
}

pub(super) fn effects(actions: &[Action]) -> Vec<&'static str> {
    let effect = |action: &Action| match action {
        Action::Deliver(_, effect) => effect.name(),
        Action::Answer(_) => "answer job",
        Action::OpenTicket(_) => "ticket",
        Action::ChangeTicket(_) => "change",
        Action::Vote(_) => "vote",
        Action::Resolved { .. } => "resolved",
        Action::Unresolved { .. } => "unresolved",
    };
    actions.iter().map(effect).collect()
}

pub(super) fn job(actions: Vec<Action>) -> AnswerJob {
    let job = |action| match action {
        Action::Answer(job) => Some(job),
        _ => None,
    };
    actions.into_iter().find_map(job).expect("an answer job")
}

#[test]
fn the_first_question_starts_a_thread_and_its_answer_needs_no_reference() {
    let (conversation, actions) = begun(message(100, "how do refunds work?"));
    assert_eq!(effects(&actions), ["start_thread", "answer job"]);
    assert_eq!(conversation.thread, Some(ChannelId(100)));
    let answered = Command::Answered {
        job: job(actions),
        answer: answer("So."),
        at: OffsetDateTime::UNIX_EPOCH,
        call: CALL,
    };
    let (_, actions) = conversation.apply(answered);
    let [Action::Deliver(_, Effect::Post { channel, reply_to, content, .. })] = actions.as_slice() else {
        panic!("one post expected: {actions:?}");
    };
    assert_eq!((*channel, *reply_to), (ChannelId(100), None));
    assert!(content.ends_with("-# Sources: [1] Refunds"), "{content}");
}

#[test]
fn a_follow_up_is_answered_as_a_reply_and_brings_what_was_said() {
    let (conversation, _) = begun(message(100, "how do refunds work?"));
    let (_, actions) = conversation.apply(Command::Ask(follow_up(101, "and for yearly plans?")));
    assert_eq!(effects(&actions), ["answer job"]);
    let job = job(actions);
    assert!(!job.first);
    assert_eq!(job.history[0].text, "how do refunds work?");
}

#[test]
fn a_slash_question_is_deferred_then_filled_in_then_gets_a_thread() {
    let (conversation, actions) = begun(slash(200));
    assert_eq!(effects(&actions), ["defer", "answer job"]);
    let answered = Command::Answered {
        job: job(actions),
        answer: answer(&"Long. ".repeat(600)),
        at: OffsetDateTime::UNIX_EPOCH,
        call: CALL,
    };
    let (_, actions) = conversation.apply(answered);
    assert_eq!(effects(&actions), ["edit_original", "start_thread_on_original", "post_in_thread"]);
}

#[test]
fn a_human_is_asked_once_however_often_the_button_is_pressed() {
    let (conversation, _) = begun(message(100, "how?"));
    let (conversation, first) = conversation.apply(press(300));
    assert_eq!(effects(&first), ["respond", "ticket", "post"]);
    let (conversation, second) = conversation.apply(press(301));
    assert_eq!(effects(&second), ["respond"]);
    assert_eq!(conversation.status, Status::Forwarded);
}

#[test]
fn the_bot_stays_silent_once_a_human_has_the_conversation() {
    let (conversation, _) = begun(message(100, "how?"));
    let (conversation, _) = conversation.apply(press(300));
    let (conversation, actions) = conversation.apply(Command::Ask(follow_up(101, "hello?")));
    assert!(actions.is_empty());
    assert_eq!(conversation.transcript.len(), 3, "what was said is kept");
}

#[test]
fn a_transcript_reads_back_as_it_was_written() {
    let (conversation, actions) = begun(message(100, "how?"));
    let answered = Command::Answered {
        job: job(actions),
        answer: answer("So."),
        at: OffsetDateTime::UNIX_EPOCH,
        call: CALL,
    };
    let (conversation, _) = conversation.apply(answered);
    let json = serde_json::to_value(&conversation.transcript).unwrap();
    assert_eq!(serde_json::from_value::<Vec<Turn>>(json).unwrap(), conversation.transcript);
}

#[test]
fn the_last_part_of_an_answer_carries_what_can_be_said_to_it() {
    let (conversation, actions) = begun(message(100, "how?"));
    let long = answer(&"Long. ".repeat(600));
    let answered =
        Command::Answered { job: job(actions), answer: long, at: OffsetDateTime::UNIX_EPOCH, call: CALL };
    let (_, actions) = conversation.apply(answered);
    let controls = |action: &Action| match action {
        Action::Deliver(_, Effect::Post { controls, .. }) => *controls,
        other => panic!("a post: {other:?}"),
    };
    let (last, others) = actions.split_last().expect("several parts");
    assert!(others.iter().all(|part| matches!(controls(part), Controls::Part { .. })));
    let expected = Controls::Answer { conversation: Uuid::nil(), question: MessageId(100) };
    assert_eq!(controls(last), expected);
}

#[test]
fn whoever_asked_votes_and_may_change_his_mind() {
    let conversation = answered();
    let (conversation, first) = conversation.apply(vote(300, ASKER, 100, true));
    let (conversation, second) = conversation.apply(vote(301, ASKER, 100, false));
    for (actions, helpful) in [(first, true), (second, false)] {
        let counts = if helpful { "resolved" } else { "unresolved" };
        assert_eq!(effects(&actions), ["respond", "vote", counts]);
        assert!(actions.contains(&Action::Vote(Vote { question: MessageId(100), user: ASKER, helpful })));
    }
    assert_eq!(conversation, answered(), "a vote changes nothing of the conversation");
}

#[test]
fn nobody_else_votes_or_closes_and_nobody_votes_on_what_was_not_answered() {
    let conversation = answered();
    let (conversation, actions) = conversation.apply(vote(300, OTHER, 100, false));
    assert_eq!(effects(&actions), ["respond"]);
    assert!(told(&actions).starts_with("Only the member who asked"));
    let (conversation, actions) = conversation.apply(vote(301, ASKER, 101, false));
    assert_eq!((effects(&actions), told(&actions)), (vec!["respond"], "That answer is no longer here."));
    let (conversation, actions) = conversation.apply(close(302, OTHER));
    assert_eq!(effects(&actions), ["respond"]);
    assert_eq!(conversation, answered());
}

#[test]
fn who_asked_in_somebody_elses_conversation_votes_on_his_own_answer_alone() {
    let conversation = answered();
    let theirs = Question { author: OTHER, ..follow_up(101, "and for me?") };
    let (conversation, actions) = conversation.apply(Command::Ask(theirs));
    let at = OffsetDateTime::UNIX_EPOCH;
    let (conversation, _) = conversation.apply(Command::Answered {
        job: job(actions),
        answer: answer("So too."),
        at,
        call: CALL,
    });
    let voted = |user, question| {
        let (_, actions) = conversation.clone().apply(vote(300, user, question, true));
        actions.iter().any(|action| matches!(action, Action::Vote(_)))
    };
    assert!(voted(OTHER, 101) && voted(ASKER, 100));
    assert!(!voted(ASKER, 101) && !voted(OTHER, 100));
}

#[test]
fn a_closed_conversation_goes_on_when_its_asker_writes_again() {
    let (conversation, first) = answered().apply(close(300, ASKER));
    let done = vec!["respond", "resolved"];
    assert_eq!((effects(&first), conversation.status), (done, Status::Completed));
    assert!(matches!(conversation.transcript.last(), Some(Turn::Closed { user: ASKER, .. })));
    let (conversation, second) = conversation.apply(close(301, ASKER));
    assert_eq!((effects(&second), conversation.status), (vec!["respond"], Status::Completed));
    assert_ne!(told(&first), told(&second));
    assert_eq!(conversation.transcript.len(), 3, "closed once");
    let (conversation, _) =
        conversation.apply(Command::Overhear { question: follow_up(101, "me too"), by_staff: false });
    assert_eq!(conversation.status, Status::Completed, "others may talk in it");
    let (conversation, actions) = conversation.apply(Command::Ask(follow_up(102, "one more thing?")));
    assert_eq!((effects(&actions), conversation.status), (vec!["answer job"], Status::Active));
}

#[test]
fn what_a_human_was_asked_for_is_not_closed_by_a_button() {
    let (conversation, _) = answered().apply(press(300));
    let (conversation, actions) = conversation.apply(close(301, ASKER));
    assert_eq!((effects(&actions), conversation.status), (vec!["respond"], Status::Forwarded));
    assert!(told(&actions).contains("human"));
}

fn decided(action: answer::Action) -> (Conversation, Vec<Action>) {
    let (conversation, actions) = begun(message(100, "my account is gone"));
    let answer = Answer { action, citations: Vec::new(), ..answer("So.") };
    conversation.apply(Command::Answered {
        job: job(actions),
        answer,
        at: OffsetDateTime::UNIX_EPOCH,
        call: CALL,
    })
}

#[test]
fn a_question_back_offers_a_human_and_nothing_to_vote_on_and_is_told_to_the_next_answer() {
    let (conversation, actions) = decided(answer::Action::Clarify);
    let [Action::Deliver(_, Effect::Post { controls: Controls::AskHuman { .. }, .. })] = actions.as_slice()
    else {
        panic!("one post with one button: {actions:?}");
    };
    assert_eq!(conversation.status, Status::Active);
    let (_, actions) = conversation.apply(Command::Ask(follow_up(101, "the old one")));
    let asks_back: Vec<bool> = job(actions).history.iter().map(|turn| turn.asks_back).collect();
    assert_eq!(asks_back, [false, true]);
}

#[test]
fn an_answer_that_hands_over_does_what_the_button_does_and_does_it_once() {
    let (conversation, actions) = decided(answer::Action::HandOver(answer::Reason::AccountOrPayment));
    let [
        Action::Deliver(_, Effect::Post { controls: Controls::None, .. }),
        Action::OpenTicket(_),
        Action::Deliver(key, Effect::Post { ping_role: Some(RoleId(7)), content, .. }),
    ] = actions.as_slice()
    else {
        panic!("said, opened, called: {actions:?}");
    };
    assert_eq!((key.event_id.as_str(), key.effect), ("100", "forward"));
    assert!(content.contains("my account is gone") && content.contains("a payment"), "{content}");
    assert_eq!(conversation.status, Status::Forwarded);
    let (conversation, actions) = conversation.apply(press(300));
    assert!(told(&actions).contains("already been asked"));
    // A question that was asked before is answered after it: nobody is called again.
    let (conversation, actions) = conversation.apply(Command::Ask(slash(102)));
    let late = Command::Answered {
        job: job(actions),
        answer: Answer { action: answer::Action::HandOver(answer::Reason::Other), ..answer("So.") },
        at: OffsetDateTime::UNIX_EPOCH,
        call: CALL,
    };
    let (conversation, actions) = conversation.apply(late);
    assert!(!actions.iter().any(|action| matches!(action, Action::OpenTicket(_))), "{actions:?}");
    let json = serde_json::to_value(&conversation.transcript).unwrap();
    assert_eq!(json[1]["action"], serde_json::json!({ "hand_over": "account_or_payment" }));
    assert_eq!(serde_json::from_value::<Vec<Turn>>(json).unwrap(), conversation.transcript);
}
