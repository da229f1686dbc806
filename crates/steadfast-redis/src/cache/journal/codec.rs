//! An entry as bytes: a byte for its kind, then its fields in order, numbers little-endian, texts behind their
//! length.

use crate::cache::entry::{Entry, Expiry, Kind};
use crate::cache::version::Version;
use bytes::Bytes;

const SET: u8 = 1;
const DELETE: u8 = 2;
const ADD: u8 = 3;
const SEAL: u8 = 4;
const REMEMBER: u8 = 5;
const PUT_FIELD: u8 = 6;
const REMOVE_FIELD: u8 = 7;
const DONE: u8 = 8;
const CLOCK: u8 = 9;

const KINDS: [Kind; 4] = [Kind::Value, Kind::Counter, Kind::Dedup, Kind::Fields];

/// Appends `entry` to `out`.
pub(crate) fn encode(entry: &Entry, out: &mut Vec<u8>) {
    let head = |out: &mut Vec<u8>, kind: u8, version: Version, key: &[u8]| {
        out.push(kind);
        out.extend_from_slice(&version.to_bits().to_le_bytes());
        text(out, key);
    };
    match entry {
        Entry::Set { version, key, value, expiry } => {
            head(out, SET, *version, key);
            span(out, *expiry);
            text(out, value);
        }
        Entry::Delete { version, key } => head(out, DELETE, *version, key),
        Entry::Add { version, key, delta, expiry } | Entry::Seal { version, key, delta, expiry } => {
            let kind = if matches!(entry, Entry::Add { .. }) { ADD } else { SEAL };
            head(out, kind, *version, key);
            out.extend_from_slice(&delta.to_le_bytes());
            out.push(expiry.is_some().into());
            if let Some(expiry) = expiry {
                span(out, *expiry);
            }
        }
        Entry::Remember { version, key, expiry } => {
            head(out, REMEMBER, *version, key);
            span(out, *expiry);
        }
        Entry::Field { version, key, field, value, observed } => {
            head(out, if value.is_some() { PUT_FIELD } else { REMOVE_FIELD }, *version, key);
            text(out, field);
            if let Some(value) = value {
                text(out, value);
            }
            for version in observed {
                out.extend_from_slice(&version.to_bits().to_le_bytes());
            }
        }
        Entry::Done { version, key, kind } => {
            head(out, DONE, *version, key);
            out.push(match kind {
                Kind::Value => 0,
                Kind::Counter => 1,
                Kind::Dedup => 2,
                Kind::Fields => 3,
            });
        }
        Entry::Clock { version } => head(out, CLOCK, *version, b""),
    }
}

fn text(out: &mut Vec<u8>, text: &[u8]) {
    // Entries are bounded far below what this holds.
    let len = u32::try_from(text.len()).unwrap_or(u32::MAX);
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(text);
}

fn span(out: &mut Vec<u8>, expiry: Expiry) {
    out.extend_from_slice(&expiry.at_ms.to_le_bytes());
    out.extend_from_slice(&expiry.ttl_ms.to_le_bytes());
}

/// The entry that `bytes` are, all of them. None: they are none.
pub(crate) fn decode(bytes: &[u8]) -> Option<Entry> {
    let mut reader = Reader(bytes);
    let kind = reader.byte()?;
    let version = reader.version()?;
    let key = reader.text()?;
    let entry = match kind {
        SET => Entry::Set { version, key, expiry: reader.span()?, value: reader.text()? },
        DELETE => Entry::Delete { version, key },
        ADD => Entry::Add { version, key, delta: reader.delta()?, expiry: reader.maybe_span()? },
        SEAL => Entry::Seal { version, key, delta: reader.delta()?, expiry: reader.maybe_span()? },
        REMEMBER => Entry::Remember { version, key, expiry: reader.span()? },
        PUT_FIELD | REMOVE_FIELD => {
            let field = reader.text()?;
            let value = if kind == PUT_FIELD { Some(reader.text()?) } else { None };
            let mut observed = Vec::new();
            while !reader.0.is_empty() {
                observed.push(reader.version()?);
            }
            Entry::Field { version, key, field, value, observed }
        }
        DONE => Entry::Done { version, key, kind: *KINDS.get(usize::from(reader.byte()?))? },
        CLOCK => Entry::Clock { version },
        _ => return None,
    };
    reader.0.is_empty().then_some(entry)
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    fn version(&mut self) -> Option<Version> {
        self.array().map(u128::from_le_bytes).map(Version::from_bits)
    }

    fn delta(&mut self) -> Option<i64> {
        self.array().map(i64::from_le_bytes)
    }

    fn span(&mut self) -> Option<Expiry> {
        let at_ms = u64::from_le_bytes(self.array()?);
        Some(Expiry { at_ms, ttl_ms: u64::from_le_bytes(self.array()?) })
    }

    fn maybe_span(&mut self) -> Option<Option<Expiry>> {
        match self.byte()? {
            0 => Some(None),
            1 => self.span().map(Some),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<Bytes> {
        let len = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
        let (text, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(Bytes::copy_from_slice(text))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use proptest::prelude::*;

    fn bytes(max: usize) -> impl Strategy<Value = Bytes> {
        prop::collection::vec(any::<u8>(), 0..max).prop_map(Bytes::from)
    }

    fn version() -> impl Strategy<Value = Version> {
        any::<u128>().prop_map(Version::from_bits)
    }

    fn expiry() -> impl Strategy<Value = Expiry> {
        any::<(u64, u64)>().prop_map(|(at_ms, ttl_ms)| Expiry { at_ms, ttl_ms })
    }

    pub(crate) fn entry() -> impl Strategy<Value = Entry> {
        let counted = (version(), bytes(9), any::<i64>(), prop::option::of(expiry()), any::<bool>());
        let field = (
            version(),
            bytes(9),
            bytes(9),
            prop::option::of(bytes(9)),
            prop::collection::vec(version(), 0..3),
        );
        prop_oneof![
            (version(), bytes(9), bytes(40), expiry()).prop_map(|(version, key, value, expiry)| Entry::Set {
                version,
                key,
                value,
                expiry
            }),
            (version(), bytes(9)).prop_map(|(version, key)| Entry::Delete { version, key }),
            counted.prop_map(|(version, key, delta, expiry, seal)| if seal {
                Entry::Seal { version, key, delta, expiry }
            } else {
                Entry::Add { version, key, delta, expiry }
            }),
            (version(), bytes(9), expiry()).prop_map(|(version, key, expiry)| Entry::Remember {
                version,
                key,
                expiry
            }),
            field.prop_map(|(version, key, field, value, observed)| Entry::Field {
                version,
                key,
                field,
                value,
                observed
            }),
            (version(), bytes(9), 0..4_usize).prop_map(|(version, key, kind)| Entry::Done {
                version,
                key,
                kind: KINDS[kind]
            }),
            version().prop_map(|version| Entry::Clock { version }),
        ]
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(entry in entry()) {
            let mut out = Vec::new();
            encode(&entry, &mut out);
            prop_assert_eq!(decode(&out), Some(entry));
            out.push(0);
            if !matches!(decode(&out), Some(Entry::Field { .. }) | None) {
                prop_assert!(false, "what is left over was read");
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = decode(&bytes);
        }
    }
}
