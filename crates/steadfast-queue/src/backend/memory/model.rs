//! The store itself: rows, and what is derived from them.

use super::batch::Gate;
use crate::backend::flow::{Charges, Flow};
use crate::backend::rules::{Dice, Limits, Retention, ahead};
use crate::backend::wall::Wall;
use crate::backend::{Fence, QueueStats, WorkerId};
use crate::batch::BatchEnd;
use crate::event::{Event, EventKind};
use crate::job::{GroupKey, Job, JobId};
use crate::schedule::Planned;
use crate::settings::QueueSettings;
use crate::state::{CRASHES_SUSPECT, State};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

/// A job and its place. Rows are changed by [`Model::edit`] alone, which keeps the derived sets true.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) job: Job,
    /// Its place in ready order. A running job keeps it, for when it comes back untouched; one that must
    /// wait its turn in its group has none.
    pub(super) ready: Option<u64>,
    /// Scheduled because its group may not begin a job before.
    pub(super) paced: bool,
    /// The batch that it is in: callback and number.
    pub(super) batch: Option<(JobId, u64)>,
}

#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) fence: Fence,
    pub(super) worker: WorkerId,
    pub(super) expires_mono_ms: u64,
    pub(super) cancel: bool,
    pub(super) charges: Charges,
}

#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) seq: u64,
    pub(super) until_ms: i64,
}

#[derive(Clone, Debug)]
pub(super) struct Queue {
    /// Counts; `oldest_ms` is filled in when asked for.
    pub(super) stats: QueueStats,
    pub(super) picks: u64,
    /// Per priority: place in ready order, and row.
    pub(super) ready: [BTreeSet<(u64, u64)>; 3],
    pub(super) groups: BTreeMap<GroupKey, BTreeSet<u64>>,
    /// Dead rows that hold their group.
    pub(super) blocks: BTreeMap<GroupKey, BTreeSet<u64>>,
    pub(super) flow: Flow,
    /// Completed and cancelled rows, oldest first.
    pub(super) completed: VecDeque<u64>,
    pub(super) cancelled: VecDeque<u64>,
}

impl Queue {
    fn new(flow: Flow) -> Self {
        Self {
            stats: QueueStats::default(),
            picks: 0,
            ready: [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()],
            groups: BTreeMap::new(),
            blocks: BTreeMap::new(),
            flow,
            completed: VecDeque::new(),
            cancelled: VecDeque::new(),
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) now_ms: i64,
    pub(super) mono_ms: u64,
    pub(super) wall: Wall,
    pub(super) limits: Limits,
    pub(super) retention: Retention,
    pub(super) dice: Dice,
    /// By arrival.
    pub(super) rows: BTreeMap<u64, Row>,
    pub(super) ids: HashMap<JobId, Known>,
    pub(super) held: HashMap<JobId, Held>,
    pub(super) queues: BTreeMap<String, Queue>,
    /// By callback, for as long as it lies here.
    pub(super) gates: HashMap<JobId, Gate>,
    pub(super) schedules: BTreeMap<String, Planned>,
    /// Rows by when they are due, and by when they expire.
    pub(super) due: BTreeSet<(i64, u64)>,
    pub(super) expiring: BTreeSet<(i64, u64)>,
    pub(super) last_number: u64,
    pub(super) last_fence: u64,
    /// What is to be told of the change at hand.
    pub(super) happened: Vec<Event>,
}

impl Model {
    pub(super) fn new(limits: Limits, retention: Retention, wall: Wall) -> Self {
        Self {
            now_ms: 0,
            mono_ms: 0,
            wall,
            limits,
            retention,
            dice: Dice::new(),
            rows: BTreeMap::new(),
            ids: HashMap::new(),
            held: HashMap::new(),
            queues: BTreeMap::new(),
            gates: HashMap::new(),
            schedules: BTreeMap::new(),
            due: BTreeSet::new(),
            expiring: BTreeSet::new(),
            last_number: 0,
            last_fence: 0,
            happened: Vec::new(),
        }
    }

