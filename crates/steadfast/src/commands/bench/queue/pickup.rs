//! How soon a job is begun: an open loop through the real worker.

use super::super::Output;
use super::super::figures::Latencies;
use super::super::pace::Pace;
use super::work::QUEUE;
use anyhow::Context;
use async_trait::async_trait;
use serde_json::json;
use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use steadfast_clock::SystemClock;
use steadfast_queue::handler::{Handler, JobContext, Outcome};
use steadfast_queue::worker::{Worker, WorkerConfig};
use steadfast_queue::{Backend, Job, NewJob};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Jobs per second: far from any limit, so that what is measured is the way and not the crowd.
const PER_SECOND: u32 = 100;
/// Callers that enqueue.
const CALLERS: u32 = 8;
/// How long the last jobs may take.
const LAST_WITHIN: Duration = Duration::from_secs(30);

/// Notes when each job is begun.
struct Noted {
    due: Instant,
    every: Duration,
    seen: Mutex<Latencies>,
}

#[async_trait]
impl Handler for Noted {
    async fn run(&self, job: &Job, _context: &JobContext) -> Outcome {
        let begun = Instant::now();
        let index = std::str::from_utf8(&job.payload).ok().and_then(|text| text.parse::<u32>().ok());
        if let Some(index) = index {
            let due = self.due + self.every.mul_f64(f64::from(index));
            self.seen.lock().unwrap_or_else(PoisonError::into_inner).note(begun - due);
        }
        Outcome::done()
    }
}

/// `jobs` jobs, 100 a second, from when each was due to be enqueued to when its handler began.
pub(super) async fn run(out: &Output, path: &Path, jobs: u32) -> anyhow::Result<()> {
    if jobs == 0 {
        return Ok(());
    }
    let store = super::open(path)?;
    let backend: Arc<dyn Backend> = store.clone();
    let pace = Pace::start(f64::from(PER_SECOND), u64::from(jobs), CALLERS)?;
    let handler = Arc::new(Noted {
        due: pace.begun(),
        every: Duration::from_secs(1) / PER_SECOND,
        seen: Mutex::new(Latencies::new()?),
    });
    let handlers: HashMap<String, Arc<dyn Handler>> =
        HashMap::from([("noop".to_owned(), handler.clone() as _)]);
    let worker = Worker::new(backend.clone(), handlers, WorkerConfig::new(QUEUE), SystemClock::shared());
    let stop = CancellationToken::new();
    let mut working = JoinSet::new();
    working.spawn(worker.run(stop.clone(), CancellationToken::new()));
    let mut commits = Latencies::new()?;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let (pace, backend) = (Arc::clone(&pace), Arc::clone(&backend));
        callers.spawn(async move {
            let mut commits = Latencies::new()?;
            while let Some((index, due)) = pace.next().await {
                let job = NewJob::new(QUEUE, "noop", index.to_string());
                backend.enqueue(vec![job]).await.context("the store refused a job")?;
                commits.note(due.elapsed());
            }
            anyhow::Ok(commits)
        });
    }
    while let Some(joined) = callers.join_next().await {
        commits.merge(&joined.context("a caller broke")??)?;
    }
    let seen = || handler.seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let deadline = Instant::now() + LAST_WITHIN;
    while seen().count() < u64::from(jobs) && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    stop.cancel();
    while working.join_next().await.is_some() {}
    store.close().await.context("the store did not close")?;
    let seen = seen();
    out.say(
        &format!(
            "pickup at {PER_SECOND} jobs/s, from the intended enqueue to the handler's first line, fsync included: {} \
             ({} of {jobs} jobs)\n  of this until the enqueue was acknowledged: {}",
            seen.line(),
            seen.count(),
            commits.line()
        ),
        &json!({
            "what": "pickup",
            "per_second": PER_SECOND,
            "jobs": seen.count(),
            "pickup": seen.json(),
            "acknowledgement": commits.json(),
        }),
    )
}
