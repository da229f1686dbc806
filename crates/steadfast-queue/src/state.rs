//! The job's state machine. This file alone knows which state follows which; back-ends apply what it
//! says and invent nothing.
//!
//! ```text
//!             delay                 due
//!  enqueue ─────────▶ scheduled ───────────▶ available ◀──────────────┐
//!     └───────────────────────────────────────▲   │ reserve           │ due
//!                                             │   ▼                   │
//!                        release, snooze(0) ──┴ running ──retry───▶ retryable
//!                                                 │ │ └─complete──▶ completed
//!                                                 │ └───dead──────▶ dead ──operator's retry──▶ available
//!                                                 └─────cancel────▶ cancelled
//! ```
//! Cancel reaches every state but the final ones. A snooze is a `scheduled` job that spent no attempt; so is one
//! that was put off.
//!
//! Crashes count in a row: an attempt that ended with a retry or a snooze shows that the process can live with
//! the job, and starts the count anew. A job that comes back without having run (released, put off) keeps it.

use crate::policy::{Failure, RetryPolicy};
use serde::{Deserialize, Serialize};

/// Where a job is.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Due later, by delay or snooze.
    Scheduled,
    /// Waiting for a worker, or for its turn in its group.
    Available,
    /// Under a lease.
    Running,
    /// Failed, due again later.
    Retryable,
    /// Done.
    Completed,
    /// Failed for good, or expired: lies in the dead letter queue until an operator acts.
    Dead,
    /// Called off.
    Cancelled,
}

impl State {
    /// Every state.
    pub const ALL: [Self; 7] = [
        Self::Scheduled,
        Self::Available,
        Self::Running,
        Self::Retryable,
        Self::Completed,
        Self::Dead,
        Self::Cancelled,
    ];

    /// The stored word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Scheduled => "scheduled",
            Self::Available => "available",
            Self::Running => "running",
            Self::Retryable => "retryable",
            Self::Completed => "completed",
            Self::Dead => "dead",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads a word; `waiting` and `failed`, which other queues say, are `available` and `dead`.
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "waiting" => Some(Self::Available),
            "failed" => Some(Self::Dead),
            "delayed" => Some(Self::Scheduled),
            "active" => Some(Self::Running),
            _ => Self::ALL.into_iter().find(|state| state.as_str() == word),
        }
    }

    /// Whether nothing happens to it any more by itself.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Dead | Self::Cancelled)
    }

    /// Whether only its window holds its id any more. A dead letter may be retried, so it holds its id for as long as it lies
    /// here.
    pub(crate) const fn frees_id(self) -> bool {
        matches!(self, Self::Completed | Self::Cancelled)
    }
}

/// What a worker says of a job that it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Done.
    Complete,
    /// Failed; again by its schedule, or after `after_ms` if given, or dead if no retry is left.
    Retry {
        /// What went wrong.
        failure: Failure,
        /// When to try again, instead of the schedule's time (a server's `Retry-After`).
        after_ms: Option<u64>,
    },
    /// It ran and says: not now, and not its fault (its dependency is down). Again later, no attempt spent.
    Snooze {
        /// How much later.
        after_ms: u64,
    },
    /// Put off, not run: again later, no attempt spent, nothing learned of the job.
    PutOff {
        /// How much later.
        after_ms: u64,
    },
    /// Failed for good.
    Dead {
        /// What went wrong.
        failure: Failure,
    },
    /// Given back untouched (shutdown): available at once, no attempt spent.
    Release,
}

impl Verdict {
    /// Whether its job was given back without having run: what it was charged to a rate is given back too.
    pub(crate) const fn did_not_run(&self) -> bool {
        matches!(self, Self::PutOff { .. } | Self::Release)
    }
}

/// What becomes of the job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// Its next state.
    pub state: State,
    /// Due in so many milliseconds, for `scheduled` and `retryable`.
    pub due_in_ms: u64,
    /// Whether the attempt that was counted at the reservation is taken back.
    pub attempt_back: bool,
    /// Whether its crashes so far no longer count: it ran, and the process lived.
    pub crashes_over: bool,
    /// What its history gains.
    pub failure: Option<Failure>,
}

/// What follows `verdict` on a running job in its attempt number `attempt` (1 is the first).
/// `jitter` in 0..1 spreads retries; the caller draws it.
pub fn settle(verdict: Verdict, attempt: u32, retry: &RetryPolicy, jitter: f64) -> Transition {
    let to = |state, failure| Transition {
        state,
        due_in_ms: 0,
        attempt_back: false,
        crashes_over: false,
        failure,
    };
    let later = |after_ms| {
        let state = if after_ms == 0 { State::Available } else { State::Scheduled };
        Transition { due_in_ms: after_ms, attempt_back: true, ..to(state, None) }
    };
    match verdict {
        Verdict::Complete => to(State::Completed, None),
        Verdict::Retry { failure, after_ms } => match retry.delay_ms(attempt, jitter) {
            None => to(State::Dead, Some(failure)),
            Some(scheduled_ms) => Transition {
                due_in_ms: after_ms.unwrap_or(scheduled_ms),
                crashes_over: true,
                ..to(State::Retryable, Some(failure))
            },
        },
        Verdict::Snooze { after_ms } => Transition { crashes_over: true, ..later(after_ms) },
        Verdict::PutOff { after_ms } => later(after_ms),
        Verdict::Dead { failure } => to(State::Dead, Some(failure)),
        Verdict::Release => later(0),
    }
}

