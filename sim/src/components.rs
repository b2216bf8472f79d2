//! What Discord refuses about the components of a message, and what it adds to them.
//!
//! Without IS_COMPONENTS_V2 a message has up to five rows; with it up to 40 components of every kind, nested as
//! documented, and up to 4,000 characters of text. Each component gets a number unless it brings one.
//! <https://discord.com/developers/docs/components/reference>

pub(crate) mod modal;
pub(crate) mod select;

use crate::rest::error::ApiError;
use crate::transcript::Component;
use serde_json::{Value, json};
use std::collections::HashSet;

/// Component types.
pub(crate) mod kind {
    pub(crate) const ROW: u64 = 1;
    pub(crate) const BUTTON: u64 = 2;
    pub(crate) const STRING_SELECT: u64 = 3;
    pub(crate) const TEXT_INPUT: u64 = 4;
    pub(crate) const USER_SELECT: u64 = 5;
    pub(crate) const ROLE_SELECT: u64 = 6;
    pub(crate) const MENTIONABLE_SELECT: u64 = 7;
    pub(crate) const CHANNEL_SELECT: u64 = 8;
    pub(crate) const SECTION: u64 = 9;
    pub(crate) const TEXT_DISPLAY: u64 = 10;
    pub(crate) const THUMBNAIL: u64 = 11;
    pub(crate) const GALLERY: u64 = 12;
    pub(crate) const FILE: u64 = 13;
    pub(crate) const SEPARATOR: u64 = 14;
    pub(crate) const CONTAINER: u64 = 17;
    pub(crate) const LABEL: u64 = 18;
    pub(crate) const FILE_UPLOAD: u64 = 19;
    pub(crate) const RADIO_GROUP: u64 = 21;
    pub(crate) const CHECKBOX_GROUP: u64 = 22;
    pub(crate) const CHECKBOX: u64 = 23;

    pub(crate) fn is_select(kind: u64) -> bool {
        kind == STRING_SELECT || (USER_SELECT..=CHANNEL_SELECT).contains(&kind)
    }
}

const MAX_ROWS: usize = 5;
const MAX_COMPONENTS: usize = 40;
const MAX_TEXT: usize = 4_000;
const MAX_CUSTOM_ID: usize = 100;
const MAX_LABEL: usize = 80;
const MAX_URL: usize = 512;
const MAX_GALLERY: usize = 10;
const LINK: u64 = 5;
const PREMIUM: u64 = 6;

const TOP: &[u64] = &[
    kind::ROW,
    kind::SECTION,
    kind::TEXT_DISPLAY,
    kind::GALLERY,
    kind::FILE,
    kind::SEPARATOR,
    kind::CONTAINER,
];
const IN_CONTAINER: &[u64] =
    &[kind::ROW, kind::SECTION, kind::TEXT_DISPLAY, kind::GALLERY, kind::FILE, kind::SEPARATOR];
const IN_ROW: &[u64] = &[2, 3, 5, 6, 7, 8];

/// Components that passed, with their numbers.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) list: Vec<Value>,
    /// Those that can be used.
    pub(crate) interactive: Vec<Component>,
    /// The text of text displays.
    pub(crate) texts: Vec<String>,
}

/// Checks the components of a message.
pub(crate) fn check(mut list: Vec<Value>, v2: bool) -> Result<Checked, ApiError> {
    if !v2 && list.len() > MAX_ROWS {
        return Err(ApiError::too_long("components", MAX_ROWS));
    }
    let mut walk = Walk::default();
    for (at, component) in list.iter().enumerate() {
        let path = format!("components.{at}");
        walk.visit(component, if v2 { TOP } else { &[kind::ROW] }, &path)?;
    }
    if walk.seen > MAX_COMPONENTS {
        return Err(ApiError::too_long("components", MAX_COMPONENTS));
    }
    if walk.texts.iter().map(|text| text.chars().count()).sum::<usize>() > MAX_TEXT {
        return Err(ApiError::too_long("components", MAX_TEXT));
    }
    number(&mut list);
    Ok(Checked { list, interactive: walk.found, texts: walk.texts })
}

/// Gives every component without a number the next free one.
fn number(list: &mut [Value]) {
    let mut taken = HashSet::new();
    for component in list.iter() {
        each(component, &mut |component| {
            if let Some(id) = component["id"].as_u64().filter(|id| *id > 0) {
                taken.insert(id);
            }
        });
    }
    let mut next = 1;
    for component in list.iter_mut() {
        assign(component, &mut taken, &mut next);
    }
}

