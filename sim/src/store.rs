//! Messages, threads and changed servers, kept in stripes.
//!
//! All channels of one server lie in one stripe, so that holding its lock orders everything that happens
//! in that server: ids, transcript and gateway events agree. Each stripe is bounded and forgets its oldest
//! messages and threads first. Locks are only ever taken in the order nonce, stripe, session, transcript.

use crate::guild::{Guild, GuildChannel, channel_kind};
use crate::ids::{ChannelId, GuildId, IdMap, MessageId, UserId};
use crate::lock;
use crate::message::{Message, kind};
use crate::render::ChannelJson;
use crate::thread::{PINNED, Thread};
use crate::world::{Server, World};
use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

const STRIPES: usize = 64;
const DM_STRIPE_SALT: u64 = 0x9e37_79b9_7f4a_7c15;

/// A channel that was made later; those of generated servers follow from the world.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    Thread(Box<Thread>),
    Dm {
        user: UserId,
    },
    /// A channel of a changed server, which holds the rest.
    Channel {
        guild: GuildId,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) made: Option<Made>,
    pub(crate) messages: BTreeMap<MessageId, Arc<Message>>,
}

#[derive(Debug)]
pub(crate) struct Stripe {
    channels: IdMap<ChannelId, Channel>,
    order: VecDeque<(ChannelId, MessageId)>,
    threads: VecDeque<ChannelId>,
    capacity: usize,
    guilds: IdMap<GuildId, Box<Guild>>,
    bot: UserId,
    /// How many threads of each server are open.
    open: IdMap<GuildId, usize>,
    /// No thread archives itself before then, in Unix milliseconds.
    pub(crate) next_archive_ms: u64,
}

impl Stripe {
    fn new(capacity: usize, bot: UserId) -> Self {
        Self {
            channels: IdMap::default(),
            order: VecDeque::new(),
            threads: VecDeque::new(),
            capacity,
            guilds: IdMap::default(),
            bot,
            open: IdMap::default(),
            next_archive_ms: u64::MAX,
        }
    }

    pub(crate) fn channel(&mut self, id: ChannelId) -> &mut Channel {
        self.channels.entry(id).or_default()
    }

    pub(crate) fn message(&self, channel: ChannelId, id: MessageId) -> Option<&Arc<Message>> {
        self.channels.get(&channel)?.messages.get(&id)
    }

    pub(crate) fn made(&self, id: ChannelId) -> Option<&Made> {
        self.channels.get(&id)?.made.as_ref()
    }

    pub(crate) fn insert(&mut self, message: Arc<Message>) {
        let (channel, id) = (message.channel, message.id);
        let slot = self.channel(channel);
        // What opens a thread, the starter or a post's first message, is not counted.
        let counts = message.kind != kind::THREAD_STARTER && id.thread() != channel;
        slot.messages.insert(id, message);
        if let (Some(Made::Thread(thread)), true) = (&mut slot.made, counts) {
            thread.messages += 1;
            thread.sent += 1;
        }
        self.order.push_back((channel, id));
        while self.order.len() > self.capacity {
            if let Some((channel, id)) = self.order.pop_front()
                && let Some(slot) = self.channels.get_mut(&channel)
            {
                slot.messages.remove(&id);
            }
        }
    }

    pub(crate) fn replace(&mut self, message: Arc<Message>) {
        self.channel(message.channel).messages.insert(message.id, message);
    }

    pub(crate) fn remove(&mut self, channel: ChannelId, id: MessageId) -> Option<Arc<Message>> {
        let slot = self.channels.get_mut(&channel)?;
        let removed = slot.messages.remove(&id)?;
        if let Some(Made::Thread(thread)) = &mut slot.made
            && removed.kind != kind::THREAD_STARTER
            && id.thread() != channel
        {
            thread.messages = thread.messages.saturating_sub(1);
        }
        Some(removed)
    }

    pub(crate) fn thread(&self, id: ChannelId) -> Option<&Thread> {
        match self.made(id)? {
            Made::Thread(thread) => Some(thread),
            _ => None,
        }
    }

    pub(crate) fn thread_mut(&mut self, id: ChannelId) -> Option<&mut Thread> {
        match self.channels.get_mut(&id)?.made.as_mut()? {
            Made::Thread(thread) => Some(thread),
            _ => None,
        }
    }

    /// The threads of this stripe, oldest first.
    pub(crate) fn threads(&self) -> impl DoubleEndedIterator<Item = (ChannelId, &Thread)> {
        self.threads.iter().filter_map(|id| self.thread(*id).map(|thread| (*id, thread)))
    }

