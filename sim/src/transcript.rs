//! The transcript: an append-only record of what members and the bot did, and counters.
//!
//! Everything the reports say is read from here, by structure alone. The record is bounded: past its
//! capacity the oldest entries go and are counted as dropped.

mod counters;

pub use counters::Counters;
pub(crate) use counters::{Live, add};

use crate::clock::Clock;
use crate::faults::Fault;
use crate::ids::{ChannelId, GuildId, InteractionId, MessageId, RoleId, UserId};
use crate::lock;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use tokio::sync::broadcast;

/// Who a message really pinged, after allowed mentions.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pinged {
    /// Users notified.
    pub users: Vec<UserId>,
    /// Roles notified.
    pub roles: Vec<RoleId>,
    /// Whether `@everyone` or `@here` took effect.
    pub everyone: bool,
}

/// An interactive component of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Component {
    /// Component type: 2 is a button, 3 a select menu.
    pub kind: u64,
    /// What a press sends back.
    pub custom_id: String,
    /// Text of a button.
    pub label: String,
    /// Whether it cannot be pressed.
    pub disabled: bool,
}

/// A message of the bot as it stood when posted or edited.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BotMessage {
    /// Server; `None` in a direct message.
    pub guild: Option<GuildId>,
    /// Channel or thread.
    pub channel: ChannelId,
    /// The message.
    pub id: MessageId,
    /// Text.
    pub content: String,
    /// Nonce given at creation.
    pub nonce: Option<String>,
    /// Message it replies to.
    pub reference: Option<MessageId>,
    /// Buttons and menus.
    pub components: Vec<Component>,
    /// Text displays among the components (components v2).
    pub texts: Vec<String>,
    /// Number of embeds.
    pub embeds: usize,
    /// Names of attached files.
    pub attachments: Vec<String>,
    /// Who was notified.
    pub pinged: Pinged,
    /// The interaction it answers, as the original response or a follow-up.
    pub interaction: Option<InteractionId>,
    /// Whether only one member sees it.
    pub ephemeral: bool,
    /// A deferred response that has no text yet.
    pub loading: bool,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// A member wrote.
    MemberMessage {
        /// Server; `None` in a direct message.
        guild: Option<GuildId>,
        /// Channel or thread.
        channel: ChannelId,
        /// The message.
        id: MessageId,
        /// Its author.
        member: UserId,
        /// Text.
        content: String,
        /// Message it replies to.
        reference: Option<MessageId>,
    },
    /// A member changed a message of his; this is its new text.
    MemberEdit {
        /// Channel or thread.
        channel: ChannelId,
        /// The message.
        id: MessageId,
        /// Its author.
        member: UserId,
        /// New text.
        content: String,
    },
    /// A member deleted a message, his own or, as staff, another's.
    MemberDelete {
        /// Channel or thread.
        channel: ChannelId,
        /// The message.
        id: MessageId,
        /// Who deleted it.
        by: UserId,
    },
    /// A channel webhook posted, or its message was edited.
    WebhookMessage {
        /// The webhook.
        webhook: UserId,
        /// Whether this is an edit.
        edited: bool,
        /// The message.
        message: BotMessage,
    },
    /// Somebody put a reaction on a message.
    Reaction {
        /// Channel or thread.
        channel: ChannelId,
        /// The message.
        message: MessageId,
        /// Who; may be the bot.
        user: UserId,
        /// The emoji.
        emoji: String,
    },
    /// Somebody's reaction was taken away.
    ReactionRemoved {
        /// Channel or thread.
        channel: ChannelId,
        /// The message.
        message: MessageId,
        /// Whose.
        user: UserId,
        /// The emoji.
        emoji: String,
    },
    /// All reactions of a message were taken away, or all with one emoji.
    ReactionsCleared {
        /// Channel or thread.
        channel: ChannelId,
        /// The message.
        message: MessageId,
        /// The emoji; `None` is all.
        emoji: Option<String>,
    },
    /// A message was pinned or unpinned.
    Pin {
        /// Channel or thread.
        channel: ChannelId,
        /// The message.
        message: MessageId,
        /// Who did it; may be the bot.
        by: UserId,
        /// Whether it is pinned now.
        pinned: bool,
    },
    /// A member used a command or a component, asked for choices, or submitted a modal.
    Interaction {
        /// Server.
        guild: Option<GuildId>,
        /// Where.
        channel: ChannelId,
        /// The interaction.
        id: InteractionId,
        /// Who.
        member: UserId,
        /// Interaction type: 2 command, 3 component, 4 autocomplete, 5 modal.
        interaction_type: u8,
        /// Command name with group and sub-command; `None` for a component.
        command: Option<String>,
        /// Custom id of the component or modal; `None` for a command.
        custom_id: Option<String>,
        /// Message that carries the component, or that a message command was used on.
        message: Option<MessageId>,
        /// What was chosen in a select menu or written into a modal.
        values: Vec<String>,
    },
    /// A modal popped up in front of a member.
    ModalShown {
        /// The interaction it answers.
        interaction: InteractionId,
        /// Its custom id.
        custom_id: String,
        /// Its title.
        title: String,
    },
    /// A member got choices for the option he is typing.
    ChoicesShown {
        /// The autocomplete interaction.
        interaction: InteractionId,
        /// The names shown.
        names: Vec<String>,
    },
    /// The bot posted.
    BotMessage(BotMessage),
    /// The bot edited one of its messages; this is its new state.
    BotEdit(BotMessage),
    /// The bot deleted a message, its own or, with the permission, a member's.
    BotDelete {
        /// Channel or thread.
        channel: ChannelId,
        /// The message.
        id: MessageId,
    },
    /// A thread was started: from a message, as a forum post, or without either.
    ThreadStarted {
        /// Server.
        guild: GuildId,
        /// Channel of the message, or forum.
        parent_channel: ChannelId,
        /// The message; in a forum the post's first one. A thread without either gives its own number.
        from_message: MessageId,
        /// The thread; same number as the message.
        thread: ChannelId,
        /// Its name.
        name: String,
        /// Who started it.
        by: UserId,
    },
    /// The bot showed that it is typing.
    Typing {
        /// Channel or thread.
        channel: ChannelId,
    },
    /// First answer to an interaction.
    InteractionAcked {
        /// The interaction.
        interaction: InteractionId,
        /// Callback type: 4 message, 5 deferred, 6 deferred update, 7 update, 8 choices, 9 modal.
        callback: u64,
        /// Time since the member acted.
        after_ms: u64,
    },
    /// "The application did not respond."
    InteractionFailed {
        /// The interaction.
        interaction: InteractionId,
    },
    /// A message was not posted again because its nonce was seen before.
    NonceReplay {
        /// The nonce.
        nonce: String,
        /// The earlier message.
        message: MessageId,
    },
    /// A request was answered 429.
    RateLimited {
        /// Route name.
        route: &'static str,
        /// "user", "global" or "shared".
        scope: &'static str,
    },
    /// A request met a planned fault.
    Faulted {
        /// Route name.
        route: &'static str,
        /// What happened to it.
        fault: Fault,
    },
    /// A gateway session began.
    Identified {
        /// Gateway shard.
        shard: u32,
        /// Total of gateway shards.
        total: u32,
        /// Session id.
        session: String,
    },
    /// A gateway session went on over a new connection.
    Resumed {
        /// Session id.
        session: String,
        /// Events sent again.
        replayed: u64,
    },
    /// A gateway session lost its connection.
    Disconnected {
        /// Session id.
        session: String,
    },
    /// The daily identify budget was exceeded: sessions ended, the token no longer counts.
    TokenReset,
}

