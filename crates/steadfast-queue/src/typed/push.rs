//! Enqueueing, with an answer that can be acted on.

use crate::backend::{BATCH_MAX, Enqueued, Rejection};
use crate::error::QueueError;
use crate::job::{GroupKey, JobId, NewJob, Priority, Unique};
use crate::policy::RetryPolicy;
use crate::typed::draft::{Draft, options};
use crate::typed::error::ms;
use crate::typed::job_type::CodecError;
use crate::typed::queue::Queue;
use futures::future::BoxFuture;
use std::fmt;
use std::future::IntoFuture;
use std::time::Duration;

/// What became of an enqueue that succeeded. The job is on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The job.
    pub id: JobId,
    /// Whether it was there already, within the window of its unique key; then nothing changed.
    pub duplicate: bool,
}

/// Why a job was not enqueued. Nothing of it was stored, save in the one case that says so.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PushError {
    /// The queue holds as many jobs or bytes as it may.
    #[error(
        "queue {queue:?} takes no more jobs: slow down and try again later, add workers, or raise its limits"
    )]
    Full {
        /// The queue.
        queue: String,
        /// The bound.
        #[source]
        source: Rejection,
    },
    /// The job is larger than any job may be.
    #[error(
        "the job of kind {kind:?} is too large for any queue: keep its data elsewhere and enqueue where it is"
    )]
    TooLarge {
        /// The job's kind.
        kind: String,
        /// The bound.
        #[source]
        source: Rejection,
    },
    /// The queue's name or the kind is not one.
    #[error("a job cannot be named so: give JobType::QUEUE and JobType::KIND 1 to 64 bytes each")]
    BadName {
        /// What is wrong.
        #[source]
        source: Rejection,
    },
    /// The value has no encoded form.
    #[error("the job of kind {kind:?} cannot be encoded: check its Serialize, or override JobType::encode")]
    Encode {
        /// The job's kind.
        kind: String,
        /// Why.
        #[source]
        source: CodecError,
    },
    /// The queue is being drained.
    #[error("the queue `{queue}` is being drained: push elsewhere, or try again when it is resumed")]
    Draining {
        /// The queue.
        queue: String,
        /// The cause.
        #[source]
        source: Rejection,
    },
    /// The batch that it names takes no job, or it could never run as a callback.
    #[error(
        "job {kind:?} does not fit its batch: store the callback first, and all its jobs before it is met"
    )]
    Batch {
        /// The job's kind.
        kind: String,
        /// Why.
        #[source]
        source: Rejection,
    },
    /// More callers wait for the store than may.
    #[error("the queue's store is busier than it can be: back off and try again")]
    Busy {
        /// The cause.
        #[source]
        source: QueueError,
    },
    /// Nothing can be made durable now: the disk is full or failing. If the call timed out, the job may be
    /// stored all the same: try again under a unique key.
    #[error(
        "the queue cannot store anything durably now: check its disk, and try again later under the same unique key"
    )]
    Unavailable {
        /// The cause.
        #[source]
        source: QueueError,
    },
    /// The queue is shut down.
    #[error("the queue is closed: enqueue before Queue::close is called, or open it again")]
    Closed,
    /// The store is damaged, or has a defect.
    #[error("the queue's store is not sound: restore it from a copy")]
    Store {
        /// The cause.
        #[source]
        source: QueueError,
    },
}

impl PushError {
    /// Whether the same call may succeed later.
    pub const fn is_transient(&self) -> bool {
        matches!(
            self,
            Self::Full { .. } | Self::Draining { .. } | Self::Busy { .. } | Self::Unavailable { .. }
        )
    }

    fn rejected(queue: &str, kind: &str, source: Rejection) -> Self {
        let (queue, kind) = (queue.to_owned(), kind.to_owned());
        match source {
            Rejection::QueueFull { .. } | Rejection::BytesFull { .. } => Self::Full { queue, source },
            Rejection::Draining => Self::Draining { queue, source },
            Rejection::TooLarge { .. } => Self::TooLarge { kind, source },
            Rejection::BadName => Self::BadName { source },
            Rejection::BadBatch | Rejection::BatchUnknown | Rejection::BatchOver => {
                Self::Batch { kind, source }
            }
        }
    }
}

