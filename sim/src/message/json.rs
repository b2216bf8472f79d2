//! The JSON of a message, as the gateway and REST give it, with or without what members wrote.
//!
//! Without the message content intent text, embeds, attachments and components are empty, but for own
//! messages, direct messages and messages that mention the bot; each message in the payload is judged by
//! itself, the one replied to as well.
//! <https://discord.com/developers/docs/resources/message#message-object> and
//! <https://discord.com/developers/docs/events/gateway#message-content-intent>

use super::{Cause, Message};
use crate::attachments::{AttachmentJson, Files};
use crate::clock::timestamp;
use crate::guild::Guild;
use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, RoleId, UserId};
use crate::interactions::COMPONENT;
use crate::reactions::ReactionJson;
use crate::render::{ChannelJson, MemberJson, UserJson};
use crate::webhooks::FaceJson;
use crate::world::World;
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;

/// What a rendering includes.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) world: &'a World,
    pub(crate) files: &'a Files,
    pub(crate) now_ms: u64,
    /// The server, if it has changed; decides what is said of the author as a member.
    pub(crate) changed: Option<&'a Guild>,
    /// The type of the channel the message is in; only gateway events say it.
    pub(crate) channel_type: Option<u8>,
    /// Gateway events carry `guild_id` and `member`; REST answers do not.
    pub(crate) gateway: bool,
    /// Whether what members wrote is left out.
    pub(crate) withhold: bool,
}

impl View<'_> {
    /// Whether a message comes whole.
    fn shows(&self, message: &Message) -> bool {
        !self.withhold || is_exempt(self.world, message)
    }
}

/// Whether a message comes whole also without the message content intent.
pub(crate) fn is_exempt(world: &World, message: &Message) -> bool {
    message.guild.is_none()
        || world.is_bot(message.author)
        || message.hook.as_ref().is_some_and(|face| face.application.is_some_and(|id| world.is_bot(id)))
        || message.pinged.users.iter().any(|user| world.is_bot(*user))
}

#[derive(Serialize)]
struct ReferenceJson {
    #[serde(rename = "type")]
    kind: u8,
    channel_id: ChannelId,
    message_id: MessageId,
    #[serde(skip_serializing_if = "Option::is_none")]
    guild_id: Option<GuildId>,
}

#[derive(Serialize)]
struct Owners {
    #[serde(rename = "0")]
    guild: Value,
}

#[derive(Serialize)]
struct CauseJson {
    id: InteractionId,
    #[serde(rename = "type")]
    kind: u8,
    user: UserJson,
    authorizing_integration_owners: Owners,
    #[serde(skip_serializing_if = "Option::is_none")]
    original_response_message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_user: Option<UserJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interacted_message_id: Option<MessageId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    triggering_interaction_metadata: Option<Box<CauseJson>>,
}

impl CauseJson {
    fn new(world: &World, cause: &Cause, guild: Option<GuildId>) -> Self {
        let used = cause.used.as_ref();
        Self {
            id: cause.interaction,
            kind: cause.kind,
            user: UserJson::new(world, cause.user),
            // A direct message names no server: "0".
            authorizing_integration_owners: Owners {
                guild: guild.map_or_else(|| Value::from("0"), |guild| serde_json::json!(guild)),
            },
            original_response_message_id: cause.original,
            target_user: used.and_then(|used| used.target_user).map(|user| UserJson::new(world, user)),
            target_message_id: used.and_then(|used| used.target_message),
            interacted_message_id: cause.pressed.filter(|_| cause.kind == COMPONENT),
            triggering_interaction_metadata: cause
                .trigger
                .as_ref()
                .map(|trigger| Box::new(Self::new(world, trigger, guild))),
        }
    }
}

/// The older description of the command a message answers.
#[derive(Serialize)]
struct CommandJson<'a> {
    id: InteractionId,
    #[serde(rename = "type")]
    kind: u8,
    name: &'a str,
    user: UserJson,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AuthorJson<'a> {
    User(UserJson),
    Hook(FaceJson<'a>),
}

#[derive(Serialize)]
struct SnapshotJson<'a> {
    message: PartJson<'a>,
}

/// The part of a message that a forward carries.
#[derive(Serialize)]
struct PartJson<'a> {
    #[serde(rename = "type")]
    kind: u8,
    content: &'a str,
    embeds: &'a RawValue,
    attachments: Vec<AttachmentJson<'a>>,
    components: &'a RawValue,
    timestamp: String,
    edited_timestamp: Option<String>,
    flags: u64,
    mentions: Vec<UserJson>,
    mention_roles: &'a [RoleId],
}

