//! The same work on each queue, one after the other, on one disk in one run.
//!
//! For each: enqueue one by one from 64 callers; enqueue in batches; work off what waits with handlers that do
//! nothing, through the queue's own worker, until its store says that all are done. Settings are stated with the
//! figures: as each project's own documentation shows it, and with what makes it faster there.

mod apalis_sqlite_queue;
mod ours;
mod river;
mod sqlite;

use anyhow::Context;
use async_trait::async_trait;
use clap::Parser;
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Callers that enqueue one job after the other.
const CALLERS: u64 = 64;
/// Jobs per call where a queue takes many.
const BATCH: u64 = 500;
/// One by one takes at most so long: with an fsync for each, some queues need it all.
const SINGLES_WITHIN: Duration = Duration::from_secs(10);
/// The longest that working off may take.
const DRAIN_WITHIN: Duration = Duration::from_secs(240);

/// Jobs whose handler has run.
static HANDLED: AtomicU64 = AtomicU64::new(0);

/// What every job carries: 200 bytes as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Payload {
    to: String,
    text: String,
}

impl Payload {
    fn new() -> Self {
        Self { to: "somebody".to_owned(), text: "x".repeat(173) }
    }
}

/// A queue under test.
#[async_trait]
trait Queue: Send + Sync + 'static {
    /// Stores one job.
    async fn enqueue(&self) -> anyhow::Result<()>;
    /// Stores `count` in one call or transaction.
    async fn enqueue_many(&self, count: u64) -> anyhow::Result<()>;
    /// Starts its worker on what waits.
    async fn start(&self) -> anyhow::Result<()>;
    /// Jobs that its store calls done.
    async fn done(&self) -> anyhow::Result<u64>;
    /// Ends everything.
    async fn stop(&self) -> anyhow::Result<()>;
}

/// A queue with settings.
struct Contender {
    name: &'static str,
    settings: String,
    queue: Arc<dyn Queue>,
}

#[derive(Debug, Parser)]
struct Args {
    /// Where to make the databases
    #[arg(long)]
    folder: PathBuf,
    /// Jobs to enqueue in batches and to work off
    #[arg(long, default_value_t = 20_000)]
    jobs: u64,
    /// Also append the figures to this file, one JSON object per line
    #[arg(long)]
    json: Option<PathBuf>,
}

/// Per second.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    single: f64,
    batch: f64,
    drain: f64,
    /// Enqueued in batches and worked off: both times together.
    cycle: f64,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let args = Args::parse();
    println!(
        "payload {} bytes of JSON; versions: steadfast-queue of this checkout, riverqueue 0.5.0, apalis 1.0.0 \
              with apalis-sqlite 1.0.0; SQLite {}",
        serde_json::to_vec(&Payload::new())?.len(),
        sqlite::version().await?
    );
    let ours = measure(&args, ours::contender(&args.folder).await?).await?;
    let mut best = [("River", Rates::default()), ("apalis", Rates::default())];
    for contender in river::contenders(&args.folder).await? {
        let rates = measure(&args, contender).await?;
        best[0].1 = best[0].1.best_of(rates);
    }
    for contender in apalis_sqlite_queue::contenders(&args.folder).await? {
        let durable = contender.settings.contains("FULL on every");
        let rates = measure(&args, contender).await?;
        // What does not sync is shown, and no measure of what does.
        if durable {
            best[1].1 = best[1].1.best_of(rates);
        }
    }
    for (name, theirs) in best {
        let ratios = ours.over(theirs);
        println!(
            "ours to the best of {name}, both durable: one by one {:.1} x, batches {:.1} x, working off {:.1} x, \
             full cycle {:.1} x",
            ratios.single, ratios.batch, ratios.drain, ratios.cycle
        );
        keep(
            &args,
            &json!({
                "what": "ratio", "to": name, "single": ratios.single, "batch": ratios.batch, "drain": ratios.drain,
                "cycle": ratios.cycle,
            }),
        )?;
    }
    Ok(())
}

