//! The one thread that writes. It takes what callers ask for in batches: what comes in while one batch is
//! on its way to the disk is the next one, so that one fsync serves many callers and nobody waits for a timer.

mod commit;

use super::checkpoint::Checkpointer;
use super::live::Live;
use super::load;
use super::log::{Data, Log};
use super::options::{LocalOptions, injected, take_one};
use super::read::Readers;
use super::serve::{self, Found};
use super::stage::Fail;
use super::window::{Entry, Window};
use super::write::{Answer, PreparedSettle, PutOff, Write};
use crate::backend::rules::{Dice, SWEEP_AT_RESERVE, ahead};
use crate::backend::wall::{self, Wall};
use crate::backend::{Extended, Lease, Reservation, Reserve, Settle};
use crate::error::QueueError;
use crate::event::{Event, EventKind, EventLog};
use crate::state::Verdict;
use rusqlite::Connection;
use rusqlite::ffi::SQLITE_FULL;
use std::collections::{HashMap, VecDeque};
use std::fs::File;
use std::sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use steadfast_clock::SharedClock;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, oneshot};

/// The most calls in one batch.
const BATCH_CALLS_MAX: usize = 256;
/// A batch is closed when it holds so many new jobs' bytes: a commit must stay short.
const BATCH_BYTES_MAX: usize = 8 << 20;

/// How long to wait before a shift that failed is tried again, in milliseconds.
const SHIFT_AGAIN_MS: u64 = 1_000;

type Reply<T> = oneshot::Sender<Result<T, QueueError>>;

/// What came of a reservation: jobs, and when something will be due.
pub(super) type Served = (Vec<Reservation>, Option<u64>);

/// What a caller asks of the writer.
#[derive(Debug)]
pub(super) enum Call {
    Write {
        write: Write,
        reply: Reply<Answer>,
        room: OwnedSemaphorePermit,
    },
    Reserve {
        request: Reserve,
        reply: Reply<Served>,
    },
    Extend {
        leases: Vec<Lease>,
        lease_ms: u64,
        reply: Reply<Vec<Extended>>,
    },
    /// Ends the writer; unless `clean`, as a crash would.
    Close {
        clean: bool,
        reply: oneshot::Sender<()>,
    },
}

/// What the writer shares with its callers. The writer alone changes `live`.
#[derive(Debug)]
pub(super) struct Shared {
    live: RwLock<Live>,
    /// What has happened. Told by the writer alone, after the commit, when memory says so too.
    pub(super) events: EventLog,
    waiting: Mutex<HashMap<String, Arc<Notify>>>,
}

impl Shared {
    pub(super) fn new(live: Live) -> Self {
        Self { live: RwLock::new(live), events: EventLog::new(), waiting: Mutex::new(HashMap::new()) }
    }

    // A poisoned lock means that the writer panicked; its last state is still the best there is to look at.
    pub(super) fn look(&self) -> RwLockReadGuard<'_, Live> {
        self.live.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self) -> RwLockWriteGuard<'_, Live> {
        self.live.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// What wakes those who wait for jobs of `queue`.
    pub(super) fn wakes(&self, queue: &str) -> Arc<Notify> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.get(queue) {
            Some(notify) => Arc::clone(notify),
            None => Arc::clone(waiting.entry(queue.to_owned()).or_default()),
        }
    }

    fn wake(&self) {
        let woken = std::mem::take(&mut self.change().woken);
        if woken.is_empty() {
            return;
        }
        let live = self.look();
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        for queue in woken.iter().filter_map(|no| live.queues.get(no)) {
            if let Some(notify) = waiting.get(&queue.name) {
                notify.notify_waiters();
            }
        }
    }

    /// Wakes everybody: the writer is gone.
    fn wake_all(&self) {
        self.events.close();
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.values().for_each(|notify| notify.notify_waiters());
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) shared: Arc<Shared>,
    pub(super) readers: Arc<Readers>,
    pub(super) checkpointer: Checkpointer,
    pub(super) options: LocalOptions,
    pub(super) clock: SharedClock,
    pub(super) wall: Wall,
    /// The wall time of the batch: read once, so that a step of the clock falls between two batches.
    pub(super) now_ms: i64,
    /// A shift that failed is not tried again before this.
    pub(super) shift_after_mono_ms: u64,
    pub(super) dice: Dice,
    /// The process before this one died: marks are on disk before their jobs are handed out, so that a job
    /// that kills every process is found out.
    pub(super) careful: bool,
    /// What the store suffers from, until it is reopened.
    pub(super) broken: Option<QueueError>,
    /// Writes of the writer's own.
    pub(super) chores: VecDeque<Write>,
    /// What makes commits durable.
    pub(super) log: Log,
    /// What makes checkpoints durable. Behind the connection: see there.
    pub(super) data: Arc<Data>,
    /// Held to the end: no other process has the store.
    pub(super) _lock: File,
}

