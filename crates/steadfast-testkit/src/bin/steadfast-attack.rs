//! `steadfast-attack`: see `cargo xtask attack`, which builds and runs it.
#![expect(clippy::print_stdout, reason = "a development tool talks to a person")]

use anyhow::Context;
use clap::{Parser, ValueEnum};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use steadfast_testkit::attack::{self, Kind, Options};
use url::Url;

/// The most that an attack may make of the quiet p99.
const RATIO_MAX: f64 = 2.0;

/// Attacks the public edge of the built binary and measures what honest people notice.
#[derive(Debug, Parser)]
struct Args {
    /// The binary
    #[arg(long, required_unless_present = "attacker")]
    binary: Option<PathBuf>,
    /// An empty folder for the run
    #[arg(long, required_unless_present = "attacker")]
    folder: Option<PathBuf>,
    /// Honest messages per second
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Seconds of each quiet time and of each attack
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Rounds of each attack; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Only these attacks
    #[arg(long, value_delimiter = ',')]
    only: Vec<Kind>,
    /// Also write every round as JSON to this file
    #[arg(long)]
    json: Option<PathBuf>,
    /// Be the attacker, of this URL
    #[arg(long, hide = true, requires = "url")]
    attacker: Option<Kind>,
    #[arg(long, hide = true)]
    url: Option<Url>,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let ended = async {
            match (args.attacker, &args.url) {
                (Some(kind), Some(url)) => be_attacker(kind, url, args.seconds).await,
                _ => measure(args).await,
            }
        };
        tokio::select! {
            ended = ended => ended,
            _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        }
    })
}

async fn be_attacker(kind: Kind, url: &Url, seconds: u64) -> anyhow::Result<ExitCode> {
    let offered = attack::attack(kind, url, Duration::from_secs(seconds)).await?;
    println!("{}", serde_json::to_string(&offered)?);
    Ok(ExitCode::SUCCESS)
}

async fn measure(args: Args) -> anyhow::Result<ExitCode> {
    let options = Options {
        binary: args.binary.context("--binary is missing")?,
        attacker: std::env::current_exe().context("where is this program?")?,
        folder: args.folder.context("--folder is missing")?,
        per_second: args.rate,
        length: Duration::from_secs(args.seconds.max(1)),
        rounds: args.rounds.max(1),
        kinds: if args.only.is_empty() { Kind::value_variants().to_vec() } else { args.only },
        tell: |line| println!("{line}"),
    };
    std::fs::create_dir_all(&options.folder).context("cannot make the folder")?;
    let report = attack::run(&options).await?;
    println!("\n{report}");
    if let Some(path) = args.json {
        std::fs::write(path, serde_json::to_string_pretty(&report)?)?;
    }
    let breaches = report.breaches(RATIO_MAX);
    if !breaches.is_empty() {
        println!("beyond {RATIO_MAX} times the quiet p99, or with messages lost: {breaches:?}");
    }
    Ok(if breaches.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
