//! Select menus: what Discord refuses about one, and what a member may choose in it.
//! <https://discord.com/developers/docs/components/reference#string-select>

use super::{children, kind, length, text};
use crate::ids::{ChannelId, RoleId, UserId};
use crate::resolved::Resolved;
use crate::rest::error::ApiError;
use serde_json::Value;

const MAX_OPTIONS: usize = 25;
const MAX_PLACEHOLDER: usize = 150;

/// How many may be chosen. In a modal a select that is not required may be left alone.
pub(crate) fn bounds(select: &Value) -> (usize, usize) {
    let at = |field: &str| select[field].as_u64().and_then(|n| usize::try_from(n).ok());
    (at("min_values").unwrap_or(1), at("max_values").unwrap_or(1))
}

/// Checks a select menu of a message or a modal.
pub(super) fn check(select: &Value, kind: u64, path: &str) -> Result<(), ApiError> {
    text(select, "placeholder", path, 0, MAX_PLACEHOLDER)?;
    let (least, most) = bounds(select);
    if least > MAX_OPTIONS || most == 0 || most > MAX_OPTIONS || least > most {
        let message = "int value should be between 1 and 25.";
        return Err(ApiError::invalid(&format!("{path}.max_values"), "NUMBER_TYPE_MAX", message));
    }
    if kind == kind::STRING_SELECT {
        options(select, path, 1, MAX_OPTIONS)?;
        let count = select["options"].as_array().map_or(0, Vec::len);
        if most > count || least > count {
            let message = "max_values must not be greater than the number of options";
            return Err(ApiError::invalid(&format!("{path}.max_values"), "BASE_TYPE_MAX", message));
        }
    }
    let defaults = select["default_values"].as_array().map_or(0, Vec::len);
    if defaults > 0 && !(least..=most).contains(&defaults) {
        return Err(length(&format!("{path}.default_values"), least, most));
    }
    Ok(())
}

/// Options with a label and a value of their own each.
pub(super) fn options(component: &Value, path: &str, least: usize, most: usize) -> Result<(), ApiError> {
    let list = children(component, "options", path, least, most)?;
    let mut values: Vec<&Value> = Vec::new();
    for (at, option) in list.iter().enumerate() {
        let path = format!("{path}.options.{at}");
        text(option, "label", &path, 1, 100)?;
        text(option, "value", &path, 1, 100)?;
        text(option, "description", &path, 0, 100)?;
        if values.contains(&&option["value"]) {
            let message = "The specified option value is already used";
            let path = format!("{path}.value");
            return Err(ApiError::invalid(&path, "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED", message));
        }
        values.push(&option["value"]);
    }
    Ok(())
}

/// Whether these values can be chosen; the sentence says why not.
pub(crate) fn choose(
    select: &Value,
    values: &[String],
    (least, most): (usize, usize),
    resolved: &mut Resolved<'_>,
) -> Result<(), String> {
    if !(least..=most).contains(&values.len()) {
        return Err(format!("{least} to {most} have to be chosen, not {}", values.len()));
    }
    for (at, value) in values.iter().enumerate() {
        if values[..at].contains(value) {
            return Err(format!("{value:?} is chosen twice"));
        }
        if !choosable(select, value, resolved) {
            return Err(format!("{value:?} cannot be chosen"));
        }
    }
    Ok(())
}

fn choosable(select: &Value, value: &str, resolved: &mut Resolved<'_>) -> bool {
    let kind = select["type"].as_u64().unwrap_or(0);
    if let Some(options) = select["options"].as_array() {
        return options.iter().any(|option| option["value"] == value);
    }
    let Ok(id) = value.parse() else { return false };
    match kind {
        kind::USER_SELECT => resolved.user(UserId(id)),
        kind::ROLE_SELECT => resolved.role(RoleId(id)),
        kind::MENTIONABLE_SELECT => resolved.user(UserId(id)) || resolved.role(RoleId(id)),
        kind::CHANNEL_SELECT => resolved.channel(ChannelId(id), &select["channel_types"]),
        _ => false,
    }
}
