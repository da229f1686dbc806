//! Which finished jobs are kept.

use super::{Fail, Stage};
use crate::backend::local::live::{Effect, KeptRow, Live};
use crate::backend::local::ticket::Ticket;
use crate::state::State;
use std::collections::{HashSet, VecDeque};

/// The finished jobs kept of one queue and state, as of this point of the transaction.
#[derive(Debug)]
pub(super) struct StagedKept {
    /// How many of the oldest in memory are gone.
    skipped: usize,
    /// Others that are gone.
    removed: HashSet<i64>,
    /// New ones, oldest first.
    pushed: VecDeque<KeptRow>,
    count: u64,
    bytes: u64,
}

impl StagedKept {
    fn of(live: &Live, queue: i64, state: State) -> Self {
        let kept = live.queues.get(&queue).map(|queue| queue.kept(state));
        Self {
            skipped: 0,
            removed: HashSet::new(),
            pushed: VecDeque::new(),
            count: kept.map_or(0, |kept| kept.rows.len() as u64),
            bytes: kept.map_or(0, |kept| kept.bytes),
        }
    }

    /// Takes out the oldest.
    fn pop(&mut self, live: &Live, queue: i64, state: State) -> Option<KeptRow> {
        let kept = live.queues.get(&queue).map(|queue| &queue.kept(state).rows);
        while let Some(row) = kept.and_then(|rows| rows.get(self.skipped)) {
            self.skipped += 1;
            if !self.removed.remove(&row.seq) {
                return Some(row.clone());
            }
        }
        while let Some(row) = self.pushed.pop_front() {
            if !self.removed.remove(&row.seq) {
                return Some(row);
            }
        }
        None
    }

    pub(super) fn is_removed(&self, seq: i64) -> bool {
        self.removed.contains(&seq)
    }
}

impl Stage<'_> {
    /// Whether a job that finishes now is kept, seeing how many more finish in this transaction. (Should one
    /// of those not finish, because a follow-up has no room, fewer are kept than might be.)
    pub(super) fn keeps(&mut self, queue: i64, state: State) -> bool {
        let Some(retention) = self.resolved(queue).map(|resolved| resolved.retention) else { return true };
        if state != State::Completed {
            return retention.cancelled_max > 0;
        }
        let ahead = self.completions_ahead.entry(queue).or_default();
        *ahead = ahead.saturating_sub(1);
        *ahead < retention.completed_max
    }

    fn staged_kept(&mut self, queue: i64, state: State) -> &mut StagedKept {
        let live = self.live;
        self.kept.entry((queue, state)).or_insert_with(|| StagedKept::of(live, queue, state))
    }

    /// Notes a finished job that was stored.
    pub(super) fn keep(&mut self, job: &Ticket, state: State) {
        let queue = job.queue;
        let row = KeptRow {
            seq: job.seq,
            id: job.id,
            slot: job.slot,
            until_ms: job.until_ms,
            finished_ms: self.now_ms,
            bytes: job.bytes,
            extra: job.extra,
        };
        let staged = self.staged_kept(queue, state);
        staged.count += 1;
        staged.bytes += row.bytes;
        staged.pushed.push_back(row.clone());
        self.effects.push(Effect::Kept { queue, state, row });
    }

    /// Forgets what is beyond what may be kept by count and bytes, oldest first, at most `limit`. Returns how many.
    pub(super) fn trim(&mut self, queue: i64, state: State, limit: usize) -> Result<usize, Fail> {
        let Some(retention) = self.resolved(queue).map(|resolved| resolved.retention) else { return Ok(0) };
        let count_max =
            if state == State::Completed { retention.completed_max } else { retention.cancelled_max };
        let live = self.live;
        for trimmed in 0..limit {
            let staged = self.staged_kept(queue, state);
            if staged.count <= count_max && staged.bytes <= retention.bytes_max {
                return Ok(trimmed);
            }
            let Some(oldest) = staged.pop(live, queue, state) else { return Ok(trimmed) };
            staged.count = staged.count.saturating_sub(1);
            staged.bytes = staged.bytes.saturating_sub(oldest.bytes);
            self.delete_kept(queue, state, &oldest)?;
        }
        Ok(limit)
    }

    /// Forgets a finished job whose time is over.
    pub(super) fn drop_kept(&mut self, queue: i64, state: State, row: &KeptRow) -> Result<(), Fail> {
        self.unkeep(queue, state, row.seq, row.bytes);
        self.delete_kept(queue, state, row)
    }

    fn delete_kept(&mut self, queue: i64, state: State, row: &KeptRow) -> Result<(), Fail> {
        self.conn.prepare_cached("DELETE FROM done WHERE seq = ?1")?.execute([row.seq])?;
        self.release_id(&row.id, row.found())?;
        self.drop_extras(&row.id, row.extra)?;
        self.effects.push(Effect::Unkept { queue, state, seq: row.seq });
        self.moved(queue, Some(state), None, row.bytes);
        Ok(())
    }

    /// Strikes a job, gone otherwise, from those that are kept.
    pub(super) fn strike(&mut self, job: &Ticket) {
        self.unkeep(job.queue, job.state, job.seq, job.bytes);
        self.effects.push(Effect::Unkept { queue: job.queue, state: job.state, seq: job.seq });
    }

    fn unkeep(&mut self, queue: i64, state: State, seq: i64, bytes: u64) {
        let staged = self.staged_kept(queue, state);
        staged.removed.insert(seq);
        staged.count = staged.count.saturating_sub(1);
        staged.bytes = staged.bytes.saturating_sub(bytes);
    }
}
