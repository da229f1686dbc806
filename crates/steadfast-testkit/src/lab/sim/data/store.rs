//! Keys, values, expiry, and who waits for a key.

use super::{Stream, Waiter, errors};
use crate::lab::sim::slots::slot_of;
use crate::redis::Reply;
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::time::Duration;
use tokio::time::Instant;

/// How many databases there are.
const DATABASES: usize = 16;

#[derive(Debug, Clone)]
pub(in crate::lab::sim) enum Value {
    Text(Vec<u8>),
    List(VecDeque<Vec<u8>>),
    /// In the order of insertion, as Redis keeps small ones.
    Hash(Vec<(Vec<u8>, Vec<u8>)>),
    Set(BTreeSet<Vec<u8>>),
    /// By score, then by member.
    Sorted(Vec<(f64, Vec<u8>)>),
    Stream(Stream),
}

impl Value {
    pub(in crate::lab::sim) fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "string",
            Self::List(_) => "list",
            Self::Hash(_) => "hash",
            Self::Set(_) => "set",
            Self::Sorted(_) => "zset",
            Self::Stream(_) => "stream",
        }
    }

    fn is_empty(&self) -> bool {
        match self {
            // A stream stays when its last entry goes.
            Self::Text(_) | Self::Stream(_) => false,
            Self::List(items) => items.is_empty(),
            Self::Hash(fields) => fields.is_empty(),
            Self::Set(members) => members.is_empty(),
            Self::Sorted(members) => members.is_empty(),
        }
    }
}

#[derive(Debug, Clone)]
pub(in crate::lab::sim) struct Entry {
    pub(in crate::lab::sim) value: Value,
    pub(in crate::lab::sim) expires: Option<Instant>,
}

type Database = HashMap<Vec<u8>, Entry>;

#[derive(Debug)]
pub(in crate::lab::sim) struct Store {
    databases: Vec<Database>,
    /// When each key was last changed, counted in changes: what WATCH compares.
    changed: HashMap<(usize, Vec<u8>), u64>,
    changes: u64,
    pub(super) waiters: Vec<Waiter>,
}

impl Default for Store {
    fn default() -> Self {
        let databases = vec![Database::new(); DATABASES];
        Self { databases, changed: HashMap::new(), changes: 0, waiters: Vec::new() }
    }
}

impl Store {
    pub(in crate::lab::sim) const fn databases() -> usize {
        DATABASES
    }

    /// The entry of a key that has not expired.
    pub(in crate::lab::sim) fn entry(&mut self, db: usize, key: &[u8], now: Instant) -> Option<&mut Entry> {
        let expired = self.databases[db].get(key)?.expires.is_some_and(|expires| expires <= now);
        if expired {
            self.remove(db, key);
        }
        self.databases[db].get_mut(key)
    }

    pub(in crate::lab::sim) fn value(&mut self, db: usize, key: &[u8], now: Instant) -> Option<&mut Value> {
        self.entry(db, key, now).map(|entry| &mut entry.value)
    }

    /// Puts an entry in the place of whatever was there.
    pub(in crate::lab::sim) fn put(&mut self, db: usize, key: &[u8], value: Value, expires: Option<Instant>) {
        self.databases[db].insert(key.to_vec(), Entry { value, expires });
        self.touch(db, key);
    }

    /// The value of a key to change, made first if there is none. Call [`Store::settle`] when done.
    pub(in crate::lab::sim) fn value_or(
        &mut self,
        db: usize,
        key: &[u8],
        now: Instant,
        make: fn() -> Value,
    ) -> &mut Value {
        if self.entry(db, key, now).is_none() {
            self.put(db, key, make(), None);
        }
        let fresh = || Entry { value: make(), expires: None };
        &mut self.databases[db].entry(key.to_vec()).or_insert_with(fresh).value
    }

