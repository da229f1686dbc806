//! How much a growing counter grew lately: pure, time passed in.

use std::collections::VecDeque;

/// The samples of one counter over a span.
#[derive(Debug)]
pub(crate) struct CounterWindow {
    span_ms: u64,
    gap_ms: u64,
    /// Oldest first. The first may be older than the span: it is where the counter stood when it began.
    samples: VecDeque<(u64, u64)>,
}

/// The most samples a window keeps.
const SAMPLES_MAX: u64 = 64;

impl CounterWindow {
    /// A window of `span_ms` over a counter that stands at `value` at `now_ms` (monotonic).
    pub(crate) fn new(span_ms: u64, now_ms: u64, value: u64) -> Self {
        let mut samples = VecDeque::new();
        samples.push_back((now_ms, value));
        Self { span_ms, gap_ms: (span_ms / (SAMPLES_MAX - 4)).max(1), samples }
    }

    /// Takes a reading. A counter that went back was restarted: the window begins anew from zero.
    pub(crate) fn record(&mut self, now_ms: u64, value: u64) {
        let (last_ms, last) = self.newest();
        if value < last {
            self.samples.clear();
            self.samples.push_back((last_ms.min(now_ms), 0));
        }
        // Readings closer than the gap replace the newest, so that many scrapes cost no memory; the
        // newest but one then decides whether a fresh entry is due.
        let before_newest = self.samples.len().checked_sub(2).and_then(|index| self.samples.get(index));
        if before_newest.is_some_and(|&(at, _)| now_ms.saturating_sub(at) < self.gap_ms) {
            self.samples.pop_back();
        }
        self.samples.push_back((now_ms.max(last_ms), value));
        while self.samples.get(1).is_some_and(|&(at, _)| now_ms.saturating_sub(at) >= self.span_ms) {
            self.samples.pop_front();
        }
    }

    /// How much it grew over the last span (or since the beginning, if that is shorter), and within how
    /// many milliseconds.
    pub(crate) fn growth(&self, now_ms: u64) -> (u64, u64) {
        let (_, last) = self.newest();
        let start = self.samples.iter().rev().find(|(at, _)| now_ms.saturating_sub(*at) >= self.span_ms);
        let &(at, first) = start.or_else(|| self.samples.front()).unwrap_or(&(now_ms, last));
        (last.saturating_sub(first), now_ms.saturating_sub(at))
    }

    /// Growth per second. In the first second after the beginning it counts as if that were over: ten
    /// things in a millisecond are not ten thousand a second.
    #[expect(clippy::cast_precision_loss, reason = "counts and milliseconds of minutes, far below 2^52")]
    pub(crate) fn per_second(&self, now_ms: u64) -> f64 {
        let (grown, elapsed_ms) = self.growth(now_ms);
        grown as f64 * 1_000.0 / elapsed_ms.max(1_000) as f64
    }

    fn newest(&self) -> (u64, u64) {
        self.samples.back().copied().unwrap_or((0, 0))
    }
}

/// The share of bad things among all, over one span: 0.0 to 1.0, and 0.0 where nothing happened.
#[derive(Debug)]
pub(crate) struct RatioWindow {
    all: CounterWindow,
    bad: CounterWindow,
}

impl RatioWindow {
    pub(crate) fn new(span_ms: u64, now_ms: u64) -> Self {
        Self { all: CounterWindow::new(span_ms, now_ms, 0), bad: CounterWindow::new(span_ms, now_ms, 0) }
    }

    pub(crate) fn record(&mut self, now_ms: u64, all: u64, bad: u64) {
        self.all.record(now_ms, all);
        self.bad.record(now_ms, bad);
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of minutes, far below 2^52")]
    pub(crate) fn ratio(&self, now_ms: u64) -> f64 {
        let (all, _) = self.all.growth(now_ms);
        let (bad, _) = self.bad.growth(now_ms);
        if all == 0 { 0.0 } else { (bad as f64 / all as f64).clamp(0.0, 1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIN: u64 = 60_000;

    #[test]
    fn an_error_burst_is_seen_and_forgotten_after_five_minutes() {
        let mut window = RatioWindow::new(5 * MIN, 0);
        window.record(10_000, 100, 0);
        assert!(window.ratio(10_000).abs() < 1e-9);
        window.record(20_000, 200, 20);
        assert!((window.ratio(20_000) - 0.1).abs() < 1e-9);
        for step in 3..40_u64 {
            window.record(step * 10_000, 200 + step, 20);
        }
        assert!(window.ratio(390_000).abs() < 1e-9, "{}", window.ratio(390_000));
    }

    #[test]
    fn rates_are_per_second_of_the_span() {
        let mut window = CounterWindow::new(MIN, 0, 0);
        for second in 1..=300_u64 {
            window.record(second * 1_000, second * 7);
        }
        assert!((window.per_second(300_000) - 7.0).abs() < 0.2, "{}", window.per_second(300_000));
        // Nothing more comes: the rate falls to nothing, although nobody records.
        assert!(window.per_second(300_000 + 10 * MIN) < 1e-9);
    }

    #[test]
    fn the_first_second_does_not_exaggerate() {
        let mut window = CounterWindow::new(MIN, 0, 0);
        window.record(1, 10);
        assert!((window.per_second(1) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_restarted_counter_counts_from_zero() {
        let mut window = CounterWindow::new(MIN, 0, 0);
        window.record(1_000, 1_000);
        window.record(2_000, 5);
        assert_eq!(window.growth(2_000).0, 5);
    }

    proptest! {
        #[test]
        fn bounded_and_never_more_than_was_counted(steps in prop::collection::vec((0_u64..40_000, 0_u64..1_000), 1..300)) {
            let mut window = CounterWindow::new(5 * MIN, 0, 0);
            let (mut now, mut value) = (0, 0);
            for (wait, more) in steps {
                now += wait;
                value += more;
                window.record(now, value);
                prop_assert!(window.samples.len() as u64 <= SAMPLES_MAX);
                prop_assert!(window.growth(now).0 <= value);
            }
        }

        #[test]
        fn the_growth_covers_the_span(steps in prop::collection::vec(1_u64..20_000, 40..200)) {
            let mut window = CounterWindow::new(5 * MIN, 0, 0);
            let mut now = 0;
            for wait in steps {
                now += wait;
                window.record(now, now);
            }
            let (grown, elapsed) = window.growth(now);
            prop_assert_eq!(grown, elapsed);
            prop_assert!(elapsed >= (5 * MIN).min(now) && elapsed < 5 * MIN + 30_000);
        }
    }
}
