//! Lanes: one conversation's questions answered and effects carried out, one after the other and in order; many lanes
//! side by side. A lane reads what waits from Postgres, so that a new owner goes on where the last one stopped.
//!
//! A lane that finds that its shard's ownership is in doubt says so ([`Lanes::lost`]) and stops; what it was doing stays
//! as it is stored, for whoever owns the shard next.

pub(super) mod delivery;
mod direct;
pub mod knowledge;
mod privacy;
mod revise;
mod staff;
mod threads;
mod tickets;
mod typing;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use helpline_cluster::claims::Lease;
use helpline_cluster::database::{Database, WaitingSince};
use helpline_cluster::event_log::Entry;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::{Epoch, ServerId};
use time::OffsetDateTime;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::apply::{Error, store_actions};
use super::counts::Counts;
use super::{Backoff, IN_HAND, Shared, moving};
use crate::answer::{Answer, AnswerRequest, spent};
use crate::conversation::command::{AnswerJob, Call, Command};
use crate::conversation::store;
use crate::deliver::confirm::{self, Confirmed};
use crate::deliver::outbox::{self, Lane, Waiting};
use crate::discord::RoleId;
use crate::metrics as names;
use crate::server_config::ServerConfig;
use crate::texts::Lang;

/// How long a lane of a server that leaves the shard may take to come to an end.
const LEAVE_WITHIN: Duration = Duration::from_millis(100);

/// The lanes of one shard under one lease.
#[derive(Clone)]
pub struct Lanes {
    inner: Arc<Inner>,
}

#[derive(Clone)]
struct Inner {
    shared: Arc<Shared>,
    /// A running lane waits for its turn with each transaction, so that it comes to its end before later ones begin.
    pool: Database,
    since: WaitingSince,
    /// A running lane has one of its own: its `stop` ends the lane alone.
    lease: Lease,
    running: Arc<Mutex<Running>>,
    ended: Arc<Notify>,
    lost: watch::Sender<Option<Lost>>,
    /// Our own messages that came back through the gateway.
    confirmed: Arc<Mutex<Confirmed>>,
    /// Ends everything under the lease.
    shard_stop: CancellationToken,
    /// Ends all lanes, and only them.
    lanes_stop: CancellationToken,
    /// Ends lanes that do not end by themselves.
    abandoned: CancellationToken,
    tasks: TaskTracker,
}

/// Why nothing more may be done under the present epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lost {
    /// The proxy knows a higher epoch.
    Superseded { stands: Epoch },
    /// Whether a commit took effect is not known.
    Unknown,
}

impl Lost {
    /// The shard is to be claimed above this epoch, if it is still ours.
    pub const fn above(self) -> Option<Epoch> {
        match self {
            Self::Superseded { stands } => Some(stands),
            Self::Unknown => None,
        }
    }
}

#[derive(Default)]
struct Running {
    lanes: HashMap<Lane, RunningLane>,
    /// Servers that leave the shard or have left it: no lane of theirs begins here.
    away: HashSet<ServerId>,
    begun: u64,
}

struct RunningLane {
    /// Tells one run of a lane from the next.
    number: u64,
    /// Something came in since it last looked.
    again: bool,
    stop: CancellationToken,
    /// Its server leaves the shard, which does not wait for long.
    leave: CancellationToken,
}

/// Whether a lane may go on.
enum Flow {
    Continue,
    /// The lease is over: what is left belongs to the next owner.
    Stop,
}

/// As turns are ordered by it.
fn us(since: OffsetDateTime) -> i64 {
    i64::try_from(since.unix_timestamp_nanos() / 1_000).unwrap_or_default()
}

