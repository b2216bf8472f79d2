//! From the backlog of a gateway shard into the streams, and the sequence after it.
//!
//! Promise: a sequence is saved only when every event at or below it is in its stream or was deliberately
//! dropped. So whoever resumes from the saved sequence misses nothing; what he gets twice, the event keys catch.
//! What was published is kept ([`super::retained`]) until the shard's owner has durably applied it: when Redis loses a
//! stream, it is published again before anything newer. Redis being away or a stream refusing delays publishing; the backlog's bounds are the only loss rule, and
//! they close the gateway connection instead of losing.

mod epoch;
mod missing;
mod republish;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use helpline_cluster::event_log::{self, NewEvent, Publisher};
use helpline_cluster::gateway_session::{self, Session, SessionStore};
use helpline_cluster::gateway_shards::{GatewayClaims, Lease};
use helpline_cluster::ids::{GatewayShard, ShardId};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::backlog::{Arrival, Backlog, Bounds, Entry, Taken};
use super::cursors::Cursors;
use super::gaps::{Cause, Missed};
use super::metrics;
use super::permit::Permit;
use super::retained::Retained;
use super::routes::{Route, Routes};

/// Entries published by one call.
const BATCH: usize = 512;
/// Pause after Redis failed, doubled up to the longest.
const RETRY_FIRST: Duration = Duration::from_millis(50);
const RETRY_LONGEST: Duration = Duration::from_secs(2);
/// The sequence is saved so often, or after so many events, whatever comes first: a resume repeats what lies
/// between, and the event keys catch it.
const SAVE_EVERY: Duration = Duration::from_millis(200);
const SAVE_AFTER: u64 = 256;
/// A sequence that does not move is saved again so often, to learn whether Redis still has the session.
const CONFIRM_EVERY: Duration = Duration::from_secs(1);
/// By how much this machine's clock may differ from Discord's.
const CLOCKS_DIFFER_MS: u64 = 25_000;
/// How long a stop waits for what is buffered.
const DRAIN_DEADLINE: Duration = Duration::from_secs(8);

/// What the poller and the publisher of one gateway shard share. The poller never waits: it leaves things here.
#[derive(Debug)]
pub struct Link {
    state: Mutex<State>,
    /// Something is there to publish or to save.
    arrived: Notify,
    /// Something was published.
    published: Notify,
    /// Something is missing.
    gaps: Notify,
}

#[derive(Debug)]
struct State {
    backlog: Backlog,
    retained: Retained,
    /// As they were last looked at.
    cursors: Cursors,
    session: Option<Session>,
    /// The session itself, not only its sequence, differs from what is stored.
    session_changed: bool,
    /// When the last event came, and the newest message by Discord's clock.
    received_at_ms: Option<u64>,
    sent_at_ms: Option<u64>,
}

impl Link {
    pub fn new(backlog: Bounds, retained: Bounds) -> Arc<Self> {
        let state = State {
            backlog: Backlog::new(backlog),
            retained: Retained::new(retained),
            cursors: Cursors::default(),
            session: None,
            session_changed: false,
            received_at_ms: None,
            sent_at_ms: None,
        };
        Arc::new(Self {
            state: Mutex::new(state),
            arrived: Notify::new(),
            published: Notify::new(),
            gaps: Notify::new(),
        })
    }

    /// Goes on with a session from before a restart.
    pub fn restore(&self, session: Session) {
        let mut state = self.lock();
        state.backlog.start_session(&session.session_id, session.sequence);
        if let Some(since) = session.missed_since_ms {
            state.backlog.miss(Missed::of_all(Cause::SessionLost, Some(since).filter(|ms| *ms > 0)));
        }
        state.session = Some(session);
    }

    /// A new session has begun.
    pub fn begin(&self, session: Session) {
        let mut state = self.lock();
        state.backlog.start_session(&session.session_id, session.sequence);
        state.session = Some(session);
        state.session_changed = true;
        drop(state);
        self.arrived.notify_one();
    }

