//! Chance that follows from the seed alone: every draw names its purpose, what it is about and its number.
//!
//! So the order in which threads draw changes nothing, and the same seed gives the same run.

/// Draws for one simulator.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Chance {
    seed: u64,
}

impl Chance {
    pub(crate) const fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// The `nth` draw for a purpose, such as "session", about `key`.
    pub(crate) fn draw(self, purpose: &str, key: u64, nth: u64) -> u64 {
        let named = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        mix(mix(mix(self.seed ^ named) ^ key) ^ nth)
    }

    /// The same, at least 0 and below 1.
    pub(crate) fn share(self, purpose: &str, key: u64, nth: u64) -> f64 {
        // 53 bits are what an f64 holds exactly.
        (self.draw(purpose, key, nth) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Thirty-two hexadecimal digits, for ids and tokens.
    pub(crate) fn hex(self, purpose: &str, key: u64, nth: u64) -> String {
        let low = self.draw(purpose, key, nth);
        format!("{low:016x}{:016x}", mix(low ^ self.seed))
    }
}

/// The finaliser of SplitMix64 (Steele, Lea and Flood, 2014).
const fn mix(value: u64) -> u64 {
    let value = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_follows_from_seed_purpose_key_and_number() {
        let one = Chance::new(1);
        assert_eq!(one.draw("session", 0, 3), Chance::new(1).draw("session", 0, 3));
        let others = [
            one.draw("session", 0, 4),
            one.draw("session", 1, 3),
            one.draw("token", 0, 3),
            Chance::new(2).draw("session", 0, 3),
        ];
        assert!(others.iter().all(|other| *other != one.draw("session", 0, 3)));
        assert_eq!(one.hex("session", 0, 0).len(), 32);
    }

    #[test]
    fn shares_are_spread_evenly() {
        let chance = Chance::new(9);
        let below = (0..10_000).filter(|nth| chance.share("fault", 5, *nth) < 0.2).count();
        assert!((1_800..2_200).contains(&below), "{below} of 10,000 are below 0.2");
    }
}
