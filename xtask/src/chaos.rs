//! `cargo xtask chaos local`: everything that can happen to a node, and a ledger of what became of each message.

use crate::bench::{BINARY, scratch};
use crate::run::shown;
use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Where chaos is made.
#[derive(Debug, Subcommand)]
pub(crate) enum Chaos {
    /// One node on this machine: kill -9, SIGTERM, SIGSTOP, a full disk, steps of the clock, under signed load
    Local(Local),
}

#[derive(Debug, Args)]
pub(crate) struct Local {
    /// How long faults happen; the end, until all is quiet, comes on top
    #[arg(long, default_value_t = 10)]
    minutes: u64,
    /// The same in seconds, for a short run
    #[arg(long, conflicts_with = "minutes")]
    seconds: Option<u64>,
    /// How often the node is killed
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Repeats the plan of an earlier run
    #[arg(long)]
    seed: Option<u64>,
    /// Messages per second
    #[arg(long, default_value_t = 200)]
    rate: u32,
    /// Different senders
    #[arg(long, default_value_t = 2_000)]
    senders: u32,
    /// Seconds that a send in doubt is searched for (bot.ambiguous_grace)
    #[arg(long, default_value_t = 60)]
    grace_seconds: u64,
    /// Keep the node's files and log, and the list of offences
    #[arg(long)]
    keep: bool,
    /// Also write the report to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Builds, and runs it. Fails if a promise was broken.
pub(crate) fn run(chaos: Chaos) -> anyhow::Result<()> {
    let Chaos::Local(local) = chaos;
    let packages = ["--package", "steadfast", "--package", "steadfast-testkit"];
    shown("cargo", &[&["build", "--release", "--locked"], packages.as_slice()].concat())?;
    let folder = scratch("chaos")?;
    let seconds = local.seconds.unwrap_or(local.minutes * 60).to_string();
    let seed = local.seed.unwrap_or_else(any_seed).to_string();
    let numbers = [local.kills, local.rate, local.senders].map(|number| number.to_string());
    let ([kills, rate, senders], grace) = (&numbers, local.grace_seconds.to_string());
    let place = folder.display().to_string();
    let mut args = vec!["--binary", BINARY, "--folder", &place, "--seconds", &seconds, "--kills", kills];
    args.extend(["--seed", &seed, "--rate", rate, "--senders", senders, "--grace-seconds", &grace]);
    let json = local.json.as_ref().map(|path| path.display().to_string());
    args.extend(json.iter().flat_map(|path| ["--json", path]));
    println!("repeat with: cargo xtask chaos local --seconds {seconds} --kills {kills} --seed {seed}");
    let done = shown("target/release/steadfast-chaos", &args);
    // What went wrong is worth looking at; what went well is only large.
    if done.is_ok() && !local.keep {
        std::fs::remove_dir_all(&folder)?;
    } else {
        println!("kept: {place} (offences.tsv, disk/data.log)");
    }
    done
}

/// Another one each time.
fn any_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's own source of randomness; a seed of 32 bits is easier to type.
    std::collections::HashMap::<u8, u8>::new().hasher().build_hasher().finish() >> 32
}
