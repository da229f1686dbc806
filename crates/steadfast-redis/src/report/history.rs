//! Samples taken at each collection, kept for the retention. Pure.

use crate::metrics::{Totals, share};
use serde::Serialize;
use std::collections::VecDeque;

/// Samples that are kept, however long the retention and short the interval: then each is of several collections.
const SAMPLES_MAX: u64 = 2_048;
/// Moments whose counters are kept whole, to see what came since.
const ANCHORS: u64 = 16;

/// What happened between two collections.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Sample {
    /// When it ended, in milliseconds since the client's start.
    pub at_ms: u64,
    /// Calls per second.
    pub rate_per_s: f64,
    /// Failed calls over all, 0 to 1.
    pub error_rate: f64,
    /// Half of the calls took no longer, in microseconds; 0 if there were none.
    pub p50_us: u64,
    /// 99 of 100 took no longer.
    pub p99_us: u64,
    /// Commands in flight at its end.
    pub in_flight: usize,
    /// The share of room in use at its end, 0 to 1.
    pub utilisation: f64,
}

/// What is read rather than counted.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Gauges {
    pub(crate) in_flight: usize,
    pub(crate) utilisation: f64,
}

/// The samples, and counters of some earlier moments.
#[derive(Debug)]
pub(crate) struct History {
    samples: VecDeque<Sample>,
    last: Totals,
    started_ms: u64,
    /// The oldest first.
    anchors: VecDeque<Totals>,
}

impl History {
    /// Begins with `first`, the counters at the start.
    pub(crate) fn new(first: Totals) -> Self {
        let (started_ms, anchors) = (first.at_ms, VecDeque::from([first.clone()]));
        Self { samples: VecDeque::new(), last: first, started_ms, anchors }
    }

    /// Takes the counters of now; what is older than `retention_ms` is forgotten.
    pub(crate) fn collect(&mut self, now: Totals, gauges: Gauges, retention_ms: u64) {
        let span_ms = now.at_ms.saturating_sub(self.last.at_ms);
        if span_ms < (retention_ms / SAMPLES_MAX).max(1) {
            return;
        }
        let since = now.since(&self.last);
        self.samples.push_back(Sample {
            at_ms: now.at_ms.saturating_sub(self.started_ms),
            rate_per_s: since.calls as f64 * 1_000.0 / span_ms as f64,
            error_rate: share(since.failures(), since.calls),
            p50_us: since.elapsed.quantile_us(0.5),
            p99_us: since.elapsed.quantile_us(0.99),
            in_flight: gauges.in_flight,
            utilisation: gauges.utilisation,
        });
        let oldest_ms = now.at_ms.saturating_sub(retention_ms);
        let started_ms = self.started_ms;
        let is_old = |sample: &Sample| sample.at_ms + started_ms <= oldest_ms;
        while self.samples.front().is_some_and(is_old) || self.samples.len() as u64 > SAMPLES_MAX {
            self.samples.pop_front();
        }
        let newest = self.anchors.back().map_or(0, |anchor| anchor.at_ms);
        if now.at_ms.saturating_sub(newest) >= retention_ms / ANCHORS {
            self.anchors.push_back(now.clone());
        }
        // The second is young enough: the first is not needed to reach back so far.
        while self.anchors.get(1).is_some_and(|next| next.at_ms <= oldest_ms) {
            self.anchors.pop_front();
        }
        self.last = now;
    }

    /// What happened within the retention, or since the start; and how many milliseconds that is.
    pub(crate) fn window(&self, now: &Totals) -> (Totals, u64) {
        match self.anchors.front() {
            Some(anchor) => (now.since(anchor), now.at_ms.saturating_sub(anchor.at_ms)),
            None => (now.clone(), now.at_ms.saturating_sub(self.started_ms)),
        }
    }

    /// The samples, the oldest first.
    pub(crate) fn samples(&self) -> impl ExactSizeIterator<Item = &Sample> {
        self.samples.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn totals(at_ms: u64, calls: u64) -> Totals {
        Totals { at_ms, calls, ..Totals::default() }
    }

    #[test]
    fn a_sample_is_of_what_came_since_the_last() {
        let mut history = History::new(totals(1_000, 5));
        history.collect(totals(2_000, 25), Gauges { in_flight: 3, utilisation: 0.5 }, 60_000);
        history.collect(totals(4_000, 35), Gauges::default(), 60_000);
        let seen: Vec<_> =
            history.samples().map(|sample| (sample.at_ms, sample.rate_per_s, sample.in_flight)).collect();
        assert_eq!(seen, [(1_000, 20.0, 3), (3_000, 5.0, 0)]);
        let (window, span_ms) = history.window(&totals(4_500, 40));
        assert_eq!((window.calls, span_ms), (35, 3_500));
    }

    proptest! {
        /// Against the list of all collections.
        #[test]
        fn what_is_kept_is_young_and_bounded(
            steps in proptest::collection::vec((1_u64..500, 0_u64..100), 1..400),
            retention_ms in 1_000_u64..20_000,
        ) {
            let mut history = History::new(totals(0, 0));
            let (mut at_ms, mut calls, mut all) = (0, 0, vec![(0, 0)]);
            for (step, more) in steps {
                (at_ms, calls) = (at_ms + step, calls + more);
                history.collect(totals(at_ms, calls), Gauges::default(), retention_ms);
                all.push((at_ms, calls));
            }
            prop_assert!(history.samples().all(|sample| sample.at_ms + retention_ms > at_ms));
            prop_assert!(history.samples().len() as u64 <= SAMPLES_MAX);
            prop_assert!(history.anchors.len() as u64 <= ANCHORS + 2);
            // The window reaches back as far as the retention, and not much further.
            let (window, span_ms) = history.window(&totals(at_ms, calls));
            prop_assert!(span_ms >= retention_ms.min(at_ms), "{span_ms}");
            prop_assert!(span_ms <= retention_ms + retention_ms / ANCHORS + 500, "{span_ms}");
            let then = all.iter().find(|(then_ms, _)| *then_ms == at_ms - span_ms).map(|(_, calls)| *calls);
            prop_assert_eq!(Some(calls - window.calls), then);
        }
    }
}
