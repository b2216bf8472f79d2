//! Time as an argument: whatever waits, expires or stamps takes a [`Clock`], so that tests decide what time it is.

use std::fmt::Debug;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

/// Where time comes from.
pub trait Clock: Debug + Send + Sync {
    /// Monotonic time, for durations and deadlines. Follows tokio's paused time in tests.
    fn now(&self) -> Instant;

    /// Wall-clock time in milliseconds since 1970, for stamps that leave the process.
    fn unix_ms(&self) -> u64;
}

/// The machine's own clocks.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Instant {
        Instant::now()
    }

    fn unix_ms(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
    }
}
