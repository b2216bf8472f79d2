//! One shard under one lease, after `src/worker/shard_loop.rs`: read, apply in batches, trim by the durable cursor's
//! history (`cluster::consumer`, the product's), until the lease ends.

use std::rc::Rc;
use std::time::Duration;

use helpline_cluster::consumer::DurableCursor;
use helpline_cluster::event_log::Entry;
use helpline_cluster::ids::StreamId;

use super::apply::{self, Applied};
use super::lanes::Lanes;
use super::{Ending, Lease, usable_log};
use crate::engine::{First, Host, race};
use crate::mutation::Mutation;
use crate::redis::Read;
use crate::store::Fail;

/// Lanes and held events are looked for so often, besides when something is known to be there.
const LOOK_EVERY: Duration = Duration::from_millis(700);

struct Loop {
    lease: Lease,
    lanes: Lanes,
    cursor: StreamId,
    durable: DurableCursor,
    ending: Ending,
}

/// The lease is over: nothing more is applied.
struct Stopped;

pub async fn run(lease: Lease) -> Ending {
    lease
        .life
        .node
        .note(|| format!("applies {} from {} at {}", lease.fence.shard, lease.cursor, lease.fence.epoch));
    let lanes = Lanes::new(lease.clone());
    let stop = lease.stop.clone();
    let cursor = lease.cursor;
    let mut this = Loop {
        lease: lease.clone(),
        lanes: lanes.clone(),
        cursor,
        durable: DurableCursor::default(),
        ending: Ending::Release,
    };
    let upkeep = async {
        loop {
            lanes.recover().await;
            lease.life.node.sleep(LOOK_EVERY).await;
        }
    };
    let applying = async { while this.step().await.is_ok() {} };
    let doubted = race(upkeep, lanes.lost());
    // A transaction in hand is given up with the loop, and Postgres rolls it back.
    let ended = stop.run_until_cancelled(race(applying, doubted)).await;
    stop.cancel();
    lanes.join().await;
    match ended {
        Some(First::Right(First::Right(above))) => Ending::Reacquire { above },
        _ => this.ending,
    }
}

impl Loop {
    async fn step(&mut self) -> Result<(), Stopped> {
        let (shard, after) = (self.lease.fence.shard, self.cursor);
        let node = self.lease.life.node.clone();
        let redis = Rc::clone(&node.world.redis);
        let epoch = self.lease.fence.epoch.0;
        let asking = async move {
            if redis.is_lost(shard, epoch, after) { Read::Wiped } else { redis.read(shard, after).await }
        };
        let reading = node.world.network.call_async(node.host(), Host::Redis, Duration::from_secs(5), asking);
        match reading.await {
            Ok(Read::Entries(entries)) if entries.is_empty() => {}
            Ok(Read::Entries(entries)) => self.apply(entries).await?,
            Ok(Read::Wiped) => {
                match usable_log(&self.lease.life, &self.lease.fence, false).await {
                    Ok(cursor) => self.cursor = cursor,
                    Err(fail) => return Err(self.doubt(fail)),
                }
                self.durable.forget();
            }
            Err(_) => node.sleep(Duration::from_millis(100)).await,
        }
        self.held_events().await?;
        self.trim().await;
        Ok(())
    }

    /// A batch in one transaction, or each entry in its own when one of them wants that.
    async fn apply(&mut self, entries: Vec<Entry>) -> Result<(), Stopped> {
        let Some(last) = entries.last().map(|entry| entry.id) else { return Ok(()) };
        if self.lease.life.node.world.is(Mutation::EarlyTrim) {
            self.trim_below(StreamId::new(last.incarnation, last.seq + 1)).await;
        }
        let mut backoff = self.lease.life.node.backoff();
        loop {
            self.wait_until_valid().await;
            match apply::batch(&self.lease, &entries, last).await {
                Ok(Applied::Now(lanes)) => {
                    lanes.into_iter().for_each(|lane| self.lanes.kick(lane));
                    break;
                }
                Ok(Applied::Before) => {
                    self.lanes.recover().await;
                    break;
                }
                Err(fail @ (Fail::Superseded | Fail::OutcomeUnknown | Fail::EpochTaken(_))) => {
                    return Err(self.doubt(fail));
                }
                Err(Fail::Lost | Fail::Elsewhere(_)) => backoff.wait().await,
            }
        }
        self.cursor = last;
        self.durable.committed(self.since_the_beginning(), last);
        Ok(())
    }

    /// Why the loop ends. A commit whose outcome is unknown ends it too: what stands is read under a new epoch.
    fn doubt(&mut self, fail: Fail) -> Stopped {
        self.ending = match fail {
            Fail::EpochTaken(stands) => Ending::Reacquire { above: Some(stands) },
            Fail::Superseded => Ending::Release,
            Fail::OutcomeUnknown | Fail::Lost | Fail::Elsewhere(_) => Ending::Reacquire { above: None },
        };
        Stopped
    }

    async fn held_events(&mut self) -> Result<(), Stopped> {
        match apply::held_events(&self.lease).await {
            Ok(lanes) => {
                lanes.into_iter().for_each(|lane| self.lanes.kick(lane));
                Ok(())
            }
            Err(fail @ (Fail::Superseded | Fail::OutcomeUnknown)) => Err(self.doubt(fail)),
            // Looked at again after the next read.
            Err(_) => Ok(()),
        }
    }

    async fn wait_until_valid(&self) {
        while !self.lease.life.may_act() {
            self.lease.life.node.sleep(Duration::from_millis(20)).await;
        }
    }

    fn since_the_beginning(&self) -> Duration {
        let node = &self.lease.life.node;
        Duration::from_micros(node.world.engine.local(node.host()))
    }

    async fn trim(&mut self) {
        if let Some(below) = self.durable.trim_below(self.since_the_beginning()) {
            self.trim_below(below).await;
        }
    }

    async fn trim_below(&self, below: StreamId) {
        let (shard, epoch) = (self.lease.fence.shard, self.lease.fence.epoch.0);
        drop(self.lease.life.node.redis(move |redis| redis.trim(shard, epoch, below)).await);
    }
}
