//! When a failed job is tried again: pure data and arithmetic.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The most retries a schedule may hold.
pub const RETRIES_MAX: usize = 64;

/// A schedule of retries: how long to wait before each. The first attempt starts at once; after the last
/// entry is used up, the next failure is final.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RetryPolicy {
    /// Wait before retry 1, 2, …, in milliseconds.
    pub delays_ms: Arc<[u64]>,
    /// Each wait is spread by up to this share of itself either way, 0.0 to 1.0.
    pub jitter: f64,
}

impl Default for RetryPolicy {
    /// 2, 4, 8, 16, 30 seconds, spread by 10 %: the sixth failure is final.
    fn default() -> Self {
        Self { delays_ms: Arc::from([2_000, 4_000, 8_000, 16_000, 30_000]), jitter: 0.1 }
    }
}

/// Why a schedule cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// More than [`RETRIES_MAX`] entries.
    #[error("the retry schedule has {0} entries; at most {RETRIES_MAX} are allowed")]
    TooLong(usize),
    /// Not between 0 and 1.
    #[error("jitter must be between 0.0 and 1.0")]
    Jitter,
}

impl RetryPolicy {
    /// A schedule given as data.
    pub fn new(delays_ms: impl Into<Arc<[u64]>>, jitter: f64) -> Result<Self, PolicyError> {
        let policy = Self { delays_ms: delays_ms.into(), jitter };
        policy.check()?;
        Ok(policy)
    }

    /// Whether it can be used.
    ///
    /// # Errors
    /// See [`PolicyError`].
    pub fn check(&self) -> Result<(), PolicyError> {
        if self.delays_ms.len() > RETRIES_MAX {
            return Err(PolicyError::TooLong(self.delays_ms.len()));
        }
        if !(0.0..=1.0).contains(&self.jitter) {
            return Err(PolicyError::Jitter);
        }
        Ok(())
    }

    /// `retries` waits that double from `first_ms` up to `cap_ms`.
    pub fn exponential(retries: usize, first_ms: u64, cap_ms: u64, jitter: f64) -> Result<Self, PolicyError> {
        let delays: Vec<u64> = (0..retries.min(RETRIES_MAX + 1))
            .map(|step| {
                let factor = 1_u64.checked_shl(u32::try_from(step).unwrap_or(u32::MAX)).unwrap_or(u64::MAX);
                first_ms.saturating_mul(factor).min(cap_ms)
            })
            .collect();
        Self::new(delays, jitter)
    }

    /// No retry at all: the first failure is final.
    pub fn none() -> Self {
        Self { delays_ms: Arc::from([]), jitter: 0.0 }
    }

    /// How long to wait after the failure of attempt `attempt` (1 is the first); `None` if it was the
    /// last. `draw` in 0..1 decides where in the jitter's span.
    pub fn delay_ms(&self, attempt: u32, draw: f64) -> Option<u64> {
        let index = usize::try_from(attempt.max(1) - 1).ok()?;
        let base = *self.delays_ms.get(index)?;
        #[expect(clippy::cast_precision_loss, reason = "milliseconds far below 2^52")]
        let base_f = base as f64;
        let spread = base_f * self.jitter.clamp(0.0, 1.0) * (2.0 * draw.clamp(0.0, 1.0) - 1.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "jitter <= 1 keeps it >= 0"
        )]
        let delayed = (base_f + spread).max(0.0).round() as u64;
        Some(delayed)
    }
}

/// What went wrong with an attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// A short, stable word for the kind of failure: groups equal failures.
    pub error: String,
    /// What to tell an operator; must hold nothing private. At most [`MESSAGE_CHARS_MAX`] characters.
    pub message: String,
}

/// The longest failure message kept.
pub const MESSAGE_CHARS_MAX: usize = 1_000;

impl Failure {
    /// A failure of kind `error`.
    pub fn new(error: impl Into<String>, message: impl Into<String>) -> Self {
        let mut message = message.into();
        if let Some((cut, _)) = message.char_indices().nth(MESSAGE_CHARS_MAX) {
            message.truncate(cut);
        }
        Self { error: error.into(), message }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_schedule() {
        let policy = RetryPolicy::default();
        let waits: Vec<_> = (1..=6).map(|attempt| policy.delay_ms(attempt, 0.5)).collect();
        assert_eq!(waits, [Some(2_000), Some(4_000), Some(8_000), Some(16_000), Some(30_000), None]);
        assert_eq!(policy.delay_ms(1, 0.0), Some(1_800));
        assert_eq!(policy.delay_ms(1, 1.0), Some(2_200));
    }

    #[test]
    fn exponential_is_capped_and_never_overflows() {
        let policy = RetryPolicy::exponential(64, 2_000, 30_000, 0.0).expect("valid");
        assert_eq!(policy.delay_ms(5, 0.0), Some(30_000));
        assert_eq!(policy.delay_ms(64, 0.0), Some(30_000));
        assert!(RetryPolicy::exponential(65, 1, 1, 0.0).is_err());
    }

    #[test]
    fn a_long_message_is_cut_between_characters() {
        let failure = Failure::new("e", "é".repeat(2_000));
        assert_eq!(failure.message.chars().count(), MESSAGE_CHARS_MAX);
    }
}
