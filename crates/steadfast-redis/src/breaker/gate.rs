//! The state as one word, read by every call without a lock.

use super::event::{Cause, State};
use crate::retry::sync::{AtomicU64, Ordering};

/// State, cause of the last opening, and epoch. Written only under the lock of [`Core`](super::core::Core).
#[derive(Debug)]
pub(super) struct Gate(AtomicU64);

/// What the gate says. Packed as it is: callers of a closed breaker look at the state and the epoch only.
///
/// Epoch in the upper 56 bits, then 5 bits for the cause, 3 for the state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sign(u64);

const STATES: [State; 6] =
    [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled, State::MetricsOnly];
const CAUSES: [Option<Cause>; 8] = [
    None,
    Some(Cause::FailureRate),
    Some(Cause::SlowRate),
    Some(Cause::Evidence),
    Some(Cause::TrialFailed),
    Some(Cause::TrialSlow),
    Some(Cause::ProbeFailed),
    Some(Cause::Operator),
];

impl Gate {
    pub(super) fn new(sign: Sign) -> Self {
        Self(AtomicU64::new(sign.0))
    }

    pub(super) fn read(&self) -> Sign {
        Sign(self.0.load(Ordering::Acquire))
    }

    /// What was written before is seen by everyone who reads this sign.
    pub(super) fn write(&self, sign: Sign) {
        self.0.store(sign.0, Ordering::Release);
    }
}

impl Sign {
    pub(super) fn new(state: State, cause: Option<Cause>, epoch: u64) -> Self {
        let state = STATES.iter().position(|other| *other == state).unwrap_or(0) as u64;
        let cause = CAUSES.iter().position(|other| *other == cause).unwrap_or(0) as u64;
        Self((epoch << 8) | (cause << 3) | state)
    }

    pub(super) const fn state(self) -> State {
        match self.0 & 7 {
            1 => State::Open,
            2 => State::HalfOpen,
            3 => State::ForcedOpen,
            4 => State::Disabled,
            5 => State::MetricsOnly,
            _ => State::Closed,
        }
    }

    /// What opened it last, if anything did.
    pub(super) fn cause(self) -> Option<Cause> {
        CAUSES.get((self.0 >> 3 & 31) as usize).copied().flatten()
    }

    /// Below 2⁵⁶.
    pub(super) const fn epoch(self) -> u64 {
        self.0 >> 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sign_survives_its_packing() {
        for state in STATES {
            for cause in CAUSES {
                for epoch in [0, 1, 77, (1 << 56) - 1] {
                    let sign = Sign::new(state, cause, epoch);
                    assert_eq!((sign.state(), sign.cause(), sign.epoch()), (state, cause, epoch));
                }
            }
        }
    }
}
