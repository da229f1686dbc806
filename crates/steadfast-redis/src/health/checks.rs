//! Active checks: what one found, and how the last hundred went. Pure.

use super::machine::Probe;
use super::track::Evidence;
use std::sync::Arc;
use std::time::Duration;

/// Checks that rates are taken over.
const REMEMBERED: u32 = 100;

/// What one active check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    /// From the question to the last answer; until it was given up, if none came. `None`: nothing could be asked.
    pub(super) response: Option<Duration>,
    /// When it was over, in milliseconds since 1970.
    pub(super) at_ms: i64,
    /// In the order of the capabilities.
    pub(super) probes: [Probe; 5],
    pub(super) evidence: Vec<Evidence>,
    /// The first thing that was wrong.
    pub(super) error: Option<Arc<str>>,
}

impl Check {
    /// One that could not be made: there was nothing to ask on.
    pub(super) fn failed(error: String, at_ms: i64) -> Self {
        let (probes, error) = ([Probe::Failed; 5], Some(error.into()));
        Self { response: None, at_ms, probes, evidence: Vec::new(), error }
    }
}

/// How the last checks went.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Checks {
    /// The last of them, the newest in the lowest bit; set is failed.
    failed: u128,
    count: u32,
    pub(crate) failures_in_a_row: u32,
    pub(crate) successes_in_a_row: u32,
    pub(crate) response: Option<Duration>,
    /// In milliseconds since 1970; 0 before the first.
    pub(crate) at_ms: i64,
    pub(crate) error: Option<Arc<str>>,
}

impl Checks {
    pub(super) fn add(&mut self, check: &Check) {
        let is_failed = check.error.is_some();
        self.failed = (self.failed << 1 | u128::from(is_failed)) & ((1 << REMEMBERED) - 1);
        self.count = (self.count + 1).min(REMEMBERED);
        (self.failures_in_a_row, self.successes_in_a_row) = match is_failed {
            true => (self.failures_in_a_row.saturating_add(1), 0),
            false => (0, self.successes_in_a_row.saturating_add(1)),
        };
        (self.response, self.at_ms) = (check.response, check.at_ms);
        self.error.clone_from(&check.error);
    }

    /// Failed checks among the last hundred, and how many of those there were.
    pub(crate) const fn failed_of(&self) -> (u32, u32) {
        (self.failed.count_ones(), self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(failed: bool) -> Check {
        let error = failed.then(|| "no answer".into());
        Check { response: None, at_ms: 1, probes: [Probe::Off; 5], evidence: Vec::new(), error }
    }

    proptest! {
        /// Against the list of all checks.
        #[test]
        fn rates_are_over_the_last_hundred(all in proptest::collection::vec(any::<bool>(), 0..250)) {
            let mut checks = Checks::default();
            all.iter().for_each(|failed| checks.add(&check(*failed)));
            let last = &all[all.len().saturating_sub(100)..];
            let failed = last.iter().filter(|failed| **failed).count();
            prop_assert_eq!(checks.failed_of(), (failed as u32, last.len() as u32));
            let run = |wanted: bool| all.iter().rev().take_while(|failed| **failed == wanted).count() as u32;
            prop_assert_eq!((checks.failures_in_a_row, checks.successes_in_a_row), (run(true), run(false)));
        }
    }
}
