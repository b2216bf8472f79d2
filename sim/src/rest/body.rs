//! Request bodies: JSON, or a form with `payload_json`, and the checks a message body has to pass.
//! <https://discord.com/developers/docs/resources/message#create-message> and
//! <https://discord.com/developers/docs/components/reference>

use super::error::ApiError;
use crate::mentions::AllowedMentions;
use crate::message::flag;
use crate::posting::Draft;
use crate::transcript::Component;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Path, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::HashSet;
use std::sync::Arc;

const MAX_CONTENT: usize = 2_000;
const MAX_NONCE: usize = 25;
const MAX_EMBEDS: usize = 10;
const MAX_EMBED_DESCRIPTION: usize = 4_096;
const MAX_EMBED_TITLE: usize = 256;
const MAX_EMBED_FIELDS: usize = 25;
const MAX_EMBED_TOTAL: usize = 6_000;
const MAX_ROWS: usize = 5;
const MAX_COMPONENTS_V2: usize = 40;
const MAX_CUSTOM_ID: usize = 100;
const MAX_LABEL: usize = 80;
const MAX_OPTIONS: usize = 25;
const MAX_BODY_BYTES: usize = 25 * 1024 * 1024;

/// Path parameters; what is no snowflake is a form error.
pub(crate) struct Ids<T>(pub(crate) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Ids<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let Path(ids) = Path::<T>::from_request_parts(parts, state)
            .await
            .map_err(|_| ApiError::invalid("id", "NUMBER_TYPE_COERCE", "Value is not snowflake."))?;
        Ok(Self(ids))
    }
}

/// A JSON body, or the `payload_json` of a form. An empty body is `null`.
pub(crate) struct Body(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
            let mut form =
                Multipart::from_request(request, state).await.map_err(|_| ApiError::invalid_json())?;
            while let Ok(Some(field)) = form.next_field().await {
                if field.name() == Some("payload_json") {
                    let text = field.text().await.map_err(|_| ApiError::invalid_json())?;
                    return serde_json::from_str(&text).map(Self).map_err(|_| ApiError::invalid_json());
                }
            }
            return Ok(Self(Value::Object(serde_json::Map::new())));
        }
        let json = kind.is_some_and(|kind| kind.starts_with("application/json"));
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES)
            .await
            .map_err(|_| ApiError::invalid("", "BODY_TOO_LARGE", "Request entity too large"))?;
        if bytes.is_empty() {
            return Ok(Self(Value::Null));
        }
        if !json {
            let message = "Expected \"Content-Type\" header to be one of {'application/json'}.";
            return Err(ApiError::invalid("_misc", "CONTENT_TYPE_INVALID", message));
        }
        serde_json::from_slice(&bytes).map(Self).map_err(|_| ApiError::invalid_json())
    }
}

/// Deserialises a body; a wrong type is a form error.
pub(crate) fn read<T: DeserializeOwned>(body: Value) -> Result<T, ApiError> {
    serde_json::from_value(body)
        .map_err(|error| ApiError::invalid("_misc", "DICT_TYPE_CONVERT", &error.to_string()))
}

/// Fields of a message to be created or edited. `None` in an edit leaves a field as it is; `Some(None)`
/// empties it.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MessageBody {
    #[serde(deserialize_with = "present")]
    pub(crate) content: Option<Option<String>>,
    pub(crate) nonce: Option<Value>,
    pub(crate) enforce_nonce: Option<bool>,
    #[serde(deserialize_with = "present")]
    pub(crate) embeds: Option<Option<Vec<Value>>>,
    #[serde(deserialize_with = "present")]
    pub(crate) components: Option<Option<Vec<Value>>>,
    pub(crate) allowed_mentions: Option<AllowedMentions>,
    pub(crate) message_reference: Option<Reference>,
    pub(crate) flags: Option<u64>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reference {
    pub(crate) message_id: crate::ids::MessageId,
    #[serde(default)]
    pub(crate) fail_if_not_exists: Option<bool>,
}

fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

/// Rendered and checked parts of a message body.
#[derive(Debug, Default, Clone)]
pub(crate) struct Rendered {
    pub(crate) raw: Option<Arc<RawValue>>,
    pub(crate) count: usize,
    pub(crate) buttons: Vec<Component>,
}

