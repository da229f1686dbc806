//! Percent-encoding, as URLs have it.

use std::fmt::Write as _;
use zeroize::Zeroizing;

/// Decodes `%41` and the like. None: a `%` without two hexadecimal digits, or what results is no UTF-8.
pub(crate) fn decode(text: &str) -> Option<Zeroizing<String>> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let [high, low, after @ ..] = rest else { return None };
        bytes.push(digit(*high)? << 4 | digit(*low)?);
        rest = after;
    }
    std::str::from_utf8(&bytes).ok().map(|text| Zeroizing::new(text.to_owned()))
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// Encodes everything but letters, digits, `-`, `.`, `_`, `~` and what is in `plain`.
pub(crate) fn encode(text: &str, plain: &str, out: &mut String) {
    for byte in text.bytes() {
        let c = char::from(byte);
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | '~') || plain.contains(c) {
            out.push(c);
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn broken_encodings_are_refused() {
        for text in ["%", "a%4", "%zz", "%ff"] {
            assert!(decode(text).is_none(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn decoding_undoes_encoding(text in any::<String>()) {
            let mut encoded = String::new();
            encode(&text, "/", &mut encoded);
            prop_assert!(encoded.is_ascii());
            let decoded = decode(&encoded).unwrap();
            prop_assert_eq!(decoded.as_str(), text.as_str());
        }
    }
}
