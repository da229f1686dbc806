//! The names of the queues and of the kinds of jobs in them. Nothing else spells them out.

/// Incoming webhooks: inbound messages and status callbacks.
pub const WEBHOOKS: &str = "whatsapp-webhooks";
/// Everything that reads or changes a conversation's draft or orders.
pub const ORDERS: &str = "order-processing";
/// Checks of job ads.
pub const REALITY_CHECK: &str = "reality-check";
/// Outgoing messages.
pub const REPLIES: &str = "whatsapp-replies";
/// The name under which dead jobs of all queues are listed.
pub const DEAD_LETTERS: &str = "dead-letter-queue";

/// Every queue that holds jobs, in the order in which a message meets them.
pub const ALL: [&str; 4] = [WEBHOOKS, ORDERS, REALITY_CHECK, REPLIES];

/// An inbound message, to be routed. Payload: `InboundMessage`.
pub const KIND_INBOUND: &str = "inbound-message";
/// A status callback. Payload: `StatusCallback`.
pub const KIND_STATUS: &str = "status-callback";
/// A message for the order conversation. Payload: `OrderJob`.
pub const KIND_ORDER: &str = "order-message";
/// A text to be checked. Payload: `CheckJob`.
pub const KIND_CHECK: &str = "check-text";
/// A reply to be sent. Payload: `ReplyJob`.
pub const KIND_REPLY: &str = "send-reply";

/// The codec of all payloads so far: JSON.
pub const CODEC_JSON_V1: u8 = 1;
