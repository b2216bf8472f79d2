//! Delivery faults on demand: what can go wrong between an event and the client, within what Discord itself
//! can do to one.
//!
//! Sequence numbers stay monotone in the log whatever happens: a fault changes which of them reach a client
//! again, late or never. Everything drawn follows from the simulator's seed, the session (gateway shard,
//! total, how many of them came before it), the connection's number within the session and the sequence
//! number, so the same events meet the same faults however the threads run.
//! <https://discord.com/developers/docs/events/gateway#disconnecting>

use super::session::Session;
use crate::lock;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

/// Which sessions a fault is for. Everything left out fits all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GatewayTarget {
    /// Session id.
    pub session: Option<String>,
    /// Gateway shard.
    pub shard: Option<u32>,
    /// Total of gateway shards.
    pub total: Option<u32>,
}

impl GatewayTarget {
    /// Every session, now and later.
    pub fn all() -> Self {
        Self::default()
    }

    /// One session.
    pub fn session(id: &str) -> Self {
        Self { session: Some(id.to_owned()), ..Self::default() }
    }

    /// The sessions of one gateway shard, whatever their total.
    pub fn shard(shard: u32) -> Self {
        Self { shard: Some(shard), ..Self::default() }
    }

    pub(super) fn fits(&self, session: &Session) -> bool {
        self.session.as_ref().is_none_or(|id| *id == session.id)
            && self.shard.is_none_or(|shard| shard == session.shard)
            && self.total.is_none_or(|total| total == session.total)
    }

    pub(super) fn is_all(&self) -> bool {
        *self == Self::default()
    }
}

/// How the gateway behaves towards new connections during an outage.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outage {
    /// The connection ends before the websocket handshake is answered.
    Refuse,
    /// The handshake is answered 503.
    Unavailable,
    /// The websocket opens and ends at once.
    Close,
    /// The websocket opens and says nothing until the outage is over.
    Silent,
}

/// What goes wrong. Events are counted per session from the moment the fault is ordered, or from READY for
/// sessions that begin later; a fault "after" a number of events happens once to each session it fits.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case", deny_unknown_fields)]
pub enum GatewayFault {
    /// Now: the TCP connection ends without a close frame.
    Drop,
    /// Now: close frame with this code.
    Close {
        /// Such as 4000.
        code: u16,
    },
    /// Now: opcode 7. The connection is closed a few seconds later.
    Reconnect,
    /// Now: opcode 9. Unless it is resumable the session ends, and what it had not delivered is lost.
    Invalidate {
        /// The payload's `d`.
        #[serde(default)]
        resumable: bool,
    },
    /// The session goes on until its connection ends, and then cannot be resumed.
    Expire,
    /// Now: opcode 1 asks for a heartbeat.
    RequestHeartbeat,
    /// The TCP connection ends after so many events.
    DropAfter {
        /// At least 1.
        events: u64,
    },
    /// Close frame after so many events.
    CloseAfter {
        /// At least 1.
        events: u64,
        /// Such as 4000.
        code: u16,
    },
    /// The session is invalidated after so many events; those not delivered by then are lost.
    InvalidateAfter {
        /// At least 1.
        events: u64,
    },
    /// After each event the TCP connection ends with this probability.
    DropRate {
        /// 0 to 1.
        per_event: f64,
    },
    /// Nothing is sent for a while, heartbeat acknowledgements included, while TCP stays up.
    Stall {
        /// 0 stalls now.
        #[serde(default)]
        after_events: u64,
        /// How long.
        ms: u64,
        /// Whether what the client sends is read meanwhile.
        #[serde(default)]
        reading: bool,
    },
    /// Every event comes late.
    Delay {
        /// Always.
        ms: u64,
        /// At most so much more, drawn for each event; the order stays.
        #[serde(default)]
        jitter_ms: u64,
    },
    /// A RESUME repeats up to so many events that the client had already counted.
    DuplicateOnResume {
        /// At least 1; how many it is each time is drawn.
        events: u64,
    },
    /// What happens while a session has no connection comes in another order: that of one server stays,
    /// or that of one channel.
    ReorderAcrossReconnect {
        /// Whether channels of one server change places too. Events about the server itself never move.
        #[serde(default)]
        channels: bool,
    },
    /// Heartbeats are read and not acknowledged.
    WithholdAcks,
    /// New connections fail for a while. Not for single sessions.
    Outage {
        /// How long from now.
        ms: u64,
        /// In which way.
        how: Outage,
    },
    /// The address given by READY for resuming is dead for a while; the other one works. Not for single
    /// sessions.
    DeadResumeUrl {
        /// How long from now.
        ms: u64,
    },
}

