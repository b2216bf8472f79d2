//! The daily budget of new sessions. Discord resets the bot's token when it is exceeded, so the last ones are
//! not spent: a gateway shard that has to identify waits until Discord gives new ones.
//! Source: <https://discord.com/developers/docs/events/gateway#session-start-limit-object>.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use helpline_cluster::identify::RedisQueue;
use tokio::sync::oneshot;
use tokio::time::Instant;
use twilight_gateway_queue::Queue;

use super::setup::SessionStartLimit;

/// After the first reset the budget lasts a day.
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// The cluster's identify queue behind this process's view of the daily budget.
#[derive(Clone, Debug)]
pub struct Identifies {
    queue: RedisQueue,
    budget: Arc<Mutex<Budget>>,
}

#[derive(Debug)]
struct Budget {
    total: u32,
    left: u32,
    reset_at: Instant,
}

impl Budget {
    /// Takes one, or says when there will be more.
    fn take(&mut self, now: Instant) -> Result<(), Instant> {
        while self.reset_at <= now {
            self.left = self.total;
            self.reset_at += DAY;
        }
        if self.left == 0 {
            return Err(self.reset_at);
        }
        self.left -= 1;
        Ok(())
    }
}

impl Identifies {
    pub fn new(queue: RedisQueue, limit: &SessionStartLimit, now: Instant) -> Self {
        let reset_at = now + Duration::from_millis(limit.reset_after);
        let budget = Budget { total: limit.total.max(1), left: limit.remaining, reset_at };
        Self { queue, budget: Arc::new(Mutex::new(budget)) }
    }
}

impl Queue for Identifies {
    fn enqueue(&self, shard: u32) -> oneshot::Receiver<()> {
        let taken = self.budget.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
        let Err(until) = taken else { return self.queue.enqueue(shard) };
        tracing::error!(
            minutes = until.saturating_duration_since(Instant::now()).as_secs() / 60,
            "today's sessions are used up; gateway shard {shard} waits for new ones, because Discord would reset the token"
        );
        let (permit, granted) = oneshot::channel();
        tokio::spawn(async move {
            let mut permit: oneshot::Sender<()> = permit;
            tokio::select! {
                // Without an answer twilight asks again, and finds a new budget.
                () = tokio::time::sleep_until(until) => drop(permit),
                () = permit.closed() => {}
            }
        });
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_budget_waits_for_its_reset() {
        let now = Instant::now();
        let reset_at = now + Duration::from_secs(60);
        let mut budget = Budget { total: 2, left: 1, reset_at };
        assert_eq!(budget.take(now), Ok(()));
        assert_eq!(budget.take(now), Err(reset_at));
        assert_eq!(budget.take(reset_at), Ok(()));
        assert_eq!(budget.take(reset_at), Ok(()));
        assert_eq!(budget.take(reset_at), Err(reset_at + DAY));
    }
}