    /// Discord does not know the session any more.
    pub fn forget_session(&self) {
        let mut state = self.lock();
        if state.session.take().is_some() {
            state.session_changed = true;
            // Discord's own clock if it tells; ours may be ahead of it.
            let received = state.received_at_ms.map(|ms| ms.saturating_sub(CLOCKS_DIFFER_MS));
            let (cause, from_ms) = (Cause::SessionLost, received.max(state.sent_at_ms));
            state.backlog.miss(Missed::of_all(cause, from_ms));
            self.gaps.notify_one();
        }
        drop(state);
        self.arrived.notify_one();
    }

    /// The session to resume, with the sequence after which this process needs events.
    pub fn session(&self) -> Option<Session> {
        let state = self.lock();
        let sequence = state.backlog.taken_sequence();
        state.session.clone().map(|session| Session { sequence, ..session })
    }

    /// Takes an event.
    pub fn push(&self, arrival: Arrival, route: Option<Route>) -> Taken {
        let mut state = self.lock();
        let (received_at_ms, sent_at_ms) = (arrival.received_at_ms, arrival.sent_at_ms);
        let tells = !arrival.written.is_empty();
        let taken = state.backlog.push(arrival, route);
        if taken != Taken::Full {
            state.received_at_ms = Some(received_at_ms);
            state.sent_at_ms = state.sent_at_ms.max(sent_at_ms);
        }
        drop(state);
        if taken == Taken::Queued {
            self.arrived.notify_one();
        }
        if tells {
            self.gaps.notify_one();
        }
        taken
    }

    /// The session that stands: whatever comes now, it will bring.
    pub fn session_id(&self) -> Option<String> {
        self.lock().session.as_ref().map(|session| session.session_id.clone())
    }

    /// Notes an event that is not passed on.
    pub fn skip(&self, sequence: u64) {
        self.lock().backlog.skip(sequence);
    }

    /// Waits until everything up to what was taken last is published, or was dropped on purpose.
    pub async fn passed(&self, sequence: u64) {
        loop {
            let published = self.published.notified();
            if self.lock().backlog.safe_sequence() >= sequence {
                return;
            }
            // Dropping tells nobody.
            let _ = tokio::time::timeout(SAVE_EVERY, published).await;
        }
    }

    /// Wakes the publisher: what it may do has changed.
    pub fn look_again(&self) {
        self.arrived.notify_one();
    }

