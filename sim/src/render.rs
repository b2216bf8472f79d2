//! JSON of users, members, roles, channels and servers, complete enough for typed clients.
//!
//! Shapes: <https://discord.com/developers/docs/resources/user>, `…/guild`, `…/channel` and
//! <https://discord.com/developers/docs/events/gateway-events#guild-create>.

use crate::clock::timestamp;
use crate::ids::{ChannelId, DISCORD_EPOCH_MS, GuildId, RoleId, UserId};
use crate::world::{ChannelUse, Server, World};
use serde::Serialize;
use serde_json::{Value, json};

/// VIEW_CHANNEL, SEND_MESSAGES, EMBED_LINKS, ATTACH_FILES, READ_MESSAGE_HISTORY, USE_APPLICATION_COMMANDS,
/// CREATE_PUBLIC_THREADS, SEND_MESSAGES_IN_THREADS.
const MEMBER_PERMISSIONS: u64 = 1 << 10 | 1 << 11 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 31 | 1 << 35 | 1 << 38;
const MENTION_EVERYONE: u64 = 1 << 17;
const MANAGE: u64 = 1 << 5 | 1 << 13 | 1 << 34;
/// GATEWAY_PRESENCE, GATEWAY_GUILD_MEMBERS and GATEWAY_MESSAGE_CONTENT, limited forms, and APPLICATION_COMMAND_BADGE.
pub(crate) const APPLICATION_FLAGS: u64 = 1 << 13 | 1 << 15 | 1 << 19 | 1 << 23;

/// A user object.
#[derive(Serialize)]
pub(crate) struct UserJson {
    id: UserId,
    username: String,
    discriminator: &'static str,
    global_name: Option<String>,
    avatar: Option<()>,
    bot: bool,
    public_flags: u64,
}

impl UserJson {
    pub(crate) fn new(world: &World, id: UserId) -> Self {
        let username = world.user_name(id);
        let bot = world.is_bot(id);
        let global_name = (!bot).then(|| username.clone());
        Self {
            id,
            username,
            discriminator: if bot { "1234" } else { "0" },
            global_name,
            avatar: None,
            bot,
            public_flags: 0,
        }
    }
}

/// A guild member object, with or without its user.
#[derive(Serialize)]
pub(crate) struct MemberJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<UserJson>,
    roles: Vec<RoleId>,
    nick: Option<()>,
    avatar: Option<()>,
    joined_at: String,
    premium_since: Option<()>,
    communication_disabled_until: Option<()>,
    deaf: bool,
    mute: bool,
    pending: bool,
    flags: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<String>,
}

impl MemberJson {
    /// As it stands beside a message's author.
    pub(crate) fn partial(server: &Server, user: UserId) -> Self {
        let roles = if server.is_staff(user) {
            vec![server.support_role]
        } else if server.members.contains(&user) {
            Vec::new()
        } else {
            vec![server.bot_role]
        };
        Self {
            user: None,
            roles,
            nick: None,
            avatar: None,
            joined_at: timestamp(DISCORD_EPOCH_MS + 300_000_000_000),
            premium_since: None,
            communication_disabled_until: None,
            deaf: false,
            mute: false,
            pending: false,
            flags: 0,
            permissions: None,
        }
    }

    pub(crate) fn full(world: &World, server: &Server, user: UserId) -> Self {
        Self { user: Some(UserJson::new(world, user)), ..Self::partial(server, user) }
    }

    /// As it stands in an interaction, with the member's permissions in the channel.
    pub(crate) fn acting(world: &World, server: &Server, user: UserId) -> Self {
        let extra = if server.is_staff(user) { MANAGE } else { 0 };
        Self {
            permissions: Some((MEMBER_PERMISSIONS | extra).to_string()),
            ..Self::full(world, server, user)
        }
    }
}

/// What the bot may do in every channel.
pub(crate) fn bot_permissions(mention_everyone: bool) -> u64 {
    MEMBER_PERMISSIONS | 1 << 13 | if mention_everyone { MENTION_EVERYONE } else { 0 }
}

/// State of a thread.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ThreadMetadata {
    pub(crate) archived: bool,
    pub(crate) auto_archive_duration: u64,
    pub(crate) archive_timestamp: String,
    pub(crate) locked: bool,
    pub(crate) create_timestamp: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ThreadMemberJson {
    pub(crate) id: ChannelId,
    pub(crate) user_id: UserId,
    pub(crate) join_timestamp: String,
    pub(crate) flags: u64,
}

