//! The latest events of a store, and who waits for the next.

use super::{EVENT_BYTES_MAX, EVENTS_MAX, EVENTS_PAGE_MAX, Event, EventCursor, Events, EventsFrom, Gap};
use crate::backend::rules::WAIT_MAX;
use crate::error::QueueError;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// What a store has to tell.
#[derive(Debug)]
pub(crate) struct EventLog {
    ring: Mutex<Ring>,
    told: Notify,
}

#[derive(Debug)]
struct Ring {
    stream: u64,
    /// Without holes: the last one's number is one less than `next`.
    events: VecDeque<Event>,
    bytes: usize,
    next: u64,
    closed: bool,
}

impl EventLog {
    pub(crate) fn new() -> Self {
        Self { ring: Mutex::new(Ring::new()), told: Notify::new() }
    }

    // Nothing in here panics halfway through a change.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds what has come true. Called by one at a time, in that order.
    pub(crate) fn tell(&self, events: impl IntoIterator<Item = Event>) {
        let mut events = events.into_iter().peekable();
        if events.peek().is_none() {
            return;
        }
        let mut ring = self.ring();
        events.for_each(|event| ring.push(event));
        drop(ring);
        self.told.notify_waiters();
    }

    /// Something happened, and nobody knows what: whoever reads on is told that it missed something.
    pub(crate) fn break_off(&self) {
        let mut ring = self.ring();
        *ring = Ring { closed: ring.closed, ..Ring::new() };
        drop(ring);
        self.told.notify_waiters();
    }

    /// There will be nothing more to tell.
    pub(crate) fn close(&self) {
        self.ring().closed = true;
        self.told.notify_waiters();
    }

    /// Waits for at most `wait` until there is something behind `from`.
    pub(crate) async fn read(
        &self,
        from: EventsFrom,
        limit: usize,
        wait: Duration,
    ) -> Result<Events, QueueError> {
        let deadline = Instant::now() + wait.min(WAIT_MAX);
        let mut from = from;
        loop {
            // Interest first, then the look: what comes in between wakes us.
            let told = self.told.notified();
            tokio::pin!(told);
            told.as_mut().enable();
            let (page, closed) = {
                let ring = self.ring();
                (ring.page(from, limit.clamp(1, EVENTS_PAGE_MAX)), ring.closed)
            };
            if !page.events.is_empty() || page.gap != Gap::None {
                return Ok(page);
            }
            if closed {
                return Err(QueueError::Closed);
            }
            if Instant::now() >= deadline {
                return Ok(page);
            }
            from = EventsFrom::After(page.next);
            // Whether woken or timed out: look again.
            let _ = timeout_at(deadline, told).await;
        }
    }
}

impl Ring {
    /// An empty one. Its stream is like no other's, whatever becomes of the store's files.
    fn new() -> Self {
        let stream = uuid::Uuid::new_v4().as_u64_pair().0;
        Self { stream, events: VecDeque::new(), bytes: 0, next: 0, closed: false }
    }

    fn push(&mut self, event: Event) {
        self.bytes += event.bytes();
        self.events.push_back(Event { number: self.next, ..event });
        self.next += 1;
        while self.events.len() > EVENTS_MAX || self.bytes > EVENT_BYTES_MAX {
            let Some(oldest) = self.events.pop_front() else { return };
            self.bytes -= oldest.bytes();
        }
    }

    fn page(&self, from: EventsFrom, limit: usize) -> Events {
        let oldest = self.next - self.events.len() as u64;
        let (first, gap) = match from {
            EventsFrom::Oldest => (oldest, Gap::None),
            EventsFrom::Now => (self.next, Gap::None),
            EventsFrom::After(EventCursor { stream, number })
                if stream != self.stream || number > self.next =>
            {
                (oldest, Gap::Unknown)
            }
            EventsFrom::After(EventCursor { number, .. }) if number < oldest => {
                (oldest, Gap::Events(oldest - number))
            }
            EventsFrom::After(EventCursor { number, .. }) => (number, Gap::None),
        };
        let skip = usize::try_from(first - oldest).unwrap_or(usize::MAX);
        let events: Vec<Event> =
            self.events.range(skip.min(self.events.len())..).take(limit).cloned().collect();
        let next = EventCursor { stream: self.stream, number: first + events.len() as u64 };
        Events { events, gap, next }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{EventKind, WORD_BYTES_MAX};
    use super::*;
    use std::sync::Arc;

    fn event() -> Event {
        Event::of_queue(EventKind::Paused, 1, Arc::from("q"))
    }

    #[test]
    fn a_reader_is_told_what_it_missed() {
        let mut ring = Ring::new();
        let at = |number| EventsFrom::After(EventCursor { stream: ring.stream, number });
        let (third, all, beyond) = (at(3), at(EVENTS_MAX as u64 + 10), at(u64::MAX));
        for _ in 0..EVENTS_MAX + 10 {
            ring.push(event());
        }
        let first = ring.page(third, 5);
        assert_eq!((first.gap, first.events[0].number, first.next.number), (Gap::Events(7), 10, 15));
        assert_eq!(first.after(&first.events[4]), first.next);
        let second = ring.page(EventsFrom::After(first.next), 5);
        assert_eq!((second.gap, second.events[0].number), (Gap::None, 15));
        let last = ring.page(all, 5);
        assert_eq!(
            (last.gap, last.events.len(), last.next),
            (Gap::None, 0, ring.page(EventsFrom::Now, 5).next)
        );
        let other = EventsFrom::After(EventCursor { stream: !ring.stream, number: 12 });
        for odd in [other, beyond] {
            let page = ring.page(odd, 1);
            assert_eq!((page.gap, page.events[0].number), (Gap::Unknown, 10));
        }
        assert_eq!(ring.page(EventsFrom::Oldest, 1).gap, Gap::None);
    }

    #[test]
    fn long_words_are_kept_within_the_bound() {
        let mut ring = Ring::new();
        let long = event().failing(Some(&"x".repeat(WORD_BYTES_MAX)));
        for _ in 0..2 * EVENTS_MAX {
            ring.push(long.clone());
        }
        assert!(ring.bytes <= EVENT_BYTES_MAX && ring.events.len() < EVENTS_MAX);
        assert_eq!(ring.bytes, ring.events.len() * long.bytes());
    }

    #[tokio::test]
    async fn who_waits_learns_of_a_break_and_of_the_end() {
        let log = EventLog::new();
        let start = log.read(EventsFrom::Now, 1, Duration::ZERO).await.expect("reads").next;
        let from = EventsFrom::After(start);
        let mut waits = Box::pin(log.read(from, 1, WAIT_MAX));
        assert!(futures::poll!(&mut waits).is_pending());
        log.break_off();
        let page = waits.await.expect("reads");
        assert_eq!((page.gap, page.events.len()), (Gap::Unknown, 0));
        assert_ne!(page.next.stream, start.stream);
        let mut waits = Box::pin(log.read(EventsFrom::After(page.next), 1, WAIT_MAX));
        assert!(futures::poll!(&mut waits).is_pending(), "a gap is told once");
        log.tell([event()]);
        log.close();
        assert_eq!(waits.await.expect("what was told before the end is still told").events.len(), 1);
        let after = EventCursor { number: 1, ..page.next };
        let ended = log.read(EventsFrom::After(after), 1, WAIT_MAX).await;
        assert!(matches!(ended, Err(QueueError::Closed)), "{ended:?}");
    }
}
