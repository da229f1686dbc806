//! The limit over time: samples gathered into windows, windows into limits.
//!
//! The rule compares answers with what they take *in the long run*. The long run must not be learnt from calls that wait
//! for each other, or a lasting overload becomes the norm and the limit climbs for ever. So:
//!
//! - A window whose limit was not reached teaches it, up and down: if that was slow, it was not our doing.
//! - A window at the limit teaches it only downwards.
//! - After some windows at the limit (30, then 60, ... then every 300) comes a *rest*: for two windows the limit is halved,
//!   one for the line at the server to drain and one to measure. If that is faster than the long run it is believed, if
//!   slower, by half. So a start under full load finds its way down, and a server that is slower for good is accepted.

use super::config::LimiterConfig;
use super::gradient::{after_drop, bounded, next_limit};
use crate::retry::doubled;
use std::time::Duration;

/// A window is judged once it has this many samples, however soon; or at its longest with what it has.
const SAMPLES: u32 = 10;
/// Windows whose plain mean is the first long-run value.
const WARM: u32 = 10;
/// Weight of a window in the long run: as in a mean over some 600 of them.
const LONG_WEIGHT: f64 = 2.0 / 601.0;
/// Weight of a rest that was slower than the long run.
const REST_SLOWER_WEIGHT: f64 = 0.5;
/// Windows at the limit before the first rest; doubled for each further one.
const REST_FIRST: u64 = 30;
/// Windows at the limit between two rests.
const REST_EVERY: u64 = 300;

/// A limit and what it learns from.
#[derive(Debug)]
pub(super) struct Adaptive {
    limit: f64,
    /// What answers take in the long run; 0 before the first window.
    long_ns: f64,
    /// What they took in the last window; 0 before the first.
    short_ns: f64,
    windows: u32,
    rests: u32,
    phase: Phase,
    window: Window,
}

#[derive(Debug, Clone, Copy)]
enum Phase {
    /// Windows at the limit so far.
    Work { tested: u32 },
    /// Resting, at this limit.
    Drain(f64),
    /// Still resting, and what is seen counts.
    Measure(f64),
}

#[derive(Debug, Default)]
struct Window {
    /// Of its first sample or drop.
    began_ms: Option<u64>,
    samples: u32,
    sum_ns: f64,
    in_flight_most: u32,
    dropped: bool,
}

impl Adaptive {
    pub(super) fn new(config: &LimiterConfig) -> Self {
        Self {
            limit: f64::from(config.initial),
            long_ns: 0.0,
            short_ns: 0.0,
            windows: 0,
            rests: 0,
            phase: Phase::Work { tested: 0 },
            window: Window::default(),
        }
    }

    /// Whole calls: at least 1.
    pub(super) const fn limit(&self) -> u32 {
        match self.phase {
            Phase::Work { .. } => self.limit as u32,
            Phase::Drain(rest) | Phase::Measure(rest) => self.limit.min(rest) as u32,
        }
    }

    /// What answers took in the last window, and take in the long run.
    pub(super) fn rtt(&self) -> Option<(Duration, Duration)> {
        let span = |ns: f64| Duration::from_nanos(ns as u64);
        (self.windows > 0).then(|| (span(self.short_ns), span(self.long_ns)))
    }

    pub(super) fn reconfigure(&mut self, config: &LimiterConfig) {
        self.limit = bounded(self.limit, config);
        self.phase = Phase::Work { tested: 0 };
    }

    /// A call took `elapsed`, one of `in_flight`.
    pub(super) fn done(&mut self, elapsed: Duration, in_flight: u32, now_ms: u64, config: &LimiterConfig) {
        let window = &mut self.window;
        window.began_ms.get_or_insert(now_ms);
        window.samples += 1;
        window.sum_ns += elapsed.as_nanos() as f64;
        window.in_flight_most = window.in_flight_most.max(in_flight);
        self.end_window_if_due(now_ms, config);
    }

    /// A call timed out or was refused as too much: felt at once, but once per window; a burst of them is one sign.
    pub(super) fn dropped(&mut self, now_ms: u64, config: &LimiterConfig) {
        self.window.began_ms.get_or_insert(now_ms);
        if !self.window.dropped {
            self.window.dropped = true;
            self.limit = after_drop(self.limit, config);
        }
        self.end_window_if_due(now_ms, config);
    }

    fn end_window_if_due(&mut self, now_ms: u64, config: &LimiterConfig) {
        let lasted_ms = u128::from(now_ms.saturating_sub(self.window.began_ms.unwrap_or(now_ms)));
        let enough = self.window.samples >= SAMPLES && lasted_ms >= config.window_least.as_millis();
        if enough || lasted_ms >= config.window_most.as_millis() {
            let window = std::mem::take(&mut self.window);
            if window.samples > 0 {
                self.judge(&window, config);
            }
        }
    }

    fn judge(&mut self, window: &Window, config: &LimiterConfig) {
        self.short_ns = (window.sum_ns / f64::from(window.samples)).max(1.0);
        self.windows = self.windows.saturating_add(1);
        match self.phase {
            Phase::Drain(rest) => self.phase = Phase::Measure(rest),
            Phase::Measure(_) => {
                self.rests = self.rests.saturating_add(1);
                self.learn(if self.short_ns < self.long_ns { 1.0 } else { REST_SLOWER_WEIGHT });
                self.phase = Phase::Work { tested: 0 };
            }
            Phase::Work { tested } => self.judge_work(window, tested, config),
        }
    }

    fn judge_work(&mut self, window: &Window, tested: u32, config: &LimiterConfig) {
        let reached = window.in_flight_most.saturating_mul(2) >= self.limit();
        if self.windows <= WARM {
            self.learn(1.0 / f64::from(self.windows));
        } else if !reached || self.short_ns < self.long_ns {
            self.learn(LONG_WEIGHT);
        }
        // A limit that was not reached was not tested; one that just shrank should not grow in the same breath.
        if reached && !window.dropped {
            self.limit = next_limit(self.limit, self.short_ns, self.long_ns, config);
        }
        // Where slowness is no reason to shrink, or nothing can be changed, there is nothing to find out.
        let unknown = self.short_ns > config.rtt_floor.as_nanos() as f64 && config.least < config.most;
        let tested = tested + u32::from(reached && unknown);
        self.phase = if u64::from(tested) < doubled(REST_FIRST, self.rests, REST_EVERY) {
            Phase::Work { tested }
        } else {
            Phase::Drain(bounded(self.limit / 2.0, config))
        };
    }

    fn learn(&mut self, weight: f64) {
        self.long_ns += (self.short_ns - self.long_ns) * weight;
        // What was learnt in a slow time is let go of faster than it was learnt.
        if self.long_ns > 2.0 * self.short_ns {
            self.long_ns *= 0.95;
        }
    }
}

#[cfg(test)]
#[path = "adaptive_tests.rs"]
mod tests;
