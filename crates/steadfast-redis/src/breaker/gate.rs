//! The state as one word, read by every call without a lock.

use super::event::{Cause, State};
use crate::retry::sync::{AtomicU64, Ordering};

/// State, cause of the last opening, and epoch. Written only under the lock of [`Core`](super::core::Core).
#[derive(Debug)]
pub(super) struct Gate(AtomicU64);

/// What the gate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sign {
    pub state: State,
    /// What opened it last, if anything did.
    pub cause: Option<Cause>,
    /// Below 2⁵⁶.
    pub epoch: u64,
}

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
        Self(AtomicU64::new(sign.packed()))
    }

    pub(super) fn read(&self) -> Sign {
        Sign::unpacked(self.0.load(Ordering::Acquire))
    }

    /// What was written before is seen by everyone who reads this sign.
    pub(super) fn write(&self, sign: Sign) {
        self.0.store(sign.packed(), Ordering::Release);
    }
}

impl Sign {
    /// Epoch in the upper 56 bits, then 5 bits for the cause, 3 for the state.
    fn packed(self) -> u64 {
        let state = STATES.iter().position(|state| *state == self.state).unwrap_or(0);
        let cause = CAUSES.iter().position(|cause| *cause == self.cause).unwrap_or(0);
        self.epoch << 8 | (cause as u64) << 3 | state as u64
    }

    fn unpacked(word: u64) -> Self {
        Self {
            state: STATES.get((word & 7) as usize).copied().unwrap_or(State::Closed),
            cause: CAUSES.get((word >> 3 & 31) as usize).copied().flatten(),
            epoch: word >> 8,
        }
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
                    let sign = Sign { state, cause, epoch };
                    assert_eq!(Sign::unpacked(sign.packed()), sign);
                }
            }
        }
    }
}
