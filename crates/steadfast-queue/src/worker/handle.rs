//! Looks at a running worker and changes it.

use crate::worker::adaptive::{Adaptive, AdaptiveStatus};
use crate::worker::slots::Slots;
use crate::worker::table::Table;
use std::sync::Arc;
use std::time::Duration;

/// A running worker, seen from outside. Cheap to clone; calls never wait.
#[derive(Clone, Debug)]
pub struct WorkerHandle {
    pub(crate) queue: Arc<str>,
    pub(crate) slots: Arc<Slots>,
    pub(crate) table: Arc<Table>,
    pub(crate) adaptive: Option<Arc<Adaptive>>,
}

/// What a worker does at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorkerStatus {
    /// Its queue.
    pub queue: Arc<str>,
    /// How many jobs it may run at a time.
    pub concurrency: usize,
    /// How many it runs. May be above `concurrency` for a while after that was lowered.
    pub running: usize,
    /// Jobs under its leases: those running, those waiting to run alone, and those whose verdict is not
    /// stored yet.
    pub leases: usize,
    /// How long the oldest job that has not ended has been here.
    pub oldest_running: Option<Duration>,
    /// Whether it was told to take nothing more for now.
    pub held: bool,
    /// How its concurrency adapts; `None`: it does not.
    pub adaptive: Option<AdaptiveStatus>,
}

impl WorkerHandle {
    /// How many jobs may run at a time from now on; returns the number after moving it into 1 to
    /// [`CONCURRENCY_MAX`](crate::worker::CONCURRENCY_MAX). No running job is stopped for it. A worker whose
    /// concurrency adapts keeps to this number until [`WorkerHandle::adapt`].
    pub fn set_concurrency(&self, jobs: usize) -> usize {
        if let Some(adaptive) = &self.adaptive {
            adaptive.pin(true);
        }
        self.slots.set_places(jobs)
    }

    /// Lets the number follow again what gets jobs done. Returns whether this worker can.
    pub fn adapt(&self) -> bool {
        if let Some(adaptive) = &self.adaptive {
            adaptive.pin(false);
        }
        self.adaptive.is_some()
    }

    /// With `true`, takes no more jobs until told otherwise; what runs goes on. For times when taking more
    /// would hurt: memory is short, or what the jobs depend on is down.
    pub fn set_held(&self, held: bool) {
        self.slots.set_held(held);
    }

    /// What it does at the moment.
    pub fn status(&self) -> WorkerStatus {
        let (leases, oldest) = self.table.summary();
        WorkerStatus {
            queue: Arc::clone(&self.queue),
            concurrency: self.slots.places(),
            running: self.slots.taken(),
            leases,
            oldest_running: oldest.map(|since| since.elapsed()),
            held: self.slots.is_held(),
            adaptive: self.adaptive.as_ref().map(|adaptive| adaptive.status()),
        }
    }
}
