//! What workers and housekeeping do.

use super::model::{Held, Known, Model, Row};
use crate::backend::flow::Flow;
use crate::backend::rules;
use crate::backend::{
    Enqueued, Extend, Extended, Fence, Lease, Rejection, Reservation, Reserve, Settle, Settled, Swept,
};
use crate::batch::Awaited;
use crate::event::{Event, EventKind};
use crate::job::{Job, JobId, NewJob};
use crate::note::{Note, Said};
use crate::policy::RetryPolicy;
use crate::schedule::Planned;
use crate::settings::Mode;
use crate::state::{self, State, Transition, Verdict};
use std::collections::{BTreeMap, HashMap, HashSet};

impl Model {
    /// Whether a job with this id is or was here within its window. Unfinished and dead jobs hold their id
    /// for as long as they lie here.
    pub(super) fn is_known(&self, id: &JobId) -> bool {
        self.is_known_without(id, None)
    }

    /// The same when the job that is `leaving` holds its id no longer.
    pub(super) fn is_known_without(&self, id: &JobId, leaving: Option<JobId>) -> bool {
        let kept = self.find(id).map(|job| job.state);
        let holds = kept.is_some_and(|state| !state.frees_id()) && leaving != Some(*id);
        holds || self.ids.get(id).is_some_and(|known| known.until_ms > self.now_ms)
    }

    pub(super) fn enqueue(&mut self, new: NewJob) -> Enqueued {
        self.enqueue_from(new, None)
    }

    /// Enqueues a job that a job of the queue `from` brings.
    fn enqueue_from(&mut self, new: NewJob, from: Option<&str>) -> Enqueued {
        if let Err(rejection) = rules::check_shape(&new) {
            return Enqueued::Rejected(rejection);
        }
        let id = new.resolve_id();
        if let Err(rejection) = rules::check_batch_shape(&new, id) {
            return Enqueued::Rejected(rejection);
        }
        if self.is_known(&id) {
            self.queue(&new.queue).stats.duplicates_total += 1;
            return Enqueued::Duplicate(id);
        }
        let fits = self.check_room(&new, (0, 0), from).and_then(|()| self.check_batch(&new, &HashSet::new()));
        if let Err(rejection) = fits {
            return Enqueued::Rejected(rejection);
        }
        self.add(id, new, &HashMap::new());
        Enqueued::New(id)
    }

    /// Stores a follow-up that was checked together with the others of its call. `beside` are the callbacks among
    /// them, with the numbers of their batches.
    fn follow(&mut self, new: NewJob, beside: &HashMap<JobId, u64>) {
        let id = new.resolve_id();
        if self.is_known(&id) {
            self.queue(&new.queue).stats.duplicates_total += 1;
        } else {
            self.add(id, new, beside);
        }
    }

    /// Whether there is room for `new` besides so many others (and bytes) not yet stored.
    fn check_room(&mut self, new: &NewJob, others: (u64, u64), from: Option<&str>) -> Result<(), Rejection> {
        let queue = self.queue(&new.queue);
        if queue.stats.mode == Mode::Draining && from != Some(new.queue.as_str()) {
            return Err(Rejection::Draining);
        }
        let (limits, stats) = (queue.flow.resolved.limits, &queue.stats);
        let waiting = stats.available + stats.scheduled + stats.retryable + others.0;
        rules::check_room(&limits, waiting, stats.bytes + others.1, new.payload.len() as u64)
    }

