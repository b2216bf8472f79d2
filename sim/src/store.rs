//! Messages and threads, kept in stripes.
//!
//! All channels of one server lie in one stripe, so that holding its lock orders everything that happens
//! in that server: ids, transcript and gateway events agree. Each stripe is bounded and forgets its oldest
//! messages and threads first. Locks are only ever taken in the order nonce, stripe, session, transcript.

use crate::ids::{ChannelId, GuildId, MessageId, UserId};
use crate::lock;
use crate::message::Message;
use crate::render::{ChannelJson, ThreadMemberJson, ThreadMetadata};
use crate::world::World;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

const STRIPES: usize = 64;
const THREADS_IN_GUILD_CREATE: usize = 100;
const DM_STRIPE_SALT: u64 = 0x9e37_79b9_7f4a_7c15;

/// A thread or a direct-message channel; fixed channels follow from the world.
#[derive(Clone, Debug)]
pub(crate) enum Made {
    Thread {
        guild: GuildId,
        parent: ChannelId,
        owner: UserId,
        name: String,
        at: String,
        auto_archive: u64,
        archived: bool,
    },
    Dm {
        user: UserId,
    },
}

#[derive(Debug, Default)]
pub(crate) struct Channel {
    pub(crate) made: Option<Made>,
    pub(crate) messages: BTreeMap<MessageId, Arc<Message>>,
    pub(crate) sent: usize,
}

#[derive(Debug, Default)]
pub(crate) struct Stripe {
    channels: HashMap<ChannelId, Channel>,
    order: VecDeque<(ChannelId, MessageId)>,
    threads: VecDeque<ChannelId>,
    capacity: usize,
}

impl Stripe {
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
        slot.messages.insert(id, message);
        slot.sent += 1;
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
        self.channels.get_mut(&channel)?.messages.remove(&id)
    }

    /// The channel object of a thread or direct message; `None` for others.
    pub(crate) fn made_json(&self, id: ChannelId) -> Option<ChannelJson<'static>> {
        let channel = self.channels.get(&id)?;
        let last_message_id = channel.messages.last_key_value().map(|(id, _)| *id);
        match channel.made.as_ref()? {
            Made::Dm { .. } => Some(ChannelJson { last_message_id, ..ChannelJson::bare(id, 1) }),
            Made::Thread { guild, parent, owner, name, at, auto_archive, archived } => Some(ChannelJson {
                guild_id: Some(*guild),
                name: Some(name.clone().into()),
                parent_id: Some(*parent),
                owner_id: Some(*owner),
                thread_metadata: Some(ThreadMetadata {
                    archived: *archived,
                    auto_archive_duration: *auto_archive,
                    archive_timestamp: at.clone(),
                    locked: false,
                    create_timestamp: at.clone(),
                }),
                // The starter message does not count.
                message_count: Some(channel.sent.saturating_sub(1)),
                total_message_sent: Some(channel.sent.saturating_sub(1)),
                member_count: Some(1),
                member: Some(ThreadMemberJson { id, user_id: *owner, join_timestamp: at.clone(), flags: 0 }),
                last_message_id,
                ..ChannelJson::bare(id, 11)
            }),
        }
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
    places: RwLock<HashMap<ChannelId, Place>>,
}

impl Store {
    pub(crate) fn new(messages: usize) -> Self {
        let capacity = (messages / STRIPES).max(16);
        let stripe = || Mutex::new(Stripe { capacity, ..Stripe::default() });
        Self { stripes: (0..STRIPES).map(|_| stripe()).collect(), places: RwLock::default() }
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

    /// Adds a thread or direct-message channel to its stripe, which the caller holds.
    pub(crate) fn make(&self, stripe: &mut Stripe, id: ChannelId, made: Made) {
        let place = match &made {
            Made::Thread { guild, .. } => Place::Guild(*guild),
            Made::Dm { user } => Place::Dm(*user),
        };
        stripe.channel(id).made = Some(made);
        stripe.threads.push_back(id);
        let mut places = self.places.write().unwrap_or_else(PoisonError::into_inner);
        places.insert(id, place);
        while stripe.threads.len() > stripe.capacity {
            if let Some(oldest) = stripe.threads.pop_front() {
                stripe.channels.remove(&oldest);
                places.remove(&oldest);
            }
        }
    }

    /// The newest open threads of a server, for GUILD_CREATE.
    pub(crate) fn threads(&self, guild: GuildId) -> Vec<ChannelJson<'static>> {
        let stripe = self.lock(Place::Guild(guild));
        stripe
            .threads
            .iter()
            .rev()
            .filter(|id| {
                matches!(stripe.made(**id), Some(Made::Thread { guild: of, archived: false, .. }) if *of == guild)
            })
            .take(THREADS_IN_GUILD_CREATE)
            .filter_map(|id| stripe.made_json(*id))
            .collect()
    }
}
