//! Jobs in one SQLite file: durable, embedded, one process.
//!
//! One thread writes. It gathers what callers ask for into batches, one transaction and one fsync each, and
//! answers when the disk has it. Leases and ready order live in memory: handing out a job writes nothing, and
//! a restart makes what ran ready again. What cost memory per waiting job stays on disk: of ready order, only
//! the beginning is in memory.
//!
//! The file is locked against other processes. Its log is `<path>-wal`; both are needed to move a store.

mod checkpoint;
mod codec;
mod deaths;
mod fresh;
mod groups;
mod ids;
mod live;
mod load;
mod log;
mod options;
mod read;
mod schema;
mod search;
mod serve;
mod sql;
mod stage;
mod start;
mod ticket;
mod turn;
mod window;
mod write;
mod writer;

pub use options::{Bounds, Faults, LocalOptions, OpenError};

use crate::backend::rules::{WAIT_MAX, check_batch, is_name};
use crate::backend::{
    BATCH_MAX, Backend, Control, Controlled, DeadGroups, Enqueued, Extend, Extended, Filter, Page,
    QueueStats, Reservation, Reserve, Settle, Settled, Stats, Status, Sweep, Swept,
};
use crate::error::QueueError;
use crate::event::{Events, EventsFrom};
use crate::job::{Job, JobId, NewJob};
use crate::schedule::Planned;
use crate::settings::{Mode, QueueSettings};
use async_trait::async_trait;
use read::{Readers, View};
use rusqlite::Connection;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use steadfast_clock::SharedClock;
use tokio::sync::mpsc::error::SendTimeoutError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout, timeout_at};
use write::{Answer, Prepared, PreparedSettle, Write};
use writer::{Call, Served, Shared};

/// Jobs that a purge removes in one step.
const PURGE_STEP: u64 = 500;

/// See the module.
pub struct LocalBackend {
    calls: mpsc::Sender<Call>,
    /// KiB of new jobs that may wait for the writer.
    room: Arc<Semaphore>,
    room_max: u32,
    shared: Arc<Shared>,
    readers: Arc<Readers>,
    thread: Mutex<Option<JoinHandle<()>>>,
    path: PathBuf,
    bounds: Bounds,
    clock: SharedClock,
}