    fn add(&mut self, id: JobId, new: NewJob, beside: &HashMap<JobId, u64>) {
        if let Some(seq) = self.seq_of(&id) {
            self.forget(seq, true);
        }
        let now_ms = self.now_ms;
        let seq = self.next_number();
        self.ids.insert(id, Known { seq, until_ms: rules::later(now_ms, rules::window_ms(&new)) });
        self.queue(&new.queue).stats.enqueued_total += 1;
        let state = rules::first_state(&new);
        let job = Job {
            id,
            queue: new.queue,
            kind: new.kind,
            payload: new.payload,
            codec: new.codec,
            priority: new.priority,
            state,
            enqueued_ms: now_ms,
            run_at_ms: rules::later(now_ms, new.delay_ms),
            finished_ms: None,
            group: new.group,
            attempt: 0,
            crash_count: 0,
            retry: new.retry,
            timeout_ms: new.timeout_ms,
            expires_ms: new.ttl_ms.map(|ttl_ms| rules::later(now_ms, ttl_ms)),
            parent: new.parent,
            batch: new.batch,
            waits_for: new.waits_for.map(Awaited::new),
            correlation_id: new.correlation_id,
            metadata: new.metadata,
            history: Vec::new(),
            progress: None,
            log: Vec::new(),
        };
        if job.waits_for.is_some() {
            self.open_gate(id, seq, beside);
        }
        let no = |id: &JobId| beside.get(id).copied().or_else(|| Some(self.gates.get(id)?.no));
        let batch = job.batch.and_then(|id| Some((id, no(&id)?)));
        self.tell(EventKind::Enqueued, &job, None);
        self.insert(seq, Row { job, ready: None, paced: false, batch });
        self.line_up(seq);
    }

    pub(super) fn hold(&mut self, seq: u64, request: &Reserve, alone: bool) -> Option<Reservation> {
        self.edit(seq, |row| {
            row.job.state = State::Running;
            row.job.attempt += 1;
        });
        self.last_fence += 1;
        let fence = Fence { epoch: 1, counter: self.last_fence };
        let job = self.rows.get(&seq)?.job.clone();
        self.tell(EventKind::Started, &job, None);
        let mono_ms = self.mono_ms;
        let charges = self.queue(&job.queue).flow.charge(job.group, mono_ms);
        let expires_mono_ms = mono_ms.saturating_add(request.lease_ms);
        let held = Held { fence, worker: request.worker, expires_mono_ms, cancel: false, charges };
        self.held.insert(job.id, held);
        let lease = Lease { id: job.id, fence, worker: request.worker };
        let retry = job.retry.as_ref().unwrap_or(&self.queue(&job.queue).flow.resolved.retry);
        let last_attempt = retry.delay_ms(job.attempt, 0.0).is_none();
        Some(Reservation { job, lease, lease_ms: request.lease_ms, last_attempt, alone })
    }

    /// The lease as held, if `lease` is it.
    fn check_lease(&mut self, lease: &Lease) -> Option<&mut Held> {
        let held = self.held.get_mut(&lease.id)?;
        (held.fence == lease.fence && held.worker == lease.worker).then_some(held)
    }

    pub(super) fn extend(&mut self, extend: &Extend, lease_ms: u64) -> Extended {
        let expires_mono_ms = self.mono_ms.saturating_add(lease_ms);
        if self.check_lease(&extend.lease).is_some() {
            self.note(&extend.lease.id, extend.note.as_ref());
        }
        let Some(held) = self.check_lease(&extend.lease) else {
            return Extended::Lost;
        };
        held.expires_mono_ms = expires_mono_ms;
        Extended::Held { cancel: held.cancel }
    }

    /// Keeps what a job says.
    fn note(&mut self, id: &JobId, note: Option<&Note>) {
        let (Some(note), Some(seq)) = (note, self.seq_of(id)) else { return };
        let now_ms = self.now_ms;
        if let (Some(progress), Some(row)) = (&note.progress, self.rows.get(&seq)) {
            let (job, queue) = (&row.job, row.job.queue.as_str());
            let event = Event::of_queue(EventKind::Progress, now_ms, queue.into()).reaching(progress);
            self.happened.push(event.of_job(job.id, job.group, job.attempt));
        }
        self.edit(seq, |row| {
            let job = &mut row.job;
            let mut said = Said { progress: job.progress.take(), log: std::mem::take(&mut job.log) };
            said.take(note, job.attempt, now_ms);
            (job.progress, job.log) = (said.progress, said.log);
        });
    }

