//! Runs the jobs of one queue.
//!
//! A [`Worker`] takes as many jobs as it has places for, runs each on a task of its own, and stores what
//! became of them. Three tasks serve all of its jobs: one takes (and is never held up by the others), one
//! stores verdicts in batches, one extends leases.
//!
//! What a worker keeps to, whatever fails:
//! - A verdict is stored, or the job runs again: tries to store it go on for as long as the lease lasts.
//! - A job whose lease is lost, or could not be extended in time, is stopped and what it says is discarded.
//! - A handler that panics, hangs or ignores its token costs its own job an attempt, and nobody else
//!   anything. One exception: a handler that blocks its thread without ever awaiting cannot be stopped.
//! - When [`Worker::run`] returns, no task of it is alive.

pub mod adaptive;
mod attempt;
mod backoff;
mod call;
mod config;
mod fetch;
mod gate;
mod handle;
mod lane;
mod notes;
mod renew;
mod report;
mod settle;
mod slots;
mod table;
mod verdict;

pub use config::{CONCURRENCY_MAX, LEASE_MS_MIN, WorkerConfig};
pub use gate::RunGate;
pub use handle::{WorkerHandle, WorkerStatus};
pub(crate) use notes::Notes;
pub use report::{JobObserver, JobOutcome, JobReport};

pub(crate) use backoff::spread;
pub(crate) use call::{Trouble, bounded};
pub(crate) use verdict::{End, Interrupt, after_rejection, decide, panic_message};

use crate::backend::{Backend, WorkerId};
use crate::handler::Handler;
use adaptive::{Adaptive, AdaptiveConfig};
use fetch::Fetcher;
use lane::{Lane, Shared};
use settle::Settler;
use slots::Slots;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::SharedClock;
use table::Table;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Runs the jobs of one queue until it is told to stop.
pub struct Worker {
    shared: Shared,
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker").field("config", &self.shared.config).finish_non_exhaustive()
    }
}

impl Worker {
    /// A worker on `backend` with one handler per kind of job. A job of another kind goes to the dead
    /// letters as `unknown_kind`. Values of `config` that are out of range are moved into it.
    pub fn new(
        backend: Arc<dyn Backend>,
        handlers: HashMap<String, Arc<dyn Handler>>,
        config: WorkerConfig,
        clock: SharedClock,
    ) -> Self {
        let config = config.in_range();
        let shared = Shared {
            backend,
            handlers,
            fallback: None,
            adaptive: None,
            queue: Arc::from(config.queue.as_str()),
            clock,
            worker: WorkerId::fresh(),
            slots: Arc::new(Slots::new(config.concurrency)),
            table: Arc::new(Table::default()),
            gate: RunGate::new(),
            news: Arc::default(),
            observer: None,
            config,
        };
        Self { shared }
    }

    /// Shares `gate` with the other workers of the process, so that suspects run alone among all of them.
    #[must_use]
    pub fn with_gate(mut self, gate: RunGate) -> Self {
        self.shared.gate = gate;
        self
    }

    /// Tells `observer` of every finished attempt.
    #[must_use]
    pub fn with_observer(mut self, observer: Arc<dyn JobObserver>) -> Self {
        self.shared.observer = Some(observer);
        self
    }

    /// Runs jobs of a kind without a handler of its own with `handler`, instead of burying them.
    #[must_use]
    pub fn with_fallback(mut self, handler: Arc<dyn Handler>) -> Self {
        self.shared.fallback = Some(handler);
        self
    }

    /// Lets the number of jobs at a time follow what gets jobs done, beginning at the configured one. See
    /// [`adaptive`].
    #[must_use]
    pub fn adaptive(mut self, config: AdaptiveConfig) -> Self {
        self.shared.adaptive = Some(Adaptive::new(config));
        self
    }

    /// A handle that outlives the call to [`Worker::run`].
    pub fn handle(&self) -> WorkerHandle {
        WorkerHandle {
            queue: Arc::clone(&self.shared.queue),
            slots: Arc::clone(&self.shared.slots),
            table: Arc::clone(&self.shared.table),
            adaptive: self.shared.adaptive.clone(),
        }
    }

    /// Runs jobs until a stop, then returns once no task of the worker is alive.
    ///
    /// On `stop` (soft) it takes nothing more, lets running jobs end for up to `drain_timeout`, then fires
    /// their tokens, drops those that do not end within `cancel_grace`, and gives them back without an
    /// attempt. On `abort` (hard) it drops and gives back everything at once; the store has one second for
    /// it. What could not be given back is reclaimed when its lease runs out.
    ///
    /// # Cancel safety
    /// Dropping the future acts like `abort`, only that nobody waits for the end of it.
    pub async fn run(self, stop: CancellationToken, abort: CancellationToken) {
        let shared = Arc::new(self.shared);
        let abort = abort.child_token();
        let _abort_if_dropped = abort.clone().drop_guard();
        let drained = CancellationToken::new();
        let (sender, receiver) = mpsc::channel(shared.config.settle_waiting_max);
        let service = TaskTracker::new();
        let settler = Settler { shared: Arc::clone(&shared), abort: abort.clone() };
        let settled = service.spawn(settler.run(receiver));
        service.spawn(renew::run(Arc::clone(&shared), drained.clone()));
        service.spawn(notes::run(Arc::clone(&shared), drained.clone()));
        if let Some(adaptive) = shared.adaptive.clone() {
            service.spawn(adaptive::run(Arc::clone(&shared), adaptive, stop.child_token()));
        }
        service.spawn(end_of_patience(shared.config.drain_timeout, stop.clone(), drained.clone()));
        let attempts = TaskTracker::new();
        let lane =
            Lane { shared, abort, drained: drained.clone(), attempts: attempts.clone(), finished: sender };
        // Ends at a stop, and drops its lane with it: the last attempt's end then ends the settler.
        Fetcher { lane, stop }.run().await;
        attempts.close();
        attempts.wait().await;
        if settled.await.is_err() {
            tracing::error!("the task that settles jobs panicked; leases it did not settle will run out");
        }
        drained.cancel();
        service.close();
        service.wait().await;
    }
}

/// Fires `drained` when running jobs have had `timeout` since the soft stop. From then on no lease is
/// extended either, so that a store that stays away cannot hold up the end for longer than one lease.
async fn end_of_patience(timeout: Duration, stop: CancellationToken, drained: CancellationToken) {
    let patience = async {
        stop.cancelled().await;
        tokio::time::sleep(timeout).await;
    };
    tokio::select! {
        () = patience => drained.cancel(),
        () = drained.cancelled() => {}
    }
}

/// The README's example must compile and run.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
mod readme {}
