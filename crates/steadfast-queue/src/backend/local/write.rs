//! What the writer is asked to store, prepared by the caller so that the writer need not.

use super::codec::encode_head;
use super::ticket::{Table, Ticket};
use crate::backend::rules;
use crate::backend::{Controlled, Enqueued, Lease, Rejection, Settle, Settled, Swept};
use crate::batch::Awaited;
use crate::job::{Job, JobId, NewJob};
use crate::note::Note;
use crate::policy::Failure;
use crate::schedule::Planned;
use crate::settings::{Mode, QueueSettings};
use crate::state::{State, Verdict};
use std::sync::Arc;

/// A new job, encoded.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) job: Arc<Job>,
    pub(super) head: Vec<u8>,
    pub(super) until_ms: i64,
    /// Nobody else can have its id.
    pub(super) fresh: bool,
}

impl Prepared {
    /// Checks and encodes `new`, as of `now_ms`.
    pub(super) fn new(new: NewJob, now_ms: i64, parent: Option<JobId>) -> Result<Self, Rejection> {
        rules::check_shape(&new)?;
        let fresh = new.unique.is_none() && new.id.is_none();
        let until_ms = rules::later(now_ms, rules::window_ms(&new));
        let id = new.resolve_id();
        rules::check_batch_shape(&new, id)?;
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
            parent: new.parent.or(parent),
            batch: new.batch,
            waits_for: new.waits_for.map(Awaited::new),
            correlation_id: new.correlation_id,
            metadata: new.metadata,
            history: Vec::new(),
            progress: None,
            log: Vec::new(),
        };
        let head = encode_head(&job);
        Ok(Self { job: Arc::new(job), head, until_ms, fresh })
    }

    /// It cannot have been prepared later than `now_ms`: if so, the wall clock stepped back meanwhile.
    fn heed_step(&mut self, now_ms: i64) {
        let step_ms = self.job.enqueued_ms.saturating_sub(now_ms);
        if step_ms <= 0 {
            return;
        }
        let job = Arc::make_mut(&mut self.job);
        job.enqueued_ms = now_ms;
        job.run_at_ms = job.run_at_ms.saturating_sub(step_ms);
        job.expires_ms = job.expires_ms.map(|at_ms| at_ms.saturating_sub(step_ms));
        self.until_ms = self.until_ms.saturating_sub(step_ms);
    }
}

/// A settlement, its follow-ups encoded.
#[derive(Debug)]
pub(super) struct PreparedSettle {
    pub(super) lease: Lease,
    pub(super) verdict: Verdict,
    pub(super) follow_ups: Result<Vec<Prepared>, Rejection>,
    pub(super) note: Option<Note>,
}

impl PreparedSettle {
    pub(super) fn new(settle: Settle, now_ms: i64) -> Self {
        let parent = Some(settle.lease.id);
        let follow_ups =
            settle.follow_ups.into_iter().map(|new| Prepared::new(new, now_ms, parent)).collect();
        let note = settle.note.filter(|note| !note.is_empty());
        Self { lease: settle.lease, verdict: settle.verdict, follow_ups, note }
    }
}

/// A row that a purge found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Target {
    pub(super) table: Table,
    pub(super) seq: i64,
    pub(super) state: State,
}

/// A job that was found in ready order and may not begin yet.
#[derive(Clone, Debug)]
pub(super) struct PutOff {
    pub(super) ticket: Ticket,
    /// For how long; `None`: until it is its turn in its group.
    pub(super) wait_ms: Option<u64>,
}

/// Something to store.
#[derive(Debug)]
pub(super) enum Write {
    Enqueue(Vec<Result<Prepared, Rejection>>),
    Settle(Vec<PreparedSettle>),
    Promote(usize),
    Reclaim(usize),
    Prune(usize),
    SetMode {
        queue: String,
        mode: Mode,
    },
    Configure {
        queue: String,
        settings: Box<QueueSettings>,
    },
    Retry(Vec<JobId>),
    Cancel(Vec<JobId>),
    Discard(Vec<JobId>),
    ReleaseKeys(Vec<JobId>),
    /// What running jobs say.
    Note(Vec<(Lease, Note)>),
    PutSchedule(Box<Planned>),
    RemoveSchedule(String),
    /// Says how many jobs the batch of a callback has.
    Seal {
        id: JobId,
        jobs: u32,
    },
    Purge(Vec<Target>),
    /// The wall clock stepped back by so many milliseconds: what waits for a time goes along.
    ShiftBack(i64),
    /// Jobs in ready order may not begin yet.
    PutOff(Vec<PutOff>),
    /// What the write would do, in a transaction that is undone.
    Count(Box<Write>),
    /// So much of what is new goes into its tables.
    Sort(usize),
    /// A job that cannot be run goes to the dead.
    Bury {
        seq: i64,
        failure: Failure,
    },
}

/// What became of it.
#[derive(Debug)]
pub(super) enum Answer {
    Enqueued(Vec<Enqueued>),
    Settled(Vec<Settled>),
    Swept(Swept),
    Controlled(Controlled),
}

impl Write {
    /// The jobs it would bring.
    pub(super) fn new_jobs(&self) -> Vec<&Prepared> {
        match self {
            Self::Enqueue(jobs) => jobs.iter().flatten().collect(),
            Self::Settle(settles) => {
                settles.iter().filter_map(|settle| settle.follow_ups.as_ref().ok()).flatten().collect()
            }
            _ => Vec::new(),
        }
    }

    /// Shifts what was prepared before the wall clock stepped back to `now_ms`.
    pub(super) fn heed_step(&mut self, now_ms: i64) {
        let jobs: Vec<&mut Prepared> = match self {
            Self::Enqueue(jobs) => jobs.iter_mut().flatten().collect(),
            Self::Settle(settles) => {
                settles.iter_mut().filter_map(|settle| settle.follow_ups.as_mut().ok()).flatten().collect()
            }
            _ => Vec::new(),
        };
        jobs.into_iter().for_each(|new| new.heed_step(now_ms));
    }

    /// Whether somebody relies on it once it is answered. What is not durable may be undone by a power cut, and
    /// is done again then; what a job said of its progress may be missing.
    pub(super) const fn must_last(&self) -> bool {
        let again = matches!(self, Self::Promote(_) | Self::ShiftBack(_) | Self::PutOff(_) | Self::Sort(_));
        !again && !matches!(self, Self::Note(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::Unique;

    #[test]
    fn what_was_prepared_before_a_step_back_is_shifted_along() {
        let mut new = NewJob::new("q", "kind", "");
        (new.delay_ms, new.ttl_ms) = (2_000, Some(5_000));
        new.unique = Some(Unique { key: b"k".to_vec(), window_ms: 9_000 });
        let prepared = Prepared::new(new, 100_000, None).expect("sound");
        let mut write = Write::Enqueue(vec![Ok(prepared)]);
        for (now_ms, enqueued_ms) in [(100_500, 100_000), (40_000, 40_000)] {
            write.heed_step(now_ms);
            let new = write.new_jobs()[0];
            assert_eq!((new.job.enqueued_ms, new.job.run_at_ms), (enqueued_ms, enqueued_ms + 2_000));
            assert_eq!((new.job.expires_ms, new.until_ms), (Some(enqueued_ms + 5_000), enqueued_ms + 9_000));
        }
    }
}
