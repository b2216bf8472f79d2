//! Who reaches whom: delay, loss, and cuts between any two hosts.
//!
//! A call is a request and a reply. Either may be late or lost; the caller then knows nothing about what happened, as
//! with a connection that broke. A request that was given up may still arrive after the one that repeated it.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::engine::{Engine, Host, MS, Micros};

/// After so long a closing that was not heard is repeated.
const REPEAT_AFTER: Micros = 500 * MS;

/// No answer: the request may or may not have had its effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lost;

/// How unreliable links are that are not cut.
#[derive(Clone, Copy, Debug, Default)]
pub struct Weather {
    /// Of a thousand messages, so many never arrive.
    pub lost: u64,
    /// So many are late by up to [`Weather::late_by`].
    pub late: u64,
    pub late_by: Micros,
}

struct State {
    engine: Engine,
    weather: Cell<Weather>,
    cut: RefCell<BTreeSet<(Host, Host)>>,
    down: RefCell<BTreeSet<Host>>,
    /// When something changed for a host, and for all.
    disturbed: RefCell<BTreeMap<Host, Micros>>,
    weather_changed: Cell<Micros>,
}

/// Clones share it.
#[derive(Clone)]
pub struct Network(Rc<State>);

impl Network {
    pub fn new(engine: Engine) -> Self {
        Self(Rc::new(State {
            engine,
            weather: Cell::default(),
            cut: RefCell::default(),
            down: RefCell::default(),
            disturbed: RefCell::default(),
            weather_changed: Cell::default(),
        }))
    }

    pub fn set_weather(&self, weather: Weather) {
        self.0.weather.set(weather);
        self.0.weather_changed.set(self.0.engine.now());
    }

    /// Nothing passes between the two, in either direction.
    pub fn cut(&self, a: Host, b: Host) {
        self.0.cut.borrow_mut().extend([(a, b), (b, a)]);
        [a, b].into_iter().for_each(|host| self.disturb(host));
    }

    pub fn heal(&self, a: Host, b: Host) {
        let healed = self.0.cut.borrow_mut().remove(&(a, b));
        self.0.cut.borrow_mut().remove(&(b, a));
        if healed {
            [a, b].into_iter().for_each(|host| self.disturb(host));
        }
    }

    pub fn is_open(&self, a: Host, b: Host) -> bool {
        !self.0.cut.borrow().contains(&(a, b))
    }

    /// Whether the host's process runs; calls to one that does not are refused at once.
    pub fn set_up(&self, host: Host, up: bool) {
        self.disturb(host);
        let mut down = self.0.down.borrow_mut();
        if up {
            down.remove(&host)
        } else {
            down.insert(host)
        };
    }

    /// Something went wrong with a host, or ended.
    pub fn disturb(&self, host: Host) {
        self.0.disturbed.borrow_mut().insert(host, self.0.engine.now());
    }

    /// Whether nothing has gone wrong with a host, and with its way to Discord, since then.
    pub fn is_calm(&self, host: Host, since: Micros) -> bool {
        let of_all = self.0.weather_changed.get();
        let last = self.0.disturbed.borrow().get(&host).map_or(of_all, |at| of_all.max(*at));
        let weather = self.0.weather.get();
        last < since
            && (weather.lost, weather.late) == (0, 0)
            && self.is_open(host, Host::Discord)
            && self.is_up(host)
            && !self.0.engine.is_frozen(host)
    }

    pub fn is_up(&self, host: Host) -> bool {
        !self.0.down.borrow().contains(&host)
    }

    /// When a message that is sent now arrives; none when it never does.
    pub fn delay(&self, from: Host, to: Host) -> Option<Micros> {
        let (engine, weather) = (&self.0.engine, self.0.weather.get());
        if !self.is_open(from, to) || engine.chance(weather.lost) {
            return None;
        }
        let late = if engine.chance(weather.late) { engine.below(weather.late_by) } else { 0 };
        Some(engine.between(MS / 5, MS + MS / 2) + late)
    }

    /// Asks a host that serves at once, however it is doing: Redis, Postgres, Discord.
    pub async fn call<R: 'static>(
        &self,
        from: Host,
        to: Host,
        patience: Duration,
        serve: impl FnOnce() -> R + 'static,
    ) -> Result<R, Lost> {
        self.call_async(from, to, patience, async move { serve() }).await
    }

    /// Asks a host that may take its time. Served by a task of that host: not while it is frozen.
    pub async fn call_async<R: 'static>(
        &self,
        from: Host,
        to: Host,
        patience: Duration,
        serve: impl Future<Output = R> + 'static,
    ) -> Result<R, Lost> {
        let engine = &self.0.engine;
        let (reply, answer) = oneshot::channel();
        if let Some(delay) = self.delay(from, to) {
            let this = self.clone();
            engine.at(engine.now() + delay, move || this.arrive(from, to, reply, serve));
        } else {
            // Kept until the caller's patience is over: a dropped sender would tell him at once.
            let forget = engine.now() + 60 * 1_000 * MS;
            engine.at(forget, move || drop(reply));
        }
        match engine.timeout(from, patience, answer).await {
            Some(Ok(answer)) => Ok(answer),
            Some(Err(_)) | None => Err(Lost),
        }
    }

    fn arrive<R: 'static>(
        &self,
        from: Host,
        to: Host,
        reply: oneshot::Sender<R>,
        serve: impl Future<Output = R> + 'static,
    ) {
        if !self.is_up(to) {
            // Refused: the dropped sender says so.
            return;
        }
        let this = self.clone();
        self.0.engine.spawn(to, async move {
            let answer = serve.await;
            match this.delay(to, from) {
                Some(delay) => {
                    let engine = &this.0.engine;
                    engine.at(engine.now() + delay, move || drop(reply.send(answer)));
                }
                None => {
                    let engine = &this.0.engine;
                    engine.at(engine.now() + 60 * 1_000 * MS, move || drop(reply));
                }
            }
        });
    }

    /// The closing of a connection, which the kernel of the closing side repeats until it is heard.
    pub fn post(&self, from: Host, to: Host, what: impl FnOnce() + 'static) {
        let engine = &self.0.engine;
        match self.delay(from, to) {
            Some(delay) => engine.at(engine.now() + delay, what),
            None => {
                let this = self.clone();
                engine.at(engine.now() + REPEAT_AFTER, move || this.post(from, to, what));
            }
        }
    }
}