impl Rates {
    fn best_of(self, other: Self) -> Self {
        Self {
            single: self.single.max(other.single),
            batch: self.batch.max(other.batch),
            drain: self.drain.max(other.drain),
            cycle: self.cycle.max(other.cycle),
        }
    }

    fn over(self, other: Self) -> Self {
        Self {
            single: self.single / other.single,
            batch: self.batch / other.batch,
            drain: self.drain / other.drain,
            cycle: self.cycle / other.cycle,
        }
    }
}

async fn measure(args: &Args, contender: Contender) -> anyhow::Result<Rates> {
    let Contender { name, settings, queue } = contender;
    let (singles, took) =
        singles(&queue, args.jobs / 2).await.with_context(|| format!("{name}, one by one"))?;
    let single = singles as f64 / took.as_secs_f64();
    let begun = Instant::now();
    for _ in 0..args.jobs.div_ceil(BATCH) {
        queue.enqueue_many(BATCH).await.with_context(|| format!("{name}, in batches"))?;
    }
    let batched = args.jobs.div_ceil(BATCH) * BATCH;
    let batch_took = begun.elapsed();
    let waiting = singles + batched;
    let (drained, drain_took) =
        drain(&queue, waiting).await.with_context(|| format!("{name}, working off"))?;
    queue.stop().await.with_context(|| format!("{name}, stopping"))?;
    let rates = Rates {
        single,
        batch: batched as f64 / batch_took.as_secs_f64(),
        drain: drained as f64 / drain_took.as_secs_f64(),
        cycle: 1.0 / (batch_took.as_secs_f64() / batched as f64 + drain_took.as_secs_f64() / drained as f64),
    };
    println!(
        "{name:<10} one by one from {CALLERS} {:>8.0}/s   batches of {BATCH} {:>8.0}/s   working off {:>8.0}/s   \
         full cycle {:>8.0}/s   [{settings}]",
        rates.single, rates.batch, rates.drain, rates.cycle
    );
    keep(
        args,
        &json!({
            "what": name, "settings": settings, "single_per_second": rates.single, "batch_per_second": rates.batch,
            "drain_per_second": rates.drain, "cycle_per_second": rates.cycle, "singles": singles, "drained": drained,
            "waiting": waiting,
        }),
    )?;
    Ok(rates)
}

fn keep(args: &Args, figures: &serde_json::Value) -> anyhow::Result<()> {
    let Some(path) = &args.json else { return Ok(()) };
    let mut file = std::fs::OpenOptions::new().create(true).append(true).open(path)?;
    writeln!(file, "{figures}").with_context(|| format!("cannot write {}", path.display()))
}

/// Up to `count` jobs, each call with one.
async fn singles(queue: &Arc<dyn Queue>, count: u64) -> anyhow::Result<(u64, Duration)> {
    let next = Arc::new(AtomicU64::new(0));
    let begun = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for _ in 0..CALLERS {
        let (queue, next) = (Arc::clone(queue), Arc::clone(&next));
        callers.spawn(async move {
            let mut stored = 0;
            while begun.elapsed() < SINGLES_WITHIN && next.fetch_add(1, Ordering::Relaxed) < count {
                queue.enqueue().await?;
                stored += 1;
            }
            anyhow::Ok(stored)
        });
    }
    let mut stored = 0;
    while let Some(joined) = callers.join_next().await {
        stored += joined??;
    }
    Ok((stored, begun.elapsed()))
}

/// Works off what waits, until the store says that all of it is done.
async fn drain(queue: &Arc<dyn Queue>, waiting: u64) -> anyhow::Result<(u64, Duration)> {
    HANDLED.store(0, Ordering::SeqCst);
    let begun = Instant::now();
    queue.start().await?;
    while HANDLED.load(Ordering::SeqCst) < waiting && begun.elapsed() < DRAIN_WITHIN {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    while queue.done().await? < waiting && begun.elapsed() < DRAIN_WITHIN {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let took = begun.elapsed();
    let done = queue.done().await?.min(waiting);
    Ok((done, took))
}

/// A folder of its own for a database.
fn database(folder: &Path, name: &str) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(folder)?;
    Ok(folder.join(format!("{name}.sqlite3")))
}
