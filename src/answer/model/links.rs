//! Links in what a chat model wrote: only those that stand in the passages it cites are left, and each is shown as what
//! it is. Pure.
//!
//! A link is compared as a whole: one that only begins like an allowed one may carry what it was given elsewhere.

use std::collections::HashSet;
use std::ops::Range;

/// Stands where a link stood.
pub const REMOVED: &str = "(link removed)";

/// Ends of names of hosts that are taken for a link also without a scheme or a path. Not those that are words or ends
/// of file names.
const TOP_LEVEL: [&str; 31] = [
    "ai", "app", "biz", "cc", "click", "club", "cn", "com", "dev", "eu", "fr", "fun", "gg", "info", "io",
    "link", "live", "ly", "net", "online", "org", "pro", "ru", "shop", "site", "tk", "top", "tv", "uk",
    "vip", "xyz",
];
/// Schemes without `//`.
const SCHEMES: [&str; 6] = ["mailto:", "tel:", "javascript:", "data:", "file:", "sms:"];
/// Marks that surround a link without being part of it.
const AROUND: &[char] = &[
    '(', ')', '[', ']', '{', '}', '<', '>', '"', '\'', '`', '*', '_', '~', '|', ',', '.', ';', ':', '!', '?',
];

/// The links of the passages, as [`only`] compares them.
pub fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> HashSet<String> {
    let mut links = HashSet::new();
    for text in texts {
        // Also where they are hidden behind words.
        let bare = text.replace("](", " ");
        for range in find(&bare) {
            links.insert(normal(&bare[range]).to_owned());
        }
    }
    links
}

/// The text with no other links than these, and none hidden behind words.
pub fn only(text: &str, allowed: &HashSet<String>) -> String {
    let mut shown = unmasked(text);
    for range in find(&shown).into_iter().rev() {
        if !allowed.contains(normal(&shown[range.clone()])) {
            shown.replace_range(range, REMOVED);
        }
    }
    shown.replace("](", "] (")
}

/// `[words](target)` becomes `words (target)`.
fn unmasked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("](") {
        let (before, after) = (&rest[..at], &rest[at + 2..]);
        let end = closing(after);
        let target = after[..end].split_whitespace().next().unwrap_or_default();
        // Without the bracket that opens the words, where there is one.
        match before.rfind('[') {
            Some(open) if !before[open..].contains('\n') => {
                out.push_str(before[..open].strip_suffix('!').unwrap_or(&before[..open]));
                out.push_str(&before[open + 1..]);
            }
            _ => out.push_str(before),
        }
        out.push_str(" (");
        out.push_str(target.trim_matches(['<', '>']));
        out.push(')');
        rest = after[end..].strip_prefix(')').unwrap_or(&after[end..]);
    }
    out.push_str(rest);
    out
}

/// Where the bracket that is open at the start of the text closes; the line's end where it does not.
fn closing(text: &str) -> usize {
    let mut depth = 0;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return at,
            ')' => depth -= 1,
            '\n' => return at,
            _ => {}
        }
    }
    text.len()
}

/// What is, or may be taken for, a link.
fn find(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut start = None;
    let ends = text.char_indices().map(|(at, c)| (at, is_gap(c))).chain([(text.len(), true)]);
    for (at, gap) in ends {
        match (start, gap) {
            (None, false) => start = Some(at),
            (Some(from), true) => {
                let run = &text[from..at];
                let inner = run.trim_start_matches(AROUND);
                let begin = from + run.len() - inner.len();
                let inner = inner.trim_end_matches(AROUND);
                if is_link(inner) {
                    found.push(begin..begin + inner.len());
                }
                start = None;
            }
            _ => {}
        }
    }
    found
}

/// What ends a link on Discord.
fn is_gap(c: char) -> bool {
    c.is_whitespace() || matches!(c, '<' | '>')
}

fn is_link(run: &str) -> bool {
    let lower = run.to_lowercase();
    lower.contains("://")
        || lower.contains(":\\\\")
        || lower.starts_with("www.")
        || lower.contains("discord.gg")
        || SCHEMES.iter().any(|scheme| lower.starts_with(scheme))
        || has_host(&lower)
}

