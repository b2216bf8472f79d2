//! What happened in a run, line by line: a digest of everything and the last lines, or all of them.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hasher};

use crate::engine::Micros;

#[derive(Debug)]
pub struct Trace {
    lines: VecDeque<String>,
    keep: usize,
    digest: DefaultHasher,
    count: u64,
    echo: bool,
}

impl Trace {
    pub fn last(keep: usize) -> Self {
        Self { lines: VecDeque::new(), keep, digest: DefaultHasher::new(), count: 0, echo: false }
    }

    pub fn whole() -> Self {
        Self::last(usize::MAX)
    }

    /// Prints every line as it happens.
    pub fn echoing(self) -> Self {
        Self { echo: true, ..self }
    }

    pub fn push(&mut self, at: Micros, line: &str) {
        let line =
            format!("{:>10.4} {line}", f64::from(u32::try_from(at / 100).unwrap_or(u32::MAX)) / 10_000.0);
        if self.echo {
            eprintln!("{line}");
        }
        self.digest.write(line.as_bytes());
        self.count += 1;
        if self.lines.len() == self.keep {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    pub fn lines(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }

    /// Equal for equal runs: of every line since the beginning.
    pub fn digest(&self) -> (u64, u64) {
        (self.count, self.digest.finish())
    }
}
