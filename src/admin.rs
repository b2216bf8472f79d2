//! What operators and their tools look at on ADMIN_ADDR: /livez, /readyz and /metrics, and for people the status page at /.
//!
//! Roles report into [`Health`]; probes ask no store, so that none of them hangs on one. Holds no secrets, yet
//! belongs on a private address: it tells names of workers and how busy they are.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;

use crate::status::{Live, page};

/// How often the exporter folds recorded samples into its histograms; without it they pile up in memory.
const UPKEEP_EVERY: Duration = Duration::from_secs(5);

/// Upper bounds in seconds of every `*_seconds` histogram: from a database round trip to a model's answer.
const SECONDS: [f64; 14] =
    [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// A main loop that has not moved for so long is dead. Far longer than a busy machine keeps a task waiting.
const STILL: Duration = Duration::from_secs(30);
const BEAT_EVERY: Duration = Duration::from_secs(1);

/// What a role says of one thing it needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// Serves, with a promise weakened: the text says which.
    Degraded(String),
    /// Cannot serve: the text says what is missing.
    Missing(String),
}

impl From<bool> for Readiness {
    fn from(ready: bool) -> Self {
        if ready { Self::Ready } else { Self::Missing("not yet".to_owned()) }
    }
}

/// The named checks of a process, and the pulses of its main loops. Not ready until the first check is set, and while one of
/// them is missing; not alive when a loop has come to nothing for [`STILL`].
#[derive(Debug)]
pub struct Health {
    checks: Mutex<BTreeMap<&'static str, Readiness>>,
    pulses: Pulses,
    still: Duration,
}

type Pulses = Arc<Mutex<BTreeMap<&'static str, Instant>>>;

impl Default for Health {
    fn default() -> Self {
        Self { checks: Mutex::default(), pulses: Pulses::default(), still: STILL }
    }
}

/// The pulse of one main loop. It is missed when the loop panics, is dropped, ends or blocks its thread; waiting for a store or
/// for work misses nothing, because no restart would mend that.
#[derive(Clone, Debug)]
pub struct Pulse {
    name: &'static str,
    pulses: Pulses,
}

impl Pulse {
    /// The loop goes on.
    pub fn beat(&self) {
        self.pulses.lock().unwrap_or_else(PoisonError::into_inner).insert(self.name, Instant::now());
    }

    /// Beats for as long as the runtime comes to it and it has not ended.
    pub async fn of<T>(self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        let mut every = interval(BEAT_EVERY);
        loop {
            tokio::select! {
                done = &mut work => return done,
                _ = every.tick() => self.beat(),
            }
        }
    }
}

impl Health {
    /// As the default, with another time after which a loop counts as dead.
    #[must_use]
    pub fn with_patience(still: Duration) -> Self {
        Self { still, ..Self::default() }
    }

    /// Sets the check `name`, such as "redis", or "shards".
    pub fn set(&self, name: &'static str, readiness: impl Into<Readiness>) {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner).insert(name, readiness.into());
    }

    /// Begins to watch a main loop: from now on the process is alive only while it beats.
    #[must_use]
    pub fn pulse(&self, name: &'static str) -> Pulse {
        let pulse = Pulse { name, pulses: Arc::clone(&self.pulses) };
        pulse.beat();
        pulse
    }

    /// The main loops that have not moved for too long.
    fn dead(&self) -> Vec<(&'static str, Duration)> {
        let pulses = self.pulses.lock().unwrap_or_else(PoisonError::into_inner);
        let silences = pulses.iter().map(|(name, beat)| (*name, beat.elapsed()));
        silences.filter(|(_, silence)| *silence > self.still).collect()
    }

    fn alive(&self) -> (StatusCode, String) {
        let dead = self.dead();
        if dead.is_empty() {
            return (StatusCode::OK, "alive\n".to_owned());
        }
        let report = dead.iter().fold(String::new(), |mut report, (name, silence)| {
            writeln!(report, "{name}: no progress for {} s", silence.as_secs())
                .expect("a String takes every write");
            report
        });
        (StatusCode::SERVICE_UNAVAILABLE, report)
    }

    #[must_use]
    pub fn is_ready(&self) -> bool {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        !checks.is_empty() && !checks.values().any(|check| matches!(check, Readiness::Missing(_)))
    }

    /// One line for each check, for people.
    fn report(&self) -> String {
        let checks = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        if checks.is_empty() {
            return "starting: no check has been made yet\n".to_owned();
        }
        checks.iter().fold(String::new(), |mut report, (name, check)| {
            let written = match check {
                Readiness::Ready => writeln!(report, "{name}: ready"),
                Readiness::Degraded(why) => writeln!(report, "{name}: degraded: {why}"),
                Readiness::Missing(why) => writeln!(report, "{name}: missing: {why}"),
            };
            written.expect("a String takes every write");
            report
        })
    }
}

/// Makes the process record metrics; a second call returns the first one's handle.
pub fn install_recorder() -> anyhow::Result<PrometheusHandle> {
    static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS)
        .context("set the buckets of the metrics")?
        .install_recorder()
        .context("install the recorder of metrics")?;
    crate::metrics::describe();
    Ok(installed.insert(handle).clone())
}

/// Installs the recorder and serves on `address` until `cancel`; without an address it only waits for `cancel`.
pub async fn start(
    address: Option<SocketAddr>,
    health: Arc<Health>,
    live: Option<Live>,
    cancel: CancellationToken,
) -> anyhow::Result<JoinHandle<()>> {
    let Some(address) = address else {
        return Ok(tokio::spawn(async move { cancel.cancelled().await }));
    };
    let (_, served) = serve(address, health, live, install_recorder()?, cancel).await?;
    Ok(served)
}