/// A name with a dot before a path, or one that ends as names of hosts do.
fn has_host(run: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || c == '-';
    for (dot, _) in run.match_indices(['.', '\u{3002}', '\u{ff0e}']) {
        let before = run[..dot].ends_with(in_name);
        let after = run[dot..].trim_start_matches(['.', '\u{3002}', '\u{ff0e}']);
        let end = after.find(|c: char| !in_name(c)).unwrap_or(after.len());
        let (label, rest) = after.split_at(end);
        let is_name = label.len() >= 2 && label.chars().all(char::is_alphabetic);
        if before && is_name && (TOP_LEVEL.contains(&label) || rest.starts_with(['/', ':'])) {
            return true;
        }
    }
    false
}

fn normal(link: &str) -> &str {
    link.trim_end_matches('/')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        only(
            text,
            &of([
                "See https://help.example.org/refunds and [the form](https://forms.example.org/a_(b)?x=1).",
            ]),
        )
    }

    #[test]
    fn links_of_the_passages_are_shown_as_what_they_are() {
        for (written, expected) in [
            ("Go to https://help.example.org/refunds.", "Go to https://help.example.org/refunds."),
            ("Go to <https://help.example.org/refunds/>.", "Go to <https://help.example.org/refunds/>."),
            ("Use [this](https://help.example.org/refunds).", "Use this (https://help.example.org/refunds)."),
            (
                "Use [this](<https://help.example.org/refunds> \"hint\").",
                "Use this (https://help.example.org/refunds).",
            ),
        ] {
            assert_eq!(shown(written), expected);
        }
    }

    #[test]
    fn every_other_link_is_removed_however_it_is_written() {
        for written in [
            "https://evil.example/a",
            "<https://evil.example/a>",
            "HTTPS://EVIL.EXAMPLE/a",
            "[help](https://evil.example/a)",
            "[https://help.example.org/refunds](https://evil.example/a)",
            "![](https://evil.example/a.png)",
            "[a][b]\n[b]: https://evil.example/a",
            "**https://evil.example/a**",
            "||https://evil.example/a||",
            "evil.example/a",
            "www.evil.example",
            "evil.com",
            "Visit evil.com, now",
            "еvil.com/a",
            "evil。com",
            "discord.gg/evil",
            "discord://evil",
            "mailto:evil@example.org",
            "evil@example.com",
            "javascript:evil()",
            "https:\\\\evil.com",
            "https://help.example.org/refunds?evil=1",
            "https://help.example.org/refunds/evil",
            "https://help.example.org/refunds@evil.example",
            "https://help.example.org@evil.com/refunds",
            "see:https://evil.example/a",
            "https://help.example.org/refunds,evil",
            "https://help.example.org/refunds|evil",
            "https://help.example.org/refunds)evil",
            "[a](https://help.example.org/refunds)evil.com",
        ] {
            let shown = shown(written);
            assert!(
                !shown.to_lowercase().contains("evil") && !shown.contains("еvil"),
                "{written} -> {shown}"
            );
            assert!(!shown.contains("]("), "{shown}");
        }
    }

    #[test]
    fn what_is_no_link_stays() {
        for text in [
            "Edit server.properties. Then 1.21.4: ok?",
            "It costs 9.99 [1][2], e.g. a/b.",
            "See list[0] (or not).",
        ] {
            assert_eq!(shown(text), text);
        }
    }

    proptest! {
        #[test]
        fn nothing_stays_hidden_behind_words(
            pieces in prop::collection::vec(r"[\[\]()<>!a-c.:/ \n]{0,4}|http|s?://|]\(https?://", 0..16)
        ) {
            let shown = only(&pieces.concat(), &HashSet::new());
            prop_assert!(!shown.contains("]("), "{:?}", shown);
            prop_assert!(!shown.contains("p://") && !shown.contains("s://"), "{:?}", shown);
        }
    }
}
