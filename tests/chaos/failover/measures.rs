//! Times read from the record of the database and from what members asked. Pure.

use std::collections::{HashMap, HashSet};

use helpline_sim::matching::QuestionId;
use helpline_sim::members::Asked;
use helpline_sim::report::quantile;

use crate::history::{Record, What};
use crate::recorder::event_key;

/// Samples in milliseconds.
#[derive(Debug, Clone, Default)]
pub struct Samples(Vec<u64>);

impl Samples {
    pub fn add(&mut self, us: i64) {
        self.0.push(u64::try_from(us.max(0) / 1_000).unwrap_or(0));
    }

    pub fn extend(&mut self, other: &Self) {
        self.0.extend(&other.0);
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn at(&self, q: f64) -> Option<u64> {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        quantile(&sorted, q)
    }

    /// `p50 / p99 / longest`.
    pub fn told(&self) -> String {
        match (self.at(0.5), self.at(0.99), self.at(1.0)) {
            (Some(p50), Some(p99), Some(max)) => format!("{p50} / {p99} / {max} ms"),
            _ => "none".to_owned(),
        }
    }
}

/// When an owner applied events of a shard: the moment, the shard, the epoch.
pub fn applications(records: &[Record]) -> Vec<(i64, i32, i64)> {
    // The transaction that gives an event its effect moves its shard's cursor as well.
    let events: HashSet<&str> = records
        .iter()
        .filter(|record| matches!(record.what, What::Event { .. }))
        .map(|record| record.xid.as_str())
        .collect();
    let moves = records.iter().filter_map(|record| match record.what {
        What::Cursor { shard, epoch, .. } => Some((record, shard, epoch)),
        _ => None,
    });
    moves
        .filter(|(record, ..)| events.contains(record.xid.as_str()))
        .map(|(record, shard, epoch)| (record.at_us, shard, epoch))
        .collect()
}

/// The first application of an event of these shards by a later owner than `held` says (shard and epoch).
pub fn first_by_another(records: &[Record], held: &HashMap<i32, i64>) -> Option<i64> {
    let by_another = applications(records)
        .into_iter()
        .filter(|(_, shard, epoch)| held.get(shard).is_some_and(|before| epoch > before));
    by_another.map(|(at, ..)| at).min()
}

/// A question's way into the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Applied {
    pub shard: i32,
    pub asked_us: i64,
    /// None: not yet.
    pub at_us: Option<i64>,
}

/// When each of the questions was applied. `homes`: the shard of each server.
pub fn applied(asked: &[Asked], records: &[Record], homes: &HashMap<i64, i32>) -> Vec<Applied> {
    let events: HashMap<&str, i64> = records
        .iter()
        .filter_map(|record| match &record.what {
            What::Event { key } => Some((key.as_str(), record.at_us)),
            _ => None,
        })
        .collect();
    let one = |question: &Asked| {
        let key = match question.id {
            QuestionId::Message(id) => event_key(&format!("message:{}", id.get())),
            QuestionId::Interaction(id) => event_key(&format!("interaction:{}", id.get())),
        };
        Applied {
            shard: homes.get(&question.guild.get().cast_signed()).copied().unwrap_or(-1),
            asked_us: i64::try_from(question.at_ms).unwrap_or(i64::MAX).saturating_mul(1_000),
            at_us: events.get(key.as_str()).copied(),
        }
    };
    asked.iter().map(one).collect()
}

/// For each shard the longest that one of its events waited, of those asked in the span; the pause of the shard,
/// as well as it can be seen from outside.
pub fn longest_waits(applied: &[Applied], shards: &[i32], from_us: i64, to_us: i64) -> Samples {
    let mut longest: HashMap<i32, i64> = HashMap::new();
    for event in applied {
        let Some(at) = event.at_us else { continue };
        if shards.contains(&event.shard) && (from_us..=to_us).contains(&event.asked_us) {
            let known = longest.entry(event.shard).or_default();
            *known = (*known).max(at - event.asked_us);
        }
    }
    let mut samples = Samples::default();
    longest.values().for_each(|wait| samples.add(*wait));
    samples
}

/// How long shards were without an owner: from each release to the next claim.
pub fn without_owner(records: &[Record]) -> Samples {
    let mut released: HashMap<i32, i64> = HashMap::new();
    let mut samples = Samples::default();
    for record in records {
        let What::Fence { shard, owner, .. } = &record.what else { continue };
        match owner {
            None => drop(released.insert(*shard, record.at_us)),
            Some(_) => {
                if let Some(at) = released.remove(shard) {
                    samples.add(record.at_us - at);
                }
            }
        }
    }
    samples
}

/// How long an event of a shard stood and nobody applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    pub shard: i32,
    /// The last application of the former owner; 0 when he had none.
    pub last_us: i64,
    /// When the first event after it was asked.
    pub asked_us: i64,
    /// The first application of the next owner.
    pub first_us: i64,
}

