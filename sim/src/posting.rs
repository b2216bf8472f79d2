//! What changes channels: posting, editing and deleting messages, starting threads.
//!
//! Each change happens under its server's stripe lock from the new id to the gateway event, so that ids,
//! transcript and events of one server agree on the order.

use crate::core::Core;
use crate::gateway::Event;
use crate::guild::channel_kind;
use crate::ids::{ChannelId, MessageId, UserId};
use crate::mentions::{self, AllowedMentions, Unsaid};
use crate::message::{Cause, Message, MessageJson, View, flag, kind};
use crate::permissions::Permissions;
use crate::render::{ChannelJson, MemberJson};
use crate::rest::error::ApiError;
use crate::store::{Made, Place, Stripe};
use crate::thread::Thread;
use crate::transcript::{Component, Kind, Pinged, add};
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::Ordering;

const GUILDS: u64 = 1;
const GUILD_MESSAGES: u64 = 1 << 9;
const DIRECT_MESSAGES: u64 = 1 << 12;
const GUILD_MESSAGE_TYPING: u64 = 1 << 11;
const DIRECT_MESSAGE_TYPING: u64 = 1 << 14;

/// What a new message says.
#[derive(Debug, Default, Clone)]
pub(crate) struct Draft {
    pub(crate) content: String,
    pub(crate) nonce: Option<Value>,
    pub(crate) enforce_nonce: bool,
    /// Message replied to, and whether its absence is an error.
    pub(crate) reference: Option<(MessageId, bool)>,
    pub(crate) allowed: Option<AllowedMentions>,
    pub(crate) components: Option<Arc<RawValue>>,
    pub(crate) buttons: Vec<Component>,
    pub(crate) embeds: Option<Arc<RawValue>>,
    pub(crate) embed_count: usize,
    pub(crate) flags: u64,
}

/// Where, by whom and because of what a message is posted.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) channel: ChannelId,
    pub(crate) author: UserId,
    pub(crate) cause: Option<Arc<Cause>>,
}

/// Changes to a message; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) content: Option<String>,
    pub(crate) components: Option<(Option<Arc<RawValue>>, Vec<Component>)>,
    pub(crate) embeds: Option<(Option<Arc<RawValue>>, usize)>,
    pub(crate) allowed: Option<AllowedMentions>,
    pub(crate) flags: Option<u64>,
}

impl Core {
    pub(crate) fn place(&self, channel: ChannelId) -> Result<Place, ApiError> {
        self.store.place(&self.world, channel).ok_or_else(ApiError::unknown_channel)
    }

    /// Posts a message, or returns the earlier one with the same enforced nonce.
    pub(crate) fn post(&self, origin: &Origin, draft: Draft) -> Result<Arc<Message>, ApiError> {
        let empty = draft.content.trim().is_empty() && draft.embeds.is_none() && draft.components.is_none();
        if empty && draft.flags & flag::LOADING == 0 {
            return Err(ApiError::empty_message());
        }
        let place = self.place(origin.channel)?;
        let nonce = draft.nonce.as_ref().filter(|_| draft.enforce_nonce).map(|nonce| match nonce {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        });
        let Some(nonce) = nonce else { return self.post_new(place, origin, draft) };
        let now = self.clock.now();
        let mut seen = self.nonces.lock(&nonce);
        if let Some((channel, id)) = seen.get(&nonce, self.nonces.window, now)
            && let Some(earlier) = self.find(channel, id)
        {
            add(&self.counters.nonce_replays, 1);
            self.record(Kind::NonceReplay { nonce, message: id });
            return Ok(earlier);
        }
        let message = self.post_new(place, origin, draft)?;
        seen.insert(nonce, message.channel, message.id, now);
        Ok(message)
    }

