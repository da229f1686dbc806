//! Connections that one caller holds alone: for commands that block, and for `WATCH`.
//!
//! A command that keeps its connection waiting would keep everybody else on it waiting too, and state such as `WATCH`
//! would be everybody's. So these have connections of their own, as many as `pool.connections_max` leaves room for; who
//! finds none free waits in line, until its deadline, and the line is bounded.

mod blocking;
mod orphan;
mod watched;

pub use watched::{Exec, Watched};

use crate::dial::{Dialed, dial};
use crate::error::{Error, ErrorKind, Outcome, Result};
use crate::lane::{Answer, Driver, Ended, Lane};
use crate::node::Node;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// A connection nobody holds, and since when.
#[derive(Debug)]
struct Idle {
    lane: Lane,
    client_id: Option<i64>,
    generation: u64,
    since: Instant,
}

/// One node's exclusive connections.
#[derive(Debug)]
pub(crate) struct Exclusives {
    idle: Mutex<Vec<Idle>>,
    room: Arc<Semaphore>,
    size_max: usize,
    waiting: AtomicUsize,
    waiters_max: usize,
    /// One was given back, or a dial succeeded: who waits for leave to dial looks again.
    changed: Notify,
}

/// How many connections are held and waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ExclusiveLoad {
    pub(crate) held: usize,
    pub(crate) idle: usize,
    pub(crate) waiting: usize,
    pub(crate) size_max: usize,
}

impl Exclusives {
    pub(crate) fn new(size_max: usize, waiters_max: usize) -> Self {
        Self {
            idle: Mutex::default(),
            room: Arc::new(Semaphore::new(size_max)),
            size_max,
            waiting: AtomicUsize::new(0),
            waiters_max,
            changed: Notify::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn load(&self) -> ExclusiveLoad {
        let (size_max, idle) = (self.size_max, self.lock().len());
        let held = size_max - self.room.available_permits().min(size_max);
        ExclusiveLoad { held, idle, waiting: self.waiting.load(Ordering::Relaxed), size_max }
    }

    /// Closes those nobody has held for `idle`, and those of another `generation`.
    pub(crate) fn reap(&self, idle: Duration, generation: u64) {
        let mut list = self.lock();
        list.retain(|one| {
            let keep = one.lane.is_open() && one.since.elapsed() < idle && one.generation == generation;
            if !keep {
                one.lane.retire();
            }
            keep
        });
    }

    /// The latest used that still works.
    fn take(&self, generation: u64) -> Option<Idle> {
        let mut list = self.lock();
        while let Some(one) = list.pop() {
            if one.lane.is_open() && one.generation == generation {
                return Some(one);
            }
            one.lane.retire();
        }
        None
    }
}

/// A connection held alone. Dropped while something is in flight it is closed; else the next one may have it.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) node: Arc<Node>,
    lane: Lane,
    pub(crate) client_id: Option<i64>,
    generation: u64,
    /// The connection's state is not what a new holder expects.
    is_dirty: bool,
    _room: OwnedSemaphorePermit,
}

impl Held {
    /// Waits in line for a connection of `node`, dialled if there is none.
    ///
    /// # Errors
    /// The line is full, the deadline passed, or the dial failed: nothing was sent.
    pub(crate) async fn of(node: &Arc<Node>, deadline: Instant) -> Result<Self> {
        node.fit(deadline).await?;
        let pool = &node.exclusives;
        let room = match Arc::clone(&pool.room).try_acquire_owned() {
            Ok(room) => room,
            Err(_) => {
                let since = Instant::now();
                let room = wait_in_line(node, deadline).await;
                node.counters.stood_in_line(since.elapsed(), room.is_ok());
                room?
            }
        };
        let got = tokio::time::timeout_at(deadline, take_or_dial(node)).await;
        let Idle { lane, client_id, generation, .. } = got.unwrap_or_else(|_| {
            let why = "no connection of its own came about in time";
            Err(Error::new(ErrorKind::Timeout, "DEADLINE", Outcome::NotSent, why).on(&node.name))
        })?;
        Ok(Self { node: Arc::clone(node), lane, client_id, generation, is_dirty: false, _room: room })
    }

