//! Housekeeping: promotes due jobs, reclaims those whose worker died, removes what retention no longer
//! keeps.
//!
//! Each of the three is a loop that looks at the state of things rather than waiting for events: a missed
//! wake-up, a restart or an hour without the store costs a delay and never a job. It comes back at its
//! period, or earlier if the store knows when there is more to do.

use crate::backend::Backend;
pub use crate::backend::Sweep;
use crate::error::QueueError;
use crate::metrics;
use crate::worker::{Trouble, bounded, spread};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use steadfast_clock::SharedClock;
use tokio_util::sync::CancellationToken;

/// How often housekeeping looks, and how much it does in one call. The periods are spread by 10 %.
#[derive(Clone, Debug)]
pub struct MaintenanceConfig {
    /// The longest time between two looks for due jobs.
    pub promote_every: Duration,
    /// … for leases that ran out.
    pub reclaim_every: Duration,
    /// … for what retention no longer keeps.
    pub prune_every: Duration,
    /// The most jobs per call; a longer backlog takes several, one after the other, so that others get in
    /// between.
    pub chunk: usize,
    /// The longest pause between tries while the store fails.
    pub retry_wait_max: Duration,
    /// How long one call may take.
    pub call_timeout: Duration,
}

impl Default for MaintenanceConfig {
    /// Due jobs within half a second, dead workers' within one, retention once a minute, 512 at a time.
    fn default() -> Self {
        Self {
            promote_every: Duration::from_millis(500),
            reclaim_every: Duration::from_secs(1),
            prune_every: Duration::from_mins(1),
            chunk: 512,
            retry_wait_max: Duration::from_secs(10),
            call_timeout: Duration::from_secs(30),
        }
    }
}

/// What housekeeping has done since its start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SweepStatus {
    /// When it last found nothing left to do, in milliseconds since the Unix epoch; `None`: not yet.
    pub caught_up_ms: Option<i64>,
    /// Jobs it moved or removed.
    pub moved_total: u64,
}

/// Runs the three sweeps over one store.
#[derive(Debug)]
pub struct Maintenance {
    backend: Arc<dyn Backend>,
    clock: SharedClock,
    config: MaintenanceConfig,
    facts: Arc<[Facts; 3]>,
}

#[derive(Debug)]
struct Facts {
    caught_up_ms: AtomicI64,
    moved_total: AtomicU64,
}

/// Stands for "not yet" in [`Facts::caught_up_ms`].
const NEVER: i64 = i64::MIN;

/// A running housekeeping, seen from outside.
#[derive(Clone, Debug)]
pub struct MaintenanceHandle {
    facts: Arc<[Facts; 3]>,
}

impl MaintenanceHandle {
    /// What one sweep has done.
    pub fn status(&self, sweep: Sweep) -> SweepStatus {
        let facts = &self.facts[sweep as usize];
        let caught_up_ms = facts.caught_up_ms.load(Ordering::Relaxed);
        SweepStatus {
            caught_up_ms: (caught_up_ms != NEVER).then_some(caught_up_ms),
            moved_total: facts.moved_total.load(Ordering::Relaxed),
        }
    }
}

impl Maintenance {
    /// Housekeeping over `backend`. One per store is enough; several do no harm.
    pub fn new(backend: Arc<dyn Backend>, clock: SharedClock, config: MaintenanceConfig) -> Self {
        let fresh = || Facts { caught_up_ms: AtomicI64::new(NEVER), moved_total: AtomicU64::new(0) };
        Self { backend, clock, config, facts: Arc::new([fresh(), fresh(), fresh()]) }
    }

    /// A handle that outlives the call to [`Maintenance::run`].
    pub fn handle(&self) -> MaintenanceHandle {
        MaintenanceHandle { facts: Arc::clone(&self.facts) }
    }

    /// Sweeps until `stop` fires. A call under way is dropped then: it is done or not done, never half.
    ///
    /// # Cancel safety
    /// Dropping the future ends the sweeps in the same way.
    pub async fn run(self, stop: CancellationToken) {
        let sweeps = async {
            tokio::join!(self.repeat(Sweep::Promote), self.repeat(Sweep::Reclaim), self.repeat(Sweep::Prune))
        };
        tokio::select! {
            () = stop.cancelled() => {}
            _never = sweeps => {}
        }
    }

    async fn repeat(&self, sweep: Sweep) -> std::convert::Infallible {
        let mut trouble =
            Trouble::new(sweep.as_str(), Duration::from_millis(100), self.config.retry_wait_max);
        loop {
            let pause = match self.once(sweep).await {
                Ok(next_in) => {
                    trouble.over("*");
                    next_in.min(spread(self.period(sweep), 0.1))
                }
                Err(error) => {
                    metrics::store_error("*", sweep.as_str());
                    trouble.failed("*", &error)
                }
            };
            // At least a moment: a store that says "now" again and again must not be asked in a loop.
            tokio::time::sleep(pause.max(Duration::from_millis(1))).await;
        }
    }

    /// Sweeps until nothing is left; returns when there will be more, if that is known.
    async fn once(&self, sweep: Sweep) -> Result<Duration, QueueError> {
        let facts = &self.facts[sweep as usize];
        let chunk = self.config.chunk.max(1);
        loop {
            let swept =
                bounded(sweep.as_str(), self.config.call_timeout, self.backend.sweep(sweep, chunk)).await?;
            if swept.moved > 0 {
                facts.moved_total.fetch_add(swept.moved, Ordering::Relaxed);
                ::metrics::counter!(metrics::SWEPT_TOTAL, "sweep" => sweep.as_str()).increment(swept.moved);
                self.log(sweep, swept.moved);
            }
            if usize::try_from(swept.moved).is_ok_and(|moved| moved < chunk) {
                facts.caught_up_ms.store(self.clock.now_ms(), Ordering::Relaxed);
                return Ok(swept.next_in_ms.map_or(Duration::MAX, Duration::from_millis));
            }
            tokio::task::yield_now().await;
        }
    }

    const fn period(&self, sweep: Sweep) -> Duration {
        match sweep {
            Sweep::Promote => self.config.promote_every,
            Sweep::Reclaim => self.config.reclaim_every,
            Sweep::Prune => self.config.prune_every,
        }
    }

    /// A reclaimed job means that a worker died or lost contact: worth a line of its own.
    fn log(&self, sweep: Sweep, moved: u64) {
        if sweep == Sweep::Reclaim {
            tracing::warn!(
                jobs = moved,
                "leases ran out: their workers died or lost contact; the jobs run again"
            );
        } else {
            tracing::debug!(sweep = sweep.as_str(), jobs = moved, "swept");
        }
    }
}
