use super::*;
use crate::answer::retrieve::Evidence;
use uuid::Uuid;

fn found(document: u128, heading: &str, content: &str, score: f32) -> Found {
    Found {
        document_id: Uuid::from_u128(document),
        title: format!("Document {document}"),
        ordinal: 0,
        heading: heading.to_owned(),
        content: content.to_owned(),
        score,
    }
}

/// Lower-case words stand in for Postgres' lexemes.
fn composed(question: &str, passages: Vec<Found>) -> Answer {
    let retrieved = Retrieved {
        passages,
        evidence: Evidence { confidence: 0.9, ..Evidence::default() },
        follows_on: false,
    };
    let sections = sections(&retrieved);
    let lexemes: Vec<Vec<String>> = std::iter::once(question.to_owned())
        .chain(sections.iter().flat_map(|section| &section.blocks).map(|block| block.text.clone()))
        .map(|text| text.split_whitespace().map(|word| word.trim_matches('.').to_lowercase()).collect())
        .collect();
    compose(&retrieved, &sections, &lexemes, Lang::En)
}

#[test]
fn the_sentences_that_answer_are_quoted_and_not_the_whole_passage() {
    let filler = "Nothing of this matters to anybody. ".repeat(10);
    let answer = composed(
        "restart server",
        vec![found(1, "Panel", &format!("{filler}Restart the server from the panel."), 9.0)],
    );
    assert_eq!(answer.text, "Restart the server from the panel. [1]");
    assert_eq!(answer.citations[0].heading, "Panel");
}

#[test]
fn each_section_is_quoted_with_its_own_number() {
    let answer = composed(
        "restart server",
        vec![
            found(1, "A", "Restart the server here.", 9.0),
            found(2, "B", "The server can restart itself.", 8.0),
        ],
    );
    assert_eq!(answer.text, "Restart the server here. [1]\n\nThe server can restart itself. [2]");
    assert_eq!(answer.citations.len(), 2);
}

#[test]
fn passages_far_behind_the_best_are_not_quoted() {
    let answer =
        composed("restart", vec![found(1, "", "Restart it.", 9.0), found(2, "", "Restart that.", 1.0)]);
    assert_eq!(answer.citations.len(), 1);
}

#[test]
fn overlapping_passages_of_a_section_are_quoted_once() {
    let mut second = found(1, "A", "Restart the server. Then wait.", 8.0);
    second.ordinal = 1;
    let answer = composed("restart server", vec![found(1, "A", "Open it. Restart the server.", 9.0), second]);
    assert_eq!(answer.text.matches("Restart the server.").count(), 1);
}

#[test]
fn the_longest_quotations_still_fit() {
    let long = "restart ".repeat(5_000);
    let answer = composed(
        "restart",
        vec![found(1, "", &long, 9.0), found(2, "", &long, 9.0), found(3, "", &long, 9.0)],
    );
    assert!(answer.text.chars().count() <= MAX_TEXT_CHARS);
}
