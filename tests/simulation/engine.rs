//! The deterministic machine beneath the world: one thread, simulated time, one queue of what happens next.
//!
//! Tasks are futures that belong to a host. A host that crashes loses its tasks, a frozen one (SIGSTOP) is not
//! polled until it thaws, and each host has a clock of its own that may run fast or slow. Everything that is left
//! to chance comes from one seeded generator, and what is ready runs in the order in which it became ready, so that
//! a seed decides the whole run. No tokio runtime, no real time.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BinaryHeap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use helpline_cluster::clock::Clock;
use tokio::time::Instant;

use crate::trace::Trace;

/// Simulated time in microseconds since the world began.
pub type Micros = u64;

pub const MS: Micros = 1_000;
pub const SECOND: Micros = 1_000 * MS;

/// Unix time of a moment, as Discord counts it.
pub fn unix_ms(at: Micros) -> u64 {
    1_700_000_000_000 + at / MS
}

/// What was first. Of two that are ready together it is the left one.
pub enum First<A, B> {
    Left(A),
    Right(B),
}

/// Waits for the first of two; the other is dropped.
pub async fn race<A, B>(left: impl Future<Output = A>, right: impl Future<Output = B>) -> First<A, B> {
    use futures_util::future::{Either, select};
    match select(std::pin::pin!(left), std::pin::pin!(right)).await {
        Either::Left((done, _)) => First::Left(done),
        Either::Right((done, _)) => First::Right(done),
    }
}

/// A machine of the world: a process, or a server such as Redis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    Proxy(u8),
    Worker(u8),
    Redis,
    Postgres,
    Discord,
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Proxy(n) => write!(f, "proxy-{n}"),
            Self::Worker(n) => write!(f, "worker-{n}"),
            Self::Redis => f.write_str("redis"),
            Self::Postgres => f.write_str("postgres"),
            Self::Discord => f.write_str("discord"),
        }
    }
}

/// A host's monotonic clock: it runs `rate_ppm` parts per million of true time, from an offset of its own.
#[derive(Debug)]
pub struct HostClock {
    now: Arc<AtomicU64>,
    base: Instant,
    rate_ppm: u64,
    offset: Micros,
}

impl Clock for HostClock {
    fn now(&self) -> Instant {
        self.base + Duration::from_micros(self.local(self.now.load(Ordering::Relaxed)))
    }

    /// Something keeps it right to a second, whatever the monotonic one does.
    fn unix_ms(&self) -> u64 {
        unix_ms(self.now.load(Ordering::Relaxed) + self.offset / 100)
    }
}

impl HostClock {
    fn local(&self, at: Micros) -> Micros {
        self.offset + at * self.rate_ppm / 1_000_000
    }

    /// How long true time takes for a span of this clock.
    fn real(&self, local: Duration) -> Micros {
        let micros = u64::try_from(local.as_micros()).expect("a span of simulated time");
        micros * 1_000_000 / self.rate_ppm
    }
}

struct HostState {
    clock: Arc<HostClock>,
    frozen: bool,
    /// Ready while frozen, in order.
    deferred: VecDeque<TaskId>,
}

type TaskId = u64;
type Job = Pin<Box<dyn Future<Output = ()>>>;

struct Task {
    host: Host,
    job: Option<Job>,
    waker: Waker,
}

enum Next {
    Wake(Waker),
    Do(Box<dyn FnOnce()>),
}

struct Due {
    at: Micros,
    order: u64,
    next: Next,
}

impl PartialEq for Due {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.order) == (other.at, other.order)
    }
}

impl Eq for Due {}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Due {
    /// The earliest is the greatest, as the heap wants it.
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (other.at, other.order).cmp(&(self.at, self.order))
    }
}

type Ready = Arc<Mutex<VecDeque<TaskId>>>;

struct TaskWaker {
    task: TaskId,
    ready: Ready,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.lock().unwrap().push_back(self.task);
    }
}

