//! How many events a second the simulated Discord delivers for each core it uses, to a client in a process
//! of its own: `make bench-sim ARGS='--seconds 20 --compress none'`.
//!
//! The simulator runs here with its generator, and the processor time of this process is what is divided by.
//! The client counts every frame and checks that sequence numbers have no gap.

mod client;
mod process;

use anyhow::{Context, bail};
use clap::Parser;
use helpline_sim::{Config, RouteLimits, Simulator, intents};
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const INTENTS: u64 = intents::GUILDS | intents::GUILD_MESSAGES | intents::MESSAGE_CONTENT;
/// Events on their way to the client at most, so that no session's log runs over.
const IN_FLIGHT: u64 = 20_000;
/// Messages between two looks at the counters.
const STRIDE: u64 = 64;

#[derive(Debug, Clone, Parser)]
struct Options {
    /// Servers of the world.
    #[arg(long, default_value_t = 100_000)]
    servers: usize,
    /// Gateway shards, each with a connection.
    #[arg(long, default_value_t = 16)]
    shards: u32,
    /// How long messages are posted for each kind of compression.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Compressions to measure.
    #[arg(long, value_delimiter = ',', default_values = ["none", "zstd-stream", "zlib-stream"])]
    compress: Vec<String>,
    /// Characters of each message.
    #[arg(long, default_value_t = 80)]
    length: usize,
    /// Events kept for a RESUME in each session.
    #[arg(long, default_value_t = 20_000)]
    replay_events: usize,
    /// Transcript entries kept; 0 keeps none.
    #[arg(long, default_value_t = 0)]
    transcript: usize,
    /// Bind the simulator to this core and the client to another one, so that the rate is that of one core.
    /// `none` leaves it to the scheduler.
    #[arg(long, default_value = "0")]
    core: String,
    /// Threads of the simulator's runtime.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
    /// Be the client, for this gateway address.
    #[arg(long, hide = true)]
    client: Option<String>,
}

impl Options {
    fn core(&self) -> Option<usize> {
        self.core.parse().ok()
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    if let Some(address) = &options.client {
        let client = client::Client {
            address: address.clone(),
            token: Config::default().token,
            shards: options.shards,
            intents: INTENTS,
            compress: options.compress.first().context("a compression")?.clone(),
            servers: options.servers as u64,
        };
        return client.run();
    }
    if let Some(core) = options.core() {
        process::bind(std::process::id(), core)?;
    }
    let profile = if cfg!(debug_assertions) { "dev (opt-level 1, assertions)" } else { "release" };
    println!("{} servers, {} gateway shards, {profile} build", options.servers, options.shards);
    for compress in &options.compress {
        measure(&options, compress)?;
    }
    Ok(())
}

fn measure(options: &Options, compress: &str) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(options.threads)
        .thread_name("simulator")
        .enable_all()
        .build()?;
    let before = process::usage()?;
    let config = Config {
        servers: options.servers,
        gateway_shards: options.shards,
        max_concurrency: options.shards,
        max_servers_per_gateway_shard: usize::MAX,
        replay_events: options.replay_events,
        transcript_entries: options.transcript,
        rest_global_per_s: None,
        route_limits: RouteLimits::off(),
        ..Config::default()
    };
    let simulator = runtime.block_on(Simulator::start(config))?;
    let started = process::usage()?;
    println!("\n{compress}: world made in {:.2} CPU s, {} MB", started.cpu_s - before.cpu_s, started.rss_mb);

    let begun = Instant::now();
    let (mut child, mut lines) = spawn_client(options, compress, &simulator.gateway_url())?;
    expect(&mut lines, "ready")?;
    let ready = process::usage()?;
    println!(
        "  READY and every GUILD_CREATE after {:.2} s, {:.2} CPU s, {} MB",
        begun.elapsed().as_secs_f64(),
        ready.cpu_s - started.cpu_s,
        ready.rss_mb
    );
    post(options, compress, &simulator, &mut child, &mut lines)?;
    child.wait()?;
    runtime.block_on(simulator.shutdown());
    runtime.shutdown_timeout(Duration::from_secs(1));
    Ok(())
}