    /// Sends on it, and waits for the answer until `deadline`; after that the connection is closed.
    pub(crate) async fn send(
        &mut self,
        packed: Vec<u8>,
        pipeline: Option<usize>,
        deadline: Instant,
    ) -> Result<Answer> {
        let since = Instant::now();
        let Ok(ticket) = self.lane.offer(packed, pipeline) else {
            let why = "the connection ended";
            return Err(
                Error::new(ErrorKind::Connection, "CLOSED", Outcome::NotSent, why).on(&self.node.name)
            );
        };
        let answer = ticket.wait(deadline).await;
        answer.map_err(|lost| {
            self.is_dirty = true;
            self.node.explain(lost, since.elapsed())
        })
    }

    /// Whoever holds it next must not find it as it is: it is closed instead.
    pub(crate) const fn set_dirty(&mut self, is_dirty: bool) {
        self.is_dirty = is_dirty;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if self.is_dirty || self.lane.in_flight() > 0 || !self.lane.is_open() {
            self.lane.kill(Ended::Closed);
            return;
        }
        let (lane, client_id, generation) = (self.lane.clone(), self.client_id, self.generation);
        self.node.exclusives.lock().push(Idle { lane, client_id, generation, since: Instant::now() });
        self.node.exclusives.changed.notify_waiters();
    }
}

async fn wait_in_line(node: &Arc<Node>, deadline: Instant) -> Result<OwnedSemaphorePermit> {
    let pool = &node.exclusives;
    let exhausted = |why: String| {
        Error::new(ErrorKind::PoolExhausted, "POOL_EXHAUSTED", Outcome::NotSent, why)
            .advise("raise pool.connections_max, or hold fewer blocking calls and transactions at a time")
            .on(&node.name)
    };
    if pool.waiting.fetch_add(1, Ordering::Relaxed) >= pool.waiters_max {
        pool.waiting.fetch_sub(1, Ordering::Relaxed);
        return Err(exhausted(format!(
            "all {} connections are held and {} callers wait already",
            pool.size_max, pool.waiters_max
        )));
    }
    let _counted = Counted(&pool.waiting);
    match tokio::time::timeout_at(deadline, Arc::clone(&pool.room).acquire_owned()).await {
        Ok(Ok(room)) => Ok(room),
        _ => Err(exhausted(format!("all {} connections were held until the deadline", pool.size_max))),
    }
}

/// One less when dropped, also if the caller went away.
struct Counted<'a>(&'a AtomicUsize);

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// One that nobody holds, or a new one as soon as the node may be dialled: dials that are under way count until they
/// have succeeded, so a burst of callers waits for the first of them and not for the budget's time.
async fn take_or_dial(node: &Arc<Node>) -> Result<Idle> {
    let pool = &node.exclusives;
    let permit = loop {
        // Before the look, so that what changes after it is noticed.
        let changed = pool.changed.notified();
        let generation = node.state().borrow().generation;
        if let Some(idle) = pool.take(generation) {
            return Ok(idle);
        }
        match node.dial_budget.try_dial() {
            Ok(permit) => break permit,
            Err(wait) => tokio::select! {
                () = tokio::time::sleep(wait.wait) => {}
                () = changed => {}
            },
        }
    };
    let (generation, settings) = (node.state().borrow().generation, node.settings());
    let Dialed { io, greeting, .. } = dial(&settings.dial, &node.address).await?;
    permit.succeeded();
    pool.changed.notify_waiters();
    let (lane, driver) = Driver::new(io, settings.queue_bytes_max, settings.dial.reply_bytes_max);
    node.run_lane(driver);
    Ok(Idle { lane, client_id: greeting.client_id, generation, since: Instant::now() })
}
