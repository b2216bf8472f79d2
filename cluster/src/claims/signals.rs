//! What NOTIFY says, as counters to wait on. A hint: everyone who waits polls as well.

use std::time::Duration;

use sqlx::postgres::PgListener;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::membership::{MEMBERSHIP, PLACEMENT};

/// Raised when something happened that concerns the membership, the plan, or the shards of this worker.
#[derive(Debug, Clone)]
pub(crate) struct Signals {
    pub(crate) membership: watch::Sender<u64>,
    /// Any change of plan or owner: for the leader.
    pub(crate) placement: watch::Sender<u64>,
    /// The changes among them that this worker has to act upon.
    pub(crate) mine: watch::Sender<u64>,
}

pub(crate) fn raise(signal: &watch::Sender<u64>) {
    signal.send_modify(|count| *count = count.wrapping_add(1));
}

impl Signals {
    pub(crate) fn new() -> Self {
        let signal = || watch::Sender::new(0);
        Self { membership: signal(), placement: signal(), mine: signal() }
    }

    fn raise_all(&self) {
        raise(&self.membership);
        raise(&self.placement);
        raise(&self.mine);
    }

    /// `me` gives the text of the worker's present id.
    pub(crate) async fn listen(self, url: String, me: impl Fn() -> String, cancel: CancellationToken) {
        let mut pause = Duration::from_millis(50);
        loop {
            tokio::select! {
                () = cancel.cancelled() => return,
                heard = self.listen_once(&url, &me, &mut pause) => {
                    tracing::warn!(error = %heard, "listens to postgres on a new connection");
                }
            }
            tokio::select! {
                () = cancel.cancelled() => return,
                () = sleep(pause.mul_f64(0.5 + fastrand::f64())) => {}
            }
            pause = (pause * 2).min(Duration::from_secs(1));
        }
    }

    async fn listen_once(&self, url: &str, me: impl Fn() -> String, pause: &mut Duration) -> sqlx::Error {
        let listening = async {
            let mut listener = PgListener::connect(url).await?;
            listener.listen_all([MEMBERSHIP, PLACEMENT]).await?;
            Ok(listener)
        };
        let mut listener = match listening.await {
            Ok(listener) => listener,
            Err(error) => return error,
        };
        *pause = Duration::from_millis(50);
        // What was said while nobody listened.
        self.raise_all();
        loop {
            match listener.try_recv().await {
                Ok(Some(said)) if said.channel() == MEMBERSHIP => raise(&self.membership),
                Ok(Some(said)) => {
                    raise(&self.placement);
                    if said.payload().is_empty() || said.payload() == me() {
                        raise(&self.mine);
                    }
                }
                Ok(None) => self.raise_all(),
                Err(error) => return error,
            }
        }
    }
}
