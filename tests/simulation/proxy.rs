//! A proxy process: claims gateway shards, polls their connections, publishes their backlogs, saves the sequences.
//!
//! `helpline::proxy::backlog`, with its markers, is the product's; polling and publishing are glue, after `src/proxy/gateway.rs` and
//! `publish.rs`. Its REST side is served by `rest.rs`.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use helpline::proxy::backlog::{Arrival, Backlog, Bounds, Entry, Outcome, Taken};
use helpline::proxy::markers::{OpenMove, OpenMoves};
use helpline::proxy::routes::Route;
use helpline_cluster::clock::Clock;
use helpline_cluster::consumer::{Move, State};
use helpline_cluster::event_log::{self, NewEvent};
use helpline_cluster::gateway_session::Session;
use helpline_cluster::ids::{GatewayShard, ServerId, ShardId};
use tokio::sync::Notify;
use tokio::time::Instant;

use backfill::Repairs;

use crate::discord::{Event, Frame, Kind, payload};
use crate::engine::{First, Host, SECOND, race, unix_ms};
use crate::member::{self, Life};
use crate::mutation::Mutation;
use crate::node::Node;
use crate::redis::Published;
use crate::store::members::Role;
use crate::world::GATEWAYS;

mod backfill;
pub mod defer;
mod epoch;

const SAVE_EVERY: Duration = Duration::from_millis(200);
/// A sequence that does not move is saved again so often.
const CONFIRM_EVERY: Duration = Duration::from_secs(1);
/// Entries published by one call.
const BATCH: usize = 64;

/// The proxy's view of `server_shards` and `server_moves`.
#[derive(Default)]
struct Known {
    table: BTreeMap<ServerId, Route>,
    moves: Arc<OpenMoves>,
}

type Routes = Rc<RefCell<Known>>;

/// Starts the process.
pub fn start(node: &Node) {
    let routes = Routes::default();
    defer::start(node);
    node.spawn(keep_routes(node.clone(), Rc::clone(&routes)));
    let begin = move |life: Life| life.clone().spawn(claim(life, Rc::clone(&routes)));
    node.spawn(member::live(node.clone(), Role::Proxy, begin, |_| {}));
}

async fn read_routes(node: &Node, routes: &Routes) -> bool {
    let reading = node.postgres(|store| {
        let tables = store.tables();
        let moves: OpenMoves =
            tables.moves.iter().map(|(&server, moving)| (server, open_move(moving))).collect();
        (tables.server_shards.clone(), moves)
    });
    let Ok((table, moves)) = reading.await else { return false };
    let mut known = routes.borrow_mut();
    known.table =
        table.into_iter().map(|(server, shard)| (server, Route { shard, listening: true })).collect();
    if *known.moves != moves {
        known.moves = Arc::new(moves);
    }
    true
}

fn open_move(moving: &Move) -> OpenMove {
    OpenMove { id: moving.id, from: moving.from, to: moving.to, left: moving.state == State::Left }
}

async fn keep_routes(node: Node, routes: Routes) {
    loop {
        read_routes(&node, &routes).await;
        node.sleep(node.jittered(Duration::from_millis(800))).await;
    }
}

async fn claim(life: Life, routes: Routes) {
    let served: Rc<RefCell<BTreeSet<u32>>> = Rc::default();
    loop {
        let me = life.id;
        if life.may_act() {
            for (gateway, epoch) in
                life.node.postgres(move |s| s.claim_gateways(me)).await.unwrap_or_default()
            {
                if !served.borrow_mut().insert(gateway) {
                    continue;
                }
                life.node.note(|| format!("holds gateway shard {gateway} at epoch {epoch}"));
                let (life_there, routes, served) = (life.clone(), Rc::clone(&routes), Rc::clone(&served));
                life.spawn(async move {
                    hold(life_there, routes, gateway, epoch).await;
                    served.borrow_mut().remove(&gateway);
                });
            }
        }
        life.node.sleep(life.node.jittered(Duration::from_millis(250))).await;
    }
}

