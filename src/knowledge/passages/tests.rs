use super::*;
use proptest::prelude::*;

const GUIDE: &str = "# Restart a server\n\nOpen the panel. Press **Restart**.\n\n## When it hangs\n\n\
    1. Wait a minute.\n2. Press Kill.\n\n### Logs\n\n```sh\ntail -f latest.log\n\ngrep ERROR latest.log\n```\nRead them.\n";

#[test]
fn markdown_gives_title_heading_paths_lists_and_fenced_code() {
    assert_eq!(title(GUIDE, Format::Markdown).as_deref(), Some("Restart a server"));
    let passages = split(GUIDE, Format::Markdown);
    let seen: Vec<_> = passages.iter().map(|p| (p.heading.as_str(), p.content.as_str())).collect();
    assert_eq!(
        seen,
        [
            ("", "Open the panel. Press **Restart**."),
            ("When it hangs", "1. Wait a minute.\n2. Press Kill."),
            ("When it hangs › Logs", "```\ntail -f latest.log\ngrep ERROR latest.log\n```\nRead them."),
        ]
    );
}

#[test]
fn front_matter_names_the_title_and_is_not_searched() {
    let text = "---\ntitle: \"Backups\"\ntags: [a]\n---\nThey run at night.\n";
    assert_eq!(title(text, Format::Markdown).as_deref(), Some("Backups"));
    assert_eq!(split(text, Format::Markdown).len(), 1);
    assert!(!split(text, Format::Markdown)[0].content.contains("tags"));
}

#[test]
fn underlined_headings_and_tables_are_understood() {
    let passages = split(
        "Plans\n=====\n\nPrices\n------\n| Plan | RAM |\n|---|---|\n| Small | 2 GB |\n",
        Format::Markdown,
    );
    assert_eq!(
        passages,
        [Passage { heading: "Prices".into(), content: "| Plan | RAM |\n| Small | 2 GB |".into() }]
    );
}

#[test]
fn a_long_text_is_cut_at_sentence_ends_with_an_overlap() {
    let sentence = |n: usize| format!("Sentence number {n} has exactly eight words here.");
    let text = (0..30).map(sentence).collect::<Vec<_>>().join(" ");
    let passages = split(&text, Format::Text);
    assert!(passages.len() > 3);
    for pair in passages.windows(2) {
        assert!(pair[0].content.ends_with("here."));
        let first = sentences::sentences(&pair[1].content)[0];
        assert!(pair[0].content.contains(first), "neighbours share a sentence");
    }
}

#[test]
fn hard_wrapped_text_is_joined_and_lines_are_kept_apart() {
    let passages = split("Press the button\nuntil it clicks.\nNext: wait", Format::Text);
    assert_eq!(passages[0].content, "Press the button until it clicks.\nNext: wait");
}

#[test]
fn a_dump_without_spaces_is_cut_too() {
    let passages = split(&"x".repeat(20_000), Format::Text);
    assert!(passages.iter().all(|passage| passage.content.len() < 4_000));
}

proptest! {
    #[test]
    fn no_input_panics_and_no_passage_is_too_long(text in "(?s).{0,400}", repeat in 1usize..8) {
        let text = text.repeat(repeat);
        for format in [Format::Text, Format::Markdown] {
            for passage in split(&text, format) {
                prop_assert!(count_words(&passage.content) <= TARGET + SLACK + LONGEST_UNIT);
                prop_assert!(!passage.content.trim().is_empty());
            }
            title(&text, format);
        }
    }

    #[test]
    fn every_word_is_in_a_passage_in_order(words in prop::collection::vec("[a-zA-Z0-9]{1,9}[.!?,\n]{0,2}", 0..300)) {
        let text = words.join(" ");
        let passages = split(&text, Format::Text);
        let mut wanted = text.split_whitespace().peekable();
        for passage in &passages {
            let found: Vec<&str> = passage.content.split_whitespace().collect();
            // The overlap at the start repeats words that were seen; the rest continues the text.
            let ahead: Vec<&str> = wanted.clone().collect();
            let new = (0..=found.len()).find(|skip| ahead.starts_with(&found[*skip..])).expect("a suffix");
            for _ in new..found.len() { wanted.next(); }
        }
        prop_assert_eq!(wanted.next(), None);
    }

    #[test]
    fn markdown_loses_no_word(words in prop::collection::vec("[a-z]{1,8}", 1..200), breaks in prop::collection::vec(0usize..200, 0..20)) {
        let mut text = String::new();
        for (at, word) in words.iter().enumerate() {
            text.push_str(match breaks.iter().position(|b| *b == at) { Some(n) if n % 4 == 0 => "\n\n## ", Some(n) if n % 4 == 1 => "\n- ", Some(n) if n % 4 == 2 => "\n```\n", Some(_) => "\n\n", None => " " });
            text.push_str(word);
            if text.lines().last().is_some_and(|line| line.starts_with("##")) { text.push('\n'); }
        }
        let all: String = split(&text, Format::Markdown).into_iter().map(|p| p.heading + " " + &p.content + " ").collect();
        let found: std::collections::HashSet<&str> = all.split_whitespace().collect();
        let headings: Vec<&str> = text.lines().filter_map(|l| l.strip_prefix("## ")).collect();
        for word in &words {
            // The text that follows a fence on its line, and a heading without a section below, are not content.
            prop_assert!(found.contains(word.as_str()) || headings.contains(&word.as_str()), "{word} in {text:?}");
        }
    }
}
