//! What happened to a message, in order.

use serde::{Deserialize, Serialize};

/// One entry of a message's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimelineEvent {
    /// When, in milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// Which stage: `received`, `routed`, `handled`, `order_placed`, `reply_queued`, `sent`, `delivered`, …
    pub stage: String,
    /// What there is to say, never the person's text nor a whole address.
    pub detail: String,
}

/// The life of one message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// The message.
    pub sid: String,
    /// `inbound` or `outbound`.
    pub direction: String,
    /// The other side's address, redacted.
    pub address: String,
    /// The correlation id, shared by everything the message caused.
    pub correlation_id: String,
    /// What happened, oldest first; for an inbound message also what happened to its replies.
    pub events: Vec<TimelineEvent>,
}
