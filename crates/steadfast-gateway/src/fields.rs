//! A form's fields on their way into a message.

use steadfast_core::address::{Address, AddressError};
use steadfast_core::message::{AccountSid, MessageSid, SidError};

/// Why a form is no message and no status callback. Names the field, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FieldError {
    /// It is not there, or empty.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// It is no id of Twilio's.
    #[error(transparent)]
    Sid(#[from] SidError),
    /// It is no address.
    #[error("{field} is unusable: {source}")]
    Address {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: AddressError,
    },
}

/// The fields not yet used, in the order received. Taking one takes its first occurrence.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) fn new(pairs: Vec<(String, String)>) -> Self {
        Self(pairs)
    }

    /// The first value of `name`, unless it is empty.
    pub(crate) fn peek(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|v| !v.is_empty())
    }

    /// Takes the first value of `name`, without NUL; `None` if it is absent or empty.
    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(known, _)| known == name)?;
        let value = without_nul(self.0.remove(at).1);
        (!value.is_empty()).then_some(value)
    }

    /// Drops the fields of these names whose value is `value`: they say nothing new.
    pub(crate) fn drop_repeats(&mut self, names: &[&str], value: &str) {
        self.0.retain(|(name, text)| !(names.contains(&name.as_str()) && text == value));
    }

    /// What is left, without NUL.
    pub(crate) fn rest(self) -> Vec<(String, String)> {
        self.0.into_iter().map(|(name, value)| (without_nul(name), without_nul(value))).collect()
    }

    /// The message's id: `MessageSid`, or the older names for it.
    pub(crate) fn message_sid(&mut self) -> Result<MessageSid, FieldError> {
        const NAMES: [&str; 3] = ["MessageSid", "SmsMessageSid", "SmsSid"];
        let text = NAMES.iter().find_map(|name| self.peek(name)).ok_or(FieldError::Missing(NAMES[0]))?;
        let sid = MessageSid::parse(text)?;
        self.drop_repeats(&NAMES, sid.as_str());
        Ok(sid)
    }

    pub(crate) fn account_sid(&mut self) -> Result<AccountSid, FieldError> {
        let text = self.take("AccountSid").ok_or(FieldError::Missing("AccountSid"))?;
        Ok(AccountSid::parse(text)?)
    }

    pub(crate) fn address(&mut self, field: &'static str) -> Result<Address, FieldError> {
        let text = self.take(field).ok_or(FieldError::Missing(field))?;
        Address::parse(text).map_err(|source| FieldError::Address { field, source })
    }
}

/// NUL is legal in a form and in JSON, but no text column of PostgreSQL takes it.
fn without_nul(mut text: String) -> String {
    text.retain(|character| character != '\0');
    text
}
