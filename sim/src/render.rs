//! JSON of users, members, roles, channels and servers, complete enough for typed clients.
//!
//! Shapes: <https://discord.com/developers/docs/resources/user>, `…/guild`, `…/channel` and
//! <https://discord.com/developers/docs/events/gateway-events#guild-create>.

use crate::clock::timestamp;
use crate::gateway::presence::{self, Status};
use crate::guild::{Guild, GuildChannel, JOINED_MS, Member, Role, Tag, channel_kind};
use crate::ids::{ChannelId, GuildId, RoleId, UserId};
use crate::permissions::{Overwrite, Permissions};
use crate::thread::{ThreadMemberJson, ThreadMetadata};
use crate::world::{Server, World};
use serde::Serialize;
use serde_json::{Map, Value, json};

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
    nick: Option<String>,
    avatar: Option<()>,
    joined_at: String,
    premium_since: Option<()>,
    communication_disabled_until: Option<String>,
    deaf: bool,
    mute: bool,
    pending: bool,
    flags: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    permissions: Option<Permissions>,
}

impl MemberJson {
    fn of(member: &Member) -> Self {
        Self {
            user: None,
            roles: member.roles.clone(),
            nick: member.nick.clone(),
            avatar: None,
            joined_at: timestamp(member.joined_ms),
            premium_since: None,
            communication_disabled_until: member.timed_out_until_ms.map(timestamp),
            deaf: false,
            mute: false,
            pending: false,
            flags: 0,
            permissions: None,
        }
    }

    /// As it stands beside a message's author. `changed` is the server if it has changed.
    pub(crate) fn partial(server: &Server, changed: Option<&Guild>, user: UserId) -> Self {
        if let Some(guild) = changed {
            return guild.members.get(&user).map_or_else(|| Self::of(&Member::new(JOINED_MS)), Self::of);
        }
        let roles = if server.is_staff(user) {
            vec![server.support_role]
        } else if server.members.contains(&user) {
            Vec::new()
        } else {
            vec![server.bot_role]
        };
        Self::of(&Member { roles, ..Member::new(JOINED_MS) })
    }

    pub(crate) fn full(world: &World, server: &Server, changed: Option<&Guild>, user: UserId) -> Self {
        Self { user: Some(UserJson::new(world, user)), ..Self::partial(server, changed, user) }
    }

    /// As it stands in an interaction, with the member's permissions in the channel.
    pub(crate) fn acting(self, permissions: Permissions) -> Self {
        Self { permissions: Some(permissions), ..self }
    }
}

/// A channel object: a channel of a server, a thread or a direct message.
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
    pub(crate) permission_overwrites: Option<Vec<Overwrite>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) topic: Option<String>,
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
    pub(crate) message_count: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) member_count: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) total_message_sent: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) member: Option<ThreadMemberJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) newly_created: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default_auto_archive_duration: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) default_thread_rate_limit_per_user: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) available_tags: Option<Vec<Tag>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) applied_tags: Option<Vec<String>>,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub(crate) shown: Option<Map<String, Value>>,
    pub(crate) last_message_id: Option<crate::ids::MessageId>,
    pub(crate) flags: u64,
}

impl<'a> ChannelJson<'a> {
    /// A channel of a server.
    pub(crate) fn of(guild: GuildId, channel: &GuildChannel) -> Self {
        let forum = channel_kind::is_thread_only(channel.kind);
        let text = forum || channel_kind::takes_messages(channel.kind);
        Self {
            name: Some(channel.name.clone().into()),
            position: Some(channel.position),
            permission_overwrites: Some(channel.overwrites.clone()),
            topic: channel.topic.clone(),
            nsfw: Some(channel.nsfw),
            rate_limit_per_user: channel.slowmode_s,
            parent_id: channel.parent,
            guild_id: Some(guild),
            default_auto_archive_duration: channel.auto_archive.filter(|_| text),
            default_thread_rate_limit_per_user: (channel.thread_slowmode_s > 0)
                .then_some(channel.thread_slowmode_s),
            available_tags: forum.then(|| channel.tags.clone()),
            shown: forum.then(|| {
                let mut shown = Map::new();
                shown.insert("default_reaction_emoji".to_owned(), Value::Null);
                shown.insert("default_sort_order".to_owned(), Value::Null);
                shown.insert("default_forum_layout".to_owned(), json!(0));
                shown.extend(channel.shown.clone());
                shown
            }),
            flags: channel.flags,
            ..Self::bare(channel.id, channel.kind)
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
            topic: None,
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
            default_auto_archive_duration: None,
            default_thread_rate_limit_per_user: None,
            available_tags: None,
            applied_tags: None,
            shown: None,
            last_message_id: None,
            flags: 0,
        }
    }
}

