//! Live events of channels that are being read again over REST, and their merging with what was read. Pure.
//!
//! A question that was missed must not come behind one that was asked later in the same channel. So live messages of such
//! a channel wait, at most [`LONGEST`] each, until what was missed of it stands before them; what both have, goes once.
//! Events of other channels pass. Where they go afterwards is not known in here: their server may move while they wait.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use super::backlog::Entry;

/// How long one event waits; then it goes, and later ones of its channel go on waiting.
pub const LONGEST: Duration = Duration::from_secs(10);

#[derive(Debug)]
struct Waiting {
    /// The id of the message that the event is about.
    message: u64,
    entry: Entry,
    /// When it was first seen to wait.
    since: Option<Instant>,
}

impl Waiting {
    fn new(message: u64, entry: Entry) -> Self {
        Self { message, entry, since: None }
    }
}

#[derive(Debug, Default)]
struct Held {
    queue: VecDeque<Waiting>,
}

impl Held {
    /// Since when the first has waited that was seen to: what is put before it later has no time of its own.
    fn since(&self) -> Option<Instant> {
        self.queue.iter().find_map(|waiting| waiting.since)
    }
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

    /// The channels whose live messages wait, in no order.
    pub fn channels(&self) -> impl Iterator<Item = u64> {
        self.channels.keys().copied()
    }

    /// Takes an event if its channel is held, else gives it back.
    pub fn take(&mut self, entry: Entry) -> Option<Entry> {
        let Some((held, message)) = self.of(&entry) else { return Some(entry) };
        held.queue.push_back(Waiting::new(message, entry));
        None
    }

    /// Takes events that waited elsewhere when the hold of their channels began, in order: they go before those that came
    /// since. What is of no held channel is given back.
    pub fn take_back(&mut self, entries: Vec<Entry>) -> Vec<Entry> {
        let mut others = VecDeque::new();
        for entry in entries.into_iter().rev() {
            match self.of(&entry) {
                Some((held, message)) => held.queue.push_front(Waiting::new(message, entry)),
                None => others.push_front(entry),
            }
        }
        others.into()
    }

    /// The hold of an event's channel, if there is one, and the message that it is about.
    fn of(&mut self, entry: &Entry) -> Option<(&mut Held, u64)> {
        if self.channels.is_empty() || !entry.kind.starts_with("MESSAGE_") {
            return None;
        }
        let head = serde_json::from_slice::<Head>(&entry.payload).ok()?;
        let number = |text: &str| text.parse::<u64>().unwrap_or(u64::MAX);
        let held = self.channels.get_mut(&number(&head.channel_id))?;
        let message = head.id.iter().chain(&head.ids).map(|id| number(id)).max().unwrap_or(u64::MAX);
        Some((held, message))
    }

    /// What has waited long enough, with what stands before it, in order. Its channels stay held: what comes later in them
    /// waits as long, or until they were read.
    pub fn expired(&mut self, now: Instant) -> Vec<Entry> {
        let mut over = Vec::new();
        for (channel, held) in &mut self.channels {
            for waiting in held.queue.iter_mut().rev().take_while(|waiting| waiting.since.is_none()) {
                waiting.since = Some(now);
            }
            let is_over = |since: Option<Instant>| since.is_some_and(|since| now >= since + LONGEST);
            if !is_over(held.since()) {
                continue;
            }
            if let Some(last) = held.queue.iter().rposition(|waiting| is_over(waiting.since)) {
                over.push((
                    *channel,
                    held.queue.drain(..=last).map(|waiting| waiting.entry).collect::<Vec<_>>(),
                ));
            }
        }
        // In a fixed order, as all that decides here: equal backlogs publish equally.
        over.sort_unstable_by_key(|(channel, _)| *channel);
        over.into_iter().flat_map(|(_, entries)| entries).collect()
    }

    /// Everything that waits; nothing is held any more.
    pub fn all(&mut self) -> Vec<Entry> {
        let mut channels: Vec<u64> = self.channels.keys().copied().collect();
        channels.sort_unstable();
        channels.into_iter().flat_map(|channel| self.merge(channel, Vec::new())).collect()
    }

    /// Ends the hold of a channel: what was read ([`Entry::read_again`]) and what waited, by the ids of the messages. A
    /// message that was read and also came live goes once, as it came.
    pub fn merge(&mut self, channel: u64, mut read: Vec<Entry>) -> Vec<Entry> {
        let held = self.channels.remove(&channel).unwrap_or_default();
        let live = |id: u64| {
            let is = |waiting: &Waiting| waiting.message == id && waiting.entry.kind == "MESSAGE_CREATE";
            held.queue.iter().any(is)
        };
        // The sequence of what was read is the message's id.
        read.retain(|entry| !live(entry.sequence));
        read.sort_by_key(|entry| entry.sequence);
        let mut read = VecDeque::from(read);
        let mut merged = Vec::with_capacity(read.len() + held.queue.len());
        for Waiting { message, entry, .. } in held.queue {
            while read.front().is_some_and(|entry| entry.sequence <= message) {
                merged.extend(read.pop_front());
            }
            merged.push(entry);
        }
        merged.extend(read);
        merged
    }

