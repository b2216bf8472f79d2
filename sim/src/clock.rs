//! The simulator's clocks: the moment that windows and deadlines are counted in, and the wall time that ids,
//! timestamps and headers show.
//!
//! Wall time never steps back. It may be offset and drift against the host's, and be set anew while running:
//! set back, it stands still until it has caught up. A *logical* clock does not follow the host at all: it
//! moves one millisecond with every id and transcript entry, and otherwise only when it is told to, so that
//! two runs of the same script show the same times.

use crate::lock;
use serde::{Deserialize, Serialize};
use std::sync::Mutex;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use time::OffsetDateTime;
use tokio::time::Instant;

/// How the simulator's wall clock stands to the host's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Skew {
    /// Milliseconds ahead of the host when set; negative is behind.
    pub offset_ms: i64,
    /// Parts per million it runs faster than the host; negative is slower. At least -900,000.
    pub drift_ppm: i64,
}

/// Slowest drift: a clock that all but stands.
pub const MIN_DRIFT_PPM: i64 = -900_000;
/// Fastest drift: a hundred times the host's.
pub const MAX_DRIFT_PPM: i64 = 99_000_000;
const MILLION: i128 = 1_000_000;

impl Skew {
    /// What is wrong with it, if anything.
    pub fn problem(self) -> Option<String> {
        let year_ms = 366 * 86_400_000;
        if !(MIN_DRIFT_PPM..=MAX_DRIFT_PPM).contains(&self.drift_ppm) {
            return Some(format!("a clock drifts by {MIN_DRIFT_PPM} to {MAX_DRIFT_PPM} parts per million"));
        }
        (self.offset_ms.unsigned_abs() > 10 * year_ms).then(|| "a clock is at most ten years off".to_owned())
    }
}

#[derive(Debug)]
struct Hands {
    skew: Skew,
    /// Moment since which the skew holds, and the wall time it holds from, in Unix milliseconds.
    since: Instant,
    from_ms: i128,
    /// Time that a logical clock has moved, or that any clock was advanced by.
    advanced: Duration,
    /// The latest wall time shown.
    shown_ms: u64,
}

#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    started_ms: u64,
    logical: bool,
    hands: Mutex<Hands>,
}

impl Clock {
    /// `start_unix_ms` is the wall time to start from, without the skew; `None` is the host's.
    pub(crate) fn new(start_unix_ms: Option<u64>, skew: Skew, logical: bool) -> Self {
        let start = Instant::now();
        let started_ms = start_unix_ms.unwrap_or_else(host_unix_ms);
        let host = i128::from(started_ms);
        let hands = Hands {
            skew,
            since: start,
            from_ms: host + i128::from(skew.offset_ms),
            advanced: Duration::ZERO,
            shown_ms: 0,
        };
        Self { start, started_ms, logical, hands: Mutex::new(hands) }
    }

    /// Wall time it started from, without the skew.
    pub(crate) const fn started_ms(&self) -> u64 {
        self.started_ms
    }

    /// The moment that windows and deadlines are counted in: the host's monotonic clock and what it was
    /// advanced by; of a logical clock the latter alone.
    pub(crate) fn now(&self) -> Instant {
        self.moment(&lock(&self.hands))
    }

    fn moment(&self, hands: &Hands) -> Instant {
        if self.logical { self.start + hands.advanced } else { Instant::now() + hands.advanced }
    }

    /// Wall time in Unix milliseconds.
    pub(crate) fn unix_ms(&self) -> u64 {
        self.read(&mut lock(&self.hands))
    }

    /// Wall time for something new: a logical clock moves on by a millisecond for it.
    pub(crate) fn stamp(&self) -> u64 {
        let mut hands = lock(&self.hands);
        if self.logical {
            hands.advanced += Duration::from_millis(1);
        }
        self.read(&mut hands)
    }

    fn read(&self, hands: &mut Hands) -> u64 {
        let passed = self.moment(hands).duration_since(hands.since).as_millis();
        let passed = i128::try_from(passed).unwrap_or(i128::MAX / MILLION / 1_000);
        // Every event asks for the time, and a division of this width is slow.
        let drift = match hands.skew.drift_ppm {
            0 => 0,
            drift_ppm => passed * i128::from(drift_ppm) / MILLION,
        };
        let wall = hands.from_ms + passed + drift;
        hands.shown_ms = hands.shown_ms.max(u64::try_from(wall).unwrap_or(0));
        hands.shown_ms
    }

    /// Skews the wall clock from now on. Its offset is against the host, or for a logical clock against the
    /// time it would show without any skew.
    pub(crate) fn skew(&self, skew: Skew) {
        let mut hands = lock(&self.hands);
        let now = self.moment(&hands);
        let passed = now.duration_since(hands.since).as_millis();
        let before = hands.from_ms - i128::from(hands.skew.offset_ms);
        // Drift of the past is undone: what remains is the offset asked for.
        hands.from_ms = before + i128::try_from(passed).unwrap_or(0) + i128::from(skew.offset_ms);
        hands.since = now;
        hands.skew = skew;
    }

