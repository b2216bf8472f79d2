//! What adds to channels: posting messages and typing; and how the bot is told.
//!
//! Each change happens under its server's stripe lock from the new id to the gateway event, so that ids,
//! transcript and events of one server agree on the order.

use crate::attachments::{Attachment, File};
use crate::core::Core;
use crate::gateway::Event;
use crate::guild::channel_kind;
use crate::ids::AttachmentId;
use crate::ids::{ChannelId, MessageId, UserId};
use crate::interactions::COMMAND;
use crate::mentions::{self, AllowedMentions, Unsaid};
use crate::message::{Cause, Message, MessageJson, Stamp, View, flag, is_exempt, kind};
use crate::permissions::Permissions;
use crate::playground::Happening;
use crate::render::{ChannelJson, MemberJson};
use crate::rest::error::ApiError;
use crate::store::{Made, Place, Stripe};
use crate::transcript::{Component, Kind, Pinged, add};
use crate::webhooks::Face;
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Gateway intents that events of channels need.
/// <https://discord.com/developers/docs/events/gateway#list-of-intents>
pub(crate) mod intents {
    use crate::store::Place;

    pub(crate) const GUILDS: u64 = 1;
    pub(crate) const GUILD_WEBHOOKS: u64 = 1 << 5;

    const fn either(place: Place, guild: u64, dm: u64) -> u64 {
        match place {
            Place::Guild(_) => guild,
            Place::Dm(_) => dm,
        }
    }

    pub(crate) const fn messages(place: Place) -> u64 {
        either(place, 1 << 9, 1 << 12)
    }

    pub(crate) const fn reactions(place: Place) -> u64 {
        either(place, 1 << 10, 1 << 13)
    }

    pub(crate) const fn typing(place: Place) -> u64 {
        either(place, 1 << 11, 1 << 14)
    }

    pub(crate) const fn pins(place: Place) -> u64 {
        either(place, GUILDS, 1 << 12)
    }
}

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
    pub(crate) texts: Vec<String>,
    pub(crate) embeds: Option<Arc<RawValue>>,
    pub(crate) embed_count: usize,
    pub(crate) files: Vec<File>,
    /// A message to forward.
    pub(crate) forward: Option<Arc<Message>>,
    pub(crate) flags: u64,
}

impl Draft {
    /// What its author needs where it is posted.
    pub(crate) fn wanted(&self) -> Permissions {
        let mut wanted = Permissions::SEND_MESSAGES;
        if self.embeds.is_some() {
            wanted |= Permissions::EMBED_LINKS;
        }
        if !self.files.is_empty() {
            wanted |= Permissions::ATTACH_FILES;
        }
        wanted
    }

    /// Refuses what says nothing.
    pub(crate) fn check(&self) -> Result<(), ApiError> {
        let silent = self.is_empty() && self.flags & flag::LOADING == 0;
        if silent { Err(ApiError::empty_message()) } else { Ok(()) }
    }

    fn is_empty(&self) -> bool {
        self.content.trim().is_empty()
            && self.embeds.is_none()
            && self.components.is_none()
            && self.files.is_empty()
            && self.forward.is_none()
    }
}

/// Where, by whom and because of what a message is posted.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    pub(crate) channel: ChannelId,
    pub(crate) author: UserId,
    pub(crate) cause: Option<Arc<Cause>>,
    /// The channel webhook that posts; its id is the author.
    pub(crate) hook: Option<Arc<Face>>,
    /// Whether it opens a post of a forum, whose number it then has.
    pub(crate) opens_post: bool,
}

impl Origin {
    /// A user who writes.
    pub(crate) fn user(channel: ChannelId, author: UserId) -> Self {
        Self { channel, author, cause: None, hook: None, opens_post: false }
    }

    /// Answers to interactions and webhooks need no permission of the author's: the member who asked had his,
    /// or who made the webhook had it.
    fn is_free(&self) -> bool {
        self.cause.is_some() || self.hook.is_some()
    }
}

impl Core {
    pub(crate) fn place(&self, channel: ChannelId) -> Result<Place, ApiError> {
        self.store.place(&self.world, channel).ok_or_else(ApiError::unknown_channel)
    }

    /// Posts a message, or returns the earlier one with the same enforced nonce.
    pub(crate) fn post(&self, origin: &Origin, draft: Draft) -> Result<Arc<Message>, ApiError> {
        draft.check()?;
        let place = self.place(origin.channel)?;
        if let Place::Dm(user) = place
            && self.world.is_bot(origin.author)
            && !origin.is_free()
            && !self.takes_dms(user)
        {
            return Err(ApiError::cannot_message_user());
        }
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
        self.post_in(&mut self.store.lock(place), origin, draft)
    }

