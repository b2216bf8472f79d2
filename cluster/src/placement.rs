//! Which worker should own which shard: pure functions, no clock and no I/O.
//!
//! `balance` is the core: units of load onto bins, sticky greedy. Orphans go heaviest first to the coldest bin,
//! then units go from hot bins to cold ones within a budget, each move making the pair more even, so that
//! repeated plans come to rest. `plan` puts shards onto workers with it, [`servers`] servers onto shards.
//!
//! Promise, once a plan is empty and nothing is barred: the heaviest bin carries at most
//! `(1 + tolerance) x mean + heaviest unit`, counted in weights (see [`weights`]).

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap, HashMap};
use std::time::Duration;

use crate::ids::{ShardId, WorkerId};

pub mod servers;

/// A unit's load counts this many times as much as its share of the mean load.
/// The rest spreads units without load evenly by count.
const LOAD_SHARE: u64 = 20;

/// What is placed: a shard on a worker, or a server on a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// Load in any unit of the caller's choice, the same for all; below 2^40.
    pub load: u64,
    /// The bin it is in; `None` = orphan.
    pub bin: Option<u32>,
    /// A bin that it left so recently that it may not go back.
    pub barred: Option<u32>,
}

/// How eager a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// A bin within this share of the mean is left alone.
    pub tolerance_percent: u32,
    /// At most so many units leave a bin they are in; orphans do not count.
    pub budget: usize,
    /// A shard does not return to the worker it was moved from before this has passed.
    pub cooldown: Duration,
}

impl Default for Params {
    fn default() -> Self {
        Self { tolerance_percent: 10, budget: 16, cooldown: Duration::from_secs(60) }
    }
}

/// One unit's way: from `None` when it was an orphan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Move {
    pub unit: usize,
    pub from: Option<u32>,
    pub to: u32,
}

/// A shard as the leader sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    pub id: ShardId,
    pub load: u64,
    /// Whom it is assigned to; a worker that is not in the input counts as none.
    pub assigned: Option<WorkerId>,
    /// The last move by choice (not for the want of an owner): from whom, how long ago.
    pub moved: Option<(WorkerId, Duration)>,
}

/// Everything a plan depends on.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// Workers that live and do not drain, in any order.
    pub workers: Vec<WorkerId>,
    /// All shards, in any order.
    pub shards: Vec<Shard>,
}

/// A difference to today's assignments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assignment {
    pub shard: ShardId,
    pub worker: WorkerId,
    /// The live worker it is taken from by choice; `None` = the shard had none.
    pub moved_from: Option<WorkerId>,
}

/// Places shards on workers. Equal inputs, in whatever order, give equal plans; without workers it is empty.
pub fn plan(input: &Input, params: &Params) -> Vec<Assignment> {
    let mut workers = input.workers.clone();
    workers.sort_unstable_by_key(|worker| worker.get());
    workers.dedup();
    let index: HashMap<WorkerId, u32> = workers.iter().copied().zip(0..).collect();
    let mut shards: Vec<&Shard> = input.shards.iter().collect();
    shards.sort_unstable_by_key(|shard| shard.id);

    let bin = |worker: &WorkerId| index.get(worker).copied();
    let units: Vec<Unit> = shards
        .iter()
        .map(|shard| Unit {
            load: shard.load,
            bin: shard.assigned.as_ref().and_then(bin),
            barred: shard.moved.filter(|(_, ago)| *ago < params.cooldown).and_then(|(from, _)| bin(&from)),
        })
        .collect();
    let name = |bin: u32| workers[bin as usize];
    balance(u32::try_from(workers.len()).expect("fewer than 2^32 workers"), &units, params)
        .into_iter()
        .map(|step| Assignment {
            shard: shards[step.unit].id,
            worker: name(step.to),
            moved_from: step.from.map(name),
        })
        .collect()
}

/// What each unit weighs: its load, and a base of one twentieth of the mean load (at least something),
/// without which units that have no load would pile up.
pub fn weights(units: &[Unit]) -> Vec<u64> {
    let total: u64 = units.iter().map(|unit| unit.load).sum();
    let base = total.checked_div(units.len() as u64).unwrap_or(0).max(1);
    units.iter().map(|unit| unit.load * LOAD_SHARE + base).collect()
}

/// Places units in bins `0..bins`. Every unit is named at most once in the answer.
pub fn balance(bins: u32, units: &[Unit], params: &Params) -> Vec<Move> {
    if bins == 0 {
        return Vec::new();
    }
    let mut packing = Packing::new(bins, units);
    packing.place_orphans();
    packing.level(params.tolerance_percent, params.budget);
    packing.moves
}

/// How many units may still leave and enter each bin by choice.
struct Doors {
    out: Vec<u32>,
    into: Vec<u32>,
}

impl Doors {
    fn open(bins: usize) -> Self {
        Self { out: vec![u32::MAX; bins], into: vec![u32::MAX; bins] }
    }
}

struct Packing<'a> {
    units: &'a [Unit],
    weights: Vec<u64>,
    /// Weight per bin.
    bins: Vec<u64>,
    doors: Doors,
    moved: Vec<bool>,
    moves: Vec<Move>,
}

impl<'a> Packing<'a> {
    fn new(bins: u32, units: &'a [Unit]) -> Self {
        let weights = weights(units);
        let mut filled = vec![0; bins as usize];
        for (unit, weight) in units.iter().zip(&weights) {
            if let Some(bin) = unit.bin {
                filled[bin as usize] += weight;
            }
        }
        Self::filled(filled, units, weights, Doors::open(bins as usize))
    }