/// A role object.
pub(crate) fn role(role: &Role) -> Value {
    let mut json = json!({
        "id": role.id, "name": role.name, "position": role.position, "permissions": role.permissions,
        "color": role.color,
        "colors": {"primary_color": role.color, "secondary_color": null, "tertiary_color": null},
        "hoist": role.hoist, "icon": null, "unicode_emoji": null, "managed": role.of_bot.is_some(),
        "mentionable": role.mentionable, "flags": 0,
    });
    if let Some(bot) = role.of_bot {
        json["tags"] = json!({"bot_id": bot});
    }
    json
}

pub(crate) fn roles(guild: &Guild) -> Value {
    guild.roles.iter().map(role).collect()
}

/// The guild object without the fields that only GUILD_CREATE has.
pub(crate) fn guild(server: &Server, guild: &Guild) -> Value {
    let general = Some(server.general_channel).filter(|id| guild.channels.contains_key(id));
    let mut json = json!({
        "id": guild.id, "name": guild.name, "icon": null, "splash": null, "discovery_splash": null,
        "banner": null, "description": null, "owner_id": guild.owner, "afk_channel_id": null,
        "afk_timeout": 300, "verification_level": 1, "default_message_notifications": 1,
        "explicit_content_filter": 0, "roles": roles(guild), "emojis": [], "features": [],
        "mfa_level": 0, "application_id": null, "system_channel_id": general,
        "system_channel_flags": 0, "rules_channel_id": null, "public_updates_channel_id": null,
        "safety_alerts_channel_id": null, "max_members": 500_000, "vanity_url_code": null, "premium_tier": 0,
        "premium_subscription_count": 0, "premium_progress_bar_enabled": false, "preferred_locale": "en-US",
        "nsfw_level": 0, "stickers": [],
    });
    if let Value::Object(json) = &mut json {
        json.extend(guild.settings.clone());
    }
    json
}

/// Which members GUILD_CREATE shows. Without presences that is the bot alone.
/// <https://discord.com/developers/docs/events/gateway-events#guild-create>
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown {
    /// The bot has just joined. Then nothing is said of the server being available, and clients tell this from a
    /// server that is back.
    pub(crate) joined: bool,
    /// The session has the GUILD_PRESENCES intent.
    pub(crate) presences: bool,
    /// Members from which those are left out that are offline and have neither role nor nickname.
    pub(crate) large_threshold: u64,
}

impl Shown {
    /// Everybody.
    pub(crate) const ALL: Self = Self { joined: false, presences: true, large_threshold: u64::MAX };
}

/// A guild object with the fields that only GUILD_CREATE has.
pub(crate) fn guild_create(
    world: &World,
    server: &Server,
    guild: &Guild,
    channels: &[ChannelJson<'_>],
    threads: &[ChannelJson<'_>],
    shown: Shown,
) -> String {
    let large = guild.members.len() as u64 > shown.large_threshold;
    let online = |user: UserId| presence::of_member(server, user) != Status::Offline;
    let listed = |user: UserId, member: &Member| {
        world.is_bot(user)
            || (shown.presences
                && (!large || online(user) || !member.roles.is_empty() || member.nick.is_some()))
    };
    let users: Vec<UserId> =
        guild.members.iter().filter(|(user, member)| listed(**user, member)).map(|(user, _)| *user).collect();
    let members: Vec<MemberJson> =
        users.iter().map(|user| MemberJson::full(world, server, Some(guild), *user)).collect();
    let seen = users.iter().filter(|user| shown.presences && (!large || online(**user)));
    let presences: Vec<Value> = seen.map(|user| presence::object(server, *user)).collect();
    let joined_ms = guild.members.get(&world.bot()).map_or(JOINED_MS, |bot| bot.joined_ms);
    let extra = json!({
        "joined_at": timestamp(joined_ms), "large": large,
        "member_count": guild.members.len(), "voice_states": [], "members": members,
        "channels": channels, "threads": threads, "presences": presences, "stage_instances": [],
        "guild_scheduled_events": [], "soundboard_sounds": [],
    });
    let mut json = self::guild(server, guild);
    if let (Value::Object(json), Value::Object(extra)) = (&mut json, extra) {
        json.extend(extra);
        if !shown.joined {
            json.insert("unavailable".to_owned(), Value::Bool(false));
        }
    }
    json.to_string()
}
