//! `/setup`: support set up step by step, in one private message with menus. Pure; the worker reads and writes the config.
//!
//! Each choice is stored at once, by key, as `/config` does it, so that a wizard that is left half done, pressed twice or
//! opened twice leaves what was chosen last. The message shows what is stored, never what it remembers.

use helpline_cluster::ids::ServerId;
use serde_json::{Value, json};

use super::config::{self, Write, texts};
use crate::discord::{ChannelId, Interaction, Permissions, RoleId, holds};
use crate::first_reply::COMPONENT;
use crate::server_config::{self, ServerConfig};
use crate::texts::{Key, Lang, say};

/// Prefix of the custom ids of the wizard.
pub const SETUP: &str = "setup:";
/// Channels that a menu holds.
const MOST_CHANNELS: usize = 25;

/// What an admin chose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// He opens the wizard.
    Open,
    /// All support channels, instead of those before, each with what the bot lacks there.
    Channels(Vec<(ChannelId, Lacks)>),
    /// None: nobody is called. `pingable`: the bot may mention the role.
    Role(Option<(RoleId, bool)>),
    Language(String),
    Enabled(bool),
    /// Every setting has its default again: what is stored cannot be used.
    Reset,
    Done,
}

/// What the bot lacks in a channel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lacks {
    /// The names of permissions, or none.
    These(Vec<Key>),
    /// Discord did not say what the bot may do there.
    Unknown,
}

/// What follows from a step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decided {
    pub write: Option<Write>,
    /// What is said of it, above the next steps.
    pub note: String,
}

/// Whether it is a press on the wizard.
pub fn is_on(kind: u8, custom_id: &str) -> bool {
    kind == COMPONENT && custom_id.starts_with(SETUP)
}

/// Reads the interaction. The error is what the admin is told.
pub fn step(interaction: &Interaction, server: ServerId, lang: Lang) -> Result<Step, String> {
    let not_here = || say!(lang, "config-not-here");
    let data = interaction.data.as_ref().ok_or_else(not_here)?;
    let Some(custom_id) = data.custom_id.as_deref() else { return Ok(Step::Open) };
    let ids = || data.values.iter().map(|id| id.parse::<u64>().map_err(|_| not_here()));
    match custom_id.strip_prefix(SETUP).unwrap_or_default() {
        "channels" => {
            let channels = ids().take(MOST_CHANNELS).map(|id| {
                let id = ChannelId(id?);
                let channel = data.resolved.channels.get(&id);
                let here = channel
                    .filter(|channel| channel.guild_id.is_none_or(|guild| guild.0 == server.get()))
                    .filter(|channel| config::CHANNEL_TYPES.contains(&channel.kind))
                    .ok_or_else(not_here)?;
                let of_this_one = interaction.app_permissions.filter(|_| interaction.channel_id == Some(id));
                Ok((id, lacks(here.app_permissions.or(of_this_one))))
            });
            channels.collect::<Result<_, String>>().map(Step::Channels)
        }
        "role" => match ids().next() {
            None => Ok(Step::Role(None)),
            Some(id) => {
                let role = RoleId(id?);
                let known = data.resolved.roles.get(&role).ok_or_else(not_here)?;
                if role.0 == server.get() {
                    return Err(say!(lang, "config-everyone"));
                }
                let may = interaction
                    .app_permissions
                    .is_some_and(|held| holds(held, Permissions::MENTION_EVERYONE));
                Ok(Step::Role(Some((role, known.mentionable || may))))
            }
        },
        "language" => {
            let tag = data.values.first().map(String::as_str).unwrap_or_default();
            let known = texts::LANGUAGES.iter().any(|(known, _)| *known == tag);
            if known { Ok(Step::Language(tag.to_owned())) } else { Err(say!(lang, "config-unknown")) }
        }
        "on" => Ok(Step::Enabled(true)),
        "off" => Ok(Step::Enabled(false)),
        "reset" => Ok(Step::Reset),
        "done" => Ok(Step::Done),
        _ => Err(say!(lang, "config-unknown")),
    }
}

