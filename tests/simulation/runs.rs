//! Many worlds side by side, one thread each, and what is said about those that failed.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::engine::SECOND;
use crate::mutation::Mutation;
use crate::trace::Trace;
use crate::world::{self, Report};

/// Lines of the trace that are kept for the report of a failure.
const LAST_LINES: usize = 150;

/// How many seeds, and the first of them: SEED names one, SIMULATION_SEEDS how many.
pub fn seeds(unless_told: u64) -> (u64, u64) {
    match (number("SEED"), number("SIMULATION_SEEDS")) {
        (Some(seed), _) => (1, seed),
        (None, Some(seeds)) => (seeds, number("SIMULATION_FIRST").unwrap_or(1)),
        (None, None) => (unless_told, 1),
    }
}

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name} is not a number: {text}")))
}

/// The mutations to be tried: MUTATION names one.
pub fn mutations() -> Vec<Mutation> {
    match std::env::var("MUTATION") {
        Ok(name) => vec![name.parse().unwrap()],
        Err(_) => Mutation::ALL.to_vec(),
    }
}

fn trace() -> Trace {
    match std::env::var_os("TRACE") {
        Some(_) => Trace::last(LAST_LINES).echoing(),
        None => Trace::last(LAST_LINES),
    }
}

/// Runs seeds on as many threads as there are cores, in their order as far as that goes.
pub fn many(
    first: u64,
    seeds: u64,
    mutation: Option<Mutation>,
    done: impl Fn(&Report) + Sync,
) -> Vec<Report> {
    let next = AtomicU64::new(first);
    let stop = AtomicBool::new(false);
    let reports = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + seeds {
                        return;
                    }
                    let report = world::run(seed, mutation, trace());
                    done(&report);
                    if mutation.is_some() && report.violation.is_some() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    reports.lock().unwrap().push(report);
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap();
    reports.sort_by_key(|report| report.seed);
    reports
}

/// The first seed that finds a mutation, and how many were needed.
pub fn first_violation(mutation: Mutation, most: u64) -> Option<(u64, Report)> {
    let (seeds, first) = seeds(most);
    let reports = many(first, seeds, Some(mutation), |_| {});
    let found = reports.into_iter().find(|report| report.violation.is_some())?;
    Some((found.seed - first + 1, found))
}

/// Says what happened and how to see it again.
pub fn explain(report: &Report) {
    for line in &report.last_lines {
        eprintln!("{line}");
    }
    eprintln!(
        "\nseed {}: {}\nreplay it: SEED={} make simulate   (TRACE=1 prints the whole trace)",
        report.seed,
        report.violation.as_deref().unwrap_or("no violation"),
        report.seed
    );
}

/// What the worlds went through together.
pub fn summarise(reports: &[Report]) {
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for (what, count) in reports.iter().flat_map(|report| &report.counts) {
        *counts.entry(what).or_default() += count;
    }
    let longest = reports.iter().map(|report| report.rest_after).max().unwrap_or(0);
    let lines: u64 = reports.iter().map(|report| report.digest.0).sum();
    eprintln!("{} seeds without a violation; {lines} lines of trace", reports.len());
    eprintln!("at rest at the latest {} s after the last fault", longest / SECOND);
    for (what, count) in counts {
        eprintln!("{count:>9} {what}");
    }
}
