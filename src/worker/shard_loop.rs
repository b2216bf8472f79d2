//! One shard under one lease: entries of its log are applied in order, in batches, until the lease ends.
//!
//! A batch that cannot be applied because of one event is applied event by event; an event that fails three times is
//! put into `helpline.dead_letters`, so that it never stops its shard. Failures of the stores are waited out.

mod repairs;

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use helpline_cluster::claims::steps::{self, Step};
use helpline_cluster::claims::{Claims, Lease};
use helpline_cluster::consumer::{DurableCursor, Item};
use helpline_cluster::event_log::{Delivery, Entry, EventLog, Reader};
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::{Epoch, StreamId};
use time::OffsetDateTime;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use super::apply::{self, Applied, Error, Relevant};
use super::arriving::Arriving;
use super::lanes::{Lanes, Lost};
use super::moving::{self, Marked};
use super::{Backoff, IN_HAND, Shared, letters, trial};
use crate::metrics as names;

/// A cursor that moved over events without effect is stored after this long: losing it repeats nothing visible.
const CURSOR_FLUSH_AFTER: Duration = Duration::from_millis(250);
/// How often one event is tried before it is put aside.
pub(super) const TRIES: u32 = 3;
/// How often it is looked whether an operator wants an event applied again.
const REPLAY_EVERY: Duration = Duration::from_secs(3);
const TRIM_EVERY: Duration = Duration::from_secs(15);
/// How long one transaction may take while the lease goes on.
const LONGEST_TRANSACTION: Duration = Duration::from_secs(20);

/// Everything that one shard's loop uses.
pub struct ShardLoop {
    shared: Arc<Shared>,
    claims: Claims,
    reader: Reader,
    log: EventLog,
    lease: Lease,
    lanes: Lanes,
    cursor: StreamId,
    unflushed_since: Option<Instant>,
    durable: DurableCursor,
    started: Instant,
    /// Servers that come from other shards.
    arriving: Arriving,
    /// Nothing has been applied yet, and what ended the predecessor may come next.
    on_trial: bool,
    /// Nothing has been applied yet.
    first: bool,
    /// Another owner waits for the shard, see [`ShardLoop::new`].
    let_go: CancellationToken,
}

/// Nothing more is applied under this lease.
pub(super) enum Stopped {
    /// It is over, or the worker stops.
    Over,
    /// What stands is in doubt.
    Doubt { above: Option<Epoch> },
}

/// What is to be done with a shard whose loop has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Let the next owner claim it.
    Release,
    /// What stands is in doubt: claim it anew, above this epoch, before anything of it is read.
    Reacquire { above: Option<Epoch> },
}

impl ShardLoop {
    /// `let_go`: the shard is wanted elsewhere, and the lease still good. Events are applied until the lanes have ended.
    pub fn new(
        shared: Arc<Shared>,
        claims: Claims,
        reader: Reader,
        log: EventLog,
        lease: Lease,
        let_go: CancellationToken,
    ) -> Self {
        let lanes = Lanes::new(Arc::clone(&shared), lease.clone());
        let arriving = Arriving::new(Arc::clone(&shared), lease.clone(), lanes.clone());
        let (cursor, on_trial) = (lease.cursor, lease.on_trial);
        Self {
            shared,
            claims,
            reader,
            log,
            lease,
            lanes,
            cursor,
            unflushed_since: None,
            durable: DurableCursor::default(),
            started: Instant::now(),
            arriving,
            on_trial,
            first: true,
            let_go,
        }
    }