/// What the poller and the publisher of one gateway shard share.
struct Link {
    backlog: RefCell<Backlog>,
    session: RefCell<Option<Session>>,
    session_changed: RefCell<bool>,
    arrived: Notify,
    /// Whether the connection has brought everything that a resume repeats.
    up: Cell<bool>,
    repairs: Repairs,
}

struct Gateway {
    life: Life,
    node: Node,
    gateway: u32,
    epoch: u64,
    link: Rc<Link>,
    routes: Routes,
}

/// Another proxy holds the gateway shard now.
struct Superseded;

enum Failure {
    Superseded,
    /// Redis has lost the epoch, and Postgres cannot be asked.
    Unproved,
    Redis,
}

/// From the claim until the gateway shard is given back, for whoever claims it next.
async fn hold(life: Life, routes: Routes, gateway: u32, mut epoch: u64) {
    serve(life.clone(), routes, gateway, &mut epoch).await;
    life.node.sleep(life.node.jittered(Duration::from_millis(1_000))).await;
    let me = life.id;
    drop(life.node.postgres(move |store| store.release_gateway(gateway, me, epoch)).await);
}

async fn serve(life: Life, routes: Routes, gateway: u32, epoch: &mut u64) {
    let node = life.node.clone();
    let Some(session) = epoch::take(&life, gateway, epoch).await else { return };
    // He must not know less of the moves than the holder before him.
    let mut backoff = node.backoff();
    while !read_routes(&node, &routes).await {
        backoff.wait().await;
    }
    let mut backlog = Backlog::new(Bounds { entries: node.world.backlog, bytes: 1 << 20 });
    if let Some(session) = &session {
        backlog.start_session(&session.session_id, session.sequence);
        node.note(|| format!("resumes {} from {}", session.session_id, session.sequence));
    }
    let link = Rc::new(Link {
        backlog: RefCell::new(backlog),
        session: RefCell::new(session),
        session_changed: RefCell::default(),
        arrived: Notify::new(),
        up: Cell::default(),
        repairs: Repairs::default(),
    });
    let this = Gateway { life, node, gateway, epoch: *epoch, link, routes };
    this.before_connecting().await;
    let _ = race(race(this.poll(), this.publish()), this.backfill()).await;
    this.node.note(|| format!("has lost gateway shard {gateway}"));
}

impl Gateway {
    fn now(&self) -> Instant {
        self.node.world.engine.clock(self.node.host()).now()
    }

    /// Keeps the gateway shard connected.
    async fn poll(&self) {
        loop {
            while !self.life.may_act() {
                self.node.sleep(Duration::from_millis(50)).await;
            }
            let least = self.connection().await;
            let pause = Duration::from_micros(self.node.world.engine.between(100_000, 400_000));
            self.node.sleep(pause.max(least)).await;
        }
    }

    /// One connection until it ends; how long to wait before the next.
    async fn connection(&self) -> Duration {
        let world = &self.node.world;
        let (host, holder, gateway) = (self.node.host(), self.life.id, self.gateway);
        let sequence = self.link.backlog.borrow().taken_sequence();
        let resume =
            self.link.session.borrow().as_ref().map(|session| (session.session_id.clone(), sequence));
        let discord = Rc::clone(&world.discord);
        let connecting = world.network.call(host, Host::Discord, Duration::from_secs(3), move || {
            discord.connect(host, holder, gateway, resume)
        });
        let Ok(mut frames) = connecting.await else { return Duration::ZERO };
        self.link.up.set(false);
        let closing = Closing { node: self.node.clone() };
        loop {
            let waiting = world.engine.timeout(host, Duration::from_secs(20), frames.recv());
            let frame = match race(waiting, self.life.expired()).await {
                First::Left(frame) => frame.flatten(),
                First::Right(()) => None,
            };
            match frame {
                None => break,
                Some(Frame::Ready { session }) => {
                    world.checker.ready_received(&session);
                    self.begin(session);
                }
                Some(Frame::Resumed { sequence }) => {
                    self.link.up.set(true);
                    self.link.backlog.borrow_mut().skip(sequence);
                }
                Some(Frame::InvalidSession) => {
                    *self.link.session_changed.borrow_mut() |=
                        self.link.session.borrow_mut().take().is_some();
                    self.link.arrived.notify_one();
                    return Duration::from_millis(1_000);
                }
                Some(Frame::Dispatch { sequence, event }) => {
                    if self.push(sequence, event) == Taken::Full {
                        drop((frames, closing));
                        self.node.note(|| format!("the backlog of gateway shard {gateway} is full"));
                        while !self.link.backlog.borrow().is_half_empty() {
                            self.node.sleep(Duration::from_millis(50)).await;
                        }
                        return Duration::ZERO;
                    }
                }
            }
        }
        Duration::ZERO
    }

