//! What happens to servers without the bot's doing: it is removed and added again, a server is out for a while,
//! members come and go, admins change roles, channels and overwrites.
//!
//! Nobody is asked for permission here: this is the hand of the test, or of the server's owner. The bot hears of all
//! of it by the events that Discord sends.
//! <https://discord.com/developers/docs/events/gateway-events#guilds>

use crate::actions::ActionError;
use crate::core::Core;
use crate::gateway::Item;
use crate::guild::{GuildChannel, Member, Role};
use crate::ids::{ChannelId, GuildId, RoleId, UserId};
use crate::permissions::{Permissions, Target};
use crate::posting::to_json;
use crate::render;
use crate::simulator::Simulator;
use crate::store::{Place, Stripe};
use crate::world::Server;
use serde_json::{Value, json};
use std::sync::MutexGuard;
use std::time::Duration;

/// What a channel made here is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ChannelKind {
    /// A text channel.
    Text,
    /// A category.
    Category,
    /// An announcement channel.
    Announcement,
    /// A forum.
    Forum,
    /// A media channel.
    Media,
}

impl ChannelKind {
    const fn number(self) -> u8 {
        use crate::guild::channel_kind::{ANNOUNCEMENT, CATEGORY, FORUM, MEDIA, TEXT};
        match self {
            Self::Text => TEXT,
            Self::Category => CATEGORY,
            Self::Announcement => ANNOUNCEMENT,
            Self::Forum => FORUM,
            Self::Media => MEDIA,
        }
    }
}

impl Simulator {
    /// Removes the bot from a server, as a kick does; false where it was not in it. Its own role goes with it.
    pub fn remove_bot(&self, guild: GuildId) -> Result<bool, ActionError> {
        self.core.remove_bot(guild)
    }

    /// Adds the bot to a server again; false where it was in it.
    pub fn add_bot(&self, guild: GuildId) -> Result<bool, ActionError> {
        self.core.add_bot(guild)
    }

    /// Begins or ends an outage of a server; false where that changed nothing.
    pub fn set_unavailable(&self, guild: GuildId, unavailable: bool) -> Result<bool, ActionError> {
        self.core.set_unavailable(guild, unavailable)
    }

    /// Somebody becomes a member: a member of another server, who left, or a [`Simulator::stranger`].
    pub fn member_joins(&self, guild: GuildId, user: UserId) -> Result<(), ActionError> {
        self.core.member_joins(guild, user)
    }

    /// A member leaves, or is kicked by somebody else than the bot.
    pub fn member_leaves(&self, guild: GuildId, user: UserId) -> Result<(), ActionError> {
        self.core.member_leaves(guild, user)
    }

    /// Somebody who is in no server yet.
    pub fn stranger(&self, n: u32) -> UserId {
        self.core.world.stranger(n)
    }

    /// Gives a member a role. The bot is a member like others.
    pub fn give_role(&self, guild: GuildId, user: UserId, role: RoleId) -> Result<(), ActionError> {
        self.core.set_role(guild, user, role, true)
    }

    /// Takes a role from a member.
    pub fn take_role(&self, guild: GuildId, user: UserId, role: RoleId) -> Result<(), ActionError> {
        self.core.set_role(guild, user, role, false)
    }

    /// Times a member out for so long, or ends his timeout.
    pub fn time_out(
        &self,
        guild: GuildId,
        user: UserId,
        for_so_long: Option<Duration>,
    ) -> Result<(), ActionError> {
        self.core.time_out(guild, user, for_so_long)
    }

    /// Makes a role just above everyone's.
    pub fn create_role(
        &self,
        guild: GuildId,
        name: &str,
        permissions: Permissions,
    ) -> Result<RoleId, ActionError> {
        self.core.create_role(guild, name, permissions)
    }

    /// Changes what a role gives; everyone's role has the server's own number.
    pub fn set_role_permissions(
        &self,
        guild: GuildId,
        role: RoleId,
        permissions: Permissions,
    ) -> Result<(), ActionError> {
        self.core.edit_role(guild, role, |role| role.permissions = permissions)
    }

    /// Deletes a role.
    pub fn delete_role(&self, guild: GuildId, role: RoleId) -> Result<(), ActionError> {
        self.core.drop_role(guild, role)
    }

    /// Sets what a channel allows and denies a role or member, or removes the overwrite.
    pub fn set_overwrite(
        &self,
        channel: ChannelId,
        target: Target,
        allow_and_deny: Option<(Permissions, Permissions)>,
    ) -> Result<(), ActionError> {
        self.core.set_overwrite(channel, target, allow_and_deny)
    }

    /// Makes a channel.
    pub fn create_channel(
        &self,
        guild: GuildId,
        kind: ChannelKind,
        name: &str,
        parent: Option<ChannelId>,
    ) -> Result<ChannelId, ActionError> {
        self.core.create_channel(guild, kind, name, parent)
    }