    /// Runs until the lease's `stop` or until it may go; on return nothing of the shard runs any more.
    pub async fn run(mut self) -> Ending {
        metrics::gauge!(names::SHARD_LOOPS).increment(1.0);
        let recovered = self.recover();
        let mut tickets = self.shared.tickets.of(self.lease.fence.shard);
        tickets.mark_unchanged();
        let mut deliveries = self.reader.watch(&self.lease.fence, self.cursor);
        steps::note(&self.lease.fence, Step::Begun);
        // Not at once: what waits in the stream comes first.
        let mut trim = tokio::time::interval_at(Instant::now() + TRIM_EVERY, TRIM_EVERY);
        let mut replays = tokio::time::interval_at(Instant::now() + REPLAY_EVERY, REPLAY_EVERY);
        replays.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        trim.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // Whatever is read until the lanes have ended is applied here: the next owner could not do it sooner.
        let (let_go, lanes) = (self.let_go.clone(), self.lanes.clone());
        let mut quiet = pin!(async move {
            let_go.cancelled().await;
            lanes.close().await;
        });
        let stopped = loop {
            let stop = self.lease.stop.clone();
            let step = tokio::select! {
                biased;
                () = stop.cancelled() => Err(Stopped::Over),
                () = &mut quiet => Err(Stopped::Over),
                () = flush_at(self.unflushed_since) => self.flush().await,
                () = self.arriving.due() => self.arriving.step().await,
                delivery = deliveries.recv() => self.deliver(delivery, &mut deliveries).await,
                Ok(()) = tickets.changed() => { self.recover(); Ok(()) }
                _ = replays.tick() => self.replay().await,
                _ = trim.tick() => { self.trim().await; Ok(()) }
            };
            if let Err(stopped) = step {
                break stopped;
            }
        };
        steps::note(&self.lease.fence, Step::Ended);
        self.lease.stop.cancel();
        self.lanes.join().await;
        steps::note(&self.lease.fence, Step::Quiet);
        recovered.abort();
        let _ = recovered.await;
        metrics::gauge!(names::SHARD_LOOPS).decrement(1.0);
        match (stopped, self.lanes.lost()) {
            (Stopped::Doubt { above }, lost) => {
                Ending::Reacquire { above: above.max(lost.and_then(Lost::above)) }
            }
            (Stopped::Over, Some(lost)) => Ending::Reacquire { above: lost.above() },
            (Stopped::Over, None) => Ending::Release,
        }
    }

    /// Sets the lanes going in which something waits, beside the loop; ends with the lease at the latest.
    fn recover(&self) -> JoinHandle<()> {
        let lanes = self.lanes.clone();
        tokio::spawn(async move { lanes.recover().await })
    }

    async fn deliver(
        &mut self,
        delivery: Option<Delivery>,
        deliveries: &mut mpsc::Receiver<Delivery>,
    ) -> Result<(), Stopped> {
        match delivery {
            Some(Delivery::Entries(entries)) => self.entries(entries).await,
            // The reader ends only with the process.
            None => Err(Stopped::Over),
            Some(Delivery::Wiped) => {
                let fence = self.lease.fence.clone();
                let stop = self.lease.stop.clone();
                let mut backoff = Backoff::new();
                loop {
                    match self.claims.log_wiped(&fence).await {
                        Ok(cursor) => {
                            tracing::warn!("the log of {} was lost and starts anew at {cursor}", fence.shard);
                            self.cursor = cursor;
                            self.durable.forget();
                            *deliveries = self.reader.watch(&fence, cursor);
                            return Ok(());
                        }
                        Err(error) if error.is_superseded() => return Err(Stopped::Over),
                        Err(error) if error.is_unknown() || error.epoch_taken().is_some() => {
                            return Err(Stopped::Doubt { above: error.epoch_taken() });
                        }
                        Err(error) => {
                            tracing::warn!(%error, "starting the log of {} anew", fence.shard);
                            stop.run_until_cancelled(backoff.wait()).await.ok_or(Stopped::Over)?;
                        }
                    }
                }
            }
        }
    }

    async fn entries(&mut self, entries: Vec<Entry>) -> Result<(), Stopped> {
        metrics::counter!(names::EVENTS_APPLIED).increment(entries.len() as u64);
        self.lanes.note_own(&entries);
        self.shared.load.events(&entries);
        let mut rest = entries.as_slice();
        while !rest.is_empty() {
            // A marker has a transaction of its own.
            let read = |entry: &Entry| Item::read(&entry.kind, &entry.payload);
            let events = rest.iter().take_while(|entry| read(entry) == Ok(Item::Event)).count();
            self.events(&rest[..events]).await?;
            if let Some(marker) = rest.get(events) {
                match read(marker) {
                    Ok(item) => self.marker(marker, item).await?,
                    Err(bad) => self.put_aside(marker, &bad.to_string()).await?,
                }
            }
            rest = rest.get(events + 1..).unwrap_or_default();
        }
        Ok(())
    }