struct Inner {
    now: Arc<AtomicU64>,
    base: Instant,
    order: Cell<u64>,
    due: RefCell<BinaryHeap<Due>>,
    tasks: RefCell<BTreeMap<TaskId, Task>>,
    next_task: Cell<TaskId>,
    ready: Ready,
    hosts: RefCell<BTreeMap<Host, HostState>>,
    rng: RefCell<fastrand::Rng>,
    trace: RefCell<Trace>,
}

/// Handle on the machine; clones share it.
#[derive(Clone)]
pub struct Engine(Rc<Inner>);

impl Engine {
    pub fn new(seed: u64, trace: Trace) -> Self {
        Self(Rc::new(Inner {
            now: Arc::new(AtomicU64::new(0)),
            base: Instant::now(),
            order: Cell::new(0),
            due: RefCell::default(),
            tasks: RefCell::default(),
            next_task: Cell::new(0),
            ready: Ready::default(),
            hosts: RefCell::default(),
            rng: RefCell::new(fastrand::Rng::with_seed(seed)),
            trace: RefCell::new(trace),
        }))
    }

    pub fn now(&self) -> Micros {
        self.0.now.load(Ordering::Relaxed)
    }

    pub fn add_host(&self, host: Host, rate_ppm: u64, offset: Micros) {
        let clock = Arc::new(HostClock { now: Arc::clone(&self.0.now), base: self.0.base, rate_ppm, offset });
        self.0.hosts.borrow_mut().insert(host, HostState { clock, frozen: false, deferred: VecDeque::new() });
    }

    pub fn clock(&self, host: Host) -> Arc<HostClock> {
        Arc::clone(&self.0.hosts.borrow()[&host].clock)
    }

    /// Microseconds as a host's own clock counts them.
    pub fn local(&self, host: Host) -> Micros {
        self.clock(host).local(self.now())
    }

    /// A number below `bound`.
    pub fn below(&self, bound: u64) -> u64 {
        self.0.rng.borrow_mut().u64(..bound.max(1))
    }

    pub fn between(&self, low: u64, high: u64) -> u64 {
        low + self.below(high - low)
    }

    pub fn chance(&self, per_mille: u64) -> bool {
        self.below(1_000) < per_mille
    }

    /// 128 random bits.
    pub fn uuid(&self) -> uuid::Uuid {
        let mut rng = self.0.rng.borrow_mut();
        uuid::Uuid::from_u64_pair(rng.u64(..), rng.u64(..))
    }

    pub fn note(&self, line: impl FnOnce() -> String) {
        let now = self.now();
        self.0.trace.borrow_mut().push(now, &line());
    }