fn assign(component: &mut Value, taken: &mut HashSet<u64>, next: &mut u64) {
    if component["id"].as_u64().is_none_or(|id| id == 0) {
        while !taken.insert(*next) {
            *next += 1;
        }
        component["id"] = json!(*next);
    }
    if let Some(list) = component.get_mut("components").and_then(Value::as_array_mut) {
        list.iter_mut().for_each(|inner| assign(inner, taken, next));
    }
    for single in ["accessory", "component"] {
        if let Some(inner) = component.get_mut(single).filter(|inner| inner.is_object()) {
            assign(inner, taken, next);
        }
    }
}

/// Calls `see` with a component and with all inside it.
fn each<'a>(component: &'a Value, see: &mut impl FnMut(&'a Value)) {
    see(component);
    for inner in component["components"].as_array().into_iter().flatten() {
        each(inner, see);
    }
    for single in ["accessory", "component"] {
        if component[single].is_object() {
            each(&component[single], see);
        }
    }
}

/// The component with this custom id.
pub(crate) fn find<'a>(list: &'a [Value], custom_id: &str) -> Option<&'a Value> {
    let mut found = None;
    for component in list {
        each(component, &mut |component| {
            if component["custom_id"] == custom_id {
                found = Some(component);
            }
        });
    }
    found
}

fn length(path: &str, least: usize, most: usize) -> ApiError {
    let message = format!("Must be between {least} and {most} in length.");
    ApiError::invalid(path, "BASE_TYPE_BAD_LENGTH", &message)
}

/// Text of at most so many characters; absent is fine unless `least` is more than 0.
fn text(component: &Value, field: &str, path: &str, least: usize, most: usize) -> Result<(), ApiError> {
    let path = format!("{path}.{field}");
    match &component[field] {
        Value::Null if least == 0 => Ok(()),
        Value::Null => Err(ApiError::required(&path)),
        Value::String(text) if (least..=most).contains(&text.chars().count()) => Ok(()),
        Value::String(_) if least == 0 => Err(ApiError::too_long(&path, most)),
        Value::String(_) => Err(length(&path, least, most)),
        _ => Err(ApiError::invalid(&path, "STRING_TYPE_CONVERT", "Could not interpret value as string.")),
    }
}

fn children<'a>(
    component: &'a Value,
    field: &str,
    path: &str,
    least: usize,
    most: usize,
) -> Result<&'a [Value], ApiError> {
    let path = format!("{path}.{field}");
    let list = component[field].as_array().ok_or_else(|| ApiError::required(&path))?;
    if list.len() < least || list.len() > most { Err(length(&path, least, most)) } else { Ok(list) }
}

/// The type of a component, which has to be an allowed one.
fn typed(component: &Value, allowed: &[u64], path: &str) -> Result<u64, ApiError> {
    let path = format!("{path}.type");
    let kind = component["type"].as_u64().ok_or_else(|| ApiError::required(&path))?;
    if allowed.contains(&kind) {
        return Ok(kind);
    }
    let list: Vec<String> = allowed.iter().map(u64::to_string).collect();
    let message = format!("Value of field \"type\" must be one of ({},).", list.join(", "));
    Err(ApiError::invalid(&path, "UNION_TYPE_CHOICES", &message))
}

#[derive(Default)]
struct Walk {
    found: Vec<Component>,
    custom_ids: HashSet<String>,
    ids: HashSet<u64>,
    texts: Vec<String>,
    seen: usize,
}

impl Walk {
    fn visit(&mut self, component: &Value, allowed: &[u64], path: &str) -> Result<(), ApiError> {
        self.seen += 1;
        let kind = typed(component, allowed, path)?;
        self.numbered(component, path)?;
        match kind {
            kind::ROW => self.row(component, path),
            kind::BUTTON => self.button(component, path),
            kind::SECTION => {
                let inner = children(component, "components", path, 1, 3)?;
                self.all(inner, "components", &[kind::TEXT_DISPLAY], path)?;
                let path = format!("{path}.accessory");
                if !component["accessory"].is_object() {
                    return Err(ApiError::required(&path));
                }
                self.visit(&component["accessory"], &[kind::BUTTON, kind::THUMBNAIL], &path)
            }
            kind::TEXT_DISPLAY => {
                text(component, "content", path, 1, MAX_TEXT)?;
                self.texts.extend(component["content"].as_str().map(str::to_owned));
                Ok(())
            }
            kind::THUMBNAIL => media(component, "media", path),
            kind::GALLERY => {
                let items = children(component, "items", path, 1, MAX_GALLERY)?;
                items
                    .iter()
                    .enumerate()
                    .try_for_each(|(at, item)| media(item, "media", &format!("{path}.items.{at}")))
            }
            kind::FILE => {
                let url = component["file"]["url"].as_str().unwrap_or_default();
                if url.starts_with("attachment://") {
                    return Ok(());
                }
                let path = format!("{path}.file.url");
                let message = "Files can only be referenced by attachment://<filename>.";
                Err(ApiError::invalid(&path, "UNFURLED_MEDIA_ITEM_INVALID", message))
            }
            kind::CONTAINER => {
                let inner = children(component, "components", path, 1, MAX_COMPONENTS)?;
                self.all(inner, "components", IN_CONTAINER, path)
            }
            kind if kind::is_select(kind) => self.select(component, kind, path),
            _ => Ok(()),
        }
    }

