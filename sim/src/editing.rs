//! What changes or takes away messages: edits by their authors, embeds suppressed by staff, deletions.
//! <https://discord.com/developers/docs/resources/message#edit-message> and below

use crate::attachments::{File, MAX_FILES};
use crate::components;
use crate::core::Core;
use crate::ids::{AttachmentId, ChannelId, DISCORD_EPOCH_MS, MessageId, UserId};
use crate::mentions::{self, AllowedMentions, Unsaid};
use crate::message::{Message, flag, kind};
use crate::permissions::Permissions;
use crate::posting::{intents, spoken};
use crate::rest::error::ApiError;
use crate::store::{Place, Stripe};
use crate::transcript::Kind;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};
use std::collections::HashSet;
use std::sync::Arc;

/// Messages that one bulk deletion takes at least and at most.
const BULK: std::ops::RangeInclusive<usize> = 2..=100;
const TWO_WEEKS_MS: u64 = 14 * 86_400_000;

/// Changes to a message; `None` leaves a field as it is.
#[derive(Debug, Default)]
pub(crate) struct Change {
    pub(crate) content: Option<String>,
    pub(crate) components: Option<Vec<Value>>,
    pub(crate) embeds: Option<(Option<Arc<RawValue>>, usize)>,
    pub(crate) allowed: Option<AllowedMentions>,
    pub(crate) flags: Option<u64>,
    /// Attachments that stay, with a new description where one is given.
    pub(crate) keep: Option<Vec<(AttachmentId, Option<String>)>>,
    /// New files.
    pub(crate) files: Vec<File>,
}

impl Change {
    /// Whether nothing but flags is changed, which staff may do to others' messages.
    fn only_flags(&self) -> bool {
        self.content.is_none()
            && self.components.is_none()
            && self.embeds.is_none()
            && self.keep.is_none()
            && self.files.is_empty()
    }
}

impl Core {
    /// Edits a message for `editor`: its author, or somebody with MANAGE_MESSAGES who changes only flags.
    pub(crate) fn edit(
        &self,
        channel: ChannelId,
        id: MessageId,
        editor: UserId,
        change: Change,
    ) -> Result<Arc<Message>, ApiError> {
        let place = self.place(channel)?;
        let mut stripe = self.store.lock(place);
        let old = stripe.message(channel, id).cloned().ok_or_else(ApiError::unknown_message)?;
        let may = self.permissions_in(&stripe, channel, editor).unwrap_or_default();
        let own = old.author == editor;
        if old.is_system() {
            return Err(ApiError::system_message());
        }
        let moderates = change.only_flags() && may.has(Permissions::MANAGE_MESSAGES);
        if !own && !moderates {
            return Err(ApiError::not_own_message());
        }
        self.unlocked_for(&stripe, channel, may)?;
        let mut new = Message::clone(&old);
        let only_flags = change.only_flags();
        self.apply(&stripe, may, &mut new, change)?;
        if new.is_empty() {
            return Err(ApiError::empty_message());
        }
        new.flags &= !flag::LOADING;
        if !only_flags {
            new.edited_at_ms = Some(self.clock.unix_ms());
        }
        let new = Arc::new(new);
        let gone: Vec<_> = old
            .attachments
            .iter()
            .filter(|file| !new.attachments.iter().any(|kept| kept.id == file.id))
            .cloned()
            .collect();
        self.files.forget(&gone);
        stripe.replace(new.clone());
        if own {
            self.record_edit(&new);
        }
        let replied_to = new.reference.and_then(|(_, id)| stripe.message(channel, id)).cloned();
        self.tell(&stripe, "MESSAGE_UPDATE", &new, replied_to.as_deref(), stripe.thread_json(id.thread()));
        Ok(new)
    }

    /// Refuses changes in an archived thread, and in a locked one for all but moderators.
    fn unlocked_for(&self, stripe: &Stripe, channel: ChannelId, may: Permissions) -> Result<(), ApiError> {
        let Some(thread) = stripe.thread(channel) else { return Ok(()) };
        if thread.archived {
            return Err(ApiError::archived());
        }
        if thread.locked && !may.has(Permissions::MANAGE_THREADS) {
            return Err(ApiError::thread_locked());
        }
        Ok(())
    }

    /// Refuses changes in an archived thread.
    pub(crate) fn unarchived(&self, stripe: &Stripe, channel: ChannelId) -> Result<(), ApiError> {
        self.unlocked_for(stripe, channel, Permissions::ALL)
    }

