//! The event log: one Redis stream per shard, from the proxies that publish to the worker that owns it.
//!
//! Promises: a [`Publisher`] whose gateway epoch was superseded publishes nothing; entries of one stream
//! keep the order in which they were published; ids only rise, because they carry the stream's
//! incarnation, and nothing is published to a stream that has none (Redis lost it). A [`Reader`] delivers
//! from a given cursor in order without gaps, and says when Redis has lost what it was reading. There are
//! no consumer groups: a shard has one owner, whose cursor stands in Postgres.
//!
//! Proxies use [`Publisher`]; workers use [`Reader`] and [`EventLog`].

use bytes::Bytes;

use crate::ids::{GatewayShard, ServerId, ShardId, StreamId};

mod decode;
mod publisher;
mod reader;
mod streams;

pub use publisher::Publisher;
pub use reader::{Reader, Settings as ReaderSettings};
pub use streams::EventLog;

/// An event that is to be published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewEvent {
    pub shard: ShardId,
    /// `<gateway session id>:<sequence>`: the first of the event's keys.
    pub origin: String,
    /// Discord's name of the event, such as `MESSAGE_CREATE`.
    pub kind: String,
    /// None for a direct message.
    pub server: Option<ServerId>,
    pub received_at_ms: u64,
    pub payload: Bytes,
}

/// An event as its stream holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub id: StreamId,
    pub origin: String,
    pub kind: String,
    pub server: Option<ServerId>,
    pub received_at_ms: u64,
    pub payload: Bytes,
}

/// What became of one event of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Published(StreamId),
    /// The stream was lost and its owner has not begun the next incarnation yet: keep the event, and
    /// whatever follows it in the same stream, and publish them again shortly.
    NoIncarnation,
    /// The stream has reached its bound: what is lost or kept is the caller's rule.
    Full,
}

/// What a reader hands on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// Never empty; ids rise within it and from one delivery to the next.
    Entries(Vec<Entry>),
    /// Redis has lost the stream. The last item of its channel: the owner begins the next incarnation
    /// and watches the shard anew from there.
    Wiped,
}

/// Bounds of one stream. A stream at either bound refuses with [`Outcome::Full`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub entries: u64,
    /// As Redis reckons the memory of the stream; approximate.
    pub bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self { entries: 200_000, bytes: 64 * 1024 * 1024 }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Another proxy holds the gateway shard. The caller stops publishing for it for good.
    #[error("{gateway} at epoch {epoch} has been taken over by another proxy")]
    Superseded { gateway: GatewayShard, epoch: u64 },
    /// Redis lost the epoch and does not know who holds the gateway shard. The holder raises it again.
    #[error("redis does not know the epoch of {gateway} any more; raise it again")]
    EpochLost { gateway: GatewayShard },
    /// Whether the batch was published is unknown, in part or in whole: publish it again.
    #[error("event log: {0}")]
    Redis(#[from] redis::RedisError),
}
