//! What changes a server, and the events that tell of it.
//!
//! REST handlers and [`servers`](crate::servers) first ask who may do a thing and then do it here, under the same
//! stripe lock. Where a change lets the bot see a channel it could not see before, the threads of that channel follow
//! as THREAD_LIST_SYNC.
//! <https://discord.com/developers/docs/events/gateway-events>,
//! <https://discord.com/developers/docs/topics/threads#gaining-access-to-channels>

use crate::core::Core;
use crate::guild::{Guild, GuildChannel, Member, Role, channel_kind};
use crate::ids::{ChannelId, RoleId, UserId};
use crate::permissions::Permissions;
use crate::posting::to_json;
use crate::render::{self, ChannelJson, MemberJson, UserJson};
use crate::store::{Made, Stripe};
use crate::world::Server;
use serde_json::{Value, json};

pub(crate) const GUILDS: u64 = 1;
pub(crate) const GUILD_MEMBERS: u64 = 1 << 1;
const GUILD_MODERATION: u64 = 1 << 2;

/// An event to be sent after a change.
pub(crate) struct Told {
    name: &'static str,
    intents: u64,
    data: Value,
}

fn told(name: &'static str, data: Value) -> Vec<Told> {
    vec![Told { name, intents: GUILDS, data }]
}

impl Core {
    /// Changes a server, then tells of it.
    pub(crate) fn change<T>(
        &self,
        stripe: &mut Stripe,
        server: &Server,
        change: impl FnOnce(&mut Guild) -> (T, Vec<Told>),
    ) -> T {
        let before = self.seen_by_bot(stripe, server);
        let (changed, events) = change(stripe.guild_mut(&self.world, server));
        for Told { name, intents, data } in events {
            self.dispatch_to(stripe, server.id, name, intents, || to_json(&data));
        }
        let gained: Vec<ChannelId> =
            self.seen_by_bot(stripe, server).into_iter().filter(|id| !before.contains(id)).collect();
        self.sync_threads(stripe, server, &gained);
        changed
    }

    fn seen_by_bot(&self, stripe: &Stripe, server: &Server) -> Vec<ChannelId> {
        let guild = stripe.guild(&self.world, server);
        guild.channels.keys().copied().filter(|id| self.bot_sees(stripe, *id)).collect()
    }

    fn sync_threads(&self, stripe: &Stripe, server: &Server, gained: &[ChannelId]) {
        if gained.is_empty() || stripe.open_threads(server.id) == 0 {
            return;
        }
        self.dispatch_to(stripe, server.id, "THREAD_LIST_SYNC", GUILDS, || {
            let threads: Vec<ChannelJson<'_>> = gained
                .iter()
                .flat_map(|parent| self.active_threads(stripe, server.id, Some(*parent)))
                .collect();
            let members: Vec<_> = threads.iter().filter_map(|thread| thread.member.clone()).collect();
            to_json(&json!({
                "guild_id": server.id, "channel_ids": gained, "threads": threads, "members": members,
            }))
        });
    }

    /// The JSON of a member, as GUILD_MEMBER_ADD and GUILD_MEMBER_UPDATE carry it.
    fn member_json(&self, server: &Server, guild: &Guild, user: UserId) -> Value {
        let mut json = json!(MemberJson::full(&self.world, server, Some(guild), user));
        json["guild_id"] = json!(server.id);
        json
    }

    /// Members' events need GUILD_MEMBERS, but the bot hears of itself in any case.
    fn member_intents(&self, user: UserId) -> u64 {
        if self.world.is_bot(user) { 0 } else { GUILD_MEMBERS }
    }

    pub(crate) fn update_guild(
        &self,
        stripe: &mut Stripe,
        server: &Server,
        change: impl FnOnce(&mut Guild),
    ) -> Value {
        self.change(stripe, server, |guild| {
            change(guild);
            let json = render::guild(server, guild);
            (json.clone(), told("GUILD_UPDATE", json))
        })
    }

    pub(crate) fn add_role(&self, stripe: &mut Stripe, server: &Server, role: Role) -> Value {
        self.change(stripe, server, |guild| {
            let json = render::role(&role);
            guild.roles.push(role);
            (json.clone(), told("GUILD_ROLE_CREATE", json!({"guild_id": server.id, "role": json})))
        })
    }

    /// Changes a role; `None` where there is no such role.
    pub(crate) fn update_role(
        &self,
        stripe: &mut Stripe,
        server: &Server,
        id: RoleId,
        change: impl FnOnce(&mut Role),
    ) -> Option<Value> {
        self.change(stripe, server, |guild| {
            let Some(role) = guild.role_mut(id) else { return (None, Vec::new()) };
            change(role);
            let json = render::role(role);
            (Some(json.clone()), told("GUILD_ROLE_UPDATE", json!({"guild_id": server.id, "role": json})))
        })
    }

    /// Moves roles; the order of all others among themselves stays.
    pub(crate) fn move_roles(&self, stripe: &mut Stripe, server: &Server, moves: &[(RoleId, u32)]) -> Value {
        self.change(stripe, server, |guild| {
            let before: Vec<(RoleId, u32)> =
                guild.roles.iter().map(|role| (role.id, role.position)).collect();
            for (id, position) in moves {
                if let Some(role) = guild.role_mut(*id) {
                    role.position = *position;
                }
            }
            let moved = |role: &&Role| !before.contains(&(role.id, role.position));
            let events = guild.roles.iter().filter(moved).map(|role| Told {
                name: "GUILD_ROLE_UPDATE",
                intents: GUILDS,
                data: json!({"guild_id": server.id, "role": render::role(role)}),
            });
            (render::roles(guild), events.collect())
        })
    }