    fn apply(
        &self,
        stripe: &Stripe,
        may: Permissions,
        new: &mut Message,
        change: Change,
    ) -> Result<(), ApiError> {
        let said_anew = change.content.is_some() || change.components.is_some();
        if let Some(flags) = change.flags {
            new.flags |= flags & flag::COMPONENTS_V2;
            new.flags = new.flags & !flag::SUPPRESS_EMBEDS | flags & flag::SUPPRESS_EMBEDS;
        }
        if let Some(content) = change.content {
            new.content = content;
        }
        let v2 = new.has(flag::COMPONENTS_V2);
        if let Some(list) = change.components {
            let checked = components::check(list, v2)?;
            new.components = (!checked.list.is_empty())
                .then(|| Arc::from(to_raw_value(&checked.list).expect("values are JSON")));
            (new.buttons, new.texts) = (checked.interactive, checked.texts);
        }
        if let Some((raw, count)) = change.embeds {
            (new.embeds, new.embed_count) = (raw, count);
        }
        if v2 && (!new.content.is_empty() || new.embeds.is_some()) {
            return Err(ApiError::legacy_fields());
        }
        if let Some(keep) = change.keep {
            keep_listed(new, keep)?;
        }
        if new.attachments.len() + change.files.len() > MAX_FILES {
            return Err(ApiError::too_many_files());
        }
        self.attach(new, &change.files);
        if said_anew {
            let unsaid =
                if new.cause.is_some() || new.hook.is_some() { Unsaid::Webhook } else { Unsaid::Message };
            let said = spoken(&new.content, &new.texts);
            let pinged = mentions::resolve(&said, change.allowed.as_ref(), unsaid, None);
            new.pinged = self.permitted(stripe, new.channel, may, pinged);
        }
        Ok(())
    }

    fn record_edit(&self, message: &Message) {
        let (channel, id, member) = (message.channel, message.id, message.author);
        self.record(if message.hook.is_some() {
            Kind::WebhookMessage { webhook: member, edited: true, message: message.as_entry() }
        } else if self.world.is_bot(member) {
            Kind::BotEdit(message.as_entry())
        } else {
            Kind::MemberEdit { channel, id, member, content: message.content.clone() }
        });
    }

    /// Deletes a message for `by`: its author, or somebody with MANAGE_MESSAGES.
    pub(crate) fn delete(&self, channel: ChannelId, id: MessageId, by: UserId) -> Result<(), ApiError> {
        let place = self.place(channel)?;
        let mut stripe = self.store.lock(place);
        let old = stripe.message(channel, id).cloned().ok_or_else(ApiError::unknown_message)?;
        if old.author != by {
            self.require(&stripe, channel, by, Permissions::MANAGE_MESSAGES)?;
        }
        if old.kind == kind::THREAD_STARTER {
            return Err(ApiError::system_message());
        }
        self.unarchived(&stripe, channel)?;
        self.take_away(&mut stripe, &old, by);
        if old.has(flag::EPHEMERAL) {
            self.tell_privately(&old);
        } else {
            let mut d = json!({"id": id, "channel_id": channel});
            if let Some(guild) = place.guild() {
                d["guild_id"] = json!(guild);
            }
            let intents = intents::messages(place);
            self.dispatch_in(&stripe, channel, "MESSAGE_DELETE", intents, || d.to_string().into());
        }
        Ok(())
    }

    fn take_away(&self, stripe: &mut Stripe, old: &Message, by: UserId) {
        let (channel, id) = (old.channel, old.id);
        stripe.remove(channel, id);
        self.files.forget(&old.attachments);
        let own_hook = old.hook.is_some() && old.author == by;
        self.record(if self.world.is_bot(by) || own_hook {
            Kind::BotDelete { channel, id }
        } else {
            Kind::MemberDelete { channel, id, by }
        });
    }

    /// Deletes many messages at once; ids of no message are passed over.
    pub(crate) fn delete_many(
        &self,
        channel: ChannelId,
        ids: &[MessageId],
        by: UserId,
    ) -> Result<(), ApiError> {
        let place = self.place(channel)?;
        let Place::Guild(guild) = place else { return Err(ApiError::no_dms_here()) };
        let mut stripe = self.store.lock(place);
        self.require(&stripe, channel, by, Permissions::MANAGE_MESSAGES)?;
        if !BULK.contains(&ids.len()) {
            return Err(ApiError::wrong_delete_count());
        }
        if ids.iter().collect::<HashSet<_>>().len() < ids.len() {
            let message = "The set already contains this value";
            return Err(ApiError::invalid("messages", "SET_TYPE_ALREADY_CONTAINS_VALUE", message));
        }
        let oldest = self.clock.unix_ms().saturating_sub(TWO_WEEKS_MS);
        if ids.iter().any(|id| (id.get() >> 22) + DISCORD_EPOCH_MS < oldest) {
            return Err(ApiError::too_old_to_delete());
        }
        self.unarchived(&stripe, channel)?;
        let visible =
            |id: &MessageId| stripe.message(channel, *id).filter(|old| !old.has(flag::EPHEMERAL)).cloned();
        let found: Vec<Arc<Message>> = ids.iter().filter_map(visible).collect();
        for old in &found {
            self.take_away(&mut stripe, old, by);
        }
        if !found.is_empty() {
            let ids: Vec<MessageId> = found.iter().map(|old| old.id).collect();
            let d = json!({"ids": ids, "channel_id": channel, "guild_id": guild});
            let intents = intents::messages(place);
            self.dispatch_in(&stripe, channel, "MESSAGE_DELETE_BULK", intents, || d.to_string().into());
        }
        Ok(())
    }
}

/// Leaves only the listed attachments.
fn keep_listed(message: &mut Message, keep: Vec<(AttachmentId, Option<String>)>) -> Result<(), ApiError> {
    let mut kept = Vec::with_capacity(keep.len());
    for (id, description) in keep {
        let known = message.attachments.iter().find(|file| file.id == id).cloned();
        let mut file = known.ok_or_else(ApiError::file_not_found)?;
        if description.is_some() {
            Arc::make_mut(&mut file).description = description;
        }
        kept.push(file);
    }
    message.attachments = kept;
    Ok(())
}