    /// Notes that something happened to a job.
    pub(super) fn tell(&mut self, kind: EventKind, job: &Job, error: Option<&str>) {
        let event = Event::of_queue(kind, self.now_ms, job.queue.as_str().into());
        self.happened.push(event.of_job(job.id, job.group, job.attempt).failing(error));
    }

    /// Notes that something happened to a queue.
    pub(super) fn tell_queue(&mut self, kind: EventKind, queue: &str) {
        self.happened.push(Event::of_queue(kind, self.now_ms, queue.into()));
    }

    /// Notes the end of a job.
    fn tell_end(&mut self, seq: u64, to: State) {
        let Some(job) = self.rows.get(&seq).map(|row| row.job.clone()) else { return };
        let error = job.history.last().map_or("", |record| record.error.as_str());
        let kind = EventKind::of_end(job.state, to, error);
        self.tell(kind, &job, (to == State::Dead).then_some(error));
    }

    /// Numbers for arrival and ready order come from one counter.
    pub(super) fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(super) fn queue(&mut self, name: &str) -> &mut Queue {
        let defaults = (self.limits, self.retention);
        let new = || Queue::new(Flow::new(QueueSettings::default(), defaults, self.mono_ms));
        self.queues.entry(name.to_owned()).or_insert_with(new)
    }

    pub(super) fn find(&self, id: &JobId) -> Option<&Job> {
        self.rows.get(&self.ids.get(id)?.seq).map(|row| &row.job)
    }

    pub(super) fn seq_of(&self, id: &JobId) -> Option<u64> {
        let seq = self.ids.get(id)?.seq;
        self.rows.contains_key(&seq).then_some(seq)
    }

    pub(super) fn insert(&mut self, seq: u64, row: Row) {
        self.track(&row, seq, true);
        self.rows.insert(seq, row);
    }

    pub(super) fn remove(&mut self, seq: u64) -> Option<Row> {
        let row = self.rows.remove(&seq)?;
        self.track(&row, seq, false);
        Some(row)
    }

    /// Changes a row, and with it everything derived from it.
    pub(super) fn edit(&mut self, seq: u64, change: impl FnOnce(&mut Row)) {
        if let Some(mut row) = self.remove(seq) {
            change(&mut row);
            self.insert(seq, row);
        }
    }

    /// Enters a row into the derived sets, or takes it out.
    fn track(&mut self, row: &Row, seq: u64, present: bool) {
        fn put<T: Ord>(set: &mut BTreeSet<T>, item: T, present: bool) {
            if present {
                set.insert(item);
            } else {
                set.remove(&item);
            }
        }
        let job = &row.job;
        let queue = self.queue(&job.queue);
        let count = state_count(&mut queue.stats, job.state);
        *count = if present { *count + 1 } else { *count - 1 };
        if !job.state.is_final() {
            let bytes = job.payload.len() as u64;
            queue.stats.bytes = if present { queue.stats.bytes + bytes } else { queue.stats.bytes - bytes };
            if let Some(group) = job.group {
                let members = queue.groups.entry(group).or_default();
                put(members, seq, present);
                if members.is_empty() {
                    queue.groups.remove(&group);
                }
            }
        }
        if let (State::Available, Some(ready)) = (job.state, row.ready) {
            put(&mut queue.ready[job.priority.index()], (ready, seq), present);
        }
        let timed = job.waits_for.is_none_or(|batch| !batch.waiting);
        if timed && matches!(job.state, State::Scheduled | State::Retryable) {
            put(&mut self.due, (job.run_at_ms, seq), present);
        }
        let waits = matches!(job.state, State::Scheduled | State::Retryable | State::Available);
        if let (true, 0, Some(expires_ms)) = (waits, job.attempt, job.expires_ms) {
            put(&mut self.expiring, (expires_ms, seq), present);
        }
    }

