//! What is left to be read of all open gaps of a gateway shard, and what reading has cost each gap. Pure.
//!
//! A channel that stands in several gaps is read once for all of them: sessions that are lost one after the other leave the
//! same channels to be read, and a member's live message waits for the last reading.

use std::collections::HashMap;

use helpline_cluster::ids::ServerId;
use tokio::time::Instant;

use super::Budget;
use crate::proxy::gaps::{Channel, Gap};

/// A channel with the gaps that it stands in, oldest first, and the last message known to each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unread {
    pub server: ServerId,
    pub channel: u64,
    gaps: Vec<(i64, u64)>,
}

impl Unread {
    pub fn gaps(&self) -> impl Iterator<Item = i64> {
        self.gaps.iter().map(|(gap, _)| *gap)
    }

    pub fn is_in(&self, gap: i64) -> bool {
        self.gaps().any(|of| of == gap)
    }

    /// What one reading for all of its gaps begins after.
    pub fn from(&self) -> Channel {
        let after = self.gaps.iter().map(|(_, after)| *after).min().unwrap_or(u64::MAX);
        Channel { server: self.server, channel: self.channel, after }
    }

    pub fn without(mut self, given_up: &[(i64, &str)]) -> Self {
        self.gaps.retain(|(gap, _)| given_up.iter().all(|(given_up, _)| given_up != gap));
        self
    }
}

/// Channels that are left, each once.
#[derive(Debug, Default)]
pub struct Left(Vec<Unread>);

impl Left {
    /// `of_gaps`: the channels of each gap, oldest gap first, in which order they are read.
    pub fn new(of_gaps: impl IntoIterator<Item = (i64, Vec<Channel>)>) -> Self {
        let mut left: Vec<Unread> = Vec::new();
        let mut places: HashMap<(ServerId, u64), usize> = HashMap::new();
        for (gap, channels) in of_gaps {
            for Channel { server, channel, after } in channels {
                let place = *places.entry((server, channel)).or_insert_with(|| {
                    left.push(Unread { server, channel, gaps: Vec::new() });
                    left.len() - 1
                });
                left[place].gaps.push((gap, after));
            }
        }
        Self(left)
    }

    pub fn channels(&self) -> impl Iterator<Item = u64> {
        self.0.iter().map(|unread| unread.channel)
    }

    pub fn has_of(&self, gap: i64) -> bool {
        self.0.iter().any(|unread| unread.is_in(gap))
    }

    /// The next to be read: this channel, where somebody waits, else the first.
    pub fn next(&mut self, urgent: Option<u64>) -> Option<Unread> {
        let place = urgent.and_then(|urgent| self.0.iter().position(|unread| unread.channel == urgent));
        (!self.0.is_empty()).then(|| self.0.remove(place.unwrap_or(0)))
    }

    /// Takes a channel out if it stands in the very gaps that it stood in: what was read of it is all of it then.
    pub fn take_if_same(&mut self, read: &Unread) -> bool {
        let place = self.0.iter().position(|unread| unread == read);
        place.map(|place| self.0.remove(place)).is_some()
    }

    pub fn put_last(&mut self, unread: Unread) {
        self.0.push(unread);
    }
}

/// What repairing one gap has cost.
#[derive(Debug)]
struct Cost {
    in_all: u32,
    of_servers: HashMap<ServerId, u32>,
    deadline: Instant,
}

/// What repairing gaps has cost since this process took them up, and in all.
#[derive(Debug)]
pub struct Costs {
    budget: Budget,
    of_gaps: HashMap<i64, Cost>,
}

impl Costs {
    pub fn new(budget: Budget) -> Self {
        Self { budget, of_gaps: HashMap::new() }
    }

    /// Whether the gap is new here; its time runs from now on.
    pub fn begin(&mut self, gap: &Gap, now: Instant) -> bool {
        let mut new = false;
        self.of_gaps.entry(gap.id).or_insert_with(|| {
            new = true;
            Cost { in_all: gap.requests, of_servers: HashMap::new(), deadline: now + self.budget.time }
        });
        new
    }

