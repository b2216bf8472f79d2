//! Modals: what Discord refuses about one, and what a member may submit.
//! <https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-response-object-modal>
//! and <https://discord.com/developers/docs/components/using-modal-components>

use super::{Walk, children, kind, select, text, typed};
use crate::attachments::{File, MAX_FILE_BYTES, fits_types};
use crate::resolved::Resolved;
use crate::rest::error::ApiError;
use serde_json::{Value, json};

const MAX_TITLE: usize = 45;
const MAX_INPUT: u64 = 4_000;

const TOP: &[u64] = &[kind::ROW, kind::TEXT_DISPLAY, kind::LABEL];
const IN_LABEL: &[u64] = &[
    kind::STRING_SELECT,
    kind::TEXT_INPUT,
    kind::USER_SELECT,
    kind::ROLE_SELECT,
    kind::MENTIONABLE_SELECT,
    kind::CHANNEL_SELECT,
    kind::FILE_UPLOAD,
    kind::RADIO_GROUP,
    kind::CHECKBOX_GROUP,
    kind::CHECKBOX,
];

/// Checks a modal; returns it with numbered components.
pub(crate) fn check(data: &Value) -> Result<Value, ApiError> {
    text(data, "custom_id", "data", 1, 100)?;
    text(data, "title", "data", 1, MAX_TITLE)?;
    let list = children(data, "components", "data", 1, 5)?;
    let mut walk = Walk::default();
    for (at, component) in list.iter().enumerate() {
        let path = format!("data.components.{at}");
        walk.numbered(component, &path)?;
        match typed(component, TOP, &path)? {
            kind::ROW => {
                let inner = children(component, "components", &path, 1, 1)?;
                let path = format!("{path}.components.0");
                typed(&inner[0], &[kind::TEXT_INPUT], &path)?;
                text(&inner[0], "label", &path, 1, MAX_TITLE)?;
                input(&mut walk, &inner[0], &path)?;
            }
            kind::LABEL => {
                text(component, "label", &path, 1, MAX_TITLE)?;
                text(component, "description", &path, 0, 100)?;
                let path = format!("{path}.component");
                if !component["component"].is_object() {
                    return Err(ApiError::required(&path));
                }
                typed(&component["component"], IN_LABEL, &path)?;
                input(&mut walk, &component["component"], &path)?;
            }
            _ => text(component, "content", &path, 1, 4_000)?,
        }
    }
    let mut modal = data.clone();
    if let Some(list) = modal["components"].as_array_mut() {
        super::number(list);
    }
    Ok(modal)
}

fn input(walk: &mut Walk, input: &Value, path: &str) -> Result<(), ApiError> {
    walk.numbered(input, path)?;
    walk.custom_id(input, path)?;
    if input["disabled"] == true {
        let message = "Modals cannot have disabled components";
        return Err(ApiError::invalid(&format!("{path}.disabled"), "COMPONENT_DISABLED_INVALID", message));
    }
    let required = input["required"].as_bool().unwrap_or(true);
    if required && input["min_values"] == 0 {
        let message = "min_values must be at least 1 for a required component";
        return Err(ApiError::invalid(&format!("{path}.min_values"), "NUMBER_TYPE_MIN", message));
    }
    match input["type"].as_u64().unwrap_or(0) {
        kind::TEXT_INPUT => {
            if !matches!(input["style"].as_u64(), Some(1 | 2)) {
                let message = "Value must be one of (1, 2).";
                return Err(ApiError::invalid(&format!("{path}.style"), "BASE_TYPE_CHOICES", message));
            }
            text(input, "value", path, 0, 4_000)?;
            text(input, "placeholder", path, 0, 100)?;
            let (least, most) = (input["min_length"].as_u64(), input["max_length"].as_u64());
            let fits = least.unwrap_or(0) <= most.unwrap_or(MAX_INPUT) && most != Some(0);
            if fits && most.unwrap_or(MAX_INPUT) <= MAX_INPUT {
                return Ok(());
            }
            let message = "int value should be between 1 and 4000.";
            Err(ApiError::invalid(&format!("{path}.max_length"), "NUMBER_TYPE_MAX", message))
        }
        kind::RADIO_GROUP => select::options(input, path, 2, 10),
        kind::CHECKBOX_GROUP => select::options(input, path, 1, 10),
        kind if kind::is_select(kind) => select::check(input, kind, path),
        _ => Ok(()),
    }
}

