//! The callers' end of a lane.

use super::driver::Ended;
use super::ticket::{Slot, Ticket};
use futures::task::AtomicWaker;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// One offer: a command, or a pipeline, encoded.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) packed: Vec<u8>,
    /// Replies that belong to it; 0 is one that is not an array of replies.
    pub(super) pipeline: Option<usize>,
    pub(super) slot: Slot,
}

#[derive(Debug, Default)]
struct Queue {
    waiting: VecDeque<Request>,
    /// The id of the first in `waiting`.
    first_id: u64,
    bytes: usize,
    /// Nothing is accepted any more.
    closing: Option<Closing>,
}

#[derive(Debug, Clone)]
enum Closing {
    /// What is in flight is answered first.
    Idle,
    /// At once.
    Now(Ended),
    /// The driver has ended.
    Done(Ended),
}

/// What both ends share.
#[derive(Debug)]
pub(super) struct Shared {
    queue: Mutex<Queue>,
    pub(super) driver: AtomicWaker,
    started: Instant,
    bytes_max: usize,
    /// Offered and not answered.
    in_flight: AtomicUsize,
    /// Since when nothing has been read while something was in flight, in ms since `started`, plus one; 0 if
    /// nothing is in flight.
    silent_since: AtomicU64,
    answered: AtomicU64,
    bytes_in: AtomicU64,
    bytes_out: AtomicU64,
}

/// How busy a lane is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// Offered and not answered.
    pub(crate) in_flight: usize,
    /// How long nothing has been read while something was in flight.
    pub(crate) silent: Duration,
}

/// The lane does not take it; nothing was sent.
#[derive(Debug, Clone)]
pub(crate) enum Refused {
    /// The lane has ended or is about to. The bytes are given back, for another one.
    Closed(Vec<u8>),
    /// Its queue holds as many bytes as it may.
    Full,
}

/// A connection as its callers see it. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Lane(pub(super) Arc<Shared>);

impl Lane {
    pub(super) fn new(bytes_max: usize) -> Self {
        Self(Arc::new(Shared {
            queue: Mutex::default(),
            driver: AtomicWaker::new(),
            started: Instant::now(),
            bytes_max,
            in_flight: AtomicUsize::new(0),
            silent_since: AtomicU64::new(0),
            answered: AtomicU64::new(0),
            bytes_in: AtomicU64::new(0),
            bytes_out: AtomicU64::new(0),
        }))
    }

    /// Puts encoded commands into the queue; `pipeline` is the number of their replies if they are a pipeline.
    pub(crate) fn offer(&self, packed: Vec<u8>, pipeline: Option<usize>) -> Result<Ticket, Refused> {
        let (slot, reply) = oneshot::channel();
        let id = {
            let mut queue = self.0.lock();
            if queue.closing.is_some() {
                return Err(Refused::Closed(packed));
            }
            // One that is larger than the bound on its own is taken when nothing else waits.
            if queue.bytes > 0 && queue.bytes + packed.len() > self.0.bytes_max {
                return Err(Refused::Full);
            }
            queue.bytes += packed.len();
            queue.waiting.push_back(Request { packed, pipeline, slot });
            // Before the driver can take it: an answer is never counted before its offer.
            self.0.in_flight.fetch_add(1, Ordering::Relaxed);
            queue.first_id + queue.waiting.len() as u64 - 1
        };
        self.0.driver.wake();
        Ok(Ticket { id, reply, shared: Arc::clone(&self.0) })
    }

    /// Takes nothing more, and ends when what is in flight has been answered.
    pub(crate) fn retire(&self) {
        self.0.close(Closing::Idle);
    }

    /// Ends at once. What was sent is lost, what was not is given back.
    pub(crate) fn kill(&self, why: Ended) {
        self.0.close(Closing::Now(why));
    }

    /// True until it is retired, killed or broken.
    pub(crate) fn is_open(&self) -> bool {
        self.0.lock().closing.is_none()
    }

    /// How busy it is.
    pub(crate) fn load(&self) -> Load {
        let now_ms = self.0.now_ms();
        let silent = match self.0.silent_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis((now_ms + 1).saturating_sub(since)),
        };
        Load { in_flight: self.in_flight(), silent }
    }

    /// Offered and not answered.
    pub(crate) fn in_flight(&self) -> usize {
        self.0.in_flight.load(Ordering::Relaxed)
    }

    /// Bytes read and written so far.
    pub(crate) fn traffic(&self) -> (u64, u64) {
        (self.0.bytes_in.load(Ordering::Relaxed), self.0.bytes_out.load(Ordering::Relaxed))
    }

    /// Answers so far.
    pub(crate) fn answered(&self) -> u64 {
        self.0.answered.load(Ordering::Relaxed)
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        // A panic elsewhere leaves a queue that is whole: nothing here is half done.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self, closing: Closing) {
        let mut queue = self.lock();
        match (&queue.closing, &closing) {
            (None, _) | (Some(Closing::Idle), Closing::Now(_) | Closing::Done(_)) => {
                queue.closing = Some(closing)
            }
            (Some(Closing::Now(why)), Closing::Done(_)) => queue.closing = Some(Closing::Done(why.clone())),
            _ => {}
        }
        drop(queue);
        self.driver.wake();
    }

    /// Takes one back that has not left the queue.
    pub(super) fn withdraw(&self, id: u64) -> bool {
        let mut queue = self.lock();
        let Some(at) = id.checked_sub(queue.first_id).and_then(|at| usize::try_from(at).ok()) else {
            return false;
        };
        let Some(request) = queue.waiting.get_mut(at) else { return false };
        // Ids are places in the queue: the place stays, and the driver passes over it because nobody listens.
        let packed = std::mem::take(&mut request.packed);
        queue.bytes -= packed.len();
        true
    }

    /// The next request that somebody waits for.
    pub(super) fn take(&self) -> Option<Request> {
        let mut queue = self.lock();
        loop {
            let request = queue.waiting.pop_front()?;
            queue.first_id += 1;
            queue.bytes -= request.packed.len();
            if !request.slot.is_closed() && !request.packed.is_empty() {
                return Some(request);
            }
            self.in_flight.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// What the driver is asked to do: `Some(None)` is to end when idle.
    pub(super) fn closing(&self) -> Option<Option<Ended>> {
        match &self.lock().closing {
            None => None,
            Some(Closing::Idle) => Some(None),
            Some(Closing::Now(why) | Closing::Done(why)) => Some(Some(why.clone())),
        }
    }

    /// Closes the queue for good and gives back what is in it.
    pub(super) fn end(&self, why: &Ended) -> VecDeque<Request> {
        self.close(Closing::Done(why.clone()));
        let mut queue = self.lock();
        queue.bytes = 0;
        queue.first_id += queue.waiting.len() as u64;
        std::mem::take(&mut queue.waiting)
    }

    /// Requests in the queue.
    pub(super) fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    pub(super) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn set_silent(&self, since_ms: Option<u64>) {
        self.silent_since.store(since_ms.map_or(0, |ms| ms + 1), Ordering::Relaxed);
    }

    pub(super) fn count_answer(&self) {
        self.in_flight.fetch_sub(1, Ordering::Relaxed);
        self.answered.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_read(&self, bytes: usize) {
        self.bytes_in.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_written(&self, bytes: usize) {
        self.bytes_out.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn nothing_in_flight(&self) {
        self.in_flight.store(0, Ordering::Relaxed);
        self.set_silent(None);
    }
}
