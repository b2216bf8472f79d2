//! Servers on shards: within budgets and doors, restful, and bounded, as the leader plans them round by round.

#![allow(clippy::cast_possible_truncation, reason = "numbers drawn or looked at, far below any bound")]

use std::collections::HashMap;

use helpline_cluster::ids::{ServerId, ShardId};
use helpline_cluster::placement::servers::{Candidate, Params, ServerMove, Shard, plan, sources, weights};
use proptest::prelude::*;

const PARAMS: Params = Params { tolerance_percent: 10, budget: 12, per_shard: 4 };
/// In rounds.
const COOLDOWN: u64 = 20;

#[derive(Debug, Clone)]
struct Server {
    load: u64,
    shard: usize,
    moved: Option<(usize, u64)>,
}

/// Does what the plan says at once. A shard without an owner gives and takes nothing.
#[derive(Debug, Clone)]
struct World {
    servers: Vec<Server>,
    owned: Vec<bool>,
    round: u64,
}

impl World {
    fn new(shards: usize, loads: &[u64]) -> Self {
        let servers =
            loads.iter().enumerate().map(|(n, &load)| Server { load, shard: n % shards, moved: None });
        Self { servers: servers.collect(), owned: vec![true; shards], round: 0 }
    }

    fn shards(&self, params: &Params) -> Vec<Shard> {
        let doors = |owned: bool| if owned { params.per_shard } else { 0 };
        let mut shards: Vec<Shard> = (0..)
            .zip(&self.owned)
            .map(|(id, &owned)| Shard {
                id: ShardId(id),
                load: 0,
                servers: 0,
                may_leave: doors(owned),
                may_come: doors(owned),
            })
            .collect();
        for server in &self.servers {
            shards[server.shard].load += server.load;
            shards[server.shard].servers += 1;
        }
        shards
    }

    fn candidates(&self, of: &[ShardId]) -> Vec<Candidate> {
        let free = |server: &Server| server.moved.is_none_or(|(_, at)| at + COOLDOWN <= self.round);
        (0..)
            .zip(&self.servers)
            .filter(|(_, server)| of.iter().any(|shard| shard.0 as usize == server.shard) && free(server))
            .map(|(id, server)| Candidate {
                server: ServerId(id),
                shard: ShardId(u32::try_from(server.shard).unwrap()),
                load: server.load,
            })
            .collect()
    }

    fn step(&mut self, params: &Params) -> Vec<ServerMove> {
        let shards = self.shards(params);
        let candidates = self.candidates(&sources(&shards, params));
        let moves = plan(&shards, &candidates, params);
        self.round += 1;
        for step in &moves {
            let server = &mut self.servers[usize::try_from(step.server.get()).unwrap()];
            assert_eq!(server.shard, step.from.0 as usize);
            server.moved = Some((server.shard, self.round));
            server.shard = step.to.0 as usize;
        }
        moves
    }

    fn settle(&mut self, params: &Params) {
        for _ in 0..5_000 {
            self.round += COOLDOWN;
            if self.step(params).is_empty() {
                return;
            }
        }
        panic!("the plan does not come to rest: {self:?}");
    }

    fn assert_bounded(&self, params: &Params) {
        let shards = self.shards(params);
        let weights = weights(&shards);
        let total: u64 = self.servers.iter().map(|server| server.load).sum();
        let base = (total / self.servers.len() as u64).max(1);
        let heaviest = self.servers.iter().map(|server| server.load * 20 + base).max().unwrap_or(0);
        let mean = weights.iter().sum::<u64>() as f64 / weights.len() as f64;
        let most = weights.iter().max().copied().unwrap_or(0);
        assert!(most as f64 <= 1.1 * mean + heaviest as f64, "{most} against a mean of {mean}");
    }
}

#[test]
fn new_shards_get_servers_although_no_server_has_any_load() {
    let mut world = World::new(4, &[0; 400]);
    world.owned.extend([true; 12]);
    world.settle(&PARAMS);
    let shards = world.shards(&PARAMS);
    assert!(shards.iter().all(|shard| (22..=28).contains(&shard.servers)), "{shards:?}");
}

#[test]
fn one_lively_server_gets_a_shard_almost_to_itself() {
    let mut loads = vec![10; 60];
    loads[0] = 10_000;
    let mut world = World::new(6, &loads);
    world.settle(&PARAMS);
    let lively = world.servers[0].shard;
    assert!(world.servers.iter().filter(|server| server.shard == lively).count() <= 2);
    world.assert_bounded(&PARAMS);
}

