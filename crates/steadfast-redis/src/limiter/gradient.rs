//! The rule by which the limit finds itself.

use super::config::LimiterConfig;

/// The limit after a window in which answers took `short_ns` on average, `long_ns` being what they take in the long run.
///
/// `wanted = limit · gradient + √limit`, with `gradient = clamp(tolerance · long / short, 0.5, 1)`; a share of the way
/// there is gone (`smoothing`). While answers are as fast as ever the gradient is 1 and the limit grows by its square
/// root: enough queue to notice that there is more room. As they get slower it shrinks in proportion. The rule is that
/// of `Gradient2Limit` in Netflix's concurrency-limits.
pub(super) fn next_limit(limit: f64, short_ns: f64, long_ns: f64, config: &LimiterConfig) -> f64 {
    let calm = short_ns <= config.rtt_floor.as_nanos() as f64;
    let gradient = if calm { 1.0 } else { (config.tolerance * long_ns / short_ns).clamp(0.5, 1.0) };
    let wanted = limit * gradient + limit.sqrt();
    bounded(limit + (wanted - limit) * config.smoothing, config)
}

/// The limit after a call that timed out or was refused as too much.
pub(super) fn after_drop(limit: f64, config: &LimiterConfig) -> f64 {
    bounded(limit * config.backoff, config)
}

pub(super) fn bounded(limit: f64, config: &LimiterConfig) -> f64 {
    limit.clamp(f64::from(config.least), f64::from(config.most))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    fn config() -> LimiterConfig {
        LimiterConfig {
            least: 4,
            most: 1_000,
            initial: 100,
            rtt_floor: Duration::ZERO,
            ..LimiterConfig::default()
        }
    }

    #[test]
    fn as_worked_out_by_hand() {
        // As fast as ever: a fifth of √100 more. Three times as slow: gradient 0.5. Twice: 0.75.
        let near = |limit: f64, wanted: f64| assert!((limit - wanted).abs() < 1e-9, "{limit}");
        near(next_limit(100.0, 1e6, 1e6, &config()), 102.0);
        near(next_limit(100.0, 3e6, 1e6, &config()), 92.0);
        near(next_limit(100.0, 9e6, 1e6, &config()), 92.0);
        near(next_limit(100.0, 2e6, 1e6, &config()), 97.0);
        near(next_limit(100.0, 1.4e6, 1e6, &config()), 102.0);
        near(after_drop(100.0, &config()), 90.0);
        near(after_drop(4.1, &config()), 4.0);
        near(next_limit(999.9, 1e6, 1e6, &config()), 1_000.0);
    }

    #[test]
    fn noise_below_the_floor_is_no_congestion() {
        let config = LimiterConfig { rtt_floor: Duration::from_millis(5), ..config() };
        assert!(next_limit(100.0, 4.9e6, 1e5, &config) > 100.0);
        assert!(next_limit(100.0, 5.1e6, 1e5, &config) < 100.0);
    }

    proptest! {
        #[test]
        fn stays_within_its_bounds_and_falls_with_slowness(
            limit in 4.0_f64..1_000.0, short in 1.0_f64..1e12, slower in 1.0_f64..100.0, long in 1.0_f64..1e12,
        ) {
            let next = next_limit(limit, short, long, &config());
            prop_assert!((4.0..=1_000.0).contains(&next));
            prop_assert!(next_limit(limit, short * slower, long, &config()) <= next);
            prop_assert!(next_limit(limit, short, long * slower, &config()) >= next);
            prop_assert!((next - limit).abs() <= 0.2 * (0.5 * limit).max(limit.sqrt()) + 1e-9);
        }
    }
}