/// Serves until `cancel`, then lets requests under way finish. Returns the address, whose port is the one that was
/// chosen when `address` has port 0.
pub async fn serve(
    address: SocketAddr,
    health: Arc<Health>,
    live: Option<Live>,
    metrics: PrometheusHandle,
    cancel: CancellationToken,
) -> anyhow::Result<(SocketAddr, JoinHandle<()>)> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listen on ADMIN_ADDR {address}: choose a free port"))?;
    let address = listener.local_addr().context("read the address of the admin endpoint")?;
    let app = router(health, metrics.clone()).merge(page::routes(live.clone()));
    let served = tokio::spawn(async move {
        let end = cancel.clone();
        let http = axum::serve(listener, app).with_graceful_shutdown(async move { end.cancelled().await });
        let (result, ()) = tokio::join!(http.into_future(), upkeep(metrics, live, cancel));
        if let Err(error) = result {
            tracing::error!("the admin endpoint on {address} ended: {error}");
        }
    });
    Ok((address, served))
}

async fn upkeep(metrics: PrometheusHandle, live: Option<Live>, cancel: CancellationToken) {
    let mut tick = interval(UPKEEP_EVERY);
    while cancel.run_until_cancelled(tick.tick()).await.is_some() {
        metrics.run_upkeep();
        if let Some(live) = &live {
            live.rest().await;
        }
    }
}

fn router(health: Arc<Health>, metrics: PrometheusHandle) -> Router {
    let ready = async |State(health): State<Arc<Health>>| {
        let status = if health.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        (status, health.report())
    };
    let render = async move || {
        let text = metrics.render() + &crate::metrics::rows::render();
        ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response()
    };
    Router::new()
        // A runtime that hangs does not answer at all.
        .route("/livez", get(async |State(health): State<Arc<Health>>| health.alive()))
        .route("/readyz", get(ready))
        .route("/metrics", get(render))
        .with_state(health)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn readiness_names_what_is_missing() {
        let health = Arc::new(Health::default());
        let cancel = CancellationToken::new();
        let (address, served) = endpoint(&health, &cancel).await;

        let (status, text) = get_text(address, "/readyz").await;
        assert_eq!((status, text.starts_with("starting")), (503, true), "{text}");

        health.set("postgres", true);
        health.set("redis", Readiness::Missing("no answer from redis:6379".to_owned()));
        let (status, text) = get_text(address, "/readyz").await;
        assert_eq!(status, 503);
        assert_eq!(text, "postgres: ready\nredis: missing: no answer from redis:6379\n");
        assert_eq!(get_text(address, "/livez").await.0, 200, "alive while not ready");

        health.set("redis", Readiness::Degraded("one replica is away".to_owned()));
        let (status, text) = get_text(address, "/readyz").await;
        assert_eq!(status, 200, "degraded still serves");
        assert!(text.contains("redis: degraded: one replica is away"), "{text}");

        cancel.cancel();
        served.await.expect("ends");
    }

    #[tokio::test]
    async fn a_main_loop_that_ended_or_blocks_its_thread_is_no_life() {
        let health = Arc::new(Health::with_patience(Duration::from_millis(1_500)));
        let cancel = CancellationToken::new();
        let (address, served) = endpoint(&health, &cancel).await;
        let waits = tokio::spawn(health.pulse("waits").of(std::future::pending::<()>()));
        assert_eq!(get_text(address, "/livez").await, (200, "alive\n".to_owned()));

        let panics = tokio::spawn(health.pulse("panics").of(async { panic!("a bug") }));
        assert!(panics.await.expect_err("it panics").is_panic());
        let ends = tokio::spawn(health.pulse("ends").of(async {}));
        ends.await.expect("ends");
        let blocks = health.pulse("blocks");
        let blocked = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            let blocking = async { std::thread::sleep(Duration::from_secs(20)) };
            runtime.block_on(blocks.of(blocking));
        });
        let deadline = Instant::now() + Duration::from_secs(15);
        loop {
            let (status, text) = get_text(address, "/livez").await;
            let named = ["blocks", "ends", "panics"]
                .iter()
                .all(|name| text.contains(&format!("{name}: no progress")));
            if status == 503 && named {
                assert!(!text.contains("waits"), "who waits for work is alive: {text}");
                break;
            }
            assert!(Instant::now() < deadline, "{status} {text}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        drop(blocked);
        waits.abort();
        cancel.cancel();
        served.await.expect("ends");
    }

    #[tokio::test]
    async fn recorded_metrics_are_served_as_histograms_with_their_help() {
        let cancel = CancellationToken::new();
        let (address, served) = endpoint(&Arc::new(Health::default()), &cancel).await;
        metrics::histogram!(crate::metrics::QUESTION_SECONDS).record(0.2);
        let (status, text) = get_text(address, "/metrics").await;
        assert_eq!(status, 200);
        assert!(text.contains("helpline_question_seconds_bucket{le=\"0.25\"} 1"), "{text}");
        assert!(text.contains("# HELP helpline_question_seconds"), "{text}");
        cancel.cancel();
        served.await.expect("ends");
    }

    async fn endpoint(health: &Arc<Health>, cancel: &CancellationToken) -> (SocketAddr, JoinHandle<()>) {
        let recorder = install_recorder().expect("install the recorder");
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        serve(free, Arc::clone(health), None, recorder, cancel.clone()).await.expect("serve")
    }

    async fn get_text(address: SocketAddr, path: &str) -> (u16, String) {
        crate::telemetry::install_crypto();
        let response = reqwest::get(format!("http://{address}{path}")).await.expect("request");
        (response.status().as_u16(), response.text().await.expect("body"))
    }
}
