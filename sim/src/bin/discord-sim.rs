//! `discord-sim`: the simulated Discord as a process of its own, steered over `/sim`.

use anyhow::Context;
use clap::Parser;
use helpline_sim::scenario::Scenario;
use helpline_sim::{Config, LimitChange, Simulator, Skew};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tracing_subscriber::EnvFilter;

/// A simulated Discord: gateway, REST and members for a world of generated servers.
#[derive(Debug, Parser)]
#[command(version)]
struct Options {
    /// Address to listen on; port 0 takes any free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Gateway address given to clients, where it is not the one listened on.
    #[arg(long)]
    gateway_url: Option<String>,
    /// Servers the bot is in.
    #[arg(long, default_value_t = 20)]
    servers: usize,
    /// Ordinary members of each server.
    #[arg(long, default_value_t = 12)]
    members: usize,
    /// Gateway shards recommended to clients.
    #[arg(long, default_value_t = 1)]
    gateway_shards: u32,
    /// IDENTIFYs allowed every five seconds.
    #[arg(long, default_value_t = 1)]
    max_concurrency: u32,
    /// Bot token to accept; a fixed one by default.
    #[arg(long, env = "DISCORD_SIM_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Decides every id of the world.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// REST requests a second over all routes, or "off".
    #[arg(long, default_value = "50", value_parser = parse_global)]
    rest_global: Global,
    /// A limit, such as create_message=5/5s, typing=off, typing=unannounced, pins=with:typing or
    /// channel_rename=2/600s. Can be repeated.
    #[arg(long = "limit")]
    limits: Vec<LimitChange>,
    /// Milliseconds by which rate-limit windows may be longer or shorter than announced.
    #[arg(long, default_value_t = 0)]
    window_jitter_ms: u64,
    /// No route has a limit of its own, but for those given with --limit.
    #[arg(long)]
    no_route_limits: bool,
    /// Seconds a nonce is remembered.
    #[arg(long, default_value_t = 180.0)]
    nonce_window_s: f64,
    /// Seconds a session can be resumed after its connection is gone.
    #[arg(long, default_value_t = 180.0)]
    session_ttl_s: f64,
    /// Milliseconds added to every REST answer.
    #[arg(long, default_value_t = 0)]
    rest_latency_ms: u64,
    /// Milliseconds by which the wall clock is ahead of the host's; negative is behind.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    clock_offset_ms: i64,
    /// Parts per million by which the wall clock runs faster than the host's; negative is slower.
    #[arg(long, default_value_t = 0, allow_negative_numbers = true)]
    clock_drift_ppm: i64,
    /// Carries out a scenario (docs/scenarios.md) and ends with status 0 when all it expects came true.
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Transcript entries kept.
    #[arg(long, default_value_t = 200_000)]
    transcript_entries: usize,
}

/// A global limit; `None` is none.
#[derive(Clone, Copy, Debug)]
struct Global(Option<u32>);

fn parse_global(text: &str) -> Result<Global, String> {
    match text {
        "off" => Ok(Global(None)),
        other => match other.parse() {
            Ok(0) | Err(_) => Err("expected a positive number of requests a second, or \"off\"".to_owned()),
            Ok(n) => Ok(Global(Some(n))),
        },
    }
}

impl Options {
    fn config(self) -> anyhow::Result<Config> {
        let seconds = |name, value| {
            Duration::try_from_secs_f64(value).with_context(|| format!("{name} is no duration"))
        };
        let defaults = Config::default();
        let mut route_limits = defaults.route_limits;
        if self.no_route_limits {
            route_limits = helpline_sim::RouteLimits::off();
        }
        self.limits.iter().for_each(|change| route_limits.apply(change));
        Ok(Config {
            listen: self.listen,
            gateway_url: self.gateway_url,
            servers: self.servers,
            members_per_server: self.members,
            gateway_shards: self.gateway_shards,
            max_concurrency: self.max_concurrency,
            token: self.token.unwrap_or(defaults.token),
            seed: self.seed,
            rest_global_per_s: self.rest_global.0,
            route_limits,
            window_jitter: Duration::from_millis(self.window_jitter_ms),
            nonce_window: seconds("--nonce-window-s", self.nonce_window_s)?,
            session_ttl: seconds("--session-ttl-s", self.session_ttl_s)?,
            rest_latency: Duration::from_millis(self.rest_latency_ms),
            skew: Skew { offset_ms: self.clock_offset_ms, drift_ppm: self.clock_drift_ppm },
            transcript_entries: self.transcript_entries,
            ..Config::default()
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    match run(Options::parse()).await {
        Ok(passed) => ExitCode::from(u8::from(!passed)),
        Err(error) => {
            // The sentence is whole; causes and a backtrace would bury it.
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until it is stopped, or until the scenario is over; tells whether that passed.
async fn run(options: Options) -> anyhow::Result<bool> {
    let scenario = options.scenario.as_deref().map(read_scenario).transpose()?;
    let config = options.config()?;
    let config = match &scenario {
        Some(scenario) => scenario.config(config),
        None => config,
    };
    let simulator = Simulator::start(config).await?;
    println!("simulated Discord at {} with {} servers", simulator.rest_base(), simulator.servers().len());
    println!("playground: {}", simulator.playground_url());
    println!("DISCORD_API_URL={}", simulator.rest_base());
    println!("DISCORD_TOKEN={}", simulator.token());
    let mut passed = true;
    if let Some(scenario) = scenario {
        tokio::select! {
            report = scenario.run(&simulator) => {
                passed = report.passed();
                println!("{report}");
            }
            stopped = wait_for_stop() => {
                stopped?;
                anyhow::bail!("stopped before the scenario was over");
            }
        }
    } else {
        wait_for_stop().await?;
    }
    let counters = simulator.counters();
    simulator.shutdown().await;
    println!("{}", serde_json::to_string(&counters)?);
    Ok(passed)
}

fn read_scenario(path: &Path) -> anyhow::Result<Scenario> {
    let shown = path.display();
    // The whole sentence, as only the outermost is printed.
    let text =
        std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("cannot read {shown}: {error}"))?;
    text.parse().map_err(|error| anyhow::anyhow!("{shown}: {error}"))
}

/// Ctrl-C or SIGTERM.
async fn wait_for_stop() -> anyhow::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    tokio::select! {
        interrupted = tokio::signal::ctrl_c() => interrupted.context("cannot listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
    }
}
