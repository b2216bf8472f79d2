//! Our own messages as they come back through the gateway: they confirm an effect without a request.
//!
//! Kept in memory, bounded, by the owner of the shard. Losing it costs one look, so nothing is written for it. A message
//! is told by its nonce, which MESSAGE_CREATE carries
//! (<https://discord.com/developers/docs/resources/message#message-object>), or by the mark of its components.

use std::collections::{HashMap, VecDeque};

use helpline_cluster::event_log::Entry;
use serde::Deserialize;

use crate::discord::{Component, MessageId, User};

/// Messages remembered at the most; beyond it the oldest is forgotten.
const CAPACITY: usize = 2_048;

/// The marks that were seen, and on which message.
#[derive(Debug, Default)]
pub struct Confirmed {
    messages: HashMap<String, MessageId>,
    order: VecDeque<String>,
}

impl Confirmed {
    pub fn note(&mut self, mark: String, message: MessageId) {
        if self.messages.insert(mark.clone(), message).is_some() {
            return;
        }
        self.order.push_back(mark);
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.messages.remove(&oldest);
        }
    }

    pub fn get(&self, mark: &str) -> Option<MessageId> {
        self.messages.get(mark).copied()
    }
}

#[derive(Deserialize)]
struct Head {
    id: MessageId,
    author: User,
    #[serde(default)]
    nonce: serde_json::Value,
    #[serde(default)]
    components: Vec<Component>,
    #[serde(default)]
    flags: u64,
}

/// "Thinking…": the answer is not there yet.
const LOADING: u64 = 1 << 7;

/// The marks of a message of a bot's; none for every other event. That it is us is known, because proxies drop the
/// messages of other bots.
pub fn marks(entry: &Entry) -> Vec<(String, MessageId)> {
    if !matches!(entry.kind.as_str(), "MESSAGE_CREATE" | "MESSAGE_UPDATE") {
        return Vec::new();
    }
    let Ok(head) = serde_json::from_slice::<Head>(&entry.payload) else { return Vec::new() };
    if !head.author.bot || head.flags & LOADING != 0 {
        return Vec::new();
    }
    let nonce = head.nonce.as_str().map(str::to_owned);
    let marked = head.components.iter().flat_map(Component::custom_ids);
    let marked = marked.filter_map(|id| id.rsplit_once(':')).map(|(_, mark)| mark.to_owned());
    nonce.into_iter().chain(marked).map(|mark| (mark, head.id)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(payload: &str) -> Entry {
        Entry {
            id: "1-1".parse().expect("an id"),
            origin: String::new(),
            kind: "MESSAGE_CREATE".to_owned(),
            server: None,
            received_at_ms: 0,
            payload: payload.to_owned().into(),
        }
    }

    #[test]
    fn an_own_message_confirms_by_nonce_and_by_mark() {
        let own = r#"{"id":"7","author":{"id":"1","bot":true},"nonce":"abc",
            "components":[{"type":1,"components":[{"type":2,"custom_id":"part:def"}]}]}"#;
        let expected = vec![("abc".to_owned(), MessageId(7)), ("def".to_owned(), MessageId(7))];
        assert_eq!(marks(&entry(own)), expected);
        let members = r#"{"id":"7","author":{"id":"1"},"nonce":"abc"}"#;
        assert!(marks(&entry(members)).is_empty(), "a member chooses his nonces himself");
        let thinking = r#"{"id":"7","author":{"id":"1","bot":true},"nonce":"abc","flags":128}"#;
        assert!(marks(&entry(thinking)).is_empty());
    }

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut confirmed = Confirmed::default();
        for n in 0..=CAPACITY {
            confirmed.note(n.to_string(), MessageId(1));
        }
        assert_eq!(confirmed.get("0"), None);
        assert_eq!(confirmed.get("1"), Some(MessageId(1)));
        assert_eq!(confirmed.order.len(), confirmed.messages.len());
    }
}
