//! When the channels of a server were last written in, as a new session tells: `GUILD_CREATE` comes with the newest
//! message of each channel and open thread. Pure.
//!
//! So after a lost session a member's first mention in a channel that nobody knows of is found, and channels in which
//! nothing was missed are not read; both without a request.
//! Channels that the bot may not read are left out: reading them would be refused, and refusals have a budget.
//! Source: <https://discord.com/developers/docs/events/gateway-events#guild-create>, `last_message_id` of
//! <https://discord.com/developers/docs/resources/channel#channel-object>.

use serde::Deserialize;
use twilight_model::channel::ChannelType;
use twilight_model::channel::permission_overwrite::PermissionOverwrite;
use twilight_model::guild::Permissions;
use twilight_model::id::Id;
use twilight_model::id::marker::{ChannelMarker, GuildMarker, RoleMarker, UserMarker};
use twilight_util::permission_calculator::PermissionCalculator;

/// A channel with its newest message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub channel: u64,
    pub newest: u64,
}

#[derive(Deserialize)]
struct Guild {
    id: Id<GuildMarker>,
    owner_id: Id<UserMarker>,
    roles: Vec<Role>,
    members: Vec<Member>,
    channels: Vec<Channel>,
    #[serde(default)]
    threads: Vec<Channel>,
}

#[derive(Deserialize)]
struct Role {
    id: Id<RoleMarker>,
    permissions: Permissions,
}

#[derive(Deserialize)]
struct Member {
    user: User,
    roles: Vec<Id<RoleMarker>>,
}

#[derive(Deserialize)]
struct User {
    id: Id<UserMarker>,
}

#[derive(Deserialize)]
struct Channel {
    id: Id<ChannelMarker>,
    #[serde(rename = "type")]
    kind: ChannelType,
    #[serde(default)]
    parent_id: Option<Id<ChannelMarker>>,
    #[serde(default)]
    last_message_id: Option<String>,
    #[serde(default)]
    permission_overwrites: Vec<PermissionOverwrite>,
}

/// The channels and threads of a `GUILD_CREATE` that `me` may read. Empty for what is not as documented.
pub fn written(guild_create: &str, me: u64) -> Vec<Written> {
    let Ok(guild) = serde_json::from_str::<Guild>(guild_create) else { return Vec::new() };
    let Some(me) = Id::new_checked(me) else { return Vec::new() };
    let Some(member) = guild.members.iter().find(|member| member.user.id == me) else { return Vec::new() };
    let permissions =
        |id: Id<RoleMarker>| guild.roles.iter().find(|role| role.id == id).map(|r| r.permissions);
    let roles: Vec<_> = member.roles.iter().filter_map(|&id| Some((id, permissions(id)?))).collect();
    let everyone = permissions(guild.id.cast()).unwrap_or(Permissions::empty());
    let calculator = PermissionCalculator::new(guild.id, me, everyone, &roles).owner_id(guild.owner_id);
    let readable = |channel: &Channel| {
        // Of a voice channel it says that nobody reads its messages, which was so until 2022.
        let kind = ChannelType::GuildAnnouncement;
        calculator.clone().in_channel(kind, &channel.permission_overwrites).contains(to_read(channel.kind))
    };
    let parent =
        |thread: &Channel| guild.channels.iter().find(|channel| Some(channel.id) == thread.parent_id);
    let channels = guild.channels.iter().filter(|channel| takes_messages(channel.kind) && readable(channel));
    let threads = guild.threads.iter().filter(|thread| parent(thread).is_some_and(readable));
    channels
        .chain(threads)
        .filter_map(|channel| {
            let newest = channel.last_message_id.as_deref()?.parse().ok()?;
            Some(Written { channel: channel.id.get(), newest })
        })
        .collect()
}

/// Source: <https://discord.com/developers/docs/resources/message#get-channel-messages>.
fn to_read(kind: ChannelType) -> Permissions {
    let text = Permissions::VIEW_CHANNEL | Permissions::READ_MESSAGE_HISTORY;
    match kind {
        ChannelType::GuildVoice | ChannelType::GuildStageVoice => text | Permissions::CONNECT,
        _ => text,
    }
}

/// In the others the newest "message" is a post, which is a thread of its own, or there is none.
fn takes_messages(kind: ChannelType) -> bool {
    use ChannelType::{GuildAnnouncement, GuildStageVoice, GuildText, GuildVoice};
    matches!(kind, GuildText | GuildAnnouncement | GuildVoice | GuildStageVoice)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const ME: u64 = 9;
    const READ: u64 = 0x0400 | 0x1_0000 | 0x10_0000;

    fn guild(everyone: u64, channels: Value, threads: Value) -> String {
        json!({
            "id": "1", "owner_id": "2", "roles": [
                {"id": "1", "permissions": everyone.to_string()}, {"id": "5", "permissions": READ.to_string()},
            ],
            "members": [{"user": {"id": "8"}, "roles": []}, {"user": {"id": "9"}, "roles": ["5"]}],
            "channels": channels, "threads": threads,
        })
        .to_string()
    }

    fn found(guild: &str) -> Vec<u64> {
        written(guild, ME).iter().map(|written| written.channel).collect()
    }

    #[test]
    fn channels_and_threads_come_with_their_newest_message() {
        let channels = json!([
            {"id": "10", "type": 0, "last_message_id": "101"},
            {"id": "12", "type": 0, "last_message_id": null}, {"id": "13", "type": 2, "last_message_id": "500"},
            {"id": "14", "type": 15, "last_message_id": "500"}, {"id": "15", "type": 4},
        ]);
        let threads = json!([
            {"id": "20", "type": 11, "parent_id": "14", "last_message_id": "300"},
            {"id": "21", "type": 11, "parent_id": "10", "last_message_id": null},
        ]);
        let guild = guild(0, channels, threads);
        assert_eq!(found(&guild), [10, 13, 20]);
        assert_eq!(written(&guild, ME)[0], Written { channel: 10, newest: 101 });
        assert!(written(&guild, 77).is_empty(), "somebody who is no member");
        assert!(written(r#"{"id":"1","unavailable":true}"#, ME).is_empty());
    }

    #[test]
    fn what_the_bot_may_not_read_is_left_out() {
        let hidden = json!([{"id": "5", "type": 0, "allow": "0", "deny": "1024"}]);
        let history_only = json!([{"id": "9", "type": 1, "allow": "0", "deny": "65536"}]);
        let cannot_connect = json!([{"id": "1", "type": 0, "allow": "0", "deny": "1048576"}]);
        let channels = json!([
            {"id": "10", "type": 0, "last_message_id": "101", "permission_overwrites": hidden},
            {"id": "11", "type": 5, "last_message_id": "101", "permission_overwrites": history_only},
            {"id": "12", "type": 0, "last_message_id": "101"},
            {"id": "13", "type": 2, "last_message_id": "101", "permission_overwrites": cannot_connect},
        ]);
        let threads = json!([{"id": "20", "type": 11, "parent_id": "10", "last_message_id": "300"}]);
        assert_eq!(found(&guild(0, channels, threads)), [12]);
    }
}
