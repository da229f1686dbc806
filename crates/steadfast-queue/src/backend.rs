//! The one narrow trait that every back-end implements, and the words it speaks.

mod flow;
pub mod local;
pub mod memory;
pub mod rules;
mod search;
mod wall;

pub use local::{LocalBackend, LocalOptions};
pub use memory::MemoryBackend;
pub use search::{DeadGroup, DeadGroups, Filter, Page, Span};

use crate::error::QueueError;
use crate::event::{Events, EventsFrom};
use crate::job::{Job, JobId, NewJob};
use crate::note::Note;
use crate::schedule::{Schedule, ScheduleStats};
use crate::settings::{Mode, QueueSettings};
use crate::state::{State, Verdict};
use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The most items in one call of any batch-shaped method. Longer ones are the caller's to chunk.
pub const BATCH_MAX: usize = 1_024;

/// Proof of holding a job. It grows with every reservation and is never given out twice: whoever shows
/// an older one has lost the job.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Fence {
    /// Counts the starts of the back-end (and changes of its data set).
    pub epoch: u64,
    /// Counts reservations within the epoch.
    pub counter: u64,
}

/// One incarnation of a worker: unlike its name, never used twice.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct WorkerId(pub [u8; 16]);

impl WorkerId {
    /// A new incarnation.
    pub fn fresh() -> Self {
        Self(*uuid::Uuid::new_v4().as_bytes())
    }
}

/// What a worker shows to extend or settle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease {
    /// The job.
    pub id: JobId,
    /// Proof of holding it.
    pub fence: Fence,
    /// Who holds it.
    pub worker: WorkerId,
}

/// A job given to a worker.
#[derive(Clone, Debug)]
pub struct Reservation {
    /// The job, its `attempt` counting this one.
    pub job: Job,
    /// Proof of holding it.
    pub lease: Lease,
    /// The lease runs out so many milliseconds after the reservation, unless extended.
    pub lease_ms: u64,
    /// Whether a failure of this attempt is final, by the schedule as it is now.
    pub last_attempt: bool,
    /// A suspect (two crashes): run it with nothing else in the process.
    pub alone: bool,
}

/// What became of one enqueue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Enqueued {
    /// Stored, durably.
    New(JobId),
    /// A job with this id is or was here within its window, durably; nothing changed.
    Duplicate(JobId),
    /// Not stored.
    Rejected(Rejection),
}

/// Why a job was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Rejection {
    /// The queue holds as many waiting jobs as it may.
    #[error("the queue is full: {waiting} jobs wait, {max} may")]
    QueueFull {
        /// Waiting now.
        waiting: u64,
        /// May wait.
        max: u64,
    },
    /// The queue holds as many bytes as it may.
    #[error("the queue is full: {bytes} bytes are stored, {max} may be")]
    BytesFull {
        /// Stored now.
        bytes: u64,
        /// May be stored.
        max: u64,
    },
    /// Its payload is too large.
    #[error("the payload has {bytes} bytes, {max} may be")]
    TooLarge {
        /// The payload's.
        bytes: usize,
        /// The bound.
        max: usize,
    },
    /// Its queue is being drained: it takes nothing new.
    #[error("the queue is being drained and takes nothing new")]
    Draining,
    /// Its queue name or kind is empty or too long.
    #[error("the queue name or kind is empty or longer than 64 bytes")]
    BadName,
    /// What it says of batches cannot come true: it waits for itself, for too many, or has a group.
    #[error(
        "a callback waits for at most 1,000,000 jobs, is in no group and not, by any detour, in its own batch"
    )]
    BadBatch,
    /// The callback that it names is not here, or is none.
    #[error("no callback with the id of its batch is here: store that first")]
    BatchUnknown,
    /// The callback that it names waits no more.
    #[error("the batch is over: its callback waits for no further jobs")]
    BatchOver,
}

