//! Request bodies: JSON, or a form with `payload_json`, and the checks a message body has to pass.
//! <https://discord.com/developers/docs/resources/message#create-message> and
//! <https://discord.com/developers/docs/components/reference>

use super::embeds;
use super::error::ApiError;
use crate::attachments::{File, MAX_DESCRIPTION, MAX_FILE_BYTES, MAX_FILES};
use crate::components;
use crate::editing::Change;
use crate::ids::{AttachmentId, ChannelId, MessageId};
use crate::mentions::AllowedMentions;
use crate::message::flag;
use crate::posting::Draft;
use axum::extract::{FromRequest, FromRequestParts, Multipart, Path, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::sync::Arc;

const MAX_CONTENT: usize = 2_000;
const MAX_NONCE: usize = 25;
/// Largest request: ten files and some text.
pub(crate) const MAX_BODY_BYTES: usize = MAX_FILES * MAX_FILE_BYTES + 1024 * 1024;

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

/// A JSON body. An empty body is `null`; files of a form are left out.
pub(crate) struct Body(pub(crate) Value);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        Form::from_request(request, state).await.map(|form| Self(form.body))
    }
}

/// A JSON body, or a form with `payload_json` or single fields, and files by the number in `files[n]`.
/// <https://discord.com/developers/docs/reference#uploading-files>
pub(crate) struct Form {
    pub(crate) body: Value,
    pub(crate) files: Files,
}

/// Uploaded files and their numbers.
pub(crate) type Files = Vec<(u64, File)>;

impl<S: Send + Sync> FromRequest<S> for Form {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        if kind.is_some_and(|kind| kind.starts_with("multipart/form-data")) {
            let form = Multipart::from_request(request, state).await.map_err(|_| ApiError::invalid_json())?;
            return read_form(form).await;
        }
        let json = kind.is_some_and(|kind| kind.starts_with("application/json"));
        let bytes = axum::body::to_bytes(request.into_body(), MAX_BODY_BYTES)
            .await
            .map_err(|_| ApiError::too_large())?;
        if bytes.is_empty() {
            return Ok(Self { body: Value::Null, files: Vec::new() });
        }
        if !json {
            let message =
                "Expected \"Content-Type\" header to be one of {'application/json', 'multipart/form-data'}.";
            return Err(ApiError::invalid("_misc", "CONTENT_TYPE_INVALID", message));
        }
        let body = serde_json::from_slice(&bytes).map_err(|_| ApiError::invalid_json())?;
        Ok(Self { body, files: Vec::new() })
    }
}

async fn read_form(mut form: Multipart) -> Result<Form, ApiError> {
    let (mut body, mut files) = (Value::Object(Map::new()), Files::new());
    while let Ok(Some(field)) = form.next_field().await {
        let name = field.name().unwrap_or_default().to_owned();
        let Some(filename) = field.file_name().map(str::to_owned) else {
            let text = field.text().await.map_err(|_| ApiError::invalid_json())?;
            if name == "payload_json" {
                body = serde_json::from_str(&text).map_err(|_| ApiError::invalid_json())?;
            } else if let Some(fields) = body.as_object_mut() {
                let value = if name == "tts" { Value::Bool(text == "true") } else { Value::String(text) };
                fields.insert(name, value);
            }
            continue;
        };
        let content_type = field.content_type().map(str::to_owned);
        let bytes = field.bytes().await.map_err(|_| ApiError::too_large())?;
        if bytes.len() > MAX_FILE_BYTES {
            return Err(ApiError::too_large());
        }
        let number = name.strip_prefix("files[").and_then(|rest| rest.strip_suffix(']'));
        let number = number.and_then(|number| number.parse().ok()).unwrap_or(files.len() as u64);
        files.push((number, File { name: filename, content_type, bytes, description: None }));
    }
    if files.len() > MAX_FILES {
        return Err(ApiError::too_many_files());
    }
    Ok(Form { body, files })
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
    #[serde(deserialize_with = "present")]
    attachments: Option<Option<Vec<AttachmentBody>>>,
}

