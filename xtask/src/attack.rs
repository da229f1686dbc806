//! `cargo xtask attack`: attacks on the public edge of the built binary, and what honest people notice.

use crate::bench::{BINARY, scratch};
use crate::run::shown;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct Attack {
    /// Honest messages per second
    #[arg(long, default_value_t = 500)]
    rate: u32,
    /// Seconds of each quiet time and of each attack
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Rounds of each attack; the median counts
    #[arg(long, default_value_t = 3)]
    rounds: u32,
    /// Only these, separated by commas: slowloris, slow-bodies, header-flood, idle, bad-signatures, replay, malformed,
    /// pipelining, churn
    #[arg(long, value_name = "ATTACKS")]
    only: Option<String>,
    /// Also write every round to this file as JSON
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Builds, and runs it. Fails if an honest message was lost, or the p99 under an attack is more than twice the
/// quiet one.
pub(crate) fn run(attack: &Attack) -> anyhow::Result<()> {
    let packages = ["--package", "steadfast", "--package", "steadfast-testkit"];
    shown("cargo", &[&["build", "--release", "--locked"], packages.as_slice()].concat())?;
    let folder = scratch("attack")?;
    let (place, rate) = (folder.display().to_string(), attack.rate.to_string());
    let (seconds, rounds) = (attack.seconds.to_string(), attack.rounds.to_string());
    let mut args =
        vec!["-c", "ulimit -n \"$(ulimit -Hn)\"; exec \"$0\" \"$@\"", "target/release/steadfast-attack"];
    args.extend(["--binary", BINARY, "--folder", &place, "--rate", &rate]);
    args.extend(["--seconds", &seconds, "--rounds", &rounds]);
    args.extend(attack.only.iter().flat_map(|only| ["--only", only]));
    let json = attack.json.as_ref().map(|path| path.display().to_string());
    args.extend(json.iter().flat_map(|path| ["--json", path]));
    // The most open files that may be had, for ten thousand connections.
    let done = shown("sh", &args);
    if done.is_ok() {
        std::fs::remove_dir_all(&folder)?;
    } else {
        println!("kept: {place} (data.log)");
    }
    done
}