    pub fn trace(&self) -> std::cell::Ref<'_, Trace> {
        self.0.trace.borrow()
    }

    /// Starts a task on a host; it ends with the host's crash.
    pub fn spawn(&self, host: Host, job: impl Future<Output = ()> + 'static) {
        let task = self.0.next_task.get();
        self.0.next_task.set(task + 1);
        let waker = Waker::from(Arc::new(TaskWaker { task, ready: Arc::clone(&self.0.ready) }));
        self.0.tasks.borrow_mut().insert(task, Task { host, job: Some(Box::pin(job)), waker });
        self.0.ready.lock().unwrap().push_back(task);
    }

    /// Does something at a time, whatever state any host is in.
    pub fn at(&self, when: Micros, what: impl FnOnce() + 'static) {
        self.push(when, Next::Do(Box::new(what)));
    }

    fn push(&self, at: Micros, next: Next) {
        let order = self.0.order.get();
        self.0.order.set(order + 1);
        self.0.due.borrow_mut().push(Due { at: at.max(self.now()), order, next });
    }

    /// A host's own sleep, by its own clock.
    pub fn sleep(&self, host: Host, span: Duration) -> Sleep {
        let real = self.clock(host).real(span);
        self.sleep_true(real)
    }

    /// A sleep in true time.
    pub fn sleep_true(&self, span: Micros) -> Sleep {
        Sleep { engine: self.clone(), until: self.now() + span, armed: false }
    }

    /// The future's answer, or none after `limit` of the host's time.
    pub async fn timeout<T>(&self, host: Host, limit: Duration, work: impl Future<Output = T>) -> Option<T> {
        match race(work, self.sleep(host, limit)).await {
            First::Left(done) => Some(done),
            First::Right(()) => None,
        }
    }

    /// Kill -9: every task of the host is gone at once.
    pub fn crash(&self, host: Host) {
        let mut gone = Vec::new();
        self.0.tasks.borrow_mut().retain(|_, task| {
            if task.host == host {
                gone.push(task.job.take());
            }
            task.host != host
        });
        let mut hosts = self.0.hosts.borrow_mut();
        let state = hosts.get_mut(&host).expect("the host exists");
        (state.frozen, state.deferred) = (false, VecDeque::new());
        drop(hosts);
        drop(gone);
    }

    pub fn freeze(&self, host: Host) {
        self.0.hosts.borrow_mut().get_mut(&host).expect("the host exists").frozen = true;
    }

    pub fn thaw(&self, host: Host) {
        let mut hosts = self.0.hosts.borrow_mut();
        let state = hosts.get_mut(&host).expect("the host exists");
        state.frozen = false;
        self.0.ready.lock().unwrap().extend(state.deferred.drain(..));
    }

    pub fn is_frozen(&self, host: Host) -> bool {
        self.0.hosts.borrow()[&host].frozen
    }

    /// Runs until the time is over, nothing is left to do, or `stop` says so.
    pub fn run_until(&self, end: Micros, stop: impl Fn() -> bool) {
        loop {
            self.run_ready();
            if stop() {
                return;
            }
            let due = {
                let mut due = self.0.due.borrow_mut();
                match due.peek() {
                    Some(first) if first.at <= end => due.pop(),
                    _ => None,
                }
            };
            let Some(due) = due else {
                self.0.now.store(end.max(self.now()), Ordering::Relaxed);
                return;
            };
            self.0.now.store(due.at, Ordering::Relaxed);
            match due.next {
                Next::Wake(waker) => waker.wake(),
                Next::Do(what) => what(),
            }
        }
    }

    fn run_ready(&self) {
        loop {
            let next = self.0.ready.lock().unwrap().pop_front();
            let Some(id) = next else { return };
            let (mut job, waker) = {
                let mut tasks = self.0.tasks.borrow_mut();
                let Some(task) = tasks.get_mut(&id) else { continue };
                let mut hosts = self.0.hosts.borrow_mut();
                let host = hosts.get_mut(&task.host).expect("the host exists");
                if host.frozen {
                    host.deferred.push_back(id);
                    continue;
                }
                let Some(job) = task.job.take() else { continue };
                (job, task.waker.clone())
            };
            let done = job.as_mut().poll(&mut Context::from_waker(&waker)).is_ready();
            let mut tasks = self.0.tasks.borrow_mut();
            if done {
                tasks.remove(&id);
            } else if let Some(task) = tasks.get_mut(&id) {
                task.job = Some(job);
                continue;
            }
            // Dropping a job may wake others or start what its guards do.
            drop(tasks);
            drop(job);
        }
    }

    /// Takes the machine apart: jobs hold handles on the machine that holds them.
    pub fn dismantle(&self) {
        let tasks = std::mem::take(&mut *self.0.tasks.borrow_mut());
        drop(tasks);
        let due = std::mem::take(&mut *self.0.due.borrow_mut());
        drop(due);
    }

    /// Runs one future to its end, as a test's main thread.
    pub fn block_on<T: 'static>(
        &self,
        host: Host,
        limit: Micros,
        work: impl Future<Output = T> + 'static,
    ) -> T {
        let answer = Rc::new(RefCell::new(None));
        let place = Rc::clone(&answer);
        self.spawn(host, async move { *place.borrow_mut() = Some(work.await) });
        self.run_until(self.now() + limit, || answer.borrow().is_some());
        answer.take().expect("the future ends within its simulated time")
    }
}

/// See [`Engine::sleep`].
pub struct Sleep {
    engine: Engine,
    until: Micros,
    armed: bool,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.engine.now() >= self.until {
            return Poll::Ready(());
        }
        if !self.armed {
            self.armed = true;
            let until = self.until;
            self.engine.push(until, Next::Wake(cx.waker().clone()));
        }
        Poll::Pending
    }
}
