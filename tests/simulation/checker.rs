//! The invariants, looked at from outside the code under test while the world runs.
//!
//! The stores and Discord report what really happened: commits with the ownership they ran under, entries published,
//! sequences saved, members declared dead, answers shown. The first violation ends the run. What nobody could give
//! any more (a session that Discord forgot, a Redis that was wiped) is excused and counted, never passed over.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use helpline_cluster::fence::Fence;
use helpline_cluster::ids::{ServerId, ShardId, StreamId, WorkerId};
use helpline_cluster::membership::evidence::Cause;
use uuid::Uuid;

use crate::discord::{Event, EventId, Kind};
use crate::engine::{Engine, Micros, SECOND};
use crate::store::{Client, Tables};

mod gateway;

pub use gateway::READ_AGAIN;

/// What a transaction did, reported when it commits.
#[derive(Clone, Debug)]
pub enum Effect {
    /// The event was applied, in this conversation.
    Applied(EventId, Option<Uuid>),
}

#[derive(Debug)]
struct Record {
    event: Event,
    /// Place among the events of its server.
    index: u64,
    applied: bool,
    conversation: Option<Uuid>,
    /// In a stream, or was once.
    published: bool,
    shown: u32,
    /// Why nobody has to apply it.
    excused: Option<&'static str>,
    missing: Missing,
    /// Nobody had it any more, or it was not read in time: it comes when it comes.
    late: bool,
    /// Its channel was held when it came, or it was read before it came: it keeps its place in its channel only.
    held: bool,
}

/// Whether a proxy has given an event up, to be read again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Missing {
    #[default]
    No,
    /// Because one of these streams took nothing.
    GivenUp(BTreeSet<ShardId>),
    /// Its gap is recorded: it will be read again, whoever dies.
    Told,
}

impl Missing {
    /// A resume may bring it to another proxy, which gives it up for another stream.
    fn give_up(&mut self, streams: &BTreeSet<ShardId>) {
        match self {
            Self::No => *self = Self::GivenUp(streams.clone()),
            Self::GivenUp(others) => others.extend(streams),
            Self::Told => {}
        }
    }
}

/// A server's channel; interactions are apart, since they are never held.
type Channel = (ServerId, u64, bool);

/// Of whom an applied event is out of order, if it is. What was missed and what waited for it keep their places in their
/// channel; everything else keeps its place in its server.
fn out_of_order(
    record: &Record,
    of_servers: &mut BTreeMap<ServerId, u64>,
    of_channels: &mut BTreeMap<Channel, u64>,
) -> Option<String> {
    let missing = record.missing != Missing::No;
    // A missing interaction is read by nobody; if it comes all the same, a resume has brought it.
    if record.late || (missing && record.event.kind == Kind::Slash) {
        return None;
    }
    let event = &record.event;
    let mut wrong = None;
    if !record.held && !missing {
        let last = of_servers.entry(event.server).or_default();
        wrong = (record.index < *last).then(|| event.server.to_string());
        *last = record.index.max(*last);
    }
    let channel = (event.server, event.channel(), event.kind == Kind::Slash);
    let last = of_channels.entry(channel).or_default();
    wrong = wrong.or_else(|| (record.index < *last).then(|| format!("channel {}", channel.1)));
    *last = record.index.max(*last);
    wrong
}

type Belief = Rc<dyn Fn() -> bool>;

#[derive(Default)]
struct Records {
    events: BTreeMap<EventId, Record>,
    next_index: BTreeMap<ServerId, u64>,
    last_applied: BTreeMap<ServerId, u64>,
    last_in_channel: BTreeMap<Channel, u64>,
    /// The highest epoch of each gateway shard that ever stood in Redis.
    gateway_epochs: BTreeMap<u32, u64>,
    /// Sequence to event of each session.
    sequences: BTreeMap<String, BTreeMap<u64, EventId>>,
    log: BTreeMap<(ShardId, StreamId), EventId>,
    /// The questions of a conversation that were answered, and the highest index among them.
    last_shown: BTreeMap<Uuid, u64>,
    deaths: BTreeMap<WorkerId, (Cause, Micros)>,
    /// Whether a worker believes that it may act.
    beliefs: BTreeMap<WorkerId, Belief>,
    processes: BTreeMap<Client, Vec<WorkerId>>,
    /// Sessions whose client knows them.
    ready: BTreeSet<String>,
    /// Sessions that were saved in Redis since it was wiped.
    saved: BTreeSet<String>,
    /// The first and the last renewal of each member in Redis since it was wiped.
    renewals: BTreeMap<WorkerId, (Micros, Micros)>,
    counts: BTreeMap<&'static str, u64>,
}

struct State {
    engine: Engine,
    records: RefCell<Records>,
    violation: RefCell<Option<String>>,
    /// A heartbeat younger than this is no evidence of silence, whatever clocks say: five sixths of the TTL.
    silence: Micros,
    lease_was_gone: RefCell<Box<dyn Fn(WorkerId) -> bool>>,
}

/// Clones share it.
#[derive(Clone)]
pub struct Checker(Rc<State>);