/// A channel object: text channel (0), direct message (1) or public thread (11).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ChannelJson<'a> {
    pub(crate) id: ChannelId,
    #[serde(rename = "type")]
    pub(crate) kind: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) guild_id: Option<GuildId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<std::borrow::Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) permission_overwrites: Option<[(); 0]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) nsfw: Option<bool>,
    pub(crate) rate_limit_per_user: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parent_id: Option<ChannelId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) owner_id: Option<UserId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) thread_metadata: Option<ThreadMetadata>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) message_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) member_count: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_message_sent: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<ThreadMemberJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) newly_created: Option<bool>,
    pub(crate) last_message_id: Option<crate::ids::MessageId>,
    pub(crate) flags: u64,
}

impl<'a> ChannelJson<'a> {
    pub(crate) fn text(server: &Server, id: ChannelId, purpose: ChannelUse) -> Self {
        let (name, position) = match purpose {
            ChannelUse::Support => ("support", 0),
            ChannelUse::General => ("general", 1),
        };
        Self {
            name: Some(name.into()),
            position: Some(position),
            permission_overwrites: Some([]),
            nsfw: Some(false),
            guild_id: Some(server.id),
            ..Self::bare(id, 0)
        }
    }

    pub(crate) fn bare(id: ChannelId, kind: u8) -> Self {
        Self {
            id,
            kind,
            guild_id: None,
            name: None,
            position: None,
            permission_overwrites: None,
            nsfw: None,
            rate_limit_per_user: 0,
            parent_id: None,
            owner_id: None,
            thread_metadata: None,
            message_count: None,
            member_count: None,
            total_message_sent: None,
            member: None,
            newly_created: None,
            last_message_id: None,
            flags: 0,
        }
    }
}

fn role(id: RoleId, name: &str, position: u32, permissions: u64, bot: Option<UserId>) -> Value {
    let mut role = json!({
        "id": id, "name": name, "position": position, "permissions": permissions.to_string(), "color": 0,
        "colors": {"primary_color": 0, "secondary_color": null, "tertiary_color": null},
        "hoist": false, "icon": null, "unicode_emoji": null, "managed": bot.is_some(),
        "mentionable": bot.is_none() && position > 0, "flags": 0,
    });
    if let Some(bot) = bot {
        role["tags"] = json!({"bot_id": bot});
    }
    role
}

/// The roles of a server: everyone, support (anyone may mention it), the bot's own.
pub(crate) fn roles(server: &Server, bot: UserId, mention_everyone: bool) -> Value {
    json!([
        role(RoleId(server.id.get()), "@everyone", 0, MEMBER_PERMISSIONS, None),
        role(server.support_role, "support", 1, MEMBER_PERMISSIONS | MANAGE, None),
        role(server.bot_role, "helpline", 2, bot_permissions(mention_everyone), Some(bot)),
    ])
}

/// The guild object without the fields that only GUILD_CREATE has.
pub(crate) fn guild(server: &Server, bot: UserId, mention_everyone: bool) -> Value {
    json!({
        "id": server.id, "name": server.name, "icon": null, "splash": null, "discovery_splash": null,
        "banner": null, "description": null, "owner_id": server.owner(), "afk_channel_id": null,
        "afk_timeout": 300, "verification_level": 1, "default_message_notifications": 1,
        "explicit_content_filter": 0, "roles": roles(server, bot, mention_everyone), "emojis": [], "features": [],
        "mfa_level": 0, "application_id": null, "system_channel_id": server.general_channel,
        "system_channel_flags": 0, "rules_channel_id": null, "public_updates_channel_id": null,
        "safety_alerts_channel_id": null, "max_members": 500_000, "vanity_url_code": null, "premium_tier": 0,
        "premium_subscription_count": 0, "premium_progress_bar_enabled": false, "preferred_locale": "en-US",
        "nsfw_level": 0, "stickers": [],
    })
}

/// The payload of GUILD_CREATE.
pub(crate) fn guild_create(
    world: &World,
    server: &Server,
    bot: UserId,
    threads: &[ChannelJson<'_>],
    all_members: bool,
    mention_everyone: bool,
) -> String {
    let mut guild = guild(server, bot, mention_everyone);
    let people = server.staff.iter().chain(&server.members).copied();
    let shown: Vec<UserId> = if all_members { people.chain([bot]).collect() } else { vec![bot] };
    let members: Vec<MemberJson> = shown.iter().map(|user| MemberJson::full(world, server, *user)).collect();
    let channels = [
        ChannelJson::text(server, server.support_channel, ChannelUse::Support),
        ChannelJson::text(server, server.general_channel, ChannelUse::General),
    ];
    let extra = json!({
        "joined_at": timestamp(DISCORD_EPOCH_MS + 300_000_000_000), "large": false, "unavailable": false,
        "member_count": server.members.len() + server.staff.len() + 1, "voice_states": [], "members": members,
        "channels": channels, "threads": threads, "presences": [], "stage_instances": [],
        "guild_scheduled_events": [], "soundboard_sounds": [],
    });
    if let (Value::Object(guild), Value::Object(extra)) = (&mut guild, extra) {
        guild.extend(extra);
    }
    guild.to_string()
}