    pub(super) fn settle(&mut self, settle: Settle) -> Settled {
        let id = settle.lease.id;
        let Some((cancel, charges)) = self.check_lease(&settle.lease).map(|held| (held.cancel, held.charges))
        else {
            return Settled::Lost;
        };
        let Some(seq) = self.seq_of(&id) else {
            return Settled::Lost;
        };
        let Some(job) = self.rows.get(&seq).map(|row| row.job.clone()) else {
            return Settled::Lost;
        };
        let name = job.queue.clone();
        let draw = self.dice.roll();
        let kind = EventKind::of_verdict(&settle.verdict);
        let did_not_run = settle.verdict.did_not_run();
        let retry = job.retry.as_ref().unwrap_or(&self.queue(&name).flow.resolved.retry);
        let mut next = state::settle(settle.verdict, job.attempt, retry, draw);
        if cancel {
            next = state::heed_cancel(next);
        }
        let leaving = next.state.frees_id().then_some(id);
        let callbacks = match self.check_follow_ups(&settle.follow_ups, &name, leaving) {
            Ok(callbacks) => callbacks,
            Err(rejection) => return Settled::FollowUpRejected(rejection),
        };
        let beside = callbacks.into_iter().map(|id| (id, self.next_number())).collect();
        self.note(&id, settle.note.as_ref());
        if did_not_run {
            self.queue(&name).flow.give_back(job.group, charges);
        }
        if next.failure.is_some() {
            self.queue(&name).stats.failed_total += 1;
        }
        let state = next.state;
        if !state.is_final() {
            self.tell(kind, &job, next.failure.as_ref().map(|failure| failure.error.as_str()));
        }
        self.apply(seq, next);
        for mut new in settle.follow_ups {
            new.parent.get_or_insert(id);
            self.follow(new, &beside);
        }
        Settled::Now(state)
    }

    /// Whether all of them can be stored, those that are here already left out. The job that brings them may be `leaving`:
    /// one with its key, whose window is over, is a new one. Returns the new callbacks.
    fn check_follow_ups(
        &mut self,
        follow_ups: &[NewJob],
        from: &str,
        leaving: Option<JobId>,
    ) -> Result<HashSet<JobId>, Rejection> {
        for new in follow_ups {
            rules::check_shape(new)?;
            rules::check_batch_shape(new, new.resolve_id())?;
        }
        let beside = self.callbacks(follow_ups, leaving)?;
        let mut fresh = HashSet::new();
        let mut added: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for new in follow_ups {
            let id = new.resolve_id();
            if self.is_known_without(&id, leaving) || !fresh.insert(id) {
                continue;
            }
            let others = added.entry(&new.queue).or_default();
            self.check_room(new, *others, Some(from))?;
            self.check_batch(new, &beside)?;
            *others = (others.0 + 1, others.1 + new.payload.len() as u64);
        }
        Ok(beside)
    }

    /// Moves a running job on.
    fn apply(&mut self, seq: u64, next: Transition) {
        let now_ms = self.now_ms;
        self.edit(seq, |row| {
            if let Some(failure) = next.failure {
                rules::remember(&mut row.job.history, row.job.attempt, now_ms, failure);
            }
            if next.crashes_over {
                row.job.crash_count = 0;
            }
            if next.attempt_back {
                row.job.attempt = row.job.attempt.saturating_sub(1);
            }
        });
        if let Some(id) = self.rows.get(&seq).map(|row| row.job.id) {
            self.held.remove(&id);
        }
        if next.state.is_final() {
            return self.finish(seq, next.state);
        }
        self.edit(seq, |row| {
            row.job.state = next.state;
            if next.state != State::Available {
                row.job.run_at_ms = rules::later(now_ms, next.due_in_ms);
                row.ready = None;
            }
        });
    }

    /// If the wall clock stepped back, shifts along what waits for a time.
    pub(super) fn keep_time(&mut self) {
        let Some(step_ms) = self.wall.fell(self.now_ms, self.mono_ms) else { return };
        let seqs: Vec<u64> = self.rows.keys().copied().collect();
        for seq in seqs {
            self.edit(seq, |row| {
                let job = &mut row.job;
                if matches!(job.state, State::Scheduled | State::Retryable) {
                    job.run_at_ms = job.run_at_ms.saturating_sub(step_ms);
                }
                let begun_before = job.attempt - u32::from(job.state == State::Running);
                if !job.state.is_final() && begun_before == 0 {
                    job.expires_ms = job.expires_ms.map(|at_ms| at_ms.saturating_sub(step_ms));
                }
            });
        }
        self.wall.shifted(self.now_ms, self.mono_ms);
    }

    pub(super) fn promote(&mut self, limit: usize) -> Swept {
        let moved = self.sweep(limit);
        Swept { moved, next_in_ms: self.next_sweep_in_ms() }
    }

