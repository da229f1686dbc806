//! What a person sent us.

use crate::address::Address;
use serde::{Deserialize, Serialize};
use std::fmt;

/// Twilio's id of a message: two letters and 32 hex digits (`SM…`, with media `MM…`).
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MessageSid(String);

/// Twilio's id of an account: `AC` and 32 hex digits.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct AccountSid(String);

/// Why a text is no id of Twilio's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {prefixes} and 32 hex digits")]
pub struct SidError {
    what: &'static str,
    prefixes: &'static str,
}

fn is_sid(text: &str, prefixes: &[&str]) -> bool {
    text.len() == 34
        && text.is_char_boundary(2)
        && prefixes.contains(&&text[..2])
        && text[2..].bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl MessageSid {
    /// Checks and wraps `text`.
    pub fn parse(text: impl Into<String>) -> Result<Self, SidError> {
        let text = text.into();
        if is_sid(&text, &["SM", "MM"]) {
            Ok(Self(text))
        } else {
            Err(SidError { what: "MessageSid", prefixes: "SM or MM" })
        }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl AccountSid {
    /// Checks and wraps `text`.
    pub fn parse(text: impl Into<String>) -> Result<Self, SidError> {
        let text = text.into();
        if is_sid(&text, &["AC"]) {
            Ok(Self(text))
        } else {
            Err(SidError { what: "AccountSid", prefixes: "AC" })
        }
    }

    /// The id.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! sid_conversions {
    ($name:ident) => {
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $name {
            type Error = SidError;
            fn try_from(text: String) -> Result<Self, SidError> {
                Self::parse(text)
            }
        }
        impl From<$name> for String {
            fn from(sid: $name) -> Self {
                sid.0
            }
        }
    };
}
sid_conversions!(MessageSid);
sid_conversions!(AccountSid);

/// One inbound message as the webhook brought it. What Twilio may add later stays in `extra`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct InboundMessage {
    /// The message's id.
    pub sid: MessageSid,
    /// The account it came to.
    pub account: AccountSid,
    /// Who wrote it.
    pub from: Address,
    /// Our address it was written to.
    pub to: Address,
    /// The text, NUL removed, otherwise untouched. Empty for many media messages.
    pub body: String,
    /// What it carries.
    pub content: Content,
    /// The writer's profile name, as sent.
    pub profile_name: Option<String>,
    /// The business-scoped user id, where Twilio sends one: the stabler identity.
    pub external_user_id: Option<String>,
    /// When the gateway received it, in milliseconds since the Unix epoch.
    pub received_ms: i64,
    /// The message it answers, if it quotes one.
    pub in_reply_to: Option<String>,
    /// Every other field, in the order received.
    pub extra: Vec<(String, String)>,
}

/// What an inbound message carries besides its text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Content {
    /// Text alone.
    Text,
    /// Files: images, audio, video, documents, stickers.
    Media {
        /// The files, at most ten as Twilio sends them.
        items: Vec<Media>,
    },
    /// A place.
    Location {
        /// Degrees north, -90 to 90.
        latitude: f64,
        /// Degrees east, -180 to 180.
        longitude: f64,
        /// The place's address, as typed by its owner.
        address: Option<String>,
        /// The place's name.
        label: Option<String>,
    },
    /// A tapped button.
    Button {
        /// What the button says.
        text: String,
        /// What the button means to us.
        payload: String,
    },
    /// A chosen list entry.
    ListChoice {
        /// The entry's id.
        id: String,
        /// What the entry says.
        title: String,
    },
    /// A type we do not know (reaction, contacts, order, whatever comes next): recorded and answered kindly.
    Other {
        /// Twilio's `MessageType`, empty if it sent none.
        message_type: String,
    },
}

/// One file of a message.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Media {
    /// Where Twilio keeps it.
    pub url: String,
    /// Its declared MIME type, lower-cased.
    pub content_type: String,
}

impl fmt::Debug for Media {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Media({})", self.content_type)
    }
}

impl fmt::Debug for InboundMessage {
    /// Everything but what the person wrote and who they are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboundMessage")
            .field("sid", &self.sid)
            .field("from", &self.from)
            .field("to", &self.to)
            .field("body_chars", &self.body.chars().count())
            .finish_non_exhaustive()
    }
}

/// One status callback for a message that we sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StatusCallback {
    /// The outbound message's id.
    pub sid: MessageSid,
    /// The account.
    pub account: AccountSid,
    /// Twilio's word for the state, lower-cased, unknown words included.
    pub status: String,
    /// Twilio's error code, if the message failed.
    pub error_code: Option<u32>,
    /// The outbox entry that the callback URL named (`?o=`): resolves sends whose answer was lost.
    pub outbox_id: Option<crate::outbox::OutboxId>,
    /// When the gateway received it, in milliseconds since the Unix epoch.
    pub received_ms: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sids_are_checked() {
        assert!(MessageSid::parse("SM00000000000000000000000000000001").is_ok());
        assert!(MessageSid::parse("MMffffffffffffffffffffffffffffffff").is_ok());
        for wrong in
            ["", "SM1", "XX00000000000000000000000000000001", "SM0000000000000000000000000000000g", "é"]
        {
            assert!(MessageSid::parse(wrong).is_err(), "{wrong}");
        }
        assert!(AccountSid::parse("SM00000000000000000000000000000001").is_err());
    }
}