    /// A held channel in which something waits, the longest first.
    pub fn most_urgent(&self) -> Option<u64> {
        let waiting = self.channels.iter().filter(|(_, held)| !held.queue.is_empty());
        let order = |channel: u64, held: &Held| (held.since().is_none(), held.since(), channel);
        waiting.min_by_key(|(channel, held)| order(**channel, held)).map(|(channel, _)| *channel)
    }
}

/// Takes the entries that are wanted out of a queue.
pub fn take_out(queue: &mut VecDeque<Entry>, wanted: impl Fn(&Entry) -> bool) -> VecDeque<Entry> {
    // Nearly always there is none.
    if !queue.iter().any(&wanted) {
        return VecDeque::new();
    }
    let (out, left) = std::mem::take(queue).into_iter().partition(wanted);
    *queue = left;
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: &str, id: u64) -> Entry {
        let payload = format!(r#"{{"id":"{id}","channel_id":"5"}}"#);
        Entry::read_again("test", kind, None, id, payload.into())
    }

    fn ids(merged: &[Entry]) -> Vec<(String, u64)> {
        merged.iter().map(|entry| (entry.kind.clone(), entry.sequence)).collect()
    }

    #[test]
    fn what_was_missed_goes_before_what_came_live_and_both_go_once() {
        let mut holds = Holds::default();
        holds.hold([5]);
        for live in [entry("MESSAGE_CREATE", 20), entry("MESSAGE_DELETE", 10), entry("MESSAGE_CREATE", 40)] {
            assert!(holds.take(live).is_none());
        }
        let read = [30, 20, 10].map(|id| entry("READ", id)).to_vec();
        let merged = holds.merge(5, read);
        let expected = [("READ", 10), ("MESSAGE_CREATE", 20), ("MESSAGE_DELETE", 10), ("READ", 30)];
        let mut expected: Vec<_> = expected.map(|(kind, id)| (kind.to_owned(), id)).to_vec();
        expected.push(("MESSAGE_CREATE".to_owned(), 40));
        assert_eq!(ids(&merged), expected);
        assert!(holds.take(entry("MESSAGE_CREATE", 50)).is_some(), "no longer held");
    }

    #[test]
    fn what_waited_elsewhere_goes_before_what_came_since() {
        let mut holds = Holds::default();
        holds.hold([5]);
        assert!(holds.take(entry("MESSAGE_CREATE", 40)).is_none());
        let elsewhere = [entry("MESSAGE_CREATE", 20), entry("TYPING_START", 7), entry("MESSAGE_CREATE", 30)];
        let others = holds.take_back(elsewhere.to_vec());
        assert_eq!(ids(&others), [("TYPING_START".to_owned(), 7)]);
        let merged = holds.merge(5, vec![entry("READ", 10)]);
        assert_eq!(merged.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [10, 20, 30, 40]);
    }

    #[test]
    fn nothing_waits_longer_than_it_may_and_other_channels_do_not_wait() {
        let (mut holds, now) = (Holds::default(), Instant::now());
        holds.hold([5, 6]);
        assert!(holds.take(entry("TYPING_START", 7)).is_some());
        assert!(holds.take(entry("MESSAGE_CREATE", 7)).is_none());
        assert!(holds.expired(now).is_empty());
        assert_eq!(holds.most_urgent(), Some(5));
        assert!(holds.expired(now + LONGEST / 2).is_empty());
        assert!(holds.take(entry("MESSAGE_CREATE", 8)).is_none());
        assert!(holds.expired(now + LONGEST / 2).is_empty());
        let gone = holds.expired(now + LONGEST);
        assert_eq!(ids(&gone), [("MESSAGE_CREATE".to_owned(), 7)], "the second has not waited long enough");
        // Every message waits for what is read again, until it is read.
        assert!(holds.take(entry("MESSAGE_CREATE", 9)).is_none());
        assert!(holds.expired(now + LONGEST).is_empty());
        let merged = holds.merge(5, vec![entry("READ", 6)]);
        assert_eq!(merged.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [6, 8, 9]);
        assert!(holds.take(entry("MESSAGE_CREATE", 10)).is_some());
    }

    #[test]
    fn what_was_put_before_a_waiting_message_goes_with_it() {
        let (mut holds, now) = (Holds::default(), Instant::now());
        holds.hold([5]);
        assert!(holds.take(entry("MESSAGE_CREATE", 8)).is_none());
        assert!(holds.expired(now).is_empty());
        assert!(holds.take_back(vec![entry("MESSAGE_CREATE", 7)]).is_empty());
        assert!(holds.take(entry("MESSAGE_CREATE", 9)).is_none());
        let gone = holds.expired(now + LONGEST);
        assert_eq!(gone.iter().map(|entry| entry.sequence).collect::<Vec<_>>(), [7, 8]);
    }
}