fn lacks(held: Option<Permissions>) -> Lacks {
    match held {
        Some(held) => Lacks::These(
            texts::NEEDED.iter().filter(|(bits, _)| !holds(held, *bits)).map(|(_, name)| *name).collect(),
        ),
        None => Lacks::Unknown,
    }
}

/// Decides about a step. `stored`: the column as text.
pub fn decide(step: &Step, stored: &str, lang: Lang) -> Decided {
    let readable = serde_json::from_str::<Value>(stored).is_ok_and(|stored| stored.is_object());
    let merge = |keys: Value, note: String| Decided { write: readable.then_some(Write::Merge(keys)), note };
    match step {
        Step::Open | Step::Done => Decided { write: None, note: String::new() },
        Step::Channels(channels) => {
            let usable = channels
                .iter()
                .filter(|(_, lacks)| !matches!(lacks, Lacks::These(names) if !names.is_empty()));
            let ids: Vec<String> = usable.map(|(id, _)| id.0.to_string()).collect();
            let notes: Vec<String> =
                channels.iter().filter_map(|(id, lacks)| about(lang, *id, lacks)).collect();
            let note = match notes.as_slice() {
                [] if ids.is_empty() => say!(lang, "meaning-no-channel"),
                [] => say!(lang, "setup-channels-fine"),
                notes => notes.join("\n"),
            };
            merge(json!({ "channels": ids }), note)
        }
        Step::Role(None) => merge(json!({ "support_role_id": null }), say!(lang, "setup-nobody-called")),
        Step::Role(Some((role, pingable))) => {
            let note = match pingable {
                true => say!(lang, "setup-role-called", role = *role),
                false => say!(lang, "config-not-pingable", role = *role),
            };
            merge(json!({ "support_role_id": role.0.to_string() }), note)
        }
        Step::Language(tag) => merge(json!({ "language": tag }), say!(lang, "setup-language-stored")),
        Step::Enabled(on) => {
            let note =
                if *on { format!("✅ {}.", say!(lang, "setup-is-on")) } else { say!(lang, "meaning-off") };
            merge(json!({ "enabled": on }), note)
        }
        Step::Reset => {
            let decision = config::decide(&config::Request::ResetEverything, stored, lang);
            Decided { write: decision.write, note: decision.text }
        }
    }
}

/// What is to be said of a channel that was chosen.
fn about(lang: Lang, channel: ChannelId, lacks: &Lacks) -> Option<String> {
    match lacks {
        Lacks::These(names) if names.is_empty() => None,
        Lacks::These(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("**{}**", name.in_lang(lang))).collect();
            Some(say!(lang, "setup-lacks", channel, permissions = names.join(", ")))
        }
        Lacks::Unknown => Some(say!(lang, "setup-not-seen", channel)),
    }
}

/// The message as it is now: its text, and what can be chosen. `documents`: how many the server has.
pub fn panel(lang: Lang, stored: &str, note: &str, documents: i64, step: &Step) -> (String, Value) {
    let config = match server_config::parse_text(stored) {
        Ok(config) => config,
        Err(problems) => {
            let reset = json!([row(json!([button(4, say!(lang, "button-reset"), "reset")]))]);
            return (texts::fit(texts::trouble(lang, &problems)), reset);
        }
    };
    let note = if note.is_empty() { String::new() } else { format!("{note}\n\n") };
    let standing = overview(lang, &config, documents);
    let next = next(lang, &config, documents);
    let text = match step {
        Step::Done => format!("{}\n{standing}\n\n{next}", say!(lang, "setup-done")),
        _ => {
            let next = say!(lang, "setup-next", step = next);
            format!("{}\n{note}{standing}\n\n-# {next}", say!(lang, "setup-title"))
        }
    };
    let components = if *step == Step::Done { json!([]) } else { menus(lang, &config) };
    (texts::fit(text), components)
}

