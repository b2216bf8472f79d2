//! Which server should live on which shard: the second level of placement, planned from sums alone.
//!
//! The caller knows of every shard its load and how many servers it has, and asks [`sources`] whose servers are worth a
//! look; with those as candidates, [`plan`] moves servers from hot shards to cold ones, as [`super`] moves shards. A
//! server that is on its way counts where it goes; one that has moved lately is no candidate, so that nothing goes back
//! within its cooldown.

use std::collections::HashMap;

use super::{Doors, LOAD_SHARE, Packing, Unit};
use crate::ids::{ServerId, ShardId};

/// Shards whose servers are looked at in one plan.
const SOURCES: usize = 16;

/// How eager a plan is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Params {
    /// A shard within this share of the mean is left alone.
    pub tolerance_percent: u32,
    /// Servers that may be on their way at once.
    pub budget: usize,
    /// Of one shard, in either direction: they wait for each other there.
    pub per_shard: u32,
}

impl Default for Params {
    fn default() -> Self {
        Self { tolerance_percent: 10, budget: 64, per_shard: 8 }
    }
}

/// A shard as the planner sees it, servers on their way counted where they go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    pub id: ShardId,
    /// Sum of its servers' loads, in any unit that is the same for all; below 2^40.
    pub load: u64,
    pub servers: u64,
    /// Servers that may leave it now, and come to it; 0 when nobody owns it.
    pub may_leave: u32,
    pub may_come: u32,
}

/// A server that may move.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    pub server: ServerId,
    pub shard: ShardId,
    pub load: u64,
}

/// A move to be begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServerMove {
    pub server: ServerId,
    pub from: ShardId,
    pub to: ShardId,
}

/// What a server without load weighs: a twentieth of the mean weight, so that idle servers spread by count.
fn base(shards: &[Shard]) -> u64 {
    let load: u64 = shards.iter().map(|shard| shard.load).sum();
    let servers: u64 = shards.iter().map(|shard| shard.servers).sum();
    load.checked_div(servers).unwrap_or(0).max(1)
}

/// What each shard weighs, in the order given.
pub fn weights(shards: &[Shard]) -> Vec<u64> {
    let base = base(shards);
    shards.iter().map(|shard| shard.load * LOAD_SHARE + shard.servers * base).collect()
}

/// The shards whose servers a plan needs to know, hottest first; none when every shard is within bounds.
pub fn sources(shards: &[Shard], params: &Params) -> Vec<ShardId> {
    let weights = weights(shards);
    let packing = Packing::filled(weights.clone(), &[], Vec::new(), Doors::open(shards.len()));
    let (low, high) = packing.bounds(params.tolerance_percent);
    let mut order: Vec<usize> = (0..shards.len()).collect();
    order.sort_unstable_by_key(|&at| (std::cmp::Reverse(weights[at]), shards[at].id));
    let cold = order.iter().any(|&at| weights[at] < low && shards[at].may_come > 0);
    let mean = u128::from(low.max(1)) * 100 / u128::from(100 - params.tolerance_percent.min(99));
    let worth = |at: usize| weights[at] > high || (cold && u128::from(weights[at]) >= mean);
    let sources = order.into_iter().filter(|&at| shards[at].may_leave > 0 && worth(at));
    sources.map(|at| shards[at].id).take(SOURCES).collect()
}

/// Moves of candidates that bring the shards within bounds, within the budget and what each shard allows. Equal inputs,
/// in whatever order, give equal plans.
pub fn plan(shards: &[Shard], candidates: &[Candidate], params: &Params) -> Vec<ServerMove> {
    let mut shards = shards.to_vec();
    shards.sort_unstable_by_key(|shard| shard.id);
    let mut candidates = candidates.to_vec();
    candidates.sort_unstable_by_key(|candidate| candidate.server);
    let index: HashMap<ShardId, u32> = shards.iter().map(|shard| shard.id).zip(0..).collect();
    candidates.retain(|candidate| index.contains_key(&candidate.shard));
    let base = base(&shards);
    let units: Vec<Unit> = candidates
        .iter()
        .map(|candidate| Unit {
            load: candidate.load,
            bin: index.get(&candidate.shard).copied(),
            barred: None,
        })
        .collect();
    let unit_weights = candidates.iter().map(|candidate| candidate.load * LOAD_SHARE + base).collect();
    let doors = Doors {
        out: shards.iter().map(|shard| shard.may_leave).collect(),
        into: shards.iter().map(|shard| shard.may_come).collect(),
    };
    let mut packing = Packing::filled(weights(&shards), &units, unit_weights, doors);
    packing.level(params.tolerance_percent, params.budget);
    let moves = packing.moves.into_iter();
    moves
        .map(|step| ServerMove {
            server: candidates[step.unit].server,
            from: candidates[step.unit].shard,
            to: shards[step.to as usize].id,
        })
        .collect()
}
