//! A back-end without a disk: the reference model. Nothing here is fast or clever; everything is meant to
//! be obviously right, so that other back-ends can be held against it. What it holds dies with it.

mod batch;
mod control;
mod flow;
mod model;
mod ops;
mod schedules;

use crate::backend::rules::{Limits, Retention, WAIT_MAX, check_batch};
use crate::backend::wall::{self, Wall};
use crate::backend::{
    BATCH_MAX, Backend, Control, Controlled, DeadGroups, Enqueued, Extend, Extended, Filter, Page,
    Reservation, Reserve, Settle, Settled, Stats, Status, Sweep, Swept,
};
use crate::error::QueueError;
use crate::event::{EventLog, Events, EventsFrom};
use crate::job::{Job, JobId, NewJob};
use async_trait::async_trait;
use model::Model;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use steadfast_clock::SharedClock;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// Jobs in memory. See the module.
pub struct MemoryBackend {
    model: Mutex<Model>,
    changed: Notify,
    events: EventLog,
    clock: SharedClock,
}

impl MemoryBackend {
    /// An empty store with the default bounds.
    pub fn new(clock: SharedClock) -> Arc<Self> {
        Self::with(clock, Limits::default(), Retention::default())
    }

    /// An empty store with these bounds.
    pub fn with(clock: SharedClock, limits: Limits, retention: Retention) -> Arc<Self> {
        let (now_ms, mono_ms) = wall::read(&*clock);
        let model = Model::new(limits, retention, Wall::at(now_ms, mono_ms));
        Arc::new(Self { model: Mutex::new(model), changed: Notify::new(), events: EventLog::new(), clock })
    }

    /// What a clean restart does to a store that outlives it, for tests: leases are over, their jobs ready.
    #[doc(hidden)]
    pub fn restart(&self) {
        self.events.break_off();
        self.change(|model| {
            model.count_anew();
            model.end_leases();
            model.wall = Wall::at(model.now_ms, model.mono_ms);
        });
    }

    /// What the death of its process does to a store that outlives it, for tests: as [`Self::restart`], and what ran has
    /// crashed once more.
    #[doc(hidden)]
    pub fn crash(&self) {
        self.events.break_off();
        self.change(|model| {
            // The new process sees to what the old one left behind: that counts, and what may be charged is charged.
            model.count_anew();
            model.count_crashes();
            model.end_leases();
            model.wall = Wall::at(model.now_ms, model.mono_ms);
        });
    }

    fn model(&self) -> MutexGuard<'_, Model> {
        // No method of the model panics halfway through a change; a poisoned lock is as good as any.
        let mut model = self.model.lock().unwrap_or_else(PoisonError::into_inner);
        (model.now_ms, model.mono_ms) = wall::read(&*self.clock);
        model.keep_time();
        model
    }

    /// Runs a change and tells what happened.
    fn act<T>(&self, act: impl FnOnce(&mut Model) -> T) -> T {
        let mut model = self.model();
        let outcome = act(&mut model);
        // Under the model's lock: in the order of the changes.
        self.events.tell(model.happened.drain(..));
        outcome
    }

    /// The same, and wakes whoever waits for jobs.
    fn change<T>(&self, act: impl FnOnce(&mut Model) -> T) -> T {
        let outcome = self.act(act);
        self.changed.notify_waiters();
        outcome
    }
}

impl fmt::Debug for MemoryBackend {
    /// That it is one, not what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend").finish_non_exhaustive()
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, QueueError> {
        check_batch(jobs.len())?;
        Ok(self.change(|model| jobs.into_iter().map(|job| model.enqueue(job)).collect()))
    }

    async fn reserve(&self, request: Reserve) -> Result<Vec<Reservation>, QueueError> {
        let deadline = Instant::now() + request.wait.min(WAIT_MAX);
        loop {
            // Interest first, then the look: what comes in between wakes us.
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let (taken, next_in_ms) = self.act(|model| {
                let (taken, wait_ms) = model.reserve(&request);
                (taken, wait_ms.into_iter().chain(model.next_sweep_in_ms()).min())
            });
            if !taken.is_empty() || request.max == 0 || Instant::now() >= deadline {
                return Ok(taken);
            }
            let due = next_in_ms.map(|ms| Instant::now() + Duration::from_millis(ms.clamp(1, 60_000)));
            let wake = due.map_or(deadline, |due| due.min(deadline));
            // Whether woken or timed out: look again.
            let _ = timeout_at(wake, changed).await;
        }
    }

    async fn extend(&self, leases: Vec<Extend>, lease_ms: u64) -> Result<Vec<Extended>, QueueError> {
        check_batch(leases.len())?;
        Ok(self.act(|model| leases.iter().map(|lease| model.extend(lease, lease_ms)).collect()))
    }

    async fn settle(&self, settlements: Vec<Settle>) -> Result<Vec<Settled>, QueueError> {
        check_batch(settlements.len())?;
        Ok(self.change(|model| settlements.into_iter().map(|one| model.settle(one)).collect()))
    }

    async fn sweep(&self, sweep: Sweep, limit: usize) -> Result<Swept, QueueError> {
        Ok(self.change(|model| match sweep {
            Sweep::Promote => model.promote(limit),
            Sweep::Reclaim => model.reclaim(limit),
            Sweep::Prune => model.prune(limit),
        }))
    }

    async fn get(&self, ids: Vec<JobId>) -> Result<Vec<Option<Job>>, QueueError> {
        check_batch(ids.len())?;
        let model = self.model();
        Ok(ids.iter().map(|id| model.find(id).cloned()).collect())
    }

    async fn status(&self, ids: Vec<JobId>) -> Result<Vec<Status>, QueueError> {
        check_batch(ids.len())?;
        let model = self.model();
        let status = |job: Option<&Job>| match job {
            Some(job) => Status { state: Some(job.state), attempt: job.attempt },
            None => Status { state: None, attempt: 0 },
        };
        Ok(ids.iter().map(|id| status(model.find(id))).collect())
    }

    async fn list(&self, filter: Filter, cursor: Option<String>, limit: usize) -> Result<Page, QueueError> {
        check_batch(filter.ids.len())?;
        Ok(self.model().list(&filter, cursor.as_deref(), limit.min(BATCH_MAX)))
    }

    async fn dead_groups(&self, queue: Option<String>, max: usize) -> Result<DeadGroups, QueueError> {
        Ok(self.model().dead_groups(queue.as_deref(), max.min(BATCH_MAX)))
    }

    async fn control(&self, command: Control) -> Result<Controlled, QueueError> {
        command.check()?;
        if let Control::Count(command) = command {
            return Ok(self.model().count(*command));
        }
        Ok(self.change(|model| model.control(command)))
    }

    async fn stats(&self) -> Result<Stats, QueueError> {
        Ok(self.model().stats())
    }

    async fn events(&self, from: EventsFrom, limit: usize, wait: Duration) -> Result<Events, QueueError> {
        self.events.read(from, limit, wait).await
    }
}
