//! Acknowledges the interactions that no worker has acknowledged within 1.5 s of their arrival.
//!
//! The reply is the one that the worker would begin with ([`crate::first_reply`]), so that its answer fits
//! later. Needs neither a worker nor Redis nor Postgres: an interaction is noted before it is published. Who
//! comes second is told 40060 by Discord, which is no error. Bounded; see [`waiting`] for the overflow rule.
//! Sources: <https://discord.com/developers/docs/interactions/receiving-and-responding#interaction-callback>.

pub mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use helpline_cluster::rate_limit::Answer;
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::egress::Egress;
use super::metrics;
use crate::discord::{Interaction, code};
use crate::first_reply::first_reply;
use waiting::{Ages, DEADLINE, Pending, Taken, Waiting};

/// Interactions that may wait at once: what 6,600 a second leave behind in three seconds.
const BOUND: usize = 20_000;
/// Callbacks under way at once.
const AT_ONCE: usize = 256;
/// One attempt; there is time for two.
const ATTEMPT: Duration = Duration::from_millis(900);
const RETRY_AFTER: Duration = Duration::from_millis(50);
/// How long a stop goes on deferring what the gateway shards still hand in.
const STOP_WAIT: Duration = Duration::from_millis(500);

/// The interactions of one proxy that wait for their first reply.
#[derive(Debug)]
pub struct Deferrals {
    state: Mutex<(Waiting, Ages)>,
    news: Notify,
}

/// An INTERACTION_CREATE as the gateway brought it.
#[derive(Clone, Copy, Debug)]
pub struct Arrival<'a> {
    pub data: &'a str,
    /// Whether a RESUME repeats it: then it may be old.
    pub replayed: bool,
    /// The server's support is switched on.
    pub support_on: bool,
    pub unix_ms: u64,
}

impl Deferrals {
    pub fn new() -> Arc<Self> {
        let state = Mutex::new((Waiting::new(BOUND), Ages::default()));
        Arc::new(Self { state, news: Notify::new() })
    }

    /// Notes an interaction. Never waits.
    pub fn arrived(&self, arrival: Arrival<'_>) {
        // What cannot be read here cannot be answered: its token is missing.
        let Ok(interaction) = serde_json::from_str::<Interaction>(arrival.data) else { return };
        let now = Instant::now();
        let id = interaction.id.0;
        let taken = {
            let (waiting, ages) = &mut *self.lock();
            let age = ages.of(id, arrival.replayed, arrival.unix_ms);
            let reply = first_reply(&interaction, arrival.support_on);
            let since = now.checked_sub(age).unwrap_or(now);
            waiting.arrived(Pending { id, token: interaction.token, reply, since }, now)
        };
        match taken {
            Taken::Waits => self.news.notify_one(),
            Taken::Known => {}
            Taken::TooOld => unanswered("too_old"),
            Taken::Overflow => unanswered("overflow"),
        }
    }

    /// A worker's callback was taken by Discord, or an earlier one had been.
    pub fn acknowledged(&self, id: u64) {
        if let Some(pending) = self.lock().0.ended(id) {
            acknowledged("worker", Some(&pending));
        }
    }

    /// Defers what is due until stopped; what waits then is deferred at once.
    pub async fn run(self: Arc<Self>, egress: Arc<Egress>, stop: CancellationToken) {
        let mut sending = JoinSet::new();
        let mut stop_at = None;
        loop {
            let now = Instant::now();
            let (due, next) = {
                let waiting = &mut self.lock().0;
                (waiting.due(now, AT_ONCE - sending.len()), waiting.next_due())
            };
            for pending in due {
                let (deferrals, egress) = (Arc::clone(&self), Arc::clone(&egress));
                sending.spawn(async move { deferrals.defer(&egress, pending).await });
            }
            if stop_at.is_some_and(|at| now >= at) && sending.is_empty() {
                return;
            }
            let full = sending.len() >= AT_ONCE;
            let wake_at = next.filter(|_| !full).into_iter().chain(stop_at).min();
            tokio::select! {
                () = self.news.notified(), if !full => {}
                Some(_) = sending.join_next() => {}
                () = stop.cancelled(), if stop_at.is_none() => {
                    self.lock().0.hurry();
                    stop_at = Some(Instant::now() + STOP_WAIT);
                }
                () = sleep_until(wake_at) => {}
            }
        }
    }

    /// Acknowledges one, repeating while there is time: an attempt that took effect unseen answers 40060.
    async fn defer(&self, egress: &Egress, pending: Pending) {
        let body = pending.reply.callback();
        let deadline = pending.since + DEADLINE;
        let why = loop {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || !self.lock().0.contains(pending.id) {
                break "too_old";
            }
            let attempt = egress.callback(pending.id, &pending.token, &body);
            let pause = match tokio::time::timeout(ATTEMPT.min(left), attempt).await {
                Ok(Some((answer, _))) if (200..300).contains(&answer.status) => {
                    tracing::debug!(
                        interaction = pending.id,
                        "no worker acknowledged an interaction in time"
                    );
                    return self.over(&pending, "proxy");
                }
                Ok(Some((_, code::ALREADY_ACKNOWLEDGED))) => return self.over(&pending, "elsewhere"),
                Ok(Some((answer, _))) if answer.is_limited() => answer.wait(),
                Ok(Some((Answer { status: 500.., .. }, _)) | None) => RETRY_AFTER,
                Ok(Some((Answer { status: 404, .. }, _))) => break "too_old",
                Ok(Some((Answer { status, .. }, code))) => {
                    tracing::warn!(status, code, reply = pending.reply.label(), "Discord refused a deferral");
                    break "refused";
                }
                Err(_) => Duration::ZERO,
            };
            tokio::time::sleep(pause.min(left)).await;
        };
        if self.lock().0.ended(pending.id).is_some() {
            unanswered(why);
        }
    }

    fn over(&self, pending: &Pending, by: &'static str) {
        // A worker's callback may have been seen first: then it has been counted.
        if self.lock().0.ended(pending.id).is_some() {
            acknowledged(by, Some(pending).filter(|_| by == "proxy"));
        }
    }

    fn lock(&self) -> MutexGuard<'_, (Waiting, Ages)> {
        // Every change under the lock is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}

/// `timed`: when the moment of the acknowledgment is known.
fn acknowledged(by: &'static str, timed: Option<&Pending>) {
    ::metrics::counter!(metrics::ACKNOWLEDGED, "by" => by).increment(1);
    if let Some(pending) = timed {
        ::metrics::histogram!(metrics::ACKNOWLEDGED_TIME, "by" => by).record(pending.since.elapsed());
    }
}

fn unanswered(why: &'static str) {
    ::metrics::counter!(metrics::UNACKNOWLEDGED, "why" => why).increment(1);
}
