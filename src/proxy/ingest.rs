//! What to do with an event of the gateway: keep, keep if the server wants support, or drop. Pure.
//!
//! Looks at as little of an event as it can: the envelope by substring, then the few fields that decide.
//! Promise: interactions, direct messages, the bot's own messages and everything about servers, channels
//! and threads are never dropped. Payloads go on as Discord sent them, except `GUILD_CREATE`, which is
//! reduced to [`ServerSnapshot`]: with members and presences it would be megabytes.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use twilight_model::gateway::event::GatewayEventDeserializer;

/// Who we are; our own messages are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    pub user_id: u64,
    pub application_id: u64,
}

/// A frame from the gateway.
#[derive(Debug, PartialEq, Eq)]
pub enum Frame<'a> {
    /// An event: its sequence, its name, and the JSON of its data.
    Dispatch { sequence: u64, kind: &'a str, data: &'a str },
    /// Opcode 9; says whether the session can be resumed.
    InvalidSession { resumable: bool },
    /// Opcode 7.
    Reconnect,
    /// Heartbeats and the like, which twilight answers.
    Other,
    /// Not understood; carries the sequence if there is one.
    Malformed { sequence: Option<u64> },
}

#[derive(Deserialize)]
struct Envelope<'a> {
    #[serde(borrow)]
    d: &'a RawValue,
    #[serde(borrow, default)]
    t: Option<&'a str>,
}

/// Reads the envelope.
pub fn frame(text: &str) -> Frame<'_> {
    let Some(head) = GatewayEventDeserializer::from_json(text) else {
        return Frame::Malformed { sequence: None };
    };
    let sequence = head.sequence();
    match head.op() {
        0 => match (sequence, serde_json::from_str::<Envelope<'_>>(text)) {
            (Some(sequence), Ok(Envelope { d, t: Some(kind) })) => {
                Frame::Dispatch { sequence, kind, data: d.get() }
            }
            _ => Frame::Malformed { sequence },
        },
        7 => Frame::Reconnect,
        9 => {
            let resumable = serde_json::from_str::<Envelope<'_>>(text).is_ok_and(|e| e.d.get() == "true");
            Frame::InvalidSession { resumable }
        }
        _ => Frame::Other,
    }
}

/// What is done with an event.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Goes to the server's shard, or without a server to shard 0.
    Keep {
        class: Class,
        server: Option<u64>,
        payload: Payload,
    },
    /// Goes to the server's shard if the server is active and support is switched on there.
    IfListening {
        class: Class,
        server: u64,
    },
    Drop(Dropped),
    /// A new session.
    Ready(Ready),
    /// The missed events of the session have been replayed.
    Resumed,
}

/// The data to pass on.
#[derive(Debug, PartialEq, Eq)]
pub enum Payload {
    AsIs,
    Reduced(Vec<u8>),
}

/// What kind of event is passed on; a metrics label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    Message,
    OwnMessage,
    DirectMessage,
    Interaction,
    Server,
    Channel,
    Thread,
}

impl Class {
    pub fn label(self) -> &'static str {
        match self {
            Self::Message => "message",
            Self::OwnMessage => "own_message",
            Self::DirectMessage => "direct_message",
            Self::Interaction => "interaction",
            Self::Server => "server",
            Self::Channel => "channel",
            Self::Thread => "thread",
        }
    }
}

/// Why an event is not passed on; a metrics label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// Written by another bot or a webhook.
    Bot,
    /// The server is not active or support is switched off there.
    NotListening,
    /// An event that support does not use, such as typing.
    Unused,
    /// The data is not what Discord documents.
    Malformed,
    /// Seen before in this session.
    Repeated,
    /// Its stream takes nothing; it is read again later.
    StreamFull,
}

impl Dropped {
    pub fn label(self) -> &'static str {
        match self {
            Self::Bot => "bot",
            Self::NotListening => "not_listening",
            Self::Unused => "unused",
            Self::Malformed => "malformed",
            Self::Repeated => "repeated",
            Self::StreamFull => "stream_full",
        }
    }
}

/// READY, as far as it matters here.
#[derive(Debug, Deserialize, PartialEq, Eq)]
pub struct Ready {
    pub session_id: String,
    pub resume_gateway_url: String,
    #[serde(deserialize_with = "of_object")]
    user: u64,
    #[serde(deserialize_with = "of_object")]
    application: u64,
    #[serde(default)]
    guilds: Vec<Object>,
}

impl Ready {
    pub fn identity(&self) -> Identity {
        Identity { user_id: self.user, application_id: self.application }
    }

    /// The servers that Discord is about to send.
    pub fn servers(&self) -> impl Iterator<Item = u64> + '_ {
        self.guilds.iter().map(|guild| guild.id.0)
    }
}