/// What a member fills in, checked; the answer is shaped like the modal.
/// The error names the field and says why it cannot be submitted.
pub(crate) fn submit(
    modal: &Value,
    fields: &[(&str, Value)],
    resolved: &mut Resolved<'_>,
) -> Result<Vec<Value>, (String, String)> {
    let list = modal["components"].as_array().map_or(&[][..], Vec::as_slice);
    if let Some((name, _)) = fields.iter().find(|(name, _)| super::find(list, name).is_none()) {
        return Err(((*name).to_owned(), "the modal has no such field".to_owned()));
    }
    let mut one = |input: &Value| -> Result<Value, (String, String)> {
        let name = input["custom_id"].as_str().unwrap_or_default();
        let given = fields.iter().find(|(field, _)| *field == name).map(|(_, value)| value);
        let mut answer = json!({"type": input["type"], "id": input["id"], "custom_id": name});
        let (key, value) = filled(input, given, resolved).map_err(|why: String| (name.to_owned(), why))?;
        answer[key] = value;
        Ok(answer)
    };
    let mut answers = Vec::with_capacity(list.len());
    for component in list {
        let mut answer = json!({"type": component["type"], "id": component["id"]});
        match component["type"].as_u64() {
            Some(kind::ROW) => answer["components"] = json!([one(&component["components"][0])?]),
            Some(kind::LABEL) => answer["component"] = one(&component["component"])?,
            _ => {}
        }
        answers.push(answer);
    }
    Ok(answers)
}

type FieldValue = Result<(&'static str, Value), String>;

fn filled(input: &Value, given: Option<&Value>, resolved: &mut Resolved<'_>) -> FieldValue {
    let required = input["required"].as_bool().unwrap_or(true);
    match input["type"].as_u64().unwrap_or(0) {
        kind::TEXT_INPUT => written(input, given, required).map(|text| ("value", json!(text))),
        kind::CHECKBOX => {
            let given = given.or(Some(&input["default"]).filter(|preset| preset.is_boolean()));
            match given {
                None => Ok(("value", json!(false))),
                Some(value) if value.is_boolean() => Ok(("value", value.clone())),
                Some(_) => Err("it takes true or false".to_owned()),
            }
        }
        kind::RADIO_GROUP => {
            let values = chosen(input, given)?;
            let least = usize::from(required);
            select::choose(input, &values, (least, 1), resolved)?;
            Ok(("value", values.first().map_or(Value::Null, |value| json!(value))))
        }
        kind::FILE_UPLOAD => files(input, given, required, resolved).map(|ids| ("values", json!(ids))),
        kind => {
            let values = chosen(input, given)?;
            let (mut least, mut most) = select::bounds(input);
            if kind == kind::CHECKBOX_GROUP && input["max_values"].is_null() {
                most = input["options"].as_array().map_or(1, Vec::len);
            }
            if !required && values.is_empty() {
                least = 0;
            }
            select::choose(input, &values, (least, most), resolved)?;
            Ok(("values", json!(values)))
        }
    }
}

fn written(input: &Value, given: Option<&Value>, required: bool) -> Result<String, String> {
    let preset = || input["value"].as_str().unwrap_or_default().to_owned();
    let text = match given {
        None => preset(),
        Some(Value::String(text)) => text.clone(),
        Some(_) => return Err("it takes text".to_owned()),
    };
    if text.is_empty() {
        return if required { Err("it is required".to_owned()) } else { Ok(text) };
    }
    let length = text.chars().count() as u64;
    let (least, most) = (input["min_length"].as_u64().unwrap_or(0), input["max_length"].as_u64());
    let most = most.unwrap_or(MAX_INPUT);
    if length < least || length > most {
        return Err(format!("it takes {least} to {most} characters, not {length}"));
    }
    Ok(text)
}

/// What is chosen: one value or a list; without any, what the modal marks as default.
fn chosen(input: &Value, given: Option<&Value>) -> Result<Vec<String>, String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let list = match given {
        None => {
            let options = input["options"].as_array().into_iter().flatten();
            let marked = options.filter(|option| option["default"] == true);
            return Ok(marked.filter_map(|option| text(&option["value"])).collect());
        }
        Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list.iter().map(text).collect(),
        Some(one) => text(one).map(|one| vec![one]),
    };
    list.ok_or_else(|| "it takes values or ids".to_owned())
}

fn files(
    input: &Value,
    given: Option<&Value>,
    required: bool,
    resolved: &mut Resolved<'_>,
) -> Result<Vec<crate::ids::AttachmentId>, String> {
    let list = given.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let (least, most) = select::bounds(input);
    let least = if required { least } else { 0 };
    if !(least..=most).contains(&list.len()) {
        return Err(format!("it takes {least} to {most} files, not {}", list.len()));
    }
    let read = |value: &Value| {
        let file = File::from_json(value).ok_or("it takes files")?;
        if file.bytes.len() > MAX_FILE_BYTES {
            return Err("a file is larger than 10 MiB");
        }
        if !fits_types(&file.name, &input["file_types"]) {
            return Err("files of this type are not taken");
        }
        Ok(file)
    };
    let files = list.iter().map(read).collect::<Result<Vec<File>, &str>>()?;
    Ok(files.iter().map(|file| resolved.attachment(file)).collect())
}
