//! Thirteen ways to break the system, each of which the simulation has to notice.
//!
//! They sit in the simulation's own glue, where it stands for the product's: a mutation leaves out, or does too early,
//! what the product does there.

use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// Transactions do not lock or look at their fence row.
    NoShardFence,
    /// Nor at the rows of the servers they write.
    NoServerFence,
    /// Each attempt to post has a nonce of its own.
    RandomNonce,
    /// The stream is trimmed as far as it was read.
    EarlyTrim,
    /// After Redis lost a stream the old incarnation goes on.
    StaleIncarnation,
    /// The cursor moves in a transaction of its own, before that of the effects.
    CursorOutside,
    /// The sequence for a resume is saved when the event was received.
    SequenceBeforePublishing,
    /// Events that come before their server are kept in the worker's memory.
    HeldInMemory,
    /// A vanished Redis lease is enough to declare a member dead.
    LeaseAlone,
    /// A member acts on however long it could not renew.
    NoSelfFence,
    /// The holder of a gateway shard puts its epoch back into a wiped Redis without asking Postgres.
    EpochUnasked,
    /// What a given-up lane missed is forgotten instead of recorded.
    GapUntold,
    /// Proxies leave the first reply to the workers.
    NoDeferral,
}

impl Mutation {
    pub const ALL: [Self; 13] = [
        Self::NoShardFence,
        Self::NoServerFence,
        Self::RandomNonce,
        Self::EarlyTrim,
        Self::StaleIncarnation,
        Self::CursorOutside,
        Self::SequenceBeforePublishing,
        Self::HeldInMemory,
        Self::LeaseAlone,
        Self::NoSelfFence,
        Self::EpochUnasked,
        Self::GapUntold,
        Self::NoDeferral,
    ];
}

impl FromStr for Mutation {
    type Err = String;

    /// As `{:?}` prints it.
    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|mutation| format!("{mutation:?}") == text);
        found.ok_or_else(|| format!("no such mutation: {text}; there are {:?}", Self::ALL))
    }
}
