//! Nonces seen in the past few minutes.
//! <https://discord.com/developers/docs/resources/message#create-message> (`enforce_nonce`)

use crate::ids::{ChannelId, MessageId};
use crate::lock;
use std::collections::hash_map::DefaultHasher;
use std::collections::{HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;
use tokio::time::Instant;

const STRIPES: usize = 16;

/// The nonces of one stripe. Holding its lock while posting keeps two requests with one nonce apart.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    messages: HashMap<String, (Instant, ChannelId, MessageId)>,
    order: VecDeque<(Instant, String)>,
}

impl Seen {
    pub(crate) fn get(&self, nonce: &str, window: Duration, now: Instant) -> Option<(ChannelId, MessageId)> {
        let (at, channel, message) = self.messages.get(nonce)?;
        (now.duration_since(*at) < window).then_some((*channel, *message))
    }

    pub(crate) fn insert(&mut self, nonce: String, channel: ChannelId, message: MessageId, now: Instant) {
        self.messages.insert(nonce.clone(), (now, channel, message));
        self.order.push_back((now, nonce));
    }

    fn forget(&mut self, window: Duration, now: Instant) {
        while self.order.front().is_some_and(|(at, _)| now.duration_since(*at) >= window) {
            if let Some((at, nonce)) = self.order.pop_front()
                && self.messages.get(&nonce).is_some_and(|(newest, ..)| *newest == at)
            {
                self.messages.remove(&nonce);
            }
        }
    }
}

#[derive(Debug)]
pub(crate) struct Nonces {
    stripes: Vec<Mutex<Seen>>,
    pub(crate) window: Duration,
}

impl Nonces {
    pub(crate) fn new(window: Duration) -> Self {
        Self { stripes: (0..STRIPES).map(|_| Mutex::default()).collect(), window }
    }

    pub(crate) fn lock(&self, nonce: &str) -> MutexGuard<'_, Seen> {
        let mut hasher = DefaultHasher::new();
        nonce.hash(&mut hasher);
        lock(&self.stripes[usize::try_from(hasher.finish() % STRIPES as u64).expect("less than 16")])
    }

    pub(crate) fn clear(&self) {
        self.stripes.iter().for_each(|stripe| *lock(stripe) = Seen::default());
    }

    pub(crate) fn sweep(&self, now: Instant) {
        for stripe in &self.stripes {
            lock(stripe).forget(self.window, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_remembered_for_its_window_only() {
        let nonces = Nonces::new(Duration::from_secs(2));
        let now = Instant::now();
        nonces.lock("a").insert("a".to_owned(), ChannelId(1), MessageId(2), now);
        let at = |s| nonces.lock("a").get("a", nonces.window, now + Duration::from_secs(s));
        assert_eq!(at(1), Some((ChannelId(1), MessageId(2))));
        assert_eq!(at(2), None);
        nonces.sweep(now + Duration::from_secs(2));
        assert!(nonces.lock("a").messages.is_empty());
    }
}