    /// Waits until the backlog is half empty.
    pub async fn drained(&self) {
        loop {
            let published = self.published.notified();
            if self.lock().backlog.is_half_empty() {
                return;
            }
            published.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why publishing ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Another proxy holds the gateway shard now.
    Superseded,
    /// This process may have been taken for dead, or was.
    Lost,
    /// Stopped; so many events are left, which the next proxy gets by its resume.
    Stopped { left: usize },
}

/// Publishes one gateway shard's backlog.
#[derive(Debug)]
pub struct Publishing {
    pub gateway: GatewayShard,
    pub lease: Lease,
    pub claims: GatewayClaims,
    pub link: Arc<Link>,
    pub publisher: Publisher,
    pub sessions: SessionStore,
    pub routes: Arc<Routes>,
    pub permit: Permit,
}

/// What was last saved.
#[derive(Debug, Default)]
struct Saved {
    sequence: u64,
    at: Option<Instant>,
}

impl Publishing {
    /// Publishes until superseded, or until `stop` (no more events arrive) and the backlog is empty.
    pub async fn run(self, stop: CancellationToken) -> End {
        let mut additions = self.routes.additions();
        let mut cursors = self.routes.cursors();
        let mut saved = Saved::default();
        let mut pause = RETRY_FIRST;
        let mut failing = false;
        let mut deadline = None;
        loop {
            if self.permit.is_lost() {
                return End::Lost;
            }
            // What is seen to have stopped here has told the link all it had to, and the save below writes it.
            let stopping = stop.is_cancelled();
            if stopping {
                let deadline = *deadline.get_or_insert_with(|| Instant::now() + DRAIN_DEADLINE);
                if Instant::now() > deadline {
                    return End::Stopped { left: self.link.lock().backlog.len() };
                }
            }
            self.reroute();
            if cursors.has_changed().unwrap_or(false) {
                let now = Arc::clone(&cursors.borrow_and_update());
                self.link.lock().passed(now);
                if self.link.missed().is_some() {
                    self.link.gaps.notify_one();
                }
            }
            let published = self.publish().await;
            let result = match published {
                Ok(some) => self.save(&mut saved, stopping).await.map(|()| some),
                // What is safe to resume from is known whosever the gateway shard is.
                Err(Failure::Unproved(why)) => {
                    self.save(&mut saved, stopping).await.and(Err(Failure::Unproved(why)))
                }
                Err(error) => Err(error),
            };
            match result {
                Ok(published) => {
                    if failing {
                        failing = false;
                        tracing::info!("{}: Redis takes events again", self.gateway);
                    }
                    pause = RETRY_FIRST;
                    let (empty, retry_at) = {
                        let state = self.link.lock();
                        (state.backlog.is_empty(), state.backlog.next_retry())
                    };
                    if stopping && (empty || !self.permit.publishes()) {
                        return End::Stopped { left: self.link.lock().backlog.len() };
                    }
                    if !published {
                        self.wait(&stop, &mut additions, &mut cursors, retry_at).await;
                    }
                }
                Err(Failure::Superseded) => return End::Superseded,
                Err(Failure::Redis(error) | Failure::Unproved(error)) => {
                    if !failing {
                        failing = true;
                        tracing::warn!(
                            error,
                            "{}: Redis takes no events; they are kept meanwhile",
                            self.gateway
                        );
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(RETRY_LONGEST);
                }
            }
        }
    }

    async fn wait(
        &self,
        stop: &CancellationToken,
        additions: &mut watch::Receiver<u64>,
        cursors: &mut watch::Receiver<Cursors>,
        retry_at: Option<Instant>,
    ) {
        let soon = Instant::now() + SAVE_EVERY;
        let until = retry_at.map_or(soon, |at| at.min(soon));
        let stopping = stop.is_cancelled();
        tokio::select! {
            () = self.link.arrived.notified() => {}
            _ = additions.changed() => {}
            // Left unseen, for the loop to look at.
            _ = cursors.changed() => cursors.mark_changed(),
            () = stop.cancelled(), if !stopping => {}
            () = tokio::time::sleep_until(until) => {}
        }
    }

    fn reroute(&self) {
        let open = self.routes.open_moves();
        let route = |server| self.routes.get(server).map(|route| route.shard);
        let dropped = {
            let mut state = self.link.lock();
            let now = Instant::now();
            state.backlog.look_at_moves(self.gateway, &open, now, route);
            state.backlog.reroute(now, |server| self.routes.get(server))
        };
        if dropped > 0 {
            let dropped = u64::try_from(dropped).unwrap_or(u64::MAX);
            ::metrics::counter!(metrics::DROPPED, "reason" => "not_listening").increment(dropped);
        }
    }

    /// Publishes one batch; whether anything got into a stream.
    async fn publish(&self) -> Result<bool, Failure> {
        if !self.permit.publishes() {
            return Ok(false);
        }
        let batch = self.link.lock().backlog.batch(BATCH, Instant::now());
        if batch.is_empty() {
            return Ok(false);
        }
        let events: Vec<NewEvent> = batch.iter().map(new_event).collect();
        let known = self.link.lock().known(&batch);
        let epoch = self.lease.epoch;
        let asked_at = Instant::now();
        let answers = match self.publisher.publish_under(self.gateway, epoch, &events, &known).await {
            Err(event_log::Error::EpochLost(_)) => return self.put_epoch_back().await.map(|()| true),
            answers => answers?,
        };
        ::metrics::histogram!(metrics::PUBLISH_TIME).record(asked_at.elapsed());
        let taken = self.link.lock().settle(batch, &answers);
        self.count(taken, answers.len() - taken);
        if self.link.missed().is_some() {
            self.link.gaps.notify_one();
        }
        self.link.published.notify_waiters();
        Ok(taken > 0)
    }

    fn count(&self, taken: usize, refused: usize) {
        ::metrics::counter!(metrics::PUBLISHED).increment(taken.try_into().unwrap_or(u64::MAX));
        ::metrics::counter!(metrics::REFUSED).increment(refused.try_into().unwrap_or(u64::MAX));
    }

    /// Saves the session if it changed, otherwise its sequence if that moved.
    async fn save(&self, saved: &mut Saved, at_once: bool) -> Result<(), Failure> {
        let label = self.gateway.id.to_string();
        let (session, changed, sequence, withheld) = {
            let state = self.link.lock();
            gauge(metrics::BACKLOG_ENTRIES, &label, state.backlog.len());
            gauge(metrics::BACKLOG_BYTES, &label, state.backlog.bytes());
            gauge(metrics::RETAINED_ENTRIES, &label, state.retained.len());
            gauge(metrics::RETAINED_BYTES, &label, state.retained.bytes());
            let missed_since_ms = state.backlog.missed_since_ms();
            // The stored session is what would tell of a gap that is not recorded yet: the next one tells it itself.
            let untold = state.session.is_none() && missed_since_ms.is_some();
            let withheld = untold || state.backlog.misses_of_a_stream();
            let session = state.session.clone().map(|session| Session { missed_since_ms, ..session });
            (session, state.session_changed, state.backlog.safe_sequence(), withheld)
        };
        if changed && withheld {
            return Ok(());
        }
        let Some(session) = session else {
            if changed {
                self.sessions.forget(self.gateway).await?;
                self.session_stored(None);
            }
            return Ok(());
        };
        let recent = saved.at.is_some_and(|at| at.elapsed() < SAVE_EVERY);
        let wait = recent && !at_once && sequence < saved.sequence + SAVE_AFTER;
        // Redis may have lost the session while nothing came that would move its sequence.
        let unconfirmed = saved.at.is_none_or(|at| at.elapsed() >= CONFIRM_EVERY);
        if changed {
            self.sessions.save(self.gateway, &Session { sequence, ..session.clone() }).await?;
            self.session_stored(Some(&session));
        } else if (sequence == saved.sequence && !unconfirmed) || wait {
            return Ok(());
        } else if !self.sessions.save_sequence(self.gateway, &session.session_id, sequence).await? {
            // Redis has lost the session: without it the next proxy could not resume.
            self.link.lock().session_changed = true;
            return Ok(());
        }
        *saved = Saved { sequence, at: Some(Instant::now()) };
        #[expect(clippy::cast_precision_loss, reason = "a gauge is for looking at")]
        ::metrics::gauge!(metrics::SEQUENCE_SAVED, "gateway_shard" => label).set(sequence as f64);
        Ok(())
    }

    /// Takes the mark off, unless the session has changed again meanwhile.
    fn session_stored(&self, stored: Option<&Session>) {
        let mut state = self.link.lock();
        let now =
            state.session.as_ref().map(|session| (&session.session_id, state.backlog.missed_since_ms()));
        if now == stored.map(|session| (&session.session_id, session.missed_since_ms)) {
            state.session_changed = false;
        }
    }
}

enum Failure {
    Superseded,
    /// Redis has lost the epoch, and Postgres cannot be asked whose the gateway shard is.
    Unproved(String),
    Redis(String),
}

impl From<event_log::Error> for Failure {
    fn from(error: event_log::Error) -> Self {
        match error {
            event_log::Error::Superseded(_) => Self::Superseded,
            other => Self::Redis(other.to_string()),
        }
    }
}

impl From<gateway_session::Error> for Failure {
    fn from(error: gateway_session::Error) -> Self {
        match error {
            gateway_session::Error::Superseded(_) => Self::Superseded,
            other @ gateway_session::Error::Redis(_) => Self::Redis(other.to_string()),
        }
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

#[expect(clippy::cast_precision_loss, reason = "a gauge is for looking at")]
fn gauge(name: &'static str, gateway_shard: &str, value: usize) {
    ::metrics::gauge!(name, "gateway_shard" => gateway_shard.to_owned()).set(value as f64);
}
