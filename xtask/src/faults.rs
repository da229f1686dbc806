//! `cargo xtask faults`: what can go wrong under the Redis client, played and shown as a table.

use crate::run::shown;
use clap::Args;

/// Play what can go wrong under the Redis client, on simulated and on real servers, and show what was seen
#[derive(Debug, Args)]
pub(crate) struct Faults {
    /// Only these: `F5` is all its variants, `F5b` one; all if none is named
    ids: Vec<String>,
    /// Shorter outages, as in the tests
    #[arg(long)]
    short: bool,
    /// Show the client's log too
    #[arg(long)]
    log: bool,
}

/// Installs what is needed, builds, plays. Fails if a scenario is not as expected.
pub(crate) fn run(faults: &Faults) -> anyhow::Result<()> {
    crate::test::install_missing()?;
    // As it is developed: what holds here holds in a release, and is built in seconds.
    shown("cargo", &["build", "--locked", "--package", "steadfast-faults", "--bin", "steadfast-faults"])?;
    let mut args: Vec<&str> = faults.ids.iter().map(String::as_str).collect();
    args.extend(faults.short.then_some("--short"));
    args.extend(faults.log.then_some("--log"));
    shown("target/debug/steadfast-faults", &args)
}