/// A reduced `GUILD_CREATE`: what the owner of a server needs of it. Ids stay the strings they were.
#[derive(Debug, Deserialize, Serialize)]
pub struct ServerSnapshot<'a> {
    pub id: &'a str,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub icon: Option<&'a str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unavailable: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner_id: Option<&'a str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preferred_locale: Option<&'a str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub system_channel_id: Option<&'a str>,
    #[serde(borrow, default)]
    pub channels: Vec<ChannelSnapshot<'a>>,
    #[serde(borrow, default)]
    pub roles: Vec<RoleSnapshot<'a>>,
}

/// A channel of a [`ServerSnapshot`].
#[derive(Debug, Deserialize, Serialize)]
pub struct ChannelSnapshot<'a> {
    pub id: &'a str,
    #[serde(rename = "type")]
    pub kind: u8,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent_id: Option<&'a str>,
}

/// A role of a [`ServerSnapshot`].
#[derive(Debug, Deserialize, Serialize)]
pub struct RoleSnapshot<'a> {
    pub id: &'a str,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    pub name: Option<&'a RawValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub permissions: Option<&'a str>,
}

/// Decides about the event `kind` with the JSON `data`.
pub fn classify(kind: &str, data: &str, me: Identity) -> Verdict {
    let verdict = match kind {
        "MESSAGE_CREATE" | "MESSAGE_UPDATE" => message(data, me),
        "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK" => in_server(data).map(|server| match server {
            Some(server) => Verdict::IfListening { class: Class::Message, server },
            None => keep(Class::DirectMessage, None),
        }),
        "INTERACTION_CREATE" => in_server(data).map(|server| keep(Class::Interaction, server)),
        "GUILD_CREATE" => snapshot(data),
        "GUILD_UPDATE" | "GUILD_DELETE" => {
            serde_json::from_str::<Object>(data).map(|server| keep(Class::Server, Some(server.id.0)))
        }
        "READY" => serde_json::from_str(data).map(Verdict::Ready),
        "RESUMED" => Ok(Verdict::Resumed),
        _ if kind.starts_with("GUILD_") => in_server(data).map(|server| keep(Class::Server, server)),
        _ if kind.starts_with("THREAD_") => in_server(data).map(|server| keep(Class::Thread, server)),
        _ if kind.starts_with("CHANNEL_") => in_server(data).map(|server| keep(Class::Channel, server)),
        _ => Ok(Verdict::Drop(Dropped::Unused)),
    };
    verdict.unwrap_or(Verdict::Drop(Dropped::Malformed))
}

fn keep(class: Class, server: Option<u64>) -> Verdict {
    Verdict::Keep { class, server, payload: Payload::AsIs }
}

#[derive(Deserialize)]
struct MessageHead {
    #[serde(default)]
    guild_id: Option<Snowflake>,
    #[serde(default)]
    author: Option<Author>,
    #[serde(default)]
    webhook_id: Option<Snowflake>,
    #[serde(default)]
    application_id: Option<Snowflake>,
}

#[derive(Deserialize)]
struct Author {
    id: Snowflake,
    #[serde(default)]
    bot: bool,
}

/// An update may come without an author: then it belongs to whoever wrote the message, and is kept.
fn message(data: &str, me: Identity) -> serde_json::Result<Verdict> {
    let head: MessageHead = serde_json::from_str(data)?;
    let own = head.author.as_ref().is_some_and(|author| author.id.0 == me.user_id)
        || head.application_id.is_some_and(|id| id.0 == me.application_id);
    let by_bot = head.webhook_id.is_some() || head.author.is_some_and(|author| author.bot);
    Ok(match head.guild_id {
        _ if own => keep(Class::OwnMessage, head.guild_id.map(|id| id.0)),
        _ if by_bot => Verdict::Drop(Dropped::Bot),
        Some(server) => Verdict::IfListening { class: Class::Message, server: server.0 },
        None => keep(Class::DirectMessage, None),
    })
}

#[derive(Deserialize)]
struct InServer {
    #[serde(default)]
    guild_id: Option<Snowflake>,
}

fn in_server(data: &str) -> serde_json::Result<Option<u64>> {
    serde_json::from_str::<InServer>(data).map(|head| head.guild_id.map(|id| id.0))
}

/// The id of a message.
pub fn message_id(data: &str) -> Option<u64> {
    serde_json::from_str::<Object>(data).ok().map(|message| message.id.0)
}

fn snapshot(data: &str) -> serde_json::Result<Verdict> {
    let snapshot: ServerSnapshot<'_> = serde_json::from_str(data)?;
    let server = snapshot.id.parse().map_err(serde::de::Error::custom)?;
    let payload = Payload::Reduced(serde_json::to_vec(&snapshot)?);
    Ok(Verdict::Keep { class: Class::Server, server: Some(server), payload })
}

/// An object of which only the id matters.
#[derive(Debug, Deserialize, PartialEq, Eq)]
struct Object {
    id: Snowflake,
}

fn of_object<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    Object::deserialize(deserializer).map(|object| object.id.0)
}

/// Ids are strings in JSON, because numbers there lose digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Snowflake(u64);

impl<'de> Deserialize<'de> for Snowflake {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map(Self).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
#[path = "ingest_tests.rs"]
mod tests;
