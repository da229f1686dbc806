//! When a breaker opens, for how long, and how it closes.

use super::ring::BUCKETS_MAX;
use crate::retry::{Checker, InvalidConfig};
use std::time::Duration;

/// The numbers of a [`CircuitBreaker`](super::CircuitBreaker).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BreakerConfig {
    /// Buckets of the sliding window, 1 to 60. With one, the window starts afresh at every bucket's end.
    pub buckets: u32,
    /// Length of a bucket, 100 ms to 10 s, in whole milliseconds.
    pub bucket: Duration,
    /// The least calls in the window before a rate can open the breaker, 1 to 1,000,000.
    pub minimum_calls: u32,
    /// Share of failed calls that opens, above 0 to 1, in steps of a thousandth.
    pub failure_rate: f64,
    /// Share of slow calls that opens, above 0 to 1, in steps of a thousandth.
    pub slow_rate: f64,
    /// Which calls are slow.
    pub slow_calls: SlowCalls,
    /// Longest open time of the first trip, 1 ms to `open_cap`.
    pub open_base: Duration,
    /// Longest open time of all, at most 1 h.
    pub open_cap: Duration,
    /// Time spent closed that takes one doubling back off the open time, and that ends an episode; 1 s to 1 day.
    pub decay_after: Duration,
    /// Calls of the widest half-open round, 1 to 1,024.
    pub half_open_full: u32,
    /// How long a half-open permit may be held, 1 ms to 1 h: longer than the calls' own deadline.
    pub lease: Duration,
}

/// Which calls are slow.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum SlowCalls {
    /// Those that take longer than `factor` times the long-run median, but never those shorter than `floor`.
    Learnt {
        /// 1.1 to 1,000.
        factor: f64,
        /// 1 µs to 1 h.
        floor: Duration,
    },
    /// Those that take this long or longer, 1 µs to 1 h.
    Fixed(Duration),
    /// None: only failures count.
    Never,
}

impl Default for BreakerConfig {
    /// 10 x 1 s; half failed or four fifths slow of 10 calls; slow is four medians, at least 100 ms; open for 250 ms
    /// to 30 s, forgotten by half a minute; rounds of up to 16 calls, leased for 10 s.
    fn default() -> Self {
        Self {
            buckets: 10,
            bucket: Duration::from_secs(1),
            minimum_calls: 10,
            failure_rate: 0.5,
            slow_rate: 0.8,
            slow_calls: SlowCalls::Learnt { factor: 4.0, floor: Duration::from_millis(100) },
            open_base: Duration::from_millis(250),
            open_cap: Duration::from_secs(30),
            decay_after: Duration::from_secs(30),
            half_open_full: 16,
            lease: Duration::from_secs(10),
        }
    }
}

const MS: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3_600);

impl BreakerConfig {
    /// Looks through all fields.
    ///
    /// # Errors
    /// Every field that is out of its range or does not fit the others.
    pub fn validate(&self) -> Result<(), InvalidConfig> {
        let mut checker = Checker::of("circuit breaker");
        let Self { buckets, bucket, minimum_calls, open_base, open_cap, half_open_full, .. } = *self;
        checker.require((1..=BUCKETS_MAX).contains(&buckets), "buckets", || {
            format!("is {buckets}, must be 1 to {BUCKETS_MAX}")
        });
        span(&mut checker, "bucket", bucket, 100 * MS, 10_000 * MS);
        checker.require((1..=1_000_000).contains(&minimum_calls), "minimum_calls", || {
            format!("is {minimum_calls}, must be 1 to 1,000,000")
        });
        for (field, rate) in [("failure_rate", self.failure_rate), ("slow_rate", self.slow_rate)] {
            checker
                .require((0.001..=1.0).contains(&rate), field, || format!("is {rate}, must be 0.001 to 1"));
        }
        self.slow_calls.check(&mut checker);
        span(&mut checker, "open_base", open_base, MS, HOUR);
        span(&mut checker, "open_cap", open_cap, MS, HOUR);
        checker.require(open_base <= open_cap, "open_base", || {
            format!("is {open_base:?}, longer than `open_cap`, {open_cap:?}")
        });
        span(&mut checker, "decay_after", self.decay_after, 1_000 * MS, 24 * HOUR);
        checker.require((1..=1_024).contains(&half_open_full), "half_open_full", || {
            format!("is {half_open_full}, must be 1 to 1,024")
        });
        span(&mut checker, "lease", self.lease, MS, HOUR);
        checker.finish()
    }
}

impl SlowCalls {
    fn check(self, checker: &mut Checker) {
        let bound = match self {
            Self::Never => return,
            Self::Fixed(bound) => bound,
            Self::Learnt { factor, floor } => {
                checker.require((1.1..=1_000.0).contains(&factor), "slow_calls", || {
                    format!("has the factor {factor}, must be 1.1 to 1,000")
                });
                floor
            }
        };
        span(checker, "slow_calls", bound, Duration::from_micros(1), HOUR);
    }
}

fn span(checker: &mut Checker, field: &'static str, is: Duration, least: Duration, most: Duration) {
    checker
        .require((least..=most).contains(&is), field, || format!("is {is:?}, must be {least:?} to {most:?}"));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_good_and_every_bad_field_is_told() {
        assert_eq!(BreakerConfig::default().validate(), Ok(()));
        let error = BreakerConfig {
            buckets: 61,
            bucket: MS,
            minimum_calls: 0,
            failure_rate: 0.0,
            slow_rate: f64::NAN,
            slow_calls: SlowCalls::Learnt { factor: 1.0, floor: Duration::ZERO },
            open_base: 2 * HOUR,
            open_cap: HOUR,
            decay_after: MS,
            half_open_full: 0,
            lease: Duration::ZERO,
        }
        .validate()
        .expect_err("all bad");
        let fields: Vec<_> = error.problems().iter().map(|problem| problem.field).collect();
        assert_eq!(
            fields,
            [
                "buckets",
                "bucket",
                "minimum_calls",
                "failure_rate",
                "slow_rate",
                "slow_calls",
                "slow_calls",
                "open_base",
                "open_base",
                "decay_after",
                "half_open_full",
                "lease"
            ]
        );
    }
}
