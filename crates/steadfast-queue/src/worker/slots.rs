//! How many jobs may run, and how many do.

use crate::worker::config::clamp_concurrency;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::sync::Notify;

/// Places for running jobs. The number of places changes at run time; a smaller number takes effect as
/// jobs end.
#[derive(Debug)]
pub(crate) struct Slots {
    places: AtomicUsize,
    taken: AtomicUsize,
    held: AtomicBool,
    /// Memory is short: apart from `held`, so that neither lifts the other.
    short: AtomicBool,
    /// One waiter: the task that reserves.
    changed: Notify,
}

impl Slots {
    pub(crate) fn new(places: usize) -> Self {
        Self {
            places: AtomicUsize::new(clamp_concurrency(places)),
            taken: AtomicUsize::new(0),
            held: AtomicBool::new(false),
            short: AtomicBool::new(false),
            changed: Notify::new(),
        }
    }

    pub(crate) fn places(&self) -> usize {
        self.places.load(Ordering::SeqCst)
    }

    pub(crate) fn taken(&self) -> usize {
        self.taken.load(Ordering::SeqCst)
    }

    pub(crate) fn is_held(&self) -> bool {
        self.is_held_by_caller() || self.short.load(Ordering::SeqCst)
    }

    pub(crate) fn is_held_by_caller(&self) -> bool {
        self.held.load(Ordering::SeqCst)
    }

    pub(crate) fn set_short(&self, short: bool) {
        if self.short.swap(short, Ordering::SeqCst) != short {
            self.changed.notify_one();
        }
    }

    pub(crate) fn set_places(&self, places: usize) -> usize {
        let places = clamp_concurrency(places);
        self.places.store(places, Ordering::SeqCst);
        self.changed.notify_one();
        places
    }

    pub(crate) fn set_held(&self, held: bool) {
        self.held.store(held, Ordering::SeqCst);
        self.changed.notify_one();
    }

    /// How many places are free.
    pub(crate) fn free_now(&self) -> usize {
        if self.is_held() { 0 } else { self.places().saturating_sub(self.taken()) }
    }

    /// Waits for a free place; returns how many are free. For one task only.
    pub(crate) async fn free(&self) -> usize {
        loop {
            let free = self.free_now();
            if free > 0 {
                return free;
            }
            self.changed.notified().await;
        }
    }

    /// Takes a place, until the guard is dropped.
    pub(crate) fn take(self: &Arc<Self>) -> Slot {
        self.taken.fetch_add(1, Ordering::SeqCst);
        Slot(Arc::clone(self))
    }
}

/// A taken place.
#[derive(Debug)]
pub(crate) struct Slot(Arc<Slots>);

impl Drop for Slot {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::SeqCst);
        self.0.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt as _;

    #[tokio::test]
    async fn places_are_taken_given_back_and_changed() {
        let slots = Arc::new(Slots::new(2));
        let first = slots.take();
        let second = slots.take();
        assert!(slots.free().now_or_never().is_none());
        assert_eq!(slots.set_places(5), 5);
        assert_eq!(slots.free().now_or_never(), Some(3));
        slots.set_places(1);
        drop(second);
        assert!(slots.free().now_or_never().is_none(), "one still runs, one may");
        drop(first);
        assert_eq!(slots.free().now_or_never(), Some(1));
        slots.set_held(true);
        assert!(slots.free().now_or_never().is_none());
        assert_eq!(slots.set_places(9_999), 1_024);
    }
}
