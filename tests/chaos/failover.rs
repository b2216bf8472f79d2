//! `make bench-failover`: how long takeovers, drains and repairs take, and that nothing is lost meanwhile.
//!
//! One cluster runs all the time; whoever is killed is started again. Times are read from the record of the database,
//! whose triggers make them slightly too long. Prints a table in Markdown.

mod measures;
mod phases;

use std::collections::HashMap;
use std::fmt::Write as _;
use std::time::Duration;

use clap::Parser as _;
use helpline_sim::Kind;

use crate::cluster::{Cluster, Setup, patiently};
use crate::crowd::{Crowd, Habits, Verdict};
use crate::process::now_us;
use measures::{Samples, applied, first_by_another, full_service, longest_waits, pauses, without_owner};
use phases::{Parts, Steps};

/// BENCH_ARGS, as in `make bench-failover ARGS='--kills 50'`.
#[derive(Debug, Clone, clap::Parser)]
#[command(no_binary_name = true)]
struct Options {
    /// Workers killed with kill -9
    #[arg(long, default_value_t = 300)]
    kills: usize,
    /// Workers frozen with SIGSTOP until another has taken over
    #[arg(long, default_value_t = 20)]
    freezes: usize,
    /// Workers told to stop
    #[arg(long, default_value_t = 30)]
    drains: usize,
    /// Proxies killed with kill -9
    #[arg(long, default_value_t = 20)]
    proxy_kills: usize,
    /// Times that Redis is wiped
    #[arg(long, default_value_t = 20)]
    wipes: usize,
    #[arg(long, default_value_t = 24)]
    servers: usize,
    #[arg(long, default_value_t = 24)]
    shards: u32,
    #[arg(long, default_value_t = 3)]
    workers: usize,
    #[arg(long, default_value_t = 2)]
    proxies: usize,
    #[arg(long, default_value_t = 8.0)]
    questions_per_s: f64,
    /// Questions each 100 ms while a worker leaves; all drains are made with each
    #[arg(long, value_delimiter = ',', default_value = "4,12")]
    bursts: Vec<usize>,
    /// Nobody is killed while more questions than this wait: the cluster is to be loaded, not buried
    #[arg(long, default_value_t = 500)]
    waiting: usize,
    #[arg(long, default_value_t = 5_000)]
    lease_ttl_ms: u64,
}

const BURST_EVERY: Duration = Duration::from_millis(100);

struct Bench {
    options: Options,
    cluster: Cluster,
    homes: HashMap<i64, i32>,
    rows: Vec<[String; 5]>,
    broken: Vec<String>,
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement: make bench-failover"]
async fn bench_failover() {
    let args = std::env::var("BENCH_ARGS").unwrap_or_default();
    let options = Options::try_parse_from(args.split_whitespace()).unwrap_or_else(|error| panic!("{error}"));
    let before = load();
    let mut bench = Bench::new(options).await;
    let bursts = bench.options.bursts.clone();
    for &burst in &bursts {
        bench.undisturbed(burst).await;
    }
    bench.kills().await;
    bench.freezes().await;
    for &burst in &bursts {
        bench.drains(burst).await;
    }
    bench.proxy_kills().await;
    bench.wipes().await;
    println!("\n{}", bench.table(&args, &before));
    assert!(bench.broken.is_empty(), "broken promises:\n  {}", bench.broken.join("\n  "));
}

impl Bench {
    async fn new(options: Options) -> Self {
        let cluster = Cluster::start(Setup {
            servers: options.servers,
            shards: options.shards,
            proxies: options.proxies,
            workers: options.workers,
            lease_ttl: Duration::from_millis(options.lease_ttl_ms),
            rest_per_s: 1_000,
            rest_latency: Duration::from_millis(20),
            log: phases::LOG,
            ..Setup::default()
        });
        let cluster = cluster.await;
        let homes = cluster.recorder.homes().iter().copied().collect();
        Self { options, cluster, homes, rows: Vec::new(), broken: Vec::new() }
    }

    async fn crowd(&self) -> Crowd {
        let habits = Habits {
            questions_per_s: self.options.questions_per_s,
            commands_per_s: self.options.questions_per_s / 4.0,
            interactions_may_fail: true,
            ..Habits::default()
        };
        let crowd = Crowd::gather(&self.cluster, habits);
        crowd.served(20).await;
        crowd
    }

    /// `kept`: whether the bound is; none where there is none.
    fn row(&mut self, what: &str, bound: &str, seen: String, of: String, kept: Option<bool>) {
        let kept = kept.map_or("", |kept| if kept { "yes" } else { "NO" });
        println!("{what}: {seen} ({of}) {kept}");
        self.rows.push([what.to_owned(), bound.to_owned(), seen, of, kept.to_owned()]);
    }

