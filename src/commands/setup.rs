//! `/setup`: support set up step by step, in one private message with menus. Pure; the worker reads and writes the config.
//!
//! Each choice is stored at once, by key, as `/config` does it, so that a wizard that is left half done, pressed twice or
//! opened twice leaves what was chosen last. The message shows what is stored, never what it remembers.

use helpline_cluster::ids::ServerId;
use serde_json::{Value, json};

use super::config::{self, Write, texts};
use crate::discord::{ChannelId, Interaction, MAX_CONTENT_CHARS, Permissions, RoleId, holds};
use crate::first_reply::COMPONENT;
use crate::server_config::{self, ServerConfig};

pub const DESCRIPTION: &str = "Set up support on this server, step by step";
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
    These(Vec<&'static str>),
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
pub fn step(interaction: &Interaction, server: ServerId) -> Result<Step, String> {
    let data = interaction.data.as_ref().ok_or(texts::NOT_HERE)?;
    let Some(custom_id) = data.custom_id.as_deref() else { return Ok(Step::Open) };
    let ids = || data.values.iter().map(|id| id.parse::<u64>().map_err(|_| texts::NOT_HERE.to_owned()));
    match custom_id.strip_prefix(SETUP).unwrap_or_default() {
        "channels" => {
            let channels = ids().take(MOST_CHANNELS).map(|id| {
                let id = ChannelId(id?);
                let channel = data.resolved.channels.get(&id);
                let here = channel
                    .filter(|channel| channel.guild_id.is_none_or(|guild| guild.0 == server.get()))
                    .filter(|channel| config::CHANNEL_TYPES.contains(&channel.kind))
                    .ok_or_else(|| texts::NOT_HERE.to_owned())?;
                let of_this_one = interaction.app_permissions.filter(|_| interaction.channel_id == Some(id));
                Ok((id, lacks(here.app_permissions.or(of_this_one))))
            });
            channels.collect::<Result<_, String>>().map(Step::Channels)
        }
        "role" => match ids().next() {
            None => Ok(Step::Role(None)),
            Some(id) => {
                let role = RoleId(id?);
                let known = data.resolved.roles.get(&role).ok_or(texts::NOT_HERE)?;
                if role.0 == server.get() {
                    return Err(texts::EVERYONE.to_owned());
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
            if known { Ok(Step::Language(tag.to_owned())) } else { Err(texts::UNKNOWN_SUBCOMMAND.to_owned()) }
        }
        "on" => Ok(Step::Enabled(true)),
        "off" => Ok(Step::Enabled(false)),
        "reset" => Ok(Step::Reset),
        "done" => Ok(Step::Done),
        _ => Err(texts::UNKNOWN_SUBCOMMAND.to_owned()),
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
pub fn decide(step: &Step, stored: &str) -> Decided {
    let readable = serde_json::from_str::<Value>(stored).is_ok_and(|stored| stored.is_object());
    let merge = |keys: Value, note: String| Decided { write: readable.then_some(Write::Merge(keys)), note };
    match step {
        Step::Open | Step::Done => Decided { write: None, note: String::new() },
        Step::Channels(channels) => {
            let usable = channels
                .iter()
                .filter(|(_, lacks)| !matches!(lacks, Lacks::These(names) if !names.is_empty()));
            let ids: Vec<String> = usable.map(|(id, _)| id.0.to_string()).collect();
            let notes: Vec<String> = channels.iter().filter_map(|(id, lacks)| about(*id, lacks)).collect();
            let note = match notes.as_slice() {
                [] => format!("✅ {}.", stored_channels(ids.len())),
                notes => notes.join("\n"),
            };
            merge(json!({ "channels": ids }), note)
        }
        Step::Role(None) => {
            merge(json!({ "support_role_id": null }), "✅ Nobody is called for a human.".to_owned())
        }
        Step::Role(Some((role, pingable))) => {
            let note = match pingable {
                true => format!("✅ <@&{}> is called for a human.", role.0),
                false => texts::not_pingable(*role),
            };
            merge(json!({ "support_role_id": role.0.to_string() }), note)
        }
        Step::Language(tag) => merge(json!({ "language": tag }), "✅ The language is stored.".to_owned()),
        Step::Enabled(on) => {
            let note = if *on { "✅ Support is **on**." } else { "Support is **off**: I answer nobody." };
            merge(json!({ "enabled": on }), note.to_owned())
        }
        Step::Reset => {
            let decision = config::decide(&config::Request::ResetEverything, stored);
            Decided { write: decision.write, note: decision.text }
        }
    }
}

fn stored_channels(count: usize) -> String {
    match count {
        0 => "There is no support channel: I answer mentions and `/ask`".to_owned(),
        1 => "I may do everything there that I need".to_owned(),
        count => format!("I may do everything that I need in these {count} channels"),
    }
}

/// What is to be said of a channel that was chosen.
fn about(channel: ChannelId, lacks: &Lacks) -> Option<String> {
    match lacks {
        Lacks::These(names) if names.is_empty() => None,
        Lacks::These(names) => {
            let names: Vec<String> = names.iter().map(|name| format!("**{name}**")).collect();
            Some(format!(
                "⚠️ <#{}> is not stored: I lack {} there. Give my role that in the channel's settings, *Permissions*, \
                 and choose again.",
                channel.0,
                names.join(", ")
            ))
        }
        Lacks::Unknown => Some(format!("<#{}> is stored; I could not see what I may do there.", channel.0)),
    }
}

/// The message as it is now: its text, and what can be chosen. `documents`: how many the server has.
pub fn panel(stored: &str, note: &str, documents: i64, step: &Step) -> (String, Value) {
    let config = match server_config::parse_text(stored) {
        Ok(config) => config,
        Err(problems) => {
            let reset = json!([row(json!([button(4, "Put everything back to its default", "reset")]))]);
            return (texts::fit(texts::trouble(&problems)), reset);
        }
    };
    let note = if note.is_empty() { String::new() } else { format!("{note}\n\n") };
    let text = match step {
        Step::Done => format!(
            "**Support is set up so:**\n{}\n\n{}",
            overview(&config, documents),
            next(&config, documents)
        ),
        _ => format!(
            "**Set up support** · each choice is stored at once\n{note}{}\n\n-# Next: {}",
            overview(&config, documents),
            next(&config, documents)
        ),
    };
    let components = if *step == Step::Done { json!([]) } else { menus(&config) };
    (text.chars().take(MAX_CONTENT_CHARS).collect(), components)
}

fn overview(config: &ServerConfig, documents: i64) -> String {
    let channels = match config.channels.as_slice() {
        [] => "none yet".to_owned(),
        ids => texts::value("channels", &ids.iter().map(u64::to_string).collect()),
    };
    let role = config.support_role_id.map_or_else(|| "none yet".to_owned(), |id| format!("<@&{id}>"));
    let language = texts::LANGUAGES.iter().find(|(tag, _)| *tag == config.language);
    let language = language.map_or(config.language.as_str(), |(_, name)| name);
    let documents = match documents {
        0 => "nothing yet".to_owned(),
        1 => "1 document".to_owned(),
        count => format!("{count} documents"),
    };
    let on = if config.enabled { "on" } else { "off" };
    format!(
        "1. Where I answer every question: {channels}\n2. Who is called for a human: {role}\n3. Language: {language}\n\
         4. What I know: {documents}\n5. Support is **{on}**"
    )
}

/// The step that is missing, or what can be done when none is.
fn next(config: &ServerConfig, documents: i64) -> String {
    match config {
        _ if documents == 0 => "give me something to answer from: `/knowledge add`.".to_owned(),
        ServerConfig { enabled: false, .. } => "press **Turn support on**, here or with `/setup`.".to_owned(),
        ServerConfig { support_role_id: None, .. } => "choose who is called for a human.".to_owned(),
        ServerConfig { channels, .. } => match channels.first() {
            Some(channel) => format!("ask me something in <#{channel}>. `/config show` has all settings."),
            None => {
                "ask me something with `/ask`, or choose a channel in which I answer everything.".to_owned()
            }
        },
    }
}

fn menus(config: &ServerConfig) -> Value {
    let mut channels = json!({
        "type": 8, "custom_id": format!("{SETUP}channels"), "channel_types": config::CHANNEL_TYPES,
        "min_values": 0, "max_values": MOST_CHANNELS, "placeholder": "1. Channels in which I answer every question",
    });
    let shown = config.channels.iter().take(MOST_CHANNELS);
    let defaults: Vec<Value> = shown.map(|id| json!({ "id": id.to_string(), "type": "channel" })).collect();
    if !defaults.is_empty() {
        channels["default_values"] = defaults.into();
    }
    let mut role = json!({
        "type": 6, "custom_id": format!("{SETUP}role"), "min_values": 0, "max_values": 1,
        "placeholder": "2. Whom to call when a member asks for a human",
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
        "placeholder": "3. Language of the documents and answers",
    });
    let switch = match config.enabled {
        true => button(2, "Turn support off", "off"),
        false => button(3, "Turn support on", "on"),
    };
    json!([
        row(json!([channels])),
        row(json!([role])),
        row(json!([languages])),
        row(json!([switch, button(1, "Done", "done")])),
    ])
}

fn row(components: Value) -> Value {
    json!({ "type": 1, "components": components })
}

fn button(style: u8, label: &str, step: &str) -> Value {
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
        let step = step(&chosen("channels", &["5", "6", "7"], &resolved), HERE).expect("they are here");
        let decided = decide(&step, "{}");
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
            assert!(step(&chosen(what, &values, &resolved), HERE).is_err(), "{what} {values:?}");
        }
        assert_eq!(step(&chosen("role", &[], &json!({})), HERE), Ok(Step::Role(None)));
        assert_eq!(step(&chosen("channels", &[], &json!({})), HERE), Ok(Step::Channels(Vec::new())));
    }

    #[test]
    fn the_message_shows_what_is_stored_and_leads_on_until_nothing_is_missing() {
        let (text, components) = panel("{}", "", 0, &Step::Open);
        assert!(text.contains("/knowledge add") && text.contains("Support is **off**"), "{text}");
        assert_eq!(components.as_array().map(Vec::len), Some(4));
        let stored = r#"{"enabled": true, "channels": ["5"], "support_role_id": "7", "language": "de"}"#;
        let (text, components) = panel(stored, "✅", 2, &Step::Language("de".into()));
        assert!(text.contains("ask me something in <#5>") && text.contains("Deutsch"), "{text}");
        assert_eq!(components[0]["components"][0]["default_values"][0]["id"], "5");
        let (text, components) = panel(stored, "", 2, &Step::Done);
        assert!(text.contains("2 documents") && components == json!([]), "{text}");
    }

    #[test]
    fn a_config_that_cannot_be_used_offers_the_way_out_and_nothing_else() {
        for stored in ["7", r#"{"channels": 7}"#] {
            let (text, components) = panel(stored, "", 0, &Step::Open);
            assert!(text.contains("cannot be used"), "{text}");
            assert_eq!(components[0]["components"][0]["custom_id"], "setup:reset");
            assert!(decide(&Step::Reset, stored).write.is_some());
        }
        assert_eq!(decide(&Step::Enabled(true), "7").write, None);
    }
}
