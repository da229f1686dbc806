//! When messages are due, to a few microseconds: timers of the runtime are good for milliseconds only.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// A schedule of `total` messages, `per_second` of them. Whoever is free takes the next that is due; what nobody
/// is free for waits, and its time was all the same.
#[derive(Debug)]
pub(super) struct Pace {
    begun: Instant,
    every: Duration,
    total: u64,
    due: Semaphore,
    next: AtomicU64,
}

impl Pace {
    /// Begins a moment from now. `takers` is how many tasks call [`Pace::next`].
    pub(super) fn start(per_second: f64, total: u64, takers: u32) -> anyhow::Result<Arc<Self>> {
        let pace = Arc::new(Self {
            begun: Instant::now() + Duration::from_millis(100),
            every: Duration::from_secs_f64(1.0 / per_second.max(0.001)),
            total,
            due: Semaphore::new(0),
            next: AtomicU64::new(0),
        });
        let clock = Arc::clone(&pace);
        std::thread::Builder::new().name("pace".to_owned()).spawn(move || {
            clock.run();
            // One more each, to be told that it is over.
            clock.due.add_permits(takers as usize);
        })?;
        Ok(pace)
    }

    fn at(&self, index: u64) -> Instant {
        self.begun + self.every.mul_f64(index as f64)
    }

    fn run(&self) {
        let mut issued = 0;
        while issued < self.total {
            let now = Instant::now();
            let until = self.at(issued).saturating_duration_since(now);
            if !until.is_zero() {
                std::thread::park_timeout(until);
                continue;
            }
            let mut ready = 0;
            while issued < self.total && self.at(issued) <= now {
                issued += 1;
                ready += 1;
            }
            self.due.add_permits(ready);
        }
    }

    /// Waits for the next message to be due; its number and the time at which it was. `None`: no more.
    pub(super) async fn next(&self) -> Option<(u64, Instant)> {
        self.due.acquire().await.ok()?.forget();
        let index = self.next.fetch_add(1, Ordering::Relaxed);
        (index < self.total).then(|| (index, self.at(index)))
    }

    /// When the first is due.
    pub(super) const fn begun(&self) -> Instant {
        self.begun
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_is_due_once_at_its_time_and_then_it_is_over() -> anyhow::Result<()> {
        let pace = Pace::start(10_000.0, 50, 1)?;
        for wanted in 0..50 {
            let (index, due) = pace.next().await.expect("one of fifty");
            assert_eq!(index, wanted);
            assert_eq!(due, pace.begun() + Duration::from_micros(100) * u32::try_from(index)?);
            assert!(Instant::now() >= due, "not before its time");
        }
        assert!(pace.next().await.is_none());
        Ok(())
    }
}