    /// Times, and the quantiles of them that have a bound in milliseconds.
    fn times(&mut self, what: &str, bound: &str, seen: &Samples, of: String, bounds: &[(f64, u64)]) {
        let kept = |(q, most): &(f64, u64)| seen.at(*q).is_some_and(|ms| ms <= *most);
        let kept = (!bounds.is_empty() && seen.len() > 0).then(|| bounds.iter().all(kept));
        self.row(what, bound, seen.told(), of, kept);
    }

    /// Ends a part: what it lost, doubled and how fast interactions were acknowledged.
    async fn over(&mut self, part: &str, crowd: Crowd) -> Verdict {
        let verdict = crowd.leaves(&self.cluster).await;
        let of = format!("{} questions", verdict.asked.len());
        let (lost, doubled) = (verdict.lost, verdict.doubled);
        // The record is judged from its beginning: what was told of a part before is not told again.
        let known = |violation: &&String| !self.broken.iter().any(|told| told.ends_with(violation.as_str()));
        let new: Vec<String> =
            verdict.violations.iter().filter(known).map(|violation| format!("{part}: {violation}")).collect();
        let other = new.len().saturating_sub(lost + doubled);
        let seen = format!("{lost}; {doubled}; {other}");
        let what = format!("{part}: lost; doubled; out of order, unfenced or otherwise broken");
        self.row(&what, "0; 0; 0", seen, of, Some(new.is_empty()));
        self.broken.extend(new);
        let slowest = verdict.slowest_acknowledgement_ms;
        let seen = format!("{slowest} ms, {} failed", verdict.interactions_failed);
        let what = format!("{part}: slowest acknowledgement of an interaction");
        self.row(&what, "3 s", seen, String::new(), Some(slowest <= 3_000));
        verdict
    }

    /// What the load of drains looks like when nothing happens.
    async fn undisturbed(&mut self, burst: usize) {
        let crowd = self.crowd().await;
        let (from, mark) = (now_us(), self.cluster.recorder.end().await);
        let busy = Busy::since_now();
        for _ in 0..20 {
            crowd.burst(burst).await;
            tokio::time::sleep(BURST_EVERY).await;
        }
        let busy = busy.told();
        crowd.served(self.options.servers * 5).await;
        let records = self.cluster.recorder.since(mark).await;
        let events = applied(&crowd.asked(), &records, &self.homes);
        let shards: Vec<i32> = self.homes.values().copied().collect();
        let waits = longest_waits(&events, &shards, from, from + 2_000_000);
        let part = format!("undisturbed, {}", rate(burst));
        let of = format!("{} shards, processors {busy} busy", waits.len());
        self.times(&format!("{part}: longest wait of an event of a shard in 2 s"), "", &waits, of, &[]);
        self.over(&part, crowd).await;
    }

    /// The worker that owns most, and its shards with their epochs.
    async fn victim(&self) -> (usize, HashMap<i32, i64>) {
        let mut most = (0, HashMap::new());
        for index in 0..self.cluster.workers.len() {
            let held = self.cluster.held_by(index).await;
            if held.len() > most.1.len() {
                most = (index, held);
            }
        }
        most
    }

    /// Waits for the first application by another owner.
    async fn taken_over(&self, mark: i64, held: &HashMap<i32, i64>, at: i64) -> i64 {
        let mut first = None;
        patiently("another owner applies an event", async || {
            first = first_by_another(&self.cluster.recorder.since(mark).await, held);
            first.is_some()
        })
        .await;
        first.map_or(0, |first| first - at)
    }

    async fn all_there(&self) {
        self.cluster.in_service().await;
        patiently("every worker has joined", async || {
            self.cluster.workers_joined().await == self.cluster.workers.len()
        })
        .await;
    }

