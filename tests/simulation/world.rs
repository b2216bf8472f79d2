//! One run: a world built from a seed, faults for a minute, then quiet, in which everything has to come to rest.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use helpline_cluster::ids::{ServerId, ShardId};

use crate::checker::Checker;
use crate::discord::{Discord, Kind};
use crate::engine::{Engine, Host, MS, Micros, SECOND};
use crate::faults;
use crate::mutation::Mutation;
use crate::network::Network;
use crate::node::{Node, TTL_MICROS, World};
use crate::redis::Redis;
use crate::store::{Client, Store, claims::GatewayRow};
use crate::trace::Trace;
use crate::worker::lanes::NONCES_LAST;
use crate::{proxy, worker};

/// Faults come in this time, and members ask.
pub const STORMY: Micros = 60 * SECOND;
/// Afterwards everything has to be at rest within this.
pub const QUIET: Micros = 60 * SECOND;
/// Discord's connections.
pub const GATEWAYS: u32 = 2;
const LOOK_EVERY: Micros = 500 * MS;
/// A backlog that never fills.
pub const ROOMY: usize = 200;

/// What came of a run.
pub struct Report {
    pub seed: u64,
    pub violation: Option<String>,
    pub digest: (u64, u64),
    pub last_lines: Vec<String>,
    /// What happened how often, and what was excused.
    pub counts: BTreeMap<&'static str, u64>,
    /// How long it took to come to rest.
    pub rest_after: Micros,
}

/// Processes and their lives.
#[derive(Clone)]
pub struct Processes {
    pub world: Rc<World>,
    lives: Rc<RefCell<BTreeMap<Host, u32>>>,
}

impl Processes {
    pub fn hosts(&self) -> Vec<Host> {
        let workers = (0..self.world.workers).map(Host::Worker);
        workers.chain((0..self.world.proxies).map(Host::Proxy)).collect()
    }

    pub fn start(&self, host: Host) {
        if self.world.network.is_up(host) {
            return;
        }
        let life = {
            let mut lives = self.lives.borrow_mut();
            let life = lives.entry(host).or_default();
            *life += 1;
            *life
        };
        self.world.network.set_up(host, true);
        let node = Node { world: Rc::clone(&self.world), client: Client { host, life } };
        node.note(|| "starts".to_owned());
        match host {
            Host::Proxy(_) => proxy::start(&node),
            Host::Worker(_) => worker::start(&node),
            Host::Redis | Host::Postgres | Host::Discord => {}
        }
    }

    /// Kill -9. Its kernel closes its connections, as far as the network lets the others hear of it.
    pub fn kill(&self, host: Host) {
        if !self.world.network.is_up(host) {
            return;
        }
        let world = &self.world;
        world.engine.note(|| format!("fault: {host} is killed"));
        world.network.set_up(host, false);
        world.engine.crash(host);
        world.egress.borrow_mut().retain(|(proxy, _), _| *proxy != host);
        world.deferrals.borrow_mut().remove(&host);
        let client = Client { host, life: self.lives.borrow()[&host] };
        world.checker.process_gone(client);
        let store = Rc::clone(&world.store);
        world.network.post(host, Host::Postgres, move || store.client_gone(client));
    }
}

pub fn run(seed: u64, mutation: Option<Mutation>, trace: Trace) -> Report {
    let engine = Engine::new(seed, trace);
    let processes = build(&engine, mutation);
    let world = Rc::clone(&processes.world);
    for host in processes.hosts() {
        world.network.set_up(host, false);
        let (processes, delay) = (processes.clone(), engine.below(SECOND));
        engine.at(delay, move || processes.start(host));
    }
    members_ask(&world);
    faults::plan(&processes);
    let violated = world.checker.clone();
    engine.run_until(STORMY, || violated.is_violated());
    let rest_after = come_to_rest(&processes);
    let mut counts = world.checker.counts();
    counts.extend(world.checker.excused());
    let report = Report {
        seed,
        violation: world.checker.violation(),
        digest: engine.trace().digest(),
        last_lines: engine.trace().lines().map(str::to_owned).collect(),
        counts,
        rest_after,
    };
    engine.dismantle();
    report
}

