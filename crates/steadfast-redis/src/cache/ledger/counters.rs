//! Counters: what was added, never what it came to.
//!
//! What is being added to is *open*. Before it is sent it is *sealed*: this sum under this token, which stays the
//! same however often it is sent, while adding goes on beside it.

use super::{cost, ended_before};
use crate::cache::entry::{Entry, Expiry, Key};
use crate::cache::version::Version;
use std::collections::HashMap;

/// One batch of additions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) token: Version,
    pub(crate) delta: i64,
    pub(crate) expiry: Option<Expiry>,
}

/// What is added to a counter until it is sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Open {
    /// The version of the latest addition.
    pub(crate) last: Version,
    pub(crate) delta: i64,
    /// When the window ends, as its first addition said.
    pub(crate) expiry: Option<Expiry>,
}

/// One counter. One of the two is there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) sealed: Option<Sealed>,
    pub(crate) open: Option<Open>,
}

impl Counter {
    fn has_ended(&self, now_ms: u64) -> bool {
        let ended = |expiry: Option<Expiry>| expiry.is_some_and(|expiry| expiry.remaining_ms(now_ms) == 0);
        self.sealed.is_none_or(|sealed| ended(sealed.expiry))
            && self.open.is_none_or(|open| ended(open.expiry))
    }

    /// What was added here and the server may not know of, in windows that have not ended.
    pub(crate) fn delta(&self, now_ms: u64) -> i64 {
        let lives = |expiry: Option<Expiry>| expiry.is_none_or(|expiry| expiry.remaining_ms(now_ms) > 0);
        let sealed = self.sealed.filter(|sealed| lives(sealed.expiry)).map_or(0, |sealed| sealed.delta);
        let open = self.open.filter(|open| lives(open.expiry)).map_or(0, |open| open.delta);
        sealed.saturating_add(open)
    }
}

#[derive(Debug, Default)]
pub(super) struct Counters {
    map: HashMap<Key, Counter>,
    pub(super) bytes: u64,
}

impl Counters {
    fn entry(&mut self, key: &Key) -> &mut Counter {
        let bytes = &mut self.bytes;
        self.map.entry(key.clone()).or_insert_with(|| {
            *bytes += cost(key.len());
            Counter::default()
        })
    }

    pub(super) fn add(&mut self, key: &Key, version: Version, delta: i64, expiry: Option<Expiry>) {
        let counter = self.entry(key);
        let going_on = counter.open.filter(|open| match (open.expiry, expiry) {
            (Some(window), Some(other)) => !ended_before(window, other),
            _ => true,
        });
        counter.open = Some(match going_on {
            // Sums that do not fit are refused before they come here.
            Some(open) => {
                Open { last: version, delta: open.delta.saturating_add(delta), expiry: open.expiry }
            }
            None => Open { last: version, delta, expiry },
        });
    }

    pub(super) fn seal(&mut self, key: &Key, sealed: Sealed) {
        let counter = self.entry(key);
        counter.sealed = Some(sealed);
        counter.open = counter.open.filter(|open| open.last > sealed.token);
    }

    pub(super) fn done(&mut self, key: &Key, upto: Version) {
        let Some(counter) = self.map.get_mut(key) else { return };
        counter.sealed = counter.sealed.filter(|sealed| sealed.token > upto);
        counter.open = counter.open.filter(|open| open.last > upto);
        if *counter == Counter::default() {
            self.map.remove(key);
            self.bytes -= cost(key.len());
        }
    }

    /// Drops counters whose windows have ended.
    pub(super) fn trim(&mut self, now_ms: u64) {
        self.map.retain(|key, counter| {
            let keep = !counter.has_ended(now_ms);
            if !keep {
                self.bytes -= cost(key.len());
            }
            keep
        });
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Counter> {
        self.map.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.map.keys()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.map.iter().flat_map(|(key, counter)| {
            let sealed = counter.sealed.map(|sealed| Entry::Seal {
                version: sealed.token,
                key: key.clone(),
                delta: sealed.delta,
                expiry: sealed.expiry,
            });
            let open = counter.open.map(|open| Entry::Add {
                version: open.last,
                key: key.clone(),
                delta: open.delta,
                expiry: open.expiry,
            });
            sealed.into_iter().chain(open)
        })
    }
}
