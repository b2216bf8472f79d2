//! A value that is made by asking the network, by one at a time: those who come meanwhile share how it ended.

use std::time::Duration;

use redis::{RedisError, RedisResult};
use tokio::sync::Mutex;
use tokio::time::{Instant, sleep_until};

const FIRST_PAUSE: Duration = Duration::from_millis(20);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// See the module's documentation. Making is tried anew by the next who needs the value, after a pause that doubles
/// with each failure and is jittered.
#[derive(Debug)]
pub(super) struct Once<T> {
    state: Mutex<State<T>>,
}

#[derive(Debug)]
struct State<T> {
    made: Option<T>,
    /// Rises with every value.
    version: u64,
    made_at: Instant,
    failures: u32,
    failed: Option<(Instant, RedisError)>,
}

/// A value and its version.
#[derive(Clone, Debug)]
pub(super) struct Made<T> {
    pub(super) value: T,
    pub(super) version: u64,
    pub(super) at: Instant,
}

impl<T: Clone> Once<T> {
    pub(super) fn new() -> Self {
        let state = State { made: None, version: 0, made_at: Instant::now(), failures: 0, failed: None };
        Self { state: Mutex::new(state) }
    }

    /// The value; made by `make` when there is none.
    pub(super) async fn get(&self, make: impl Future<Output = RedisResult<T>>) -> RedisResult<Made<T>> {
        let came_at = Instant::now();
        let mut state = self.state.lock().await;
        if let Some(value) = &state.made {
            return Ok(Made { value: value.clone(), version: state.version, at: state.made_at });
        }
        if let Some((failed_at, error)) = &state.failed {
            if *failed_at >= came_at {
                return Err(error.clone());
            }
            let pause = (FIRST_PAUSE * (1 << state.failures.min(8))).min(LONGEST_PAUSE);
            sleep_until(*failed_at + pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
        }
        match make.await {
            Ok(value) => {
                state.set(value.clone());
                Ok(Made { value, version: state.version, at: state.made_at })
            }
            Err(error) => {
                state.failures += 1;
                state.failed = Some((Instant::now(), error.clone()));
                Err(error)
            }
        }
    }

    /// Puts another value in the place of this version's.
    pub(super) async fn replace(&self, version: u64, value: T) {
        let mut state = self.state.lock().await;
        if state.version == version && state.made.is_some() {
            state.set(value);
        }
    }

    /// This version's value is of no use; a later one stays.
    pub(super) async fn discard(&self, version: u64) {
        let mut state = self.state.lock().await;
        if state.version == version {
            state.made = None;
        }
    }

    /// The value that is there, if any, and if nobody is at it.
    pub(super) fn peek(&self) -> Option<Made<T>> {
        let state = self.state.try_lock().ok()?;
        state.made.clone().map(|value| Made { value, version: state.version, at: state.made_at })
    }
}

impl<T> State<T> {
    fn set(&mut self, value: T) {
        self.made = Some(value);
        self.version += 1;
        self.made_at = Instant::now();
        self.failures = 0;
        self.failed = None;
    }
}