    /// Deletes a channel with its messages and threads.
    pub fn delete_channel(&self, channel: ChannelId) -> Result<(), ActionError> {
        self.core.delete_channel(channel)
    }

    /// What a user may do in a channel or thread, or in a direct message; `None` where there is no such channel.
    pub fn permissions(&self, channel: ChannelId, user: UserId) -> Option<Permissions> {
        let place = self.core.store.place(&self.core.world, channel)?;
        self.core.permissions_in(&self.core.store.lock(place), channel, user)
    }

    /// A server as it is: the guild object with all members, channels and open threads, and `bot_in`, `available`.
    pub fn server_state(&self, guild: GuildId) -> Result<Value, ActionError> {
        self.core.server_state(guild)
    }
}

impl Core {
    fn open(&self, guild: GuildId) -> Result<(&Server, MutexGuard<'_, Stripe>), ActionError> {
        let server = self.world.guild(guild).ok_or(ActionError::UnknownServer(guild))?;
        Ok((server, self.store.lock(Place::Guild(guild))))
    }

    fn open_channel(&self, channel: ChannelId) -> Result<(&Server, MutexGuard<'_, Stripe>), ActionError> {
        let unknown = ActionError::UnknownChannel(channel);
        let guild = self.store.place(&self.world, channel).and_then(Place::guild).ok_or(unknown)?;
        self.open(guild)
    }

    pub(crate) fn remove_bot(&self, id: GuildId) -> Result<bool, ActionError> {
        let (server, mut stripe) = self.open(id)?;
        let bot = self.config.bot;
        if !stripe.guild(&self.world, server).has(bot) {
            return Ok(false);
        }
        // Also in an outage: then it is the first that is said of the removal.
        let data = to_json(&json!({"id": id}));
        self.dispatch(Place::Guild(id), "GUILD_DELETE", crate::changes::GUILDS, data, None);
        self.leave_threads(&mut stripe, server, bot);
        let guild = stripe.guild_mut(&self.world, server);
        guild.members.remove(&bot);
        guild.roles.retain(|role| role.of_bot != Some(bot));
        self.store.set_away(id, true);
        Ok(true)
    }

    pub(crate) fn add_bot(&self, id: GuildId) -> Result<bool, ActionError> {
        let (server, mut stripe) = self.open(id)?;
        let bot = self.config.bot;
        if stripe.guild(&self.world, server).has(bot) {
            return Ok(false);
        }
        let (role_id, now_ms) = (RoleId(self.next_id()), self.clock.unix_ms());
        let guild = stripe.guild_mut(&self.world, server);
        let role = Role {
            name: self.config.bot_name.clone(),
            of_bot: Some(bot),
            ..Role::new(role_id, self.world.bot_permissions())
        };
        guild.roles.push(role);
        guild.members.insert(bot, Member { roles: vec![role_id], ..Member::new(now_ms) });
        let available = guild.available;
        self.store.set_away(id, false);
        if available {
            self.hub.announce(&self.counters, id, &Item::GuildJoined(server.index));
        }
        Ok(true)
    }

    pub(crate) fn set_unavailable(&self, id: GuildId, unavailable: bool) -> Result<bool, ActionError> {
        let (server, mut stripe) = self.open(id)?;
        if stripe.guild(&self.world, server).available != unavailable {
            return Ok(false);
        }
        if unavailable {
            self.dispatch_to(&stripe, id, "GUILD_DELETE", crate::changes::GUILDS, || {
                to_json(&json!({"id": id, "unavailable": true}))
            });
        }
        let guild = stripe.guild_mut(&self.world, server);
        guild.available = !unavailable;
        if !unavailable && guild.has(self.config.bot) {
            self.hub.announce(&self.counters, id, &Item::GuildCreate(server.index));
        }
        Ok(true)
    }

    pub(crate) fn member_joins(&self, id: GuildId, user: UserId) -> Result<(), ActionError> {
        if !self.world.is_person(user) {
            return Err(ActionError::UnknownMember(user));
        }
        let (server, mut stripe) = self.open(id)?;
        let guild = stripe.guild(&self.world, server);
        if guild.bans.contains_key(&user) {
            return Err(ActionError::Banned(user));
        }
        if !guild.has(user) {
            self.add_member(&mut stripe, server, user);
        }
        Ok(())
    }

    fn open_member(
        &self,
        id: GuildId,
        user: UserId,
    ) -> Result<(&Server, MutexGuard<'_, Stripe>), ActionError> {
        let (server, stripe) = self.open(id)?;
        let known = stripe.guild(&self.world, server).has(user);
        if known { Ok((server, stripe)) } else { Err(ActionError::UnknownMember(user)) }
    }