/// Crashes in a row after which a job is dead.
pub const CRASHES_MAX: u32 = 3;
/// Crashes in a row after which a job runs alone in its process, so that it takes no innocent job with it.
pub const CRASHES_SUSPECT: u32 = 2;

/// What follows when the lease of a running job ran out: its worker died or lost contact. Counts as a
/// crash, not as a failed attempt; three in a row are dead. `crash_count` includes this one.
pub fn reclaim(crash_count: u32) -> Transition {
    let back = Transition {
        state: State::Available,
        due_in_ms: 0,
        attempt_back: true,
        crashes_over: false,
        failure: None,
    };
    if crash_count < CRASHES_MAX {
        return back;
    }
    let message = format!("its worker died {crash_count} times in a row while running it");
    Transition {
        state: State::Dead,
        attempt_back: false,
        failure: Some(Failure::new("crashed", message)),
        ..back
    }
}

/// What follows instead of `next` when somebody called the job off while it ran: what is final stands, all
/// else is cancelled.
pub fn heed_cancel(next: Transition) -> Transition {
    if next.state.is_final() { next } else { Transition { state: State::Cancelled, due_in_ms: 0, ..next } }
}

/// Whether an operator's retry may take a job out of `state`.
pub const fn may_be_retried(state: State) -> bool {
    matches!(state, State::Dead | State::Cancelled | State::Retryable | State::Scheduled)
}

/// Whether a cancel may take a waiting job out of `state`. A running one is cancelled through its worker.
pub const fn may_be_cancelled(state: State) -> bool {
    matches!(state, State::Available | State::Scheduled | State::Retryable)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure() -> Failure {
        Failure::new("boom", "it broke")
    }

    #[test]
    fn five_retries_then_dead() {
        let policy = RetryPolicy::default();
        for attempt in 1..=5 {
            let next = settle(Verdict::Retry { failure: failure(), after_ms: None }, attempt, &policy, 0.5);
            assert_eq!(next.state, State::Retryable, "attempt {attempt}");
        }
        let last = settle(Verdict::Retry { failure: failure(), after_ms: Some(1) }, 6, &policy, 0.5);
        assert_eq!(last.state, State::Dead);
    }

    #[test]
    fn a_snooze_and_a_release_spend_nothing() {
        let policy = RetryPolicy::default();
        for verdict in [Verdict::Snooze { after_ms: 10 }, Verdict::PutOff { after_ms: 10 }, Verdict::Release]
        {
            let next = settle(verdict, 6, &policy, 0.0);
            assert!(next.attempt_back && !next.state.is_final());
        }
    }

    #[test]
    fn three_crashes_are_dead() {
        assert_eq!(reclaim(1).state, State::Available);
        assert_eq!(reclaim(2).state, State::Available);
        assert_eq!(reclaim(3).state, State::Dead);
    }

    #[test]
    fn only_an_attempt_that_ran_to_its_end_ends_a_row_of_crashes() {
        let policy = RetryPolicy::default();
        for (verdict, over) in [
            (Verdict::Retry { failure: failure(), after_ms: None }, true),
            (Verdict::Snooze { after_ms: 0 }, true),
            (Verdict::PutOff { after_ms: 5 }, false),
            (Verdict::Release, false),
        ] {
            assert_eq!(settle(verdict, 1, &policy, 0.5).crashes_over, over);
        }
        assert!(!reclaim(1).crashes_over);
    }

    #[test]
    fn a_cancel_spares_only_what_is_final() {
        let policy = RetryPolicy::default();
        for (verdict, expected) in [
            (Verdict::Complete, State::Completed),
            (Verdict::Dead { failure: failure() }, State::Dead),
            (Verdict::Retry { failure: failure(), after_ms: None }, State::Cancelled),
            (Verdict::Snooze { after_ms: 5 }, State::Cancelled),
            (Verdict::Release, State::Cancelled),
        ] {
            assert_eq!(heed_cancel(settle(verdict, 1, &policy, 0.5)).state, expected);
        }
    }

    #[test]
    fn words_read_back() {
        for state in State::ALL {
            assert_eq!(State::parse(state.as_str()), Some(state));
        }
        assert_eq!(State::parse("nonsense"), None);
    }
}
