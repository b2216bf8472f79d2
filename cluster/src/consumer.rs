//! What a shard's owner does with an entry of its log, and what may be trimmed of the log: pure decisions.
//!
//! A server moves from shard A to shard B while its events flow. The holder of its gateway shard writes *moved out* into
//! A's log behind everything it published of the server there, then, once that is in the log, *moved in* into B's log,
//! and from then on the server's events. So A's log has every event before the move, B's every event after it, and the
//! one thing that keeps their order is this module's rule: **B applies nothing of the server before A has left it**.
//! What comes early waits in the store (*held events*), written together with B's cursor.
//!
//! The caller asks the store, in the transaction that holds the shard's fence, where the server stands ([`Place`]) and
//! does what [`step`] and [`held_step`] say in that same transaction. ADR 11 has the argument.

use std::collections::VecDeque;
use std::time::Duration;

use crate::ids::{MoveId, ServerId, ShardId, StreamId};

/// Kinds of the two markers among the entries of a log; their payload is the move's id.
pub const MOVED_OUT: &str = "HELPLINE_MOVED_OUT";
pub const MOVED_IN: &str = "HELPLINE_MOVED_IN";

/// The log keeps what lies above the durable cursor of this long ago.
pub const KEEP: Duration = Duration::from_secs(60);
/// How finely the durable cursor is remembered for that.
const REMEMBER_EVERY: Duration = Duration::from_secs(1);

/// What an entry of a log is to the move of a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// An event of the server.
    Event,
    /// Everything that its gateway shard published of the server into this log lies before this entry.
    MovedOut(MoveId),
    /// What follows of the server in this log was published after the move.
    MovedIn(MoveId),
}

/// A marker whose payload is not the id of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a marker does not name its move")]
pub struct BadMarker;

impl Item {
    /// Reads an entry's kind, and a marker's payload: the id of the move as JSON, a string.
    ///
    /// # Errors
    /// [`BadMarker`].
    pub fn read(kind: &str, payload: &[u8]) -> Result<Self, BadMarker> {
        let id = || {
            let text = std::str::from_utf8(payload).ok()?.strip_prefix('"')?.strip_suffix('"')?;
            text.parse().ok().map(MoveId)
        };
        match kind {
            MOVED_OUT => id().map(Self::MovedOut).ok_or(BadMarker),
            MOVED_IN => id().map(Self::MovedIn).ok_or(BadMarker),
            _ => Ok(Self::Event),
        }
    }

    /// The payload of a marker.
    pub fn payload(id: MoveId) -> String {
        format!("\"{}\"", id.0)
    }
}

/// How far a move has come. A server has one open move at the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Decided: the server still lives where it lived.
    Planned,
    /// The old shard has applied *moved out*: the server lives on the new one.
    Left,
    /// Held events are applied and *moved in* was seen. Nothing remains to be done.
    Done,
}

/// An open move, as the store has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Move {
    pub id: MoveId,
    pub server: ServerId,
    pub from: ShardId,
    pub to: ShardId,
    pub state: State,
}

/// Where a server stands, as the store says within the transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The shard it lives on; none: nobody knows the server.
    pub lives_on: Option<ShardId>,
    /// Its open move.
    pub moving: Option<Move>,
    /// Held events of it wait for the shard that asks.
    pub waiting: bool,
}

/// What the owner does with an entry, in the transaction that moves its cursor past it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Apply the event.
    Apply,
    /// Put the event behind the held events of the server that wait for this shard.
    Hold,
    /// Put the event behind the held events of the server that wait for the shard it lives on.
    HandOn(ShardId),
    /// The server leaves: it lives on `to` from now on, and the move's state is [`State::Left`]. Nothing of the server
    /// may run on this shard when the transaction commits.
    Leave { to: ShardId },
    /// Held events of the server come first: apply them ([`held_step`]), then ask again.
    HeldFirst,
    /// *Moved in* is acknowledged. With nothing held, and the server here, the move is done.
    Arrive,
    /// The marker has had its effect, or belongs to a move that is over.
    Ignore,
    /// An event of a server that is unknown: a person has to look at it.
    Refuse,
}

/// Decides on one entry for `shard`.
pub fn step(shard: ShardId, item: Item, place: &Place) -> Step {
    let open = |id: MoveId| place.moving.filter(|moving| moving.id == id);
    match item {
        Item::Event => match place.lives_on {
            None => Step::Refuse,
            Some(here) if here == shard && place.waiting => Step::Hold,
            Some(here) if here == shard => Step::Apply,
            Some(_) if is_coming(shard, place) => Step::Hold,
            Some(elsewhere) => Step::HandOn(elsewhere),
        },
        Item::MovedOut(id) => match open(id) {
            Some(moving)
                if moving.from == shard
                    && moving.state == State::Planned
                    && place.lives_on == Some(shard) =>
            {
                if place.waiting {
                    Step::HeldFirst
                } else {
                    Step::Leave { to: moving.to }
                }
            }
            _ => Step::Ignore,
        },
        Item::MovedIn(id) => match open(id) {
            Some(moving) if moving.to == shard => Step::Arrive,
            _ => Step::Ignore,
        },
    }
}

/// What becomes of the held events of a server that wait for a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HeldStep {
    /// Apply them in their order; afterwards the move may be done.
    Apply,
    /// The old shard has not left the server yet.
    Wait,
    /// The server has moved on: they wait for that shard now, before what it holds later.
    PassOn(ShardId),
    /// The server is unknown.
    Refuse,
}

/// Decides on the held events of a server that wait for `shard`.
pub fn held_step(shard: ShardId, place: &Place) -> HeldStep {
    match place.lives_on {
        None => HeldStep::Refuse,
        Some(here) if here == shard => HeldStep::Apply,
        Some(_) if is_coming(shard, place) => HeldStep::Wait,
        Some(elsewhere) => HeldStep::PassOn(elsewhere),
    }
}

/// The server is on its way to the shard and has not left the old one.
fn is_coming(shard: ShardId, place: &Place) -> bool {
    place.moving.is_some_and(|moving| moving.to == shard && moving.state == State::Planned)
}

/// Whether an open move is over: its server has left, nothing of it is held, and *moved in* was seen.
pub fn is_done(moving: &Move, moved_in_seen: bool, held: bool) -> bool {
    moving.state == State::Left && moved_in_seen && !held
}

/// The durable cursor of a shard over time, and with it what may be trimmed of the log: only what lies below the cursor
/// of [`KEEP`] ago, so that an owner whose store forgot its last commits (a failover) still finds the entries.
#[derive(Debug, Default)]
pub struct DurableCursor {
    /// Oldest first; the times are since a start of the caller's choice.
    history: VecDeque<(Duration, StreamId)>,
}

impl DurableCursor {
    /// The cursor stands at `cursor` in a committed transaction.
    pub fn committed(&mut self, now: Duration, cursor: StreamId) {
        let due = self.history.back().is_none_or(|(at, _)| now >= *at + REMEMBER_EVERY);
        if due {
            self.history.push_back((now, cursor));
        }
    }

    /// What may be trimmed: entries below the id. None: nothing new.
    pub fn trim_below(&mut self, now: Duration) -> Option<StreamId> {
        let mut below = None;
        while let Some((at, cursor)) = self.history.front()
            && now >= *at + KEEP
        {
            below = Some(*cursor);
            self.history.pop_front();
        }
        below
    }

    /// The log begins anew.
    pub fn forget(&mut self) {
        self.history.clear();
    }
}

#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;
