//! Whether the server is used: the switch into fallback and back, with hysteresis. Pure but for its lock.
//!
//! Reads and writes have a switch each: a full or read-only server still answers reads.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// One switch.
#[derive(Debug)]
pub(super) struct Mode {
    failures_to_enter: u32,
    probes_to_leave: u32,
    /// Something failed since the last answer: answers are worth a look at the lock.
    is_troubled: AtomicBool,
    is_away: AtomicBool,
    entered: AtomicU64,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    failures: u32,
    answered: u32,
    since_ms: u64,
}

impl Mode {
    pub(super) fn new(failures_to_enter: u32, probes_to_leave: u32) -> Self {
        Self {
            failures_to_enter,
            probes_to_leave,
            is_troubled: AtomicBool::new(false),
            is_away: AtomicBool::new(false),
            entered: AtomicU64::new(0),
            counts: Mutex::default(),
        }
    }

    /// True if the server is not to be used.
    pub(super) fn is_away(&self) -> bool {
        self.is_away.load(Ordering::Acquire)
    }

    /// How often it was left.
    pub(super) fn entered(&self) -> u64 {
        self.entered.load(Ordering::Relaxed)
    }

    /// Since when the server is not used, or was not last time.
    pub(super) fn since_ms(&self) -> u64 {
        self.lock().since_ms
    }

    /// A call was answered.
    pub(super) fn answered(&self) {
        if self.is_troubled.load(Ordering::Relaxed) && !self.is_away() {
            let mut counts = self.lock();
            if !self.is_away() {
                counts.failures = 0;
                self.is_troubled.store(false, Ordering::Relaxed);
            }
        }
    }

    /// A call failed; `certainly` because the server cannot be used. True if it counts as away from now on.
    pub(super) fn failed(&self, certainly: bool, now_ms: u64) -> bool {
        let mut counts = self.lock();
        self.is_troubled.store(true, Ordering::Relaxed);
        counts.answered = 0;
        if self.is_away() {
            return false;
        }
        counts.failures += 1;
        let enters = certainly || counts.failures >= self.failures_to_enter;
        if enters {
            counts.since_ms = now_ms;
            self.entered.fetch_add(1, Ordering::Relaxed);
            self.is_away.store(true, Ordering::Release);
        }
        enters
    }

    /// A probe was answered. True if the server counts as back from now on.
    pub(super) fn probe_answered(&self) -> bool {
        let mut counts = self.lock();
        if !self.is_away() {
            return false;
        }
        counts.answered += 1;
        let leaves = counts.answered >= self.probes_to_leave;
        if leaves {
            (counts.failures, counts.answered) = (0, 0);
            self.is_troubled.store(false, Ordering::Relaxed);
            self.is_away.store(false, Ordering::Release);
        }
        leaves
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn slow_answers_must_be_several_and_lost_connections_need_no_second() {
        let mode = Mode::new(3, 2);
        assert!(!mode.failed(false, 1) && !mode.failed(false, 2));
        mode.answered();
        assert!(!mode.failed(false, 3) && !mode.failed(false, 4));
        assert!(mode.failed(false, 5) && mode.is_away());
        assert_eq!(mode.since_ms(), 5);
        mode.answered();
        assert!(mode.is_away(), "an answer to an old call does not bring it back");
        assert!(!mode.probe_answered());
        assert!(!mode.failed(true, 6), "it is told once");
        assert!(!mode.probe_answered() && mode.probe_answered() && !mode.is_away());
        assert!(mode.failed(true, 7) && mode.entered() == 2);
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Answered,
        Failed(bool),
        Probed,
    }

    proptest! {
        /// Against the rule said plainly over the whole history.
        #[test]
        fn it_is_away_as_the_history_says(
            steps in prop::collection::vec(
                prop_oneof![Just(Step::Answered), any::<bool>().prop_map(Step::Failed), Just(Step::Probed)], 0..60),
            enter in 1_u32..5, leave in 1_u32..5,
        ) {
            let mode = Mode::new(enter, leave);
            let (mut away, mut failures, mut probes) = (false, 0, 0);
            for step in steps {
                match step {
                    Step::Answered => { mode.answered(); if !away { failures = 0; } }
                    Step::Failed(certainly) => {
                        let told = mode.failed(certainly, 0);
                        failures += 1;
                        probes = 0;
                        let enters = !away && (certainly || failures >= enter);
                        prop_assert_eq!(told, enters);
                        away |= enters;
                    }
                    Step::Probed => {
                        let told = mode.probe_answered();
                        if away { probes += 1; }
                        let leaves = away && probes >= leave;
                        prop_assert_eq!(told, leaves);
                        if leaves { away = false; failures = 0; probes = 0; }
                    }
                }
                prop_assert_eq!(mode.is_away(), away);
            }
        }
    }
}
