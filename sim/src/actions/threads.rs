//! Members start threads and forum posts, join and leave them, archive, open and lock them.

use super::ActionError;
use crate::core::Core;
use crate::guild::channel_kind;
use crate::ids::{ChannelId, MessageId, UserId};
use crate::permissions::Permissions;
use crate::posting::Draft;
use crate::rest::error::ApiError;
use crate::simulator::Simulator;
use crate::threads::NewThread;

impl Simulator {
    /// A member starts a thread: from a message, or a public or private one without.
    pub fn open_thread(
        &self,
        channel: ChannelId,
        member: UserId,
        name: &str,
        from: Option<MessageId>,
        private: bool,
    ) -> Result<ChannelId, ActionError> {
        self.core.open_thread_by(channel, member, name, from, private)
    }

    /// A member starts a post in a forum.
    pub fn open_post(
        &self,
        forum: ChannelId,
        member: UserId,
        title: &str,
        text: &str,
        tags: &[u64],
    ) -> Result<ChannelId, ActionError> {
        self.core.open_post_by(forum, member, title, text, tags)
    }

    /// A member joins a thread he can see, or leaves it.
    pub fn set_in_thread(&self, thread: ChannelId, member: UserId, within: bool) -> Result<(), ActionError> {
        self.core.set_in_thread(thread, member, within)
    }

    /// A member archives a thread or opens it again, and locks or unlocks it.
    pub fn set_thread(
        &self,
        thread: ChannelId,
        member: UserId,
        archived: Option<bool>,
        locked: Option<bool>,
    ) -> Result<(), ActionError> {
        self.core.set_thread_by(thread, member, archived, locked)
    }
}

impl Core {
    pub(crate) fn open_thread_by(
        &self,
        channel: ChannelId,
        member: UserId,
        name: &str,
        from: Option<MessageId>,
        private: bool,
    ) -> Result<ChannelId, ActionError> {
        self.actor(channel, member, Permissions::VIEW_CHANNEL)?;
        let new = NewThread::named(name.to_owned(), member);
        let announcement = self
            .store
            .place(&self.world, channel)
            .and_then(|place| {
                self.store.lock(place).guild_channel(&self.world, channel).map(|known| known.kind)
            })
            .is_some_and(|kind| kind == channel_kind::ANNOUNCEMENT);
        let made = match from {
            Some(message) => self.start_thread(channel, message, new),
            None if private => self.start_bare_thread(channel, channel_kind::PRIVATE_THREAD, new),
            None if announcement => self.start_bare_thread(channel, channel_kind::ANNOUNCEMENT_THREAD, new),
            None => self.start_bare_thread(channel, channel_kind::PUBLIC_THREAD, new),
        };
        made.map(|thread| thread.id).map_err(|error| ActionError::of(&error, channel, from))
    }

    pub(crate) fn open_post_by(
        &self,
        forum: ChannelId,
        member: UserId,
        title: &str,
        text: &str,
        tags: &[u64],
    ) -> Result<ChannelId, ActionError> {
        self.actor(forum, member, Permissions::SEND_MESSAGES)?;
        let new = NewThread { tags: tags.to_vec(), ..NewThread::named(title.to_owned(), member) };
        let draft = Draft { content: text.to_owned(), ..Draft::default() };
        let made = self.start_post(forum, new, draft);
        made.map(|(thread, _)| thread.id).map_err(|error| ActionError::of(&error, forum, None))
    }

    pub(crate) fn set_in_thread(
        &self,
        thread: ChannelId,
        member: UserId,
        within: bool,
    ) -> Result<(), ActionError> {
        self.actor(thread, member, Permissions::VIEW_CHANNEL)?;
        let refused = |error: ApiError| ActionError::of(&error, thread, None);
        let mut stripe = self.thread_stripe(thread).map_err(refused)?;
        if stripe.thread(thread).is_some_and(|thread| thread.archived) {
            return Err(ActionError::Closed(thread));
        }
        if within {
            return self.join_thread(&mut stripe, thread, member).map_err(refused);
        }
        self.leave_thread(&mut stripe, thread, member);
        Ok(())
    }

    pub(crate) fn set_thread_by(
        &self,
        thread: ChannelId,
        member: UserId,
        archived: Option<bool>,
        locked: Option<bool>,
    ) -> Result<(), ActionError> {
        self.actor(thread, member, Permissions::VIEW_CHANNEL)?;
        let refused = |error: ApiError| ActionError::of(&error, thread, None);
        let mut stripe = self.thread_stripe(thread).map_err(refused)?;
        let may = self.permissions_in(&stripe, thread, member).unwrap_or_default();
        let known = stripe.thread(thread).ok_or(ActionError::UnknownChannel(thread))?;
        let moderates = may.has(Permissions::MANAGE_THREADS);
        let opens = archived == Some(false) && !known.locked && may.has(Permissions::SEND_MESSAGES);
        let owns = known.owner == member && !known.locked;
        if !moderates && (locked.is_some() || !(opens || owns)) {
            return Err(ActionError::Forbidden(member, thread, Permissions::MANAGE_THREADS));
        }
        if let Some(known) = stripe.thread_mut(thread)
            && let Some(locked) = locked
        {
            known.locked = locked;
            if archived.is_none() {
                self.tell_thread(&stripe, thread);
            }
        }
        match archived {
            Some(archived) => self.set_archived(&mut stripe, thread, archived).map_err(refused),
            None => Ok(()),
        }
    }
}
