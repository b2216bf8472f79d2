//! Everything that people read of `/config`: the descriptions that Discord shows, and the replies.

use serde_json::Value;

use crate::commands::{Choice, Kind};
use crate::discord::{ChannelId, MAX_CONTENT_CHARS, Permissions, RoleId};
use crate::server_config::{Problem, ServerConfig, about};

pub const DESCRIPTION: &str = "See and change how support works on this server";

/// Chosen in place of a key: all of them.
pub const EVERYTHING: &str = "everything";

/// Groups, subcommands and options.
pub const OPTIONS: &[Choice] = &[
    Choice {
        name: "show",
        description: "What is set, what it means, and what is wrong with it",
        kind: Kind::Subcommand(&[]),
    },
    Choice {
        name: "set",
        description: "Change a setting",
        kind: Kind::Subcommand(&[
            Choice { name: "key", description: "Which setting", kind: Kind::OneOf(SETTABLE) },
            Choice {
                name: "value",
                description: "What it is to be",
                kind: Kind::Text { max_chars: 4_000, suggested: true },
            },
        ]),
    },
    Choice {
        name: "reset",
        description: "Put a setting back to its default",
        kind: Kind::Subcommand(&[Choice {
            name: "key",
            description: "Which setting",
            kind: Kind::OneOf(RESETTABLE),
        }]),
    },
    Choice {
        name: "channels",
        description: "The channels in which every question is answered",
        kind: Kind::Group(&[
            Choice {
                name: "add",
                description: "Answer every question in a channel",
                kind: Kind::Subcommand(&[Choice {
                    name: "channel",
                    description: "The channel",
                    kind: Kind::Channel(super::CHANNEL_TYPES),
                }]),
            },
            Choice {
                name: "remove",
                description: "Answer in a channel only when I am mentioned",
                kind: Kind::Subcommand(&[Choice {
                    name: "channel",
                    description: "The channel",
                    kind: Kind::Channel(&[]),
                }]),
            },
        ]),
    },
    Choice {
        name: "support-role",
        description: "Whom to call when a member asks for a human",
        kind: Kind::Subcommand(&[Choice { name: "role", description: "The role", kind: Kind::Role }]),
    },
];

/// The keys of `/config set`, each with what is shown for it. Channels and the role have subcommands of their own, in
/// which Discord offers what there is.
pub const SETTABLE: &[(&str, &str)] = &[
    ("enabled", "enabled: whether support is on"),
    ("language", "language: of the documents and answers"),
    ("system_prompt", "system_prompt: what a language model is told"),
    ("max_messages_per_user", "max_messages_per_user: questions of a member in an hour"),
    ("max_text_length", "max_text_length: longest question, in characters"),
    ("auto_close_hours", "auto_close_hours: silence after which I close a conversation"),
    ("close_warning_hours", "close_warning_hours: how long before that I warn"),
    ("ticket_auto_resolve_hours", "ticket_auto_resolve_hours: silence after which a ticket is resolved"),
];

