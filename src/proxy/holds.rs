//! Live events of channels that are being read again over REST, and their merging with what was read. Pure.
//!
//! A question that was missed must not come behind one that was asked later in the same channel. So live messages of such
//! a channel wait, at most [`LONGEST`] each, until what was missed of it stands before them; what both have, goes once.
//! Events of other channels pass.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use helpline_cluster::ids::ShardId;
use serde::Deserialize;
use tokio::time::Instant;

use super::backlog::Entry;

/// How long the first waiting event of a channel waits; then the channel goes on as if nothing were missing.
pub const LONGEST: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
struct Held {
    /// With the id of the message that each is about.
    queue: VecDeque<(u64, ShardId, Entry)>,
    since: Option<Instant>,
}

/// The channels that are held, by id.
#[derive(Debug, Default)]
pub struct Holds {
    channels: HashMap<u64, Held>,
}

#[derive(Deserialize)]
struct Head {
    channel_id: String,
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    ids: Vec<String>,
}

impl Holds {
    /// From now on live messages of these channels wait.
    pub fn hold(&mut self, channels: impl IntoIterator<Item = u64>) {
        for channel in channels {
            self.channels.entry(channel).or_default();
        }
    }

    /// Takes an event if its channel is held, else gives it back.
    pub fn take(&mut self, shard: ShardId, entry: Entry) -> Option<Entry> {
        if self.channels.is_empty() || !entry.kind.starts_with("MESSAGE_") {
            return Some(entry);
        }
        let Ok(head) = serde_json::from_slice::<Head>(&entry.payload) else { return Some(entry) };
        let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
        let Some(held) = self.channels.get_mut(&number(&head.channel_id)) else { return Some(entry) };
        let message = head.id.iter().chain(&head.ids).map(|id| number(id)).max().unwrap_or(u64::MAX);
        held.queue.push_back((message, shard, entry));
        None
    }

    /// What has waited long enough, in order; its channels are no longer held.
    pub fn expired(&mut self, now: Instant) -> Vec<(ShardId, Entry)> {
        let mut over = Vec::new();
        for (channel, held) in &mut self.channels {
            if !held.queue.is_empty() && now >= *held.since.get_or_insert(now) + LONGEST {
                over.push(*channel);
            }
        }
        // In a fixed order, as all that decides here: equal backlogs publish equally.
        over.sort_unstable();
        over.into_iter().flat_map(|channel| self.merge(channel, Vec::new())).collect()
    }

    /// Everything that waits; nothing is held any more.
    pub fn all(&mut self) -> Vec<(ShardId, Entry)> {
        let mut channels: Vec<u64> = self.channels.keys().copied().collect();
        channels.sort_unstable();
        channels.into_iter().flat_map(|channel| self.merge(channel, Vec::new())).collect()
    }

    /// Ends the hold of a channel: what was read and what waited, by the ids of the messages. A message that was read and
    /// also came live goes once, as it came.
    pub fn merge(&mut self, channel: u64, mut read: Vec<(u64, ShardId, Entry)>) -> Vec<(ShardId, Entry)> {
        let held = self.channels.remove(&channel).unwrap_or_default();
        let live = |id: u64| {
            held.queue.iter().any(|(message, _, entry)| *message == id && entry.kind == "MESSAGE_CREATE")
        };
        read.retain(|(id, _, _)| !live(*id));
        read.sort_by_key(|(id, _, _)| *id);
        let mut read = VecDeque::from(read);
        let mut merged = Vec::with_capacity(read.len() + held.queue.len());
        for (message, shard, entry) in held.queue {
            while read.front().is_some_and(|(id, _, _)| *id <= message) {
                merged.extend(read.pop_front().map(|(_, shard, entry)| (shard, entry)));
            }
            merged.push((shard, entry));
        }
        merged.extend(read.into_iter().map(|(_, shard, entry)| (shard, entry)));
        merged
    }

    /// A held channel in which something waits, the longest first.
    pub fn most_urgent(&self) -> Option<u64> {
        let waiting = self.channels.iter().filter(|(_, held)| !held.queue.is_empty());
        let order = |channel: u64, held: &Held| (held.since.is_none(), held.since, channel);
        waiting.min_by_key(|(channel, held)| order(**channel, held)).map(|(channel, _)| *channel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, id: u64) -> Entry {
        let payload = format!(r#"{{"id":"{id}","channel_id":"5"}}"#);
        Entry::read_again("test", kind, None, id, payload.into())
    }

    fn ids(merged: &[(ShardId, Entry)]) -> Vec<(String, u64)> {
        merged.iter().map(|(_, entry)| (entry.kind.clone(), entry.sequence)).collect()
    }

    #[test]
    fn what_was_missed_goes_before_what_came_live_and_both_go_once() {
        let mut holds = Holds::default();
        holds.hold([5]);
        for live in [entry("MESSAGE_CREATE", 20), entry("MESSAGE_DELETE", 10), entry("MESSAGE_CREATE", 40)] {
            assert!(holds.take(ShardId(1), live).is_none());
        }
        let read = [30, 20, 10].map(|id| (id, ShardId(1), entry("READ", id))).to_vec();
        let merged = holds.merge(5, read);
        let expected = [("READ", 10), ("MESSAGE_CREATE", 20), ("MESSAGE_DELETE", 10), ("READ", 30)];
        let mut expected: Vec<_> = expected.map(|(kind, id)| (kind.to_owned(), id)).to_vec();
        expected.push(("MESSAGE_CREATE".to_owned(), 40));
        assert_eq!(ids(&merged), expected);
        assert!(holds.take(ShardId(1), entry("MESSAGE_CREATE", 50)).is_some(), "no longer held");
    }

    #[test]
    fn nothing_waits_longer_than_it_may_and_other_channels_do_not_wait() {
        let (mut holds, now) = (Holds::default(), Instant::now());
        holds.hold([5, 6]);
        assert!(holds.take(ShardId(1), entry("TYPING_START", 7)).is_some());
        assert!(holds.take(ShardId(1), entry("MESSAGE_CREATE", 7)).is_none());
        assert!(holds.expired(now).is_empty());
        assert_eq!(holds.most_urgent(), Some(5));
        assert!(holds.expired(now + LONGEST / 2).is_empty());
        assert_eq!(holds.expired(now + LONGEST).len(), 1);
        assert!(holds.take(ShardId(1), entry("MESSAGE_CREATE", 8)).is_some());
    }
}
