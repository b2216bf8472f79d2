//! A proxy process: claims gateway shards, polls their connections, publishes their backlogs, saves the sequences.
//!
//! `helpline::proxy::backlog`, with its markers, is the product's; polling and publishing are glue, after `src/proxy/gateway.rs` and
//! `publish.rs`. Its REST side is served by `rest.rs`.

use std::cell::RefCell;
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

use crate::discord::{Event, Frame, Kind};
use crate::engine::{Host, SECOND, race};
use crate::member::{self, Life};
use crate::mutation::Mutation;
use crate::node::Node;
use crate::redis::Published;
use crate::store::members::Role;
use crate::world::GATEWAYS;

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
    let mut served = BTreeSet::new();
    loop {
        let me = life.id;
        if life.may_act() {
            for (gateway, epoch) in
                life.node.postgres(move |s| s.claim_gateways(me)).await.unwrap_or_default()
            {
                if !served.insert(gateway) {
                    continue;
                }
                life.node.note(|| format!("holds gateway shard {gateway} at epoch {epoch}"));
                life.spawn(serve_while_owner(life.clone(), Rc::clone(&routes), gateway));
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
}

struct Gateway {
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
    Redis,
}

/// Redis may have lost the epoch and got a former holder's back: whose the gateway shard is says Postgres.
async fn serve_while_owner(life: Life, routes: Routes, gateway: u32) {
    loop {
        serve(life.clone(), Rc::clone(&routes), gateway).await;
        let me = life.id;
        let asking = life.node.postgres(move |store| store.tables().gateways[&gateway].owner == Some(me));
        if asking.await == Ok(false) {
            return;
        }
        life.node.sleep(life.node.jittered(Duration::from_millis(300))).await;
    }
}

async fn serve(life: Life, routes: Routes, gateway: u32) {
    let node = life.node.clone();
    let Some((epoch, session)) = take(&node, gateway).await else { return };
    // He must not know less of the moves than the holder before him.
    let mut backoff = node.backoff();
    while !read_routes(&node, &routes).await {
        backoff.wait().await;
    }
    let mut backlog = Backlog::new(Bounds { entries: 200, bytes: 1 << 20 });
    if let Some(session) = &session {
        backlog.start_session(&session.session_id, session.sequence);
        node.note(|| format!("resumes {} from {}", session.session_id, session.sequence));
    }
    let link = Rc::new(Link {
        backlog: RefCell::new(backlog),
        session: RefCell::new(session),
        session_changed: RefCell::default(),
        arrived: Notify::new(),
    });
    let this = Gateway { node, gateway, epoch, link, routes };
    let _ = race(this.poll(), this.publish()).await;
    this.node.note(|| format!("has lost gateway shard {gateway}"));
}

/// Makes every earlier holder unable to publish, then loads the session.
async fn take(node: &Node, gateway: u32) -> Option<(u64, Option<Session>)> {
    let mut backoff = node.backoff();
    let mut epoch = node.world.engine.clock(node.host()).unix_ms();
    loop {
        match node.redis(move |redis| redis.raise_gateway_epoch(gateway, epoch)).await {
            Ok((true, _)) => break,
            Ok((false, stands)) => epoch = epoch.max(stands) + 1,
            Err(_) => backoff.wait().await,
        }
    }
    loop {
        match node.redis(move |redis| redis.load_session(gateway, epoch)).await {
            Ok(session) => return session.map(|session| (epoch, session)),
            Err(_) => backoff.wait().await,
        }
    }
}

impl Gateway {
    fn now(&self) -> Instant {
        self.node.world.engine.clock(self.node.host()).now()
    }

    /// Keeps the gateway shard connected.
    async fn poll(&self) {
        loop {
            let least = self.connection().await;
            let pause = Duration::from_micros(self.node.world.engine.between(100_000, 400_000));
            self.node.sleep(pause.max(least)).await;
        }
    }

    /// One connection until it ends; how long to wait before the next.
    async fn connection(&self) -> Duration {
        let world = &self.node.world;
        let (host, gateway) = (self.node.host(), self.gateway);
        let sequence = self.link.backlog.borrow().taken_sequence();
        let resume =
            self.link.session.borrow().as_ref().map(|session| (session.session_id.clone(), sequence));
        let discord = Rc::clone(&world.discord);
        let connecting = world.network.call(host, Host::Discord, Duration::from_secs(3), move || {
            discord.connect(host, gateway, resume)
        });
        let Ok(mut frames) = connecting.await else { return Duration::ZERO };
        let closing = Closing { node: self.node.clone() };
        loop {
            let frame = world.engine.timeout(host, Duration::from_secs(20), frames.recv()).await.flatten();
            match frame {
                None => break,
                Some(Frame::Ready { session }) => self.begin(session),
                Some(Frame::Resumed { sequence }) => self.link.backlog.borrow_mut().skip(sequence),
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
        self.node.note(|| format!("begins {session_id}"));
        self.link.backlog.borrow_mut().start_session(&session_id, 1);
        *self.link.session.borrow_mut() = Some(Session {
            session_id,
            resume_url: String::new(),
            sequence: 1,
            user_id: 1,
            application_id: 1,
        });
        *self.link.session_changed.borrow_mut() = true;
        self.link.arrived.notify_one();
    }

    fn push(&self, sequence: u64, event: Event) -> Taken {
        let kind = if event.kind == Kind::Slash { "INTERACTION_CREATE" } else { "MESSAGE_CREATE" };
        let arrival = Arrival {
            sequence,
            kind: kind.to_owned(),
            server: Some(event.server),
            received_at_ms: self.node.world.engine.clock(self.node.host()).unix_ms(),
            payload: Bytes::from(event.id.to_string()),
            if_listening: false,
        };
        let route = self.routes.borrow().table.get(&event.server).copied();
        let taken = self.link.backlog.borrow_mut().push(arrival, route);
        self.link.arrived.notify_one();
        taken
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
                backlog.reroute(|server| routes.table.get(&server).copied());
            }
            let published = match self.node.world.is(Mutation::SequenceBeforePublishing) {
                // A broken build: first the sequence, then the events.
                true => match self.save(&mut saved, &mut saved_at).await {
                    Ok(()) => self.publish_batch().await,
                    Err(failure) => Err(failure),
                },
                false => match self.publish_batch().await {
                    Ok(some) => self.save(&mut saved, &mut saved_at).await.map(|()| some),
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
                Err(Failure::Redis) => backoff.wait().await,
            }
        }
    }

    async fn publish_batch(&self) -> Result<bool, Failure> {
        let batch = self.link.backlog.borrow_mut().batch(BATCH, self.now());
        if batch.is_empty() {
            return Ok(false);
        }
        let (gateway, epoch) = (self.gateway, self.epoch);
        let events: Vec<NewEvent> = batch.iter().map(new_event).collect();
        let publishing = self.node.redis(move |redis| match redis.publish(gateway, epoch, &events) {
            Published::EpochLost => {
                // One step here, two calls in the product: what stands is put back, and a higher one supersedes.
                redis.raise_gateway_epoch(gateway, epoch);
                redis.publish(gateway, epoch, &events)
            }
            published => published,
        });
        let outcomes = match publishing.await {
            Ok(Published::Outcomes(outcomes)) => outcomes,
            Ok(Published::Superseded) => return Err(Failure::Superseded),
            Ok(Published::EpochLost) | Err(_) => return Err(Failure::Redis),
        };
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
