//! Fan-in: a job that waits for others. Pure.
//!
//! The *callback* of a batch is a job like any other that carries [`WaitsFor`]. The jobs of the batch carry the
//! callback's id. It lies scheduled, without a time, until so many different jobs of the batch are over; the step
//! that stores the last one's end makes it available.
//!
//! ```text
//!   fan-out ──▶ job, job, job ─── each over, once ──▶ callback ──▶ runs, sees how many of each
//! ```
//! A job counts once, at its first end, whatever an operator does with it later. Removing a job that was not over
//! (a purge) counts it as cancelled: it will not come. When the callback is called off, purged, dead of its
//! time-to-live, or sent ahead by an operator's retry, the batch is over: its jobs go on and count for nothing.

use crate::job::{JobId, NewJob};
use crate::state::State;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The most jobs that one batch counts. After so many it takes no more.
pub const BATCH_JOBS_MAX: u32 = 1_000_000;

/// What a callback waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WaitsFor {
    /// So many jobs of its batch to be over, at most [`BATCH_JOBS_MAX`]. 0: not known yet, to be said by
    /// [`Control::Seal`](crate::backend::Control::Seal); until then it waits however many are over.
    pub jobs: u32,
    /// Whether a dead one is over.
    pub on_dead: OnDead,
}

/// What a dead letter means to the callback of its batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnDead {
    /// It is over, and counted as dead.
    #[default]
    Continue,
    /// It is not over before an operator has retried it with success, or has let go of it.
    Block,
}

/// How far the batch of a callback is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Awaited {
    /// The jobs it waits for; `None`: not known yet.
    pub jobs: Option<u32>,
    /// Whether a dead one is over.
    pub on_dead: OnDead,
    /// Jobs completed.
    pub completed: u32,
    /// Jobs dead, or discarded as such.
    pub dead: u32,
    /// Jobs cancelled, or purged before they were over.
    pub cancelled: u32,
    /// Whether it still waits.
    pub waiting: bool,
}

impl Awaited {
    /// A batch of which nothing is over.
    pub(crate) fn new(waits_for: WaitsFor) -> Self {
        let jobs = (waits_for.jobs > 0).then_some(waits_for.jobs);
        Self { jobs, on_dead: waits_for.on_dead, completed: 0, dead: 0, cancelled: 0, waiting: true }
    }

    /// Jobs over so far.
    pub const fn over(&self) -> u32 {
        self.completed.saturating_add(self.dead).saturating_add(self.cancelled)
    }

    /// Whether the callback's time has come.
    pub(crate) fn is_met(&self) -> bool {
        self.waiting && self.jobs.is_some_and(|jobs| self.over() >= jobs)
    }

    /// Whether it takes further jobs.
    pub(crate) const fn is_open(&self) -> bool {
        self.waiting && self.over() < BATCH_JOBS_MAX
    }

    /// Whether a job that ends so is over.
    pub(crate) const fn heeds(&self, end: BatchEnd) -> bool {
        self.waiting && !matches!((end, self.on_dead), (BatchEnd::Dead, OnDead::Block))
    }

    /// Counts a job that is over.
    pub(crate) const fn count(&mut self, end: BatchEnd) {
        let count = match end {
            BatchEnd::Completed => &mut self.completed,
            BatchEnd::Dead | BatchEnd::Discarded => &mut self.dead,
            BatchEnd::Cancelled => &mut self.cancelled,
        };
        *count = count.saturating_add(1);
    }

    /// Says how many jobs there are.
    pub(crate) fn seal(&mut self, jobs: u32) -> Sealed {
        match self.jobs {
            Some(known) if known == jobs => Sealed::Before,
            None if self.waiting && jobs <= BATCH_JOBS_MAX => {
                self.jobs = Some(jobs);
                Sealed::Now
            }
            _ => Sealed::Refused,
        }
    }
}

/// What became of sealing a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Sealed {
    Now,
    /// It was sealed so before.
    Before,
    /// It was sealed otherwise, or waits no more.
    Refused,
}

/// How a job of a batch came to its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum BatchEnd {
    Completed,
    Dead,
    /// A dead letter that an operator let go of.
    Discarded,
    /// Called off, or removed before it was over.
    Cancelled,
}

impl BatchEnd {
    /// What reaching `state` means; `None`: it is not over.
    pub(crate) const fn of(state: State) -> Option<Self> {
        match state {
            State::Completed => Some(Self::Completed),
            State::Dead => Some(Self::Dead),
            State::Cancelled => Some(Self::Cancelled),
            _ => None,
        }
    }

    /// What the removal of a job that was in `state` means.
    pub(crate) const fn removed(state: State) -> Self {
        match state {
            State::Completed => Self::Completed,
            State::Dead => Self::Discarded,
            _ => Self::Cancelled,
        }
    }
}

/// Whether what `new` says of batches can come true, seen by itself. A callback has no group: it would hold up
/// its group, and the jobs it waits for might be in it.
pub(crate) fn is_sound(new: &NewJob, id: JobId) -> bool {
    let waits = new.waits_for.is_none_or(|waits_for| waits_for.jobs <= BATCH_JOBS_MAX && new.group.is_none());
    waits && new.batch != Some(id)
}

/// Whether among the callbacks of one call, each with the batch that it is in, some wait for each other in a
/// circle.
pub(crate) fn has_circle(callbacks: &HashMap<JobId, Option<JobId>>) -> bool {
    callbacks.keys().any(|first| {
        let mut at = callbacks.get(first).copied().flatten();
        for _ in 0..callbacks.len() {
            match at {
                None => return false,
                Some(id) if id == *first => return true,
                Some(id) => at = callbacks.get(&id).copied().flatten(),
            }
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dead_one_counts_as_was_chosen() {
        for (on_dead, heeded) in [(OnDead::Continue, true), (OnDead::Block, false)] {
            let batch = Awaited::new(WaitsFor { jobs: 1, on_dead });
            assert_eq!(batch.heeds(BatchEnd::Dead), heeded);
            assert!(batch.heeds(BatchEnd::Discarded) && batch.heeds(BatchEnd::Cancelled));
        }
    }

    #[test]
    fn sealing_twice_is_sealing_once() {
        let mut batch = Awaited::new(WaitsFor::default());
        batch.count(BatchEnd::Completed);
        assert!(!batch.is_met());
        assert_eq!(batch.seal(2), Sealed::Now);
        assert_eq!((batch.seal(2), batch.seal(3)), (Sealed::Before, Sealed::Refused));
        batch.count(BatchEnd::Dead);
        assert!(batch.is_met());
        batch.waiting = false;
        assert_eq!((batch.seal(2), batch.seal(1)), (Sealed::Before, Sealed::Refused));
    }

    #[test]
    fn circles_are_seen() {
        let id = |no| JobId([no; 16]);
        let chain = HashMap::from([(id(1), Some(id(2))), (id(2), Some(id(3))), (id(3), None)]);
        assert!(!has_circle(&chain));
        let circle = HashMap::from([(id(1), Some(id(2))), (id(2), Some(id(1))), (id(3), Some(id(1)))]);
        assert!(has_circle(&circle));
    }
}
