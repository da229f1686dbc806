//! `cargo xtask bench`: the built binary, measured by itself as a separate process.

mod disk;
mod machine;
mod node;
mod redis;
mod report;

pub(crate) use node::{BINARY, scratch};

use crate::run::shown;
use anyhow::Context;
use clap::Subcommand;
use node::{ACCOUNT, Node};
use report::Report;
use std::path::{Path, PathBuf};

/// What can be measured.
#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// Signed webhooks against the built binary, workers off and then everything on: closed loop, then open loop
    Gateway {
        /// Messages of the closed loop
        #[arg(long, default_value_t = 1_000_000)]
        messages: u64,
        /// Connections of the closed loop
        #[arg(long, default_value_t = 50)]
        connections: u32,
        /// Messages per second of the open loop
        #[arg(long, default_value_t = 2_000)]
        rate: u32,
        /// Seconds of the open loop
        #[arg(long, default_value_t = 30)]
        seconds: u32,
        /// Leave out the second half, with everything on
        #[arg(long)]
        alone: bool,
        /// Set a setting of the node, e.g. --set workers.replies=16
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Also write the figures to this file as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// The local queue as a library: rates, pickup, growth
    Queue {
        /// Seconds of each measure
        #[arg(long, default_value_t = 5)]
        seconds: u64,
        /// Most waiting jobs beside which cycles are measured
        #[arg(long, default_value_t = 1_000_000)]
        waiting_max: u64,
        /// Also write the figures to this file as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// From the webhook to the reply at a fake Twilio in a process of its own
    Pipeline {
        /// Messages sent as fast as they are acknowledged
        #[arg(long, default_value_t = 60_000)]
        messages: u64,
        /// Messages per second of the open loop
        #[arg(long, default_value_t = 300)]
        rate: u32,
        /// Seconds of the open loop
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Set a setting of the node, e.g. --set workers.replies=16
        #[arg(long = "set", value_name = "KEY=VALUE")]
        set: Vec<String>,
        /// Also write the figures to this file as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Other queues on SQLite beside ours, in one run
    Peers {
        /// Jobs of each measure
        #[arg(long, default_value_t = 20_000)]
        jobs: u64,
        /// Also write the figures to this file as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Redis clients beside ours on a real server, in one run: rates, latencies, what an outage costs
    Redis {
        /// Rounds; shown are medians over them
        #[arg(long, default_value_t = 15)]
        rounds: u32,
        /// Milliseconds of each measure
        #[arg(long, default_value_t = 300)]
        millis: u64,
        /// Also write the figures to this file as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
    /// Five plain faults played on Redis clients beside ours, in one run
    RedisFaults {
        /// Also write the figures to this file as JSON
        #[arg(long, value_name = "FILE")]
        json: Option<PathBuf>,
    },
}

/// Measures.
pub(crate) fn run(bench: Bench) -> anyhow::Result<()> {
    match bench {
        Bench::Gateway { messages, connections, rate, seconds, alone, set, json } => {
            let sizes = Sizes { messages, connections, rate, seconds };
            gateway(&sizes, alone, &set, json)
        }
        Bench::Queue { seconds, waiting_max, json } => queue(seconds, waiting_max, json),
        Bench::Pipeline { messages, rate, seconds, set, json } => {
            let sizes = Sizes { messages, connections: 50, rate, seconds };
            pipeline(&sizes, set, json)
        }
        Bench::Peers { jobs, json } => peers(jobs, json),
        Bench::Redis { rounds, millis, json } => redis::speed(rounds, millis, json),
        Bench::RedisFaults { json } => redis::faults(json),
    }
}

/// Workers of each kind in the pipeline.
const PIPELINE_WORKERS: u32 = 64;

/// How much is sent.
struct Sizes {
    messages: u64,
    connections: u32,
    rate: u32,
    seconds: u32,
}

impl Sizes {
    fn jobs(&self) -> u64 {
        self.messages + u64::from(self.rate) * u64::from(self.seconds)
    }

    /// As arguments of the binary.
    fn args(&self) -> Vec<String> {
        let pairs = [
            ("--messages", self.messages.to_string()),
            ("--connections", self.connections.to_string()),
            ("--rate", self.rate.to_string()),
            ("--seconds", self.seconds.to_string()),
        ];
        pairs.into_iter().flat_map(|(name, value)| [name.to_owned(), value]).collect()
    }
}

fn gateway(sizes: &Sizes, alone: bool, set: &[String], json: Option<PathBuf>) -> anyhow::Result<()> {
    node::build()?;
    let mut report = Report::begin("gateway", json)?;
    let all = [("gateway alone", "gateway,monitor"), ("everything on", "gateway,worker,monitor")];
    for (title, roles) in all.into_iter().take(if alone { 1 } else { 2 }) {
        let folder = scratch(title)?;
        let node = Node::start(&folder, roles, sizes.jobs(), set)?;
        let mut args = ["bench", "gateway", "--data-dir"].map(str::to_owned).to_vec();
        args.push(node.data_dir());
        args.extend(sizes.args());
        report.disk_at_pace(&folder, sizes.rate)?;
        report.section(title, &folder, &args)?;
        node.stop()?;
        report.disk_at_pace(&folder, sizes.rate)?;
        remove(&folder)?;
    }
    report.end("Every acknowledged message was on disk (fsync) before its answer.")
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    std::fs::remove_dir_all(folder).with_context(|| format!("cannot remove {}", folder.display()))
}

fn queue(seconds: u64, waiting_max: u64, json: Option<PathBuf>) -> anyhow::Result<()> {
    node::build()?;
    let mut report = Report::begin("queue", json)?;
    let folder = scratch("queue")?;
    let args = [
        "bench".to_owned(),
        "queue".to_owned(),
        format!("--folder={}", folder.display()),
        format!("--seconds={seconds}"),
        format!("--waiting-max={waiting_max}"),
    ];
    report.section("local queue", &folder, &args)?;
    remove(&folder)?;
    report.end("Every call returned after its fsync.")
}

fn pipeline(sizes: &Sizes, set: Vec<String>, json: Option<PathBuf>) -> anyhow::Result<()> {
    node::build()?;
    let mut report = Report::begin("pipeline", json)?;
    let folder = scratch("pipeline")?;
    let (fake, url) = Node::fake_twilio(&folder)?;
    let mut settings = ACCOUNT.map(str::to_owned).to_vec();
    settings.push(format!("twilio.api_base_url={url}"));
    // Wide open: what WhatsApp allows one sender is not what is measured.
    settings.push("twilio.sends_per_second=10000".to_owned());
    // What may be in hand at a time decides how many share a sync of each of the two stores.
    settings
        .extend(["webhooks", "orders", "replies"].map(|kind| format!("workers.{kind}={PIPELINE_WORKERS}")));
    settings.extend(set);
    let node = Node::start(&folder, "gateway,worker,monitor", sizes.jobs(), &settings)?;
    let mut args = ["bench", "pipeline", "--fake", &url, "--data-dir"].map(str::to_owned).to_vec();
    args.push(node.data_dir());
    args.extend(ACCOUNT.iter().map(|setting| format!("--set={setting}")));
    args.extend(sizes.args());
    report.section("webhook to reply", &folder, &args)?;
    node.stop()?;
    drop(fake);
    remove(&folder)?;
    report.end(
        "Limits and pacing on, 64 workers of each kind, the sender's rate wide open, status callbacks off; the fake Twilio ran apart.",
    )
}

/// Peers live outside the workspace: what they depend on is none of ours, and has a lock file of its own.
fn peers(jobs: u64, json: Option<PathBuf>) -> anyhow::Result<()> {
    let manifest = "benches/peers/Cargo.toml";
    shown(
        "cargo",
        &["build", "--release", "--locked", "--manifest-path", manifest, "--target-dir", "target/peers"],
    )?;
    let mut report = Report::begin("peers", json)?;
    let folder = scratch("peers")?;
    let args = [format!("--folder={}", folder.display()), format!("--jobs={jobs}")];
    report.section_of("target/peers/release/peers", "queues on SQLite", &folder, &args)?;
    remove(&folder)?;
    report.end("Same payload, same disk, one after the other in one run.")
}
