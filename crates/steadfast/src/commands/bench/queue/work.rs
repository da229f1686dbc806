//! What lanes of callers do with a store.

use super::super::figures::Latencies;
use super::super::usage::Usage;
use anyhow::{Context, bail};
use std::sync::Arc;
use std::time::Duration;
use steadfast_queue::backend::local::LocalBackend;
use steadfast_queue::backend::{Enqueued, Reserve, Settle, WorkerId};
use steadfast_queue::state::Verdict;
use steadfast_queue::{Backend, NewJob};
use tokio::task::JoinSet;
use tokio::time::Instant;

pub(super) const QUEUE: &str = "bench";
/// As other queues are measured: a small JSON object.
pub(super) const PAYLOAD_BYTES: usize = 200;

/// So many callers at a time with so many jobs per call.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lanes {
    pub(super) name: &'static str,
    pub(super) lanes: u32,
    pub(super) batch: usize,
}

/// What came of it.
pub(super) struct Figures {
    pub(super) jobs: u64,
    pub(super) took: Duration,
    /// Of whole turns: a cycle, an enqueue, or a reservation with its settlement.
    pub(super) calls: Latencies,
    pub(super) cpu_us: f64,
    pub(super) disk_bytes: f64,
}

pub(super) fn job() -> NewJob {
    let payload = format!("{{\"to\":\"somebody\",\"text\":\"{}\"}}", "x".repeat(PAYLOAD_BYTES - 27));
    NewJob::new(QUEUE, "noop", payload)
}

/// Enqueues, reserves and completes for `span`. Whatever waited before goes on waiting, as many of it.
pub(super) async fn cycles(
    store: &Arc<LocalBackend>,
    lanes: Lanes,
    span: Duration,
) -> anyhow::Result<Figures> {
    lanes_of(lanes, |worker| {
        let store = Arc::clone(store);
        async move {
            let (begun, mut turns) = (Instant::now(), Turns::new()?);
            while begun.elapsed() < span {
                let turn = Instant::now();
                enqueue(&store, lanes.batch).await?;
                turns.note(finish(&store, worker, lanes.batch).await?, turn);
            }
            Ok(turns)
        }
    })
    .await
}

/// Enqueues alone, for `span`.
pub(super) async fn enqueues(
    store: &Arc<LocalBackend>,
    lanes: Lanes,
    span: Duration,
) -> anyhow::Result<Figures> {
    lanes_of(lanes, |_| {
        let store = Arc::clone(store);
        async move {
            let (begun, mut turns) = (Instant::now(), Turns::new()?);
            while begun.elapsed() < span {
                let turn = Instant::now();
                enqueue(&store, lanes.batch).await?;
                turns.note(lanes.batch as u64, turn);
            }
            Ok(turns)
        }
    })
    .await
}

/// Reserves and completes until nothing waits.
pub(super) async fn drain(store: &Arc<LocalBackend>, lanes: Lanes) -> anyhow::Result<Figures> {
    lanes_of(lanes, |worker| {
        let store = Arc::clone(store);
        async move {
            let mut turns = Turns::new()?;
            loop {
                let turn = Instant::now();
                match finish(&store, worker, lanes.batch).await? {
                    0 => return Ok(turns),
                    some => turns.note(some, turn),
                }
            }
        }
    })
    .await
}

pub(super) async fn enqueue(store: &LocalBackend, jobs: usize) -> anyhow::Result<()> {
    let answers = store.enqueue(vec![job(); jobs]).await.context("the store refused jobs")?;
    match answers.iter().all(|answer| matches!(answer, Enqueued::New(_))) {
        true => Ok(()),
        false => bail!("the store did not take all jobs"),
    }
}

/// Takes up to `max` jobs and completes them; how many there were.
async fn finish(store: &LocalBackend, worker: WorkerId, max: usize) -> anyhow::Result<u64> {
    let request = Reserve {
        queue: QUEUE.to_owned(),
        max,
        lease_ms: 60_000,
        worker,
        wait: Duration::ZERO,
        no_suspects: false,
    };
    let held = store.reserve(request).await.context("the store gave no jobs")?;
    if held.is_empty() {
        return Ok(0);
    }
    let settle = held.iter().map(|held| Settle {
        lease: held.lease,
        verdict: Verdict::Complete,
        follow_ups: Vec::new(),
        note: None,
    });
    Ok(store.settle(settle.collect()).await.context("the store settled nothing")?.len() as u64)
}

struct Turns {
    jobs: u64,
    calls: Latencies,
}

impl Turns {
    fn new() -> anyhow::Result<Self> {
        Ok(Self { jobs: 0, calls: Latencies::new()? })
    }

    fn note(&mut self, jobs: u64, begun: Instant) {
        self.jobs += jobs;
        self.calls.note(begun.elapsed());
    }
}

async fn lanes_of<F>(lanes: Lanes, lane: impl Fn(WorkerId) -> F) -> anyhow::Result<Figures>
where
    F: Future<Output = anyhow::Result<Turns>> + Send + 'static,
{
    let (begun, usage) = (Instant::now(), Usage::of(None));
    let mut tasks = JoinSet::new();
    for _ in 0..lanes.lanes {
        tasks.spawn(lane(WorkerId::fresh()));
    }
    let mut all = Turns::new()?;
    while let Some(joined) = tasks.join_next().await {
        let turns = joined.context("a lane broke")??;
        all.jobs += turns.jobs;
        all.calls.merge(&turns.calls)?;
    }
    let took = begun.elapsed();
    let after = Usage::of(None);
    Ok(Figures {
        jobs: all.jobs,
        took,
        calls: all.calls,
        cpu_us: after.cpu_us_each(&usage, all.jobs),
        disk_bytes: after.written_each(&usage, all.jobs),
    })
}
