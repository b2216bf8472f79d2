//! `demo`: the whole of Helpline at work without any account. `make demo` builds and runs it.

use std::process::ExitCode;

use clap::Parser;
use helpline::cli::stop_signal;
use helpline::telemetry;
use helpline_demo::options::{Kill, Options};
use helpline_demo::show;
use helpline_demo::stage::Stage;
use helpline_demo::summary::Summary;
use tokio_util::sync::CancellationToken;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    if std::env::var_os("RUST_LOG").is_some() {
        telemetry::init(telemetry::Format::Text);
    }
    let kills = match options.kills() {
        Ok(kills) => kills,
        Err(problem) => {
            eprintln!("demo: {problem}");
            return ExitCode::from(2);
        }
    };
    match run(&options, &kills).await {
        Ok(summary) if summary.is_good() => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options, kills: &[Kill]) -> anyhow::Result<Summary> {
    let cancel = stop_signal();
    let say = |text: &str| println!("  {text}");
    let stage = tokio::select! {
        stage = Stage::set(options, say) => stage?,
        () = cancel.cancelled() => anyhow::bail!("stopped before the start"),
    };
    let played = play(&stage, options, kills, &cancel).await;
    let entries = stage.simulator.transcript().snapshot();
    let counters = stage.simulator.counters();
    let summary = played.and_then(|played| {
        if let Some(logs) = &options.logs {
            keep_asked(logs, &played)?;
        }
        Ok(Summary::of(options, played, &entries, &counters))
    });
    if let (true, Ok(summary)) = (options.keep, &summary) {
        tell(options, summary, Some(&stage.simulator.playground_url()));
        cancel.cancelled().await;
        stage.strike().await?;
    } else {
        stage.strike().await?;
        if let Ok(summary) = &summary {
            tell(options, summary, None);
        }
    }
    summary
}

/// The end of what is said. With --json the object is the last line.
fn tell(options: &Options, summary: &Summary, kept_at: Option<&str>) {
    println!("{}", summary.text());
    if let Some(url) = kept_at {
        println!("  the world keeps running until Ctrl-C: {url}");
    }
    if options.json {
        println!("{}", serde_json::to_string(summary).expect("a summary has string keys"));
    }
}

/// What was asked and what the members saw, one JSON object a line, beside the logs that were asked for.
fn keep_asked(logs: &std::path::Path, played: &show::Played) -> anyhow::Result<()> {
    let lines: Vec<String> = played.asked.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    Ok(std::fs::write(logs.join("asked.jsonl"), lines.join("\n"))?)
}

async fn play(
    stage: &Stage,
    options: &Options,
    kills: &[Kill],
    cancel: &CancellationToken,
) -> anyhow::Result<show::Played> {
    show::play(stage, options, kills, cancel, |line| println!("  {line}")).await
}
