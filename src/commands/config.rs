//! `/config`: what an admin asks for, what follows for `servers.config`, and what is said. Pure; the worker reads and
//! writes the row (`worker::apply::commands`).
//!
//! What is written is merged into the row by key, so that keys unknown to this release survive to the last digit.

pub mod texts;

use std::borrow::Cow;

use helpline_cluster::ids::ServerId;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::discord::{ChannelId, CommandOption, Interaction, InteractionData, Permissions, RoleId, holds};
use crate::server_config::{self, ServerConfig, SetError};
use crate::texts::{Key, Lang, say};
pub use texts::OPTIONS;

/// Channels in which members write in threads: text, announcements and forums.
pub const CHANNEL_TYPES: &[u8] = &[0, 5, 15];
/// Discord shows no more choices.
const MOST_CHOICES: usize = 25;
/// Discord takes no longer value of a choice, in characters.
const MAX_CHOICE_CHARS: usize = 100;
/// Room for the mark of the value that is set now.
const NOW_CHARS: usize = 20;

/// What an admin asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    Show,
    Set {
        key: String,
        value: String,
    },
    Reset {
        key: String,
    },
    ResetEverything,
    AddChannel(ChannelId),
    RemoveChannel(ChannelId),
    /// `pingable`: the bot may mention the role.
    CallRole {
        role: RoleId,
        pingable: bool,
    },
}

/// What follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    pub write: Option<Write>,
    pub text: String,
}

/// How the stored configuration changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// These keys; the others stay.
    Merge(Value),
    /// All of it: what is stored is no object.
    Replace(Value),
}

/// A value that is offered while somebody types. Stored in the outbox: fields may be added, never renamed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    pub name: String,
    pub value: String,
}

/// Reads the interaction. The error is what the member is told.
pub fn request(interaction: &Interaction, server: ServerId, lang: Lang) -> Result<Request, String> {
    let unknown = || say!(lang, "config-unknown");
    let data = interaction.data.as_ref().ok_or_else(unknown)?;
    let (path, options) = data.chosen();
    let option = |name: &str| options.iter().find(|option| option.name == name);
    let text = |name: &str| option(name).and_then(|option| option.value.as_str()).ok_or_else(unknown);
    let id = |name: &str| option(name).and_then(CommandOption::id).ok_or_else(unknown);
    match path.as_slice() {
        ["show"] => Ok(Request::Show),
        ["set"] => {
            let key = text("key")?;
            if !texts::SETTABLE.iter().any(|(known, _)| *known == key) {
                return Err(texts::not_settable(lang, key));
            }
            Ok(Request::Set { key: key.to_owned(), value: text("value")?.to_owned() })
        }
        ["reset"] => match text("key")? {
            texts::EVERYTHING => Ok(Request::ResetEverything),
            key if server_config::about(key).is_some() => Ok(Request::Reset { key: key.to_owned() }),
            key => Err(texts::not_settable(lang, key)),
        },
        ["channels", "add"] => {
            let channel = ChannelId(id("channel")?);
            usable_channel(interaction, data, channel, server, lang)?;
            Ok(Request::AddChannel(channel))
        }
        ["channels", "remove"] => Ok(Request::RemoveChannel(ChannelId(id("channel")?))),
        ["support-role"] => {
            let role = RoleId(id("role")?);
            let Some(known) = data.resolved.roles.get(&role) else {
                return Err(say!(lang, "config-not-here"));
            };
            if role.0 == server.get() {
                return Err(say!(lang, "config-everyone"));
            }
            let may = |wanted| interaction.app_permissions.is_some_and(|held| holds(held, wanted));
            let pingable = known.mentionable || may(Permissions::MENTION_EVERYONE);
            Ok(Request::CallRole { role, pingable })
        }
        _ => Err(unknown()),
    }
}

/// A channel of this server, in which the bot can answer as far as Discord said what it may do there.
fn usable_channel(
    interaction: &Interaction,
    data: &InteractionData,
    id: ChannelId,
    server: ServerId,
    lang: Lang,
) -> Result<(), String> {
    let channel = data.resolved.channels.get(&id);
    let here = channel.filter(|channel| channel.guild_id.is_none_or(|guild| guild.0 == server.get()));
    let Some(channel) = here else { return Err(say!(lang, "config-not-here")) };
    if !CHANNEL_TYPES.contains(&channel.kind) {
        return Err(say!(lang, "config-no-text-channel"));
    }
    let of_this_one = interaction.app_permissions.filter(|_| interaction.channel_id == Some(id));
    let Some(held) = channel.app_permissions.or(of_this_one) else { return Ok(()) };
    let missing: Vec<Key> =
        texts::NEEDED.iter().filter(|(bits, _)| !holds(held, *bits)).map(|(_, name)| *name).collect();
    if missing.is_empty() { Ok(()) } else { Err(texts::missing(lang, id, &missing)) }
}

