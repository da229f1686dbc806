//! What a connection is doing, so that the right clock runs for it and only idle ones are closed.

use crate::config::Limits;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::time::Instant;

const IDLE: u64 = 0;
const HEAD: u64 = 1;
const BODY: u64 = 2;
const BUSY: u64 = 3;
const SHED: u64 = 4;
const PHASE_BITS: u32 = 3;

/// A connection that is new, or in the middle of a request's head or body, is closed for another only after
/// this long: a client that means well sends the whole request at once.
const REQUEST_GRACE_MS: u64 = 250;

/// The phase of one connection and since when, in one word.
#[derive(Debug)]
pub(super) struct Activity {
    base: Instant,
    word: AtomicU64,
    unread: AtomicBool,
    proven: AtomicBool,
}

impl Activity {
    /// A new connection: its first request is expected at once.
    pub(super) fn new(base: Instant) -> Self {
        let (unread, proven) = (AtomicBool::new(false), AtomicBool::new(false));
        let activity = Self { base, word: AtomicU64::new(IDLE), unread, proven };
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

    /// The head of a request is there, its body may follow.
    pub(super) fn begin(&self) {
        self.set(BODY);
    }

    /// The body is there: from here on the request is ours to answer.
    pub(super) fn body_came(&self) {
        let word = self.word.load(Ordering::Acquire);
        if word & ((1 << PHASE_BITS) - 1) == BODY {
            let busy = self.now_ms() << PHASE_BITS | BUSY;
            // It fails where the connection has just been given up, and then stays given up.
            let _ = self.word.compare_exchange(word, busy, Ordering::AcqRel, Ordering::Acquire);
        }
    }

    /// It is answered.
    pub(super) fn end(&self) {
        self.set(IDLE);
    }

    /// A request that was believed came over this connection.
    pub(super) fn prove(&self) {
        self.proven.store(true, Ordering::Release);
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

    /// How much the connection would be missed, the least first: whether a believed request ever came over
    /// it, and since when it does nothing that would be lost. `None` if it does something.
    pub(super) fn expendable(&self) -> Option<(bool, u64)> {
        let (phase, since_ms) = self.read();
        let proven = self.proven.load(Ordering::Acquire);
        match phase {
            IDLE => Some((proven, since_ms)),
            HEAD | BODY if self.now_ms().saturating_sub(since_ms) > REQUEST_GRACE_MS => {
                Some((proven, since_ms))
            }
            _ => None,
        }
    }

    /// Gives the connection up, unless it has begun to do something meanwhile.
    pub(super) fn give_up(&self) -> bool {
        let word = self.word.load(Ordering::Acquire);
        let shed = word >> PHASE_BITS << PHASE_BITS | SHED;
        self.expendable().is_some()
            && self.word.compare_exchange(word, shed, Ordering::AcqRel, Ordering::Acquire).is_ok()
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
        activity.body_came();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(!activity.give_up(), "a request is in flight");
        activity.end();
        assert!(activity.bytes_came());
        assert!(!activity.give_up(), "a head has just begun");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(activity.give_up(), "a head that does not end");
        assert!(!activity.bytes_came());
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_does_not_end_is_given_up_and_stays_so() {
        let activity = Activity::new(Instant::now());
        activity.begin();
        assert!(!activity.give_up(), "the body is on its way");
        tokio::time::advance(Duration::from_secs(2)).await;
        assert!(activity.give_up());
        activity.body_came();
        assert!(!activity.bytes_came(), "too late");
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
