//! What is asked of the server, one atomic operation on one key each.

use super::Script;
use crate::cache::entry::{Key, Kind};
use crate::cache::keys::floor_key;
use crate::cache::version::Version;
use bytes::Bytes;
use std::fmt;

/// For how long the server remembers that a batch was applied: a week. A batch without an answer that is asked
/// again later than that may count twice.
pub const TOKEN_KEEP_MS: u64 = 7 * 86_400_000;

/// One operation on one field. Its `Debug` shows neither field nor value.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct FieldOp {
    /// Its version.
    pub version: Version,
    /// The field.
    pub field: Bytes,
    /// What is put; none: it is removed.
    pub value: Option<Bytes>,
    /// The versions that it replaces: of each node, this one and those before it.
    pub observed: Vec<Version>,
}

impl FieldOp {
    /// The bytes that it sends, about.
    pub(crate) fn size(&self) -> usize {
        let value = self.value.as_ref().map_or(0, Bytes::len);
        self.field.len() + value + (self.observed.len() + 2) * Version::DIGITS
    }
}

impl fmt::Debug for FieldOp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = if self.value.is_some() { "put" } else { "remove" };
        write!(f, "{what} {:?} over {:?}", self.version, self.observed)
    }
}

/// One operation. Its `Debug` shows no key and no value.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Op {
    /// Set a value, unless a later version is known.
    Set {
        /// The key.
        key: Key,
        /// The write's version.
        version: Version,
        /// The value.
        value: Bytes,
        /// What is left of its lifetime, in milliseconds, at least 1.
        remaining_ms: u64,
        /// For how long its version is to be remembered, in milliseconds; 0: while it lives.
        floor_ms: u64,
    },
    /// Delete a value, unless a later version is known.
    Delete {
        /// The key.
        key: Key,
        /// The deletion's version.
        version: Version,
        /// For how long it is to be remembered, in milliseconds, at least 1.
        keep_ms: u64,
        /// Whether it is no deletion but a value that ended before it could be sent.
        expired: bool,
    },
    /// Add to a counter, once for each token.
    Add {
        /// The key.
        key: Key,
        /// The batch's token.
        token: Version,
        /// What to add.
        delta: i64,
        /// What is left of the window, in milliseconds; 0: it never ends.
        remaining_ms: u64,
    },
    /// Remember that a key was seen.
    Remember {
        /// The key.
        key: Key,
        /// The sighting's version.
        version: Version,
        /// What is left of its window, in milliseconds, at least 1.
        remaining_ms: u64,
    },
    /// Put and remove fields, each operation once: its version is its token. Those of one node on one key must come in
    /// their order.
    Fields {
        /// The key.
        key: Key,
        /// The operations, in the order of their versions.
        ops: Vec<FieldOp>,
    },
}

impl Op {
    /// One operation on one field, at once.
    pub(crate) fn field(
        key: &Key,
        field: &Bytes,
        value: Option<Bytes>,
        version: Version,
        observed: &[Version],
    ) -> Self {
        let op = FieldOp { version, field: field.clone(), value, observed: observed.to_vec() };
        Self::Fields { key: key.clone(), ops: vec![op] }
    }

    /// The key that it is on.
    pub fn key(&self) -> &Key {
        match self {
            Self::Set { key, .. }
            | Self::Delete { key, .. }
            | Self::Add { key, .. }
            | Self::Remember { key, .. }
            | Self::Fields { key, .. } => key,
        }
    }

    /// The kind of data that it is on.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Set { .. } | Self::Delete { .. } => Kind::Value,
            Self::Add { .. } => Kind::Counter,
            Self::Remember { .. } => Kind::Dedup,
            Self::Fields { .. } => Kind::Fields,
        }
    }

    /// The latest version in it: when it is answered, everything up to here is.
    pub fn upto(&self) -> Version {
        match self {
            Self::Set { version, .. } | Self::Delete { version, .. } | Self::Remember { version, .. } => {
                *version
            }
            Self::Add { token, .. } => *token,
            Self::Fields { ops, .. } => ops.iter().map(|op| op.version).max().unwrap_or_default(),
        }
    }

    /// The bytes that it sends, about.
    pub fn size(&self) -> usize {
        let payload = match self {
            Self::Set { value, .. } => value.len(),
            Self::Fields { ops, .. } => ops.iter().map(FieldOp::size).sum(),
            Self::Delete { .. } | Self::Add { .. } | Self::Remember { .. } => 0,
        };
        payload + 2 * self.key().len() + 100
    }

    /// The script that does it.
    pub fn script(&self) -> Script {
        match self {
            Self::Set { .. } => Script::SET_VALUE,
            Self::Delete { .. } => Script::DELETE_VALUE,
            Self::Add { .. } => Script::ADD_COUNTER,
            Self::Remember { .. } => Script::REMEMBER,
            Self::Fields { .. } => Script::CHANGE_FIELDS,
        }
    }

    /// The script's `KEYS`, all in one slot.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys = vec![self.key().clone()];
        if self.kind() == Kind::Value {
            // Keys of values have one: others are refused when they are written.
            keys.extend(floor_key(self.key()));
        }
        keys
    }

    /// The script's `ARGV`.
    pub fn args(&self) -> Vec<Bytes> {
        let text = |text: &dyn fmt::Display| Bytes::from(text.to_string());
        match self {
            Self::Set { version, value, remaining_ms, floor_ms, .. } => {
                vec![text(version), text(remaining_ms), text(floor_ms), value.clone()]
            }
            Self::Delete { version, keep_ms, .. } => vec![text(version), text(keep_ms)],
            Self::Add { token, delta, remaining_ms, .. } => {
                vec![text(token), text(delta), text(remaining_ms), text(&TOKEN_KEEP_MS)]
            }
            Self::Remember { version, remaining_ms, .. } => vec![text(version), text(remaining_ms)],
            Self::Fields { ops, .. } => {
                let mut args = vec![text(&TOKEN_KEEP_MS)];
                for op in ops {
                    let observed: String = op.observed.iter().map(Version::to_string).collect();
                    let kind = if op.value.is_some() { "p" } else { "r" };
                    args.extend([
                        text(&op.version),
                        op.field.clone(),
                        Bytes::from_static(kind.as_bytes()),
                        op.value.clone().unwrap_or_default(),
                        Bytes::from(observed),
                    ]);
                }
                args
            }
        }
    }
}

impl fmt::Debug for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {} bytes upto {:?}", self.script().name, self.size(), self.upto())
    }
}
