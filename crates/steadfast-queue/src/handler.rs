//! What runs a job.

use crate::backend::Fence;
use crate::job::{Job, NewJob};
use crate::note::Progress;
use crate::policy::Failure;
use crate::worker::Notes;
use async_trait::async_trait;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What a handler gets besides the job.
#[derive(Clone, Debug)]
pub struct JobContext {
    /// Fires when the job must stop: cancelled, timed out, its lease lost, or the worker out of patience
    /// at shutdown. A handler that heeds it ends sooner; one that does not is dropped.
    pub cancel: CancellationToken,
    /// Proof of holding the job, to hand on to whatever can check it.
    pub fence: Fence,
    /// Whether a failure of this attempt is final, by the schedule as it was when the job was handed out.
    pub last_attempt: bool,
    pub(crate) notes: Arc<Notes>,
}

impl JobContext {
    /// A context by itself, for tests of handlers: what is said in it goes nowhere.
    pub fn new(cancel: CancellationToken, fence: Fence) -> Self {
        Self { cancel, fence, last_attempt: false, notes: Notes::new(None) }
    }

    /// Says how far the job is: stored within a second or with the verdict, the latest alone. Does not wait.
    pub fn progress(&self, progress: Progress) {
        self.notes.progress(progress);
    }

    /// Adds a line to the job's log, which operators see, so nothing private: stored within a second or with the
    /// verdict. Does not wait. Bounded: see [`crate::note`].
    pub fn log(&self, text: impl AsRef<str>) {
        self.notes.log(text.as_ref());
    }
}

/// What a handler says.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Done; these jobs follow. Each needs an id or a unique key, so that a repeat makes the same ones.
    Complete(Vec<NewJob>),
    /// Failed: again by the schedule, or after so many milliseconds.
    Retry(Failure, Option<u64>),
    /// Not now, and not the job's fault: again after so many milliseconds, no attempt spent.
    Snooze(u64),
    /// Not for this worker: again after so many milliseconds, no attempt spent, and nothing learned of the
    /// job. A row of crashes goes on, unlike after a snooze.
    PutOff(u64),
    /// Failed for good.
    Dead(Failure),
}

impl Outcome {
    /// Done, with nothing to follow.
    pub const fn done() -> Self {
        Self::Complete(Vec::new())
    }
}

/// Runs the jobs of a queue.
///
/// It may be called twice for one job (a crash, a lost lease): its effects must be idempotent, for
/// instance by a step ledger. A panic counts as a failed attempt.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// Runs one attempt.
    async fn run(&self, job: &Job, context: &JobContext) -> Outcome;
}