    fn post_new(&self, place: Place, origin: &Origin, draft: Draft) -> Result<Arc<Message>, ApiError> {
        let mut stripe = self.store.lock(place);
        let may = self.may_post(&stripe, origin, &draft)?;
        self.wake_thread(&mut stripe, origin.channel, origin.author);
        let replied_to = match draft.reference {
            None => None,
            Some((id, must_exist)) => match stripe.message(origin.channel, id) {
                Some(earlier) => Some(earlier.clone()),
                None if must_exist => {
                    let (path, code) = ("message_reference", "REPLIES_UNKNOWN_MESSAGE");
                    return Err(ApiError::invalid(path, code, "Unknown message"));
                }
                None => None,
            },
        };
        let unsaid = if origin.cause.is_some() { Unsaid::Webhook } else { Unsaid::Message };
        let author = replied_to.as_ref().map(|earlier| earlier.author);
        let pinged = mentions::resolve(&draft.content, draft.allowed.as_ref(), unsaid, author);
        let command = origin.cause.as_ref().is_some_and(|cause| cause.kind == crate::interactions::COMMAND);
        let message = Arc::new(Message {
            id: MessageId(self.next_id()),
            channel: origin.channel,
            guild: place.guild(),
            author: origin.author,
            kind: match (&replied_to, command) {
                (_, true) => kind::CHAT_INPUT_COMMAND,
                (Some(_), _) => kind::REPLY,
                _ => kind::DEFAULT,
            },
            content: draft.content,
            at_ms: self.clock.unix_ms(),
            edited_at_ms: None,
            nonce: draft.nonce,
            reference: replied_to.as_ref().map(|earlier| (earlier.channel, earlier.id)),
            components: draft.components,
            buttons: draft.buttons,
            embeds: draft.embeds,
            embed_count: draft.embed_count,
            flags: draft.flags,
            pinged: self.permitted(&stripe, place, may, pinged),
            cause: origin.cause.clone(),
        });
        stripe.insert(message.clone());
        self.record_post(&message);
        self.tell(&stripe, "MESSAGE_CREATE", &message, replied_to.as_deref(), None);
        Ok(message)
    }

    /// Whether the author may post this here; returns what he may do in the channel. Answers to interactions need no
    /// permission of the bot's: the member who asked had his.
    fn may_post(&self, stripe: &Stripe, origin: &Origin, draft: &Draft) -> Result<Permissions, ApiError> {
        let mut wanted = Permissions::SEND_MESSAGES;
        if draft.embeds.is_some() {
            wanted |= Permissions::EMBED_LINKS;
        }
        let may = if origin.cause.is_some() {
            self.permissions_in(stripe, origin.channel, origin.author)
                .ok_or_else(ApiError::unknown_channel)?
        } else {
            self.require(stripe, origin.channel, origin.author, wanted)?
        };
        if draft.reference.is_some() && !may.has(Permissions::READ_MESSAGE_HISTORY) && origin.cause.is_none()
        {
            return Err(ApiError::cannot_reply());
        }
        let locked = stripe.thread(origin.channel).is_some_and(|thread| thread.locked);
        if locked && !may.has(Permissions::MANAGE_THREADS) {
            return Err(ApiError::thread_locked());
        }
        let kind = match stripe.made(origin.channel) {
            None => self.world.channel(origin.channel).map(|(_, purpose)| purpose.described().1),
            Some(Made::Channel { .. }) => {
                stripe.guild_channel(&self.world, origin.channel).map(|channel| channel.kind)
            }
            Some(_) => None,
        };
        if kind.is_some_and(|kind| !channel_kind::takes_messages(kind)) {
            return Err(ApiError::not_a_text_channel());
        }
        Ok(may)
    }

    /// Posting in a thread is activity in it, opens it again and makes the author one of its members.
    fn wake_thread(&self, stripe: &mut Stripe, channel: ChannelId, author: UserId) {
        let now_ms = self.clock.unix_ms();
        let Some(thread) = stripe.thread_mut(channel) else { return };
        thread.active_ms = now_ms;
        thread.members.entry(author).or_insert(now_ms);
        if thread.archived {
            (thread.archived, thread.archive_ms) = (false, now_ms);
            self.dispatch_in(stripe, channel, "THREAD_UPDATE", GUILDS, || {
                to_json(&stripe.thread_json(channel))
            });
        }
    }

    fn record_post(&self, message: &Message) {
        if self.world.is_bot(message.author) {
            add(&self.counters.bot_messages, 1);
            self.record(Kind::BotMessage(message.as_entry()));
        } else {
            add(&self.counters.member_messages, 1);
            self.record(Kind::MemberMessage {
                guild: message.guild,
                channel: message.channel,
                id: message.id,
                member: message.author,
                content: message.content.clone(),
                reference: message.reference.map(|(_, id)| id),
            });
        }
    }

    /// Takes away the pings that the author has no permission for.
    fn permitted(&self, stripe: &Stripe, place: Place, may: Permissions, mut pinged: Pinged) -> Pinged {
        let server = place.guild().and_then(|guild| self.world.guild(guild));
        let Some(server) = server else {
            return Pinged { users: pinged.users, ..Pinged::default() };
        };
        let everyone = may.has(Permissions::MENTION_EVERYONE);
        pinged.everyone &= everyone;
        match stripe.changed(server.id) {
            None => pinged
                .roles
                .retain(|role| *role == server.support_role || (everyone && *role == server.bot_role)),
            Some(guild) => {
                pinged.roles.retain(|role| guild.role(*role).is_some_and(|role| role.mentionable || everyone))
            }
        }
        pinged
    }

