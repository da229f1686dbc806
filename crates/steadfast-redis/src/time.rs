//! Tokio's time as a clock: it stands still and moves with a test that pauses it.

use std::sync::Arc;
use steadfast_clock::{Clock, SharedClock, SystemClock};
use tokio::time::Instant;

/// Spans by Tokio's clock, wall time by another.
#[derive(Debug)]
pub(crate) struct TokioClock {
    started: Instant,
    wall: SharedClock,
}

impl TokioClock {
    /// A clock whose spans start now; wall time is the machine's.
    pub(crate) fn shared() -> SharedClock {
        Arc::new(Self { started: Instant::now(), wall: SystemClock::shared() })
    }
}

impl Clock for TokioClock {
    fn now_ms(&self) -> i64 {
        self.wall.now_ms()
    }

    fn mono_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}
