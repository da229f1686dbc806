//! Runs the quickstart of `steadfast-redis` through everything that can happen to its Redis, and prints a log with times.
#![expect(clippy::print_stdout, reason = "a development tool talks to a person")]

use anyhow::Context;
use clap::Parser;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::OnceLock;
use steadfast_faults::survival;
use tokio::time::Instant;

/// Starts the quickstart as a process of its own, does to its Redis what can happen, and watches whether it goes on.
#[derive(Debug, Parser)]
struct Options {
    /// The built example: `cargo build -p steadfast-redis --example quickstart`. Beside this program if not said
    #[arg(long)]
    quickstart: Option<PathBuf>,
}

/// Times in the log are since this.
static STARTED: OnceLock<Instant> = OnceLock::new();

fn told(line: &str) {
    let elapsed = STARTED.get_or_init(Instant::now).elapsed().as_secs_f64();
    // What the program says is indented; what is done to it is not.
    let is_program = line.starts_with(' ');
    println!("{elapsed:>7.1} s  {}{line}", if is_program { "" } else { "== " });
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let beside = || Some(std::env::current_exe().ok()?.parent()?.join("examples/quickstart"));
    let program = Options::parse().quickstart.or_else(beside).context("name the program: --quickstart")?;
    told("begins");
    let verdicts = survival::run(&program, told).await?;
    println!();
    for verdict in &verdicts {
        println!(
            "{}  {}\n        {}",
            if verdict.holds { "holds " } else { "BROKEN" },
            verdict.scene,
            verdict.seen
        );
    }
    let held = verdicts.iter().filter(|verdict| verdict.holds).count();
    println!("\n{held} of {} survived by one process each, without a restart", verdicts.len());
    Ok(if held == verdicts.len() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
