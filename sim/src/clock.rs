//! The simulator's one clock: wall time that never steps back, because it runs on the monotonic clock
//! from the moment the simulator started.

use std::time::{SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::time::Instant;

#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    start_unix_ms: u64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self {
            start: Instant::now(),
            start_unix_ms: u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX),
        }
    }

    pub(crate) fn unix_ms(&self) -> u64 {
        self.start_unix_ms + u64::try_from(self.start.elapsed().as_millis()).unwrap_or(0)
    }
}

/// ISO 8601, as Discord writes timestamps.
pub(crate) fn timestamp(unix_ms: u64) -> String {
    let nanos = i128::from(unix_ms) * 1_000_000;
    OffsetDateTime::from_unix_timestamp_nanos(nanos)
        .ok()
        .and_then(|time| time.format(&Rfc3339).ok())
        .map_or_else(|| "1970-01-01T00:00:00+00:00".to_owned(), |text| text.replace('Z', "+00:00"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn timestamps_have_an_explicit_offset() {
        assert_eq!(super::timestamp(1_580_608_922_020), "2020-02-02T02:02:02.02+00:00");
    }
}
