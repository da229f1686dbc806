//! Ours: the local back-end and its worker.

use crate::{Contender, HANDLED, Payload, Queue};
use anyhow::Context;
use async_trait::async_trait;
use std::collections::HashMap;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use steadfast_clock::SystemClock;
use steadfast_queue::backend::local::{LocalBackend, LocalOptions};
use steadfast_queue::backend::rules::Limits;
use steadfast_queue::handler::{Handler, JobContext, Outcome};
use steadfast_queue::worker::{Worker, WorkerConfig};
use steadfast_queue::{Backend, Job, NewJob};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const QUEUE: &str = "bench";
/// Jobs at a time, as for the tuned peers.
const CONCURRENCY: usize = 1_000;

struct Ours {
    store: Arc<LocalBackend>,
    stop: CancellationToken,
    worker: Mutex<Option<JoinHandle<()>>>,
}

pub(crate) async fn contender(folder: &Path) -> anyhow::Result<Contender> {
    let limits = Limits { waiting_max: u64::MAX, bytes_max: u64::MAX };
    let options = LocalOptions { limits, ..LocalOptions::new(folder.join("ours/queue.db")) };
    let store = LocalBackend::open(options, SystemClock::shared())?;
    let queue = Arc::new(Ours { store, stop: CancellationToken::new(), worker: Mutex::new(None) });
    let settings = format!("synchronous=FULL, {CONCURRENCY} jobs at a time, batches of up to 1024 and 256");
    Ok(Contender { name: "Steadfast", settings, queue })
}

struct Noop;

#[async_trait]
impl Handler for Noop {
    async fn run(&self, job: &Job, _context: &JobContext) -> Outcome {
        // As the peers do before they call a handler.
        let payload: Result<Payload, _> = serde_json::from_slice(&job.payload);
        HANDLED.fetch_add(u64::from(payload.is_ok()), Ordering::SeqCst);
        Outcome::done()
    }
}

fn job() -> anyhow::Result<NewJob> {
    Ok(NewJob::new(QUEUE, "noop", serde_json::to_vec(&Payload::new())?))
}

#[async_trait]
impl Queue for Ours {
    async fn enqueue(&self) -> anyhow::Result<()> {
        self.store.enqueue(vec![job()?]).await.context("enqueue")?;
        Ok(())
    }

    async fn enqueue_many(&self, count: u64) -> anyhow::Result<()> {
        let jobs: anyhow::Result<Vec<NewJob>> = (0..count).map(|_| job()).collect();
        self.store.enqueue(jobs?).await.context("enqueue")?;
        Ok(())
    }

    async fn start(&self) -> anyhow::Result<()> {
        let handlers: HashMap<String, Arc<dyn Handler>> =
            HashMap::from([("noop".to_owned(), Arc::new(Noop) as _)]);
        let mut config = WorkerConfig::new(QUEUE).concurrency(CONCURRENCY);
        config.reserve_batch_max = 1_024;
        let worker = Worker::new(self.store.clone(), handlers, config, SystemClock::shared());
        let running = tokio::spawn(worker.run(self.stop.clone(), CancellationToken::new()));
        *self.worker.lock().unwrap_or_else(PoisonError::into_inner) = Some(running);
        Ok(())
    }

    async fn done(&self) -> anyhow::Result<u64> {
        let stats = self.store.stats().await?;
        Ok(stats.queues.get(QUEUE).map_or(0, |queue| queue.completed_total))
    }

    async fn stop(&self) -> anyhow::Result<()> {
        self.stop.cancel();
        let running = self.worker.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            running.await?;
        }
        Ok(self.store.close().await?)
    }
}