impl MessageBody {
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        if let Some(Some(content)) = &self.content
            && content.chars().count() > MAX_CONTENT
        {
            return Err(ApiError::too_long("content", MAX_CONTENT));
        }
        match &self.nonce {
            Some(Value::String(nonce)) if nonce.chars().count() > MAX_NONCE => {
                return Err(ApiError::too_long("nonce", MAX_NONCE));
            }
            None | Some(Value::String(_) | Value::Number(_) | Value::Null) => {}
            Some(_) => {
                return Err(ApiError::invalid("nonce", "BASE_TYPE_BAD", "Must be a string or an integer."));
            }
        }
        if let Some((field, message)) = self.allowed_mentions.as_ref().and_then(AllowedMentions::problem) {
            return Err(ApiError::invalid(
                &format!("allowed_mentions.{field}"),
                "MESSAGE_ALLOWED_MENTIONS",
                message,
            ));
        }
        if let Some(Some(embeds)) = &self.embeds {
            check_embeds(embeds)?;
        }
        let v2 = self.flags.is_some_and(|flags| flags & flag::COMPONENTS_V2 != 0);
        if v2
            && (matches!(&self.content, Some(Some(text)) if !text.is_empty())
                || matches!(&self.embeds, Some(Some(list)) if !list.is_empty()))
        {
            let message =
                "The 'content' and 'embeds' fields cannot be used when using MessageFlags.IS_COMPONENTS_V2";
            return Err(ApiError::invalid(
                "content",
                "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
                message,
            ));
        }
        Ok(())
    }

    /// Embeds as they are kept: whatever type was given, it is `rich`.
    pub(crate) fn embeds(&self) -> Option<Rendered> {
        let list = self.embeds.as_ref()?.as_deref().unwrap_or_default();
        let mut list = list.to_vec();
        for embed in list.iter_mut().filter_map(Value::as_object_mut) {
            embed.insert("type".to_owned(), Value::from("rich"));
        }
        Some(raw(&list, Vec::new()))
    }

    pub(crate) fn components(&self) -> Result<Option<Rendered>, ApiError> {
        let Some(list) = &self.components else { return Ok(None) };
        let Some(list) = list else { return Ok(Some(Rendered::default())) };
        let v2 = self.flags.is_some_and(|flags| flags & flag::COMPONENTS_V2 != 0);
        let buttons = check_components(list, v2)?;
        Ok(Some(raw(list, buttons)))
    }

    /// A new message; the caller fills in where and by whom.
    pub(crate) fn draft(self) -> Result<Draft, ApiError> {
        self.check()?;
        let components = self.components()?.unwrap_or_default();
        let embeds = self.embeds().unwrap_or_default();
        Ok(Draft {
            content: self.content.flatten().unwrap_or_default(),
            nonce: self.nonce.filter(|nonce| !nonce.is_null()),
            enforce_nonce: self.enforce_nonce.unwrap_or(false),
            reference: self
                .message_reference
                .map(|reference| (reference.message_id, reference.fail_if_not_exists.unwrap_or(true))),
            allowed: self.allowed_mentions,
            components: components.raw,
            buttons: components.buttons,
            embed_count: embeds.count,
            embeds: embeds.raw,
            flags: self.flags.unwrap_or(0) & flag::SETTABLE,
        })
    }
}

fn raw(list: &[Value], buttons: Vec<Component>) -> Rendered {
    let raw = (!list.is_empty()).then(|| Arc::from(to_raw_value(list).expect("values are JSON")));
    Rendered { raw, count: list.len(), buttons }
}

fn check_embeds(embeds: &[Value]) -> Result<(), ApiError> {
    if embeds.len() > MAX_EMBEDS {
        return Err(ApiError::too_long("embeds", MAX_EMBEDS));
    }
    let length = |value: &Value| value.as_str().map_or(0, |text| text.chars().count());
    let mut total = 0;
    for (at, embed) in embeds.iter().enumerate() {
        let path = |field: &str| format!("embeds.{at}.{field}");
        let (title, description) = (length(&embed["title"]), length(&embed["description"]));
        if description > MAX_EMBED_DESCRIPTION {
            return Err(ApiError::too_long(&path("description"), MAX_EMBED_DESCRIPTION));
        }
        if title > MAX_EMBED_TITLE {
            return Err(ApiError::too_long(&path("title"), MAX_EMBED_TITLE));
        }
        let fields = embed["fields"].as_array().map_or(&[][..], Vec::as_slice);
        if fields.len() > MAX_EMBED_FIELDS {
            return Err(ApiError::too_long(&path("fields"), MAX_EMBED_FIELDS));
        }
        let in_fields: usize =
            fields.iter().map(|field| length(&field["name"]) + length(&field["value"])).sum();
        total += title
            + description
            + in_fields
            + length(&embed["footer"]["text"])
            + length(&embed["author"]["name"]);
    }
    if total > MAX_EMBED_TOTAL {
        return Err(ApiError::invalid(
            "embeds",
            "MAX_EMBED_SIZE_EXCEEDED",
            "Embed size exceeds maximum size of 6000",
        ));
    }
    Ok(())
}

/// Checks components and lists the interactive ones.
fn check_components(list: &[Value], v2: bool) -> Result<Vec<Component>, ApiError> {
    if !v2 {
        if list.len() > MAX_ROWS {
            return Err(ApiError::too_long("components", MAX_ROWS));
        }
        if let Some(at) = list.iter().position(|row| row["type"] != 1) {
            let path = format!("components.{at}.type");
            return Err(ApiError::invalid(
                &path,
                "UNION_TYPE_CHOICES",
                "Value of field \"type\" must be one of (1,).",
            ));
        }
    }
    let mut walk = Walk::default();
    for (at, component) in list.iter().enumerate() {
        walk.visit(component, &format!("components.{at}"))?;
    }
    if walk.seen > MAX_COMPONENTS_V2 {
        return Err(ApiError::too_long("components", MAX_COMPONENTS_V2));
    }
    Ok(walk.found)
}

