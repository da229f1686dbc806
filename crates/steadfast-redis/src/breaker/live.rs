//! The numbers every result is judged by, readable without a lock.

use super::config::{BreakerConfig, SlowCalls};
use super::event::Reason;
use super::median::Median;
use super::ring::Totals;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Thresholds in force, and the learnt median.
#[derive(Debug)]
pub(super) struct Live {
    /// `minimum_calls` (32 bits), failure rate and slow rate in thousandths (16 each).
    rates: AtomicU64,
    /// Factor in hundredths (24 bits; 0: the bound is fixed), bound in microseconds (40 bits).
    slow: AtomicU64,
    median: AtomicU64,
}

/// A bound in microseconds that stands for "never slow".
const NEVER_US: u64 = (1 << 40) - 1;

impl Live {
    pub(super) fn new(config: &BreakerConfig) -> Self {
        Self {
            rates: AtomicU64::new(packed_rates(config)),
            slow: AtomicU64::new(packed_slow(config.slow_calls)),
            median: AtomicU64::new(Median::NEW.packed()),
        }
    }

    pub(super) fn reconfigure(&self, config: &BreakerConfig) {
        self.rates.store(packed_rates(config), Ordering::Relaxed);
        self.slow.store(packed_slow(config.slow_calls), Ordering::Relaxed);
    }

    pub(super) fn median(&self) -> Median {
        Median::unpacked(self.median.load(Ordering::Relaxed))
    }

    /// Shows the median a good call's time: one per bucket is enough, all while it is new, and those of slow trial calls.
    pub(super) fn learn(&self, elapsed: Duration, first_of_bucket: bool, slow_trial: bool) {
        let seen = self.median.load(Ordering::Relaxed);
        let median = Median::unpacked(seen);
        if first_of_bucket || slow_trial || median.is_warming() {
            let sample_ns = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
            let wanted = median.shown(sample_ns, slow_trial).packed();
            // Somebody else taught it in between: one sample more or less says nothing.
            let _ = self.median.compare_exchange(seen, wanted, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// From which time on a call is slow; `None`: none is.
    pub(super) fn slow_from(&self) -> Option<Duration> {
        let word = self.slow.load(Ordering::Relaxed);
        let (factor, bound_us) = (word >> 40, word & NEVER_US);
        if factor == 0 {
            return (bound_us != NEVER_US).then(|| Duration::from_micros(bound_us));
        }
        let median_ns = self.median().estimate_ns().unwrap_or(0);
        let learnt = Duration::from_nanos(median_ns.saturating_mul(factor) / 100);
        Some(learnt.max(Duration::from_micros(bound_us)))
    }

    pub(super) fn is_slow(&self, elapsed: Duration) -> bool {
        self.slow_from().is_some_and(|slow_from| elapsed >= slow_from)
    }

    /// Why these totals open a breaker, if they do.
    pub(super) fn reason_to_open(&self, totals: Totals) -> Option<Reason> {
        let Totals { calls, failed, slow } = totals;
        let word = self.rates.load(Ordering::Relaxed);
        let (minimum, failure_rate, slow_rate) = (word >> 32, word >> 16 & 0xFFFF, word & 0xFFFF);
        if calls < minimum.max(1) {
            None
        } else if failed * 1_000 >= failure_rate * calls {
            Some(Reason::FailureRate { calls, failed })
        } else if slow * 1_000 >= slow_rate * calls {
            let threshold = self.slow_from()?;
            Some(Reason::SlowRate { calls, slow, threshold })
        } else {
            None
        }
    }
}

fn packed_rates(config: &BreakerConfig) -> u64 {
    let thousandths = |rate: f64| (rate * 1_000.0).round() as u64;
    u64::from(config.minimum_calls) << 32
        | thousandths(config.failure_rate) << 16
        | thousandths(config.slow_rate)
}

fn packed_slow(slow_calls: SlowCalls) -> u64 {
    let us = |span: Duration| u64::try_from(span.as_micros()).unwrap_or(NEVER_US).min(NEVER_US - 1);
    match slow_calls {
        SlowCalls::Learnt { factor, floor } => ((factor * 100.0).round() as u64) << 40 | us(floor),
        SlowCalls::Fixed(bound) => us(bound),
        SlowCalls::Never => NEVER_US,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn live(slow_calls: SlowCalls) -> Live {
        Live::new(&BreakerConfig { slow_calls, ..BreakerConfig::default() })
    }

    #[test]
    fn slow_is_four_medians_but_never_below_the_floor() {
        let live = live(SlowCalls::Learnt { factor: 4.0, floor: ms(20) });
        assert_eq!(live.slow_from(), Some(ms(20)));
        live.learn(ms(1), true, false);
        assert_eq!(live.slow_from(), Some(ms(20)));
        for _ in 0..1_000 {
            live.learn(ms(60), true, false);
        }
        let slow_from = live.slow_from().expect("learnt");
        assert!(slow_from.abs_diff(ms(240)) < ms(1), "{slow_from:?}");
        assert!(live.is_slow(ms(250)) && !live.is_slow(ms(230)));
    }

    #[test]
    fn fixed_is_fixed_and_never_is_never() {
        let live = live(SlowCalls::Fixed(ms(7)));
        live.learn(ms(900), true, false);
        assert_eq!(live.slow_from(), Some(ms(7)));
        live.reconfigure(&BreakerConfig { slow_calls: SlowCalls::Never, ..BreakerConfig::default() });
        assert!(!live.is_slow(Duration::MAX));
        assert_eq!(live.slow_from(), None);
    }

    #[test]
    fn when_warm_only_the_first_of_a_bucket_teaches() {
        let live = live(SlowCalls::Never);
        for _ in 0..32 {
            live.learn(ms(1), false, false);
        }
        let warm = live.median();
        live.learn(ms(100), false, false);
        assert_eq!(live.median(), warm);
        live.learn(ms(100), true, false);
        assert_ne!(live.median(), warm);
    }

    #[test]
    fn rates_are_inclusive_and_need_their_minimum() {
        let live = live(SlowCalls::Fixed(ms(5)));
        let open = |calls, failed, slow| live.reason_to_open(Totals { calls, failed, slow });
        assert_eq!(open(9, 9, 9), None);
        assert_eq!(open(10, 4, 7), None);
        assert_eq!(open(10, 5, 0), Some(Reason::FailureRate { calls: 10, failed: 5 }));
        assert_eq!(open(10, 0, 8), Some(Reason::SlowRate { calls: 10, slow: 8, threshold: ms(5) }));
        assert_eq!(open(1_000, 499, 799), None);
        assert_eq!(open(0, 0, 0), None);
    }
}