/// A batch, by kind.
#[derive(Default)]
struct Batch {
    writes: Vec<(Write, Option<Reply<Answer>>)>,
    reserves: Vec<(Reserve, Reply<Served>)>,
    extends: Vec<(Vec<Lease>, u64, Reply<Vec<Extended>>)>,
    /// Held until the batch is done: what it holds still counts as in flight.
    room: Vec<OwnedSemaphorePermit>,
    close: Option<(bool, oneshot::Sender<()>)>,
    bytes: usize,
}

impl Writer {
    /// Serves calls until the store is closed, or abandoned by all who could call.
    pub(super) fn run(mut self, mut calls: mpsc::Receiver<Call>) {
        while let Some(first) = calls.blocking_recv() {
            let mut batch = Batch::default();
            batch.add(first);
            let mut count = 1;
            while count < BATCH_CALLS_MAX && batch.bytes < BATCH_BYTES_MAX && batch.close.is_none() {
                let Ok(call) = calls.try_recv() else { break };
                batch.add(call);
                count += 1;
            }
            let (bytes, close) = (batch.bytes, batch.close.take());
            self.work(batch);
            self.look_on();
            self.sort();
            if let Some((clean, reply)) = close {
                drop(calls);
                self.shared.wake_all();
                if clean {
                    self.finish();
                }
                drop(self);
                let _ = reply.send(());
                return;
            }
            if calls.is_empty() {
                self.idle();
            }
            self.checkpointer.consider(&self.conn, bytes);
        }
        self.shared.wake_all();
    }

    /// Does one batch: leases first, which need no disk; then what must be stored; then those who asked for
    /// jobs and found none before.
    fn work(&mut self, mut batch: Batch) {
        if let Err(error) = self.mend() {
            return batch.refuse(&error);
        }
        self.keep_time();
        batch.writes.iter_mut().for_each(|(write, _)| write.heed_step(self.now_ms));
        batch.writes.extend(self.chores.drain(..).map(|write| (write, None)));
        if !batch.reserves.is_empty() && self.sweep_is_due() {
            // A sweep that fails is made good by the next one.
            let _ = self.store(vec![(Write::Promote(SWEEP_AT_RESERVE), None)]);
        }
        let mono_ms = self.clock.mono_ms();
        for (leases, lease_ms, reply) in std::mem::take(&mut batch.extends) {
            let _ = reply.send(Ok(serve::extend(&mut self.shared.change(), &leases, lease_ms, mono_ms)));
        }
        let writes = std::mem::take(&mut batch.writes);
        if writes.is_empty() {
            return self.serve(batch.reserves);
        }
        let hungry = self.serve_some(std::mem::take(&mut batch.reserves));
        let (counts, writes): (Vec<_>, Vec<_>) =
            writes.into_iter().partition(|(write, _)| matches!(write, Write::Count(_)));
        for writes in in_transactions(writes) {
            let answers = self.store(writes);
            self.shared.wake();
            for (reply, answer) in answers {
                let _ = reply.send(answer);
            }
        }
        for (write, reply) in counts {
            let answer = self.count(&write);
            if let Some(reply) = reply {
                let _ = reply.send(answer);
            }
        }
        self.serve(hungry);
    }

    fn sweep_is_due(&self) -> bool {
        let live = self.shared.look();
        let mono_ms = self.clock.mono_ms();
        live.next_due_ms.into_iter().chain(live.next_expiry_ms).any(|at_ms| at_ms <= self.now_ms)
            || live.schedules.values().any(|planned| planned.is_due(self.now_ms, mono_ms))
    }

