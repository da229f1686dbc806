//! A bound on log lines: in a storm the first are written, and later how many were not.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Lets `burst` pass within each `span`, and counts the rest.
#[derive(Debug)]
pub(crate) struct Throttle {
    burst: u32,
    span_ms: u64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// When the current span began.
    since_ms: u64,
    passed: u32,
    suppressed: u64,
}

impl Throttle {
    pub(crate) fn new(burst: u32, span: Duration) -> Self {
        let span_ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        Self { burst, span_ms, state: Mutex::default() }
    }

    /// Whether one more may pass, and how many did not since the last that did.
    pub(crate) fn pass(&self, now_ms: u64) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if now_ms.saturating_sub(state.since_ms) >= self.span_ms {
            (state.since_ms, state.passed) = (now_ms, 0);
        }
        if state.passed < self.burst {
            state.passed += 1;
            Some(std::mem::take(&mut state.suppressed))
        } else {
            state.suppressed += 1;
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_was_suppressed_is_told_by_the_next_that_passes() {
        let throttle = Throttle::new(2, Duration::from_secs(1));
        let passed: Vec<_> = [0, 1, 2, 3, 1_000, 1_001].map(|now| throttle.pass(now)).to_vec();
        assert_eq!(passed, [Some(0), Some(0), None, None, Some(2), Some(0)]);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_no_span_has_more_than_two_bursts(mut times in proptest::collection::vec(0_u64..10_000, 0..300)) {
            times.sort_unstable();
            let throttle = Throttle::new(3, Duration::from_secs(1));
            let (mut passed, mut told) = (Vec::new(), 0);
            for now in &times {
                if let Some(suppressed) = throttle.pass(*now) {
                    passed.push(*now);
                    told += suppressed;
                }
            }
            prop_assert!(told + passed.len() as u64 <= times.len() as u64);
            for from in &passed {
                let within = passed.iter().filter(|at| **at >= *from && **at < from + 1_000).count();
                prop_assert!(within <= 6, "{within} within a second");
            }
        }
    }
}
