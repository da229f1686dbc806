//! How long to wait before the next attempt.

use super::{Checker, InvalidConfig, Jitter, unit};
use std::time::Duration;

/// Exponential backoff with full jitter, aware of the caller's deadline.
///
/// Before retry *n* (counted from 0) it waits a time drawn evenly from `0..base·2ⁿ`, at most `cap`: of all shapes of
/// jitter this one spreads callers that failed together the best (Marc Brooker, "Exponential Backoff and Jitter",
/// AWS Architecture Blog, 2015).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    base: Duration,
    cap: Duration,
    reserve: Duration,
}

impl Backoff {
    /// Waits up to `base` before the first retry, doubling up to `cap`.
    ///
    /// # Errors
    /// If `base` is zero or longer than `cap`, or `cap` is longer than an hour.
    pub fn new(base: Duration, cap: Duration) -> Result<Self, InvalidConfig> {
        let mut checker = Checker::of("backoff");
        checker.require(!base.is_zero(), "base", || "is zero: retries would not be spread at all".into());
        checker.require(base <= cap, "base", || format!("is {base:?}, longer than the cap of {cap:?}"));
        let hour = Duration::from_secs(3_600);
        checker.require(cap <= hour, "cap", || format!("is {cap:?}, must be at most {hour:?}"));
        checker.finish()?;
        Ok(Self { base, cap, reserve: Duration::from_millis(1) })
    }

    /// The same, keeping `reserve` of the caller's time for the attempt itself: no retry is proposed that would have
    /// less than that left. 1 ms unless told.
    #[must_use]
    pub const fn with_reserve(self, reserve: Duration) -> Self {
        Self { reserve, ..self }
    }

    /// The longest wait before retry `attempt`, counted from 0.
    pub fn ceiling(&self, attempt: u32) -> Duration {
        2_u32
            .checked_pow(attempt)
            .and_then(|times| self.base.checked_mul(times))
            .unwrap_or(self.cap)
            .min(self.cap)
    }

    /// How long to wait before retry `attempt` (counted from 0) when `remaining` is left of the caller's deadline.
    ///
    /// `None`: the wait drawn would end too late for an attempt; give up now rather than at the deadline. The draw is
    /// not squeezed into what remains: attempts would crowd before every deadline, when the server can bear it least.
    pub fn next(&self, attempt: u32, remaining: Duration, jitter: &dyn Jitter) -> Option<Duration> {
        let wait = self.ceiling(attempt).mul_f64(unit(jitter));
        (wait.saturating_add(self.reserve) < remaining).then_some(wait)
    }
}

impl Default for Backoff {
    /// 50 ms doubling up to 2 s.
    fn default() -> Self {
        Self {
            base: Duration::from_millis(50),
            cap: Duration::from_secs(2),
            reserve: Duration::from_millis(1),
        }
    }
}

/// `base` doubled `times`, at most `cap`.
pub(crate) fn doubled(base: u64, times: u32, cap: u64) -> u64 {
    2_u64.checked_pow(times).and_then(|factor| base.checked_mul(factor)).unwrap_or(cap).min(cap)
}

#[cfg(test)]
mod tests {
    use super::super::SeededJitter;
    use super::*;
    use proptest::prelude::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn doubles_up_to_the_cap_for_ever() {
        let backoff = Backoff::new(ms(100), ms(1_000)).expect("good");
        let ceilings = [0, 1, 2, 3, 4, 31, 32, u32::MAX].map(|attempt| backoff.ceiling(attempt).as_millis());
        assert_eq!(ceilings, [100, 200, 400, 800, 1_000, 1_000, 1_000, 1_000]);
        assert_eq!(
            [0, 3, 4, 64, u32::MAX].map(|times| doubled(100, times, 1_000)),
            [100, 800, 1_000, 1_000, 1_000]
        );
    }

    #[test]
    fn both_problems_are_told() {
        let error = Backoff::new(Duration::ZERO, Duration::from_secs(7_200)).expect_err("bad");
        assert_eq!(error.problems().iter().map(|problem| problem.field).collect::<Vec<_>>(), ["base", "cap"]);
        assert!(Backoff::new(ms(2), ms(1)).is_err());
    }

    #[test]
    fn the_jitter_is_full() {
        let (backoff, jitter) = (Backoff::default(), SeededJitter::shared(1));
        let draws: Vec<_> =
            (0..2_000).filter_map(|_| backoff.next(9, Duration::from_secs(60), &*jitter)).collect();
        assert_eq!(draws.len(), 2_000);
        let mean = draws.iter().sum::<Duration>() / 2_000;
        assert!((ms(950)..ms(1_050)).contains(&mean), "half the cap on average, not {mean:?}");
        assert!(draws.iter().any(|draw| *draw < ms(20)) && draws.iter().any(|draw| *draw > ms(1_980)));
    }

    proptest! {
        #[test]
        fn never_beyond_the_deadline_nor_the_ceiling(
            base in 1_u64..5_000, more in 0_u64..60_000, reserve in 0_u64..100,
            attempt in 0_u32..100, remaining in 0_u64..10_000, seed: u64,
        ) {
            let backoff = Backoff::new(ms(base), ms(base + more)).expect("good").with_reserve(ms(reserve));
            if let Some(wait) = backoff.next(attempt, ms(remaining), &*SeededJitter::shared(seed)) {
                prop_assert!(wait + ms(reserve) < ms(remaining));
                prop_assert!(wait <= backoff.ceiling(attempt));
            }
            // With time enough there is always a next attempt.
            prop_assert!(backoff.next(attempt, ms(base + more + reserve + 1), &*SeededJitter::shared(seed)).is_some());
        }
    }
}
