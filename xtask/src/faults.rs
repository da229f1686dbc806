//! `cargo xtask faults`: what can go wrong under the Redis client, played, and a table of what was expected and seen.

use crate::run::shown;
use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Faults {
    /// Only these: `F5` is all its variants, `F5b` one
    ids: Vec<String>,
    /// Shorter outages, as in the tests
    #[arg(long)]
    short: bool,
    /// Show the client's log
    #[arg(long)]
    log: bool,
}

/// Builds, and runs it. Fails if a scenario does not hold.
pub(crate) fn run(faults: &Faults) -> anyhow::Result<()> {
    // As it is developed: what holds here holds in a release, and is built in seconds.
    shown("cargo", &["build", "--locked", "--package", "steadfast-faults", "--bin", "steadfast-faults"])?;
    let mut args: Vec<&str> = faults.ids.iter().map(String::as_str).collect();
    args.extend(faults.short.then_some("--short"));
    args.extend(faults.log.then_some("--log"));
    shown("target/debug/steadfast-faults", &args)
}
