//! What a scenario is made of once it is read.

use crate::clock::Skew;
use crate::faults::FaultPlan;
use crate::gateway::faults::GatewayFault;
use crate::rate_limit::LimitChange;
use serde_json::Value;
use std::time::Duration;

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    Server(usize),
    Support(String),
    General(String),
    Member(String, usize),
    Staff(String, usize),
    Direct(String),
}

/// Where something is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Channel(String),
    /// The thread in which a question is answered.
    ThreadOf(String),
}

/// Which gateway connections are meant; `None` is all.
pub(super) type Shard = Option<u32>;

/// How a number has to stand to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compare {
    Equal,
    Unequal,
    Less,
    AtMost,
    More,
    AtLeast,
}

impl Compare {
    pub(super) const NAMES: [(&'static str, Self); 6] = [
        ("=", Self::Equal),
        ("!=", Self::Unequal),
        ("<", Self::Less),
        ("<=", Self::AtMost),
        (">", Self::More),
        (">=", Self::AtLeast),
    ];

    pub(super) fn holds(self, left: u64, right: u64) -> bool {
        match self {
            Self::Equal => left == right,
            Self::Unequal => left != right,
            Self::Less => left < right,
            Self::AtMost => left <= right,
            Self::More => left > right,
            Self::AtLeast => left >= right,
        }
    }

    pub(super) fn name(self) -> &'static str {
        Self::NAMES.iter().find(|(_, of)| *of == self).map_or("=", |(name, _)| name)
    }
}

/// What can be counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Number {
    /// Answers to a question.
    Answers(String),
    /// A counter of the simulator.
    Counter(String),
    /// Transcript entries of a kind.
    Entries(String),
    /// Gateway sessions with a connection.
    Sessions,
    /// Messages of the bot that answer nothing.
    Strays,
}

/// What can be waited for or expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Condition {
    Answer { to: String, containing: Option<String> },
    Thread { on: String },
    Acknowledged(String),
    Failed(String),
    Compared(Number, Compare, u64),
}

/// For how long a condition is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Now,
    Within(Duration),
    /// It has to hold all the while.
    For(Duration),
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Action {
    Say {
        member: String,
        place: Place,
        text: String,
        name: Option<String>,
    },
    Reply {
        member: String,
        to: String,
        text: String,
        name: Option<String>,
    },
    Slash {
        member: String,
        place: Place,
        command: String,
        options: Vec<(String, Value)>,
        name: Option<String>,
    },
    Press {
        member: String,
        custom_id: String,
        of: String,
        name: Option<String>,
    },
    Type {
        member: String,
        place: Place,
    },
    Edit {
        member: String,
        message: String,
        text: String,
    },
    Delete {
        member: String,
        message: String,
    },
    React {
        member: String,
        emoji: String,
        to: String,
    },
    /// A member leaves the server of his home, or comes back to it.
    Join {
        member: String,
        back: bool,
    },
    /// The bot is removed from a server, or added again.
    Bot {
        server: String,
        there: bool,
    },
    /// A server goes away in an outage, or comes back.
    Outage {
        server: String,
        over: bool,
    },
    Wait(Duration),
    At(Duration),
    WaitUntil(Condition, Duration),
    Expect(Condition, When),
    Fault(FaultPlan),
    ClearFaults,
    Limit(LimitChange),
    LimitGlobal(Option<u32>),
    Jitter(Duration),
    RenameBuckets,
    LimitResource {
        of: String,
        lasts: Duration,
        code: Option<u32>,
    },
    /// Something goes wrong between events and the client.
    Gateway(GatewayFault, Shard),
    ClearGateway,
    Drop(Shard),
    Reconnect(Shard),
    Close(u16, Shard),
    Invalidate(Shard),
    Skew(SkewChange),
    Advance(Duration),
    Note(String),
}

/// A change of the clock's skew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SkewChange {
    Offset(i64),
    Drift(i64),
}

impl SkewChange {
    pub(super) fn of(self, skew: Skew) -> Skew {
        match self {
            Self::Offset(offset_ms) => Skew { offset_ms, ..skew },
            Self::Drift(drift_ppm) => Skew { drift_ppm, ..skew },
        }
    }
}

/// A step and the line it stands on.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) action: Action,
}
