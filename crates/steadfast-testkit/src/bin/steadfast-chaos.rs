//! `steadfast-chaos`: see `cargo xtask chaos local`, which builds and runs it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a development tool talks to a person")]

use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use steadfast_testkit::chaos::{self, Options};

/// Tries to make the built binary break its promises.
#[derive(Debug, Parser)]
struct Args {
    /// The binary
    #[arg(long)]
    binary: PathBuf,
    /// An empty folder for the run
    #[arg(long)]
    folder: PathBuf,
    /// How long faults happen
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How often the node is killed
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Decides the plan of faults
    #[arg(long)]
    seed: u64,
    /// Messages per second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Different senders
    #[arg(long, default_value_t = 2_000)]
    senders: u32,
    /// Seconds that a send in doubt is searched for
    #[arg(long, default_value_t = 60)]
    grace_seconds: u64,
    /// Also write the report as JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Ends well on SIGTERM too: a disk is mounted and processes run.
async fn asked_to_end() {
    match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
        Ok(mut terminated) => drop(terminated.recv().await),
        Err(_) => std::future::pending().await,
    }
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let options = Options {
        length: Duration::from_secs(args.seconds),
        kills: args.kills,
        seed: args.seed,
        per_second: args.rate,
        senders: args.senders,
        ambiguous_grace: Duration::from_secs(args.grace_seconds),
        tell: |line| println!("{line}"),
        ..Options::new(args.binary, args.folder)
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let report = runtime.block_on(async {
        tokio::select! {
            report = chaos::run(options) => report.map(Some),
            _ = tokio::signal::ctrl_c() => Ok(None),
            () = asked_to_end() => Ok(None),
        }
    })?;
    let Some(report) = report else {
        eprintln!("interrupted");
        return Ok(ExitCode::FAILURE);
    };
    println!("\n{report}");
    if let Some(path) = args.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    Ok(if report.breaches().is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
