//! Values kept in this process, within bytes.

use crate::cache::{FieldVersions, Key, Version};
use bytes::Bytes;
use moka::ops::compute::Op;
use moka::sync::Cache;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// What an entry takes beside its texts, reckoned: both queues of the cache, its map, the entry.
const OVERHEAD: usize = 256;
const STRIPES: usize = 256;

/// What is known of a key.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum What {
    Value(Bytes),
    /// It was deleted by this process.
    Deleted,
    /// The loader found nothing.
    Nothing,
}

/// One key's entry.
#[derive(Clone)]
pub(super) struct Entry {
    pub(super) what: What,
    pub(super) version: Version,
    /// Until when it is served without asking.
    pub(super) fresh_until_ms: u64,
    /// Until when it may be served as stale.
    pub(super) stale_until_ms: u64,
    /// When its lifetime ends, everywhere.
    pub(super) ends_ms: u64,
    /// When it is to be loaded anew ahead of its end.
    pub(super) refresh_ms: u64,
    /// The epoch it was put in: older ones are not fresh.
    epoch: u64,
}

/// Shows no value.
impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("version", &self.version).finish_non_exhaustive()
    }
}

/// What a reader is given of an entry.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) entry: Arc<Entry>,
    pub(super) is_fresh: bool,
}

/// Where invalidations stood when a read began: what it brings is fresh only if none came since.
#[derive(Clone, Copy)]
pub(super) struct Mark {
    stripe: usize,
    count: u64,
    epoch: u64,
}

/// What is known of a set or hash.
pub(super) type KnownFields = BTreeMap<Bytes, FieldVersions>;

pub(super) struct Near {
    cache: Cache<Key, Arc<Entry>>,
    /// As they were last read: never fresh, of use when Redis is away.
    fields: Cache<Key, Arc<KnownFields>>,
    epoch: AtomicU64,
    invalidations: [AtomicU64; STRIPES],
}

impl std::fmt::Debug for Near {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Near").field("entries", &self.cache.entry_count()).finish_non_exhaustive()
    }
}

impl Near {
    /// At most `bytes_max` bytes, and `fields_bytes_max` for sets and hashes; entries that nobody may be served go after
    /// `kept` at the latest.
    pub(super) fn new(bytes_max: u64, fields_bytes_max: u64, kept: Duration) -> Self {
        let weigh = |key: &Key, entry: &Arc<Entry>| {
            let value = if let What::Value(value) = &entry.what { value.len() } else { 0 };
            u32::try_from(key.len() + value + OVERHEAD).unwrap_or(u32::MAX)
        };
        let cache = Cache::builder().max_capacity(bytes_max).weigher(weigh).time_to_live(kept).build();
        let weigh = |key: &Key, known: &Arc<KnownFields>| {
            let texts: usize = known.iter().map(|(field, of)| field.len() + of.size() + OVERHEAD / 2).sum();
            u32::try_from(key.len() + texts + OVERHEAD).unwrap_or(u32::MAX)
        };
        let fields =
            Cache::builder().max_capacity(fields_bytes_max).weigher(weigh).time_to_live(kept).build();
        Self {
            cache,
            fields,
            epoch: AtomicU64::new(0),
            invalidations: std::array::from_fn(|_| AtomicU64::new(0)),
        }
    }

    pub(super) fn get(&self, key: &Key, now_ms: u64) -> Option<Seen> {
        let entry = self.cache.get(key)?;
        if now_ms >= entry.stale_until_ms.max(entry.fresh_until_ms) {
            return None;
        }
        let is_fresh = now_ms < entry.fresh_until_ms && entry.epoch == self.epoch.load(Ordering::Acquire);
        Some(Seen { entry, is_fresh })
    }

    /// To be taken before what is to be put is asked for.
    pub(super) fn mark(&self, key: &Key) -> Mark {
        let stripe = stripe(key);
        let count = self.invalidations[stripe].load(Ordering::Acquire);
        Mark { stripe, count, epoch: self.epoch.load(Ordering::Acquire) }
    }