    /// Moves both clocks on at once.
    pub(crate) fn advance(&self, by: Duration) {
        lock(&self.hands).advanced += by;
    }

    pub(crate) fn standing(&self) -> Skew {
        lock(&self.hands).skew
    }

    pub(crate) const fn is_logical(&self) -> bool {
        self.logical
    }
}

fn host_unix_ms() -> u64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)
}

/// The `Date` header. <https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7>
pub(crate) fn http_date(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(0);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (day, month) = (at.weekday().to_string(), at.month().to_string());
    let (day, month) = (&day[..3], &month[..3]);
    let (hour, minute, second) = at.time().as_hms();
    format!("{day}, {:02} {month} {} {hour:02}:{minute:02}:{second:02} GMT", at.day(), at.year())
}

/// ISO 8601, as Discord writes timestamps: microseconds, unless it is a whole second. Every event carries
/// some, and a general formatter costs a tenth of an event each.
pub(crate) fn timestamp(unix_ms: u64) -> String {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(0);
    let at = OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    let mut text = String::with_capacity(32);
    let mut put = |before: &str, number: u32, digits: u32| {
        text.push_str(before);
        for place in (0..digits).rev() {
            text.push(char::from_digit(number / 10_u32.pow(place) % 10, 10).unwrap_or('0'));
        }
    };
    put("", year.unsigned_abs(), 4);
    put("-", u32::from(u8::from(month)), 2);
    put("-", u32::from(day), 2);
    put("T", u32::from(hour), 2);
    put(":", u32::from(minute), 2);
    put(":", u32::from(second), 2);
    let ms = u32::try_from(unix_ms % 1_000).unwrap_or(0);
    if ms > 0 {
        put(".", ms * 1_000, 6);
    }
    text.push_str("+00:00");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_700_000_000_000;

    #[test]
    fn timestamps_have_an_explicit_offset() {
        assert_eq!(timestamp(1_580_608_922_020), "2020-02-02T02:02:02.020000+00:00");
        assert_eq!(timestamp(951_782_400_000), "2000-02-29T00:00:00+00:00");
        assert_eq!(timestamp(1_735_689_599_999), "2024-12-31T23:59:59.999000+00:00");
    }

    #[test]
    fn dates_are_in_the_form_of_http() {
        assert_eq!(http_date(784_111_777_000), "Sun, 06 Nov 1994 08:49:37 GMT");
    }

    #[test]
    fn a_logical_clock_moves_with_what_is_stamped_and_when_told() {
        let clock = Clock::new(Some(START), Skew::default(), true);
        assert_eq!((clock.unix_ms(), clock.unix_ms()), (START, START));
        assert_eq!((clock.stamp(), clock.stamp()), (START + 1, START + 2));
        let before = clock.now();
        clock.advance(Duration::from_secs(3));
        assert_eq!(clock.now().duration_since(before), Duration::from_secs(3));
        assert_eq!(clock.unix_ms(), START + 3_002);
    }

    #[test]
    fn an_offset_and_a_drift_show_in_the_wall_time_and_not_in_the_moments() {
        let clock = Clock::new(Some(START), Skew { offset_ms: -5_000, drift_ppm: 100_000 }, true);
        assert_eq!(clock.unix_ms(), START - 5_000);
        let before = clock.now();
        clock.advance(Duration::from_secs(10));
        assert_eq!(clock.unix_ms(), START - 5_000 + 11_000, "a tenth faster");
        assert_eq!(clock.now().duration_since(before), Duration::from_secs(10));
        clock.skew(Skew { offset_ms: 60_000, drift_ppm: 0 });
        assert_eq!(clock.unix_ms(), START + 10_000 + 60_000, "the past drift is undone");
    }

    #[test]
    fn a_clock_that_is_set_back_stands_until_it_has_caught_up() {
        let clock = Clock::new(Some(START), Skew::default(), true);
        clock.advance(Duration::from_secs(10));
        assert_eq!(clock.unix_ms(), START + 10_000);
        clock.skew(Skew { offset_ms: -4_000, drift_ppm: 0 });
        clock.advance(Duration::from_secs(3));
        assert_eq!(clock.unix_ms(), START + 10_000, "it would be at 9 s");
        clock.advance(Duration::from_secs(3));
        assert_eq!(clock.unix_ms(), START + 12_000);
    }

    #[test]
    fn a_skew_beyond_reason_is_told() {
        assert_eq!(Skew::default().problem(), None);
        assert!(Skew { offset_ms: 0, drift_ppm: -1_000_000 }.problem().is_some());
        assert!(Skew { offset_ms: i64::MAX / 2, drift_ppm: 0 }.problem().is_some());
    }
}
