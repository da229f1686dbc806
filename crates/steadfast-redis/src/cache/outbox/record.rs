//! Takes writes: all or nothing of each, on the disk before they count.

use super::{Change, Outbox, Recorded, Refused, SyncPolicy};
use crate::cache::entry::{Entry, Expiry, Key, Kind};
use crate::cache::journal::JournalFolder;
use crate::cache::keys::floor_key;
use crate::cache::version::Version;
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::Arc;

/// The largest write, its texts together.
const CHANGE_BYTES_MAX: usize = 32 << 20;
/// How often it is looked for what has ended when memory is short.
const TRIM_INTERVAL_MS: u64 = 1_000;

/// What a group of writes comes to before any of them counts.
#[derive(Default)]
struct Staged {
    entries: Vec<Entry>,
    bytes: u64,
    deltas: HashMap<Key, i64>,
}

/// What becomes of one write.
enum Place {
    /// It is this one of the entries, under this version.
    Entry(usize, Version),
    /// It is known since this version.
    Known(Version),
}

impl<F: JournalFolder> Outbox<F> {
    /// Takes writes, and answers each in its place. With a journal they are one write to the disk, and one sync if
    /// [`SyncPolicy::Always`] asks for it. Blocks on the disk.
    ///
    /// What is refused is not kept; the others are.
    pub fn record(&mut self, changes: &[Change], now_ms: u64) -> Vec<Result<Recorded, Refused>> {
        self.take(changes.iter().map(|change| (change, None)), now_ms)
    }

    /// Takes a write that was sent under this [`stamp`](Outbox::stamp) and not answered: it may have been done. It
    /// will be asked for again, as the same write.
    ///
    /// # Errors
    ///
    /// As for recording; and [`Refused::InDoubt`] for additions.
    pub fn record_sent(
        &mut self,
        change: &Change,
        version: Version,
        now_ms: u64,
    ) -> Result<Recorded, Refused> {
        if matches!(change, Change::Add { .. }) {
            return Err(Refused::InDoubt);
        }
        self.take([(change, Some(version))].into_iter(), now_ms).swap_remove(0)
    }

    /// Writes that were sent, each under its version, and writes that were not: one write to the disk for all.
    pub(crate) fn record_all(
        &mut self,
        changes: &[(Change, Option<Version>)],
        now_ms: u64,
    ) -> Vec<Result<Recorded, Refused>> {
        self.take(changes.iter().map(|(change, version)| (change, *version)), now_ms)
    }

    fn take<'a>(
        &mut self,
        changes: impl Iterator<Item = (&'a Change, Option<Version>)>,
        now_ms: u64,
    ) -> Vec<Result<Recorded, Refused>> {
        let mut staged = Staged::default();
        let results: Vec<Result<Place, Refused>> =
            changes.map(|(change, version)| self.stage(change, version, now_ms, &mut staged)).collect();
        if let Err(refused) = self.write_down(&staged.entries, now_ms) {
            return results.into_iter().map(|result| result.and(Err(refused.clone()))).collect();
        }
        let position = self.position;
        let firsts: Vec<bool> = staged.entries.iter().map(|entry| self.happen(entry)).collect();
        let recorded = |place| match place {
            Place::Known(version) => Recorded { version, first: false, position },
            Place::Entry(index, version) => {
                Recorded { version, first: firsts.get(index).copied().unwrap_or(true), position }
            }
        };
        results.into_iter().map(|result| result.map(recorded)).collect()
    }

    /// Makes `entry` count. For a sighting: whether it is the first one.
    fn happen(&mut self, entry: &Entry) -> bool {
        self.ledger.apply(entry);
        let (kind, key) = match entry {
            Entry::Set { key, .. } | Entry::Delete { key, .. } => (Kind::Value, key),
            Entry::Add { key, .. } => (Kind::Counter, key),
            Entry::Field { key, .. } => (Kind::Fields, key),
            Entry::Remember { key, .. } => (Kind::Dedup, key),
            Entry::Seal { .. } | Entry::Done { .. } | Entry::Clock { .. } => return true,
        };
        self.queue.push(kind, key);
        kind != Kind::Dedup || self.ledger.sighting(key).is_some_and(|seen| seen.version == entry.version())
    }

    pub(super) fn write_down(&mut self, entries: &[Entry], now_ms: u64) -> Result<(), Refused> {
        let written = self.append(entries).and_then(|()| match self.settings.sync {
            SyncPolicy::Always => self.sync(now_ms),
            SyncPolicy::Interval { .. } | SyncPolicy::Request => Ok(()),
        });
        written.map_err(|error| Refused::Journal(Arc::new(error)))
    }