    fn all(&mut self, list: &[Value], field: &str, allowed: &[u64], path: &str) -> Result<(), ApiError> {
        list.iter()
            .enumerate()
            .try_for_each(|(at, inner)| self.visit(inner, allowed, &format!("{path}.{field}.{at}")))
    }

    fn row(&mut self, row: &Value, path: &str) -> Result<(), ApiError> {
        let inner = children(row, "components", path, 1, MAX_ROWS)?;
        self.all(inner, "components", IN_ROW, path)?;
        if inner.len() > 1 && inner.iter().any(|inner| inner["type"] != kind::BUTTON) {
            let message = "The specified component exceeds the maximum width";
            return Err(ApiError::invalid(path, "COMPONENT_LAYOUT_WIDTH_EXCEEDED", message));
        }
        Ok(())
    }

    /// A number that a component brings must be its own.
    fn numbered(&mut self, component: &Value, path: &str) -> Result<(), ApiError> {
        let id = component["id"].as_u64().filter(|id| *id > 0);
        if id.is_some_and(|id| !self.ids.insert(id)) {
            let message = "Component id cannot be duplicated";
            return Err(ApiError::invalid(&format!("{path}.id"), "COMPONENT_ID_DUPLICATED", message));
        }
        Ok(())
    }

    fn button(&mut self, button: &Value, path: &str) -> Result<(), ApiError> {
        text(button, "label", path, 0, MAX_LABEL)?;
        let style = button["style"].as_u64().filter(|style| (1..=PREMIUM).contains(style));
        let Some(style) = style else {
            let message = "Value must be one of (1, 2, 3, 4, 5, 6).";
            return Err(ApiError::invalid(&format!("{path}.style"), "BASE_TYPE_CHOICES", message));
        };
        let (needed, forbidden): (&str, &[&str]) = match style {
            LINK => ("url", &["custom_id", "sku_id"]),
            PREMIUM => ("sku_id", &["custom_id", "label", "url", "emoji"]),
            _ => ("custom_id", &["url", "sku_id"]),
        };
        if button[needed].as_str().is_none_or(str::is_empty) {
            return Err(ApiError::required(&format!("{path}.{needed}")));
        }
        if let Some(field) = forbidden.iter().find(|field| !button[**field].is_null()) {
            let message = format!("A button of this style cannot have a {field}");
            return Err(ApiError::invalid(
                &format!("{path}.{field}"),
                "BUTTON_COMPONENT_FIELD_INVALID",
                &message,
            ));
        }
        let named = button["label"].as_str().is_some_and(|label| !label.is_empty());
        if style != PREMIUM && !named && !button["emoji"].is_object() {
            return Err(ApiError::required(&format!("{path}.label")));
        }
        if style == LINK {
            return text(button, "url", path, 1, MAX_URL);
        }
        if style == PREMIUM {
            return Ok(());
        }
        let label = button["label"].as_str().unwrap_or_default();
        self.interactive(button, kind::BUTTON, label, path)
    }

    fn select(&mut self, select: &Value, kind: u64, path: &str) -> Result<(), ApiError> {
        select::check(select, kind, path)?;
        let label = select["placeholder"].as_str().unwrap_or_default();
        self.interactive(select, kind, label, path)
    }

    fn interactive(&mut self, component: &Value, kind: u64, label: &str, path: &str) -> Result<(), ApiError> {
        let custom_id = self.custom_id(component, path)?;
        self.found.push(Component {
            kind,
            custom_id,
            label: label.to_owned(),
            disabled: component["disabled"].as_bool().unwrap_or(false),
        });
        Ok(())
    }

    fn custom_id(&mut self, component: &Value, path: &str) -> Result<String, ApiError> {
        text(component, "custom_id", path, 1, MAX_CUSTOM_ID)?;
        let custom_id = component["custom_id"].as_str().unwrap_or_default();
        if !self.custom_ids.insert(custom_id.to_owned()) {
            let message = "Component custom id cannot be duplicated";
            let path = format!("{path}.custom_id");
            return Err(ApiError::invalid(&path, "COMPONENT_CUSTOM_ID_DUPLICATED", message));
        }
        Ok(custom_id.to_owned())
    }
}

