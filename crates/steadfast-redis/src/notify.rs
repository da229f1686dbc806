//! Telling others of changes: in order, outside every lock, whatever they do.

use std::collections::VecDeque;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use tokio::sync::watch;

/// Changes that may wait for a slow callback. Beyond them the oldest is dropped: the newest is what counts.
const QUEUE_MAX: usize = 64;

type Callback<T> = Arc<dyn Fn(&T) + Send + Sync>;

/// The changes not yet told, and those who want to know.
pub(crate) struct Notifier<T> {
    /// Whose changes these are, for the log.
    name: Arc<str>,
    queue: Mutex<Queue<T>>,
    listeners: Mutex<Listeners<T>>,
    watch: watch::Sender<T>,
}

struct Queue<T> {
    changes: VecDeque<T>,
    /// Someone is telling: whoever adds to the queue leaves it to them, so that the order is kept.
    telling: bool,
    dropped: u64,
    panics: u64,
}

struct Listeners<T> {
    callbacks: Vec<(u64, Callback<T>)>,
    next_id: u64,
}

impl<T: Clone + Send + Sync + 'static> Notifier<T> {
    /// Nothing to tell yet; who watches sees `first`.
    pub(crate) fn new(name: Arc<str>, first: T) -> Self {
        let queue = Queue { changes: VecDeque::new(), telling: false, dropped: 0, panics: 0 };
        let listeners = Listeners { callbacks: Vec::new(), next_id: 0 };
        let watch = watch::Sender::new(first);
        Self { name, queue: Mutex::new(queue), listeners: Mutex::new(listeners), watch }
    }

    pub(crate) fn watch(&self) -> watch::Receiver<T> {
        self.watch.subscribe()
    }

    pub(crate) fn listen(self: &Arc<Self>, callback: Callback<T>) -> Subscription {
        let mut listeners = locked(&self.listeners);
        let id = listeners.next_id;
        listeners.next_id += 1;
        listeners.callbacks.push((id, callback));
        let notifier: Weak<dyn Listened> = Arc::<Self>::downgrade(self);
        Subscription { notifier: Some(notifier), id }
    }

    /// Changes dropped because a callback was too slow, and callbacks that panicked.
    pub(crate) fn losses(&self) -> (u64, u64) {
        let queue = locked(&self.queue);
        (queue.dropped, queue.panics)
    }

    /// Takes a change in. Called under its owner's lock, so that the order is that of the changes.
    pub(crate) fn push(&self, change: T) {
        let mut queue = locked(&self.queue);
        if queue.changes.len() == QUEUE_MAX {
            queue.changes.pop_front();
            queue.dropped += 1;
        }
        queue.changes.push_back(change);
    }

    /// Tells all that waits, unless someone is at it. Called without any lock.
    pub(crate) fn tell(&self) {
        if !self.claim() {
            return;
        }
        while let Some(change) = self.next_or_release() {
            self.guarded(|| drop(self.watch.send_replace(change.clone())));
            // A copy, so that a callback may subscribe and unsubscribe.
            let callbacks: Vec<Callback<T>> =
                locked(&self.listeners).callbacks.iter().map(|(_, callback)| Arc::clone(callback)).collect();
            for callback in callbacks {
                self.guarded(|| callback(&change));
            }
        }
    }

    fn claim(&self) -> bool {
        let mut queue = locked(&self.queue);
        let mine = !queue.telling && !queue.changes.is_empty();
        queue.telling |= mine;
        mine
    }

    fn next_or_release(&self) -> Option<T> {
        let mut queue = locked(&self.queue);
        let next = queue.changes.pop_front();
        queue.telling = next.is_some();
        next
    }

    /// Runs foreign code. Should it panic, the others are told all the same.
    fn guarded(&self, told: impl FnOnce()) {
        if catch_unwind(AssertUnwindSafe(told)).is_err() {
            locked(&self.queue).panics += 1;
            tracing::error!(of = &*self.name, "a callback for state changes panicked; it stays subscribed");
        }
    }
}

/// What a subscription needs of a notifier, whatever it tells.
trait Listened: Send + Sync {
    fn forget(&self, id: u64);
}

impl<T: Send + Sync> Listened for Notifier<T> {
    fn forget(&self, id: u64) {
        let mut listeners = locked(&self.listeners);
        let gone = listeners.callbacks.iter().position(|(listener, _)| *listener == id);
        let callback = gone.map(|place| listeners.callbacks.remove(place));
        // What the callback holds is dropped without the lock: it may hold a subscription itself.
        drop(listeners);
        drop(callback);
    }
}

impl<T> fmt::Debug for Notifier<T> {
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
    notifier: Option<Weak<dyn Listened>>,
    id: u64,
}

impl Subscription {
    /// Leaves the callback in place for as long as what it listens to lives.
    pub fn keep(mut self) {
        self.notifier = None;
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        if let Some(notifier) = self.notifier.take().and_then(|notifier| notifier.upgrade()) {
            notifier.forget(self.id);
        }
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
