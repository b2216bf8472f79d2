//! Lanes: one conversation's questions answered and effects carried out, one after the other and in order; many lanes
//! side by side. A lane reads what waits from Postgres, so that a new owner goes on where the last one stopped.
//!
//! A lane that finds that its shard's ownership is in doubt says so ([`Lanes::lost`]) and stops; what it was doing stays
//! as it is stored, for whoever owns the shard next.

mod delivery;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use helpline_cluster::claims::Lease;
use helpline_cluster::event_log::Entry;
use helpline_cluster::fence::FencedTx;
use helpline_cluster::ids::{Epoch, ServerId};
use time::OffsetDateTime;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::apply::{Error, store_actions};
use super::{Backoff, IN_HAND, Shared};
use crate::answer::{Answer, AnswerRequest};
use crate::conversation::command::{AnswerJob, Command};
use crate::conversation::store;
use crate::deliver::confirm::{self, Confirmed};
use crate::deliver::outbox::{self, Lane};
use crate::metrics as names;

/// The lanes of one shard under one lease.
#[derive(Clone)]
pub struct Lanes {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    lease: Lease,
    /// Lanes that run, and whether something came in since they last looked.
    running: Mutex<HashMap<Lane, bool>>,
    lost: watch::Sender<Option<Lost>>,
    /// Our own messages that came back through the gateway.
    confirmed: Mutex<Confirmed>,
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

/// Whether a lane may go on.
enum Flow {
    Continue,
    /// The lease is over: what is left belongs to the next owner.
    Stop,
}

impl Lanes {
    pub fn new(shared: Arc<Shared>, lease: Lease) -> Self {
        let inner = Inner {
            shared,
            lease,
            running: Mutex::default(),
            lost: watch::Sender::new(None),
            confirmed: Mutex::default(),
            abandoned: CancellationToken::new(),
            tasks: TaskTracker::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Makes a lane look for work, now or when it is through with what it has.
    pub fn kick(&self, lane: Lane) {
        let mut running = self.inner.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(again) = running.get_mut(&lane) {
            *again = true;
            return;
        }
        running.insert(lane, false);
        let inner = Arc::clone(&self.inner);
        self.inner.tasks.spawn(async move {
            inner.abandoned.run_until_cancelled(inner.run(lane)).await;
        });
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
                Ok(lanes) => return lanes.into_iter().for_each(|lane| self.kick(lane)),
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
    async fn run(&self, lane: Lane) {
        let slots = Arc::clone(&self.shared.lane_slots);
        let stop = &self.lease.stop;
        let Some(Ok(_slot)) = stop.run_until_cancelled(slots.acquire_owned()).await else { return };
        let mut backoff = Backoff::new();
        loop {
            match self.work(lane).await {
                Ok(Flow::Continue) => {
                    backoff = Backoff::new();
                    let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
                    match running.get_mut(&lane) {
                        Some(again) if *again => *again = false,
                        _ => {
                            running.remove(&lane);
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
            let rows = self.about_to_try(lane, outbox::pending(&self.shared.pool, lane).await?).await?;
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
        let (id, job) = match store::next_job(&self.shared.pool, lane.server, conversation).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(Some(false)),
            Err(store::Error::Job { id, source }) => {
                tracing::error!(error = %source, "answer job {id} of {} is unreadable and dropped", lane.server);
                let mut tx = FencedTx::begin_for(&self.shared.pool, &self.lease.fence, lane.server).await?;
                store::end_job(&mut tx, lane.server, id).await?;
                tx.commit().await?;
                return Ok(Some(true));
            }
            Err(error) => return Err(error.into()),
        };
        if !self.may_act().await {
            return Ok(None);
        }
        let Some(answer) = self.answer(lane.server, &job).await? else { return Ok(None) };
        self.t2(lane, conversation, id, job, answer).await?;
        Ok(Some(true))
    }

    /// Outside any transaction: it may take as long as a model takes. None: the lease is over.
    async fn answer(&self, server: ServerId, job: &AnswerJob) -> Result<Option<Answer>, Error> {
        let config = self.shared.configs.get(server).await?;
        let request = AnswerRequest {
            server,
            language: config.language.clone(),
            system_prompt: config.system_prompt.clone(),
            question: job.question.clone(),
            history: job.history.clone(),
        };
        let started = tokio::time::Instant::now();
        let mut backoff = Backoff::new();
        loop {
            let attempt = self.shared.answerer.answer(&request);
            match self.lease.stop.run_until_cancelled(attempt).await {
                None => return Ok(None),
                Some(Ok(answer)) => {
                    metrics::histogram!(names::ANSWER_SECONDS).record(started.elapsed().as_secs_f64());
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
    ) -> Result<(), Error> {
        let (asked_at, action) = (job.asked_at, answer.action);
        let mut tx = FencedTx::begin_for(&self.shared.pool, &self.lease.fence, lane.server).await?;
        if !store::end_job(&mut tx, lane.server, id).await? {
            return Ok(());
        }
        let Some(state) = store::load(&mut tx, lane.server, conversation).await? else { return Ok(()) };
        let at = OffsetDateTime::now_utc();
        let (state, actions) = state.apply(Command::Answered { job, answer, at });
        store::save(&mut tx, lane.server, &state, "").await?;
        store_actions(&mut tx, lane, actions).await?;
        tx.commit().await?;
        let outcome = match action {
            crate::answer::Action::Answer => "answered",
            crate::answer::Action::Unsure => "unsure",
        };
        metrics::counter!(names::QUESTIONS, "outcome" => outcome).increment(1);
        metrics::histogram!(names::QUESTION_SECONDS).record((at - asked_at).as_seconds_f64().max(0.0));
        Ok(())
    }

    /// Nothing of the shard is read or done any more under this lease.
    fn lose(&self, lost: Lost) {
        self.lost.send_replace(Some(lost));
        self.lease.stop.cancel();
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