fn media(component: &Value, field: &str, path: &str) -> Result<(), ApiError> {
    text(component, "description", path, 0, 1_024)?;
    let url = component[field]["url"].as_str().unwrap_or_default();
    if ["http://", "https://", "attachment://"].iter().any(|scheme| url.starts_with(scheme)) {
        return Ok(());
    }
    let message = "Scheme must be one of ('http', 'https', 'attachment').";
    Err(ApiError::invalid(&format!("{path}.{field}.url"), "URL_TYPE_INVALID_SCHEME", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn button(id: &str) -> Value {
        json!({"type": 2, "style": 1, "label": "Go", "custom_id": id})
    }

    fn row(list: &[Value]) -> Value {
        json!({"type": 1, "components": list})
    }

    fn refused(list: Vec<Value>, v2: bool) -> bool {
        check(list, v2).is_err()
    }

    #[test]
    fn buttons_are_found_and_duplicate_custom_ids_refused() {
        let checked = check(vec![row(&[button("a"), button("b")])], false).unwrap();
        let ids: Vec<&str> = checked.interactive.iter().map(|b| b.custom_id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert!(refused(vec![row(&[button("a"), button("a")])], false));
        assert!(refused(vec![row(&[button(&"x".repeat(101))])], false));
        assert!(refused(vec![row(&(0..6).map(|n| button(&n.to_string())).collect::<Vec<_>>())], false));
        assert!(refused(vec![button("a")], false), "a button outside a row");
        assert!(refused((0..6).map(|n| row(&[button(&n.to_string())])).collect(), false), "six rows");
    }

    #[test]
    fn each_style_of_button_has_its_fields() {
        let link = json!({"type": 2, "style": 5, "label": "x", "url": "https://example.org"});
        assert!(check(vec![row(&[link])], false).unwrap().interactive.is_empty());
        for wrong in [
            json!({"type": 2, "style": 5, "label": "x"}),
            json!({"type": 2, "style": 5, "label": "x", "url": "https://example.org", "custom_id": "a"}),
            json!({"type": 2, "style": 1, "label": "x"}),
            json!({"type": 2, "style": 1, "custom_id": "a"}),
            json!({"type": 2, "style": 7, "label": "x", "custom_id": "a"}),
            json!({"type": 2, "style": 1, "label": "x".repeat(81), "custom_id": "a"}),
            json!({"type": 2, "style": 6, "sku_id": "1", "label": "x"}),
        ] {
            assert!(refused(vec![row(std::slice::from_ref(&wrong))], false), "{wrong}");
        }
    }

    #[test]
    fn a_select_stands_alone_in_its_row() {
        let select = json!({"type": 5, "custom_id": "who"});
        assert!(check(vec![row(std::slice::from_ref(&select))], false).is_ok());
        assert!(refused(vec![row(&[select, button("a")])], false));
    }

    #[test]
    fn the_newer_components_need_the_flag_and_keep_their_nesting_and_limits() {
        let text = |content: &str| json!({"type": 10, "content": content});
        let section = json!({"type": 9, "components": [text("hi")], "accessory": button("a")});
        let container = json!({"type": 17, "components": [section, text("so"), row(&[button("b")])]});
        let checked = check(vec![container.clone()], true).unwrap();
        assert_eq!(checked.texts, ["hi", "so"]);
        assert_eq!(checked.interactive.len(), 2);
        assert!(refused(vec![container.clone()], false));
        assert!(
            refused(vec![json!({"type": 17, "components": [container]})], true),
            "a container in a container"
        );
        assert!(refused(vec![text(&"x".repeat(2_001)), text(&"x".repeat(2_000))], true), "4,001 characters");
        assert!(refused((0..41).map(|_| text("x")).collect(), true), "41 components");
        assert!(refused(vec![json!({"type": 13, "file": {"url": "https://example.org/x"}})], true));
        assert!(refused(vec![json!({"type": 9, "components": [text("hi")]})], true), "no accessory");
    }

    #[test]
    fn components_without_a_number_get_one() {
        let mut given = button("b");
        given["id"] = json!(2);
        let checked = check(vec![row(&[button("a"), given])], false).unwrap();
        assert_eq!(checked.list[0]["id"], 1);
        assert_eq!(checked.list[0]["components"][0]["id"], 3);
        assert_eq!(checked.list[0]["components"][1]["id"], 2);
        assert_eq!(find(&checked.list, "b").unwrap()["id"], 2);
    }
}