/// A request for jobs.
#[derive(Clone, Debug)]
pub struct Reserve {
    /// From which queue.
    pub queue: String,
    /// At most so many, at most [`BATCH_MAX`].
    pub max: usize,
    /// For how long, in milliseconds.
    pub lease_ms: u64,
    /// By whom.
    pub worker: WorkerId,
    /// How long to wait for the first one; zero asks and returns.
    pub wait: Duration,
    /// Take no suspects: the worker has others running.
    pub no_suspects: bool,
}

/// A lease to extend, and what its job has to say meanwhile.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extend {
    /// Proof of holding the job.
    pub lease: Lease,
    /// Its progress, and lines for its log.
    pub note: Option<Note>,
}

impl From<Lease> for Extend {
    /// With nothing to say.
    fn from(lease: Lease) -> Self {
        Self { lease, note: None }
    }
}

/// What became of one extension.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extended {
    /// The lease runs for the asked time from now. With `cancel`, somebody wants the job stopped.
    Held {
        /// Stop it.
        cancel: bool,
    },
    /// The job is no longer yours: stop, whatever you do about it changes nothing.
    Lost,
}

/// What a worker says of one job.
#[derive(Clone, Debug)]
pub struct Settle {
    /// Its proof.
    pub lease: Lease,
    /// Its verdict.
    pub verdict: Verdict,
    /// Jobs that come into being together with it, whatever the verdict. Their ids must be set or unique.
    pub follow_ups: Vec<NewJob>,
    /// What the job said last: stored with the verdict.
    pub note: Option<Note>,
}

/// What became of one settlement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    /// Stored; the job is now in this state.
    Now(State),
    /// The lease was lost: nothing changed.
    Lost,
    /// A follow-up was rejected, so nothing changed; the job is still held.
    FollowUpRejected(Rejection),
}

/// What housekeeping does.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Sweep {
    /// Makes due jobs available, buries expired ones, and enqueues what comes by the clock.
    Promote,
    /// Takes back jobs whose lease ran out.
    Reclaim,
    /// Applies retention: removes completed and cancelled jobs and unique keys past theirs. Dead letters stay.
    Prune,
}

impl Sweep {
    /// Every sweep.
    pub const ALL: [Self; 3] = [Self::Promote, Self::Reclaim, Self::Prune];

    /// The word in metrics and logs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Promote => "promote",
            Self::Reclaim => "reclaim",
            Self::Prune => "prune",
        }
    }
}

/// A housekeeping run's result.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Swept {
    /// Jobs it moved or removed.
    pub moved: u64,
    /// When to come back at the latest, in milliseconds from now, if known.
    pub next_in_ms: Option<u64>,
}

