//! `steadfast bench`: what a node, or the local queue on this disk, does under load.
//!
//! Closed loop: a connection sends its next message when the last one is answered. Open loop: messages are due at
//! fixed times whatever the answers do, and latency counts from the time a message was *due*, so that a stall
//! shows in every message it delays, also in those that could not be sent because all connections were busy.

mod client;
mod figures;
mod gateway;
mod load;
mod pace;
mod pipeline;
mod queue;
mod template;
mod usage;

use crate::cli::Bench;
use crate::config::Config;
use anyhow::Context;
use serde_json::Value;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Runs one of them.
pub(super) async fn run(config: Config, bench: Bench) -> anyhow::Result<ExitCode> {
    match bench {
        Bench::Gateway(args) => gateway::run(config, args).await?,
        Bench::Pipeline(args) => pipeline::run(config, args).await?,
        Bench::Queue(args) => queue::run(args).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Where figures go: to the terminal, and as JSON, one object per line, to a file.
struct Output {
    json: Option<PathBuf>,
}

impl Output {
    #[expect(clippy::print_stdout, reason = "the command's result")]
    fn say(&self, line: &str, figures: &Value) -> anyhow::Result<()> {
        println!("{line}");
        let Some(path) = &self.json else { return Ok(()) };
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
        writeln!(file, "{figures}").with_context(|| format!("cannot write {}", path.display()))
    }
}

/// `count` in `span`, per second.
fn per_second(count: u64, span: Duration) -> f64 {
    count as f64 / span.as_secs_f64().max(1e-6)
}