    async fn kills(&mut self) {
        let crowd = self.crowd().await;
        let (mut first, mut all) = (Samples::default(), Samples::default());
        for round in 0..self.options.kills {
            self.all_there().await;
            crowd.catches_up(self.options.waiting).await;
            let asked = crowd.now();
            let (victim, held) = self.victim().await;
            crowd.waits_for(&self.cluster, victim).await;
            let mark = self.cluster.recorder.end().await;
            let at = self.cluster.workers[victim].kill();
            crowd.burst(self.options.servers).await;
            let asked_until = now_us() + 50_000;
            first.add(self.taken_over(mark, &held, at).await);
            self.cluster.restart_worker(victim);
            let shards: Vec<i32> = held.keys().copied().collect();
            // Those that were asked around the kill: none of them may wait for long.
            let mut waits = Samples::default();
            patiently("all that was asked is applied", async || {
                let records = self.cluster.recorder.since(mark).await;
                let events = applied(&crowd.asked_since(asked), &records, &self.homes);
                let around = events.iter().filter(|event| (at..asked_until).contains(&event.asked_us));
                let done = around.clone().all(|event| event.at_us.is_some());
                waits = longest_waits(&events, &shards, at, asked_until);
                done
            })
            .await;
            all.extend(&waits);
            if round % 20 == 19 {
                println!("{} kills: {}; {} questions wait", round + 1, first.told(), crowd.waiting());
            }
        }
        let of = format!("{} kills", first.len());
        let what = "worker killed: first event applied by the next owner";
        self.times(what, "300 ms / 1 s", &first, of, &[(0.5, 300), (0.99, 1_000)]);
        let of = format!("{} shards", all.len());
        self.times("worker killed: longest wait of an event of each of its shards", "", &all, of, &[]);
        self.over("workers killed", crowd).await;
    }

    async fn freezes(&mut self) {
        let crowd = self.crowd().await;
        let mut first = Samples::default();
        for _ in 0..self.options.freezes {
            self.all_there().await;
            let (victim, held) = self.victim().await;
            crowd.waits_for(&self.cluster, victim).await;
            let mark = self.cluster.recorder.end().await;
            let at = self.cluster.workers[victim].process.freeze();
            crowd.burst(self.options.servers).await;
            first.add(self.taken_over(mark, &held, at).await);
            self.cluster.workers[victim].process.thaw();
        }
        let most = self.options.lease_ttl_ms + 1_000;
        let of = format!("{} freezes", first.len());
        let what = "silent host: first event applied by the next owner";
        self.times(what, &format!("{most} ms"), &first, of, &[(1.0, most)]);
        self.over("workers frozen", crowd).await;
    }

    async fn drains(&mut self, burst: usize) {
        let part = format!("planned drain, {}", rate(burst));
        let crowd = self.crowd().await;
        let (mut ownerless, mut paused, mut busy) = (Samples::default(), Samples::default(), Vec::new());
        let mut parts = Parts::default();
        for _ in 0..self.options.drains {
            self.all_there().await;
            let asked = crowd.now();
            let (victim, held) = self.victim().await;
            let mark = self.cluster.recorder.end().await;
            let meanwhile = Busy::since_now();
            let at = self.cluster.workers[victim].process.terminate();
            tokio::select! {
                _ = self.cluster.workers[victim].process.ended() => {}
                never = crowd.bursts(burst, BURST_EVERY) => match never {},
            }
            busy.push(meanwhile.told());
            let until = now_us();
            crowd.served(self.options.servers).await;
            // A shard that takes long must not be left out for it.
            let (mut records, mut events) = (Vec::new(), Vec::new());
            patiently("all that was asked meanwhile is applied", async || {
                records = self.cluster.recorder.since(mark).await;
                events = applied(&crowd.asked_since(asked), &records, &self.homes);
                let mut meanwhile = events.iter().filter(|event| (at..=until).contains(&event.asked_us));
                meanwhile.all(|event| event.at_us.is_some())
            })
            .await;
            ownerless.extend(&without_owner(&records));
            let pauses = pauses(&events, &records, &held);
            pauses.iter().for_each(|pause| paused.add(pause.us()));
            parts.add(&Steps::read(self.cluster.logs(), at), &pauses, &held, at);
            self.cluster.restart_worker(victim);
        }
        let of = format!("{} shards, processors {} busy", paused.len(), busy.join(", "));
        let what = format!("{part}: pause of a shard with events waiting, p99");
        self.times(&what, "250 ms", &paused, of, &[(0.99, 250)]);
        self.times(&format!("{part}: shard without owner"), "", &ownerless, String::new(), &[]);
        let out = parts.out_of_service();
        let of = format!("{} shards", out.len());
        let what = format!("{part}: shard that nobody could apply, from loop to loop");
        self.times(&what, "250 ms", out, of, &[(0.99, 250)]);
        for (what, samples) in parts.rows() {
            let of = format!("{} shards", samples.len());
            self.times(&format!("{part}, step by step: {what}"), "", samples, of, &[]);
        }
        println!("the longest pauses, in ms after the signal:");
        parts.longest(12).into_iter().for_each(|story| println!("  {story}"));
        self.over(&part, crowd).await;
    }

