//! A server that has changed: its name, settings, roles, members, channels, bans, and whether the bot is in it.
//!
//! A generated server follows from the world and costs nothing. Its first change makes a [`Guild`] of it, which lies
//! in the server's stripe and from then on is what the server is. [`Guild::generated`] is the server before that.
//! <https://discord.com/developers/docs/resources/guild>, <https://discord.com/developers/docs/resources/channel>

use crate::ids::{ChannelId, DISCORD_EPOCH_MS, GuildId, RoleId, UserId};
use crate::permissions::{self, Overwrite, Permissions, Target};
use crate::world::{ChannelUse, Server, World};
use serde::Serialize;
use serde_json::{Map, Value};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// When everybody joined a generated server.
pub(crate) const JOINED_MS: u64 = DISCORD_EPOCH_MS + 300_000_000_000;

/// Channel types.
/// <https://discord.com/developers/docs/resources/channel#channel-object-channel-types>
pub(crate) mod channel_kind {
    pub(crate) const TEXT: u8 = 0;
    pub(crate) const DM: u8 = 1;
    pub(crate) const CATEGORY: u8 = 4;
    pub(crate) const ANNOUNCEMENT: u8 = 5;
    pub(crate) const ANNOUNCEMENT_THREAD: u8 = 10;
    pub(crate) const PUBLIC_THREAD: u8 = 11;
    pub(crate) const PRIVATE_THREAD: u8 = 12;
    pub(crate) const FORUM: u8 = 15;
    pub(crate) const MEDIA: u8 = 16;

    /// Whether only threads can be made in such a channel.
    pub(crate) const fn is_thread_only(kind: u8) -> bool {
        matches!(kind, FORUM | MEDIA)
    }

    /// Whether messages can be posted in such a channel itself.
    pub(crate) const fn takes_messages(kind: u8) -> bool {
        matches!(kind, TEXT | ANNOUNCEMENT)
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Role {
    pub(crate) id: RoleId,
    pub(crate) name: String,
    pub(crate) position: u32,
    pub(crate) permissions: Permissions,
    pub(crate) color: u32,
    pub(crate) hoist: bool,
    pub(crate) mentionable: bool,
    /// The bot whose own role this is; nobody may give, take or delete it.
    pub(crate) of_bot: Option<UserId>,
}

impl Role {
    /// A new role with the defaults of Create Guild Role, just above everyone's.
    pub(crate) fn new(id: RoleId, permissions: Permissions) -> Self {
        Self {
            id,
            name: "new role".to_owned(),
            position: 1,
            permissions,
            color: 0,
            hoist: false,
            mentionable: false,
            of_bot: None,
        }
    }

    pub(crate) fn rank(&self) -> Rank {
        Rank(self.position, Reverse(self.id.get()))
    }
}

/// How high a role stands: by its position, and among equals the older one is the higher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rank(u32, Reverse<u64>);

#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) roles: Vec<RoleId>,
    pub(crate) nick: Option<String>,
    pub(crate) timed_out_until_ms: Option<u64>,
    pub(crate) joined_ms: u64,
}

impl Member {
    pub(crate) fn new(joined_ms: u64) -> Self {
        Self { roles: Vec::new(), nick: None, timed_out_until_ms: None, joined_ms }
    }

    pub(crate) fn timed_out(&self, now_ms: u64) -> bool {
        self.timed_out_until_ms.is_some_and(|until| until > now_ms)
    }
}

/// A tag of a forum.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Tag {
    #[serde(serialize_with = "as_text")]
    pub(crate) id: u64,
    pub(crate) name: String,
    pub(crate) moderated: bool,
    pub(crate) emoji_id: Option<String>,
    pub(crate) emoji_name: Option<String>,
}

fn as_text<S: serde::Serializer>(id: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(id)
}

/// A channel of a server; threads are elsewhere.
#[derive(Clone, Debug)]
pub(crate) struct GuildChannel {
    pub(crate) id: ChannelId,
    pub(crate) kind: u8,
    pub(crate) name: String,
    pub(crate) position: u32,
    pub(crate) parent: Option<ChannelId>,
    pub(crate) overwrites: Vec<Overwrite>,
    pub(crate) topic: Option<String>,
    pub(crate) nsfw: bool,
    pub(crate) slowmode_s: u32,
    pub(crate) thread_slowmode_s: u32,
    pub(crate) auto_archive: Option<u64>,
    pub(crate) tags: Vec<Tag>,
    pub(crate) flags: u64,
    /// Fields kept only to be shown again: `default_reaction_emoji`, `default_sort_order`, `default_forum_layout`.
    pub(crate) shown: Map<String, Value>,
}

impl GuildChannel {
    pub(crate) fn new(id: ChannelId, kind: u8, name: &str, position: u32) -> Self {
        Self {
            id,
            kind,
            name: name.to_owned(),
            position,
            parent: None,
            overwrites: Vec::new(),
            topic: None,
            nsfw: false,
            slowmode_s: 0,
            thread_slowmode_s: 0,
            auto_archive: None,
            tags: Vec::new(),
            flags: 0,
            shown: Map::new(),
        }
    }

    pub(crate) fn overwrite(&self, target: u64) -> Option<&Overwrite> {
        self.overwrites.iter().find(|overwrite| overwrite.target.get() == target)
    }

    /// Sets or, with nothing allowed and denied by `None`, removes the overwrite of a role or member.
    pub(crate) fn set_overwrite(&mut self, target: Target, to: Option<(Permissions, Permissions)>) {
        self.overwrites.retain(|known| known.target.get() != target.get());
        if let Some((allow, deny)) = to {
            self.overwrites.push(Overwrite { target, allow, deny });
        }
    }
}

