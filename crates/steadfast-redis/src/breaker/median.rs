//! The long-run median of a stream, in eight bytes.

/// An estimate that follows the median of what it is shown.
///
/// Each sample above it moves it up by a step, each below moves it down by the same: it rests where as many lie above
/// as below (stochastic approximation after Robbins and Monro, 1951; steps are shares, so that it fits microseconds
/// and minutes alike). The steps shrink as `1 / n` octaves to a 32nd and stay there: in a stable stream the estimate is
/// within a few percent, and it needs some 32 samples per octave to follow a lasting change. Shown one sample per
/// second, it does not learn an outage before that has been judged.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Median {
    /// Nanoseconds; at least 1 once anything was seen.
    estimate_ns: f32,
    seen: u32,
}

/// Samples taken for the first, coarse estimate.
const WARM: u32 = 32;
/// The smallest step, in octaves.
const STEP_MIN: f32 = 1.0 / 32.0;
/// A slow trial call's step, in octaves. While slowness keeps the breaker open there are few calls, and a service that
/// has become slower for good must become the new normal some day.
const STEP_TRIAL: f32 = 0.25;

impl Median {
    pub(super) const NEW: Self = Self { estimate_ns: 0.0, seen: 0 };

    /// Nothing seen yet: `None`.
    pub(super) const fn estimate_ns(self) -> Option<u64> {
        if self.seen == 0 { None } else { Some(self.estimate_ns as u64) }
    }

    /// Whether it still wants every sample there is, not one now and then.
    pub(super) const fn is_warming(self) -> bool {
        self.seen < WARM
    }

    /// With one more sample.
    pub(super) fn shown(self, sample_ns: u64, slow_trial: bool) -> Self {
        let sample_ns = (sample_ns as f32).max(1.0);
        let seen = self.seen.saturating_add(1);
        if self.seen == 0 {
            return Self { estimate_ns: sample_ns, seen };
        }
        let step = (1.0 / seen as f32).max(if slow_trial { STEP_TRIAL } else { STEP_MIN });
        let factor = step.exp2();
        // Never past the sample itself: a stream that does not vary is met exactly.
        let estimate_ns = if sample_ns > self.estimate_ns {
            (self.estimate_ns * factor).min(sample_ns)
        } else {
            (self.estimate_ns / factor).max(sample_ns)
        };
        Self { estimate_ns, seen }
    }

    pub(super) fn packed(self) -> u64 {
        u64::from(self.estimate_ns.to_bits()) << 32 | u64::from(self.seen)
    }

    pub(super) fn unpacked(word: u64) -> Self {
        Self { estimate_ns: f32::from_bits((word >> 32) as u32), seen: word as u32 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn after(samples: impl IntoIterator<Item = u64>) -> u64 {
        let median = samples.into_iter().fold(Median::NEW, |median, sample| median.shown(sample, false));
        median.estimate_ns().expect("seen some")
    }

    #[test]
    fn nothing_seen_is_no_estimate_and_packing_changes_nothing() {
        assert_eq!(Median::NEW.estimate_ns(), None);
        let median = Median::NEW.shown(1_234, false).shown(9, true);
        assert_eq!(Median::unpacked(median.packed()), median);
        assert_eq!(Median::unpacked(0), Median::NEW);
        assert_eq!(Median::NEW.shown(0, false).estimate_ns(), Some(1));
    }

    #[test]
    fn one_bad_start_is_soon_forgotten() {
        assert!(after([5_000_000_000].into_iter().chain([1_000_000; 32])) < 1_000_000_000);
        let estimate = after([5_000_000_000].into_iter().chain([1_000_000; 500]));
        assert_eq!(estimate, 1_000_000);
    }

    #[test]
    fn ten_seconds_of_tenfold_slowness_are_not_the_new_normal_but_minutes_are() {
        let calm = std::iter::repeat_n(1_000_000, 1_000);
        let brief = after(calm.clone().chain([10_000_000; 10]));
        assert!(brief < 1_300_000, "{brief}");
        let lasting = after(calm.chain(std::iter::repeat_n(10_000_000, 200)));
        assert!(lasting > 9_900_000, "{lasting}");
    }

    #[test]
    fn trial_calls_teach_a_new_normal_within_a_dozen() {
        let calm = (0..1_000).fold(Median::NEW, |median, _| median.shown(1_000_000, false));
        let trial = (0..12).fold(calm, |median, _| median.shown(8_000_000, true));
        assert!(trial.estimate_ns() > Some(7_990_000), "{trial:?}");
    }

    proptest! {
        #[test]
        fn comes_to_rest_near_the_median(
            mut values in prop::collection::vec(1_000_u64..1_000_000_000, 5..40), seed: u64,
        ) {
            let mut dice = fastrand::Rng::with_seed(seed);
            let samples: Vec<_> = (0..6_000).map(|_| values[dice.usize(..values.len())]).collect();
            let estimate = after(samples.iter().copied());
            values.sort_unstable();
            // Between the 25th and the 75th percentile, widened by what the steps make it swing.
            let (low, high) = (values[values.len() / 4] / 2, values[values.len() * 3 / 4] * 2);
            prop_assert!((low..=high).contains(&estimate), "{} not in {}..={}", estimate, low, high);
        }
    }
}
