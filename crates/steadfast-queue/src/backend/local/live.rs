//! What the writer holds in memory: counts, ready order, leases. Changed by [`Live::apply`] alone, after the
//! commit that the change belongs to, and by handing out and taking back leases, which no commit knows of.

use super::fresh::{Changes, Fresh};
use super::ids::{Buckets, Found};
use super::ticket::EXTRA_NOTE;
use super::window::{Entry, Window};
use crate::backend::flow::{Charges, Flow};
use crate::backend::{Fence, Lease, QueueStats, WorkerId};
use crate::job::{JobId, Priority};
use crate::policy::RetryPolicy;
use crate::schedule::Planned;
use crate::settings::{Mode, QueueSettings};
use crate::state::{CRASHES_SUSPECT, State};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::Arc;

/// A lease given out.
#[derive(Clone, Debug)]
pub(super) struct Held {
    pub(super) fence: Fence,
    pub(super) worker: WorkerId,
    pub(super) expires_mono_ms: u64,
    pub(super) cancel: bool,
    /// Whether a mark of this attempt is on disk.
    pub(super) marked: bool,
    /// `None`: its queue's.
    pub(super) retry: Option<RetryPolicy>,
    pub(super) charges: Charges,
    /// The place to come back to.
    pub(super) entry: Entry,
}

impl Held {
    /// The running attempt's number.
    pub(super) fn attempt(&self) -> u32 {
        self.entry.ticket.attempt.saturating_add(1)
    }
}

/// A finished job within retention.
#[derive(Clone, Debug)]
pub(super) struct KeptRow {
    pub(super) seq: i64,
    pub(super) id: JobId,
    pub(super) slot: i64,
    pub(super) until_ms: i64,
    pub(super) finished_ms: i64,
    pub(super) bytes: u64,
    pub(super) extra: i64,
}

impl KeptRow {
    /// Where its id leads.
    pub(super) const fn found(&self) -> Found {
        Found { slot: self.slot, seq: self.seq, until_ms: self.until_ms }
    }
}

/// Finished jobs of one queue and state, oldest first.
#[derive(Debug, Default)]
pub(super) struct Kept {
    pub(super) rows: VecDeque<KeptRow>,
    pub(super) bytes: u64,
}

impl Kept {
    fn push(&mut self, row: KeptRow) {
        self.bytes += row.bytes;
        self.rows.push_back(row);
    }

    fn remove(&mut self, seq: i64) {
        if let Some(row) = self.rows.iter().position(|row| row.seq == seq).and_then(|at| self.rows.remove(at))
        {
            self.bytes -= row.bytes;
        }
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    pub(super) name: String,
    /// The same, for events.
    pub(super) tag: Arc<str>,
    pub(super) stats: QueueStats,
    pub(super) picks: u64,
    /// By priority.
    pub(super) windows: [Window; 3],
    /// Ready jobs with two crashes, by priority and place: few, so all of them are here.
    pub(super) suspects: BTreeMap<(usize, i64), Entry>,
    pub(super) completed: Kept,
    pub(super) cancelled: Kept,
    pub(super) flow: Flow,
    /// Of how many jobs of one group at most some may be in ready order.
    pub(super) spread: u32,
}

impl Queue {
    pub(super) fn new(name: String, flow: Flow, window: impl Fn() -> Window) -> Self {
        let windows = [window(), window(), window()];
        let (suspects, completed, cancelled) = (BTreeMap::new(), Kept::default(), Kept::default());
        let (tag, stats) = (Arc::from(name.as_str()), QueueStats::default());
        Self { name, tag, stats, picks: 0, windows, suspects, completed, cancelled, flow, spread: 1 }
    }

    pub(super) fn waiting(&self) -> u64 {
        self.stats.available + self.stats.scheduled + self.stats.retryable
    }

    pub(super) fn kept(&self, state: State) -> &Kept {
        if state == State::Completed { &self.completed } else { &self.cancelled }
    }

