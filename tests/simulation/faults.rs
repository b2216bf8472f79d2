//! What goes wrong in a world, and when: drawn from the seed before the world begins.

use std::rc::Rc;

use helpline_cluster::ids::{ServerId, ShardId};

use crate::engine::{Host, MS, Micros, SECOND};
use crate::network::Weather;
use crate::world::{Processes, ROOMY, STORMY};

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
    FillStream(ShardId),
    /// The holder of a gateway shard cannot reach Postgres, which sees it end, while its lease in Redis lives. As soon as
    /// another has taken over, Redis is wiped.
    Overtake,
}

/// Schedules the faults and the moves of servers.
pub fn plan(processes: &Processes) {
    let engine = &processes.world.engine;
    let episodes = engine.between(3, 12);
    // What a small backlog is for.
    let tight = processes.world.backlog < ROOMY && engine.chance(700);
    for episode in 0..episodes {
        let at = engine.between(BEGINS, STORMY);
        let fault = match episode {
            0 if tight => Fault::FillStream(some_shard(processes)),
            _ => draw(processes),
        };
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
        75..=78 => Fault::FlushRedis,
        79..=81 => Fault::Overtake,
        82..=84 => Fault::RestartPostgres,
        85..=88 => Fault::InvalidateSession,
        89 => Fault::FillStreams,
        90 => Fault::FillStream(some_shard(processes)),
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
        (Fault::FillStream(_), _) => engine.between(6 * SECOND, 25 * SECOND),
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
            world.network.disturb(host);
            if lasts > HEARTBEAT_MISSED {
                let (discord, watching) = (Rc::clone(&world.discord), engine.clone());
                engine.at(engine.now() + HEARTBEAT_MISSED, move || {
                    if watching.is_frozen(host) {
                        discord.drop_connections(host);
                    }
                });
            }
            engine.at(until, move || {
                this.world.engine.thaw(host);
                this.world.network.disturb(host);
            });
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
        Fault::FillStream(shard) => {
            world.redis.close_stream(shard);
            engine.at(until, move || this.world.redis.open_stream(shard));
        }
        Fault::Overtake => overtake(processes, until),
    }
}

fn overtake(processes: &Processes, until: Micros) {
    let world = &processes.world;
    let holder = {
        let tables = world.store.tables();
        let owners = tables.gateways.values().filter_map(|row| row.owner);
        owners.filter_map(|owner| tables.members.get(&owner)).map(|member| member.client.host).next()
    };
    let Some(host) = holder else { return };
    world.engine.note(|| format!("fault: {host} is overtaken"));
    world.network.cut(host, Host::Postgres);
    world.store.end_sessions(host);
    let this = processes.clone();
    world.engine.at(until, move || this.world.network.heal(host, Host::Postgres));
    let epochs = gateway_epochs(processes);
    wipe_when_overtaken(processes.clone(), epochs, until);
}

fn gateway_epochs(processes: &Processes) -> u64 {
    processes.world.store.tables().gateways.values().map(|row| row.epoch).sum()
}

fn wipe_when_overtaken(processes: Processes, epochs: u64, until: Micros) {
    let engine = processes.world.engine.clone();
    let now = engine.now();
    if gateway_epochs(&processes) > epochs {
        let wiped = now + engine.below(300 * MS);
        engine.at(wiped, move || processes.world.redis.flush_all());
    } else if now < until.min(STORMY) {
        engine.at(now + 10 * MS, move || wipe_when_overtaken(processes, epochs, until));
    }
}

fn some_shard(processes: &Processes) -> ShardId {
    let shards: Vec<ShardId> = processes.world.store.tables().fences.keys().copied().collect();
    let chosen = processes.world.engine.below(shards.len() as u64);
    shards[usize::try_from(chosen).expect("few shards")]
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
    let (server, shard) = (servers[index(servers.len())], shards[index(shards.len())]);
    let _ = store.plan_move(server, shard);
}

/// Everything works again, and goes on working.
pub fn end(processes: &Processes) {
    let world = &processes.world;
    world.engine.note(|| "the faults are over".to_owned());
    world.network.set_weather(Weather::default());
    world.redis.set_bound(usize::MAX);
    world.store.tables().fences.keys().for_each(|shard| world.redis.open_stream(*shard));
    let all = everybody(processes);
    for a in &all {
        all.iter().for_each(|b| world.network.heal(*a, *b));
    }
    for host in processes.hosts() {
        world.engine.thaw(host);
        world.network.disturb(host);
        processes.start(host);
    }
}
