//! What is due when: one heap and one task, however many messages are on their way.

use crate::message::Status;
use crate::plan::{Act, Step};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tokio::time::Instant;

/// Steps waiting at most; a message beyond it stays as it is, and is counted.
const STEPS_MAX: usize = 2_000_000;

/// One step of one message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Due {
    pub(crate) at: Instant,
    order: u64,
    pub(crate) seq: u64,
    pub(crate) status: Status,
    pub(crate) error: Option<u32>,
    pub(crate) act: Act,
}

impl Ord for Due {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl PartialOrd for Due {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Schedule {
    heap: BinaryHeap<Reverse<Due>>,
    order: u64,
    refused: u64,
}

impl Schedule {
    /// Adds a message's steps, counted from `now`. True if one of them is now the first of all.
    pub(crate) fn add(&mut self, seq: u64, steps: &[Step], now: Instant) -> bool {
        let first_before = self.next_at();
        for step in steps {
            if self.heap.len() >= STEPS_MAX {
                self.refused += 1;
                continue;
            }
            self.order += 1;
            self.heap.push(Reverse(Due {
                at: now + step.after,
                order: self.order,
                seq,
                status: step.status,
                error: step.error,
                act: step.act,
            }));
        }
        match (first_before, self.next_at()) {
            (Some(before), Some(after)) => after < before,
            (None, Some(_)) => true,
            _ => false,
        }
    }

    /// Takes the first step if it is due.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Due> {
        if self.next_at()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(due)| due)
    }

    pub(crate) fn next_at(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse(due)| due.at)
    }

    pub(crate) fn waiting(&self) -> usize {
        self.heap.len()
    }

    /// Steps that found no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused
    }

    pub(crate) fn clear(&mut self) {
        self.heap.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test(start_paused = true)]
    async fn steps_come_out_by_time_and_then_as_they_went_in() {
        let now = Instant::now();
        let step = |after_ms, status| Step {
            after: Duration::from_millis(after_ms),
            status,
            error: None,
            act: Act::Call,
        };
        let mut schedule = Schedule::default();
        assert!(schedule.add(1, &[step(20, Status::Delivered), step(10, Status::Sent)], now));
        assert!(!schedule.add(2, &[step(10, Status::Sent)], now));
        assert!(schedule.pop_due(now).is_none());
        let later = now + Duration::from_millis(20);
        let order: Vec<(u64, Status)> =
            std::iter::from_fn(|| schedule.pop_due(later)).map(|due| (due.seq, due.status)).collect();
        assert_eq!(order, [(1, Status::Sent), (2, Status::Sent), (1, Status::Delivered)]);
    }
}