impl Checker {
    pub fn new(engine: Engine, ttl: Micros) -> Self {
        Self(Rc::new(State {
            engine,
            records: RefCell::default(),
            violation: RefCell::default(),
            silence: ttl - ttl / 6,
            lease_was_gone: RefCell::new(Box::new(|_| true)),
        }))
    }

    /// How the checker asks Redis, behind everybody's back.
    pub fn set_lease_probe(&self, probe: impl Fn(WorkerId) -> bool + 'static) {
        *self.0.lease_was_gone.borrow_mut() = Box::new(probe);
    }

    pub fn violate(&self, what: &str) {
        self.0.engine.note(|| format!("VIOLATION: {what}"));
        self.0.violation.borrow_mut().get_or_insert_with(|| what.to_owned());
    }

    pub fn violation(&self) -> Option<String> {
        self.0.violation.borrow().clone()
    }

    pub fn is_violated(&self) -> bool {
        self.0.violation.borrow().is_some()
    }

    pub fn count(&self, what: &'static str) {
        *self.0.records.borrow_mut().counts.entry(what).or_default() += 1;
    }

    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        self.0.records.borrow().counts.clone()
    }

    /// Discord sent an event on these sessions, with these sequences.
    pub fn happened(&self, event: Event, on: &[(String, u64)]) {
        self.0
            .engine
            .note(|| format!("discord: {:?} {} of {} on {on:?}", event.kind, event.id, event.server));
        let mut records = self.0.records.borrow_mut();
        let records = &mut *records;
        let index = records.next_index.entry(event.server).or_default();
        *index += 1;
        let excused = on.is_empty().then_some("no session");
        let record = Record {
            event,
            index: *index,
            applied: false,
            conversation: None,
            published: false,
            shown: 0,
            excused,
            missing: Missing::No,
            late: false,
            held: false,
        };
        records.events.insert(event.id, record);
        for (session, sequence) in on {
            records.sequences.entry(session.clone()).or_default().insert(*sequence, event.id);
        }
    }

    pub fn server_of(&self, event: EventId) -> Option<ServerId> {
        self.0.records.borrow().events.get(&event).map(|record| record.event.server)
    }

    pub fn kind_of(&self, event: EventId) -> Option<Kind> {
        self.0.records.borrow().events.get(&event).map(|record| record.event.kind)
    }

    /// Called before the writes of a transaction are seen.
    pub fn committing(
        &self,
        tables: &Tables,
        fence: Option<&Fence>,
        servers: &BTreeSet<ServerId>,
        effects: &[Effect],
        cursor: Option<(StreamId, StreamId)>,
    ) {
        if let Some(fence) = fence {
            if !tables.fence_is(fence) {
                self.violate(&format!(
                    "a transaction of {} at {} commits, but it is superseded",
                    fence.shard, fence.epoch
                ));
            }
            if let Some(server) = servers.iter().find(|s| tables.server_shards.get(s) != Some(&fence.shard)) {
                self.violate(&format!(
                    "a transaction of {} writes {server}, which lives elsewhere",
                    fence.shard
                ));
            }
        }
        for effect in effects {
            let Effect::Applied(event, conversation) = effect;
            self.applied(*event, *conversation);
        }
        if let (Some(fence), Some((from, to))) = (fence, cursor) {
            self.0
                .engine
                .note(|| format!("postgres: cursor of {} {from} -> {to} at {}", fence.shard, fence.epoch));
        }
    }

    fn applied(&self, event: EventId, conversation: Option<Uuid>) {
        let mut wrong = None;
        {
            let mut records = self.0.records.borrow_mut();
            let records = &mut *records;
            let record = records.events.get_mut(&event).expect("what is applied has happened");
            if record.applied {
                wrong = Some(format!("event {event} is applied twice"));
            }
            record.applied = true;
            record.conversation = conversation;
            if let Some(of) = out_of_order(record, &mut records.last_applied, &mut records.last_in_channel) {
                wrong = Some(format!("event {event} of {of} is applied after a later one"));
            }
        }
        self.0.engine.note(|| format!("postgres: event {event} is applied"));
        if let Some(wrong) = wrong {
            self.violate(&wrong);
        }
    }

    /// Called when the writes of a transaction are seen.
    pub fn committed(
        &self,
        tables: &Tables,
        fence: Option<&Fence>,
        from: Option<StreamId>,
        to: Option<StreamId>,
    ) {
        let (Some(fence), Some(from), Some(to)) = (fence, from, to) else { return };
        if from.incarnation != to.incarnation {
            return;
        }
        let ahead = {
            let records = self.0.records.borrow();
            let mut passed = records
                .log
                .range((fence.shard, from)..=(fence.shard, to))
                .skip_while(|((_, id), _)| *id == from);
            passed
                .find(|(_, event)| {
                    let record = &records.events[event];
                    let held = tables.held.values().any(|row| row.event == **event);
                    !record.applied && !held && record.event.kind != Kind::Noise
                })
                .map(|((_, id), event)| (*id, *event))
        };
        if let Some((id, event)) = ahead {
            self.violate(&format!("the cursor of {} is at {to}, ahead of {id} (event {event})", fence.shard));
        }
    }

    /// Whether a member of that process would act at a moment.
    pub fn believes(&self, client: Client, worker: WorkerId, belief: impl Fn() -> bool + 'static) {
        let mut records = self.0.records.borrow_mut();
        records.beliefs.insert(worker, Rc::new(belief));
        records.processes.entry(client).or_default().push(worker);
    }

    /// A process was killed: whoever it was believes nothing any more.
    pub fn process_gone(&self, client: Client) {
        let mut records = self.0.records.borrow_mut();
        let gone = records.processes.remove(&client).unwrap_or_default();
        for worker in gone {
            records.beliefs.remove(&worker);
        }
    }

    /// It has given up.
    pub fn believes_no_more(&self, worker: WorkerId) {
        self.0.records.borrow_mut().beliefs.remove(&worker);
    }

    pub fn buried(&self, id: WorkerId, cause: Cause, silent_for: Micros, vouched_for: bool) {
        self.0.engine.note(|| format!("postgres: {id} is declared dead: {cause:?}"));
        self.count(match cause {
            Cause::SessionEnded => "deaths by session",
            Cause::Silence => "deaths by silence",
        });
        let lease_gone = (self.0.lease_was_gone.borrow())(id);
        self.0.records.borrow_mut().deaths.insert(id, (cause, self.0.engine.now()));
        if cause == Cause::Silence && (silent_for <= self.0.silence || !lease_gone) {
            let seconds = silent_for / SECOND;
            self.violate(&format!(
                "{id} is taken over on one piece of evidence alone: heartbeat {seconds} s old, lease gone: {lease_gone}"
            ));
        }
        if cause == Cause::SessionEnded && vouched_for {
            self.violate(&format!("{id} is declared dead while its session holds its lock"));
        }
    }

    pub fn claimed(&self, fence: &Fence, previous: Option<WorkerId>) {
        self.0
            .engine
            .note(|| format!("postgres: {} is claimed at {} by {}", fence.shard, fence.epoch, fence.owner));
        let Some(previous) = previous.filter(|previous| *previous != fence.owner) else { return };
        self.count("takeovers");
        let belief = {
            let records = self.0.records.borrow();
            let silent = records.deaths.get(&previous).is_some_and(|(cause, _)| *cause == Cause::Silence);
            records.beliefs.get(&previous).filter(|_| silent).cloned()
        };
        let believes = belief.is_some_and(|believes| believes());
        if believes {
            self.violate(&format!(
                "{} was claimed from {previous}, which still believes that it owns it",
                fence.shard
            ));
        }
    }

    /// Discord shows a message with this content.
    pub fn shown(&self, content: &str) {
        let Some(event) = content.split('#').nth(1).and_then(|id| id.parse::<EventId>().ok()) else { return };
        self.0.engine.note(|| format!("discord: shows the answer to {event}"));
        let mut wrong = None;
        {
            let mut records = self.0.records.borrow_mut();
            let records = &mut *records;
            let record = records.events.get_mut(&event).expect("what is answered was asked");
            record.shown += 1;
            if record.shown > 1 {
                wrong = Some(format!("the answer to {event} is shown {} times", record.shown));
            }
            let comes_late = record.late || record.missing != Missing::No;
            if let Some(conversation) = record.conversation.filter(|_| !comes_late) {
                let last = records.last_shown.entry(conversation).or_default();
                if record.index < *last {
                    wrong = Some(format!("the answer to {event} comes after that of a later question"));
                }
                *last = record.index.max(*last);
            }
        }
        self.count("answers");
        if let Some(wrong) = wrong {
            self.violate(&wrong);
        }
    }

    /// What keeps the world from being at rest, as far as members can see.
    pub fn open(&self) -> Option<String> {
        let records = self.0.records.borrow();
        let mut wanted = records.events.values().filter(|record| record.event.kind != Kind::Noise);
        wanted.find_map(|record| {
            let id = record.event.id;
            let where_to = if record.published { "it was in a stream" } else { "it was never in a stream" };
            match (record.applied, record.shown, record.excused) {
                (true, 0, _) => Some(format!("question {id} of {} is not answered", record.event.server)),
                (false, _, None) => Some(format!(
                    "event {id} of {} is lost: {where_to}, missing: {:?}",
                    record.event.server, record.missing
                )),
                _ => None,
            }
        })
    }

    /// How many events were excused, for each reason.
    pub fn excused(&self) -> BTreeMap<&'static str, u64> {
        let mut excused = BTreeMap::new();
        for record in self.0.records.borrow().events.values() {
            if let Some(why) = record.excused.filter(|_| !record.applied && record.event.kind != Kind::Noise)
            {
                *excused.entry(why).or_default() += 1;
            }
        }
        excused
    }
}

/// None: it is a marker's.
pub fn event_id(payload: &[u8]) -> Option<EventId> {
    std::str::from_utf8(payload).ok()?.strip_prefix(r#"{"id":""#)?.split('"').next()?.parse().ok()
}
