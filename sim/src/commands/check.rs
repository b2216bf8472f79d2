//! What Discord refuses about a command that is being registered.
//! <https://discord.com/developers/docs/interactions/application-commands#application-command-object>

use super::{CHAT_INPUT, MESSAGE, Scope};
use crate::rest::error::ApiError;
use serde_json::{Value, json};

const MAX_NAME: usize = 32;
const MAX_DESCRIPTION: usize = 100;
const MAX_LIST: usize = 25;
/// Over name, description and string values of the command, its options and their choices.
const MAX_TOTAL: usize = 8_000;
const MAX_STRING: u64 = 6_000;

/// Option types.
pub(crate) mod option {
    pub(crate) const SUB_COMMAND: u64 = 1;
    pub(crate) const SUB_COMMAND_GROUP: u64 = 2;
    pub(crate) const STRING: u64 = 3;
    pub(crate) const INTEGER: u64 = 4;
    pub(crate) const BOOLEAN: u64 = 5;
    pub(crate) const USER: u64 = 6;
    pub(crate) const CHANNEL: u64 = 7;
    pub(crate) const ROLE: u64 = 8;
    pub(crate) const MENTIONABLE: u64 = 9;
    pub(crate) const NUMBER: u64 = 10;
    pub(crate) const ATTACHMENT: u64 = 11;
}

/// Path of a field below another; an empty one is the top.
fn below(path: &str, field: &str) -> String {
    if path.is_empty() { field.to_owned() } else { format!("{path}.{field}") }
}

fn choices(path: &str, allowed: &str) -> ApiError {
    ApiError::invalid(path, "BASE_TYPE_CHOICES", &format!("Value must be one of {allowed}."))
}

/// Checks a command and fills in what it leaves out.
pub(super) fn command(mut command: Value, scope: Scope, path: &str) -> Result<Value, ApiError> {
    if !command.is_object() {
        let message = "Only dictionaries may be used in a DictType";
        return Err(ApiError::invalid(path, "DICT_TYPE_CONVERT", message));
    }
    let kind = match &command["type"] {
        Value::Null => CHAT_INPUT,
        given => given
            .as_u64()
            .filter(|kind| (CHAT_INPUT..=MESSAGE).contains(kind))
            .ok_or_else(|| choices(&below(path, "type"), "(1, 2, 3)"))?,
    };
    name(&command, kind == CHAT_INPUT, path)?;
    localizations(&command, kind == CHAT_INPUT, path)?;
    let given = command["description"].as_str().unwrap_or_default();
    if kind == CHAT_INPUT {
        description(&command, path)?;
        options(&command["options"], 0, &below(path, "options"))?;
        if total(&command) > MAX_TOTAL {
            let message = "Command exceeds maximum size (8000)";
            return Err(ApiError::invalid(path, "APPLICATION_COMMAND_TOO_LARGE", message));
        }
    } else if !given.is_empty() || command["options"].as_array().is_some_and(|list| !list.is_empty()) {
        let field = if given.is_empty() { "options" } else { "description" };
        let message = "Context menu commands cannot have description or options";
        return Err(ApiError::invalid(&below(path, field), "APPLICATION_COMMAND_CONTEXT_MENU", message));
    }
    permissions(&command, path)?;
    contexts(&command, scope, path)?;
    command["type"] = json!(kind);
    let mut default = |field: &str, value: Value| {
        if command[field].is_null() {
            command[field] = value;
        }
    };
    default("description", json!(""));
    default("default_member_permissions", Value::Null);
    default("name_localizations", Value::Null);
    default("description_localizations", Value::Null);
    default("nsfw", json!(false));
    if scope.is_none() {
        default("dm_permission", json!(true));
        default("contexts", Value::Null);
        default("integration_types", json!([0]));
    }
    if let Some(bits) = command["default_member_permissions"].as_u64() {
        command["default_member_permissions"] = json!(bits.to_string());
    }
    Ok(command)
}

fn length(path: &str, least: usize, most: usize) -> ApiError {
    let message = format!("Must be between {least} and {most} in length.");
    ApiError::invalid(path, "BASE_TYPE_BAD_LENGTH", &message)
}

/// Names of slash commands and options: letters and digits of any script, dash, underscore and apostrophe, in
/// lower case where there is one.
fn is_slash_name(name: &str) -> bool {
    name.chars().all(|c| (c.is_alphanumeric() || "-_'".contains(c)) && c.to_lowercase().eq([c]))
}

fn name(object: &Value, slash: bool, path: &str) -> Result<(), ApiError> {
    let path = below(path, "name");
    let name = object["name"].as_str().ok_or_else(|| ApiError::required(&path))?;
    valid_name(name, slash, &path)
}

