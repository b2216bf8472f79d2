//! Keeps refused requests (401, 403, 429 but for `shared`) below what Discord bans for.
//!
//! Every proxy counts into one breaker in Redis ([`helpline_cluster::invalid_requests`]) and goes by how it stood
//! at the last look, which is never older than a heartbeat. What it has refused since counts at once. While
//! Redis is away it goes by its own count against a quarter of the threshold ([`OwnBudget`]).
//! Source: <https://discord.com/developers/docs/topics/rate-limits#invalid-request-limit-aka-cloudflare-bans>.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use helpline_cluster::invalid_requests::{Breaker, Settings, State, Tell};
use helpline_cluster::rate_limit::{Answer, Scope};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::metrics;

const HEARTBEAT: Duration = Duration::from_millis(500);
/// Refusals wait so long for others to be told with them.
const TELL_WITHIN: Duration = Duration::from_millis(50);
/// Without an answer for so long Redis is away.
const AWAY_AFTER: Duration = Duration::from_secs(2);
/// Alone, a proxy takes this part of the threshold: others may be alone too.
const PART_ALONE: u32 = 4;

/// Leave to send one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Admission {
    Normal,
    /// The one request that finds out whether Discord takes us again: its answer is to be told.
    Probe,
}

/// The budget as one proxy sees it.
#[derive(Debug)]
pub struct InvalidBudget {
    breaker: Option<Breaker>,
    standing: Mutex<Standing>,
    news: Notify,
}

#[derive(Debug)]
struct Standing {
    last: State,
    /// When Redis answered last; `last` is as old.
    heard_at: Instant,
    /// Refused since.
    untold: u32,
    own: OwnBudget,
}

impl Standing {
    /// By this process's own count.
    fn alone(&mut self, now: Instant) -> Result<Admission, Duration> {
        self.own.exhausted(now).map_or(Ok(Admission::Normal), |until| Err(until - now))
    }
}

impl InvalidBudget {
    /// Shared by all proxies through `breaker`; without one, this process's own.
    pub fn new(settings: Settings, breaker: Option<Breaker>) -> Arc<Self> {
        let part = if breaker.is_some() { PART_ALONE } else { 1 };
        let last = State {
            open: false,
            refused: 0,
            opens_at: settings.threshold,
            probe_in: settings.probe_every,
            may_probe: false,
        };
        let own = OwnBudget::new((settings.threshold / part).max(1));
        let standing = Mutex::new(Standing { last, heard_at: Instant::now(), untold: 0, own });
        Arc::new(Self { breaker, standing, news: Notify::new() })
    }

    /// Leave to send a request, or how long to wait before asking again. `own_token`: it carries an interaction's
    /// token, which neither a wrong bot token nor a lost role spoils: it may go until the budget is all but used up.
    ///
    /// # Errors
    /// The wait, while the breaker is open.
    pub async fn admit(&self, own_token: bool) -> Result<Admission, Duration> {
        let probe_in = {
            let standing = &mut *self.lock();
            let now = Instant::now();
            let Some(breaker) = &self.breaker else { return standing.alone(now) };
            if now.saturating_duration_since(standing.heard_at) > AWAY_AFTER {
                return standing.alone(now);
            }
            let last = standing.last;
            let refused = last.refused.saturating_add(standing.untold);
            let all_but_used_up = breaker.settings().threshold.saturating_mul(9) / 5;
            if (!last.open && refused < last.opens_at) || (own_token && refused < all_but_used_up) {
                return Ok(Admission::Normal);
            }
            let since = now.saturating_duration_since(standing.heard_at);
            last.probe_in.saturating_sub(since)
        };
        if !probe_in.is_zero() {
            return Err(probe_in);
        }
        match self.tell(Tell::Probe).await {
            Some(state) if state.may_probe => Ok(Admission::Probe),
            Some(state) if !state.open => Ok(Admission::Normal),
            Some(state) => Err(state.probe_in.max(Duration::from_secs(1))),
            None => Err(Duration::from_secs(1)),
        }
    }

    /// Takes an answer of Discord's.
    pub async fn answered(&self, admission: Admission, answer: &Answer) {
        let refused = matches!(answer.status, 401 | 403 | 429) && answer.scope != Some(Scope::Shared);
        if refused {
            let standing = &mut *self.lock();
            standing.untold += 1;
            if standing.own.count(Instant::now()) && self.breaker.is_none() {
                complain();
            }
            ::metrics::counter!(metrics::REST_INVALID).increment(1);
            self.news.notify_one();
        }
        if admission == Admission::Probe {
            self.tell(Tell::Probed { good: !refused }).await;
        }
    }

