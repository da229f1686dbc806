//! Where a message comes from or goes to.

use serde::{Deserialize, Serialize};
use std::fmt;

/// The longest address accepted. WhatsApp user names reach about 130 characters behind their prefix.
pub const ADDRESS_CHARS_MAX: usize = 200;

/// An opaque channel address as Twilio writes it: `whatsapp:+9779800000000`, or a user without a phone
/// number, `whatsapp:NP.1A2B3C`. It is compared byte for byte and never taken apart for identity.
///
/// `Debug` shows a redacted form, so that an address cannot reach a log by accident; [`Address::as_str`]
/// is the whole.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address(String);

/// Why a text is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Nothing there.
    #[error("the address is empty")]
    Empty,
    /// Longer than [`ADDRESS_CHARS_MAX`].
    #[error("the address has {0} characters; at most {ADDRESS_CHARS_MAX} are accepted")]
    TooLong(usize),
    /// A control character, which no channel uses and every log suffers from.
    #[error("the address holds a control character")]
    ControlCharacter,
}

impl Address {
    /// Checks and wraps `text`, unchanged.
    pub fn parse(text: impl Into<String>) -> Result<Self, AddressError> {
        let text = text.into();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        let length = text.chars().count();
        if length > ADDRESS_CHARS_MAX {
            return Err(AddressError::TooLong(length));
        }
        if text.chars().any(char::is_control) {
            return Err(AddressError::ControlCharacter);
        }
        Ok(Self(text))
    }

    /// The whole address. Never put this into a log.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The channel (`whatsapp`), or `sms` where the address names none.
    pub fn channel(&self) -> &str {
        self.0.split_once(':').map_or("sms", |(channel, _)| channel)
    }

    /// A form for people and logs: the channel and the last two characters.
    pub fn redacted(&self) -> String {
        let tail: Vec<char> = self.0.chars().rev().take(2).collect();
        let tail: String = tail.into_iter().rev().collect();
        format!("{}:…{tail}", self.channel())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", self.redacted())
    }
}

impl TryFrom<String> for Address {
    type Error = AddressError;
    fn try_from(text: String) -> Result<Self, AddressError> {
        Self::parse(text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_never_shows_the_whole() {
        let address = Address::parse("whatsapp:+9779812345678").expect("valid");
        assert_eq!(format!("{address:?}"), "Address(whatsapp:…78)");
    }

    #[test]
    fn a_user_without_a_number_is_an_address_too() {
        let address = Address::parse("whatsapp:NP.1A2B3C4D5E6F7081").expect("valid");
        assert_eq!(address.channel(), "whatsapp");
    }

    #[test]
    fn what_is_refused_says_why() {
        assert_eq!(Address::parse(""), Err(AddressError::Empty));
        assert_eq!(Address::parse("whatsapp:+1\n2"), Err(AddressError::ControlCharacter));
        assert_eq!(Address::parse("9".repeat(201)), Err(AddressError::TooLong(201)));
    }
}
