//! What a member may fill into a slash command, checked as Discord's client checks it: declared options only,
//! required ones present, lengths, bounds, choices and types kept, everything named really there.
//! <https://discord.com/developers/docs/interactions/application-commands#slash-commands>

use super::check::option;
use crate::actions::ActionError;
use crate::attachments::{File, MAX_FILE_BYTES, fits_types};
use crate::ids::{ChannelId, RoleId, UserId};
use crate::resolved::Resolved;
use serde_json::{Value, json};

/// Integers are exact below this, 2^53.
const EXACT: i64 = 1 << 53;

/// The options as they stand in the interaction.
pub(crate) struct Filled {
    pub(crate) options: Vec<Value>,
    /// Type of the focused option, when there is one.
    pub(crate) focused: Option<u64>,
}

fn refuse<T>(name: &str, why: impl Into<String>) -> Result<T, ActionError> {
    Err(ActionError::BadOption(name.to_owned(), why.into()))
}

/// Fills a command. `path` names group and sub-command; `focused` the option that is being typed, in which
/// case the command may be incomplete.
pub(crate) fn fill(
    command: &Value,
    path: &[&str],
    given: &[(&str, Value)],
    focused: Option<&str>,
    resolved: &mut Resolved<'_>,
) -> Result<Filled, ActionError> {
    let mut level = &command["options"];
    let mut outer = Vec::new();
    for name in path {
        let sub = declared(level).iter().find(|known| known["name"] == *name && is_sub(known));
        let Some(sub) = sub else { return refuse(name, "there is no such sub-command") };
        outer.push((&sub["name"], &sub["type"]));
        level = &sub["options"];
    }
    let declared = declared(level);
    if let Some(sub) = declared.iter().find(|known| is_sub(known)) {
        return refuse(sub["name"].as_str().unwrap_or_default(), "a sub-command has to be chosen");
    }
    let undeclared = given.iter().find(|(name, _)| !declared.iter().any(|known| known["name"] == *name));
    if let Some((name, _)) = undeclared {
        return refuse(name, "the command has no such option");
    }
    let mut filled = Filled { options: Vec::new(), focused: None };
    for known in declared {
        let name = known["name"].as_str().unwrap_or_default();
        let value = given.iter().find(|(given, _)| *given == name).map(|(_, value)| value);
        match value {
            Some(value) if focused == Some(name) => {
                if known["autocomplete"] != true {
                    return refuse(name, "the option offers no choices while typing");
                }
                filled.focused = known["type"].as_u64();
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                filled
                    .options
                    .push(json!({"name": name, "type": known["type"], "value": value, "focused": true}));
            }
            Some(value) => {
                let value = checked(known, name, value, resolved)?;
                filled.options.push(json!({"name": name, "type": known["type"], "value": value}));
            }
            None if known["required"] == true && focused.is_none() => {
                return refuse(name, "the option is required");
            }
            None => {}
        }
    }
    if let Some(name) = focused.filter(|_| filled.focused.is_none()) {
        return refuse(name, "it is not among the options typed");
    }
    for (name, kind) in outer.into_iter().rev() {
        filled.options = vec![json!({"name": name, "type": kind, "options": filled.options})];
    }
    Ok(filled)
}

fn declared(level: &Value) -> &[Value] {
    level.as_array().map_or(&[][..], Vec::as_slice)
}

fn is_sub(known: &Value) -> bool {
    matches!(known["type"].as_u64(), Some(option::SUB_COMMAND | option::SUB_COMMAND_GROUP))
}

fn checked(
    known: &Value,
    name: &str,
    value: &Value,
    resolved: &mut Resolved<'_>,
) -> Result<Value, ActionError> {
    let id = || value.as_u64().or_else(|| value.as_str().and_then(|text| text.parse().ok()));
    match known["type"].as_u64().unwrap_or(0) {
        option::STRING => string(known, name, value),
        option::INTEGER | option::NUMBER => number(known, name, value),
        option::BOOLEAN if value.is_boolean() => Ok(value.clone()),
        option::BOOLEAN => refuse(name, "it takes true or false"),
        option::ATTACHMENT => {
            let Some(file) = File::from_json(value) else { return refuse(name, "it takes a file") };
            if file.bytes.len() > MAX_FILE_BYTES {
                return refuse(name, "the file is larger than 10 MiB");
            }
            if !fits_types(&file.name, &known["file_types"]) {
                return refuse(name, "files of this type are not taken");
            }
            Ok(json!(resolved.attachment(&file)))
        }
        kind => {
            let Some(id) = id() else { return refuse(name, "it takes an id") };
            let there = match kind {
                option::USER => resolved.user(UserId(id)),
                option::ROLE => resolved.role(RoleId(id)),
                option::CHANNEL => resolved.channel(ChannelId(id), &known["channel_types"]),
                option::MENTIONABLE => resolved.user(UserId(id)) || resolved.role(RoleId(id)),
                _ => false,
            };
            if there {
                Ok(json!(id.to_string()))
            } else {
                refuse(name, format!("{id} cannot be chosen here"))
            }
        }
    }
}

/// The value of the choice with this value or name; `None` when the option leaves the choice free.
fn chosen(known: &Value, name: &str, value: &Value) -> Result<Option<Value>, ActionError> {
    let choices = declared(&known["choices"]);
    if choices.is_empty() {
        return Ok(None);
    }
    let found = choices.iter().find(|choice| choice["value"] == *value || choice["name"] == *value);
    found
        .map_or_else(|| refuse(name, "it is none of the choices"), |choice| Ok(Some(choice["value"].clone())))
}

fn string(known: &Value, name: &str, value: &Value) -> Result<Value, ActionError> {
    if let Some(choice) = chosen(known, name, value)? {
        return Ok(choice);
    }
    let Some(text) = value.as_str() else { return refuse(name, "it takes text") };
    let length = text.chars().count() as u64;
    let least = known["min_length"].as_u64().unwrap_or(0).max(1);
    let most = known["max_length"].as_u64().unwrap_or(6_000);
    if length < least || length > most {
        return refuse(name, format!("it takes {least} to {most} characters, not {length}"));
    }
    Ok(value.clone())
}

fn number(known: &Value, name: &str, value: &Value) -> Result<Value, ActionError> {
    if let Some(choice) = chosen(known, name, value)? {
        return Ok(choice);
    }
    let whole = known["type"] == option::INTEGER;
    let fits = if whole { value.as_i64().is_some_and(|n| n.abs() < EXACT) } else { value.is_number() };
    let Some(number) = value.as_f64().filter(|_| fits) else {
        return refuse(name, if whole { "it takes a whole number" } else { "it takes a number" });
    };
    if known["min_value"].as_f64().is_some_and(|least| number < least)
        || known["max_value"].as_f64().is_some_and(|most| number > most)
    {
        return refuse(name, format!("{number} is out of bounds"));
    }
    Ok(value.clone())
}
