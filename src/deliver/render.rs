//! How an answer looks on Discord: text, sources, split into messages of at most 2,000 characters. Pure.

pub mod silence;
pub mod ticket;
pub mod transcript;

use crate::answer::{Action, Answer};
use crate::discord::{MAX_CONTENT_CHARS, MAX_THREAD_NAME_CHARS};
use crate::texts::{Lang, say};

/// Opens the line that names the documents an answer came from.
pub fn sources_line(lang: Lang) -> String {
    format!("-# {} ", say!(lang, "answer-sources"))
}

/// Opens an answer that is posted later than this after its question.
pub const LATE_AFTER_MS: i64 = 30_000;
/// What it opens with then.
pub fn sorry(lang: Lang) -> String {
    format!("{}\n\n", say!(lang, "answer-late"))
}

/// Room for [`sorry`] in any language.
const SORRY_CHARS: usize = 60;
/// Room of one part: what is posted late needs a line more.
const PART_CHARS: usize = MAX_CONTENT_CHARS - SORRY_CHARS;

/// The messages of an answer, in order. The last one carries the sources.
pub fn answer(answer: &Answer, lang: Lang) -> Vec<String> {
    match answer.action {
        Action::Unsure | Action::Clarify | Action::HandOver(_) => split(&answer.text, PART_CHARS),
        Action::Answer => {
            let sources = sources(answer, lang);
            let mut parts = split(&answer.text, PART_CHARS);
            match parts.last_mut() {
                Some(last) if chars(last) + 2 + chars(&sources) <= PART_CHARS => {
                    last.push_str("\n\n");
                    last.push_str(&sources);
                }
                _ => parts.push(sources),
            }
            parts
        }
    }
}

/// The same in one message, for a reply that has no second one: what finds no room is left out.
pub fn answer_in_one(whole: &Answer, lang: Lang) -> String {
    let mut parts = answer(whole, lang);
    if parts.len() == 1 {
        return parts.remove(0);
    }
    let sources = if whole.action == Action::Answer { sources(whole, lang) } else { String::new() };
    // Room for what closes it.
    let room = PART_CHARS.saturating_sub(chars(&sources) + 12);
    let mut text = split(&whole.text, room).into_iter().next().unwrap_or_default();
    if text.matches("```").count() % 2 == 1 {
        text.push_str("\n```");
    }
    format!("{text} …\n\n{sources}").trim_end().to_owned()
}

fn sources(answer: &Answer, lang: Lang) -> String {
    let named: Vec<String> = answer
        .citations
        .iter()
        .enumerate()
        .map(|(index, citation)| {
            let title = one_line(&citation.title, 80);
            match one_line(&citation.heading, 80) {
                heading if heading.is_empty() || heading == title => format!("[{}] {title}", index + 1),
                heading => format!("[{}] {title} › {heading}", index + 1),
            }
        })
        .collect();
    truncate(&format!("{}{}", sources_line(lang), named.join(" · ")), MAX_CONTENT_CHARS)
}

/// A thread's name made from a question.
pub fn thread_name(question: &str, lang: Lang) -> String {
    match one_line(question, MAX_THREAD_NAME_CHARS - 10) {
        name if name.is_empty() => say!(lang, "thread-name"),
        name => name,
    }
}

/// Splits at the last paragraph, line, sentence or word end that fits; inside a word only when there is none.
pub fn split(text: &str, limit: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while chars(rest) > limit {
        let window = &rest[..byte_of_char(rest, limit)];
        let cut = ["\n\n", "\n", ". ", "! ", "? ", "。", " "]
            .iter()
            .find_map(|end| window.rfind(end).map(|at| at + end.len()).filter(|cut| *cut > window.len() / 3))
            .unwrap_or(window.len());
        let (part, left) = rest.split_at(cut);
        parts.push(part.trim_end().to_owned());
        rest = left.trim_start();
    }
    if !rest.is_empty() {
        parts.push(rest.to_owned());
    }
    parts
}

pub fn one_line(text: &str, limit: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    truncate(&line, limit)
}

pub fn truncate(text: &str, limit: usize) -> String {
    if chars(text) <= limit {
        return text.to_owned();
    }
    format!("{}…", text[..byte_of_char(text, limit - 1)].trim_end())
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn byte_of_char(text: &str, index: usize) -> usize {
    text.char_indices().nth(index).map_or(text.len(), |(byte, _)| byte)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn long_text_is_cut_at_sentence_ends() {
        let text = "One sentence here. ".repeat(30);
        let parts = split(&text, 100);
        assert!(parts.len() > 4);
        for part in &parts {
            assert!(part.ends_with('.'), "cut inside a sentence: {part:?}");
        }
    }

    #[test]
    fn what_has_one_message_fits_it_with_its_sources_and_closes_its_code() {
        let citation = crate::answer::Citation {
            document_id: uuid::Uuid::nil(),
            title: "Refunds".into(),
            heading: String::new(),
        };
        let text = format!("```\n{}\n```", "a line of code\n".repeat(300));
        let long =
            Answer { action: Action::Answer, text, citations: vec![citation], confidence: 1.0, tokens: 0 };
        let one = answer_in_one(&long, Lang::En);
        assert!(chars(&one) <= MAX_CONTENT_CHARS && one.ends_with("-# Sources: [1] Refunds"), "{one}");
        assert_eq!(one.matches("```").count(), 2);
    }

    #[test]
    fn a_thread_name_is_one_short_line() {
        let name = thread_name(&"how do\nI reset ".repeat(40), Lang::En);
        assert!(!name.contains('\n') && name.chars().count() <= MAX_THREAD_NAME_CHARS);
        assert_eq!(thread_name("  \n", Lang::En), "Question");
    }

    #[test]
    fn an_apology_finds_its_room_in_every_language() {
        for lang in Lang::ALL {
            assert!(chars(&sorry(lang)) <= SORRY_CHARS, "{lang:?}");
        }
    }

    proptest! {
        #[test]
        fn parts_fit_and_keep_every_word(text in "[a-zé漢 .\n]{0,400}", limit in 10usize..80) {
            let parts = split(&text, limit);
            for part in &parts {
                prop_assert!(chars(part) <= limit);
            }
            let letters = |s: &str| s.chars().filter(|c| !c.is_whitespace()).collect::<String>();
            prop_assert_eq!(letters(&text), letters(&parts.concat()));
        }
    }
}