    /// The gaps of a channel that can pay for no request, and why; and how many requests the others can pay for together.
    pub fn budget(&self, unread: &Unread, now: Instant) -> (Vec<(i64, &'static str)>, u32) {
        let (mut given_up, mut requests) = (Vec::new(), 0_u32);
        for (gap, cost) in unread.gaps().filter_map(|gap| Some((gap, self.of_gaps.get(&gap)?))) {
            match self.left_of(cost, unread.server) {
                _ if now > cost.deadline => given_up.push((gap, "time")),
                0 => given_up.push((gap, "budget")),
                left => requests = requests.saturating_add(left),
            }
        }
        (given_up, requests)
    }

    fn left_of(&self, cost: &Cost, server: ServerId) -> u32 {
        let of_server = cost.of_servers.get(&server).copied().unwrap_or(0);
        self.budget.per_server.saturating_sub(of_server).min(self.budget.in_all.saturating_sub(cost.in_all))
    }

    /// Charges the requests for a channel to its gaps, the oldest as far as it can pay, then the next; the last whatever is
    /// left. Returns what each has paid.
    pub fn charge(&mut self, unread: &Unread, requests: u32) -> Vec<(i64, u32)> {
        let (mut left, mut paid) = (requests, Vec::new());
        let last = unread.gaps().last();
        for gap in unread.gaps() {
            let can = self.of_gaps.get(&gap).map_or(0, |cost| self.left_of(cost, unread.server));
            let pays = if Some(gap) == last { left } else { left.min(can) };
            if let Some(cost) = self.of_gaps.get_mut(&gap) {
                cost.in_all += pays;
                *cost.of_servers.entry(unread.server).or_default() += pays;
            }
            left -= pays;
            paid.push((gap, pays));
        }
        paid
    }

    pub fn of(&self, gap: i64) -> u32 {
        self.of_gaps.get(&gap).map_or(0, |cost| cost.in_all)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn server(id: i64) -> ServerId {
        ServerId::from_db(id)
    }

    fn channel(channel: u64, after: u64) -> Channel {
        Channel { server: server(1), channel, after }
    }

    #[test]
    fn a_channel_of_several_gaps_is_read_once_from_the_earliest() {
        let mut left = Left::new([
            (3, vec![channel(20, 500), channel(10, 500)]),
            (4, vec![channel(10, 400), channel(30, 700)]),
        ]);
        assert_eq!(left.channels().collect::<Vec<_>>(), [20, 10, 30]);
        let urgent = left.next(Some(10)).expect("it is left");
        assert_eq!((urgent.channel, urgent.from().after), (10, 400));
        assert_eq!(urgent.gaps().collect::<Vec<_>>(), [3, 4]);
        assert_eq!(left.next(Some(10)).map(|unread| unread.channel), Some(20), "it was taken");
        assert!(!left.has_of(3) && left.has_of(4));
    }

    #[test]
    fn what_was_read_is_not_all_of_a_channel_that_got_another_gap_meanwhile() {
        let mut left = Left::new([(3, vec![channel(10, 500)])]);
        let read = left.next(None).expect("it is left");
        assert!(Left::new([(3, vec![channel(10, 500)])]).take_if_same(&read));
        let mut more = Left::new([(3, vec![channel(10, 500)]), (4, vec![channel(10, 900)])]);
        assert!(!more.take_if_same(&read));
        assert!(more.has_of(3), "it is read again");
    }

    #[test]
    fn gaps_pay_together_and_one_that_has_spent_all_leaves_the_channel_to_the_others() {
        let (now, budget) = (Instant::now(), Budget { per_server: 2, in_all: 10, ..Budget::default() });
        let mut costs = Costs::new(budget);
        let gap = |id| Gap { id, requests: 0, of_all_from_ms: None };
        assert!(costs.begin(&gap(3), now) && costs.begin(&gap(4), now) && !costs.begin(&gap(3), now));
        let mut left = Left::new([(3, vec![channel(10, 500)]), (4, vec![channel(10, 900)])]);
        let unread = left.next(None).expect("it is left");
        assert_eq!(costs.budget(&unread, now), (vec![], 4));
        assert_eq!(costs.charge(&unread, 3), [(3, 2), (4, 1)]);
        let (given_up, requests) = costs.budget(&unread, now);
        assert_eq!((given_up.as_slice(), requests), ([(3, "budget")].as_slice(), 1));
        assert_eq!(unread.clone().without(&given_up).from().after, 900);
        let late = now + budget.time + Duration::from_secs(1);
        assert_eq!(costs.budget(&unread, late), (vec![(3, "time"), (4, "time")], 0));
        assert_eq!((costs.of(3), costs.of(4)), (2, 1));
    }
}