    fn kept_mut(&mut self, state: State) -> &mut Kept {
        if state == State::Completed { &mut self.completed } else { &mut self.cancelled }
    }

    fn count(&mut self, state: State) -> &mut u64 {
        match state {
            State::Scheduled => &mut self.stats.scheduled,
            State::Available => &mut self.stats.available,
            State::Running => &mut self.stats.running,
            State::Retryable => &mut self.stats.retryable,
            State::Completed => &mut self.stats.completed,
            State::Dead => &mut self.stats.dead,
            State::Cancelled => &mut self.stats.cancelled,
        }
    }

    /// Counts a job that left `from` for `to`; `None` is outside.
    pub(super) fn moved(&mut self, from: Option<State>, to: Option<State>, bytes: u64) {
        let unfinished = |state: Option<State>| state.is_some_and(|state| !state.is_final());
        if let Some(from) = from {
            let count = self.count(from);
            *count = count.saturating_sub(1);
        }
        if let Some(to) = to {
            *self.count(to) += 1;
        }
        match (unfinished(from), unfinished(to)) {
            (false, true) => self.stats.bytes += bytes,
            (true, false) => self.stats.bytes = self.stats.bytes.saturating_sub(bytes),
            _ => {}
        }
    }

    /// When the first in ready order was enqueued. Not known until the beginning of ready order is loaded, which the writer
    /// does once it has answered.
    pub(super) fn oldest_ms(&self) -> Option<i64> {
        if self.windows.iter().any(Window::is_blind) {
            return None;
        }
        let per_priority = self.windows.iter().enumerate().filter_map(|(priority, window)| {
            let suspect = self.suspects.range((priority, i64::MIN)..=(priority, i64::MAX)).next();
            let suspect = suspect.map(|(&(_, ready), entry)| (ready, entry));
            let first = window.first().into_iter().chain(suspect).min_by_key(|&(ready, _)| ready);
            first.map(|(_, entry)| entry.ticket.enqueued_ms)
        });
        per_priority.min()
    }
}

/// Something to count since the start.
#[derive(Clone, Copy, Debug)]
pub(super) enum Tally {
    Enqueued,
    Duplicate,
    Completed,
    Failed,
    Dead,
    Reclaimed,
}

/// What a commit changes in memory.
#[derive(Debug)]
pub(super) enum Effect {
    Moved {
        queue: i64,
        from: Option<State>,
        to: Option<State>,
        bytes: u64,
    },
    /// A job got a place behind all others.
    Ready(Box<Entry>),
    /// A job lost its place.
    Unready {
        queue: i64,
        priority: Priority,
        ready: i64,
    },
    /// A lease is over, and the job no longer in ready order.
    Freed(JobId),
    /// A lease is over, and the job back in its place.
    Back {
        id: JobId,
        crash: u32,
    },
    CancelAsked(JobId),
    /// A running job has said something.
    Noted(JobId),
    Kept {
        queue: i64,
        state: State,
        row: KeptRow,
    },
    Unkept {
        queue: i64,
        state: State,
        seq: i64,
    },
    Mode {
        queue: i64,
        mode: Mode,
    },
    Configured {
        queue: i64,
        settings: Box<QueueSettings>,
        spread: u32,
        mono_ms: u64,
    },
    /// Dead letters began to hold their group, or ceased to.
    Blocks {
        queue: i64,
        by: i64,
    },
    /// What a job was charged that did not run.
    GaveBack(JobId),
    Count {
        queue: i64,
        tally: Tally,
    },
    /// Something is due, or expires, at this time: maybe sooner than known.
    Due {
        queue: i64,
        at_ms: i64,
    },
    Expiry(i64),
    /// What is due, or expires, first, as the disk says.
    DueIs(Option<i64>),
    ExpiryIs(Option<i64>),
    /// The wall clock stepped back, and what waits for a time with it.
    ShiftedBack(i64),
    BucketGone(i64),
    /// Where ids lead, and who is in a group.
    Fresh(Box<Changes>),
    /// A schedule moved on, came (`Some`) or went.
    Scheduled {
        name: String,
        planned: Option<Box<Planned>>,
    },
}

#[derive(Debug)]
pub(super) struct Live {
    pub(super) queues: BTreeMap<i64, Queue>,
    pub(super) names: HashMap<String, i64>,
    pub(super) buckets: Buckets,
    pub(super) fresh: Fresh,
    pub(super) schedules: BTreeMap<String, Planned>,
    pub(super) held: HashMap<JobId, Held>,
    /// Leases by when they run out.
    pub(super) lapses: BTreeSet<(u64, u64, JobId)>,
    /// Begun attempts whose mark is not on disk yet.
    pub(super) unmarked: Vec<JobId>,
    /// Rows that could not be read once, for a reason that may be the disk's: what comes of a second look is theirs.
    pub(super) doubtful: HashSet<i64>,
    pub(super) epoch: u64,
    pub(super) last_fence: u64,
    /// The last number given for arrival or ready order.
    pub(super) number: i64,
    /// The last commit known to be on disk.
    pub(super) commits: i64,
    /// No later than the first due, or expiring, job.
    pub(super) next_due_ms: Option<i64>,
    pub(super) next_expiry_ms: Option<i64>,
    pub(super) cache_bytes: usize,
    pub(super) cache_bytes_max: usize,
    /// Queues in which a job became ready since somebody last looked.
    pub(super) woken: BTreeSet<i64>,
}

impl Live {
    pub(super) fn queue_no(&self, name: &str) -> Option<i64> {
        self.names.get(name).copied()
    }