    fn begin(&self, session_id: String) {
        self.link.up.set(true);
        self.node.note(|| format!("begins {session_id}"));
        self.link.backlog.borrow_mut().start_session(&session_id, 1);
        *self.link.session.borrow_mut() = Some(Session {
            session_id,
            resume_url: String::new(),
            sequence: 1,
            user_id: 1,
            application_id: 1,
            missed_since_ms: None,
        });
        *self.link.session_changed.borrow_mut() = true;
        self.link.arrived.notify_one();
    }

    fn push(&self, sequence: u64, event: Event) -> Taken {
        if event.kind == Kind::Slash {
            // Before anything that may fail: a member waits at the other end.
            defer::arrived(&self.node, &event, !self.link.up.get());
        }
        let kind = if event.kind == Kind::Slash { "INTERACTION_CREATE" } else { "MESSAGE_CREATE" };
        let arrival = Arrival {
            sequence,
            kind: kind.to_owned(),
            server: Some(event.server),
            received_at_ms: self.received_at_ms(&event),
            payload: Bytes::from(payload(event.id, event.channel())),
            if_listening: false,
            written: Vec::new(),
            sent_at_ms: None,
        };
        let route = self.routes.borrow().table.get(&event.server).copied();
        let taken = self.take_note_of(event, |backlog| backlog.push(arrival, route));
        self.link.arrived.notify_one();
        taken
    }

    /// What Discord sends again before the session is up was sent when it was written.
    fn received_at_ms(&self, event: &Event) -> u64 {
        let now = self.node.world.engine.clock(self.node.host()).unix_ms();
        let repeated = !self.link.up.get() && event.kind != Kind::Slash;
        if repeated { unix_ms(event.at).min(now) } else { now }
    }

    async fn publish(&self) -> Superseded {
        let mut saved = 0;
        let mut saved_at = self.now();
        let mut backoff = self.node.backoff();
        loop {
            {
                let routes = self.routes.borrow();
                let gateway = GatewayShard::new(self.gateway, GATEWAYS);
                let lives_on = |server| routes.table.get(&server).map(|route| route.shard);
                let mut backlog = self.link.backlog.borrow_mut();
                backlog.look_at_moves(gateway, &routes.moves, self.now(), lives_on);
                backlog.reroute(self.now(), |server| routes.table.get(&server).copied());
            }
            self.look_at_holds();
            let published = match self.node.world.is(Mutation::SequenceBeforePublishing) {
                // A broken build: first the sequence, then the events.
                true => match self.save(&mut saved, &mut saved_at).await {
                    Ok(()) => self.publish_batch().await,
                    Err(failure) => Err(failure),
                },
                false => match self.publish_batch().await {
                    Ok(some) => self.save(&mut saved, &mut saved_at).await.map(|()| some),
                    // What is safe to resume from is known whosever the gateway shard is.
                    Err(Failure::Unproved) => {
                        self.save(&mut saved, &mut saved_at).await.and(Err(Failure::Unproved))
                    }
                    Err(failure) => Err(failure),
                },
            };
            match published {
                Ok(true) => backoff = self.node.backoff(),
                Ok(false) => {
                    backoff = self.node.backoff();
                    let arrived = self.link.arrived.notified();
                    let soon = self.node.world.engine.sleep(self.node.host(), SAVE_EVERY);
                    let _ = race(arrived, soon).await;
                }
                Err(Failure::Superseded) => return Superseded,
                Err(Failure::Redis | Failure::Unproved) => backoff.wait().await,
            }
        }
    }

