//! Tasks that each make one call after the other, for a while.

use crate::clients::Caller;
use anyhow::Context;
use cpu_time::ProcessTime;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Keys in use.
const KEYS: usize = 1_000;
/// Bytes of each value.
const VALUE_BYTES: usize = 100;

/// What is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Get,
    Set,
    /// One after the other.
    Mixed,
}

impl Work {
    pub(super) const ALL: [Self; 3] = [Self::Get, Self::Set, Self::Mixed];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Set => "SET",
            Self::Mixed => "GET and SET in turns",
        }
    }
}

/// One measure.
#[derive(Debug)]
pub(crate) struct Point {
    work: Work,
    tasks: usize,
    span: Duration,
    keys: Arc<[String]>,
    value: Arc<str>,
}

impl Point {
    pub(super) fn new(work: Work, tasks: usize, span: Duration) -> Self {
        let keys = (0..KEYS).map(|key| format!("bench:key:{key:04}")).collect();
        Self { work, tasks, span, keys, value: "x".repeat(VALUE_BYTES).into() }
    }
}

/// What was measured.
#[derive(Debug)]
pub(crate) struct Sample {
    /// Calls answered.
    pub(super) calls: usize,
    pub(super) took: Duration,
    /// Of this process, all threads.
    pub(super) cpu: Duration,
    /// Nanoseconds of each call, sorted.
    pub(super) latency_ns: Vec<u32>,
}

/// Keeps a client busy.
///
/// # Errors
/// The first call that failed.
pub(crate) async fn measure<C: Caller>(caller: &C, point: &Point) -> anyhow::Result<Sample> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    let (begun, cpu) = (Instant::now(), ProcessTime::now());
    for task in 0..point.tasks {
        let (caller, stop) = (caller.clone(), Arc::clone(&stop));
        let (keys, value) = (Arc::clone(&point.keys), Arc::clone(&point.value));
        let work = point.work;
        tasks.spawn(async move { one_task(caller, task, work, &keys, &value, &stop).await });
    }
    tokio::time::sleep(point.span).await;
    stop.store(true, Ordering::Relaxed);
    let mut latency_ns = Vec::new();
    while let Some(joined) = tasks.join_next().await {
        latency_ns.extend(joined.context("a task panicked")??);
    }
    let (took, cpu) = (begun.elapsed(), cpu.elapsed());
    latency_ns.sort_unstable();
    Ok(Sample { calls: latency_ns.len(), took, cpu, latency_ns })
}

async fn one_task<C: Caller>(
    mut caller: C,
    task: usize,
    work: Work,
    keys: &[String],
    value: &str,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<u32>> {
    let mut latency_ns = Vec::with_capacity(4_096);
    let mut turn = task;
    while !stop.load(Ordering::Relaxed) {
        // Far from each other, so that tasks do not walk in step.
        let key = &keys[(turn * 7 + task * 131) % keys.len()];
        turn += 1;
        let sets = work == Work::Set || (work == Work::Mixed && turn.is_multiple_of(2));
        let since = Instant::now();
        if sets {
            caller.set(key, value).await?;
        } else {
            caller.get(key).await?;
        }
        latency_ns.push(u32::try_from(since.elapsed().as_nanos()).unwrap_or(u32::MAX));
    }
    Ok(latency_ns)
}
