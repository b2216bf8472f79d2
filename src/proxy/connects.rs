//! How often one process may connect to the gateway, over all its gateway shards.
//!
//! Each gateway shard has a back-off of its own; when all of them lose their connections together, this keeps them
//! from knocking at once.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// So many may connect at once.
const BURST: u32 = 64;
/// From then on one in so long.
const EVERY: Duration = Duration::from_millis(25);

/// A place in time for each connection attempt.
#[derive(Debug, Default)]
pub struct Connects(Mutex<Option<Instant>>);

impl Connects {
    /// Waits for its turn.
    pub async fn turn(&self) {
        let at = self.next(Instant::now());
        tokio::time::sleep_until(at).await;
    }

    /// Places lie [`EVERY`] apart; those of the last [`BURST`] that nobody used may be used late.
    fn next(&self, now: Instant) -> Instant {
        let mut free_from = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(EVERY * BURST).unwrap_or(now);
        let place = free_from.map_or(earliest, |place| place.max(earliest));
        *free_from = Some(place + EVERY);
        place.max(now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_goes_at_once_and_what_follows_is_spread() {
        let connects = Connects::default();
        let now = Instant::now() + EVERY * BURST;
        let waits: Vec<Duration> = (0..BURST + 40).map(|_| connects.next(now) - now).collect();
        assert!(waits[..BURST as usize].iter().all(Duration::is_zero));
        assert!(waits[BURST as usize + 39] >= EVERY * 38);
        assert_eq!(connects.next(now + EVERY * 1_000), now + EVERY * 1_000, "what was waited for is over");
    }
}