    /// Puts what was read or written, unless something later is known.
    pub(super) fn put(&self, key: &Key, entry: Entry, mark: Mark) {
        let mut entry = Entry { epoch: mark.epoch, ..entry };
        if self.invalidations[mark.stripe].load(Ordering::Acquire) != mark.count {
            entry.fresh_until_ms = 0;
        }
        let key = Key::copy_from_slice(key);
        self.cache.entry(key).and_compute_with(|old| match old {
            Some(old) if old.value().version > entry.version => Op::Nop,
            _ => Op::Put(Arc::new(entry)),
        });
    }

    /// Somebody has written `version`: what is older is not fresh any more, and gone if it was deleted.
    pub(super) fn invalidate(&self, key: &Key, version: Version, is_deleted: bool) {
        self.invalidations[stripe(key)].fetch_add(1, Ordering::AcqRel);
        if !self.cache.contains_key(key) {
            return;
        }
        self.cache.entry(key.clone()).and_compute_with(|old| match old {
            Some(old) if old.value().version < version => {
                if is_deleted {
                    return Op::Remove;
                }
                let mut entry = Entry::clone(old.value());
                entry.fresh_until_ms = 0;
                Op::Put(Arc::new(entry))
            }
            _ => Op::Nop,
        });
    }

    /// The server has no value: what was known is gone, unless its lifetime had ended, in which case it may still
    /// help out a loader that fails; or unless it is later than `before`.
    pub(super) fn missed(&self, key: &Key, before: Option<&Arc<Entry>>, now_ms: u64) {
        let Some(before) = before else { return };
        self.cache.entry(key.clone()).and_compute_with(|old| match old {
            Some(old) if old.value().version <= before.version && old.value().ends_ms > now_ms => Op::Remove,
            _ => Op::Nop,
        });
    }

    /// A set or hash as it was last read.
    pub(super) fn fields(&self, key: &Key) -> Option<Arc<KnownFields>> {
        self.fields.get(key)
    }

    /// Keeps what was read of a set or hash.
    pub(super) fn keep_fields(&self, key: &Key, known: KnownFields) {
        self.fields.insert(key.clone(), Arc::new(known));
    }

    /// Invalidations may have been missed: nothing is fresh.
    pub(super) fn age_all(&self) {
        self.epoch.fetch_add(1, Ordering::AcqRel);
    }

    /// The keys that begin with `prefix`.
    pub(super) fn keys(&self, prefix: &[u8]) -> Vec<Key> {
        self.cache
            .iter()
            .filter(|(key, _)| key.starts_with(prefix))
            .map(|(key, _)| Key::clone(&key))
            .collect()
    }

    /// How many entries there are, and their bytes.
    pub(super) fn size(&self) -> (u64, u64) {
        self.cache.run_pending_tasks();
        (self.cache.entry_count(), self.cache.weighted_size())
    }
}

impl Entry {
    /// An entry; its times are bounded by the end of its lifetime.
    pub(super) fn new(what: What, version: Version, times: Times) -> Self {
        let Times { now_ms, ends_ms, near_ms, stale_ms, refresh_ms } = times;
        let fresh_until_ms = now_ms.saturating_add(near_ms).min(ends_ms);
        let stale_until_ms = fresh_until_ms.saturating_add(stale_ms);
        Self { what, version, fresh_until_ms, stale_until_ms, ends_ms, refresh_ms, epoch: 0 }
    }

    pub(super) fn value(&self) -> Option<&Bytes> {
        if let What::Value(value) = &self.what { Some(value) } else { None }
    }
}

/// When what happens to an entry.
#[derive(Clone, Copy)]
pub(super) struct Times {
    pub(super) now_ms: u64,
    pub(super) ends_ms: u64,
    pub(super) near_ms: u64,
    pub(super) stale_ms: u64,
    pub(super) refresh_ms: u64,
}

