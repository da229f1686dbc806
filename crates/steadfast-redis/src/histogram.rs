//! Latencies, counted without a lock.
//!
//! Buckets are logarithmic with 16 steps to each doubling, so a quantile is at most 6.25 % too high. From 1 us to
//! over an hour.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const STEPS: usize = 16;
const STEPS_LOG2: u32 = 4;
/// 2^32 us is more than an hour.
const DOUBLINGS: usize = 32;
const BUCKETS: usize = STEPS * (DOUBLINGS - STEPS_LOG2 as usize + 1);

/// Counts of durations. Shared by reference; every method may be called at any time from any thread.
#[derive(Debug)]
pub(crate) struct Histogram {
    buckets: Box<[AtomicU64]>,
    count: AtomicU64,
    sum_us: AtomicU64,
    min_us: AtomicU64,
    max_us: AtomicU64,
}

/// A histogram at one moment, summed up. Durations in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Latencies {
    /// How many were counted.
    pub count: u64,
    /// The mean.
    pub mean_us: u64,
    /// The shortest.
    pub min_us: u64,
    /// The longest.
    pub max_us: u64,
    /// Half were no longer.
    pub p50_us: u64,
    /// 95 of 100 were no longer.
    pub p95_us: u64,
    /// 99 of 100 were no longer.
    pub p99_us: u64,
    /// 999 of 1,000 were no longer.
    pub p999_us: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            buckets: (0..BUCKETS).map(|_| AtomicU64::new(0)).collect(),
            count: AtomicU64::new(0),
            sum_us: AtomicU64::new(0),
            min_us: AtomicU64::new(u64::MAX),
            max_us: AtomicU64::new(0),
        }
    }
}

/// What a histogram has counted up to a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Counts(Box<[u64]>);

impl Default for Counts {
    fn default() -> Self {
        Self(std::iter::repeat_n(0, BUCKETS).collect())
    }
}

impl Counts {
    /// How many.
    pub(crate) fn all(&self) -> u64 {
        self.0.iter().sum()
    }

    /// What was counted after `earlier`.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        Self(self.0.iter().zip(&earlier.0).map(|(now, then)| now.saturating_sub(*then)).collect())
    }

    /// The duration that `share` (0 to 1) of all were no longer than; zero if there is none.
    pub(crate) fn quantile_us(&self, share: f64) -> u64 {
        let wanted = (share * self.all() as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (at, count) in self.0.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                return upper_us(at);
            }
        }
        0
    }
}

fn bucket(us: u64) -> usize {
    let us = us.min((1 << DOUBLINGS) - 1);
    if us < STEPS as u64 {
        return us as usize;
    }
    let doubling = us.ilog2();
    let step = (us >> (doubling - STEPS_LOG2)) as usize - STEPS;
    (doubling - STEPS_LOG2 + 1) as usize * STEPS + step
}

/// The longest duration that falls into a bucket.
fn upper_us(bucket: usize) -> u64 {
    if bucket < STEPS {
        return bucket as u64;
    }
    let shift = bucket / STEPS - 1;
    let from = ((STEPS + bucket % STEPS) as u64) << shift;
    from + (1 << shift) - 1
}

