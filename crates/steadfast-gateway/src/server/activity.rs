//! What a connection is doing, so that the right clock runs for it and only idle ones are closed.

use crate::config::Limits;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const IDLE: u64 = 0;
const HEAD: u64 = 1;
const BUSY: u64 = 2;
const SHED: u64 = 3;
const PHASE_BITS: u32 = 2;

/// A connection that is new, or in the middle of a request's head, is closed for another only after this
/// long: a client that means well sends the whole head at once.
const HEAD_GRACE_MS: u64 = 1_000;

/// The phase of one connection and since when, in one word.
#[derive(Debug)]
pub(super) struct Activity {
    base: Instant,
    word: AtomicU64,
    unread: AtomicBool,
}

impl Activity {
    /// A new connection: its first request is expected at once.
    pub(super) fn new(base: Instant) -> Self {
        let activity = Self { base, word: AtomicU64::new(IDLE), unread: AtomicBool::new(false) };
        activity.set(HEAD);
        activity
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.base.elapsed().as_millis()).unwrap_or(u64::MAX >> PHASE_BITS)
    }

    fn read(&self) -> (u64, u64) {
        let word = self.word.load(Ordering::Acquire);
        (word & ((1 << PHASE_BITS) - 1), word >> PHASE_BITS)
    }

    fn set(&self, phase: u64) {
        self.word.store(self.now_ms() << PHASE_BITS | phase, Ordering::Release);
    }

    /// A request begins to be handled.
    pub(super) fn begin(&self) {
        self.set(BUSY);
    }

    /// It is answered.
    pub(super) fn end(&self) {
        self.set(IDLE);
    }

    /// The last answer left some of its request unread.
    pub(super) fn leave_unread(&self) {
        self.unread.store(true, Ordering::Release);
    }

    /// Whether an answer left some of its request unread.
    pub(super) fn left_unread(&self) -> bool {
        self.unread.load(Ordering::Acquire)
    }

    /// Bytes came. False: the connection has been given up and they must not be read.
    pub(super) fn bytes_came(&self) -> bool {
        let (phase, since_ms) = self.read();
        if phase == IDLE {
            let idle = since_ms << PHASE_BITS | IDLE;
            let head = self.now_ms() << PHASE_BITS | HEAD;
            return self.word.compare_exchange(idle, head, Ordering::AcqRel, Ordering::Acquire).is_ok();
        }
        phase != SHED
    }

    /// Until when the next bytes must come; `None` while a request is handled, which has its own bounds.
    pub(super) fn read_deadline(&self, limits: &Limits) -> Option<Instant> {
        let (phase, since_ms) = self.read();
        let span = match phase {
            IDLE => limits.idle_timeout,
            HEAD => limits.head_timeout,
            _ => return None,
        };
        Some(self.base + Duration::from_millis(since_ms) + span)
    }

    /// Since when the connection does nothing that would be lost; `None` if it does something.
    pub(super) fn expendable_since_ms(&self) -> Option<u64> {
        let (phase, since_ms) = self.read();
        match phase {
            IDLE => Some(since_ms),
            HEAD if self.now_ms().saturating_sub(since_ms) > HEAD_GRACE_MS => Some(since_ms),
            _ => None,
        }
    }

    /// Gives the connection up, unless it has begun to do something meanwhile.
    pub(super) fn give_up(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        self.expendable_since_ms().is_some()
            && self.word.compare_exchange(word, word | SHED, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn only_a_connection_at_rest_is_given_up() {
        let activity = Activity::new(Instant::now());
        assert!(!activity.give_up(), "its first request may be on the way");
        activity.begin();
        assert!(!activity.give_up(), "a request is in flight");
        activity.end();
        assert!(activity.bytes_came());
        assert!(!activity.give_up(), "a head has just begun");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(activity.give_up(), "a head that does not end");
        assert!(!activity.bytes_came());
    }

    #[tokio::test(start_paused = true)]
    async fn each_phase_has_its_deadline() {
        let (base, limits) = (Instant::now(), Limits::default());
        let activity = Activity::new(base);
        assert_eq!(activity.read_deadline(&limits), Some(base + limits.head_timeout));
        activity.end();
        tokio::time::advance(Duration::from_secs(10)).await;
        assert_eq!(activity.read_deadline(&limits), Some(base + limits.idle_timeout));
        assert!(activity.bytes_came());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(activity.bytes_came(), "more of the same head");
        let began = base + Duration::from_secs(10);
        assert_eq!(activity.read_deadline(&limits), Some(began + limits.head_timeout));
        activity.begin();
        assert_eq!(activity.read_deadline(&limits), None);
    }
}