impl GatewayFault {
    /// What cannot be meant, as a sentence.
    pub fn problem(&self, target: &GatewayTarget) -> Option<&'static str> {
        match self {
            Self::DropAfter { events: 0 } | Self::CloseAfter { events: 0, .. } => {
                Some("events must be at least 1; use drop or close for now")
            }
            Self::InvalidateAfter { events: 0 } => Some("events must be at least 1; use invalidate for now"),
            Self::DuplicateOnResume { events: 0 } => Some("events must be at least 1"),
            Self::DropRate { per_event } if !(0.0..=1.0).contains(per_event) => {
                Some("per_event is a probability between 0 and 1")
            }
            Self::Close { code } | Self::CloseAfter { code, .. } if !sendable(*code) => {
                Some("a close code is 1000, 1001, 1011 or between 4000 and 4999")
            }
            Self::Outage { .. } | Self::DeadResumeUrl { .. } if !target.is_all() => {
                Some("an outage is for everybody: leave session, shard and total out")
            }
            _ => None,
        }
    }
}

fn sendable(code: u16) -> bool {
    matches!(code, 1000 | 1001 | 1011 | 4000..=4999)
}

/// What happens to a connection once an event was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Drop,
    Close(u16),
    Invalidate,
    Stall { time: Duration, reading: bool },
}

#[derive(Clone, Debug)]
struct Plan {
    number: u64,
    target: GatewayTarget,
    fault: GatewayFault,
    /// Sequence numbers from which the sessions of that moment count.
    bases: Vec<(String, u64)>,
}

/// Plans that stand until they are cleared. At most 1,000; more replace the oldest.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    plans: Mutex<Vec<Plan>>,
    made: AtomicU64,
    version: AtomicU64,
}

const MAX_PLANS: usize = 1_000;

impl Faults {
    pub(super) fn plan(&self, target: GatewayTarget, fault: GatewayFault, sessions: &[&Session]) {
        let bases = sessions.iter().map(|session| (session.id.clone(), session.last())).collect();
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let mut plans = lock(&self.plans);
        if plans.len() == MAX_PLANS {
            plans.remove(0);
        }
        plans.push(Plan { number, target, fault, bases });
        self.version.fetch_add(1, Ordering::Release);
    }

    pub(super) fn clear(&self) {
        lock(&self.plans).clear();
        self.version.fetch_add(1, Ordering::Release);
    }

    /// Changes whenever plans do, so that a connection need not lock to find nothing new.
    pub(super) fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// What stands against a session now.
    pub(super) fn watch(&self, session: &Session, connection: u64) -> Watch {
        let version = self.version();
        let plans = lock(&self.plans);
        let armed = plans.iter().filter(|plan| plan.target.fits(session)).map(|plan| {
            let base = plan.bases.iter().find(|(id, _)| *id == session.id).map_or(0, |(_, base)| *base);
            Armed { plan: plan.number, base, fault: plan.fault.clone() }
        });
        Watch { version, seed: session.seed, connection, armed: armed.collect() }
    }

    /// Whether, and how freely, events that come in without a connection change places.
    pub(super) fn reorder(&self, session: &Session) -> Option<bool> {
        let plans = lock(&self.plans);
        let mut fitting = plans.iter().filter(|plan| plan.target.fits(session));
        fitting.find_map(|plan| match plan.fault {
            GatewayFault::ReorderAcrossReconnect { channels } => Some(channels),
            _ => None,
        })
    }
}

#[derive(Debug)]
struct Armed {
    plan: u64,
    base: u64,
    fault: GatewayFault,
}

/// The faults one connection watches for.
#[derive(Debug, Default)]
pub(super) struct Watch {
    pub(super) version: u64,
    seed: u64,
    connection: u64,
    armed: Vec<Armed>,
}

