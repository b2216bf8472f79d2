//! The real backlog writes markers, the real decisions consume them; streams, store and Discord are played. Whatever is
//! interleaved, every server's events are applied once and in their order.

use std::collections::{HashMap, HashSet};

use helpline_cluster::consumer::{HeldStep, Move, Place, State, Step, held_step, is_done, step};
use proptest::prelude::*;

use super::*;
use crate::proxy::backlog::{Arrival, Backlog, Bounds, Outcome};

const SHARDS: u32 = 3;
const SERVERS: u64 = 3;
const GATEWAY: GatewayShard = GatewayShard::new(0, 1);

#[derive(Debug, Clone)]
enum Act {
    Send(u64),
    Take(usize),
    /// So many entries; a stream that refuses; whether the answer gets lost.
    Publish(usize, Option<u32>, bool),
    Save,
    Learn,
    /// The proxy dies and another resumes from what was saved.
    Die,
    Plan(u64, u32),
    Consume(u32, usize),
    Drain(u32),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..SERVERS).prop_map(Act::Send),
        6 => (1usize..4).prop_map(Act::Take),
        8 => (1usize..5, prop::option::weighted(0.3, 0..SHARDS), prop::bool::weighted(0.1))
            .prop_map(|(most, refusing, lost)| Act::Publish(most, refusing, lost)),
        2 => Just(Act::Save),
        3 => Just(Act::Learn),
        1 => Just(Act::Die),
        3 => (0..SERVERS, 0..SHARDS).prop_map(|(server, to)| Act::Plan(server, to)),
        8 => (0..SHARDS, 1usize..4).prop_map(|(shard, most)| Act::Consume(shard, most)),
        3 => (0..SHARDS).prop_map(Act::Drain),
    ]
}

struct World {
    now: Instant,
    /// The server of each event that Discord sent in the session, by sequence less one.
    sent: Vec<ServerId>,
    backlog: Backlog,
    taken: u64,
    saved: u64,
    routes: HashMap<ServerId, ShardId>,
    streams: Vec<Vec<Entry>>,
    cursors: Vec<usize>,
    lives_on: HashMap<ServerId, ShardId>,
    moves: Vec<(Move, bool)>,
    held: Vec<(ShardId, ServerId, u64)>,
    keys: HashSet<u64>,
    applied: HashMap<ServerId, Vec<u64>>,
}

impl World {
    fn new() -> Self {
        let lives_on: HashMap<ServerId, ShardId> =
            (0..SERVERS).map(|id| (ServerId(id), ShardId(0))).collect();
        let mut world = Self {
            now: Instant::now(),
            sent: Vec::new(),
            backlog: Backlog::new(Bounds::default()),
            taken: 0,
            saved: 0,
            routes: lives_on.clone(),
            streams: vec![Vec::new(); SHARDS as usize],
            cursors: vec![0; SHARDS as usize],
            lives_on,
            moves: Vec::new(),
            held: Vec::new(),
            keys: HashSet::new(),
            applied: HashMap::new(),
        };
        world.begin();
        world
    }

    fn begin(&mut self) {
        self.backlog = Backlog::new(Bounds::default());
        self.backlog.start_session("s", self.saved);
        self.taken = self.saved;
        self.learn();
    }

    fn learn(&mut self) {
        self.now += Duration::from_secs(1);
        let open = self.moves.iter().filter(|(moving, _)| moving.state != State::Done);
        let open: OpenMoves = open
            .map(|(moving, _)| {
                let left = moving.state == State::Left;
                (moving.server, OpenMove { id: moving.id, from: moving.from, to: moving.to, left })
            })
            .collect();
        self.routes = self.lives_on.clone();
        let routes = &self.routes;
        self.backlog.look_at_moves(GATEWAY, &Arc::new(open), self.now, |server| routes.get(&server).copied());
    }

    fn act(&mut self, act: Act) {
        match act {
            Act::Send(server) => self.sent.push(ServerId(server)),
            Act::Take(most) => self.take(most),
            Act::Publish(most, refusing, lost) => self.publish(most, refusing.map(ShardId), lost),
            Act::Save => self.saved = self.saved.max(self.backlog.safe_sequence()),
            Act::Learn => self.learn(),
            Act::Die => self.begin(),
            Act::Plan(server, to) => self.plan(ServerId(server), ShardId(to)),
            Act::Consume(shard, most) => (0..most).for_each(|_| self.consume(ShardId(shard))),
            Act::Drain(shard) => self.drain(ShardId(shard)),
        }
    }