    fn stage(
        &mut self,
        change: &Change,
        version: Option<Version>,
        now_ms: u64,
        staged: &mut Staged,
    ) -> Result<Place, Refused> {
        let staged_delta = staged.deltas.get(change.key()).copied().unwrap_or(0);
        self.check(change, staged_delta)?;
        if let (Change::Remember { key, .. }, None) = (change, version)
            && let Some(seen) = self.ledger.sighting(key).filter(|seen| seen.expiry.remaining_ms(now_ms) > 0)
        {
            return Ok(Place::Known(seen.version));
        }
        let version = version.unwrap_or_else(|| self.clock.tick(now_ms));
        let entry = self.entry(change, version, now_ms)?;
        let bytes_max = self.settings.memory_bytes_max;
        let mut growth = self.ledger.growth(&entry);
        if growth > 0 && self.ledger.bytes() + staged.bytes + growth > bytes_max {
            self.trim(now_ms);
            // What was to replace something that is gone now takes room of its own.
            staged.bytes = staged.entries.iter().map(|entry| self.ledger.growth(entry)).sum();
            growth = self.ledger.growth(&entry);
            let bytes = self.ledger.bytes() + staged.bytes;
            if bytes + growth > bytes_max {
                return Err(Refused::MemoryFull { bytes, needed: growth, bytes_max });
            }
        }
        staged.bytes += growth;
        if let Entry::Add { key, delta, .. } = &entry {
            let sum = staged.deltas.entry(key.clone()).or_default();
            *sum = sum.saturating_add(*delta);
        }
        staged.entries.push(entry);
        Ok(Place::Entry(staged.entries.len() - 1, version))
    }

    pub(super) fn trim(&mut self, now_ms: u64) {
        if now_ms.saturating_sub(self.trimmed_at_ms) >= TRIM_INTERVAL_MS {
            self.trimmed_at_ms = now_ms;
            self.ledger.trim(now_ms, self.settings.forgotten_ms(now_ms));
        }
    }

    /// What can be said without a version.
    pub(super) fn check(&self, change: &Change, staged_delta: i64) -> Result<(), Refused> {
        let bytes = match change {
            Change::Set { key, value, .. } => key.len() + value.len(),
            Change::PutField { key, field, value, observed } => {
                key.len() + field.len() + value.len() + observed.len() * size_of::<Version>()
            }
            Change::RemoveField { key, field, observed } => {
                key.len() + field.len() + observed.len() * size_of::<Version>()
            }
            Change::Delete { key } | Change::Add { key, .. } | Change::Remember { key, .. } => key.len(),
            Change::Lock { .. } => return Err(Refused::NeedsServer),
        };
        if bytes > CHANGE_BYTES_MAX {
            return Err(Refused::TooLarge { bytes: bytes as u64, bytes_max: CHANGE_BYTES_MAX as u64 });
        }
        match change {
            Change::Set { key, .. } | Change::Delete { key } if floor_key(key).is_none() => Err(Refused::Key),
            Change::Add { key, delta, .. } => {
                let open = self.ledger.counter(key).and_then(|counter| counter.open);
                let sum = open.map_or(0, |open| open.delta).checked_add(staged_delta);
                sum.and_then(|sum| sum.checked_add(*delta)).map(|_| ()).ok_or(Refused::Overflow)
            }
            _ => Ok(()),
        }
    }

    /// The change as it is written down. Its texts are copied: they may be parts of something much larger.
    pub(super) fn entry(&self, change: &Change, version: Version, now_ms: u64) -> Result<Entry, Refused> {
        let copy = |text: &Bytes| Bytes::copy_from_slice(text);
        Ok(match change {
            Change::Set { key, value, ttl_ms } => {
                let ttl_ms =
                    self.ttl(ttl_ms.unwrap_or(self.settings.ttl_max_ms), self.settings.ttl_max_ms)?;
                Entry::Set {
                    version,
                    key: copy(key),
                    value: copy(value),
                    expiry: Expiry::after(now_ms, ttl_ms),
                }
            }
            Change::Delete { key } => Entry::Delete { version, key: copy(key) },
            Change::Add { key, delta, window_ms } => {
                let window = window_ms.map(|window_ms| self.ttl(window_ms, u64::MAX)).transpose()?;
                let expiry = window.map(|window_ms| Expiry::after(now_ms, window_ms));
                Entry::Add { version, key: copy(key), delta: *delta, expiry }
            }
            Change::Remember { key, window_ms } => {
                let expiry = Expiry::after(now_ms, self.ttl(*window_ms, u64::MAX)?);
                Entry::Remember { version, key: copy(key), expiry }
            }
            Change::PutField { key, field, value, observed } => Entry::Field {
                version,
                key: copy(key),
                field: copy(field),
                value: Some(copy(value)),
                observed: observed.clone(),
            },
            Change::RemoveField { key, field, observed } => Entry::Field {
                version,
                key: copy(key),
                field: copy(field),
                value: None,
                observed: observed.clone(),
            },
            Change::Lock { .. } => return Err(Refused::NeedsServer),
        })
    }

    fn ttl(&self, ttl_ms: u64, ttl_max_ms: u64) -> Result<u64, Refused> {
        if (1..=ttl_max_ms).contains(&ttl_ms) { Ok(ttl_ms) } else { Err(Refused::Ttl { ttl_ms, ttl_max_ms }) }
    }
}