    /// Reads the clock. If the wall clock stepped back, shifts along what waits for a time. A shift that cannot be
    /// stored is tried again a while later; what is stored meanwhile will come early.
    fn keep_time(&mut self) {
        let (now_ms, mono_ms) = wall::read(&*self.clock);
        self.now_ms = now_ms;
        let Some(step_ms) = self.wall.fell(now_ms, mono_ms) else { return };
        if mono_ms < self.shift_after_mono_ms {
            return;
        }
        match self.commit(&[&Write::ShiftBack(step_ms)], false) {
            Ok(_) => {
                self.wall.shifted(now_ms, mono_ms);
                tracing::warn!(step_ms, "the clock was set back: what waits for a time was shifted along");
            }
            Err(fail) => {
                self.explain(fail);
                self.shift_after_mono_ms = mono_ms.saturating_add(SHIFT_AGAIN_MS);
            }
        }
    }

    /// Answers those for whom there are jobs at once; the others are returned.
    fn serve_some(&mut self, reserves: Vec<(Reserve, Reply<Served>)>) -> Vec<(Reserve, Reply<Served>)> {
        reserves.into_iter().filter_map(|(request, reply)| self.serve_one(request, reply, false)).collect()
    }

    fn serve(&mut self, reserves: Vec<(Reserve, Reply<Served>)>) {
        for (request, reply) in reserves {
            self.serve_one(request, reply, true);
        }
        self.shared.wake();
    }

    /// Answers a reservation, an empty one only if `even_empty`.
    fn serve_one(
        &mut self,
        request: Reserve,
        reply: Reply<Served>,
        even_empty: bool,
    ) -> Option<(Reserve, Reply<Served>)> {
        let served = serve::reserve(
            &self.conn,
            &self.shared.live,
            &request,
            self.clock.mono_ms(),
            &self.options.faults,
        );
        let Found { mut reservations, unfit, put_off, wait_ms } = match served {
            Ok(served) => served,
            Err(error) => {
                let _ = reply.send(Err(self.explain(error.into())));
                return None;
            }
        };
        if let Err(error) = self.put_off(put_off)
            && reservations.is_empty()
        {
            let _ = reply.send(Err(error));
            return None;
        }
        self.chores
            .extend(unfit.into_iter().map(|unfit| Write::Bury { seq: unfit.seq, failure: unfit.failure }));
        if self.careful
            && !reservations.is_empty()
            && let Err(error) = self.mark()
        {
            self.take_back(&std::mem::take::<Vec<Reservation>>(&mut reservations), false);
            if even_empty {
                // Not "nothing is ready": whoever hears that asks again at once, for what was just taken back.
                let _ = reply.send(Err(error));
                return None;
            }
        }
        if reservations.is_empty() && !even_empty {
            return Some((request, reply));
        }
        let next_in_ms = {
            let live = self.shared.look();
            let next_ms = live.next_due_ms.into_iter().chain(live.next_expiry_ms);
            let mono_ms = self.clock.mono_ms();
            let fire = live.schedules.values().filter_map(|planned| planned.next_in_ms(self.now_ms, mono_ms));
            next_ms.map(|at_ms| ahead(at_ms, self.now_ms)).chain(wait_ms).chain(fire).min()
        };
        self.tell(EventKind::Started, &reservations);
        if let Err(Ok((unwanted, _))) = reply.send(Ok((reservations, next_in_ms))) {
            // The caller has gone meanwhile: nobody will run these.
            self.take_back(&unwanted, true);
        }
        None
    }

    /// Tells what no commit knows of: that jobs of one queue were handed out, or taken back.
    fn tell(&self, kind: EventKind, reservations: &[Reservation]) {
        let Some(Reservation { job, .. }) = reservations.first() else { return };
        let tag = {
            let live = self.shared.look();
            live.queue_no(&job.queue).and_then(|no| Some(Arc::clone(&live.queues.get(&no)?.tag)))
        };
        let Some(tag) = tag else { return };
        self.shared.events.tell(reservations.iter().map(|Reservation { job, .. }| {
            Event::of_queue(kind, self.now_ms, Arc::clone(&tag)).of_job(job.id, job.group, job.attempt)
        }));
    }

    /// Lets jobs that were found in ready order wait until they may begin. If that cannot be stored, they are in
    /// ready order as before.
    fn put_off(&mut self, put_off: Vec<PutOff>) -> Result<(), QueueError> {
        if put_off.is_empty() {
            return Ok(());
        }
        let write = Write::PutOff(put_off);
        let Err(fail) = self.commit(&[&write], false) else { return Ok(()) };
        if let Write::PutOff(put_off) = write {
            let mut live = self.shared.change();
            let entries = put_off.into_iter().map(|PutOff { ticket, .. }| Entry { ticket, cached: None });
            entries.for_each(|entry| live.leave_in_line(entry));
        }
        Err(self.explain(fail))
    }

