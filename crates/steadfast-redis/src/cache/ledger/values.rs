//! Values: the latest write of each key, or its deletion.

use super::cost;
use crate::cache::entry::{Entry, Expiry, Key};
use crate::cache::version::Version;
use bytes::Bytes;
use std::collections::HashMap;

/// What a key holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Live {
        value: Bytes,
        expiry: Expiry,
    },
    /// A tombstone: it is kept until it is sent back, however long that takes.
    Deleted,
}

/// The latest write of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Value {
    pub(crate) version: Version,
    pub(crate) what: What,
}

impl Value {
    fn cost(&self, key: &Key) -> u64 {
        match &self.what {
            What::Live { value, .. } => cost(key.len() + value.len()),
            What::Deleted => cost(key.len()),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Values {
    map: HashMap<Key, Value>,
    pub(super) bytes: u64,
}

impl Values {
    pub(super) fn put(&mut self, key: &Key, value: Value) {
        if self.map.get(key).is_some_and(|old| old.version > value.version) {
            return;
        }
        self.bytes += value.cost(key);
        if let Some(old) = self.map.insert(key.clone(), value) {
            self.bytes -= old.cost(key);
        }
    }

    pub(super) fn done(&mut self, key: &Key, upto: Version) {
        if self.map.get(key).is_some_and(|value| value.version <= upto)
            && let Some(old) = self.map.remove(key)
        {
            self.bytes -= old.cost(key);
        }
    }

    pub(super) fn cost_of(&self, key: &Key) -> u64 {
        self.map.get(key).map_or(0, |value| value.cost(key))
    }

    /// Drops the bytes of values that have ended. Their versions stay until `forgotten_ms` is past them: what they
    /// replaced must not come back.
    pub(super) fn trim(&mut self, now_ms: u64, forgotten_ms: u64) {
        self.map.retain(|key, value| {
            let old = value.cost(key);
            if let What::Live { expiry, .. } = &value.what
                && expiry.remaining_ms(now_ms) == 0
            {
                value.what = What::Deleted;
            }
            let keep = value.what != What::Deleted || value.version.ms() >= forgotten_ms;
            self.bytes -= old;
            self.bytes += if keep { value.cost(key) } else { 0 };
            keep
        });
    }

    pub(super) fn get(&self, key: &[u8]) -> Option<&Value> {
        self.map.get(key)
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.map.keys()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.map.iter().map(|(key, value)| {
            let (version, key) = (value.version, key.clone());
            match &value.what {
                What::Live { value, expiry } => {
                    Entry::Set { version, key, value: value.clone(), expiry: *expiry }
                }
                What::Deleted => Entry::Delete { version, key },
            }
        })
    }
}