/// A server that has changed.
#[derive(Clone, Debug)]
pub(crate) struct Guild {
    pub(crate) id: GuildId,
    pub(crate) name: String,
    pub(crate) owner: UserId,
    /// Fields of the guild object other than the name that were changed.
    pub(crate) settings: Map<String, Value>,
    pub(crate) roles: Vec<Role>,
    pub(crate) members: BTreeMap<UserId, Member>,
    pub(crate) channels: BTreeMap<ChannelId, GuildChannel>,
    pub(crate) bans: BTreeMap<UserId, Option<String>>,
    /// Whether Discord can serve the server; false during an outage.
    pub(crate) available: bool,
}

impl Guild {
    /// The server as the world generated it.
    pub(crate) fn generated(world: &World, server: &Server) -> Self {
        let role = |id, name: &str, position, permissions, of_bot: Option<UserId>| Role {
            id,
            name: name.to_owned(),
            position,
            permissions,
            color: 0,
            hoist: false,
            mentionable: of_bot.is_none() && position > 0,
            of_bot,
        };
        let bot = world.bot();
        let mut members: BTreeMap<UserId, Member> =
            server.members.iter().map(|user| (*user, Member::new(JOINED_MS))).collect();
        let mut with_role = |user: UserId, role| {
            members.insert(user, Member { roles: vec![role], ..Member::new(JOINED_MS) });
        };
        server.staff.iter().for_each(|user| with_role(*user, server.support_role));
        with_role(bot, server.bot_role);
        let everyone = RoleId(server.id.get());
        Self {
            id: server.id,
            name: server.name.clone(),
            owner: server.owner(),
            settings: Map::new(),
            roles: vec![
                role(everyone, "@everyone", 0, Permissions::MEMBER, None),
                role(server.support_role, "support", 1, Permissions::STAFF, None),
                role(server.bot_role, &world.user_name(bot), 2, world.bot_permissions(), Some(bot)),
            ],
            members,
            channels: server
                .channels()
                .map(|(id, purpose)| (id, Self::generated_channel(server, id, purpose)))
                .collect(),
            bans: BTreeMap::new(),
            available: true,
        }
    }

    /// A channel of a generated server.
    pub(crate) fn generated_channel(server: &Server, id: ChannelId, purpose: ChannelUse) -> GuildChannel {
        let (name, kind, position) = purpose.described();
        let mut channel = GuildChannel::new(id, kind, name, position);
        if purpose == ChannelUse::Forum {
            channel.parent = server.category;
        }
        channel
    }

    pub(crate) fn everyone(&self) -> RoleId {
        RoleId(self.id.get())
    }

    pub(crate) fn role(&self, id: RoleId) -> Option<&Role> {
        self.roles.iter().find(|role| role.id == id)
    }

    pub(crate) fn role_mut(&mut self, id: RoleId) -> Option<&mut Role> {
        self.roles.iter_mut().find(|role| role.id == id)
    }

    pub(crate) fn has(&self, user: UserId) -> bool {
        self.members.contains_key(&user)
    }

    /// How high a member stands: his highest role, or above all roles for the owner.
    pub(crate) fn rank(&self, user: UserId) -> Rank {
        if user == self.owner {
            return Rank(u32::MAX, Reverse(0));
        }
        let roles = self.members.get(&user).map_or(&[][..], |member| &member.roles);
        roles
            .iter()
            .filter_map(|id| self.role(*id))
            .map(Role::rank)
            .max()
            .unwrap_or(Rank(0, Reverse(u64::MAX)))
    }

    /// What a member may do in the server at large; nothing for others.
    pub(crate) fn permissions(&self, user: UserId, now_ms: u64) -> Permissions {
        let Some(member) = self.members.get(&user) else { return Permissions::NONE };
        let everyone = self.role(self.everyone()).map_or(Permissions::NONE, |role| role.permissions);
        let roles = member.roles.iter().filter_map(|id| self.role(*id)).map(|role| role.permissions);
        let held = permissions::base(user == self.owner, everyone, roles);
        if member.timed_out(now_ms) { permissions::timed_out(held) } else { held }
    }

    /// What a member may do in a channel before implicit denials.
    pub(crate) fn permissions_in(&self, channel: &GuildChannel, user: UserId, now_ms: u64) -> Permissions {
        let Some(member) = self.members.get(&user) else { return Permissions::NONE };
        let held = self.permissions(user, u64::MAX);
        let roles = &member.roles;
        let held = permissions::overwritten(held, &channel.overwrites, self.everyone(), roles, user);
        if member.timed_out(now_ms) { permissions::timed_out(held) } else { held }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn a_generated_server_gives_everybody_what_the_world_says() {
        let world = World::generate(&Config::default());
        let server = &world.servers[3];
        let guild = Guild::generated(&world, server);
        let channel = &guild.channels[&server.support_channel];
        let people = server.members.iter().chain(&server.staff).copied();
        for user in people.chain([world.bot(), UserId(7)]) {
            assert_eq!(
                guild.permissions_in(channel, user, 0),
                world.generated_permissions(server, user),
                "{user}"
            );
        }
    }

    #[test]
    fn the_highest_role_gives_the_rank() {
        let world = World::generate(&Config::default());
        let server = &world.servers[0];
        let guild = Guild::generated(&world, server);
        assert!(guild.rank(server.members[0]) < guild.rank(server.staff[1]));
        assert!(guild.rank(server.staff[1]) < guild.rank(world.bot()));
        assert!(guild.rank(world.bot()) < guild.rank(server.owner()));
        let (old, new) = (Role::new(RoleId(5), Permissions::NONE), Role::new(RoleId(6), Permissions::NONE));
        assert!(old.rank() > new.rank(), "among equals the older one is the higher");
    }
}
