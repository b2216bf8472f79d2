//! Everything that people read of `/config`: the descriptions that Discord shows, and the replies.

use serde_json::Value;

use crate::commands::{Choice, Kind};
use crate::discord::{ChannelId, MAX_CONTENT_CHARS, Permissions};
use crate::server_config::{Problem, ServerConfig, about};
use crate::texts::{Key, Lang, say};

/// Chosen in place of a key: all of them.
pub const EVERYTHING: &str = "everything";

/// Groups, subcommands and options.
pub const OPTIONS: &[Choice] = &[
    Choice { name: "show", description: Key("describe-config-show"), kind: Kind::Subcommand(&[]) },
    Choice {
        name: "set",
        description: Key("describe-config-set"),
        kind: Kind::Subcommand(&[
            Choice { name: "key", description: Key("describe-config-key"), kind: Kind::OneOf(SETTABLE) },
            Choice {
                name: "value",
                description: Key("describe-config-value"),
                kind: Kind::Text { max_chars: 4_000, suggested: true },
            },
        ]),
    },
    Choice {
        name: "reset",
        description: Key("describe-config-reset"),
        kind: Kind::Subcommand(&[Choice {
            name: "key",
            description: Key("describe-config-key"),
            kind: Kind::OneOf(RESETTABLE),
        }]),
    },
    Choice {
        name: "channels",
        description: Key("describe-config-channels"),
        kind: Kind::Group(&[
            Choice {
                name: "add",
                description: Key("describe-config-channels-add"),
                kind: Kind::Subcommand(&[Choice {
                    name: "channel",
                    description: Key("describe-config-channel"),
                    kind: Kind::Channel(super::CHANNEL_TYPES),
                }]),
            },
            Choice {
                name: "remove",
                description: Key("describe-config-channels-remove"),
                kind: Kind::Subcommand(&[Choice {
                    name: "channel",
                    description: Key("describe-config-channel"),
                    kind: Kind::Channel(&[]),
                }]),
            },
        ]),
    },
    Choice {
        name: "support-role",
        description: Key("describe-config-support-role"),
        kind: Kind::Subcommand(&[Choice {
            name: "role",
            description: Key("describe-config-role"),
            kind: Kind::Role,
        }]),
    },
];

/// The keys of `/config set`, each with what is shown for it. Channels and the role have subcommands of their own, in
/// which Discord offers what there is.
pub const SETTABLE: &[(&str, Key)] = &[
    ("enabled", Key("choice-enabled")),
    ("language", Key("choice-language")),
    ("system_prompt", Key("choice-system-prompt")),
    ("max_messages_per_user", Key("choice-max-messages")),
    ("max_text_length", Key("choice-max-length")),
    ("auto_close_hours", Key("choice-auto-close")),
    ("close_warning_hours", Key("choice-close-warning")),
    ("ticket_auto_resolve_hours", Key("choice-auto-resolve")),
];

const RESETTABLE: &[(&str, Key)] = &[
    SETTABLE[0],
    SETTABLE[1],
    SETTABLE[2],
    ("channels", Key("choice-channels")),
    ("support_role_id", Key("choice-support-role")),
    SETTABLE[3],
    SETTABLE[4],
    SETTABLE[5],
    SETTABLE[6],
    SETTABLE[7],
    (EVERYTHING, Key("choice-everything")),
];

/// Languages that are offered while somebody types; every other tag is taken too.
pub const LANGUAGES: &[(&str, &str)] = &[
    ("en", "English"),
    ("de", "Deutsch"),
    ("es", "Español"),
    ("fr", "Français"),
    ("pt-BR", "Português (Brasil)"),
    ("ru", "Русский"),
    ("ja", "日本語"),
    ("it", "Italiano"),
    ("nl", "Nederlands"),
    ("pl", "Polski"),
    ("pt", "Português"),
    ("tr", "Türkçe"),
    ("uk", "Українська"),
    ("sv", "Svenska"),
    ("da", "Dansk"),
    ("nb", "Norsk bokmål"),
    ("fi", "Suomi"),
    ("cs", "Čeština"),
    ("hu", "Magyar"),
    ("ro", "Română"),
    ("el", "Ελληνικά"),
    ("ko", "한국어"),
    ("zh", "中文"),
    ("hi", "हिन्दी"),
    ("ar", "العربية"),
];