    fn take(&mut self, most: usize) {
        for _ in 0..most {
            let Some(&server) = self.sent.get(usize::try_from(self.taken).expect("small")) else { return };
            self.taken += 1;
            let arrival = Arrival {
                sequence: self.taken,
                kind: "MESSAGE_CREATE".to_owned(),
                server: Some(server),
                received_at_ms: 0,
                payload: Bytes::from_static(b"{}"),
                if_listening: true,
                written: Vec::new(),
                sent_at_ms: None,
            };
            let route = self.routes.get(&server).map(|&shard| Route { shard, listening: true });
            self.backlog.push(arrival, route);
        }
    }

    fn publish(&mut self, most: usize, refusing: Option<ShardId>, lost: bool) {
        self.now += Duration::from_millis(200);
        let batch = self.backlog.batch(most, self.now);
        let mut outcomes = Vec::new();
        for (shard, entry) in &batch {
            if Some(*shard) == refusing {
                outcomes.push(Outcome::Refused);
            } else {
                self.streams[shard.0 as usize].push(entry.clone());
                outcomes.push(Outcome::Published);
            }
        }
        if !lost {
            self.backlog.settle(&batch, &outcomes, self.now);
        }
    }

    fn plan(&mut self, server: ServerId, to: ShardId) {
        let from = self.lives_on[&server];
        let open =
            self.moves.iter().any(|(moving, _)| moving.server == server && moving.state != State::Done);
        if from != to && !open {
            let id = MoveId(self.moves.len() as u64 + 1);
            self.moves.push((Move { id, server, from, to, state: State::Planned }, false));
        }
    }

    fn place(&self, shard: ShardId, server: ServerId) -> Place {
        let open =
            self.moves.iter().find(|(moving, _)| moving.server == server && moving.state != State::Done);
        Place {
            lives_on: self.lives_on.get(&server).copied(),
            moving: open.map(|(moving, _)| *moving),
            waiting: self.held.iter().any(|(at, of, _)| (*at, *of) == (shard, server)),
        }
    }

    fn consume(&mut self, shard: ShardId) {
        let cursor = self.cursors[shard.0 as usize];
        let Some(entry) = self.streams[shard.0 as usize].get(cursor).cloned() else { return };
        let server = entry.server.expect("every event here has a server");
        let item = Item::read(&entry.kind, &entry.payload).expect("a good marker");
        let place = self.place(shard, server);
        match step(shard, item, &place) {
            Step::Apply => self.apply(server, entry.sequence),
            Step::Hold => self.hold(shard, server, entry.sequence),
            Step::HandOn(to) => self.hold(to, server, entry.sequence),
            Step::Leave { to } => {
                self.lives_on.insert(server, to);
                self.open_move(server, |(moving, _)| moving.state = State::Left);
            }
            Step::HeldFirst => return self.drain(shard),
            Step::Arrive => {
                self.open_move(server, |(_, moved_in)| *moved_in = true);
                self.finish(shard, server);
            }
            Step::Ignore => {}
            Step::Refuse => panic!("every server is known"),
        }
        self.cursors[shard.0 as usize] += 1;
    }

    fn open_move(&mut self, server: ServerId, change: impl FnOnce(&mut (Move, bool))) {
        let open =
            self.moves.iter_mut().find(|(moving, _)| moving.server == server && moving.state != State::Done);
        change(open.expect("the move is open"));
    }

    fn finish(&mut self, shard: ShardId, server: ServerId) {
        let place = self.place(shard, server);
        if place.moving.is_some_and(|moving| moving.to == shard) {
            self.open_move(server, |(moving, moved_in)| {
                if is_done(moving, *moved_in, place.waiting) {
                    moving.state = State::Done;
                }
            });
        }
    }

    fn hold(&mut self, shard: ShardId, server: ServerId, sequence: u64) {
        if !self.held.contains(&(shard, server, sequence)) {
            self.held.push((shard, server, sequence));
        }
    }

    fn drain(&mut self, shard: ShardId) {
        for server in (0..SERVERS).map(ServerId) {
            let place = self.place(shard, server);
            let held: Vec<u64> = self
                .held
                .iter()
                .filter(|held| (held.0, held.1) == (shard, server))
                .map(|held| held.2)
                .collect();
            match held_step(shard, &place) {
                HeldStep::Apply => held.iter().for_each(|sequence| self.apply(server, *sequence)),
                HeldStep::Wait => continue,
                HeldStep::PassOn(to) => held.iter().for_each(|sequence| self.hold(to, server, *sequence)),
                HeldStep::Refuse => panic!("every server is known"),
            }
            self.held.retain(|held| (held.0, held.1) != (shard, server));
            self.finish(shard, server);
        }
    }

