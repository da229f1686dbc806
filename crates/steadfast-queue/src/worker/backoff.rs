//! Growing pauses between tries.

use std::time::Duration;

/// Pauses that double from `first` to `cap`, each drawn from the upper half of its span, so that workers
/// that failed together do not return together.
#[derive(Debug, Clone)]
pub(crate) struct Backoff {
    first: Duration,
    cap: Duration,
    tries: u32,
}

impl Backoff {
    pub(crate) const fn new(first: Duration, cap: Duration) -> Self {
        Self { first, cap, tries: 0 }
    }

    /// The next pause.
    pub(crate) fn next_pause(&mut self) -> Duration {
        let pause = self.pause_with(draw());
        self.tries = self.tries.saturating_add(1);
        pause
    }

    /// Back to the first pause.
    pub(crate) const fn reset(&mut self) {
        self.tries = 0;
    }

    fn pause_with(&self, draw: f64) -> Duration {
        let factor = 1_u32.checked_shl(self.tries).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.cap).mul_f64(0.5 + 0.5 * draw)
    }
}

/// A number in 0..1.
pub(crate) fn draw() -> f64 {
    // A version 4 UUID begins with 48 random bits; nothing here needs more than 32.
    let [a, b, c, d, ..] = uuid::Uuid::new_v4().into_bytes();
    f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
}

/// `span`, spread by up to `share` of itself either way.
pub(crate) fn spread(span: Duration, share: f64) -> Duration {
    span.mul_f64(1.0 + share * (2.0 * draw() - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_cap_and_never_overflow() {
        let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(5));
        for expected_ms in [100, 200, 400, 800, 1_600, 3_200, 5_000, 5_000] {
            let expected = Duration::from_millis(expected_ms);
            assert_eq!(backoff.pause_with(1.0), expected);
            assert_eq!(backoff.pause_with(0.0), expected / 2);
            backoff.next_pause();
        }
        backoff.tries = u32::MAX;
        assert_eq!(backoff.pause_with(1.0), Duration::from_secs(5));
        backoff.reset();
        assert_eq!(backoff.pause_with(1.0), Duration::from_millis(100));
    }

    #[test]
    fn draws_lie_in_range_and_differ() {
        let draws: Vec<f64> = (0..64).map(|_| draw()).collect();
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
        assert!(draws.iter().any(|&draw| draw < 0.5) && draws.iter().any(|&draw| draw >= 0.5));
    }
}
