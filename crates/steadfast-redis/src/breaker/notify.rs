//! Telling others of changes: in order, outside every lock, whatever they do.

use super::event::StateChange;
use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;

/// Changes that may wait for a slow callback. Beyond them the oldest is dropped: the newest is what counts.
const QUEUE_MAX: usize = 64;

type Callback = Arc<dyn Fn(&StateChange) + Send + Sync>;

/// The changes not yet told, and those who want to know.
pub(super) struct Notifier {
    queue: Mutex<Queue>,
    listeners: Mutex<Listeners>,
    watch: watch::Sender<StateChange>,
}

#[derive(Default)]
struct Queue {
    changes: VecDeque<StateChange>,
    /// Someone is telling: whoever adds to the queue leaves it to them, so that the order is kept.
    telling: bool,
    dropped: u64,
    panics: u64,
}

#[derive(Default)]
struct Listeners {
    callbacks: Vec<(u64, Callback)>,
    next_id: u64,
}

impl Notifier {
    pub(super) fn new(first: StateChange) -> Self {
        Self { queue: Mutex::default(), listeners: Mutex::default(), watch: watch::Sender::new(first) }
    }

    pub(super) fn watch(&self) -> watch::Receiver<StateChange> {
        self.watch.subscribe()
    }

    pub(super) fn listen(self: &Arc<Self>, callback: Callback) -> Subscription {
        let mut listeners = locked(&self.listeners);
        let id = listeners.next_id;
        listeners.next_id += 1;
        listeners.callbacks.push((id, callback));
        Subscription { notifier: Arc::downgrade(self), id }
    }

    /// Changes dropped because a callback was too slow, and callbacks that panicked.
    pub(super) fn losses(&self) -> (u64, u64) {
        let queue = locked(&self.queue);
        (queue.dropped, queue.panics)
    }

    /// Takes a change in. Called under the breaker's lock, so that the order is that of the changes.
    pub(super) fn push(&self, change: StateChange) {
        let mut queue = locked(&self.queue);
        if queue.changes.len() == QUEUE_MAX {
            queue.changes.pop_front();
            queue.dropped += 1;
        }
        queue.changes.push_back(change);
    }

    /// Tells all that waits, unless someone is at it. Called without any lock.
    pub(super) fn tell(&self) {
        if !self.claim() {
            return;
        }
        while let Some(change) = self.next_or_release() {
            self.guarded(&change, || drop(self.watch.send_replace(change.clone())));
            // A copy, so that a callback may subscribe and unsubscribe.
            let callbacks: Vec<Callback> =
                locked(&self.listeners).callbacks.iter().map(|(_, callback)| Arc::clone(callback)).collect();
            for callback in callbacks {
                self.guarded(&change, || callback(&change));
            }
        }
    }

    fn claim(&self) -> bool {
        let mut queue = locked(&self.queue);
        let mine = !queue.telling && !queue.changes.is_empty();
        queue.telling |= mine;
        mine
    }

    fn next_or_release(&self) -> Option<StateChange> {
        let mut queue = locked(&self.queue);
        let next = queue.changes.pop_front();
        queue.telling = next.is_some();
        next
    }

    /// Runs foreign code. Should it panic, the others are told all the same.
    fn guarded(&self, change: &StateChange, told: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(told)).is_err() {
            locked(&self.queue).panics += 1;
            tracing::error!(breaker = %change.breaker, "a callback for state changes panicked; it stays subscribed");
        }
    }
}

impl fmt::Debug for Notifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let waiting = locked(&self.queue).changes.len();
        let listeners = locked(&self.listeners).callbacks.len();
        f.debug_struct("Notifier")
            .field("waiting", &waiting)
            .field("listeners", &listeners)
            .finish_non_exhaustive()
    }
}

/// A callback's stay. Dropped, the callback is called no more, but for a call that is under way on another thread.
#[must_use = "the callback is removed when this is dropped"]
pub struct Subscription {
    notifier: Weak<Notifier>,
    id: u64,
}

impl Subscription {
    /// Leaves the callback in place for as long as the breaker lives.
    pub fn keep(mut self) {
        self.notifier = Weak::new();
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let Some(notifier) = self.notifier.upgrade() else { return };
        let mut listeners = locked(&notifier.listeners);
        let gone = listeners.callbacks.iter().position(|(id, _)| *id == self.id);
        let callback = gone.map(|place| listeners.callbacks.remove(place));
        // What the callback holds is dropped without the lock: it may hold a subscription itself.
        drop(listeners);
        drop(callback);
    }
}

impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Subscription").field("id", &self.id).finish_non_exhaustive()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
