//! Ready order in memory: a window over what the disk holds. Pure.

use super::ticket::Ticket;
use crate::job::Job;
use std::collections::BTreeMap;
use std::sync::Arc;

/// So many are loaded at a time at most: everybody waits for it.
const LOAD_MAX: usize = 512;

/// A ready job.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) ticket: Ticket,
    /// The whole job, if it is fresh and the cache had room for it.
    pub(super) cached: Option<Arc<Job>>,
}

/// The first ready jobs of one queue and priority, by their place in ready order. What lies behind
/// `loaded_to` is on disk alone and is loaded when its turn comes near.
#[derive(Debug)]
pub(super) struct Window {
    entries: BTreeMap<i64, Entry>,
    loaded_to: i64,
    /// Whether the disk may hold more behind `loaded_to`.
    more: bool,
    max: usize,
}

impl Window {
    /// A window that knows nothing yet: all is on disk.
    pub(super) fn unknown(max: usize) -> Self {
        Self { entries: BTreeMap::new(), loaded_to: i64::MIN, more: true, max: max.max(1) }
    }

    /// A window over nothing.
    pub(super) fn empty(max: usize) -> Self {
        Self { more: false, ..Self::unknown(max) }
    }

    /// A job got a place behind all others. Returns whether it is in memory now.
    pub(super) fn append(&mut self, ready: i64, entry: Entry) -> bool {
        if self.more || self.entries.len() >= self.max {
            self.more = true;
            return false;
        }
        self.loaded_to = self.loaded_to.max(ready);
        self.entries.insert(ready, entry);
        true
    }

    /// A job that was handed out came back to the place it had.
    pub(super) fn put_back(&mut self, ready: i64, entry: Entry) {
        if ready <= self.loaded_to || !self.more {
            self.loaded_to = self.loaded_to.max(ready);
            self.entries.insert(ready, entry);
        }
    }

    /// A job left ready order otherwise than by being handed out.
    pub(super) fn remove(&mut self, ready: i64) -> Option<Entry> {
        self.entries.remove(&ready)
    }

    pub(super) fn entries_mut(&mut self) -> impl Iterator<Item = &mut Entry> {
        self.entries.values_mut()
    }

    pub(super) fn first(&self) -> Option<(i64, &Entry)> {
        self.entries.first_key_value().map(|(&ready, entry)| (ready, entry))
    }

    pub(super) fn pop_first(&mut self) -> Option<Entry> {
        self.entries.pop_first().map(|(_, entry)| entry)
    }

    /// Nothing in memory, but maybe on disk: nobody knows what comes first.
    pub(super) fn is_blind(&self) -> bool {
        self.entries.is_empty() && self.more
    }

    /// How many to load from behind which place, if it is time.
    pub(super) fn wants(&self) -> Option<(i64, usize)> {
        let low = self.entries.len() <= self.max / 4;
        (self.more && low).then(|| (self.loaded_to, (self.max - self.entries.len()).min(LOAD_MAX)))
    }

    /// Takes in what was loaded; `last` is the last place seen (which may belong to a job that is out).
    pub(super) fn load(&mut self, entries: Vec<(i64, Entry)>, last: Option<i64>, more: bool) {
        self.entries.extend(entries);
        self.loaded_to = last.unwrap_or(self.loaded_to).max(self.loaded_to);
        self.more = more;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job::{JobId, Priority};
    use crate::state::State;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn entry(ready: i64) -> Entry {
        let ticket = Ticket {
            seq: ready,
            id: JobId([0; 16]),
            queue: 1,
            priority: Priority::Normal,
            state: State::Available,
            ready: Some(ready),
            run_at_ms: 0,
            expires_ms: None,
            group: None,
            attempt: 0,
            crash: 0,
            slot: 0,
            until_ms: 0,
            enqueued_ms: 0,
            bytes: 0,
            batch: None,
            extra: 0,
        };
        Entry { ticket, cached: None }
    }

    /// Loads as the writer does, from a set that stands for the disk.
    fn refill(window: &mut Window, disk: &BTreeSet<i64>, out: &BTreeSet<i64>) {
        let Some((after, count)) = window.wants() else { return };
        let places: Vec<i64> = disk.range(after.saturating_add(1)..).take(count).copied().collect();
        let more = places.len() == count;
        let last = places.last().copied();
        let entries = places.into_iter().filter(|place| !out.contains(place));
        window.load(entries.map(|place| (place, entry(place))).collect(), last, more);
    }

    proptest! {
        /// Whatever happens, jobs come out in the order of their places, each once until it comes back.
        #[test]
        fn the_first_is_always_the_first_of_all(steps in proptest::collection::vec(0_u8..5, 1..300)) {
            let mut window = Window::empty(8);
            let (mut disk, mut out, mut next) = (BTreeSet::new(), BTreeSet::new(), 0);
            for step in steps {
                match step {
                    0 | 1 => {
                        next += 1;
                        disk.insert(next);
                        window.append(next, entry(next));
                    }
                    2 => {
                        refill(&mut window, &disk, &out);
                        let expected = disk.difference(&out).next().copied();
                        let got = window.pop_first().and_then(|entry| entry.ticket.ready);
                        prop_assert_eq!(got, expected);
                        out.extend(got);
                    }
                    3 => {
                        if let Some(back) = out.pop_last() {
                            window.put_back(back, entry(back));
                        }
                    }
                    _ => {
                        if let Some(gone) = disk.difference(&out).nth(2).copied() {
                            disk.remove(&gone);
                            window.remove(gone);
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_stays_on_disk() {
        let mut window = Window::empty(2);
        assert!(window.append(1, entry(1)) && window.append(2, entry(2)));
        assert!(!window.append(3, entry(3)));
        window.pop_first();
        assert!(!window.append(4, entry(4)), "3 comes before 4");
        window.pop_first();
        assert!(window.is_blind());
        assert_eq!(window.wants(), Some((2, 2)));
    }
}
