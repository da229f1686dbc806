//! A form's fields as a status callback.

use crate::fields::{FieldError, Fields};
use steadfast_core::message::StatusCallback;
use steadfast_core::outbox::OutboxId;

/// The longest status word kept, in bytes: Twilio's have at most twenty.
const STATUS_BYTES_MAX: usize = 64;

/// Whether these fields are a status callback rather than an inbound message, whichever path they came
/// to. Operators mix the two URLs up, and neither message nor status should be lost by that.
pub fn is_status(pairs: &[(String, String)]) -> bool {
    status_word(pairs).is_some_and(|word| !means_inbound(word))
}

/// Whether these fields are clearly an inbound message.
pub(crate) fn is_inbound(pairs: &[(String, String)]) -> bool {
    match status_word(pairs) {
        Some(word) => means_inbound(word),
        None => pairs.iter().any(|(name, _)| name == "Body" || name == "NumMedia"),
    }
}

fn status_word(pairs: &[(String, String)]) -> Option<&str> {
    let value = |wanted: &str| {
        pairs
            .iter()
            .find(|(name, value)| name == wanted && !value.is_empty())
            .map(|(_, value)| value.as_str())
    };
    value("MessageStatus").or_else(|| value("SmsStatus"))
}

fn means_inbound(word: &str) -> bool {
    word.eq_ignore_ascii_case("received") || word.eq_ignore_ascii_case("receiving")
}

/// Reads the fields of a status callback, decoded, and the query it was sent with (without `?`), whose
/// `o` names the outbox entry.
///
/// Status words that nobody knows yet are kept. `received_ms` is the time of receipt in milliseconds
/// since the Unix epoch.
pub fn read(
    pairs: Vec<(String, String)>,
    query: &str,
    received_ms: i64,
) -> Result<StatusCallback, FieldError> {
    let mut fields = Fields::new(pairs);
    let sid = fields.message_sid()?;
    let account = fields.account_sid()?;
    let status = fields.take("MessageStatus").or_else(|| fields.take("SmsStatus"));
    let mut status = status.ok_or(FieldError::Missing("MessageStatus"))?.to_lowercase();
    status.truncate(status.floor_char_boundary(STATUS_BYTES_MAX));
    Ok(StatusCallback {
        sid,
        account,
        status,
        error_code: fields.take("ErrorCode").and_then(|code| code.trim().parse().ok()),
        outbox_id: crate::form::query_value(query, "o").and_then(|id| OutboxId::parse(&id)),
        received_ms,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
    }

    const SID: &str = "SM00000000000000000000000000000100";
    const ACCOUNT: &str = "AC00000000000000000000000000000000";

    #[test]
    fn the_older_status_name_and_odd_codes_are_read() {
        let form = pairs(&[
            ("SmsSid", SID),
            ("AccountSid", ACCOUNT),
            ("SmsStatus", "DELIVERED"),
            ("ErrorCode", "n/a"),
        ]);
        let callback = read(form, "x=1&o=ABCDEF00000000000000000000000001", 7).expect("readable");
        assert_eq!(callback.status, "delivered");
        assert_eq!(callback.error_code, None);
        assert_eq!(callback.outbox_id, OutboxId::parse("abcdef00000000000000000000000001"));
        assert_eq!(callback.received_ms, 7);
    }

    #[test]
    fn a_foreign_outbox_id_is_no_outbox_id() {
        let form = pairs(&[("MessageSid", SID), ("AccountSid", ACCOUNT), ("MessageStatus", "sent")]);
        assert_eq!(read(form, "o=1%27%3B--", 0).expect("readable").outbox_id, None);
    }

    #[test]
    fn what_is_missing_is_named() {
        let form = pairs(&[("MessageSid", SID), ("AccountSid", ACCOUNT), ("MessageStatus", "")]);
        assert_eq!(read(form, "", 0).expect_err("no status").to_string(), "MessageStatus is missing");
    }

    #[test]
    fn the_fields_decide_which_of_the_two_it_is() {
        assert!(is_status(&pairs(&[("MessageStatus", "some_new_state"), ("SmsStatus", "sent")])));
        assert!(is_status(&pairs(&[("SmsStatus", "delivered")])));
        assert!(!is_status(&pairs(&[("SmsStatus", "received"), ("Body", "hi")])));
        assert!(!is_status(&pairs(&[("MessageStatus", ""), ("SmsStatus", "received")])));
        assert!(!is_status(&pairs(&[("Body", "hi")])));
    }
}
