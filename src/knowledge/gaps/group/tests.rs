use proptest::prelude::*;
use time::OffsetDateTime;

use super::*;
use crate::discord::UserId;

fn question(id: u64, text: &str) -> Question {
    Question { id: MessageId(id), text: text.to_owned(), place: ChannelId(1), why: Why::default() }
}

fn words(text: &str) -> Vec<String> {
    text.split_whitespace().map(str::to_lowercase).collect()
}

fn grouped(texts: &[&str]) -> Vec<Vec<u64>> {
    let questions: Vec<Question> = (0..).zip(texts).map(|(n, text)| question(100 - n, text)).collect();
    let lexemes: Vec<Vec<String>> = texts.iter().map(|text| words(text)).collect();
    let ids = |gap: Gap| gap.questions.iter().map(|question| question.id.0).collect();
    group(questions, &lexemes).into_iter().map(ids).collect()
}

#[test]
fn questions_about_the_same_come_together_the_most_frequent_first() {
    let texts = [
        "map reset date",
        "refund gift card",
        "reset map when",
        "map reset",
        "ban appeal",
        "gift card refund",
    ];
    assert_eq!(grouped(&texts), vec![vec![100, 98, 97], vec![99, 95], vec![96]]);
}

#[test]
fn a_word_that_all_have_makes_nothing_alike() {
    let texts = ["server refund", "server backup", "server map", "server rank"];
    assert_eq!(grouped(&texts).len(), 4);
}

#[test]
fn questions_without_words_are_alike_by_their_letters() {
    assert_eq!(grouped(&["", "", "x"]), vec![vec![100, 99], vec![98]]);
}

fn said(event: u64, text: &str, asked: bool) -> Turn {
    Turn::Member {
        event_id: event.to_string(),
        user: UserId(9),
        text: text.to_owned(),
        asked,
        by_staff: false,
        at: OffsetDateTime::UNIX_EPOCH,
    }
}

fn answered(event: u64, action: Action) -> Turn {
    Turn::Assistant {
        answers: event.to_string(),
        text: String::new(),
        action,
        citations: Vec::new(),
        at: OffsetDateTime::UNIX_EPOCH,
        anew: false,
    }
}

#[test]
fn a_question_is_a_gap_when_it_was_unsure_unhelpful_or_handed_over_and_once_for_all_of_them() {
    let forwarded =
        Turn::Forwarded { user: UserId(9), at: OffsetDateTime::UNIX_EPOCH, ticket: None, because: None };
    let transcript = [
        said(1, "good", true),
        answered(1, Action::Answer),
        said(2, "unsure", true),
        answered(2, Action::Unsure),
        said(3, "bad", true),
        answered(3, Action::Answer),
        said(4, "talk", false),
        forwarded,
    ];
    let found = unanswered(&transcript, ChannelId(7), &[3, 99]);
    let found: Vec<(u64, Why)> = found.into_iter().map(|question| (question.id.0, question.why)).collect();
    let unsure = Why { unsure: true, ..Why::default() };
    let bad = Why { unhelpful: true, handed_over: true, ..Why::default() };
    assert_eq!(found, [(2, unsure), (3, bad)]);
}

#[test]
fn a_gap_keeps_its_id_while_its_oldest_question_is_there_and_no_other_server_has_it() {
    let gap =
        |ids: &[u64]| Gap { id: Uuid::nil(), questions: ids.iter().map(|id| question(*id, "x")).collect() };
    let id = gap(&[5, 3]).of(ServerId(1)).id;
    assert_eq!(gap(&[9, 5, 3]).of(ServerId(1)).id, id);
    assert_ne!(gap(&[5, 3]).of(ServerId(2)).id, id);
    assert_ne!(gap(&[5]).of(ServerId(1)).id, id);
}

proptest! {
    #[test]
    fn every_question_is_in_one_group(texts in prop::collection::vec("[a-d]( [a-d]){0,3}", 0..30)) {
        let all: Vec<&str> = texts.iter().map(String::as_str).collect();
        let mut ids: Vec<u64> = grouped(&all).concat();
        ids.sort_unstable();
        let mut expected: Vec<u64> = (0..texts.len() as u64).map(|n| 100 - n).collect();
        expected.sort_unstable();
        prop_assert_eq!(ids, expected);
    }
}
