//! Whether it matters how many jobs wait.

use super::super::usage::resident_mib;
use super::super::{Output, per_second};
use super::work::{self, Figures, Lanes};
use super::{BATCH, BATCH_LANES, CALLERS};
use anyhow::Context;
use serde_json::json;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use steadfast_queue::backend::BATCH_MAX;
use steadfast_queue::backend::local::LocalBackend;

/// The smallest number of waiting jobs.
const FIRST: u64 = 1_000;
/// Each store is measured so many times, in turns, and the median counts: a disk or a neighbour that is slow for a while
/// then meets all of them.
const ROUNDS: usize = 5;

const BATCHED: Lanes = Lanes { name: "batched", lanes: BATCH_LANES, batch: BATCH };
const SINGLE: Lanes = Lanes { name: "one by one", lanes: CALLERS, batch: 1 };

/// A store in which so many jobs wait, and what was measured there.
struct Level {
    waiting: u64,
    store: Arc<LocalBackend>,
    batched: Vec<Rate>,
    single: Vec<Rate>,
}

#[derive(Clone, Copy)]
struct Rate {
    per_second: f64,
    cpu_us: f64,
}

/// Full cycles beside 10^3, 10^4, … waiting jobs, up to `waiting_max`, each in a store of its own, and how each compares
/// to the first.
pub(super) async fn run(out: &Output, folder: &Path, waiting_max: u64, span: Duration) -> anyhow::Result<()> {
    let mut levels = Vec::new();
    let mut waiting = FIRST;
    while waiting <= waiting_max {
        levels.push(Level::fill(&folder.join(format!("{waiting}/queue.db")), waiting).await?);
        waiting = waiting.saturating_mul(10);
    }
    for _ in 0..ROUNDS {
        for level in &mut levels {
            level.batched.push(Rate::of(&work::cycles(&level.store, BATCHED, span).await?));
            level.single.push(Rate::of(&work::cycles(&level.store, SINGLE, span).await?));
        }
    }
    let mut first = None;
    for level in &levels {
        let (batched, single) = (median(&level.batched), median(&level.single));
        let (first_batched, first_single) = *first.get_or_insert((batched.per_second, single.per_second));
        let relative = (batched.per_second / first_batched, single.per_second / first_single);
        out.say(
            &format!(
                "beside {:>10} waiting: {:>8.0} cycles/s batched ({:>4.0} % of the first, {:.1} us CPU each), \
                 {:>8.0}/s one by one ({:>4.0} %, {:.1} us)",
                level.waiting,
                batched.per_second,
                relative.0 * 100.0,
                batched.cpu_us,
                single.per_second,
                relative.1 * 100.0,
                single.cpu_us,
            ),
            &json!({
                "what": "growth",
                "waiting": level.waiting,
                "rounds": ROUNDS,
                "batched_per_second": batched.per_second,
                "batched_of_first": relative.0,
                "batched_cpu_us": batched.cpu_us,
                "one_by_one_per_second": single.per_second,
                "one_by_one_of_first": relative.1,
                "one_by_one_cpu_us": single.cpu_us,
            }),
        )?;
    }
    let resident = resident_mib(std::process::id()).0;
    out.say(
        &format!("  medians of {ROUNDS} rounds; {} stores, {resident:.1} MiB resident", levels.len()),
        &json!({ "what": "growth, memory", "stores": levels.len(), "resident_mib": resident }),
    )?;
    for level in levels {
        level.store.close().await.context("the store did not close")?;
    }
    Ok(())
}

impl Level {
    async fn fill(path: &Path, waiting: u64) -> anyhow::Result<Self> {
        let store = super::open(path)?;
        let mut left = waiting;
        while left > 0 {
            let jobs = usize::try_from(left)?.min(BATCH_MAX);
            work::enqueue(&store, jobs).await?;
            left -= jobs as u64;
        }
        Ok(Self { waiting, store, batched: Vec::new(), single: Vec::new() })
    }
}

impl Rate {
    fn of(figures: &Figures) -> Self {
        Self { per_second: per_second(figures.jobs, figures.took), cpu_us: figures.cpu_us }
    }
}

/// The one in the middle, by the rate.
fn median(rates: &[Rate]) -> Rate {
    let mut rates = rates.to_vec();
    rates.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
    rates.get(rates.len() / 2).copied().unwrap_or(Rate { per_second: 0.0, cpu_us: 0.0 })
}
