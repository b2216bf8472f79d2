//! What came of a scenario.

use serde::Serialize;
use std::fmt;
use std::time::Duration;

/// An expectation that failed, or a step that could not be done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Line of the scenario, counted from 1.
    pub line: usize,
    /// The line as it stands there.
    pub step: String,
    /// Why it failed.
    pub why: String,
}

/// What came of a scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Title of the scenario.
    pub title: String,
    /// Steps begun.
    pub steps: usize,
    /// What failed, in order.
    pub failures: Vec<Failure>,
    /// Milliseconds it took.
    pub took_ms: u64,
}

impl Report {
    pub(super) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), steps: 0, failures: Vec::new(), took_ms: 0 }
    }

    pub(super) fn finished(mut self, took: Duration) -> Self {
        self.took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self
    }

    /// Whether nothing failed.
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.passed() { "passed" } else { "FAILED" };
        let took_s = Duration::from_millis(self.took_ms).as_secs_f64();
        write!(f, "{verdict}: {} ({} steps, {took_s:.1} s)", self.title, self.steps)?;
        for failure in &self.failures {
            write!(f, "\n  line {}: {}\n    {}", failure.line, failure.step, failure.why)?;
        }
        Ok(())
    }
}
