//! The keys: one that encrypts, and all that decrypt.

use aws_lc_rs::aead::{AES_256_GCM_SIV, LessSafeKey, UnboundKey};
use std::fmt;
use zeroize::{Zeroize as _, Zeroizing};

/// The length of a key, in bytes.
pub const KEY_BYTES: usize = 32;
/// The longest id of a key, in bytes.
pub const KEY_ID_BYTES_MAX: usize = 32;
/// The most keys of a ring.
pub const KEYS_MAX: usize = 64;

/// A key and its id. The id is stored in the clear with each payload. `Debug` shows the id alone; the key is
/// wiped from memory when it is dropped.
pub struct SealKey {
    id: String,
    key: LessSafeKey,
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Why a key or a ring cannot be used. Quotes no key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Its id is unfit.
    #[error(
        "a key's id has 1 to {KEY_ID_BYTES_MAX} letters, digits, '-', '_' or '.'; key {place} has another"
    )]
    BadId {
        /// Which key, 1 being the first.
        place: usize,
    },
    /// It is not 32 bytes.
    #[error(
        "key {id:?} is not {KEY_BYTES} bytes as 64 hex digits or 44 letters of base64: make one with `openssl rand -hex 32`"
    )]
    BadKey {
        /// Its id.
        id: String,
    },
    /// Two keys with one id.
    #[error("two keys have the id {id:?}: give the new one another")]
    Twice {
        /// The id.
        id: String,
    },
    /// None, or more than [`KEYS_MAX`].
    #[error("a key ring holds 1 to {KEYS_MAX} keys, not {keys}")]
    Count {
        /// How many.
        keys: usize,
    },
}

impl SealKey {
    /// A key of 32 random bytes. Wipes `key`; other copies are the caller's to wipe.
    ///
    /// # Errors
    /// If `id` is not 1 to 32 letters, digits, `-`, `_` or `.`.
    pub fn new(id: &str, mut key: [u8; KEY_BYTES]) -> Result<Self, KeyError> {
        if !is_id(id) {
            return Err(KeyError::BadId { place: 1 });
        }
        let made = UnboundKey::new(&AES_256_GCM_SIV, &key);
        key.zeroize();
        match made {
            Ok(key) => Ok(Self { id: id.to_owned(), key: LessSafeKey::new(key) }),
            Err(_unspecified) => Err(KeyError::BadKey { id: id.to_owned() }),
        }
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) const fn cipher(&self) -> &LessSafeKey {
        &self.key
    }
}

fn is_id(id: &str) -> bool {
    (1..=KEY_ID_BYTES_MAX).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

/// Keys by id. The first encrypts, all decrypt.
///
/// # Rotation
/// Put a new key first and keep the old ones: new payloads get the new key, old ones stay readable. An old key
/// may go when no job sealed with it is kept any more; a dead letter may wait for long. A schedule keeps the key under
/// which it was put in place: put it there again first, or its jobs wait for the old key.
#[derive(Debug)]
pub struct KeyRing {
    keys: Vec<SealKey>,
}

impl KeyRing {
    /// A ring of these keys, the encrypting one first.
    ///
    /// # Errors
    /// If there is none, too many, or two with one id.
    pub fn new(keys: Vec<SealKey>) -> Result<Self, KeyError> {
        if !(1..=KEYS_MAX).contains(&keys.len()) {
            return Err(KeyError::Count { keys: keys.len() });
        }
        for (place, key) in keys.iter().enumerate() {
            if keys[..place].iter().any(|earlier| earlier.id == key.id) {
                return Err(KeyError::Twice { id: key.id.clone() });
            }
        }
        Ok(Self { keys })
    }

    /// Reads `id=key`, one per line or separated by commas, keys as 64 hex digits or base64 of 32 bytes; empty
    /// lines and lines that begin with `#` count for nothing. The caller wipes `text`.
    ///
    /// # Errors
    /// If an entry is none, and as [`KeyRing::new`].
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
        let entries = lines.flat_map(|line| line.split(',')).map(str::trim).filter(|entry| !entry.is_empty());
        let keys = entries.enumerate().map(|(index, entry)| {
            let place = index + 1;
            let (id, key) = entry.split_once('=').ok_or(KeyError::BadId { place })?;
            let (id, key) = (id.trim(), key.trim());
            if !is_id(id) {
                return Err(KeyError::BadId { place });
            }
            let bytes = decode(key).ok_or_else(|| KeyError::BadKey { id: id.to_owned() })?;
            SealKey::new(id, *bytes)
        });
        Self::new(keys.collect::<Result<_, _>>()?)
    }

    /// The ids, the encrypting one first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(SealKey::id)
    }

    pub(super) fn first(&self) -> Option<&SealKey> {
        self.keys.first()
    }

    pub(super) fn find(&self, id: &[u8]) -> Option<&SealKey> {
        self.keys.iter().find(|key| key.id.as_bytes() == id)
    }
}

fn decode(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let mut key = Zeroizing::new([0; KEY_BYTES]);
    if hex::decode_to_slice(text, &mut *key).is_ok() {
        return Some(key);
    }
    let sextets = text.strip_suffix('=').filter(|text| text.len() == 43)?;
    let mut bits = 0_u32;
    let (mut held, mut at) = (0_u32, 0);
    for letter in sextets.bytes() {
        let sextet = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(sextet);
        held += 6;
        if held >= 8 {
            held -= 8;
            *key.get_mut(at)? = u8::try_from((bits >> held) & 0xff).ok()?;
            at += 1;
        }
    }
    // 43 letters are 258 bits: the two too many are none.
    (at == KEY_BYTES && bits & 0b11 == 0).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEX: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const BASE64: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn keys_are_read_as_hex_and_base64() {
        assert_eq!(decode(HEX), decode(BASE64));
        assert_eq!(
            *decode(BASE64).expect("32 bytes"),
            std::array::from_fn(|byte| u8::try_from(byte).expect("small"))
        );
        let ring =
            KeyRing::parse(&format!("# newest first\n2027={HEX}, 2026={BASE64}\n\n")).expect("two keys");
        assert_eq!(ring.ids().collect::<Vec<_>>(), ["2027", "2026"]);
    }

    #[test]
    fn what_is_no_ring_is_refused_without_quoting_a_key() {
        for (text, expected) in [
            (String::new(), KeyError::Count { keys: 0 }),
            (HEX.to_owned(), KeyError::BadId { place: 1 }),
            (format!("a b={HEX}"), KeyError::BadId { place: 1 }),
            (format!("a={}", &HEX[1..]), KeyError::BadKey { id: "a".to_owned() }),
            (format!("a={}", BASE64.replace("8=", "9=")), KeyError::BadKey { id: "a".to_owned() }),
            (format!("a={HEX},a={BASE64}"), KeyError::Twice { id: "a".to_owned() }),
        ] {
            let error = KeyRing::parse(&text).expect_err("no ring");
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("0102030405"));
        }
    }

    #[test]
    fn debug_shows_ids_alone() {
        let shown = format!("{:?}", KeyRing::parse(&format!("k1={HEX}")).expect("a ring"));
        assert!(shown.contains("k1") && !shown.contains("0001") && !shown.contains("[0, 1"), "{shown}");
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in ".{0,200}", letters in "[A-Za-z0-9+/]{43}=") {
            let _ = (KeyRing::parse(&text), decode(&letters));
        }
    }
}