    /// A message by its id, or `None` when it was never there, deleted or forgotten.
    pub(crate) fn find(&self, channel: ChannelId, id: MessageId) -> Option<Arc<Message>> {
        let place = self.store.place(&self.world, channel)?;
        self.store.lock(place).message(channel, id).cloned()
    }

    /// Edits a message of the bot. `first` is the answer to a deferred interaction taking its place.
    pub(crate) fn edit(
        &self,
        channel: ChannelId,
        id: MessageId,
        change: Change,
    ) -> Result<Arc<Message>, ApiError> {
        let place = self.place(channel)?;
        let mut stripe = self.store.lock(place);
        let old = stripe.message(channel, id).cloned().ok_or_else(ApiError::unknown_message)?;
        if !self.world.is_bot(old.author) {
            return Err(ApiError::not_own_message());
        }
        let may = self.permissions_in(&stripe, channel, old.author).unwrap_or_default();
        if let Some(thread) = stripe.thread(channel) {
            if thread.archived {
                return Err(ApiError::archived());
            }
            if thread.locked && !may.has(Permissions::MANAGE_THREADS) {
                return Err(ApiError::thread_locked());
            }
        }
        let mut new = Message::clone(&old);
        if let Some(content) = change.content {
            let unsaid = if old.cause.is_some() { Unsaid::Webhook } else { Unsaid::Message };
            let pinged = mentions::resolve(&content, change.allowed.as_ref(), unsaid, None);
            new.pinged = self.permitted(&stripe, place, may, pinged);
            new.content = content;
        }
        if let Some((raw, buttons)) = change.components {
            (new.components, new.buttons) = (raw, buttons);
        }
        if let Some((raw, count)) = change.embeds {
            (new.embeds, new.embed_count) = (raw, count);
        }
        if let Some(flags) = change.flags {
            new.flags |= flags & (flag::COMPONENTS_V2 | 1 << 2);
        }
        if new.content.trim().is_empty() && new.embeds.is_none() && new.components.is_none() {
            return Err(ApiError::empty_message());
        }
        new.flags &= !flag::LOADING;
        new.edited_at_ms = Some(self.clock.unix_ms());
        let new = Arc::new(new);
        stripe.replace(new.clone());
        self.record(Kind::BotEdit(new.as_entry()));
        self.tell(&stripe, "MESSAGE_UPDATE", &new, None, stripe.thread_json(id.thread()));
        Ok(new)
    }

    /// Deletes a message of the bot.
    pub(crate) fn delete(&self, channel: ChannelId, id: MessageId) -> Result<(), ApiError> {
        let place = self.place(channel)?;
        let mut stripe = self.store.lock(place);
        let old = stripe.message(channel, id).ok_or_else(ApiError::unknown_message)?;
        if !self.world.is_bot(old.author) {
            self.require(&stripe, channel, self.config.bot, Permissions::MANAGE_MESSAGES)?;
        }
        let hidden = old.has(flag::EPHEMERAL);
        stripe.remove(channel, id);
        self.record(Kind::BotDelete { channel, id });
        if !hidden {
            let mut d = serde_json::json!({"id": id, "channel_id": channel});
            if let Some(guild) = place.guild() {
                d["guild_id"] = serde_json::json!(guild);
            }
            let intents = if place.guild().is_some() { GUILD_MESSAGES } else { DIRECT_MESSAGES };
            self.dispatch_in(&stripe, channel, "MESSAGE_DELETE", intents, || d.to_string().into());
        }
        Ok(())
    }

