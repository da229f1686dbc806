//! One payload in, one envelope out, and back. Pure, save for the random nonce of a job's.
//!
//! ```text
//! format (1) | the payload's codec (1) | length of the key's id (1) | key's id | nonce (12) | ciphertext | tag (16)
//! ```
//! The queue, the kind, the job's id, the codec and the key's id are authenticated with it.

use crate::job::{JobId, PAYLOAD_BYTES_MAX};
use crate::sealed::keys::{KEY_ID_BYTES_MAX, KeyRing};
use aws_lc_rs::aead::{Aad, NONCE_LEN, Nonce};
use aws_lc_rs::rand::fill;
use bytes::Bytes;

/// The codec of a sealed payload.
pub const CODEC_SEALED: u8 = 0x80;
const FORMAT: u8 = 1;
const TAG_BYTES: usize = 16;
/// The most bytes that sealing adds.
pub const OVERHEAD_BYTES_MAX: usize = 3 + KEY_ID_BYTES_MAX + NONCE_LEN + TAG_BYTES;
/// The largest payload that can be sealed, in bytes, whatever the key's id.
pub const SEALABLE_BYTES_MAX: usize = PAYLOAD_BYTES_MAX - OVERHEAD_BYTES_MAX;

/// Whose payload it is: authenticated, so that payloads cannot be swapped between jobs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Owner<'a> {
    pub(super) queue: &'a str,
    pub(super) kind: &'a str,
    pub(super) id: JobId,
    /// All jobs of a schedule have the one payload that was sealed with it.
    is_schedule: bool,
}

impl<'a> Owner<'a> {
    pub(super) const fn job(queue: &'a str, kind: &'a str, id: JobId) -> Self {
        Self { queue, kind, id, is_schedule: false }
    }

    /// A schedule of this name, which stands for all its jobs.
    pub(super) fn schedule(queue: &'a str, kind: &'a str, name: &str) -> Self {
        // No job has that time.
        Self { queue, kind, id: JobId::of_schedule(name, i64::MIN), is_schedule: true }
    }

    /// Random for a job. That of a schedule is its own: the same one sealed again is the same, and by that a store knows
    /// that nothing changed. With this cipher, nonces that are equal show no more than whether payloads are.
    fn nonce(&self) -> Option<[u8; NONCE_LEN]> {
        if self.is_schedule {
            return self.id.0.first_chunk().copied();
        }
        let mut nonce = [0; NONCE_LEN];
        fill(&mut nonce).ok().map(|()| nonce)
    }

    fn bind(&self, codec: u8, key: &[u8]) -> Vec<u8> {
        let parts: [&[u8]; 6] = [
            b"steadfast-queue payload 1",
            self.queue.as_bytes(),
            self.kind.as_bytes(),
            &self.id.0,
            &[codec],
            key,
        ];
        let mut bound = Vec::with_capacity(160);
        for part in parts {
            bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
            bound.extend_from_slice(part);
        }
        bound
    }
}

/// Why an envelope cannot be opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Unopened {
    /// The ring lacks this key: it may be put back.
    NoKey(String),
    /// Made by a newer version of this crate.
    NewerFormat(u8),
    /// Not one, changed since, or another job's.
    Tampered,
}

/// Seals `payload` with the first key; `None` if the system has no randomness or no such key works.
pub(super) fn seal(ring: &KeyRing, owner: Owner<'_>, codec: u8, payload: &[u8]) -> Option<Bytes> {
    let key = ring.first()?;
    let id = key.id().as_bytes();
    let (nonce, bound) = (owner.nonce()?, Aad::from(owner.bind(codec, id)));
    let mut sealed = payload.to_vec();
    key.cipher().seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), bound, &mut sealed).ok()?;
    let mut envelope = Vec::with_capacity(sealed.len() + OVERHEAD_BYTES_MAX);
    envelope.extend_from_slice(&[FORMAT, codec, u8::try_from(id.len()).ok()?]);
    envelope.extend_from_slice(id);
    envelope.extend_from_slice(&nonce);
    envelope.extend_from_slice(&sealed);
    Some(envelope.into())
}

