//! How many calls are made at once: of one server, and in all.
//!
//! Overflow rule: a server has at most [`WAITING`] times as many questions waiting as it may have calls, all together
//! as many as there may be calls (but for the first of each server), and none waits longer than its caller is patient; the others are answered without the
//! model. So answers that wait never take all the lanes of a worker. A place in the queue for all
//! is only waited for with a place of one's own server in hand, so that a server that floods holds up the others by no
//! more than its own few calls.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use helpline_cluster::ids::ServerId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Questions of a server that wait, for each call that it may have.
const WAITING: usize = 2;

#[derive(Debug)]
pub struct Gate {
    all: Arc<Semaphore>,
    in_all: usize,
    of_each: usize,
    inside: Mutex<All>,
}

#[derive(Debug, Default)]
struct All {
    servers: HashMap<ServerId, Server>,
    /// Of all servers.
    inside: usize,
}

#[derive(Debug)]
struct Server {
    places: Arc<Semaphore>,
    /// Those that call and those that wait.
    inside: usize,
}

/// A call may be made while this is held.
#[derive(Debug)]
pub struct Place<'a> {
    _of_server: OwnedSemaphorePermit,
    _of_all: OwnedSemaphorePermit,
    _inside: Inside<'a>,
}

#[derive(Debug)]
struct Inside<'a> {
    gate: &'a Gate,
    server: ServerId,
}

impl Gate {
    /// `in_all` calls at once, `of_each` of one server; at least one.
    pub fn new(in_all: usize, of_each: usize) -> Self {
        let in_all = in_all.max(1);
        let all = Arc::new(Semaphore::new(in_all));
        Self { all, in_all, of_each: of_each.max(1), inside: Mutex::default() }
    }

    /// Waits for a place. None: too many wait already, or too long.
    pub async fn enter(&self, server: ServerId, patience: Duration) -> Option<Place<'_>> {
        let (places, inside) = self.step_inside(server)?;
        let waiting = async {
            let of_server = places.acquire_owned().await.ok()?;
            let of_all = Arc::clone(&self.all).acquire_owned().await.ok()?;
            Some((of_server, of_all))
        };
        let (of_server, of_all) = tokio::time::timeout(patience, waiting).await.ok()??;
        Some(Place { _of_server: of_server, _of_all: of_all, _inside: inside })
    }

    fn step_inside(&self, server: ServerId) -> Option<(Arc<Semaphore>, Inside<'_>)> {
        let mut all = self.lock();
        let full = all.inside >= self.in_all * 2;
        let new = || Server { places: Arc::new(Semaphore::new(self.of_each)), inside: 0 };
        let entry = all.servers.entry(server).or_insert_with(new);
        if entry.inside >= self.of_each * (1 + WAITING) || (full && entry.inside > 0) {
            return None;
        }
        entry.inside += 1;
        let places = Arc::clone(&entry.places);
        all.inside += 1;
        Some((places, Inside { gate: self, server }))
    }

    fn lock(&self) -> MutexGuard<'_, All> {
        // Every change under the lock is complete before anything can panic.
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        let mut all = self.gate.lock();
        all.inside -= 1;
        if let Some(entry) = all.servers.get_mut(&self.server) {
            entry.inside -= 1;
            if entry.inside == 0 {
                all.servers.remove(&self.server);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::task::Poll;

    const SOON: Duration = Duration::from_millis(20);

    async fn is_pending<F: Future>(future: &mut std::pin::Pin<Box<F>>) -> bool {
        std::future::poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_pending())).await
    }

    #[tokio::test]
    async fn a_server_that_floods_does_not_keep_another_from_the_model() {
        let gate = Gate::new(3, 2);
        let _first = gate.enter(ServerId(1), SOON).await.expect("free");
        let _second = gate.enter(ServerId(1), SOON).await.expect("free");
        assert!(gate.enter(ServerId(1), SOON).await.is_none(), "its places are taken");
        assert!(gate.enter(ServerId(2), SOON).await.is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_of_one_server_is_bounded_and_leaves_nothing_behind() {
        let gate = Gate::new(10, 1);
        let held = gate.enter(ServerId(1), SOON).await.expect("free");
        let patient = Duration::from_secs(60);
        let mut waiting: Vec<_> = (0..WAITING).map(|_| Box::pin(gate.enter(ServerId(1), patient))).collect();
        for wait in &mut waiting {
            assert!(is_pending(wait).await);
        }
        let asked = tokio::time::Instant::now();
        assert!(gate.enter(ServerId(1), patient).await.is_none());
        assert_eq!(asked.elapsed(), Duration::ZERO, "it is not made to wait");
        drop(held);
        assert!(waiting.remove(0).await.is_some());
        drop(waiting);
        assert!(gate.lock().servers.is_empty());
        assert_eq!(gate.lock().inside, 0);
        assert_eq!(gate.all.available_permits(), 10);
    }

    #[tokio::test(start_paused = true)]
    async fn what_waits_in_all_is_bounded() {
        let gate = Gate::new(2, 1);
        let patient = Duration::from_secs(60);
        let servers = [1, 1, 1, 2, 2, 2].map(ServerId);
        let mut inside: Vec<_> = servers.map(|server| Box::pin(gate.enter(server, patient))).into();
        let (mut entered, mut refused) = (Vec::new(), 0);
        for wait in &mut inside {
            match std::future::poll_fn(|cx| Poll::Ready(wait.as_mut().poll(cx))).await {
                Poll::Ready(None) => refused += 1,
                Poll::Ready(Some(place)) => entered.push(place),
                Poll::Pending => {}
            }
        }
        assert_eq!((entered.len(), refused), (2, 2), "two call, two wait");
        let mut another = Box::pin(gate.enter(ServerId(3), patient));
        assert!(is_pending(&mut another).await, "a server of which nobody is inside may wait");
    }

    #[tokio::test]
    async fn servers_wait_for_the_places_of_all_in_turn() {
        let gate = Gate::new(2, 1);
        let held = gate.enter(ServerId(1), SOON).await.expect("free");
        let _other = gate.enter(ServerId(3), SOON).await.expect("free");
        let patient = Duration::from_secs(10);
        let mut second = Box::pin(gate.enter(ServerId(2), patient));
        assert!(is_pending(&mut second).await);
        let mut again = Box::pin(gate.enter(ServerId(1), patient));
        assert!(is_pending(&mut again).await);
        drop(held);
        assert!(is_pending(&mut again).await, "the other server came first");
        drop(second.await.expect("it is its turn"));
        assert!(again.await.is_some());
    }
}
