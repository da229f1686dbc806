//! Workers and housekeeping, started together and stopped together.

use crate::maintenance::{Maintenance, MaintenanceConfig, MaintenanceHandle};
use crate::typed::queue::Queue;
use crate::typed::router::{Lane, Router, RouterError};
use crate::worker::{RunGate, Worker, WorkerHandle};
use std::future::Future;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

/// Workers and housekeeping that run. Dropping it stops everything at once, as [`Running::abort`] does.
#[derive(Debug)]
pub struct Running {
    stop: CancellationToken,
    abort: CancellationToken,
    house_stop: CancellationToken,
    workers: TaskTracker,
    house: TaskTracker,
    handles: Vec<WorkerHandle>,
    maintenance: MaintenanceHandle,
    _abort_if_dropped: DropGuard,
}

impl Running {
    /// The workers, one per queue, in order of the queues' names.
    pub fn workers(&self) -> &[WorkerHandle] {
        &self.handles
    }

    /// What housekeeping has done.
    pub const fn maintenance(&self) -> &MaintenanceHandle {
        &self.maintenance
    }

    /// Takes nothing more; what runs may end, for as long as its worker's
    /// [`drain_timeout`](crate::worker::WorkerConfig::drain_timeout) allows. Returns at once.
    pub fn stop(&self) {
        self.stop.cancel();
    }

    /// Drops what runs and gives it back, without an attempt. Returns at once.
    pub fn abort(&self) {
        self.stop.cancel();
        self.abort.cancel();
    }

    /// Waits until everything has ended after [`Running::stop`] or [`Running::abort`].
    ///
    /// # Cancel safety
    /// The future may be dropped and asked for again.
    pub async fn ended(&self) {
        self.stop.cancelled().await;
        self.workers.wait().await;
        // Housekeeping goes on until the last job is settled.
        self.house_stop.cancel();
        self.house.wait().await;
    }
}

impl Queue {
    /// Starts a worker for each queue of `router`, and housekeeping. Must be called inside a Tokio runtime.
    ///
    /// # Errors
    /// If `router` is not sound.
    pub fn start(&self, router: Router) -> Result<Running, RouterError> {
        let plan = router.plan(self.clock())?;
        let all = CancellationToken::new();
        let (stop, abort, house_stop) = (all.child_token(), all.child_token(), all.child_token());
        let (workers, house) = (TaskTracker::new(), TaskTracker::new());
        let maintenance =
            Maintenance::new(self.backend().clone(), self.clock().clone(), MaintenanceConfig::default());
        let maintenance_handle = maintenance.handle();
        house.spawn(maintenance.run(house_stop.clone()));
        let gate = RunGate::new();
        let mut handles = Vec::with_capacity(plan.lanes.len());
        for Lane { config, handlers, fallback } in plan.lanes {
            let mut worker = Worker::new(self.backend().clone(), handlers, config, self.clock().clone())
                .with_gate(gate.clone())
                .with_fallback(fallback);
            if let Some(observer) = &plan.observer {
                worker = worker.with_observer(observer.clone());
            }
            handles.push(worker.handle());
            workers.spawn(worker.run(stop.clone(), abort.clone()));
        }
        workers.close();
        house.close();
        let (maintenance, _abort_if_dropped) = (maintenance_handle, all.drop_guard());
        Ok(Running { stop, abort, house_stop, workers, house, handles, maintenance, _abort_if_dropped })
    }

    /// Runs jobs until Ctrl-C or SIGTERM, then lets running ones end; at a second signal gives back at once
    /// what still runs. Returns when nothing of it is alive. Then [`Queue::close`] it.
    ///
    /// # Errors
    /// If `router` is not sound; then nothing was started.
    ///
    /// # Cancel safety
    /// Dropping the future gives back what runs, without an attempt.
    pub async fn run(&self, router: Router) -> Result<(), RouterError> {
        let running = self.start(router)?;
        shutdown_signal().await;
        tracing::info!(
            "stopping: running jobs may end, nothing more is taken; a second signal stops at once"
        );
        running.stop();
        tokio::select! {
            () = running.ended() => return Ok(()),
            () = shutdown_signal() => running.abort(),
        }
        running.ended().await;
        Ok(())
    }

    /// Runs jobs until `until` is ready, then lets running ones end and returns when nothing of it is alive.
    ///
    /// ```no_run
    /// # use steadfast_queue::typed::{Queue, Router, shutdown_signal};
    /// # async fn example(router: Router) -> Result<(), Box<dyn std::error::Error>> {
    /// let queue = Queue::open("jobs.db")?;
    /// queue.serve(router, shutdown_signal()).await?;
    /// queue.close().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If `router` is not sound; then nothing was started.
    ///
    /// # Cancel safety
    /// Dropping the future gives back what runs, without an attempt.
    pub async fn serve(
        &self,
        router: Router,
        until: impl Future<Output = ()> + Send,
    ) -> Result<(), RouterError> {
        let running = self.start(router)?;
        until.await;
        tracing::info!("stopping: running jobs may end, nothing more is taken");
        running.stop();
        running.ended().await;
        Ok(())
    }
}

/// Waits for Ctrl-C or, on Unix, SIGTERM. If the system cannot deliver signals it waits for ever, and says so.
pub async fn shutdown_signal() {
    let interrupt = async {
        if let Err(error) = tokio::signal::ctrl_c().await {
            tracing::error!(%error, "Ctrl-C cannot be heeded");
            std::future::pending::<()>().await;
        }
    };
    #[cfg(unix)]
    let terminate = async {
        match tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate()) {
            Ok(mut signals) => drop(signals.recv().await),
            Err(error) => {
                tracing::error!(%error, "SIGTERM cannot be heeded");
                std::future::pending::<()>().await;
            }
        }
    };
    #[cfg(not(unix))]
    let terminate = std::future::pending::<()>();
    tokio::select! {
        () = interrupt => {}
        () = terminate => {}
    }
}
