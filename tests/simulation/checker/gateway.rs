//! What the gateway shards' holders may do: publish, save sequences, begin sessions, give up what no stream takes.

use std::collections::{BTreeMap, BTreeSet};

use helpline_cluster::event_log::NewEvent;
use helpline_cluster::ids::{ServerId, ShardId, StreamId, WorkerId};

use super::{Checker, Missing, event_id};
use crate::discord::{EventId, Kind};
use crate::engine::{Micros, SECOND};

/// A member that was in touch with a wiped Redis for so long has put back what it knows; it tries every second.
const PUT_BACK_WITHIN: Micros = 5 * SECOND;

/// What begins the origins of events that were read again.
pub const READ_AGAIN: &str = "backfill";

impl Checker {
    /// An epoch stands in Redis from now on. What stood there once was the holder's; nobody before him publishes behind his
    /// back, whatever Redis has forgotten since.
    pub fn gateway_epoch(&self, gateway: u32, epoch: u64) {
        let before = {
            let mut records = self.0.records.borrow_mut();
            let highest = records.gateway_epochs.entry(gateway).or_default();
            std::mem::replace(highest, epoch.max(*highest))
        };
        if epoch < before {
            self.violate(&format!("epoch {epoch} of gateway shard {gateway} stands in Redis after {before}"));
        }
    }

    /// A proxy keeps some events no longer, because one of these streams takes nothing.
    pub fn given_up(
        &self,
        (session, up_to): (&str, u64),
        of: impl Fn(ServerId) -> bool,
        streams: &BTreeSet<ShardId>,
    ) {
        self.count("lanes given up");
        let mut records = self.0.records.borrow_mut();
        let records = &mut *records;
        let taken = records.sequences.get(session).into_iter().flat_map(|sent| sent.range(..=up_to));
        for (_, event) in taken {
            let record = records.events.get_mut(event).expect("it happened");
            let waits = !record.published && !record.applied && of(record.event.server);
            if waits && record.missing == Missing::No {
                record.missing = Missing::GivenUp(streams.clone());
            }
        }
    }

    /// And this one neither.
    pub fn given_up_too(&self, event: EventId, streams: &BTreeSet<ShardId>) {
        let mut records = self.0.records.borrow_mut();
        let record = records.events.get_mut(&event).expect("it happened");
        if !record.published && !record.applied && record.missing == Missing::No {
            record.missing = Missing::GivenUp(streams.clone());
        }
    }

    /// The gap of a stream is recorded. Interactions are told, and that is all: they cannot be read again.
    pub fn gap_told(&self, of: impl Fn(ServerId) -> bool, stream: ShardId) {
        self.count("gaps told");
        for record in self.0.records.borrow_mut().events.values_mut() {
            let missed = matches!(&record.missing, Missing::GivenUp(streams) if streams.contains(&stream));
            if missed && !record.published && of(record.event.server) {
                record.missing = Missing::Told;
                if record.event.kind == Kind::Slash {
                    record.excused.get_or_insert("gap told: an interaction");
                }
            }
        }
    }

    /// A live event of a channel that is read again: it waits for what was missed of the channel.
    pub fn waits_in_channel(&self, event: EventId) {
        self.0.records.borrow_mut().events.get_mut(&event).expect("it happened").held = true;
    }

    pub fn published(&self, event: &NewEvent, id: StreamId) {
        let Some(number) = event_id(&event.payload) else { return };
        self.0.engine.note(|| format!("redis: {} {id} = event {number} ({})", event.shard, event.origin));
        let mut records = self.0.records.borrow_mut();
        records.log.insert((event.shard, id), number);
        if let Some(record) = records.events.get_mut(&number) {
            // What is read for a gap is more than what was missed: what was lost before, and what has not come yet.
            let first = !record.applied && event.origin.starts_with(READ_AGAIN);
            record.late |= first && record.excused.is_some();
            record.held |= first && !record.published;
            record.published = true;
        }
    }

    /// A resume from here must not miss anything: all of it has been in a stream.
    pub fn sequence_saved(&self, session: &str, sequence: u64) {
        self.0.records.borrow_mut().saved.insert(session.to_owned());
        let missing = {
            let records = self.0.records.borrow();
            let sent = records.sequences.get(session);
            let mut up_to = sent.into_iter().flat_map(|sent| sent.range(..=sequence));
            let in_none = |event: &EventId| {
                let record = &records.events[event];
                !record.published && record.missing != Missing::Told
            };
            up_to.find(|(_, event)| in_none(event)).map(|(at, event)| (*at, *event))
        };
        if let Some((at, event)) = missing {
            self.violate(&format!(
                "the saved sequence {sequence} of {session} is ahead of the streams: {at} (event {event}) is in none"
            ));
        }
    }

    /// Discord has forgotten a session: what no proxy has published of it cannot be had from the gateway any more.
    pub fn session_lost(&self, session: &str) {
        self.excuse(session, "session lost");
    }

    fn excuse(&self, session: &str, why: &'static str) {
        let mut records = self.0.records.borrow_mut();
        let records = &mut *records;
        for event in records.sequences.get(session).into_iter().flat_map(BTreeMap::values) {
            let record = records.events.get_mut(event).expect("it happened");
            if !record.published && !record.applied && record.missing != Missing::Told {
                record.excused.get_or_insert(why);
            }
        }
    }

    /// Redis has lost everything: what was published and not applied is gone with it.
    pub fn wiped(&self) {
        let mut records = self.0.records.borrow_mut();
        records.wiped_at = Some(self.0.engine.now());
        records.saved.clear();
        records.renewals.clear();
        for record in records.events.values_mut() {
            if record.published && !record.applied {
                record.excused.get_or_insert("redis wiped");
            }
        }
    }

    /// A new session begins though Discord still has this one. That is lawful only when Redis and the member that knew it
    /// were lost together: Redis was wiped after it began, nobody has saved it there since, and the member that held it
    /// last was not in touch with Redis for so long after that it had to put it back. Or when its READY never arrived, so
    /// that nobody ever knew it.
    pub fn session_forgotten(&self, session: &str, began_at: Micros, holder: WorkerId) {
        if !self.0.records.borrow().ready.contains(session) {
            return self.excuse(session, "ready lost");
        }
        let lawful = {
            let records = self.0.records.borrow();
            let in_touch = records.renewals.get(&holder).map_or(0, |(first, last)| last - first);
            records.wiped_at.is_some_and(|at| at >= began_at)
                && !records.saved.contains(session)
                && in_touch < PUT_BACK_WITHIN
        };
        if lawful {
            self.session_lost(session);
        }
    }

    /// The client received a session's READY.
    pub fn ready_received(&self, session: &str) {
        self.0.records.borrow_mut().ready.insert(session.to_owned());
    }

    /// A member renewed its lease.
    pub fn renewed_in_redis(&self, member: WorkerId) {
        let now = self.0.engine.now();
        self.0.records.borrow_mut().renewals.entry(member).or_insert((now, now)).1 = now;
    }
}
