//! What a subscriber has not read yet.

use super::wire::Topic;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::{Notify, mpsc};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// The channel it was published on.
    pub channel: String,
    /// The pattern that it came by, if it came by one.
    pub pattern: Option<String>,
    /// What was published.
    pub payload: Vec<u8>,
}

/// Why messages may have been missed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum GapReason {
    /// The connection was lost and made again; what was published in between was not received.
    Reconnected,
    /// The subscriber did not read; the oldest messages were dropped.
    Slow,
}

/// What a subscriber is given.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A message.
    Message(Message),
    /// Messages may have been missed before the next one.
    Gap(GapReason),
}

#[derive(Debug)]
struct Waiting {
    events: VecDeque<Event>,
    /// Told before anything else that is still here.
    gap: Option<GapReason>,
    is_closed: bool,
}

/// The sender's end: of a subscription, as the link has it.
#[derive(Debug, Clone)]
pub(crate) struct Inbox {
    shared: Weak<Shared>,
}

#[derive(Debug)]
struct Shared {
    waiting: Mutex<Waiting>,
    arrived: Notify,
    bound: usize,
}

/// A subscriber's end. Dropping it unsubscribes.
#[derive(Debug)]
pub struct Subscription {
    shared: Arc<Shared>,
    topics: Vec<Topic>,
    orders: mpsc::Sender<super::LinkOrder>,
}

/// Both ends of a box for at most `bound` events.
pub(crate) fn inbox(
    bound: usize,
    topics: Vec<Topic>,
    orders: mpsc::Sender<super::LinkOrder>,
) -> (Inbox, Subscription) {
    let waiting = Mutex::new(Waiting { events: VecDeque::new(), gap: None, is_closed: false });
    let shared = Arc::new(Shared { waiting, arrived: Notify::new(), bound: bound.max(1) });
    (Inbox { shared: Arc::downgrade(&shared) }, Subscription { shared, topics, orders })
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inbox {
    /// False if nobody reads it any more.
    pub(super) fn is_open(&self) -> bool {
        self.shared.strong_count() > 0
    }

    /// True if both lead to the same subscriber.
    pub(super) fn is(&self, other: &Self) -> bool {
        Weak::ptr_eq(&self.shared, &other.shared)
    }

    /// Puts a message in; the oldest goes if it is full, and the gap is told.
    pub(super) fn deliver(&self, message: Message) {
        let Some(shared) = self.shared.upgrade() else { return };
        {
            let mut waiting = shared.lock();
            if waiting.events.len() >= shared.bound {
                waiting.events.pop_front();
                waiting.gap = Some(GapReason::Slow);
            }
            waiting.events.push_back(Event::Message(message));
        }
        shared.arrived.notify_one();
    }

    /// Tells of a gap after what is there.
    pub(super) fn gap(&self, reason: GapReason) {
        let Some(shared) = self.shared.upgrade() else { return };
        {
            let mut waiting = shared.lock();
            if waiting.events.back() != Some(&Event::Gap(reason)) {
                waiting.events.push_back(Event::Gap(reason));
            }
        }
        shared.arrived.notify_one();
    }

    /// No more will come.
    pub(super) fn close(&self) {
        if let Some(shared) = self.shared.upgrade() {
            shared.lock().is_closed = true;
            shared.arrived.notify_one();
        }
    }
}

impl Subscription {
    /// The next message or gap; none after the client was closed.
    ///
    /// Cancel safe: an event is taken only when it is returned.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            let arrived = self.shared.arrived.notified();
            {
                let mut waiting = self.shared.lock();
                if let Some(reason) = waiting.gap.take() {
                    return Some(Event::Gap(reason));
                }
                if let Some(event) = waiting.events.pop_front() {
                    return Some(event);
                }
                if waiting.is_closed {
                    return None;
                }
            }
            arrived.await;
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // If the queue of orders is full, the link finds at the next message that nobody reads.
        let _ = self.orders.try_send(super::LinkOrder::Sweep(std::mem::take(&mut self.topics)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Message {
        Message { channel: "c".to_owned(), pattern: None, payload: text.as_bytes().to_vec() }
    }

    fn boxed(bound: usize) -> (Inbox, Subscription) {
        inbox(bound, Vec::new(), mpsc::channel(1).0)
    }

    #[tokio::test]
    async fn the_oldest_goes_and_the_gap_is_told_first() {
        let (inbox, mut reader) = boxed(2);
        for text in ["1", "2", "3"] {
            inbox.deliver(message(text));
        }
        assert_eq!(reader.next().await, Some(Event::Gap(GapReason::Slow)));
        assert_eq!(reader.next().await, Some(Event::Message(message("2"))));
        assert_eq!(reader.next().await, Some(Event::Message(message("3"))));
        inbox.close();
        assert_eq!(reader.next().await, None);
    }

    #[tokio::test]
    async fn a_reconnection_is_told_in_its_place_and_once() {
        let (inbox, mut reader) = boxed(10);
        inbox.deliver(message("1"));
        inbox.gap(GapReason::Reconnected);
        inbox.gap(GapReason::Reconnected);
        inbox.deliver(message("2"));
        assert_eq!(reader.next().await, Some(Event::Message(message("1"))));
        assert_eq!(reader.next().await, Some(Event::Gap(GapReason::Reconnected)));
        assert_eq!(reader.next().await, Some(Event::Message(message("2"))));
        drop(reader);
        assert!(!inbox.is_open());
    }
}