#[test]
fn a_shard_that_nobody_owns_keeps_what_it_has_and_holds_up_nobody() {
    let mut world = World::new(3, &[5; 90]);
    for server in &mut world.servers {
        server.shard = server.shard.min(1);
    }
    world.owned[0] = false;
    world.settle(&PARAMS);
    let counts = world.shards(&PARAMS).iter().map(|shard| shard.servers).collect::<Vec<_>>();
    assert_eq!(counts[0], 30);
    assert!(counts[1].abs_diff(counts[2]) <= 6, "{counts:?}");
}

#[test]
fn a_million_servers_with_a_heavy_tail_come_within_bounds() {
    let rng = &mut fastrand::Rng::with_seed(3);
    let loads: Vec<u64> =
        (0..1_000_000).map(|_| (10.0 / (1.0 - rng.f64()).powf(1.0 / 1.2)).min(1_000_000.0) as u64).collect();
    let mut world = World::new(256, &loads);
    // Everything is on a quarter of the shards, as after growth.
    for server in &mut world.servers {
        server.shard %= 64;
    }
    let params = Params { tolerance_percent: 10, budget: usize::MAX, per_shard: u32::MAX };
    let mut rounds = 0;
    while !world.step(&params).is_empty() {
        rounds += 1;
        world.round += COOLDOWN;
        assert!(rounds < 60);
    }
    world.assert_bounded(&params);
}

#[derive(Debug, Clone)]
enum Event {
    Join(u64),
    Leave(prop::sample::Index),
    Load(prop::sample::Index, u64),
    Grow(usize),
    Own(prop::sample::Index, bool),
    Plan,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        2 => (0u64..500).prop_map(Event::Join),
        1 => any::<prop::sample::Index>().prop_map(Event::Leave),
        4 => (any::<prop::sample::Index>(), 0u64..2_000).prop_map(|(at, load)| Event::Load(at, load)),
        1 => (1usize..4).prop_map(Event::Grow),
        1 => (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(at, owned)| Event::Own(at, owned)),
        4 => Just(Event::Plan),
    ]
}

fn assert_lawful(moves: &[ServerMove], before: &World, params: &Params) {
    assert!(moves.len() <= params.budget);
    let mut doors: HashMap<(usize, bool), u32> = HashMap::new();
    for step in moves {
        let (from, to) = (step.from.0 as usize, step.to.0 as usize);
        assert_ne!(from, to);
        assert!(before.owned[from] && before.owned[to], "a shard without an owner takes part");
        *doors.entry((from, false)).or_default() += 1;
        *doors.entry((to, true)).or_default() += 1;
        let server = &before.servers[usize::try_from(step.server.get()).unwrap()];
        if let Some((left, at)) = server.moved {
            assert!(left != to || at + COOLDOWN <= before.round, "{} went back", step.server);
        }
    }
    assert!(doors.values().all(|&passed| passed <= params.per_shard));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_servers_move_lawfully_and_come_to_rest_within_bounds(
        shards in 1usize..8,
        loads in prop::collection::vec(0u64..1_000, 1..100),
        events in prop::collection::vec(event(), 0..40),
    ) {
        let mut world = World::new(shards, &loads);
        for event in events {
            match event {
                Event::Join(load) => world.servers.push(Server { load, shard: 0, moved: None }),
                Event::Leave(at) if world.servers.len() > 1 => {
                    world.servers.remove(at.index(world.servers.len()));
                }
                Event::Leave(_) => {}
                Event::Load(at, load) => {
                    let at = at.index(world.servers.len());
                    world.servers[at].load = load;
                }
                Event::Grow(by) => world.owned.resize(world.owned.len() + by, true),
                Event::Own(at, owned) => {
                    let at = at.index(world.owned.len());
                    world.owned[at] = owned;
                }
                Event::Plan => {
                    let before = world.clone();
                    let moves = world.step(&PARAMS);
                    assert_lawful(&moves, &before, &PARAMS);
                    let (mut turned, candidates) = (before.shards(&PARAMS), before.candidates(&sources(&before.shards(&PARAMS), &PARAMS)));
                    turned.reverse();
                    let turned_candidates: Vec<_> = candidates.iter().rev().copied().collect();
                    prop_assert_eq!(moves, plan(&turned, &turned_candidates, &PARAMS));
                }
            }
        }
        world.owned.fill(true);
        world.settle(&PARAMS);
        world.assert_bounded(&PARAMS);
        world.round += COOLDOWN;
        prop_assert!(world.step(&PARAMS).is_empty());
    }
}
