//! Trial calls: a few at a time, each on a lease.

use crate::retry::Ramp;

/// The rounds of a half-open breaker. Each round lets as many calls through as the ramp is wide, and is over when all
/// of them are decided.
#[derive(Debug)]
pub(super) struct HalfOpen {
    ramp: Ramp,
    /// Calls under way; with the decided ones never more than the round is wide.
    leases: Vec<Lease>,
    /// Grows for ever, so that a lease of an earlier round or trial is never taken for one of this.
    next_id: u64,
    decided: Decided,
}

#[derive(Debug)]
struct Lease {
    id: u64,
    until_ms: u64,
}

/// The round's verdicts.
#[derive(Debug, Clone, Copy, Default)]
struct Decided {
    all: u32,
    failed: u32,
    slow: u32,
}

/// What a trial call came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trial {
    pub failed: bool,
    pub slow: bool,
}

/// What follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Undecided,
    Passed,
    Failed,
    Slow,
}

impl HalfOpen {
    pub(super) const fn new(full: u32) -> Self {
        let decided = Decided { all: 0, failed: 0, slow: 0 };
        Self { ramp: Ramp::new(full), leases: Vec::new(), next_id: 0, decided }
    }

    /// A new trial, from the first round on. Calls of an earlier one count for nothing.
    pub(super) fn begin(&mut self, full: u32) {
        self.ramp = Ramp::new(full);
        self.leases.clear();
        self.decided = Decided::default();
    }

    pub(super) const fn set_full(&mut self, full: u32) {
        self.ramp = self.ramp.to(full);
    }

    /// Calls the round lets through, and those under way.
    pub(super) fn view(&self, now_ms: u64) -> (u32, u32) {
        let held = self.leases.iter().filter(|lease| now_ms < lease.until_ms).count();
        (self.ramp.width(), held as u32)
    }

    /// A lease for one more call; or when the next lease runs out, should no verdict come before.
    pub(super) fn admit(&mut self, now_ms: u64, lease_ms: u64) -> Result<u64, u64> {
        self.take_back(now_ms);
        if self.leases.len() as u32 + self.decided.all >= self.ramp.width() {
            return Err(self.leases.iter().map(|lease| lease.until_ms).min().unwrap_or(now_ms));
        }
        let id = self.next_id;
        self.next_id += 1;
        self.leases.push(Lease { id, until_ms: now_ms.saturating_add(lease_ms) });
        Ok(id)
    }

    /// Returns a lease undecided. Nothing happens if it has been taken back.
    pub(super) fn give_back(&mut self, id: u64) {
        self.leases.retain(|lease| lease.id != id);
    }

    /// Settles a lease. Nothing happens if it has been taken back.
    pub(super) fn settle(
        &mut self,
        id: u64,
        trial: Trial,
        now_ms: u64,
        failure_rate: f64,
        slow_rate: f64,
    ) -> Outcome {
        self.take_back(now_ms);
        let Some(place) = self.leases.iter().position(|lease| lease.id == id) else {
            return Outcome::Undecided;
        };
        self.leases.swap_remove(place);
        self.decided.all += 1;
        self.decided.failed += u32::from(trial.failed);
        self.decided.slow += u32::from(trial.slow);
        let width = f64::from(self.ramp.width());
        if f64::from(self.decided.failed) >= failure_rate * width {
            Outcome::Failed
        } else if f64::from(self.decided.slow) >= slow_rate * width {
            Outcome::Slow
        } else if self.decided.all >= self.ramp.width() {
            self.next_round()
        } else {
            Outcome::Undecided
        }
    }

    /// The owner's probe passed: worth a round, if no call is there to decide it.
    pub(super) fn probe_passed(&mut self, now_ms: u64) -> Outcome {
        self.take_back(now_ms);
        if self.leases.is_empty() { self.next_round() } else { Outcome::Undecided }
    }

    fn next_round(&mut self) -> Outcome {
        self.decided = Decided::default();
        if self.ramp.widen() { Outcome::Undecided } else { Outcome::Passed }
    }

