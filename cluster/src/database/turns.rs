//! Who gets a connection next when many want one: whoever has waited longest for what he does, from his first statement to
//! his last.
//!
//! A pool alone serves whoever asked for a connection first. Hundreds that each need one ten times for a moment then all go
//! on at once, each at a hundredth of the speed, and when they are interrupted before any of them is through, everybody
//! begins anew. In turns the first is through after a moment, then the second.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// So many turns at once. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Turns {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    free: usize,
    /// By when their work began to wait, then by when they came. Nobody stands here while a turn is free.
    waiting: BTreeMap<(i64, u64), oneshot::Sender<Turn>>,
    come: u64,
}

/// A turn; given back when dropped.
#[derive(Debug)]
pub struct Turn {
    turns: Turns,
}

/// Since when the work of somebody waits, in microseconds of any clock that all of them share.
#[derive(Clone, Debug)]
pub struct WaitingSince(Arc<AtomicI64>);

impl WaitingSince {
    pub fn new(us: i64) -> Self {
        Self(Arc::new(AtomicI64::new(us)))
    }

    /// He is through with one piece and goes on to one that waits since then.
    pub fn set(&self, us: i64) {
        self.0.store(us, Ordering::Relaxed);
    }

    pub fn get(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Turns {
    pub fn new(at_once: usize) -> Self {
        let state = State { free: at_once, waiting: BTreeMap::new(), come: 0 };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Waits until nobody waits whose work waits longer. Cancelled, it stands in nobody's way.
    pub async fn take(&self, since: i64) -> Turn {
        let (place, mine) = {
            let mut state = self.lock();
            if state.free > 0 {
                state.free -= 1;
                return self.turn();
            }
            state.come += 1;
            let place = (since, state.come);
            let (give, mine) = oneshot::channel();
            state.waiting.insert(place, give);
            (place, mine)
        };
        let _leaves = Leaves { turns: self, place };
        // The sender stands in `waiting` until a turn is sent through it.
        mine.await.unwrap_or_else(|_| self.turn())
    }

    fn turn(&self) -> Turn {
        Turn { turns: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change under the lock is complete before anything can panic.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = {
            let mut state = self.turns.lock();
            let next = state.waiting.pop_first();
            if next.is_none() {
                state.free += 1;
            }
            next
        };
        if let Some((_, next)) = next {
            // Outside of the lock: a turn that nobody takes any more comes back here and goes to the one after.
            let _ = next.send(self.turns.turn());
        }
    }
}

/// Takes whoever was cancelled out of the line.
struct Leaves<'a> {
    turns: &'a Turns,
    place: (i64, u64),
}

impl Drop for Leaves<'_> {
    fn drop(&mut self) {
        self.turns.lock().waiting.remove(&self.place);
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::Pin;
    use std::task::Poll;

    use super::*;

    async fn now<F: Future>(waiting: &mut Pin<Box<F>>) -> Option<F::Output> {
        poll_fn(|context| match waiting.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending => Poll::Ready(None),
        })
        .await
    }

    #[tokio::test]
    async fn whoever_waits_longest_is_next_and_nobody_is_forgotten() {
        let turns = Turns::new(2);
        let (first, second) = (turns.take(50).await, turns.take(40).await);
        let mut late = Box::pin(turns.take(30));
        let mut early = Box::pin(turns.take(10));
        let mut cancelled = Box::pin(turns.take(5));
        let none = [now(&mut late).await, now(&mut early).await, now(&mut cancelled).await];
        assert!(none.iter().all(Option::is_none));
        drop(cancelled);
        drop(first);
        assert!(now(&mut late).await.is_none());
        let early = now(&mut early).await.expect("it is next");
        drop(second);
        let late = now(&mut late).await.expect("it is next");
        drop((early, late));
        let state = turns.lock();
        assert_eq!((state.free, state.waiting.len()), (2, 0));
    }

    #[tokio::test]
    async fn a_turn_that_was_given_to_one_who_left_goes_on() {
        let turns = Turns::new(1);
        let held = turns.take(1).await;
        let mut gone = Box::pin(turns.take(2));
        let mut waits = Box::pin(turns.take(3));
        assert!(now(&mut gone).await.is_none() && now(&mut waits).await.is_none());
        drop(held);
        drop(gone);
        assert!(now(&mut waits).await.is_some());
        assert_eq!(turns.lock().free, 1);
    }
}
