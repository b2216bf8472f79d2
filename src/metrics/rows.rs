//! Families whose rows come and go, which a recorder never forgets: what a process says of the shards that it owns.
//!
//! Promises: a row is told as long as its owner holds its [`Rows`], and what is told is what was set last, all at once.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use super::SHARD_FAMILIES;

/// What is told of one shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    pub shard: u32,
    pub epoch: i64,
    /// Entries that wait, and for how many seconds the oldest of them does. None: the log did not say.
    pub behind: Option<(u64, f64)>,
    pub servers: u64,
    pub load: f64,
}

type Told = Mutex<Vec<Row>>;

/// All that is told by this process; more than one only where several workers run in it.
static ALL: Mutex<Vec<Weak<Told>>> = Mutex::new(Vec::new());

/// The rows of one worker; gone with the last handle.
#[derive(Debug)]
pub struct Rows(Arc<Told>);

impl Rows {
    pub fn new() -> Self {
        let told = Arc::new(Told::default());
        let mut all = lock(&ALL);
        all.retain(|told| told.strong_count() > 0);
        all.push(Arc::downgrade(&told));
        Self(told)
    }

    pub fn set(&self, rows: Vec<Row>) {
        *lock(&self.0) = rows;
    }
}

impl Default for Rows {
    fn default() -> Self {
        Self::new()
    }
}

/// All rows, in Prometheus' text format; empty when there are none.
pub fn render() -> String {
    let mut rows: Vec<Row> = Vec::new();
    for told in lock(&ALL).iter().filter_map(Weak::upgrade) {
        rows.extend_from_slice(&lock(&told));
    }
    rows.sort_by_key(|row| row.shard);
    // Another of this process may have claimed it since: one family may not tell twice of one shard.
    rows.dedup_by_key(|row| row.shard);
    let mut text = String::new();
    for (name, help, value) in SHARD_FAMILIES {
        let values = rows.iter().filter_map(|row| Some((row.shard, value(row)?)));
        let mut values = values.peekable();
        if values.peek().is_none() {
            continue;
        }
        let mut written = writeln!(text, "# HELP {name} {help}\n# TYPE {name} gauge");
        for (shard, value) in values {
            written = written.and(writeln!(text, "{name}{{shard=\"{shard}\"}} {value}"));
        }
        written.expect("a String takes every write");
    }
    text
}

fn lock<T>(told: &Mutex<T>) -> MutexGuard<'_, T> {
    told.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_told_as_long_as_their_owner_has_them_and_without_what_is_not_known() {
        let row = |shard, behind| Row { shard, epoch: 7, behind, servers: 3, load: 0.25 };
        let rows = Rows::new();
        rows.set(vec![row(70_002, None), row(70_001, Some((4, 1.5)))]);
        let text = render();
        for line in [
            "# TYPE helpline_shard_lag_seconds gauge",
            "helpline_shard_lag_entries{shard=\"70001\"} 4",
            "helpline_shard_lag_seconds{shard=\"70001\"} 1.5",
            "helpline_shard_epoch{shard=\"70002\"} 7",
            "helpline_shard_load{shard=\"70002\"} 0.25",
        ] {
            assert!(text.lines().any(|told| told == line), "{line}: {text}");
        }
        assert!(!text.contains("helpline_shard_lag_seconds{shard=\"70002\"}"), "{text}");
        rows.set(vec![row(70_002, None)]);
        assert!(!render().contains("70001"));
        drop(rows);
        assert!(!render().contains("70002"));
    }
}