fn valid_name(name: &str, slash: bool, path: &str) -> Result<(), ApiError> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME {
        return Err(length(path, 1, MAX_NAME));
    }
    if slash && !is_slash_name(name) {
        return Err(ApiError::invalid(path, "APPLICATION_COMMAND_INVALID_NAME", "Command name is invalid"));
    }
    Ok(())
}

fn description(object: &Value, path: &str) -> Result<(), ApiError> {
    let path = below(path, "description");
    let text = object["description"].as_str().ok_or_else(|| ApiError::required(&path))?;
    if text.is_empty() || text.chars().count() > MAX_DESCRIPTION {
        return Err(length(&path, 1, MAX_DESCRIPTION));
    }
    Ok(())
}

/// Dictionaries by locale; their values follow the rules of the field itself.
fn localizations(object: &Value, slash: bool, path: &str) -> Result<(), ApiError> {
    for (field, is_name) in [("name_localizations", true), ("description_localizations", false)] {
        for (locale, text) in object[field].as_object().into_iter().flatten() {
            let path = below(path, &format!("{field}.{locale}"));
            if !LOCALES.contains(&locale.as_str()) {
                return Err(ApiError::invalid(&path, "APPLICATION_COMMAND_INVALID_LOCALE", "Unknown locale"));
            }
            let text = text.as_str().ok_or_else(|| ApiError::required(&path))?;
            if is_name {
                valid_name(text, slash, &path)?;
            } else if text.is_empty() || text.chars().count() > MAX_DESCRIPTION {
                return Err(length(&path, 1, MAX_DESCRIPTION));
            }
        }
    }
    Ok(())
}

/// <https://discord.com/developers/docs/reference#locales>
const LOCALES: [&str; 32] = [
    "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt", "hu", "nl", "no", "pl",
    "pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs", "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "ja",
    "zh-TW", "ko",
];

fn permissions(command: &Value, path: &str) -> Result<(), ApiError> {
    let given = &command["default_member_permissions"];
    let fits =
        given.is_null() || given.is_u64() || given.as_str().is_some_and(|bits| bits.parse::<u64>().is_ok());
    let path = below(path, "default_member_permissions");
    if fits { Ok(()) } else { Err(ApiError::invalid(&path, "NUMBER_TYPE_COERCE", "Value is not a bit set.")) }
}

fn contexts(command: &Value, scope: Scope, path: &str) -> Result<(), ApiError> {
    for (field, most, allowed) in [("contexts", 2, "(0, 1, 2)"), ("integration_types", 1, "(0, 1)")] {
        let path = below(path, field);
        let Some(list) = command[field].as_array() else { continue };
        if scope.is_some() {
            let message = "Only global commands can have contexts or integration types";
            return Err(ApiError::invalid(&path, "APPLICATION_COMMAND_GUILD_CONTEXTS", message));
        }
        if list.is_empty() || !list.iter().all(|value| value.as_u64().is_some_and(|n| n <= most)) {
            return Err(choices(&path, allowed));
        }
    }
    Ok(())
}