/// Decides about a request. `stored`: the column as text, which may be anything that Postgres takes.
pub fn decide(request: &Request, stored: &str, lang: Lang) -> Decision {
    let Decision { write, text } = judge(request, stored, lang);
    Decision { write, text: texts::fit(text) }
}

fn judge(request: &Request, stored: &str, lang: Lang) -> Decision {
    let before = match serde_json::from_str(stored) {
        Ok(before @ Value::Object(_)) => before,
        _ => return about_the_unreadable(request, stored, lang),
    };
    match request {
        Request::Show => told(overview(&before, lang)),
        Request::Set { key, value } => set(&before, key, value, lang),
        Request::Reset { key } => {
            let default = server_config::about(key).map(|(_, default)| default).unwrap_or_default();
            put(&before, key, default, lang)
        }
        Request::ResetEverything => {
            let unknown = unknown_keys(&before);
            Decision { write: Some(Write::Merge(defaults())), text: texts::all_reset(lang, &unknown) }
        }
        Request::AddChannel(channel) => with_channels(&before, lang, |mut ids| {
            if ids.contains(&channel.0) {
                return put(&before, "channels", before["channels"].clone(), lang);
            }
            ids.push(channel.0);
            put(&before, "channels", as_strings(&ids), lang)
        }),
        Request::RemoveChannel(channel) => with_channels(&before, lang, |mut ids| {
            if !ids.contains(&channel.0) {
                return told(say!(lang, "config-no-support-channel", channel = *channel));
            }
            ids.retain(|id| *id != channel.0);
            put(&before, "channels", as_strings(&ids), lang)
        }),
        Request::CallRole { role, pingable } => {
            let mut decision = put(&before, "support_role_id", Value::from(role.0.to_string()), lang);
            if !pingable {
                decision.text =
                    format!("{}\n{}", decision.text, say!(lang, "config-not-pingable", role = *role));
            }
            decision
        }
    }
}

fn told(text: String) -> Decision {
    Decision { write: None, text }
}

/// Only a reset of everything mends what is no object.
fn about_the_unreadable(request: &Request, stored: &str, lang: Lang) -> Decision {
    if let Request::ResetEverything = request {
        return Decision { write: Some(Write::Replace(defaults())), text: say!(lang, "config-all-replaced") };
    }
    told(texts::trouble(lang, &server_config::parse_text(stored).err().unwrap_or_default()))
}

fn set(before: &Value, key: &str, value: &str, lang: Lang) -> Decision {
    let mut after = before.clone();
    match server_config::set_key(&mut after, &format!("{key}={value}")) {
        Ok(()) => put(before, key, after[key].take(), lang),
        Err(SetError::BadValue(_)) => told(texts::refused(lang, key, value)),
        Err(error) => told(texts::not_stored(lang, &error.to_string())),
    }
}

/// Puts a value that is known to be good.
fn put(before: &Value, key: &str, value: Value, lang: Lang) -> Decision {
    let mut after = before.clone();
    after[key] = value;
    let unchanged = before.get(key) == after.get(key);
    let mut text = match unchanged {
        true => format!(
            "{}\n{}",
            say!(lang, "config-unchanged", key, value = texts::value(lang, key, &after[key])),
            texts::meaning(lang, key, &usable(&after))
        ),
        false => {
            let meaning = texts::meaning(lang, key, &usable(&after));
            let (before, after) = (shown(before, key, lang), texts::value(lang, key, &after[key]));
            format!("`{key}`: {before} → {after}\n{meaning}")
        }
    };
    if let Err(problems) = server_config::parse(&after) {
        text = format!("{text}\n{}", texts::trouble(lang, &problems));
    }
    let write = (!unchanged).then(|| Write::Merge(json!({ key: after[key].take() })));
    Decision { write, text }
}

/// Decides about the list of support channels, when there is one.
fn with_channels(before: &Value, lang: Lang, decide: impl FnOnce(Vec<u64>) -> Decision) -> Decision {
    match server_config::parse(&only(before, "channels")) {
        Ok(config) => decide(config.channels),
        Err(problems) => told(texts::trouble(lang, &problems)),
    }
}

/// Ids are strings in JSON, because numbers there lose digits.
fn as_strings(ids: &[u64]) -> Value {
    ids.iter().map(u64::to_string).collect()
}

fn overview(config: &Value, lang: Lang) -> String {
    let shown: Vec<(&str, String)> =
        server_config::keys().map(|key| (key, shown(config, key, lang))).collect();
    let problems = server_config::parse(config).err().unwrap_or_default();
    texts::overview(lang, &shown, &unknown_keys(config), &problems, &usable(config))
}