impl Pause {
    pub fn us(&self) -> i64 {
        self.first_us - self.last_us.max(self.asked_us)
    }
}

/// For each of the shards (with the epoch of its former owner) in which an event waited for the next owner: how long it stood
/// and nobody applied, from the last application of the former owner, or from when the first event after it was asked, to
/// the first of the next owner. The way of that event into the stream is part of it. What was asked when the next owner
/// had claimed the shard waited for no handoff.
pub fn pauses(applied: &[Applied], records: &[Record], held: &HashMap<i32, i64>) -> Vec<Pause> {
    let applications = applications(records);
    let mut pauses = Vec::new();
    for (shard, before) in held {
        let of = |later: bool| {
            let of_shard = applications.iter().filter(move |(_, of, _)| of == shard);
            of_shard.filter(move |(.., epoch)| (epoch > before) == later).map(|(at, ..)| *at)
        };
        let last = of(false).max().unwrap_or(0);
        let first_asked = applied
            .iter()
            .filter(|event| event.shard == *shard && event.at_us.is_some_and(|at| at > last))
            .map(|event| event.asked_us)
            .min();
        let claimed = records.iter().filter_map(|record| match &record.what {
            What::Fence { shard: of, epoch, owner: Some(_), .. } if of == shard && epoch > before => {
                Some(record.at_us)
            }
            _ => None,
        });
        let waited = first_asked.filter(|asked| claimed.min().is_none_or(|claimed| *asked < claimed));
        if let (Some(first_us), Some(asked_us)) = (of(true).min(), waited) {
            pauses.push(Pause { shard: *shard, last_us: last, asked_us, first_us });
        }
    }
    pauses
}

/// Until every shard has applied an event that was asked after `from_us`. None: not yet.
pub fn full_service(applied: &[Applied], shards: &[i32], from_us: i64) -> Option<i64> {
    let first = |shard: &i32| {
        let of_shard = applied.iter().filter(|event| event.shard == *shard && event.asked_us >= from_us);
        of_shard.filter_map(|event| event.at_us).min()
    };
    shards.iter().map(first).collect::<Option<Vec<i64>>>()?.into_iter().max().map(|at| at - from_us)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(at_us: i64, xid: &str, what: What) -> Record {
        Record { seq: at_us, at_us, xid: xid.to_owned(), process: "a#1".to_owned(), what }
    }

    fn cursor(shard: i32, epoch: i64) -> What {
        What::Cursor { shard, epoch, incarnation: 1, seq: 1 }
    }

    #[test]
    fn a_cursor_that_moved_over_nothing_is_no_application() {
        let records = [
            record(10, "1", cursor(3, 2)),
            record(20, "2", cursor(3, 2)),
            record(21, "2", What::Event { key: "k".to_owned() }),
        ];
        assert_eq!(first_by_another(&records, &HashMap::from([(3, 1)])), Some(20));
        assert_eq!(first_by_another(&records, &HashMap::from([(3, 2)])), None);
    }

    #[test]
    fn a_shard_is_without_owner_from_its_release_to_its_claim() {
        let fence = |owner: Option<&str>| What::Fence { shard: 3, epoch: 1, owner: owner.map(str::to_owned) };
        let records = [record(1_000, "1", fence(None)), record(41_000, "2", fence(Some("b")))];
        assert_eq!(without_owner(&records).told(), "40 / 40 / 40 ms");
    }

    #[test]
    fn a_shard_pauses_from_its_last_event_or_the_first_that_waits_to_the_next_owners_first() {
        let apply = |at_us, xid: &str, epoch| {
            [record(at_us, xid, cursor(3, epoch)), record(at_us, xid, What::Event { key: xid.to_owned() })]
        };
        let records = [apply(10_000, "1", 1), apply(90_000, "2", 2), apply(95_000, "3", 2)].concat();
        let event = |asked_us, at_us| Applied { shard: 3, asked_us, at_us: Some(at_us) };
        let held = HashMap::from([(3, 1), (4, 1)]);
        let asked = |waits_since| [event(5_000, 10_000), event(waits_since, 90_000), event(80_000, 95_000)];
        let of = |waits_since| -> Vec<i64> {
            pauses(&asked(waits_since), &records, &held).iter().map(Pause::us).collect()
        };
        assert_eq!(of(7_000), [80_000]);
        assert_eq!(of(50_000), [40_000]);
    }

    #[test]
    fn service_is_full_when_the_last_shard_has_applied_something_new() {
        let event = |shard, asked_us, at_us| Applied { shard, asked_us, at_us };
        let applied =
            [event(1, 5, Some(50)), event(1, 11, Some(13)), event(2, 12, Some(30)), event(2, 13, None)];
        assert_eq!(full_service(&applied, &[1, 2], 10), Some(20));
        assert_eq!(full_service(&applied, &[1, 2, 3], 10), None);
        assert_eq!(longest_waits(&applied, &[1, 2], 10, 20).len(), 2);
    }
}