/// One line of the transcript.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// Position since the start, 0-based, never reused.
    pub index: u64,
    /// Unix time in milliseconds, never stepping back.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}

struct Log {
    entries: VecDeque<Arc<Entry>>,
    first: u64,
    /// Entries that went by `clear`, not for want of room.
    cleared: u64,
}

/// The record itself. Shared by everything in a simulator.
pub struct Transcript {
    log: Mutex<Log>,
    capacity: usize,
    live: broadcast::Sender<Arc<Entry>>,
}

impl std::fmt::Debug for Transcript {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transcript").field("capacity", &self.capacity).finish_non_exhaustive()
    }
}

impl Transcript {
    pub(crate) fn new(capacity: usize) -> Self {
        let log = Log { entries: VecDeque::new(), first: 0, cleared: 0 };
        Self { log: Mutex::new(log), capacity, live: broadcast::Sender::new(4_096) }
    }

    /// Whether anybody can see an entry made now: with a capacity of 0 only those who listen do.
    pub(crate) fn is_read(&self) -> bool {
        self.capacity > 0 || self.live.receiver_count() > 0
    }

    /// Counts an entry that nobody would see.
    pub(crate) fn pass_over(&self) {
        lock(&self.log).first += 1;
    }

    pub(crate) fn record(&self, clock: &Clock, kind: Kind) {
        let mut log = lock(&self.log);
        if !self.is_read() {
            log.first += 1;
            return;
        }
        let index = log.first + log.entries.len() as u64;
        // The time is taken under the lock, so that times never step back along the record.
        let entry = Arc::new(Entry { index, at_ms: clock.stamp(), kind });
        log.entries.push_back(entry.clone());
        while log.entries.len() > self.capacity {
            log.entries.pop_front();
            log.first += 1;
        }
        // No receiver is no error; a slow one learns from the channel that it lagged.
        let _ = self.live.send(entry);
    }

