//! What is done with threads: started from a message, without one or as a forum post; joined and left; archived,
//! opened again and locked, renamed, deleted; and archived by themselves when nothing happens in them.
//!
//! <https://discord.com/developers/docs/topics/threads>,
//! <https://discord.com/developers/docs/resources/channel#start-thread-from-message>,
//! <https://discord.com/developers/docs/events/gateway-events#thread-create>

use crate::changes::{GUILD_MEMBERS, GUILDS};
use crate::core::Core;
use crate::guild::{GuildChannel, channel_kind};
use crate::ids::{ChannelId, GuildId, MessageId, UserId};
use crate::message::{Message, Stamp, flag, kind};
use crate::permissions::Permissions;
use crate::posting::{Draft, Origin, to_json};
use crate::render::{ChannelJson, MemberJson};
use crate::rest::error::ApiError;
use crate::store::{Made, Stripe};
use crate::thread::{MAX_MEMBERS, Thread};
use crate::transcript::{Kind, Pinged};
use serde_json::json;
use std::sync::{Arc, MutexGuard};

/// Channel flag of a forum that wants a tag on each post.
pub(crate) const REQUIRE_TAG: u64 = 1 << 4;
const MAX_TAGS: usize = 5;
const DEFAULT_AUTO_ARCHIVE: u64 = 4_320;

/// A thread to be started.
#[derive(Debug)]
pub(crate) struct NewThread {
    pub(crate) name: String,
    pub(crate) by: UserId,
    pub(crate) auto_archive: Option<u64>,
    pub(crate) slowmode_s: Option<u32>,
    pub(crate) invitable: Option<bool>,
    pub(crate) tags: Vec<u64>,
}

impl NewThread {
    pub(crate) fn named(name: String, by: UserId) -> Self {
        Self { name, by, auto_archive: None, slowmode_s: None, invitable: None, tags: Vec::new() }
    }
}

impl Core {
    /// The stripe of a channel of a server, and the channel.
    fn parent(&self, id: ChannelId) -> Result<(MutexGuard<'_, Stripe>, GuildChannel), ApiError> {
        let place = self.place(id)?;
        let stripe = self.store.lock(place);
        if stripe.thread(id).is_some() || place.guild().is_none() {
            return Err(ApiError::wrong_channel_type());
        }
        let channel = stripe.guild_channel(&self.world, id).ok_or_else(ApiError::unknown_channel)?;
        let channel = channel.into_owned();
        Ok((stripe, channel))
    }