    async fn publish_batch(&self) -> Result<bool, Failure> {
        if !self.life.may_act() {
            return Ok(false);
        }
        let batch = self.link.backlog.borrow_mut().batch(BATCH, self.now());
        if batch.is_empty() {
            return Ok(false);
        }
        let (gateway, epoch) = (self.gateway, self.epoch);
        let events: Vec<NewEvent> = batch.iter().map(new_event).collect();
        let publishing = self.node.redis(move |redis| redis.publish(gateway, epoch, &events));
        let outcomes = match publishing.await {
            Ok(Published::Outcomes(outcomes)) => outcomes,
            Ok(Published::Superseded) => return Err(Failure::Superseded),
            Ok(Published::EpochLost) => return self.put_epoch_back().await.map(|()| true),
            Err(_) => return Err(Failure::Redis),
        };
        self.note_refusals(&batch, &outcomes);
        let outcomes: Vec<Outcome> = outcomes
            .into_iter()
            .map(|outcome| match outcome {
                event_log::Outcome::Published(_) => Outcome::Published,
                event_log::Outcome::NoIncarnation
                | event_log::Outcome::OtherIncarnation(_)
                | event_log::Outcome::Full => Outcome::Refused,
            })
            .collect();
        let some = outcomes.contains(&Outcome::Published);
        self.link.backlog.borrow_mut().settle(&batch, &outcomes, self.now());
        if self.link.backlog.borrow().missed().is_some() {
            self.link.repairs.noted.notify_one();
        }
        Ok(some)
    }

    /// Saves the session if it changed, otherwise its sequence if that moved.
    async fn save(&self, saved: &mut u64, saved_at: &mut Instant) -> Result<(), Failure> {
        let sequence = match self.node.world.is(Mutation::SequenceBeforePublishing) {
            true => self.link.backlog.borrow().taken_sequence(),
            false => self.link.backlog.borrow().safe_sequence(),
        };
        let (gateway, epoch) = (self.gateway, self.epoch);
        let session = self.link.session.borrow().clone().map(|session| Session { sequence, ..session });
        let changed = *self.link.session_changed.borrow();
        // The stored session is what would tell of a gap that is not recorded yet.
        let untold = {
            let backlog = self.link.backlog.borrow();
            backlog.misses_of_a_stream() || (session.is_none() && backlog.missed().is_some())
        };
        if changed && untold {
            return Ok(());
        }
        if changed {
            *self.link.session_changed.borrow_mut() = false;
            let done = self.node.redis(move |redis| redis.save_session(gateway, epoch, session)).await;
            if done != Ok(true) {
                *self.link.session_changed.borrow_mut() = true;
                return Err(if done == Ok(false) { Failure::Superseded } else { Failure::Redis });
            }
        } else if let Some(session) = session {
            let since = self.now() - *saved_at;
            if (sequence == *saved && since < CONFIRM_EVERY) || since < SAVE_EVERY {
                return Ok(());
            }
            let id = session.session_id;
            let saving = self.node.redis(move |redis| redis.save_sequence(gateway, epoch, &id, sequence));
            match saving.await {
                Ok(Some(true)) => {}
                // Redis has lost the session: without it the next proxy could not resume.
                Ok(Some(false)) => *self.link.session_changed.borrow_mut() = true,
                Ok(None) => return Err(Failure::Superseded),
                Err(_) => return Err(Failure::Redis),
            }
        }
        (*saved, *saved_at) = (sequence, self.now());
        Ok(())
    }
}

fn new_event((shard, entry): &(ShardId, Entry)) -> NewEvent {
    NewEvent {
        shard: *shard,
        origin: entry.origin.clone(),
        kind: entry.kind.clone(),
        server: entry.server,
        received_at_ms: entry.received_at_ms,
        payload: entry.payload.clone(),
    }
}

/// The kernel closes the connection when its process lets go of it.
struct Closing {
    node: Node,
}

impl Drop for Closing {
    fn drop(&mut self) {
        let world = &self.node.world;
        let (discord, host) = (Rc::clone(&world.discord), self.node.host());
        // A moment later: the receiver is dropped after this guard.
        let engine = world.engine.clone();
        let (network, delay) = (world.network.clone(), engine.now() + SECOND / 100);
        engine.at(delay, move || network.post(host, Host::Discord, move || discord.closed(host)));
    }
}