const RESETTABLE: &[(&str, &str)] = &[
    SETTABLE[0],
    SETTABLE[1],
    SETTABLE[2],
    ("channels", "channels: where every question is answered"),
    ("support_role_id", "support_role_id: who is called for a human"),
    SETTABLE[3],
    SETTABLE[4],
    SETTABLE[5],
    SETTABLE[6],
    SETTABLE[7],
    (EVERYTHING, "everything: all settings"),
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

pub const ENABLED: &[(&str, &str)] = &[("true", "true: support is on"), ("false", "false: support is off")];

pub const NOW: &str = " (now)";
pub const DEFAULT: &str = " (default)";

/// What the bot needs in a support channel, under the names of Discord's settings.
pub const NEEDED: [(Permissions, &str); 5] = [
    (Permissions::VIEW_CHANNEL, "View Channel"),
    (Permissions::SEND_MESSAGES, "Send Messages"),
    (Permissions::READ_MESSAGE_HISTORY, "Read Message History"),
    (Permissions::CREATE_PUBLIC_THREADS, "Create Public Threads"),
    (Permissions::SEND_MESSAGES_IN_THREADS, "Send Messages in Threads"),
];

pub const UNKNOWN_SUBCOMMAND: &str = "I do not know that. Try `/config show`.";
pub const NOT_HERE: &str = "That is not on this server, or I cannot see it. Nothing was changed.";
pub const NO_TEXT_CHANNEL: &str =
    "Only text channels can be support channels. Nothing was changed; I can be mentioned anywhere.";
pub const EVERYONE: &str = "That role is everyone: the whole server would be called. Choose a role that your support \
                            staff have. Nothing was changed.";
const NOT_IN_FORCE: &str =
    "⚠️ The settings cannot be used as they are: until this is mended, those that last could stay in force.";

/// A key that `/config set` does not take.
pub fn not_settable(key: &str) -> String {
    match key {
        "channels" => "Use `/config channels add` and `/config channels remove`.".to_owned(),
        "support_role_id" => "Use `/config support-role`.".to_owned(),
        _ => format!("There is no setting {}. `/config show` lists them.", code(key)),
    }
}

pub fn missing(channel: ChannelId, permissions: &[&str]) -> String {
    let names: Vec<String> = permissions.iter().map(|name| format!("**{name}**")).collect();
    format!(
        "I could not answer in <#{}>: I lack {} there. Give my role that in the channel's settings, *Permissions*, and \
         try again. Nothing was changed.",
        channel.0,
        names.join(", ")
    )
}

pub fn refused(key: &str, found: &str) -> String {
    let expected = about(key).map(|(expected, _)| expected).unwrap_or_default();
    format!("`{key}` takes {expected}, not {}. Nothing was changed.", code(found))
}

pub fn unchanged(key: &str, value: &str) -> String {
    format!("`{key}` is {value} already.")
}

pub fn changed(key: &str, before: &str, after: &str, meaning: &str) -> String {
    format!("`{key}`: {before} → {after}\n{meaning}")
}

pub const ALL_REPLACED: &str = "Every setting has its default again, so support is **off**. What else was stored could \
                                not be read and is gone.";

pub fn all_reset(kept: &[&str]) -> String {
    let kept = match kept {
        [] => String::new(),
        kept => format!(" Kept, because I do not know it: {}.", list(kept)),
    };
    format!("Every setting has its default again, so support is **off**.{kept}")
}

pub fn no_support_channel(channel: ChannelId) -> String {
    format!("<#{}> is no support channel.", channel.0)
}

pub fn not_stored(why: &str) -> String {
    format!("That could not be stored: {why}. Nothing was changed.")
}

/// Nobody will hear of a call to this role.
pub fn not_pingable(role: RoleId) -> String {
    format!(
        "⚠️ I may not mention <@&{}>, so nobody would be notified: in the server's settings, *Roles*, allow anyone to \
         mention it.",
        role.0
    )
}

/// What a setting does, as things stand.
pub fn meaning(key: &str, config: &ServerConfig) -> String {
    match key {
        "enabled" if !config.enabled => "Support is off: I answer nobody here.".to_owned(),
        "enabled" if config.channels.is_empty() => "Support is on, but there is no support channel: I answer mentions \
             and `/ask`. `/config channels add` adds one."
            .to_owned(),
        "enabled" => {
            "Support is on: I answer in the support channels, wherever I am mentioned, and `/ask`.".to_owned()
        }
        "language" => "I read the documents in this language; a change indexes them anew.".to_owned(),
        "system_prompt" => {
            "A language model is told this with every question; answers quoted from the documents are not affected."
                .to_owned()
        }
        "channels" if config.channels.is_empty() => {
            "There is no support channel: I answer mentions and `/ask` only.".to_owned()
        }
        "channels" if !config.enabled => "I will answer every question there, once support is on: `/config set \
             key:enabled value:true`."
            .to_owned(),
        "channels" => "I answer every question there, in a thread.".to_owned(),
        "support_role_id" if config.support_role_id.is_none() => {
            "Nobody is called when a member asks for a human: `/config support-role` chooses who.".to_owned()
        }
        "support_role_id" => "They are called when a member asks for a human.".to_owned(),
        "max_messages_per_user" => {
            format!("A member may ask {} in an hour.", count(config.max_messages_per_user, "question"))
        }
        "max_text_length" => {
            format!("I read questions of up to {}.", count(config.max_text_length, "character"))
        }
        "auto_close_hours" if config.auto_close_hours == 0 => {
            "A conversation stays open until whoever asked closes it.".to_owned()
        }
        "auto_close_hours" => format!(
            "I close a conversation whose asker was silent for {}, after a warning. Written in again, it goes on.",
            count(config.auto_close_hours, "hour")
        ),
        "close_warning_hours" => {
            format!("I warn {} before I close, or half of the time.", count(config.close_warning_hours, "hour"))
        }
        "ticket_auto_resolve_hours" if config.ticket_auto_resolve_hours == 0 => {
            "A ticket stays open until staff resolve it.".to_owned()
        }
        "ticket_auto_resolve_hours" => format!(
            "I resolve a ticket when staff wrote and whoever asked was silent for {}, after a warning.",
            count(config.ticket_auto_resolve_hours, "hour")
        ),
        _ => String::new(),
    }
}

fn count(number: u32, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

/// Everything that is set. `shown`: keys with their values as people read them.
pub fn overview(
    shown: &[(&str, String)],
    unknown: &[&str],
    problems: &[Problem],
    config: &ServerConfig,
) -> String {
    let mut text = "**How support is set up on this server**\n".to_owned();
    if !problems.is_empty() {
        text.push_str(&trouble(problems));
        text.push('\n');
    }
    for (key, value) in shown {
        text.push_str(&format!("`{key}`: {value}\n"));
        if !problems.iter().any(|problem| problem.key == *key) {
            text.push_str(&format!("-# {}\n", meaning(key, config)));
        }
    }
    if !unknown.is_empty() {
        text.push_str(&format!("-# Kept, because I do not know it: {}\n", list(unknown)));
    }
    text.push_str(
        "Change it with `/config set`, `/config channels`, `/config support-role` and `/config reset`.",
    );
    text
}

/// What is wrong, and how each of it is mended.
pub fn trouble(problems: &[Problem]) -> String {
    let mut text = NOT_IN_FORCE.to_owned();
    for problem in problems {
        let mend = match problem.key.as_str() {
            "" => format!("`/config reset key:{EVERYTHING}` puts every setting back to its default"),
            "channels" => "`/config reset key:channels`, then `/config channels add`".to_owned(),
            "support_role_id" => "`/config support-role`, or `/config reset key:support_role_id`".to_owned(),
            key => format!("`/config set key:{key}`, or `/config reset key:{key}`"),
        };
        let key = match problem.key.as_str() {
            "" => "The whole".to_owned(),
            key => format!("`{key}`"),
        };
        let found = code(&problem.found);
        text.push_str(&format!("\n• {key} should be {}, but is {found}. Mend it: {mend}.", problem.expected));
    }
    text
}

/// A value as people read it. Roles and channels by name; a reply of ours pings nobody.
pub fn value(key: &str, value: &Value) -> String {
    let id = |value: &Value| match value {
        Value::String(text) => text.parse::<u64>().ok(),
        other => other.as_u64(),
    };
    match (key, value) {
        (_, Value::Null) => "none".to_owned(),
        (_, Value::Array(items)) if items.is_empty() => "none".to_owned(),
        ("channels", Value::Array(items)) if items.iter().all(|item| id(item).is_some()) => {
            const SHOWN: usize = 20;
            let mut names: Vec<String> =
                items.iter().take(SHOWN).filter_map(id).map(|id| format!("<#{id}>")).collect();
            if items.len() > SHOWN {
                names.push(format!("and {} more", items.len() - SHOWN));
            }
            names.join(" ")
        }
        ("support_role_id", role) => {
            id(role).map_or_else(|| code(&role.to_string()), |id| format!("<@&{id}>"))
        }
        (_, Value::String(text)) => code(text),
        (_, other) => code(&other.to_string()),
    }
}

/// Words of others: on one line, short, and without a way out of the code that they stand in.
fn code(text: &str) -> String {
    const LONGEST: usize = 120;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ").replace('`', "'");
    if line.is_empty() {
        return "empty".to_owned();
    }
    let short: String = line.chars().take(LONGEST).collect();
    let more = if short.len() < line.len() { "…" } else { "" };
    format!("`{short}{more}`")
}

fn list(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    let mut shown: Vec<String> = names.iter().take(SHOWN).map(|name| code(name)).collect();
    if names.len() > SHOWN {
        shown.push(format!("and {} more", names.len() - SHOWN));
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
