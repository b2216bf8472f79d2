//! What the playground hears of: every gateway event, also those the bot may not see, and what one member alone sees.
//!
//! It costs one load where no page is open. Each page has its own place in a bounded channel; one that falls behind is told
//! so and reads the present state again.

use crate::gateway::Event;
use crate::ids::{ChannelId, GuildId, MessageId, UserId};
use crate::message::Message;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::broadcast;

/// Happenings a page may lag behind.
const BACKLOG: usize = 1_024;

/// Something that may change what a page shows.
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    /// A message was posted or changed.
    Message { guild: Option<GuildId>, channel: ChannelId, message: MessageId },
    /// A gateway event with its data, sent to the bot or not. Without a server it is about a direct message.
    Event { guild: Option<GuildId>, name: &'static str, data: Arc<str> },
    /// The world began anew: nothing of what pages show may still be so.
    Afresh,
    /// A message that one member alone sees was posted, changed or taken away.
    Private { to: UserId, channel: ChannelId, message: MessageId },
}

impl Happening {
    pub(crate) fn of(message: &Message) -> Self {
        Self::Message { guild: message.guild, channel: message.channel, message: message.id }
    }

    pub(crate) fn event(guild: Option<GuildId>, event: &Event) -> Self {
        Self::Event { guild, name: event.name, data: event.data.clone() }
    }
}

#[derive(Debug)]
pub(crate) struct Feed {
    live: broadcast::Sender<Happening>,
    listeners: AtomicUsize,
}

impl Default for Feed {
    fn default() -> Self {
        Self { live: broadcast::Sender::new(BACKLOG), listeners: AtomicUsize::new(0) }
    }
}

impl Feed {
    /// Whether any page is open.
    pub(crate) fn is_heard(&self) -> bool {
        self.listeners.load(Ordering::Relaxed) > 0
    }

    /// Tells all pages; `make` is only called when there are any.
    pub(crate) fn tell(&self, make: impl FnOnce() -> Happening) {
        if self.is_heard() {
            let _ = self.live.send(make());
        }
    }

    pub(super) fn listen(self: &Arc<Self>) -> Listener {
        let from = self.live.subscribe();
        self.listeners.fetch_add(1, Ordering::Relaxed);
        Listener { feed: self.clone(), from }
    }
}

/// One page's place in the feed.
#[derive(Debug)]
pub(super) struct Listener {
    feed: Arc<Feed>,
    pub(super) from: broadcast::Receiver<Happening>,
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.feed.listeners.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typing() -> Happening {
        Happening::Private { to: UserId(1), channel: ChannelId(2), message: MessageId(3) }
    }

    #[test]
    fn nothing_is_made_for_nobody() {
        let feed = Arc::new(Feed::default());
        feed.tell(|| panic!("nobody listens"));
        let mut listener = feed.listen();
        feed.tell(typing);
        assert!(listener.from.try_recv().is_ok());
        drop(listener);
        feed.tell(|| panic!("nobody listens any more"));
    }
}
