//! Start and stop of the process: signals, two-stage shutdown, the service manager.
//!
//! The first SIGTERM or SIGINT asks for a drain: nothing new is taken, what runs may finish. The second
//! one, or the end of the drain's deadline, gives back what still runs and ends.

use anyhow::Context;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tokens of a shutdown and the tracker of everything that must end with it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lifecycle {
    /// Drain: take nothing new, finish what runs.
    pub(crate) stop: CancellationToken,
    /// End now: give back what runs.
    pub(crate) abort: CancellationToken,
    /// Every long-running task of the process.
    pub(crate) tasks: TaskTracker,
}

impl Lifecycle {
    /// Turns signals into tokens, for as long as the process lives.
    pub(crate) fn watch_signals(&self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
        let (stop, abort) = (self.stop.clone(), self.abort.clone());
        self.tasks.spawn(async move {
            let mut received = 0_u32;
            while !abort.is_cancelled() {
                tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                    () = abort.cancelled() => return,
                }
                received += 1;
                if received == 1 {
                    tracing::info!("draining: nothing new is taken, running jobs may finish; a second signal ends at once");
                    notify(&[sd_notify::NotifyState::Stopping, sd_notify::NotifyState::Status("draining")]);
                    stop.cancel();
                } else {
                    tracing::warn!("second signal: ending now, running jobs are given back");
                    abort.cancel();
                }
            }
        });
        Ok(())
    }

    /// Tells the service manager, if there is one, that the process is ready, and keeps its watchdog fed.
    pub(crate) fn ready(&self) {
        notify(&[sd_notify::NotifyState::Ready, sd_notify::NotifyState::Status("serving")]);
        let Some(limit) = sd_notify::watchdog_enabled() else { return };
        let stop = self.abort.clone();
        self.tasks.spawn(async move {
            // Half the limit, as the service manager's manual advises.
            let mut beat = tokio::time::interval((limit / 2).max(Duration::from_millis(100)));
            loop {
                tokio::select! {
                    _ = beat.tick() => notify(&[sd_notify::NotifyState::Watchdog]),
                    () = stop.cancelled() => return,
                }
            }
        });
    }
}

/// Without a service manager this does nothing; a failed notice is worth a line, not an end.
fn notify(states: &[sd_notify::NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager could not be notified");
    }
}
