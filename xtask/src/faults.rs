//! `cargo xtask faults`: what can go wrong under the Redis client, played and shown as a table.

use crate::run::shown;
use clap::Args;

/// Play what can go wrong under the Redis client, on simulated and on real servers, and show what was seen
#[derive(Debug, Args)]
pub(crate) struct Faults {
    /// Only these, by their numbers (F1 F5 F17b); all if none is named
    ids: Vec<String>,
    /// Show the client's log too
    #[arg(long)]
    log: bool,
}

/// Installs what is needed, builds, plays. Fails if a scenario is not as expected.
pub(crate) fn run(faults: &Faults) -> anyhow::Result<()> {
    crate::test::install_missing()?;
    shown("cargo", &["build", "--locked", "--package", "steadfast-faults"])?;
    let log = faults.log.then_some("--log");
    let args: Vec<&str> = faults.ids.iter().map(String::as_str).chain(log).collect();
    shown("target/debug/steadfast-faults", &args)
}
