//! Computing signatures.

use crate::secret::Secret;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;

/// How a signature is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Algorithm {
    /// With an auth token.
    HmacSha1,
    /// With a shared key.
    HmacSha256,
}

impl Algorithm {
    /// Bytes of a signature, before base64.
    pub(super) const fn signature_bytes(self) -> usize {
        match self {
            Self::HmacSha1 => 20,
            Self::HmacSha256 => 32,
        }
    }
}

/// The signature of a form of decoded `params` sent to `url`, as the header carries it, by an auth token.
///
/// Names and values are taken as they are: decoded, untrimmed, empty ones too. A JSON request is signed
/// with no params and the body's hash in the URL's `bodySHA256`.
pub fn sign(secret: &Secret, url: &str, params: &[(String, String)]) -> String {
    STANDARD.encode(mac(Algorithm::HmacSha1, secret.expose(), url, &signed_fields(params)))
}

/// The same by a shared key.
pub fn sign_sha256(secret: &Secret, url: &str, params: &[(String, String)]) -> String {
    STANDARD.encode(mac(Algorithm::HmacSha256, secret.expose(), url, &signed_fields(params)))
}

/// What follows the URL in the signed string: for each name in byte order, for each of its distinct
/// values in byte order, name and value.
pub(super) fn signed_fields(params: &[(String, String)]) -> Vec<u8> {
    let mut pairs: Vec<&(String, String)> = params.iter().collect();
    pairs.sort_unstable();
    pairs.dedup();
    concatenated(pairs)
}

/// `pairs` as they come, one behind the other.
pub(super) fn concatenated<'a>(pairs: impl IntoIterator<Item = &'a (String, String)>) -> Vec<u8> {
    // Most forms fit: growing step by step costs more than the rest of this function.
    let mut bytes = Vec::with_capacity(1_024);
    for (name, value) in pairs {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(value.as_bytes());
    }
    bytes
}

pub(super) fn mac(algorithm: Algorithm, key: &str, url: &str, fields: &[u8]) -> Vec<u8> {
    match algorithm {
        Algorithm::HmacSha1 => {
            let mut mac =
                Hmac::<Sha1>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
            mac.update(url.as_bytes());
            mac.update(fields);
            mac.finalize().into_bytes().to_vec()
        }
        Algorithm::HmacSha256 => {
            let mut mac =
                Hmac::<Sha256>::new_from_slice(key.as_bytes()).expect("HMAC takes keys of any length");
            mac.update(url.as_bytes());
            mac.update(fields);
            mac.finalize().into_bytes().to_vec()
        }
    }
}

/// The signature in a header's value, if it is base64 of as many bytes as `algorithm` makes. Strict: one
/// signature has one spelling.
pub(super) fn decode(header: &str, algorithm: Algorithm) -> Option<Vec<u8>> {
    STANDARD.decode(header).ok().filter(|bytes| bytes.len() == algorithm.signature_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &str) -> (String, String) {
        (name.to_owned(), value.to_owned())
    }

    #[test]
    fn names_are_sorted_before_they_are_joined_with_values() {
        let params =
            [pair("ReasonEnded", "b"), pair("Reason", "z"), pair("Reason", "a"), pair("Reason", "z")];
        assert_eq!(signed_fields(&params), b"ReasonaReasonzReasonEndedb");
    }

    #[test]
    fn one_signature_has_one_spelling() {
        let good = sign(&Secret::new("12345"), "https://example.com/", &[]);
        assert!(decode(&good, Algorithm::HmacSha1).is_some());
        assert!(decode(good.trim_end_matches('='), Algorithm::HmacSha1).is_none());
        assert!(decode(&format!("{good} "), Algorithm::HmacSha1).is_none());
        assert!(decode(&good, Algorithm::HmacSha256).is_none());
    }
}
