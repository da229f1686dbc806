//! Fields of sets and hashes: for each field the latest operation, with all that it replaces.
//!
//! The rule is that of an observed-remove map where adding wins: an operation replaces the versions of its field
//! that its writer knew, and no others. A writer knows its own earlier ones.

use super::cost;
use crate::cache::entry::{Entry, Key};
use crate::cache::version::Version;
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap};

/// One operation on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldChange {
    pub(crate) version: Version,
    /// What is put; none: it is removed.
    pub(crate) value: Option<Bytes>,
    /// The versions that it replaces: of each node, this one and those before it.
    pub(crate) observed: Vec<Version>,
}

impl FieldChange {
    fn cost(&self, field: &Bytes) -> u64 {
        change_cost(field, self.value.as_ref(), self.observed.len())
    }

    /// Goes on from an earlier operation that may or may not have been sent.
    fn after(mut self, old: &Self) -> Self {
        for version in old.observed.iter().copied().chain([old.version]) {
            if version.node() == self.version.node() {
                continue;
            }
            match self.observed.iter_mut().find(|known| known.node() == version.node()) {
                Some(known) => *known = version.max(*known),
                None => self.observed.push(version),
            }
        }
        self
    }
}

fn change_cost(field: &Bytes, value: Option<&Bytes>, observed: usize) -> u64 {
    cost(field.len() + value.map_or(0, Bytes::len) + observed * size_of::<Version>())
}

#[derive(Debug, Default)]
pub(super) struct Fields {
    map: HashMap<Key, BTreeMap<Bytes, FieldChange>>,
    pub(super) bytes: u64,
}

impl Fields {
    pub(super) fn change(&mut self, key: &Key, field: &Bytes, change: FieldChange) {
        if self.field(key, field).is_some_and(|old| old.version > change.version) {
            return;
        }
        let bytes = &mut self.bytes;
        let fields = self.map.entry(key.clone()).or_insert_with(|| {
            *bytes += cost(key.len());
            BTreeMap::new()
        });
        let old = fields.remove(field);
        let change = match &old {
            Some(old) => change.after(old),
            None => change,
        };
        *bytes += change.cost(field);
        *bytes -= old.map_or(0, |old| old.cost(field));
        fields.insert(field.clone(), change);
    }

    /// What an operation would cost, and what is there already.
    pub(super) fn growth(
        &self,
        key: &Key,
        field: &Bytes,
        value: Option<&Bytes>,
        observed: &[Version],
    ) -> (u64, u64) {
        let new = change_cost(field, value, observed.len());
        match (self.map.contains_key(key), self.field(key, field)) {
            // It takes over what the one before it replaced.
            (_, Some(old)) => {
                (change_cost(field, value, observed.len() + old.observed.len() + 1), old.cost(field))
            }
            (true, None) => (new, 0),
            (false, None) => (new + cost(key.len()), 0),
        }
    }

    pub(super) fn done(&mut self, key: &Key, upto: Version) {
        let Some(fields) = self.map.get_mut(key) else { return };
        let bytes = &mut self.bytes;
        fields.retain(|field, change| {
            let keep = change.version > upto;
            if !keep {
                *bytes -= change.cost(field);
            }
            keep
        });
        if fields.is_empty() {
            self.map.remove(key);
            self.bytes -= cost(key.len());
        }
    }

    pub(super) fn field(&self, key: &[u8], field: &[u8]) -> Option<&FieldChange> {
        self.map.get(key)?.get(field)
    }

    pub(super) fn get(&self, key: &[u8]) -> impl Iterator<Item = (&Bytes, &FieldChange)> {
        self.map.get(key).into_iter().flatten()
    }

    pub(super) fn len(&self) -> usize {
        self.map.len()
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &Key> {
        self.map.keys()
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.map.iter().flat_map(|(key, fields)| {
            fields.iter().map(|(field, change)| Entry::Field {
                version: change.version,
                key: key.clone(),
                field: field.clone(),
                value: change.value.clone(),
                observed: change.observed.clone(),
            })
        })
    }
}
