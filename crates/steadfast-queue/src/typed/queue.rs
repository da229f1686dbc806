//! One object in front of a store of jobs.

use crate::backend::local::OpenError;
use crate::backend::{
    BATCH_MAX, Backend, Control, Filter, LocalBackend, LocalOptions, MemoryBackend, QueueStats, Stats,
};
use crate::error::QueueError;
use crate::event::{EventsFrom, Follower};
use crate::job::{Job, JobId};
use crate::settings::QueueSettings;
use crate::state::State;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use steadfast_clock::{SharedClock, SystemClock};

/// How often [`Queue::until_empty`] looks.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// A store of jobs: where they are enqueued, looked at, and run. Cheap to clone; clones are the same store.
///
/// One store holds any number of queues; a job's type names the one it goes to.
#[derive(Clone)]
pub struct Queue {
    backend: Arc<dyn Backend>,
    clock: SharedClock,
    /// Closed at the end, if it is one that needs it.
    local: Option<Arc<LocalBackend>>,
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queue").field("backend", &self.backend).finish_non_exhaustive()
    }
}

impl Queue {
    /// Opens the store in the file at `path`, and makes it if it is missing. One process at a time may have it.
    /// Blocks while it reads: about a second per million unfinished jobs.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, OpenError> {
        Self::open_with(LocalOptions::new(path.as_ref()))
    }

    /// The same with bounds, retention and more of one's own.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open_with(options: LocalOptions) -> Result<Self, OpenError> {
        let clock = SystemClock::shared();
        let local = LocalBackend::open(options, clock.clone())?;
        Ok(Self { backend: local.clone(), clock, local: Some(local) })
    }

    /// A store that dies with the process: for tests and trials.
    pub fn in_memory() -> Self {
        let clock = SystemClock::shared();
        Self::new(MemoryBackend::new(clock.clone()), clock)
    }

    /// Around any back-end. Its owner closes it.
    pub fn new(backend: Arc<dyn Backend>, clock: SharedClock) -> Self {
        Self { backend, clock, local: None }
    }

    /// The same store seen through `wrap`, a decorator of back-ends.
    #[must_use]
    pub fn wrapped(self, wrap: impl FnOnce(Arc<dyn Backend>) -> Arc<dyn Backend>) -> Self {
        Self { backend: wrap(self.backend), ..self }
    }

    /// The store itself, for whatever has no word here.
    pub fn backend(&self) -> &Arc<dyn Backend> {
        &self.backend
    }

    /// The clock of the store.
    pub fn clock(&self) -> &SharedClock {
        &self.clock
    }

    /// A job, while it is kept: unfinished and dead ones always, completed and cancelled ones for as long as
    /// retention says.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn get(&self, id: JobId) -> Result<Option<Job>, QueueError> {
        Ok(self.backend.get(vec![id]).await?.into_iter().flatten().next())
    }

    /// Where a job is; `None`: unknown, or finished and no longer kept.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn state(&self, id: JobId) -> Result<Option<State>, QueueError> {
        Ok(self.backend.status(vec![id]).await?.first().and_then(|status| status.state))
    }

    /// The counts of all queues. Exact, and cost nothing to ask.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn stats(&self) -> Result<Stats, QueueError> {
        self.backend.stats().await
    }

    /// The counts of one queue; all zero if it was never used.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn stats_of(&self, queue: &str) -> Result<QueueStats, QueueError> {
        Ok(self.stats().await?.queues.remove(queue).unwrap_or_default())
    }

    /// Follows what happens to jobs and queues, from now on. From elsewhere: [`Follower::new`].
    ///
    /// ```
    /// # use steadfast_queue::event::{EventKind, Followed};
    /// # async fn example(queue: steadfast_queue::typed::Queue) -> Result<(), steadfast_queue::QueueError> {
    /// let mut events = queue.events();
    /// while let Followed::Event(event) = events.next().await? {
    ///     if event.kind == EventKind::Dead {
    ///         println!("{:?} died in {}: {:?}", event.job, event.queue, event.error);
    ///     }
    /// }
    /// // Some events are missing here: this reader was too slow, or the store was opened anew.
    /// # Ok(())
    /// # }
    /// ```
    pub fn events(&self) -> Follower {
        Follower::new(Arc::clone(&self.backend), EventsFrom::Now)
    }

    /// The newest dead letters of `queue`, at most `limit` and at most [`BATCH_MAX`].
    ///
    /// # Errors
    /// If the store cannot be read.
    pub async fn dead_letters(&self, queue: &str, limit: usize) -> Result<Vec<Job>, QueueError> {
        let filter = Filter { queue: Some(queue.to_owned()), states: vec![State::Dead], ..Filter::default() };
        Ok(self.backend.list(filter, None, limit.min(BATCH_MAX)).await?.jobs)
    }

    /// Makes jobs available with a fresh set of attempts: dead and cancelled ones, and those that wait for
    /// later. Returns how many it did.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn retry(&self, ids: &[JobId]) -> Result<u64, QueueError> {
        self.each(ids, Control::Retry).await
    }

    /// Calls jobs off. Running ones are told through their lease. Returns how many it did.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn cancel(&self, ids: &[JobId]) -> Result<u64, QueueError> {
        self.each(ids, Control::Cancel).await
    }

    /// Forgets dead, cancelled and completed jobs; their unique keys are free again. Returns how many it did.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn discard(&self, ids: &[JobId]) -> Result<u64, QueueError> {
        self.each(ids, Control::Discard).await
    }

    /// Hands out nothing more from `queue` until it is resumed, also after a restart. Enqueues go on.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn pause(&self, queue: &str) -> Result<(), QueueError> {
        self.backend.control(Control::Pause(queue.to_owned())).await.map(drop)
    }

    /// Takes nothing new into `queue`, but for what follows its own jobs, and works off what is there.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn drain(&self, queue: &str) -> Result<(), QueueError> {
        self.backend.control(Control::Drain(queue.to_owned())).await.map(drop)
    }

    /// Gives `queue` these settings instead of those it has: retry schedule, bounds, retention, rate, concurrency,
    /// and the same per group. They are stored with the queue and act from the next call on, in every process.
    ///
    /// # Errors
    /// [`QueueError::Settings`] if they cannot be kept to; or if the store cannot be written.
    pub async fn configure(&self, queue: &str, settings: QueueSettings) -> Result<(), QueueError> {
        let command = Control::Configure { queue: queue.to_owned(), settings: Box::new(settings) };
        self.backend.control(command).await.map(drop)
    }

    /// Goes on, after a pause or a drain.
    ///
    /// # Errors
    /// If the store cannot be written.
    pub async fn resume(&self, queue: &str) -> Result<(), QueueError> {
        self.backend.control(Control::Resume(queue.to_owned())).await.map(drop)
    }

    /// Waits until no job waits, runs or is due later in any queue: for programs that work everything off and
    /// end, as `queue.serve(router, queue.until_empty())`. A job that fails for good ends the wait for it too.
    /// Looks 50 times a second; while the store cannot be read, goes on waiting.
    pub async fn until_empty(&self) {
        loop {
            if let Ok(stats) = self.stats().await {
                let left =
                    |queue: &QueueStats| queue.available + queue.scheduled + queue.running + queue.retryable;
                if stats.queues.values().all(|queue| left(queue) == 0) {
                    return;
                }
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Ends the store: what was asked before is on disk when this returns, what is asked later is refused, and
    /// the next start knows that nothing crashed. A process that exits without this loses nothing either; its
    /// next start takes longer to trust what it finds.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] if the disk takes too long; the file is left as after a crash then.
    pub async fn close(&self) -> Result<(), QueueError> {
        match &self.local {
            Some(local) => local.close().await,
            None => Ok(()),
        }
    }

    async fn each(&self, ids: &[JobId], command: fn(Vec<JobId>) -> Control) -> Result<u64, QueueError> {
        let mut affected = 0;
        for chunk in ids.chunks(BATCH_MAX) {
            affected += self.backend.control(command(chunk.to_vec())).await?.affected;
        }
        Ok(affected)
    }
}