    /// Starts a thread from a message; the thread has the message's id.
    pub(crate) fn start_thread(
        &self,
        parent: ChannelId,
        from: MessageId,
        name: String,
        auto_archive: u64,
    ) -> Result<ChannelJson<'static>, ApiError> {
        let Place::Guild(guild) = self.place(parent)? else { return Err(ApiError::wrong_channel_type()) };
        let place = Place::Guild(guild);
        let mut stripe = self.store.lock(place);
        let owner = self.config.bot;
        self.require(
            &stripe,
            parent,
            owner,
            Permissions::CREATE_PUBLIC_THREADS | Permissions::READ_MESSAGE_HISTORY,
        )?;
        let kind = stripe.guild_channel(&self.world, parent).map(|channel| channel.kind);
        if !kind.is_some_and(channel_kind::takes_messages) {
            return Err(ApiError::wrong_channel_type());
        }
        let starter = stripe.message(parent, from).filter(|message| !message.has(flag::EPHEMERAL));
        let starter = starter.cloned().ok_or_else(ApiError::unknown_message)?;
        let thread = from.thread();
        if stripe.made(thread).is_some() {
            return Err(ApiError::thread_exists());
        }
        let mut made = Thread::new(guild, parent, owner, name.clone(), self.clock.unix_ms());
        made.auto_archive = auto_archive;
        self.store.make(&mut stripe, thread, Made::Thread(Box::new(made)));
        let mut with_thread = Message::clone(&starter);
        with_thread.flags |= flag::HAS_THREAD;
        let with_thread = Arc::new(with_thread);
        stripe.replace(with_thread.clone());
        self.record(Kind::ThreadStarted { guild, parent_channel: parent, from_message: from, thread, name });
        let json = stripe.thread_json(thread).expect("the thread was made above");
        self.dispatch_in(&stripe, thread, "THREAD_CREATE", GUILDS, || {
            to_json(&ChannelJson { newly_created: Some(true), ..json.clone() })
        });
        self.tell(&stripe, "MESSAGE_UPDATE", &with_thread, None, Some(json.clone()));
        self.post_starter(&mut stripe, place, &with_thread);
        Ok(json)
    }

    /// The system message that opens a thread started from a message; it is no message of anybody's, so it
    /// is not in the transcript.
    fn post_starter(&self, stripe: &mut Stripe, place: Place, starter: &Message) {
        let message = Arc::new(Message {
            id: MessageId(self.next_id()),
            channel: starter.id.thread(),
            guild: place.guild(),
            author: self.config.bot,
            kind: kind::THREAD_STARTER,
            content: String::new(),
            at_ms: self.clock.unix_ms(),
            edited_at_ms: None,
            nonce: None,
            reference: Some((starter.channel, starter.id)),
            components: None,
            buttons: Vec::new(),
            embeds: None,
            embed_count: 0,
            flags: 0,
            pinged: Pinged::default(),
            cause: None,
        });
        stripe.insert(message.clone());
        self.tell(stripe, "MESSAGE_CREATE", &message, Some(starter), None);
    }

    /// Somebody types: an event for members, a transcript entry for the bot.
    pub(crate) fn type_in(&self, channel: ChannelId, user: UserId) -> Result<(), ApiError> {
        let place = self.place(channel)?;
        let stripe = self.store.lock(place);
        self.require(&stripe, channel, user, Permissions::SEND_MESSAGES)?;
        if self.world.is_bot(user) {
            self.record(Kind::Typing { channel });
        }
        let mut d = serde_json::json!({"channel_id": channel, "user_id": user, "timestamp": self.clock.unix_ms() / 1_000});
        if let Some(server) = place.guild().and_then(|guild| self.world.guild(guild)) {
            d["guild_id"] = serde_json::json!(server.id);
            let member = MemberJson::full(&self.world, server, stripe.changed(server.id), user);
            d["member"] = serde_json::json!(member);
        }
        let intents = if place.guild().is_some() { GUILD_MESSAGE_TYPING } else { DIRECT_MESSAGE_TYPING };
        self.dispatch_in(&stripe, channel, "TYPING_START", intents, || d.to_string().into());
        Ok(())
    }

    /// Tells the bot of a message, if it may view the channel.
    pub(crate) fn tell(
        &self,
        stripe: &Stripe,
        name: &'static str,
        message: &Message,
        replied_to: Option<&Message>,
        thread: Option<ChannelJson<'static>>,
    ) {
        if message.has(flag::EPHEMERAL) || !self.bot_sees(stripe, message.channel) {
            return;
        }
        let render = |content| {
            let changed = message.guild.and_then(|guild| stripe.changed(guild));
            let view = View { world: &self.world, gateway: true, content, changed };
            to_json(&MessageJson::new(message, replied_to, thread.clone(), view))
        };
        // Own messages, direct messages and messages that mention the bot come with their text in any case.
        let exempt = self.world.is_bot(message.author)
            || message.guild.is_none()
            || message.pinged.users.contains(&self.config.bot);
        let stripped = (!exempt && self.hub.wants_stripped.load(Ordering::Relaxed)).then(|| render(false));
        let intents = if message.guild.is_some() { GUILD_MESSAGES } else { DIRECT_MESSAGES };
        let event = Event { name, intents, data: render(true), stripped };
        self.hub.dispatch(&self.counters, message.guild, &event);
    }

    pub(crate) fn dispatch(
        &self,
        place: Place,
        name: &'static str,
        intents: u64,
        data: Arc<str>,
        stripped: Option<Arc<str>>,
    ) {
        self.hub.dispatch(&self.counters, place.guild(), &Event { name, intents, data, stripped });
    }
}

pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Arc<str> {
    serde_json::to_string(value).expect("these structures have string keys and finite numbers").into()
}
