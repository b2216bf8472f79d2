//! What the workers of this process count, and a defect that a count sets off.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use helpline::metrics as names;
use metrics::{Counter, CounterFn, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use tokio::sync::{Mutex, MutexGuard};

/// Of all tests that put events aside one runs at a time: they share the counters.
static ALONE: Mutex<()> = Mutex::const_new(());
static DEAD_LETTERS: AtomicU64 = AtomicU64::new(0);
static PANICS: AtomicU64 = AtomicU64::new(0);
/// Whoever counts a late question panics.
static DEFECT: AtomicBool = AtomicBool::new(false);

/// The counters, for one test at a time.
pub struct Counted {
    before: u64,
    _alone: MutexGuard<'static, ()>,
}

impl Counted {
    pub async fn alone() -> Self {
        let alone = ALONE.lock().await;
        // The first one stays; so does what it counts into.
        let _ = metrics::set_global_recorder(Counting);
        Self { before: DEAD_LETTERS.load(Ordering::SeqCst), _alone: alone }
    }

    /// Events put aside since the test began.
    pub fn dead_letters(&self) -> u64 {
        DEAD_LETTERS.load(Ordering::SeqCst) - self.before
    }

    /// From now on applying a question that comes late panics, in the midst of its transaction.
    pub fn late_questions_panic(&self) {
        PANICS.store(0, Ordering::SeqCst);
        DEFECT.store(true, Ordering::SeqCst);
    }

    pub fn panics(&self) -> u64 {
        PANICS.load(Ordering::SeqCst)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        DEFECT.store(false, Ordering::SeqCst);
    }
}

struct Counting;

/// Counters begin with nothing: that is no question yet.
struct LateQuestions;

impl CounterFn for LateQuestions {
    fn increment(&self, value: u64) {
        if value > 0 && DEFECT.load(Ordering::SeqCst) {
            PANICS.fetch_add(1, Ordering::SeqCst);
            panic!("a defect, as the test wants it");
        }
    }

    fn absolute(&self, _: u64) {}
}

struct DeadLetters;

impl CounterFn for DeadLetters {
    fn increment(&self, value: u64) {
        DEAD_LETTERS.fetch_add(value, Ordering::SeqCst);
    }

    fn absolute(&self, value: u64) {
        DEAD_LETTERS.store(value, Ordering::SeqCst);
    }
}

impl Recorder for Counting {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        match key.name() {
            names::LATE_QUESTIONS => Counter::from_arc(Arc::new(LateQuestions)),
            names::DEAD_LETTERS => Counter::from_arc(Arc::new(DeadLetters)),
            _ => Counter::noop(),
        }
    }

    fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::noop()
    }

    fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::noop()
    }
}