    fn apply(&mut self, server: ServerId, sequence: u64) {
        if self.keys.insert(sequence) {
            self.applied.entry(server).or_default().push(sequence);
        }
    }

    /// Everybody does his work until nothing is left to do.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.learn();
            self.now += AGAIN_AFTER;
            self.take(usize::MAX);
            self.publish(usize::MAX, None, false);
            for shard in (0..SHARDS).map(ShardId) {
                while self.cursors[shard.0 as usize] < self.streams[shard.0 as usize].len() {
                    self.consume(shard);
                }
                self.drain(shard);
            }
        }
    }

    fn assert_each_once_and_in_order(&self) {
        for server in (0..SERVERS).map(ServerId) {
            let sent: Vec<u64> =
                (1..).zip(&self.sent).filter(|(_, of)| **of == server).map(|(n, _)| n).collect();
            let applied = self.applied.get(&server).cloned().unwrap_or_default();
            assert_eq!(applied, sent, "{server}");
        }
        assert!(self.held.is_empty(), "still held: {:?}", self.held);
        let open: Vec<_> = self.moves.iter().filter(|(moving, _)| moving.state != State::Done).collect();
        assert!(open.is_empty(), "still open: {open:?}");
        assert!(self.backlog.is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_while_servers_move_their_events_are_applied_once_and_in_order(
        acts in prop::collection::vec(act(), 0..120),
    ) {
        let mut world = World::new();
        acts.into_iter().for_each(|act| world.act(act));
        world.settle();
        world.assert_each_once_and_in_order();
    }
}

#[test]
fn events_of_a_server_wait_until_moved_out_is_in_the_old_stream() {
    let mut world = World::new();
    world.act(Act::Send(1));
    world.take(1);
    world.plan(ServerId(1), ShardId(2));
    world.learn();
    world.act(Act::Send(1));
    world.take(1);
    world.publish(10, Some(ShardId(0)), false);
    assert!(world.streams[2].is_empty(), "the old stream has taken nothing yet");
    (0..4).for_each(|_| world.publish(10, None, false));
    let kinds =
        |shard: usize| world.streams[shard].iter().map(|entry| entry.kind.as_str()).collect::<Vec<_>>();
    assert_eq!(kinds(0), ["MESSAGE_CREATE", MOVED_OUT]);
    assert_eq!(kinds(2), [MOVED_IN, "MESSAGE_CREATE"]);
    assert_eq!(world.backlog.safe_sequence(), 2);
}

#[test]
fn only_so_many_events_run_ahead_of_a_server_that_has_not_left() {
    let mut world = World::new();
    world.plan(ServerId(1), ShardId(2));
    world.learn();
    (0..2 * EARLY).for_each(|_| world.act(Act::Send(1)));
    world.take(usize::MAX);
    let publish_all = |world: &mut World| (0..4).for_each(|_| world.publish(usize::MAX, None, false));
    publish_all(&mut world);
    assert_eq!(world.streams[2].len(), 1 + EARLY);
    assert_eq!(world.backlog.len(), EARLY, "the rest waits where it is bounded");
    world.consume(ShardId(0));
    world.learn();
    publish_all(&mut world);
    assert_eq!(world.streams[2].len(), 1 + 2 * EARLY);
}

#[test]
fn a_holder_that_takes_over_writes_the_markers_of_every_open_move_before_anything_else() {
    let mut world = World::new();
    world.plan(ServerId(1), ShardId(2));
    world.begin();
    world.act(Act::Send(1));
    world.take(1);
    (0..2).for_each(|_| world.publish(10, None, false));
    assert_eq!(world.streams[0][0].kind, MOVED_OUT);
    world.consume(ShardId(0));
    world.begin();
    (0..2).for_each(|_| world.publish(10, None, false));
    let kinds: Vec<&str> = world.streams[2].iter().map(|entry| entry.kind.as_str()).collect();
    assert_eq!(kinds, [MOVED_IN, "MESSAGE_CREATE", MOVED_IN], "moved in was not acknowledged yet");
}

#[test]
fn a_marker_that_its_stream_has_lost_is_written_again_and_not_while_it_still_waits() {
    let mut world = World::new();
    world.plan(ServerId(1), ShardId(2));
    world.learn();
    for _ in 0..3 {
        world.now += AGAIN_AFTER;
        world.learn();
    }
    assert_eq!(world.backlog.len(), 1, "it waits in its lane");
    world.publish(10, None, false);
    world.publish(10, None, false);
    world.streams[0].clear();
    world.now += AGAIN_AFTER;
    world.learn();
    world.publish(10, None, false);
    assert_eq!(world.streams[0].len(), 1);
}
