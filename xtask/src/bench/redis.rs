//! Redis clients beside ours. They live outside the workspace: what they depend on is none of ours, and has a lock file
//! of its own.

use super::report::Report;
use super::{remove, scratch};
use crate::run::shown;
use std::path::PathBuf;

const MANIFEST: &str = "benches/redis/Cargo.toml";
const TARGET: &str = "target/redis";
const PROGRAM: &str = "target/redis/release/redis-peers";

/// Rates, latencies and outages on a real server.
pub(super) fn speed(rounds: u32, millis: u64, json: Option<PathBuf>) -> anyhow::Result<()> {
    let args = ["speed".to_owned(), format!("--rounds={rounds}"), format!("--millis={millis}")];
    run("redis", "Redis clients", &args, json)
}

/// Five plain faults.
pub(super) fn faults(json: Option<PathBuf>) -> anyhow::Result<()> {
    run("redis-faults", "Redis clients at five plain faults", &["faults".to_owned()], json)
}

fn run(bench: &'static str, title: &str, args: &[String], json: Option<PathBuf>) -> anyhow::Result<()> {
    shown("cargo", &["build", "--release", "--locked", "--manifest-path", MANIFEST, "--target-dir", TARGET])?;
    let mut report = Report::begin(bench, json)?;
    let folder = scratch(bench)?;
    report.section_in_memory(PROGRAM, title, &folder, args)?;
    remove(&folder)?;
    report
        .end("All clients in one process, in turns; the server is a process of its own on the same machine.")
}