pub const ENABLED: &[(&str, Key)] = &[("true", Key("choice-true")), ("false", Key("choice-false"))];

/// What the bot needs in a support channel, under the names of Discord's settings.
pub const NEEDED: [(Permissions, Key); 5] = [
    (Permissions::VIEW_CHANNEL, Key("permission-view-channel")),
    (Permissions::SEND_MESSAGES, Key("permission-send-messages")),
    (Permissions::READ_MESSAGE_HISTORY, Key("permission-read-history")),
    (Permissions::CREATE_PUBLIC_THREADS, Key("permission-create-threads")),
    (Permissions::SEND_MESSAGES_IN_THREADS, Key("permission-send-in-threads")),
];

/// A key that `/config set` does not take.
pub fn not_settable(lang: Lang, key: &str) -> String {
    match key {
        "channels" => say!(lang, "config-use-channels"),
        "support_role_id" => say!(lang, "config-use-support-role"),
        _ => say!(lang, "config-no-setting", key = code(lang, key)),
    }
}

pub fn missing(lang: Lang, channel: ChannelId, permissions: &[Key]) -> String {
    let names: Vec<String> = permissions.iter().map(|name| format!("**{}**", name.in_lang(lang))).collect();
    say!(lang, "config-missing", channel, permissions = names.join(", "))
}

pub fn refused(lang: Lang, key: &str, found: &str) -> String {
    say!(lang, "config-refused", key, expected = expected(lang, key), found = code(lang, found))
}

/// What a key takes.
fn expected(lang: Lang, key: &str) -> String {
    match key {
        "enabled" => say!(lang, "expects-bool"),
        "language" => say!(lang, "expects-language"),
        "system_prompt" => say!(lang, "expects-text"),
        "channels" => say!(lang, "expects-channels"),
        "support_role_id" => say!(lang, "expects-role"),
        "max_messages_per_user" | "max_text_length" | "close_warning_hours" => say!(lang, "expects-number"),
        "auto_close_hours" | "ticket_auto_resolve_hours" => say!(lang, "expects-hours"),
        _ => about(key).map(|(expected, _)| expected.to_owned()).unwrap_or_default(),
    }
}

pub fn all_reset(lang: Lang, kept: &[&str]) -> String {
    let reset = say!(lang, "config-all-reset");
    match kept {
        [] => reset,
        kept => format!("{reset} {}", say!(lang, "config-kept", keys = list(lang, kept))),
    }
}

pub fn not_stored(lang: Lang, why: &str) -> String {
    say!(lang, "config-not-stored", why)
}

/// What a setting does, as things stand.
pub fn meaning(lang: Lang, key: &str, config: &ServerConfig) -> String {
    match key {
        "enabled" if !config.enabled => say!(lang, "meaning-off"),
        "enabled" if config.channels.is_empty() => say!(lang, "meaning-on-no-channel"),
        "enabled" => say!(lang, "meaning-on"),
        "language" => say!(lang, "meaning-language"),
        "system_prompt" => say!(lang, "meaning-prompt"),
        "channels" if config.channels.is_empty() => say!(lang, "meaning-no-channel"),
        "channels" if !config.enabled => say!(lang, "meaning-channels-later"),
        "channels" => say!(lang, "meaning-channels"),
        "support_role_id" if config.support_role_id.is_none() => say!(lang, "meaning-no-role"),
        "support_role_id" => say!(lang, "meaning-role"),
        "max_messages_per_user" => say!(lang, "meaning-max-messages", count = config.max_messages_per_user),
        "max_text_length" => say!(lang, "meaning-max-length", count = config.max_text_length),
        "auto_close_hours" if config.auto_close_hours == 0 => say!(lang, "meaning-never-closed"),
        "auto_close_hours" => say!(lang, "meaning-auto-close", count = config.auto_close_hours),
        "close_warning_hours" => say!(lang, "meaning-close-warning", count = config.close_warning_hours),
        "ticket_auto_resolve_hours" if config.ticket_auto_resolve_hours == 0 => {
            say!(lang, "meaning-never-resolved")
        }
        "ticket_auto_resolve_hours" => {
            say!(lang, "meaning-auto-resolve", count = config.ticket_auto_resolve_hours)
        }
        _ => String::new(),
    }
}

