//! Gaps of one gateway shard, after `src/proxy/backfill.rs`: recorded, then read again channel by channel, before what
//! came live of the channel meanwhile. What is given up, what waits and what is missing is the product's
//! (`proxy::backlog` with its `holds`).

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use helpline::proxy::backlog::{Backlog, Entry, Taken};
use helpline::proxy::gaps::Missed;
use helpline_cluster::event_log;
use helpline_cluster::ids::{GatewayShard, ServerId, ShardId};
use tokio::sync::Notify;

use super::Gateway;
use crate::checker::READ_AGAIN;
use crate::discord::{Event, payload};
use crate::engine::{Host, race, unix_ms};
use crate::mutation::Mutation;
use crate::network::Lost;
use crate::world::GATEWAYS;

const LOOK_EVERY: Duration = Duration::from_secs(5);
const RETRY_AFTER: Duration = Duration::from_millis(500);

/// What the repairs of a gateway shard share with its poller and publisher.
#[derive(Default)]
pub struct Repairs {
    /// Something is missing.
    pub noted: Notify,
    /// Streams that take nothing, for the checker.
    refusing: RefCell<BTreeSet<ShardId>>,
    /// Channels that are held, for the checker.
    held: RefCell<BTreeSet<u64>>,
}

impl Gateway {
    fn gateway_shard(&self) -> GatewayShard {
        GatewayShard::new(self.gateway, GATEWAYS)
    }

    pub fn note_refusals(&self, batch: &[(ShardId, Entry)], outcomes: &[event_log::Outcome]) {
        let mut refusing = self.link.repairs.refusing.borrow_mut();
        for ((shard, _), outcome) in batch.iter().zip(outcomes) {
            match outcome {
                event_log::Outcome::Published(_) => _ = refusing.remove(shard),
                _ => _ = refusing.insert(*shard),
            }
        }
    }

    /// Lets the backlog take an event, and tells the checker what it has given up at that.
    pub fn take_note_of(&self, event: Event, push: impl FnOnce(&mut Backlog) -> Taken) -> Taken {
        let mut backlog = self.link.backlog.borrow_mut();
        let before = backlog.len();
        let taken = push(&mut backlog);
        let (checker, repairs) = (&self.node.world.checker, &self.link.repairs);
        let refusing = repairs.refusing.borrow();
        let fewer = backlog.len() < before + usize::from(taken == Taken::Queued);
        if fewer && taken != Taken::Full {
            self.node.note(|| format!("gives up a lane of gateway shard {}", self.gateway));
            let routes = self.routes.borrow();
            let waits = |server: ServerId| {
                let moving = routes.moves.get(&server);
                let shards = moving.map(|moving| [moving.from, moving.to]).into_iter().flatten();
                let routed = routes.table.get(&server).map(|route| route.shard);
                routed.into_iter().chain(shards).any(|shard| refusing.contains(&shard))
            };
            checker.given_up((backlog.session_id(), backlog.taken_sequence()), waits, &refusing);
        }
        if taken == Taken::GivenUp {
            checker.given_up_too(event.id, &refusing);
        }
        let before = repairs.held.replace(backlog.holds.channels().collect());
        let held = repairs.held.borrow();
        if fewer {
            // What waited already waits with them now.
            checker.wait_in_channels(|channel| held.contains(&channel) && !before.contains(&channel));
        } else if held.contains(&event.channel()) {
            checker.waits_in_channel(event.id);
        }
        taken
    }

    /// Tells the checker which channels have waited for a reading for too long.
    pub fn look_at_holds(&self) {
        let now: BTreeSet<u64> = self.link.backlog.borrow().holds.channels().collect();
        let before = self.link.repairs.held.replace(now);
        let held = self.link.repairs.held.borrow();
        let over: BTreeSet<u64> = before.difference(&held).copied().collect();
        if !over.is_empty() {
            self.node.world.checker.waited_in_vain(|channel| over.contains(&channel));
        }
    }

    /// Holds what an earlier proxy left to be read. Without a session the product records a gap of all here, which holds
    /// the same channels and more.
    pub async fn before_connecting(&self) {
        let gateway = self.gateway_shard();
        let asking = self.node.postgres(move |store| {
            let gaps = store.unrepaired(gateway).into_iter();
            gaps.flat_map(|gap| store.channels_of_gap(gap)).collect::<Vec<u64>>()
        });
        match asking.await {
            Ok(channels) => self.hold(channels),
            Err(Lost) => {
                let gateway = self.gateway_shard();
                self.node.world.checker.connects_unknowing(|server| gateway.carries(server));
            }
        }
    }

