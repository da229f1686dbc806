//! A breaker at one moment.

use super::circuit::CircuitBreaker;
use super::event::{Cause, Reason, State};
use super::ring::Totals;
use std::time::Duration;

/// A breaker at one moment. Counts of calls that end meanwhile may or may not be in it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Snapshot {
    /// The state.
    pub state: State,
    /// Since when, in milliseconds of the monotonic clock handed in.
    pub since_ms: u64,
    /// Why it changed last.
    pub reason: Reason,
    /// What opened it last, if anything did.
    pub cause: Option<Cause>,
    /// The epoch.
    pub epoch: u64,
    /// Calls in the window; of the current epoch only.
    pub calls: u64,
    /// Failed ones among them.
    pub failed: u64,
    /// Slow ones among them.
    pub slow: u64,
    /// `failed` over `calls`, 0 if there are none.
    pub failure_rate: f64,
    /// `slow` over `calls`, 0 if there are none.
    pub slow_rate: f64,
    /// From which time on a call counts as slow; `None`: none does.
    pub slow_from: Option<Duration>,
    /// The learnt long-run median of good calls; `None` before the first.
    pub median: Option<Duration>,
    /// If open: until when, on the clock of `since_ms`.
    pub open_until_ms: Option<u64>,
    /// If half-open: its round.
    pub half_open: Option<HalfOpenView>,
    /// Trips so far.
    pub trips: u64,
    /// Episodes of trouble so far.
    pub episode: u64,
    /// Changes that callbacks were too slow to be told of.
    pub changes_dropped: u64,
    /// Callbacks that panicked.
    pub callback_panics: u64,
}

/// The round of a half-open breaker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HalfOpenView {
    /// Calls it lets through.
    pub width: u32,
    /// Calls under way.
    pub in_flight: u32,
}

impl CircuitBreaker {
    /// What it knows now. Takes the lock for a moment: for dashboards and reports, not for every call.
    pub fn snapshot(&self) -> Snapshot {
        let shared = &self.shared;
        let now_ms = shared.now_ms();
        let (sign, history, open_until_ms, trial, totals) = shared.look(|core| {
            let totals = shared.ring.totals(now_ms, core.epoch());
            (core.sign(), core.history(), core.open_until_ms(), core.trial(now_ms), totals)
        });
        let (state, cause, epoch) = (sign.state(), sign.cause(), sign.epoch());
        let (since_ms, reason, trips, episode) = history;
        let Totals { calls, failed, slow } = totals;
        let share = |part: u64| if calls == 0 { 0.0 } else { part as f64 / calls as f64 };
        let (changes_dropped, callback_panics) = shared.notifier.losses();
        Snapshot {
            state,
            since_ms,
            reason,
            cause,
            epoch,
            calls,
            failed,
            slow,
            failure_rate: share(failed),
            slow_rate: share(slow),
            slow_from: shared.live.slow_from(),
            median: shared.live.median().estimate_ns().map(Duration::from_nanos),
            open_until_ms: (state == State::Open).then_some(open_until_ms),
            half_open: trial.map(|(width, in_flight)| HalfOpenView { width, in_flight }),
            trips,
            episode,
            changes_dropped,
            callback_panics,
        }
    }
}