fn stripe(key: &Key) -> usize {
    let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(key);
    usize::try_from(hash % STRIPES as u64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::NodeId;

    fn version(ms: u64) -> Version {
        Version::new(ms, 0, NodeId::new(1))
    }

    fn entry(text: &str, ms: u64) -> Entry {
        let times = Times { now_ms: 0, ends_ms: 100, near_ms: 50, stale_ms: 200, refresh_ms: 80 };
        Entry::new(What::Value(Bytes::copy_from_slice(text.as_bytes())), version(ms), times)
    }

    fn near() -> (Near, Key) {
        (Near::new(1 << 20, 1 << 20, Duration::from_secs(60)), Key::from_static(b"k"))
    }

    #[test]
    fn entries_become_stale_and_end() {
        let (near, key) = near();
        near.put(&key, entry("a", 1), near.mark(&key));
        assert!(near.get(&key, 49).unwrap().is_fresh);
        assert!(!near.get(&key, 50).unwrap().is_fresh);
        assert!(near.get(&key, 250).is_none());
    }

    #[test]
    fn the_later_version_stays() {
        let (near, key) = near();
        near.put(&key, entry("new", 2), near.mark(&key));
        near.put(&key, entry("old", 1), near.mark(&key));
        assert_eq!(near.get(&key, 0).unwrap().entry.value().unwrap(), "new");
    }

    #[test]
    fn a_write_elsewhere_ages_what_is_older_and_a_deletion_removes_it() {
        let (near, key) = near();
        near.put(&key, entry("a", 5), near.mark(&key));
        near.invalidate(&key, version(5), true);
        assert!(near.get(&key, 0).unwrap().is_fresh, "this very write");
        near.invalidate(&key, version(6), false);
        assert!(!near.get(&key, 0).unwrap().is_fresh);
        near.invalidate(&key, version(6), true);
        assert!(near.get(&key, 0).is_none());
    }

    #[test]
    fn what_was_read_before_an_invalidation_is_not_fresh_after_it() {
        let (near, key) = near();
        let mark = near.mark(&key);
        near.invalidate(&key, version(9), false);
        near.put(&key, entry("read before", 1), mark);
        assert!(!near.get(&key, 0).unwrap().is_fresh);
        let mark = near.mark(&key);
        near.age_all();
        near.put(&key, entry("read before the gap", 2), mark);
        assert!(!near.get(&key, 0).unwrap().is_fresh);
    }

    #[test]
    fn a_value_that_vanished_before_its_end_is_gone_and_one_that_ended_may_help_out() {
        let (near, key) = near();
        for (now_ms, stays) in [(60, false), (101, true)] {
            near.put(&key, entry("a", 1), near.mark(&key));
            let seen = near.get(&key, now_ms).unwrap();
            near.missed(&key, Some(&seen.entry), now_ms);
            assert_eq!(near.get(&key, now_ms).is_some(), stays);
        }
    }

    #[test]
    fn memory_is_bounded() {
        let near = Near::new(100_000, 50_000, Duration::from_secs(60));
        let value = "x".repeat(1_000);
        for number in 0..2_000 {
            let key = Key::from(format!("k{number}"));
            near.put(&key, entry(&value, 1), near.mark(&key));
        }
        for number in 0..200 {
            let mut of = FieldVersions::default();
            of.change(version(1), Some(&Bytes::from(value.clone())), &[]);
            near.keep_fields(&Key::from(format!("k{number}")), KnownFields::from([("f".into(), of)]));
        }
        near.fields.run_pending_tasks();
        assert!((10_000..=50_000).contains(&near.fields.weighted_size()), "{}", near.fields.weighted_size());
        let (entries, bytes) = near.size();
        assert!(bytes <= 100_000 && entries > 10, "{entries} {bytes}");
    }
}