    /// A server, if it has changed.
    pub(crate) fn changed(&self, id: GuildId) -> Option<&Guild> {
        self.guilds.get(&id).map(|guild| &**guild)
    }

    /// A server as it is.
    pub(crate) fn guild(&self, world: &World, server: &Server) -> Cow<'_, Guild> {
        self.changed(server.id).map_or_else(|| Cow::Owned(Guild::generated(world, server)), Cow::Borrowed)
    }

    /// A server, to be changed.
    pub(crate) fn guild_mut(&mut self, world: &World, server: &Server) -> &mut Guild {
        self.guilds.entry(server.id).or_insert_with(|| Box::new(Guild::generated(world, server)))
    }

    /// The server that a channel or thread is in.
    pub(crate) fn server_of<'w>(&self, world: &'w World, id: ChannelId) -> Option<&'w Server> {
        match self.made(id) {
            Some(Made::Thread(thread)) => world.guild(thread.guild),
            Some(Made::Channel { guild }) => world.guild(*guild),
            Some(Made::Dm { .. }) => None,
            None => world.channel(id).map(|(server, _)| server),
        }
    }

    /// The type of a channel, thread or direct message.
    /// <https://discord.com/developers/docs/resources/channel#channel-object-channel-types>
    pub(crate) fn channel_type(&self, world: &World, id: ChannelId) -> Option<u8> {
        match self.made(id) {
            Some(Made::Thread(thread)) => Some(thread.kind),
            Some(Made::Dm { .. }) => Some(channel_kind::DM),
            Some(Made::Channel { guild }) => self.changed(*guild)?.channels.get(&id).map(|made| made.kind),
            None => world.channel(id).map(|(_, purpose)| purpose.described().1),
        }
    }

    /// A channel of a server, no thread, as it is.
    pub(crate) fn guild_channel(&self, world: &World, id: ChannelId) -> Option<Cow<'_, GuildChannel>> {
        let server = self.server_of(world, id)?;
        match self.changed(server.id) {
            Some(guild) => guild.channels.get(&id).map(Cow::Borrowed),
            None => {
                let (_, purpose) = world.channel(id)?;
                Some(Cow::Owned(Guild::generated_channel(server, id, purpose)))
            }
        }
    }

    /// How many threads of a server are open.
    pub(crate) fn open_threads(&self, guild: GuildId) -> usize {
        self.open.get(&guild).copied().unwrap_or(0)
    }

    fn count_open(&mut self, guild: GuildId, opened: bool) {
        let open = self.open.entry(guild).or_insert(0);
        *open = if opened { *open + 1 } else { open.saturating_sub(1) };
        if *open == 0 {
            self.open.remove(&guild);
        }
    }

    /// Archives a thread or opens it again; tells whether that changed it.
    pub(crate) fn set_archived(&mut self, id: ChannelId, archived: bool, now_ms: u64) -> bool {
        let Some(thread) = self.thread_mut(id).filter(|thread| thread.archived != archived) else {
            return false;
        };
        (thread.archived, thread.archive_ms) = (archived, now_ms);
        if archived {
            thread.flags &= !PINNED;
        } else {
            thread.active_ms = now_ms;
        }
        let guild = thread.guild;
        self.count_open(guild, !archived);
        true
    }

    /// Lets the sweeper look at a thread not later than when it would archive itself.
    pub(crate) fn expect_archiving(&mut self, id: ChannelId) {
        if let Some(at) = self.thread(id).map(|thread| thread.archives_at()) {
            self.next_archive_ms = self.next_archive_ms.min(at);
        }
    }

    /// Forgets a channel or thread with its messages.
    pub(crate) fn forget(&mut self, id: ChannelId) {
        if let Some(guild) = self.thread(id).filter(|thread| !thread.archived).map(|thread| thread.guild) {
            self.count_open(guild, false);
        }
        self.channels.remove(&id);
    }

    /// The channel object of any channel, thread or direct message, as the bot reads it.
    pub(crate) fn channel_json(&self, world: &World, id: ChannelId) -> Option<ChannelJson<'static>> {
        let slot = self.channels.get(&id);
        let last_message_id = slot.and_then(|slot| slot.messages.last_key_value()).map(|(id, _)| *id);
        match slot.and_then(|slot| slot.made.as_ref()) {
            Some(Made::Thread(thread)) => Some(thread.json(id, self.bot, last_message_id)),
            Some(Made::Dm { .. }) => {
                Some(ChannelJson { last_message_id, ..ChannelJson::bare(id, channel_kind::DM) })
            }
            _ => {
                let channel = self.guild_channel(world, id)?;
                let server = self.server_of(world, id)?;
                let last_message_id = if channel_kind::is_thread_only(channel.kind) {
                    self.threads()
                        .rev()
                        .find(|(_, thread)| thread.parent == id)
                        .map(|(id, _)| MessageId(id.get()))
                } else {
                    last_message_id
                };
                Some(ChannelJson { last_message_id, ..ChannelJson::of(server.id, &channel) })
            }
        }
    }

    /// The channel object of a thread; `None` for others.
    pub(crate) fn thread_json(&self, id: ChannelId) -> Option<ChannelJson<'static>> {
        let slot = self.channels.get(&id)?;
        let last_message_id = slot.messages.last_key_value().map(|(id, _)| *id);
        Some(self.thread(id)?.json(id, self.bot, last_message_id))
    }
}

