//! `steadfast bench gateway`: signed, unique webhooks against a running node.
//!
//! Closed loop: every connection sends its next message when the last one is answered. Open loop: messages
//! are due at fixed times whatever the answers do, and latency counts from the time a message was due, so
//! that a stall shows in every message it delays.

mod client;

use crate::cli::BenchGateway;
use crate::config::Config;
use anyhow::Context;
use client::{Connection, Template};
use hdrhistogram::Histogram;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Runs both loops and prints their figures.
#[expect(clippy::print_stdout, reason = "the command's result")]
pub(super) async fn gateway(config: Config, args: BenchGateway) -> anyhow::Result<ExitCode> {
    let dir = super::data_dir(&config);
    let node = dir.running_node()?;
    let template = Arc::new(Template::new(&config, &dir.key()?, &node.webhook()?)?);
    let mut results = Vec::new();
    if args.messages > 0 {
        let closed = closed_loop(&template, args.connections, args.messages).await?;
        results.push(closed.report("closed loop", &node, &json!({"connections": args.connections})));
    }
    if args.seconds > 0 {
        let total = u64::from(args.rate) * u64::from(args.seconds);
        let open = open_loop(&template, args.rate, total).await?;
        results.push(open.report("open loop", &node, &json!({"rate": args.rate})));
    }
    for result in &results {
        if args.json { println!("{result}") } else { println!("{}", line(result)) }
    }
    Ok(ExitCode::SUCCESS)
}

/// What a loop saw.
struct Seen {
    latency_us: Histogram<u64>,
    answered_200: u64,
    other: u64,
    took: Duration,
}

impl Seen {
    fn new() -> anyhow::Result<Self> {
        let latency_us = Histogram::new_with_bounds(1, 60_000_000, 3).context("cannot make a histogram")?;
        Ok(Self { latency_us, answered_200: 0, other: 0, took: Duration::ZERO })
    }

    fn note(&mut self, status: u16, latency: Duration) {
        let micros = u64::try_from(latency.as_micros()).unwrap_or(u64::MAX).clamp(1, 60_000_000);
        self.latency_us.saturating_record(micros);
        if status == 200 { self.answered_200 += 1 } else { self.other += 1 }
    }

    fn merge(&mut self, other: &Self) -> anyhow::Result<()> {
        self.latency_us.add(&other.latency_us).context("cannot add histograms")?;
        self.answered_200 += other.answered_200;
        self.other += other.other;
        Ok(())
    }

    fn report(&self, name: &str, node: &crate::node::Running, setup: &Value) -> Value {
        let quantile_ms = |q: f64| self.latency_us.value_at_quantile(q) as f64 / 1_000.0;
        json!({
            "loop": name,
            "setup": setup,
            "acknowledged": self.answered_200,
            "refused": self.other,
            "seconds": self.took.as_secs_f64(),
            "per_second": self.answered_200 as f64 / self.took.as_secs_f64().max(0.001),
            "p50_ms": quantile_ms(0.5),
            "p99_ms": quantile_ms(0.99),
            "p999_ms": quantile_ms(0.999),
            "max_ms": self.latency_us.max() as f64 / 1_000.0,
            "resident_mib": resident_mib(node.pid),
        })
    }
}

/// Resident memory of a process on this machine, in MiB.
fn resident_mib(pid: u32) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    let kib: f64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib / 1_024.0)
}

fn line(result: &Value) -> String {
    let figure = |name: &str| result[name].as_f64().unwrap_or(f64::NAN);
    format!(
        "{:<12} {}  {:>8.0} acknowledged/s  p50 {:.2} ms  p99 {:.2} ms  p99.9 {:.2} ms  max {:.1} ms  \
         ({:.0} acknowledged, {:.0} refused, {:.1} s, {:.0} MiB resident)",
        result["loop"].as_str().unwrap_or_default(),
        result["setup"],
        figure("per_second"),
        figure("p50_ms"),
        figure("p99_ms"),
        figure("p999_ms"),
        figure("max_ms"),
        figure("acknowledged"),
        figure("refused"),
        figure("seconds"),
        figure("resident_mib"),
    )
}

async fn closed_loop(template: &Arc<Template>, connections: u32, messages: u64) -> anyhow::Result<Seen> {
    let next = Arc::new(AtomicU64::new(0));
    let mut tasks = JoinSet::new();
    let begun = Instant::now();
    for _ in 0..connections.max(1) {
        let (template, next) = (template.clone(), next.clone());
        tasks.spawn(async move {
            let mut seen = Seen::new()?;
            let mut connection = Connection::open(&template).await?;
            while next.fetch_add(1, Ordering::Relaxed) < messages {
                let request = template.request();
                let sent = Instant::now();
                let status = connection.exchange(&request).await?;
                seen.note(status, sent.elapsed());
            }
            anyhow::Ok(seen)
        });
    }
    collect(tasks, begun).await
}

/// Connections of the open loop: enough that none is still busy when its next message is due.
const OPEN_CONNECTIONS: u64 = 64;

async fn open_loop(template: &Arc<Template>, rate: u32, total: u64) -> anyhow::Result<Seen> {
    let mut tasks = JoinSet::new();
    let begun = Instant::now() + Duration::from_millis(100);
    for lane in 0..OPEN_CONNECTIONS {
        let template = template.clone();
        tasks.spawn(async move {
            let mut seen = Seen::new()?;
            let mut connection = Connection::open(&template).await?;
            let mut index = lane;
            while index < total {
                let request = template.request();
                let due = begun + Duration::from_secs_f64(index as f64 / f64::from(rate.max(1)));
                tokio::time::sleep_until(due).await;
                let status = connection.exchange(&request).await?;
                seen.note(status, due.elapsed());
                index += OPEN_CONNECTIONS;
            }
            anyhow::Ok(seen)
        });
    }
    collect(tasks, begun).await
}

async fn collect(mut tasks: JoinSet<anyhow::Result<Seen>>, begun: Instant) -> anyhow::Result<Seen> {
    let mut all = Seen::new()?;
    while let Some(joined) = tasks.join_next().await {
        all.merge(&joined.context("a connection's task broke")??)?;
    }
    all.took = begun.elapsed();
    Ok(all)
}
