//! Snowflake ids of the simulated Discord and the generator of new ones.
//!
//! An id is a 64-bit number whose upper 42 bits are milliseconds since 2015-01-01
//! (<https://discord.com/developers/docs/reference#snowflakes>). JSON carries ids as strings.

use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};
use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// First second of 2015, in Unix milliseconds.
pub const DISCORD_EPOCH_MS: u64 = 1_420_070_400_000;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $kind:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u64);

        impl $name {
            /// The bare number, as it stands in URLs and JSON.
            pub const fn get(self) -> u64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($kind, " {}"), self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(digits(self.0, &mut [0; 20]))
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(NumberOrText).map($name)
            }
        }
    };
}

id!(
    /// A server, which Discord's API calls a guild.
    GuildId, "server"
);
id!(
    /// A text channel, a thread or a direct-message channel.
    ChannelId, "channel"
);
id!(
    /// A message. A thread started from a message has the same number.
    MessageId, "message"
);
id!(
    /// A user: a member or the bot.
    UserId, "user"
);
id!(
    /// A role of a server.
    RoleId, "role"
);
id!(
    /// An interaction: a slash command used or a component pressed.
    InteractionId, "interaction"
);

id!(
    /// A file of a message.
    AttachmentId, "attachment"
);
id!(
    /// Something that is sold.
    SkuId, "SKU"
);
id!(
    /// Access to what a SKU sells, for a user or a server.
    EntitlementId, "entitlement"
);
id!(
    /// A recurring payment.
    SubscriptionId, "subscription"
);

impl MessageId {
    /// The thread that is, or would be, started from this message.
    pub const fn thread(self) -> ChannelId {
        ChannelId(self.0)
    }
}

/// A number in decimal. Ids are most of what events consist of, and the formatter costs several times as much.
fn digits(mut number: u64, buffer: &mut [u8; 20]) -> &str {
    let mut at = buffer.len();
    loop {
        at -= 1;
        buffer[at] = b'0' + u8::try_from(number % 10).expect("one digit");
        number /= 10;
        if number == 0 {
            return std::str::from_utf8(&buffer[at..]).expect("digits");
        }
    }
}

/// A map by ids: the numbers are spread by one multiplication, because nobody chooses them to collide.
pub(crate) type IdMap<K, V> = HashMap<K, V, BuildHasherDefault<IdHasher>>;

/// The hasher of an [`IdMap`].
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, number: u64) {
        // The table looks at the low and at the high bits, so both have to depend on all of the number.
        let product = u128::from(self.0 ^ number) * 0x9e37_79b9_7f4a_7c15;
        #[allow(clippy::cast_possible_truncation, reason = "both halves are taken")]
        let folded = (product >> 64) as u64 ^ product as u64;
        self.0 = folded;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

struct NumberOrText;

impl Visitor<'_> for NumberOrText {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a snowflake as a string or a number")
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<u64, E> {
        Ok(value)
    }

    fn visit_str<E: de::Error>(self, value: &str) -> Result<u64, E> {
        value.parse().map_err(|_| E::custom("not a snowflake"))
    }
}

/// Hands out strictly increasing ids that carry the time of their making.
#[derive(Debug, Default)]
pub(crate) struct Snowflakes {
    last: AtomicU64,
}

impl Snowflakes {
    pub(crate) fn next(&self, unix_ms: u64) -> u64 {
        let floor = unix_ms.saturating_sub(DISCORD_EPOCH_MS) << 22;
        let mut last = self.last.load(Ordering::Relaxed);
        loop {
            let next = floor.max(last + 1);
            match self.last.compare_exchange_weak(last, next, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return next,
                Err(seen) => last = seen,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::hash::BuildHasher;

    #[test]
    fn new_ids_increase_also_when_the_clock_steps_back() {
        let flakes = Snowflakes::default();
        let first = flakes.next(DISCORD_EPOCH_MS + 1_000);
        let second = flakes.next(DISCORD_EPOCH_MS + 500);
        assert_eq!(first, 1_000 << 22);
        assert!(second > first);
    }

    #[test]
    fn a_number_is_written_as_the_formatter_would() {
        for number in [0, 9, 10, 1_045_888_996_355_485_696, u64::MAX] {
            assert_eq!(digits(number, &mut [0; 20]), number.to_string());
        }
    }

    #[test]
    fn neighbouring_ids_do_not_fall_together() {
        let hash = |number: u64| BuildHasherDefault::<IdHasher>::default().hash_one(number << 22);
        let low: std::collections::HashSet<u64> = (0..4_096).map(|n| hash(n) % 4_096).collect();
        let high: std::collections::HashSet<u64> = (0..4_096).map(|n| hash(n) >> 52).collect();
        assert!(low.len() > 2_000 && high.len() > 2_000, "{} and {} of 4,096", low.len(), high.len());
    }

    #[test]
    fn ids_travel_as_strings_and_print_their_kind() {
        let id = ChannelId(18_446_744_073_709_551_615);
        let text = serde_json::to_string(&id).unwrap();
        assert_eq!(text, "\"18446744073709551615\"");
        assert_eq!(serde_json::from_str::<ChannelId>(&text).unwrap(), id);
        assert_eq!(serde_json::from_str::<ChannelId>("5").unwrap().to_string(), "channel 5");
    }
}