impl Histogram {
    /// Counts one.
    pub(crate) fn record(&self, elapsed: Duration) {
        let us = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        if let Some(count) = self.buckets.get(bucket(us)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.sum_us.fetch_add(us, Ordering::Relaxed);
        if us < self.min_us.load(Ordering::Relaxed) {
            self.min_us.fetch_min(us, Ordering::Relaxed);
        }
        if us > self.max_us.load(Ordering::Relaxed) {
            self.max_us.fetch_max(us, Ordering::Relaxed);
        }
    }

    /// Counts all that `other` has counted.
    pub(crate) fn add(&self, other: &Self) {
        for (mine, theirs) in self.buckets.iter().zip(&other.buckets) {
            let theirs = theirs.load(Ordering::Relaxed);
            if theirs > 0 {
                mine.fetch_add(theirs, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(other.count.load(Ordering::Relaxed), Ordering::Relaxed);
        self.sum_us.fetch_add(other.sum_us.load(Ordering::Relaxed), Ordering::Relaxed);
        self.min_us.fetch_min(other.min_us.load(Ordering::Relaxed), Ordering::Relaxed);
        self.max_us.fetch_max(other.max_us.load(Ordering::Relaxed), Ordering::Relaxed);
    }

    /// The duration that `share` (0 to 1) of all were no longer than; zero if there is none.
    pub(crate) fn quantile_us(&self, share: f64) -> u64 {
        self.counts().quantile_us(share).min(self.max_us.load(Ordering::Relaxed))
    }

    /// What it has counted, to be compared with a later time.
    pub(crate) fn counts(&self) -> Counts {
        Counts(self.buckets.iter().map(|count| count.load(Ordering::Relaxed)).collect())
    }

    /// What it shows now.
    pub(crate) fn sum_up(&self) -> Latencies {
        let count = self.count.load(Ordering::Relaxed);
        if count == 0 {
            return Latencies::default();
        }
        Latencies {
            count,
            mean_us: self.sum_us.load(Ordering::Relaxed) / count,
            min_us: self.min_us.load(Ordering::Relaxed),
            max_us: self.max_us.load(Ordering::Relaxed),
            p50_us: self.quantile_us(0.5),
            p95_us: self.quantile_us(0.95),
            p99_us: self.quantile_us(0.99),
            p999_us: self.quantile_us(0.999),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_empty_one_shows_zeroes() {
        assert_eq!(Histogram::default().sum_up(), Latencies::default());
    }

    proptest! {
        #[test]
        fn quantiles_are_at_most_a_sixteenth_too_high(mut all in proptest::collection::vec(0u64..10_000_000, 1..300), share in 0.0f64..1.0) {
            let histogram = Histogram::default();
            all.iter().for_each(|us| histogram.record(Duration::from_micros(*us)));
            all.sort_unstable();
            let at = ((share * all.len() as f64).ceil() as usize).max(1) - 1;
            let (exact, shown) = (all[at], histogram.quantile_us(share));
            prop_assert!(shown >= exact && shown <= exact + exact / 16, "{} {}", exact, shown);
            let sums = histogram.sum_up();
            prop_assert_eq!((sums.min_us, sums.max_us), (all[0], all[all.len() - 1]));
        }

        #[test]
        fn two_added_are_one_that_counted_both(
            first in proptest::collection::vec(0u64..10_000_000, 0..100),
            second in proptest::collection::vec(0u64..10_000_000, 0..100),
        ) {
            let (both, one, other) = (Histogram::default(), Histogram::default(), Histogram::default());
            first.iter().for_each(|us| one.record(Duration::from_micros(*us)));
            second.iter().for_each(|us| other.record(Duration::from_micros(*us)));
            first.iter().chain(&second).for_each(|us| both.record(Duration::from_micros(*us)));
            one.add(&other);
            prop_assert_eq!(one.sum_up(), both.sum_up());
        }

        #[test]
        fn what_came_since_is_what_a_new_one_would_have_counted(
            before in proptest::collection::vec(0u64..10_000_000, 0..100),
            after in proptest::collection::vec(0u64..10_000_000, 0..100),
        ) {
            let (one, fresh) = (Histogram::default(), Histogram::default());
            before.iter().for_each(|us| one.record(Duration::from_micros(*us)));
            let then = one.counts();
            for us in &after {
                one.record(Duration::from_micros(*us));
                fresh.record(Duration::from_micros(*us));
            }
            let since = one.counts().since(&then);
            prop_assert_eq!(since.all(), after.len() as u64);
            prop_assert_eq!(since, fresh.counts());
        }

        #[test]
        fn any_duration_has_a_bucket(us in any::<u64>()) {
            prop_assert!(bucket(us) < BUCKETS);
            let us = us % (1 << DOUBLINGS);
            prop_assert!(upper_us(bucket(us)) >= us);
        }
    }
}