    /// Moves a job to a final state, and lets its group go on.
    pub(super) fn finish(&mut self, seq: u64, state: State) {
        let now_ms = self.now_ms;
        self.tell_end(seq, state);
        self.edit(seq, |row| {
            row.job.state = state;
            row.job.finished_ms = Some(now_ms);
            (row.ready, row.paced) = (None, false);
        });
        let Some(Row { job, batch, .. }) = self.rows.get(&seq) else { return };
        let (id, name, group, batch) = (job.id, job.queue.clone(), job.group, *batch);
        self.shut_gate(&id);
        self.held.remove(&id);
        let queue = self.queue(&name);
        match state {
            State::Completed => {
                queue.stats.completed_total += 1;
                queue.completed.push_back(seq);
            }
            State::Cancelled => queue.cancelled.push_back(seq),
            _ => {
                queue.stats.dead_total += 1;
                self.block(seq);
            }
        }
        self.go_on(&name, group);
        if state != State::Dead {
            self.trim(&name, state, usize::MAX);
        }
        if let Some(end) = BatchEnd::of(state) {
            self.count_in(batch, id, end);
        }
    }

    /// Forgets the oldest finished jobs beyond what may be kept by count and bytes, at most `limit`.
    pub(super) fn trim(&mut self, name: &str, state: State, limit: usize) -> usize {
        let retention = self.queue(name).flow.resolved.retention;
        let max = if state == State::Completed { retention.completed_max } else { retention.cancelled_max };
        for trimmed in 0..limit {
            let queue = self.queue(name);
            let kept = if state == State::Completed { &queue.completed } else { &queue.cancelled }.clone();
            let bytes = |seq| self.rows.get(seq).map_or(0, |row| row.job.payload.len() as u64);
            let fits = kept.len() as u64 <= max && kept.iter().map(bytes).sum::<u64>() <= retention.bytes_max;
            match kept.front() {
                Some(&oldest) if !fits => self.forget(oldest, false),
                _ => return trimmed,
            }
        }
        limit
    }

    /// Removes a job; its id counts on to the end of its window, unless `free_id`.
    pub(super) fn forget(&mut self, seq: u64, free_id: bool) {
        let Some(row) = self.remove(seq) else { return };
        let Row { job, batch, .. } = row;
        let now_ms = self.now_ms;
        let queue = self.queue(&job.queue);
        queue.completed.retain(|&kept| kept != seq);
        queue.cancelled.retain(|&kept| kept != seq);
        self.unblock(&job.queue, job.group, seq);
        if free_id || self.ids.get(&job.id).is_some_and(|known| known.until_ms <= now_ms) {
            self.ids.remove(&job.id);
        }
        self.gates.remove(&job.id);
        self.go_on(&job.queue, job.group);
        self.count_in(batch, job.id, BatchEnd::removed(job.state));
    }

    pub(super) fn next_sweep_in_ms(&self) -> Option<u64> {
        let due = self.due.first().map(|&(at_ms, _)| at_ms);
        let expires = self.expiring.first().map(|&(at_ms, _)| at_ms);
        let timed = due.into_iter().chain(expires).min().map(|at_ms| ahead(at_ms, self.now_ms));
        let fire =
            self.schedules.values().filter_map(|planned| planned.next_in_ms(self.now_ms, self.mono_ms));
        timed.into_iter().chain(fire).min()
    }

    pub(super) fn is_suspect(&self, seq: u64) -> bool {
        self.rows.get(&seq).is_some_and(|row| row.job.crash_count >= CRASHES_SUSPECT)
    }
}

pub(super) fn state_count(stats: &mut QueueStats, state: State) -> &mut u64 {
    match state {
        State::Scheduled => &mut stats.scheduled,
        State::Available => &mut stats.available,
        State::Running => &mut stats.running,
        State::Retryable => &mut stats.retryable,
        State::Completed => &mut stats.completed,
        State::Dead => &mut stats.dead,
        State::Cancelled => &mut stats.cancelled,
    }
}