/// Where a channel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Guild(GuildId),
    Dm(UserId),
}

impl Place {
    pub(crate) fn guild(self) -> Option<GuildId> {
        match self {
            Self::Guild(guild) => Some(guild),
            Self::Dm(_) => None,
        }
    }
}

#[derive(Debug)]
pub(crate) struct Store {
    stripes: Vec<Mutex<Stripe>>,
    places: RwLock<IdMap<ChannelId, Place>>,
    /// Servers that the bot was removed from.
    away: RwLock<HashSet<GuildId>>,
}

impl Store {
    pub(crate) fn new(messages: usize, bot: UserId) -> Self {
        let capacity = (messages / STRIPES).max(16);
        let stripes = (0..STRIPES).map(|_| Mutex::new(Stripe::new(capacity, bot))).collect();
        Self { stripes, places: RwLock::default(), away: RwLock::default() }
    }

    /// Every server is again as it was generated, without messages.
    pub(crate) fn clear(&self) {
        for mut stripe in self.each() {
            *stripe = Stripe::new(stripe.capacity, stripe.bot);
        }
        self.places.write().unwrap_or_else(PoisonError::into_inner).clear();
        self.away.write().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Whether the bot is in a server; holding no lock.
    pub(crate) fn bot_is_in(&self, guild: GuildId) -> bool {
        !self.away.read().unwrap_or_else(PoisonError::into_inner).contains(&guild)
    }

    /// Notes that the bot was removed from a server or added again.
    pub(crate) fn set_away(&self, guild: GuildId, away: bool) {
        let mut set = self.away.write().unwrap_or_else(PoisonError::into_inner);
        if away {
            set.insert(guild)
        } else {
            set.remove(&guild)
        };
    }

    /// Every stripe, one after the other.
    pub(crate) fn each(&self) -> impl Iterator<Item = MutexGuard<'_, Stripe>> {
        self.stripes.iter().map(lock)
    }

    /// Where a channel is, or `None` when there is no such channel.
    pub(crate) fn place(&self, world: &World, channel: ChannelId) -> Option<Place> {
        if let Some((server, _)) = world.channel(channel) {
            return Some(Place::Guild(server.id));
        }
        self.places.read().unwrap_or_else(PoisonError::into_inner).get(&channel).copied()
    }

    pub(crate) fn lock(&self, place: Place) -> MutexGuard<'_, Stripe> {
        let key = match place {
            Place::Guild(guild) => guild.get() >> 22,
            Place::Dm(user) => (user.get() >> 22).wrapping_mul(DM_STRIPE_SALT) >> 32,
        };
        lock(&self.stripes[usize::try_from(key % STRIPES as u64).expect("less than 64")])
    }

    /// Adds a channel, thread or direct-message channel to its stripe, which the caller holds.
    pub(crate) fn make(&self, stripe: &mut Stripe, id: ChannelId, made: Made) {
        let place = match &made {
            Made::Thread(thread) => Place::Guild(thread.guild),
            Made::Channel { guild } => Place::Guild(*guild),
            Made::Dm { user } => Place::Dm(*user),
        };
        let lasts = matches!(made, Made::Channel { .. });
        if let Made::Thread(thread) = &made {
            stripe.count_open(thread.guild, !thread.archived);
        }
        stripe.channel(id).made = Some(made);
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        places.insert(id, place);
        if lasts {
            return;
        }
        stripe.threads.push_back(id);
        while stripe.threads.len() > stripe.capacity {
            if let Some(oldest) = stripe.threads.pop_front() {
                stripe.forget(oldest);
                places.remove(&oldest);
            }
        }
    }

    /// Forgets channels or threads with their messages. The caller holds their stripe.
    pub(crate) fn forget(&self, stripe: &mut Stripe, ids: &[ChannelId]) {
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        for id in ids {
            stripe.forget(*id);
            places.remove(id);
        }
        stripe.threads.retain(|id| !ids.contains(id));
    }
}