impl LocalBackend {
    /// Opens the store, and makes it if it is missing. Blocks while it reads: about a second per million
    /// unfinished jobs.
    ///
    /// Jobs that ran when the last process ended are ready again; if it ended by a crash, they have crashed
    /// once more.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(options: LocalOptions, clock: SharedClock) -> Result<Arc<Self>, OpenError> {
        let started = start::start(options, &clock)?;
        Ok(Arc::new(Self {
            calls: started.calls,
            room: Arc::new(Semaphore::new(started.room_max as usize)),
            room_max: started.room_max,
            shared: started.shared,
            readers: started.readers,
            thread: Mutex::new(Some(started.thread)),
            path: started.path,
            bounds: started.bounds,
            clock,
        }))
    }

    /// Closes the store: what was asked before is stored first, what is asked later is refused, and the next
    /// start knows that nothing crashed. Dropping without this counts as a crash of the jobs that run.
    ///
    /// # Errors
    /// [`QueueError::Unavailable`] if the disk takes too long; the file is left as after a crash then.
    pub async fn close(&self) -> Result<(), QueueError> {
        self.end(true).await
    }

    /// Ends as a crash would, for tests of restarts.
    #[doc(hidden)]
    pub async fn abandon(&self) -> Result<(), QueueError> {
        self.end(false).await
    }

    async fn end(&self, clean: bool) -> Result<(), QueueError> {
        self.readers.close().await;
        let (reply, ended) = oneshot::channel();
        if self.calls.send_timeout(Call::Close { clean, reply }, self.bounds.answer_timeout).await.is_ok() {
            match timeout(self.bounds.answer_timeout, ended).await {
                Ok(_) => {}
                Err(_) => {
                    let what = "the store did not close in time".to_owned();
                    return Err(QueueError::Unavailable { what, source: None });
                }
            }
        }
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // It has answered, or is gone: this does not block.
            if thread.join().is_err() {
                return Err(QueueError::Inconsistent { what: "the writer ended by a defect".to_owned() });
            }
        }
        Ok(())
    }

    async fn call<T>(
        &self,
        call: Call,
        answer: oneshot::Receiver<Result<T, QueueError>>,
    ) -> Result<T, QueueError> {
        match self.calls.send_timeout(call, self.bounds.admit_timeout).await {
            Ok(()) => {}
            Err(SendTimeoutError::Timeout(_)) => return Err(self.overloaded()),
            Err(SendTimeoutError::Closed(_)) => return Err(QueueError::Closed),
        }
        match timeout(self.bounds.answer_timeout, answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) => Err(QueueError::Closed),
            Err(_) => Err(QueueError::Unavailable {
                what: "the store did not answer in time".to_owned(),
                source: None,
            }),
        }
    }

    fn overloaded(&self) -> QueueError {
        QueueError::Overloaded { waiting: self.calls.max_capacity() - self.calls.capacity() }
    }

    async fn write(&self, write: Write) -> Result<Answer, QueueError> {
        let bytes: usize = write.new_jobs().iter().map(|new| new.job.payload.len() + new.head.len()).sum();
        let kib = u32::try_from(bytes / 1_024 + 1).unwrap_or(u32::MAX).min(self.room_max);
        let room = timeout(self.bounds.admit_timeout, Arc::clone(&self.room).acquire_many_owned(kib)).await;
        let Ok(Ok(room)) = room else { return Err(self.overloaded()) };
        let (reply, answer) = oneshot::channel();
        self.call(Call::Write { write, reply, room }, answer).await
    }

    async fn look_for_jobs(&self, request: &Reserve) -> Result<Served, QueueError> {
        let (reply, answer) = oneshot::channel();
        self.call(Call::Reserve { request: request.clone(), reply }, answer).await
    }

    /// Reads jobs by their ids.
    async fn look_for<T: Send + 'static>(
        &self,
        ids: Vec<JobId>,
        read: fn(&Connection, &View, &[JobId]) -> rusqlite::Result<Vec<T>>,
    ) -> Result<Vec<T>, QueueError> {
        check_batch(ids.len())?;
        let view = View::of(&self.shared.look(), &ids);
        self.readers.look(move |conn| read(conn, &view, &ids)).await
    }

    async fn command(&self, write: Write) -> Result<Controlled, QueueError> {
        match self.write(write).await? {
            Answer::Controlled(controlled) => Ok(controlled),
            _ => Err(mixed_up()),
        }
    }

    /// How many jobs wait in a queue, if a command to it would change anything.
    fn count_queue(&self, command: &Control, queue: &str) -> Controlled {
        let live = self.shared.look();
        let known = live.queue_no(queue).and_then(|no| live.queues.get(&no));
        let mode = known.map(|known| known.stats.mode).unwrap_or_default();
        let changes = match command {
            Control::Pause(_) => mode != Mode::Paused,
            Control::Drain(_) => mode != Mode::Draining,
            Control::Resume(_) => mode != Mode::Running,
            Control::Configure { settings, .. } => known
                .map_or(**settings != QueueSettings::default(), |known| known.flow.settings != **settings),
            _ => false,
        };
        match known.filter(|_| changes).map(live::Queue::waiting) {
            Some(waiting) => Controlled { affected: waiting, skipped: 0 },
            None => Controlled { affected: 0, skipped: u64::from(!changes || !is_name(queue)) },
        }
    }

    /// What the command would do.
    async fn count(&self, command: Control) -> Result<Controlled, QueueError> {
        let mut command = command;
        while let Control::Count(inner) = command {
            command = *inner;
        }
        if let Some(queue) = command.queue() {
            return Ok(self.count_queue(&command, queue));
        }
        if let Control::Purge { filter, limit } = command {
            return self.purge(*filter, limit, true).await;
        }
        match write_of(command, self.clock.now_ms()) {
            Some(write) => self.command(Write::Count(Box::new(write))).await,
            None => Err(mixed_up()),
        }
    }

    /// Finds and removes in small steps, so that others get their turn in between.
    async fn purge(&self, filter: Filter, limit: u64, dry_run: bool) -> Result<Controlled, QueueError> {
        let mut done = Controlled::default();
        let (mut after, number) = (i64::MIN, self.shared.look().number);
        while done.affected < limit {
            let step = usize::try_from((limit - done.affected).min(PURGE_STEP)).unwrap_or(usize::MAX);
            let mut view = View::whole(&self.shared.look(), &filter);
            // What arrives after the command is not meant by it.
            view.number = number;
            let wanted = filter.clone();
            let found =
                self.readers.look(move |conn| search::targets(conn, &view, &wanted, after, step)).await?;
            if dry_run {
                done.affected += found.hits.len() as u64;
            } else if !found.hits.is_empty() {
                let removed = self.command(Write::Purge(found.hits)).await?;
                done.affected += removed.affected;
                done.skipped += removed.skipped;
            }
            match found.next {
                Some(next) => after = next,
                None => break,
            }
        }
        Ok(done)
    }
}