impl Lanes {
    pub fn new(shared: Arc<Shared>, lease: Lease) -> Self {
        let (shard_stop, lanes_stop) = (lease.stop.clone(), lease.stop.child_token());
        let inner = Inner {
            pool: shared.pool.clone(),
            since: WaitingSince::new(0),
            shared,
            lease,
            running: Arc::default(),
            ended: Arc::new(Notify::new()),
            lost: watch::Sender::new(None),
            confirmed: Arc::default(),
            shard_stop,
            lanes_stop,
            abandoned: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Makes a lane of a server that lives here look for work, now or when it is through with what it has.
    pub fn kick(&self, lane: Lane) {
        self.inner.lock().away.remove(&lane.server);
        self.kick_unless_away(Waiting { lane, since: OffsetDateTime::now_utc() });
    }

    fn kick_unless_away(&self, Waiting { lane, since }: Waiting) {
        let mut running = self.inner.lock();
        if running.away.contains(&lane.server) || self.inner.lanes_stop.is_cancelled() {
            return;
        }
        if let Some(lane) = running.lanes.get_mut(&lane) {
            lane.again = true;
            return;
        }
        let stop = self.inner.lanes_stop.child_token();
        running.begun += 1;
        let number = running.begun;
        let leave = CancellationToken::new();
        let begun = RunningLane { number, again: false, stop: stop.clone(), leave: leave.clone() };
        running.lanes.insert(lane, begun);
        drop(running);
        let mut inner = Inner::clone(&self.inner);
        inner.lease.stop = stop;
        inner.since = WaitingSince::new(us(since));
        inner.pool = self.inner.shared.pool.in_turn(&self.inner.shared.turns, &inner.since);
        self.inner.tasks.spawn(async move { inner.run_to_its_end(lane, number, leave).await });
    }

    /// Stops the lanes of a server that is to leave the shard; returns when none runs any more.
    pub async fn leave(&self, server: ServerId) {
        self.inner.send_away(server);
        loop {
            let ended = self.inner.ended.notified();
            if !self.inner.lock().lanes.keys().any(|lane| lane.server == server) {
                return;
            }
            ended.await;
        }
    }

    pub fn is_away(&self, server: ServerId) -> bool {
        self.inner.lock().away.contains(&server)
    }

    /// The server lives here: its lanes go on from what waits in the stores.
    pub async fn arrive(&self, server: ServerId) {
        self.inner.lock().away.remove(&server);
        let mut backoff = Backoff::new();
        loop {
            match outbox::waiting_lanes_of(&self.inner.shared.pool, server).await {
                Ok(lanes) => return lanes.into_iter().for_each(|lane| self.kick_unless_away(lane)),
                Err(error) => {
                    tracing::warn!(%error, "looking for waiting answers of {server}");
                    if self.inner.lease.stop.run_until_cancelled(backoff.wait()).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// Takes note of our own messages among these events: what they carry out is done.
    pub fn note_own(&self, entries: &[Entry]) {
        let marks: Vec<_> = entries.iter().flat_map(confirm::marks).collect();
        if !marks.is_empty() {
            let mut confirmed = self.inner.confirmed.lock().unwrap_or_else(PoisonError::into_inner);
            marks.into_iter().for_each(|(mark, message)| confirmed.note(mark, message));
        }
    }

    /// Finds what an earlier owner left: open jobs and effects not yet carried out.
    pub async fn recover(&self) {
        let mut backoff = Backoff::new();
        loop {
            match outbox::waiting_lanes(&self.inner.shared.pool, self.inner.lease.fence.shard).await {
                Ok(lanes) => return lanes.into_iter().for_each(|lane| self.kick_unless_away(lane)),
                Err(error) => {
                    tracing::warn!(%error, "looking for waiting answers of {}", self.inner.lease.fence.shard);
                    if self.inner.lease.stop.run_until_cancelled(backoff.wait()).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// What a lane found out about the ownership; it has cancelled the lease's `stop` then.
    pub fn lost(&self) -> Option<Lost> {
        *self.inner.lost.borrow()
    }

    /// Ends the lanes, and begins none any more: what they would do is left to the next owner. Events may go on being
    /// applied meanwhile.
    pub async fn close(&self) {
        self.inner.lanes_stop.cancel();
        self.join().await;
    }

    /// Waits for the lanes to end; the lease's `stop` makes them. A lane that hangs in a store is left to the fence:
    /// the next owner's claim waits for its transaction, or ends it.
    pub async fn join(&self) {
        self.inner.tasks.close();
        if timeout(IN_HAND, self.inner.tasks.wait()).await.is_err() {
            tracing::warn!(
                "lanes of {} hang in their transactions and are left",
                self.inner.lease.fence.shard
            );
            self.inner.abandoned.cancel();
            self.inner.tasks.wait().await;
        }
    }
}

impl Inner {
    fn lock(&self) -> MutexGuard<'_, Running> {
        // Every change under the lock is complete before anything can panic.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send_away(&self, server: ServerId) {
        let mut running = self.lock();
        running.away.insert(server);
        for (_, lane) in running.lanes.iter().filter(|(lane, _)| lane.server == server) {
            lane.stop.cancel();
            lane.leave.cancel();
        }
    }

    async fn run_to_its_end(&self, lane: Lane, number: u64, leave: CancellationToken) {
        let patience = async {
            leave.cancelled().await;
            tokio::time::sleep(LEAVE_WITHIN).await;
        };
        // Whatever it is cut off from, a transaction most of all, is undone or repeated under the next shard.
        tokio::select! {
            () = self.run(lane) => {}
            () = patience => {}
            () = self.abandoned.cancelled() => {}
        }
        let mut running = self.lock();
        // It has removed itself when it was through, and another run of the lane may have begun since.
        if running.lanes.get(&lane).is_some_and(|lane| lane.number == number) {
            running.lanes.remove(&lane);
        }
        drop(running);
        self.ended.notify_waiters();
    }

    async fn run(&self, lane: Lane) {
        let stop = &self.lease.stop;
        let slot = self.shared.lane_slots.take(self.since.get());
        let Some(_slot) = stop.run_until_cancelled(slot).await else { return };
        let mut backoff = Backoff::new();
        loop {
            match self.work(lane).await {
                Ok(Flow::Continue) => {
                    backoff = Backoff::new();
                    let mut running = self.lock();
                    match running.lanes.get_mut(&lane) {
                        Some(lane) if lane.again => lane.again = false,
                        _ => {
                            running.lanes.remove(&lane);
                            return;
                        }
                    }
                }
                Ok(Flow::Stop) => return,
                Err(error) if error.is_superseded() => {
                    tracing::info!("{error}; its lanes stop here");
                    return;
                }
                Err(error) if error.is_unknown() => {
                    tracing::warn!(%error, "{} is acquired anew", self.lease.fence.shard);
                    self.lose(Lost::Unknown);
                    return;
                }
                Err(error) if moving::is_elsewhere(&error) => {
                    tracing::info!("{error}; its lanes go on there");
                    return;
                }
                Err(error) => {
                    if backoff.is_first() {
                        tracing::warn!(%error, server = lane.server.get(), "a lane of {} is held up", lane.server);
                    }
                    if stop.run_until_cancelled(backoff.wait()).await.is_none() {
                        return;
                    }
                }
            }
        }
    }

    /// Does everything that waits in the lane.
    async fn work(&self, lane: Lane) -> Result<Flow, Error> {
        loop {
            // When the shard is to be let go there is no use in waiting for a connection behind many other lanes.
            let stop = &self.lease.stop;
            let pending = stop.run_until_cancelled(outbox::pending(&self.pool, lane)).await;
            let Some(rows) = pending.transpose()? else { return Ok(Flow::Stop) };
            let Some(rows) = self.about_to_try(lane, rows).await? else { return Ok(Flow::Stop) };
            let delivered = !rows.is_empty();
            for row in rows {
                if let Flow::Stop = self.deliver(lane, row).await? {
                    return Ok(Flow::Stop);
                }
            }
            let answered = match lane.conversation {
                Some(conversation) => self.answer_next(lane, conversation).await?,
                None => Some(false),
            };
            match answered {
                None => return Ok(Flow::Stop),
                Some(answered) if answered || delivered => {}
                Some(_) => return Ok(Flow::Continue),
            }
        }
    }

    /// Answers the oldest open question of the conversation. None: the lease is over. False: there was none.
    async fn answer_next(&self, lane: Lane, conversation: Uuid) -> Result<Option<bool>, Error> {
        let next_job = store::next_job(&self.pool, lane.server, conversation);
        let Some(next_job) = self.lease.stop.run_until_cancelled(next_job).await else { return Ok(None) };
        let (id, job) = match next_job {
            Ok(Some((id, job, since))) => {
                self.since.set(us(since));
                (id, job)
            }
            Ok(None) => return Ok(Some(false)),
            Err(store::Error::Job { id, source }) => {
                tracing::error!(error = %source, "answer job {id} of {} is unreadable and dropped", lane.server);
                let mut tx = FencedTx::begin_for(&self.pool, &self.lease.fence, lane.server).await?;
                store::end_job(&mut tx, lane.server, id).await?;
                tx.commit().await?;
                return Ok(Some(true));
            }
            Err(error) => return Err(error.into()),
        };
        if !self.may_act().await {
            return Ok(None);
        }
        let _typing = self.show_typing(&job);
        let config = self.shared.configs.get(lane.server).await?;
        let Some(answer) = self.answer(lane.server, &config, &job).await? else { return Ok(None) };
        self.t2(lane, conversation, id, job, answer, &config).await?;
        Ok(Some(true))
    }

    /// Outside any transaction: it may take as long as a model takes. None: the lease is over.
    async fn answer(
        &self,
        server: ServerId,
        config: &ServerConfig,
        job: &AnswerJob,
    ) -> Result<Option<Answer>, Error> {
        let request = AnswerRequest {
            server,
            language: config.language.clone(),
            system_prompt: config.system_prompt.clone(),
            question: job.question.clone(),
            history: job.history.clone(),
            lang: job.lang,
        };
        let started = tokio::time::Instant::now();
        let mut backoff = Backoff::new();
        loop {
            let attempt = self.shared.answerer.answer(&request);
            match self.lease.stop.run_until_cancelled(attempt).await {
                None => return Ok(None),
                Some(Ok(answer)) => {
                    let took = started.elapsed();
                    metrics::histogram!(names::ANSWER_SECONDS).record(took.as_secs_f64());
                    self.shared.load.answered(server, took);
                    return Ok(Some(answer));
                }
                Some(Err(error)) => {
                    if backoff.is_first() {
                        tracing::warn!(%error, server = server.get(), "a question of {server} waits for its answer");
                    }
                    if self.lease.stop.run_until_cancelled(backoff.wait()).await.is_none() {
                        return Ok(None);
                    }
                }
            }
        }
    }

    /// The fenced transaction that ends a question: job done, conversation, outbox.
    async fn t2(
        &self,
        lane: Lane,
        conversation: Uuid,
        id: i64,
        job: AnswerJob,
        answer: Answer,
        config: &ServerConfig,
    ) -> Result<(), Error> {
        let (asked_at, anew, action, began) = (job.asked_at, job.anew, answer.action, Instant::now());
        let mut tx = FencedTx::begin_for(&self.pool, &self.lease.fence, lane.server).await?;
        // The conversation first: T1 writes them in this order too.
        let state = store::load(&mut tx, lane.server, conversation).await?;
        if answer.tokens > 0 {
            spent::add(&mut tx, lane.server, answer.tokens).await?;
        }
        let Some(state) = state else { return Ok(tx.commit().await?) };
        if !store::finish_job(&mut tx, lane.server, id, &job).await? {
            // What a model wrote is paid for, also when nobody will read it.
            return Ok(tx.commit().await?);
        }
        let at = OffsetDateTime::now_utc();
        let call = Call {
            server: lane.server,
            support_role: config.support_role_id.map(RoleId),
            ticket: Uuid::new_v4(),
            lang: Lang::of_server(config),
        };
        let (state, actions) = state.apply(Command::Answered { job, answer, at, call });
        store::save(&mut tx, lane.server, &state, "", config.patience()).await?;
        let mut counts = Counts::default();
        counts.note(lane.server, &actions, at);
        if !anew {
            counts.answered(lane.server, asked_at, at);
        }
        store_actions(&mut tx, lane, actions).await?;
        counts.store(&mut tx).await?;
        tx.commit().await?;
        metrics::histogram!(names::OPERATION_SECONDS, "operation" => "answer").record(began.elapsed());
        metrics::counter!(names::QUESTIONS, "outcome" => action.outcome()).increment(1);
        metrics::histogram!(names::QUESTION_SECONDS).record((at - asked_at).as_seconds_f64().max(0.0));
        Ok(())
    }

    /// Nothing of the shard is read or done any more under this lease.
    fn lose(&self, lost: Lost) {
        self.lost.send_replace(Some(lost));
        self.shard_stop.cancel();
    }

    /// Waits while the worker cannot renew its lease. False: the lease is over.
    async fn may_act(&self) -> bool {
        while !self.lease.self_fence.is_valid() {
            let pause = tokio::time::sleep(Duration::from_millis(50));
            if self.lease.stop.run_until_cancelled(pause).await.is_none() {
                return false;
            }
        }
        !self.lease.stop.is_cancelled()
    }
}
