//! Which faults begin and end when, all from one seed. Pure.

use std::fmt;
use std::time::Duration;

use fastrand::Rng;

use crate::cluster::Line;
use crate::wire::State;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Who {
    Worker(usize),
    Proxy(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Killed; a new one is started at the end.
    Kill(Who),
    /// Stopped; thawed at the end.
    Freeze(Who),
    /// Told to stop; a new one is started at the end.
    Drain(Who),
    /// A wire in a state; it works again at the end.
    Wire(Who, Line, State),
    CrashPostgres,
    WipeRedis,
    RestartRedis,
    /// Discord ends a session.
    EndSession,
    /// Every gateway connection breaks.
    DropConnections,
    /// Requests are carried out and their answers lost.
    LoseAnswers,
    LateAnswers,
}

/// A fault begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    pub at: Duration,
    pub begins: bool,
    pub fault: Fault,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:?}", if self.begins { "+" } else { "-" }, self.fault)
    }
}

#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    pub lasts: Duration,
    pub per_minute: f64,
    pub workers: usize,
    pub proxies: usize,
    /// Whether there are faults that only backfill repairs.
    pub backfill: bool,
}

/// Steps in the order of time. Nobody meets a second fault before the first is over, and one worker is always left
/// alone, so that somebody can take over.
pub fn plan(seed: u64, bounds: &Bounds) -> Vec<Step> {
    let mut rng = Rng::with_seed(seed);
    let mut steps = Vec::new();
    // Until when each is occupied; the last worker is the one left alone, another in each plan.
    let spared = rng.usize(..bounds.workers);
    let mut busy: Vec<(Who, Duration)> = Vec::new();
    let mut at = Duration::ZERO;
    loop {
        let gap = -(1.0 - rng.f64()).ln() * 60.0 / bounds.per_minute.max(0.1);
        at += Duration::from_secs_f64(gap.min(60.0));
        if at > bounds.lasts {
            break;
        }
        busy.retain(|(_, until)| *until > at);
        let is_free = |who: &Who| busy.iter().all(|(other, _)| other != who);
        let workers = (0..bounds.workers).filter(|index| *index != spared).map(Who::Worker);
        let free: Vec<Who> = workers.chain((0..bounds.proxies).map(Who::Proxy)).filter(is_free).collect();
        let lasts = Duration::from_millis(rng.u64(200..6_000));
        let fault = draw(&mut rng, &free, bounds.backfill);
        steps.push(Step { at, begins: true, fault });
        if let Fault::Kill(who) | Fault::Freeze(who) | Fault::Drain(who) | Fault::Wire(who, ..) = fault {
            busy.push((who, at + lasts));
            steps.push(Step { at: at + lasts, begins: false, fault });
        }
    }
    steps.sort_by_key(|step| step.at);
    steps
}

fn draw(rng: &mut Rng, free: &[Who], backfill: bool) -> Fault {
    let everywhere = [Fault::CrashPostgres, Fault::DropConnections, Fault::LoseAnswers, Fault::LateAnswers];
    let repaired = [Fault::WipeRedis, Fault::RestartRedis, Fault::EndSession];
    if free.is_empty() || rng.f64() < 0.3 {
        let count = everywhere.len() + if backfill { repaired.len() } else { 0 };
        let index = rng.usize(..count);
        return everywhere.iter().chain(&repaired).nth(index).copied().unwrap_or(Fault::LoseAnswers);
    }
    let who = free[rng.usize(..free.len())];
    match rng.usize(..6) {
        0 | 1 => Fault::Kill(who),
        2 => Fault::Freeze(who),
        3 if matches!(who, Who::Worker(_)) => Fault::Drain(who),
        _ => {
            let line = [Line::Postgres, Line::Redis, Line::Outward][rng.usize(..3)];
            let states = [State::Cut, State::Silent, State::Slow(Duration::from_millis(rng.u64(5..200)))];
            Fault::Wire(who, line, states[rng.usize(..3)])
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const BOUNDS: Bounds =
        Bounds { lasts: Duration::from_secs(300), per_minute: 60.0, workers: 3, proxies: 1, backfill: true };

    #[test]
    fn the_same_seed_plans_the_same_faults() {
        assert_eq!(plan(7, &BOUNDS), plan(7, &BOUNDS));
        assert_ne!(plan(7, &BOUNDS), plan(8, &BOUNDS));
    }

    #[test]
    fn what_begins_ends_nobody_meets_two_at_once_and_one_worker_is_spared() {
        for seed in 0..50 {
            let (mut open, mut met) = (HashSet::new(), HashSet::new());
            for step in plan(seed, &BOUNDS) {
                let (Fault::Kill(who) | Fault::Freeze(who) | Fault::Drain(who) | Fault::Wire(who, ..)) =
                    step.fault
                else {
                    continue;
                };
                met.insert(who);
                assert!(
                    if step.begins { open.insert(who) } else { open.remove(&who) },
                    "{step} of seed {seed}"
                );
            }
            assert!(open.is_empty());
            assert!(met.iter().filter(|who| matches!(who, Who::Worker(_))).count() < 3, "seed {seed}");
        }
    }
}
