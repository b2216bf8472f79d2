//! `/reply`: texts that staff keep ready and let the bot say. What is checked and what is said; pure.

use super::config::Suggestion;
use super::{Choice, Kind};
use crate::deliver::render::ticket::quote;
use crate::discord::{Interaction, MAX_CONTENT_CHARS, UserId};
use crate::texts::{Key, Lang, say};

/// Replies that one server may keep.
pub const AT_MOST: i64 = 100;
const NAME_CHARS: usize = 50;
const TEXT_CHARS: usize = 1_800;
/// Either stands for whoever asked.
const MEMBER: [&str; 2] = ["@member", "{member}"];
/// Discord shows no more choices.
const MOST_CHOICES: usize = 25;
/// Room of what a list shows of a text.
const LISTED_CHARS: usize = 80;

const NAME: Choice = Choice {
    name: "name",
    description: Key("describe-reply-name"),
    kind: Kind::Text { max_chars: 50, suggested: true },
};

/// Subcommands.
pub const OPTIONS: &[Choice] = &[
    Choice { name: "use", description: Key("describe-reply-use"), kind: Kind::Subcommand(&[NAME]) },
    Choice { name: "add", description: Key("describe-reply-add"), kind: Kind::Subcommand(&[]) },
    Choice { name: "list", description: Key("describe-reply-list"), kind: Kind::Subcommand(&[]) },
    Choice { name: "remove", description: Key("describe-reply-remove"), kind: Kind::Subcommand(&[NAME]) },
];

/// What staff ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Use(String),
    Add,
    List,
    Remove(String),
}

/// A text that is kept ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    pub name: String,
    pub text: String,
}

/// Reads the interaction; none when it is no subcommand of this release.
pub fn request(interaction: &Interaction) -> Option<Request> {
    let (path, options) = interaction.data.as_ref()?.chosen();
    let name = || {
        let name = options.iter().find(|option| option.name == "name")?.value.as_str()?;
        Some(one_line(name))
    };
    match path.as_slice() {
        ["use"] => Some(Request::Use(name()?)),
        ["add"] => Some(Request::Add),
        ["list"] => Some(Request::List),
        ["remove"] => Some(Request::Remove(name()?)),
        _ => None,
    }
}

/// A new reply, as it is stored. The error is what whoever sent it is told.
pub fn check(lang: Lang, name: &str, text: &str) -> Result<Reply, String> {
    let name = one_line(name);
    if !name.chars().any(char::is_alphanumeric) {
        return Err(say!(lang, "reply-no-name"));
    }
    if name.chars().count() > NAME_CHARS {
        return Err(say!(lang, "reply-name-long", count = NAME_CHARS));
    }
    let text = text.replace('\0', "").trim().to_owned();
    if text.chars().all(|it| it.is_whitespace() || is_unseen(it)) {
        return Err(say!(lang, "reply-no-text"));
    }
    if text.chars().count() > TEXT_CHARS {
        return Err(say!(lang, "reply-text-long", count = TEXT_CHARS));
    }
    Ok(Reply { name, text })
}

