//! `/knowledge`: what an admin asks for, and what has to be done for it outside a transaction ([`Work`]). Pure; the worker
//! reads and writes the documents (`worker::apply::knowledge`, `worker::lanes::knowledge`).

pub mod gaps;
pub mod texts;

use helpline_cluster::ids::ServerId;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::config::Suggestion;
use crate::discord::{ChannelId, Interaction, InteractionData, InteractionId, MessageId, UserId};
use crate::first_reply::{LEARN_TEXT, LEARN_TITLE};
use crate::texts::{Lang, say};
pub use texts::OPTIONS;

/// Discord shows no more choices.
const MOST_CHOICES: usize = 25;
/// Discord takes no longer name of a choice, in characters.
const MAX_CHOICE_CHARS: usize = 100;
/// Documents of one page of the list.
pub const PAGE: usize = 10;
/// Documents of one server that may be on their way at once.
pub const MOST_AT_ONCE: usize = 5;

/// What an admin asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// The form for a text is to be opened.
    Write {
        replaces: Option<String>,
    },
    Learn {
        source: Source,
        title: Option<String>,
        replaces: Option<String>,
    },
    List,
    View(String),
    Search(String),
    Remove(String),
}

/// Where a document comes from. Stored in the outbox: variants and fields may be added, never renamed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Source {
    /// Of Discord's content network. Its address works for a day.
    File { url: String, filename: String, bytes: u64 },
    /// Written into a form.
    Text { text: String },
    /// In the channel in which the command was used, so that whoever used it may read it.
    Message { channel: ChannelId, message: MessageId },
}

/// Addresses of files let everybody read them, and texts are nobody's business.
impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File { bytes, .. } => write!(f, "file of {bytes} bytes"),
            Self::Text { text } => write!(f, "text of {} bytes", text.len()),
            Self::Message { message, .. } => write!(f, "{message}"),
        }
    }
}

/// A document to be read and stored. Stored as [`Source`] is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lesson {
    pub source: Source,
    pub added_by: UserId,
    /// None: the document's own title, or the name of the file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// The document in whose place it comes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replaces: Option<Uuid>,
    /// The questions that it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gap: Option<Uuid>,
}

/// What is done outside a transaction, before an interaction can be answered. Stored as [`Source`] is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "work", rename_all = "snake_case")]
pub enum Work {
    Learn(Lesson),
    /// It is stored, and now made searchable.
    Learned {
        document: Uuid,
        replaced: bool,
        closed_gap: bool,
    },
    View {
        document: Uuid,
    },
    Search {
        question: String,
    },
    Gaps {
        page: u32,
    },
}

/// The lane of what an interaction asks for: work that takes long holds nothing else up. Version 8, which no conversation
/// has.
pub fn lane_of(interaction: InteractionId) -> Uuid {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&interaction.0.to_be_bytes());
    // The variant takes two bits of what is copied: they are kept in front.
    bytes[0] = bytes[8];
    uuid::Builder::from_custom_bytes(bytes).into_uuid()
}

/// Reads the interaction. The error is what the member is told.
pub fn request(interaction: &Interaction, server: ServerId, lang: Lang) -> Result<Request, String> {
    let unknown = || say!(lang, "documents-unknown");
    let data = interaction.data.as_ref().ok_or_else(unknown)?;
    let (path, options) = data.chosen();
    let text = |name: &str| {
        let option = options.iter().find(|option| option.name == name)?;
        option.value.as_str().map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned)
    };
    match path.as_slice() {
        [what @ ("add" | "replace")] => {
            let replaces =
                if *what == "replace" { Some(text("document").ok_or_else(unknown)?) } else { None };
            match source(interaction, data, server, lang)? {
                Some(source) => Ok(Request::Learn { source, title: text("title"), replaces }),
                None => Ok(Request::Write { replaces }),
            }
        }
        ["list"] => Ok(Request::List),
        ["view"] => Ok(Request::View(text("document").ok_or_else(unknown)?)),
        ["search"] => {
            Ok(Request::Search(text("question").ok_or_else(|| say!(lang, "documents-no-question"))?))
        }
        ["remove"] => Ok(Request::Remove(text("document").ok_or_else(unknown)?)),
        _ => Err(unknown()),
    }
}

/// A file, or a message that a link leads to; none when neither is given.
fn source(
    interaction: &Interaction,
    data: &InteractionData,
    server: ServerId,
    lang: Lang,
) -> Result<Option<Source>, String> {
    let (_, options) = data.chosen();
    let option = |name: &str| options.iter().find(|option| option.name == name);
    if let Some(file) = option("file") {
        let file = file.value.as_str().and_then(|id| data.resolved.attachments.get(id));
        let file = file.ok_or_else(|| say!(lang, "documents-no-file"))?;
        texts::takes(lang, &file.filename, file.size)?;
        return Ok(Some(Source::File {
            url: file.url.clone(),
            filename: file.filename.clone(),
            bytes: file.size,
        }));
    }
    let Some(link) = option("link").and_then(|link| link.value.as_str()) else { return Ok(None) };
    let (guild, channel, message) = read_link(link).ok_or_else(|| say!(lang, "documents-no-link"))?;
    if guild != server.get() {
        return Err(say!(lang, "documents-link-elsewhere"));
    }
    if interaction.channel_id != Some(channel) {
        return Err(say!(lang, "documents-link-channel"));
    }
    Ok(Some(Source::Message { channel, message }))
}

/// Server, channel and message of a link as Discord copies it.
fn read_link(link: &str) -> Option<(u64, ChannelId, MessageId)> {
    let rest = link.trim().trim_matches(['<', '>']).strip_prefix("https://")?;
    let hosts = ["discord.com", "ptb.discord.com", "canary.discord.com", "discordapp.com"];
    let (host, path) = rest.split_once("/channels/")?;
    let mut ids = path.split('?').next()?.trim_end_matches('/').split('/').map(str::parse::<u64>);
    let (Some(Ok(guild)), Some(Ok(channel)), Some(Ok(message)), None) =
        (ids.next(), ids.next(), ids.next(), ids.next())
    else {
        return None;
    };
    hosts.contains(&host).then_some((guild, ChannelId(channel), MessageId(message)))
}

/// What was written into the form: title and text.
pub fn written(data: &InteractionData) -> (Option<String>, String) {
    // Postgres keeps no NUL in text, and nobody sees one.
    let field = |name: &str| data.written(name).unwrap_or_default().replace('\0', "").trim().to_owned();
    let title = Some(field(LEARN_TITLE)).filter(|title| !title.is_empty());
    (title, field(LEARN_TEXT))
}

/// The title that is being typed; none when something else is.
pub fn typed(interaction: &Interaction) -> Option<&str> {
    let (_, options) = interaction.data.as_ref()?.chosen();
    options.iter().find(|option| option.focused && option.name == "document")?.value.as_str()
}

/// Documents as choices: by title, named by id.
pub fn suggestions(documents: Vec<(Uuid, String)>) -> Vec<Suggestion> {
    let suggestion = |(id, title): (Uuid, String)| {
        let name = texts::short(&title, MAX_CHOICE_CHARS);
        Suggestion { name, value: id.to_string() }
    };
    documents.into_iter().take(MOST_CHOICES).map(suggestion).collect()
}

#[cfg(test)]
mod tests;
