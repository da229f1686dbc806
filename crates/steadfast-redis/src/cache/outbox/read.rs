//! What reads are answered with while the server is away, as far as it was written here.

use super::{Change, Outbox, Refused};
use crate::cache::entry::{Entry, Expiry, Key, Kind};
use crate::cache::journal::JournalFolder;
use crate::cache::ledger::What;
use crate::cache::sync::{FieldVersions, Op};
use crate::cache::version::Version;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::fmt;

/// What is known here of a value or field. It says nothing of what others wrote. Its
/// `Debug` shows no value.
#[derive(Clone, PartialEq, Eq)]
pub enum Local {
    /// Nothing was written here that the server may not know of.
    Unknown,
    /// It was deleted here, or what was written has ended.
    Absent,
    /// It was written here.
    Present {
        /// The value.
        value: Bytes,
        /// Its version.
        version: Version,
        /// What is left of its lifetime, in milliseconds; none: it has no end.
        remaining_ms: Option<u64>,
    },
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str("Unknown"),
            Self::Absent => f.write_str("Absent"),
            Self::Present { version, .. } => write!(f, "Present({version:?})"),
        }
    }
}

impl<F: JournalFolder> Outbox<F> {
    /// A value.
    pub fn value(&self, key: &[u8], now_ms: u64) -> Local {
        let Some(stored) = self.ledger.value(key) else { return Local::Unknown };
        match &stored.what {
            What::Live { value, expiry } if expiry.remaining_ms(now_ms) > 0 => Local::Present {
                value: value.clone(),
                version: stored.version,
                remaining_ms: Some(expiry.remaining_ms(now_ms)),
            },
            What::Live { .. } | What::Deleted => Local::Absent,
        }
    }

    /// What was added to a counter here and the server may not know of, within windows that have not ended.
    pub fn added(&self, key: &[u8], now_ms: u64) -> i64 {
        self.ledger.counter(key).map_or(0, |counter| counter.delta(now_ms))
    }

    /// Whether a key was seen here, within its window.
    pub fn is_remembered(&self, key: &[u8], now_ms: u64) -> bool {
        self.ledger.sighting(key).is_some_and(|sighting| sighting.expiry.remaining_ms(now_ms) > 0)
    }

    /// A field of a set or hash.
    pub fn field(&self, key: &[u8], field: &[u8]) -> Local {
        match self.ledger.field(key, field) {
            None => Local::Unknown,
            Some(change) => match &change.value {
                Some(value) => {
                    Local::Present { value: value.clone(), version: change.version, remaining_ms: None }
                }
                None => Local::Absent,
            },
        }
    }

    /// The fields of a set or hash that were put or removed here.
    pub fn fields(&self, key: &[u8]) -> impl Iterator<Item = (&Bytes, Local)> {
        self.ledger.fields(key).map(|(field, change)| {
            let local = match &change.value {
                Some(value) => {
                    Local::Present { value: value.clone(), version: change.version, remaining_ms: None }
                }
                None => Local::Absent,
            };
            (field, local)
        })
    }

    /// What becomes of what the server holds of a set or hash when all that waits here is sent back.
    pub(crate) fn change_fields(&self, key: &[u8], fields: &mut BTreeMap<Bytes, FieldVersions>) {
        let mut changes: Vec<_> = self.ledger.fields(key).collect();
        changes.sort_unstable_by_key(|(_, change)| change.version);
        for (field, change) in changes {
            let of = fields.entry(field.clone()).or_default();
            of.change(change.version, change.value.as_ref(), &change.observed);
        }
    }

    /// Whether a key has something to be sent back.
    pub fn is_waiting(&self, kind: Kind, key: &Key) -> bool {
        self.ledger.contains(kind, key)
    }

    /// The operation that does a write at once, for when the server is there: under a [`stamp`](Outbox::stamp). If
    /// its answer is lost, [`record_sent`](Outbox::record_sent) it. Of operations on fields of one key there is to be one
    /// on its way at a time, in the order of their stamps.
    ///
    /// # Errors
    ///
    /// As for recording; [`Refused::InDoubt`] for additions, which are done by a plain command, and are in doubt
    /// when its answer is lost; [`Refused::Waiting`] for a field of a key that has something to be sent back.
    pub fn online(&self, change: &Change, version: Version) -> Result<Op, Refused> {
        match change {
            Change::Add { .. } => return Err(Refused::InDoubt),
            Change::PutField { key, .. } | Change::RemoveField { key, .. }
                if self.is_waiting(Kind::Fields, key) =>
            {
                return Err(Refused::Waiting);
            }
            _ => {}
        }
        self.check(change, 0)?;
        let expiry = |ttl_ms| Expiry::after(0, ttl_ms);
        Ok(match self.entry(change, version, 0)? {
            Entry::Set { key, value, expiry: Expiry { ttl_ms, .. }, .. } => {
                let floor_ms = self.floor_ms(expiry(ttl_ms), 0);
                Op::Set { key, version, value, remaining_ms: ttl_ms, floor_ms }
            }
            Entry::Delete { key, .. } => {
                Op::Delete { key, version, keep_ms: self.settings.tombstone_ms(0), expired: false }
            }
            Entry::Remember { key, expiry, .. } => Op::Remember { key, version, remaining_ms: expiry.ttl_ms },
            Entry::Field { key, field, value, observed, .. } => {
                Op::field(&key, &field, value, version, &observed)
            }
            Entry::Add { .. } | Entry::Seal { .. } | Entry::Done { .. } | Entry::Clock { .. } => {
                return Err(Refused::InDoubt);
            }
        })
    }

    /// For how long a value's version must be remembered; 0 if that is no longer than it lives.
    pub(super) fn floor_ms(&self, expiry: Expiry, now_ms: u64) -> u64 {
        let written_ms = expiry.at_ms.saturating_sub(expiry.ttl_ms);
        let remembered_ms = self.settings.remembered_ms(written_ms, now_ms);
        if remembered_ms > expiry.remaining_ms(now_ms) { remembered_ms } else { 0 }
    }
}
