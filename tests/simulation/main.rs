//! The cluster in a simulated world: one thread and one seed for each run, and the product's own state machines.
//!
//! `SEED=17 make simulate` replays one run; `SIMULATION_SEEDS=10000 make simulate` runs many. docs/testing.md says what
//! is the product's code in here and what is a model of it.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod checker;
mod conformance;
mod discord;
mod engine;
mod faults;
mod member;
mod mutation;
mod network;
mod node;
mod proxy;
mod redis;
mod rest;
mod runs;
mod store;
#[path = "../support/mod.rs"]
mod support;
mod trace;
mod worker;
mod world;

use mutation::Mutation;
use trace::Trace;

/// Seeds that `make test` runs unless SIMULATION_SEEDS says otherwise.
const SEEDS: u64 = 60;
/// A mutation has to be found within so many seeds.
const MUTANT_SEEDS: u64 = 200;

#[test]
fn the_cluster_keeps_its_promises_whatever_goes_wrong() {
    let (seeds, first) = runs::seeds(SEEDS);
    let reports = runs::many(first, seeds, None, |report| {
        if let Some(violation) = &report.violation {
            eprintln!("seed {}: {violation}", report.seed);
        }
    });
    let failed: Vec<_> = reports.iter().filter(|report| report.violation.is_some()).collect();
    if let Some(first) = failed.first() {
        runs::explain(first);
        panic!(
            "{} of {} seeds failed; SEED={} make simulate replays the first",
            failed.len(),
            reports.len(),
            first.seed
        );
    }
    runs::summarise(&reports);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 7, 11] {
        let [first, second] = [(); 2].map(|()| world::run(seed, None, Trace::whole()));
        assert!(first.digest.0 > 300, "seed {seed}: nothing much happened");
        for (n, (a, b)) in first.last_lines.iter().zip(&second.last_lines).enumerate() {
            assert_eq!(a, b, "seed {seed}: line {n} differs");
        }
        assert_eq!(first.digest, second.digest, "seed {seed}");
    }
}

#[test]
fn every_mutation_is_found() {
    let mut missed = Vec::new();
    for mutation in runs::mutations() {
        match runs::first_violation(mutation, MUTANT_SEEDS) {
            Some((needed, report)) => {
                let sound = world::run(report.seed, None, Trace::last(1));
                assert_eq!(sound.violation, None, "seed {} fails without {mutation:?} too", report.seed);
                eprintln!(
                    "{mutation:?}: found with {needed} seeds (seed {}): {}",
                    report.seed,
                    report.violation.as_deref().unwrap_or_default()
                );
            }
            None => missed.push(mutation),
        }
    }
    assert!(missed.is_empty(), "not found within {MUTANT_SEEDS} seeds: {missed:?}");
}

#[test]
fn mutations_read_back_as_they_print() {
    for mutation in Mutation::ALL {
        assert_eq!(format!("{mutation:?}").parse(), Ok(mutation));
    }
}