    async fn proxy_kills(&mut self) {
        let crowd = self.crowd().await;
        let mut resumed = Samples::default();
        for round in 0..self.options.proxy_kills {
            self.cluster.in_service().await;
            crowd.burst(self.options.servers / 2).await;
            let from = self.cluster.sim.transcript().end();
            let victim = round % self.cluster.proxies.len();
            let at = self.cluster.proxies[victim].kill();
            crowd.burst(self.options.servers / 2).await;
            self.cluster.restart_proxy(victim);
            crowd.served(self.options.servers).await;
            let entries = self.cluster.sim.transcript().since(from, usize::MAX);
            let back = entries
                .iter()
                .filter(|entry| matches!(entry.kind, Kind::Resumed { .. } | Kind::Identified { .. }));
            if let Some(last) = back.map(|entry| entry.at_ms).max() {
                resumed.add(i64::try_from(last).unwrap_or(i64::MAX).saturating_mul(1_000) - at);
            }
        }
        let of = format!("{} kills, {} proxies", self.options.proxy_kills, self.options.proxies);
        self.times("proxy killed: its sessions go on", "", &resumed, of.clone(), &[]);
        let verdict = self.over("proxies killed", crowd).await;
        let identifies = verdict.identifies;
        self.row("proxy killed: new IDENTIFYs", "0", identifies.to_string(), of, Some(identifies == 0));
    }

    async fn wipes(&mut self) {
        let crowd = self.crowd().await;
        let shards: Vec<i32> = self.homes.values().copied().collect();
        let mut full = Samples::default();
        for _ in 0..self.options.wipes {
            self.cluster.in_service().await;
            crowd.burst(self.options.servers).await;
            let (at, mark) = (now_us(), self.cluster.recorder.end().await);
            self.cluster.redis.wipe();
            let mut time = None;
            patiently("every shard applies events again", async || {
                crowd.burst(self.options.servers / 2).await;
                tokio::time::sleep(Duration::from_millis(100)).await;
                let records = self.cluster.recorder.since(mark).await;
                time = full_service(&applied(&crowd.asked(), &records, &self.homes), &shards, at);
                time.is_some()
            })
            .await;
            full.add(time.unwrap_or(0));
        }
        let of = format!("{} times", full.len());
        let what = "Redis wiped: every shard applies new events";
        self.times(what, "10 s", &full, of, &[(1.0, 10_000)]);
        self.over("Redis wiped", crowd).await;
    }

    fn table(&self, args: &str, before: &str) -> String {
        let mut text = format!(
            "{}; load average {before} at the start, {} at the end; {} at {}\n\n\
             `make bench-failover ARGS='{args}'`: {} servers on {} shards, {} workers, {} proxies, lease of {} ms, \
             {} questions a second and bursts\n\n| what | bound | seen | of | kept |\n|---|---|---|---|---|\n",
            machine(),
            load(),
            commit(),
            today(),
            self.options.servers,
            self.options.shards,
            self.options.workers,
            self.options.proxies,
            self.options.lease_ttl_ms,
            self.options.questions_per_s,
        );
        for [what, bound, seen, of, kept] in &self.rows {
            let _ = writeln!(text, "| {what} | {bound} | {seen} | {of} | {kept} |");
        }
        text
    }
}

fn rate(burst: usize) -> String {
    format!("{} questions/s", burst * 10)
}

/// How busy the processors of this machine are, whoever keeps them busy.
struct Busy(Option<(u64, u64)>);

impl Busy {
    fn since_now() -> Self {
        Self(ticks())
    }

    fn told(&self) -> String {
        let part = self
            .0
            .zip(ticks())
            .map(|((all, idle), (all_now, idle_now))| 100 - (idle_now - idle) * 100 / (all_now - all).max(1));
        part.map_or("unknown".to_owned(), |part| format!("{part} %"))
    }
}

/// Ticks of all processors since the machine started, and those of them in which there was nothing to do.
fn ticks() -> Option<(u64, u64)> {
    let text = std::fs::read_to_string("/proc/stat").ok()?;
    let ticks: Vec<u64> =
        text.lines().next()?.split_whitespace().skip(1).filter_map(|n| n.parse().ok()).collect();
    Some((ticks.iter().take(8).sum(), ticks.get(3)? + ticks.get(4)?))
}

fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    format!(
        "{cores} cores,{}",
        model
            .trim_start_matches(['\t', ' ', ':'])
            .split(" @")
            .next()
            .map_or(String::new(), |name| format!(" {name}"))
    )
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or("unknown").to_owned()
}

fn commit() -> String {
    output("git", &["rev-parse", "--short", "HEAD"])
}

fn today() -> String {
    output("date", &["+%Y-%m-%d %H:%M"])
}

fn output(program: &str, args: &[&str]) -> String {
    let output = std::process::Command::new(program).args(args).output();
    output.map_or_else(
        |_| "unknown".to_owned(),
        |output| String::from_utf8_lossy(&output.stdout).trim().to_owned(),
    )
}