/// Shows nothing, or turns the direction of what stands around it: no part of a name.
fn is_unseen(it: char) -> bool {
    it.is_control()
        || matches!(it, '\u{ad}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}')
        || matches!(it, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
        || matches!(it, '\u{fe00}'..='\u{fe0f}' | '\u{e0000}'..='\u{e0fff}')
}

fn one_line(name: &str) -> String {
    let seen: String =
        name.chars().map(|it| if it == '\n' { ' ' } else { it }).filter(|it| !is_unseen(*it)).collect();
    seen.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The text, said to whoever asked.
pub fn filled(text: &str, asker: UserId) -> String {
    let mention = format!("<@{}>", asker.0);
    MEMBER.iter().fold(text.to_owned(), |text, member| text.replace(member, &mention))
}

/// What is offered for the name that is being typed.
pub fn suggestions(interaction: &Interaction, names: &[String]) -> Vec<Suggestion> {
    let typed = interaction.data.as_ref().and_then(|data| {
        let (_, options) = data.chosen();
        options.iter().find(|option| option.focused)?.value.as_str().map(str::to_lowercase)
    });
    let typed = typed.unwrap_or_default();
    let typed = typed.trim();
    let (begin, inside): (Vec<&String>, Vec<&String>) = names
        .iter()
        .filter(|name| name.to_lowercase().contains(typed))
        .partition(|name| name.to_lowercase().starts_with(typed));
    let all = begin.into_iter().chain(inside).take(MOST_CHOICES);
    all.map(|name| Suggestion { name: name.clone(), value: name.clone() }).collect()
}

pub fn too_many(lang: Lang) -> String {
    say!(lang, "reply-too-many", count = u32::try_from(AT_MOST).unwrap_or(u32::MAX))
}

pub fn unknown(lang: Lang, name: &str) -> String {
    say!(lang, "reply-unknown", name = shown(name))
}

/// `again`: there was one of this name before.
pub fn stored(lang: Lang, reply: &Reply, again: bool) -> String {
    match again {
        true => say!(lang, "reply-changed", name = shown(&reply.name)),
        false => say!(lang, "reply-stored", name = shown(&reply.name)),
    }
}

/// With its text, so that it can be had back.
pub fn removed(lang: Lang, reply: &Reply) -> String {
    fit(format!("{}\n{}", say!(lang, "reply-removed", name = shown(&reply.name)), reply.text))
}

pub fn list(lang: Lang, replies: &[Reply]) -> String {
    if replies.is_empty() {
        return say!(lang, "reply-none");
    }
    let mut text = say!(lang, "reply-kept", count = replies.len());
    for (n, reply) in replies.iter().enumerate() {
        let line = format!(
            "\n**{}** {}",
            plain(&reply.name),
            quote(&reply.text, LISTED_CHARS).trim_start_matches("> ")
        );
        if text.chars().count() + line.chars().count() + 40 > MAX_CONTENT_CHARS {
            text.push('\n');
            text.push_str(&say!(lang, "reply-more", count = replies.len() - n));
            break;
        }
        text.push_str(&line);
    }
    text
}

fn shown(name: &str) -> String {
    let name: String = one_line(name).chars().take(NAME_CHARS).collect();
    format!("**{}**", plain(&name))
}

/// Without what would be formatting.
fn plain(name: &str) -> String {
    name.chars().flat_map(|it| if "*_~`|>[]()<@#".contains(it) { vec!['\\', it] } else { vec![it] }).collect()
}

fn fit(text: String) -> String {
    super::config::texts::fit(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_line_that_can_be_typed_and_a_text_is_kept_as_it_is() {
        let reply = check(Lang::En, " re\u{200b}fund \n steps\u{202e} ", "  Hello @member,\n\u{202b}שלום\0 ")
            .expect("it is good");
        assert_eq!(reply, Reply { name: "refund steps".into(), text: "Hello @member,\n\u{202b}שלום".into() });
        assert_eq!(filled(&reply.text, UserId(7)), "Hello <@7>,\n\u{202b}שלום");
        assert_eq!(check(Lang::En, "שלום", "x").expect("letters of every script").name, "שלום");
    }

    #[test]
    fn what_cannot_be_read_or_is_too_long_is_refused_with_the_reason() {
        for name in ["", " ", "\u{200b}\u{202e}", "***", "\u{3164}"] {
            assert_eq!(check(Lang::En, name, "text"), Err(say!(Lang::En, "reply-no-name")), "{name:?}");
        }
        for text in ["", "\u{200b} \n", "\u{feff}\u{e0001}"] {
            assert_eq!(check(Lang::En, "name", text), Err(say!(Lang::En, "reply-no-text")), "{text:?}");
        }
        assert!(check(Lang::En, &"n".repeat(51), "text").unwrap_err().contains("50 characters"));
        assert!(check(Lang::En, "name", &"t".repeat(1_801)).unwrap_err().contains("1800 characters"));
        assert!(check(Lang::En, &"ñ".repeat(50), &"ñ".repeat(1_800)).is_ok(), "characters, not bytes");
    }

    #[test]
    fn a_list_fits_and_says_what_is_left_out() {
        let many: Vec<Reply> = (0..100)
            .map(|n| Reply { name: format!("{n} {}", "*".repeat(40)), text: "`long` ".repeat(250) })
            .collect();
        let text = list(Lang::En, &many);
        assert!(text.chars().count() <= MAX_CONTENT_CHARS, "{}", text.chars().count());
        let shown = text.lines().count() - 2;
        assert!(shown >= 5 && text.ends_with(&format!("And {} more.", 100 - shown)), "{text}");
        assert!(removed(Lang::En, &many[0]).chars().count() <= MAX_CONTENT_CHARS);
    }
}
