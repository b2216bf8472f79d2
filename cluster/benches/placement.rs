//! Times plans at full size: 10^6 servers with a heavy tail, 1,024 shards, 50 <-> 51 / 49 workers.
//! `cargo bench --package helpline-cluster --bench placement`

#![allow(clippy::cast_possible_truncation, reason = "numbers drawn or looked at, far below any bound")]

use std::time::{Duration, Instant};

use helpline_cluster::ids::{ServerId, ShardId, WorkerId};
use helpline_cluster::placement::{Input, Params, Shard, Unit, balance, plan, servers, weights};
use uuid::Uuid;

const SERVERS: u64 = 1_000_000;
const SHARDS: u32 = 1_024;

fn main() {
    let rng = &mut fastrand::Rng::with_seed(11);
    // Pareto with shape 1.2, cut off: most servers idle, a few thousand times as busy.
    let loads: Vec<u64> =
        (0..SERVERS).map(|_| (10.0 / (1.0 - rng.f64()).powf(1.0 / 1.2)).min(1_000_000.0) as u64).collect();
    let placed: Vec<u32> = (0..SERVERS).map(|_| rng.u32(0..SHARDS)).collect();
    all_servers(&loads, &placed);
    let shard_loads = as_the_leader_does(&loads, placed);
    workers(&shard_loads, "50 -> 51", 50, 51);
    workers(&shard_loads, "51 -> 50", 51, 50);
    workers(&shard_loads, "50 -> 49", 50, 49);
    workers(&shard_loads, "49 -> 50", 49, 50);
}

/// One plan that sees every single server, which the leader never needs.
fn all_servers(loads: &[u64], placed: &[u32]) {
    let units: Vec<Unit> =
        loads.iter().zip(placed).map(|(&load, &bin)| Unit { load, bin: Some(bin), barred: None }).collect();
    let params = Params { budget: 64, ..Params::default() };
    let took = (0..7).map(|_| {
        let began = Instant::now();
        let moves = balance(SHARDS, &units, &params);
        assert!(!moves.is_empty());
        began.elapsed()
    });
    println!("plan over all 10^6 servers, budget 64: {:.1} ms", ms(took.min().unwrap_or_default()));
}

/// Rounds of sums, sources, candidates, until nothing is out of bounds. Returns the shards' weights.
fn as_the_leader_does(loads: &[u64], mut placed: Vec<u32>) -> Vec<u64> {
    let params = servers::Params { budget: 4_096, per_shard: u32::MAX, ..servers::Params::default() };
    let (mut longest, mut moved, mut rounds) = (Duration::ZERO, 0, 0);
    loop {
        let mut shards: Vec<servers::Shard> = (0..SHARDS)
            .map(|id| servers::Shard {
                id: ShardId(id),
                load: 0,
                servers: 0,
                may_leave: u32::MAX,
                may_come: u32::MAX,
            })
            .collect();
        for (&load, &at) in loads.iter().zip(&placed) {
            shards[at as usize].load += load;
            shards[at as usize].servers += 1;
        }
        let began = Instant::now();
        let sources = servers::sources(&shards, &params);
        let mut took = began.elapsed();
        let candidates: Vec<servers::Candidate> = (0..)
            .zip(loads.iter().zip(&placed))
            .filter(|(_, (_, at))| sources.contains(&ShardId(**at)))
            .map(|(id, (&load, &at))| servers::Candidate { server: ServerId(id), shard: ShardId(at), load })
            .collect();
        let began = Instant::now();
        let moves = servers::plan(&shards, &candidates, &params);
        took += began.elapsed();
        (longest, rounds) = (longest.max(took), rounds + 1);
        if moves.is_empty() || rounds == 200 {
            let weights = servers::weights(&shards);
            let heaviest = loads.iter().max().copied().unwrap_or(0) * 20;
            report("servers on shards", &weights, heaviest);
            println!("  longest plan {:.1} ms, {rounds} rounds, {moved} of 10^6 servers moved", ms(longest));
            return weights;
        }
        for step in moves {
            moved += 1;
            placed[usize::try_from(step.server.get()).expect("small")] = step.to.get();
        }
    }
}

fn workers(shard_loads: &[u64], what: &str, before: u32, after: u32) {
    let id = |n: u32| WorkerId(Uuid::from_u128(u128::from(n)));
    let shards =
        (0..).zip(shard_loads).map(|(n, &load)| Shard { id: ShardId(n), load, assigned: None, moved: None });
    let mut input = Input { workers: (0..before).map(id).collect(), shards: shards.collect() };
    let params = Params { cooldown: Duration::ZERO, ..Params::default() };
    while step(&mut input, &params).0 > 0 {}
    input.workers = (0..after).map(id).collect();
    let weights = weights(&units(&input));
    let mean_after = weights.iter().sum::<u64>() as f64 / f64::from(after);
    // What a newcomer has to get, or what a dead one leaves behind.
    let orphaned: u64 = input
        .shards
        .iter()
        .zip(&weights)
        .filter(|(s, _)| s.assigned.is_some_and(|w| !input.workers.contains(&w)))
        .map(|(_, w)| w)
        .sum();
    let ideal = if after > before { mean_after } else { orphaned as f64 };
    let (mut longest, mut load_moved) = (Duration::ZERO, 0);
    loop {
        let was: Vec<_> = input.shards.iter().map(|shard| shard.assigned).collect();
        let (moved, took) = step(&mut input, &params);
        longest = longest.max(took);
        if moved == 0 {
            break;
        }
        let changed =
            input.shards.iter().zip(was).zip(&weights).filter(|((shard, was), _)| shard.assigned != *was);
        load_moved += changed.map(|(_, weight)| weight).sum::<u64>();
    }
    let carried: Vec<u64> = input
        .workers
        .iter()
        .map(|worker| {
            input
                .shards
                .iter()
                .zip(&weights)
                .filter(|(s, _)| s.assigned == Some(*worker))
                .map(|(_, w)| w)
                .sum()
        })
        .collect();
    report(&format!("shards on workers, {what}"), &carried, weights.iter().max().copied().unwrap_or(0));
    println!("  longest plan {:.2} ms, load moved {:.3} x the ideal", ms(longest), load_moved as f64 / ideal);
}

fn step(input: &mut Input, params: &Params) -> (usize, Duration) {
    let began = Instant::now();
    let moves = plan(input, params);
    let took = began.elapsed();
    for step in &moves {
        if let Some(shard) = input.shards.iter_mut().find(|shard| shard.id == step.shard) {
            shard.assigned = Some(step.worker);
        }
    }
    (moves.len(), took)
}

fn units(input: &Input) -> Vec<Unit> {
    input.shards.iter().map(|shard| Unit { load: shard.load, bin: None, barred: None }).collect()
}

fn report(what: &str, carried: &[u64], heaviest: u64) {
    let mean = carried.iter().sum::<u64>() as f64 / carried.len() as f64;
    let most = carried.iter().max().copied().unwrap_or(0) as f64;
    println!(
        "{what}: max/mean {:.3}, bound {:.3} (1.10 + heaviest unit)",
        most / mean,
        1.10 + heaviest as f64 / mean
    );
}

fn ms(took: Duration) -> f64 {
    took.as_secs_f64() * 1_000.0
}