/// An operator's command.
#[derive(Clone, Debug)]
pub enum Control {
    /// Hand out nothing more from this queue; ends a drain.
    Pause(String),
    /// Take nothing new into this queue, but for follow-ups of its own jobs, and hand out what is there; ends a
    /// pause.
    Drain(String),
    /// Go on as usual.
    Resume(String),
    /// Give this queue these settings instead of those it has; declares it if it is unknown. All others than
    /// these are as by default. Settings that cannot be kept to are refused: [`QueueError::Settings`].
    Configure {
        /// Which.
        queue: String,
        /// All of them.
        settings: Box<QueueSettings>,
    },
    /// Make these jobs available with a fresh set of attempts (dead, cancelled, or waiting for later). They go to
    /// the end of their queue and group, but for a dead job that holds its group: that one has its old place.
    Retry(Vec<JobId>),
    /// Call these off. Running ones are told through their lease. A dead job that holds its group stays a dead
    /// letter and lets its group go on.
    Cancel(Vec<JobId>),
    /// Forget these dead, cancelled or completed jobs; their unique keys are free again.
    Discard(Vec<JobId>),
    /// Let the ids, and with them the unique keys, of these completed or cancelled jobs stop counting, whether the
    /// jobs are still kept or not. Unfinished and dead jobs are skipped: they still are that job.
    ReleaseKeys(Vec<JobId>),
    /// Say how many jobs the batch of this callback has, if that was not known when it was enqueued. Saying it
    /// again changes nothing; saying otherwise is refused (`skipped`).
    Seal {
        /// The callback.
        id: JobId,
        /// Its jobs, at most [`BATCH_JOBS_MAX`](crate::batch::BATCH_JOBS_MAX).
        jobs: u32,
    },
    /// Put a schedule in place, under its name. The same one again changes nothing; another one takes its place
    /// and begins anew from now. Beyond [`SCHEDULES_MAX`](crate::schedule::SCHEDULES_MAX) it is refused
    /// (`skipped`).
    ///
    /// # Errors
    /// [`QueueError::Schedule`] if it could never fire, or its job never be taken.
    PutSchedule(Box<Schedule>),
    /// Remove the schedule of this name. Jobs it has brought stay.
    RemoveSchedule(String),
    /// Forget what matches, only final states or waiting ones, at most so many at a time.
    Purge {
        /// What.
        filter: Box<Filter>,
        /// At most.
        limit: u64,
    },
    /// Say what the command would do, and do nothing. For commands to a queue: how many jobs wait in it, if the
    /// command would change anything.
    Count(Box<Control>),
}

impl Control {
    /// The queue it is for, of commands to a queue.
    pub fn queue(&self) -> Option<&str> {
        match self {
            Self::Pause(queue) | Self::Drain(queue) | Self::Resume(queue) | Self::Configure { queue, .. } => {
                Some(queue)
            }
            _ => None,
        }
    }

    /// Whether it can be carried out at all.
    pub(crate) fn check(&self) -> Result<(), QueueError> {
        match self {
            Self::Retry(ids) | Self::Cancel(ids) | Self::Discard(ids) | Self::ReleaseKeys(ids) => {
                rules::check_batch(ids.len())
            }
            Self::PutSchedule(schedule) => Ok(schedule.check()?),
            Self::Configure { settings, .. } => settings.check().map_err(QueueError::Settings),
            Self::Count(command) => command.check(),
            Self::Purge { filter, .. } => rules::check_batch(filter.ids.len()),
            _ => Ok(()),
        }
    }
}

/// What a command did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Controlled {
    /// Jobs (or queues) affected.
    pub affected: u64,
    /// Jobs named that are unknown or in a state the command does not apply to.
    pub skipped: u64,
}

/// What a queue holds. All counts are exact and cost nothing to ask.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueStats {
    /// Jobs ready or waiting for their turn in their group.
    pub available: u64,
    /// Jobs due later.
    pub scheduled: u64,
    /// Jobs under a lease.
    pub running: u64,
    /// Failed jobs due again later.
    pub retryable: u64,
    /// Completed jobs still kept.
    pub completed: u64,
    /// Dead letters.
    pub dead: u64,
    /// Cancelled jobs still kept.
    pub cancelled: u64,
    /// Payload bytes of all unfinished jobs.
    pub bytes: u64,
    /// Dead letters that hold their group.
    pub blocking: u64,
    /// Whether it hands out and takes in.
    pub mode: Mode,
    /// Enqueue time of the job that waits longest in ready order, in milliseconds since the epoch, if known.
    pub oldest_ms: Option<i64>,
    /// Since the start of this process: jobs enqueued.
    pub enqueued_total: u64,
    /// … duplicates recognised.
    pub duplicates_total: u64,
    /// … jobs completed.
    pub completed_total: u64,
    /// … failed attempts, final ones included.
    pub failed_total: u64,
    /// … jobs that died.
    pub dead_total: u64,
    /// … leases that ran out.
    pub reclaimed_total: u64,
}