    pub(super) fn apply(&mut self, effect: Effect) {
        match effect {
            Effect::Moved { queue, from, to, bytes } => {
                if let Some(queue) = self.queues.get_mut(&queue) {
                    queue.moved(from, to, bytes);
                }
            }
            Effect::Ready(entry) => self.line_up(*entry),
            Effect::Unready { queue, priority, ready } => self.unready(queue, priority, ready),
            Effect::Freed(id) => {
                self.free(&id);
            }
            Effect::Back { id, crash } => {
                if let Some(mut held) = self.free(&id) {
                    held.entry.ticket.crash = crash;
                    self.put_back(held.entry);
                }
            }
            Effect::CancelAsked(id) => {
                if let Some(held) = self.held.get_mut(&id) {
                    held.cancel = true;
                    held.marked = true;
                }
            }
            Effect::Noted(id) => {
                if let Some(held) = self.held.get_mut(&id) {
                    held.entry.ticket.extra |= EXTRA_NOTE;
                }
            }
            Effect::Due { queue, at_ms } => {
                // Who waits learns until when.
                self.woken.insert(queue);
                self.next_due_ms = Some(self.next_due_ms.map_or(at_ms, |known| known.min(at_ms)))
            }
            Effect::Expiry(at_ms) => {
                self.next_expiry_ms = Some(self.next_expiry_ms.map_or(at_ms, |known| known.min(at_ms)));
            }
            Effect::DueIs(first) => self.next_due_ms = first,
            Effect::ExpiryIs(first) => self.next_expiry_ms = first,
            Effect::ShiftedBack(step_ms) => self.shift_back(step_ms),
            Effect::BucketGone(slot) => self.buckets.remove(slot),
            Effect::Fresh(changes) => self.fresh.apply(*changes),
            Effect::GaveBack(id) => self.give_back(&id),
            Effect::Scheduled { name, planned } => self.reschedule(name, planned),
            Effect::Kept { queue, .. }
            | Effect::Unkept { queue, .. }
            | Effect::Mode { queue, .. }
            | Effect::Configured { queue, .. }
            | Effect::Blocks { queue, .. }
            | Effect::Count { queue, .. } => {
                if let Some(queue_state) = self.queues.get_mut(&queue) {
                    if matches!(effect, Effect::Mode { .. } | Effect::Configured { .. }) {
                        self.woken.insert(queue);
                    }
                    apply_to_queue(queue_state, effect);
                }
            }
        }
    }

