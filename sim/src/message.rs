//! Messages as the simulator keeps them, and their JSON
//! (<https://discord.com/developers/docs/resources/message#message-object>).

use crate::clock::timestamp;
use crate::guild::Guild;
use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, UserId};
use crate::render::{self, MemberJson, UserJson};
use crate::transcript::{BotMessage, Component, Pinged};
use crate::world::World;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// Message types used here.
pub(crate) mod kind {
    pub(crate) const DEFAULT: u8 = 0;
    pub(crate) const REPLY: u8 = 19;
    pub(crate) const CHAT_INPUT_COMMAND: u8 = 20;
    pub(crate) const THREAD_STARTER: u8 = 21;
}

/// Message flags used here.
pub(crate) mod flag {
    pub(crate) const HAS_THREAD: u64 = 1 << 5;
    pub(crate) const EPHEMERAL: u64 = 1 << 6;
    pub(crate) const LOADING: u64 = 1 << 7;
    pub(crate) const COMPONENTS_V2: u64 = 1 << 15;
    /// What a bot may set itself.
    pub(crate) const SETTABLE: u64 = 1 << 2 | EPHEMERAL | 1 << 12 | COMPONENTS_V2;
}

/// The interaction a message answers.
#[derive(Clone, Debug)]
pub(crate) struct Cause {
    pub(crate) interaction: InteractionId,
    pub(crate) kind: u8,
    pub(crate) user: UserId,
    pub(crate) pressed: Option<MessageId>,
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
    pub(crate) embeds: Option<Arc<RawValue>>,
    pub(crate) embed_count: usize,
    pub(crate) flags: u64,
    pub(crate) pinged: Pinged,
    pub(crate) cause: Option<Arc<Cause>>,
}

impl Message {
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
            embeds: self.embed_count,
            pinged: self.pinged.clone(),
            interaction: self.cause.as_ref().map(|cause| cause.interaction),
            ephemeral: self.has(flag::EPHEMERAL),
            loading: self.has(flag::LOADING),
        }
    }
}

#[derive(Serialize)]
pub(crate) struct ReferenceJson {
    #[serde(rename = "type")]
    kind: u8,
    channel_id: ChannelId,
    message_id: MessageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    guild_id: Option<GuildId>,
}

#[derive(Serialize)]
pub(crate) struct Owners {
    #[serde(rename = "0", skip_serializing_if = "Option::is_none")]
    pub(crate) guild: Option<GuildId>,
    #[serde(rename = "1", skip_serializing_if = "Option::is_none")]
    pub(crate) user: Option<UserId>,
}

#[derive(Serialize)]
struct CauseJson {
    id: InteractionId,
    #[serde(rename = "type")]
    kind: u8,
    user: UserJson,
    authorizing_integration_owners: Owners,
    #[serde(skip_serializing_if = "Option::is_none")]
    interacted_message_id: Option<MessageId>,
}

#[derive(Serialize)]
pub(crate) struct MessageJson<'a> {
    id: MessageId,
    channel_id: ChannelId,
    #[serde(skip_serializing_if = "Option::is_none")]
    guild_id: Option<GuildId>,
    #[serde(rename = "type")]
    kind: u8,
    content: &'a str,
    author: UserJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<MemberJson>,
    timestamp: String,
    edited_timestamp: Option<String>,
    tts: bool,
    pinned: bool,
    mention_everyone: bool,
    mentions: Vec<UserJson>,
    mention_roles: &'a [crate::ids::RoleId],
    attachments: [(); 0],
    embeds: &'a RawValue,
    components: &'a RawValue,
    flags: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_reference: Option<ReferenceJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referenced_message: Option<Box<MessageJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction_metadata: Option<CauseJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<render::ChannelJson<'a>>,
}

/// What a rendering includes.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) world: &'a World,
    /// Gateway events carry `guild_id` and `member`; REST answers do not.
    pub(crate) gateway: bool,
    /// Whether text, embeds and components are shown.
    pub(crate) content: bool,
    /// The server, if it has changed; decides what is said of the author as a member.
    pub(crate) changed: Option<&'a Guild>,
}

fn empty_list() -> &'static RawValue {
    static EMPTY: std::sync::OnceLock<Box<RawValue>> = std::sync::OnceLock::new();
    EMPTY.get_or_init(|| RawValue::from_string("[]".to_owned()).expect("an empty list is JSON"))
}

impl<'a> MessageJson<'a> {
    pub(crate) fn new(
        message: &'a Message,
        replied_to: Option<&'a Message>,
        thread: Option<render::ChannelJson<'a>>,
        view: View<'a>,
    ) -> Self {
        let world = view.world;
        let server = message.guild.and_then(|guild| world.guild(guild));
        let list = |list: &'a Option<Arc<RawValue>>| match list {
            Some(raw) if view.content => &**raw,
            _ => empty_list(),
        };
        let from_bot = world.is_bot(message.author);
        Self {
            id: message.id,
            channel_id: message.channel,
            guild_id: message.guild.filter(|_| view.gateway),
            kind: message.kind,
            content: if view.content { &message.content } else { "" },
            author: UserJson::new(world, message.author),
            member: server
                .filter(|_| view.gateway)
                .map(|server| MemberJson::partial(server, view.changed, message.author)),
            timestamp: timestamp(message.at_ms),
            edited_timestamp: message.edited_at_ms.map(timestamp),
            tts: false,
            pinned: false,
            mention_everyone: message.pinged.everyone,
            mentions: message.pinged.users.iter().map(|user| UserJson::new(world, *user)).collect(),
            mention_roles: &message.pinged.roles,
            attachments: [],
            embeds: list(&message.embeds),
            components: list(&message.components),
            flags: message.flags,
            nonce: message.nonce.as_ref(),
            message_reference: message.reference.map(|(channel_id, message_id)| ReferenceJson {
                kind: 0,
                channel_id,
                message_id,
                guild_id: message.guild,
            }),
            referenced_message: replied_to
                .map(|earlier| Box::new(MessageJson::new(earlier, None, None, view))),
            webhook_id: message.cause.as_ref().map(|_| message.author),
            application_id: message.cause.as_ref().filter(|_| from_bot).map(|_| message.author),
            interaction_metadata: message.cause.as_ref().map(|cause| CauseJson {
                id: cause.interaction,
                kind: cause.kind,
                user: UserJson::new(world, cause.user),
                authorizing_integration_owners: Owners { guild: message.guild, user: None },
                interacted_message_id: cause.pressed,
            }),
            thread,
        }
    }
}
