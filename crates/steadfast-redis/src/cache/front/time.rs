//! Time for versions and lifetimes.

use crate::cache::EvenTime;
use steadfast_clock::SharedClock;

/// Wall time that runs evenly.
#[derive(Clone, Debug)]
pub(super) struct Time {
    clock: SharedClock,
    even: EvenTime,
}

impl Time {
    pub(super) fn start(clock: SharedClock) -> Self {
        let even = EvenTime::start(&*clock);
        Self { clock, even }
    }

    /// Milliseconds since the Unix epoch.
    pub(super) fn now_ms(&self) -> u64 {
        self.even.now_ms(&*self.clock)
    }
}
