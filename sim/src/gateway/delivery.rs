//! How events leave a connection: in batches, or one by one while faults watch.

use super::connection::{Connection, End, Stall, State};
use super::faults::{Act, Watch};
use super::protocol::{self, close};
use super::session::{Item, Session, Walk};
use crate::transcript::add;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until, timeout};

/// Events taken from the log before the connection looks at what came in.
const BATCH: usize = 256;
/// Bytes after which a batch is written although it has more: servers after READY are large.
const BATCH_BYTES: usize = 256 * 1024;
/// Time between two batches: the first event leaves at once, those close behind it leave together. Without it
/// each event of a fast run costs a system call and wakes the client.
const REST: Duration = Duration::from_millis(1);
/// A client that does not read for so long is dropped.
const STALL: Duration = Duration::from_secs(30);

/// What a connection with a session knows about delivering it.
pub(super) struct Delivery {
    pub(super) session: Arc<Session>,
    pub(super) watch: Watch,
    /// Number of this connection within the session.
    connection: u64,
    /// Position in the log.
    sent: u64,
    /// When events came in, as the last sequence number of each arrival; kept while a fault delays them.
    arrivals: VecDeque<(u64, Instant)>,
    /// When the next delayed event leaves.
    pub(super) next_release: Option<Instant>,
    items: Vec<Item>,
    /// Before then no batch leaves.
    rest_until: Option<Instant>,
}

impl Delivery {
    pub(super) fn new(session: Arc<Session>, watch: Watch, sent: u64, connection: u64) -> Self {
        Self {
            session,
            watch,
            connection,
            sent,
            arrivals: VecDeque::new(),
            next_release: None,
            items: Vec::new(),
            rest_until: None,
        }
    }

    /// Waits until there is something to send; safe to give up half-way.
    pub(super) async fn events(&self) {
        if let Some(until) = self.rest_until
            && until > Instant::now()
        {
            sleep_until(until).await;
        }
        self.session.wake.notified().await;
    }

    /// Whether the event after the last one sent may leave.
    fn is_due(&mut self, now: Instant) -> bool {
        let seq = self.sent + 1;
        while self.arrivals.front().is_some_and(|(last, _)| *last < seq) {
            self.arrivals.pop_front();
        }
        let arrived = self.arrivals.front().map_or(now, |(_, at)| *at);
        let release = arrived + self.watch.delay(seq);
        self.next_release = (release > now).then_some(release);
        release <= now
    }
}

impl Connection {
    /// Writes what waits in the socket.
    pub(super) async fn write(&mut self) -> Result<(), End> {
        match timeout(STALL, self.socket.write()).await {
            Ok(Ok(())) => Ok(()),
            _ => Err(End::Gone),
        }
    }

    /// Takes in that faults have changed.
    pub(super) async fn look(&mut self) -> Result<(), End> {
        let State::Live(delivery) = &mut self.state else { return Ok(()) };
        let faults = &self.core.hub.faults;
        if faults.version() == delivery.watch.version {
            return Ok(());
        }
        delivery.watch = faults.watch(&delivery.session, delivery.connection);
        delivery.next_release = None;
        // What was held back may leave now.
        delivery.session.wake.notify_one();
        self.meet_present_faults().await
    }

    /// What stands against the connection before any event.
    pub(super) async fn meet_present_faults(&mut self) -> Result<(), End> {
        let State::Live(delivery) = &self.state else { return Ok(()) };
        let act = delivery.watch.after(0, |plan| delivery.session.happened(plan));
        match act {
            Some(act) => self.meet(act).await,
            None => Ok(()),
        }
    }

    /// Sends a batch; what is left brings the connection back here.
    pub(super) async fn send_events(&mut self) -> Result<(), End> {
        self.look().await?;
        let State::Live(delivery) = &mut self.state else { return Ok(()) };
        if self.stall.is_some() {
            return Ok(());
        }
        delivery.items.clear();
        match delivery.session.walk(self.link, delivery.sent, BATCH, &mut delivery.items) {
            Walk::Items => {}
            Walk::Superseded => {
                // The permit taken from the new connection is given back.
                delivery.session.wake.notify_one();
                return Err(End::Close(close::UNKNOWN_ERROR));
            }
            Walk::Overrun => {
                add(&self.core.counters.sessions_overrun, 1);
                self.core.hub.end(&delivery.session.id);
                return Err(End::Close(close::UNKNOWN_ERROR));
            }
        }
        if delivery.items.is_empty() {
            return Ok(());
        }
        let act = self.frame_batch()?;
        self.write().await?;
        if let State::Live(delivery) = &mut self.state {
            // A full batch has more behind it, and a slow client has rested us already.
            let full = delivery.items.len() == BATCH;
            delivery.rest_until = (!full).then(|| Instant::now() + REST);
        }
        match act {
            Some(act) => self.meet(act).await,
            None => Ok(()),
        }
    }

    /// Puts a batch into the socket, up to the event after which something is to happen.
    fn frame_batch(&mut self) -> Result<Option<Act>, End> {
        let State::Live(delivery) = &mut self.state else { return Ok(None) };
        let items = std::mem::take(&mut delivery.items);
        let (idle, delays) = (delivery.watch.is_idle(), delivery.watch.delays());
        let now = Instant::now();
        if delays {
            delivery.arrivals.push_back((delivery.session.last(), now));
        } else {
            delivery.arrivals.clear();
        }
        let mut framed = 0;
        let mut act = None;
        let mut held_back = false;
        for item in &items {
            if delays && !delivery.is_due(now) {
                held_back = true;
                break;
            }
            let seq = delivery.sent + 1;
            let (name, data) = protocol::rendered(&self.core, &delivery.session, item);
            let (head, compressed) = &mut self.scratch;
            protocol::envelope(head, name, seq);
            if self.codec.is_plain() {
                self.socket.text(&[head, data.as_bytes(), b"}"]);
            } else {
                head.extend_from_slice(data.as_bytes());
                head.push(b'}');
                match self.codec.encode(head, compressed) {
                    Ok(true) => self.socket.binary(compressed),
                    Ok(false) => self.socket.text(&[head]),
                    Err(_) => return Err(End::Gone),
                }
            }
            delivery.sent = seq;
            framed += 1;
            if !idle {
                let session = &delivery.session;
                act = delivery.watch.after(seq, |plan| session.happened(plan));
            }
            if act.is_some() || self.socket.waiting() >= BATCH_BYTES {
                break;
            }
        }
        add(&self.core.counters.events_sent, framed as u64);
        if !held_back && (framed < items.len() || items.len() == BATCH) {
            delivery.session.wake.notify_one();
        }
        delivery.items = items;
        Ok(act)
    }

    async fn meet(&mut self, act: Act) -> Result<(), End> {
        add(&self.core.counters.gateway_faults, 1);
        match act {
            Act::Drop => Err(End::Gone),
            Act::Close(code) => Err(End::Close(code)),
            Act::Invalidate => self.invalidate(false).await,
            Act::Stall { time, reading } => {
                self.stall = Some(Stall { until: Instant::now() + time, reading });
                Ok(())
            }
        }
    }
}
