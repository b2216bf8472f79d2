//! A thread: its state, its JSON, and when it archives itself.
//! <https://discord.com/developers/docs/topics/threads>

use crate::clock::timestamp;
use crate::guild::channel_kind;
use crate::ids::{ChannelId, GuildId, MessageId, UserId};
use crate::render::ChannelJson;
use serde::Serialize;
use std::collections::BTreeMap;

/// Members that a thread may have (30033).
pub(crate) const MAX_MEMBERS: usize = 1_000;
const MINUTE_MS: u64 = 60_000;
/// `member_count` stops counting here.
const COUNTED_MEMBERS: usize = 50;
/// Channel flag of a post pinned to the top of its forum; such a post does not archive itself.
pub(crate) const PINNED: u64 = 1 << 1;

#[derive(Clone, Debug)]
pub(crate) struct Thread {
    pub(crate) guild: GuildId,
    pub(crate) parent: ChannelId,
    pub(crate) kind: u8,
    pub(crate) owner: UserId,
    pub(crate) name: String,
    pub(crate) created_ms: u64,
    /// When it was last archived or unarchived, or its auto-archive time was changed.
    pub(crate) archive_ms: u64,
    /// When somebody last did something in it.
    pub(crate) active_ms: u64,
    /// Minutes without activity after which it archives itself.
    pub(crate) auto_archive: u64,
    pub(crate) archived: bool,
    pub(crate) locked: bool,
    pub(crate) invitable: bool,
    pub(crate) slowmode_s: u32,
    pub(crate) tags: Vec<u64>,
    pub(crate) flags: u64,
    /// When each member joined, in Unix milliseconds.
    pub(crate) members: BTreeMap<UserId, u64>,
    /// Messages in it and messages ever sent to it; what opened it does not count.
    pub(crate) messages: u64,
    pub(crate) sent: u64,
}

impl Thread {
    /// A public thread with its creator in it.
    pub(crate) fn new(guild: GuildId, parent: ChannelId, owner: UserId, name: String, now_ms: u64) -> Self {
        Self {
            guild,
            parent,
            kind: channel_kind::PUBLIC_THREAD,
            owner,
            name,
            created_ms: now_ms,
            archive_ms: now_ms,
            active_ms: now_ms,
            auto_archive: 4_320,
            archived: false,
            locked: false,
            invitable: true,
            slowmode_s: 0,
            tags: Vec::new(),
            flags: 0,
            members: BTreeMap::from([(owner, now_ms)]),
            messages: 0,
            sent: 0,
        }
    }

    pub(crate) fn is_private(&self) -> bool {
        self.kind == channel_kind::PRIVATE_THREAD
    }

    /// When it archives itself if nothing happens in it, in Unix milliseconds.
    pub(crate) fn archives_at(&self) -> u64 {
        if self.archived || self.flags & PINNED != 0 {
            return u64::MAX;
        }
        self.active_ms.saturating_add(self.auto_archive.saturating_mul(MINUTE_MS))
    }

    pub(crate) fn member_count(&self) -> usize {
        self.members.len().min(COUNTED_MEMBERS)
    }

    /// The thread member object of somebody, if he is in it.
    pub(crate) fn member(&self, id: ChannelId, user: UserId) -> Option<ThreadMemberJson> {
        let joined_ms = *self.members.get(&user)?;
        Some(ThreadMemberJson { id, user_id: user, join_timestamp: timestamp(joined_ms), flags: 0 })
    }

    /// Its channel object, with the thread member of `reader`.
    pub(crate) fn json(
        &self,
        id: ChannelId,
        reader: UserId,
        last_message_id: Option<MessageId>,
    ) -> ChannelJson<'static> {
        ChannelJson {
            guild_id: Some(self.guild),
            name: Some(self.name.clone().into()),
            parent_id: Some(self.parent),
            owner_id: Some(self.owner),
            rate_limit_per_user: self.slowmode_s,
            thread_metadata: Some(ThreadMetadata {
                archived: self.archived,
                auto_archive_duration: self.auto_archive,
                archive_timestamp: timestamp(self.archive_ms),
                locked: self.locked,
                invitable: self.is_private().then_some(self.invitable),
                create_timestamp: timestamp(self.created_ms),
            }),
            message_count: Some(self.messages),
            total_message_sent: Some(self.sent),
            member_count: Some(self.member_count()),
            member: self.member(id, reader),
            applied_tags: (!self.tags.is_empty()).then(|| self.tags.iter().map(u64::to_string).collect()),
            last_message_id,
            flags: self.flags,
            ..ChannelJson::bare(id, self.kind)
        }
    }
}

/// State of a thread.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ThreadMetadata {
    pub(crate) archived: bool,
    pub(crate) auto_archive_duration: u64,
    pub(crate) archive_timestamp: String,
    pub(crate) locked: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) invitable: Option<bool>,
    pub(crate) create_timestamp: String,
}

#[derive(Clone, Debug, Serialize)]
pub(crate) struct ThreadMemberJson {
    pub(crate) id: ChannelId,
    pub(crate) user_id: UserId,
    pub(crate) join_timestamp: String,
    pub(crate) flags: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_archives_itself_after_its_time_unless_it_is_pinned() {
        let mut thread = Thread::new(GuildId(1), ChannelId(2), UserId(3), "t".to_owned(), 1_000);
        thread.auto_archive = 60;
        assert_eq!(thread.archives_at(), 3_601_000);
        thread.flags = PINNED;
        assert_eq!(thread.archives_at(), u64::MAX);
        (thread.flags, thread.archived) = (0, true);
        assert_eq!(thread.archives_at(), u64::MAX);
    }

    #[test]
    fn the_member_count_stops_at_fifty() {
        let mut thread = Thread::new(GuildId(1), ChannelId(2), UserId(3), "t".to_owned(), 0);
        thread.members.extend((100..200).map(|n| (UserId(n), 0)));
        assert_eq!(thread.member_count(), 50);
    }
}