    async fn marker(&mut self, entry: &Entry, item: Item) -> Result<(), Stopped> {
        let id = match item {
            Item::Event => return Ok(()),
            Item::MovedIn(id) => {
                self.arriving.moved_in(id, entry.server);
                self.passed_over(entry.id);
                return Ok(());
            }
            Item::MovedOut(id) => id,
        };
        let mut backoff = Backoff::new();
        loop {
            self.wait_until_valid().await?;
            let moved_out = moving::moved_out(&self.shared, &self.lease.fence, &self.lanes, entry, id);
            match in_hand(&self.lease, moved_out).await? {
                Ok(Marked::Passed) => {
                    self.moved(entry.id);
                    return Ok(());
                }
                Ok(Marked::HeldFirst(server)) => self.arriving.drain(server).await?,
                Err(error) if error.is_superseded() => return Err(Stopped::Over),
                Err(error) if error.is_unknown() => return Err(self.doubt(&error)),
                Err(error) => self.wait_out(&error, &mut backoff).await?,
            }
        }
    }

    /// Entries without effect: their cursor is stored with the next one's, or a moment later.
    fn passed_over(&mut self, last: StreamId) {
        self.cursor = last;
        self.unflushed_since.get_or_insert_with(Instant::now);
    }

    async fn events(&mut self, entries: &[Entry]) -> Result<(), Stopped> {
        let Some(last) = entries.last().map(|entry| entry.id) else { return Ok(()) };
        let mut batch = Vec::new();
        let mut readable = true;
        for entry in entries {
            match apply::parse(entry) {
                Ok(Some(relevant)) => batch.push(relevant),
                Ok(None) => {}
                Err(_) => readable = false,
            }
        }
        if !readable {
            return self.one_by_one(entries).await;
        }
        if batch.is_empty() {
            self.passed_over(last);
            return Ok(());
        }
        let first = std::mem::take(&mut self.first);
        if first {
            steps::note(&self.lease.fence, Step::Read);
        }
        if std::mem::take(&mut self.on_trial) {
            return self.on_trial(entries, &batch, last).await;
        }
        match self.try_apply(&batch, last).await? {
            Ok(()) if first => {
                steps::note(&self.lease.fence, Step::Applied);
                Ok(())
            }
            Ok(()) => Ok(()),
            Err(_) => self.one_by_one(entries).await,
        }
    }

    /// Applies each entry in a transaction of its own; those that cannot be applied are put aside.
    async fn one_by_one(&mut self, entries: &[Entry]) -> Result<(), Stopped> {
        for entry in entries {
            let mut failure = String::new();
            let mut applied = false;
            for _ in 0..TRIES {
                match apply::parse(entry) {
                    Err(error) => failure = format!("unreadable payload: {error}"),
                    Ok(relevant) => match self.try_apply(relevant.as_slice(), entry.id).await? {
                        Err(error) => failure = error.to_string(),
                        Ok(()) => {
                            applied = true;
                            break;
                        }
                    },
                }
            }
            if !applied {
                self.put_aside(entry, &failure).await?;
            }
        }
        Ok(())
    }

    /// Applies a batch, waiting out failures of the stores. The inner error is the event's own.
    async fn try_apply(&mut self, batch: &[Relevant], to: StreamId) -> Result<Result<(), Error>, Stopped> {
        let mut backoff = Backoff::new();
        if !batch.is_empty() {
            self.knows_the_bot().await?;
        }
        loop {
            self.wait_until_valid().await?;
            let began = Instant::now();
            let applying = trial::caught(apply::apply(&self.shared, &self.lease.fence, batch, to));
            match in_hand(&self.lease, applying).await?.unwrap_or(Err(Error::Panicked)) {
                Ok(applied) => {
                    self.moved(to);
                    measure(batch, began);
                    match applied {
                        Applied::Now(lanes) => lanes.into_iter().for_each(|lane| self.lanes.kick(lane)),
                        Applied::Before => self.lanes.recover().await,
                    }
                    return Ok(Ok(()));
                }
                Err(error) if error.is_superseded() => {
                    tracing::info!("{error}; it is not applied here any more");
                    return Err(Stopped::Over);
                }
                Err(error) if error.is_unknown() => return Err(self.doubt(&error)),
                Err(error) if error.is_about_the_event() => return Ok(Err(error)),
                Err(error) => self.wait_out(&error, &mut backoff).await?,
            }
        }
    }