    fn reschedule(&mut self, name: String, planned: Option<Box<Planned>>) {
        let Some(planned) = planned else {
            self.schedules.remove(&name);
            return;
        };
        // Who waits for its jobs learns until when.
        self.woken.extend(self.queue_no(&planned.schedule.queue));
        self.schedules.insert(name, *planned);
    }

    fn line_up(&mut self, mut entry: Entry) {
        let Some(ready) = entry.ticket.ready else { return };
        let (no, priority) = (entry.ticket.queue, entry.ticket.priority.index());
        let Some(queue) = self.queues.get_mut(&no) else { return };
        self.woken.insert(no);
        if entry.ticket.crash >= CRASHES_SUSPECT {
            entry.cached = None;
            queue.suspects.insert((priority, ready), entry);
            return;
        }
        let size = cached_bytes(&entry);
        if self.cache_bytes + size > self.cache_bytes_max {
            entry.cached = None;
        }
        let size = cached_bytes(&entry);
        if queue.windows[priority].append(ready, entry) {
            self.cache_bytes += size;
        }
    }

    fn shift_back(&mut self, step_ms: i64) {
        let earlier = |at_ms: &mut Option<i64>| {
            *at_ms = at_ms.map(|at_ms| at_ms.saturating_sub(step_ms));
        };
        earlier(&mut self.next_due_ms);
        earlier(&mut self.next_expiry_ms);
        let ready = self.queues.values_mut().flat_map(|queue| {
            queue.windows.iter_mut().flat_map(Window::entries_mut).chain(queue.suspects.values_mut())
        });
        let held = self.held.values_mut().map(|held| &mut held.entry);
        for entry in ready.chain(held).filter(|entry| entry.ticket.attempt == 0) {
            earlier(&mut entry.ticket.expires_ms);
            if let Some(job) = &mut entry.cached {
                earlier(&mut Arc::make_mut(job).expires_ms);
            }
        }
    }

    fn put_back(&mut self, entry: Entry) {
        let no = entry.ticket.queue;
        if let Some(expires_ms) = entry.ticket.expiry() {
            self.apply(Effect::Expiry(expires_ms));
        }
        let Some(queue) = self.queues.get_mut(&no) else { return };
        queue.moved(Some(State::Running), Some(State::Available), 0);
        self.woken.insert(no);
        self.leave_in_line(entry);
    }

    /// Puts an entry, taken from ready order and not handed out, back to its place.
    pub(super) fn leave_in_line(&mut self, mut entry: Entry) {
        let Some(ready) = entry.ticket.ready else { return };
        let (no, priority) = (entry.ticket.queue, entry.ticket.priority.index());
        let Some(queue) = self.queues.get_mut(&no) else { return };
        entry.cached = None;
        if entry.ticket.crash >= CRASHES_SUSPECT {
            queue.suspects.insert((priority, ready), entry);
        } else {
            queue.windows[priority].put_back(ready, entry);
        }
    }

    fn unready(&mut self, queue: i64, priority: Priority, ready: i64) {
        let Some(queue) = self.queues.get_mut(&queue) else { return };
        queue.suspects.remove(&(priority.index(), ready));
        if let Some(entry) = queue.windows[priority.index()].remove(ready) {
            self.cache_bytes -= cached_bytes(&entry).min(self.cache_bytes);
        }
    }

    /// Ends a lease.
    fn free(&mut self, id: &JobId) -> Option<Held> {
        let held = self.held.remove(id)?;
        self.lapses.remove(&(held.expires_mono_ms, held.fence.counter, *id));
        let no = held.entry.ticket.queue;
        if self.queues.get(&no).is_some_and(|queue| queue.flow.settings.concurrency_max.is_some()) {
            // There is room for one more.
            self.woken.insert(no);
        }
        Some(held)
    }