    /// The stripe of a thread, locked.
    pub(crate) fn thread_stripe(&self, id: ChannelId) -> Result<MutexGuard<'_, Stripe>, ApiError> {
        let stripe = self.store.lock(self.place(id)?);
        if stripe.thread(id).is_some() { Ok(stripe) } else { Err(ApiError::wrong_channel_type()) }
    }

    /// Starts a thread from a message; the thread has the message's id.
    pub(crate) fn start_thread(
        &self,
        parent: ChannelId,
        from: MessageId,
        new: NewThread,
    ) -> Result<ChannelJson<'static>, ApiError> {
        let (mut stripe, channel) = self.parent(parent)?;
        let wanted = Permissions::CREATE_PUBLIC_THREADS | Permissions::READ_MESSAGE_HISTORY;
        self.require(&stripe, parent, new.by, wanted)?;
        let kind = match channel.kind {
            channel_kind::TEXT => channel_kind::PUBLIC_THREAD,
            channel_kind::ANNOUNCEMENT => channel_kind::ANNOUNCEMENT_THREAD,
            _ => return Err(ApiError::wrong_channel_type()),
        };
        let starter = stripe.message(parent, from).filter(|message| !message.has(flag::EPHEMERAL));
        let starter = starter.cloned().ok_or_else(ApiError::unknown_message)?;
        let thread = from.thread();
        if stripe.made(thread).is_some() {
            return Err(ApiError::thread_exists());
        }
        let by = new.by;
        let made = self.open_thread(&mut stripe, &channel, thread, kind, new)?;
        let mut with_thread = Message::clone(&starter);
        with_thread.flags |= flag::HAS_THREAD;
        let with_thread = Arc::new(with_thread);
        stripe.replace(with_thread.clone());
        self.tell(&stripe, "MESSAGE_UPDATE", &with_thread, None, Some(made.clone()));
        let opening = System { kind: kind::THREAD_STARTER, by, content: String::new(), mentions: Vec::new() };
        self.post_system(&mut stripe, thread, opening, Some(&with_thread));
        Ok(made)
    }

    /// Starts a public or private thread that no message stands at the head of.
    pub(crate) fn start_bare_thread(
        &self,
        parent: ChannelId,
        kind: u8,
        new: NewThread,
    ) -> Result<ChannelJson<'static>, ApiError> {
        let (mut stripe, channel) = self.parent(parent)?;
        let wanted = if kind == channel_kind::PRIVATE_THREAD {
            Permissions::CREATE_PRIVATE_THREADS
        } else {
            Permissions::CREATE_PUBLIC_THREADS
        };
        self.require(&stripe, parent, new.by, wanted)?;
        let fits = match channel.kind {
            channel_kind::TEXT => matches!(kind, channel_kind::PUBLIC_THREAD | channel_kind::PRIVATE_THREAD),
            channel_kind::ANNOUNCEMENT => kind == channel_kind::ANNOUNCEMENT_THREAD,
            _ => false,
        };
        if !fits {
            return Err(ApiError::wrong_channel_type());
        }
        let id = ChannelId(self.next_id());
        self.open_thread(&mut stripe, &channel, id, kind, new)
    }

    /// Starts a post in a forum or media channel; its first message has the post's id.
    pub(crate) fn start_post(
        &self,
        forum: ChannelId,
        new: NewThread,
        draft: Draft,
    ) -> Result<(ChannelJson<'static>, Arc<Message>), ApiError> {
        let (mut stripe, channel) = self.parent(forum)?;
        let by = new.by;
        let may = self.require(&stripe, forum, by, draft.wanted())?;
        if !channel_kind::is_thread_only(channel.kind) {
            return Err(ApiError::wrong_channel_type());
        }
        check_tags(&channel, &new.tags, may.has(Permissions::MANAGE_THREADS))?;
        if channel.flags & REQUIRE_TAG != 0 && new.tags.is_empty() {
            let open = channel.tags.iter().any(|tag| !tag.moderated) || may.has(Permissions::MANAGE_THREADS);
            return Err(if open { ApiError::tag_required() } else { ApiError::no_tag_to_set() });
        }
        draft.check()?;
        let id = ChannelId(self.next_id());
        self.open_thread(&mut stripe, &channel, id, channel_kind::PUBLIC_THREAD, new)?;
        let origin = Origin { opens_post: true, ..Origin::user(id, by) };
        let message = self.post_in(&mut stripe, &origin, draft)?;
        let made = stripe.thread_json(id).ok_or_else(ApiError::unknown_channel)?;
        Ok((made, message))
    }

    /// Refuses where as many threads of a server are open as may be.
    pub(crate) fn room_for_thread(&self, stripe: &Stripe, guild: GuildId) -> Result<(), ApiError> {
        let room = stripe.open_threads(guild) < self.config.max_active_threads;
        if room { Ok(()) } else { Err(ApiError::too_many_threads()) }
    }

    /// Makes a thread and tells of it.
    pub(crate) fn open_thread(
        &self,
        stripe: &mut Stripe,
        parent: &GuildChannel,
        id: ChannelId,
        kind: u8,
        new: NewThread,
    ) -> Result<ChannelJson<'static>, ApiError> {
        let server = stripe.server_of(&self.world, parent.id).ok_or_else(ApiError::unknown_channel)?;
        let guild = server.id;
        self.room_for_thread(stripe, guild)?;
        let mut thread = Thread::new(guild, parent.id, new.by, new.name.clone(), self.clock.unix_ms());
        thread.kind = kind;
        thread.auto_archive = new.auto_archive.or(parent.auto_archive).unwrap_or(DEFAULT_AUTO_ARCHIVE);
        thread.slowmode_s = new.slowmode_s.unwrap_or(parent.thread_slowmode_s);
        thread.invitable = new.invitable.unwrap_or(true);
        thread.tags = new.tags;
        self.store.make(stripe, id, Made::Thread(Box::new(thread)));
        stripe.expect_archiving(id);
        self.record(Kind::ThreadStarted {
            guild,
            parent_channel: parent.id,
            from_message: MessageId(id.get()),
            thread: id,
            name: new.name,
            by: new.by,
        });
        let json = stripe.thread_json(id).ok_or_else(ApiError::unknown_channel)?;
        self.dispatch_in(stripe, id, "THREAD_CREATE", GUILDS, || {
            to_json(&ChannelJson { newly_created: Some(true), ..json.clone() })
        });
        Ok(json)
    }

    /// Posting in a thread is activity in it, opens it again and makes the author one of its members.
    pub(crate) fn wake_thread(
        &self,
        stripe: &mut Stripe,
        channel: ChannelId,
        author: Option<UserId>,
    ) -> Result<(), ApiError> {
        let now_ms = self.clock.unix_ms();
        let Some(thread) = stripe.thread_mut(channel) else { return Ok(()) };
        thread.active_ms = now_ms;
        if thread.archived {
            self.set_archived(stripe, channel, false)?;
        }
        match author {
            Some(author) => self.join_thread(stripe, channel, author),
            None => Ok(()),
        }
    }

    /// Archives a thread or opens it again, and tells of it. An opened thread is followed by the bot's own
    /// membership, which a client may have forgotten.
    pub(crate) fn set_archived(
        &self,
        stripe: &mut Stripe,
        id: ChannelId,
        archived: bool,
    ) -> Result<(), ApiError> {
        let guild = stripe.thread(id).ok_or_else(ApiError::unknown_channel)?.guild;
        if !archived {
            self.room_for_thread(stripe, guild)?;
        }
        if stripe.set_archived(id, archived, self.clock.unix_ms()) {
            stripe.expect_archiving(id);
            self.tell_thread(stripe, id);
            if !archived {
                self.tell_own_membership(stripe, id);
            }
        }
        Ok(())
    }

    pub(crate) fn tell_thread(&self, stripe: &Stripe, id: ChannelId) {
        self.dispatch_in(stripe, id, "THREAD_UPDATE", GUILDS, || to_json(&stripe.thread_json(id)));
    }

    fn tell_own_membership(&self, stripe: &Stripe, id: ChannelId) {
        let Some(thread) = stripe.thread(id) else { return };
        if let Some(member) = thread.member(id, self.config.bot) {
            self.dispatch_in(stripe, id, "THREAD_MEMBER_UPDATE", GUILDS, || {
                let mut json = json!(member);
                json["guild_id"] = json!(thread.guild);
                to_json(&json)
            });
        }
    }

    /// Somebody is now in a thread. The bot is also told of the thread itself, which it may not know.
    pub(crate) fn join_thread(
        &self,
        stripe: &mut Stripe,
        id: ChannelId,
        user: UserId,
    ) -> Result<(), ApiError> {
        let now_ms = self.clock.unix_ms();
        let thread = stripe.thread_mut(id).ok_or_else(ApiError::unknown_channel)?;
        if thread.members.contains_key(&user) {
            return Ok(());
        }
        if thread.members.len() >= MAX_MEMBERS {
            return Err(ApiError::too_many_participants());
        }
        thread.members.insert(user, now_ms);
        let guild = thread.guild;
        let bot = self.world.is_bot(user);
        if bot {
            self.dispatch_in(stripe, id, "THREAD_CREATE", GUILDS, || to_json(&stripe.thread_json(id)));
        }
        let intents = if bot { GUILDS } else { GUILD_MEMBERS };
        self.dispatch_in(stripe, id, "THREAD_MEMBERS_UPDATE", intents, || {
            let thread = stripe.thread(id);
            let mut added = json!(thread.and_then(|thread| thread.member(id, user)));
            if let Some(server) = self.world.guild(guild) {
                added["member"] = json!(MemberJson::full(&self.world, server, stripe.changed(guild), user));
                added["presence"] = json!(null);
            }
            let count = thread.map_or(0, Thread::member_count);
            to_json(&json!({"id": id, "guild_id": guild, "member_count": count, "added_members": [added]}))
        });
        Ok(())
    }

    /// Somebody is no longer in a thread. The bot hears of its own going also where it loses sight of the thread.
    pub(crate) fn leave_thread(&self, stripe: &mut Stripe, id: ChannelId, user: UserId) {
        let sees = self.bot_sees(stripe, id);
        let Some(thread) = stripe.thread_mut(id) else { return };
        if thread.members.remove(&user).is_none() {
            return;
        }
        let (guild, count) = (thread.guild, thread.member_count());
        let bot = self.world.is_bot(user);
        if !sees && !bot {
            return;
        }
        let intents = if bot { GUILDS } else { GUILD_MEMBERS };
        self.dispatch_to(stripe, guild, "THREAD_MEMBERS_UPDATE", intents, || {
            to_json(
                &json!({"id": id, "guild_id": guild, "member_count": count, "removed_member_ids": [user]}),
            )
        });
    }

    /// Deletes a thread with its messages.
    pub(crate) fn delete_thread(&self, stripe: &mut Stripe, id: ChannelId) -> Option<ChannelJson<'static>> {
        let json = stripe.thread_json(id)?;
        self.dispatch_in(stripe, id, "THREAD_DELETE", GUILDS, || {
            to_json(&json!({
                "id": id, "guild_id": json.guild_id, "parent_id": json.parent_id, "type": json.kind,
            }))
        });
        self.store.forget(stripe, &[id]);
        Some(json)
    }

    /// Archives the threads in which nothing has happened for their time.
    pub(crate) fn archive_idle_threads(&self) {
        let now_ms = self.clock.unix_ms();
        for mut stripe in self.store.each() {
            if stripe.next_archive_ms > now_ms {
                continue;
            }
            let mut next = u64::MAX;
            let mut due = Vec::new();
            for (id, thread) in stripe.threads() {
                let at = thread.archives_at();
                if at <= now_ms { due.push(id) } else { next = next.min(at) }
            }
            stripe.next_archive_ms = next;
            for id in due {
                if stripe.set_archived(id, true, now_ms) {
                    self.tell_thread(&stripe, id);
                }
            }
        }
    }

    /// A message of Discord's own about what somebody did; it is no message of anybody's, so it is not in the
    /// transcript.
    pub(crate) fn post_system(
        &self,
        stripe: &mut Stripe,
        channel: ChannelId,
        system: System,
        about: Option<&Message>,
    ) {
        let stamp = Stamp {
            id: MessageId(self.next_id()),
            channel,
            guild: stripe.server_of(&self.world, channel).map(|server| server.id),
            author: system.by,
            at_ms: self.clock.unix_ms(),
        };
        let message = Arc::new(Message {
            content: system.content,
            reference: about.map(|message| (message.channel, message.id)),
            pinged: Pinged { users: system.mentions, ..Pinged::default() },
            ..Message::bare(stamp, system.kind)
        });
        stripe.insert(message.clone());
        self.tell(stripe, "MESSAGE_CREATE", &message, about, None);
    }
}

/// A message of Discord's own.
#[derive(Debug)]
pub(crate) struct System {
    pub(crate) kind: u8,
    pub(crate) by: UserId,
    pub(crate) content: String,
    pub(crate) mentions: Vec<UserId>,
}

/// Whether these tags may be put on a post of this forum.
pub(crate) fn check_tags(forum: &GuildChannel, tags: &[u64], moderator: bool) -> Result<(), ApiError> {
    if tags.len() > MAX_TAGS {
        return Err(ApiError::too_long("applied_tags", MAX_TAGS));
    }
    for id in tags {
        let Some(tag) = forum.tags.iter().find(|tag| tag.id == *id) else {
            return Err(ApiError::invalid("applied_tags", "MODEL_FIELD_INVALID", "Unknown tag"));
        };
        if tag.moderated && !moderator {
            return Err(ApiError::missing_permissions());
        }
    }
    Ok(())
}