fn post(
    options: &Options,
    compress: &str,
    simulator: &Simulator,
    child: &mut Child,
    lines: &mut BufReader<ChildStdout>,
) -> anyhow::Result<()> {
    let counted = simulator.counters();
    let (before, began) = (process::usage()?, Instant::now());
    let stop = Arc::new(AtomicBool::new(false));
    let generator = {
        let (simulator, stop, length) = (simulator.clone(), stop.clone(), options.length);
        let sent_before = counted.events_sent;
        std::thread::Builder::new()
            .name("generator".to_owned())
            .spawn(move || generate(&simulator, length, sent_before, &stop))?
    };
    std::thread::sleep(Duration::from_secs(options.seconds));
    stop.store(true, Ordering::Relaxed);
    let Ok(generator_cpu_s) = generator.join() else { bail!("the generator panicked") };
    let generator_cpu_s = generator_cpu_s?;
    let posted = simulator.counters().events_dispatched - counted.events_dispatched;
    let deadline = Instant::now() + Duration::from_secs(30);
    while simulator.counters().events_sent - counted.events_sent < posted {
        if Instant::now() > deadline {
            bail!("events are stuck in the simulator");
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    let (after, took) = (process::usage()?, began.elapsed().as_secs_f64());
    writeln!(child.stdin.as_mut().context("the client's input")?, "{posted}")?;
    let received = expect(lines, "received")?;
    let cpu_s = after.cpu_s - before.cpu_s;
    println!(
        "  {posted} events in {took:.1} s = {:.0}/s wall; {cpu_s:.2} CPU s = {:.0} events/s per core \
         (generator {generator_cpu_s:.2} s, delivery {:.2} s); {} MB",
        posted as f64 / took,
        posted as f64 / cpu_s,
        cpu_s - generator_cpu_s,
        after.rss_mb
    );
    println!("  client: {received}");
    if !received.starts_with(&format!("{posted} events, 0 gaps")) {
        bail!("{compress}: the client did not get what was posted");
    }
    Ok(())
}

/// Posts until told to stop; returns the processor time this thread used.
fn generate(
    simulator: &Simulator,
    length: usize,
    sent_before: u64,
    stop: &AtomicBool,
) -> anyhow::Result<f64> {
    let servers = simulator.servers();
    let text: String = "how do I get my order back? ".chars().cycle().take(length).collect();
    let mut rng = fastrand::Rng::with_seed(1);
    let mut posted = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..STRIDE {
            let server = &servers[rng.usize(..servers.len())];
            let member = server.members[rng.usize(..server.members.len())];
            simulator.say(server.support_channel, member, &text).context("posting")?;
        }
        posted += STRIDE;
        while posted.saturating_sub(simulator.counters().events_sent - sent_before) > IN_FLIGHT {
            std::thread::sleep(Duration::from_micros(200));
        }
    }
    process::thread_cpu_s()
}

fn spawn_client(
    options: &Options,
    compress: &str,
    address: &str,
) -> anyhow::Result<(Child, BufReader<ChildStdout>)> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(["--client", address, "--compress", compress])
        .args(["--shards", &options.shards.to_string(), "--servers", &options.servers.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the client")?;
    if let Some(core) = options.core() {
        let other = (core + 1) % std::thread::available_parallelism().map_or(1, usize::from).max(core + 2);
        process::bind(child.id(), other)?;
    }
    let output = child.stdout.take().context("the client's output")?;
    Ok((child, BufReader::new(output)))
}

fn expect(lines: &mut BufReader<ChildStdout>, word: &str) -> anyhow::Result<String> {
    let mut line = String::new();
    lines.read_line(&mut line)?;
    match line.trim().strip_prefix(word) {
        Some(rest) => Ok(rest.trim().to_owned()),
        None => bail!("the client said {line:?} instead of {word}"),
    }
}
