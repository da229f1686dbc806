//! The lanes of a node.

use crate::lane::{Ended, Lane};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;
use tokio::time::Instant;

/// A lane in a node's list.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) id: u64,
    pub(super) lane: Lane,
    /// Where it leads: an address may come to lead elsewhere.
    pub(super) peer: Arc<str>,
    /// When it is to be replaced.
    pub(super) until: Option<Instant>,
    /// Answers when it was last looked at, and when those had changed.
    pub(super) answered: u64,
    pub(super) used: Instant,
}

impl Entry {
    /// It is to be replaced.
    pub(super) fn is_old(&self, now: Instant) -> bool {
        self.until.is_some_and(|until| now >= until)
    }
}

/// How busy a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NodeLoad {
    pub(crate) lanes: usize,
    /// Lanes with something in flight.
    pub(crate) busy: usize,
    pub(crate) in_flight: usize,
    /// The longest silence of one.
    pub(crate) silent: Duration,
}

#[derive(Debug, Default)]
pub(super) struct Lanes {
    list: RwLock<Vec<Entry>>,
    /// Taken out of the list, and not ended yet: their servers may never answer what they have.
    retired: Mutex<Vec<Entry>>,
    last_id: AtomicU64,
}

impl Lanes {
    /// The lane with the least in flight.
    pub(super) fn least_loaded(&self) -> Option<Lane> {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        match list.as_slice() {
            [] => None,
            [only] => Some(only.lane.clone()),
            many => many.iter().min_by_key(|entry| entry.lane.in_flight()).map(|entry| entry.lane.clone()),
        }
    }

    pub(super) fn next_id(&self) -> u64 {
        self.last_id.fetch_add(1, Ordering::Relaxed) + 1
    }

    pub(super) fn add(&self, entry: Entry) {
        self.change(|list| list.push(entry));
    }

    pub(super) fn count(&self) -> usize {
        self.list.read().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// Takes a lane out of the list, if it is there: no command goes to it from now on.
    pub(super) fn remove(&self, id: u64) -> Option<Entry> {
        self.change(|list| list.iter().position(|entry| entry.id == id).map(|at| list.remove(at)))
    }

    /// Lets one that was taken out answer what it has.
    pub(super) fn retire(&self, entry: Entry) {
        let lane = entry.lane.clone();
        // First, so that it is there to be forgotten when it ends.
        self.retired().push(entry);
        lane.retire();
    }

    /// It has ended.
    pub(super) fn forget(&self, id: u64) {
        self.retired().retain(|entry| entry.id != id);
    }

    fn retired(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.retired.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All of them are to be replaced from `now` on.
    pub(super) fn expire(&self, now: Instant) {
        self.change(|list| list.iter_mut().for_each(|entry| entry.until = Some(now)));
    }

    /// Takes all out of the list.
    pub(super) fn take(&self) -> Vec<Entry> {
        self.change(std::mem::take)
    }

    /// A copy of the list, with each lane's last use brought up to `now`.
    pub(super) fn look(&self, now: Instant) -> Vec<Entry> {
        self.change(|list| {
            for entry in &mut *list {
                let answered = entry.lane.answered();
                if answered != entry.answered || entry.lane.in_flight() > 0 {
                    (entry.answered, entry.used) = (answered, now);
                }
            }
            list.clone()
        })
    }

    pub(super) fn load(&self) -> NodeLoad {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        let mut load = NodeLoad { lanes: list.len(), ..NodeLoad::default() };
        for entry in &*list {
            let lane = entry.lane.load();
            load.busy += usize::from(lane.in_flight > 0);
            load.in_flight += lane.in_flight;
            load.silent = load.silent.max(lane.silent);
        }
        load
    }

    /// None takes a command any more; each ends when it has answered what it has.
    pub(super) fn retire_all(&self) {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter().for_each(|entry| entry.lane.retire());
    }

    /// Bytes read and written on those in the list.
    pub(super) fn traffic(&self) -> (u64, u64) {
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner);
        list.iter()
            .map(|entry| entry.lane.traffic())
            .fold((0, 0), |(all_in, all_out), (bytes_in, bytes_out)| (all_in + bytes_in, all_out + bytes_out))
    }

    pub(super) fn kill_all(&self) {
        let retired = std::mem::take(&mut *self.retired());
        for entry in self.take().into_iter().chain(retired) {
            entry.lane.kill(Ended::Closed);
        }
    }

    fn change<T>(&self, change: impl FnOnce(&mut Vec<Entry>) -> T) -> T {
        change(&mut self.list.write().unwrap_or_else(PoisonError::into_inner))
    }
}
