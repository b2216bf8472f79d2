//! Pinned messages of a channel.
//! <https://discord.com/developers/docs/resources/message#get-channel-pins>

use crate::clock::timestamp;
use crate::core::Core;
use crate::ids::{ChannelId, MessageId, UserId};
use crate::message::{Message, Stamp, flag, kind};
use crate::permissions::Permissions;
use crate::posting::intents;
use crate::rest::error::ApiError;
use crate::store::{Place, Stripe};
use crate::transcript::Kind;
use serde_json::json;
use std::sync::Arc;

/// Pins of one channel.
const MAX_PINS: usize = 250;

impl Core {
    /// The pinned messages of a channel, the last pinned first.
    pub(crate) fn pinned(&self, stripe: &mut Stripe, channel: ChannelId) -> Vec<Arc<Message>> {
        let all = stripe.channel(channel).messages.values();
        let mut pinned: Vec<Arc<Message>> =
            all.filter(|message| message.pinned_at_ms.is_some()).cloned().collect();
        pinned.sort_by_key(|message| std::cmp::Reverse((message.pinned_at_ms, message.id)));
        pinned
    }

    /// Pins or unpins a message. Pinning is told by a system message in the channel; what is already so stays.
    pub(crate) fn pin(
        &self,
        channel: ChannelId,
        id: MessageId,
        by: UserId,
        pinned: bool,
    ) -> Result<(), ApiError> {
        let place = self.place(channel)?;
        let mut stripe = self.store.lock(place);
        self.require(&stripe, channel, by, Permissions::PIN_MESSAGES)?;
        let old = stripe.message(channel, id).filter(|message| !message.has(flag::EPHEMERAL));
        let old = old.cloned().ok_or_else(ApiError::unknown_message)?;
        self.unarchived(&stripe, channel)?;
        if old.pinned_at_ms.is_some() == pinned {
            return Ok(());
        }
        if pinned && old.is_system() {
            return Err(ApiError::system_message());
        }
        let others = self.pinned(&mut stripe, channel);
        if pinned && others.len() >= MAX_PINS {
            return Err(ApiError::too_many_pins());
        }
        let mut new = Message::clone(&old);
        // Two pins of one millisecond still have an order.
        let after = others.first().and_then(|last| last.pinned_at_ms).map_or(0, |last| last + 1);
        new.pinned_at_ms = pinned.then(|| self.clock.unix_ms().max(after));
        let new = Arc::new(new);
        stripe.replace(new.clone());
        self.record(Kind::Pin { channel, message: id, by, pinned });
        self.tell(&stripe, "MESSAGE_UPDATE", &new, None, stripe.thread_json(id.thread()));
        self.tell_pins(&mut stripe, place, channel);
        if pinned {
            self.announce_pin(&mut stripe, place, &new, by);
        }
        Ok(())
    }

    fn tell_pins(&self, stripe: &mut Stripe, place: Place, channel: ChannelId) {
        let last = self.pinned(stripe, channel).first().and_then(|message| message.pinned_at_ms);
        let mut d = json!({"channel_id": channel, "last_pin_timestamp": last.map(timestamp)});
        if let Some(guild) = place.guild() {
            d["guild_id"] = json!(guild);
        }
        self.dispatch_in(stripe, channel, "CHANNEL_PINS_UPDATE", intents::pins(place), || {
            d.to_string().into()
        });
    }

    fn announce_pin(&self, stripe: &mut Stripe, place: Place, pinned: &Message, by: UserId) {
        let stamp = Stamp {
            id: MessageId(self.next_id()),
            channel: pinned.channel,
            guild: place.guild(),
            author: by,
            at_ms: self.clock.unix_ms(),
        };
        let message = Arc::new(Message {
            reference: Some((pinned.channel, pinned.id)),
            ..Message::bare(stamp, kind::PINNED)
        });
        stripe.insert(message.clone());
        self.tell(stripe, "MESSAGE_CREATE", &message, None, None);
    }
}
