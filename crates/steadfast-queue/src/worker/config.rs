//! How a worker behaves.

use crate::backend::BATCH_MAX;
use std::time::Duration;

/// The most jobs one worker runs at a time.
pub const CONCURRENCY_MAX: usize = 1_024;
/// The shortest lease a worker asks for, in milliseconds.
pub const LEASE_MS_MIN: u64 = 100;

/// How a worker behaves. [`WorkerConfig::new`] gives values that fit most queues; values out of range are
/// moved to the nearest that is in range.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// The queue it takes jobs from.
    pub queue: String,
    /// Jobs at a time, 1 to [`CONCURRENCY_MAX`]; changeable later by
    /// [`WorkerHandle::set_concurrency`](crate::worker::WorkerHandle::set_concurrency).
    pub concurrency: usize,
    /// How long a lease runs unless extended, in milliseconds, at least [`LEASE_MS_MIN`]. A dead worker's
    /// jobs run again after this; a worker cut off from its store for this long stops its jobs.
    pub lease_ms: u64,
    /// How often running leases are extended; at most a third of the lease, so that two extensions may
    /// fail before anything is lost.
    pub extend_every: Duration,
    /// The most jobs taken in one call, 1 to [`BATCH_MAX`].
    pub reserve_batch_max: usize,
    /// The most jobs settled in one call, 1 to [`BATCH_MAX`].
    pub settle_batch_max: usize,
    /// The most finished jobs that wait to be settled. Beyond it a finished job keeps its place among the
    /// running ones, so nothing new is taken until the store keeps up.
    pub settle_waiting_max: usize,
    /// How long an idle worker waits inside the store for a job; at most a quarter of the lease. It is
    /// also how long an idle worker may take to stop.
    pub reserve_wait: Duration,
    /// The longest pause between tries while the store fails.
    pub retry_wait_max: Duration,
    /// How long one call to the store may take, beyond what it was asked to wait, before it counts as
    /// failed.
    pub call_timeout: Duration,
    /// How long a handler has to end after its token fired, before it is dropped.
    pub cancel_grace: Duration,
    /// From the soft stop on, how long running jobs may go on before they are cancelled and released.
    pub drain_timeout: Duration,
    /// How long a suspect waits for the process to be free of other jobs before it is put off, so that
    /// one long job and one suspect do not stop everything.
    pub suspect_wait_max: Duration,
    /// How much later a job runs again whose follow-up the queue had no room for.
    pub follow_up_wait: Duration,
}

impl WorkerConfig {
    /// The defaults for `queue`: 4 jobs at a time under leases of 30 s, extended every 10 s, 30 s to drain.
    pub fn new(queue: impl Into<String>) -> Self {
        Self {
            queue: queue.into(),
            concurrency: 4,
            lease_ms: 30_000,
            extend_every: Duration::from_secs(10),
            reserve_batch_max: 64,
            settle_batch_max: 256,
            settle_waiting_max: 256,
            reserve_wait: Duration::from_secs(1),
            retry_wait_max: Duration::from_secs(5),
            call_timeout: Duration::from_secs(10),
            cancel_grace: Duration::from_secs(1),
            drain_timeout: Duration::from_secs(30),
            suspect_wait_max: Duration::from_mins(1),
            follow_up_wait: Duration::from_secs(5),
        }
    }

    /// With so many jobs at a time.
    #[must_use]
    pub fn concurrency(mut self, jobs: usize) -> Self {
        self.concurrency = jobs;
        self
    }

    /// The lease as a span.
    pub(crate) fn lease(&self) -> Duration {
        Duration::from_millis(self.lease_ms)
    }

    /// Every value in its range.
    pub(crate) fn in_range(mut self) -> Self {
        const TICK: Duration = Duration::from_millis(1);
        // Far beyond any sensible lease, and safe to add to any instant.
        self.lease_ms = self.lease_ms.clamp(LEASE_MS_MIN, 86_400_000);
        self.concurrency = clamp_concurrency(self.concurrency);
        self.extend_every = self.extend_every.clamp(TICK, self.lease() / 3);
        self.reserve_wait = self.reserve_wait.clamp(TICK, self.lease() / 4);
        self.reserve_batch_max = self.reserve_batch_max.clamp(1, BATCH_MAX);
        self.settle_batch_max = self.settle_batch_max.clamp(1, BATCH_MAX);
        self.settle_waiting_max = self.settle_waiting_max.clamp(1, 65_536);
        self.retry_wait_max = self.retry_wait_max.max(TICK);
        self.call_timeout = self.call_timeout.max(TICK);
        self
    }
}

/// `jobs` within 1 to [`CONCURRENCY_MAX`].
pub(crate) fn clamp_concurrency(jobs: usize) -> usize {
    jobs.clamp(1, CONCURRENCY_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_out_of_range_are_moved_into_it() {
        let mut config = WorkerConfig::new("q").concurrency(0);
        config.lease_ms = 900;
        config.reserve_batch_max = usize::MAX;
        config.settle_waiting_max = 0;
        let config = config.in_range();
        assert_eq!(config.concurrency, 1);
        assert_eq!(config.extend_every, Duration::from_millis(300));
        assert_eq!(config.reserve_wait, Duration::from_millis(225));
        assert_eq!((config.reserve_batch_max, config.settle_waiting_max), (BATCH_MAX, 1));
    }
}
