//! Keys that must be seen once: the first sighting of each, within its window.

use super::{cost, ended_before};
use crate::cache::entry::{Entry, Expiry, Key};
use crate::cache::version::Version;
use std::collections::HashMap;

/// That a key was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sighting {
    /// The sighting's version, which is also who saw it: what the server keeps.
    pub(crate) version: Version,
    pub(crate) expiry: Expiry,
}

#[derive(Debug, Default)]
pub(super) struct Dedup {
    map: HashMap<Key, Sighting>,
    pub(super) bytes: u64,
}

impl Dedup {
    pub(super) fn see(&mut self, key: &Key, sighting: Sighting) {
        match self.map.get_mut(key) {
            // The first one counts, until its window ends.
            Some(old) if !ended_before(old.expiry, sighting.expiry) => {}
            Some(old) => *old = sighting,
            None => {
                self.bytes += cost(key.len());
                self.map.insert(key.clone(), sighting);
            }
        }
    }

    pub(super) fn done(&mut self, key: &Key, upto: Version) {
        if self.map.get(key).is_some_and(|sighting| sighting.version <= upto) {
            self.map.remove(key);
            self.bytes -= cost(key.len());
        }
    }

    /// Drops sightings whose windows have ended.
    pub(super) fn trim(&mut self, now_ms: u64) {
        self.map.retain(|key, sighting| {
            let keep = sighting.expiry.remaining_ms(now_ms) > 0;
            if !keep {
                self.bytes -= cost(key.len());
            }
            keep
        });
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Sighting> {
        self.map.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.map.keys()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.map.iter().map(|(key, sighting)| Entry::Remember {
            version: sighting.version,
            key: key.clone(),
            expiry: sighting.expiry,
        })
    }
}