impl fmt::Debug for LocalBackend {
    /// Where it is, not what it holds.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LocalBackend").field("path", &self.path).finish_non_exhaustive()
    }
}

/// The write that carries a command out in one step.
fn write_of(command: Control, now_ms: i64) -> Option<Write> {
    Some(match command {
        Control::Pause(queue) => Write::SetMode { queue, mode: Mode::Paused },
        Control::Drain(queue) => Write::SetMode { queue, mode: Mode::Draining },
        Control::Resume(queue) => Write::SetMode { queue, mode: Mode::Running },
        Control::Configure { queue, settings } => Write::Configure { queue, settings },
        Control::Retry(ids) => Write::Retry(ids),
        Control::Cancel(ids) => Write::Cancel(ids),
        Control::Discard(ids) => Write::Discard(ids),
        Control::ReleaseKeys(ids) => Write::ReleaseKeys(ids),
        Control::Seal { id, jobs } => Write::Seal { id, jobs },
        // One that passed the check.
        Control::PutSchedule(schedule) => {
            Write::PutSchedule(Box::new(Planned::new(*schedule, now_ms, None).ok()?))
        }
        Control::RemoveSchedule(name) => Write::RemoveSchedule(name),
        Control::Purge { .. } | Control::Count(_) => return None,
    })
}

fn mixed_up() -> QueueError {
    QueueError::Inconsistent { what: "the writer answered another question".to_owned() }
}

#[async_trait]
impl Backend for LocalBackend {
    async fn enqueue(&self, jobs: Vec<NewJob>) -> Result<Vec<Enqueued>, QueueError> {
        check_batch(jobs.len())?;
        if jobs.is_empty() {
            return Ok(Vec::new());
        }
        let now_ms = self.clock.now_ms();
        let prepared = jobs.into_iter().map(|new| Prepared::new(new, now_ms, None)).collect();
        match self.write(Write::Enqueue(prepared)).await? {
            Answer::Enqueued(enqueued) => Ok(enqueued),
            _ => Err(mixed_up()),
        }
    }

    async fn reserve(&self, request: Reserve) -> Result<Vec<Reservation>, QueueError> {
        if request.max == 0 || !is_name(&request.queue) {
            return Ok(Vec::new());
        }
        let deadline = Instant::now() + request.wait.min(WAIT_MAX);
        let wakes = self.shared.wakes(&request.queue);
        loop {
            // Interest first, then the look: what comes in between wakes us.
            let woken = wakes.notified();
            tokio::pin!(woken);
            woken.as_mut().enable();
            let (reservations, next_in_ms) = self.look_for_jobs(&request).await?;
            if !reservations.is_empty() || Instant::now() >= deadline {
                return Ok(reservations);
            }
            let due = next_in_ms.map(|ms| Instant::now() + Duration::from_millis(ms.clamp(1, 60_000)));
            let wake = due.map_or(deadline, |due| due.min(deadline));
            // Whether woken or timed out: look again.
            let _ = timeout_at(wake, woken).await;
        }
    }

    async fn extend(&self, leases: Vec<Extend>, lease_ms: u64) -> Result<Vec<Extended>, QueueError> {
        check_batch(leases.len())?;
        let (mut plain, mut notes) = (Vec::with_capacity(leases.len()), Vec::new());
        for Extend { lease, note } in leases {
            plain.push(lease);
            notes.extend(note.filter(|note| !note.is_empty()).map(|note| (lease, note)));
        }
        let (reply, answer) = oneshot::channel();
        let extended = self.call(Call::Extend { leases: plain, lease_ms, reply }, answer);
        if notes.is_empty() {
            return extended.await;
        }
        // What they say first: a settlement that is asked meanwhile comes after it.
        let (noted, extended) = tokio::join!(self.command(Write::Note(notes)), extended);
        noted.and(extended)
    }