/// Opens an envelope: the codec and the payload.
pub(super) fn open(ring: &KeyRing, owner: Owner<'_>, envelope: &[u8]) -> Result<(u8, Bytes), Unopened> {
    let (&format, rest) = envelope.split_first().ok_or(Unopened::Tampered)?;
    if format > FORMAT {
        return Err(Unopened::NewerFormat(format));
    }
    let ([codec, id_len], rest) = rest.split_first_chunk::<2>().ok_or(Unopened::Tampered)?;
    let (id, rest) = rest.split_at_checked(usize::from(*id_len)).ok_or(Unopened::Tampered)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_LEN>().ok_or(Unopened::Tampered)?;
    if format != FORMAT || sealed.len() < TAG_BYTES || id.is_empty() || id.len() > KEY_ID_BYTES_MAX {
        return Err(Unopened::Tampered);
    }
    let Some(key) = ring.find(id) else {
        // Only what could be an id is repeated in a log.
        let shown = id.iter().map(|&byte| if byte.is_ascii_graphic() { char::from(byte) } else { '?' });
        return Err(Unopened::NoKey(shown.collect()));
    };
    let mut opened = sealed.to_vec();
    let bound = Aad::from(owner.bind(*codec, id));
    let nonce = Nonce::assume_unique_for_key(*nonce);
    let payload = key.cipher().open_in_place(nonce, bound, &mut opened).map_err(|_| Unopened::Tampered)?;
    let length = payload.len();
    opened.truncate(length);
    Ok((*codec, opened.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sealed::keys::SealKey;
    use proptest::prelude::*;

    fn ring(ids: &[&str]) -> KeyRing {
        let keys = ids.iter().map(|id| SealKey::new(id, [id.as_bytes()[0]; 32]).expect("a key"));
        KeyRing::new(keys.collect()).expect("a ring")
    }

    fn owner(id: u8) -> Owner<'static> {
        Owner::job("q", "k", JobId([id; 16]))
    }

    #[test]
    fn a_sealed_payload_opens_for_its_job_alone() {
        let ring = ring(&["a"]);
        let envelope = seal(&ring, owner(1), 3, b"private").expect("seals");
        assert_eq!(open(&ring, owner(1), &envelope), Ok((3, Bytes::from_static(b"private"))));
        assert!(!envelope.windows(7).any(|window| window == b"private"));
        for other in [
            owner(2),
            Owner { queue: "r", ..owner(1) },
            Owner { kind: "l", ..owner(1) },
            // Where one name ends and the next begins counts.
            Owner { queue: "qk", kind: "", ..owner(1) },
        ] {
            assert_eq!(open(&ring, other, &envelope), Err(Unopened::Tampered));
        }
    }

    #[test]
    fn every_bit_counts() {
        let ring = ring(&["a"]);
        let envelope = seal(&ring, owner(1), 3, b"private").expect("seals");
        for at in 0..envelope.len() {
            for bit in 0..8 {
                let mut changed = envelope.to_vec();
                changed[at] ^= 1 << bit;
                let opened = open(&ring, owner(1), &changed);
                assert!(opened.is_err(), "byte {at}, bit {bit}: {opened:?}");
            }
            assert!(open(&ring, owner(1), &envelope[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn equal_payloads_look_different_and_an_old_key_still_opens() {
        let (old, both, new) = (ring(&["a"]), ring(&["b", "a"]), ring(&["b"]));
        let first = seal(&old, owner(1), 0, b"same").expect("seals");
        assert_ne!(first, seal(&old, owner(1), 0, b"same").expect("seals"));
        assert!(open(&both, owner(1), &first).is_ok());
        assert_eq!(open(&new, owner(1), &first), Err(Unopened::NoKey("a".to_owned())));
        let second = seal(&both, owner(1), 0, b"same").expect("seals");
        assert!(open(&new, owner(1), &second).is_ok() && open(&old, owner(1), &second).is_err());
        let mut newer = second.to_vec();
        newer[0] = 2;
        assert_eq!(open(&both, owner(1), &newer), Err(Unopened::NewerFormat(2)));
    }

    #[test]
    fn a_schedule_sealed_again_is_the_same_and_opens_for_itself_alone() {
        let (ring, owner) = (ring(&["a"]), |name: &'static str| Owner::schedule("q", "k", name));
        let envelope = seal(&ring, owner("nightly"), 3, b"private").expect("seals");
        assert_eq!(seal(&ring, owner("nightly"), 3, b"private").expect("seals"), envelope);
        assert_ne!(seal(&ring, owner("hourly"), 3, b"private").expect("seals"), envelope);
        assert_eq!(open(&ring, owner("nightly"), &envelope), Ok((3, Bytes::from_static(b"private"))));
        assert_eq!(open(&ring, owner("hourly"), &envelope), Err(Unopened::Tampered));
    }

    #[test]
    fn the_largest_payload_fits_under_the_longest_id() {
        let long = "k".repeat(KEY_ID_BYTES_MAX);
        let envelope = seal(&ring(&[&long]), owner(1), 0, &vec![7; SEALABLE_BYTES_MAX]).expect("seals");
        assert_eq!(envelope.len(), PAYLOAD_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..120)) {
            prop_assert!(open(&ring(&["a"]), owner(1), &bytes).is_err());
        }
    }
}
