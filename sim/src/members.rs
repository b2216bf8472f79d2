//! Members who act by themselves: they ask in the support channel, by mention or by slash command, read the
//! answer, ask on in its thread (sometimes twice at once), and sometimes press its button.
//!
//! They know nothing of support: what to ask is a [`Script`], which carries a tag the caller understands.
//! Who asks what, where and how follows from the seed.

mod engine;
mod script;

pub use script::{Asked, FollowUp, How, Params, Pressed, Question, Script, ServerRef};

use crate::lock;
use crate::simulator::Simulator;
use std::sync::{Arc, Mutex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// Orders that may wait for the members; more wait in [`Members::burst`].
const ORDERS: usize = 16;

/// Why members cannot begin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Nothing to ask.
    #[error("the script has no questions")]
    EmptyScript,
    /// A question names a server the simulator does not have.
    #[error("question {0} is for a server that does not exist")]
    UnknownServer(usize),
}

/// Where the members stand.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Progress {
    /// Questions asked, follow-ups included.
    pub asked: usize,
    /// Questions with a visible answer.
    pub answered: usize,
    /// Of the asked, those without an answer whose deadline is not over.
    pub in_flight: usize,
    /// Buttons pressed.
    pub pressed: usize,
}

pub(crate) enum Order {
    Burst(usize),
    Stop,
}

#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) asked: Vec<Asked>,
    pub(crate) progress: Progress,
}

/// Members at work.
#[derive(Debug)]
pub struct Members {
    orders: mpsc::Sender<Order>,
    shared: Arc<Mutex<Shared>>,
    task: JoinHandle<()>,
}

impl Members {
    /// Sets members to work. They stop asking after `params.duration`, at [`Members::stop_asking`], or when
    /// `cancel` is cancelled, which also ends them without waiting for answers.
    pub fn start(
        simulator: &Simulator,
        script: Script,
        params: Params,
        cancel: CancellationToken,
    ) -> Result<Self, Error> {
        let (orders, receiver) = mpsc::channel(ORDERS);
        let shared = Arc::new(Mutex::new(Shared::default()));
        let engine = engine::Engine::new(simulator.clone(), script, params, shared.clone())?;
        let task = tokio::spawn(engine.run(receiver, cancel));
        Ok(Self { orders, shared, task })
    }

    /// Asks `n` first questions at once, beside those that arrive anyway.
    pub async fn burst(&self, n: usize) {
        // Members that have ended ask nothing more.
        let _ = self.orders.send(Order::Burst(n)).await;
    }

    /// Asks nothing new from now on; answers are still awaited.
    pub async fn stop_asking(&self) {
        let _ = self.orders.send(Order::Stop).await;
    }

    /// Where they stand.
    pub fn progress(&self) -> Progress {
        lock(&self.shared).progress
    }

    /// What was asked so far, with the answers seen.
    pub fn snapshot(&self) -> Vec<Asked> {
        lock(&self.shared).asked.clone()
    }

    /// How much was asked so far.
    pub fn count(&self) -> usize {
        lock(&self.shared).asked.len()
    }

    /// What was asked after so many questions, with the answers seen.
    pub fn snapshot_after(&self, count: usize) -> Vec<Asked> {
        lock(&self.shared).asked.get(count..).unwrap_or_default().to_vec()
    }

    /// Waits until nothing more is asked and each question has an answer or is past the deadline, and then
    /// for `params.linger`.
    pub async fn finish(self) -> Vec<Asked> {
        if self.task.await.is_err() {
            tracing::error!("the simulated members ended by a panic");
        }
        std::mem::take(&mut lock(&self.shared).asked)
    }
}

/// Lets members ask for `params.duration` and waits for the answers.
pub async fn run(
    simulator: &Simulator,
    script: Script,
    params: Params,
    cancel: CancellationToken,
) -> Result<Vec<Asked>, Error> {
    Ok(Members::start(simulator, script, params, cancel)?.finish().await)
}
