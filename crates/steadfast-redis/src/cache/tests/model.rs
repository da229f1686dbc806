//! The reference: what must be, said from all acknowledged writes at once. It knows no journal, no batches, no
//! tokens; it is told what was acknowledged, and what the server was asked at which time.

use crate::cache::version::Version;
use crate::cache::{Expiry, Key};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// One acknowledged write of a value.
#[derive(Clone, Debug)]
pub(super) enum Written {
    Set { value: Bytes, expiry: Expiry },
    Deleted,
}

/// One operation on a field.
#[derive(Clone, Debug)]
pub(super) struct Event {
    pub(super) value: Option<Bytes>,
    pub(super) observed: Vec<Version>,
}

#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) values: HashMap<Key, BTreeMap<Version, Written>>,
    /// When a value that the server has taken will end, by true time.
    pub(super) ends_ms: HashMap<(Key, Version), u64>,
    /// Values that had ended before they were sent.
    pub(super) ended: BTreeSet<Version>,
    /// The latest version that the server has taken for a key, whatever became of it.
    taken: HashMap<Key, Version>,
    /// What counters without an end must come to.
    pub(super) sums: HashMap<Key, i64>,
    /// What was ever added to counters that end.
    pub(super) windows: HashMap<Key, i64>,
    /// When a sighting that the server has answered for is forgotten, by true time.
    pub(super) forgotten_ms: HashMap<(Key, Version), u64>,
    pub(super) sightings: HashMap<Key, BTreeMap<Version, Expiry>>,
    pub(super) events: HashMap<(Key, Bytes), BTreeMap<Version, Event>>,
}

impl Model {
    /// The write that counts.
    pub(super) fn winner(&self, key: &Key) -> Option<(Version, &Written)> {
        self.values.get(key)?.last_key_value().map(|(version, written)| (*version, written))
    }

    /// The server has taken this version: from now on no older one may be seen.
    pub(super) fn took(&mut self, key: &Key, version: Version) {
        let taken = self.taken.entry(key.clone()).or_default();
        *taken = version.max(*taken);
    }

    /// Whether the server has taken this version or a later one.
    pub(super) fn has_taken(&self, key: &Key, version: Version) -> bool {
        self.taken.get(key).is_some_and(|taken| *taken >= version)
    }

    /// Whether it is right that this version is seen at all.
    pub(super) fn may_be_seen(&self, key: &Key, version: Version) -> bool {
        self.taken.get(key) == Some(&version)
    }

    /// The versions of a field that nobody has replaced.
    pub(super) fn alive(&self, key: &Key, field: &Bytes) -> BTreeMap<Version, Bytes> {
        let Some(events) = self.events.get(&(key.clone(), field.clone())) else { return BTreeMap::new() };
        let replaced = |version: Version| {
            events.iter().any(|(other, event)| {
                let own = other.node() == version.node() && *other > version;
                own || event.observed.iter().any(|seen| seen.node() == version.node() && *seen >= version)
            })
        };
        events
            .iter()
            .filter(|(version, _)| !replaced(**version))
            .filter_map(|(version, event)| Some((*version, event.value.clone()?)))
            .collect()
    }
}

/// All sums of any of `parts`.
pub(super) fn subset_sums(parts: &[i64]) -> BTreeSet<i64> {
    let mut sums = BTreeSet::from([0]);
    for part in parts {
        let with: Vec<i64> = sums.iter().map(|sum| sum + part).collect();
        sums.extend(with);
    }
    sums
}
