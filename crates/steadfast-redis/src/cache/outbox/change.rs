//! What may be written while the server is away, and why it may be refused.

use crate::cache::entry::Key;
use crate::cache::journal::JournalError;
use crate::cache::version::Version;
use bytes::Bytes;
use std::fmt;
use std::sync::Arc;
use thiserror::Error;

/// One write. Its `Debug` shows no key and no value.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change {
    /// Set a value; the latest write of a key wins.
    Set {
        /// The key.
        key: Key,
        /// The value.
        value: Bytes,
        /// Its lifetime in milliseconds; none: the longest there is.
        ttl_ms: Option<u64>,
    },
    /// Delete a value.
    Delete {
        /// The key.
        key: Key,
    },
    /// Add to a counter.
    Add {
        /// The key.
        key: Key,
        /// What to add; may be negative.
        delta: i64,
        /// When a window that begins with this addition ends, in milliseconds from now; none: never.
        window_ms: Option<u64>,
    },
    /// Remember that a key was seen.
    Remember {
        /// The key.
        key: Key,
        /// For how long, in milliseconds.
        window_ms: u64,
    },
    /// Put a field into a set or hash. An element of a set is a field with an empty value.
    PutField {
        /// The key.
        key: Key,
        /// The field.
        field: Bytes,
        /// Its value.
        value: Bytes,
        /// The versions of the field that were read, which this one replaces.
        observed: Vec<Version>,
    },
    /// Remove a field. Only the versions that were read, and this node's own, go: what others put meanwhile stays.
    RemoveField {
        /// The key.
        key: Key,
        /// The field.
        field: Bytes,
        /// The versions of the field that were read.
        observed: Vec<Version>,
    },
    /// Take a lock. Always refused: a lock that somebody else may hold as well is none.
    Lock {
        /// The key.
        key: Key,
    },
}

impl Change {
    /// The key that it is on.
    pub fn key(&self) -> &Key {
        match self {
            Self::Set { key, .. }
            | Self::Delete { key }
            | Self::Add { key, .. }
            | Self::Remember { key, .. }
            | Self::PutField { key, .. }
            | Self::RemoveField { key, .. }
            | Self::Lock { key } => key,
        }
    }
}

impl fmt::Debug for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Set { .. } => "Set",
            Self::Delete { .. } => "Delete",
            Self::Add { .. } => "Add",
            Self::Remember { .. } => "Remember",
            Self::PutField { .. } => "PutField",
            Self::RemoveField { .. } => "RemoveField",
            Self::Lock { .. } => "Lock",
        })
    }
}

/// A write was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Recorded {
    /// Its version.
    pub version: Version,
    /// For [`Change::Remember`]: whether this node had not seen the key. Others may have; that is found out when it
    /// is sent back. True for all other writes.
    pub first: bool,
    /// Where it stands in the journal: it is on the disk when [`Outbox::durable`](super::Outbox::durable) has come
    /// so far. 0 without a journal.
    pub position: u64,
}

/// A write was refused. Nothing of it is kept.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum Refused {
    /// A lock cannot be had without the server.
    #[error("locks need the server, which is away; try again when it is back")]
    NeedsServer,
    /// It would take too much memory.
    #[error(
        "the fallback's memory is full: {bytes} bytes, {needed} more were needed, {bytes_max} are allowed; bring the \
         server back, or raise fallback.memory_bytes_max"
    )]
    MemoryFull {
        /// What is taken.
        bytes: u64,
        /// What was needed.
        needed: u64,
        /// What is allowed.
        bytes_max: u64,
    },
    /// It could not be written to the journal. If the disk failed in the midst of it, it may come to life again
    /// when the process crashes before the journal is rewritten.
    #[error(transparent)]
    Journal(Arc<JournalError>),
    /// It is too large.
    #[error(
        "a write of {bytes} bytes is too large for the fallback, which takes {bytes_max}; keep large values elsewhere"
    )]
    TooLarge {
        /// Its size.
        bytes: u64,
        /// The largest that is taken.
        bytes_max: u64,
    },
    /// The key cannot have a second one in the same slot of a cluster.
    #[error(
        "a key of a value must not be empty, and may have a closing brace only after a hash tag; use a prefix"
    )]
    Key,
    /// It would live longer than deletions are remembered.
    #[error(
        "a lifetime of {ttl_ms} ms is not in 1 to {ttl_max_ms}; shorten it, or raise fallback.ttl_max_ms"
    )]
    Ttl {
        /// What was asked for.
        ttl_ms: u64,
        /// The longest.
        ttl_max_ms: u64,
    },
    /// The sum would not fit.
    #[error(
        "what was added to the counter here does not fit 64 bits any more; add less, or bring the server back"
    )]
    Overflow,
    /// Operations on the key wait to be sent back.
    #[error("operations on the key wait to be sent back; record this one, so that it comes after them")]
    Waiting,
    /// An addition may have been made: to record it could count it twice.
    #[error("an addition that may have been made cannot be recorded: it could count twice; it is in doubt")]
    InDoubt,
}