#[derive(Serialize)]
pub(crate) struct MessageJson<'a> {
    id: MessageId,
    channel_id: ChannelId,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_type: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    guild_id: Option<GuildId>,
    #[serde(rename = "type")]
    kind: u8,
    content: &'a str,
    author: AuthorJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    member: Option<MemberJson>,
    timestamp: String,
    edited_timestamp: Option<String>,
    tts: bool,
    pinned: bool,
    mention_everyone: bool,
    mentions: Vec<UserJson>,
    mention_roles: &'a [RoleId],
    attachments: Vec<AttachmentJson<'a>>,
    embeds: &'a RawValue,
    components: &'a RawValue,
    flags: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<ReactionJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_reference: Option<ReferenceJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message_snapshots: Option<[SnapshotJson<'a>; 1]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    referenced_message: Option<Box<MessageJson<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    webhook_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction_metadata: Option<CauseJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interaction: Option<CommandJson<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thread: Option<ChannelJson<'a>>,
}

fn empty_list() -> &'static RawValue {
    static EMPTY: std::sync::OnceLock<Box<RawValue>> = std::sync::OnceLock::new();
    EMPTY.get_or_init(|| RawValue::from_string("[]".to_owned()).expect("an empty list is JSON"))
}

fn list(list: Option<&Arc<RawValue>>, shown: bool) -> &RawValue {
    match list {
        Some(raw) if shown => raw,
        _ => empty_list(),
    }
}

impl<'a> MessageJson<'a> {
    pub(crate) fn new(
        message: &'a Message,
        replied_to: Option<&'a Message>,
        thread: Option<ChannelJson<'a>>,
        view: View<'a>,
    ) -> Self {
        let world = view.world;
        let server = message.guild.and_then(|guild| world.guild(guild));
        let shown = view.shows(message);
        let cause = message.cause.as_deref();
        let hook = message.hook.as_deref();
        let member = server.filter(|_| view.gateway && hook.is_none());
        Self {
            id: message.id,
            channel_id: message.channel,
            channel_type: view.channel_type.filter(|_| view.gateway),
            guild_id: message.guild.filter(|_| view.gateway),
            kind: message.kind,
            content: if shown { &message.content } else { "" },
            author: hook.map_or_else(
                || AuthorJson::User(UserJson::new(world, message.author)),
                |face| AuthorJson::Hook(FaceJson::new(message.author, face)),
            ),
            member: member.map(|server| MemberJson::partial(server, view.changed, message.author)),
            timestamp: timestamp(message.at_ms),
            edited_timestamp: message.edited_at_ms.map(timestamp),
            tts: false,
            pinned: message.pinned_at_ms.is_some(),
            mention_everyone: message.pinged.everyone,
            mentions: message.pinged.users.iter().map(|user| UserJson::new(world, *user)).collect(),
            mention_roles: &message.pinged.roles,
            attachments: attachments(message, view, shown),
            embeds: list(message.embeds.as_ref(), shown && !message.has(super::flag::SUPPRESS_EMBEDS)),
            components: list(message.components.as_ref(), shown),
            flags: message.flags,
            reactions: message.reactions.iter().map(|reaction| ReactionJson::new(world, reaction)).collect(),
            nonce: message.nonce.as_ref(),
            message_reference: message.reference.map(|(channel_id, message_id)| ReferenceJson {
                kind: u8::from(message.snapshot.is_some()),
                channel_id,
                message_id,
                guild_id: message.guild,
            }),
            message_snapshots: message
                .snapshot
                .as_deref()
                .map(|forwarded| [SnapshotJson { message: PartJson::new(forwarded, view, shown) }]),
            referenced_message: replied_to
                .map(|earlier| Box::new(MessageJson::new(earlier, None, None, view))),
            webhook_id: cause.map(|_| message.author).or(hook.map(|_| message.author)),
            application_id: cause.map(|_| message.author).or(hook.and_then(|face| face.application)),
            interaction_metadata: cause.map(|cause| CauseJson::new(world, cause, message.guild)),
            interaction: cause.and_then(|cause| command(world, cause)),
            thread,
        }
    }
}

fn attachments<'a>(message: &'a Message, view: View<'a>, shown: bool) -> Vec<AttachmentJson<'a>> {
    let kept = message.attachments.iter().filter(|_| shown);
    kept.map(|attachment| AttachmentJson::new(attachment, view.files, view.now_ms)).collect()
}

fn command<'a>(world: &World, cause: &'a Cause) -> Option<CommandJson<'a>> {
    let used = cause.used.as_ref()?;
    Some(CommandJson {
        id: cause.interaction,
        kind: cause.kind,
        name: &used.name,
        user: UserJson::new(world, cause.user),
    })
}

impl<'a> PartJson<'a> {
    fn new(message: &'a Message, view: View<'a>, shown: bool) -> Self {
        Self {
            kind: message.kind,
            content: if shown { &message.content } else { "" },
            embeds: list(message.embeds.as_ref(), shown),
            attachments: attachments(message, view, shown),
            components: list(message.components.as_ref(), shown),
            timestamp: timestamp(message.at_ms),
            edited_timestamp: message.edited_at_ms.map(timestamp),
            flags: message.flags,
            mentions: message.pinged.users.iter().map(|user| UserJson::new(view.world, *user)).collect(),
            mention_roles: &message.pinged.roles,
        }
    }
}