    async fn settle(&self, settlements: Vec<Settle>) -> Result<Vec<Settled>, QueueError> {
        check_batch(settlements.len())?;
        if settlements.is_empty() {
            return Ok(Vec::new());
        }
        let now_ms = self.clock.now_ms();
        let prepared = settlements.into_iter().map(|settle| PreparedSettle::new(settle, now_ms)).collect();
        match self.write(Write::Settle(prepared)).await? {
            Answer::Settled(settled) => Ok(settled),
            _ => Err(mixed_up()),
        }
    }

    async fn sweep(&self, sweep: Sweep, limit: usize) -> Result<Swept, QueueError> {
        let write = match sweep {
            Sweep::Promote => Write::Promote(limit),
            Sweep::Reclaim => Write::Reclaim(limit),
            Sweep::Prune => Write::Prune(limit),
        };
        match self.write(write).await? {
            Answer::Swept(swept) => Ok(swept),
            _ => Err(mixed_up()),
        }
    }

    async fn get(&self, ids: Vec<JobId>) -> Result<Vec<Option<Job>>, QueueError> {
        self.look_for(ids, read::get).await
    }

    async fn status(&self, ids: Vec<JobId>) -> Result<Vec<Status>, QueueError> {
        self.look_for(ids, read::status).await
    }

    async fn list(&self, filter: Filter, cursor: Option<String>, limit: usize) -> Result<Page, QueueError> {
        check_batch(filter.ids.len())?;
        let before = match cursor.map(|cursor| cursor.parse::<i64>()) {
            None => i64::MAX,
            Some(Ok(before)) => before,
            // Not one of ours: there is nothing behind it.
            Some(Err(_)) => return Ok(Page { jobs: Vec::new(), next: None }),
        };
        let (view, limit) = (View::whole(&self.shared.look(), &filter), limit.min(BATCH_MAX));
        let found = self.readers.look(move |conn| search::list(conn, &view, &filter, before, limit)).await?;
        Ok(Page { jobs: found.hits, next: found.next.map(|seq| seq.to_string()) })
    }

    async fn dead_groups(&self, queue: Option<String>, max: usize) -> Result<DeadGroups, QueueError> {
        let view = View::of(&self.shared.look(), &[]);
        let max = max.min(BATCH_MAX);
        self.readers.look(move |conn| deaths::groups(conn, &view, queue.as_deref(), max)).await
    }

    async fn control(&self, command: Control) -> Result<Controlled, QueueError> {
        command.check()?;
        if command.queue().is_some_and(|queue| !is_name(queue)) {
            return Ok(Controlled { affected: 0, skipped: 1 });
        }
        match command {
            Control::Purge { filter, limit } => self.purge(*filter, limit, false).await,
            Control::Count(command) => self.count(*command).await,
            command => match write_of(command, self.clock.now_ms()) {
                Some(write) => self.command(write).await,
                None => Err(mixed_up()),
            },
        }
    }

    async fn stats(&self) -> Result<Stats, QueueError> {
        let (queues, settings, schedules) = {
            let live = self.shared.look();
            let counts =
                |queue: &live::Queue| QueueStats { oldest_ms: queue.oldest_ms(), ..queue.stats.clone() };
            let queues = live.queues.values().map(|queue| (queue.name.clone(), counts(queue))).collect();
            let own = live.queues.values().filter(|queue| queue.flow.settings != QueueSettings::default());
            let settings = own.map(|queue| (queue.name.clone(), queue.flow.settings.clone())).collect();
            let schedules = live.schedules.iter().map(|(name, planned)| (name.clone(), planned.stats()));
            (queues, settings, schedules.collect())
        };
        let mut store_bytes = 0;
        for suffix in ["", "-wal"] {
            let mut file = self.path.as_os_str().to_owned();
            file.push(suffix);
            store_bytes += tokio::fs::metadata(file).await.map_or(0, |found| found.len());
        }
        Ok(Stats { queues, settings, schedules, store_bytes })
    }

    async fn events(&self, from: EventsFrom, limit: usize, wait: Duration) -> Result<Events, QueueError> {
        self.shared.events.read(from, limit, wait).await
    }
}