    pub(crate) fn member_leaves(&self, id: GuildId, user: UserId) -> Result<(), ActionError> {
        if self.world.is_bot(user) {
            return self.remove_bot(id).map(|_| ());
        }
        let (server, mut stripe) = self.open_member(id, user)?;
        self.remove_member(&mut stripe, server, user);
        Ok(())
    }

    pub(crate) fn set_role(
        &self,
        id: GuildId,
        user: UserId,
        role: RoleId,
        has: bool,
    ) -> Result<(), ActionError> {
        let (server, mut stripe) = self.open_member(id, user)?;
        if stripe.guild(&self.world, server).role(role).is_none() {
            return Err(ActionError::UnknownRole(role));
        }
        self.update_member(&mut stripe, server, user, |member| {
            member.roles.retain(|known| *known != role);
            if has {
                member.roles.push(role);
            }
        });
        Ok(())
    }

    pub(crate) fn time_out(
        &self,
        id: GuildId,
        user: UserId,
        for_so_long: Option<Duration>,
    ) -> Result<(), ActionError> {
        let (server, mut stripe) = self.open_member(id, user)?;
        let now_ms = self.clock.unix_ms();
        let until = for_so_long.map(|time| now_ms + u64::try_from(time.as_millis()).unwrap_or(0));
        self.update_member(&mut stripe, server, user, |member| member.timed_out_until_ms = until);
        Ok(())
    }

    pub(crate) fn create_role(
        &self,
        id: GuildId,
        name: &str,
        permissions: Permissions,
    ) -> Result<RoleId, ActionError> {
        let (server, mut stripe) = self.open(id)?;
        let role_id = RoleId(self.next_id());
        let role = Role { name: name.to_owned(), ..Role::new(role_id, permissions) };
        self.add_role(&mut stripe, server, role);
        Ok(role_id)
    }

    pub(crate) fn edit_role(
        &self,
        id: GuildId,
        role: RoleId,
        change: impl FnOnce(&mut Role),
    ) -> Result<(), ActionError> {
        let (server, mut stripe) = self.open(id)?;
        let changed = self.update_role(&mut stripe, server, role, change);
        changed.map(|_| ()).ok_or(ActionError::UnknownRole(role))
    }

    pub(crate) fn drop_role(&self, id: GuildId, role: RoleId) -> Result<(), ActionError> {
        let (server, mut stripe) = self.open(id)?;
        if stripe.guild(&self.world, server).role(role).is_none_or(|role| role.position == 0) {
            return Err(ActionError::UnknownRole(role));
        }
        self.delete_role(&mut stripe, server, role);
        Ok(())
    }

    pub(crate) fn set_overwrite(
        &self,
        channel: ChannelId,
        target: Target,
        allow_and_deny: Option<(Permissions, Permissions)>,
    ) -> Result<(), ActionError> {
        let (server, mut stripe) = self.open_channel(channel)?;
        let changed = self.update_channel(&mut stripe, server, channel, |channel| {
            channel.set_overwrite(target, allow_and_deny);
        });
        changed.map(|_| ()).ok_or(ActionError::UnknownChannel(channel))
    }

    pub(crate) fn create_channel(
        &self,
        id: GuildId,
        kind: ChannelKind,
        name: &str,
        parent: Option<ChannelId>,
    ) -> Result<ChannelId, ActionError> {
        let (server, mut stripe) = self.open(id)?;
        let position = stripe.guild(&self.world, server).channels.len();
        let position = u32::try_from(position).unwrap_or(u32::MAX);
        let channel = ChannelId(self.next_id());
        let made = GuildChannel { parent, ..GuildChannel::new(channel, kind.number(), name, position) };
        self.add_channel(&mut stripe, server, made);
        Ok(channel)
    }

    pub(crate) fn delete_channel(&self, channel: ChannelId) -> Result<(), ActionError> {
        let (server, mut stripe) = self.open_channel(channel)?;
        let unknown = ActionError::UnknownChannel(channel);
        stripe.guild_channel(&self.world, channel).ok_or_else(|| unknown.clone())?;
        self.remove_channel(&mut stripe, server, channel).map(|_| ()).ok_or(unknown)
    }

    pub(crate) fn server_state(&self, id: GuildId) -> Result<Value, ActionError> {
        let (server, stripe) = self.open(id)?;
        let guild = stripe.guild(&self.world, server);
        let channels: Vec<_> =
            guild.channels.keys().filter_map(|id| stripe.channel_json(&self.world, *id)).collect();
        let open = stripe.threads().filter(|(_, thread)| thread.guild == id && !thread.archived);
        let threads: Vec<_> = open.filter_map(|(id, _)| stripe.thread_json(id)).collect();
        let state =
            render::guild_create(&self.world, server, &guild, &channels, &threads, render::Shown::ALL);
        let mut state: Value = serde_json::from_str(&state).unwrap_or_default();
        state["bot_in"] = json!(guild.has(self.config.bot));
        state["available"] = json!(guild.available);
        Ok(state)
    }
}
