use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::*;

/// What a text is, by the beginning of its key, and how long Discord lets that be, in characters. Buttons:
/// <https://discord.com/developers/docs/components/reference>; commands:
/// <https://discord.com/developers/docs/interactions/application-commands>.
const LONGEST: [(&str, usize); 7] = [
    ("button-", 80),
    ("choice-", 100),
    ("context-", 32),
    ("describe-", 100),
    ("label-", 45),
    ("placeholder-", 150),
    ("title-", 45),
];
/// Of a message. What fills a text in has to find room too.
const LONGEST_MESSAGE: usize = 1_200;

/// The lines of a text, by key, as they stand in the files of a language.
fn written(lang: Lang) -> BTreeMap<String, String> {
    let mut texts = BTreeMap::new();
    let mut last = None;
    for line in lang.sources().iter().flat_map(|source| source.lines()) {
        match line.split_once(" = ") {
            Some((key, text)) if key.chars().all(|c| c.is_ascii_lowercase() || c == '-') => {
                assert!(
                    texts.insert(key.to_owned(), text.to_owned()).is_none(),
                    "{key} stands twice in {}",
                    lang.tag()
                );
                last = Some(key.to_owned());
            }
            _ if line.starts_with(' ') => {
                let text = texts.get_mut(last.as_ref().expect("a text began")).expect("it is there");
                text.push('\n');
                text.push_str(line);
            }
            _ => assert!(line.is_empty() || line.starts_with('#'), "{}: what is {line:?}?", lang.tag()),
        }
    }
    texts
}

fn variables(text: &str) -> BTreeSet<&str> {
    let names = text.split('$').skip(1);
    names.filter_map(|rest| rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()).collect()
}

/// A text as it is said, once for each of these numbers.
fn filled_in(lang: Lang, key: &str, text: &str) -> Vec<String> {
    let counts = [0, 1, 2, 5, 11, 21, 22, 1_000_000];
    let of = |count: u32| {
        let args: Vec<(&str, Arg)> =
            variables(text).into_iter().map(|name| (name, Arg::Count(count))).collect();
        super::text(lang, key, &args)
    };
    counts.into_iter().map(of).collect()
}

#[test]
fn every_text_is_there_in_every_language_with_the_same_variables() {
    let english = written(Lang::En);
    for lang in Lang::ALL {
        for source in lang.sources() {
            assert!(parse(*source).is_ok(), "{}: {source}", lang.tag());
        }
        let texts = written(lang);
        let keys = |texts: &BTreeMap<String, String>| texts.keys().cloned().collect::<BTreeSet<_>>();
        let differing: Vec<String> = keys(&english).symmetric_difference(&keys(&texts)).cloned().collect();
        assert!(differing.is_empty(), "{} and en differ in {differing:?}", lang.tag());
        for (key, text) in &texts {
            assert_eq!(variables(text), variables(&english[key]), "{key} in {}", lang.tag());
            // Panics when the text cannot be filled in.
            let said = filled_in(lang, key, text);
            assert!(said.iter().all(|text| !text.trim().is_empty()), "{key} in {}", lang.tag());
            // Commands and settings have one name in every language.
            let code = |text: &str| text.matches("`/").count();
            assert_eq!(code(text), code(&english[key]), "{key} in {} names other commands", lang.tag());
        }
    }
}

#[test]
fn no_text_is_longer_than_discord_lets_it_be() {
    for lang in Lang::ALL {
        for (key, text) in written(lang) {
            let kind = LONGEST.iter().find(|(prefix, _)| key.starts_with(prefix));
            let limit = kind.map_or(LONGEST_MESSAGE, |(_, limit)| *limit);
            for said in filled_in(lang, &key, &text) {
                let length = said.chars().count();
                assert!(length <= limit, "{key} in {} has {length} of {limit}: {said}", lang.tag());
            }
        }
    }
}

/// A use of a text in the sources: its key, and the names that fill it in; none for a [`Key`].
struct Use {
    key: String,
    names: Option<BTreeSet<String>>,
    place: String,
}

#[test]
fn every_text_that_is_said_is_there_and_every_text_that_is_there_is_said() {
    let english = written(Lang::En);
    let uses = uses();
    for Use { key, names, place } in &uses {
        let text = english.get(key).unwrap_or_else(|| panic!("{place}: there is no text {key}"));
        let wanted: BTreeSet<String> = variables(text).into_iter().map(str::to_owned).collect();
        let given = names.clone().unwrap_or_default();
        assert_eq!(given, wanted, "{place}: {key} is filled in otherwise");
    }
    let used: BTreeSet<&str> = uses.iter().map(|one| one.key.as_str()).collect();
    let unused: Vec<&String> = english.keys().filter(|key| !used.contains(key.as_str())).collect();
    assert!(unused.is_empty(), "said nowhere: {unused:?}");
}

fn uses() -> Vec<Use> {
    let mut uses = Vec::new();
    for file in rust_files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        if file.ends_with("src/texts.rs") || file.parent().is_some_and(|folder| folder.ends_with("src/texts"))
        {
            continue;
        }
        let source = std::fs::read_to_string(&file).expect("a source is text");
        let place = file.display().to_string();
        for (at, _) in source.match_indices("say!(") {
            let inside = call(&source[at + "say!(".len()..]);
            let mut arguments = arguments(inside).into_iter().skip(1);
            let Some(key) = arguments.next() else { continue };
            let key = key.trim_matches('"').to_owned();
            let name = |argument: &str| argument.split('=').next().unwrap_or_default().trim().to_owned();
            let names = arguments.filter(|argument| !argument.is_empty()).map(name).collect();
            uses.push(Use { key, names: Some(names), place: place.clone() });
        }
        for (at, _) in source.match_indices("Key(\"") {
            let key = source[at + "Key(\"".len()..].split('"').next().unwrap_or_default().to_owned();
            uses.push(Use { key, names: None, place: place.clone() });
        }
    }
    assert!(uses.len() > 100, "the sources say more than {} texts", uses.len());
    uses
}

/// What stands up to the bracket that closes a call.
fn call(rest: &str) -> &str {
    let mut depth = 0;
    for (at, c) in rest.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' if depth == 0 => return &rest[..at],
            ')' | ']' | '}' => depth -= 1,
            _ => {}
        }
    }
    rest
}

fn arguments(inside: &str) -> Vec<&str> {
    let (mut depth, mut from, mut found) = (0, 0, Vec::new());
    for (at, c) in inside.char_indices() {
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(inside[from..at].trim());
                from = at + 1;
            }
            _ => {}
        }
    }
    found.push(inside[from..].trim());
    found
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder of sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
    files
}

#[test]
fn russian_counts_as_russian_does() {
    let limit =
        |limit: u32| super::text(Lang::Ru, "limit-many", &[("limit", limit.into()), ("again", "x".into())]);
    for (count, word) in
        [(1, "1 вопрос,"), (2, "2 вопроса,"), (5, "5 вопросов,"), (11, "11 вопросов,"), (21, "21 вопрос,")]
    {
        assert!(limit(count).contains(word), "{}", limit(count));
    }
}

#[test]
fn what_fills_a_text_in_comes_without_marks_that_discord_would_show() {
    let text = super::text(Lang::De, "ticket-claimed", &[("user", UserId(u64::MAX).into())]);
    assert_eq!(text, "**Übernommen** von <@18446744073709551615>.");
}