fn overview(lang: Lang, config: &ServerConfig, documents: i64) -> String {
    let none_yet = || say!(lang, "setup-none-yet");
    let channels = match config.channels.as_slice() {
        [] => none_yet(),
        ids => texts::value(lang, "channels", &ids.iter().map(u64::to_string).collect()),
    };
    let role = config.support_role_id.map_or_else(none_yet, |id| format!("<@&{id}>"));
    let language = texts::LANGUAGES.iter().find(|(tag, _)| *tag == config.language);
    let language = language.map_or(config.language.as_str(), |(_, name)| name);
    let documents = match documents {
        0 => none_yet(),
        count => say!(lang, "setup-documents", count = u32::try_from(count).unwrap_or(u32::MAX)),
    };
    let on = if config.enabled { say!(lang, "setup-is-on") } else { say!(lang, "setup-is-off") };
    format!(
        "1. {}\n2. {}\n3. {}\n4. {}\n5. {on}",
        say!(lang, "setup-channels", channels),
        say!(lang, "setup-role", role),
        say!(lang, "setup-language", language),
        say!(lang, "setup-knowledge", documents)
    )
}

/// The step that is missing, or what can be done when none is.
fn next(lang: Lang, config: &ServerConfig, documents: i64) -> String {
    match config {
        _ if documents == 0 => say!(lang, "setup-next-knowledge"),
        ServerConfig { enabled: false, .. } => say!(lang, "setup-next-on"),
        ServerConfig { support_role_id: None, .. } => say!(lang, "setup-next-role"),
        ServerConfig { channels, .. } => match channels.first() {
            Some(channel) => say!(lang, "setup-next-ask", channel = ChannelId(*channel)),
            None => say!(lang, "setup-next-ask-anywhere"),
        },
    }
}

fn menus(lang: Lang, config: &ServerConfig) -> Value {
    let mut channels = json!({
        "type": 8, "custom_id": format!("{SETUP}channels"), "channel_types": config::CHANNEL_TYPES,
        "min_values": 0, "max_values": MOST_CHANNELS, "placeholder": say!(lang, "placeholder-setup-channels"),
    });
    let shown = config.channels.iter().take(MOST_CHANNELS);
    let defaults: Vec<Value> = shown.map(|id| json!({ "id": id.to_string(), "type": "channel" })).collect();
    if !defaults.is_empty() {
        channels["default_values"] = defaults.into();
    }
    let mut role = json!({
        "type": 6, "custom_id": format!("{SETUP}role"), "min_values": 0, "max_values": 1,
        "placeholder": say!(lang, "placeholder-setup-role"),
    });
    if let Some(id) = config.support_role_id {
        role["default_values"] = json!([{ "id": id.to_string(), "type": "role" }]);
    }
    let language = |(tag, name): &(&str, &str)| {
        let mut option = json!({ "label": name, "value": tag });
        if *tag == config.language {
            option["default"] = true.into();
        }
        option
    };
    let languages: Vec<Value> = texts::LANGUAGES.iter().map(language).collect();
    let languages = json!({
        "type": 3, "custom_id": format!("{SETUP}language"), "options": languages,
        "placeholder": say!(lang, "placeholder-setup-language"),
    });
    let switch = match config.enabled {
        true => button(2, say!(lang, "button-off"), "off"),
        false => button(3, say!(lang, "button-on"), "on"),
    };
    json!([
        row(json!([channels])),
        row(json!([role])),
        row(json!([languages])),
        row(json!([switch, button(1, say!(lang, "button-done"), "done")])),
    ])
}

fn row(components: Value) -> Value {
    json!({ "type": 1, "components": components })
}

