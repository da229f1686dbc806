//! Jobs that wait for others.

use super::model::Model;
use crate::backend::{Controlled, Rejection, rules};
use crate::batch::{Awaited, BatchEnd, Sealed, has_circle};
use crate::job::{JobId, NewJob};
use crate::state::State;
use std::collections::{HashMap, HashSet};

/// The batch of a callback that lies here.
#[derive(Clone, Debug)]
pub(super) struct Gate {
    /// Tells it from an earlier one of a callback with the same id.
    pub(super) no: u64,
    seq: u64,
    counted: HashSet<JobId>,
}

impl Model {
    /// Whether the batch that `new` names takes it. `beside` are the callbacks of its own call.
    pub(super) fn check_batch(&self, new: &NewJob, beside: &HashSet<JobId>) -> Result<(), Rejection> {
        let Some(callback) = new.batch.filter(|callback| !beside.contains(callback)) else {
            return Ok(());
        };
        match self.awaited(&callback) {
            None => Err(Rejection::BatchUnknown),
            Some(batch) if batch.is_open() => Ok(()),
            Some(_) => Err(Rejection::BatchOver),
        }
    }

    /// The callbacks among the new jobs of one call.
    pub(super) fn callbacks(
        &self,
        follow_ups: &[NewJob],
        leaving: Option<JobId>,
    ) -> Result<HashSet<JobId>, Rejection> {
        let new = follow_ups.iter().filter(|new| new.waits_for.is_some());
        let new = new
            .map(|new| (new.resolve_id(), new.batch))
            .filter(|(id, _)| !self.is_known_without(id, leaving));
        let callbacks: HashMap<JobId, Option<JobId>> = new.collect();
        if has_circle(&callbacks) { Err(Rejection::BadBatch) } else { Ok(callbacks.into_keys().collect()) }
    }

    fn awaited(&self, callback: &JobId) -> Option<Awaited> {
        let gate = self.gates.get(callback)?;
        self.rows.get(&gate.seq)?.job.waits_for
    }

    pub(super) fn open_gate(&mut self, id: JobId, seq: u64, beside: &HashMap<JobId, u64>) {
        let no = beside.get(&id).copied().unwrap_or(seq);
        self.gates.insert(id, Gate { no, seq, counted: HashSet::new() });
    }

    /// Changes how far the batch of a callback is.
    fn edit_batch(&mut self, callback: &JobId, change: impl FnOnce(&mut Awaited)) {
        if let Some(seq) = self.gates.get(callback).map(|gate| gate.seq) {
            self.edit(seq, |row| {
                if let Some(batch) = &mut row.job.waits_for {
                    change(batch);
                }
            });
        }
    }

    /// Notes that a job of a batch is over, and lets the callback go if it was the last.
    pub(super) fn count_in(&mut self, batch: Option<(JobId, u64)>, id: JobId, end: BatchEnd) {
        let Some((callback, no)) = batch else { return };
        let same = self.gates.get(&callback).is_some_and(|gate| gate.no == no);
        let Some(awaited) = self.awaited(&callback).filter(|_| same) else { return };
        if !awaited.heeds(end) || !self.gates.get_mut(&callback).is_some_and(|gate| gate.counted.insert(id)) {
            return;
        }
        self.edit_batch(&callback, |batch| batch.count(end));
        self.let_go(&callback);
    }

    /// Lets a callback go whose time has come.
    fn let_go(&mut self, callback: &JobId) {
        if !self.awaited(callback).is_some_and(|batch| batch.is_met()) {
            return;
        }
        self.shut_gate(callback);
        let Some(seq) = self.seq_of(callback) else { return };
        let now_ms = self.now_ms;
        self.edit(seq, |row| {
            if row.job.run_at_ms <= now_ms {
                (row.job.state, row.job.run_at_ms) = (State::Available, now_ms);
            }
        });
        self.line_up(seq);
    }

    /// The callback waits no more.
    pub(super) fn shut_gate(&mut self, callback: &JobId) {
        self.edit_batch(callback, |batch| batch.waiting = false);
        if let Some(gate) = self.gates.get_mut(callback) {
            gate.counted.clear();
        }
    }

    /// A retried callback has a new row.
    pub(super) fn move_gate(&mut self, callback: &JobId, seq: u64) {
        if let Some(gate) = self.gates.get_mut(callback) {
            gate.seq = seq;
        }
    }

    pub(super) fn seal(&mut self, id: JobId, jobs: u32) -> Controlled {
        let Some(mut batch) = self.awaited(&id) else { return Controlled { affected: 0, skipped: 1 } };
        let sealed = batch.seal(jobs);
        if sealed == Sealed::Now {
            self.edit_batch(&id, |known| *known = batch);
            self.let_go(&id);
        }
        rules::sealed(sealed)
    }
}
