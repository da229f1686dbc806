//! The bounds and rules of an outbox.

use crate::cache::journal::Bounds;
use crate::config::{Fallback, JournalSync};

/// When the journal's writes are made to reach the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SyncPolicy {
    /// Before a write is acknowledged.
    Always,
    /// At most so many milliseconds after it, as often as [`Outbox::maintain`](super::Outbox::maintain) is called.
    Interval {
        /// So many milliseconds.
        ms: u64,
    },
    /// On request, and before anything is sent back.
    Request,
}

/// The bounds and rules of an outbox: see the fields of [`Fallback`] for what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OutboxSettings {
    /// The memory it may take, in bytes.
    pub memory_bytes_max: u64,
    /// The size that the journal may have, in bytes.
    pub journal_bytes_max: u64,
    /// The size of one of its segments, in bytes.
    pub journal_segment_bytes: u64,
    /// When the journal reaches the disk.
    pub sync: SyncPolicy,
    /// The longest lifetime of a value, in milliseconds.
    pub ttl_max_ms: u64,
    /// By how much the clocks of nodes may differ, in milliseconds.
    pub skew_max_ms: u64,
    /// For how much longer than the outage a deletion is remembered, in milliseconds.
    pub tombstone_extra_ms: u64,
    /// How many examples of each answer the report names.
    pub examples_max: u32,
    /// Whether it names them by a hash.
    pub hash_keys: bool,
}

impl From<&Fallback> for OutboxSettings {
    fn from(fallback: &Fallback) -> Self {
        Self {
            memory_bytes_max: fallback.memory_bytes_max,
            journal_bytes_max: fallback.journal_bytes_max,
            journal_segment_bytes: fallback.journal_segment_bytes,
            sync: match fallback.journal_sync {
                JournalSync::Always => SyncPolicy::Always,
                JournalSync::Interval => SyncPolicy::Interval { ms: fallback.journal_sync_interval_ms },
                JournalSync::Request => SyncPolicy::Request,
            },
            ttl_max_ms: fallback.ttl_max_ms,
            skew_max_ms: fallback.skew_max_ms,
            tombstone_extra_ms: fallback.tombstone_extra_ms,
            examples_max: fallback.report_examples_max,
            hash_keys: fallback.report_hash_keys,
        }
    }
}

impl Default for OutboxSettings {
    fn default() -> Self {
        Self::from(&Fallback::default())
    }
}

impl OutboxSettings {
    pub(super) fn bounds(&self) -> Bounds {
        Bounds { bytes_max: self.journal_bytes_max, segment_bytes: self.journal_segment_bytes }
    }

    /// For how long from `now_ms` on a write of `written_ms` must be remembered, so that every older one has ended
    /// by then.
    pub(super) fn remembered_ms(&self, written_ms: u64, now_ms: u64) -> u64 {
        let until_ms = written_ms.saturating_add(self.ttl_max_ms).saturating_add(self.skew_max_ms);
        until_ms.saturating_sub(now_ms)
    }

    /// Before when a write must have been for every older value to have ended by now.
    pub(super) fn forgotten_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.ttl_max_ms).saturating_sub(self.skew_max_ms)
    }

    /// For how long a deletion is remembered on the server, after an outage of `outage_ms`.
    pub(super) fn tombstone_ms(&self, outage_ms: u64) -> u64 {
        let by_ttl = self.ttl_max_ms.saturating_add(self.skew_max_ms);
        by_ttl.max(outage_ms.saturating_add(self.tombstone_extra_ms)).max(1)
    }
}