fn button(style: u8, label: String, step: &str) -> Value {
    json!({ "type": 2, "style": style, "label": label, "custom_id": format!("{SETUP}{step}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: ServerId = ServerId(3);

    fn chosen(step: &str, values: &[&str], resolved: &Value) -> Interaction {
        let whole = json!({ "id": "1", "application_id": "2", "type": COMPONENT, "token": "t", "guild_id": "3",
            "channel_id": "4", "app_permissions": "0",
            "data": { "custom_id": format!("{SETUP}{step}"), "values": values, "resolved": resolved } });
        serde_json::from_value(whole).unwrap()
    }

    fn all_needed() -> String {
        texts::NEEDED.iter().fold(Permissions::empty(), |all, (bits, _)| all | *bits).bits().to_string()
    }

    #[test]
    fn a_channel_in_which_the_bot_cannot_answer_is_named_and_left_out() {
        let resolved = json!({ "channels": {
            "5": { "type": 0, "app_permissions": all_needed() }, "6": { "type": 0, "app_permissions": "0" },
            "7": { "type": 0 } } });
        let step =
            step(&chosen("channels", &["5", "6", "7"], &resolved), HERE, Lang::En).expect("they are here");
        let decided = decide(&step, "{}", Lang::En);
        assert_eq!(decided.write, Some(Write::Merge(json!({ "channels": ["5", "7"] }))));
        assert!(decided.note.contains("<#6> is not stored") && decided.note.contains("**Send Messages**"));
        assert!(
            decided.note.contains("<#7> is stored") && !decided.note.contains("<#5>"),
            "{}",
            decided.note
        );
    }

    #[test]
    fn what_is_of_another_server_unknown_or_everyones_is_refused() {
        let theirs = json!({ "channels": { "5": { "type": 0, "guild_id": "9" } } });
        for (what, values, resolved) in [
            ("channels", vec!["5"], theirs),
            ("channels", vec!["5"], json!({})),
            ("channels", vec!["x"], json!({})),
            ("channels", vec!["5"], json!({ "channels": { "5": { "type": 2 } } })),
            ("role", vec!["8"], json!({})),
            ("role", vec!["3"], json!({ "roles": { "3": {} } })),
            ("language", vec!["xx"], json!({})),
            ("language", vec![], json!({})),
            ("other", vec![], json!({})),
        ] {
            assert!(step(&chosen(what, &values, &resolved), HERE, Lang::En).is_err(), "{what} {values:?}");
        }
        assert_eq!(step(&chosen("role", &[], &json!({})), HERE, Lang::En), Ok(Step::Role(None)));
        assert_eq!(
            step(&chosen("channels", &[], &json!({})), HERE, Lang::En),
            Ok(Step::Channels(Vec::new()))
        );
    }

    #[test]
    fn the_message_shows_what_is_stored_and_leads_on_until_nothing_is_missing() {
        let (text, components) = panel(Lang::En, "{}", "", 0, &Step::Open);
        assert!(text.contains("/knowledge add") && text.contains("Support is **off**"), "{text}");
        assert_eq!(components.as_array().map(Vec::len), Some(4));
        let stored = r#"{"enabled": true, "channels": ["5"], "support_role_id": "7", "language": "de"}"#;
        let (text, components) = panel(Lang::En, stored, "✅", 2, &Step::Language("de".into()));
        assert!(text.contains("ask me something in <#5>") && text.contains("Deutsch"), "{text}");
        assert_eq!(components[0]["components"][0]["default_values"][0]["id"], "5");
        let (text, components) = panel(Lang::En, stored, "", 2, &Step::Done);
        assert!(text.contains("2 documents") && components == json!([]), "{text}");
    }

    #[test]
    fn a_config_that_cannot_be_used_offers_the_way_out_and_nothing_else() {
        for stored in ["7", r#"{"channels": 7}"#] {
            let (text, components) = panel(Lang::En, stored, "", 0, &Step::Open);
            assert!(text.contains("cannot be used"), "{text}");
            assert_eq!(components[0]["components"][0]["custom_id"], "setup:reset");
            assert!(decide(&Step::Reset, stored, Lang::En).write.is_some());
        }
        assert_eq!(decide(&Step::Enabled(true), "7", Lang::En).write, None);
    }
}