    /// Takes back what nobody has seen; `told`: that it was handed out.
    fn take_back(&mut self, reservations: &[Reservation], told: bool) {
        for reservation in reservations {
            let lease = &reservation.lease;
            if self.shared.change().take_back(lease) {
                if told {
                    self.tell(EventKind::Released, std::slice::from_ref(reservation));
                }
            } else {
                let release =
                    Settle { lease: *lease, verdict: Verdict::Release, follow_ups: Vec::new(), note: None };
                self.chores.push_back(Write::Settle(vec![PreparedSettle::new(release, 0)]));
            }
        }
    }

    /// Loads the beginning of ready order where nobody knows it, so that the next reservation need not, and the
    /// oldest job is known.
    fn look_on(&self) {
        let blind: Vec<i64> = {
            let live = self.shared.look();
            let blind = live.queues.iter().filter(|(_, queue)| queue.windows.iter().any(Window::is_blind));
            blind.map(|(&no, _)| no).collect()
        };
        for queue in blind {
            if let Err(error) = load::refill(&self.conn, &mut self.shared.change(), queue) {
                tracing::warn!(%error, "ready jobs could not be read ahead");
            }
        }
    }

    /// Sorts some of what is new into its tables, once there is much of it. Nobody waits for it, and what is lost of it
    /// is done again.
    fn sort(&mut self) {
        if self.broken.is_some() {
            return;
        }
        let wanted = {
            let mut live = self.shared.change();
            let number = live.number;
            live.fresh.wants(number)
        };
        if let Some(limit) = wanted
            && let Err(fail) = self.commit(&[&Write::Sort(limit)], false)
        {
            self.explain(fail);
        }
    }

    /// Puts the marks of begun attempts on disk.
    fn mark(&mut self) -> Result<(), QueueError> {
        let live = self.shared.look();
        let begun = live.unmarked.iter().any(|id| live.held.contains_key(id));
        drop(live);
        if !begun {
            return Ok(());
        }
        let marked = if self.careful && take_one(&self.options.faults.marks_lost) {
            Err(Fail::Sql(injected(SQLITE_FULL)))
        } else {
            self.commit(&[], false)
        };
        marked.map(|_| ()).map_err(|fail| self.explain(fail))
    }

    /// While nobody waits: marks, and what the writer itself has to do.
    fn idle(&mut self) {
        if self.broken.is_some() {
            return;
        }
        let chores: Vec<_> = self.chores.drain(..).map(|write| (write, None)).collect();
        if !chores.is_empty() {
            self.store(chores);
            self.shared.wake();
        }
        // What cannot be marked now rides a later commit.
        let _ = self.mark();
    }
}

/// Which writes share a transaction. A prune may drop a table that the others look into. Settings are read from
/// memory, as they were before the transaction. So these go alone.
fn in_transactions<T>(writes: Vec<(Write, T)>) -> Vec<Vec<(Write, T)>> {
    let (alone, together): (Vec<_>, Vec<_>) =
        writes.into_iter().partition(|(write, _)| matches!(write, Write::Prune(_) | Write::Configure { .. }));
    std::iter::once(together).chain(alone.into_iter().map(|write| vec![write])).collect()
}

impl Batch {
    fn add(&mut self, call: Call) {
        match call {
            Call::Write { write, reply, room } => {
                self.bytes +=
                    write.new_jobs().iter().map(|new| new.job.payload.len() + new.head.len()).sum::<usize>();
                self.writes.push((write, Some(reply)));
                self.room.push(room);
            }
            Call::Reserve { request, reply } => self.reserves.push((request, reply)),
            Call::Extend { leases, lease_ms, reply } => self.extends.push((leases, lease_ms, reply)),
            Call::Close { clean, reply } => self.close = Some((clean, reply)),
        }
    }

    fn refuse(self, error: &QueueError) {
        for (_, reply) in self.writes {
            if let Some(reply) = reply {
                let _ = reply.send(Err(error.clone()));
            }
        }
        for (_, reply) in self.reserves {
            let _ = reply.send(Err(error.clone()));
        }
        for (.., reply) in self.extends {
            let _ = reply.send(Err(error.clone()));
        }
    }
}