    /// Forgets all entries; indexes go on.
    pub(crate) fn clear(&self) {
        let mut log = lock(&self.log);
        let gone = log.entries.len() as u64;
        log.entries.clear();
        log.first += gone;
        log.cleared += gone;
    }

    /// Everything still kept, oldest first.
    pub fn snapshot(&self) -> Vec<Arc<Entry>> {
        lock(&self.log).entries.iter().cloned().collect()
    }

    /// Up to `limit` entries from index `from` on.
    pub fn since(&self, from: u64, limit: usize) -> Vec<Arc<Entry>> {
        let log = lock(&self.log);
        let skip = usize::try_from(from.saturating_sub(log.first)).unwrap_or(usize::MAX);
        log.entries.iter().skip(skip).take(limit).cloned().collect()
    }

    /// Entries from now on. A receiver that lags by more than 4,096 loses the oldest and is told so;
    /// [`Transcript::since`] has them.
    pub fn subscribe(&self) -> broadcast::Receiver<Arc<Entry>> {
        self.live.subscribe()
    }

    /// Index that the next entry will have.
    pub fn end(&self) -> u64 {
        let log = lock(&self.log);
        log.first + log.entries.len() as u64
    }

    /// Entries lost to the capacity.
    pub fn dropped(&self) -> u64 {
        let log = lock(&self.log);
        log.first - log.cleared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_capacity_entries_are_counted_and_reach_those_who_listen() {
        let transcript = Transcript::new(0);
        let clock = Clock::new(None, crate::Skew::default(), false);
        transcript.record(&clock, Kind::TokenReset);
        let mut listener = transcript.subscribe();
        transcript.record(&clock, Kind::TokenReset);
        assert_eq!(listener.try_recv().unwrap().index, 1);
        assert_eq!((transcript.end(), transcript.dropped(), transcript.snapshot().len()), (2, 2, 0));
    }

    #[test]
    fn a_full_transcript_drops_the_oldest_and_counts_them() {
        let transcript = Transcript::new(3);
        let clock = Clock::new(None, crate::Skew::default(), false);
        for channel in 0..5 {
            transcript.record(&clock, Kind::Typing { channel: ChannelId(channel) });
        }
        assert_eq!(transcript.dropped(), 2);
        assert_eq!(transcript.snapshot().iter().map(|e| e.index).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(transcript.since(3, 10).len(), 2);
        assert_eq!(transcript.since(0, 1)[0].index, 2);
        assert_eq!(transcript.end(), 5);
    }
}
