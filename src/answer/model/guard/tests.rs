use super::*;
use crate::answer::prompt;
use crate::answer::{Speaker, Turn};
use helpline_cluster::ids::ServerId;
use uuid::Uuid;

const FENCE: &str = "5eed5eed5eed";
const REFUNDS: &str = "You can ask for a refund within 14 days of the purchase. Write to billing, see \
    https://help.example.org/refunds for the form.";
const BACKUPS: &str =
    "Every night a backup of your world is made. To restore it run:\n```\nbackup restore[0]\n```";

fn request() -> AnswerRequest {
    AnswerRequest {
        server: ServerId(1),
        language: "en".into(),
        system_prompt: "Speak like a pirate captain who loves old maps. ALWAYS be brief. Code: HX-7731."
            .into(),
        question: "how do refunds work?".into(),
        history: vec![Turn { speaker: Speaker::Member, text: "hi".into(), asks_back: false }],
        lang: crate::texts::Lang::En,
    }
}

fn sources() -> Vec<Source> {
    let source = |id, title: &str, text: &str| Source {
        citation: Citation { document_id: Uuid::from_u128(id), title: title.into(), heading: String::new() },
        text: text.into(),
    };
    vec![source(1, "Refunds", REFUNDS), source(2, "Backups @everyone [x](https://evil.example)", BACKUPS)]
}

fn answered(text: &str, named: &[usize]) -> Result<(String, Vec<Citation>), Refused> {
    let (request, sources) = (request(), sources());
    let prompt = prompt::build(&request, &sources, FENCE);
    let secrets = Secrets::of(&prompt, &request, &sources);
    answer(text, named, &request, &sources, &secrets)
}

fn asked(text: &str) -> Result<String, Refused> {
    let (request, sources) = (request(), sources());
    let prompt = prompt::build(&request, &sources, FENCE);
    let secrets = Secrets::of(&prompt, &request, &sources);
    question(text, &request, &sources, &secrets)
}

const GOOD: &str = "You can ask for a refund within 14 days of the purchase.";

#[test]
fn citations_are_numbered_as_they_come_and_those_that_do_not_exist_go() {
    let text = "A backup of your world is made every night [2][9]. You can ask for a refund within 14 days [1, 2] [7].";
    let (text, citations) = answered(text, &[]).expect("an answer");
    assert_eq!(
        text,
        "A backup of your world is made every night [1]. You can ask for a refund within 14 days [2][1]."
    );
    assert_eq!(citations.iter().map(|c| c.document_id.as_u128()).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn numbers_beside_the_text_count_and_marks_in_code_do_not() {
    let (text, citations) = answered(GOOD, &[1, 0, 9]).expect("an answer");
    assert_eq!((text.as_str(), citations.len()), (&*format!("{GOOD} [1]"), 1));
    let (text, _) =
        answered("To restore the backup run [2]:\n```\nbackup restore[0]\n```", &[]).expect("one");
    assert!(text.contains("restore[0]"), "{text}");
}

#[test]
fn an_answer_without_a_valid_citation_is_none() {
    for text in [GOOD, "You can ask for a refund [9].", "You can ask for a refund [0]."] {
        assert_eq!(answered(text, &[]), Err(Refused::Uncited), "{text}");
    }
    assert_eq!(answered("The admins are thieves [1].", &[]), Err(Refused::Unfounded));
    // It rests on the other one.
    assert_eq!(answered("A backup of your world is made every night [1].", &[]), Err(Refused::Unfounded));
}

#[test]
fn links_are_those_of_the_cited_passages() {
    let (text, _) =
        answered("Write to billing [here](https://help.example.org/refunds) [1].", &[]).expect("one");
    assert_eq!(text, "Write to billing here (https://help.example.org/refunds) [1].");
    let (text, _) =
        answered("Write to billing, see the form for the refund [here](https://evil.example/x) [1].", &[])
            .expect("one");
    assert!(!text.contains("evil") && text.contains(links::REMOVED), "{text}");
}

#[test]
fn mentions_and_unseen_characters_do_not_get_through() {
    let text = "@everyone <@1> <@&2> @\u{200b}here you can ask\u{202e} for a refund within 14 days of the purchase [1]";
    let (text, _) = answered(text, &[]).expect("one");
    for mention in ["@everyone", "@here", "<@1>", "<@&2>", "\u{202e}", "\u{200b}"] {
        assert!(!text.contains(mention), "{text}");
    }
    assert!(!has_unseen(&text) && has_unseen("a\u{2060}b"));
}

#[test]
fn what_the_model_alone_was_to_read_is_never_shown() {
    let rule = RULES.lines().nth(8).expect("a rule");
    let spelled: String = FENCE.chars().flat_map(|c| [c, '-']).collect();
    for secret in [
        rule,
        "Speak like a pirate captain who loves old maps.",
        "hx 7731",
        "ALWAYS",
        &format!("=== {FENCE} END"),
        &spelled,
    ] {
        let text = format!("{GOOD} [1] {secret}");
        assert_eq!(answered(&text, &[]), Err(Refused::Leak), "{secret}");
        assert_eq!(asked(&format!("{secret}?")), Err(Refused::Leak), "{secret}");
    }
    assert!(answered(&format!("{GOOD} Always! [1]"), &[]).is_ok(), "a common word is no secret");
}

#[test]
fn a_question_back_is_short_and_carries_nothing() {
    assert_eq!(asked("Which purchase do you mean [1]?").as_deref(), Ok("Which purchase do you mean?"));
    for text in [
        "Tell me more.",
        &format!("Really? {}", "so ".repeat(300)),
        "Do you want https://evil.example/x?",
        "Is it [this](https://help.example.org/refunds)?",
        "Is your code QX99181?",
        "```\nwhat?\n```",
    ] {
        assert_eq!(asked(text), Err(Refused::NoQuestion), "{text}");
    }
}

#[test]
fn a_title_names_and_does_nothing_else() {
    let title = cleaned(&sources()[1].citation).title;
    assert!(!title.contains("@everyone") && !title.contains("]("), "{title}");
}

#[test]
fn the_longest_text_fits_and_its_code_is_closed() {
    let long = format!("To restore the backup run [2]:\n```\n{}", "backup restore[0]\n".repeat(2_000));
    let (text, _) = answered(&long, &[]).expect("one");
    assert!(text.chars().count() <= MAX_TEXT_CHARS);
    assert_eq!(text.matches("```").count() % 2, 0);
}
