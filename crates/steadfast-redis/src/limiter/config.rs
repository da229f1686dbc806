//! The numbers of a limiter.

use super::class::Shares;
use crate::retry::{Checker, InvalidConfig};
use std::time::Duration;

/// The numbers of a [`Limiter`](super::Limiter).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LimiterConfig {
    /// The limit at the start, `least` to `most`.
    pub initial: u32,
    /// The limit never falls below this, 1 to `most`.
    pub least: u32,
    /// Nor rises above this, at most 1,000,000. With `least` equal to `most` the limit is fixed.
    pub most: u32,
    /// What each class owns.
    pub shares: Shares,
    /// Callers that may wait, for critical, normal and background; each 0 to 1,000,000. 0: nobody waits.
    pub waiting_most: [u32; 3],
    /// How much of a new limit is taken over per window, above 0 to 1.
    pub smoothing: f64,
    /// How many times slower than in the long run answers may be before the limit shrinks, 1 to 10.
    pub tolerance: f64,
    /// Answers up to this time are never a reason to shrink, at most 10 s: noise is not congestion.
    pub rtt_floor: Duration,
    /// What remains of the limit after a dropped call, 0.5 to below 1.
    pub backoff: f64,
    /// A window of samples lasts at least this and until it has 10, 1 ms to `window_most`.
    pub window_least: Duration,
    /// But not longer than this, at most 1 min.
    pub window_most: Duration,
    /// How long each step of a slow start lasts, 1 ms to 1 min.
    pub slow_start_step: Duration,
}

impl Default for LimiterConfig {
    /// 128 at the start, 8 to 4,096; up to 1,024 critical, 1,024 normal and 256 background callers wait; a fifth of a
    /// new limit per window of 100 ms to 1 s; answers half as slow again as ever, above 5 ms, shrink it; a drop takes a
    /// tenth; a slow start doubles every 100 ms.
    fn default() -> Self {
        Self {
            initial: 128,
            least: 8,
            most: 4_096,
            shares: Shares::default(),
            waiting_most: [1_024, 1_024, 256],
            smoothing: 0.2,
            tolerance: 1.5,
            rtt_floor: Duration::from_millis(5),
            backoff: 0.9,
            window_least: Duration::from_millis(100),
            window_most: Duration::from_secs(1),
            slow_start_step: Duration::from_millis(100),
        }
    }
}

const MILLION: u32 = 1_000_000;

impl LimiterConfig {
    /// Looks through all fields.
    ///
    /// # Errors
    /// Every field that is out of its range or does not fit the others.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let mut checker = Checker::of("limiter");
        self.check_limit(&mut checker);
        self.check_rule(&mut checker);
        checker.finish()
    }

    fn check_limit(&self, checker: &mut Checker) {
        let Self { initial, least, most, shares, waiting_most, .. } = *self;
        checker.require((least..=most).contains(&initial), "initial", || {
            format!("is {initial}, must be `least`, {least}, to `most`, {most}")
        });
        checker.require((1..=most).contains(&least), "least", || {
            format!("is {least}, must be 1 to `most`, {most}")
        });
        checker.require(most <= MILLION, "most", || format!("is {most}, must be at most 1,000,000"));
        let Shares { critical, normal, background } = shares;
        let all_above_0 = [critical, normal, background].iter().all(|share| *share > 0.0);
        let together = critical + normal + background;
        checker.require(all_above_0 && (together - 1.0).abs() < 1e-6, "shares", || {
            format!("are {critical}, {normal} and {background}, must each be above 0 and together 1")
        });
        checker.require(waiting_most.iter().all(|most| *most <= MILLION), "waiting_most", || {
            format!("is {waiting_most:?}, must each be at most 1,000,000")
        });
    }

    fn check_rule(&self, checker: &mut Checker) {
        let Self { smoothing, tolerance, rtt_floor, backoff, window_least, window_most, .. } = *self;
        checker.require(smoothing > 0.0 && smoothing <= 1.0, "smoothing", || {
            format!("is {smoothing}, must be above 0 to 1")
        });
        checker.require((1.0..=10.0).contains(&tolerance), "tolerance", || {
            format!("is {tolerance}, must be 1 to 10")
        });
        let (ms, minute) = (Duration::from_millis(1), Duration::from_secs(60));
        checker.require(rtt_floor <= Duration::from_secs(10), "rtt_floor", || {
            format!("is {rtt_floor:?}, must be at most 10 s")
        });
        checker.require((0.5..1.0).contains(&backoff), "backoff", || {
            format!("is {backoff}, must be 0.5 to below 1")
        });
        checker.require((ms..=window_most).contains(&window_least), "window_least", || {
            format!("is {window_least:?}, must be 1 ms to `window_most`, {window_most:?}")
        });
        checker
            .require(window_most <= minute, "window_most", || format!("is {window_most:?}, at most 1 min"));
        let step = self.slow_start_step;
        checker.require((ms..=minute).contains(&step), "slow_start_step", || {
            format!("is {step:?}, must be 1 ms to 1 min")
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_good_and_every_bad_field_is_told() {
        assert_eq!(LimiterConfig::default().validate(), Ok(()));
        let error = LimiterConfig {
            initial: 1,
            least: 0,
            most: MILLION + 1,
            shares: Shares { critical: 1.0, normal: 0.0, background: 0.0 },
            waiting_most: [0, 0, MILLION + 1],
            smoothing: 0.0,
            tolerance: f64::NAN,
            rtt_floor: Duration::MAX,
            backoff: 1.0,
            window_least: Duration::ZERO,
            window_most: Duration::MAX,
            slow_start_step: Duration::ZERO,
        }
        .validate()
        .expect_err("nearly all bad");
        assert_eq!(error.problems().len(), 11, "{error}");
    }
}
