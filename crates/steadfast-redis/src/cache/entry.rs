//! What the ledger holds and the journal writes down: one vocabulary for both.

use super::version::Version;
use bytes::Bytes;

/// A key of the server's, whole.
pub type Key = Bytes;

/// The kinds of data that can be written while the server is away. A key is of one kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Kind {
    /// A value under a key: the latest write wins.
    Value,
    /// A number that is added to.
    Counter,
    /// A key that must be seen once.
    Dedup,
    /// A set or hash: fields that are put and removed one by one.
    Fields,
}

/// When something ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Expiry {
    /// The end, in milliseconds since the Unix epoch, by the time of the node that wrote.
    pub at_ms: u64,
    /// How long it was to live when it was written, in milliseconds.
    pub ttl_ms: u64,
}

impl Expiry {
    /// The end of what lives `ttl_ms` from `now_ms` on.
    pub fn after(now_ms: u64, ttl_ms: u64) -> Self {
        Self { at_ms: now_ms.saturating_add(ttl_ms), ttl_ms }
    }

    /// What is left, in milliseconds; 0: it has ended. Never more than the whole lifetime: a clock that was set
    /// back between two starts prolongs nothing.
    pub fn remaining_ms(self, now_ms: u64) -> u64 {
        self.at_ms.saturating_sub(now_ms).min(self.ttl_ms)
    }
}

/// One thing that happened, in the order of its version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A value was set.
    Set { version: Version, key: Key, value: Bytes, expiry: Expiry },
    /// A value was deleted.
    Delete { version: Version, key: Key },
    /// A counter was added to.
    Add { version: Version, key: Key, delta: i64, expiry: Option<Expiry> },
    /// What a counter was added up to `version` is one batch of this sum, and will be sent as such.
    Seal { version: Version, key: Key, delta: i64, expiry: Option<Expiry> },
    /// A key was seen.
    Remember { version: Version, key: Key, expiry: Expiry },
    /// A field was put, or removed if there is no value; the versions of it that were known are replaced.
    Field { version: Version, key: Key, field: Bytes, value: Option<Bytes>, observed: Vec<Version> },
    /// The server has answered for everything of this key up to this version.
    Done { version: Version, key: Key, kind: Kind },
    /// No version up to this one will be given again.
    Clock { version: Version },
}

impl Entry {
    pub(crate) fn version(&self) -> Version {
        match self {
            Self::Set { version, .. }
            | Self::Delete { version, .. }
            | Self::Add { version, .. }
            | Self::Seal { version, .. }
            | Self::Remember { version, .. }
            | Self::Field { version, .. }
            | Self::Done { version, .. }
            | Self::Clock { version } => *version,
        }
    }

    /// Whether it is the outbox's own bookkeeping, which must find room even when the journal is full: it is what
    /// makes the journal shorter.
    pub(crate) fn is_bookkeeping(&self) -> bool {
        matches!(self, Self::Seal { .. } | Self::Done { .. } | Self::Clock { .. })
    }
}