fn build(engine: &Engine, mutation: Option<Mutation>) -> Processes {
    let skewed =
        |host: Host| engine.add_host(host, engine.between(950_000, 1_050_000), engine.below(100 * SECOND));
    let (workers, proxies) = (2 + u8::from(engine.chance(600)), 1 + u8::from(engine.chance(700)));
    for host in (0..workers).map(Host::Worker).chain((0..proxies).map(Host::Proxy)) {
        skewed(host);
    }
    [Host::Redis, Host::Postgres, Host::Discord].into_iter().for_each(skewed);
    let network = Network::new(engine.clone());
    let checker = Checker::new(engine.clone(), TTL_MICROS);
    let store = Store::new(engine.clone(), checker.clone(), TTL_MICROS / 2);
    let redis = Redis::new(engine.clone(), checker.clone());
    let session_lasts = engine.between(20, 60) * SECOND;
    let discord =
        Discord::new(engine.clone(), network.clone(), checker.clone(), GATEWAYS, NONCES_LAST, session_lasts);
    let probe = Rc::clone(&redis);
    checker.set_lease_probe(move |worker| probe.lease_was_gone(worker));
    engine.spawn(Host::Postgres, Rc::clone(&store).sweep());
    let shards = u32::try_from(engine.between(2, 5)).expect("few");
    for shard in 0..shards {
        store.add_shard(ShardId(shard));
    }
    for server in servers(u64::from(shards) + engine.between(1, 4)) {
        let shard = ShardId(u32::try_from(engine.below(u64::from(shards))).expect("few"));
        store.change(|tables| tables.server_shards.insert(server, shard));
    }
    for gateway in 0..GATEWAYS {
        store.change(|tables| tables.gateways.insert(gateway, GatewayRow::default()));
    }
    let world = World {
        engine: engine.clone(),
        network,
        checker,
        store,
        redis,
        discord,
        mutation,
        proxies,
        workers,
        backlog: if engine.chance(500) {
            ROOMY
        } else {
            usize::try_from(engine.between(4, 16)).expect("few")
        },
        egress: RefCell::default(),
        deferrals: RefCell::default(),
    };
    Processes { world: Rc::new(world), lives: Rc::default() }
}

fn servers(count: u64) -> impl Iterator<Item = ServerId> {
    (1..=count).map(|n| ServerId((n << 22) + n))
}

/// Members of every server, each at a pace of its own.
fn members_ask(world: &Rc<World>) {
    let servers: Vec<ServerId> = world.store.tables().server_shards.keys().copied().collect();
    for server in servers {
        let pace = world.engine.between(400, 4_000) * MS;
        let this = Rc::clone(world);
        world.engine.spawn(Host::Discord, async move {
            this.engine.sleep_true(this.engine.between(2_000, 4_000) * MS).await;
            while this.engine.now() < STORMY {
                let thread = this.discord.some_thread(server);
                let kind = match (this.engine.below(10), thread) {
                    (0, _) => Kind::Noise,
                    (1 | 2, _) => Kind::Slash,
                    (3..=6, Some(thread)) => Kind::FollowUp(thread),
                    _ => Kind::Question,
                };
                this.discord.happen(server, kind);
                this.engine.sleep_true(pace / 4 + this.engine.below(pace)).await;
            }
        });
    }
}

fn come_to_rest(processes: &Processes) -> Micros {
    let world = &processes.world;
    let engine = &world.engine;
    let began = engine.now();
    if world.checker.is_violated() {
        return 0;
    }
    faults::end(processes);
    let at_rest = Rc::new(Cell::new(false));
    while engine.now() < began + QUIET {
        engine.run_until(engine.now() + LOOK_EVERY, || world.checker.is_violated());
        if world.checker.is_violated() || open(world).is_none() {
            at_rest.set(true);
            break;
        }
    }
    if !at_rest.get()
        && let Some(open) = open(world)
    {
        world.checker.violate(&format!("not at rest {} s after the last fault: {open}", QUIET / SECOND));
    }
    engine.now() - began
}

/// What keeps the world from being at rest.
fn open(world: &World) -> Option<String> {
    let tables = world.store.tables();
    if let Some(moving) = tables.moves.values().next() {
        return Some(format!("{} is still moving: {moving:?}", moving.server));
    }
    if let Some(((server, _), row)) = tables.held.iter().next() {
        return Some(format!("event {} of {server} is still held for {}", row.event, row.shard));
    }
    let idle = tables.fences.iter().find(|(shard, row)| {
        let alive = row.owner.filter(|owner| tables.members.contains_key(owner));
        alive.is_none() || alive != tables.assignments.get(shard).copied()
    });
    if let Some((shard, row)) = idle {
        return Some(format!("{shard} is not with whom it is assigned to: {row:?}"));
    }
    for (&shard, row) in &tables.streams {
        if world.redis.incarnation(shard) != Some(row.cursor.incarnation) {
            return Some(format!("the log of {shard} is not the one that Postgres knows"));
        }
        if let Some(last) = world.redis.last_id(shard).filter(|last| *last > row.cursor) {
            return Some(format!("{shard} is applied up to {} of {last}", row.cursor));
        }
    }
    if let Some((id, gap)) = tables.gaps.iter().next() {
        return Some(format!("gap {id} is not repaired: {gap:?}"));
    }
    if let Some(open) = world.checker.open() {
        return Some(open);
    }
    if let Some(row) = tables.outbox.values().find(|row| !row.sent) {
        return Some(format!("{} of {} is not delivered", row.effect.name(), row.key.event_id));
    }
    tables.jobs.values().next().map(|row| format!("a question of {} waits for its answer", row.server))
}