    /// Bins that hold more than the units given: the rest stays where it is.
    fn filled(bins: Vec<u64>, units: &'a [Unit], weights: Vec<u64>, doors: Doors) -> Self {
        Self { units, weights, bins, doors, moved: vec![false; units.len()], moves: Vec::new() }
    }

    fn place_orphans(&mut self) {
        let mut orphans: Vec<usize> =
            (0..self.units.len()).filter(|&u| self.units[u].bin.is_none()).collect();
        if orphans.is_empty() {
            return;
        }
        orphans.sort_unstable_by_key(|&unit| (Reverse(self.weights[unit]), unit));
        let mut coldest: BinaryHeap<Reverse<(u64, u32)>> =
            self.bins.iter().copied().zip(0..).map(Reverse).collect();
        for unit in orphans {
            let Reverse((weight, to)) = coldest.pop().expect("there is at least one bin");
            self.apply(unit, None, to);
            coldest.push(Reverse((weight + self.weights[unit], to)));
        }
    }

    /// Moves from hot to cold until every bin is within tolerance, no move would help, or the budget is spent.
    fn level(&mut self, tolerance_percent: u32, budget: usize) {
        let (low, high) = self.bounds(tolerance_percent);
        let mut order: BTreeSet<(u64, u32)> = self.bins.iter().copied().zip(0..).collect();
        let (Some(coldest), Some(hottest)) = (order.first(), order.last()) else { return };
        if budget == 0 || (hottest.0 <= high && coldest.0 >= low) {
            return;
        }
        let mut contents = Contents::of(self);
        for _ in 0..budget {
            let Some((from, to, at)) = self.best_move(&order, &mut contents, low, high) else { return };
            let unit = contents.of_bin(from, &self.weights).remove(at);
            order.remove(&(self.bins[from as usize], from));
            order.remove(&(self.bins[to as usize], to));
            self.apply(unit, Some(from), to);
            self.doors.out[from as usize] -= 1;
            self.doors.into[to as usize] -= 1;
            order.insert((self.bins[from as usize], from));
            order.insert((self.bins[to as usize], to));
        }
    }

    fn bounds(&self, tolerance_percent: u32) -> (u64, u64) {
        let total: u128 = self.bins.iter().map(|weight| u128::from(*weight)).sum();
        let bins = self.bins.len() as u128;
        let tolerance = u128::from(tolerance_percent);
        let share = |percent: u128| u64::try_from(total * percent / (bins * 100)).unwrap_or(u64::MAX);
        (share(100u128.saturating_sub(tolerance)), share(100 + tolerance))
    }

    /// The first pair, hottest and coldest first, of which one is out of bounds and a move makes it more even.
    fn best_move(
        &self,
        order: &BTreeSet<(u64, u32)>,
        contents: &mut Contents,
        low: u64,
        high: u64,
    ) -> Option<(u32, u32, usize)> {
        for &(hot, from) in order.iter().rev().filter(|(_, from)| self.doors.out[*from as usize] > 0) {
            let candidates = contents.of_bin(from, &self.weights);
            let Some(&lightest) = candidates.first() else { continue };
            for &(cold, to) in order.iter().filter(|(_, to)| self.doors.into[*to as usize] > 0) {
                let gap = hot.saturating_sub(cold);
                if (hot <= high && cold >= low) || self.weights[lightest] >= gap {
                    break;
                }
                // What halves the gap, but does not make the giver cold in its turn: others would have to fill it again.
                let wanted = (gap / 2).min(hot.saturating_sub(low));
                if let Some(at) = self.best_unit(candidates, gap, wanted, to) {
                    return Some((from, to, at));
                }
            }
        }
        None
    }

    /// The unit lighter than the gap that comes nearest to what is wanted, among those not barred from `to`.
    fn best_unit(&self, candidates: &[usize], gap: u64, wanted: u64, to: u32) -> Option<usize> {
        let allowed = |&at: &usize| self.units[candidates[at]].barred != Some(to);
        let middle = candidates.partition_point(|&unit| self.weights[unit] <= wanted);
        let end = candidates.partition_point(|&unit| self.weights[unit] < gap);
        let below = (0..middle).rev().find(allowed);
        let above = (middle..end).find(allowed);
        let off = |at: usize| self.weights[candidates[at]].abs_diff(wanted);
        match (below, above) {
            (Some(below), Some(above)) if off(above) < off(below) => Some(above),
            (below, above) => below.or(above),
        }
    }

    fn apply(&mut self, unit: usize, from: Option<u32>, to: u32) {
        let weight = self.weights[unit];
        if let Some(from) = from {
            self.bins[from as usize] -= weight;
        }
        self.bins[to as usize] += weight;
        self.moved[unit] = true;
        self.moves.push(Move { unit, from, to });
    }
}

/// The units of each bin that may still move. Few bins are ever looked into, so only those are sorted.
struct Contents {
    by_bin: Vec<Vec<usize>>,
    sorted: Vec<bool>,
}

impl Contents {
    fn of(packing: &Packing<'_>) -> Self {
        let mut by_bin = vec![Vec::new(); packing.bins.len()];
        for (unit, placed) in packing.units.iter().enumerate() {
            if let (Some(bin), false) = (placed.bin, packing.moved[unit]) {
                by_bin[bin as usize].push(unit);
            }
        }
        Self { sorted: vec![false; by_bin.len()], by_bin }
    }

    /// Lightest first.
    fn of_bin(&mut self, bin: u32, weights: &[u64]) -> &mut Vec<usize> {
        let units = &mut self.by_bin[bin as usize];
        if !self.sorted[bin as usize] {
            units.sort_unstable_by_key(|&unit| (weights[unit], unit));
            self.sorted[bin as usize] = true;
        }
        units
    }
}
