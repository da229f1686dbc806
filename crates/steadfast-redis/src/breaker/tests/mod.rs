//! The breaker as its callers meet it.

mod callers;
mod execute;
mod listeners;
mod model;
mod scenes;

use super::*;
use crate::retry::Jitter;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::{Clock, ManualClock};

/// Always the same draw.
#[derive(Debug)]
struct Always(f64);

impl Jitter for Always {
    fn unit(&self) -> f64 {
        self.0
    }
}

/// A breaker and its time. Draws are the longest: open times are their ceilings.
struct Rig {
    breaker: CircuitBreaker,
    clock: Arc<ManualClock>,
}

const FAST: Duration = Duration::from_millis(1);
const SLOW: Duration = Duration::from_secs(1);

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

impl Rig {
    fn new() -> Self {
        Self::with(BreakerConfig { slow_calls: SlowCalls::Fixed(ms(50)), ..BreakerConfig::default() })
    }

    fn with(config: BreakerConfig) -> Self {
        let clock = ManualClock::at(0);
        let breaker =
            CircuitBreaker::new("test", config, clock.clone(), Arc::new(Always(1.0))).expect("good");
        Self { breaker, clock }
    }

    fn permit(&self) -> Permit<'static> {
        self.breaker.try_acquire().expect("let through").into_owned()
    }

    fn good(&self) {
        self.permit().success(FAST);
    }

    fn bad(&self) {
        self.permit().failure(FAST);
    }

    fn advance(&self, span: Duration) {
        self.clock.advance(span);
    }

    fn state(&self) -> State {
        self.breaker.state()
    }

    /// Opens by proof and waits the open time out: the next call is a trial.
    fn half_open(&self) {
        assert!(self.breaker.trip(Evidence::DeadSocket));
        self.advance(self.breaker.retry_after().expect("open"));
    }

    fn rejected(&self) -> Rejected {
        self.breaker.try_acquire().expect_err("rejected")
    }
}
