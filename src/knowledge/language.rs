//! What Postgres' full-text search needs to know of a text: its configuration and where tokens end.
//!
//! Documents and questions go through the same two functions, or they would not meet.

/// Subtag, English name, and Postgres' configuration of that language (PostgreSQL 15 and later).
const CONFIGURATIONS: [(&str, &str); 29] = [
    ("ar", "arabic"),
    ("ca", "catalan"),
    ("da", "danish"),
    ("de", "german"),
    ("el", "greek"),
    ("en", "english"),
    ("es", "spanish"),
    ("eu", "basque"),
    ("fi", "finnish"),
    ("fr", "french"),
    ("ga", "irish"),
    ("hi", "hindi"),
    ("hu", "hungarian"),
    ("hy", "armenian"),
    ("id", "indonesian"),
    ("it", "italian"),
    ("lt", "lithuanian"),
    ("nb", "norwegian"),
    ("ne", "nepali"),
    ("nl", "dutch"),
    ("no", "norwegian"),
    ("pt", "portuguese"),
    ("ro", "romanian"),
    ("ru", "russian"),
    ("sr", "serbian"),
    ("sv", "swedish"),
    ("ta", "tamil"),
    ("tr", "turkish"),
    ("yi", "yiddish"),
];

/// The text search configuration of a language tag or English language name; `simple` where there is none.
pub fn configuration(language: &str) -> &'static str {
    let first = language.split(['-', '_']).next().unwrap_or_default().to_ascii_lowercase();
    CONFIGURATIONS
        .iter()
        .find(|(tag, name)| first == *tag || first == *name)
        .map_or("simple", |(_, configuration)| configuration)
}

/// The text as it is handed to `to_tsvector`: Postgres takes `server.properties` or `max-players` for one host
/// or compound, so tokens are cut at `/ . _ @ : = -` first. Version numbers stay whole. NUL, which Postgres
/// refuses, becomes a space.
pub fn searchable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for token in text.split(|c: char| c.is_whitespace() || c == '\0') {
        if !out.is_empty() {
            out.push(' ');
        }
        if is_version(token.trim_matches(|c: char| !c.is_alphanumeric())) {
            out.push_str(token);
        } else {
            out.extend(token.chars().map(|c| if "/._@:=-".contains(c) { ' ' } else { c }));
        }
    }
    out
}

/// `1.21`, `1.21.4`, `v2.0`: digits with at least one dot between them.
fn is_version(token: &str) -> bool {
    let digits = token.strip_prefix(['v', 'V']).unwrap_or(token);
    digits.contains('.')
        && digits.split('.').all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_language_tag_names_its_configuration() {
        assert_eq!(configuration("en"), "english");
        assert_eq!(configuration("pt-BR"), "portuguese");
        assert_eq!(configuration("German"), "german");
        assert_eq!(configuration("ja"), "simple");
        assert_eq!(configuration(""), "simple");
    }

    #[test]
    fn tokens_are_cut_but_version_numbers_stay_whole() {
        assert_eq!(
            searchable("edit server.properties:max-players=20"),
            "edit server properties max players 20"
        );
        assert_eq!(searchable("on 1.21.4, not v2.0!"), "on 1.21.4, not v2.0!");
        assert_eq!(searchable("a\0b"), "a b");
    }
}
