//! The limiter as its callers meet it.

mod callers;
mod lines;

use super::*;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::{ManualClock, SystemClock};
use tokio::time::Instant;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn in_ms(span_ms: u64) -> Instant {
    Instant::now() + ms(span_ms)
}

/// A limiter whose limit does not move.
fn fixed(limit: u32) -> (Limiter, Arc<ManualClock>) {
    let clock = ManualClock::at(0);
    let config = LimiterConfig { initial: limit, least: limit, most: limit, ..LimiterConfig::default() };
    (Limiter::new(config, clock.clone()).expect("good"), clock)
}

/// Calls under way, and callers waiting.
fn load(limiter: &Limiter) -> (u32, u32) {
    let snapshot = limiter.snapshot();
    (snapshot.in_flight, snapshot.classes.iter().map(|class| class.waiting).sum())
}
