//! Newtypes of everything that has an id in the cluster. Each prints with its kind, so that a log line
//! or an error needs no further words; `get()` gives the raw value and `db()` the one Postgres stores.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use uuid::Uuid;

/// A row of `shards`: the unit that one worker owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ShardId(pub u32);

impl ShardId {
    pub const fn get(self) -> u32 {
        self.0
    }

    /// As `shards.id` stores it.
    pub const fn db(self) -> i32 {
        self.0.cast_signed()
    }

    pub const fn from_db(id: i32) -> Self {
        Self(id.cast_unsigned())
    }
}

impl fmt::Display for ShardId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "shard {}", self.0)
    }
}

/// An id that Postgres keeps as a bigint of the same bits.
macro_rules! wide_id {
    ($(#[$doc:meta])* $name:ident, $word:literal, $column:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub u64);

        impl $name {
            pub const fn get(self) -> u64 {
                self.0
            }

            #[doc = concat!("As `", $column, "` stores it.")]
            pub const fn db(self) -> i64 {
                self.0.cast_signed()
            }

            pub const fn from_db(id: i64) -> Self {
                Self(id.cast_unsigned())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($word, " {}"), self.0)
            }
        }
    };
}

wide_id! {
    /// A Discord guild's snowflake. JSON carries it as a string, because a float cannot hold it.
    ServerId, "server", "servers.id"
}

wide_id! {
    /// One move of a server from a shard to another.
    MoveId, "move", "server_moves.move_id"
}

impl FromStr for ServerId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        text.parse().map(Self).map_err(|_| ParseError::new("server id", text))
    }
}

impl Serialize for ServerId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for ServerId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A running worker process; new at every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WorkerId(pub Uuid);

impl WorkerId {
    /// The id of a process that starts now.
    pub fn random() -> Self {
        Self(Uuid::new_v4())
    }

    pub const fn get(self) -> Uuid {
        self.0
    }

    pub const fn db(self) -> Uuid {
        self.0
    }

    pub const fn from_db(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "worker {}", self.0)
    }
}

/// A running proxy process; new at every start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProxyId(pub Uuid);

impl ProxyId {
    pub const fn get(self) -> Uuid {
        self.0
    }

    pub const fn db(self) -> Uuid {
        self.0
    }

    pub const fn from_db(id: Uuid) -> Self {
        Self(id)
    }
}

impl fmt::Display for ProxyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "proxy {}", self.0)
    }
}

/// Raised at every change of owner of a shard.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

impl Epoch {
    pub const fn get(self) -> i64 {
        self.0
    }

    pub const fn db(self) -> i64 {
        self.0
    }

    pub const fn from_db(epoch: i64) -> Self {
        Self(epoch)
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "epoch {}", self.0)
    }
}

/// Discord's `[id, total]` connection. Discord alone decides which guild arrives on it:
/// `(guild_id >> 22) % total` (<https://discord.com/developers/docs/events/gateway#sharding>).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GatewayShard {
    pub id: u32,
    pub total: u32,
}

impl GatewayShard {
    pub const fn new(id: u32, total: u32) -> Self {
        Self { id, total }
    }

    /// Whether Discord sends the server's events on it
    /// (<https://discord.com/developers/docs/events/gateway#sharding>).
    pub const fn carries(self, server: ServerId) -> bool {
        (server.0 >> 22) % self.total as u64 == self.id as u64
    }
}

impl fmt::Display for GatewayShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "gateway shard {}/{}", self.id, self.total)
    }
}

/// Place of an event in its shard's event log. `incarnation` rises when Redis lost the stream, so that
/// ids rise for ever; `(n, 0)` stands before the first entry of incarnation n. Text form: `3-17`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId {
    pub incarnation: u64,
    pub seq: u64,
}

impl StreamId {
    pub const fn new(incarnation: u64, seq: u64) -> Self {
        Self { incarnation, seq }
    }

    /// Where a new incarnation begins: before its first entry.
    pub const fn start_of(incarnation: u64) -> Self {
        Self { incarnation, seq: 0 }
    }

    /// From `shard_streams.incarnation` and `shard_streams.cursor_seq`.
    pub const fn from_db(incarnation: i64, seq: i64) -> Self {
        Self { incarnation: incarnation.cast_unsigned(), seq: seq.cast_unsigned() }
    }

    /// `(incarnation, seq)` as `shard_streams` stores them.
    pub const fn db(self) -> (i64, i64) {
        (self.incarnation.cast_signed(), self.seq.cast_signed())
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.incarnation, self.seq)
    }
}

impl FromStr for StreamId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let error = || ParseError::new("stream id", text);
        let (incarnation, seq) = text.split_once('-').ok_or_else(error)?;
        Ok(Self {
            incarnation: incarnation.parse().map_err(|_| error())?,
            seq: seq.parse().map_err(|_| error())?,
        })
    }
}

impl Serialize for StreamId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StreamId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Text that is not the id it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a {kind}")]
pub struct ParseError {
    kind: &'static str,
    text: String,
}

impl ParseError {
    fn new(kind: &'static str, text: &str) -> Self {
        Self { kind, text: text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_their_kind() {
        assert_eq!(ShardId(5).to_string(), "shard 5");
        assert_eq!(ServerId(81_384_788_765_712_384).to_string(), "server 81384788765712384");
        assert_eq!(GatewayShard::new(0, 2).to_string(), "gateway shard 0/2");
        assert_eq!(Epoch(7).to_string(), "epoch 7");
    }

    #[test]
    fn stream_ids_order_by_incarnation_first_and_survive_their_text_form() {
        let old = StreamId::new(2, u64::MAX);
        let new = StreamId::new(3, 17);
        assert!(old < new && StreamId::start_of(3) < new);
        assert_eq!("3-17".parse(), Ok(new));
        assert_eq!(old.to_string().parse(), Ok(old));
        for bad in ["", "3", "3-", "-1", "3-x", "3-1-2"] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn a_server_id_beyond_a_floats_precision_survives_json() {
        let id = ServerId(9_007_199_254_740_993);
        let json = serde_json::to_string(&id).expect("an id serialises");
        assert_eq!(json, "\"9007199254740993\"");
        assert_eq!(serde_json::from_str::<ServerId>(&json).expect("it reads back"), id);
        assert_eq!(ServerId::from_db(id.db()), id);
    }
}
