//! `application/x-www-form-urlencoded`, read strictly: what cannot be decoded for certain is refused,
//! because the signature covers the decoded text.

use std::fmt::Write;

/// Why a body is no form. Says where, never what stood there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormError {
    /// More fields than accepted.
    #[error("the form has more than {max} fields")]
    TooManyFields {
        /// The bound.
        max: usize,
    },
    /// A `%` without two hex digits behind it.
    #[error("field {field} of the form has a % that is not followed by two hex digits")]
    BadEscape {
        /// Which field, counted from 1.
        field: usize,
    },
    /// Bytes that are no UTF-8 once decoded.
    #[error("field {field} of the form is not valid UTF-8")]
    NotUtf8 {
        /// Which field, counted from 1.
        field: usize,
    },
}

/// The fields of `body`, decoded, in the order received. A field without `=` has an empty value; empty
/// stretches between `&` are no fields.
pub fn parse(body: &[u8], fields_max: usize) -> Result<Vec<(String, String)>, FormError> {
    // As many as Twilio sends with a text.
    let mut pairs = Vec::with_capacity(fields_max.min(24));
    for raw in body.split(|&byte| byte == b'&').filter(|raw| !raw.is_empty()) {
        if pairs.len() >= fields_max {
            return Err(FormError::TooManyFields { max: fields_max });
        }
        let field = pairs.len() + 1;
        let (name, value) = match raw.iter().position(|&byte| byte == b'=') {
            Some(at) => (&raw[..at], &raw[at + 1..]),
            None => (raw, &raw[raw.len()..]),
        };
        pairs.push((decode(name, field)?, decode(value, field)?));
    }
    Ok(pairs)
}

fn decode(raw: &[u8], field: usize) -> Result<String, FormError> {
    let not_utf8 = |_| FormError::NotUtf8 { field };
    if !raw.iter().any(|byte| matches!(byte, b'%' | b'+')) {
        return String::from_utf8(raw.to_vec()).map_err(not_utf8);
    }
    let mut bytes = Vec::with_capacity(raw.len());
    let mut rest = raw;
    while let [first, behind @ ..] = rest {
        rest = behind;
        match *first {
            b'+' => bytes.push(b' '),
            b'%' => {
                let [high, low, behind @ ..] = behind else {
                    return Err(FormError::BadEscape { field });
                };
                let (Some(high), Some(low)) = (hex_value(*high), hex_value(*low)) else {
                    return Err(FormError::BadEscape { field });
                };
                bytes.push(high << 4 | low);
                rest = behind;
            }
            other => bytes.push(other),
        }
    }
    String::from_utf8(bytes).map_err(not_utf8)
}

const fn hex_value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

/// `pairs` as a form, the way Twilio writes it.
pub fn encode(pairs: &[(String, String)]) -> String {
    let mut form = String::new();
    for (name, value) in pairs {
        if !form.is_empty() {
            form.push('&');
        }
        encode_into(&mut form, name);
        form.push('=');
        encode_into(&mut form, value);
    }
    form
}

fn encode_into(form: &mut String, text: &str) {
    for byte in text.bytes() {
        match byte {
            b' ' => form.push('+'),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'*' | b'-' | b'.' | b'_' => {
                form.push(char::from(byte))
            }
            // Writing to a String cannot fail.
            other => drop(write!(form, "%{other:02X}")),
        }
    }
}

/// The first value of `name` in a URL's query (without `?`). What cannot be decoded is passed over.
pub(crate) fn query_value(query: &str, name: &str) -> Option<String> {
    query.split('&').find_map(|pair| {
        let (raw_name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (decode(raw_name.as_bytes(), 0).ok()? == name).then(|| decode(value.as_bytes(), 0).ok())?
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    #[test]
    fn decoding_keeps_order_repeats_and_spaces() {
        let form = b"b=1%2C+2&a=&b=%F0%9F%91%8B&c&&=x&d=e=f";
        let expected =
            pairs(&[("b", "1, 2"), ("a", ""), ("b", "\u{1f44b}"), ("c", ""), ("", "x"), ("d", "e=f")]);
        assert_eq!(parse(form, 10), Ok(expected));
        assert_eq!(parse(b"n=Ramesh++", 10), Ok(pairs(&[("n", "Ramesh  ")])));
        assert_eq!(parse(b"", 10), Ok(Vec::new()));
    }

    #[test]
    fn what_is_no_form_says_where() {
        assert_eq!(parse(b"a=1&b=%2", 10), Err(FormError::BadEscape { field: 2 }));
        assert_eq!(parse(b"a=%zz", 10), Err(FormError::BadEscape { field: 1 }));
        assert_eq!(parse(b"a=%", 10), Err(FormError::BadEscape { field: 1 }));
        assert_eq!(parse(b"a=1&%C3=2", 10), Err(FormError::NotUtf8 { field: 2 }));
        assert_eq!(parse(b"a=\xff", 10), Err(FormError::NotUtf8 { field: 1 }));
        assert_eq!(parse(b"a=\xed\xa0\x80", 10), Err(FormError::NotUtf8 { field: 1 }));
        assert_eq!(parse(b"a&b&c", 2), Err(FormError::TooManyFields { max: 2 }));
    }

    #[test]
    fn query_values_are_found_decoded() {
        assert_eq!(query_value("a=1&o=%41b&o=2", "o"), Some("Ab".to_owned()));
        assert_eq!(query_value("%6f=x", "o"), Some("x".to_owned()));
        assert_eq!(query_value("o", "o"), Some(String::new()));
        assert_eq!(query_value("oo=1", "o"), None);
        assert_eq!(query_value("", "o"), None);
    }

    proptest! {
        #[test]
        fn what_was_encoded_is_read_back(list in prop::collection::vec((".*", ".*"), 0..20)) {
            prop_assert_eq!(parse(encode(&list).as_bytes(), 20), Ok(list));
        }

        #[test]
        fn no_bytes_make_it_panic_or_pass_the_bound(bytes in prop::collection::vec(any::<u8>(), 0..400), max in 0_usize..9) {
            if let Ok(list) = parse(&bytes, max) {
                prop_assert!(list.len() <= max);
            }
        }

        #[test]
        fn escapes_everywhere_never_panic(text in "[%&=+a-fA-F0-9\\x00é]{0,60}") {
            let _ = parse(text.as_bytes(), 100);
            let _ = query_value(&text, "a");
        }
    }
}