    fn give_back(&mut self, id: &JobId) {
        let Some(held) = self.held.get(id) else { return };
        if let Some(queue) = self.queues.get_mut(&held.entry.ticket.queue) {
            queue.flow.give_back(held.entry.ticket.group, held.charges);
        }
    }

    /// Gives out a lease on a job that was just taken from ready order.
    pub(super) fn hold(
        &mut self,
        entry: Entry,
        worker: WorkerId,
        (mono_ms, expires_mono_ms): (u64, u64),
    ) -> Fence {
        self.last_fence += 1;
        let fence = Fence { epoch: self.epoch, counter: self.last_fence };
        let id = entry.ticket.id;
        let mut charges = Charges::default();
        if let Some(queue) = self.queues.get_mut(&entry.ticket.queue) {
            queue.moved(Some(State::Available), Some(State::Running), 0);
            charges = queue.flow.charge(entry.ticket.group, mono_ms);
        }
        self.lapses.insert((expires_mono_ms, fence.counter, id));
        let (cancel, marked, retry) = (false, false, None);
        let held = Held { fence, worker, expires_mono_ms, cancel, marked, retry, charges, entry };
        self.held.insert(id, held);
        fence
    }

    /// Takes back a lease that never reached a worker. Returns false if that takes a write, because its mark is
    /// on disk.
    pub(super) fn take_back(&mut self, lease: &Lease) -> bool {
        let Some(held) = self.held.get(&lease.id).filter(|held| held.fence == lease.fence) else {
            return true;
        };
        let (marked, crash, queue) = (held.marked, held.entry.ticket.crash, held.entry.ticket.queue);
        if !marked {
            self.give_back(&lease.id);
            if let Some(queue) = self.queues.get_mut(&queue) {
                // The turn of the lowest priority, if it was that, is still to come.
                queue.picks = queue.picks.saturating_sub(1);
            }
            self.apply(Effect::Back { id: lease.id, crash });
        }
        !marked
    }

    /// Drops a lease whose job cannot be read: it stays on disk, out of everybody's way.
    pub(super) fn drop_unreadable(&mut self, id: &JobId) -> Option<i64> {
        self.give_back(id);
        let held = self.free(id)?;
        let ticket = held.entry.ticket;
        if let Some(queue) = self.queues.get_mut(&ticket.queue) {
            queue.moved(Some(State::Running), Some(State::Available), 0);
        }
        Some(ticket.seq)
    }
}

fn apply_to_queue(queue: &mut Queue, effect: Effect) {
    match effect {
        Effect::Kept { state, row, .. } => queue.kept_mut(state).push(row),
        Effect::Unkept { state, seq, .. } => queue.kept_mut(state).remove(seq),
        Effect::Mode { mode, .. } => queue.stats.mode = mode,
        Effect::Configured { settings, spread, mono_ms, .. } => {
            queue.flow.configure(*settings, mono_ms);
            queue.spread = spread;
        }
        Effect::Blocks { by, .. } => {
            queue.stats.blocking = queue.stats.blocking.saturating_add_signed(by);
        }
        Effect::Count { tally, .. } => {
            let total = match tally {
                Tally::Enqueued => &mut queue.stats.enqueued_total,
                Tally::Duplicate => &mut queue.stats.duplicates_total,
                Tally::Completed => &mut queue.stats.completed_total,
                Tally::Failed => &mut queue.stats.failed_total,
                Tally::Dead => &mut queue.stats.dead_total,
                Tally::Reclaimed => &mut queue.stats.reclaimed_total,
            };
            *total += 1;
        }
        _ => {}
    }
}

/// About how much memory the cached job of `entry` takes.
pub(super) fn cached_bytes(entry: &Entry) -> usize {
    entry.cached.as_ref().map_or(0, |job| 512 + job.payload.len() + job.metadata.len() * 64)
}
