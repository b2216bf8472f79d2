//! What the gateway shards' holders may do: publish, save sequences, begin sessions, give up what no stream takes.

use std::collections::{BTreeMap, BTreeSet};

use helpline_cluster::event_log::NewEvent;
use helpline_cluster::ids::{ServerId, ShardId, StreamId, WorkerId};

use super::{Checker, Missing, event_id};
use crate::discord::{EventId, Kind};
use crate::engine::{Micros, SECOND};

/// A member that was in touch with Redis for so long has saved there what it knows; it tries every second.
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
            if !record.published && !record.applied && of(record.event.server) {
                record.missing.give_up(streams);
            }
        }
    }

    /// And this one neither.
    pub fn given_up_too(&self, event: EventId, streams: &BTreeSet<ShardId>) {
        let mut records = self.0.records.borrow_mut();
        let record = records.events.get_mut(&event).expect("it happened");
        if !record.published && !record.applied {
            record.missing.give_up(streams);
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

    /// A live event waits for what was missed before it of its channel.
    pub fn waits_in_channel(&self, event: EventId) {
        self.0.records.borrow_mut().events.get_mut(&event).expect("it happened").held = true;
    }

    /// And so do those of these channels that waited elsewhere.
    pub fn wait_in_channels(&self, held: impl Fn(u64) -> bool) {
        for record in self.0.records.borrow_mut().events.values_mut() {
            record.held |=
                !record.published && record.event.kind != Kind::Slash && held(record.event.channel());
        }
    }

    /// What is missing of these channels was not read within the time that live events wait for it.
    pub fn waited_in_vain(&self, over: impl Fn(u64) -> bool) {
        for record in self.0.records.borrow_mut().events.values_mut() {
            let missing = record.missing != Missing::No && !record.applied;
            record.late |= missing && over(record.event.channel());
        }
    }

    /// A holder connects without having learned what is left to be read: what it reads of that keeps no order.
    pub fn connects_unknowing(&self, of: impl Fn(ServerId) -> bool) {
        for record in self.0.records.borrow_mut().events.values_mut() {
            record.late |= record.missing != Missing::No && !record.applied && of(record.event.server);
        }
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
        records.saved.clear();
        records.renewals.clear();
        for record in records.events.values_mut() {
            if record.published && !record.applied {
                record.excused.get_or_insert("redis wiped");
            }
        }
    }

    /// A new session begins though Discord still has this one. That is lawful only when nobody but the member that held it
    /// last can have known it: nobody has saved it in Redis since it began there or since Redis was wiped, and that member
    /// was not in touch with Redis for so long since then that it had to. Or when its READY never arrived, so that nobody
    /// ever knew it.
    pub fn session_forgotten(&self, session: &str, began_at: Micros, holder: WorkerId) {
        if !self.0.records.borrow().ready.contains(session) {
            return self.excuse(session, "ready lost");
        }
        let lawful = {
            let records = self.0.records.borrow();
            // What was renewed before a wipe is forgotten with it.
            let in_touch = |(first, last): &(Micros, Micros)| last.saturating_sub(began_at.max(*first));
            let in_touch = records.renewals.get(&holder).map_or(0, in_touch);
            !records.saved.contains(session) && in_touch < PUT_BACK_WITHIN
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
