//! The local queue as a library, on the disk under a folder: no gateway, no network.

mod growth;
mod pickup;
mod work;

use super::{Output, per_second};
use crate::cli::BenchQueue;
use anyhow::Context;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::SystemClock;
use steadfast_queue::backend::local::{LocalBackend, LocalOptions};
use steadfast_queue::backend::rules::Limits;
use work::{Figures, Lanes};

/// Callers that each do one thing after the other.
const CALLERS: u32 = 64;
/// Jobs per call, and calls at a time, where work comes in batches.
const BATCH: usize = 256;
const BATCH_LANES: u32 = 4;

/// Runs all of it in a folder of its own, and removes that.
pub(super) async fn run(args: BenchQueue) -> anyhow::Result<()> {
    let folder = args.folder.join(format!("steadfast-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let done = all(&args, &folder).await;
    std::fs::remove_dir_all(&folder).with_context(|| format!("cannot remove {}", folder.display()))?;
    done
}

async fn all(args: &BenchQueue, folder: &Path) -> anyhow::Result<()> {
    let out = Output { json: args.json.clone() };
    let span = Duration::from_secs(args.seconds.max(1));
    out.say(
        &format!(
            "payload {} bytes, synchronous=FULL; cycle: enqueue, reserve, complete",
            work::PAYLOAD_BYTES
        ),
        &json!({ "what": "setup", "payload_bytes": work::PAYLOAD_BYTES, "seconds_each": args.seconds }),
    )?;
    let store = open(&folder.join("rates/queue.db"))?;
    for lanes in [
        Lanes { name: "cycles, batched", lanes: BATCH_LANES, batch: BATCH },
        Lanes { name: "cycles, one by one", lanes: CALLERS, batch: 1 },
    ] {
        let figures = work::cycles(&store, lanes, span).await?;
        tell(&out, lanes, &figures)?;
    }
    for lanes in [
        Lanes { name: "enqueue, one by one", lanes: CALLERS, batch: 1 },
        Lanes { name: "enqueue, batched", lanes: BATCH_LANES, batch: BATCH },
    ] {
        let figures = work::enqueues(&store, lanes, span).await?;
        tell(&out, lanes, &figures)?;
    }
    let lanes = Lanes { name: "drain", lanes: BATCH_LANES, batch: BATCH };
    let figures = work::drain(&store, lanes).await?;
    tell(&out, lanes, &figures)?;
    store.close().await.context("the store did not close")?;
    pickup::run(&out, &folder.join("pickup/queue.db"), args.pickups).await?;
    growth::run(&out, &folder.join("growth"), args.waiting_max, span).await
}

fn open(path: &Path) -> anyhow::Result<Arc<LocalBackend>> {
    // The bounds are another matter: here they would end the run.
    let limits = Limits { waiting_max: u64::MAX, bytes_max: u64::MAX };
    let options = LocalOptions { limits, ..LocalOptions::new(path) };
    LocalBackend::open(options, SystemClock::shared()).context("cannot open a store")
}

fn tell(out: &Output, lanes: Lanes, figures: &Figures) -> anyhow::Result<()> {
    let rate = per_second(figures.jobs, figures.took);
    out.say(
        &format!(
            "{:<20} {:>3} x {:>3}  {rate:>9.0}/s  each call {}  {:.1} us CPU and {:.0} bytes to disk per job",
            lanes.name,
            lanes.lanes,
            lanes.batch,
            figures.calls.line(),
            figures.cpu_us,
            figures.disk_bytes
        ),
        &json!({
            "what": lanes.name,
            "lanes": lanes.lanes,
            "batch": lanes.batch,
            "jobs": figures.jobs,
            "seconds": figures.took.as_secs_f64(),
            "per_second": rate,
            "call": figures.calls.json(),
            "cpu_us_per_job": figures.cpu_us,
            "disk_bytes_per_job": figures.disk_bytes,
        }),
    )
}
