//! One direction of a connection.

use super::shape::{End, Orders, Shape};
use crate::lab::changes::Changes;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

/// The most bytes taken at once.
const CHUNK: usize = 16 * 1024;
/// The most bytes on their way in one direction; then nothing more is taken.
const QUEUE_MAX: usize = 4 * 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    ToServer,
    ToClient,
}

/// How a direction came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// The sender closed, and all it sent was delivered.
    Over,
    /// The receiver is gone; what comes the other way may still be delivered.
    Broken,
    /// Nothing passes any more: a black hole.
    Hole,
    /// Cut as ordered.
    Cut(End),
}

/// Counts bytes and tells those who wait for them.
#[derive(Debug)]
pub(super) struct Passed<'a> {
    pub(super) bytes: &'a AtomicU64,
    pub(super) changes: &'a Changes,
}

impl Passed<'_> {
    fn add(&self, count: u64) {
        self.bytes.fetch_add(count, Ordering::AcqRel);
        self.changes.notify();
    }
}

/// Bytes on their way.
#[derive(Debug)]
struct Parcel {
    due: Instant,
    bytes: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Pump<'a> {
    pub(super) direction: Direction,
    pub(super) from: &'a mut OwnedReadHalf,
    pub(super) to: &'a mut OwnedWriteHalf,
    pub(super) orders: watch::Receiver<Orders>,
    /// Counts what was delivered.
    pub(super) passed: &'a Passed<'a>,
    queue: VecDeque<Parcel>,
    queued: usize,
    /// When the next byte may pass.
    free_at: Instant,
    /// The order that is being followed, and how many bytes have passed under it.
    number: u64,
    counted: u64,
    closed: bool,
}

impl<'a> Pump<'a> {
    pub(super) fn new(
        direction: Direction,
        from: &'a mut OwnedReadHalf,
        to: &'a mut OwnedWriteHalf,
        orders: watch::Receiver<Orders>,
        passed: &'a Passed<'a>,
    ) -> Self {
        let number = orders.borrow().number;
        Self {
            direction,
            from,
            to,
            orders,
            passed,
            queue: VecDeque::new(),
            queued: 0,
            free_at: Instant::now(),
            number,
            counted: 0,
            closed: false,
        }
    }

    /// Moves bytes until there is an end to it.
    pub(super) async fn run(mut self) -> Ended {
        let mut buffer = vec![0; CHUNK];
        loop {
            let shape = self.follow();
            if shape.hole {
                return Ended::Hole;
            }
            if let Some(end) = self.is_cut(shape) {
                return if end == End::Stall { Ended::Hole } else { Ended::Cut(end) };
            }
            if self.closed && self.queue.is_empty() {
                return Ended::Over;
            }
            let room = !self.closed && !shape.frozen && self.queued < QUEUE_MAX;
            let (due, chunk) = self.next_chunk(shape);
            let ready = due.filter(|_| !shape.frozen);
            tokio::select! {
                changed = self.orders.changed() => if changed.is_err() { return Ended::Over },
                read = self.from.read(&mut buffer), if room => match read {
                    Ok(0) | Err(_) => self.closed = true,
                    Ok(length) => self.enqueue(&buffer[..length], shape),
                },
                written = deliver(self.to, ready, chunk), if ready.is_some() => match written {
                    Ok(0) | Err(_) => return Ended::Broken,
                    Ok(length) => self.delivered(length, shape),
                },
            }
        }
    }

    /// The shape that is in force now.
    fn follow(&mut self) -> Shape {
        let orders = *self.orders.borrow_and_update();
        if orders.number != self.number {
            self.number = orders.number;
            self.counted = 0;
        }
        orders.shape
    }

    fn is_cut(&self, shape: Shape) -> Option<End> {
        let (after, end) = shape.cut.filter(|_| self.direction == Direction::ToClient)?;
        let reached = self.counted >= after && (after > 0 || !self.queue.is_empty());
        reached.then_some(end)
    }

    /// When the next bytes may pass, and how many at most.
    fn next_chunk(&self, shape: Shape) -> (Option<Instant>, Vec<u8>) {
        let Some(parcel) = self.queue.front() else { return (None, Vec::new()) };
        let mut most = parcel.bytes.len();
        if let Some(bytes_per_s) = shape.bytes_per_s {
            // In twentieths of a second, so that it trickles.
            most = most.min(usize::try_from(bytes_per_s / 20).unwrap_or(usize::MAX).max(1));
        }
        if let Some((after, _)) = shape.cut.filter(|_| self.direction == Direction::ToClient) {
            most = most.min(usize::try_from(after - self.counted.min(after)).unwrap_or(usize::MAX));
        }
        (Some(parcel.due.max(self.free_at)), parcel.bytes[..most].to_vec())
    }

    fn enqueue(&mut self, bytes: &[u8], shape: Shape) {
        let after = match self.direction {
            Direction::ToServer => shape.to_server_after,
            Direction::ToClient => shape.to_client_after,
        };
        self.queued += bytes.len();
        self.queue.push_back(Parcel { due: Instant::now() + after, bytes: bytes.to_vec() });
    }

    fn delivered(&mut self, length: usize, shape: Shape) {
        let count = u64::try_from(length).unwrap_or(u64::MAX);
        self.passed.add(count);
        self.counted += count;
        self.queued -= length;
        if let Some(parcel) = self.queue.front_mut() {
            parcel.bytes.drain(..length);
            if parcel.bytes.is_empty() {
                self.queue.pop_front();
            }
        }
        if let Some(bytes_per_s) = shape.bytes_per_s {
            self.free_at =
                Instant::now() + Duration::from_micros(count.saturating_mul(1_000_000) / bytes_per_s);
        }
    }
}

/// Writes some of the bytes when they are due. If it is dropped before it ends, none are written.
async fn deliver(to: &mut OwnedWriteHalf, due: Option<Instant>, bytes: Vec<u8>) -> std::io::Result<usize> {
    if let Some(due) = due {
        sleep_until(due).await;
    }
    to.write(&bytes).await
}