/// What all queues hold.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Stats {
    /// By queue name; every queue ever used, and those declared.
    pub queues: BTreeMap<String, QueueStats>,
    /// The settings of those that have others than the default.
    pub settings: BTreeMap<String, QueueSettings>,
    /// By name: jobs that come by the clock.
    pub schedules: BTreeMap<String, ScheduleStats>,
    /// Bytes of the store on disk; 0 for `memory`.
    pub store_bytes: u64,
}

/// How a job ended or where it is, in brief.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Status {
    /// Where it is; `None`: unknown here, or finished and no longer kept.
    pub state: Option<State>,
    /// Attempts begun.
    pub attempt: u32,
}

/// A store of jobs.
///
/// All methods take batches and answer per item, in the order given. Writes are durable when they
/// return. Every call returns within a bounded time: what waits for the store beyond its bound is turned
/// away with [`QueueError::Overloaded`].
///
/// Delays and times-to-live are kept as wall time. A step back of the wall clock by more than two seconds
/// shifts them along, at the next call that changes or hands out anything; after a step forward jobs come
/// early, by at most the step.
///
/// # Cancel safety
/// Dropping a returned future leaves each item of the batch either wholly done or wholly undone, and
/// which of the two is not known: enqueue again under the same id, or settle again with the same lease.
/// A dropped `reserve` may have taken leases; they run out by themselves.
#[async_trait]
pub trait Backend: Send + Sync + std::fmt::Debug + 'static {
    /// Stores jobs. Jobs of one group keep the order of the calls and within a call.
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, QueueError>;

    /// Takes jobs under a lease, most urgent and oldest first, as the queue's settings allow; of each group one at
    /// a time unless they say otherwise.
    async fn reserve(&self, request: Reserve) -> Result<Vec<Reservation>, QueueError>;

    /// Extends leases to `lease_ms` from now, and keeps what their jobs say. That survives the end of the process
    /// when this returns, and a power cut from the next enqueue or settlement on. A lost lease says nothing.
    async fn extend(&self, leases: Vec<Extend>, lease_ms: u64) -> Result<Vec<Extended>, QueueError>;

    /// Settles jobs, each in one step with its follow-ups.
    async fn settle(&self, settlements: Vec<Settle>) -> Result<Vec<Settled>, QueueError>;

    /// One step of housekeeping, at most `limit` jobs. Small steps let others get in between.
    async fn sweep(&self, sweep: Sweep, limit: usize) -> Result<Swept, QueueError>;

    /// Reads jobs whole.
    async fn get(&self, ids: Vec<JobId>) -> Result<Vec<Option<Job>>, QueueError>;

    /// Asks where jobs are.
    async fn status(&self, ids: Vec<JobId>) -> Result<Vec<Status>, QueueError>;

    /// Searches, newest first, from `cursor` on, at most `limit` per page. A search for something rare may come back
    /// with less than a page, or nothing, and yet with where to go on.
    async fn list(&self, filter: Filter, cursor: Option<String>, limit: usize) -> Result<Page, QueueError>;

    /// Counts the dead letters, of one queue or all, by queue and error word: the most frequent groups, at most `max`.
    async fn dead_groups(&self, queue: Option<String>, max: usize) -> Result<DeadGroups, QueueError>;

    /// Carries out an operator's command.
    async fn control(&self, command: Control) -> Result<Controlled, QueueError>;

    /// Counts.
    async fn stats(&self) -> Result<Stats, QueueError>;

    /// What has happened behind `from`, at most `limit` events and at most
    /// [`EVENTS_PAGE_MAX`](crate::event::EVENTS_PAGE_MAX); if there is nothing, waits for it for at most `wait`. Who
    /// reads, and who waits, holds up nobody.
    ///
    /// # Errors
    /// [`QueueError::Closed`] when the store is closed and there is nothing more to read.
    ///
    /// # Cancel safety
    /// Dropping the returned future changes nothing.
    async fn events(&self, from: EventsFrom, limit: usize, wait: Duration) -> Result<Events, QueueError>;
}