    /// Posts a message under the lock of its stripe.
    pub(crate) fn post_in(
        &self,
        stripe: &mut Stripe,
        origin: &Origin,
        draft: Draft,
    ) -> Result<Arc<Message>, ApiError> {
        let may = self.may_post(stripe, origin, &draft)?;
        let joins = Some(origin.author).filter(|_| origin.hook.is_none());
        self.wake_thread(stripe, origin.channel, joins)?;
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
        let unsaid = if origin.is_free() { Unsaid::Webhook } else { Unsaid::Message };
        let author = replied_to.as_ref().map(|earlier| earlier.author);
        let said = spoken(&draft.content, &draft.texts);
        let pinged = mentions::resolve(&said, draft.allowed.as_ref(), unsaid, author);
        let id = if origin.opens_post { origin.channel.get() } else { self.next_id() };
        let stamp = Stamp {
            id: MessageId(id),
            channel: origin.channel,
            guild: stripe.server_of(&self.world, origin.channel).map(|server| server.id),
            author: origin.author,
            at_ms: self.clock.unix_ms(),
        };
        let mut message = Message {
            content: draft.content,
            nonce: draft.nonce,
            reference: replied_to.as_ref().map(|earlier| (earlier.channel, earlier.id)),
            components: draft.components,
            buttons: draft.buttons,
            texts: draft.texts,
            embeds: draft.embeds,
            embed_count: draft.embed_count,
            flags: draft.flags,
            pinged: self.permitted(stripe, origin.channel, may, pinged),
            cause: origin.cause.clone(),
            hook: origin.hook.clone(),
            ..Message::bare(stamp, kind_of(origin, replied_to.is_some()))
        };
        if !draft.files.is_empty() {
            self.attach(&mut message, &draft.files);
        }
        if let Some(forwarded) = draft.forward {
            message.reference = Some((forwarded.channel, forwarded.id));
            message.flags |= flag::HAS_SNAPSHOT;
            message.snapshot = Some(forwarded);
        }
        let message = Arc::new(message);
        stripe.insert(message.clone());
        self.record_post(&message);
        self.tell(stripe, "MESSAGE_CREATE", &message, replied_to.as_deref(), None);
        Ok(message)
    }

    /// Whether a user takes direct messages of the bot: he shares a server with it and has not refused them.
    fn takes_dms(&self, user: UserId) -> bool {
        let Some(home) = self.world.home(user) else { return false };
        let stripe = self.store.lock(Place::Guild(home.id));
        let shares =
            stripe.changed(home.id).is_none_or(|guild| guild.has(user) && guild.has(self.config.bot));
        drop(stripe);
        shares && !crate::lock(&self.no_dms).contains(&user)
    }

