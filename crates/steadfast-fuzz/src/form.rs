//! `application/x-www-form-urlencoded`, as the gateway reads it.

use steadfast_gateway::form::{FormError, encode, parse};

const FIELDS_MAX: usize = 1_000;

/// The whole input is a form. What is read is bounded by what came, reads back after being written, and an
/// error names a field that is there.
pub fn form(data: &[u8]) {
    match parse(data, FIELDS_MAX) {
        Ok(pairs) => {
            assert!(pairs.len() <= FIELDS_MAX, "more fields than allowed");
            let bytes: usize = pairs.iter().map(|(name, value)| name.len() + value.len()).sum();
            assert!(bytes <= data.len(), "decoding makes nothing longer");
            let written = encode(&pairs);
            assert!(written.bytes().all(|byte| byte.is_ascii_graphic()), "a form is printable");
            assert_eq!(
                parse(written.as_bytes(), FIELDS_MAX),
                Ok(pairs.clone()),
                "what was written reads back"
            );
            if let Some(fewer) = pairs.len().checked_sub(1) {
                assert_eq!(parse(data, fewer), Err(FormError::TooManyFields { max: fewer }));
            }
        }
        Err(FormError::BadEscape { field } | FormError::NotUtf8 { field }) => {
            let fields = data.split(|&byte| byte == b'&').filter(|raw| !raw.is_empty()).count();
            assert!((1..=fields.min(FIELDS_MAX)).contains(&field), "field {field} of {fields}");
        }
        Err(error) => assert_eq!(error, FormError::TooManyFields { max: FIELDS_MAX }),
    }
}
