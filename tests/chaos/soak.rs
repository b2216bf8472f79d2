//! `make soak`: the same faults at random, several at once, in round after round, until the time or the count is over.
//!
//! A round is a cluster of its own with a plan of faults that follows from its seed, which is printed. Everything is
//! healed at its end, and then the witnesses are heard. The exit is a failure when any round broke a promise.

mod plan;

use std::time::{Duration, Instant};

use clap::Parser as _;
use helpline_sim::{Fault as RestFault, FaultPlan};

use crate::cluster::{Cluster, Setup};
use crate::crowd::{Crowd, Habits, Verdict};
use crate::wire::State;
use plan::{Fault, Step, Who, plan};

/// SOAK_ARGS, as in `make soak ARGS='--hours 1 --seed 7'`.
#[derive(Debug, Clone, clap::Parser)]
#[command(no_binary_name = true)]
pub struct Options {
    /// Begin no round after so many hours
    #[arg(long, default_value_t = 1.0)]
    hours: f64,
    /// At most so many rounds
    #[arg(long, default_value_t = 100_000)]
    rounds: u64,
    /// Seed of the first round; each next one has the next number [default: the time]
    #[arg(long)]
    seed: Option<u64>,
    /// How long faults go on in one round, in seconds
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Faults a minute
    #[arg(long, default_value_t = 20.0)]
    faults_per_minute: f64,
    #[arg(long, default_value_t = 40)]
    servers: usize,
    #[arg(long, default_value_t = 16)]
    shards: u32,
    #[arg(long, default_value_t = 4)]
    workers: usize,
    #[arg(long, default_value_t = 1)]
    proxies: usize,
    #[arg(long, default_value_t = 12.0)]
    questions_per_s: f64,
    /// Also faults that backfill has to repair: Discord ends sessions, Redis is wiped
    #[arg(long, default_value_t = true, action = clap::ArgAction::Set)]
    backfill: bool,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "it goes on for hours: make soak"]
async fn soak() {
    let args = std::env::var("SOAK_ARGS").unwrap_or_default();
    let options = Options::try_parse_from(args.split_whitespace()).unwrap_or_else(|error| panic!("{error}"));
    let first = options.seed.unwrap_or_else(|| crate::process::now_us().unsigned_abs() / 1_000_000);
    let started = Instant::now();
    let (mut rounds, mut questions, mut faults, mut claims) = (0, 0, 0, 0);
    let mut broken = Vec::new();
    while rounds < options.rounds && started.elapsed().as_secs_f64() < options.hours * 3_600.0 {
        let seed = first + rounds;
        rounds += 1;
        println!("round {rounds}: make soak ARGS='--rounds 1 --seed {seed}' repeats its faults");
        let (verdict, count) = round(&options, seed).await;
        println!("  {}", verdict.summary());
        for violation in &verdict.violations {
            println!("  BROKEN: {violation}");
            broken.push(format!("seed {seed}: {violation}"));
        }
        questions += verdict.asked.len();
        faults += count;
        claims += verdict.claims;
    }
    println!(
        "\n{rounds} rounds in {} min: {questions} questions, {faults} faults, {claims} claims, {} broken promises",
        started.elapsed().as_secs() / 60,
        broken.len()
    );
    assert!(broken.is_empty(), "{} broken promises:\n  {}", broken.len(), broken.join("\n  "));
}

async fn round(options: &Options, seed: u64) -> (Verdict, usize) {
    let mut cluster = Cluster::start(Setup {
        servers: options.servers,
        shards: options.shards,
        workers: options.workers,
        proxies: options.proxies,
        own_postgres: true,
        seed,
        ..Setup::default()
    })
    .await;
    let habits = Habits {
        questions_per_s: options.questions_per_s,
        commands_per_s: 2.0,
        interactions_may_fail: true,
        seed,
    };
    let crowd = Crowd::gather(&cluster, habits);
    crowd.served(10).await;
    let bounds = plan::Bounds {
        lasts: Duration::from_secs(options.seconds),
        per_minute: options.faults_per_minute,
        workers: options.workers,
        proxies: options.proxies,
        backfill: options.backfill,
    };
    let steps = plan(seed, &bounds);
    let started = tokio::time::Instant::now();
    let mut count = 0;
    for step in steps {
        tokio::time::sleep_until(started + step.at).await;
        count += usize::from(step.begins);
        println!("  {:>6} ms {step}", started.elapsed().as_millis());
        carry_out(&mut cluster, &crowd, &step).await;
    }
    crowd.served(options.servers).await;
    (crowd.leaves(&cluster).await, count)
}

async fn carry_out(cluster: &mut Cluster, crowd: &Crowd, step: &Step) {
    if step.begins {
        crowd.burst(4).await;
    }
    match step.fault {
        Fault::Kill(who) if step.begins => drop(cluster.part_mut(who).kill()),
        Fault::Kill(who) => cluster.restart(who),
        Fault::Freeze(who) if step.begins => drop(cluster.part_mut(who).process.freeze()),
        Fault::Freeze(who) => drop(cluster.part_mut(who).process.thaw()),
        Fault::Drain(who) if step.begins => drop(cluster.part_mut(who).process.terminate()),
        Fault::Drain(who) => {
            cluster.part_mut(who).process.ended().await;
            cluster.restart(who);
        }
        Fault::Wire(who, line, state) => {
            cluster.part_mut(who).set(line, if step.begins { state } else { State::Works });
        }
        Fault::CrashPostgres => cluster.crash_postgres().await,
        Fault::WipeRedis => cluster.redis.wipe(),
        Fault::RestartRedis => cluster.redis.restart(),
        Fault::EndSession => {
            if let Some(session) = cluster.sim.sessions().first() {
                cluster.sim.invalidate(&session.id);
            }
        }
        Fault::DropConnections => drop(cluster.sim.sever_all()),
        Fault::LoseAnswers => {
            let plan = FaultPlan::always(RestFault::ResetAfter).with_probability(0.3).times(10);
            drop(cluster.sim.plan_fault(plan));
        }
        Fault::LateAnswers => {
            let plan = FaultPlan::always(RestFault::LateMs(2_000)).with_probability(0.3).times(10);
            drop(cluster.sim.plan_fault(plan));
        }
    }
}

impl Cluster {
    fn part_mut(&mut self, who: Who) -> &mut crate::cluster::Member {
        match who {
            Who::Worker(index) => &mut self.workers[index],
            Who::Proxy(index) => &mut self.proxies[index],
        }
    }

    fn restart(&mut self, who: Who) {
        match who {
            Who::Worker(index) => self.restart_worker(index),
            Who::Proxy(index) => self.restart_proxy(index),
        }
    }
}
