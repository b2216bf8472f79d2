//! What one member is shown alone: a text with buttons, which may be shown again with other words. Pure.
//!
//! Source: <https://discord.com/developers/docs/components/reference>.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::discord::{ApplicationId, Interaction, InteractionId};
use crate::first_reply::COMPONENT;
use crate::texts::Lang;

/// Whom to show something, and in the place of what. Stored: fields may be added, never renamed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    pub interaction: InteractionId,
    pub application: ApplicationId,
    pub token: String,
    /// It takes the place of the message whose button was pressed; else it is a message of its own.
    pub update: bool,
    /// In which he is told.
    #[serde(default)]
    pub lang: Lang,
}

/// Interaction tokens stay out of every log.
impl std::fmt::Debug for ReplyTo {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.interaction)
    }
}

impl ReplyTo {
    /// A button of ours turns its own message; everything else is answered by a message.
    pub fn new(interaction: &Interaction, lang: Lang) -> Self {
        Self {
            interaction: interaction.id,
            application: interaction.application_id,
            token: interaction.token.clone(),
            update: interaction.kind == COMPONENT,
            lang,
        }
    }
}

/// A text of at most 2,000 characters, and at most five rows of at most five buttons. Stored as [`ReplyTo`] is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Panel {
    pub content: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Vec<Button>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Button {
    style: Style,
    label: String,
    id: String,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    off: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Style {
    Primary,
    Secondary,
    Success,
    Danger,
}

/// A file that goes along with a panel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// What it is called: one line, and an ending.
    pub name: String,
    pub bytes: Vec<u8>,
}

impl Panel {
    pub fn text(content: impl Into<String>) -> Self {
        Self { content: content.into(), rows: Vec::new() }
    }

    /// The message as Discord takes it.
    pub(super) fn body(&self) -> Value {
        let row = |row: &Vec<Button>| json!({ "type": 1, "components": row.iter().map(Button::json).collect::<Value>() });
        json!({
            "content": self.content,
            "allowed_mentions": { "parse": [] },
            "components": self.rows.iter().map(row).collect::<Value>(),
        })
    }
}

impl Button {
    /// `id` is the whole custom id, of at most 100 characters.
    pub fn new(style: Style, label: &str, id: String) -> Self {
        Self { style, label: label.to_owned(), id, off: false }
    }

    /// The same, and it cannot be pressed.
    pub fn off(self) -> Self {
        Self { off: true, ..self }
    }

    fn json(&self) -> Value {
        let style = match self.style {
            Style::Primary => 1,
            Style::Secondary => 2,
            Style::Success => 3,
            Style::Danger => 4,
        };
        let mut button = json!({ "type": 2, "style": style, "label": self.label, "custom_id": self.id });
        if self.off {
            button["disabled"] = true.into();
        }
        button
    }
}

impl File {
    /// The body of a request with a file, and its content type. `boundary` stands nowhere in the file.
    /// Source: <https://discord.com/developers/docs/reference#uploading-files>.
    pub(super) fn multipart(&self, payload: &Value, boundary: &str) -> (String, Vec<u8>) {
        let name: String = self.name.chars().filter(|c| !c.is_control() && !"\"\\/".contains(*c)).collect();
        let mut body = format!(
            "--{boundary}\r\ncontent-disposition: form-data; name=\"payload_json\"\r\n\
             content-type: application/json\r\n\r\n{payload}\r\n\
             --{boundary}\r\ncontent-disposition: form-data; name=\"files[0]\"; filename=\"{name}\"\r\n\
             content-type: application/octet-stream\r\n\r\n"
        )
        .into_bytes();
        body.extend_from_slice(&self.bytes);
        body.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        (format!("multipart/form-data; boundary={boundary}"), body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_comes_whole_between_the_boundaries_and_its_name_ends_no_header() {
        let file = File { name: "a\"\r\nx: y\".pdf".to_owned(), bytes: b"%PDF\r\n--x".to_vec() };
        let (kind, body) = file.multipart(&json!({ "content": "c" }), "BOUND");
        assert_eq!(kind, "multipart/form-data; boundary=BOUND");
        let text = String::from_utf8(body).unwrap();
        assert!(
            text.contains("filename=\"ax: y.pdf\"") && text.contains("\r\n\r\n%PDF\r\n--x\r\n--BOUND--\r\n")
        );
        assert_eq!(text.matches("--BOUND").count(), 3);
    }

    #[test]
    fn a_panel_pings_nobody_and_a_button_that_is_off_cannot_be_pressed() {
        let button = Button::new(Style::Danger, "Remove", "x:1".to_owned());
        let panel = Panel { content: "@everyone".to_owned(), rows: vec![vec![button.clone(), button.off()]] };
        let body = panel.body();
        assert_eq!(body["allowed_mentions"], json!({ "parse": [] }));
        let row = &body["components"][0]["components"];
        assert_eq!((&row[0]["style"], &row[0]["disabled"]), (&json!(4), &Value::Null));
        assert_eq!(row[1]["disabled"], true);
    }
}