impl From<QueueError> for PushError {
    fn from(source: QueueError) -> Self {
        match source {
            QueueError::Closed => Self::Closed,
            QueueError::Overloaded { .. } => Self::Busy { source },
            QueueError::Unavailable { .. } => Self::Unavailable { source },
            QueueError::TooMany { .. }
            | QueueError::Inconsistent { .. }
            | QueueError::Settings(_)
            | QueueError::Schedule(_) => Self::Store { source },
        }
    }
}

/// An enqueue with its options: `.await` it.
///
/// # Cancel safety
/// Dropped before it is done, the job is enqueued or it is not; under a unique key it can be pushed again.
#[must_use = "a job is enqueued by awaiting this"]
pub struct Push<'q> {
    queue: &'q Queue,
    draft: Draft,
}

impl fmt::Debug for Push<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push").field("draft", &self.draft).finish_non_exhaustive()
    }
}

options!(Push<'_>, draft);

impl<'q> IntoFuture for Push<'q> {
    type Output = Result<Receipt, PushError>;
    type IntoFuture = BoxFuture<'q, Self::Output>;

    fn into_future(self) -> Self::IntoFuture {
        let Self { queue, draft } = self;
        Box::pin(async move {
            // One was asked, one is answered.
            queue.push_all([draft]).await.pop().unwrap_or(Err(PushError::Closed))
        })
    }
}

impl Queue {
    /// Enqueues `job`: `queue.push(job).unique("k").await?`. It is on disk when this returns.
    pub fn push(&self, job: impl Into<Draft>) -> Push<'_> {
        Push { queue: self, draft: job.into() }
    }

    /// Enqueues many, [`BATCH_MAX`] at a time, and answers for each, in order. Much faster than one by one: a
    /// batch is one write.
    pub async fn push_all<D: Into<Draft>>(
        &self,
        jobs: impl IntoIterator<Item = D>,
    ) -> Vec<Result<Receipt, PushError>> {
        let mut answers: Vec<Result<Receipt, PushError>> = Vec::new();
        let mut batch = Batch::default();
        for job in jobs {
            let draft: Draft = job.into();
            let kind = draft.kind().to_owned();
            match draft.build() {
                Ok(new) => batch.add(answers.len(), new),
                Err(source) => {
                    answers.push(Err(PushError::Encode { kind, source }));
                    continue;
                }
            }
            answers.push(Err(PushError::Closed));
            if batch.jobs.len() == BATCH_MAX {
                std::mem::take(&mut batch).send(self, &mut answers).await;
            }
        }
        batch.send(self, &mut answers).await;
        answers
    }
}

/// Jobs of one call, and whose answers theirs are.
#[derive(Default)]
struct Batch {
    places: Vec<usize>,
    jobs: Vec<NewJob>,
}

impl Batch {
    fn add(&mut self, place: usize, job: NewJob) {
        self.places.push(place);
        self.jobs.push(job);
    }

    async fn send(self, queue: &Queue, answers: &mut [Result<Receipt, PushError>]) {
        if self.jobs.is_empty() {
            return;
        }
        let names: Vec<(String, String)> =
            self.jobs.iter().map(|job| (job.queue.clone(), job.kind.clone())).collect();
        let told = queue.backend().enqueue(self.jobs).await;
        for (index, place) in self.places.into_iter().enumerate() {
            let answer = match &told {
                Err(error) => Err(error.clone().into()),
                Ok(told) => match told.get(index) {
                    Some(Enqueued::New(id)) => Ok(Receipt { id: *id, duplicate: false }),
                    Some(Enqueued::Duplicate(id)) => Ok(Receipt { id: *id, duplicate: true }),
                    Some(Enqueued::Rejected(why)) => {
                        let (queue, kind) = &names[index];
                        Err(PushError::rejected(queue, kind, *why))
                    }
                    None => {
                        Err(QueueError::Inconsistent { what: "an enqueue got no answer".to_owned() }.into())
                    }
                },
            };
            if let Some(slot) = answers.get_mut(place) {
                *slot = answer;
            }
        }
    }
}