impl Watch {
    /// Nothing to watch for: events may be sent in whole batches.
    pub(super) fn is_idle(&self) -> bool {
        self.armed.is_empty()
    }

    pub(super) fn acknowledges(&self) -> bool {
        !self.armed.iter().any(|armed| armed.fault == GatewayFault::WithholdAcks)
    }

    /// What happens after the event `seq` was sent, or before any with 0. `once` tells whether a plan
    /// happens to the session for the first time.
    pub(super) fn after(&self, seq: u64, mut once: impl FnMut(u64) -> bool) -> Option<Act> {
        self.armed.iter().find_map(|armed| {
            let due = |events: u64| seq == armed.base + events && seq > 0;
            let (due, act) = match armed.fault {
                GatewayFault::DropAfter { events } => (due(events), Act::Drop),
                GatewayFault::CloseAfter { events, code } => (due(events), Act::Close(code)),
                GatewayFault::InvalidateAfter { events } => (due(events), Act::Invalidate),
                GatewayFault::Stall { after_events, ms, reading } => {
                    let due = if after_events == 0 { seq == 0 } else { due(after_events) };
                    (due, Act::Stall { time: Duration::from_millis(ms), reading })
                }
                GatewayFault::DropRate { per_event } => {
                    let drawn = self.draw(armed.plan, seq);
                    return (seq > 0 && unit(drawn) < per_event).then_some(Act::Drop);
                }
                _ => return None,
            };
            (due && once(armed.plan)).then_some(act)
        })
    }

    /// How late an event comes.
    pub(super) fn delay(&self, seq: u64) -> Duration {
        let late = self.armed.iter().map(|armed| match armed.fault {
            GatewayFault::Delay { ms, jitter_ms: 0 } => ms,
            GatewayFault::Delay { ms, jitter_ms } => ms + self.draw(armed.plan, seq) % (jitter_ms + 1),
            _ => 0,
        });
        Duration::from_millis(late.max().unwrap_or(0))
    }

    pub(super) fn delays(&self) -> bool {
        self.armed.iter().any(|armed| matches!(armed.fault, GatewayFault::Delay { .. }))
    }

    /// How many events a RESUME at this connection repeats.
    pub(super) fn repeats(&self) -> u64 {
        let drawn = self.armed.iter().map(|armed| match armed.fault {
            GatewayFault::DuplicateOnResume { events } => 1 + self.draw(armed.plan, 0) % events.max(1),
            _ => 0,
        });
        drawn.max().unwrap_or(0)
    }

    fn draw(&self, plan: u64, seq: u64) -> u64 {
        mix(&[self.seed, self.connection, plan, seq])
    }
}

/// A number that follows from its parts alone, evenly spread.
pub(crate) fn mix(parts: &[u64]) -> u64 {
    parts.iter().fold(0x9e37_79b9_7f4a_7c15, |state: u64, part| {
        // The finaliser of splitmix64.
        let mut z = state.wrapping_add(*part).wrapping_add(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    })
}

/// 0 to 1, 1 excluded.
fn unit(drawn: u64) -> f64 {
    (drawn >> 11) as f64 / (1_u64 << 53) as f64
}

/// The state of the doors: whether new connections get in.
#[derive(Debug, Default)]
pub(crate) struct Doors {
    outage: Mutex<Option<(Instant, Outage)>>,
    resume_dead: Mutex<Option<Instant>>,
}

impl Doors {
    pub(super) fn shut(&self, until: Instant, how: Outage) {
        *lock(&self.outage) = Some((until, how));
    }

    pub(super) fn kill_resume_url(&self, until: Instant) {
        *lock(&self.resume_dead) = Some(until);
    }

    pub(super) fn open(&self) {
        *lock(&self.outage) = None;
        *lock(&self.resume_dead) = None;
    }

    /// What a new connection meets, and until when.
    pub(crate) fn outage(&self, now: Instant) -> Option<(Instant, Outage)> {
        lock(&self.outage).filter(|(until, _)| now < *until)
    }

    pub(crate) fn resume_is_dead(&self, now: Instant) -> bool {
        lock(&self.resume_dead).is_some_and(|until| now < until)
    }
}
