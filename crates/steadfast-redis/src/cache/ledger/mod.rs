//! What is to be sent back, in memory: at most one value, one counter, one sighting, one operation for each field.
//!
//! It changes by [`Entry`]s alone, and the same entries in the same order always make the same ledger: while it is
//! used, and when the journal is read again. It reads no clock.

mod counters;
mod dedup;
mod fields;
mod values;

pub(crate) use counters::{Counter, Sealed};
pub(crate) use dedup::Sighting;
pub(crate) use fields::FieldChange;
pub(crate) use values::{Value, What};

use super::entry::{Entry, Expiry, Key, Kind};
use super::version::Version;
use bytes::Bytes;
use counters::Counters;
use dedup::Dedup;
use fields::Fields;
use values::Values;

/// What an entry costs beside its texts: places in maps and in the queue, versions, times.
pub(crate) const OVERHEAD: u64 = 256;

/// The ledger.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    values: Values,
    counters: Counters,
    dedup: Dedup,
    fields: Fields,
}

impl Ledger {
    /// Makes `entry` have happened.
    pub(crate) fn apply(&mut self, entry: &Entry) {
        match entry {
            Entry::Set { version, key, value, expiry } => self.values.put(
                key,
                Value { version: *version, what: What::Live { value: value.clone(), expiry: *expiry } },
            ),
            Entry::Delete { version, key } => {
                self.values.put(key, Value { version: *version, what: What::Deleted });
            }
            Entry::Add { version, key, delta, expiry } => self.counters.add(key, *version, *delta, *expiry),
            Entry::Seal { version, key, delta, expiry } => {
                self.counters.seal(key, Sealed { token: *version, delta: *delta, expiry: *expiry });
            }
            Entry::Remember { version, key, expiry } => {
                self.dedup.see(key, Sighting { version: *version, expiry: *expiry });
            }
            Entry::Field { version, key, field, value, observed } => {
                let change =
                    FieldChange { version: *version, value: value.clone(), observed: observed.clone() };
                self.fields.change(key, field, change);
            }
            Entry::Done { version, key, kind } => self.done(*kind, key, *version),
            Entry::Clock { .. } => {}
        }
    }

    fn done(&mut self, kind: Kind, key: &Key, upto: Version) {
        match kind {
            Kind::Value => self.values.done(key, upto),
            Kind::Counter => self.counters.done(key, upto),
            Kind::Dedup => self.dedup.done(key, upto),
            Kind::Fields => self.fields.done(key, upto),
        }
    }

    /// The memory it takes, reckoned.
    pub(crate) fn bytes(&self) -> u64 {
        self.values.bytes + self.counters.bytes + self.dedup.bytes + self.fields.bytes
    }

    /// By how much `entry` would make it larger, at most.
    pub(crate) fn growth(&self, entry: &Entry) -> u64 {
        let (new, old) = match entry {
            Entry::Set { key, value, .. } => (cost(key.len() + value.len()), self.values.cost_of(key)),
            Entry::Delete { key, .. } => (cost(key.len()), self.values.cost_of(key)),
            Entry::Add { key, .. } | Entry::Seal { key, .. } => {
                (cost(key.len()), self.counters.get(key).map_or(0, |_| cost(key.len())))
            }
            Entry::Remember { key, .. } => {
                (cost(key.len()), self.dedup.get(key).map_or(0, |_| cost(key.len())))
            }
            Entry::Field { key, field, value, observed, .. } => {
                self.fields.growth(key, field, value.as_ref(), observed)
            }
            Entry::Done { .. } | Entry::Clock { .. } => (0, 0),
        };
        new.saturating_sub(old)
    }

    /// Lets go of what has ended by `now_ms`. That a value was replaced or deleted is forgotten when it was before
    /// `forgotten_ms`.
    pub(crate) fn trim(&mut self, now_ms: u64, forgotten_ms: u64) {
        self.values.trim(now_ms, forgotten_ms);
        self.counters.trim(now_ms);
        self.dedup.trim(now_ms);
    }

    /// How many keys have something to be sent back.
    pub(crate) fn len(&self) -> usize {
        self.values.len() + self.counters.len() + self.dedup.len() + self.fields.len()
    }

    /// Whether this key has.
    pub(crate) fn contains(&self, kind: Kind, key: &Key) -> bool {
        match kind {
            Kind::Value => self.values.get(key).is_some(),
            Kind::Counter => self.counters.get(key).is_some(),
            Kind::Dedup => self.dedup.get(key).is_some(),
            Kind::Fields => self.fields.get(key).next().is_some(),
        }
    }

    pub(crate) fn value(&self, key: &[u8]) -> Option<&Value> {
        self.values.get(key)
    }

    pub(crate) fn counter(&self, key: &[u8]) -> Option<&Counter> {
        self.counters.get(key)
    }

    pub(crate) fn sighting(&self, key: &[u8]) -> Option<&Sighting> {
        self.dedup.get(key)
    }

    pub(crate) fn field(&self, key: &[u8], field: &[u8]) -> Option<&FieldChange> {
        self.fields.field(key, field)
    }

    pub(crate) fn fields(&self, key: &[u8]) -> impl Iterator<Item = (&Bytes, &FieldChange)> {
        self.fields.get(key)
    }

    /// Every key that has something to be sent back.
    pub(crate) fn keys(&self) -> impl Iterator<Item = (Kind, &Key)> {
        let values = self.values.keys().map(|key| (Kind::Value, key));
        let counters = self.counters.keys().map(|key| (Kind::Counter, key));
        let dedup = self.dedup.keys().map(|key| (Kind::Dedup, key));
        values.chain(counters).chain(dedup).chain(self.fields.keys().map(|key| (Kind::Fields, key)))
    }

    /// Entries that make a new ledger the same as this one.
    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.values
            .entries()
            .chain(self.counters.entries())
            .chain(self.dedup.entries())
            .chain(self.fields.entries())
    }
}

/// Whether what lives until `expiry` had ended when something else was written that lives until `other`.
fn ended_before(expiry: Expiry, other: Expiry) -> bool {
    let written_ms = other.at_ms.saturating_sub(other.ttl_ms);
    expiry.at_ms <= written_ms
}

/// Texts and overhead, as memory.
fn cost(texts: usize) -> u64 {
    OVERHEAD + texts as u64
}

#[cfg(test)]
mod tests;