    /// Records and repairs what is missing.
    pub async fn backfill(&self) -> Infallible {
        loop {
            self.record().await;
            if self.link.session.borrow().is_some() {
                // What failed is tried again with the next look.
                drop(self.repair_all().await);
            }
            let noted = self.link.repairs.noted.notified();
            race(noted, self.node.sleep(LOOK_EVERY)).await;
        }
    }

    async fn record(&self) {
        loop {
            let missed = self.link.backlog.borrow().missed();
            let Some(missed) = missed else { return };
            match self.record_one(&missed).await {
                Ok(channels) => {
                    self.link.backlog.borrow_mut().recorded(&missed, &channels.iter().copied().collect());
                    self.let_go(&missed.places.channels().filter(|c| !channels.contains(c)).collect());
                    self.link.arrived.notify_one();
                }
                Err(Lost) => self.node.sleep(RETRY_AFTER).await,
            }
        }
    }

    async fn record_one(&self, missed: &Missed) -> Result<Vec<u64>, Lost> {
        if self.node.world.is(Mutation::GapUntold) {
            return Ok(Vec::new());
        }
        let gateway = self.gateway_shard();
        let told = missed.clone();
        let (gap, channels) = self.node.postgres(move |store| store.open_gap(gateway, &told)).await?;
        self.node.note(|| format!("records gap {gap} of {gateway}: {missed:?}"));
        if let Some(shard) = missed.shard {
            self.node.world.checker.gap_told(|server| gateway.carries(server), shard);
        }
        self.hold(channels.clone());
        Ok(channels)
    }

    fn hold(&self, channels: Vec<u64>) {
        self.link.backlog.borrow_mut().holds.hold(channels);
        self.look_at_holds();
    }

    /// Their holds have ended as they should.
    fn let_go(&self, channels: &BTreeSet<u64>) {
        self.link.repairs.held.borrow_mut().retain(|channel| !channels.contains(channel));
    }

    async fn repair_all(&self) -> Result<(), Lost> {
        let gateway = self.gateway_shard();
        for gap in self.node.postgres(move |store| store.unrepaired(gateway)).await? {
            self.repair(gap).await?;
        }
        Ok(())
    }

    async fn repair(&self, gap: u64) -> Result<(), Lost> {
        let Some(row) = self.node.postgres(move |store| store.left_of_gap(gap)).await? else { return Ok(()) };
        let mut left = row.channels;
        self.hold(left.keys().copied().collect());
        loop {
            // A channel in which somebody waits first.
            let urgent = self.link.backlog.borrow().holds.most_urgent().filter(|id| left.contains_key(id));
            let Some(channel) = urgent.or_else(|| left.keys().next().copied()) else { break };
            // A session that stands brings whatever comes after the reading.
            let session = || self.link.session.borrow().as_ref().map(|session| session.session_id.clone());
            let Some(stands) = session() else { return Ok(()) };
            let messages = self.read(channel, row.from_ms).await;
            if session() != Some(stands) {
                continue;
            }
            let server = left.remove(&channel).expect("it is one of them");
            self.publish_again(server, channel, messages).await;
            self.node.postgres(move |store| store.repaired(gap, channel)).await?;
        }
        self.node.postgres(move |store| store.finish_gap(gap)).await?;
        self.node.note(|| format!("gap {gap} is repaired"));
        Ok(())
    }

    /// However long Discord stays away.
    async fn read(&self, channel: u64, after_ms: u64) -> Vec<Event> {
        loop {
            let discord = Rc::clone(&self.node.world.discord);
            let reading = self.node.world.network.call(
                self.node.host(),
                Host::Discord,
                Duration::from_secs(3),
                move || discord.read(channel, after_ms),
            );
            match reading.await {
                Ok(messages) => return messages,
                Err(Lost) => self.node.sleep(RETRY_AFTER).await,
            }
        }
    }

    async fn publish_again(&self, server: ServerId, channel: u64, messages: Vec<Event>) {
        let read = messages.into_iter().map(|event| {
            let text = Bytes::from(payload(event.id, channel));
            let mut entry = Entry::read_again(READ_AGAIN, "MESSAGE_CREATE", Some(server), event.id, text);
            entry.received_at_ms = unix_ms(event.at);
            entry
        });
        self.link.backlog.borrow_mut().merge(channel, read.collect());
        self.let_go(&BTreeSet::from([channel]));
        self.link.arrived.notify_one();
        while self.link.backlog.borrow().read_again() > 0 {
            self.node.sleep(Duration::from_millis(50)).await;
        }
    }
}