    async fn put_aside(&mut self, entry: &Entry, failure: &str) -> Result<(), Stopped> {
        tracing::error!(
            failure,
            stream_id = %entry.id,
            "an event ({}) of {} failed {TRIES} times and is put aside in helpline.dead_letters",
            entry.kind,
            self.lease.fence.shard
        );
        let mut backoff = Backoff::new();
        loop {
            self.wait_until_valid().await?;
            match in_hand(&self.lease, self.store_dead_letter(entry, failure)).await? {
                Ok(()) => {
                    metrics::counter!(names::DEAD_LETTERS).increment(1);
                    self.moved(entry.id);
                    return Ok(());
                }
                Err(error) if error.is_superseded() => return Err(Stopped::Over),
                Err(error) if error.is_unknown() => return Err(self.doubt(&error)),
                Err(error) => self.wait_out(&error, &mut backoff).await?,
            }
        }
    }

    fn doubt(&self, error: &Error) -> Stopped {
        tracing::warn!(%error, "{} is acquired anew", self.lease.fence.shard);
        Stopped::Doubt { above: None }
    }

    async fn store_dead_letter(&self, entry: &Entry, failure: &str) -> Result<(), Error> {
        let mut tx = FencedTx::begin(&self.shared.first, &self.lease.fence).await?;
        letters::put_aside(&mut tx, entry, &entry.id.to_string(), failure).await?;
        tx.move_cursor(entry.id).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Stores a cursor that moved over events without effect.
    async fn flush(&mut self) -> Result<(), Stopped> {
        let cursor = self.cursor;
        self.try_apply(&[], cursor).await.map(drop)
    }

    async fn wait_out(&self, error: &Error, backoff: &mut Backoff) -> Result<(), Stopped> {
        if backoff.is_first() {
            tracing::warn!(%error, "{} waits for its stores", self.lease.fence.shard);
        }
        self.lease.stop.run_until_cancelled(backoff.wait()).await.ok_or(Stopped::Over)
    }

    /// Who does not know which user the bot is takes a mention of it for chatter, and nobody would ever answer.
    async fn knows_the_bot(&self) -> Result<(), Stopped> {
        let mut identity = self.shared.identity.clone();
        let known = identity.wait_for(Option::is_some);
        match self.lease.stop.run_until_cancelled(known).await {
            Some(Ok(_)) => Ok(()),
            // The sender ends only with the process.
            Some(Err(_)) | None => Err(Stopped::Over),
        }
    }

    /// A worker that cannot renew its lease stops applying before the lease could be taken.
    async fn wait_until_valid(&self) -> Result<(), Stopped> {
        while !self.lease.self_fence.is_valid() {
            let pause = tokio::time::sleep(Duration::from_millis(20));
            self.lease.stop.run_until_cancelled(pause).await.ok_or(Stopped::Over)?;
        }
        match self.lease.stop.is_cancelled() {
            true => Err(Stopped::Over),
            false => Ok(()),
        }
    }

    fn moved(&mut self, to: StreamId) {
        self.cursor = to;
        self.unflushed_since = None;
        self.durable.committed(self.started.elapsed(), to);
    }

    async fn trim(&mut self) {
        if let Some(below) = self.durable.trim_below(self.started.elapsed())
            && let Err(error) = self.log.trim(&self.lease.fence, below).await
        {
            tracing::debug!(%error, "trimming the log of {}", self.lease.fence.shard);
        }
    }
}

/// Does a transaction to its end, also when the lease stops meanwhile, but waits for it not for ever: a store that does
/// not answer leaves in doubt what it has done.
pub(super) async fn in_hand<T>(lease: &Lease, transaction: impl Future<Output = T>) -> Result<T, Stopped> {
    let overdue = async {
        let stopped = lease.stop.cancelled();
        drop(timeout(LONGEST_TRANSACTION, stopped).await);
        tokio::time::sleep(IN_HAND).await;
    };
    tokio::select! {
        biased;
        done = transaction => Ok(done),
        () = overdue => {
            tracing::warn!("a transaction of {} hangs and is left", lease.fence.shard);
            Err(Stopped::Doubt { above: None })
        }
    }
}

async fn flush_at(since: Option<Instant>) {
    match since {
        Some(since) => tokio::time::sleep_until(since + CURSOR_FLUSH_AFTER).await,
        None => std::future::pending().await,
    }
}

/// How long the transaction took, and how long the oldest event of the batch waited for its end.
fn measure(batch: &[Relevant], began: Instant) {
    metrics::histogram!(names::OPERATION_SECONDS, "operation" => "apply").record(began.elapsed());
    if let Some(oldest) = batch.iter().map(Relevant::received_at).min() {
        let waited = OffsetDateTime::now_utc() - oldest;
        metrics::histogram!(names::EVENT_WAIT_SECONDS).record(waited.as_seconds_f64().max(0.0));
    }
}