    /// Keeps in touch with the others until stopped.
    pub async fn run(&self, stop: CancellationToken) {
        let keeping = async {
            loop {
                tokio::select! {
                    () = self.news.notified() => tokio::time::sleep(TELL_WITHIN).await,
                    () = tokio::time::sleep(HEARTBEAT) => {}
                }
                self.tell(Tell::Sync).await;
            }
        };
        stop.run_until_cancelled(keeping).await;
        self.tell(Tell::Sync).await;
    }

    async fn tell(&self, tell: Tell) -> Option<State> {
        let breaker = self.breaker.as_ref()?;
        let untold = std::mem::take(&mut self.lock().untold);
        let told = breaker.tell(tell, untold).await;
        let standing = &mut *self.lock();
        match told {
            Ok(state) => {
                if state.open != standing.last.open {
                    if state.open {
                        complain();
                    } else {
                        tracing::info!(
                            "Discord takes requests again; the breaker of invalid requests is closed"
                        );
                    }
                }
                ::metrics::gauge!(metrics::BREAKER_OPEN).set(if state.open { 1.0 } else { 0.0 });
                ::metrics::gauge!(metrics::INVALID_BUDGET_USED).set(f64::from(state.refused));
                (standing.last, standing.heard_at) = (state, Instant::now());
                Some(state)
            }
            Err(error) => {
                // Perhaps counted already: rather twice than not at all.
                standing.untold = standing.untold.saturating_add(untold);
                tracing::debug!(%error, "the breaker of invalid requests did not answer");
                None
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Standing> {
        // Every change under the lock is complete before anything can panic.
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn complain() {
    tracing::error!(
        "Discord refused too many requests (401, 403, 429) in ten minutes; only single probes are sent for now, \
         because it would ban this address: check the bot's token and its permissions \
         (docs/runbooks/rest-breaker-open.md)"
    );
}

const WINDOW: Duration = Duration::from_secs(600);
/// Refusals are counted together for so long.
const STEP: Duration = Duration::from_secs(10);

/// This process's own refusals of the last ten minutes against a threshold. Pure.
#[derive(Debug)]
struct OwnBudget {
    threshold: u32,
    steps: VecDeque<(Instant, u32)>,
}

impl OwnBudget {
    fn new(threshold: u32) -> Self {
        Self { threshold, steps: VecDeque::new() }
    }

    /// Counts one refusal; true when it is the one that reaches the threshold.
    fn count(&mut self, now: Instant) -> bool {
        self.forget(now);
        match self.steps.back_mut() {
            Some((since, count)) if now.saturating_duration_since(*since) < STEP => *count += 1,
            _ => self.steps.push_back((now, 1)),
        }
        self.sum() == self.threshold
    }

    /// Until when nothing may be sent, if the threshold is reached.
    fn exhausted(&mut self, now: Instant) -> Option<Instant> {
        self.forget(now);
        let oldest = self.steps.front().map(|(since, _)| *since + STEP + WINDOW);
        if self.sum() >= self.threshold { oldest } else { None }
    }

    fn sum(&self) -> u32 {
        self.steps.iter().map(|(_, count)| count).sum()
    }

    fn forget(&mut self, now: Instant) {
        while self.steps.front().is_some_and(|(since, _)| *since + STEP + WINDOW <= now) {
            self.steps.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_own_budget_stops_at_its_threshold_and_recovers_after_ten_minutes() {
        let start = Instant::now();
        let mut budget = OwnBudget::new(3);
        assert!(!budget.count(start) && !budget.count(start));
        assert_eq!(budget.exhausted(start), None);
        assert!(budget.count(start + STEP * 2));
        let until = budget.exhausted(start + STEP * 3).expect("exhausted");
        assert!(until > start + WINDOW);
        assert_eq!(budget.exhausted(until), None);
    }

    #[tokio::test]
    async fn what_shared_limits_refuse_costs_nothing_of_the_budget() {
        let settings = Settings { threshold: 2, probe_every: Duration::from_secs(1) };
        let budget = InvalidBudget::new(settings, None);
        let refused = |scope| Answer { status: 429, scope, ..Answer::default() };
        for _ in 0..5 {
            budget.answered(Admission::Normal, &refused(Some(Scope::Shared))).await;
        }
        assert_eq!(budget.admit(false).await, Ok(Admission::Normal));
        budget.answered(Admission::Normal, &refused(Some(Scope::User))).await;
        budget.answered(Admission::Normal, &Answer { status: 403, ..Answer::default() }).await;
        assert!(budget.admit(false).await.is_err());
    }
}
