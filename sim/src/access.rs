//! Who may do what where: the rules of [`permissions`](crate::permissions) held against the state of a server.
//!
//! Every question is asked under the server's stripe lock, so that what was allowed is still so when it is done.
//! A server that has not changed is answered from the world, without an allocation.
//!
//! | what is wrong | REST answers |
//! |---|---|
//! | no such channel, or it was deleted | 404, 10003 |
//! | the bot is not in the server, or may not view the channel | 403, 50001 Missing Access |
//! | it may view the channel, but not do this | 403, 50013 Missing Permissions |
//! | the server is in an outage | 503 |
//!
//! <https://discord.com/developers/docs/topics/permissions>,
//! <https://discord.com/developers/docs/topics/opcodes-and-status-codes#json>

use crate::core::Core;
use crate::gateway::Event;
use crate::ids::{ChannelId, GuildId, UserId};
use crate::permissions::{self, Permissions};
use crate::playground::Happening;
use crate::rest::error::ApiError;
use crate::store::{Made, Place, Stripe};
use crate::world::Server;
use std::sync::Arc;
use std::sync::MutexGuard;

/// What both sides of a direct message may do.
const IN_DM: Permissions = Permissions::MEMBER.or(Permissions::PIN_MESSAGES).without(
    Permissions::CHANGE_NICKNAME
        .or(Permissions::CREATE_PUBLIC_THREADS)
        .or(Permissions::CREATE_PRIVATE_THREADS)
        .or(Permissions::SEND_MESSAGES_IN_THREADS),
);

impl Core {
    /// What a user may do in a channel, thread or direct message, implicit denials left out. `None` when there is
    /// no such channel.
    pub(crate) fn held_in(&self, stripe: &Stripe, channel: ChannelId, user: UserId) -> Option<Permissions> {
        let (server, thread) = match stripe.made(channel) {
            Some(Made::Dm { user: of }) => {
                let takes_part = *of == user || self.world.is_bot(user);
                return Some(if takes_part { IN_DM } else { Permissions::NONE });
            }
            Some(Made::Thread(thread)) => (self.world.guild(thread.guild)?, Some(thread)),
            Some(Made::Channel { guild }) => (self.world.guild(*guild)?, None),
            None => (self.world.channel(channel)?.0, None),
        };
        let held = match stripe.changed(server.id) {
            None => self.world.generated_permissions(server, user),
            Some(guild) => {
                let id = thread.map_or(channel, |thread| thread.parent);
                guild.permissions_in(guild.channels.get(&id)?, user, self.clock.unix_ms())
            }
        };
        Some(match thread {
            None => held,
            Some(thread) => {
                permissions::in_thread(held, thread.is_private(), thread.members.contains_key(&user))
            }
        })
    }

    /// What a user may do in a channel, thread or direct message. In a thread SEND_MESSAGES stands for
    /// SEND_MESSAGES_IN_THREADS.
    pub(crate) fn permissions_in(
        &self,
        stripe: &Stripe,
        channel: ChannelId,
        user: UserId,
    ) -> Option<Permissions> {
        self.held_in(stripe, channel, user).map(permissions::effective)
    }

    /// Refuses who may not do all of `wanted` in a channel; returns what he may do there.
    pub(crate) fn require(
        &self,
        stripe: &Stripe,
        channel: ChannelId,
        user: UserId,
        wanted: Permissions,
    ) -> Result<Permissions, ApiError> {
        let may = self.permissions_in(stripe, channel, user).ok_or_else(ApiError::unknown_channel)?;
        if !may.has(Permissions::VIEW_CHANNEL) {
            return Err(ApiError::missing_access());
        }
        if !self.available(stripe, channel) {
            return Err(ApiError::unavailable());
        }
        if may.has(wanted) { Ok(may) } else { Err(ApiError::missing_permissions()) }
    }

    fn available(&self, stripe: &Stripe, channel: ChannelId) -> bool {
        let changed = stripe.server_of(&self.world, channel).and_then(|server| stripe.changed(server.id));
        changed.is_none_or(|guild| guild.available)
    }

    /// Refuses a user who may not do all of `wanted` in the server at large.
    pub(crate) fn require_in_guild(
        &self,
        stripe: &Stripe,
        server: &Server,
        user: UserId,
        wanted: Permissions,
    ) -> Result<Permissions, ApiError> {
        let may = match stripe.changed(server.id) {
            None => self.world.generated_permissions(server, user),
            Some(guild) => guild.permissions(user, self.clock.unix_ms()),
        };
        if may.has(wanted) { Ok(may) } else { Err(ApiError::missing_permissions()) }
    }

    /// A server that the bot is in, with its stripe locked; 10004 for any other.
    pub(crate) fn bots_server(&self, id: GuildId) -> Result<(&Server, MutexGuard<'_, Stripe>), ApiError> {
        let server = self.world.guild(id).ok_or_else(ApiError::unknown_guild)?;
        let stripe = self.store.lock(Place::Guild(id));
        match stripe.changed(id) {
            Some(guild) if !guild.has(self.config.bot) => Err(ApiError::unknown_guild()),
            Some(guild) if !guild.available => Err(ApiError::unavailable()),
            _ => Ok((server, stripe)),
        }
    }

    /// Whether the bot hears of what happens in a channel.
    pub(crate) fn bot_sees(&self, stripe: &Stripe, channel: ChannelId) -> bool {
        // The common case first: nothing can hide a channel of a server that has not changed.
        if let Some((server, _)) = self.world.channel(channel)
            && stripe.changed(server.id).is_none()
        {
            return true;
        }
        self.permissions_in(stripe, channel, self.config.bot)
            .is_some_and(|may| may.has(Permissions::VIEW_CHANNEL))
            && self.available(stripe, channel)
    }

    /// Whether the bot hears of what happens in a server.
    pub(crate) fn bot_hears(&self, stripe: &Stripe, guild: GuildId) -> bool {
        stripe.changed(guild).is_none_or(|guild| guild.available && guild.has(self.config.bot))
    }

    /// Sends an event about a channel, if the bot may view it.
    pub(crate) fn dispatch_in(
        &self,
        stripe: &Stripe,
        channel: ChannelId,
        name: &'static str,
        intents: u64,
        data: impl FnOnce() -> Arc<str>,
    ) {
        let (sees, watched) = (self.bot_sees(stripe, channel), self.feed.is_heard());
        if !sees && !watched {
            return;
        }
        let guild = stripe.server_of(&self.world, channel).map(|server| server.id);
        let event = Event { name, intents, data: data(), stripped: None };
        self.feed.tell(|| Happening::event(guild, &event));
        if sees {
            self.hub.dispatch(&self.counters, guild, &event);
        }
    }

    /// Sends an event about a server at large, if the bot is in it.
    pub(crate) fn dispatch_to(
        &self,
        stripe: &Stripe,
        guild: GuildId,
        name: &'static str,
        intents: u64,
        data: impl FnOnce() -> Arc<str>,
    ) {
        let (hears, watched) = (self.bot_hears(stripe, guild), self.feed.is_heard());
        if !hears && !watched {
            return;
        }
        let event = Event { name, intents, data: data(), stripped: None };
        self.feed.tell(|| Happening::event(Some(guild), &event));
        if hears {
            self.hub.dispatch(&self.counters, Some(guild), &event);
        }
    }
}
