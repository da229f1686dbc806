//! What is counted of one operation on one node.

use super::export::CallExport;
use crate::command::Operation;
use crate::error::{ErrorKind, Outcome};
use crate::histogram::Histogram;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Kinds of failures.
pub(super) const KINDS: usize = ErrorKind::ALL.len();
/// Outcomes of failed commands.
pub(super) const OUTCOMES: [Outcome; 3] = [Outcome::NotSent, Outcome::Rejected, Outcome::Ambiguous];

/// How a call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// It was answered.
    Succeeded,
    /// It failed.
    Failed(ErrorKind, Outcome),
}

/// One call, when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Called {
    pub(crate) operation: Operation,
    pub(crate) ending: Ending,
    /// `None` if it was not timed.
    pub(crate) elapsed: Option<Duration>,
    /// Attempts beyond the first, but for redirections.
    pub(crate) retries: u32,
    /// Times that it was sent elsewhere.
    pub(crate) redirects: u32,
}

/// Counters of one operation on one node. Every method may be called at any time from any thread.
#[derive(Debug)]
pub(super) struct Cell {
    pub(super) operation: Operation,
    /// How long calls took, answered or not; what was never sent is not in it.
    pub(super) elapsed: Histogram,
    succeeded: AtomicU64,
    failed: [[AtomicU64; OUTCOMES.len()]; KINDS],
    retries: AtomicU64,
    redirects: AtomicU64,
    export: CallExport,
}

/// A cell at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Counts {
    pub(super) succeeded: u64,
    pub(super) failed: [[u64; OUTCOMES.len()]; KINDS],
    pub(super) retries: u64,
    pub(super) redirects: u64,
}

impl Cell {
    pub(super) fn new(operation: Operation, node: &str) -> Self {
        Self {
            operation,
            elapsed: Histogram::default(),
            succeeded: AtomicU64::new(0),
            failed: Default::default(),
            retries: AtomicU64::new(0),
            redirects: AtomicU64::new(0),
            export: CallExport::new(operation.name(), node),
        }
    }

    pub(super) fn record(&self, call: &Called) {
        let was_sent = match call.ending {
            Ending::Succeeded => {
                self.succeeded.fetch_add(1, Ordering::Relaxed);
                true
            }
            Ending::Failed(kind, outcome) => {
                self.failed[kind as usize][outcome as usize].fetch_add(1, Ordering::Relaxed);
                outcome != Outcome::NotSent
            }
        };
        if let Some(elapsed) = call.elapsed.filter(|_| was_sent) {
            self.elapsed.record(elapsed);
        }
        if call.retries > 0 {
            self.retries.fetch_add(u64::from(call.retries), Ordering::Relaxed);
        }
        if call.redirects > 0 {
            self.redirects.fetch_add(u64::from(call.redirects), Ordering::Relaxed);
        }
        self.export.called(call, was_sent);
    }

    pub(super) fn counts(&self) -> Counts {
        let load = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Counts {
            succeeded: load(&self.succeeded),
            failed: self.failed.each_ref().map(|by_outcome| by_outcome.each_ref().map(load)),
            retries: load(&self.retries),
            redirects: load(&self.redirects),
        }
    }
}

impl Counts {
    /// All failures.
    pub(super) fn failures(&self) -> u64 {
        self.failed.iter().flatten().sum()
    }

    /// Failures of one kind.
    pub(super) fn of_kind(&self, kind: ErrorKind) -> u64 {
        self.failed[kind as usize].iter().sum()
    }

    /// Failures with one outcome.
    pub(super) fn with_outcome(&self, outcome: Outcome) -> u64 {
        self.failed.iter().map(|by_outcome| by_outcome[outcome as usize]).sum()
    }

    /// Calls, however they ended.
    pub(super) fn calls(&self) -> u64 {
        self.succeeded + self.failures()
    }

    pub(super) fn add(&mut self, other: &Self) {
        self.succeeded += other.succeeded;
        self.retries += other.retries;
        self.redirects += other.redirects;
        for (mine, theirs) in self.failed.iter_mut().flatten().zip(other.failed.iter().flatten()) {
            *mine += theirs;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ending() -> impl Strategy<Value = Ending> {
        prop_oneof![
            Just(Ending::Succeeded),
            (0..KINDS, 0..OUTCOMES.len())
                .prop_map(|(kind, outcome)| { Ending::Failed(ErrorKind::ALL[kind], OUTCOMES[outcome]) }),
        ]
    }

    #[test]
    fn kinds_and_outcomes_have_the_places_of_their_lists() {
        assert!(ErrorKind::ALL.iter().enumerate().all(|(place, kind)| *kind as usize == place));
        assert!(OUTCOMES.iter().enumerate().all(|(place, outcome)| *outcome as usize == place));
    }

    proptest! {
        /// Against a list of all calls.
        #[test]
        fn every_call_is_counted_once_by_kind_and_outcome(
            calls in proptest::collection::vec((ending(), 0_u64..100_000, 0_u32..3, 0_u32..3), 0..200),
        ) {
            let cell = Cell::new(Operation::UNKNOWN, "a:1");
            for (ending, us, retries, redirects) in &calls {
                let elapsed = Some(Duration::from_micros(*us));
                let (ending, retries, redirects) = (*ending, *retries, *redirects);
                cell.record(&Called { operation: Operation::UNKNOWN, ending, elapsed, retries, redirects });
            }
            let counts = cell.counts();
            let count = |wanted: &dyn Fn(&Ending) -> bool| {
                calls.iter().filter(|(ending, ..)| wanted(ending)).count() as u64
            };
            prop_assert_eq!(counts.calls(), calls.len() as u64);
            prop_assert_eq!(counts.succeeded, count(&|ending| *ending == Ending::Succeeded));
            for kind in ErrorKind::ALL {
                let wanted = count(&|ending| matches!(ending, Ending::Failed(other, _) if *other == kind));
                prop_assert_eq!(counts.of_kind(kind), wanted);
            }
            for outcome in OUTCOMES {
                let wanted = count(&|ending| matches!(ending, Ending::Failed(_, other) if *other == outcome));
                prop_assert_eq!(counts.with_outcome(outcome), wanted);
            }
            let sent = count(&|ending| !matches!(ending, Ending::Failed(_, Outcome::NotSent)));
            prop_assert_eq!(cell.elapsed.sum_up().count, sent);
            prop_assert_eq!(counts.retries, calls.iter().map(|call| u64::from(call.2)).sum::<u64>());
            prop_assert_eq!(counts.redirects, calls.iter().map(|call| u64::from(call.3)).sum::<u64>());
        }
    }
}
