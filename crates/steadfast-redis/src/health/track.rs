//! How one capability of one node is, from evidence. Pure.

use super::capability::{Capability, CapabilityState, Cause, Reason};
use super::evidence::{Severity, effect};

/// When a state changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Thresholds {
    /// Failures in a row that make it down. A refusal needs only one: the server said so.
    pub(crate) failures: u32,
    /// Successes in a row that make it up again.
    pub(crate) successes: u32,
}

/// A refusal that was not repeated for this long is believed to be over at the next success, even if that alone does
/// not show it.
pub(super) const STALE_MS: u64 = 10_000;

/// Who saw a success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Witness {
    /// The active check.
    Probe,
    /// A call of the user's.
    Call,
}

/// Something that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Evidence {
    /// A command of this capability was executed.
    Good(Capability, Witness),
    /// The server answers, which says nothing more of this capability.
    Answers,
    /// The server said that it refuses.
    Refused(Reason),
    /// No answer came.
    Failed(Capability, Reason),
    /// An answer came late, to the active check.
    Late(Capability, Reason),
}

/// One capability.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Track {
    capability: Capability,
    pub(super) state: CapabilityState,
    failures: u32,
    successes: u32,
    late: u32,
    /// When it was last refused.
    refused_ms: u64,
}

impl Track {
    pub(super) const fn new(capability: Capability) -> Self {
        Self { capability, state: CapabilityState::Up, failures: 0, successes: 0, late: 0, refused_ms: 0 }
    }

    /// Takes `evidence` in.
    pub(super) fn take(&mut self, evidence: &Evidence, now_ms: u64, thresholds: Thresholds) {
        match evidence {
            Evidence::Refused(reason) => self.refused(reason, now_ms),
            Evidence::Failed(capability, reason) if *capability == self.capability => {
                self.failed(reason, thresholds);
            }
            Evidence::Late(capability, reason) => {
                // Late is an answer all the same.
                self.good(*capability, Witness::Call, now_ms, thresholds);
                if *capability == self.capability {
                    self.late(reason, thresholds);
                }
            }
            Evidence::Good(capability, witness) => self.good(*capability, *witness, now_ms, thresholds),
            Evidence::Answers => {
                if self.cause() == Some(Cause::NoAnswer) || self.cause().is_none() {
                    self.succeeded(thresholds);
                }
            }
            Evidence::Failed(..) => {}
        }
    }

    fn refused(&mut self, reason: &Reason, now_ms: u64) {
        let Some(severity) = effect(reason.cause, self.capability) else { return };
        self.successes = 0;
        self.refused_ms = now_ms;
        self.state = match severity {
            Severity::Degraded => CapabilityState::Degraded(reason.clone()),
            Severity::Down => CapabilityState::Down(reason.clone()),
        };
    }

    fn failed(&mut self, reason: &Reason, thresholds: Thresholds) {
        self.successes = 0;
        self.failures += 1;
        // What it refused with says more than its silence.
        let is_refused = self.state.is_down() && self.cause() != Some(Cause::NoAnswer);
        if self.failures >= thresholds.failures && !is_refused {
            self.state = CapabilityState::Down(reason.clone());
        }
    }

    fn late(&mut self, reason: &Reason, thresholds: Thresholds) {
        self.late += 1;
        if self.late >= thresholds.failures && self.state == CapabilityState::Up {
            self.successes = 0;
            self.state = CapabilityState::Degraded(reason.clone());
        }
    }

    /// A success of `seen` disproves every cause that would have prevented it.
    fn good(&mut self, seen: Capability, witness: Witness, now_ms: u64, thresholds: Thresholds) {
        let Some(cause) = self.cause() else {
            if seen == self.capability {
                self.failures = 0;
                self.late = if witness == Witness::Probe { 0 } else { self.late };
            }
            return;
        };
        let disproves = match cause {
            Cause::NoAnswer | Cause::Slow => seen == self.capability,
            cause => effect(cause, seen) == Some(Severity::Down),
        };
        let shows = cause.ends_with_any_success()
            || witness == Witness::Probe
            || (cause != Cause::Slow && now_ms.saturating_sub(self.refused_ms) >= STALE_MS);
        if disproves && shows {
            self.succeeded(thresholds);
        }
    }

    fn succeeded(&mut self, thresholds: Thresholds) {
        self.failures = 0;
        self.successes += 1;
        if self.successes >= thresholds.successes && self.state != CapabilityState::Up {
            (self.state, self.late, self.successes) = (CapabilityState::Up, 0, 0);
        }
    }

    /// True if a success would change something.
    pub(super) fn is_troubled(&self) -> bool {
        self.failures > 0 || self.state != CapabilityState::Up
    }

    fn cause(&self) -> Option<Cause> {
        self.state.reason().map(|reason| reason.cause)
    }
}

#[cfg(test)]
#[path = "track_tests.rs"]
mod tests;
