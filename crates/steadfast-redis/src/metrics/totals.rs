//! All counters of a client at one moment, to be compared with another.

use super::cell::{Counts as Calls, KINDS};
use super::registry::Registry;
use crate::error::ErrorKind;
use crate::histogram::{Counts, Histogram};
use crate::limiter::Limiter;
use std::sync::atomic::{AtomicU64, Ordering};

/// Sums over all nodes and operations.
#[derive(Debug, Clone, Default)]
pub(crate) struct Totals {
    /// On the monotonic clock.
    pub(crate) at_ms: u64,
    pub(crate) calls: u64,
    /// By kind; see [`Totals::failed`].
    pub(crate) failed: [u64; KINDS],
    pub(crate) retries: u64,
    pub(crate) retries_refused: u64,
    pub(crate) redirects: u64,
    pub(crate) elapsed: Counts,
    /// Calls that found no connection ready.
    pub(crate) waits: Counts,
    /// Stays in line for a connection of one's own, and those for nothing.
    pub(crate) line: Counts,
    pub(crate) line_timed_out: u64,
    pub(crate) dial_time: Counts,
    pub(crate) dials_failed: u64,
    pub(crate) opened: u64,
    pub(crate) lost: u64,
    pub(crate) dead: u64,
    pub(crate) trips: u64,
    pub(crate) shed: u64,
}

impl Totals {
    /// Failures, of all kinds.
    pub(crate) fn failures(&self) -> u64 {
        self.failed.iter().sum()
    }

    /// Failures of one kind.
    pub(crate) fn failed(&self, kind: ErrorKind) -> u64 {
        self.failed[kind as usize]
    }

    /// What was counted after `earlier`. A node that went took its breakers' trips with it: never below zero.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let mut failed = self.failed;
        for (now, then) in failed.iter_mut().zip(earlier.failed) {
            *now = now.saturating_sub(then);
        }
        Self {
            at_ms: self.at_ms,
            failed,
            calls: self.calls.saturating_sub(earlier.calls),
            retries: self.retries.saturating_sub(earlier.retries),
            retries_refused: self.retries_refused.saturating_sub(earlier.retries_refused),
            redirects: self.redirects.saturating_sub(earlier.redirects),
            elapsed: self.elapsed.since(&earlier.elapsed),
            waits: self.waits.since(&earlier.waits),
            line: self.line.since(&earlier.line),
            line_timed_out: self.line_timed_out.saturating_sub(earlier.line_timed_out),
            dial_time: self.dial_time.since(&earlier.dial_time),
            dials_failed: self.dials_failed.saturating_sub(earlier.dials_failed),
            opened: self.opened.saturating_sub(earlier.opened),
            lost: self.lost.saturating_sub(earlier.lost),
            dead: self.dead.saturating_sub(earlier.dead),
            trips: self.trips.saturating_sub(earlier.trips),
            shed: self.shed.saturating_sub(earlier.shed),
        }
    }
}

#[cfg(test)]
impl Totals {
    /// `count` failures of `kind`, for a test of what is concluded from them.
    pub(crate) fn set_failed(&mut self, kind: ErrorKind, count: u64) {
        self.failed[kind as usize] = count;
    }
}

impl Registry {
    /// All counters now.
    pub(crate) fn totals(&self) -> Totals {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let (elapsed, waits) = (Histogram::default(), Histogram::default());
        let (line, dial_time) = (Histogram::default(), Histogram::default());
        let mut calls = Calls::default();
        let mut totals = Totals { at_ms: self.clock.mono_ms(), ..Totals::default() };
        for meter in self.all() {
            for cell in meter.cells() {
                calls.add(&cell.counts());
                elapsed.add(&cell.elapsed);
            }
            let (in_line, line_timed_out) = meter.line_histogram();
            waits.add(meter.wait_histogram());
            line.add(in_line);
            dial_time.add(&meter.dial_time);
            totals.line_timed_out += line_timed_out;
            totals.retries_refused += get(&meter.retries_refused);
            totals.dials_failed += get(&meter.dials_failed);
            totals.opened += get(&meter.opened);
            totals.lost += get(&meter.closed.lost);
            totals.dead += get(&meter.dead);
            if let Some(node) = meter.node() {
                let trips = node.guard.by_kind().map(|(_, breaker)| breaker.snapshot().trips);
                totals.trips += trips.iter().sum::<u64>();
                let limiter = node.guard.limiter().map(Limiter::snapshot);
                totals.shed += limiter.map_or(0, |seen| seen.classes.iter().map(|class| class.shed).sum());
            }
        }
        totals.calls = calls.calls();
        totals.failed = ErrorKind::ALL.map(|kind| calls.of_kind(kind));
        (totals.retries, totals.redirects) = (calls.retries, calls.redirects);
        totals.elapsed = elapsed.counts();
        (totals.waits, totals.line, totals.dial_time) = (waits.counts(), line.counts(), dial_time.counts());
        totals
    }
}
