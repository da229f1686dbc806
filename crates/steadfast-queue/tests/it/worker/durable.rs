//! The worker on a store that outlives the process.

use super::rig::*;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use steadfast_clock::SystemClock;
use steadfast_queue::backend::local::{LocalBackend, LocalOptions};
use steadfast_queue::handler::{Handler, Outcome};
use steadfast_queue::maintenance::{Maintenance, MaintenanceConfig};
use steadfast_queue::worker::Worker;
use steadfast_queue::{Backend, NewJob, State};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

struct Process {
    store: Arc<LocalBackend>,
    tasks: TaskTracker,
    stop: CancellationToken,
    abort: CancellationToken,
}

impl Process {
    fn start(path: &std::path::Path, handlers: HashMap<String, Arc<dyn Handler>>) -> Self {
        let clock = SystemClock::shared();
        let store = LocalBackend::open(LocalOptions::new(path), Arc::clone(&clock)).expect("opens");
        let (tasks, stop, abort) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let house = Maintenance::new(store.clone(), Arc::clone(&clock), MaintenanceConfig::default());
        tasks.spawn(house.run(stop.clone()));
        let worker = Worker::new(store.clone(), handlers, config().concurrency(16), clock);
        tasks.spawn(worker.run(stop.clone(), abort.clone()));
        Self { store, tasks, stop, abort }
    }

    async fn end(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
        self.store.close().await.expect("closes");
    }

    async fn completed(&self) -> u64 {
        let stats = self.store.stats().await.expect("stats");
        stats.queues.get(QUEUE).map_or(0, |queue| queue.completed_total)
    }
}

#[tokio::test]
async fn jobs_survive_a_clean_restart_and_run_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("queue.db");
    let runs = Arc::new(AtomicUsize::new(0));
    let handlers = || {
        let runs = Arc::clone(&runs);
        does(move |_, _| {
            runs.fetch_add(1, Ordering::SeqCst);
            async { Outcome::done() }
        })
    };
    let process = Process::start(&path, handlers());
    process.store.enqueue((0..500).map(|_| job()).collect()).await.expect("stored");
    until(async || process.completed().await >= 100).await;
    process.end().await;
    let process = Process::start(&path, handlers());
    until(async || runs.load(Ordering::SeqCst) == 500).await;
    process.end().await;
    assert_eq!(runs.load(Ordering::SeqCst), 500);
}

/// The process dies under its jobs: none of its last words reaches the store.
#[tokio::test]
async fn scenario_1_jobs_under_which_a_process_died_run_again_and_count_a_crash() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("queue.db");
    let hang = does(|_, _| std::future::pending());
    let process = Process::start(&path, hang);
    let jobs = (0..3).map(|_| NewJob { timeout_ms: 3_600_000, ..job() }).collect();
    process.store.enqueue(jobs).await.expect("stored");
    until(async || process.store.stats().await.expect("stats").queues[QUEUE].running == 3).await;
    process.store.abandon().await.expect("died");
    process.abort.cancel();
    process.stop.cancel();
    process.tasks.close();
    process.tasks.wait().await;
    drop(process);
    let process = Process::start(&path, takes(1));
    until(async || process.completed().await == 3).await;
    let page = process.store.list(Default::default(), None, 10).await.expect("list");
    for job in page.jobs {
        assert_eq!((job.state, job.attempt, job.crash_count), (State::Completed, 1, 1));
    }
    process.end().await;
}
