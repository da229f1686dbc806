//! The data set behind a simulated server.

mod blocked;
mod hashes;
mod keys;
mod lists;
mod sets;
mod sorted;
mod store;
mod streams;
mod strings;

pub(super) use blocked::{Waiter, Wanted};
pub(super) use store::{Store, Value};
pub(super) use {hashes::*, keys::*, lists::*, sets::*, sorted::*, streams::*, strings::*};

use super::errors;
use crate::redis::{Protocol, Reply};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::time::Instant;

/// A data set of 16 databases; clones share it, and so do the servers it is given to.
#[derive(Debug, Clone, Default)]
pub struct Data(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    store: Mutex<Store>,
    turn: Mutex<()>,
}

impl Data {
    /// An empty data set.
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Store> {
        self.0.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Held while a command or a whole transaction runs.
    pub(super) fn turn(&self) -> MutexGuard<'_, ()> {
        self.0.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Moves so many keys of a slot at most to another data set, in one step; says how many.
    pub(super) fn move_slot_to(&self, other: &Self, slot: u16, most: usize) -> usize {
        if self.is_shared_with(other) {
            return 0;
        }
        // Always in the same order, so that two moves in opposite directions do not wait for each other.
        let (first, second) =
            if Arc::as_ptr(&self.0) < Arc::as_ptr(&other.0) { (self, other) } else { (other, self) };
        let _turns = (first.turn(), second.turn());
        let entries = self.lock().take_slot(slot, most);
        let mut store = other.lock();
        let moved = entries.len();
        for (key, entry) in entries {
            store.put(0, &key, entry.value, entry.expires);
        }
        moved
    }

    /// Whether both are the same data set.
    pub fn is_shared_with(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// What a command on the data works with.
#[derive(Debug)]
pub(super) struct Cx<'a> {
    pub(super) store: &'a mut Store,
    pub(super) db: usize,
    pub(super) now: Instant,
    /// Few replies differ in more than how they are written.
    pub(super) protocol: Protocol,
    /// Microseconds since 1970, by the server's own clock.
    pub(super) unix_us: u64,
}

/// A reply, or the error that ended the command early.
pub(super) type Outcome = Result<Reply, Reply>;

pub(super) fn fail<T>(text: &str) -> Result<T, Reply> {
    Err(Reply::error(text))
}

pub(super) fn integer(arg: &[u8]) -> Result<i64, Reply> {
    let number = std::str::from_utf8(arg).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| Reply::error(errors::NOT_INTEGER))
}

pub(super) fn float(arg: &[u8]) -> Result<f64, Reply> {
    let number = std::str::from_utf8(arg).ok().and_then(|text| text.parse().ok());
    number.filter(|number: &f64| !number.is_nan()).ok_or_else(|| Reply::error(errors::NOT_FLOAT))
}

pub(super) fn upper(arg: &[u8]) -> String {
    String::from_utf8_lossy(arg).to_ascii_uppercase()
}

/// The places of `start..=stop` in a list of this length, negative ones from its end.
pub(super) fn span(start: i64, stop: i64, length: usize) -> std::ops::Range<usize> {
    let count = i64::try_from(length).unwrap_or(i64::MAX);
    let place = |index: i64| if index < 0 { count + index } else { index };
    let (start, stop) = (place(start).max(0), place(stop).min(count - 1));
    if start > stop {
        return 0..0;
    }
    usize::try_from(start).unwrap_or(0)..usize::try_from(stop + 1).unwrap_or(0)
}
