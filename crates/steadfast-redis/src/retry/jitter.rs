//! Chance as a parameter.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// A source of chance. Cheap to call, never blocks for long. Not for secrets.
pub trait Jitter: Send + Sync + fmt::Debug + 'static {
    /// A number drawn evenly from `[0, 1)`. What lies outside is taken for the nearest end, what is no number for 0.
    fn unit(&self) -> f64;
}

/// A source of chance shared between tasks.
pub type SharedJitter = Arc<dyn Jitter>;

/// Draws that differ from process to process and from thread to thread.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemJitter;

impl SystemJitter {
    /// The same, ready to be shared.
    pub fn shared() -> SharedJitter {
        Arc::new(Self)
    }
}

impl Jitter for SystemJitter {
    fn unit(&self) -> f64 {
        fastrand::f64()
    }
}

/// Draws that come again under the same seed, for tests and simulations.
#[derive(Debug)]
pub struct SeededJitter(Mutex<fastrand::Rng>);

impl SeededJitter {
    /// Draws as they came before under this seed.
    pub fn shared(seed: u64) -> SharedJitter {
        Arc::new(Self(Mutex::new(fastrand::Rng::with_seed(seed))))
    }
}

impl Jitter for SeededJitter {
    fn unit(&self) -> f64 {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).f64()
    }
}

/// One draw, whatever the source gives: within `[0, 1]`.
pub(crate) fn unit(jitter: &dyn Jitter) -> f64 {
    let drawn = jitter.unit();
    if drawn.is_nan() { 0.0 } else { drawn.clamp(0.0, 1.0) }
}

/// A whole number of milliseconds drawn evenly from `low_ms..=high_ms`; `low_ms` if the range is empty.
pub(crate) fn between_ms(drawn: f64, low_ms: u64, high_ms: u64) -> u64 {
    let width = high_ms.saturating_sub(low_ms);
    // `drawn` may be 1: the last place is then drawn, not the one after it.
    low_ms + ((drawn * (width + 1) as f64) as u64).min(width)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Stuck(f64);
    impl Jitter for Stuck {
        fn unit(&self) -> f64 {
            self.0
        }
    }

    #[test]
    fn a_bad_source_still_draws_within_the_range() {
        for (given, taken) in [(-3.0, 0.0), (0.25, 0.25), (7.0, 1.0), (f64::NAN, 0.0)] {
            assert!((unit(&Stuck(given)) - taken).abs() < f64::EPSILON);
        }
        assert_eq!(between_ms(0.0, 5, 9), 5);
        assert_eq!(between_ms(0.999_999, 5, 9), 9);
        assert_eq!(between_ms(1.0, 5, 9), 9);
        assert_eq!(between_ms(0.5, 9, 5), 9);
    }

    #[test]
    fn a_seed_draws_the_same_again_and_the_system_does_not_leave_the_range() {
        let (one, two) = (SeededJitter::shared(7), SeededJitter::shared(7));
        for _ in 0..100 {
            assert_eq!(one.unit().to_bits(), two.unit().to_bits());
            assert!((0.0..1.0).contains(&SystemJitter.unit()));
        }
    }
}
