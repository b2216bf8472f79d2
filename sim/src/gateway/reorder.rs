//! Another order for what happened while a session had no connection.
//!
//! Discord's servers each number their own events, and a reconnecting client meets many of them at once: what
//! is certain is the order within one server, or, more freely, within one channel. Sequence numbers are given
//! after this, so that they rise as always.

use super::faults::mix;
use super::session::Item;
use crate::ids::GuildId;
use serde::Deserialize;
use std::collections::{HashMap, VecDeque};

/// An item that has no sequence number yet.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) guild: Option<GuildId>,
    pub(super) item: Item,
}

/// Puts items of different servers in another order, which follows from `seed`. With `channels`, those of
/// different channels of one server too, between two events that are about the server itself.
pub(super) fn shuffle(waiting: Vec<Waiting>, channels: bool, seed: u64) -> Vec<Item> {
    let mut servers: Lanes<Option<GuildId>> = Lanes::default();
    for one in waiting {
        servers.push(one.guild, one.item);
    }
    if !channels {
        return servers.merge(seed);
    }
    let mut within = Lanes::default();
    for (at, (guild, items)) in servers.take().into_iter().enumerate() {
        for item in by_channel(items, mix(&[seed, at as u64])) {
            within.push(guild, item);
        }
    }
    within.merge(seed)
}

fn by_channel(items: VecDeque<Item>, seed: u64) -> Vec<Item> {
    let mut out = Vec::with_capacity(items.len());
    let mut lanes: Lanes<String> = Lanes::default();
    for item in items {
        match channel(&item) {
            Some(channel) => lanes.push(channel, item),
            None => {
                out.extend(lanes.merge(mix(&[seed, out.len() as u64])));
                out.push(item);
            }
        }
    }
    out.extend(lanes.merge(mix(&[seed, out.len() as u64])));
    out
}

/// The channel or thread an event is about; `None` when it is about the whole server.
fn channel(item: &Item) -> Option<String> {
    #[derive(Deserialize)]
    struct About {
        channel_id: Option<String>,
        id: Option<String>,
    }
    let Item::Event(name, data) = item else { return None };
    let about: About = serde_json::from_str(data).ok()?;
    // A thread's own life is ordered with what is said in it, and a message knows where it is.
    if name.starts_with("THREAD_") { about.id.or(about.channel_id) } else { about.channel_id }
}

/// Queues that keep their own order, in the order in which they were opened.
#[derive(Debug)]
struct Lanes<K> {
    lanes: Vec<(K, VecDeque<Item>)>,
    found: HashMap<K, usize>,
}

impl<K> Default for Lanes<K> {
    fn default() -> Self {
        Self { lanes: Vec::new(), found: HashMap::new() }
    }
}

impl<K: Clone + Eq + std::hash::Hash> Lanes<K> {
    fn push(&mut self, key: K, item: Item) {
        let at = *self.found.entry(key.clone()).or_insert_with(|| {
            self.lanes.push((key, VecDeque::new()));
            self.lanes.len() - 1
        });
        self.lanes[at].1.push_back(item);
    }

    fn take(&mut self) -> Vec<(K, VecDeque<Item>)> {
        self.found.clear();
        std::mem::take(&mut self.lanes)
    }

    /// Takes from the queues at random, a longer one more often.
    fn merge(&mut self, seed: u64) -> Vec<Item> {
        let mut lanes = self.take();
        let mut left: usize = lanes.iter().map(|(_, lane)| lane.len()).sum();
        let mut rng = fastrand::Rng::with_seed(seed);
        let mut out = Vec::with_capacity(left);
        while left > 0 {
            let mut at = rng.usize(..left);
            for (_, lane) in &mut lanes {
                if at < lane.len() {
                    out.extend(lane.pop_front());
                    break;
                }
                at -= lane.len();
            }
            left -= 1;
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(guild: u64, channel: u64, n: u64) -> Waiting {
        let data = format!(r#"{{"id":"{n}","channel_id":"{channel}"}}"#);
        Waiting { guild: Some(GuildId(guild)), item: Item::Event("MESSAGE_CREATE", data.into()) }
    }

    fn texts(items: &[Item]) -> Vec<String> {
        let text = |item: &Item| match item {
            Item::Event(_, data) => data.to_string(),
            Item::GuildCreate(at) | Item::GuildJoined(at) => at.to_string(),
        };
        items.iter().map(text).collect()
    }

    fn of(texts: &[String], needle: &str) -> Vec<String> {
        texts.iter().filter(|text| text.contains(needle)).cloned().collect()
    }

    #[test]
    fn servers_change_places_and_each_keeps_its_own_order() {
        let waiting = || (0..40).map(|n| said(n % 4, n % 8, n)).collect::<Vec<_>>();
        let before = texts(&waiting().into_iter().map(|one| one.item).collect::<Vec<_>>());
        let after = texts(&shuffle(waiting(), false, 7));
        assert_ne!(after, before);
        assert_eq!(after, texts(&shuffle(waiting(), false, 7)), "the same seed gives the same order");
        assert_ne!(after, texts(&shuffle(waiting(), false, 8)));
        for guild in 0..4_u64 {
            let mine = |texts: &[String]| {
                let in_guild = |text: &&String| {
                    let (_, channel) = text.rsplit_once(":\"").unwrap();
                    channel.trim_end_matches("\"}").parse::<u64>().unwrap() % 4 == guild
                };
                texts.iter().filter(in_guild).cloned().collect::<Vec<_>>()
            };
            assert_eq!(mine(&after), mine(&before));
        }
    }

    #[test]
    fn channels_change_places_only_between_events_of_the_server_itself() {
        let mut waiting: Vec<_> = (0..20).map(|n| said(1, n % 2, n)).collect();
        let role = Item::Event("GUILD_ROLE_CREATE", r#"{"guild_id":"1"}"#.into());
        waiting.insert(10, Waiting { guild: Some(GuildId(1)), item: role });
        let before: Vec<usize> = (0..20).collect();
        let after = texts(&shuffle(waiting, true, 3));
        assert_eq!(of(&after[10..11], "guild_id").len(), 1, "the role stays where it was");
        let number = |text: &String| text[7..].split('"').next().unwrap().parse::<usize>().unwrap();
        let numbers: Vec<usize> = of(&after, "channel_id").iter().map(number).collect();
        assert_ne!(numbers, before);
        for channel in 0..2 {
            let mine: Vec<_> = numbers.iter().filter(|n| *n % 2 == channel).collect();
            assert!(mine.is_sorted(), "{mine:?}");
        }
        assert!(numbers[..10].iter().all(|n| *n < 10));
    }
}
