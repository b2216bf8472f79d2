//! What an entry of the log says, as far as something can follow from it.

use std::sync::Arc;

use helpline_cluster::event_log::Entry;
use helpline_cluster::ids::ServerId;
use time::OffsetDateTime;

use super::Error;
use super::direct::{self, DIRECT, What};
use crate::discord::{Guild, Interaction, Message, MessageId, MessagesGone, Thread};
use crate::server_config::ServerConfig;
use crate::worker::Shared;

/// An event as far as it matters.
#[derive(Debug)]
pub enum Event {
    /// In direct messages; of which server is not known yet.
    Direct(Box<What>),
    Message(Box<Message>),
    Interaction(Box<Interaction>),
    GuildSeen(Guild),
    GuildGone(Guild),
    ThreadOpened(Thread),
    Edit(Box<Message>),
    Deleted(Vec<MessageId>),
}

/// No server has this id: of direct messages that are of none yet.
const NO_SERVER: ServerId = ServerId(0);

/// An event of one server that may have an effect, or one of direct messages.
#[derive(Debug)]
pub struct Relevant {
    pub server: ServerId,
    /// As it was read; its origin (gateway session, sequence) is the first event key.
    pub(super) entry: Entry,
    pub(super) received_at: OffsetDateTime,
    pub(super) event: Event,
    /// It came in direct messages, and was handed on to the server.
    pub(super) direct: bool,
    /// A person asked for it: it is not too late for anything.
    pub(super) replayed: bool,
}

impl Relevant {
    /// When it arrived at the proxy.
    pub const fn received_at(&self) -> OffsetDateTime {
        self.received_at
    }
}

impl Relevant {
    /// The server; none of direct messages that are of none yet.
    pub fn of_server(&self) -> Option<ServerId> {
        (self.server != NO_SERVER).then_some(self.server)
    }

    pub(super) async fn config(&self, shared: &Shared) -> Result<Arc<ServerConfig>, Error> {
        match self.of_server() {
            Some(server) => Ok(shared.configs.get(server).await?),
            None => Ok(Arc::default()),
        }
    }
}

/// Reads an entry of the log; none when nothing can follow from it. An unreadable payload is an error of the entry.
pub fn parse(entry: &Entry) -> Result<Option<Relevant>, serde_json::Error> {
    let (kind, direct) = match entry.kind.strip_prefix(DIRECT) {
        Some(kind) => (kind, true),
        None => (entry.kind.as_str(), false),
    };
    let event = match entry.server {
        Some(_) => of_server(kind, &entry.payload, direct)?,
        None => direct::read(kind, &entry.payload)?.map(|what| Event::Direct(Box::new(what))),
    };
    let Some(event) = event else { return Ok(None) };
    let millis = i128::from(entry.received_at_ms) * 1_000_000;
    let received_at = OffsetDateTime::from_unix_timestamp_nanos(millis).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let server = entry.server.unwrap_or(NO_SERVER);
    Ok(Some(Relevant { server, entry: entry.clone(), received_at, event, direct, replayed: false }))
}

fn of_server(kind: &str, payload: &[u8], direct: bool) -> Result<Option<Event>, serde_json::Error> {
    Ok(Some(match kind {
        "MESSAGE_CREATE" => {
            let message: Message = serde_json::from_slice(payload)?;
            // Who turns to the bot alone is answered whatever he sends.
            if !message.is_by_a_person() || !direct && message.content.trim().is_empty() {
                return Ok(None);
            }
            Event::Message(Box::new(message))
        }
        "INTERACTION_CREATE" => Event::Interaction(serde_json::from_slice(payload)?),
        "GUILD_CREATE" | "GUILD_UPDATE" => Event::GuildSeen(serde_json::from_slice(payload)?),
        "THREAD_CREATE" => Event::ThreadOpened(serde_json::from_slice(payload)?),
        "MESSAGE_UPDATE" => {
            let message: Message = serde_json::from_slice(payload)?;
            if !message.is_by_a_person() || message.edited_ms().is_none() {
                return Ok(None);
            }
            Event::Edit(Box::new(message))
        }
        "MESSAGE_DELETE" | "MESSAGE_DELETE_BULK" => {
            Event::Deleted(serde_json::from_slice::<MessagesGone>(payload)?.ids())
        }
        "GUILD_DELETE" => Event::GuildGone(serde_json::from_slice(payload)?),
        _ => return Ok(None),
    }))
}