/// Metadata of a file that comes with the request, or of one that a message keeps.
#[derive(Debug, Deserialize)]
struct AttachmentBody {
    id: AttachmentId,
    #[serde(default)]
    filename: Option<String>,
    #[serde(default)]
    description: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Reference {
    pub(crate) message_id: MessageId,
    #[serde(default)]
    pub(crate) channel_id: Option<ChannelId>,
    #[serde(default, rename = "type")]
    pub(crate) kind: Option<u8>,
    #[serde(default)]
    pub(crate) fail_if_not_exists: Option<bool>,
}

impl Reference {
    pub(crate) fn is_forward(&self) -> bool {
        self.kind == Some(1)
    }
}

/// Tells a field that is `null` from one that is not there.
pub(crate) fn present<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
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
        if let Some(Some(list)) = &self.embeds {
            embeds::check(list)?;
        }
        let has_text = matches!(&self.content, Some(Some(text)) if !text.is_empty());
        let has_embeds = matches!(&self.embeds, Some(Some(list)) if !list.is_empty());
        if self.is_v2() && (has_text || has_embeds) {
            return Err(ApiError::legacy_fields());
        }
        for (at, file) in self.attachments.iter().flatten().flatten().enumerate() {
            if file.description.as_ref().is_some_and(|text| text.chars().count() > MAX_DESCRIPTION) {
                return Err(ApiError::too_long(&format!("attachments.{at}.description"), MAX_DESCRIPTION));
            }
        }
        Ok(())
    }

    fn is_v2(&self) -> bool {
        self.flags.is_some_and(|flags| flags & flag::COMPONENTS_V2 != 0)
    }

    /// Embeds as they are kept: whatever type was given, it is `rich`.
    fn embeds(&self) -> Option<(Option<Arc<RawValue>>, usize)> {
        let mut list = self.embeds.clone()?.unwrap_or_default();
        for embed in list.iter_mut().filter_map(Value::as_object_mut) {
            embed.insert("type".to_owned(), Value::from("rich"));
        }
        Some((raw(&list), list.len()))
    }

    /// The files of a message, with what `attachments` says of them, and which earlier ones stay. Where
    /// `attachments` is given, what it does not list is left out.
    fn attachments(&mut self, files: Files) -> Result<(Option<Vec<Kept>>, Vec<File>), ApiError> {
        let Some(list) = self.attachments.take().map(Option::unwrap_or_default) else {
            return Ok((None, files.into_iter().map(|(_, file)| file).collect()));
        };
        let (mut kept, mut new) = (Vec::new(), Vec::new());
        for given in list {
            match files.iter().find(|(number, _)| *number == given.id.get()) {
                Some((_, file)) => {
                    let name = given.filename.unwrap_or_else(|| file.name.clone());
                    new.push(File { name, description: given.description, ..file.clone() });
                }
                // Numbers as small as these are no snowflakes: the file should have come along.
                None if given.id.get() < 1 << 22 => return Err(ApiError::file_not_found()),
                None => kept.push((given.id, given.description)),
            }
        }
        Ok((Some(kept), new))
    }

    /// A new message; the caller fills in where and by whom.
    pub(crate) fn draft(mut self, files: Files) -> Result<Draft, ApiError> {
        self.check()?;
        let (kept, files) = self.attachments(files)?;
        if kept.is_some_and(|kept| !kept.is_empty()) {
            return Err(ApiError::file_not_found());
        }
        let v2 = self.is_v2();
        let checked = components::check(self.components.take().flatten().unwrap_or_default(), v2)?;
        let (embeds, embed_count) = self.embeds().unwrap_or_default();
        Ok(Draft {
            content: self.content.flatten().unwrap_or_default(),
            nonce: self.nonce.filter(|nonce| !nonce.is_null()),
            enforce_nonce: self.enforce_nonce.unwrap_or(false),
            reference: self
                .message_reference
                .filter(|reference| !reference.is_forward())
                .map(|reference| (reference.message_id, reference.fail_if_not_exists.unwrap_or(true))),
            allowed: self.allowed_mentions,
            components: raw(&checked.list),
            buttons: checked.interactive,
            texts: checked.texts,
            embeds,
            embed_count,
            files,
            forward: None,
            flags: self.flags.unwrap_or(0) & flag::SETTABLE,
        })
    }

    /// The change that an edit asks for.
    pub(crate) fn change(mut self, files: Files) -> Result<Change, ApiError> {
        self.check()?;
        let (keep, files) = self.attachments(files)?;
        Ok(Change {
            embeds: self.embeds(),
            content: self.content.map(Option::unwrap_or_default),
            components: self.components.map(Option::unwrap_or_default),
            allowed: self.allowed_mentions,
            flags: self.flags,
            keep,
            files,
        })
    }
}

/// An attachment that stays, with a new description where one is given.
type Kept = (AttachmentId, Option<String>);

fn raw(list: &[Value]) -> Option<Arc<RawValue>> {
    (!list.is_empty()).then(|| Arc::from(to_raw_value(list).expect("values are JSON")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(body: Value) -> Result<Draft, ApiError> {
        read::<MessageBody>(body)?.draft(Vec::new())
    }

    #[test]
    fn content_is_counted_in_characters_not_bytes() {
        assert!(check(json!({"content": "ä".repeat(2_000)})).is_ok());
        assert_eq!(check(json!({"content": "a".repeat(2_001)})).unwrap_err().code, 50_035);
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
    fn long_nonces_are_refused() {
        assert!(check(json!({"nonce": "a".repeat(26)})).is_err());
        assert!(check(json!({"nonce": "a".repeat(25), "content": "x"})).is_ok());
    }

    #[test]
    fn attachments_say_which_files_belong_to_the_message_and_which_stay() {
        let file = |name: &str| File { name: name.to_owned(), ..File::default() };
        let files = || vec![(0, file("a.txt")), (1, file("b.txt"))];
        let body = |json| read::<MessageBody>(json).unwrap();
        assert_eq!(body(json!({})).draft(files()).unwrap().files.len(), 2);
        let listed = body(json!({"attachments": [{"id": 1, "description": "log"}]})).draft(files()).unwrap();
        assert_eq!(listed.files, [File { description: Some("log".to_owned()), ..file("b.txt") }]);
        let missing = body(json!({"attachments": [{"id": "7"}]})).draft(files());
        assert_eq!(missing.unwrap_err().code, 50_146);
        let old = (1_u64 << 40).to_string();
        let change = body(json!({"attachments": [{"id": old}, {"id": 0}]})).change(files()).unwrap();
        assert_eq!(change.keep.unwrap(), [(AttachmentId(1 << 40), None)]);
        assert_eq!(change.files.len(), 1);
        assert!(body(json!({})).change(Vec::new()).unwrap().keep.is_none());
    }
}
