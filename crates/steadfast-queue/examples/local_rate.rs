//! How much the local store does: full durable cycles in batches, and single enqueues by many callers.
//!
//! `cargo run --release -p steadfast-queue --example local_rate [folder]`

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use steadfast_clock::SystemClock;
use steadfast_queue::backend::local::{LocalBackend, LocalOptions};
use steadfast_queue::backend::rules::Limits;
use steadfast_queue::backend::{Reserve, Settle, WorkerId};
use steadfast_queue::state::Verdict;
use steadfast_queue::{Backend, NewJob, QueueError, Unique};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

const QUEUE: &str = "q";
const PAYLOAD_BYTES: usize = 200;
const SPAN: Duration = Duration::from_secs(5);

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os().nth(1).map_or_else(std::env::temp_dir, Into::into);
    let path = folder.join(format!("steadfast-rate-{}", std::process::id())).join("queue.db");
    let limits = Limits { waiting_max: u64::MAX, bytes_max: u64::MAX };
    let options = LocalOptions { limits, ..LocalOptions::new(&path) };
    let store = LocalBackend::open(options, SystemClock::shared())?;
    for (batch, lanes) in [(1, 64), (32, 4), (256, 4)] {
        let (cycles, seconds) = cycles(&store, batch, lanes).await;
        say(&format!("full cycles, {lanes:>3} lanes of {batch:>3}: {:>9.0}/s", cycles / seconds))?;
    }
    for unique in [false, true] {
        let (enqueued, mut waits, seconds) = singles(&store, 64, unique).await;
        waits.sort_unstable();
        let at = |share: usize| waits.get(waits.len() * share / 1_000).copied().unwrap_or_default();
        say(&format!(
            "single enqueues, 64 callers, unique {unique}: {:>9.0}/s, p50 {:?}, p99 {:?}, p99.9 {:?}",
            enqueued / seconds,
            at(500),
            at(990),
            at(999)
        ))?;
    }
    store.close().await?;
    if let Some(folder) = path.parent() {
        std::fs::remove_dir_all(folder)?;
    }
    Ok(())
}

fn say(line: &str) -> std::io::Result<()> {
    writeln!(std::io::stdout(), "{line}")
}

fn job() -> NewJob {
    NewJob::new(QUEUE, "kind", vec![7; PAYLOAD_BYTES])
}

/// Lanes that enqueue a batch, reserve a batch and complete it.
async fn cycles(store: &Arc<LocalBackend>, batch: usize, lanes: usize) -> (f64, f64) {
    let (done, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let tasks = TaskTracker::new();
    for _ in 0..lanes {
        let (store, done) = (Arc::clone(store), Arc::clone(&done));
        tasks.spawn(async move {
            let worker = WorkerId::fresh();
            while start.elapsed() < SPAN {
                let cycle = cycle(&store, worker, batch).await;
                done.fetch_add(cycle.unwrap_or(0), Ordering::Relaxed);
            }
        });
    }
    tasks.close();
    tasks.wait().await;
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let cycles = done.load(Ordering::Relaxed) as f64;
    (cycles, start.elapsed().as_secs_f64())
}

async fn cycle(store: &LocalBackend, worker: WorkerId, batch: usize) -> Result<u64, QueueError> {
    store.enqueue(vec![job(); batch]).await?;
    let (queue, wait) = (QUEUE.to_owned(), Duration::ZERO);
    let request = Reserve { queue, max: batch, lease_ms: 30_000, worker, wait, no_suspects: false };
    let held = store.reserve(request).await?;
    let settle = held.iter().map(|held| Settle {
        lease: held.lease,
        verdict: Verdict::Complete,
        follow_ups: Vec::new(),
        note: None,
    });
    Ok(store.settle(settle.collect()).await?.len() as u64)
}

/// Callers that enqueue one job after the other; how long each waited.
async fn singles(store: &Arc<LocalBackend>, callers: usize, unique: bool) -> (f64, Vec<Duration>, f64) {
    let (number, start) = (Arc::new(AtomicU64::new(0)), Instant::now());
    let calls = (0..callers).map(|_| {
        let (store, number) = (Arc::clone(store), Arc::clone(&number));
        async move {
            let mut waits = Vec::new();
            while start.elapsed() < SPAN {
                let mut new = job();
                let number = number.fetch_add(1, Ordering::Relaxed);
                new.unique = unique.then(|| Unique::new(number.to_be_bytes()));
                let asked = Instant::now();
                if store.enqueue(vec![new]).await.is_ok() {
                    waits.push(asked.elapsed());
                }
            }
            waits
        }
    });
    let waits = futures::future::join_all(calls).await.concat();
    #[expect(clippy::cast_precision_loss, reason = "for display")]
    let enqueued = waits.len() as f64;
    (enqueued, waits, start.elapsed().as_secs_f64())
}
