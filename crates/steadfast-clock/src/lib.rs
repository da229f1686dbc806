//! Time as a parameter.
//!
//! Nothing in Steadfast reads the machine's time directly: it asks a [`Clock`]. Tests hand in a
//! [`ManualClock`] and move it; the binary hands in a [`SystemClock`].
//!
//! A clock gives two readings. [`Clock::now_ms`] is for facts that outlive the process (when a job is
//! due, when a message came). [`Clock::mono_ms`] is for spans inside it (leases, deadlines): it never
//! goes back, so stepping the wall clock by hours expires no lease.
#![warn(missing_docs)]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// A source of time. Cheap to call, never blocks.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// Wall time, in milliseconds since the Unix epoch. May step either way when the machine's clock is set.
    fn now_ms(&self) -> i64;
    /// Milliseconds since an arbitrary start. Never goes back; not comparable between processes.
    fn mono_ms(&self) -> u64;
}

/// A clock shared between tasks.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// A clock whose monotonic reading starts now.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's time")]
    pub fn new() -> Self {
        Self { started: Instant::now() }
    }

    /// The same, ready to be shared.
    pub fn shared() -> SharedClock {
        Arc::new(Self::new())
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's time")]
    fn now_ms(&self) -> i64 {
        // A clock set before 1970 reads as 1970: nothing useful can be said about such a machine.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
        i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX)
    }

    fn mono_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// A clock that moves only when told to.
#[derive(Debug)]
pub struct ManualClock {
    wall_ms: AtomicI64,
    mono_ms: AtomicU64,
}

impl ManualClock {
    /// A clock standing at `wall_ms` since the Unix epoch.
    pub fn at(wall_ms: i64) -> Arc<Self> {
        Arc::new(Self { wall_ms: AtomicI64::new(wall_ms), mono_ms: AtomicU64::new(0) })
    }

    /// Lets `span` pass, on both readings.
    pub fn advance(&self, span: Duration) {
        let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        self.mono_ms.fetch_add(ms, Ordering::SeqCst);
        self.wall_ms.fetch_add(i64::try_from(ms).unwrap_or(i64::MAX), Ordering::SeqCst);
    }

    /// Steps the wall reading alone, as an operator or NTP would; the monotonic one stays.
    pub fn step_wall(&self, by_ms: i64) {
        self.wall_ms.fetch_add(by_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::SeqCst)
    }

    fn mono_ms(&self) -> u64 {
        self.mono_ms.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stepping_the_wall_leaves_spans_alone() {
        let clock = ManualClock::at(1_000);
        clock.advance(Duration::from_secs(2));
        clock.step_wall(-3_600_000);
        assert_eq!(clock.mono_ms(), 2_000);
        assert_eq!(clock.now_ms(), 3_000 - 3_600_000);
    }

    #[test]
    fn the_system_clock_is_after_2020_and_moves_forward() {
        let clock = SystemClock::new();
        assert!(clock.now_ms() > 1_577_836_800_000);
        let first = clock.mono_ms();
        assert!(clock.mono_ms() >= first);
    }
}
