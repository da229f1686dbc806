//! What a handler may ask for besides the job.

use crate::backend::Fence;
use crate::handler::JobContext;
use crate::job::{Job, JobId};
use crate::note::Progress;
use crate::typed::draft::Draft;
use crate::typed::error::JobError;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

/// The attempt at hand: whose job it is, which attempt, and whether it must stop. Cheap to clone.
#[derive(Clone)]
pub struct Context {
    inner: Arc<Inner>,
}

struct Inner {
    job: Job,
    run: JobContext,
    follow: Mutex<Vec<Draft>>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("job", &self.inner.job).finish_non_exhaustive()
    }
}

impl Context {
    pub(crate) fn new(job: &Job, run: &JobContext) -> Self {
        let inner = Inner { job: job.clone(), run: run.clone(), follow: Mutex::default() };
        Self { inner: Arc::new(inner) }
    }

    /// The job as the queue knows it.
    pub fn job(&self) -> &Job {
        &self.inner.job
    }

    /// The job's id: the same at every attempt.
    pub fn id(&self) -> JobId {
        self.inner.job.id
    }

    /// Which attempt this is; 1 is the first.
    pub fn attempt(&self) -> u32 {
        self.inner.job.attempt
    }

    /// Whether a failure of this attempt is final, by the schedule as it was when the attempt began.
    pub fn is_last_attempt(&self) -> bool {
        self.inner.run.last_attempt
    }

    /// The id that follows the work through all its jobs and logs.
    pub fn correlation_id(&self) -> &str {
        &self.inner.job.correlation_id
    }

    /// Proof of holding the job, to hand on to whatever can check it.
    pub fn fence(&self) -> Fence {
        self.inner.run.fence
    }

    /// Whether the job must stop: cancelled, timed out, its lease lost, or the worker out of patience.
    pub fn is_cancelled(&self) -> bool {
        self.inner.run.cancel.is_cancelled()
    }

    /// Waits until the job must stop. A handler that heeds it, say in a `select!`, ends sooner; one that does
    /// not is dropped a moment later.
    pub async fn cancelled(&self) {
        self.inner.run.cancel.cancelled().await;
    }

    /// Says how far the job is; see [`JobContext::progress`].
    pub fn progress(&self, progress: Progress) {
        self.inner.run.progress(progress);
    }

    /// Adds a line to the job's log; see [`JobContext::log`].
    pub fn log(&self, text: impl AsRef<str>) {
        self.inner.run.log(text);
    }

    /// The context as the untyped handlers get it.
    pub fn raw(&self) -> &JobContext {
        &self.inner.run
    }

    /// Enqueues `job` together with the completion of this one: both happen or neither, whatever crashes. What
    /// was asked for is forgotten if the attempt fails. Its parent and correlation id are this job's.
    pub fn enqueue_after(&self, job: impl Into<Draft>) {
        self.inner.follow.lock().unwrap_or_else(PoisonError::into_inner).push(job.into());
    }

    /// What was asked to follow so far; leaves nothing.
    pub(crate) fn take_follow_ups(&self) -> Vec<Draft> {
        std::mem::take(&mut *self.inner.follow.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Something that a handler takes as an argument, made from the attempt at hand and the router's state.
///
/// It must be quick and must not block: what takes time belongs into the handler.
#[diagnostic::on_unimplemented(
    message = "a handler cannot take `{Self}` with a router whose state is `{S}`",
    label = "cannot be taken as an argument",
    note = "arguments after the job are `Context`, `State<T>` where `T` is the router's state or part of it (`FromRef`), or your own types that implement `FromContext`"
)]
pub trait FromContext<S>: Sized {
    /// Makes it.
    ///
    /// # Errors
    /// What the attempt is to end with, without calling the handler.
    fn from_context(context: &Context, state: &S) -> Result<Self, JobError>;
}

impl<S> FromContext<S> for Context {
    fn from_context(context: &Context, _state: &S) -> Result<Self, JobError> {
        Ok(context.clone())
    }
}

/// The router's state, or a part of it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct State<T>(pub T);

impl<S, T: FromRef<S>> FromContext<S> for State<T> {
    fn from_context(_context: &Context, state: &S) -> Result<Self, JobError> {
        Ok(Self(T::from_ref(state)))
    }
}

/// A part of a state: implement it to let handlers take [`State<Part>`](State) of a larger state.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not part of the router's state `{S}`",
    note = "give the router this state with `.with_state(…)`, or write `impl FromRef<{S}> for {Self}`"
)]
pub trait FromRef<S> {
    /// The part, usually a clone of a field.
    fn from_ref(state: &S) -> Self;
}

impl<T: Clone> FromRef<T> for T {
    fn from_ref(state: &T) -> Self {
        state.clone()
    }
}
