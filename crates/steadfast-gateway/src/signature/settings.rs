//! The header that says which shared key signed, and how.

/// What the settings header asks for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Settings<'a> {
    /// The shared key's id.
    pub(super) key: &'a str,
    /// The algorithm's name.
    pub(super) algorithm: &'a str,
}

/// Reads `key=…,algorithm=…` in either order. Parts with other names are passed over, because Twilio adds
/// without notice; a part that is missing, doubled or without a value makes the header unusable.
pub(super) fn parse(header: &str) -> Option<Settings<'_>> {
    let (mut key, mut algorithm) = (None, None);
    for part in header.split(',') {
        let (name, value) = part.split_once('=')?;
        let (name, value) = (name.trim(), value.trim());
        let slot = if name.eq_ignore_ascii_case("key") {
            &mut key
        } else if name.eq_ignore_ascii_case("algorithm") {
            &mut algorithm
        } else {
            continue;
        };
        if value.is_empty() || slot.replace(value).is_some() {
            return None;
        }
    }
    Some(Settings { key: key?, algorithm: algorithm? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn either_order_and_further_parts_are_read() {
        let expected = Some(Settings { key: "webhooks_sharedkey_1", algorithm: "HMAC_SHA256" });
        assert_eq!(parse("key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"), expected);
        assert_eq!(parse("algorithm=HMAC_SHA256, v=2 , Key=webhooks_sharedkey_1"), expected);
    }

    #[test]
    fn what_cannot_be_understood_is_not_guessed_at() {
        for wrong in
            ["", "key=a", "algorithm=b", "key=,algorithm=b", "key=a,key=b,algorithm=c", "key=a,algorithm=b,"]
        {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