    fn take_back(&mut self, now_ms: u64) {
        self.leases.retain(|lease| now_ms < lease.until_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Trial = Trial { failed: false, slow: false };
    const BAD: Trial = Trial { failed: true, slow: false };
    const SLOW: Trial = Trial { failed: false, slow: true };

    fn settle(half: &mut HalfOpen, id: u64, trial: Trial) -> Outcome {
        half.settle(id, trial, 0, 0.5, 0.8)
    }

    fn round(half: &mut HalfOpen) -> Vec<u64> {
        std::iter::from_fn(|| half.admit(0, 100).ok()).collect()
    }

    #[test]
    fn rounds_double_and_the_widest_closes() {
        let mut half = HalfOpen::new(6);
        let mut widths = vec![];
        let mut outcome = Outcome::Undecided;
        while outcome == Outcome::Undecided {
            let ids = round(&mut half);
            widths.push(ids.len());
            for id in ids {
                assert_eq!(outcome, Outcome::Undecided);
                outcome = settle(&mut half, id, GOOD);
            }
        }
        assert_eq!((widths, outcome), (vec![1, 2, 4, 6], Outcome::Passed));
    }

    #[test]
    fn decided_calls_of_a_round_make_no_room_for_more() {
        let mut half = HalfOpen::new(4);
        let first = round(&mut half);
        settle(&mut half, first[0], GOOD);
        let second = round(&mut half);
        assert_eq!(second.len(), 2);
        settle(&mut half, second[0], GOOD);
        assert_eq!(half.admit(50, 100), Err(100));
        settle(&mut half, second[1], GOOD);
        assert_eq!(round(&mut half).len(), 4);
    }

    #[test]
    fn a_failure_ends_a_narrow_round_and_half_of_a_wide_one() {
        let mut half = HalfOpen::new(16);
        let first = round(&mut half);
        assert_eq!(settle(&mut half, first[0], BAD), Outcome::Failed);
        half.begin(16);
        for _ in 0..2 {
            for id in round(&mut half) {
                assert_eq!(settle(&mut half, id, GOOD), Outcome::Undecided);
            }
        }
        let four = round(&mut half);
        assert_eq!(settle(&mut half, four[0], BAD), Outcome::Undecided);
        assert_eq!(settle(&mut half, four[1], GOOD), Outcome::Undecided);
        assert_eq!(settle(&mut half, four[2], BAD), Outcome::Failed);
    }

    #[test]
    fn slow_calls_end_a_round_by_their_own_rate() {
        let mut half = HalfOpen::new(16);
        let first = round(&mut half);
        assert_eq!(settle(&mut half, first[0], SLOW), Outcome::Slow);
        half.begin(16);
        let first = round(&mut half);
        settle(&mut half, first[0], GOOD);
        let two = round(&mut half);
        assert_eq!(settle(&mut half, two[0], SLOW), Outcome::Undecided);
        assert_eq!(settle(&mut half, two[1], SLOW), Outcome::Slow);
    }

    #[test]
    fn a_lease_ends_by_time_by_return_and_by_a_new_trial() {
        let mut half = HalfOpen::new(1);
        let late = half.admit(0, 100).expect("room");
        assert_eq!(half.admit(99, 100), Err(100));
        let next = half.admit(100, 100).expect("taken back");
        assert_eq!(half.settle(late, BAD, 100, 0.5, 0.8), Outcome::Undecided, "late");
        half.give_back(next);
        let third = half.admit(100, 100).expect("given back");
        half.begin(1);
        assert_eq!(half.settle(third, GOOD, 100, 0.5, 0.8), Outcome::Undecided, "of an earlier trial");
        let fourth = half.admit(100, 100).expect("room");
        assert_eq!(
            half.settle(fourth, GOOD, 200, 0.5, 0.8),
            Outcome::Undecided,
            "exactly at its end it is over"
        );
    }

    #[test]
    fn a_probe_is_worth_a_round_only_without_calls() {
        let mut half = HalfOpen::new(2);
        let _held = half.admit(0, 100).expect("room");
        assert_eq!(half.probe_passed(50), Outcome::Undecided);
        assert_eq!(half.view(50), (1, 1));
        assert_eq!(half.probe_passed(100), Outcome::Undecided);
        assert_eq!(half.view(100), (2, 0));
        assert_eq!(half.probe_passed(100), Outcome::Passed);
    }
}