    pub(crate) fn delete_role(&self, stripe: &mut Stripe, server: &Server, id: RoleId) {
        self.change(stripe, server, |guild| {
            guild.roles.retain(|role| role.id != id);
            for member in guild.members.values_mut() {
                member.roles.retain(|role| *role != id);
            }
            ((), told("GUILD_ROLE_DELETE", json!({"guild_id": server.id, "role_id": id})))
        });
    }

    pub(crate) fn add_member(&self, stripe: &mut Stripe, server: &Server, user: UserId) {
        let joined = Member::new(self.clock.unix_ms());
        self.change(stripe, server, |guild| {
            guild.members.entry(user).or_insert(joined);
            let data = self.member_json(server, guild, user);
            ((), vec![Told { name: "GUILD_MEMBER_ADD", intents: GUILD_MEMBERS, data }])
        });
    }

    /// Changes a member; `None` where the user is none.
    pub(crate) fn update_member(
        &self,
        stripe: &mut Stripe,
        server: &Server,
        user: UserId,
        change: impl FnOnce(&mut Member),
    ) -> Option<Value> {
        self.change(stripe, server, |guild| {
            let Some(member) = guild.members.get_mut(&user) else { return (None, Vec::new()) };
            change(member);
            let data = self.member_json(server, guild, user);
            let json = json!(MemberJson::full(&self.world, server, Some(guild), user));
            let intents = self.member_intents(user);
            (Some(json), vec![Told { name: "GUILD_MEMBER_UPDATE", intents, data }])
        })
    }

    /// A member leaves or is kicked; he leaves his threads as well.
    pub(crate) fn remove_member(&self, stripe: &mut Stripe, server: &Server, user: UserId) {
        self.leave_threads(stripe, server, user);
        self.change(stripe, server, |guild| {
            guild.members.remove(&user);
            let data = json!({"guild_id": server.id, "user": UserJson::new(&self.world, user)});
            ((), vec![Told { name: "GUILD_MEMBER_REMOVE", intents: GUILD_MEMBERS, data }])
        });
    }

    pub(crate) fn leave_threads(&self, stripe: &mut Stripe, server: &Server, user: UserId) {
        let in_them = stripe
            .threads()
            .filter(|(_, thread)| thread.guild == server.id && thread.members.contains_key(&user));
        for id in in_them.map(|(id, _)| id).collect::<Vec<_>>() {
            if let Some(thread) = stripe.thread_mut(id) {
                thread.members.remove(&user);
            }
        }
    }

    pub(crate) fn set_ban(
        &self,
        stripe: &mut Stripe,
        server: &Server,
        user: UserId,
        ban: Option<Option<String>>,
    ) {
        let now_ms = self.clock.unix_ms();
        self.change(stripe, server, |guild| {
            let name = match ban {
                Some(reason) => {
                    guild.bans.insert(user, reason);
                    "GUILD_BAN_ADD"
                }
                None => {
                    guild.bans.remove(&user);
                    "GUILD_BAN_REMOVE"
                }
            };
            let may = guild.permissions(self.config.bot, now_ms);
            let hears = may.has(Permissions::BAN_MEMBERS) || may.has(Permissions::VIEW_AUDIT_LOG);
            let data = json!({"guild_id": server.id, "user": UserJson::new(&self.world, user)});
            ((), Vec::from_iter(hears.then_some(Told { name, intents: GUILD_MODERATION, data })))
        });
    }

    pub(crate) fn add_channel(
        &self,
        stripe: &mut Stripe,
        server: &Server,
        channel: GuildChannel,
    ) -> ChannelJson<'static> {
        let id = channel.id;
        self.store.make(stripe, id, Made::Channel { guild: server.id });
        self.change(stripe, server, |guild| {
            let json = ChannelJson::of(server.id, &channel);
            guild.channels.insert(id, channel);
            (json.clone(), told("CHANNEL_CREATE", json!(json)))
        })
    }

    /// Changes a channel; `None` where there is no such channel.
    pub(crate) fn update_channel(
        &self,
        stripe: &mut Stripe,
        server: &Server,
        id: ChannelId,
        change: impl FnOnce(&mut GuildChannel),
    ) -> Option<ChannelJson<'static>> {
        let last_message_id = stripe.channel_json(&self.world, id)?.last_message_id;
        self.change(stripe, server, |guild| {
            let Some(channel) = guild.channels.get_mut(&id) else { return (None, Vec::new()) };
            change(channel);
            let json = ChannelJson { last_message_id, ..ChannelJson::of(server.id, channel) };
            (Some(json.clone()), told("CHANNEL_UPDATE", json!(json)))
        })
    }

    /// Deletes a channel with its messages and threads. What was in a category stays without one.
    pub(crate) fn remove_channel(
        &self,
        stripe: &mut Stripe,
        server: &Server,
        id: ChannelId,
    ) -> Option<ChannelJson<'static>> {
        let json = stripe.channel_json(&self.world, id)?;
        let inside = stripe.threads().filter(|(_, thread)| thread.parent == id).map(|(id, _)| id);
        let gone: Vec<ChannelId> = inside.chain([id]).collect();
        self.store.forget(stripe, &gone);
        self.change(stripe, server, |guild| {
            let removed = guild.channels.remove(&id);
            let mut events = told("CHANNEL_DELETE", json!(json));
            if removed.is_some_and(|channel| channel.kind == channel_kind::CATEGORY) {
                for child in guild.channels.values_mut().filter(|child| child.parent == Some(id)) {
                    child.parent = None;
                    events.extend(told("CHANNEL_UPDATE", json!(ChannelJson::of(server.id, child))));
                }
            }
            (Some(json), events)
        })
    }
}