/// Everything that is set. `shown`: keys with their values as people read them.
pub fn overview(
    lang: Lang,
    shown: &[(&str, String)],
    unknown: &[&str],
    problems: &[Problem],
    config: &ServerConfig,
) -> String {
    let mut text = format!("{}\n", say!(lang, "config-title"));
    if !problems.is_empty() {
        text.push_str(&trouble(lang, problems));
        text.push('\n');
    }
    for (key, value) in shown {
        text.push_str(&format!("`{key}`: {value}\n"));
        if !problems.iter().any(|problem| problem.key == *key) {
            text.push_str(&format!("-# {}\n", meaning(lang, key, config)));
        }
    }
    if !unknown.is_empty() {
        text.push_str(&format!("-# {}\n", say!(lang, "config-kept", keys = list(lang, unknown))));
    }
    text.push_str(&say!(lang, "config-change-with"));
    text
}

/// What is wrong, and how each of it is mended.
pub fn trouble(lang: Lang, problems: &[Problem]) -> String {
    let mut text = say!(lang, "problem-not-in-force");
    for problem in problems {
        let mend = match problem.key.as_str() {
            "" => say!(lang, "mend-everything"),
            "channels" => say!(lang, "mend-channels"),
            "support_role_id" => say!(lang, "mend-role"),
            key => say!(lang, "mend-key", key),
        };
        let (key, expected) = match problem.key.as_str() {
            "" => (say!(lang, "problem-whole"), problem.expected.clone()),
            key => (format!("`{key}`"), expected(lang, key)),
        };
        let found = code(lang, &problem.found);
        text.push_str(&format!("\n• {}", say!(lang, "problem", key, expected, found, mend)));
    }
    text
}

/// A value as people read it. Roles and channels by name; a reply of ours pings nobody.
pub fn value(lang: Lang, key: &str, value: &Value) -> String {
    let id = |value: &Value| match value {
        Value::String(text) => text.parse::<u64>().ok(),
        other => other.as_u64(),
    };
    match (key, value) {
        (_, Value::Null) => say!(lang, "config-none"),
        (_, Value::Array(items)) if items.is_empty() => say!(lang, "config-none"),
        ("channels", Value::Array(items)) if items.iter().all(|item| id(item).is_some()) => {
            const SHOWN: usize = 20;
            let mut names: Vec<String> =
                items.iter().take(SHOWN).filter_map(id).map(|id| format!("<#{id}>")).collect();
            if items.len() > SHOWN {
                names.push(say!(lang, "config-more", count = items.len() - SHOWN));
            }
            names.join(" ")
        }
        ("support_role_id", role) => {
            id(role).map_or_else(|| code(lang, &role.to_string()), |id| format!("<@&{id}>"))
        }
        (_, Value::String(text)) => code(lang, text),
        (_, other) => code(lang, &other.to_string()),
    }
}

/// Words of others: on one line, short, and without a way out of the code that they stand in.
fn code(lang: Lang, text: &str) -> String {
    const LONGEST: usize = 120;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "'");
    if line.is_empty() {
        return say!(lang, "config-empty");
    }
    let short: String = line.chars().take(LONGEST).collect();
    let more = if short.len() < line.len() { "…" } else { "" };
    format!("`{short}{more}`")
}

fn list(lang: Lang, names: &[&str]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| code(lang, name)).collect();
    if names.len() > SHOWN {
        shown.push(say!(lang, "config-more", count = names.len() - SHOWN));
    }
    shown.join(", ")
}

/// At most as much as one message holds.
pub fn fit(text: String) -> String {
    if text.chars().count() <= MAX_CONTENT_CHARS {
        return text;
    }
    let short: String = text.chars().take(MAX_CONTENT_CHARS - 1).collect();
    format!("{short}…")
}
