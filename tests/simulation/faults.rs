//! What goes wrong in a world, and when: drawn from the seed before the world begins.

use std::rc::Rc;

use helpline_cluster::ids::{ServerId, ShardId};

use crate::engine::{Host, MS, Micros, SECOND};
use crate::network::Weather;
use crate::world::{Processes, STORMY};

/// Nothing goes wrong before this.
const BEGINS: Micros = 4 * SECOND;
/// Moves of servers in one world, at the most.
const MOST_MOVES: u64 = 12;
/// A gateway connection whose client is frozen for so long is closed by Discord.
const HEARTBEAT_MISSED: Micros = 12 * SECOND;

#[derive(Clone, Copy, Debug)]
enum Fault {
    Kill(Host),
    Freeze(Host),
    Cut(Host, Host),
    /// Cut off from everybody.
    Isolate(Host),
    FlushRedis,
    RestartPostgres,
    InvalidateSession,
    /// Postgres, or something in between, ends the connections of a host.
    DropSessions(Host),
    Weather(Weather),
    FillStreams,
}

/// Schedules the faults and the moves of servers.
pub fn plan(processes: &Processes) {
    let engine = &processes.world.engine;
    let episodes = engine.between(3, 12);
    for _ in 0..episodes {
        let at = engine.between(BEGINS, STORMY);
        let fault = draw(processes);
        let lasts = duration(processes, fault);
        let this = processes.clone();
        engine.at(at, move || begin(&this, fault, lasts));
    }
    let moves = engine.below(MOST_MOVES);
    for _ in 0..moves {
        let at = engine.between(BEGINS, STORMY);
        let this = processes.clone();
        engine.at(at, move || move_some_server(&this));
    }
}

fn draw(processes: &Processes) -> Fault {
    let engine = &processes.world.engine;
    let hosts = processes.hosts();
    let one_of = |hosts: &[Host]| hosts[usize::try_from(engine.below(hosts.len() as u64)).expect("few")];
    let servers = [Host::Redis, Host::Postgres, Host::Discord];
    match engine.below(100) {
        0..=24 => Fault::Kill(one_of(&hosts)),
        25..=44 => Fault::Freeze(one_of(&hosts)),
        45..=64 => {
            let all: Vec<Host> = hosts.iter().copied().chain(servers).collect();
            Fault::Cut(one_of(&hosts), one_of(&all))
        }
        65..=74 => Fault::Isolate(one_of(&hosts)),
        75..=80 => Fault::FlushRedis,
        81..=84 => Fault::RestartPostgres,
        85..=88 => Fault::InvalidateSession,
        89..=90 => Fault::FillStreams,
        91..=94 => Fault::DropSessions(one_of(&hosts)),
        _ => {
            let late_by = engine.between(100, 3_000) * MS;
            Fault::Weather(Weather { lost: engine.below(30), late: engine.below(60), late_by })
        }
    }
}

/// From a moment to five leases.
fn duration(processes: &Processes, fault: Fault) -> Micros {
    let engine = &processes.world.engine;
    match (fault, engine.below(3)) {
        (Fault::Kill(_), _) => engine.between(50 * MS, 8 * SECOND),
        (_, 0) => engine.between(50 * MS, 2 * SECOND),
        (_, 1) => engine.between(2 * SECOND, 9 * SECOND),
        _ => engine.between(6 * SECOND, 25 * SECOND),
    }
}

fn begin(processes: &Processes, fault: Fault, lasts: Micros) {
    let world = &processes.world;
    let engine = world.engine.clone();
    engine.note(|| format!("fault: {fault:?} for {} ms", lasts / MS));
    let until = engine.now() + lasts;
    let this = processes.clone();
    match fault {
        Fault::Kill(host) => {
            processes.kill(host);
            engine.at(until, move || this.start(host));
        }
        Fault::Freeze(host) => {
            engine.freeze(host);
            if lasts > HEARTBEAT_MISSED {
                let (discord, watching) = (Rc::clone(&world.discord), engine.clone());
                engine.at(engine.now() + HEARTBEAT_MISSED, move || {
                    if watching.is_frozen(host) {
                        discord.drop_connections(host);
                    }
                });
            }
            let thawing = engine.clone();
            engine.at(until, move || thawing.thaw(host));
        }
        Fault::Cut(a, b) => {
            world.network.cut(a, b);
            engine.at(until, move || this.world.network.heal(a, b));
        }
        Fault::Isolate(host) => {
            let others = everybody(processes);
            others.iter().for_each(|other| world.network.cut(host, *other));
            engine.at(until, move || {
                everybody(&this).iter().for_each(|other| this.world.network.heal(host, *other));
            });
        }
        Fault::FlushRedis => world.redis.flush_all(),
        Fault::RestartPostgres => world.store.restart(),
        Fault::DropSessions(host) => world.store.end_sessions(host),
        Fault::InvalidateSession => world.discord.invalidate_some(),
        Fault::Weather(weather) => {
            world.network.set_weather(weather);
            engine.at(until, move || this.world.network.set_weather(Weather::default()));
        }
        Fault::FillStreams => {
            world.redis.set_bound(usize::try_from(engine.below(3)).expect("few"));
            engine.at(until, move || this.world.redis.set_bound(usize::MAX));
        }
    }
}

fn everybody(processes: &Processes) -> Vec<Host> {
    let servers = [Host::Redis, Host::Postgres, Host::Discord];
    processes.hosts().into_iter().chain(servers).collect()
}

fn move_some_server(processes: &Processes) {
    let store = &processes.world.store;
    let (servers, shards): (Vec<ServerId>, Vec<ShardId>) = {
        let tables = store.tables();
        (tables.server_shards.keys().copied().collect(), tables.fences.keys().copied().collect())
    };
    let engine = &processes.world.engine;
    let index = |len: usize| usize::try_from(engine.below(len as u64)).expect("few");
    store.plan_move(servers[index(servers.len())], shards[index(shards.len())]);
}

/// Everything works again, and goes on working.
pub fn end(processes: &Processes) {
    let world = &processes.world;
    world.engine.note(|| "the faults are over".to_owned());
    world.network.set_weather(Weather::default());
    world.redis.set_bound(usize::MAX);
    let all = everybody(processes);
    for a in &all {
        all.iter().for_each(|b| world.network.heal(*a, *b));
    }
    for host in processes.hosts() {
        world.engine.thaw(host);
        processes.start(host);
    }
}