fn shown(config: &Value, key: &str, lang: Lang) -> String {
    match config.get(key) {
        Some(value) => texts::value(lang, key, value),
        None => {
            let default = server_config::about(key).map(|(_, default)| default).unwrap_or_default();
            format!("{} {}", texts::value(lang, key, &default), say!(lang, "config-default"))
        }
    }
}

fn unknown_keys(config: &Value) -> Vec<&str> {
    let names = config.as_object().into_iter().flat_map(Map::keys).map(String::as_str);
    names.filter(|name| server_config::about(name).is_none()).collect()
}

fn defaults() -> Value {
    let default = |key: &'static str| Some((key.to_owned(), server_config::about(key)?.1));
    Value::Object(server_config::keys().filter_map(default).collect())
}

/// A configuration with this key alone.
fn only(config: &Value, key: &str) -> Value {
    config.get(key).map_or_else(|| json!({}), |value| json!({ key: value }))
}

/// The settings that can be read; defaults in place of the others.
fn usable(config: &Value) -> ServerConfig {
    let good = server_config::keys().filter(|key| server_config::parse(&only(config, key)).is_ok());
    let good: Map<String, Value> =
        good.filter_map(|key| Some((key.to_owned(), config.get(key)?.clone()))).collect();
    server_config::parse(&Value::Object(good)).unwrap_or_default()
}

/// What is offered for the value that is being typed.
pub fn suggestions(interaction: &Interaction, current: &ServerConfig, lang: Lang) -> Vec<Suggestion> {
    let Some(data) = &interaction.data else { return Vec::new() };
    let (path, options) = data.chosen();
    let value_of = |name: &str| options.iter().find(|option| option.name == name)?.value.as_str();
    let typed = options.iter().find(|option| option.focused && option.name == "value");
    let (["set"], Some(key), Some(typed)) = (path.as_slice(), value_of("key"), typed) else {
        return Vec::new();
    };
    let typed = typed.value.as_str().unwrap_or_default().trim().to_lowercase();
    let fits = |(value, name): &(Cow<'static, str>, Cow<'static, str>)| {
        value.to_lowercase().starts_with(&typed)
            || name.to_lowercase().split([' ', '(']).any(|word| word.starts_with(&typed))
    };
    let (now, mark) = (now(key, current), format!(" {}", say!(lang, "config-now")));
    let suggestion = |(value, name): (Cow<'static, str>, Cow<'static, str>)| {
        let mark = if value == now { mark.as_str() } else { "" };
        Suggestion { name: format!("{name}{mark}"), value: value.into_owned() }
    };
    offers(lang, key, &typed).into_iter().filter(fits).take(MOST_CHOICES).map(suggestion).collect()
}

/// Values of a key, each with the name that is shown for it.
fn offers(lang: Lang, key: &str, typed: &str) -> Vec<(Cow<'static, str>, Cow<'static, str>)> {
    let numbers = |usual: &[u32]| {
        let least = u32::from(!usual.contains(&0));
        let own = typed.parse::<u32>().ok().filter(|number| *number >= least && !usual.contains(number));
        let all = own.into_iter().chain(usual.iter().copied());
        all.map(|number: u32| (Cow::from(number.to_string()), Cow::from(number.to_string()))).collect()
    };
    match key {
        "enabled" => {
            texts::ENABLED.iter().map(|(value, name)| ((*value).into(), name.in_lang(lang).into())).collect()
        }
        "language" => {
            let named = |(tag, name): &(&'static str, &str)| ((*tag).into(), format!("{tag}: {name}").into());
            texts::LANGUAGES.iter().map(named).collect()
        }
        "max_messages_per_user" => numbers(&[5, 10, 20, 50, 100]),
        "max_text_length" => numbers(&[500, 1_000, 2_000, 4_000]),
        "auto_close_hours" | "ticket_auto_resolve_hours" => numbers(&[0, 24, 48, 72, 168]),
        "close_warning_hours" => numbers(&[1, 12, 24, 48]),
        "system_prompt" => {
            let default = ServerConfig::default().system_prompt;
            let fits = default.chars().count() + NOW_CHARS <= MAX_CHOICE_CHARS;
            fits.then(|| (default.clone().into(), default.into())).into_iter().collect()
        }
        _ => Vec::new(),
    }
}

fn now(key: &str, config: &ServerConfig) -> String {
    match key {
        "enabled" => config.enabled.to_string(),
        "language" => config.language.clone(),
        "system_prompt" => config.system_prompt.clone(),
        "max_messages_per_user" => config.max_messages_per_user.to_string(),
        "max_text_length" => config.max_text_length.to_string(),
        "auto_close_hours" => config.auto_close_hours.to_string(),
        "close_warning_hours" => config.close_warning_hours.to_string(),
        "ticket_auto_resolve_hours" => config.ticket_auto_resolve_hours.to_string(),
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests;
