//! One message, and the shapes in which it is shown.

use crate::dates::rfc2822;
use crate::sid::Sid;
use serde_json::{Value, json};
use std::fmt;
use std::sync::Arc;

/// Which way a message goes, in Twilio's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From a customer.
    Inbound,
    /// Sent through the API.
    OutboundApi,
    /// Sent because a webhook's answer held it.
    OutboundReply,
}

impl Direction {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Inbound => "inbound",
            Self::OutboundApi => "outbound-api",
            Self::OutboundReply => "outbound-reply",
        }
    }
}

/// Where a message stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    Received,
    Queued,
    Sent,
    Failed,
    Undelivered,
    Delivered,
    Read,
}

impl Status {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Queued => "queued",
            Self::Sent => "sent",
            Self::Failed => "failed",
            Self::Undelivered => "undelivered",
            Self::Delivered => "delivered",
            Self::Read => "read",
        }
    }

    /// Twilio's own record goes forward only, and a failure is final. (Its callbacks may still cross.)
    pub(crate) const fn follows(self, current: Self) -> bool {
        if matches!(current, Self::Received | Self::Failed | Self::Undelivered) {
            return false;
        }
        self.rank() > current.rank()
    }

    const fn rank(self) -> u8 {
        match self {
            Self::Received | Self::Queued => 0,
            Self::Sent => 1,
            Self::Delivered => 2,
            Self::Read => 3,
            Self::Failed | Self::Undelivered => 4,
        }
    }
}

/// What Twilio says about an asynchronous failure.
pub(crate) const fn error_text(code: u32) -> &'static str {
    match code {
        63016 => {
            "Failed to send freeform message because you are outside the allowed window. Please use a Template."
        }
        63024 => "Invalid message recipient",
        63014 => "Message blocked by user action",
        _ => "Message delivery failed",
    }
}

/// How the customer's webhook delivery went, for the chat page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WebhookMark {
    /// The last answer's status; `None`: no answer.
    pub(crate) status: Option<u16>,
    /// All tries together.
    pub(crate) ms: u64,
}

/// What a message holds beside its text, for the chat page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Twilio's `MessageType`.
    pub(crate) kind: String,
    /// One line for people: the place, the button, the file's type.
    pub(crate) detail: String,
}

/// One message. Addresses are shared: there are many messages and few people.
#[derive(Clone)]
pub(crate) struct Message {
    pub(crate) seq: u64,
    pub(crate) sid: Sid,
    pub(crate) direction: Direction,
    /// The person's address.
    pub(crate) customer: Arc<str>,
    /// The sender's address.
    pub(crate) ours: Arc<str>,
    pub(crate) service: Option<Arc<str>>,
    pub(crate) body: Box<str>,
    pub(crate) callback: Option<Box<str>>,
    pub(crate) created_ms: i64,
    pub(crate) updated_ms: i64,
    pub(crate) sent_ms: Option<i64>,
    pub(crate) status: Status,
    pub(crate) error: Option<u32>,
    pub(crate) num_media: u32,
    pub(crate) webhook: Option<WebhookMark>,
    pub(crate) shown: Option<Box<Shown>>,
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Message({}, {}, {})", self.sid, self.direction.as_str(), self.status.as_str())
    }
}

impl Message {
    pub(crate) fn from(&self) -> &str {
        if self.direction == Direction::Inbound { &self.customer } else { &self.ours }
    }

    pub(crate) fn to(&self) -> &str {
        if self.direction == Direction::Inbound { &self.ours } else { &self.customer }
    }

    /// What the bound on bytes counts: the texts that callers choose.
    pub(crate) fn text_bytes(&self) -> usize {
        self.body.len()
            + self.callback.as_deref().map_or(0, str::len)
            + self.shown.as_deref().map_or(0, |shown| shown.detail.len())
    }

    /// The second that list filters compare: when it was sent, or, before that, when it was made.
    pub(crate) const fn listed_s(&self) -> i64 {
        match self.sent_ms {
            Some(ms) => ms.div_euclid(1_000),
            None => self.created_ms.div_euclid(1_000),
        }
    }

    /// The resource as the Messages API shows it.
    pub(crate) fn to_twilio(&self, account: &str) -> Value {
        let uri = format!("/2010-04-01/Accounts/{account}/Messages/{}", self.sid);
        json!({
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": &*self.body,
            "date_created": rfc2822(self.created_ms),
            "date_sent": self.sent_ms.map(rfc2822),
            "date_updated": rfc2822(self.updated_ms),
            "direction": self.direction.as_str(),
            "error_code": self.error,
            "error_message": self.error.map(error_text),
            "from": self.from(),
            "messaging_service_sid": self.service.as_deref(),
            "num_media": self.num_media.to_string(),
            "num_segments": "1",
            "price": null,
            "price_unit": null,
            "sid": self.sid.to_string(),
            "status": self.status.as_str(),
            "subresource_uris": { "media": format!("{uri}/Media.json") },
            "to": self.to(),
            "uri": format!("{uri}.json"),
        })
    }

    /// The message for tests and for the chat page.
    pub(crate) fn to_fake(&self) -> Value {
        let mut value = json!({
            "seq": self.seq,
            "sid": self.sid.to_string(),
            "direction": self.direction.as_str(),
            "customer": &*self.customer,
            "from": self.from(),
            "to": self.to(),
            "body": &*self.body,
            "status": self.status.as_str(),
            "error_code": self.error,
            "created_ms": self.created_ms,
            "sent_ms": self.sent_ms,
            "num_media": self.num_media,
        });
        if let Some(error) = self.error {
            value["error_message"] = error_text(error).into();
        }
        if let Some(mark) = self.webhook {
            value["webhook"] = json!({ "status": mark.status, "ms": mark.ms });
        }
        if let Some(shown) = &self.shown {
            value["kind"] = shown.kind.as_str().into();
            value["detail"] = shown.detail.as_str().into();
        }
        value
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_goes_forward_only() {
        assert!(Status::Sent.follows(Status::Queued));
        assert!(Status::Failed.follows(Status::Sent));
        assert!(!Status::Sent.follows(Status::Delivered));
        assert!(!Status::Delivered.follows(Status::Failed));
        assert!(!Status::Read.follows(Status::Received));
    }
}