    /// Buries what expired, then makes available what is due.
    pub(super) fn sweep(&mut self, limit: usize) -> u64 {
        let mut moved = 0;
        let now_ms = self.now_ms;
        while moved < limit as u64 {
            if let Some(&(_, seq)) = self.expiring.first().filter(|&&(at_ms, _)| at_ms <= now_ms) {
                self.edit(seq, |row| {
                    rules::remember(&mut row.job.history, row.job.attempt, now_ms, rules::expiry());
                });
                self.finish(seq, State::Dead);
            } else if let Some(&(_, seq)) = self.due.first().filter(|&&(at_ms, _)| at_ms <= now_ms) {
                self.edit(seq, |row| (row.job.state, row.paced) = (State::Available, false));
                self.line_up(seq);
            } else {
                break;
            }
            moved += 1;
        }
        moved + self.fire(limit.saturating_sub(usize::try_from(moved).unwrap_or(limit)))
    }

    pub(super) fn reclaim(&mut self, limit: usize) -> Swept {
        let mut expired: Vec<_> =
            self.held.iter().filter(|(_, held)| held.expires_mono_ms <= self.mono_ms).collect();
        expired.sort_by_key(|(_, held)| (held.expires_mono_ms, held.fence));
        let expired: Vec<_> = expired.into_iter().take(limit).map(|(&id, held)| (id, held.cancel)).collect();
        let mut moved = 0;
        for (id, cancel) in expired {
            let Some(seq) = self.seq_of(&id) else { continue };
            self.edit(seq, |row| row.job.crash_count += 1);
            let Some(job) = self.rows.get(&seq).map(|row| row.job.clone()) else {
                continue;
            };
            let name = job.queue.clone();
            let mut next = state::reclaim(job.crash_count);
            if cancel {
                next = state::heed_cancel(next);
            }
            if !next.state.is_final() {
                self.tell(EventKind::Reclaimed, &job, None);
            }
            self.queue(&name).stats.reclaimed_total += 1;
            self.apply(seq, next);
            moved += 1;
        }
        let next = self.held.values().map(|held| held.expires_mono_ms).min();
        Swept { moved, next_in_ms: next.map(|at_ms| at_ms.saturating_sub(self.mono_ms)) }
    }

    /// Whatever runs has crashed once more; what crashed too often in a row is dead, unless it was called off.
    pub(super) fn count_crashes(&mut self) {
        let mut ran: Vec<_> =
            self.held.iter().filter_map(|(id, held)| Some((self.seq_of(id)?, held.cancel))).collect();
        ran.sort_unstable();
        for (seq, cancel) in ran {
            self.edit(seq, |row| row.job.crash_count += 1);
            let Some(job) = self.rows.get(&seq).map(|row| row.job.clone()) else { continue };
            let next = state::reclaim(job.crash_count);
            match next.state {
                // What was called off ends with its lease.
                _ if cancel => {}
                State::Dead => self.apply(seq, next),
                _ => self.tell(EventKind::Reclaimed, &job, None),
            }
        }
    }

    /// Ends all leases as the end of the process would, without a crash.
    pub(super) fn end_leases(&mut self) {
        let mut held: Vec<_> = self
            .held
            .drain()
            .map(|(id, held)| (self.ids.get(&id).map(|known| known.seq), held.cancel))
            .collect();
        held.sort_unstable();
        for (seq, cancel) in held {
            let Some(seq) = seq else { continue };
            let next = state::settle(Verdict::Release, 1, &RetryPolicy::none(), 0.0);
            self.apply(seq, if cancel { state::heed_cancel(next) } else { next });
        }
    }

    /// What is counted since the start of the process.
    pub(super) fn count_anew(&mut self) {
        let (defaults, mono_ms) = ((self.limits, self.retention), self.mono_ms);
        self.schedules.values_mut().for_each(Planned::begin_anew);
        for queue in self.queues.values_mut() {
            queue.picks = 0;
            queue.flow = Flow::new(queue.flow.settings.clone(), defaults, mono_ms);
            let stats = &mut queue.stats;
            (stats.enqueued_total, stats.duplicates_total, stats.completed_total) = (0, 0, 0);
            (stats.failed_total, stats.dead_total, stats.reclaimed_total) = (0, 0, 0);
        }
    }
}
