//! The id that follows a message from the webhook to its last status callback.

use crate::message::{AccountSid, MessageSid};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;

/// A correlation id: 32 lower-case hex digits, valid as a W3C trace id, so that logs and traces share it.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct CorrelationId(String);

impl CorrelationId {
    /// The correlation id of the work that `seed` (a message's account and sid) starts. Derived, not
    /// random: a second delivery of one message has the same id, and so have its log lines.
    pub fn derived_from(seed: &str) -> Self {
        let digest = Sha256::digest(seed.as_bytes());
        Self(hex::encode(&digest[..16]))
    }

    /// The id of everything that the message `sid` of `account` causes, and of everything said about it.
    pub fn of_message(account: &AccountSid, sid: &MessageSid) -> Self {
        Self::derived_from(&format!("{account}/{sid}"))
    }

    /// Takes over an id that came with a job or a header; anything but 32 hex digits is replaced by one
    /// derived from it.
    pub fn adopt(text: &str) -> Self {
        if text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            Self(text.to_ascii_lowercase())
        } else {
            Self::derived_from(text)
        }
    }

    /// The 32 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A W3C `traceparent` header for outgoing calls made on behalf of this id.
    pub fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.0, &self.0[..16])
    }
}

impl fmt::Debug for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for CorrelationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_message_has_the_same_id() {
        let first = CorrelationId::derived_from("AC1/SM1");
        assert_eq!(first, CorrelationId::derived_from("AC1/SM1"));
        assert_ne!(first, CorrelationId::derived_from("AC1/SM2"));
        assert_eq!(first.as_str().len(), 32);
        assert_eq!(CorrelationId::adopt(first.as_str()), first);
    }
}
