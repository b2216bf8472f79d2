//! The show itself: members ask, processes are killed, a line a second tells how it goes.

use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use helpline_sim::Kind;
use helpline_sim::members::{Asked, Members, Params};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::observe::{self, Takeover};
use crate::options::{Kill, Options, Victim};
use crate::process::Kept;
use crate::script;
use crate::stage::Stage;

/// How many answers are to be in flight on the victim when it is killed, and how long that is waited for.
const IN_FLIGHT: i64 = 5;
const WAIT_FOR_FLIGHT: Duration = Duration::from_secs(3);

/// What the show leaves behind to be judged.
#[derive(Debug)]
pub struct Played {
    pub asked: Vec<Asked>,
    pub takeovers: Vec<Takeover>,
}

pub async fn play(
    stage: &Stage,
    options: &Options,
    kills: &[Kill],
    cancel: &CancellationToken,
    say: impl Fn(&str),
) -> Result<Played> {
    let params = Params {
        questions_per_s: options.questions_per_second,
        duration: options.duration,
        seed: options.seed,
        press_prefix: Some("human:".to_owned()),
        slash_share: options.slash_share,
        deadline: options.patience,
        ..Params::default()
    };
    let script = script::script(&stage.themes, stage.simulator.servers().len());
    let members = Members::start(&stage.simulator, script, params, cancel.clone())?;
    let started = Instant::now();
    let takeovers = Mutex::new(Vec::new());
    let progress = async {
        let mut every = tokio::time::interval(Duration::from_secs(1));
        let mut events_before = stage.simulator.counters().events_dispatched;
        loop {
            every.tick().await;
            let last = takeovers.lock().expect("no holder panics").last().cloned();
            say(&line(stage, &members, started, &mut events_before, last.as_ref()).await);
        }
    };
    let killing = async {
        for kill in kills {
            tokio::time::sleep_until(started + kill.at).await;
            let takeover = carry_out(stage, options, &members, kill).await?;
            takeovers.lock().expect("no holder panics").push(takeover);
        }
        tokio::time::sleep_until(started + options.duration).await;
        members.stop_asking().await;
        while members.progress().in_flight > 0 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    tokio::select! {
        done = killing => done?,
        () = progress => {}
        () = cancel.cancelled() => anyhow::bail!("stopped before the end"),
    }
    let asked = members.finish().await;
    Ok(Played { asked, takeovers: takeovers.into_inner().expect("no holder panics") })
}

async fn line(
    stage: &Stage,
    members: &Members,
    started: Instant,
    events_before: &mut u64,
    last: Option<&Takeover>,
) -> String {
    let progress = members.progress();
    let cluster = observe::cluster(&stage.pool).await.unwrap_or_default();
    let events = stage.simulator.counters().events_dispatched;
    let handed_over = crate::summary::handed_over(&stage.simulator.transcript().snapshot());
    let takeover = match last.map(|takeover| (takeover.cause.as_str(), takeover.gap_ms)) {
        None => String::new(),
        Some((cause, Some(gap))) => format!("  last takeover {gap} ms ({cause})"),
        Some((cause, None)) => format!("  no takeover yet ({cause})"),
    };
    let line = format!(
        "{:>4} s  workers {}  shards owned {}  events/s {}  asked {}  answered {}  handed over {handed_over}{takeover}",
        started.elapsed().as_secs(),
        cluster.workers,
        cluster.owned,
        events - *events_before,
        progress.asked,
        progress.answered,
    );
    *events_before = events;
    line
}

async fn carry_out(stage: &Stage, options: &Options, members: &Members, kill: &Kill) -> Result<Takeover> {
    members.burst(options.burst as usize).await;
    match kill.victim {
        Victim::Worker => kill_worker(stage).await,
        Victim::Proxy => kill_proxy(stage).await,
        Victim::Nobody => unreachable!("removed when the options were read"),
    }
}

/// Kills the worker with the most answers in flight, once there are enough.
async fn kill_worker(stage: &Stage) -> Result<Takeover> {
    let deadline = Instant::now() + WAIT_FOR_FLIGHT;
    let (victim, held, in_flight) = loop {
        let loads = observe::loads(&stage.pool).await?;
        if let Some(busiest) = loads.first()
            && (busiest.in_flight >= IN_FLIGHT || Instant::now() > deadline)
            && let Some(process) = stage.workers.iter().find(|process| process.name() == busiest.worker)
        {
            let held = observe::held_by(&stage.pool, &busiest.worker).await?;
            // What counts is what was in flight at the kill, not a query earlier.
            let now = observe::loads(&stage.pool).await?;
            let in_flight =
                now.iter().find(|load| load.worker == busiest.worker).map_or(0, |load| load.in_flight);
            if in_flight >= IN_FLIGHT || Instant::now() > deadline {
                break (process, held, in_flight);
            }
        }
        anyhow::ensure!(
            Instant::now() < deadline + WAIT_FOR_FLIGHT,
            "no worker had an answer in flight: ask more with --questions-per-second or --burst"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    };
    let at_ms = observe::now_ms();
    victim.kill().await?;
    let (gap_ms, all_owned_ms) = observe::taken_over(&stage.pool, &held, at_ms).await?;
    Ok(Takeover {
        cause: "kill -9".to_owned(),
        jobs_in_flight: in_flight,
        gap_ms,
        all_owned_ms,
        shards: held.len(),
        at_ms,
    })
}

/// Kills the proxy; it is started again and resumes its sessions.
async fn kill_proxy(stage: &Stage) -> Result<Takeover> {
    let in_flight = observe::loads(&stage.pool).await?.iter().map(|load| load.in_flight).sum();
    let mut transcript = stage.simulator.subscribe();
    let at_ms = observe::now_ms();
    kill(&stage.proxy).await?;
    let resumed = async {
        loop {
            match transcript.recv().await {
                Ok(entry) if matches!(entry.kind, Kind::Resumed { .. } | Kind::Identified { .. }) => {
                    break entry.at_ms;
                }
                Ok(_) => {}
                Err(error) => tracing::debug!(%error, "the transcript was read too slowly"),
            }
        }
    };
    let gap_ms = tokio::time::timeout(Duration::from_secs(15), resumed).await.ok();
    Ok(Takeover {
        cause: "kill -9 proxy".to_owned(),
        jobs_in_flight: in_flight,
        gap_ms: gap_ms.map(|resumed| i64::try_from(resumed.saturating_sub(at_ms)).unwrap_or(i64::MAX)),
        all_owned_ms: None,
        shards: 0,
        at_ms,
    })
}

async fn kill(process: &Kept) -> Result<()> {
    process.kill().await.with_context(|| format!("kill {}", process.name()))
}
