//! Messages as the simulator keeps them, and their JSON
//! (<https://discord.com/developers/docs/resources/message#message-object>).

mod json;

pub(crate) use json::{MessageJson, View, is_exempt};

use crate::attachments::Attachment;
use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, UserId};
use crate::interactions::Used;
use crate::reactions::Reaction;
use crate::transcript::{BotMessage, Component, Pinged};
use crate::webhooks::Face;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Message types used here.
/// <https://discord.com/developers/docs/resources/message#message-object-message-types>
pub(crate) mod kind {
    pub(crate) const DEFAULT: u8 = 0;
    pub(crate) const RECIPIENT_ADD: u8 = 1;
    pub(crate) const RECIPIENT_REMOVE: u8 = 2;
    pub(crate) const CHANNEL_NAME_CHANGE: u8 = 4;
    pub(crate) const PINNED: u8 = 6;
    pub(crate) const REPLY: u8 = 19;
    pub(crate) const CHAT_INPUT_COMMAND: u8 = 20;
    pub(crate) const THREAD_STARTER: u8 = 21;
    pub(crate) const CONTEXT_MENU_COMMAND: u8 = 23;
}

/// Message flags used here.
pub(crate) mod flag {
    pub(crate) const SUPPRESS_EMBEDS: u64 = 1 << 2;
    pub(crate) const HAS_THREAD: u64 = 1 << 5;
    pub(crate) const EPHEMERAL: u64 = 1 << 6;
    pub(crate) const LOADING: u64 = 1 << 7;
    pub(crate) const HAS_SNAPSHOT: u64 = 1 << 14;
    pub(crate) const COMPONENTS_V2: u64 = 1 << 15;
    /// What a bot may set itself.
    pub(crate) const SETTABLE: u64 = SUPPRESS_EMBEDS | EPHEMERAL | 1 << 12 | COMPONENTS_V2;
}

/// The interaction a message answers.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) interaction: InteractionId,
    pub(crate) kind: u8,
    pub(crate) user: UserId,
    pub(crate) pressed: Option<MessageId>,
    /// The command used, for commands.
    pub(crate) used: Option<Arc<Used>>,
    /// The interaction whose answer was the modal that this one submits.
    pub(crate) trigger: Option<Arc<Cause>>,
    /// The original response, in follow-ups.
    pub(crate) original: Option<MessageId>,
}

#[derive(Clone, Debug)]
pub(crate) struct Message {
    pub(crate) id: MessageId,
    pub(crate) channel: ChannelId,
    pub(crate) guild: Option<GuildId>,
    pub(crate) author: UserId,
    pub(crate) kind: u8,
    pub(crate) content: String,
    pub(crate) at_ms: u64,
    pub(crate) edited_at_ms: Option<u64>,
    pub(crate) nonce: Option<Value>,
    pub(crate) reference: Option<(ChannelId, MessageId)>,
    pub(crate) components: Option<Arc<RawValue>>,
    pub(crate) buttons: Vec<Component>,
    /// Text that stands in components, which mentions are read from as well.
    pub(crate) texts: Vec<String>,
    pub(crate) embeds: Option<Arc<RawValue>>,
    pub(crate) embed_count: usize,
    pub(crate) attachments: Vec<Arc<Attachment>>,
    pub(crate) flags: u64,
    pub(crate) pinged: Pinged,
    pub(crate) cause: Option<Arc<Cause>>,
    pub(crate) reactions: Vec<Reaction>,
    pub(crate) pinned_at_ms: Option<u64>,
    /// Name and picture of the channel webhook that posted it.
    pub(crate) hook: Option<Arc<Face>>,
    /// The message forwarded, as it stood then.
    pub(crate) snapshot: Option<Arc<Message>>,
}

/// Where, by whom and when a message is made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stamp {
    pub(crate) id: MessageId,
    pub(crate) channel: ChannelId,
    pub(crate) guild: Option<GuildId>,
    pub(crate) author: UserId,
    pub(crate) at_ms: u64,
}

impl Message {
    /// A message of a type without anything in it.
    pub(crate) fn bare(stamp: Stamp, kind: u8) -> Self {
        Self {
            id: stamp.id,
            channel: stamp.channel,
            guild: stamp.guild,
            author: stamp.author,
            kind,
            content: String::new(),
            at_ms: stamp.at_ms,
            edited_at_ms: None,
            nonce: None,
            reference: None,
            components: None,
            buttons: Vec::new(),
            texts: Vec::new(),
            embeds: None,
            embed_count: 0,
            attachments: Vec::new(),
            flags: 0,
            pinged: Pinged::default(),
            cause: None,
            reactions: Vec::new(),
            pinned_at_ms: None,
            hook: None,
            snapshot: None,
        }
    }

    /// Whether it says nothing at all.
    pub(crate) fn is_empty(&self) -> bool {
        self.content.trim().is_empty()
            && self.embeds.is_none()
            && self.components.is_none()
            && self.attachments.is_empty()
            && self.snapshot.is_none()
    }

    /// Messages that nobody wrote: they can be neither edited nor forwarded.
    pub(crate) fn is_system(&self) -> bool {
        !matches!(
            self.kind,
            kind::DEFAULT | kind::REPLY | kind::CHAT_INPUT_COMMAND | kind::CONTEXT_MENU_COMMAND
        )
    }

    /// Whether a user may see it: ephemeral messages are for one member alone.
    pub(crate) fn visible_to(&self, user: UserId) -> bool {
        !self.has(flag::EPHEMERAL) || self.cause.as_ref().is_some_and(|cause| cause.user == user)
    }

    pub(crate) fn has(&self, flag: u64) -> bool {
        self.flags & flag != 0
    }

    pub(crate) fn nonce_text(&self) -> Option<String> {
        self.nonce.as_ref().map(|nonce| match nonce {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        })
    }

    pub(crate) fn as_entry(&self) -> BotMessage {
        BotMessage {
            guild: self.guild,
            channel: self.channel,
            id: self.id,
            content: self.content.clone(),
            nonce: self.nonce_text(),
            reference: self.reference.map(|(_, message)| message),
            components: self.buttons.clone(),
            texts: self.texts.clone(),
            embeds: self.embed_count,
            attachments: self.attachments.iter().map(|attachment| attachment.filename.clone()).collect(),
            pinged: self.pinged.clone(),
            interaction: self.cause.as_ref().map(|cause| cause.interaction),
            ephemeral: self.has(flag::EPHEMERAL),
            loading: self.has(flag::LOADING),
        }
    }
}