#[derive(Default)]
struct Walk {
    found: Vec<Component>,
    ids: HashSet<String>,
    seen: usize,
}

impl Walk {
    fn visit(&mut self, component: &Value, path: &str) -> Result<(), ApiError> {
        self.seen += 1;
        let kind = component["type"].as_u64().ok_or_else(|| ApiError::required(&format!("{path}.type")))?;
        if kind == 1 {
            let inner = component["components"].as_array().map_or(0, Vec::len);
            if inner == 0 || inner > MAX_ROWS {
                let message = "Must be between 1 and 5 in length.";
                return Err(ApiError::invalid(
                    &format!("{path}.components"),
                    "BASE_TYPE_BAD_LENGTH",
                    message,
                ));
            }
        }
        if (2..=8).contains(&kind) {
            self.interactive(component, kind, path)?;
        }
        for list in ["components", "items"] {
            for (at, inner) in component[list].as_array().into_iter().flatten().enumerate() {
                self.visit(inner, &format!("{path}.{list}.{at}"))?;
            }
        }
        if component["accessory"].is_object() {
            self.visit(&component["accessory"], &format!("{path}.accessory"))?;
        }
        Ok(())
    }

    fn interactive(&mut self, component: &Value, kind: u64, path: &str) -> Result<(), ApiError> {
        let label = component["label"].as_str().unwrap_or_default();
        if label.chars().count() > MAX_LABEL {
            return Err(ApiError::too_long(&format!("{path}.label"), MAX_LABEL));
        }
        if component["options"].as_array().is_some_and(|options| options.len() > MAX_OPTIONS) {
            return Err(ApiError::too_long(&format!("{path}.options"), MAX_OPTIONS));
        }
        // Link and premium buttons have no custom id.
        if kind == 2 && matches!(component["style"].as_u64(), Some(5 | 6)) {
            return Ok(());
        }
        let path = format!("{path}.custom_id");
        let Some(custom_id) = component["custom_id"].as_str().filter(|id| !id.is_empty()) else {
            return Err(ApiError::required(&path));
        };
        if custom_id.chars().count() > MAX_CUSTOM_ID {
            return Err(ApiError::too_long(&path, MAX_CUSTOM_ID));
        }
        if !self.ids.insert(custom_id.to_owned()) {
            let message = "Component custom id cannot be duplicated";
            return Err(ApiError::invalid(&path, "COMPONENT_CUSTOM_ID_DUPLICATED", message));
        }
        self.found.push(Component {
            kind,
            custom_id: custom_id.to_owned(),
            label: label.to_owned(),
            disabled: component["disabled"].as_bool().unwrap_or(false),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(body: Value) -> Result<Draft, ApiError> {
        read::<MessageBody>(body)?.draft()
    }

    #[test]
    fn content_is_counted_in_characters_not_bytes() {
        assert!(check(json!({"content": "ä".repeat(2_000)})).is_ok());
        assert_eq!(check(json!({"content": "a".repeat(2_001)})).unwrap_err().code, 50_035);
    }

    #[test]
    fn buttons_are_found_and_duplicate_custom_ids_refused() {
        let button = |id: &str| json!({"type": 2, "style": 1, "label": "Go", "custom_id": id});
        let row = |buttons: Vec<Value>| json!({"components": [{"type": 1, "components": buttons}]});
        let draft = check(row(vec![button("a"), button("b")])).unwrap();
        assert_eq!(draft.buttons.iter().map(|b| b.custom_id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert!(check(row(vec![button("a"), button("a")])).is_err());
        assert!(check(row(vec![button(&"x".repeat(101))])).is_err());
        assert!(check(row((0..6).map(|n| button(&n.to_string())).collect())).is_err());
        assert!(check(json!({"components": [button("a")]})).is_err(), "a button outside a row");
    }

    #[test]
    fn an_edit_tells_a_missing_field_from_an_emptied_one() {
        let body: MessageBody = read(json!({"content": null})).unwrap();
        assert_eq!(body.content, Some(None));
        assert!(body.components.is_none());
    }

    #[test]
    fn embeds_come_back_as_rich() {
        let draft = check(json!({"embeds": [{"title": "x", "type": "video"}]})).unwrap();
        assert_eq!(draft.embeds.unwrap().get(), r#"[{"title":"x","type":"rich"}]"#);
        assert_eq!(draft.embed_count, 1);
    }

    #[test]
    fn long_embeds_and_nonces_are_refused() {
        assert!(check(json!({"embeds": [{"description": "a".repeat(4_097)}]})).is_err());
        assert!(
            check(
                json!({"embeds": [{"description": "a".repeat(4_000)}, {"description": "a".repeat(2_001)}]})
            )
            .is_err()
        );
        assert!(check(json!({"nonce": "a".repeat(26)})).is_err());
        assert!(check(json!({"nonce": "a".repeat(25), "content": "x"})).is_ok());
    }
}