    /// Whether the author may post this here; returns what he may do in the channel.
    fn may_post(&self, stripe: &Stripe, origin: &Origin, draft: &Draft) -> Result<Permissions, ApiError> {
        let may = if origin.hook.is_some() {
            Permissions::ALL
        } else if origin.cause.is_some() || origin.opens_post {
            self.permissions_in(stripe, origin.channel, origin.author)
                .ok_or_else(ApiError::unknown_channel)?
        } else {
            self.require(stripe, origin.channel, origin.author, draft.wanted())?
        };
        if draft.reference.is_some() && !may.has(Permissions::READ_MESSAGE_HISTORY) && !origin.is_free() {
            return Err(ApiError::cannot_reply());
        }
        let locked = stripe.thread(origin.channel).is_some_and(|thread| thread.locked);
        if locked && !may.has(Permissions::MANAGE_THREADS) {
            // To an interaction Discord says so: <https://github.com/discord/discord-api-docs/issues/6884>.
            let answer = origin.cause.is_some();
            return Err(if answer { ApiError::archived() } else { ApiError::thread_locked() });
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

    /// Takes files in and names them in embeds and components that refer to them; what is referred to does
    /// not stand among the attachments.
    pub(crate) fn attach(&self, message: &mut Message, files: &[File]) {
        for file in files {
            let id = AttachmentId(self.next_id());
            let attachment = Attachment::new(id, message.channel, file, message.has(flag::EPHEMERAL));
            let kept = self.files.keep(attachment, file.bytes.clone());
            let url = self.files.url(&kept, message.at_ms);
            let named = [file.name.as_str(), kept.filename.as_str()];
            let in_embeds = refer(&mut message.embeds, named, &url);
            let in_components = refer(&mut message.components, named, &url);
            if !in_embeds && !in_components {
                message.attachments.push(kept);
            }
        }
    }

    fn record_post(&self, message: &Message) {
        if message.hook.is_some() {
            let (webhook, message) = (message.author, message.as_entry());
            self.record(Kind::WebhookMessage { webhook, edited: false, message });
        } else if self.world.is_bot(message.author) {
            add(&self.counters.bot_messages, 1);
            self.record(Kind::BotMessage(message.as_entry()));
        } else {
            add(&self.counters.member_messages, 1);
            if !self.transcript.is_read() {
                return self.transcript.pass_over();
            }
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
    pub(crate) fn permitted(
        &self,
        stripe: &Stripe,
        channel: ChannelId,
        may: Permissions,
        mut pinged: Pinged,
    ) -> Pinged {
        let Some(server) = stripe.server_of(&self.world, channel) else {
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
        self.dispatch_in(&stripe, channel, "TYPING_START", intents::typing(place), || d.to_string().into());
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
        if message.has(flag::EPHEMERAL) {
            self.tell_privately(message);
            return;
        }
        self.feed.tell(|| Happening::of(message));
        if !self.bot_sees(stripe, message.channel) {
            return;
        }
        let channel_type = stripe.channel_type(&self.world, message.channel);
        let render = |withhold| {
            let changed = message.guild.and_then(|guild| stripe.changed(guild));
            let view = View { changed, channel_type, ..self.view(true, withhold) };
            to_json(&MessageJson::new(message, replied_to, thread.clone(), view))
        };
        let whole = is_exempt(&self.world, message)
            && replied_to.is_none_or(|earlier| is_exempt(&self.world, earlier));
        let stripped = (!whole && self.hub.wants_stripped.load(Ordering::Relaxed)).then(|| render(true));
        let place = message.guild.map_or(Place::Dm(message.author), Place::Guild);
        let intents = intents::messages(place);
        let event = Event { name, intents, data: render(false), stripped };
        self.hub.dispatch(&self.counters, message.guild, &event);
    }

    /// An ephemeral message is no gateway event; whoever watches as its addressee sees it.
    pub(crate) fn tell_privately(&self, message: &Message) {
        if let Some(cause) = &message.cause {
            let (to, channel, message) = (cause.user, message.channel, message.id);
            self.feed.tell(|| Happening::Private { to, channel, message });
        }
    }

    pub(crate) fn dispatch(
        &self,
        place: Place,
        name: &'static str,
        intents: u64,
        data: Arc<str>,
        stripped: Option<Arc<str>>,
    ) {
        self.feed.tell(|| Happening::Event { guild: place.guild(), name, data: data.clone() });
        self.hub.dispatch(&self.counters, place.guild(), &Event { name, intents, data, stripped });
    }
}

/// Text that mentions are read from: the content, and the text among the components.
pub(crate) fn spoken<'a>(content: &'a str, texts: &[String]) -> std::borrow::Cow<'a, str> {
    if texts.is_empty() { content.into() } else { format!("{content}\n{}", texts.join("\n")).into() }
}

fn kind_of(origin: &Origin, replies: bool) -> u8 {
    let cause = origin.cause.as_ref().filter(|cause| cause.original.is_none());
    match cause.filter(|cause| cause.kind == COMMAND).and_then(|cause| cause.used.as_ref()) {
        Some(used) if used.kind == crate::commands::CHAT_INPUT => kind::CHAT_INPUT_COMMAND,
        Some(_) => kind::CONTEXT_MENU_COMMAND,
        None if replies => kind::REPLY,
        None => kind::DEFAULT,
    }
}

/// Puts an address in the place of `attachment://name`; tells whether there was one.
fn refer(raw: &mut Option<Arc<RawValue>>, names: [&str; 2], url: &str) -> bool {
    let Some(text) = raw.as_ref().map(|raw| raw.get()) else { return false };
    let quoted = |text: &str| serde_json::to_string(text).expect("text is JSON");
    let mut new = text.to_owned();
    for name in names {
        new = new.replace(&quoted(&format!("attachment://{name}")), &quoted(url));
    }
    if new == text {
        return false;
    }
    *raw = RawValue::from_string(new).ok().map(Arc::from);
    true
}

pub(crate) fn to_json<T: serde::Serialize>(value: &T) -> Arc<str> {
    // Room for most events, so that it is not moved while it grows.
    let mut json = Vec::with_capacity(1_536);
    serde_json::to_writer(&mut json, value).expect("these structures have string keys and finite numbers");
    String::from_utf8(json).expect("JSON is UTF-8").into()
}