/// Options at a depth: 0 in the command, 1 in a group, 2 in a sub-command.
fn options(list: &Value, depth: usize, path: &str) -> Result<(), ApiError> {
    let Some(list) = list.as_array() else { return Ok(()) };
    if list.len() > MAX_LIST {
        return Err(ApiError::too_long(path, MAX_LIST));
    }
    let is_sub = |given: &Value| matches!(given["type"].as_u64(), Some(1 | 2));
    let mut names: Vec<&Value> = Vec::new();
    let mut optional_seen = false;
    for (at, given) in list.iter().enumerate() {
        let path = format!("{path}.{at}");
        option(given, depth, &path)?;
        if names.contains(&&given["name"]) {
            let message = "Option name already exists in the option list.";
            return Err(ApiError::invalid(&path, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", message));
        }
        names.push(&given["name"]);
        if is_sub(given) != is_sub(&list[0]) {
            let message =
                "Sub-command and sub-command group option types are mutually exclusive to all other types";
            return Err(ApiError::invalid(&path, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", message));
        }
        let required = given["required"].as_bool().unwrap_or(false);
        if required && optional_seen {
            let message = "Required options must be placed before non-required options";
            return Err(ApiError::invalid(&path, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message));
        }
        optional_seen |= !required && !is_sub(given);
    }
    Ok(())
}

fn option(given: &Value, depth: usize, path: &str) -> Result<(), ApiError> {
    name(given, true, path)?;
    description(given, path)?;
    localizations(given, true, path)?;
    let kind_path = below(path, "type");
    let kind = given["type"].as_u64().ok_or_else(|| ApiError::required(&kind_path))?;
    if !(option::SUB_COMMAND..=option::ATTACHMENT).contains(&kind) {
        return Err(choices(&kind_path, "(1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)"));
    }
    let nested = below(path, "options");
    match (kind, depth) {
        (option::SUB_COMMAND_GROUP, 0) => options(&given["options"], 1, &nested)?,
        (option::SUB_COMMAND, 0 | 1) => options(&given["options"], 2, &nested)?,
        (option::SUB_COMMAND | option::SUB_COMMAND_GROUP, _) => return Err(misplaced(&kind_path)),
        // A group holds sub-commands only.
        (_, 1) => return Err(misplaced(&kind_path)),
        _ => {}
    }
    bounds(given, kind, path)?;
    option_choices(given, kind, path)
}

fn misplaced(path: &str) -> ApiError {
    let message = "Sub-commands and groups cannot be nested like this";
    ApiError::invalid(path, "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", message)
}

fn bounds(given: &Value, kind: u64, path: &str) -> Result<(), ApiError> {
    let numeric = [option::INTEGER, option::NUMBER].contains(&kind);
    for (field, valid) in [
        ("min_value", numeric),
        ("max_value", numeric),
        ("min_length", kind == option::STRING),
        ("max_length", kind == option::STRING),
        ("channel_types", kind == option::CHANNEL),
    ] {
        if !given[field].is_null() && !valid {
            let message = "This field is not valid for this option type";
            return Err(ApiError::invalid(&below(path, field), "APPLICATION_COMMAND_OPTION_FIELD", message));
        }
    }
    let (least, most) = (given["min_length"].as_u64(), given["max_length"].as_u64());
    if least.is_some_and(|n| n > MAX_STRING) || most.is_some_and(|n| n == 0 || n > MAX_STRING) {
        let message = "int value should be between 1 and 6000.";
        return Err(ApiError::invalid(&below(path, "max_length"), "NUMBER_TYPE_MAX", message));
    }
    let backwards = |low: Option<f64>, high: Option<f64>| low.zip(high).is_some_and(|(low, high)| low > high);
    if least.zip(most).is_some_and(|(least, most)| least > most)
        || backwards(given["min_value"].as_f64(), given["max_value"].as_f64())
    {
        let message = "The minimum must not be greater than the maximum";
        return Err(ApiError::invalid(path, "APPLICATION_COMMAND_OPTIONS_MIN_MAX", message));
    }
    Ok(())
}

fn option_choices(given: &Value, kind: u64, path: &str) -> Result<(), ApiError> {
    let takes = [option::STRING, option::INTEGER, option::NUMBER].contains(&kind);
    let autocomplete = given["autocomplete"].as_bool().unwrap_or(false);
    let list = given["choices"].as_array().map_or(&[][..], Vec::as_slice);
    if !takes && (autocomplete || !list.is_empty()) || autocomplete && !list.is_empty() {
        let field = if autocomplete { "autocomplete" } else { "choices" };
        let message = "Choices and autocomplete exclude each other and are for strings and numbers only";
        return Err(ApiError::invalid(&below(path, field), "APPLICATION_COMMAND_OPTIONS_CHOICES", message));
    }
    check_choices(list, kind, &below(path, "choices"))
}

/// Choices of an option, also those that answer an autocomplete interaction.
pub(crate) fn check_choices(list: &[Value], kind: u64, path: &str) -> Result<(), ApiError> {
    if list.len() > MAX_LIST {
        return Err(ApiError::too_long(path, MAX_LIST));
    }
    for (at, choice) in list.iter().enumerate() {
        let path = format!("{path}.{at}");
        let name = choice["name"].as_str().ok_or_else(|| ApiError::required(&below(&path, "name")))?;
        if name.is_empty() || name.chars().count() > 100 {
            return Err(length(&below(&path, "name"), 1, 100));
        }
        let value = &choice["value"];
        let fits = match kind {
            option::STRING => value.is_string(),
            option::INTEGER => value.is_i64() || value.is_u64(),
            _ => value.is_number(),
        };
        if !fits {
            let message = format!("Could not interpret {value} as the option's type.");
            return Err(ApiError::invalid(&below(&path, "value"), "NUMBER_TYPE_COERCE", &message));
        }
        if value.as_str().is_some_and(|text| text.chars().count() > 100) {
            return Err(length(&below(&path, "value"), 1, 100));
        }
    }
    Ok(())
}

/// Characters that count towards the size of a command; of a localised field the longest counts.
fn total(object: &Value) -> usize {
    let longest = |field: &str| {
        let own = object[field].as_str().map_or(0, |text| text.chars().count());
        let others = object[format!("{field}_localizations")].as_object().into_iter().flatten();
        others.map(|(_, text)| text.as_str().map_or(0, |text| text.chars().count())).fold(own, usize::max)
    };
    let nested = object["options"].as_array().into_iter().flatten().map(total);
    let choices = object["choices"].as_array().into_iter().flatten().map(total);
    let value = object["value"].as_str().map_or(0, |text| text.chars().count());
    longest("name") + longest("description") + value + nested.sum::<usize>() + choices.sum::<usize>()
}