    /// Notes that a key was changed, and removes it if nothing is left in it.
    pub(in crate::lab::sim) fn settle(&mut self, db: usize, key: &[u8]) {
        if self.databases[db].get(key).is_some_and(|entry| entry.value.is_empty()) {
            self.databases[db].remove(key);
        }
        self.touch(db, key);
    }

    pub(in crate::lab::sim) fn remove(&mut self, db: usize, key: &[u8]) -> Option<Entry> {
        let removed = self.databases[db].remove(key);
        if removed.is_some() {
            self.touch(db, key);
        }
        removed
    }

    fn touch(&mut self, db: usize, key: &[u8]) {
        self.changes += 1;
        self.changed.insert((db, key.to_vec()), self.changes);
    }

    pub(in crate::lab::sim) fn changed(&mut self, db: usize, key: &[u8], now: Instant) -> u64 {
        // One that expires in the meantime has changed too.
        let _ = self.entry(db, key, now);
        self.changed.get(&(db, key.to_vec())).copied().unwrap_or(0)
    }

    /// The keys of a database that have not expired, in order.
    pub(in crate::lab::sim) fn keys(&mut self, db: usize, now: Instant) -> Vec<Vec<u8>> {
        let mut keys: Vec<Vec<u8>> = self.databases[db].keys().cloned().collect();
        keys.retain(|key| self.entry(db, key, now).is_some());
        keys.sort_unstable();
        keys
    }

    pub(in crate::lab::sim) fn clear(&mut self, db: usize) {
        let keys: Vec<Vec<u8>> = self.databases[db].keys().cloned().collect();
        for key in keys {
            self.remove(db, &key);
        }
    }

    /// Takes so many keys of a slot at most out of the first database.
    pub(super) fn take_slot(&mut self, slot: u16, most: usize) -> Vec<(Vec<u8>, Entry)> {
        let keys = self.databases[0].keys().filter(|key| slot_of(key) == slot).take(most);
        let keys: Vec<Vec<u8>> = keys.cloned().collect();
        keys.into_iter().filter_map(|key| self.remove(0, &key).map(|entry| (key, entry))).collect()
    }

    /// How long a key has left: nothing if there is no such key, nothing inside if it stays.
    pub(in crate::lab::sim) fn remaining(
        &mut self,
        db: usize,
        key: &[u8],
        now: Instant,
    ) -> Option<Option<Duration>> {
        let entry = self.entry(db, key, now)?;
        Some(entry.expires.map(|expires| expires.saturating_duration_since(now)))
    }
}

/// Views of a value by its type; the error of Redis if it has another.
macro_rules! view {
    ($name:ident, $make:ident, $variant:ident, $inner:ty) => {
        impl Store {
            #[doc = concat!("The value of a key as `", stringify!($variant), "`, if it has one.")]
            pub(in crate::lab::sim) fn $name(
                &mut self,
                db: usize,
                key: &[u8],
                now: Instant,
            ) -> Result<Option<&mut $inner>, Reply> {
                match self.value(db, key, now) {
                    None => Ok(None),
                    Some(Value::$variant(inner)) => Ok(Some(inner)),
                    Some(_) => super::fail(errors::WRONGTYPE),
                }
            }

            #[doc = "The same, made empty if there is none."]
            pub(in crate::lab::sim) fn $make(
                &mut self,
                db: usize,
                key: &[u8],
                now: Instant,
            ) -> Result<&mut $inner, Reply> {
                match self.value_or(db, key, now, || Value::$variant(<$inner>::new())) {
                    Value::$variant(inner) => Ok(inner),
                    _ => super::fail(errors::WRONGTYPE),
                }
            }
        }
    };
}

view!(text, text_or_new, Text, Vec<u8>);
view!(list, list_or_new, List, VecDeque<Vec<u8>>);
view!(hash, hash_or_new, Hash, Vec<(Vec<u8>, Vec<u8>)>);
view!(set, set_or_new, Set, BTreeSet<Vec<u8>>);
view!(stream, stream_or_new, Stream, Stream);
view!(sorted, sorted_or_new, Sorted, Vec<(f64, Vec<u8>)>);
